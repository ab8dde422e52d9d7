//! THREAD, step by step (RFC 5256).

use super::{Selected, refusal::Stop, search::Matching};
use account::thread_tree::{Algorithm, Threader, Threads};
use imap::{
    Session, ThreadMark,
    effect::Done,
    types::{SearchKey, ThreadAlgorithm},
};
use std::sync::Arc;

/// A THREAD between two steps.
pub(super) struct Threading {
    matching: Matching,
    /// `None` once the trees are made.
    threader: Option<Threader>,
    uid: bool,
}

impl Threading {
    pub fn new(
        selected: &mut Selected,
        algorithm: ThreadAlgorithm,
        key: &SearchKey,
        uid: bool,
    ) -> Self {
        let algorithm = match algorithm {
            ThreadAlgorithm::OrderedSubject => Algorithm::OrderedSubject,
            ThreadAlgorithm::References => Algorithm::References,
            ThreadAlgorithm::Refs => Algorithm::Refs,
        };
        let threader = Some(Threader::new(algorithm));
        Self { matching: Matching::new(selected, key), threader, uid }
    }

    pub async fn step(
        &mut self,
        session: &mut Session,
        selected: &mut Selected,
    ) -> Result<Done, Stop> {
        let (rows, more) = self.matching.step(session, selected).await?;
        if let Some(threader) = &mut self.threader {
            let account = Arc::clone(selected.view.account());
            threader.take(&account, &rows).await?;
        }
        if more {
            return Ok(Done::More);
        }
        let threads = self.threader.take().map(Threader::finish).unwrap_or_default();
        session.reply().thread(Marks::new(&threads, self.uid));
        Ok(Done::Ok(None))
    }
}

/// Trees as they are written, from the first mark to the last; however deep, without recursion.
struct Marks<'a> {
    threads: &'a Threads,
    uid: bool,
    /// What is still to be written, the next last.
    left: Vec<Left>,
}

#[derive(Clone, Copy)]
enum Left {
    /// A list of its own, in parentheses.
    List(u32),
    /// A node behind its parent, in the same list.
    Node(u32),
    Close,
}

impl<'a> Marks<'a> {
    fn new(threads: &'a Threads, uid: bool) -> Self {
        let left = threads.roots.iter().rev().map(|root| Left::List(*root)).collect();
        Self { threads, uid, left }
    }
}

impl Iterator for Marks<'_> {
    type Item = ThreadMark;

    fn next(&mut self) -> Option<ThreadMark> {
        loop {
            let node = match self.left.pop()? {
                Left::Close => return Some(ThreadMark::Close),
                Left::List(node) => {
                    self.left.extend([Left::Close, Left::Node(node)]);
                    return Some(ThreadMark::Open);
                }
                Left::Node(node) => self.threads.nodes.get(node as usize)?,
            };
            match node.children.as_slice() {
                [only] => self.left.push(Left::Node(*only)),
                several => self.left.extend(several.iter().rev().map(|node| Left::List(*node))),
            }
            if let Some((sequence, uid)) = node.message {
                return Some(ThreadMark::Number(if self.uid { uid.0 } else { sequence }));
            }
        }
    }
}
