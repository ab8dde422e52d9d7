//! Which conversation a message belongs to. Two messages are of one when they name the same message
//! id (Message-ID, In-Reply-To, References) and their base subjects agree (RFC 8621 §3): who takes
//! an old mail and changes its subject begins something new. An answer that names no id joins the
//! last conversation of its subject.
//!
//! What is known is in the store; of the last messages, which may not be there yet, in memory.

use crate::{
    Account, Error,
    codec::{Reader, Writer},
    draft::Draft,
    keys,
    record::Ingest,
    seal::Kind,
};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Hashes remembered in memory of each account, twice.
const RECENT_MAX: usize = 512;
/// References that count: the first and the last ones (RFC 5322 §3.6.4 lets a list be cut).
const REFERENCES_MAX: usize = 20;
/// An answer without references joins a conversation of its subject that is not older.
const SUBJECT_SECONDS_MAX: i64 = 30 * 86_400;

/// What a hash stands for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Known {
    thread: u32,
    /// When it was written, in seconds.
    time: i64,
}

impl Known {
    fn write(self, to: &mut Writer) {
        to.number(self.thread.into()).signed(self.time);
    }
    fn read(value: &[u8]) -> Option<Self> {
        let mut from = Reader(value);
        Some(Self { thread: from.number32()?, time: from.signed()? })
    }
}

/// What is known of the last messages: two generations, so that the newest half always stays.
#[derive(Default)]
pub(crate) struct Recent(Mutex<[HashMap<u64, Known>; 2]>);

impl Recent {
    fn find(&self, hash: u64) -> Option<Known> {
        let [young, old] = &*self.0.lock().unwrap_or_else(PoisonError::into_inner);
        young.get(&hash).or_else(|| old.get(&hash)).copied()
    }
    fn remember(&self, hashes: impl Iterator<Item = u64>, known: Known) {
        let mut both = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let [young, old] = &mut *both;
        for hash in hashes {
            if young.len() >= RECENT_MAX {
                *old = std::mem::take(young);
            }
            young.insert(hash, known);
        }
    }
}

/// What a message's ids say.
pub(crate) struct Threading {
    pub thread: u32,
    known: Known,
    /// Hashes to be stored with this thread.
    hashes: Vec<u64>,
}

impl Threading {
    /// Puts what is new.
    pub fn put(&self, draft: &mut Draft) {
        for hash in &self.hashes {
            draft.put_with(keys::thread(*hash), |to| self.known.write(to));
        }
    }
}

impl Account {
    /// The thread of a new message: that of a message it answers, or of one that answers it, or its
    /// own.
    pub(crate) async fn threading(
        &self,
        ingest: &Ingest,
        message: u32,
    ) -> Result<Threading, Error> {
        let now = self.shared.clock.now_seconds();
        let subject = ingest.base_subject.as_bytes();
        let (first, rest) = match ingest.references.split_first() {
            Some((first, rest)) => (Some(first), rest),
            None => (None, &[][..]),
        };
        let last = rest.iter().rev().take(REFERENCES_MAX);
        let ids = ingest.message_id.iter().chain(last).chain(first);
        let mut hashes: Vec<u64> =
            ids.map(|id| self.seal.hash(Kind::MessageId, &[id, subject])).collect();
        let named = hashes.len();
        if !subject.is_empty() {
            hashes.push(self.seal.hash(Kind::Subject, &[subject]));
        }
        let known = self.known(&hashes).await?;
        let of_ids = known.iter().take(named).flatten().next();
        let of_subject = known.get(named).copied().flatten().filter(|known| {
            let fresh = now.saturating_sub(known.time) <= SUBJECT_SECONDS_MAX;
            ingest.answers && ingest.references.is_empty() && fresh
        });
        let thread = of_ids.copied().or(of_subject).map_or(message, |known| known.thread);
        let mine = Known { thread, time: now };
        self.threads.remember(hashes.iter().copied(), mine);
        // A subject's time is renewed from time to time only.
        let stale = |known: &Known, at: usize| {
            known.thread != thread
                || at >= named && now.saturating_sub(known.time) > SUBJECT_SECONDS_MAX / 4
        };
        let pairs = hashes.iter().zip(&known).enumerate();
        let new = pairs.filter(|(at, (_, known))| known.is_none_or(|known| stale(&known, *at)));
        let hashes = new.map(|(_, (hash, _))| *hash).collect();
        Ok(Threading { thread, known: mine, hashes })
    }

    async fn known(&self, hashes: &[u64]) -> Result<Vec<Option<Known>>, Error> {
        let mut known: Vec<_> = hashes.iter().map(|hash| self.threads.find(*hash)).collect();
        let missing = hashes.iter().zip(&known).filter(|(_, known)| known.is_none());
        let names: Vec<_> = missing.map(|(hash, _)| keys::thread(*hash).bytes()).collect();
        if names.is_empty() {
            return Ok(known);
        }
        let found = self.shared.kv.get_many(self.id.0, names).await?;
        let empty = known.iter_mut().filter(|known| known.is_none());
        for (slot, value) in empty.zip(found) {
            *slot = value.and_then(|value| Known::read(&value));
        }
        Ok(known)
    }
}
