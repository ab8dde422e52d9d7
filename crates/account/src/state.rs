//! An account's durable state in memory: what sessions see. Changed in place by each commit, in
//! order, after it became durable.

use crate::{
    SpecialUse,
    change::{Change, Member},
    keywords::{Keywords, SetId},
    mailbox::MailboxRecord,
    types::MailboxName,
};
use mail::SystemFlags;
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

/// Commits whose changes stay in memory, so that a view that is not far behind reads only them.
const RING_COMMITS_MAX: usize = 4_096;
/// System flags that belong to the membership, not to the message.
pub(crate) const DELETED: u8 = SystemFlags::DELETED.0;
const SEEN: u8 = SystemFlags::SEEN.0;

/// A message in a mailbox: 32 octets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Entry {
    pub modseq: u64,
    pub uid: u32,
    pub message: u32,
    pub thread: u32,
    pub octets: u32,
    /// INTERNALDATE, seconds since 1970 UTC; clamped to what 32 bits hold.
    pub date: u32,
    /// Eight bits of system flags, 24 of the keyword set.
    pub flags: u32,
}

impl Entry {
    #[allow(clippy::cast_possible_truncation)]
    pub const fn system(&self) -> u8 {
        self.flags as u8
    }
    pub const fn keywords(&self) -> SetId {
        self.flags >> 8
    }
    pub const fn with_flags(system: u8, keywords: SetId) -> u32 {
        keywords << 8 | system as u32
    }
}

/// A mailbox in memory.
pub(crate) struct Mailbox {
    pub record: MailboxRecord,
    /// By Uid.
    pub entries: Vec<Entry>,
    pub uid_next: u32,
    pub highest_modseq: u64,
    pub unseen: u32,
    pub deleted: u32,
    pub octets: u64,
    /// Messages from this Uid on are `\Recent` to the next session that selects.
    pub recent_from: u32,
}

impl Mailbox {
    pub fn position(&self, uid: u32) -> Option<usize> {
        self.entries.binary_search_by_key(&uid, |entry| entry.uid).ok()
    }
    pub fn entry(&self, uid: u32) -> Option<&Entry> {
        self.position(uid).and_then(|at| self.entries.get(at))
    }
    fn count(&mut self, system: u8, octets: u32, sign: bool) {
        let step = |number: &mut u32, wanted: bool| {
            if wanted {
                *number = if sign { number.saturating_add(1) } else { number.saturating_sub(1) };
            }
        };
        step(&mut self.unseen, system & SEEN == 0);
        step(&mut self.deleted, system & DELETED != 0);
        let octets = u64::from(octets);
        self.octets = if sign { self.octets + octets } else { self.octets.saturating_sub(octets) };
    }
}

/// What a commit changed in one mailbox, for views.
#[derive(Clone, Debug)]
pub(crate) enum Touched {
    Flags(u32),
    Expunged(Entry),
}

/// The state.
#[derive(Default)]
pub(crate) struct State {
    pub modseq: u64,
    pub mailboxes: BTreeMap<u32, Mailbox>,
    pub names: BTreeMap<MailboxName, u32>,
    pub subscriptions: BTreeSet<MailboxName>,
    pub keywords: Keywords,
    /// Messages with more than one membership.
    pub many: HashMap<u32, Vec<(u32, u32)>>,
    pub octets: u64,
    pub messages: u64,
    /// (commit, mailbox, what), oldest first.
    pub ring: VecDeque<(u64, u32, Arc<[Touched]>)>,
    /// Commits after this one are all in the ring.
    pub ring_floor: u64,
}

impl State {
    /// Memberships of a message of which one is known.
    pub fn memberships(&self, message: u32, known: (u32, u32)) -> Vec<(u32, u32)> {
        self.many.get(&message).cloned().unwrap_or_else(|| vec![known])
    }

    /// Mailbox with that special use.
    pub fn special(&self, wanted: SpecialUse) -> Option<u32> {
        let found = self.mailboxes.iter().find(|(_, m)| m.record.special_use == Some(wanted));
        found.map(|(id, _)| *id)
    }

    /// Applies one durable commit.
    pub fn apply(&mut self, modseq: u64, changes: &[Applied]) {
        self.modseq = modseq;
        let mut touched: BTreeMap<u32, Vec<Touched>> = BTreeMap::new();
        let mut leaving: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for applied in changes {
            self.apply_one(modseq, applied, &mut touched, &mut leaving);
        }
        for (mailbox, uids) in leaving {
            self.remove(mailbox, &uids, touched.entry(mailbox).or_default());
        }
        for (mailbox, what) in touched {
            if let Some(found) = self.mailboxes.get_mut(&mailbox) {
                found.highest_modseq = modseq;
            }
            self.ring.push_back((modseq, mailbox, what.into()));
        }
        while self.ring.len() > RING_COMMITS_MAX {
            if let Some((dropped, ..)) = self.ring.pop_front() {
                self.ring_floor = dropped;
            }
        }
    }

    fn apply_one(
        &mut self,
        modseq: u64,
        applied: &Applied,
        touched: &mut BTreeMap<u32, Vec<Touched>>,
        leaving: &mut BTreeMap<u32, Vec<u32>>,
    ) {
        match &applied.change {
            Change::Added { mailbox, member } => {
                self.add(*mailbox, member);
                touched.entry(*mailbox).or_default();
                if applied.shares {
                    let known = applied.known;
                    self.many
                        .entry(member.message)
                        .or_insert_with(|| vec![known])
                        .push((*mailbox, member.uid));
                } else {
                    self.octets += u64::from(member.octets);
                    self.messages += 1;
                }
            }
            Change::Flags { message, system, keywords } => {
                let set = self.keywords.set(keywords.clone());
                for (mailbox, uid) in self.memberships(*message, applied.known) {
                    let shared = |old: u8| old & DELETED | system & !DELETED;
                    self.flag(modseq, (mailbox, uid), Some(set), shared);
                    touched.entry(mailbox).or_default().push(Touched::Flags(uid));
                }
            }
            Change::Deleted { mailbox, uid, set } => {
                let set = if *set { DELETED } else { 0 };
                self.flag(modseq, (*mailbox, *uid), None, |old| old & !DELETED | set);
                touched.entry(*mailbox).or_default().push(Touched::Flags(*uid));
            }
            Change::Expunged { mailbox, uid, message } => {
                leaving.entry(*mailbox).or_default().push(*uid);
                let octets =
                    self.mailboxes.get(mailbox).and_then(|m| m.entry(*uid)).map_or(0, |e| e.octets);
                self.forget(*message, (*mailbox, *uid), octets);
            }
            Change::Mailbox { mailbox, .. } => {
                if let Some(record) = &applied.mailbox {
                    self.mailbox(*mailbox, record.clone(), modseq);
                }
            }
            Change::Gone { mailbox } => self.gone(*mailbox),
            Change::Subscribed { name, wanted } => {
                if let Ok(name) = MailboxName::parse(name) {
                    if *wanted {
                        self.subscriptions.insert(name);
                    } else {
                        self.subscriptions.remove(&name);
                    }
                }
            }
            Change::Keyword { keyword, name } => {
                if let Some(name) = mail::Keyword::parse(name) {
                    self.keywords.add(*keyword, name);
                }
            }
        }
    }

    /// Puts a member at the end of its mailbox.
    pub fn add(&mut self, mailbox: u32, member: &Member) {
        let set = self.keywords.set(member.keywords.clone());
        let Some(found) = self.mailboxes.get_mut(&mailbox) else { return };
        found.entries.push(Entry {
            modseq: member.modseq,
            uid: member.uid,
            message: member.message,
            thread: member.thread,
            octets: member.octets,
            date: u32::try_from(member.date.max(0)).unwrap_or(u32::MAX),
            flags: Entry::with_flags(member.system, set),
        });
        found.uid_next = found.uid_next.max(member.uid.saturating_add(1));
        found.highest_modseq = found.highest_modseq.max(member.modseq);
        found.count(member.system, member.octets, true);
    }

    fn flag(
        &mut self,
        modseq: u64,
        (mailbox, uid): (u32, u32),
        set: Option<SetId>,
        system: impl Fn(u8) -> u8,
    ) {
        let Some(found) = self.mailboxes.get_mut(&mailbox) else { return };
        let Some(at) = found.position(uid) else { return };
        let Some(entry) = found.entries.get_mut(at) else { return };
        let (old, octets) = (entry.system(), entry.octets);
        let new = system(old);
        entry.modseq = modseq;
        entry.flags = Entry::with_flags(new, set.unwrap_or_else(|| entry.keywords()));
        found.count(old, octets, false);
        found.count(new, octets, true);
    }

    /// A membership ends; the message's octets are given back with its last one.
    fn forget(&mut self, message: u32, membership: (u32, u32), octets: u32) {
        let Some(all) = self.many.get_mut(&message) else {
            self.octets = self.octets.saturating_sub(u64::from(octets));
            self.messages = self.messages.saturating_sub(1);
            return;
        };
        all.retain(|one| *one != membership);
        if all.len() == 1 {
            self.many.remove(&message);
        }
    }

    fn remove(&mut self, mailbox: u32, uids: &[u32], touched: &mut Vec<Touched>) {
        let Some(found) = self.mailboxes.get_mut(&mailbox) else { return };
        let mut gone: Vec<u32> = uids.to_vec();
        gone.sort_unstable();
        let Some(first) =
            gone.first().map(|uid| found.entries.partition_point(|entry| entry.uid < *uid))
        else {
            return;
        };
        let tail = found.entries.split_off(first);
        for entry in tail {
            if gone.binary_search(&entry.uid).is_ok() {
                found.count(entry.system(), entry.octets, false);
                touched.push(Touched::Expunged(entry));
            } else {
                found.entries.push(entry);
            }
        }
    }

    /// A mailbox is new or has changed its record.
    pub fn mailbox(&mut self, id: u32, record: MailboxRecord, modseq: u64) {
        self.names.retain(|_, other| *other != id);
        self.names.insert(record.name.clone(), id);
        if let Some(found) = self.mailboxes.get_mut(&id) {
            found.record = record;
            found.highest_modseq = modseq;
            return;
        }
        let uid_next = record.uid_next;
        let new = Mailbox {
            record,
            entries: Vec::new(),
            uid_next,
            highest_modseq: modseq,
            unseen: 0,
            deleted: 0,
            octets: 0,
            recent_from: 1,
        };
        self.mailboxes.insert(id, new);
    }

    fn gone(&mut self, mailbox: u32) {
        self.names.retain(|_, other| *other != mailbox);
        if let Some(found) = self.mailboxes.remove(&mailbox) {
            for entry in &found.entries {
                self.forget(entry.message, (mailbox, entry.uid), entry.octets);
            }
        }
    }
}

/// A change with what the planner knows besides, so that applying it looks nothing up.
#[derive(Clone, Debug)]
pub(crate) struct Applied {
    pub change: Change,
    /// A membership of the message, for [`Change::Flags`]; the first one, for a copy.
    pub known: (u32, u32),
    /// [`Change::Added`] of a message that has other memberships.
    pub shares: bool,
    /// [`Change::Mailbox`], opened.
    pub mailbox: Option<MailboxRecord>,
}

impl From<Change> for Applied {
    fn from(change: Change) -> Self {
        Self { change, known: (0, 0), shares: false, mailbox: None }
    }
}
