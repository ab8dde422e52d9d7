//! Accounts in the directory: made, changed, erased. Each change is one commit.

use super::{Directory, Entry, Password, damaged};
use crate::{
    Account, Error, Refused, keys, load, password,
    person::{App, Person},
    seal::Seal,
};
use bytes::Bytes;
use mail::{AccountId, Address};
use std::sync::Arc;

/// Capabilities that one account's clients are not shown.
pub const HIDDEN_MAX: usize = 32;
/// Octets of a capability's name.
pub const CAPABILITY_OCTETS_MAX: usize = 64;

impl Directory {
    /// As [`Self::add_account_with`]; hashes the password in this thread.
    ///
    /// # Errors
    /// As there.
    pub async fn add_account(
        &self,
        address: &Address,
        password: &[u8],
    ) -> Result<AccountId, Error> {
        let password = Password::hash(password, &self.shared.options)?;
        self.add_account_with(address, password).await
    }

    /// Adds an account with its special-use mailboxes.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`] when the domain is not ours, [`Refused::EntryExists`]; the store's.
    pub async fn add_account_with(
        &self,
        address: &Address,
        Password(kept): Password,
    ) -> Result<AccountId, Error> {
        if !self.has_domain(address.domain()).await? {
            return Err(Refused::NoSuchEntry.into());
        }
        if self.entry(address).await?.is_some() {
            return Err(Refused::EntryExists.into());
        }
        let id = self.next_id().await?;
        self.make_account(id).await?;
        let generation = kept.salt.first_chunk().copied().unwrap_or_default();
        let person = Person {
            address: address.clone(),
            disabled: false,
            octets_max: None,
            messages_max: None,
            generation: u64::from_be_bytes(generation),
            password: kept,
            apps: Vec::new(),
            hidden: Vec::new(),
        };
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            if self.entry(address).await?.is_some() {
                return Err(Refused::EntryExists.into());
            }
            let entry = Entry::Account(id).write();
            let puts = vec![
                (keys::address(&address.fold()), Some(entry)),
                self.person_put(id, &person)?,
                (keys::erasing(id.0).bytes(), None),
            ];
            if self.won(head, puts).await? {
                return Ok(id);
            }
        }
    }

    /// Takes the next account id; nobody else gets it. Until somebody has the account it is to be
    /// erased.
    async fn next_id(&self) -> Result<AccountId, Error> {
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            let next = self.value(keys::version().bytes()).await?;
            let next = next.and_then(|v| v.as_ref().try_into().ok().map(u32::from_be_bytes));
            let id = next.unwrap_or(1);
            let after = id.checked_add(1).ok_or(Refused::Limit)?.to_be_bytes();
            let puts = vec![
                (keys::version().bytes(), Some(Bytes::copy_from_slice(&after))),
                (keys::erasing(id).bytes(), Some(Bytes::new())),
            ];
            if self.won(head, puts).await? {
                return Ok(AccountId(id));
            }
        }
    }

    /// Makes the account's key and mailboxes, before anybody can find it.
    async fn make_account(&self, id: AccountId) -> Result<(), Error> {
        let (_, wrapped) = Seal::make(id.0, &self.shared.master)?;
        let commit = store::Commit {
            account: id.0,
            expected: 0,
            head: 1,
            puts: vec![(keys::sealing().bytes(), Some(wrapped.clone().into()))],
            ..store::Commit::default()
        };
        self.shared.kv.commit(commit).await?;
        let seal = Seal::open_key(id.0, &self.shared.master, &wrapped)?;
        let given = self.uid_validity().await?;
        Account::load(id, Arc::clone(&self.shared), seal).await?.make_first(given).await
    }

    /// The largest UIDVALIDITY that an erased account gave.
    async fn uid_validity(&self) -> Result<u32, Error> {
        let kept = self.value(keys::uid_validity().bytes()).await?;
        let read = |kept: Bytes| kept.as_ref().try_into().ok().map(u32::from_be_bytes);
        kept.map_or(Ok(0), |kept| read(kept).ok_or_else(|| damaged("the largest UIDVALIDITY")))
    }

    /// What keeps the UIDVALIDITY of an account that is to be erased, when it is the largest. RFC
    /// 9051 §2.3.1.1: a mailbox that is made anew has another, also when its account is.
    async fn outlive(&self, id: AccountId) -> Result<Option<(Bytes, Option<Bytes>)>, Error> {
        let counters = self.shared.kv.get(id.0, keys::version().bytes()).await?;
        // Of an account that is damaged or half made nothing is known: the clock has to do.
        let given = counters.and_then(|counters| load::uid_validity(&counters)).unwrap_or(0);
        let kept = self.uid_validity().await?;
        let value = Bytes::copy_from_slice(&given.to_be_bytes());
        Ok((given > kept).then(|| (keys::uid_validity().bytes(), Some(value))))
    }

    /// As [`Self::outlive`], once nothing can be changed in the account any more.
    pub(super) async fn keep_uid_validity(&self, id: AccountId) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            // After a commit what was on its way before it can be seen: looked at until it stays.
            let Some(put) = self.outlive(id).await? else { return Ok(()) };
            self.won(head, vec![put]).await?;
        }
    }

    /// Erases an account: its addresses, then its key, keys and blobs.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`]; the store's.
    pub async fn remove_account(&self, address: &Address) -> Result<(), Error> {
        let mut tries = 0;
        let id = loop {
            let head = self.head(&mut tries).await?;
            let (id, person) = self.of(address).await?;
            let mut puts = vec![
                (keys::address(&person.address.fold()), None),
                (keys::person(id.0).bytes(), None),
                (keys::erasing(id.0).bytes(), Some(Bytes::new())),
            ];
            puts.extend(self.without_tokens(id).await?);
            puts.extend(self.outlive(id).await?);
            puts.extend(Self::without_sending(id));
            if self.won(head, puts).await? {
                break id;
            }
        };
        self.erase(id).await
    }

    pub(super) async fn of(&self, address: &Address) -> Result<(AccountId, Person), Error> {
        let Some(Entry::Account(id)) = self.entry(address).await? else {
            return Err(Refused::NoSuchEntry.into());
        };
        let person = self.person(id).await?.ok_or_else(|| damaged("an account is missing"))?;
        Ok((id, person))
    }

    /// Changes an account's person.
    async fn edit(
        &self,
        address: &Address,
        edit: &(dyn Fn(&mut Person) -> Result<(), Error> + Send + Sync),
    ) -> Result<(AccountId, Person), Error> {
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            let (id, mut person) = self.of(address).await?;
            edit(&mut person)?;
            let puts = vec![self.person_put(id, &person)?];
            if self.won(head, puts).await? {
                return Ok((id, person));
            }
        }
    }

    /// Sets the password.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`]; the store's.
    pub async fn set_password(
        &self,
        address: &Address,
        Password(kept): Password,
    ) -> Result<(), Error> {
        self.edit(address, &|person: &mut Person| {
            person.password = kept.clone();
            person.generation = person.generation.wrapping_add(1);
            Ok(())
        })
        .await
        .map(|_| ())
    }

    /// Makes an app password of 160 random bits; shown this once.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`], [`Refused::EntryExists`] for its name; the store's.
    pub async fn add_app_password(&self, address: &Address, name: &str) -> Result<String, Error> {
        let (text, hash) = password::app_password()?;
        let made = self.shared.clock.now_seconds();
        self.edit(address, &|person: &mut Person| {
            if person.apps.iter().any(|app| app.name == name) {
                return Err(Refused::EntryExists.into());
            }
            person.apps.push(App { name: name.to_owned(), made, hash });
            person.generation = person.generation.wrapping_add(1);
            Ok(())
        })
        .await?;
        Ok(text)
    }

    /// Names of the app passwords, and when each was made.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`]; the store's.
    pub async fn app_passwords(&self, address: &Address) -> Result<Vec<(String, i64)>, Error> {
        let (_, person) = self.of(address).await?;
        Ok(person.apps.into_iter().map(|app| (app.name, app.made)).collect())
    }

    /// Withdraws an app password.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`]; the store's.
    pub async fn remove_app_password(&self, address: &Address, name: &str) -> Result<(), Error> {
        self.edit(address, &|person: &mut Person| {
            let before = person.apps.len();
            person.apps.retain(|app| app.name != name);
            if person.apps.len() == before {
                return Err(Refused::NoSuchEntry.into());
            }
            person.generation = person.generation.wrapping_add(1);
            Ok(())
        })
        .await
        .map(|_| ())
    }

    /// Sets limits (`None`: the default).
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`]; the store's.
    pub async fn set_quota(
        &self,
        address: &Address,
        octets_max: Option<u64>,
        messages_max: Option<u64>,
    ) -> Result<(), Error> {
        let edit = |person: &mut Person| {
            (person.octets_max, person.messages_max) = (octets_max, messages_max);
            Ok(())
        };
        let (id, _) = self.edit(address, &edit).await?;
        self.shared.hot.limit(id, octets_max, messages_max);
        Ok(())
    }

    /// Says which IMAP capabilities an account's clients are not shown, e.g. `UIDONLY`; with `+` in
    /// front, those that they are shown although the server hides them.
    ///
    /// # Errors
    /// [`Refused::Limit`] for more than [`HIDDEN_MAX`] or names longer than
    /// [`CAPABILITY_OCTETS_MAX`]; [`Refused::NoSuchEntry`]; the store's.
    pub async fn set_hidden_capabilities(
        &self,
        address: &Address,
        hidden: &[String],
    ) -> Result<(), Error> {
        let long = |name: &String| name.is_empty() || name.len() > CAPABILITY_OCTETS_MAX;
        if hidden.len() > HIDDEN_MAX || hidden.iter().any(long) {
            return Err(Refused::Limit.into());
        }
        self.edit(address, &|person: &mut Person| {
            person.hidden = hidden.to_vec();
            Ok(())
        })
        .await
        .map(|_| ())
    }

    /// Switches an account off or on.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`]; the store's.
    pub async fn set_disabled(&self, address: &Address, disabled: bool) -> Result<(), Error> {
        self.edit(address, &|person: &mut Person| {
            person.disabled = disabled;
            Ok(())
        })
        .await
        .map(|_| ())
    }
}
