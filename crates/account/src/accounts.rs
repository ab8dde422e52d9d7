//! All accounts of an installation: those in use are hot, each once.

use crate::{Account, Clock, Directory, Error, MasterKey, Options, Refused, keys, seal::Seal};
use event_listener::Event;
use mail::AccountId;
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What all accounts share.
pub(crate) struct Shared {
    pub kv: Arc<dyn store::Kv>,
    pub blobs: Arc<dyn store::Blobs>,
    pub bus: Arc<dyn store::Bus>,
    pub master: MasterKey,
    pub clock: Arc<dyn Clock>,
    pub options: Options,
    pub chunks: crate::read::Chunks,
    /// What was read for searches.
    pub texts: crate::index::Cache,
    pub hot: Hot,
}

/// Accounts in memory, and a counter that tells which was used last.
#[derive(Default)]
pub(crate) struct Hot(Mutex<(HashMap<u32, Slot>, u64)>);

impl Hot {
    fn slots(&self) -> MutexGuard<'_, (HashMap<u32, Slot>, u64)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Applies changed limits to a hot account.
    pub fn limit(&self, id: AccountId, octets: Option<u64>, messages: Option<u64>) {
        if let Some(Slot::Hot(account, _)) = self.slots().0.get(&id.0) {
            account.limit(octets, messages);
        }
    }
    /// Forgets an account that was erased; who still holds it can change nothing any more.
    pub fn forget(&self, id: AccountId) {
        if let Some(Slot::Hot(account, _)) = self.slots().0.remove(&id.0) {
            account.stop();
        }
    }
}

pub(crate) enum Slot {
    Loading(Arc<Event>),
    Hot(Arc<Account>, u64),
}

/// All accounts of this installation.
pub struct Accounts {
    shared: Arc<Shared>,
    directory: Directory,
}

/// Takes the place of an account that is being loaded; frees it if loading fails or is given up.
struct Place<'a> {
    accounts: &'a Accounts,
    id: u32,
    event: Arc<Event>,
    loaded: Option<Arc<Account>>,
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        let mut hot = self.accounts.shared.hot.slots();
        let used = hot.1;
        match self.loaded.take() {
            Some(account) => hot.0.insert(self.id, Slot::Hot(account, used)),
            None => hot.0.remove(&self.id),
        };
        drop(hot);
        self.event.notify(usize::MAX);
    }
}

impl Accounts {
    /// Opens the accounts of a store.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`] when the master key is not the one that sealed it.
    pub async fn open(
        kv: Arc<dyn store::Kv>,
        blobs: Arc<dyn store::Blobs>,
        bus: Arc<dyn store::Bus>,
        master: MasterKey,
        clock: Arc<dyn Clock>,
        options: Options,
    ) -> Result<Arc<Self>, Error> {
        let texts = crate::index::Cache::new(options.search_cache_octets_max);
        let shared = Arc::new(Shared {
            kv,
            blobs,
            bus,
            master,
            clock,
            options,
            chunks: crate::read::Chunks::default(),
            texts,
            hot: Hot::default(),
        });
        let directory = Directory::new(Arc::clone(&shared));
        directory.check_master().await?;
        Ok(Arc::new(Self { shared, directory }))
    }

    /// Domains, addresses, passwords.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        &self.directory
    }
    pub(crate) fn shared(&self) -> &Shared {
        &self.shared
    }
    /// The same, kept by who outlives the borrow.
    pub(crate) fn share(&self) -> Arc<Shared> {
        Arc::clone(&self.shared)
    }
    /// Settings.
    #[must_use]
    pub fn options(&self) -> &Options {
        &self.shared.options
    }

    /// The account, loaded when it was not hot. An account whose store failed is loaded anew.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`] when there is no such account; the store's.
    pub async fn account(&self, id: AccountId) -> Result<Arc<Account>, Error> {
        loop {
            let (listener, place) = {
                let mut hot = self.shared.hot.slots();
                hot.1 += 1;
                let now = hot.1;
                match hot.0.get_mut(&id.0) {
                    Some(Slot::Hot(account, used)) if !account.is_stopped() => {
                        *used = now;
                        return Ok(Arc::clone(account));
                    }
                    Some(Slot::Loading(event)) => (Some(event.listen()), None),
                    _ => {
                        let event = Arc::new(Event::new());
                        hot.0.insert(id.0, Slot::Loading(Arc::clone(&event)));
                        (None, Some(Place { accounts: self, id: id.0, event, loaded: None }))
                    }
                }
            };
            if let Some(listener) = listener {
                listener.await;
            }
            if let Some(mut place) = place {
                let account = self.load(id).await?;
                place.loaded = Some(Arc::clone(&account));
                drop(place);
                self.cool();
                return Ok(account);
            }
        }
    }

    async fn load(&self, id: AccountId) -> Result<Arc<Account>, Error> {
        let Some(person) = self.directory.person(id).await? else {
            return Err(Refused::NoSuchEntry.into());
        };
        let wrapped = self.shared.kv.get(id.0, keys::sealing().bytes()).await?;
        let wrapped = wrapped.ok_or_else(|| Error::Damaged(format!("account {id} has no key")))?;
        let seal = Seal::open_key(id.0, &self.shared.master, &wrapped)?;
        let account = Account::load(id, Arc::clone(&self.shared), seal).await?;
        account.limit(person.octets_max, person.messages_max);
        Ok(account)
    }

    /// Drops the accounts that were used longest ago and that nobody holds, down to the limit.
    fn cool(&self) {
        let mut hot = self.shared.hot.slots();
        let mut sized: Vec<(u64, u32, u64)> = Vec::new();
        let mut total = 0;
        for (id, slot) in &hot.0 {
            if let Slot::Hot(account, used) = slot {
                let octets = account.memory_octets();
                total += octets;
                if Arc::strong_count(account) == 1 && account.is_quiet() {
                    sized.push((*used, *id, octets));
                }
            }
        }
        sized.sort_unstable();
        for (_, id, octets) in sized {
            if total <= self.shared.options.hot_octets_max {
                break;
            }
            hot.0.remove(&id);
            total -= octets;
        }
    }
}
