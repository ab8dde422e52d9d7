//! What accounts may send apart from the server's settings: their own limits, and a pause.
//!
//! Invariants: what is told is what was committed; who has nothing of their own has no entry, so
//! that all entries fit in memory and nobody asks the store before each message.

use super::{DIRECTORY, Directory, Puts, damaged};
use crate::{
    Error,
    codec::{Reader, Writer},
    keys::{self, tag},
};
use bytes::Bytes;
use mail::{AccountId, Address};
use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

const FORM: u8 = 1;

/// What an account may send.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sending {
    /// Recipients elsewhere within an hour; 0: any number. `None`: the server's.
    pub recipients_hour_max: Option<u32>,
    /// Recipients elsewhere within a day; 0: any number. `None`: the server's.
    pub recipients_day_max: Option<u32>,
    /// It sends nothing.
    pub paused: bool,
}

/// All that differ from the server's settings.
#[derive(Default)]
pub(super) struct Sendings(Mutex<HashMap<u32, Sending>>);

impl Sendings {
    fn all(&self) -> MutexGuard<'_, HashMap<u32, Sending>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn keep(&self, id: AccountId, sending: Sending) {
        match sending == Sending::default() {
            true => self.all().remove(&id.0),
            false => self.all().insert(id.0, sending),
        };
    }
}

impl Sending {
    fn write(self) -> Option<Bytes> {
        if self == Self::default() {
            return None;
        }
        let limit = |max: Option<u32>| max.map_or(0, |max| u64::from(max) + 1);
        let mut to = Writer::default();
        to.byte(FORM).byte(self.paused.into());
        to.number(limit(self.recipients_hour_max)).number(limit(self.recipients_day_max));
        Some(to.done())
    }

    fn read(octets: &[u8]) -> Option<Self> {
        let mut from = Reader(octets);
        (from.byte()? == FORM).then_some(())?;
        let paused = from.byte()? != 0;
        let mut limit = || match from.number()?.checked_sub(1) {
            None => Some(None),
            Some(max) => u32::try_from(max).ok().map(Some),
        };
        Some(Self { recipients_hour_max: limit()?, recipients_day_max: limit()?, paused })
    }
}

impl Directory {
    /// Reads what all accounts have of their own.
    pub(super) async fn load_sending(&self) -> Result<(), Error> {
        let (from, to) = keys::all(tag::SENDING);
        let entries_max = usize::MAX;
        let scan = store::Scan { account: DIRECTORY, from, to, reverse: false, entries_max };
        for (key, value) in self.shared.kv.scan(scan).await? {
            let id = key.get(1..).and_then(keys::number);
            let (Some(id), Some(sending)) = (id, Sending::read(&value)) else {
                return Err(damaged("what an account may send"));
            };
            self.sendings.keep(AccountId(id), sending);
        }
        Ok(())
    }

    /// What an account may send.
    #[must_use]
    pub fn sending(&self, id: AccountId) -> Sending {
        self.sendings.all().get(&id.0).copied().unwrap_or_default()
    }

    /// Changes what an account may send; gives what it may now.
    ///
    /// # Errors
    /// [`crate::Refused::NoSuchEntry`]; the store's.
    pub async fn set_sending(
        &self,
        address: &Address,
        edit: impl Fn(Sending) -> Sending + Send + Sync,
    ) -> Result<Sending, Error> {
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            let (id, _) = self.of(address).await?;
            let key = keys::sending(id.0).bytes();
            let known = self.value(key.clone()).await?;
            let known =
                known.map(|value| Sending::read(&value)).unwrap_or(Some(Sending::default()));
            let sending = edit(known.ok_or_else(|| damaged("what an account may send"))?);
            if self.won(head, vec![(key, sending.write())]).await? {
                self.sendings.keep(id, sending);
                return Ok(sending);
            }
        }
    }

    /// What forgets it: the account is erased.
    pub(super) fn without_sending(id: AccountId) -> Puts {
        vec![(keys::sending(id.0).bytes(), None)]
    }

    /// It is forgotten.
    pub(super) fn forget_sending(&self, id: AccountId) {
        self.sendings.keep(id, Sending::default());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        assert_eq!(Sending::default().write(), None);
        for sending in [
            Sending { paused: true, ..Sending::default() },
            Sending {
                recipients_hour_max: Some(0),
                recipients_day_max: Some(u32::MAX),
                paused: false,
            },
            Sending { recipients_hour_max: Some(7), recipients_day_max: None, paused: true },
        ] {
            let octets = sending.write().unwrap();
            assert_eq!(Sending::read(&octets), Some(sending));
            for end in 0..octets.len() {
                assert_eq!(Sending::read(&octets[..end]), None);
            }
        }
    }
}
