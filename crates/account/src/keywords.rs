//! Keywords of an account: each name has a number, each set of numbers that occurs is kept once.
//! A message's index entry holds a set's number instead of names.

use mail::Keyword;
use std::{collections::HashMap, sync::Arc};

/// A set's number; 0 is the empty set. 24 bits.
pub(crate) type SetId = u32;

pub(crate) struct Keywords {
    names: Vec<Keyword>,
    numbers: HashMap<Keyword, u32>,
    sets: Vec<(Vec<u32>, Arc<[Keyword]>)>,
    set_ids: HashMap<Vec<u32>, SetId>,
}

impl Default for Keywords {
    fn default() -> Self {
        let empty: Arc<[Keyword]> = Arc::from(Vec::new());
        Self {
            names: Vec::new(),
            numbers: HashMap::new(),
            sets: vec![(Vec::new(), empty)],
            set_ids: HashMap::from([(Vec::new(), 0)]),
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
    /// Adds a name under the next number, or under the one that the log says.
    pub fn add(&mut self, number: u32, keyword: Keyword) {
        if self.names.len() == number as usize {
            self.numbers.insert(keyword.clone(), number);
            self.names.push(keyword);
        }
    }
    /// The number of a set of sorted keyword numbers.
    pub fn set(&mut self, mut numbers: Vec<u32>) -> SetId {
        numbers.sort_unstable();
        numbers.dedup();
        if let Some(id) = self.set_ids.get(&numbers) {
            return *id;
        }
        let names: Vec<Keyword> =
            numbers.iter().filter_map(|n| self.names.get(*n as usize).cloned()).collect();
        let id = u32::try_from(self.sets.len()).unwrap_or(0) & 0x00ff_ffff;
        self.sets.push((numbers.clone(), names.into()));
        self.set_ids.insert(numbers, id);
        id
    }
    pub fn numbers_of(&self, set: SetId) -> &[u32] {
        self.sets.get(set as usize).map_or(&[], |(numbers, _)| numbers)
    }
    pub fn names_of(&self, set: SetId) -> Arc<[Keyword]> {
        self.sets.get(set as usize).map_or_else(|| Arc::from(Vec::new()), |(_, n)| Arc::clone(n))
    }
}
