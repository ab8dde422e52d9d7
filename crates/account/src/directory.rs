//! Domains, addresses, passwords: account 0. Each change is one commit; two at once are made one
//! after the other by the store's check of the head.

mod entry;
mod people;
mod sending;
mod shared;
mod signing;
mod tokens;
pub(crate) mod turn;

pub use crate::password::{SCRAM_ITERATIONS, SCRAM_SALT_OCTETS};
use crate::{
    Error, Refused,
    accounts::Shared,
    junk,
    keys::{self, tag},
    person::Person,
    seal::{Kind, Seal},
};
use bytes::Bytes;
pub use entry::{AccountInfo, Credentials, Password, Proof, Recipient};
use entry::{Entry, info};
use mail::{AccountId, Address, Domain};
pub use people::{CAPABILITY_OCTETS_MAX, HIDDEN_MAX};
pub use sending::Sending;
pub use signing::{DOMAIN_KEYS_MAX, DomainKey, KeyState, SELECTOR_OCTETS_MAX};
use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
};
pub use tokens::{
    NewToken, Scopes, TOKEN_NAME_OCTETS_MAX, TOKEN_USE_SECONDS, TOKENS_MAX, Token, TokenId,
};

/// The directory's own account.
const DIRECTORY: u32 = 0;
/// Aliases may name aliases, so deep.
const ALIAS_DEPTH_MAX: usize = 8;
/// Changes of the directory that meet are tried again so often; each time one of them wins.
const TRIES_MAX: usize = 64;
/// Addresses that one alias names.
const TARGETS_MAX: usize = 1_000;

type Puts = Vec<(Bytes, Option<Bytes>)>;

/// Domains, addresses, passwords.
pub struct Directory {
    shared: Arc<Shared>,
    seal: OnceLock<Seal>,
    turn: turn::Turn,
    sendings: sending::Sendings,
}

fn damaged(what: &str) -> Error {
    Error::Damaged(format!("directory: {what}"))
}

impl Directory {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        let sendings = sending::Sendings::default();
        Self { shared, seal: OnceLock::new(), turn: turn::Turn::default(), sendings }
    }

    /// Opens the directory's key, or makes it in a new store.
    pub(crate) async fn check_master(&self) -> Result<(), Error> {
        let seal = match self.shared.kv.get(DIRECTORY, keys::sealing().bytes()).await? {
            Some(wrapped) => Seal::open_key(DIRECTORY, &self.shared.master, &wrapped)?,
            None => {
                let (seal, wrapped) = Seal::make(DIRECTORY, &self.shared.master)?;
                let head = self.shared.kv.head(DIRECTORY).await?;
                self.commit(head, vec![(keys::sealing().bytes(), Some(wrapped.into()))]).await?;
                seal
            }
        };
        let _ = self.seal.set(seal);
        self.load_sending().await?;
        self.finish_erasing().await
    }

    /// Erases accounts whose making or erasing was cut short.
    async fn finish_erasing(&self) -> Result<(), Error> {
        for (key, _) in self.all(tag::ERASING).await? {
            let id = keys::number(&key).ok_or_else(|| damaged("an account being erased"))?;
            self.erase(AccountId(id)).await?;
        }
        Ok(())
    }

    /// Erases all that there is of an account, then forgets that it had to be.
    async fn erase(&self, id: AccountId) -> Result<(), Error> {
        self.shared.hot.forget(id);
        self.forget_sending(id);
        self.keep_uid_validity(id).await?;
        self.shared.kv.erase(id.0).await?;
        junk::erase(&self.shared, id).await?;
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            let mut puts = self.unshared(id).await?;
            puts.push((keys::erasing(id.0).bytes(), None));
            if self.won(head, puts).await? {
                return Ok(());
            }
        }
    }

    fn seal(&self) -> Result<&Seal, Error> {
        self.seal.get().ok_or_else(|| damaged("not open"))
    }

    async fn value(&self, key: Bytes) -> Result<Option<Bytes>, Error> {
        Ok(self.shared.kv.get(DIRECTORY, key).await?)
    }

    async fn commit(&self, head: u64, puts: Puts) -> Result<(), Error> {
        let commit = store::Commit {
            account: DIRECTORY,
            expected: head,
            head: head + 1,
            puts,
            ..store::Commit::default()
        };
        let _turn = self.turn.take().await;
        Ok(self.shared.kv.commit(commit).await?)
    }

    /// The head that a change starts from; the next try's, after somebody else was first.
    async fn head(&self, tries: &mut usize) -> Result<u64, Error> {
        *tries += 1;
        if *tries > TRIES_MAX {
            return Err(store::Error::Conflict { head: 0 }.into());
        }
        Ok(self.shared.kv.head(DIRECTORY).await?)
    }

    /// Commits a change; false when somebody else was first and it has to be planned again.
    async fn won(&self, head: u64, puts: Puts) -> Result<bool, Error> {
        match self.commit(head, puts).await {
            Ok(()) => Ok(true),
            Err(Error::Store(store::Error::Conflict { .. })) => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// Whether a domain is ours.
    ///
    /// # Errors
    /// The store's.
    pub async fn has_domain(&self, domain: &Domain) -> Result<bool, Error> {
        Ok(self.value(keys::domain(domain.as_str())).await?.is_some())
    }

    async fn entry(&self, address: &Address) -> Result<Option<Entry>, Error> {
        let value = self.value(keys::address(&address.fold())).await?;
        value.map(|value| Entry::read(&value).ok_or_else(|| damaged("an address"))).transpose()
    }

    /// The entry of an address, or of the address without its `+tag`.
    async fn entry_or_tagged(&self, address: &Address) -> Result<Option<Entry>, Error> {
        if let Some(entry) = self.entry(address).await? {
            return Ok(Some(entry));
        }
        let base = address.local().split_once('+').map(|(base, _)| base);
        let base = base.and_then(|base| Address::new(base, address.domain().clone()));
        if let Some(base) = base
            && let Some(entry) = self.entry(&base).await?
        {
            return Ok(Some(entry));
        }
        // `*@domain` takes what nobody else has, but no bounces of mail that we sent on.
        let local = address.local();
        if local
            .get(..4)
            .is_some_and(|tag| ["SRS0", "SRS1"].iter().any(|one| one.eq_ignore_ascii_case(tag)))
        {
            return Ok(None);
        }
        match Address::new("*", address.domain().clone()) {
            Some(rest) => self.entry(&rest).await,
            None => Ok(None),
        }
    }

    pub(crate) async fn person(&self, id: AccountId) -> Result<Option<Person>, Error> {
        let Some(sealed) = self.value(keys::person(id.0).bytes()).await? else { return Ok(None) };
        let plain = self.seal()?.open(Kind::Person, id.0.into(), &sealed)?;
        Person::read(&plain).map(Some).ok_or_else(|| damaged("an account"))
    }

    fn person_put(&self, id: AccountId, person: &Person) -> Result<(Bytes, Option<Bytes>), Error> {
        let sealed = self.seal()?.seal(Kind::Person, id.0.into(), &person.write())?;
        Ok((keys::person(id.0).bytes(), Some(sealed.into())))
    }

    /// Where mail for an address goes; `user+tag@` is `user@` when nobody has the full one.
    ///
    /// # Errors
    /// The store's.
    pub async fn resolve(&self, address: &Address) -> Result<Recipient, Error> {
        if !self.has_domain(address.domain()).await? {
            return Ok(Recipient::Elsewhere);
        }
        let (mut accounts, mut elsewhere) = (BTreeSet::new(), BTreeSet::new());
        let mut open = vec![(address.clone(), 0)];
        while let Some((address, depth)) = open.pop() {
            match self.entry_or_tagged(&address).await? {
                Some(Entry::Account(id)) => {
                    accounts.insert(id);
                }
                Some(Entry::Alias(targets)) if depth < ALIAS_DEPTH_MAX => {
                    open.extend(targets.into_iter().map(|target| (target, depth + 1)));
                }
                Some(Entry::Alias(_)) => {}
                None if depth > 0 && !self.has_domain(address.domain()).await? => {
                    elsewhere.insert(address);
                }
                None => {}
            }
        }
        if accounts.is_empty() && elsewhere.is_empty() {
            return Ok(Recipient::Unknown);
        }
        let (accounts, elsewhere) =
            (accounts.into_iter().collect(), elsewhere.into_iter().collect());
        Ok(Recipient::Local { accounts, elsewhere })
    }

    /// What is needed to check a login (an address; case-folded), `None` when there is none.
    ///
    /// # Errors
    /// The store's.
    pub async fn credentials(&self, login: &str) -> Result<Option<Credentials>, Error> {
        let Some(address) = Address::parse(login) else { return Ok(None) };
        let Some(Entry::Account(account)) = self.entry(&address).await? else { return Ok(None) };
        let person = self.person(account).await?;
        Ok(person.map(|person| Credentials { account, person: Arc::new(person) }))
    }

    /// What is needed to check logins of an account.
    ///
    /// # Errors
    /// The store's.
    pub async fn credentials_of(&self, account: AccountId) -> Result<Option<Credentials>, Error> {
        let person = self.person(account).await?;
        Ok(person.map(|person| Credentials { account, person: Arc::new(person) }))
    }

    /// Whether an account may send as an address: its own (with any +tag) and aliases naming it.
    ///
    /// # Errors
    /// The store's.
    pub async fn may_send_as(&self, id: AccountId, from: &Address) -> Result<bool, Error> {
        match self.resolve(from).await? {
            Recipient::Local { accounts, .. } => Ok(accounts.contains(&id)),
            Recipient::Unknown | Recipient::Elsewhere => Ok(false),
        }
    }

    /// Adds a domain.
    ///
    /// # Errors
    /// [`Refused::EntryExists`]; the store's.
    pub async fn add_domain(&self, domain: &Domain) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            if self.has_domain(domain).await? {
                return Err(Refused::EntryExists.into());
            }
            let puts = vec![(keys::domain(domain.as_str()), Some(Bytes::new()))];
            if self.won(head, puts).await? {
                return Ok(());
            }
        }
    }

    /// Removes a domain without accounts and aliases.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`], [`Refused::Cannot`] while there are addresses; the store's.
    pub async fn remove_domain(&self, domain: &Domain) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            if !self.has_domain(domain).await? {
                return Err(Refused::NoSuchEntry.into());
            }
            let ending = format!("@{domain}");
            let used = self.all(tag::ADDRESS).await?;
            if used.iter().any(|(key, _)| key.ends_with(ending.as_bytes())) {
                return Err(Refused::Cannot.into());
            }
            let mut puts = self.without_domain_keys(domain).await?;
            puts.push((keys::domain(domain.as_str()), None));
            if self.won(head, puts).await? {
                return Ok(());
            }
        }
    }

    /// All entries of a tag, keys without it.
    async fn all(&self, tag: u8) -> Result<Vec<(Bytes, Bytes)>, Error> {
        let (from, to) = keys::all(tag);
        let entries_max = usize::MAX;
        let scan = store::Scan { account: DIRECTORY, from, to, reverse: false, entries_max };
        let page = self.shared.kv.scan(scan).await?;
        Ok(page.into_iter().map(|(key, value)| (key.slice(1..), value)).collect())
    }

    /// All domains.
    ///
    /// # Errors
    /// The store's.
    pub async fn domains(&self) -> Result<Vec<Domain>, Error> {
        let all = self.all(tag::DOMAIN).await?;
        let read = |key: &Bytes| Domain::parse(std::str::from_utf8(key).ok()?);
        Ok(all.iter().filter_map(|(key, _)| read(key)).collect())
    }

    /// Accounts after `after`, by id.
    ///
    /// # Errors
    /// The store's.
    pub async fn accounts(
        &self,
        after: Option<AccountId>,
        entries_max: usize,
    ) -> Result<Vec<AccountInfo>, Error> {
        let (_, to) = keys::all(tag::PERSON);
        let from = keys::person(after.map_or(0, |after| after.0.saturating_add(1))).bytes();
        let scan = store::Scan { account: DIRECTORY, from, to, reverse: false, entries_max };
        let mut found = Vec::new();
        for (key, _) in self.shared.kv.scan(scan).await? {
            let id = key.get(1..).and_then(|id| id.try_into().ok()).map(u32::from_be_bytes);
            let id = AccountId(id.ok_or_else(|| damaged("an account's key"))?);
            if let Some(person) = self.person(id).await? {
                found.push(info(id, &person));
            }
        }
        Ok(found)
    }

    /// The account whose main address this is, or that an alias of this name leads to alone.
    ///
    /// # Errors
    /// The store's.
    pub async fn find(&self, address: &Address) -> Result<Option<AccountInfo>, Error> {
        let id = match self.entry(address).await? {
            Some(Entry::Account(id)) => id,
            Some(Entry::Alias(_)) => match self.resolve(address).await? {
                Recipient::Local { accounts, .. } => match accounts.as_slice() {
                    [only] => *only,
                    _ => return Ok(None),
                },
                Recipient::Unknown | Recipient::Elsewhere => return Ok(None),
            },
            None => return Ok(None),
        };
        Ok(self.person(id).await?.map(|person| info(id, &person)))
    }

    /// Adds or replaces an alias.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`] when the domain is not ours, [`Refused::EntryExists`] when an
    /// account has the address, [`Refused::Limit`]; the store's.
    pub async fn set_alias(&self, alias: &Address, targets: &[Address]) -> Result<(), Error> {
        if targets.is_empty() || targets.len() > TARGETS_MAX {
            return Err(Refused::Limit.into());
        }
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            if !self.has_domain(alias.domain()).await? {
                return Err(Refused::NoSuchEntry.into());
            }
            if let Some(Entry::Account(_)) = self.entry(alias).await? {
                return Err(Refused::EntryExists.into());
            }
            let entry = Entry::Alias(targets.to_vec()).write();
            let puts = vec![(keys::address(&alias.fold()), Some(entry))];
            if self.won(head, puts).await? {
                return Ok(());
            }
        }
    }

    /// Removes an alias.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`]; the store's.
    pub async fn remove_alias(&self, alias: &Address) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            let Some(Entry::Alias(_)) = self.entry(alias).await? else {
                return Err(Refused::NoSuchEntry.into());
            };
            let puts = vec![(keys::address(&alias.fold()), None)];
            if self.won(head, puts).await? {
                return Ok(());
            }
        }
    }

    /// All aliases with their targets.
    ///
    /// # Errors
    /// The store's.
    pub async fn aliases(&self) -> Result<Vec<(Address, Vec<Address>)>, Error> {
        let mut found = Vec::new();
        for (key, value) in self.all(tag::ADDRESS).await? {
            let address = std::str::from_utf8(&key).ok().and_then(Address::parse);
            if let (Some(address), Some(Entry::Alias(targets))) = (address, Entry::read(&value)) {
                found.push((address, targets));
            }
        }
        Ok(found)
    }
}
