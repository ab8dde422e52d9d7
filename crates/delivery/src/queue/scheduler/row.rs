//! A site's items in order: those that are due, and those that wait for their time.
//!
//! Invariants: an item is found by its [`Place`] without looking at others; nobody can go through
//! them one by one. [`Row::touched`] counts the items that were put, moved or taken: the work that
//! was done, which tests bound.

use super::Item;
use std::collections::{BTreeMap, VecDeque};

/// Where an item is in its row.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Place {
    /// Its turn among those that are due.
    Due(i64),
    /// When it will be due, seconds since 1970 UTC.
    Waiting(i64),
}

/// A hundred thousand may be due for a host that does not answer: they stand in one piece of
/// memory, of which nothing is left when they are gone.
#[derive(Default)]
pub(super) struct Row {
    /// By turn, from `first` on; one that was taken out of the middle leaves a gap. Neither end is
    /// a gap.
    due: VecDeque<Option<Item>>,
    first: i64,
    due_count: usize,
    waiting: BTreeMap<(i64, u64), Item>,
    touched: u64,
}

impl Row {
    /// Behind all that are due.
    pub(super) fn push_back(&mut self, item: Item) -> Place {
        self.touched += 1;
        self.due_count += 1;
        let turn = self.first.saturating_add_unsigned(self.due.len() as u64);
        self.due.push_back(Some(item));
        Place::Due(turn)
    }

    /// Before all that are due.
    pub(super) fn push_front(&mut self, item: Item) -> Place {
        self.touched += 1;
        self.due_count += 1;
        self.first = self.first.saturating_sub(1);
        self.due.push_front(Some(item));
        Place::Due(self.first)
    }

    /// Not due before `at`.
    pub(super) fn wait(&mut self, at: i64, item: Item) -> Place {
        self.touched += 1;
        let before = self.waiting.insert((at, item.id.0), item);
        assert!(before.is_none(), "an item's place was taken");
        Place::Waiting(at)
    }

    /// The item at a place.
    pub(super) fn take(&mut self, place: Place, id: u64) -> Option<Item> {
        self.touched += 1;
        let turn = match place {
            Place::Due(turn) => turn,
            Place::Waiting(at) => return self.waiting.remove(&(at, id)),
        };
        let at = usize::try_from(turn.checked_sub(self.first)?).ok()?;
        let item = self.due.get_mut(at)?.take()?;
        assert!(item.id.0 == id, "another item stands at this turn");
        self.due_count -= 1;
        self.trim();
        Some(item)
    }

    /// The first that is due.
    pub(super) fn pop_due(&mut self) -> Option<Item> {
        self.touched += 1;
        let item = self.due.front_mut()?.take()?;
        self.due_count -= 1;
        self.trim();
        Some(item)
    }

    /// No gap stands at an end; each was made once and goes once. Memory that is not needed for
    /// long is given back.
    fn trim(&mut self) {
        while let Some(None) = self.due.front() {
            self.due.pop_front();
            self.first = self.first.saturating_add(1);
        }
        while let Some(None) = self.due.back() {
            self.due.pop_back();
        }
        if self.due.capacity() > 64 && self.due.len() < self.due.capacity() / 8 {
            self.due.shrink_to(self.due.len() * 2);
        }
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

    pub(super) const fn due(&self) -> usize {
        self.due_count
    }

    pub(super) fn waiting(&self) -> usize {
        self.waiting.len()
    }

    #[cfg(test)]
    pub(super) const fn touched(&self) -> u64 {
        self.touched
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use account::queue::QueueId;

    fn item(id: u64) -> Item {
        Item { id: QueueId(id), recipients: [0].into(), attempts: 0 }
    }

    #[test]
    fn gaps_are_passed_over_and_go() {
        let mut row = Row::default();
        let places: Vec<Place> = (0..10).map(|id| row.push_back(item(id))).collect();
        let front = row.push_front(item(99));
        for id in [1, 2, 9, 8] {
            assert_eq!(row.take(places[id], id as u64).map(|one| one.id.0), Some(id as u64));
            assert_eq!(row.take(places[id], id as u64), None);
        }
        assert_eq!((row.due(), row.due.len()), (7, 9));
        assert_eq!(row.take(front, 99).map(|one| one.id.0), Some(99));
        let order: Vec<u64> = std::iter::from_fn(|| row.pop_due()).map(|one| one.id.0).collect();
        assert_eq!(order, [0, 3, 4, 5, 6, 7]);
        assert_eq!((row.due(), row.due.len()), (0, 0));
        // Turns go on.
        let place = row.push_back(item(3));
        assert_eq!(row.take(places[3], 3), None);
        assert_eq!(row.take(place, 3).map(|one| one.id.0), Some(3));
    }

    #[test]
    fn memory_is_given_back() {
        let mut row = Row::default();
        for id in 0..10_000 {
            row.push_back(item(id));
        }
        while row.due() > 10 {
            row.pop_due();
        }
        assert!(row.due.capacity() < 200);
    }
}
