//! Flags of very many messages of one mailbox as one value instead of one a message: what
//! `STORE 1:* +FLAGS (\Seen)` writes. It goes over the memberships' own values where it is newer.
//!
//! Invariants: a bulk holds absolute flags, so that it may be read twice; a membership's own value,
//! written later, is newer than every bulk before it; a mailbox keeps at most [`BULKS_MAX`] of
//! them, then the next one takes up what the others still say.

use crate::{
    change::{Member, read_keywords, write_keywords},
    codec::{Reader, Writer},
    draft::Draft,
    keys,
    keywords::Keywords,
    state::{Entry, Mailbox},
};
use mail::NumberSet;
use std::collections::{BTreeMap, BTreeSet};

/// Bulks of one mailbox.
const BULKS_MAX: usize = 16;
const FORM: u8 = 1;

/// Memberships that have the same flags since the same commit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Group {
    pub modseq: u64,
    pub system: u8,
    pub keywords: Vec<u32>,
    pub uids: NumberSet,
}

impl Group {
    /// Goes over a membership's own value.
    pub fn over(&self, member: &mut Member) {
        if member.modseq < self.modseq && self.uids.contains(member.uid) {
            member.modseq = self.modseq;
            member.system = self.system;
            member.keywords.clone_from(&self.keywords);
        }
    }

    fn write(&self, to: &mut Writer) {
        to.number(self.modseq).byte(self.system);
        write_keywords(to, &self.keywords);
        to.number(self.uids.ranges().len() as u64);
        let mut before = 0;
        for (first, last) in self.uids.ranges() {
            to.number(u64::from(first - before)).number(u64::from(last - first));
            before = *last;
        }
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let (modseq, system, keywords) = (from.number()?, from.byte()?, read_keywords(from)?);
        let count = from.number()?;
        let mut ranges = Vec::new();
        let mut before = 0_u32;
        for _ in 0..count {
            let first = before.checked_add(from.number32()?)?;
            let last = first.checked_add(from.number32()?)?;
            ranges.push((first, last));
            before = last;
        }
        Some(Self { modseq, system, keywords, uids: NumberSet::of(ranges) })
    }
}

/// Reads a bulk's value.
pub(crate) fn read(value: &[u8]) -> Option<Vec<Group>> {
    let mut from = Reader(value);
    (from.byte()? == FORM).then_some(())?;
    let mut groups = Vec::new();
    while !from.is_empty() {
        groups.push(Group::read(&mut from)?);
    }
    Some(groups)
}

fn write(groups: &[Group], to: &mut Writer) {
    to.byte(FORM);
    groups.iter().for_each(|group| group.write(to));
}

/// The bulks that a mailbox has.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Bulks {
    /// Commits that wrote one: their keys.
    keys: BTreeSet<u64>,
    /// Commits whose flags they tell. Memberships touched last by one of these may have an older
    /// value of their own.
    told: BTreeSet<u64>,
}

impl Bulks {
    /// One more, as it was read.
    pub fn push(&mut self, key: u64, groups: &[Group]) {
        self.keys.insert(key);
        self.told.extend(groups.iter().map(|group| group.modseq));
    }
    /// The commits that wrote them.
    pub fn keys(&self) -> impl Iterator<Item = u64> {
        self.keys.iter().copied()
    }
    /// A commit wrote one and dropped others.
    pub fn apply(&mut self, change: &Written) {
        self.keys.retain(|key| !change.dropped.keys.contains(key));
        self.told.retain(|modseq| !change.dropped.told.contains(modseq));
        self.keys.insert(change.key);
        self.told.extend(&change.told);
    }
}

/// A bulk that a commit writes.
pub(crate) struct Written {
    pub mailbox: u32,
    key: u64,
    told: BTreeSet<u64>,
    /// Those whose place it takes.
    dropped: Bulks,
}

/// Memberships of one mailbox gathered by when and what.
#[derive(Default)]
pub(crate) struct Gathering(BTreeMap<(u64, u32), Vec<u32>>);

impl Gathering {
    /// Takes a membership in; `flags` as [`Entry`] has them.
    pub fn take(&mut self, uid: u32, modseq: u64, flags: u32) {
        self.0.entry((modseq, flags)).or_default().push(uid);
    }

    /// Whether nothing was taken in.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    fn groups(self, keywords: &Keywords) -> Vec<Group> {
        let group = |((modseq, flags), uids): ((u64, u32), Vec<u32>)| {
            let entry = Entry { flags, ..Entry::NONE };
            let keywords = keywords.numbers_of(entry.keywords()).to_vec();
            let uids = NumberSet::of_numbers(uids);
            Group { modseq, system: entry.system(), keywords, uids }
        };
        self.0.into_iter().map(group).collect()
    }

    /// Writes the bulk of a draft. Where the mailbox has as many as it may, what they still say is
    /// taken up and they go.
    pub fn put(mut self, draft: &mut Draft, (id, mailbox): (u32, &Mailbox), keywords: &Keywords) {
        let mut dropped = Bulks::default();
        if mailbox.bulks.keys.len() >= BULKS_MAX {
            for entry in &mailbox.entries {
                if mailbox.bulks.told.contains(&entry.modseq) {
                    self.take(entry.uid, entry.modseq, entry.flags);
                }
            }
            for key in mailbox.bulks.keys() {
                draft.delete(keys::bulk(id, key));
            }
            dropped = mailbox.bulks.clone();
        }
        let groups = self.groups(keywords);
        let told = groups.iter().map(|group| group.modseq).collect();
        draft.put_with(keys::bulk(id, draft.modseq), |to| write(&groups, to));
        draft.delta.bulks.push(Written { mailbox: id, key: draft.modseq, told, dropped });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Vec<Group> {
        let group = |modseq, uids: &[(u32, u32)]| Group {
            modseq,
            system: 17,
            keywords: vec![1, 4],
            uids: NumberSet::of(uids.iter().copied()),
        };
        vec![group(u64::MAX, &[(1, 9), (11, u32::MAX)]), group(3, &[]), group(1, &[(5, 5)])]
    }

    fn written() -> Vec<u8> {
        let mut to = Writer::default();
        write(&sample(), &mut to);
        to.0
    }

    #[test]
    fn inverse() {
        assert_eq!(read(&written()), Some(sample()));
        assert_eq!(read(&[2]), None);
    }

    proptest! {
        #[test]
        fn damage_never_panics(at in 0_usize..40, byte: u8, tail: Vec<u8>) {
            let mut bytes = written();
            if let Some(place) = bytes.get_mut(at) { *place = byte; }
            bytes.extend(tail);
            let _ = read(&bytes);
        }
    }
}
