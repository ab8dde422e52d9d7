//! Ways to split a corpus into halves, fixed by content, with near-duplicates on the same side.
//!
//! Messages are near when they share one of eight pairs of smallest hashes of their runs of four
//! words (min-hashing); nearness is carried on, from message to message.

#![allow(clippy::indexing_slicing)] // Indices of the messages themselves.

use mail::mime::{self, Structure};
use mail::text;
use spam::Key;
use std::collections::HashMap;

const BANDS: u8 = 8;

/// A hash of content, always the same.
pub fn hash(octets: &[u8]) -> u64 {
    Key::new([0; 16]).hash(octets)
}

/// Near-duplicates, named by the smallest hash of their contents.
#[derive(Clone, Copy)]
pub struct Group(u64);

impl Group {
    /// On which side the group is, in the way of splitting that has this number.
    pub fn side(self, split: u64) -> bool {
        hash(&self.0.wrapping_add(split).to_le_bytes()) & 1 == 0
    }
}

/// For each message the group of near-duplicates that it is of.
pub fn groups(messages: &[Vec<u8>]) -> Vec<Group> {
    let mut parents: Vec<usize> = (0..messages.len()).collect();
    let mut known = HashMap::new();
    for (at, message) in messages.iter().enumerate() {
        for signature in signatures(&words(message)) {
            let other = *known.entry(signature).or_insert(at);
            let (one, other) = (root(&parents, at), root(&parents, other));
            parents[one.max(other)] = one.min(other);
        }
    }
    let mut smallest = HashMap::new();
    for (at, message) in messages.iter().enumerate() {
        let group = smallest.entry(root(&parents, at)).or_insert(u64::MAX);
        *group = hash(message).min(*group);
    }
    let mut sizes: HashMap<usize, usize> = HashMap::new();
    (0..messages.len()).for_each(|at| *sizes.entry(root(&parents, at)).or_default() += 1);
    println!(
        "{} groups of near-duplicates, the largest of {}",
        sizes.values().filter(|size| **size > 1).count(),
        sizes.values().max().unwrap_or(&0)
    );
    let group = |at| smallest.get(&root(&parents, at)).copied().unwrap_or_default();
    (0..messages.len()).map(|at| Group(group(at))).collect()
}

fn root(parents: &[usize], mut at: usize) -> usize {
    while parents[at] != at {
        at = parents[at];
    }
    at
}

/// The body's words: letters alone, small; quoted lines are another's words.
fn words(message: &[u8]) -> Vec<String> {
    let structure = Structure::parse(message, &mime::Limits::default());
    let mut words = Vec::new();
    text::texts(&structure, message, &mut |text| {
        for line in text.lines().filter(|line| !line.trim_start().starts_with('>')) {
            let letters = line.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
            words.extend(letters.map(str::to_lowercase));
        }
        true
    });
    words
}

fn signatures(words: &[String]) -> Vec<(u8, u64, u64)> {
    let runs: Vec<u64> = if words.len() < 4 {
        vec![hash(words.join(" ").as_bytes())]
    } else {
        words.windows(4).map(|run| hash(run.join(" ").as_bytes())).collect()
    };
    let smallest = |seed: u8| {
        let key = Key::new([seed; 16]);
        runs.iter().map(|run| key.hash(&run.to_le_bytes())).min().unwrap_or_default()
    };
    (0..BANDS).map(|band| (band, smallest(2 * band + 1), smallest(2 * band + 2))).collect()
}
