//! What each open view has been told and has yet to be told, kept beside the state that it looks
//! at: a commit tells the views of its mailboxes what it touched, so that a view may sleep as long
//! as it likes and never miss an expunge.

use crate::state::{Entry, State};
use mail::NumberSet;
use std::{collections::HashMap, sync::Arc};

/// Changes kept apart until they are made one set.
const CHANGES_MAX: usize = 256;

/// One view's side of the account.
pub(crate) struct Watch {
    pub mailbox: u32,
    /// Uids below this one were told.
    pub told_next: u32,
    /// Uids that are `\Recent` here: from, to (excluded), ascending.
    pub recent: Vec<(u32, u32)>,
    /// Expunged and not yet told, by Uid.
    pub zombies: Vec<Entry>,
    /// Flags changed by others and not yet told.
    pub changed: Vec<Arc<NumberSet>>,
}

impl Watch {
    pub fn new(mailbox: u32, told_next: u32, recent_from: u32) -> Self {
        let mut watch = Self {
            mailbox,
            told_next,
            recent: Vec::new(),
            zombies: Vec::new(),
            changed: Vec::new(),
        };
        watch.take_recent(recent_from, told_next);
        watch
    }

    /// Messages of these Uids are recent here.
    pub fn take_recent(&mut self, from: u32, to: u32) {
        match self.recent.last_mut() {
            Some(last) if from <= last.1 => last.1 = last.1.max(to),
            _ if from < to => self.recent.push((from, to)),
            _ => {}
        }
    }
    pub fn is_recent(&self, uid: u32) -> bool {
        self.recent.iter().any(|(from, to)| (*from..*to).contains(&uid))
    }

    fn bury(&mut self, gone: &[Entry]) {
        let told = gone.partition_point(|entry| entry.uid < self.told_next);
        let Some(gone) = gone.get(..told).filter(|gone| !gone.is_empty()) else { return };
        let sorted = self
            .zombies
            .last()
            .is_none_or(|last| gone.first().is_some_and(|first| last.uid < first.uid));
        self.zombies.extend_from_slice(gone);
        if !sorted {
            self.zombies.sort_unstable_by_key(|entry| entry.uid);
        }
    }

    /// All changed Uids; none after it.
    pub fn take_changed(&mut self) -> NumberSet {
        let mut all = std::mem::take(&mut self.changed);
        match (all.pop(), all.is_empty()) {
            (None, _) => NumberSet::default(),
            (Some(only), true) => Arc::unwrap_or_clone(only),
            (Some(last), false) => {
                all.push(last);
                NumberSet::of(all.iter().flat_map(|set| set.ranges()).copied())
            }
        }
    }

    /// Whether a poll would tell something.
    pub fn has_news(&self, state: &State) -> bool {
        !self.zombies.is_empty() || self.has_other_news(state)
    }

    /// Whether a poll that holds expunges back would.
    pub fn has_other_news(&self, state: &State) -> bool {
        let mailbox = state.mailboxes.get(&self.mailbox);
        !self.changed.is_empty() || mailbox.is_none_or(|mailbox| mailbox.uid_next > self.told_next)
    }
}

/// The open views of an account, by number.
#[derive(Default)]
pub(crate) struct Watches {
    all: HashMap<u64, Watch>,
    next: u64,
}

impl Watches {
    pub fn open(&mut self, watch: Watch) -> u64 {
        self.next += 1;
        self.all.insert(self.next, watch);
        self.next
    }
    pub fn close(&mut self, view: u64) {
        self.all.remove(&view);
    }
    pub fn find(&self, view: u64) -> Option<&Watch> {
        self.all.get(&view)
    }
    pub fn find_mut(&mut self, view: u64) -> Option<&mut Watch> {
        self.all.get_mut(&view)
    }
    pub fn is_empty(&self) -> bool {
        self.all.is_empty()
    }

    fn of(&mut self, mailbox: u32) -> impl Iterator<Item = (&u64, &mut Watch)> {
        self.all.iter_mut().filter(move |(_, watch)| watch.mailbox == mailbox)
    }

    /// Flags of these Uids changed; the view that did it was answered.
    pub fn changed(&mut self, mailbox: u32, uids: &Arc<NumberSet>, by: Option<u64>) {
        for (view, watch) in self.of(mailbox) {
            if Some(*view) == by || uids.is_empty() {
                continue;
            }
            watch.changed.push(Arc::clone(uids));
            if watch.changed.len() > CHANGES_MAX {
                let all = watch.take_changed();
                watch.changed.push(Arc::new(all));
            }
        }
    }

    /// Messages left a mailbox, by Uid.
    pub fn expunged(&mut self, mailbox: u32, gone: &[Entry]) {
        for (_, watch) in self.of(mailbox) {
            watch.bury(gone);
        }
    }

    /// The state was read anew: what views were told of and is no more was expunged, what differs
    /// has changed.
    pub fn renewed(&mut self, before: &State, now: &State) {
        for watch in self.all.values_mut() {
            let Some(old) = before.mailboxes.get(&watch.mailbox) else { continue };
            let Some(new) = now.mailboxes.get(&watch.mailbox) else { continue };
            let told = old.entries.partition_point(|entry| entry.uid < watch.told_next);
            let (mut gone, mut changed) = (Vec::new(), NumberSet::default());
            for entry in old.entries.get(..told).unwrap_or_default() {
                match new.entry(entry.uid) {
                    None => gone.push(*entry),
                    Some(found) if found.modseq != entry.modseq => changed.push(entry.uid),
                    Some(_) => {}
                }
            }
            watch.bury(&gone);
            if !changed.is_empty() {
                watch.changed.push(Arc::new(changed));
            }
        }
    }
}
