//! An account's durable state in memory: what sessions see. Changed in place by each commit, in
//! order, after it became durable.

use crate::{
    SpecialUse,
    annotation::{Annotation, Annotations},
    bulk::{Bulks, Written},
    change::Member,
    keywords::Keywords,
    keywords::SetId,
    mailbox::MailboxRecord,
    types::MailboxName,
    watch::Watches,
};
use mail::{NumberSet, SystemFlags};
use std::{
    collections::{BTreeMap, BTreeSet, HashMap, HashSet},
    sync::Arc,
};

/// The system flag that belongs to the membership, not to the message.
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
    /// Of nothing.
    pub const NONE: Self =
        Self { modseq: 0, uid: 0, message: 0, thread: 0, octets: 0, date: 0, flags: 0 };

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
    /// From a stored member, its keywords interned.
    pub fn of(member: &Member, keywords: SetId) -> Self {
        Self {
            modseq: member.modseq,
            uid: member.uid,
            message: member.message,
            thread: member.thread,
            octets: member.octets,
            date: u32::try_from(member.date.max(0)).unwrap_or(u32::MAX),
            flags: Self::with_flags(member.system, keywords),
        }
    }
    /// As it is stored.
    pub fn member(&self, keywords: &[u32]) -> Member {
        Member {
            uid: self.uid,
            message: self.message,
            modseq: self.modseq,
            system: self.system(),
            keywords: keywords.to_vec(),
            octets: self.octets,
            date: self.date.into(),
            thread: self.thread,
        }
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
    pub bulks: Bulks,
}

impl Mailbox {
    pub fn new(record: MailboxRecord) -> Self {
        Self {
            highest_modseq: record.modseq,
            record,
            entries: Vec::new(),
            uid_next: 1,
            unseen: 0,
            deleted: 0,
            octets: 0,
            recent_from: 1,
            bulks: Bulks::default(),
        }
    }
    /// Flags of many go over the memberships' own values where they are newer.
    pub fn overlay(&mut self, modseq: u64, flags: u32, uids: &NumberSet) {
        for (first, last) in uids.ranges() {
            let from = self.entries.partition_point(|entry| entry.uid < *first);
            for at in from..self.entries.len() {
                let Some(entry) = self.entries.get_mut(at).filter(|e| e.uid <= *last) else {
                    break;
                };
                if entry.modseq >= modseq {
                    continue;
                }
                let before = *entry;
                (entry.modseq, entry.flags) = (modseq, flags);
                let after = *entry;
                self.count(&before, false);
                self.count(&after, true);
            }
        }
        self.highest_modseq = self.highest_modseq.max(modseq);
    }
    pub fn position(&self, uid: u32) -> Option<usize> {
        self.entries.binary_search_by_key(&uid, |entry| entry.uid).ok()
    }
    pub fn entry(&self, uid: u32) -> Option<&Entry> {
        self.position(uid).and_then(|at| self.entries.get(at))
    }
    /// Puts a message behind all others.
    pub fn push(&mut self, entry: Entry) {
        self.count(&entry, true);
        self.uid_next = self.uid_next.max(entry.uid.saturating_add(1));
        self.highest_modseq = self.highest_modseq.max(entry.modseq);
        self.entries.push(entry);
    }
    fn count(&mut self, entry: &Entry, comes: bool) {
        let step = |number: &mut u32, counts: bool| {
            if counts {
                *number = if comes { number.saturating_add(1) } else { number.saturating_sub(1) };
            }
        };
        step(&mut self.unseen, entry.system() & SEEN == 0);
        step(&mut self.deleted, entry.system() & DELETED != 0);
        let octets = u64::from(entry.octets);
        self.octets = if comes { self.octets + octets } else { self.octets.saturating_sub(octets) };
    }
    /// New flags for these (Uid, flags), ascending. Gives those that there are.
    fn flag(&mut self, modseq: u64, flags: &[(u32, u32)]) -> NumberSet {
        let mut touched = NumberSet::default();
        let mut at = 0;
        for (uid, flags) in flags {
            // The next one is often the neighbour.
            let found = self.entries.get(at).is_some_and(|entry| entry.uid == *uid);
            if !found {
                let Some(place) = self.position(*uid) else { continue };
                at = place;
            }
            let Some(entry) = self.entries.get_mut(at) else { continue };
            let before = *entry;
            entry.modseq = modseq;
            entry.flags = *flags;
            let after = *entry;
            self.count(&before, false);
            self.count(&after, true);
            touched.push(*uid);
            at += 1;
        }
        touched
    }
    /// Takes these Uids, ascending, out in one pass. Gives their entries.
    fn remove(&mut self, uids: &[u32]) -> Vec<Entry> {
        let Some(first) = uids.first() else { return Vec::new() };
        let start = self.entries.partition_point(|entry| entry.uid < *first);
        let mut gone = Vec::with_capacity(uids.len());
        let mut wanted = uids.iter().peekable();
        let mut kept = start;
        for at in start..self.entries.len() {
            let Some(entry) = self.entries.get(at).copied() else { break };
            while wanted.peek().is_some_and(|uid| **uid < entry.uid) {
                wanted.next();
            }
            if wanted.peek().is_some_and(|uid| **uid == entry.uid) {
                gone.push(entry);
            } else {
                if let Some(slot) = self.entries.get_mut(kept) {
                    *slot = entry;
                }
                kept += 1;
            }
        }
        self.entries.truncate(kept);
        for entry in &gone {
            self.count(entry, false);
        }
        gone
    }
}

/// What a commit changes in memory, worked out when it was planned.
#[derive(Default)]
pub(crate) struct Delta {
    pub mailboxes: Vec<(u32, MailboxRecord)>,
    pub added: Vec<Added>,
    /// Of each mailbox: (Uid, flags as in [`Entry`]), ascending.
    pub flags: BTreeMap<u32, Vec<(u32, u32)>>,
    /// Of each mailbox: Uids, ascending.
    pub expunged: BTreeMap<u32, Vec<u32>>,
    pub bulks: Vec<Written>,
    pub gone: Vec<u32>,
    /// A transaction, and when it is stored.
    pub marked: Option<(u64, i64)>,
    pub subscribed: Vec<(MailboxName, bool)>,
    /// Of mailboxes, or of the server.
    pub annotated: Vec<(u32, Annotation)>,
    /// Keywords in all after this commit.
    pub keywords: Option<usize>,
    /// Octets and messages in use after this commit.
    pub used: (u64, u64),
    /// The view that makes the change and is answered by the operation itself.
    pub by: Option<u64>,
}

/// A membership that begins.
pub(crate) struct Added {
    pub mailbox: u32,
    pub entry: Entry,
    /// Another membership of the message, if it has one.
    pub beside: Option<(u32, u32)>,
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
    pub annotations: Annotations,
    /// Mailboxes whose `recent_from` is to be written with the next commit.
    pub recent_moved: BTreeSet<u32>,
    /// Transactions that may be tried again, and when each was stored.
    pub marks: HashMap<u64, i64>,
    /// Marks whose keys are to be deleted with the next commit.
    pub unmarked: Vec<u64>,
}

impl State {
    /// Mailbox with that special use.
    pub fn special(&self, wanted: SpecialUse) -> Option<u32> {
        let found = self.mailboxes.iter().find(|(_, m)| m.record.special_use == Some(wanted));
        found.map(|(id, _)| *id)
    }

    /// Applies one durable commit and lets the views know.
    pub fn apply(&mut self, modseq: u64, delta: &Delta, watches: &mut Watches) {
        self.modseq = modseq;
        (self.octets, self.messages) = delta.used;
        if let Some((mark, time)) = delta.marked {
            self.mark(mark, time);
        }
        if let Some(count) = delta.keywords {
            self.keywords.settle(count);
        }
        for (id, record) in &delta.mailboxes {
            self.mailbox(*id, record.clone());
        }
        for added in &delta.added {
            self.add(added);
        }
        for (id, flags) in &delta.flags {
            if let Some(found) = self.mailboxes.get_mut(id) {
                found.highest_modseq = modseq;
                let touched = Arc::new(found.flag(modseq, flags));
                watches.changed(*id, &touched, delta.by);
            }
        }
        for written in &delta.bulks {
            if let Some(found) = self.mailboxes.get_mut(&written.mailbox) {
                found.bulks.apply(written);
            }
        }
        for (id, uids) in &delta.expunged {
            let Some(found) = self.mailboxes.get_mut(id) else { continue };
            found.highest_modseq = modseq;
            let gone = found.remove(uids);
            for entry in &gone {
                self.leave(entry.message, (*id, entry.uid));
            }
            watches.expunged(*id, &gone);
        }
        for id in &delta.gone {
            self.gone(*id);
        }
        for (mailbox, annotation) in &delta.annotated {
            self.annotations.set(*mailbox, annotation);
            self.annotations.modseq = modseq;
        }
        for (name, wanted) in &delta.subscribed {
            if *wanted {
                self.subscriptions.insert(name.clone());
            } else {
                self.subscriptions.remove(name);
            }
        }
    }

    fn add(&mut self, added: &Added) {
        let Some(found) = self.mailboxes.get_mut(&added.mailbox) else { return };
        found.push(added.entry);
        if let Some(beside) = added.beside {
            self.join(added.entry.message, beside, (added.mailbox, added.entry.uid));
        }
    }

    /// Finds all memberships of messages that have several, after a load.
    pub fn gather(&mut self, messages: &HashSet<u32>) {
        if messages.is_empty() {
            return;
        }
        for (id, mailbox) in &self.mailboxes {
            for entry in mailbox.entries.iter().filter(|e| messages.contains(&e.message)) {
                self.many.entry(entry.message).or_default().push((*id, entry.uid));
            }
        }
    }

    /// A message has another membership beside a known one.
    pub fn join(&mut self, message: u32, beside: (u32, u32), new: (u32, u32)) {
        self.many.entry(message).or_insert_with(|| vec![beside]).push(new);
    }

    /// A membership ends.
    fn leave(&mut self, message: u32, membership: (u32, u32)) {
        if let Some(all) = self.many.get_mut(&message) {
            all.retain(|one| *one != membership);
            if all.len() == 1 {
                self.many.remove(&message);
            }
        }
    }

    /// A mailbox is new or has changed its record.
    pub fn mailbox(&mut self, id: u32, record: MailboxRecord) {
        self.names.retain(|_, other| *other != id);
        self.names.insert(record.name.clone(), id);
        match self.mailboxes.get_mut(&id) {
            Some(found) => {
                found.highest_modseq = found.highest_modseq.max(record.modseq);
                found.record = record;
            }
            None => {
                self.mailboxes.insert(id, Mailbox::new(record));
            }
        }
    }

    fn gone(&mut self, id: u32) {
        self.names.retain(|_, other| *other != id);
        self.annotations.forget(id);
        if let Some(found) = self.mailboxes.remove(&id) {
            for entry in &found.entries {
                self.leave(entry.message, (id, entry.uid));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn entry(uid: u32, system: u8) -> Entry {
        let flags = Entry::with_flags(system, 0);
        Entry { modseq: 1, uid, message: uid, thread: 1, octets: 10, date: 0, flags }
    }

    fn mailbox(uids: &[u32]) -> Mailbox {
        let name = MailboxName::inbox();
        let record = MailboxRecord { name, uid_validity: 1, special_use: None, modseq: 1 };
        let mut mailbox = Mailbox::new(record);
        for uid in uids {
            mailbox.push(entry(*uid, 0));
        }
        mailbox
    }

    #[test]
    fn an_entry_has_32_octets() {
        assert_eq!(size_of::<Entry>(), 32);
    }

    #[test]
    fn counters_follow_the_flags() {
        let mut mailbox = mailbox(&[1, 2, 9]);
        let touched = mailbox.flag(2, &[(2, 1), (3, 1), (9, 16)]);
        assert_eq!(touched.to_string(), "2,9");
        assert_eq!((mailbox.unseen, mailbox.deleted, mailbox.octets), (2, 1, 30));
        mailbox.remove(&[9]);
        assert_eq!((mailbox.unseen, mailbox.deleted, mailbox.octets), (1, 0, 20));
    }

    proptest! {
        #[test]
        fn removing_is_filtering(uids: BTreeSet<u8>, gone: BTreeSet<u8>) {
            let uids: Vec<u32> = uids.into_iter().map(|uid| u32::from(uid) + 1).collect();
            let gone: Vec<u32> = gone.into_iter().map(|uid| u32::from(uid) + 1).collect();
            let mut mailbox = mailbox(&uids);
            let removed: Vec<u32> = mailbox.remove(&gone).iter().map(|entry| entry.uid).collect();
            let left: Vec<u32> = mailbox.entries.iter().map(|entry| entry.uid).collect();
            let (there, not): (Vec<u32>, Vec<u32>) =
                uids.iter().partition(|uid| gone.contains(uid));
            prop_assert_eq!((removed, left), (there, not));
            prop_assert_eq!(mailbox.unseen as usize, mailbox.entries.len());
        }
    }
}
