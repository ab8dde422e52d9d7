//! One account: its durable state, what is planned, and the commits between the two.

use crate::{
    Error, MailboxInfo, Quota, Refused,
    accounts::Shared,
    change::{self, Change, Member},
    codec::{Reader, Writer},
    flight::Flight,
    keys::{self, tag},
    mailbox::MailboxRecord,
    plan::Plan,
    seal::{Kind, Seal},
    state::{Applied, Mailbox, State},
    types::MailboxName,
};
use bytes::Bytes;
use event_listener::Event;
use mail::{AccountId, MailboxId, ModSeq, SystemFlags, Uid, UidValidity};
use std::{
    collections::{HashMap, VecDeque},
    future::poll_fn,
    sync::{
        Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::Poll,
};

/// Entries of one page when an account is loaded.
const LOAD_ENTRIES: usize = 4_096;

/// Behind the lock.
#[derive(Default)]
pub(crate) struct Inner {
    pub state: State,
    pub plan: Plan,
    pub flying: VecDeque<Arc<Flight>>,
    pub limits: (Option<u64>, Option<u64>),
}

/// One account.
pub struct Account {
    pub(crate) id: AccountId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) seal: Seal,
    me: OnceLock<Weak<Account>>,
    next_message: AtomicU32,
    broken: AtomicBool,
    inner: Mutex<Inner>,
    event: Event,
    pub(crate) threads: crate::threads::Recent,
    pub(crate) chunk: crate::read::LastChunk,
}

/// A commit being put together, under the lock.
pub(crate) struct Draft {
    pub changes: Vec<Applied>,
    pub puts: Vec<(Bytes, Option<Bytes>)>,
    pub blobs: Vec<(u64, Bytes)>,
    /// Blobs that nothing refers to any more.
    pub drops: Vec<u64>,
    /// Octets and messages that count against the quota.
    pub weight: (u64, u64),
}

impl Draft {
    pub const fn new() -> Self {
        Self {
            changes: Vec::new(),
            puts: Vec::new(),
            blobs: Vec::new(),
            drops: Vec::new(),
            weight: (0, 0),
        }
    }
    pub fn put(&mut self, key: Bytes, value: Bytes) {
        self.puts.push((key, Some(value)));
    }
    pub fn delete(&mut self, key: Bytes) {
        self.puts.push((key, None));
    }
    pub fn change(&mut self, change: Change) {
        self.changes.push(change.into());
    }
}

impl Account {
    /// Reads an account from the store.
    pub(crate) async fn load(
        id: AccountId,
        shared: Arc<Shared>,
        seal: Seal,
    ) -> Result<Self, Error> {
        let modseq = shared.kv.head(id.0).await?;
        let version = shared.kv.get(id.0, keys::version()).await?.unwrap_or_default();
        let mut from = Reader(&version);
        let (next_message, next_mailbox) = match from.byte() {
            Some(1) => (from.number32().unwrap_or(1), from.number32().unwrap_or(1)),
            _ => (1, 1),
        };
        let account = Self {
            id,
            shared,
            seal,
            me: OnceLock::new(),
            next_message: AtomicU32::new(next_message),
            broken: AtomicBool::new(false),
            inner: Mutex::default(),
            event: Event::new(),
            threads: crate::threads::Recent::default(),
            chunk: crate::read::LastChunk::default(),
        };
        let mut state = State { modseq, ring_floor: modseq, ..State::default() };
        account.load_names(&mut state).await?;
        account.load_members(&mut state).await?;
        {
            let mut inner = account.inner();
            inner.plan.modseq = modseq;
            inner.plan.next_mailbox = next_mailbox;
            inner.state = state;
        }
        Ok(account)
    }

    pub(crate) async fn each(
        &self,
        tag: u8,
        mut each: impl FnMut(&[u8], &[u8]) -> Option<()>,
    ) -> Result<(), Error> {
        let (mut from, to) = keys::all(tag);
        loop {
            let scan = store::Scan {
                account: self.id.0,
                from: from.clone(),
                to: to.clone(),
                reverse: false,
                entries_max: LOAD_ENTRIES,
            };
            let page = self.shared.kv.scan(scan).await?;
            for (key, value) in &page {
                let rest = key.get(1..).unwrap_or_default();
                each(rest, value)
                    .ok_or_else(|| Error::Damaged(format!("account {}: key {key:?}", self.id)))?;
            }
            match page.last() {
                Some((last, _)) if page.len() == LOAD_ENTRIES => {
                    let mut next = last.to_vec();
                    next.push(0);
                    from = next.into();
                }
                _ => return Ok(()),
            }
        }
    }

    async fn load_names(&self, state: &mut State) -> Result<(), Error> {
        self.each(tag::KEYWORD, |key, value| {
            let number = u32::from_be_bytes(key.try_into().ok()?);
            let name = mail::Keyword::parse(std::str::from_utf8(value).ok()?)?;
            state.keywords.add(number, name);
            Some(())
        })
        .await?;
        self.each(tag::MAILBOX, |key, value| {
            let number = u32::from_be_bytes(key.try_into().ok()?);
            let record = self.open_mailbox(number, value)?;
            state.mailbox(number, record, 0);
            Some(())
        })
        .await?;
        self.each(tag::SUBSCRIPTION, |key, _| {
            let name = MailboxName::parse(std::str::from_utf8(key).ok()?).ok()?;
            state.subscriptions.insert(name);
            Some(())
        })
        .await
    }

    async fn load_members(&self, state: &mut State) -> Result<(), Error> {
        let mut first: HashMap<u32, (u32, u32)> = HashMap::new();
        self.each(tag::MEMBER, |key, value| {
            let (mailbox, uid) = key.split_first_chunk()?;
            let mailbox = u32::from_be_bytes(*mailbox);
            let uid = u32::from_be_bytes(uid.try_into().ok()?);
            let member = Member::read(uid, &mut Reader(value))?;
            state.add(mailbox, &member);
            match first.get(&member.message) {
                Some(known) => {
                    let known = *known;
                    let all = state.many.entry(member.message).or_insert_with(|| vec![known]);
                    all.push((mailbox, uid));
                }
                None => {
                    first.insert(member.message, (mailbox, uid));
                    state.octets += u64::from(member.octets);
                    state.messages += 1;
                }
            }
            Some(())
        })
        .await?;
        // Tombstones know of commits and Uids that no message shows any more.
        self.each(tag::EXPUNGED, |key, value| {
            let (mailbox, modseq) = key.split_first_chunk()?;
            let modseq = u64::from_be_bytes(modseq.try_into().ok()?);
            if let Some(found) = state.mailboxes.get_mut(&u32::from_be_bytes(*mailbox)) {
                found.highest_modseq = found.highest_modseq.max(modseq);
                let mut from = Reader(value);
                while !from.is_empty() {
                    let uid = from.number32()?;
                    from.number32()?;
                    found.uid_next = found.uid_next.max(uid.saturating_add(1));
                }
            }
            Some(())
        })
        .await
    }

    pub(crate) fn know_yourself(self: &Arc<Self>) {
        let _ = self.me.set(Arc::downgrade(self));
    }

    pub(crate) fn seal_mailbox(&self, id: u32, record: &MailboxRecord) -> Result<Bytes, Error> {
        Ok(self.seal.seal(Kind::Mailbox, id.into(), record.write())?.into())
    }
    pub(crate) fn open_mailbox(&self, id: u32, sealed: &[u8]) -> Option<MailboxRecord> {
        MailboxRecord::read(&self.seal.open(Kind::Mailbox, id.into(), sealed).ok()?)
    }

    pub(crate) fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Whether a commit failed, so that nothing more can be changed here: ask [`crate::Accounts`]
    /// for the account anew. What was visible before can still be read.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Acquire)
    }
    /// Refuses all further changes; sessions hear that the account is gone.
    pub(crate) fn stop(&self) {
        self.broken.store(true, Ordering::Release);
        self.event.notify(usize::MAX);
    }
    pub(crate) fn is_quiet(&self) -> bool {
        self.inner().flying.is_empty()
    }
    pub(crate) fn limit(&self, octets: Option<u64>, messages: Option<u64>) {
        let octets = octets.or(self.shared.options.quota_octets_default);
        self.inner().limits = (octets, messages);
    }
    /// Takes message ids that nobody else will have. Gaps do no harm.
    pub(crate) fn take_messages(&self, count: usize) -> Result<u32, Error> {
        let count = u32::try_from(count).map_err(|_| Error::from(Refused::Limit))?;
        let take = |next: u32| next.checked_add(count).filter(|next| *next < u32::MAX);
        let taken = self.next_message.fetch_update(Ordering::Relaxed, Ordering::Relaxed, take);
        taken.map_err(|_| Refused::Limit.into())
    }

    /// Octets of memory, roughly.
    pub(crate) fn memory_octets(&self) -> u64 {
        let inner = self.inner();
        let entries: usize = inner.state.mailboxes.values().map(|m| m.entries.capacity()).sum();
        4_096 + 32 * entries as u64 + 64 * inner.state.ring.len() as u64
    }

    /// Hands a draft to the store. The lock that `inner` proves fixes the order.
    pub(crate) fn commit(&self, inner: &mut Inner, mut draft: Draft) -> Result<Arc<Flight>, Error> {
        if self.is_broken() {
            return Err(store::Error::Poisoned.into());
        }
        let expected = inner.plan.modseq;
        let modseq = expected + 1;
        let changes: Vec<Change> = draft.changes.iter().map(|a| a.change.clone()).collect();
        draft.put(keys::change(modseq), change::encode(&changes));
        let mut version = Writer::default();
        version.byte(1).number(self.next_message.load(Ordering::Relaxed).into());
        version.number(inner.plan.next_mailbox.into());
        draft.put(keys::version(), version.done());
        let future = self.shared.kv.commit(store::Commit {
            account: self.id.0,
            expected,
            head: modseq,
            puts: draft.puts,
            blobs: draft.blobs,
            drops: draft.drops,
        });
        inner.plan.modseq = modseq;
        inner.plan.octets += draft.weight.0;
        inner.plan.messages += draft.weight.1;
        let flight = Arc::new(Flight::new(modseq, draft.changes, draft.weight, future));
        inner.flying.push_back(Arc::clone(&flight));
        Ok(flight)
    }

    /// Ready when the commit is durable and visible. If the future is dropped before, the finisher
    /// waits instead.
    pub(crate) async fn landed(&self, flight: &Arc<Flight>) -> Result<(), Error> {
        let mut guard = Guard { account: self, flight: Some(Arc::clone(flight)) };
        let outcome = poll_fn(|context| {
            if flight.settled().is_none() {
                // First who waits, then the look: what settles in between wakes.
                flight.wait(context.waker());
                if flight.poll(Some(context.waker())).is_some() {
                    self.settle();
                }
            }
            flight.settled().map_or(Poll::Pending, Poll::Ready)
        })
        .await;
        guard.flight = None;
        outcome.map_err(Error::from)
    }

    /// Makes visible what has landed, in order, and tells of it.
    fn settle(&self) {
        let mut last = None;
        {
            let mut inner = self.inner();
            while let Some(front) = inner.flying.front().cloned() {
                let Some(outcome) = front.poll(None) else { break };
                inner.flying.pop_front();
                inner.plan.octets -= front.octets;
                inner.plan.messages -= front.messages;
                match &outcome {
                    Ok(()) => {
                        inner.state.apply(front.modseq, &front.changes);
                        inner.plan.landed(front.modseq);
                        last = Some(front.modseq);
                    }
                    Err(_) => self.broken.store(true, Ordering::Release),
                }
                front.settle(outcome);
                front.wake();
            }
        }
        if let Some(modseq) = last {
            self.event.notify(usize::MAX);
            self.shared.bus.publish(self.id.0, modseq);
        }
        if self.is_broken() {
            self.event.notify(usize::MAX);
        }
    }

    /// Locks when nothing is on its way: for changes of mailboxes, which plan on what is visible.
    pub(crate) async fn still(&self) -> Result<MutexGuard<'_, Inner>, Error> {
        loop {
            let last = self.inner().flying.back().cloned();
            if let Some(last) = last {
                self.landed(&last).await?;
            }
            let inner = self.inner();
            if inner.flying.is_empty() {
                return Ok(inner);
            }
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> AccountId {
        self.id
    }
    /// The last durable commit.
    #[must_use]
    pub fn modseq(&self) -> ModSeq {
        ModSeq(self.inner().state.modseq)
    }
    /// Ready when a commit after `seen` is durable, or the account's store failed. Cancel-safe;
    /// costs no memory that grows.
    pub async fn wait(&self, seen: ModSeq) {
        loop {
            let listener = self.event.listen();
            if self.modseq() > seen || self.is_broken() {
                return;
            }
            listener.await;
        }
    }

    /// Quota and use.
    #[must_use]
    pub fn quota(&self) -> Quota {
        let inner = self.inner();
        Quota {
            octets_used: inner.state.octets,
            octets_max: inner.limits.0,
            messages_used: inner.state.messages,
            messages_max: inner.limits.1,
        }
    }
    /// Whether a message of that size would be taken now.
    ///
    /// # Errors
    /// [`Refused::OverQuota`] or [`Refused::MessageTooBig`].
    pub fn room_for(&self, octets: u64) -> Result<(), Error> {
        self.room(&self.inner(), octets, 1)
    }

    pub(crate) fn room(&self, inner: &Inner, octets: u64, messages: u64) -> Result<(), Error> {
        if octets > self.shared.options.message_octets_max.saturating_mul(messages) {
            return Err(Refused::MessageTooBig.into());
        }
        let over = |used: u64, flying: u64, new: u64, limit: Option<u64>| {
            limit.is_some_and(|limit| used + flying + new > limit)
        };
        let (octets_max, messages_max) = inner.limits;
        if over(inner.state.octets, inner.plan.octets, octets, octets_max)
            || over(inner.state.messages, inner.plan.messages, messages, messages_max)
        {
            return Err(Refused::OverQuota.into());
        }
        Ok(())
    }

    /// All mailboxes by name.
    #[must_use]
    pub fn mailboxes(&self) -> Vec<MailboxInfo> {
        let inner = self.inner();
        let state = &inner.state;
        let found = state.names.values().filter_map(|id| state.mailboxes.get_key_value(id));
        found.map(|(id, mailbox)| info(state, *id, mailbox)).collect()
    }
    /// One mailbox.
    #[must_use]
    pub fn mailbox(&self, name: &MailboxName) -> Option<MailboxInfo> {
        let inner = self.inner();
        let id = *inner.state.names.get(name)?;
        inner.state.mailboxes.get(&id).map(|mailbox| info(&inner.state, id, mailbox))
    }
    /// One mailbox.
    #[must_use]
    pub fn mailbox_by_id(&self, id: MailboxId) -> Option<MailboxInfo> {
        let inner = self.inner();
        inner.state.mailboxes.get(&id.0).map(|mailbox| info(&inner.state, id.0, mailbox))
    }
    /// All subscribed names, also of mailboxes that are no more.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<MailboxName> {
        self.inner().state.subscriptions.iter().cloned().collect()
    }
}

fn info(state: &State, id: u32, mailbox: &Mailbox) -> MailboxInfo {
    let recent = mailbox.entries.partition_point(|entry| entry.uid < mailbox.recent_from);
    let count = |n: usize| u32::try_from(n).unwrap_or(u32::MAX);
    MailboxInfo {
        id: MailboxId(id),
        name: mailbox.record.name.clone(),
        uid_validity: UidValidity(mailbox.record.uid_validity),
        uid_next: Uid(mailbox.uid_next),
        exists: count(mailbox.entries.len()),
        unseen: mailbox.unseen,
        deleted: mailbox.deleted,
        recent: count(mailbox.entries.len() - recent),
        octets: mailbox.octets,
        highest_modseq: ModSeq(mailbox.highest_modseq.max(1)),
        special_use: mailbox.record.special_use,
        subscribed: state.subscriptions.contains(&mailbox.record.name),
    }
}

/// Hands a commit that nobody waits for any more to the finisher.
struct Guard<'a> {
    account: &'a Account,
    flight: Option<Arc<Flight>>,
}

impl Drop for Guard<'_> {
    fn drop(&mut self) {
        let Some(flight) = self.flight.take() else { return };
        if flight.settled().is_none()
            && let Some(account) = self.account.me.get().and_then(Weak::upgrade)
        {
            self.account.shared.finisher.finish(account, flight);
        }
    }
}

/// System flags as bits that IMAP may set.
pub(crate) const SYSTEM_ALL: u8 = SystemFlags::SEEN.0
    | SystemFlags::ANSWERED.0
    | SystemFlags::FLAGGED.0
    | SystemFlags::DRAFT.0
    | SystemFlags::DELETED.0;
