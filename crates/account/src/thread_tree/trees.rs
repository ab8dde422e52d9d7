//! From links between messages to ordered trees: RFC 5256 §3 REFERENCES steps 2 to 6.

use super::{Member, Node, Threads, forest::Forest, forest::NONE};
use std::collections::HashMap;

/// Trees of messages: node n is message n; behind these come nodes of messages that are not there.
pub struct Trees<'a> {
    members: &'a [Member],
    children: Vec<Vec<u32>>,
    roots: Vec<u32>,
}

/// What a message hangs on once those that are not there are taken out.
#[derive(Clone, Copy)]
enum Above {
    Member(u32),
    /// Nothing but missing ones, of which this is the topmost.
    Missing(u32),
}

impl<'a> Trees<'a> {
    pub fn new(members: &'a [Member]) -> Self {
        Self { members, children: vec![Vec::new(); members.len()], roots: Vec::new() }
    }

    /// Steps 2 and 3: what is not there is taken out and its children take its place, but below
    /// the root only if it is one child.
    pub fn prune(&mut self, forest: &Forest, known: &[u32]) {
        let mut above: Vec<Option<Above>> = vec![None; forest.len()];
        let mut orphans: HashMap<u32, Vec<u32>> = HashMap::new();
        let mut way = Vec::new();
        for (node, member) in (0..).zip(known).filter(|(_, member)| **member != NONE) {
            let mut at = forest.parent(node);
            if at == NONE {
                self.roots.push(*member);
                continue;
            }
            let mut found = None;
            while found.is_none() && at != NONE {
                let there = known.get(at as usize).copied().filter(|member| *member != NONE);
                found = there.map(Above::Member);
                if found.is_none() {
                    found = above.get(at as usize).copied().flatten();
                }
                if found.is_none() {
                    way.push(at);
                    at = forest.parent(at);
                }
            }
            let found = found.unwrap_or(Above::Missing(way.last().copied().unwrap_or(NONE)));
            for passed in way.drain(..) {
                if let Some(slot) = above.get_mut(passed as usize) {
                    *slot = Some(found);
                }
            }
            match found {
                Above::Member(parent) => self.adopt(parent, *member),
                Above::Missing(top) => orphans.entry(top).or_default().push(*member),
            }
        }
        for siblings in orphans.into_values() {
            if let &[only] = siblings.as_slice() {
                self.roots.push(only);
            } else {
                self.add_missing(siblings);
            }
        }
    }

    /// Steps 4 and 5: trees of one subject become one.
    pub fn merge_subjects(&mut self) {
        self.sort_roots();
        let roots = self.roots.clone();
        let mut table: HashMap<u32, u32> = HashMap::new();
        for root in roots.iter().copied() {
            let Some(first) = self.first(root).filter(|first| first.subject != 0) else { continue };
            let entry = table.entry(first.subject).or_insert(root);
            // 5.B.iv
            let less = self.is_answer(*entry) && !self.is_answer(root);
            if !self.is_missing(*entry) && (self.is_missing(root) || less) {
                *entry = root;
            }
        }
        let mut gone = vec![false; self.children.len()];
        for root in roots {
            let Some(subject) = self.first(root).map(|first| first.subject) else { continue };
            let Some(other) = table.get(&subject).copied().filter(|other| *other != root) else {
                continue;
            };
            // 5.C
            if let Some(gone) = gone.get_mut(root as usize) {
                *gone = true;
            }
            match (self.is_missing(other), self.is_missing(root)) {
                (true, true) => {
                    let children = self.children.get_mut(root as usize).map(std::mem::take);
                    children.into_iter().flatten().for_each(|child| self.adopt(other, child));
                }
                (true, false) => self.adopt(other, root),
                (false, _) if self.is_answer(root) && !self.is_answer(other) => {
                    self.adopt(other, root);
                }
                (false, _) => {
                    if let Some(gone) = gone.get_mut(other as usize) {
                        *gone = true;
                    }
                    let both = self.add_missing(vec![other, root]);
                    table.insert(subject, both);
                }
            }
        }
        self.roots.retain(|root| !gone.get(*root as usize).copied().unwrap_or_default());
    }

    /// Step 6, below the root.
    pub fn sort_siblings(&mut self) {
        let members = self.members;
        let order = |node: &u32| members.get(*node as usize).map(Member::order);
        self.children.iter_mut().for_each(|children| children.sort_unstable_by_key(order));
    }

    /// By the date of each tree's first message.
    pub fn sort_roots(&mut self) {
        let mut roots = std::mem::take(&mut self.roots);
        roots.sort_by_cached_key(|root| self.first(*root).map(Member::order));
        self.roots = roots;
    }

    /// By the message of each tree that arrived last.
    pub fn sort_roots_by_last(&mut self) {
        let mut roots = std::mem::take(&mut self.roots);
        roots.sort_by_cached_key(|root| {
            let mut left = vec![*root];
            let mut last = None;
            while let Some(node) = left.pop() {
                let member = self.members.get(node as usize);
                last = last.max(member.map(|member| (member.arrived, member.sequence)));
                left.extend(self.children.get(node as usize).into_iter().flatten());
            }
            last
        });
        self.roots = roots;
    }

    /// ORDEREDSUBJECT: messages of one subject, all below the first of them.
    pub fn by_subject(&mut self) {
        let mut order: Vec<(u32, &Member)> = (0..).zip(self.members).collect();
        order.sort_unstable_by_key(|(_, member)| member.order());
        let mut firsts: HashMap<u32, u32> = HashMap::new();
        for (node, member) in order {
            let first = *firsts.entry(member.subject).or_insert(node);
            if first == node {
                self.roots.push(node);
            } else {
                self.adopt(first, node);
            }
        }
    }

    pub fn into_threads(self) -> Threads {
        let mut messages = self.members.iter().map(|member| (member.sequence, member.uid));
        let nodes = self.children.into_iter();
        let nodes = nodes.map(|children| Node { message: messages.next(), children }).collect();
        Threads { nodes, roots: self.roots }
    }

    fn adopt(&mut self, parent: u32, child: u32) {
        if let Some(children) = self.children.get_mut(parent as usize) {
            children.push(child);
        }
    }

    fn add_missing(&mut self, children: Vec<u32>) -> u32 {
        let node = u32::try_from(self.children.len()).unwrap_or(NONE);
        self.children.push(children);
        self.roots.push(node);
        node
    }

    fn is_missing(&self, node: u32) -> bool {
        node as usize >= self.members.len()
    }

    fn is_answer(&self, node: u32) -> bool {
        self.members.get(node as usize).is_some_and(|member| member.reply)
    }

    /// The message of a root, or the first of its children if it is not there.
    fn first(&self, root: u32) -> Option<&Member> {
        self.members.get(root as usize).or_else(|| {
            let children = self.children.get(root as usize).into_iter().flatten();
            let members = children.filter_map(|child| self.members.get(*child as usize));
            members.min_by_key(|member| member.order())
        })
    }
}
