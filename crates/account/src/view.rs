//! A session's view of a mailbox: sequence numbers that move only when the session was told.
//!
//! A view holds no list: it is the account's index below the Uid that was told last, plus the
//! messages that were expunged and not yet told. One new mail costs a view O(1).

use crate::{
    Account, Error, MailboxInfo, Refused,
    account::Inner,
    keys,
    plan::Effective,
    state::{Entry, Mailbox, State},
    watch::Watch,
};
use mail::{Keyword, MailboxId, MessageId, ModSeq, NumberSet, SystemFlags, ThreadId, Uid};
use std::sync::Arc;

/// Flag changes told by one poll; the rest is told by the next.
const FLAGS_TOLD_MAX: usize = 10_000;

/// What numbers of a set mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Numbers {
    /// Message sequence numbers of the view.
    Sequence,
    /// Uids.
    Uid,
}

/// A message as the index knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its sequence number in the view.
    pub sequence: u32,
    /// Its Uid.
    pub uid: Uid,
    /// Its permanent id.
    pub message: MessageId,
    /// Its thread.
    pub thread: ThreadId,
    /// The commit that last touched it.
    pub modseq: ModSeq,
    /// System flags.
    pub system: SystemFlags,
    /// Whether this view has it as `\Recent` (RFC 3501 only).
    pub recent: bool,
    /// Keywords; shared by all messages that have the same.
    pub keywords: Arc<[Keyword]>,
    /// Octets (RFC822.SIZE).
    pub octets: u32,
    /// INTERNALDATE, seconds since 1970 UTC.
    pub internal_date: i64,
}

/// What a session has to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Update {
    /// Messages are gone: (sequence number at the moment it is told, Uid), in the order in which
    /// EXPUNGE responses have to be sent (descending by sequence number).
    Expunged(Vec<(u32, Uid)>),
    /// The mailbox now has so many messages (and so many recent ones).
    Exists {
        /// Messages.
        exists: u32,
        /// Recent messages of this view.
        recent: u32,
    },
    /// Flags changed.
    Flags(Row),
    /// The mailbox itself was deleted: the session must leave it.
    Gone,
}

/// A session's view of one mailbox. Its state lives beside the account's, under the same lock.
pub struct View {
    pub(crate) account: Arc<Account>,
    pub(crate) mailbox: u32,
    pub(crate) number: u64,
    read_only: bool,
    /// System flags that it may change, and whether keywords.
    pub(crate) allowed: (u8, bool),
}

impl Drop for View {
    fn drop(&mut self) {
        self.account.inner().watches.close(self.number);
    }
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A view's numbers, worked out under the account's lock.
#[derive(Clone, Copy)]
pub(crate) struct Numbered<'a> {
    live: &'a [Entry],
    zombies: &'a [Entry],
}

impl<'a> Numbered<'a> {
    pub fn of(mailbox: Option<&'a Mailbox>, watch: &'a Watch) -> Self {
        let live = mailbox.map_or(&[][..], |mailbox| {
            let told = mailbox.entries.partition_point(|entry| entry.uid < watch.told_next);
            mailbox.entries.get(..told).unwrap_or_default()
        });
        Self { live, zombies: &watch.zombies }
    }
    fn len(&self) -> u32 {
        count(self.live.len() + self.zombies.len())
    }
    /// How many told messages have a lower Uid.
    fn below(&self, uid: u32) -> u32 {
        let live = self.live.partition_point(|entry| entry.uid < uid);
        count(live + self.zombies.partition_point(|entry| entry.uid < uid))
    }
    /// Where a sequence number (from 1) is in either list.
    fn place(&self, sequence: u32) -> (usize, usize) {
        let at = (sequence as usize).saturating_sub(1);
        // A zombie's own number is its place among the zombies and the live ones before it; these
        // numbers grow from zombie to zombie.
        let live_before = |zombie: &Entry| self.live.partition_point(|e| e.uid < zombie.uid);
        let (mut low, mut high) = (0, self.zombies.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let Some(zombie) = self.zombies.get(middle) else { break };
            if live_before(zombie) + middle < at {
                low = middle + 1;
            } else {
                high = middle;
            }
        }
        (at.saturating_sub(low), low)
    }
    /// Rows from a sequence number to another, both included: (number, entry, whether expunged).
    fn rows(self, first: u32, last: u32) -> impl Iterator<Item = (u32, &'a Entry, bool)> {
        let (mut live, mut zombie) = self.place(first);
        (first..=last).map_while(move |sequence| {
            let next = (self.live.get(live), self.zombies.get(zombie));
            let dead = match next {
                (Some(alive), Some(dead)) => dead.uid < alive.uid,
                (None, Some(_)) => true,
                (Some(_), None) => false,
                (None, None) => return None,
            };
            if dead {
                zombie += 1;
                next.1.map(|entry| (sequence, entry, true))
            } else {
                live += 1;
                next.0.map(|entry| (sequence, entry, false))
            }
        })
    }
    fn range(&self, (first, last): (u32, u32), numbers: Numbers) -> (u32, u32) {
        match numbers {
            Numbers::Sequence => (first.max(1), last.min(self.len())),
            Numbers::Uid => {
                let end = last.checked_add(1).map_or(self.len(), |next| self.below(next));
                (self.below(first).saturating_add(1), end)
            }
        }
    }
    /// How many rows a set has at most.
    fn count(&self, set: &NumberSet, numbers: Numbers) -> usize {
        let rows = |range: &(u32, u32)| {
            let (first, last) = self.range(*range, numbers);
            (last + 1).saturating_sub(first) as usize
        };
        set.ranges().iter().map(rows).sum()
    }
    /// Rows of a set, ascending.
    pub fn of_set(
        self,
        set: &NumberSet,
        numbers: Numbers,
        from: u32,
    ) -> impl Iterator<Item = (u32, &'a Entry, bool)> {
        set.ranges().iter().flat_map(move |range| {
            let (first, last) = self.range(*range, numbers);
            self.rows(first.max(from), last)
        })
    }
    fn recent(&self, watch: &Watch) -> u32 {
        let of = |(from, to): &(u32, u32)| self.below(*to) - self.below(*from);
        watch.recent.iter().map(of).sum()
    }
}

impl Account {
    /// Opens a session's view of a mailbox. A view that is not read-only takes the `\Recent` marks.
    ///
    /// # Errors
    /// [`Refused::NoSuchMailbox`].
    pub fn select(self: &Arc<Self>, mailbox: MailboxId, read_only: bool) -> Result<View, Error> {
        let mut inner = self.inner();
        let inner = &mut *inner;
        let found = inner.state.mailboxes.get_mut(&mailbox.0).ok_or(Refused::NoSuchMailbox)?;
        let watch = Watch::new(mailbox.0, found.uid_next, found.recent_from);
        if !read_only && found.recent_from < found.uid_next {
            found.recent_from = found.uid_next;
            inner.state.recent_moved.insert(mailbox.0);
        }
        let number = inner.watches.open(watch);
        let allowed = (u8::MAX, true);
        Ok(View { account: Arc::clone(self), mailbox: mailbox.0, number, read_only, allowed })
    }
}

pub(crate) fn row(state: &State, watch: &Watch, sequence: u32, entry: &Entry) -> Row {
    Row {
        sequence,
        uid: Uid(entry.uid),
        message: MessageId(entry.message),
        thread: ThreadId(entry.thread),
        modseq: ModSeq(entry.modseq),
        system: SystemFlags(entry.system()),
        recent: watch.is_recent(entry.uid),
        keywords: state.keywords.names_of(entry.keywords()),
        octets: entry.octets,
        internal_date: entry.date.into(),
    }
}

impl View {
    /// Looks at the numbers as they were told.
    pub(crate) fn look<T>(
        &self,
        nothing: T,
        look: impl FnOnce(&State, &Watch, Numbered<'_>) -> T,
    ) -> T {
        let inner = self.account.inner();
        let Some(watch) = inner.watches.find(self.number) else { return nothing };
        let mailbox = inner.state.mailboxes.get(&self.mailbox);
        look(&inner.state, watch, Numbered::of(mailbox, watch))
    }

    /// The mailbox.
    #[must_use]
    pub fn mailbox(&self) -> MailboxId {
        MailboxId(self.mailbox)
    }
    /// The account.
    #[must_use]
    pub fn account(&self) -> &Arc<Account> {
        &self.account
    }
    /// Whether it was selected read-only.
    #[must_use]
    pub fn read_only(&self) -> bool {
        self.read_only
    }
    /// Lets [`View::store`] change these flags alone: others are left as they are (RFC 4314 §4).
    pub const fn allow(&mut self, system: SystemFlags, keywords: bool) {
        self.allowed = (system.0, keywords);
    }
    /// The mailbox as it is now (may be ahead of what the view was told); `None` when deleted.
    #[must_use]
    pub fn info(&self) -> Option<MailboxInfo> {
        self.account.mailbox_by_id(self.mailbox())
    }
    /// Messages, as told.
    #[must_use]
    pub fn exists(&self) -> u32 {
        self.look(0, |_, _, numbered| numbered.len())
    }
    /// Recent messages of this view, as told.
    #[must_use]
    pub fn recent(&self) -> u32 {
        self.look(0, |_, watch, numbered| numbered.recent(watch))
    }
    /// The largest Uid told; 0 when the view is empty. For `*`.
    #[must_use]
    pub fn uid_max(&mut self) -> Uid {
        self.look(Uid(0), |_, _, numbered| {
            let last = numbered.rows(numbered.len(), u32::MAX).next();
            Uid(last.map_or(0, |(_, entry, _)| entry.uid))
        })
    }
    /// Sequence number of the first message without `\Seen`.
    #[must_use]
    pub fn first_unseen(&mut self) -> Option<u32> {
        self.look(None, |_, _, numbered| {
            let unseen = |entry: &&Entry| entry.system() & SystemFlags::SEEN.0 == 0;
            let first = numbered.live.iter().find(unseen)?;
            Some(numbered.below(first.uid) + 1)
        })
    }
    /// Keywords used in the account (for FLAGS and PERMANENTFLAGS).
    #[must_use]
    pub fn keywords(&self) -> Vec<Keyword> {
        self.account.inner().state.keywords.names().to_vec()
    }
    /// Rows of the set that the view was told of, ascending, from sequence number `from` on, at
    /// most `rows_max`; rows expunged meanwhile and not yet told are among them. Call again with
    /// the last row's `sequence + 1` for more: numbers stay put until [`View::poll`].
    #[must_use]
    pub fn rows(
        &mut self,
        set: &NumberSet,
        numbers: Numbers,
        from: u32,
        rows_max: usize,
    ) -> Vec<Row> {
        self.look(Vec::new(), |state, watch, numbered| {
            let found = numbered.of_set(set, numbers, from).take(rows_max);
            let mut rows = Vec::with_capacity(numbered.count(set, numbers).min(rows_max));
            rows.extend(found.map(|(sequence, entry, _)| row(state, watch, sequence, entry)));
            rows
        })
    }
    /// The sequence numbers of the messages of a set, as told; O(log n) for each of its ranges.
    #[must_use]
    pub fn sequences(&self, set: &NumberSet, numbers: Numbers) -> NumberSet {
        self.look(NumberSet::default(), |_, _, numbered| {
            let ranges = set.ranges().iter().map(|range| numbered.range(*range, numbers));
            NumberSet::of(ranges.filter(|(first, last)| first <= last))
        })
    }
    /// The Uids of messages by their sequence numbers, as told.
    #[must_use]
    pub fn uids(&self, sequences: &NumberSet) -> NumberSet {
        self.look(NumberSet::default(), |_, _, numbered| {
            let found = numbered.of_set(sequences, Numbers::Sequence, 1);
            NumberSet::of_numbers(found.map(|(_, entry, _)| entry.uid))
        })
    }
    /// Messages that were expunged and not yet told: sequence number, Uid, ascending.
    #[must_use]
    pub fn expunged(&self) -> Vec<(u32, Uid)> {
        self.look(Vec::new(), |_, watch, numbered| {
            let gone = watch.zombies.iter();
            gone.map(|entry| (numbered.below(entry.uid) + 1, Uid(entry.uid))).collect()
        })
    }
    /// As [`View::rows`] by Uid, without those expunged.
    pub(crate) fn live_rows(&self, uids: &NumberSet) -> Vec<Row> {
        self.look(Vec::new(), |state, watch, numbered| {
            let found = numbered.of_set(uids, Numbers::Uid, 1).filter(|(_, _, dead)| !dead);
            let mut rows = Vec::with_capacity(numbered.count(uids, Numbers::Uid));
            rows.extend(found.map(|(sequence, entry, _)| row(state, watch, sequence, entry)));
            rows
        })
    }
    /// Whether the message of that Uid was expunged and the view not yet told.
    #[must_use]
    pub fn is_expunged(&mut self, uid: Uid) -> bool {
        self.look(false, |_, watch, _| {
            watch.zombies.binary_search_by_key(&uid.0, |entry| entry.uid).is_ok()
        })
    }

    /// What the session has not been told. With `expunges` false (RFC 9051 §5.5: FETCH, STORE,
    /// SEARCH by sequence number) expunged messages are kept for later. Changes that this view made
    /// itself and answered are left out. Flag changes past some thousands are told by the next
    /// poll.
    pub fn poll(&mut self, expunges: bool) -> Vec<Update> {
        let mut inner = self.account.inner();
        let inner = &mut *inner;
        let Some(watch) = inner.watches.find_mut(self.number) else { return vec![Update::Gone] };
        let Some(mailbox) = inner.state.mailboxes.get_mut(&self.mailbox) else {
            return vec![Update::Gone];
        };
        if self.account.is_stopped() {
            return vec![Update::Gone];
        }
        let mut updates = Vec::new();
        if expunges && !watch.zombies.is_empty() {
            let numbered = Numbered::of(Some(mailbox), watch);
            let told = watch.zombies.iter().rev();
            let told = told.map(|entry| (numbered.below(entry.uid) + 1, Uid(entry.uid)));
            updates.push(Update::Expunged(told.collect()));
            watch.zombies = Vec::new();
        }
        if mailbox.uid_next > watch.told_next {
            let before = Numbered::of(Some(mailbox), watch).len();
            watch.told_next = mailbox.uid_next;
            if !self.read_only && mailbox.recent_from < mailbox.uid_next {
                watch.take_recent(mailbox.recent_from, mailbox.uid_next);
                mailbox.recent_from = mailbox.uid_next;
                inner.state.recent_moved.insert(self.mailbox);
            }
            let numbered = Numbered::of(Some(mailbox), watch);
            if numbered.len() > before {
                let (exists, recent) = (numbered.len(), numbered.recent(watch));
                updates.push(Update::Exists { exists, recent });
            }
        }
        if !watch.changed.is_empty() {
            let changed = watch.take_changed();
            self.tell_flags(inner, &changed, &mut updates);
        }
        updates
    }

    fn tell_flags(&self, inner: &mut Inner, changed: &NumberSet, updates: &mut Vec<Update>) {
        let mailbox = inner.state.mailboxes.get(&self.mailbox);
        let Some(watch) = inner.watches.find_mut(self.number) else { return };
        let mut told = 0;
        let mut rest = None;
        let numbered = Numbered::of(mailbox, watch);
        for (sequence, entry, dead) in numbered.of_set(changed, Numbers::Uid, 1) {
            if told >= FLAGS_TOLD_MAX {
                rest = Some(entry.uid);
                break;
            }
            if !dead {
                updates.push(Update::Flags(row(&inner.state, watch, sequence, entry)));
                told += 1;
            }
        }
        if let Some(from) = rest {
            let later = changed.ranges().iter().filter(|(_, last)| *last >= from);
            let later = NumberSet::of(later.map(|(first, last)| ((*first).max(from), *last)));
            watch.changed.push(Arc::new(later));
        }
    }

    /// Whether expunged messages were kept for later by polls without expunges.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        self.look(false, |_, watch, _| !watch.zombies.is_empty())
    }
    /// Ready when [`View::poll`] may have something. Cancel-safe.
    pub async fn wait(&self) {
        self.wait_for(Watch::has_news).await;
    }
    /// Ready when [`View::poll`] without expunges may have something. Cancel-safe.
    pub async fn wait_unexpunged(&self) {
        self.wait_for(Watch::has_other_news).await;
    }
    async fn wait_for(&self, has_news: fn(&Watch, &State) -> bool) {
        loop {
            let listener = self.account.event.listen();
            {
                let inner = self.account.inner();
                let watch = inner.watches.find(self.number);
                let news = watch.is_none_or(|watch| has_news(watch, &inner.state));
                if news || self.account.is_stopped() {
                    return;
                }
            }
            listener.await;
        }
    }

    /// Uids expunged from this mailbox after `since` (RFC 7162 §3.2.5 VANISHED (EARLIER)), of
    /// `known` if given. Tombstones are kept as long as the account.
    ///
    /// # Errors
    /// The store's.
    pub async fn vanished(
        &self,
        since: ModSeq,
        known: Option<&NumberSet>,
    ) -> Result<NumberSet, Error> {
        let from = keys::expunged(self.mailbox, since.0.saturating_add(1)).bytes();
        let to = match self.mailbox.checked_add(1) {
            Some(next) => keys::expunged(next, 0).bytes(),
            None => keys::all(keys::tag::EXPUNGED).1,
        };
        let mut uids = Vec::new();
        self.account
            .each_between(from, to, |_, value| {
                let gone = crate::edit::read_tombstones(value)?.into_iter().map(|(uid, _)| uid);
                uids.extend(gone.filter(|uid| known.is_none_or(|known| known.contains(*uid))));
                Some(())
            })
            .await?;
        Ok(NumberSet::of_numbers(uids))
    }

    /// Told entries of a set that are neither expunged nor about to be.
    pub(crate) fn effective(
        &self,
        inner: &Inner,
        set: &NumberSet,
        numbers: Numbers,
    ) -> Vec<Effective> {
        let Some(watch) = inner.watches.find(self.number) else { return Vec::new() };
        let mailbox = inner.state.mailboxes.get(&self.mailbox);
        let found = Numbered::of(mailbox, watch).of_set(set, numbers, 1);
        let living = found.filter(|(_, _, dead)| !dead);
        living.filter_map(|(_, entry, _)| inner.plan.effective(self.mailbox, entry)).collect()
    }
}
