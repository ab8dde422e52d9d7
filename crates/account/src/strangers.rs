//! What is remembered of strangers who send mail here, under an account id of its own: when they
//! came first, for greylisting, and what their mail was worth ([`crate::reputation`]).
//!
//! Invariants: names are stored as keyed hashes; what is remembered is bounded, and the oldest is
//! forgotten first. Nothing here decides what happens to a message.

mod senders;

use crate::{
    Accounts, Error,
    accounts::Shared,
    codec::{Reader, Writer},
    directory::turn::Turn,
    keys::{self, tag},
    seal::{Kind, Seal},
};
use bytes::Bytes;
use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering::Relaxed},
};

/// Their own account: the directory numbers accounts from 1 on and never comes here.
const STRANGERS: u32 = u32::MAX - 3;
const FORM: u8 = 1;
/// Entries read, or taken out, at a time.
const PAGE: usize = 5_000;
/// Times that a commit is tried while somebody else commits.
const TRIES_MAX: usize = 16;

/// When a stranger came.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Met {
    /// First, in seconds since 1970.
    pub first: i64,
    /// Last that it was written down.
    pub last: i64,
    /// It came again in time, and is let in since.
    pub passed: bool,
}

/// How much is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Memory {
    /// What was not written since then (seconds since 1970) says nothing any more.
    pub since: i64,
    /// Entries at most.
    pub entries_max: usize,
}

type Puts = Vec<(Bytes, Option<Bytes>)>;

/// What is remembered.
pub struct Strangers {
    shared: Arc<Shared>,
    seal: Seal,
    turn: Turn,
    /// Entries of [`Met`] there are.
    met: AtomicUsize,
    /// Senders of which something is known.
    senders: AtomicUsize,
}

impl Met {
    fn write(self) -> Bytes {
        let mut to = Writer::default();
        to.byte(FORM).signed(self.first).signed(self.last).byte(u8::from(self.passed));
        to.done()
    }

    /// `None` for damage.
    fn read(octets: &[u8]) -> Option<Self> {
        let mut from = Reader(octets);
        (from.byte()? == FORM).then_some(())?;
        let (first, last) = (from.signed()?, from.signed()?);
        Some(Self { first, last, passed: from.byte()? != 0 })
    }
}

impl Strangers {
    /// What an installation remembers; nothing when it is new.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`] when its key does not open.
    pub async fn open(accounts: &Accounts) -> Result<Arc<Self>, Error> {
        let shared = accounts.share();
        let (seal, made) = match shared.kv.get(STRANGERS, keys::sealing().bytes()).await? {
            Some(wrapped) => (Seal::open_key(STRANGERS, &shared.master, &wrapped)?, None),
            None => {
                let (seal, wrapped) = Seal::make(STRANGERS, &shared.master)?;
                (seal, Some((keys::sealing().bytes(), Some(wrapped.into()))))
            }
        };
        let (turn, met, senders) = Default::default();
        let strangers = Arc::new(Self { shared, seal, turn, met, senders });
        if let Some(put) = made {
            strangers.commit(vec![put]).await?;
        }
        let mut count = 0;
        strangers.each(tag::MET, |_, _| count += 1).await?;
        strangers.met.store(count, Relaxed);
        count = 0;
        strangers.each(tag::SENDER, |_, _| count += 1).await?;
        strangers.senders.store(count, Relaxed);
        Ok(strangers)
    }

    /// When a stranger of this name came, if that is remembered.
    ///
    /// # Errors
    /// The store's.
    pub async fn met(&self, name: &str) -> Result<Option<Met>, Error> {
        let value = self.shared.kv.get(STRANGERS, self.met_key(name)).await?;
        Ok(value.and_then(|value| Met::read(&value)))
    }

    /// Writes it down; what has to go for it goes.
    ///
    /// # Errors
    /// The store's.
    pub async fn meet(&self, name: &str, met: Met, memory: Memory) -> Result<(), Error> {
        let _turn = self.turn.take().await;
        let key = self.met_key(name);
        let new = self.shared.kv.get(STRANGERS, key.clone()).await?.is_none();
        if new && self.met.load(Relaxed) >= memory.entries_max.max(1) {
            self.forget_met(memory).await?;
        }
        self.commit(vec![(key, Some(met.write()))]).await?;
        self.met.fetch_add(usize::from(new), Relaxed);
        Ok(())
    }

    fn met_key(&self, name: &str) -> Bytes {
        keys::met(self.seal.hash(Kind::Stranger, &[name.as_bytes()])).bytes()
    }

    /// Forgets what says nothing any more; if there is no room for another after that, a tenth of
    /// all, the oldest.
    async fn forget_met(&self, memory: Memory) -> Result<(), Error> {
        let mut all = Vec::new();
        self.each(tag::MET, |key, value| {
            all.push((Met::read(value).map_or(i64::MIN, |met| met.last), key.clone()));
        })
        .await?;
        let count = all.len();
        all.sort_unstable_by_key(|(last, _)| *last);
        let mut gone = all.partition_point(|(last, _)| *last < memory.since);
        if count - gone >= memory.entries_max.max(1) {
            gone = (count + 1 - memory.entries_max.max(1)).max(gone + count / 10).min(count);
        }
        let keys: Vec<Bytes> = all.into_iter().take(gone).map(|(_, key)| key).collect();
        for some in keys.chunks(PAGE) {
            self.commit(some.iter().map(|key| (key.clone(), None)).collect()).await?;
        }
        self.met.store(count - gone, Relaxed);
        Ok(())
    }

    async fn each(&self, tag: u8, mut one: impl FnMut(&Bytes, &Bytes)) -> Result<(), Error> {
        let (mut from, to) = keys::all(tag);
        loop {
            let (account, entries_max) = (STRANGERS, PAGE);
            let scan = store::Scan { account, from, to: to.clone(), reverse: false, entries_max };
            let page = self.shared.kv.scan(scan).await?;
            page.iter().for_each(|(key, value)| one(key, value));
            let Some((last, _)) = page.last().filter(|_| page.len() == PAGE) else { return Ok(()) };
            from = [&last[..], &[0]].concat().into();
        }
    }

    /// One commit. Those of this process mostly come one after the other.
    async fn commit(&self, puts: Puts) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            let head = self.shared.kv.head(STRANGERS).await?;
            let (account, puts) = (STRANGERS, puts.clone());
            let change = store::Commit {
                account,
                expected: head,
                head: head + 1,
                puts,
                ..Default::default()
            };
            match self.shared.kv.commit(change).await {
                Err(store::Error::Conflict { .. }) if tries < TRIES_MAX => tries += 1,
                done => return Ok(done?),
            }
        }
    }
}
