//! Keywords of an account: each name has a number, each set of numbers that occurs is kept once.
//! A message's index entry holds a set's number instead of names.

use mail::Keyword;
use std::{collections::HashMap, sync::Arc};

/// A set's number; 0 is the empty set. 24 bits.
pub(crate) type SetId = u32;

/// Sets that an entry's 24 bits can name.
const SETS_MAX: usize = 1 << 24;

/// RFC 9979 §4: of two keywords that exclude each other the one that says more stays.
pub(crate) fn settle_opposites(keywords: &mut Vec<Keyword>) {
    if keywords.contains(&Keyword::of_attachments(true)) {
        keywords.retain(|one| *one != Keyword::of_attachments(false));
    }
}

struct Set {
    numbers: Arc<[u32]>,
    names: Arc<[Keyword]>,
}

pub(crate) struct Keywords {
    names: Vec<Keyword>,
    numbers: HashMap<Keyword, u32>,
    sets: Vec<Set>,
    set_ids: HashMap<Arc<[u32]>, SetId>,
    /// Names up to this count are durable; those behind are planned.
    settled: usize,
}

impl Default for Keywords {
    fn default() -> Self {
        let empty: Arc<[u32]> = Arc::from([]);
        Self {
            names: Vec::new(),
            numbers: HashMap::new(),
            sets: vec![Set { numbers: Arc::clone(&empty), names: Arc::from([]) }],
            set_ids: HashMap::from([(empty, 0)]),
            settled: 0,
        }
    }
}

impl Keywords {
    pub fn number(&self, keyword: &Keyword) -> Option<u32> {
        self.numbers.get(keyword).copied()
    }
    pub fn len(&self) -> usize {
        self.names.len()
    }
    pub fn names(&self) -> &[Keyword] {
        &self.names
    }
    pub fn name(&self, number: u32) -> Option<&Keyword> {
        self.names.get(number as usize)
    }
    /// Gives a keyword the next number.
    pub fn add(&mut self, keyword: Keyword) -> u32 {
        let number = u32::try_from(self.names.len()).unwrap_or(u32::MAX);
        self.numbers.insert(keyword.clone(), number);
        self.names.push(keyword);
        number
    }
    /// Names up to this count are durable now.
    pub fn settle(&mut self, count: usize) {
        self.settled = self.settled.max(count);
    }
    /// Forgets the names that never became durable.
    pub fn reset(&mut self) {
        self.names.truncate(self.settled);
        let settled = self.settled;
        let known = |number: &u32| (*number as usize) < settled;
        self.numbers.retain(|_, number| known(number));
        self.set_ids.retain(|numbers, _| numbers.iter().all(known));
    }
    /// The number of a set of keyword numbers.
    pub fn set(&mut self, mut numbers: Vec<u32>) -> SetId {
        if numbers.is_empty() {
            return 0;
        }
        numbers.sort_unstable();
        numbers.dedup();
        if let Some(id) = self.set_ids.get(numbers.as_slice()) {
            return *id;
        }
        let names: Vec<Keyword> = numbers.iter().filter_map(|n| self.name(*n)).cloned().collect();
        let id = self.sets.len();
        assert!(id < SETS_MAX, "an account with 16 million different sets of keywords");
        let numbers: Arc<[u32]> = numbers.into();
        self.sets.push(Set { numbers: Arc::clone(&numbers), names: names.into() });
        let id = id as SetId;
        self.set_ids.insert(numbers, id);
        id
    }
    pub fn numbers_of(&self, set: SetId) -> &[u32] {
        self.sets.get(set as usize).map_or(&[], |set| &set.numbers)
    }
    pub fn names_of(&self, set: SetId) -> Arc<[Keyword]> {
        self.sets.get(set as usize).map_or_else(|| Arc::from([]), |set| Arc::clone(&set.names))
    }
    /// Octets of memory, roughly.
    pub fn memory_octets(&self) -> u64 {
        128 * (self.names.len() + self.sets.len()) as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn keyword(name: &str) -> Keyword {
        Keyword::parse(name).unwrap()
    }

    #[test]
    fn what_never_became_durable_is_forgotten() {
        let mut keywords = Keywords::default();
        let one = keywords.add(keyword("one"));
        keywords.settle(1);
        let two = keywords.add(keyword("two"));
        let both = keywords.set(vec![two, one]);
        assert_eq!(keywords.names_of(both).len(), 2);
        keywords.reset();
        assert_eq!((keywords.len(), keywords.number(&keyword("two"))), (1, None));
        let three = keywords.add(keyword("three"));
        assert_eq!(three, two);
        let other = keywords.set(vec![one, three]);
        assert_eq!(keywords.names_of(other)[1], keyword("three"));
        assert_ne!(other, both);
    }
}
