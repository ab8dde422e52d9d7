//! A site's items in order: those that are due, and those that wait for their time.
//!
//! Invariants: an item is found by its [`Place`] without looking at others; nobody can go through
//! them one by one. [`Row::touched`] counts the items that were put, moved or taken: the work that
//! was done, which tests bound.

use super::Item;
use std::collections::BTreeMap;

/// Where an item is in its row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Its turn among those that are due.
    Due(i64),
    /// When it will be due, seconds since 1970 UTC.
    Waiting(i64),
}

#[derive(Default)]
pub(super) struct Row {
    due: BTreeMap<i64, Item>,
    waiting: BTreeMap<(i64, u64), Item>,
    touched: u64,
}

impl Row {
    /// Behind all that are due.
    pub(super) fn push_back(&mut self, item: Item) -> Place {
        let turn = self.due.last_key_value().map_or(0, |(turn, _)| turn.saturating_add(1));
        self.put(Place::Due(turn), item)
    }

    /// Before all that are due.
    pub(super) fn push_front(&mut self, item: Item) -> Place {
        let turn = self.due.first_key_value().map_or(0, |(turn, _)| turn.saturating_sub(1));
        self.put(Place::Due(turn), item)
    }

    /// Not due before `at`.
    pub(super) fn wait(&mut self, at: i64, item: Item) -> Place {
        self.put(Place::Waiting(at), item)
    }

    fn put(&mut self, place: Place, item: Item) -> Place {
        self.touched += 1;
        let before = match place {
            Place::Due(turn) => self.due.insert(turn, item),
            Place::Waiting(at) => self.waiting.insert((at, item.id.0), item),
        };
        assert!(before.is_none(), "an item's place was taken");
        place
    }

    /// The item at a place.
    pub(super) fn take(&mut self, place: Place, id: u64) -> Option<Item> {
        self.touched += 1;
        match place {
            Place::Due(turn) => self.due.remove(&turn),
            Place::Waiting(at) => self.waiting.remove(&(at, id)),
        }
    }

    /// The first that is due.
    pub(super) fn pop_due(&mut self) -> Option<Item> {
        self.touched += 1;
        self.due.pop_first().map(|(_, item)| item)
    }

    /// The first that waits, if its time has come.
    pub(super) fn pop_waiting(&mut self, now: i64) -> Option<Item> {
        let entry = self.waiting.first_entry().filter(|entry| entry.key().0 <= now)?;
        self.touched += 1;
        Some(entry.remove())
    }

    /// When the first of those that wait is due.
    pub(super) fn next_at(&self) -> Option<i64> {
        self.waiting.first_key_value().map(|((at, _), _)| *at)
    }

    pub(super) fn due(&self) -> usize {
        self.due.len()
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    #[cfg(test)]
    pub(super) const fn touched(&self) -> u64 {
        self.touched
    }
}
