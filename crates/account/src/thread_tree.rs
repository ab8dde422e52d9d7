//! Messages as trees of conversations: THREAD (RFC 5256 §3), by REFERENCES, ORDEREDSUBJECT or REFS.
//!
//! Invariants: a message is in one place of one tree; no tree is deeper than its messages and
//! nothing here goes down a tree by calling itself; n messages with r references take
//! O((n + r) log (n + r)) whatever these say; ids that nobody has take a bounded part of memory.

mod forest;
mod trees;

use crate::{
    Account, Error, Row,
    sort::source::{Facts, Source, Text, Wanted},
};
use ::search::SortKey as Key;
use forest::{Forest, NONE};
use mail::Uid;
use std::collections::HashMap;
use trees::Trees;

/// Ids of messages that are referred to and not there; references to more of them are passed over.
pub const MISSING_IDS_MAX: usize = 2_000_000;

/// How conversations are recognised.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// By base subject alone.
    OrderedSubject,
    /// By References and In-Reply-To, then by base subject; in order of the first message sent.
    References,
    /// By References and In-Reply-To alone; in order of the message that arrived last
    /// (draft-ietf-morg-inthread §5).
    Refs,
}

/// A message in a tree, or what stands for one that is not there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Node {
    /// Sequence number in the view and Uid; `None` for a message that was not found, which is
    /// always a root and has two children at least.
    pub message: Option<(u32, Uid)>,
    /// Places in [`Threads::nodes`], in order.
    pub children: Vec<u32>,
}

/// Trees.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Threads {
    /// All nodes.
    pub nodes: Vec<Node>,
    /// Places of the roots, in order.
    pub roots: Vec<u32>,
}

/// A message as far as threads need it.
struct Member {
    sequence: u32,
    uid: Uid,
    sent: i64,
    arrived: i64,
    /// Number of its base subject; the empty one is 0.
    subject: u32,
    reply: bool,
}

impl Member {
    /// RFC 5256 §2.2: by date, and messages of one date by sequence number.
    const fn order(&self) -> (i64, u32) {
        (self.sent, self.sequence)
    }
}

/// Messages that are being gathered: [`Threader::take`] each page of them, then
/// [`Threader::finish`].
pub struct Threader {
    algorithm: Algorithm,
    members: Vec<Member>,
    /// From the first page on.
    source: Option<Source>,
    subjects: HashMap<Text, u32>,
    /// Messages by their ids, there or not.
    ids: HashMap<u64, u32>,
    forest: Forest,
    /// Of each node of the forest its member, or [`NONE`].
    known: Vec<u32>,
    missing_ids: usize,
    missing_ids_max: usize,
}

impl Threader {
    /// For trees of that kind.
    #[must_use]
    pub fn new(algorithm: Algorithm) -> Self {
        Self {
            algorithm,
            members: Vec::new(),
            source: None,
            subjects: HashMap::new(),
            ids: HashMap::new(),
            forest: Forest::default(),
            known: Vec::new(),
            missing_ids: 0,
            missing_ids_max: MISSING_IDS_MAX,
        }
    }

    /// Takes more messages, of higher sequence numbers than those before.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn take(&mut self, account: &Account, rows: &[Row]) -> Result<(), Error> {
        let mut source = match self.source.take() {
            Some(source) => source,
            None => Source::open(account, self.wanted()).await?,
        };
        source.facts(account, rows, &mut |row, facts| self.add(row, facts)).await?;
        self.source = Some(source);
        Ok(())
    }

    fn wanted(&self) -> Wanted {
        let mut wanted = Wanted { sent: true, links: true, ..Wanted::default() };
        if let Some(subject) = wanted.texts.get_mut(Key::Subject.place()) {
            *subject = self.algorithm != Algorithm::Refs;
        }
        wanted
    }

    fn add(&mut self, row: &Row, facts: &Facts) {
        // The empty subject is 0.
        let next = u32::try_from(self.subjects.len() + 1).unwrap_or(0);
        let subject = match facts.text(Key::Subject).filter(|_| !facts.no_subject) {
            Some(text) => match self.subjects.get(text) {
                Some(number) => *number,
                None => *self.subjects.entry(text.clone()).or_insert(next),
            },
            None => 0,
        };
        let member = u32::try_from(self.members.len()).unwrap_or(NONE);
        self.members.push(Member {
            sequence: row.sequence,
            uid: row.uid,
            sent: facts.sent,
            arrived: row.internal_date,
            subject,
            reply: facts.reply,
        });
        if self.algorithm != Algorithm::OrderedSubject {
            self.connect(member, facts);
        }
    }

    /// RFC 5256 §3 REFERENCES step 1.
    fn connect(&mut self, member: u32, facts: &Facts) {
        let node = self.own_node(member, facts.message_id);
        // 1.A: each reference is the parent of the next, unless that one has a parent.
        let mut last = NONE;
        for id in &facts.references {
            let Some(next) = self.node_of(*id) else { continue };
            if last != NONE && next != last && self.forest.parent(next) == NONE {
                self.forest.link(next, last);
            }
            last = next;
        }
        // 1.B: "break the current parent/child link before creating the new correct one".
        if self.forest.parent(node) != NONE {
            self.forest.cut(node);
        }
        if last != NONE && last != node {
            self.forest.link(node, last);
        }
    }

    /// The node of a message: that of its id if nobody has it yet, else one of its own.
    fn own_node(&mut self, member: u32, id: u64) -> u32 {
        if let Some(node) = self.ids.get(&id).copied().filter(|_| id != 0) {
            if let Some(free) = self.known.get_mut(node as usize).filter(|known| **known == NONE) {
                *free = member;
                self.missing_ids -= 1;
                return node;
            }
            // RFC 5256: the second message of an id gets "a unique Message ID".
            return self.new_node(member);
        }
        let node = self.new_node(member);
        if id != 0 {
            self.ids.insert(id, node);
        }
        node
    }

    fn node_of(&mut self, id: u64) -> Option<u32> {
        if let Some(node) = self.ids.get(&id) {
            return Some(*node);
        }
        if self.missing_ids >= self.missing_ids_max {
            return None;
        }
        self.missing_ids += 1;
        let node = self.new_node(NONE);
        self.ids.insert(id, node);
        Some(node)
    }

    fn new_node(&mut self, member: u32) -> u32 {
        self.known.push(member);
        self.forest.add()
    }

    /// The trees.
    #[must_use]
    pub fn finish(mut self) -> Threads {
        self.ids = HashMap::new();
        self.subjects = HashMap::new();
        let Self { algorithm, members, forest, known, .. } = self;
        let mut trees = Trees::new(&members);
        match algorithm {
            Algorithm::OrderedSubject => trees.by_subject(),
            Algorithm::References => {
                trees.prune(&forest, &known);
                trees.merge_subjects();
                trees.sort_siblings();
                trees.sort_roots();
            }
            Algorithm::Refs => {
                trees.prune(&forest, &known);
                trees.sort_siblings();
                trees.sort_roots_by_last();
            }
        }
        trees.into_threads()
    }
}

#[cfg(test)]
mod tests;
