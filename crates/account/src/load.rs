//! Reading an account from the store: at first use, and anew after a failure.

use crate::{
    Account, Error,
    accounts::Shared,
    bulk,
    change::Member,
    codec::{Reader, Writer},
    keys::{self, tag},
    mailbox::MailboxRecord,
    seal::{Kind, Seal},
    state::{Entry, State},
    types::MailboxName,
};
use bytes::Bytes;
use mail::AccountId;
use std::{
    collections::HashSet,
    sync::{Arc, atomic::Ordering},
};

/// Entries of one page.
const PAGE_ENTRIES: usize = 4_096;

/// Numbers of a mailbox that its messages do not show: what was expunged is not there to tell.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Numbers {
    /// Messages from this Uid on are `\Recent` to the next session.
    pub recent_from: u32,
    pub uid_next: u32,
    pub modseq: u64,
}

impl Numbers {
    pub fn write(&self, to: &mut Writer) {
        to.byte(1).number(self.recent_from.into());
        to.number(self.uid_next.into()).number(self.modseq);
    }
    pub fn read(value: &[u8]) -> Option<Self> {
        let mut from = Reader(value);
        if from.byte()? != 1 {
            return None;
        }
        let (recent_from, uid_next) = (from.number32()?, from.number32()?);
        Some(Self { recent_from, uid_next, modseq: from.number()? })
    }
}

/// Counters of the account.
#[derive(Default)]
pub(crate) struct Counters {
    pub next_message: u32,
    next_mailbox: u32,
    uid_validity: u32,
}

impl Counters {
    pub fn read(value: &[u8]) -> Option<Self> {
        let mut from = Reader(value);
        (from.byte()? == 1).then_some(())?;
        let (next_message, next_mailbox) = (from.number32()?, from.number32()?);
        Some(Self { next_message, next_mailbox, uid_validity: from.number32()? })
    }
}

/// The largest UIDVALIDITY given, of an account's counters.
pub(crate) fn uid_validity(counters: &[u8]) -> Option<u32> {
    Counters::read(counters).map(|counters| counters.uid_validity)
}

/// A set of message ids, which are dense.
#[derive(Default)]
struct Bits(Vec<u64>);

impl Bits {
    /// Whether it was not there before.
    fn set(&mut self, message: u32) -> bool {
        let (at, bit) = (message as usize / 64, 1 << (message % 64));
        if at >= self.0.len() {
            self.0.resize(at + 1, 0);
        }
        let Some(word) = self.0.get_mut(at) else { return false };
        let new = *word & bit == 0;
        *word |= bit;
        new
    }
}

/// What was read.
struct Read {
    state: State,
    counters: Counters,
}

impl Account {
    /// Reads an account.
    pub(crate) async fn load(
        id: AccountId,
        shared: Arc<Shared>,
        seal: Seal,
    ) -> Result<Arc<Self>, Error> {
        let account = Self::new(id, shared, seal);
        let read = account.read_all().await?;
        account.install(read);
        Ok(account)
    }

    fn install(&self, read: Read) {
        let mut inner = self.inner();
        let inner = &mut *inner;
        let before = std::mem::replace(&mut inner.state, read.state);
        inner.watches.renewed(&before, &inner.state);
        inner.plan.reset(&inner.state);
        // Ids that were taken but never became durable may still be in somebody's hands.
        self.next_message.fetch_max(read.counters.next_message, Ordering::Relaxed);
        inner.plan.next_mailbox = inner.plan.next_mailbox.max(read.counters.next_mailbox);
        inner.plan.uid_validity = inner.plan.uid_validity.max(read.counters.uid_validity);
        inner.in_doubt = false;
        inner.tell.news = true;
        inner.tell.calm = true;
    }

    /// Reads the account anew after a failure that leaves in doubt what the store has.
    pub(crate) async fn renew(&self) -> Result<(), Error> {
        let waits = {
            let mut inner = self.inner();
            match (inner.in_doubt, inner.renewing) {
                (false, _) => return Ok(()),
                (true, true) => Some(self.calm.listen()),
                (true, false) => {
                    inner.renewing = true;
                    None
                }
            }
        };
        if let Some(calm) = waits {
            calm.await;
            return Ok(());
        }
        let renewing = Renewing(self);
        let read = self.read_all().await?;
        self.install(read);
        drop(renewing);
        tracing::info!(account = self.id.0, "read anew after a failure");
        Ok(())
    }

    /// Calls `each` with the rest of each key of a tag, and its value.
    pub(crate) async fn each(
        &self,
        tag: u8,
        each: impl FnMut(&[u8], &[u8]) -> Option<()>,
    ) -> Result<(), Error> {
        let (from, to) = keys::all(tag);
        self.each_between(from, to, each).await
    }

    pub(crate) async fn each_between(
        &self,
        mut from: Bytes,
        to: Bytes,
        mut each: impl FnMut(&[u8], &[u8]) -> Option<()>,
    ) -> Result<(), Error> {
        loop {
            let scan = store::Scan {
                account: self.id.0,
                from: from.clone(),
                to: to.clone(),
                reverse: false,
                entries_max: PAGE_ENTRIES,
            };
            let page = self.shared.kv.scan(scan).await?;
            for (key, value) in &page {
                let rest = key.get(1..).unwrap_or_default();
                each(rest, value)
                    .ok_or_else(|| Error::Damaged(format!("account {}: key {key:?}", self.id)))?;
            }
            match page.last() {
                Some((last, _)) if page.len() == PAGE_ENTRIES => {
                    from = [last.as_ref(), &[0]].concat().into();
                }
                _ => return Ok(()),
            }
        }
    }

    async fn read_all(&self) -> Result<Read, Error> {
        let modseq = self.shared.kv.head(self.id.0).await?;
        let counters = match self.shared.kv.get(self.id.0, keys::version().bytes()).await? {
            Some(value) => Counters::read(&value)
                .ok_or_else(|| Error::Damaged(format!("account {}: counters", self.id)))?,
            None => Counters { next_message: 1, next_mailbox: 1, uid_validity: 0 },
        };
        let mut state = State { modseq, ..State::default() };
        self.read_names(&mut state).await?;
        self.read_members(&mut state, counters.next_message).await?;
        self.read_bulks(&mut state).await?;
        self.read_numbers(&mut state).await?;
        self.each(tag::MARK, |key, value| {
            let mark = u64::from_be_bytes(key.try_into().ok()?);
            let mut from = Reader(value);
            (from.byte()? == 1).then_some(())?;
            state.mark(mark, from.signed()?);
            Some(())
        })
        .await?;
        Ok(Read { state, counters })
    }

    async fn read_names(&self, state: &mut State) -> Result<(), Error> {
        self.each(tag::KEYWORD, |key, value| {
            let number = keys::number(key)?;
            let name =
                mail::Keyword::parse(&self.open_text(Kind::Keyword, number.into(), value)?)?;
            (state.keywords.add(name) == number).then_some(())
        })
        .await?;
        state.keywords.settle(state.keywords.len());
        self.each(tag::MAILBOX, |key, value| {
            let id = keys::number(key)?;
            state.mailbox(id, self.open_mailbox(id, value)?);
            Some(())
        })
        .await?;
        // Sessions look into the log for what they were not told.
        state.annotations.modseq = state.modseq;
        self.each(tag::ANNOTATION, |key, value| {
            let (mailbox, hash) = keys::mailbox_and_commit_of(key)?;
            let annotation = self.open_annotation(hash, value)?;
            state.annotations.set(mailbox, &annotation);
            Some(())
        })
        .await?;
        self.each(tag::SUBSCRIPTION, |key, value| {
            let hash = u64::from_be_bytes(key.try_into().ok()?);
            let name = self.open_text(Kind::Name, hash, value)?;
            state.subscriptions.insert(MailboxName::parse(&name).ok()?);
            Some(())
        })
        .await
    }

    async fn read_members(&self, state: &mut State, next: u32) -> Result<(), Error> {
        // A bit a message: a map of them all would cost more than the index itself.
        let mut known = Bits::default();
        let mut twice = HashSet::new();
        self.each(tag::MEMBER, |key, value| {
            let (mailbox, uid) = keys::pair(key)?;
            let member = Member::of_value(uid, value).filter(|m| m.message < next)?;
            let keywords = state.keywords.set(member.keywords.clone());
            state.mailboxes.get_mut(&mailbox)?.push(Entry::of(&member, keywords));
            if known.set(member.message) {
                state.octets += u64::from(member.octets);
                state.messages += 1;
            } else {
                twice.insert(member.message);
            }
            Some(())
        })
        .await?;
        state.gather(&twice);
        Ok(())
    }

    async fn read_bulks(&self, state: &mut State) -> Result<(), Error> {
        self.each(tag::BULK, |key, value| {
            let (mailbox, modseq) = keys::mailbox_and_commit_of(key)?;
            let groups = bulk::read(value)?;
            let found = state.mailboxes.get_mut(&mailbox)?;
            for group in &groups {
                let keywords = state.keywords.set(group.keywords.clone());
                found.overlay(group.modseq, Entry::with_flags(group.system, keywords), &group.uids);
            }
            found.bulks.push(modseq, &groups);
            Some(())
        })
        .await
    }

    async fn read_numbers(&self, state: &mut State) -> Result<(), Error> {
        self.each(tag::NUMBERS, |key, value| {
            let numbers = Numbers::read(value)?;
            // Of a mailbox that is gone they are no longer of interest.
            if let Some(found) = state.mailboxes.get_mut(&keys::number(key)?) {
                found.recent_from = numbers.recent_from;
                found.uid_next = found.uid_next.max(numbers.uid_next);
                found.highest_modseq = found.highest_modseq.max(numbers.modseq);
            }
            Some(())
        })
        .await
    }

    pub(crate) fn seal_mailbox(&self, id: u32, record: &MailboxRecord) -> Result<Bytes, Error> {
        Ok(self.seal.seal(Kind::Mailbox, id.into(), &record.write())?.into())
    }
    pub(crate) fn open_mailbox(&self, id: u32, sealed: &[u8]) -> Option<MailboxRecord> {
        MailboxRecord::read(&self.seal.open(Kind::Mailbox, id.into(), sealed).ok()?)
    }
    pub(crate) fn open_text(&self, kind: Kind, number: u64, sealed: &[u8]) -> Option<String> {
        String::from_utf8(self.seal.open(kind, number, sealed).ok()?).ok()
    }
}

/// Somebody is reading the account anew; if he gives up, another may.
struct Renewing<'a>(&'a Account);

impl Drop for Renewing<'_> {
    fn drop(&mut self) {
        let mut inner = self.0.inner();
        inner.renewing = false;
        inner.tell.calm = true;
    }
}
