//! The commit thread: takes what waits, checks heads in memory, writes one group, and hands it on
//! to the index. And the index thread behind it, which wakes those who wait.
//!
//! Invariants: jobs are done in the order in which they were sent; no lock is held across a sync;
//! a job is answered after it is durable and in the index. While nobody else waits the commit
//! thread brings the group into the index itself, which spares a change of threads.

use super::{
    apply::Written,
    cleaner::{Move, Moved},
    frame::Draft,
    index::{self, Entry, Value},
    shared::Shared,
    writer::{Placed, Writer},
};
use crate::{Error, oneshot::Giver};
use std::{
    collections::HashMap,
    sync::{
        Arc, Condvar, Mutex, PoisonError,
        atomic::Ordering::Relaxed,
        mpsc::{Receiver, Sender},
    },
};

/// What the commit thread is asked for.
pub enum Job {
    /// A change.
    Write {
        /// The frame.
        draft: Draft,
        /// The expected head and the next one, if it moves the head.
        step: Option<(u64, u64)>,
        /// Whether it erases the account.
        erase: bool,
        /// Who waits.
        giver: Giver<()>,
    },
    /// Live values to be written again, for the cleaner.
    Move(Box<Move>, Giver<u64>),
    /// The end.
    Close,
}

struct Waiting {
    draft: Draft,
    giver: Giver<()>,
}

/// A group that is durable.
pub struct Group {
    waiting: Vec<(Waiting, Placed)>,
}

/// Groups that the index thread has not finished.
#[derive(Default)]
pub struct Pending {
    groups: Mutex<usize>,
    none: Condvar,
}

impl Pending {
    fn add(&self) {
        *self.groups.lock().unwrap_or_else(PoisonError::into_inner) += 1;
    }
    fn done(&self) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        *groups -= 1;
        if *groups == 0 {
            self.none.notify_all();
        }
    }
    fn is_none(&self) -> bool {
        *self.groups.lock().unwrap_or_else(PoisonError::into_inner) == 0
    }
    fn wait(&self) {
        let mut groups = self.groups.lock().unwrap_or_else(PoisonError::into_inner);
        while *groups > 0 {
            groups = self.none.wait(groups).unwrap_or_else(PoisonError::into_inner);
        }
    }
}

/// The commit thread's own.
pub struct Committer {
    shared: Arc<Shared>,
    writer: Writer,
    groups: Sender<Group>,
    pending: Arc<Pending>,
    /// Heads of the accounts that were touched since the store was opened.
    heads: HashMap<u32, u64>,
    /// The last LSN of each of them.
    touched: HashMap<u32, u64>,
    /// A job taken while looking whether anybody waits.
    next: Option<Job>,
}

impl Committer {
    /// Ready to run.
    #[must_use]
    pub fn new(
        shared: Arc<Shared>,
        writer: Writer,
        groups: Sender<Group>,
        pending: Arc<Pending>,
    ) -> Self {
        let (heads, touched) = (HashMap::new(), HashMap::new());
        Self { shared, writer, groups, pending, heads, touched, next: None }
    }

    /// Works until [`Job::Close`].
    pub fn run(mut self, queue: &Receiver<Job>) {
        loop {
            let Some(job) = self.next.take().or_else(|| queue.recv().ok()) else { return };
            match job {
                Job::Close => return,
                Job::Move(moving, giver) => giver.give(self.moving(*moving)),
                write @ Job::Write { .. } => {
                    self.shared.wait_for_memory();
                    self.group(write, queue);
                }
            }
        }
    }

    /// Collects a group, beginning with one job, and writes it.
    fn group(&mut self, first: Job, queue: &Receiver<Job>) {
        let mut waiting = Vec::new();
        let mut undo = Vec::new();
        let mut octets = 0;
        let mut job = Some(first);
        while let Some(Job::Write { draft, step, erase, giver }) = job {
            match self.check(draft.account, step, erase, &mut undo) {
                Ok(()) => {
                    octets += draft.octets();
                    waiting.push(Waiting { draft, giver });
                }
                Err(error) => giver.give(Err(error)),
            }
            let full = waiting.len() >= self.shared.options.group_commits_max
                || octets >= self.shared.options.group_octets_max;
            job = if full { None } else { queue.try_recv().ok() };
        }
        self.next = job;
        if waiting.is_empty() {
            return;
        }
        let mut placed = Vec::with_capacity(waiting.len());
        let drafts = waiting.iter().map(|waiting| &waiting.draft);
        let done = self.writer.append(drafts, false, &mut placed);
        let failed = waiting.split_off(placed.len());
        if let Err(error) = done {
            self.fail(&error, failed, &undo);
        }
        for (waiting, placed) in waiting.iter().zip(&placed) {
            self.touched.insert(waiting.draft.account, placed.lsn);
        }
        self.shared.counters.commits.fetch_add(placed.len() as u64, Relaxed);
        self.hand_on(Group { waiting: waiting.into_iter().zip(placed).collect() }, queue);
    }

    /// Whether a job may be written; moves the head.
    fn check(
        &mut self,
        account: u32,
        step: Option<(u64, u64)>,
        erase: bool,
        undo: &mut Vec<(u32, u64)>,
    ) -> Result<(), Error> {
        if self.shared.poisoned.load(Relaxed) {
            return Err(Error::Poisoned);
        }
        if self.shared.full.load(Relaxed) {
            return Err(Error::Full);
        }
        let head = self.head(account)?;
        let next = match step {
            Some((expected, next)) if expected == head => next,
            Some(_) => return Err(Error::Conflict { head }),
            None if erase => 0,
            None => head,
        };
        undo.push((account, head));
        self.heads.insert(account, next);
        Ok(())
    }

    fn head(&self, account: u32) -> Result<u64, Error> {
        match self.heads.get(&account) {
            Some(head) => Ok(*head),
            // Not touched since the store was opened: the index knows.
            None => read_head(&self.shared.index, account),
        }
    }

    /// The last jobs of a group were not written.
    fn fail(&mut self, error: &Error, failed: Vec<Waiting>, undo: &[(u32, u64)]) {
        let answer = if *error == Error::Full {
            Error::Full
        } else {
            self.shared.poison(error);
            Error::Poisoned
        };
        for (account, head) in undo.iter().rev().take(failed.len()) {
            self.heads.insert(*account, *head);
        }
        for waiting in failed {
            waiting.giver.give(Err(answer.clone()));
        }
    }

    fn hand_on(&mut self, group: Group, queue: &Receiver<Job>) {
        if group.waiting.is_empty() {
            return;
        }
        if self.next.is_none() {
            self.next = queue.try_recv().ok();
        }
        if self.next.is_none() && self.pending.is_none() {
            apply(&self.shared, group);
            return;
        }
        self.pending.add();
        if let Err(unsent) = self.groups.send(group) {
            // The index thread is gone, which only a panic there explains: do its work.
            self.pending.done();
            apply(&self.shared, unsent.0);
        }
    }

    /// Writes live values again. What died meanwhile is left out: nothing is in the log behind its
    /// own end. Gives the octets written.
    fn moving(&mut self, moving: Move) -> Result<u64, Error> {
        if self.shared.poisoned.load(Relaxed) {
            return Err(Error::Poisoned);
        }
        self.pending.wait();
        let mut drafts: Vec<Draft> = Vec::new();
        for (account, values) in moving.accounts {
            let mut draft = Draft::new(account);
            let touched = self.touched.get(&account).copied().unwrap_or(0);
            for value in values {
                if touched > moving.checked && !still(&self.shared, account, &value)? {
                    continue;
                }
                let (class, rest) = value.key.split_first().unwrap_or((&index::HEAD, &[]));
                match value.what {
                    Moved::Put(octets) => draft.put(*class, rest, &octets),
                    Moved::Located(body) => draft.locate(*class, rest, body),
                    Moved::Delete => draft.delete(*class, rest),
                    Moved::Erase { before } => draft.erase(before),
                }
            }
            if !draft.is_empty() {
                drafts.push(draft);
            }
        }
        let mut placed = Vec::with_capacity(drafts.len());
        let done = self.writer.append(drafts.iter(), true, &mut placed);
        let mut applier = self.shared.applier();
        let mut octets = 0;
        for (draft, placed) in drafts.iter().zip(&placed) {
            applier.apply(&written(draft, placed))?;
            self.touched.insert(draft.account, placed.lsn);
            octets += draft.octets();
        }
        self.shared.index.publish();
        let since = applier.since();
        drop(applier);
        self.shared.applied(since);
        self.shared.counters.cleaned_octets.fetch_add(octets, Relaxed);
        match done {
            Ok(()) => Ok(octets),
            Err(Error::Full) => Err(Error::Full),
            Err(error) => {
                self.shared.poison(&error);
                Err(Error::Poisoned)
            }
        }
    }
}

/// Whether a value is what the index says now. Everything is applied.
fn still(shared: &Shared, account: u32, value: &super::cleaner::MovedValue) -> Result<bool, Error> {
    let entry = shared.index.get(&index::key(account, &value.key))?;
    Ok(match (&value.what, entry) {
        (Moved::Erase { .. }, _) | (Moved::Delete, None) => true,
        (Moved::Put(_) | Moved::Located(_), Some(entry)) => Entry::parse(&entry)?.lsn == value.lsn,
        (Moved::Delete, Some(_)) | (Moved::Put(_) | Moved::Located(_), None) => false,
    })
}

/// The head of an account, as the index has it.
pub fn read_head(index: &index::Index, account: u32) -> Result<u64, Error> {
    let Some(entry) = index.get(&index::key(account, &[index::HEAD]))? else { return Ok(0) };
    match Entry::parse(&entry)?.value {
        Value::Inline(head) => head.try_into().map(u64::from_le_bytes).ok(),
        Value::Located(_) => None,
    }
    .ok_or_else(|| Error::Damaged(format!("the head of account {account}")))
}

fn written<'a>(draft: &'a Draft, placed: &Placed) -> Written<'a> {
    Written {
        account: draft.account,
        lsn: placed.lsn,
        segment: placed.segment,
        bodies: placed.bodies,
        end: placed.end,
        ops: draft.ops(),
    }
}

/// Brings a group into the index and answers those who wait.
fn apply(shared: &Shared, group: Group) {
    let mut applier = shared.applier();
    let mut done = Ok(());
    for (waiting, placed) in &group.waiting {
        done = done.and_then(|()| applier.apply(&written(&waiting.draft, placed)));
    }
    shared.index.publish();
    let since = applier.since();
    drop(applier);
    if let Err(error) = &done {
        // The log has it, the index has not: whoever reads on would see the past.
        shared.poison(error);
    }
    shared.applied(since);
    for (waiting, _) in group.waiting {
        waiting.giver.give(done.clone());
    }
}

/// The index thread: works until the commit thread is gone.
pub fn run_index(shared: &Shared, groups: &Receiver<Group>, pending: &Pending) {
    while let Ok(group) = groups.recv() {
        apply(shared, group);
        pending.done();
    }
}
