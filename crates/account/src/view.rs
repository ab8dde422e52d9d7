//! A session's view of a mailbox: sequence numbers that move only when the session was told.
//!
//! A view holds no list: it is the account's index below the Uid that was told last, plus the
//! messages that were expunged and not yet told. One new mail costs a view O(1).

use crate::{
    Account, Error, MailboxInfo, Refused,
    account::Inner,
    change::Member,
    codec::{Reader, Writer},
    keys,
    state::{Entry, Mailbox, State, Touched},
};
use mail::{Keyword, MailboxId, MessageId, ModSeq, NumberSet, SystemFlags, ThreadId, Uid};
use std::{collections::BTreeSet, sync::Arc};

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

/// A session's view of one mailbox.
pub struct View {
    pub(crate) account: Arc<Account>,
    pub(crate) mailbox: u32,
    read_only: bool,
    /// Commits up to this one are digested.
    seen: u64,
    /// Uids below this one were told.
    told_next: u32,
    /// Messages from this Uid on are `\Recent` here.
    recent_from: u32,
    /// Recent messages up to this Uid, excluded.
    recent_to: u32,
    /// Expunged and not yet told, by Uid.
    zombies: Vec<Entry>,
    /// Flags changed and not yet told.
    changed: BTreeSet<u32>,
    /// Own commits that are not told again.
    own: BTreeSet<u64>,
    gone: bool,
    /// Fell too far behind to know what was expunged.
    lost: bool,
}

/// A member from an index entry.
pub(crate) fn member(
    entry: &Entry,
    (uid, modseq): (u32, u64),
    system: u8,
    keywords: Vec<u32>,
) -> Member {
    Member {
        uid,
        message: entry.message,
        modseq,
        system,
        keywords,
        octets: entry.octets,
        date: entry.date.into(),
        thread: entry.thread,
    }
}

/// Expunged (Uid, message) pairs as a value.
pub(crate) fn tombstones(gone: &[(u32, u32)]) -> bytes::Bytes {
    let mut to = Writer::default();
    for (uid, message) in gone {
        to.number((*uid).into()).number((*message).into());
    }
    to.done()
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}

/// A view's numbers, worked out under the account's lock.
pub(crate) struct Numbered<'a> {
    live: &'a [Entry],
    zombies: &'a [Entry],
}

impl<'a> Numbered<'a> {
    fn len(&self) -> u32 {
        count(self.live.len() + self.zombies.len())
    }
    /// How many told messages have a lower Uid.
    fn below(&self, uid: u32) -> usize {
        self.live.partition_point(|entry| entry.uid < uid)
            + self.zombies.partition_point(|entry| entry.uid < uid)
    }
    /// The entry of a sequence number, and whether it is expunged.
    fn entry(&self, sequence: u32) -> Option<(&'a Entry, bool)> {
        let at = (sequence as usize).checked_sub(1)?;
        if self.zombies.is_empty() {
            return self.live.get(at).map(|entry| (entry, false));
        }
        // The sequence numbers of the expunged grow with them.
        let place = |zombie: &Entry| self.live.partition_point(|entry| entry.uid < zombie.uid);
        let (mut low, mut high) = (0, self.zombies.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let Some(zombie) = self.zombies.get(middle) else { break };
            match (place(zombie) + middle).cmp(&at) {
                std::cmp::Ordering::Less => low = middle + 1,
                std::cmp::Ordering::Equal => return Some((zombie, true)),
                std::cmp::Ordering::Greater => high = middle,
            }
        }
        self.live.get(at - low).map(|entry| (entry, false))
    }
    fn range(&self, (first, last): (u32, u32), numbers: Numbers) -> (u32, u32) {
        match numbers {
            Numbers::Sequence => (first.max(1), last.min(self.len())),
            Numbers::Uid => {
                (count(self.below(first)) + 1, count(self.below(last.saturating_add(1))))
            }
        }
    }
}

impl Account {
    /// Opens a session's view of a mailbox. A view that is not read-only takes the `\Recent` marks.
    ///
    /// # Errors
    /// [`Refused::NoSuchMailbox`].
    pub fn select(self: &Arc<Self>, mailbox: MailboxId, read_only: bool) -> Result<View, Error> {
        let mut inner = self.inner();
        let seen = inner.state.modseq;
        let found = inner.state.mailboxes.get_mut(&mailbox.0).ok_or(Refused::NoSuchMailbox)?;
        let (recent_from, told_next) = (found.recent_from, found.uid_next);
        if !read_only {
            found.recent_from = told_next;
        }
        drop(inner);
        Ok(View {
            account: Arc::clone(self),
            mailbox: mailbox.0,
            read_only,
            seen,
            told_next,
            recent_from,
            recent_to: told_next,
            zombies: Vec::new(),
            changed: BTreeSet::new(),
            own: BTreeSet::new(),
            gone: false,
            lost: false,
        })
    }
}

impl View {
    /// Takes in what was committed since the last look; the session's numbers do not move by it.
    pub(crate) fn digest(&mut self, state: &State) {
        if self.seen < state.ring_floor && self.seen < state.modseq {
            self.lost = true;
        }
        let from = state.ring.partition_point(|(modseq, ..)| *modseq <= self.seen);
        for (modseq, mailbox, touched) in state.ring.range(from..) {
            if *mailbox != self.mailbox {
                continue;
            }
            let own = self.own.remove(modseq);
            for what in touched.iter() {
                match what {
                    Touched::Flags(uid) if !own && *uid < self.told_next => {
                        self.changed.insert(*uid);
                    }
                    Touched::Flags(_) => {}
                    Touched::Expunged(entry) if entry.uid < self.told_next => {
                        self.changed.remove(&entry.uid);
                        let at = self.zombies.partition_point(|other| other.uid < entry.uid);
                        self.zombies.insert(at, *entry);
                    }
                    Touched::Expunged(_) => {}
                }
            }
        }
        self.seen = state.modseq;
        self.gone = !state.mailboxes.contains_key(&self.mailbox);
    }

    pub(crate) fn numbered<'a>(&'a self, mailbox: Option<&'a Mailbox>) -> Numbered<'a> {
        let live = mailbox.map_or(&[][..], |mailbox| {
            let told = mailbox.entries.partition_point(|entry| entry.uid < self.told_next);
            mailbox.entries.get(..told).unwrap_or_default()
        });
        Numbered { live, zombies: &self.zombies }
    }

    fn with<T>(&mut self, look: impl FnOnce(&Self, &Inner, &Numbered<'_>) -> T) -> T {
        let account = Arc::clone(&self.account);
        let inner = account.inner();
        self.digest(&inner.state);
        let numbered = self.numbered(inner.state.mailboxes.get(&self.mailbox));
        look(self, &inner, &numbered)
    }

    fn row(&self, state: &State, sequence: u32, entry: &Entry) -> Row {
        Row {
            sequence,
            uid: Uid(entry.uid),
            message: MessageId(entry.message),
            thread: ThreadId(entry.thread),
            modseq: ModSeq(entry.modseq),
            system: SystemFlags(entry.system()),
            recent: self.is_recent(entry.uid),
            keywords: state.keywords.names_of(entry.keywords()),
            octets: entry.octets,
            internal_date: entry.date.into(),
        }
    }

    const fn is_recent(&self, uid: u32) -> bool {
        uid >= self.recent_from && uid < self.recent_to
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
    /// The mailbox as it is now (may be ahead of what the view was told); `None` when deleted.
    #[must_use]
    pub fn info(&self) -> Option<MailboxInfo> {
        self.account.mailbox_by_id(self.mailbox())
    }
    /// Messages, as told.
    #[must_use]
    pub fn exists(&mut self) -> u32 {
        self.with(|_, _, numbered| numbered.len())
    }
    /// Recent messages of this view, as told.
    #[must_use]
    pub fn recent(&mut self) -> u32 {
        self.with(|view, _, numbered| {
            count(numbered.below(view.recent_to) - numbered.below(view.recent_from))
        })
    }
    /// The largest Uid told; 0 when the view is empty. For `*`.
    #[must_use]
    pub fn uid_max(&mut self) -> Uid {
        self.with(|_, _, numbered| {
            let last = numbered.entry(numbered.len());
            Uid(last.map_or(0, |(entry, _)| entry.uid))
        })
    }
    /// Sequence number of the first message without `\Seen`.
    #[must_use]
    pub fn first_unseen(&mut self) -> Option<u32> {
        self.with(|_, _, numbered| {
            let unseen = |entry: &&Entry| entry.system() & SystemFlags::SEEN.0 == 0;
            let first = numbered.live.iter().find(unseen)?;
            Some(count(numbered.below(first.uid)) + 1)
        })
    }
    /// Keywords used in the account (for FLAGS and PERMANENTFLAGS).
    #[must_use]
    pub fn keywords(&self) -> Vec<Keyword> {
        self.account.inner().state.keywords.names().to_vec()
    }
    /// Rows of the set that the view was told of, ascending, from sequence number `from` on, at
    /// most
    /// `rows_max`; rows expunged meanwhile and not yet told are among them. Call again with the
    /// last row's `sequence + 1` for more: numbers stay put until [`View::poll`].
    pub fn rows(
        &mut self,
        set: &NumberSet,
        numbers: Numbers,
        from: u32,
        rows_max: usize,
    ) -> Vec<Row> {
        self.with(|view, inner, numbered| {
            let mut rows = Vec::new();
            for range in set.ranges() {
                let (first, last) = numbered.range(*range, numbers);
                for sequence in first.max(from)..=last {
                    if rows.len() >= rows_max {
                        return rows;
                    }
                    if let Some((entry, _)) = numbered.entry(sequence) {
                        rows.push(view.row(&inner.state, sequence, entry));
                    }
                }
            }
            rows
        })
    }
    /// Whether the message of that Uid was expunged and the view not yet told.
    #[must_use]
    pub fn is_expunged(&mut self, uid: Uid) -> bool {
        self.with(|view, _, _| view.zombies.binary_search_by_key(&uid.0, |e| e.uid).is_ok())
    }

    /// What the session has not been told. With `expunges` false (RFC 9051 §5.5: FETCH, STORE,
    /// SEARCH by sequence number) expunged messages are kept for later. Changes that this view made
    /// itself and answered are left out.
    pub fn poll(&mut self, expunges: bool) -> Vec<Update> {
        let account = Arc::clone(&self.account);
        let inner = account.inner();
        if !self.has_news(&inner) {
            return Vec::new();
        }
        self.digest(&inner.state);
        let mailbox = inner.state.mailboxes.get(&self.mailbox);
        if self.gone || self.lost || account.is_broken() {
            return vec![Update::Gone];
        }
        let mut updates = Vec::new();
        if expunges && !self.zombies.is_empty() {
            let numbered = self.numbered(mailbox);
            let told = self.zombies.iter().rev();
            let told = told.map(|entry| (count(numbered.below(entry.uid)) + 1, Uid(entry.uid)));
            updates.push(Update::Expunged(told.collect()));
            self.zombies = Vec::new();
        }
        if let Some(mailbox) = mailbox.filter(|mailbox| mailbox.uid_next > self.told_next) {
            let before = self.numbered(Some(mailbox)).len();
            self.told_next = mailbox.uid_next;
            let numbered = self.numbered(Some(mailbox));
            if numbered.len() > before {
                let exists = numbered.len();
                self.take_recent(&account, mailbox.uid_next);
                let numbered = self.numbered(Some(mailbox));
                let recent = numbered.below(self.recent_to) - numbered.below(self.recent_from);
                updates.push(Update::Exists { exists, recent: count(recent) });
            }
        }
        let changed = std::mem::take(&mut self.changed);
        let numbered = self.numbered(mailbox);
        for uid in changed {
            if let Some(entry) = mailbox.and_then(|mailbox| mailbox.entry(uid)) {
                let sequence = count(numbered.below(uid)) + 1;
                updates.push(Update::Flags(self.row(&inner.state, sequence, entry)));
            }
        }
        drop(inner);
        self.give_recent();
        updates
    }

    fn take_recent(&mut self, _account: &Account, uid_next: u32) {
        if !self.read_only {
            self.recent_to = uid_next;
        }
    }

    /// Messages told here as recent are not recent to the next session.
    fn give_recent(&self) {
        if self.read_only {
            return;
        }
        let mut inner = self.account.inner();
        if let Some(mailbox) = inner.state.mailboxes.get_mut(&self.mailbox) {
            mailbox.recent_from = mailbox.recent_from.max(self.recent_to);
        }
    }

    /// Whether expunged messages were kept for later by polls without expunges.
    #[must_use]
    pub fn holds_back(&self) -> bool {
        !self.zombies.is_empty()
    }
    /// Whether a poll may tell something.
    fn has_news(&self, inner: &Inner) -> bool {
        let mailbox = inner.state.mailboxes.get(&self.mailbox);
        self.seen != inner.state.modseq
            || !self.changed.is_empty()
            || !self.zombies.is_empty()
            || mailbox.is_none_or(|mailbox| mailbox.uid_next > self.told_next)
            || self.account.is_broken()
    }

    /// Ready when [`View::poll`] may have something. Cancel-safe.
    pub async fn wait(&self) {
        let news = self.has_news(&self.account.inner());
        if !news {
            self.account.wait(ModSeq(self.seen)).await;
        }
    }

    /// A commit of this view whose answer tells all: its polls leave it out.
    pub(crate) fn answered(&mut self, modseq: u64) {
        if modseq > self.seen {
            self.own.insert(modseq);
        }
    }

    /// Uids expunged from this mailbox after `since` (RFC 7162 §3.2.5 VANISHED (EARLIER)), of
    /// `known` if given. Tombstones are kept as long as the mailbox.
    ///
    /// # Errors
    /// The store's.
    pub async fn vanished(
        &self,
        since: ModSeq,
        known: Option<&NumberSet>,
    ) -> Result<NumberSet, Error> {
        const PAGE: usize = 1_000;
        let mut uids = Vec::new();
        let mut from = since.0.saturating_add(1);
        let to = match self.mailbox.checked_add(1) {
            Some(next) => keys::expunged(next, 0),
            None => keys::all(keys::tag::EXPUNGED).1,
        };
        loop {
            let scan = store::Scan {
                account: self.account.id.0,
                from: keys::expunged(self.mailbox, from),
                to: to.clone(),
                reverse: false,
                entries_max: PAGE,
            };
            let page = self.account.shared.kv.scan(scan).await?;
            for (_, value) in &page {
                let mut from = Reader(value);
                while let (Some(uid), Some(_)) = (from.number32(), from.number32()) {
                    uids.push(uid);
                }
            }
            let last = page.last().and_then(|(key, _)| key.last_chunk().copied());
            match last.map(u64::from_be_bytes) {
                Some(last) if page.len() == PAGE => from = last.saturating_add(1),
                _ => break,
            }
        }
        uids.retain(|uid| known.is_none_or(|known| known.contains(*uid)));
        Ok(NumberSet::of_numbers(uids))
    }

    /// Entries of a set that are neither expunged nor about to be, with their sequence numbers.
    pub(crate) fn entries(
        &self,
        inner: &Inner,
        set: &NumberSet,
        numbers: Numbers,
    ) -> Vec<(u32, crate::plan::Effective)> {
        let numbered = self.numbered(inner.state.mailboxes.get(&self.mailbox));
        let mut found = Vec::new();
        for range in set.ranges() {
            let (first, last) = numbered.range(*range, numbers);
            for sequence in first..=last {
                if let Some((entry, false)) = numbered.entry(sequence)
                    && let Some(effective) = inner.plan.effective(self.mailbox, entry)
                {
                    found.push((sequence, effective));
                }
            }
        }
        found
    }
}
