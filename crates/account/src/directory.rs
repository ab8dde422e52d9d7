//! Domains, addresses, passwords: account 0. Each change is one commit; two at once are made one
//! after the other by the store's check of the head.

mod entry;

pub use crate::password::{SCRAM_ITERATIONS, SCRAM_SALT_OCTETS};
use crate::{
    Account, Error, Refused,
    accounts::Shared,
    keys::{self, tag},
    password::{self, Kept},
    person::{App, Person},
    seal::{Kind, Seal},
};
use bytes::Bytes;
pub use entry::{AccountInfo, Credentials, Recipient};
use entry::{Entry, info};
use mail::{AccountId, Address, Domain};
use std::{
    collections::BTreeSet,
    sync::{Arc, OnceLock},
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
}

fn damaged(what: &str) -> Error {
    Error::Damaged(format!("directory: {what}"))
}

impl Directory {
    pub(crate) fn new(shared: Arc<Shared>) -> Self {
        Self { shared, seal: OnceLock::new() }
    }

    /// Opens the directory's key, or makes it in a new store.
    pub(crate) async fn check_master(&self) -> Result<(), Error> {
        let seal = match self.shared.kv.get(DIRECTORY, keys::sealing()).await? {
            Some(wrapped) => Seal::open_key(DIRECTORY, &self.shared.master, &wrapped)?,
            None => {
                let (seal, wrapped) = Seal::make(DIRECTORY, &self.shared.master)?;
                let head = self.shared.kv.head(DIRECTORY).await?;
                self.commit(head, vec![(keys::sealing(), Some(wrapped.into()))]).await?;
                seal
            }
        };
        let _ = self.seal.set(seal);
        Ok(())
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

    async fn has_domain(&self, domain: &Domain) -> Result<bool, Error> {
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
        match base {
            Some(base) => self.entry(&base).await,
            None => Ok(None),
        }
    }

    pub(crate) async fn person(&self, id: AccountId) -> Result<Option<Person>, Error> {
        let Some(sealed) = self.value(keys::person(id.0)).await? else { return Ok(None) };
        let plain = self.seal()?.open(Kind::Person, id.0.into(), &sealed)?;
        Person::read(&plain).map(Some).ok_or_else(|| damaged("an account"))
    }

    fn person_put(&self, id: AccountId, person: &Person) -> Result<(Bytes, Option<Bytes>), Error> {
        let sealed = self.seal()?.seal(Kind::Person, id.0.into(), person.write())?;
        Ok((keys::person(id.0), Some(sealed.into())))
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
            let puts = vec![(keys::domain(domain.as_str()), None)];
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

    /// Adds an account with its special-use mailboxes.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`] when the domain is not ours, [`Refused::EntryExists`]; the store's.
    pub async fn add_account(
        &self,
        address: &Address,
        password: &[u8],
    ) -> Result<AccountId, Error> {
        if !self.has_domain(address.domain()).await? {
            return Err(Refused::NoSuchEntry.into());
        }
        if self.entry(address).await?.is_some() {
            return Err(Refused::EntryExists.into());
        }
        let kept = Kept::new(password, &self.shared.options)?;
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
        };
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            if self.entry(address).await?.is_some() {
                return Err(Refused::EntryExists.into());
            }
            let entry = Entry::Account(id).write();
            let puts =
                vec![(keys::address(&address.fold()), Some(entry)), self.person_put(id, &person)?];
            if self.won(head, puts).await? {
                return Ok(id);
            }
        }
    }

    /// Takes the next account id; nobody else gets it.
    async fn next_id(&self) -> Result<AccountId, Error> {
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            let next = self.value(keys::version()).await?;
            let next = next.and_then(|v| v.as_ref().try_into().ok().map(u32::from_be_bytes));
            let id = next.unwrap_or(1);
            let after = id.checked_add(1).ok_or(Refused::Limit)?.to_be_bytes();
            let puts = vec![(keys::version(), Some(Bytes::copy_from_slice(&after)))];
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
            puts: vec![(keys::sealing(), Some(wrapped.clone().into()))],
            ..store::Commit::default()
        };
        self.shared.kv.commit(commit).await?;
        let seal = Seal::open_key(id.0, &self.shared.master, &wrapped)?;
        let account = Arc::new(Account::load(id, Arc::clone(&self.shared), seal).await?);
        account.know_yourself();
        account.make_first().await
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
            let puts =
                vec![(keys::address(&person.address.fold()), None), (keys::person(id.0), None)];
            if self.won(head, puts).await? {
                break id;
            }
        };
        self.shared.hot.forget(id);
        Ok(self.shared.kv.erase(id.0).await?)
    }

    async fn of(&self, address: &Address) -> Result<(AccountId, Person), Error> {
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
        let from = keys::person(after.map_or(0, |after| after.0.saturating_add(1)));
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

    /// Sets the password.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`]; the store's.
    pub async fn set_password(&self, address: &Address, password: &[u8]) -> Result<(), Error> {
        let kept = Kept::new(password, &self.shared.options)?;
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
