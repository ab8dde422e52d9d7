//! One account: its durable state, what is planned, and the commits between the two.
//!
//! Invariants: what sessions see is durable; commits are planned, numbered and handed to the store
//! under one lock, become visible in that order, and are waited for without it. A change of
//! mailboxes waits until nothing is on its way, and lets nothing in until it has landed itself.

use crate::{
    Error, MailboxInfo, Quota, Refused, SpecialUse,
    accounts::Shared,
    codec::Writer,
    draft::Draft,
    flight::{Flight, Landing},
    keys,
    lock::{Locked, Nudge, Tell},
    plan::Plan,
    seal::Seal,
    state::{Mailbox, State},
    types::MailboxName,
    watch::Watches,
};
use event_listener::Event;
use mail::{AccountId, MailboxId, MessageId, ModSeq, SystemFlags, Uid, UidValidity};
use std::{
    collections::VecDeque,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
    task::{Context, Poll, Waker},
};

/// Behind the lock.
#[derive(Default)]
pub(crate) struct Inner {
    pub state: State,
    pub plan: Plan,
    pub flying: VecDeque<Flight>,
    pub watches: Watches,
    pub limits: (Option<u64>, Option<u64>),
    /// So many want the account for themselves, or have it: nobody else may plan.
    pub holds: usize,
    /// One of them has it.
    pub held: bool,
    /// A commit failed in a way that leaves in doubt what the store has.
    pub in_doubt: bool,
    /// Somebody is reading the account anew.
    pub renewing: bool,
    pub tell: Tell,
}

/// One account.
pub struct Account {
    pub(crate) id: AccountId,
    pub(crate) shared: Arc<Shared>,
    pub(crate) seal: Arc<Seal>,
    pub(crate) nudge: Arc<Nudge>,
    waker: Waker,
    pub(crate) next_message: AtomicU32,
    stopped: AtomicBool,
    pub(crate) inner: Mutex<Inner>,
    pub(crate) event: Event,
    pub(crate) calm: Event,
    pub(crate) threads: crate::threads::Recent,
    pub(crate) index: crate::index::Index,
}

/// A commit that was handed to the store.
pub(crate) struct Sent {
    pub modseq: u64,
    landing: Arc<Landing>,
}

impl Sent {
    /// Ready when it is durable and visible. Whether anybody waits changes nothing.
    pub async fn landed(&self) -> Result<(), Error> {
        Ok(self.landing.settled().await?)
    }
}

/// The account for oneself: nothing is on its way, and nobody else plans.
pub(crate) struct Hold<'a> {
    account: &'a Account,
    held: bool,
}

impl Drop for Hold<'_> {
    fn drop(&mut self) {
        let mut inner = self.account.inner();
        if self.held {
            inner.held = false;
        }
        inner.release();
    }
}

impl Inner {
    fn release(&mut self) {
        self.holds = self.holds.saturating_sub(1);
        self.tell.calm = true;
    }
}

impl Account {
    pub(crate) fn new(id: AccountId, shared: Arc<Shared>, seal: Seal) -> Arc<Self> {
        Arc::new_cyclic(|account| {
            let nudged = AtomicBool::new(false);
            let nudge = Arc::new(Nudge { account: account.clone(), nudged });
            Self {
                id,
                shared,
                seal: Arc::new(seal),
                waker: Waker::from(Arc::clone(&nudge)),
                nudge,
                next_message: AtomicU32::new(1),
                stopped: AtomicBool::new(false),
                inner: Mutex::default(),
                event: Event::new(),
                calm: Event::new(),
                threads: crate::threads::Recent::default(),
                index: crate::index::Index::default(),
            }
        })
    }

    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped.load(Ordering::Acquire)
    }
    /// Whether nothing can be changed here any more, because the account was erased. What was
    /// visible before can still be read. After a failure of the store an account goes on by itself.
    #[must_use]
    pub fn is_broken(&self) -> bool {
        self.is_stopped()
    }
    fn still_there(&self) -> Result<(), Error> {
        if self.is_stopped() { Err(store::Error::Closed.into()) } else { Ok(()) }
    }
    /// Refuses all further changes for ever; sessions hear that the account is gone.
    pub(crate) fn stop(&self) {
        self.stopped.store(true, Ordering::Release);
        let mut inner = self.inner();
        inner.tell.news = true;
        inner.tell.calm = true;
    }
    /// Nothing on its way and nobody looking.
    pub(crate) fn is_quiet(&self) -> bool {
        let inner = self.inner();
        inner.flying.is_empty() && inner.watches.is_empty()
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
        let names = inner.state.names.len() + inner.state.many.len();
        let keywords = inner.state.keywords.memory_octets();
        let annotations = inner.state.annotations.memory_octets();
        4_096
            + annotations
            + 32 * entries as u64
            + 256 * names as u64
            + keywords
            + self.index.octets()
    }

    /// Locks for planning a change that others on their way do not hinder.
    pub(crate) async fn turn(&self) -> Result<Locked<'_>, Error> {
        loop {
            self.still_there()?;
            let calm = {
                let inner = self.inner();
                match inner.in_doubt {
                    false if inner.holds == 0 => return Ok(inner),
                    false => Some(self.calm.listen()),
                    true => None,
                }
            };
            match calm {
                Some(calm) => calm.await,
                None => self.renew().await?,
            }
        }
    }

    /// Waits until nothing is on its way, and keeps everybody else from planning.
    pub(crate) async fn hold(&self) -> Result<Hold<'_>, Error> {
        self.inner().holds += 1;
        let mut hold = Hold { account: self, held: false };
        loop {
            self.still_there()?;
            let calm = {
                let mut inner = self.inner();
                match inner.in_doubt {
                    false if inner.flying.is_empty() && !inner.held => {
                        inner.held = true;
                        hold.held = true;
                        return Ok(hold);
                    }
                    false => Some(self.calm.listen()),
                    true => None,
                }
            };
            match calm {
                Some(calm) => calm.await,
                None => self.renew().await?,
            }
        }
    }

    pub(crate) fn draft(&self, inner: &Inner) -> Draft {
        Draft::new(inner.plan.modseq + 1, self.shared.clock.now_seconds())
    }

    /// Hands a draft to the store. The lock that `inner` proves fixes the order.
    pub(crate) fn commit(&self, inner: &mut Inner, mut draft: Draft) -> Sent {
        let plan = &mut inner.plan;
        plan.octets = (plan.octets + draft.taken.0).saturating_sub(draft.freed.0);
        plan.messages = (plan.messages + draft.taken.1).saturating_sub(draft.freed.1);
        draft.delta.used = (plan.octets, plan.messages);
        for flags in draft.delta.flags.values_mut() {
            flags.sort_unstable();
        }
        for uids in draft.delta.expunged.values_mut() {
            uids.sort_unstable();
        }
        plan.take(draft.modseq, &draft.planned, &draft.uid_next);
        self.write_numbers(inner, &mut draft);
        for mark in std::mem::take(&mut inner.state.unmarked) {
            // Unless it is this commit that marks it anew.
            if draft.delta.marked.is_none_or(|(marked, _)| marked != mark) {
                draft.delete(keys::mark(mark));
            }
        }
        let log = std::mem::take(&mut draft.log);
        draft.put(keys::change(draft.modseq), &log.0);
        let puts = draft.puts();
        let future = self.shared.kv.commit(store::Commit {
            account: self.id.0,
            expected: draft.modseq - 1,
            head: draft.modseq,
            puts,
            blobs: std::mem::take(&mut draft.blobs),
            drops: std::mem::take(&mut draft.drops),
        });
        let landing = Arc::<Landing>::default();
        inner.holds += usize::from(draft.exclusive);
        inner.flying.push_back(Flight {
            modseq: draft.modseq,
            future,
            delta: draft.delta,
            planned: draft.planned,
            exclusive: draft.exclusive,
            landing: Arc::clone(&landing),
        });
        if inner.flying.len() == 1 {
            self.drive(inner);
        }
        Sent { modseq: draft.modseq, landing }
    }

    /// Counters, and the numbers of mailboxes that messages alone do not tell.
    fn write_numbers(&self, inner: &mut Inner, draft: &mut Draft) {
        let mut moved = std::mem::take(&mut inner.state.recent_moved);
        moved.extend(draft.delta.expunged.keys());
        for id in moved {
            let Some(mailbox) = inner.state.mailboxes.get(&id) else { continue };
            if draft.delta.gone.contains(&id) {
                continue;
            }
            let numbers = crate::load::Numbers {
                recent_from: mailbox.recent_from,
                uid_next: inner.plan.uid_next(&inner.state, id),
                modseq: inner.plan.highest(id, mailbox.highest_modseq),
            };
            draft.put_with(keys::numbers(id), |to| numbers.write(to));
        }
        let next_message = self.next_message.load(Ordering::Relaxed);
        let plan = &inner.plan;
        draft.put_with(keys::version(), |to: &mut Writer| {
            to.byte(1).number(next_message.into());
            to.number(plan.next_mailbox.into()).number(plan.uid_validity.into());
        });
    }

    /// Makes visible what has landed, in order; what has to be told is left in `inner.tell`.
    pub(crate) fn drive(&self, inner: &mut Inner) {
        let mut context = Context::from_waker(&self.waker);
        while let Some(front) = inner.flying.front_mut() {
            let Poll::Ready(outcome) = Pin::as_mut(&mut front.future).poll(&mut context) else {
                return;
            };
            match outcome {
                Ok(()) => self.land(inner),
                Err(error) => self.fail(inner, &error),
            }
        }
    }

    fn land(&self, inner: &mut Inner) {
        let Some(flight) = inner.flying.pop_front() else { return };
        inner.state.apply(flight.modseq, &flight.delta, &mut inner.watches);
        inner.plan.landed(flight.modseq, &flight.planned);
        inner.tell.landed = Some(flight.modseq);
        inner.tell.news = true;
        if flight.exclusive {
            inner.release();
        }
        inner.tell.calm |= inner.holds > 0 && inner.flying.is_empty();
        inner.tell.wakers.extend(flight.landing.settle(Ok(())));
    }

    /// Everything on its way fails. Where the store took nothing, what is visible is what it has;
    /// otherwise the account is read anew before it is changed again. Either way the next commit's
    /// expected head is the proof.
    fn fail(&self, inner: &mut Inner, error: &store::Error) {
        tracing::warn!(account = self.id.0, %error, commits = inner.flying.len(), "commits failed");
        for flight in std::mem::take(&mut inner.flying) {
            if flight.exclusive {
                inner.release();
            }
            inner.tell.wakers.extend(flight.landing.settle(Err(error.clone())));
        }
        inner.plan.reset(&inner.state);
        inner.state.keywords.reset();
        use store::Error::{Closed, Conflict, Damaged, Full, InUse, Io, Poisoned, TooLarge};
        inner.in_doubt = match error {
            Conflict { .. } | Damaged(_) | Io(_) => true,
            Full | TooLarge { .. } | Poisoned | InUse | Closed => false,
        };
        inner.tell.calm = true;
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
    /// Ready when a commit after `seen` is durable, or the account is gone. Cancel-safe; costs no
    /// memory that grows.
    pub async fn wait(&self, seen: ModSeq) {
        loop {
            let listener = self.event.listen();
            if self.modseq() > seen || self.is_stopped() {
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
        if octets > self.shared.options.message_octets_max {
            return Err(Refused::MessageTooBig.into());
        }
        self.inner().room(octets, 1)
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
    /// The mailbox with that special use.
    #[must_use]
    pub fn special(&self, wanted: SpecialUse) -> Option<MailboxInfo> {
        let inner = self.inner();
        let id = inner.state.special(wanted)?;
        inner.state.mailboxes.get(&id).map(|mailbox| info(&inner.state, id, mailbox))
    }
    /// The message that a Uid names.
    #[must_use]
    pub fn message_of(&self, mailbox: MailboxId, uid: Uid) -> Option<MessageId> {
        let inner = self.inner();
        let entry = inner.state.mailboxes.get(&mailbox.0)?.entry(uid.0)?;
        Some(MessageId(entry.message))
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

impl Inner {
    /// Whether so much more would fit, with all that is on its way.
    pub fn room(&self, octets: u64, messages: u64) -> Result<(), Error> {
        let over = |used: u64, more: u64, max: Option<u64>| {
            more > 0 && max.is_some_and(|max| used.saturating_add(more) > max)
        };
        let (octets_max, messages_max) = self.limits;
        if over(self.plan.octets, octets, octets_max)
            || over(self.plan.messages, messages, messages_max)
        {
            return Err(Refused::OverQuota.into());
        }
        Ok(())
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

/// System flags as bits that may be set.
pub(crate) const SYSTEM_ALL: u8 = SystemFlags::SEEN.0
    | SystemFlags::ANSWERED.0
    | SystemFlags::FLAGGED.0
    | SystemFlags::DRAFT.0
    | SystemFlags::DELETED.0;
