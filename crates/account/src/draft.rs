//! A commit being put together, under the account's lock: its log entry, its keys, and what it will
//! change in memory. Nothing of the account changes before [`crate::Account::commit`].

use crate::{
    change::{self, Change},
    codec::Writer,
    keys::Key,
    plan::Planned,
    state::{Added, Delta, Entry},
};
use bytes::Bytes;
use std::{collections::HashMap, ops::Range};

/// A commit being put together.
pub(crate) struct Draft {
    /// The number that it will have.
    pub modseq: u64,
    pub time: i64,
    pub log: Writer,
    /// Keys and values one after the other: one piece of memory for all of them.
    arena: Writer,
    spans: Vec<(Range<usize>, Option<Range<usize>>)>,
    pub blobs: Vec<(u64, Bytes)>,
    /// Blobs that nothing refers to any more.
    pub drops: Vec<u64>,
    pub delta: Delta,
    pub planned: Vec<Planned>,
    pub uid_next: HashMap<u32, u32>,
    /// Octets and messages that come into use.
    pub taken: (u64, u64),
    /// Octets and messages that are given back.
    pub freed: (u64, u64),
    /// Nothing else may be planned until it has landed.
    pub exclusive: bool,
}

impl Draft {
    pub fn new(modseq: u64, time: i64) -> Self {
        Self {
            modseq,
            time,
            log: change::begin(time),
            arena: Writer::default(),
            spans: Vec::new(),
            blobs: Vec::new(),
            drops: Vec::new(),
            delta: Delta::default(),
            planned: Vec::new(),
            uid_next: HashMap::new(),
            taken: (0, 0),
            freed: (0, 0),
            exclusive: false,
        }
    }

    /// Writes a change into the log.
    pub fn change(&mut self, change: &Change) {
        change.write(&mut self.log);
    }

    fn key(&mut self, key: &[u8]) -> Range<usize> {
        let start = self.arena.0.len();
        self.arena.0.extend_from_slice(key);
        start..self.arena.0.len()
    }
    /// Puts a value that `write` writes.
    pub fn put_with(&mut self, key: Key, write: impl FnOnce(&mut Writer)) {
        let key = self.key(key.as_ref());
        let start = self.arena.0.len();
        write(&mut self.arena);
        self.spans.push((key, Some(start..self.arena.0.len())));
    }
    pub fn put(&mut self, key: Key, value: &[u8]) {
        self.put_with(key, |to| to.0.extend_from_slice(value));
    }
    pub fn delete(&mut self, key: Key) {
        let key = self.key(key.as_ref());
        self.spans.push((key, None));
    }

    /// A membership begins; its key is put.
    pub fn add(&mut self, mailbox: u32, entry: Entry, numbers: &[u32]) {
        let member = entry.member(numbers);
        self.put_with(crate::keys::member(mailbox, entry.uid), |to| member.write_value(to));
        self.change(&Change::Added { mailbox, member });
        self.delta.added.push(Added { mailbox, entry, beside: None });
        self.uid_next.insert(mailbox, entry.uid.saturating_add(1));
    }

    /// A membership of a message begins that has others.
    pub fn join(&mut self, (mailbox, entry): (u32, Entry), numbers: &[u32], beside: (u32, u32)) {
        self.add(mailbox, entry, numbers);
        self.save(entry.message, mailbox, entry.uid);
        if let Some(added) = self.delta.added.last_mut() {
            added.beside = Some(beside);
        }
        let (uid, message) = (entry.uid, entry.message);
        self.planned.push(Planned::Joined { mailbox, uid, message });
    }

    /// The mark of a transaction, with what it stores.
    pub fn mark(&mut self, mark: u64) {
        let time = self.time;
        self.put_with(crate::keys::mark(mark), |to| {
            to.byte(1).signed(time);
        });
        self.delta.marked = Some((mark, time));
        self.planned.push(Planned::Marked(mark));
    }

    /// The keys for the store.
    pub fn puts(&mut self) -> Vec<(Bytes, Option<Bytes>)> {
        let arena = std::mem::take(&mut self.arena).done();
        let spans = std::mem::take(&mut self.spans).into_iter();
        spans.map(|(key, value)| (arena.slice(key), value.map(|v| arena.slice(v)))).collect()
    }
}
