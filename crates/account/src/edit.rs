//! What a view changes: flags and expunges. Each is one commit.

use crate::{
    Account, Error, FlagChange, FlagOp, Numbers, Refused, Stored, View,
    account::{Inner, SYSTEM_ALL},
    bulk::Gathering,
    change::{Change, write_keywords},
    codec::{Reader, Writer},
    draft::Draft,
    keys,
    keywords::SetId,
    keywords::settle_opposites,
    plan::{Effective, Planned},
    state::{DELETED, Entry},
};
use mail::{Keyword, ModSeq, NumberSet};
use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

/// Expunged (Uid, message) pairs as a value.
pub(crate) fn write_tombstones(gone: &[(u32, u32)], to: &mut Writer) {
    to.byte(1);
    for (uid, message) in gone {
        to.number((*uid).into()).number((*message).into());
    }
}

/// Reads what [`write_tombstones`] wrote.
pub(crate) fn read_tombstones(value: &[u8]) -> Option<Vec<(u32, u32)>> {
    let mut from = Reader(value);
    (from.byte()? == 1).then_some(())?;
    let mut gone = Vec::new();
    while !from.is_empty() {
        gone.push((from.number32()?, from.number32()?));
    }
    Some(gone)
}

impl View {
    pub(crate) fn writable(&self) -> Result<(), Error> {
        if self.read_only() { Err(Refused::ReadOnly.into()) } else { Ok(()) }
    }

    /// Changes flags in one commit. Rows gone meanwhile are left out. The answer tells all: the
    /// view's own later polls do not tell of it.
    ///
    /// # Errors
    /// [`Refused::ReadOnly`], [`Refused::Limit`] of keywords; the store's.
    pub async fn store(
        &mut self,
        set: &NumberSet,
        numbers: Numbers,
        change: &FlagChange,
    ) -> Result<Stored, Error> {
        self.writable()?;
        let account = Arc::clone(&self.account);
        let mut stored = Stored::default();
        let mut targets = NumberSet::default();
        let (sent, before) = {
            let mut guard = account.turn().await?;
            let inner = &mut *guard;
            let mut rows = self.effective(inner, set, numbers);
            rows.retain(|now| {
                let late = change.unchanged_since.is_some_and(|since| now.modseq > since.0);
                let uids = if late { &mut stored.modified } else { &mut targets };
                uids.push(now.entry.uid);
                !late
            });
            let mut draft = account.draft(inner);
            if !rows.is_empty() {
                let mut flags = Flagging::new(&account, inner, &mut draft, change)?;
                let many = account.shared.options.bulk_messages_min;
                flags.allowed = self.allowed;
                flags.bulk = (rows.len() >= many).then(Gathering::default);
                for now in &rows {
                    flags.row(inner, &mut draft, self.mailbox, now);
                }
                flags.finish(inner, &mut draft, self.mailbox);
            }
            draft.delta.by = Some(self.number);
            let before = inner.flying.back().map(|flight| Arc::clone(&flight.landing));
            let changed = !draft.delta.flags.is_empty();
            (changed.then(|| account.commit(inner, draft)), before)
        };
        match (&sent, before) {
            (Some(sent), _) => sent.landed().await?,
            // What makes this change needless may itself be on its way.
            (None, Some(before)) => before.settled().await?,
            (None, None) => {}
        }
        stored.rows = self.live_rows(&targets);
        stored.modseq = sent.map(|sent| ModSeq(sent.modseq));
        Ok(stored)
    }

    /// Expunges the messages that have `\Deleted` (of `uids` if given) in one commit. The view is
    /// told by its next poll.
    ///
    /// # Errors
    /// [`Refused::ReadOnly`]; the store's.
    pub async fn expunge(&mut self, uids: Option<&NumberSet>) -> Result<Option<ModSeq>, Error> {
        self.writable()?;
        let all = NumberSet::of([(1, u32::MAX)]);
        self.leave(uids.unwrap_or(&all), true).await
    }

    /// Expunges these Uids whatever their flags, in one commit (POP3 QUIT, JMAP destroy).
    ///
    /// # Errors
    /// The store's.
    pub async fn erase(&mut self, uids: &NumberSet) -> Result<Option<ModSeq>, Error> {
        self.leave(uids, false).await
    }

    async fn leave(&mut self, uids: &NumberSet, marked: bool) -> Result<Option<ModSeq>, Error> {
        let account = Arc::clone(&self.account);
        let sent = {
            let mut guard = account.turn().await?;
            let inner = &mut *guard;
            if !inner.state.mailboxes.contains_key(&self.mailbox) {
                return Err(Refused::NoSuchMailbox.into());
            }
            let mut rows = self.effective(inner, uids, Numbers::Uid);
            rows.retain(|now| !marked || now.system & DELETED != 0);
            if rows.is_empty() {
                return Ok(None);
            }
            let mut draft = account.draft(inner);
            account.draft_expunge(inner, &mut draft, self.mailbox, &rows)?;
            account.commit(inner, draft)
        };
        sent.landed().await?;
        Ok(Some(ModSeq(sent.modseq)))
    }
}

/// A flag change being planned over many rows.
struct Flagging {
    op: FlagOp,
    system: u8,
    /// System flags that may be changed, and whether keywords.
    allowed: (u8, bool),
    wanted: Vec<u32>,
    /// Keywords that those exclude.
    excluded: Vec<u32>,
    /// What each set of keywords becomes.
    sets: HashMap<SetId, SetId>,
    /// Messages by their new shared flags.
    shared: BTreeMap<(u8, SetId), Vec<u32>>,
    /// Uids by their new `\Deleted`.
    deleted: [Vec<u32>; 2],
    /// Where there are very many, they are written together.
    bulk: Option<Gathering>,
}

impl Flagging {
    fn new(
        account: &Account,
        inner: &mut Inner,
        draft: &mut Draft,
        change: &FlagChange,
    ) -> Result<Self, Error> {
        let known = |keyword: &Keyword| inner.state.keywords.number(keyword);
        let mut keywords = change.flags.keywords.clone();
        if change.op != FlagOp::Remove {
            settle_opposites(&mut keywords);
        }
        let keywords = &keywords;
        let opposites = keywords.iter().filter_map(Keyword::opposite);
        let excluded = opposites.filter_map(|one| inner.state.keywords.number(&one)).collect();
        let wanted = match change.op {
            // What nobody has need not get a number to be taken away.
            FlagOp::Remove => keywords.iter().filter_map(known).collect(),
            FlagOp::Add | FlagOp::Replace => {
                account.admit_keywords(inner, keywords)?;
                account.keyword_numbers(inner, keywords, draft)?
            }
        };
        Ok(Self {
            op: change.op,
            system: change.flags.system.0 & SYSTEM_ALL,
            allowed: (u8::MAX, true),
            wanted,
            excluded,
            sets: HashMap::new(),
            shared: BTreeMap::new(),
            deleted: [Vec::new(), Vec::new()],
            bulk: None,
        })
    }

    fn keywords(&mut self, inner: &mut Inner, old: SetId) -> SetId {
        if let Some(new) = self.sets.get(&old) {
            return *new;
        }
        let had = inner.state.keywords.numbers_of(old);
        let numbers = match self.op {
            FlagOp::Replace => self.wanted.clone(),
            FlagOp::Add => {
                let stays = had.iter().filter(|number| !self.excluded.contains(number));
                stays.chain(&self.wanted).copied().collect()
            }
            FlagOp::Remove => had.iter().filter(|n| !self.wanted.contains(n)).copied().collect(),
        };
        let new = inner.state.keywords.set(numbers);
        self.sets.insert(old, new);
        new
    }

    fn row(&mut self, inner: &mut Inner, draft: &mut Draft, mailbox: u32, now: &Effective) {
        let system = match self.op {
            FlagOp::Replace => self.system,
            FlagOp::Add => now.system | self.system,
            FlagOp::Remove => now.system & !self.system,
        };
        let (mask, keywords_too) = self.allowed;
        let system = now.system & !mask | system & mask;
        let keywords = if keywords_too { self.keywords(inner, now.keywords) } else { now.keywords };
        let (uid, message) = (now.entry.uid, now.entry.message);
        let own = (system ^ now.system) & DELETED != 0;
        let shared = (system ^ now.system) & !DELETED != 0 || keywords != now.keywords;
        if own {
            let set = system & DELETED != 0;
            if let Some(uids) = self.deleted.get_mut(usize::from(set)) {
                uids.push(uid);
            }
            draft.planned.push(Planned::Deleted { mailbox, uid, set });
        }
        if !shared {
            if own {
                self.own(inner, draft, (mailbox, &now.entry), Entry::with_flags(system, keywords));
            }
            return;
        }
        let bits = system & !DELETED;
        self.shared.entry((bits, keywords)).or_default().push(message);
        draft.planned.push(Planned::Shared { message, system: bits, keywords });
        let plan = &inner.plan;
        for (other, other_uid) in plan.memberships(&inner.state, message, (mailbox, uid)) {
            if (other, other_uid) == (mailbox, uid) {
                self.own(inner, draft, (mailbox, &now.entry), Entry::with_flags(system, keywords));
                continue;
            }
            // Another membership keeps its own `\Deleted`; one that is on its way has none.
            let visible = inner.state.mailboxes.get(&other).and_then(|m| m.entry(other_uid));
            let deleted = visible
                .and_then(|entry| inner.plan.effective(other, entry))
                .map_or(0, |entry| entry.system & DELETED);
            let entry = Entry { uid: other_uid, ..now.entry };
            let flags = Entry::with_flags(bits | deleted, keywords);
            put_flags(inner, draft, (other, &entry), flags);
        }
    }

    /// The membership that was named gets new flags.
    fn own(
        &mut self,
        inner: &Inner,
        draft: &mut Draft,
        (mailbox, entry): (u32, &Entry),
        flags: u32,
    ) {
        let Some(bulk) = &mut self.bulk else {
            return put_flags(inner, draft, (mailbox, entry), flags);
        };
        bulk.take(entry.uid, draft.modseq, flags);
        draft.delta.flags.entry(mailbox).or_default().push((entry.uid, flags));
    }

    fn finish(mut self, inner: &Inner, draft: &mut Draft, mailbox: u32) {
        let found = inner.state.mailboxes.get(&mailbox);
        if let (Some(bulk), Some(found)) = (self.bulk.take(), found)
            && !bulk.is_empty()
        {
            bulk.put(draft, (mailbox, found), &inner.state.keywords);
        }
        for ((system, keywords), mut messages) in self.shared {
            messages.sort_unstable();
            let keywords = inner.state.keywords.numbers_of(keywords).to_vec();
            draft.change(&Change::Flags { system, keywords, messages });
        }
        for (set, uids) in [false, true].into_iter().zip(self.deleted) {
            if !uids.is_empty() {
                draft.change(&Change::Deleted { mailbox, set, uids });
            }
        }
    }
}

/// A membership with new flags: its key, and what changes in memory.
fn put_flags(inner: &Inner, draft: &mut Draft, (mailbox, entry): (u32, &Entry), flags: u32) {
    let entry = Entry { modseq: draft.modseq, flags, ..*entry };
    let numbers = inner.state.keywords.numbers_of(entry.keywords());
    draft.put_with(keys::member(mailbox, entry.uid), |to| entry.write_value(numbers, to));
    draft.delta.flags.entry(mailbox).or_default().push((entry.uid, flags));
}

impl Account {
    /// Whether new keywords would stay within the limit.
    pub(crate) fn admit_keywords<'k>(
        &self,
        inner: &Inner,
        keywords: impl IntoIterator<Item = &'k Keyword>,
    ) -> Result<(), Error> {
        let known = &inner.state.keywords;
        let new = keywords.into_iter().filter(|keyword| known.number(keyword).is_none());
        let new: std::collections::HashSet<_> = new.collect();
        let max = self.shared.options.keywords_max;
        if !new.is_empty() && known.len() + new.len() > max {
            return Err(Refused::Limit.into());
        }
        Ok(())
    }

    /// Numbers of keywords, sorted; those used for the first time become part of the draft, which
    /// must then be committed.
    pub(crate) fn keyword_numbers(
        &self,
        inner: &mut Inner,
        keywords: &[Keyword],
        draft: &mut Draft,
    ) -> Result<Vec<u32>, Error> {
        let mut numbers = Vec::with_capacity(keywords.len());
        for keyword in keywords {
            if let Some(number) = inner.state.keywords.number(keyword) {
                numbers.push(number);
                continue;
            }
            let number = u32::try_from(inner.state.keywords.len()).unwrap_or(u32::MAX);
            let sealed = self.seal.seal(
                crate::seal::Kind::Keyword,
                number.into(),
                keyword.as_str().as_bytes(),
            )?;
            inner.state.keywords.add(keyword.clone());
            draft.put(keys::keyword(number), &sealed);
            draft.change(&Change::Keyword { keyword: number, sealed: sealed.into() });
            draft.delta.keywords = Some(inner.state.keywords.len());
            numbers.push(number);
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }

    /// These memberships of a mailbox end; messages that have no other go to the trash.
    pub(crate) fn draft_expunge(
        &self,
        inner: &Inner,
        draft: &mut Draft,
        mailbox: u32,
        rows: &[Effective],
    ) -> Result<(), Error> {
        let mut trash = self.trash(inner, draft.time, mailbox)?;
        let mut gone = Vec::with_capacity(rows.len());
        for now in rows {
            let (uid, message) = (now.entry.uid, now.entry.message);
            let mut others = inner.plan.memberships(&inner.state, message, (mailbox, uid));
            if others.all(|one| one == (mailbox, uid)) {
                trash.put(inner, draft, now);
            }
            leave(draft, mailbox, now);
            gone.push((uid, message));
        }
        finish_expunge(draft, mailbox, &gone, trash.erase_at);
        Ok(())
    }
}

/// A membership ends.
pub(crate) fn leave(draft: &mut Draft, mailbox: u32, now: &Effective) {
    let uid = now.entry.uid;
    draft.delete(keys::member(mailbox, uid));
    draft.planned.push(Planned::Gone { mailbox, uid });
    draft.delta.expunged.entry(mailbox).or_default().push(uid);
}

/// Tombstones and the log's word of what left a mailbox.
pub(crate) fn finish_expunge(draft: &mut Draft, mailbox: u32, gone: &[(u32, u32)], erase_at: u64) {
    let mut uids: Vec<u32> = gone.iter().map(|(uid, _)| *uid).collect();
    uids.sort_unstable();
    draft.put_with(keys::expunged(mailbox, draft.modseq), |to| write_tombstones(gone, to));
    draft.change(&Change::Expunged { mailbox, uids, erase_at });
}

impl Entry {
    /// As the value of its key.
    pub(crate) fn write_value(&self, keywords: &[u32], to: &mut Writer) {
        to.byte(1).number(self.modseq).number(self.message.into()).byte(self.system());
        to.number(self.octets.into()).signed(self.date.into()).number(self.thread.into());
        write_keywords(to, keywords);
    }
}
