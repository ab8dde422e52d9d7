//! What a builder gathers in memory: distinct texts with numbers, and which documents have them.

use crate::{
    Error,
    column::ColumnWriter,
    container::Output,
    terms::{Places, TermWriter},
};
use hashbrown::{DefaultHashBuilder, HashTable};
use std::hash::BuildHasher;

/// Between a header field's name and a term of its value, where both are one text.
pub const OF_FIELD: char = '\u{1}';
/// No document has had it yet.
const NONE: u32 = u32::MAX;

/// Distinct texts, numbered from 0 in the order of their coming.
#[derive(Default)]
pub struct Texts {
    table: HashTable<u32>,
    hasher: DefaultHashBuilder,
    text: String,
    ends: Vec<usize>,
}

impl Texts {
    /// The number of a text.
    pub fn number(&mut self, text: &str) -> u32 {
        let hash = self.hasher.hash_one(text);
        let same = |number: &u32| part(&self.text, &self.ends, *number) == text;
        if let Some(number) = self.table.find(hash, same) {
            return *number;
        }
        let number = self.ends.len() as u32;
        self.text.push_str(text);
        self.ends.push(self.text.len());
        let (hasher, all, ends) = (&self.hasher, &self.text, &self.ends);
        self.table.insert_unique(hash, number, |at| hasher.hash_one(part(all, ends, *at)));
        number
    }

    /// The text of that number.
    pub fn text(&self, number: u32) -> &str {
        part(&self.text, &self.ends, number)
    }

    fn len(&self) -> usize {
        self.ends.len()
    }

    /// All numbers by their texts.
    fn sorted(&self) -> Vec<u32> {
        let mut numbers: Vec<u32> = (0..self.len() as u32).collect();
        numbers.sort_unstable_by(|a, b| self.text(*a).cmp(self.text(*b)));
        numbers
    }

    /// Memory held.
    fn octets(&self) -> usize {
        // The table has up to half of its places free.
        self.text.capacity() + self.ends.capacity() * 8 + self.table.capacity() * 5
    }
}

fn part<'t>(text: &'t str, ends: &[usize], number: u32) -> &'t str {
    let at = number as usize;
    let start = at.checked_sub(1).map_or(Some(0), |before| ends.get(before).copied());
    let range = start.zip(ends.get(at).copied());
    range.and_then(|(start, end)| text.get(start..end)).unwrap_or_default()
}

/// Terms and their documents.
#[derive(Default)]
pub struct Postings {
    texts: Texts,
    /// The last document of each term.
    last: Vec<u32>,
    /// The terms of all documents, each once a document.
    terms: Vec<u32>,
    /// Where each document's start.
    starts: Vec<usize>,
}

impl Postings {
    /// Starts the next document.
    pub fn document(&mut self) {
        self.starts.push(self.terms.len());
    }

    /// The document has that term.
    pub fn term(&mut self, text: &str) {
        let number = self.texts.number(text);
        let here = self.starts.len() as u32;
        if self.last.len() <= number as usize {
            self.last.resize(number as usize + 1, NONE);
        }
        if let Some(last) = self.last.get_mut(number as usize)
            && *last != here
        {
            *last = here;
            self.terms.push(number);
        }
    }

    /// Memory held, that of [`Postings::write`] included.
    pub fn octets(&self) -> usize {
        self.texts.octets() + self.texts.len() * 16 + self.terms.len() * 8 + self.starts.len() * 8
    }

    /// Writes the dictionary.
    ///
    /// # Errors
    /// [`Output::block`]'s.
    pub fn write(self, places: Places, out: &mut Output) -> Result<(), Error> {
        // Sorted by counting: first where each term's list ends, then filled from the back.
        let mut ends = vec![0_u32; self.texts.len()];
        for term in &self.terms {
            if let Some(end) = ends.get_mut(*term as usize) {
                *end += 1;
            }
        }
        let mut sum = 0;
        for end in &mut ends {
            sum += *end;
            *end = sum;
        }
        let mut lists = vec![0_u32; self.terms.len()];
        let mut rest = self.terms.as_slice();
        for (ordinal, start) in self.starts.iter().enumerate().rev() {
            let Some((before, terms)) = rest.split_at_checked(*start) else { break };
            for term in terms {
                if let Some(end) = ends.get_mut(*term as usize) {
                    *end -= 1;
                    if let Some(slot) = lists.get_mut(*end as usize) {
                        *slot = ordinal as u32;
                    }
                }
            }
            rest = before;
        }
        let mut writer = TermWriter::new(places, self.starts.len() as u32);
        for number in self.texts.sorted() {
            let start = ends.get(number as usize).copied().unwrap_or(0) as usize;
            let end = ends.get(number as usize + 1).map_or(lists.len(), |end| *end as usize);
            let text = self.texts.text(number);
            let term = text.split_once(OF_FIELD).unwrap_or(("", text));
            writer.push(term, lists.get(start..end).unwrap_or_default(), out)?;
        }
        writer.finish(out)
    }
}

/// The values of a column.
#[derive(Default)]
pub struct Values {
    texts: Texts,
    /// By ordinal.
    numbers: Vec<u32>,
}

impl Values {
    /// The next document's value, if it has one.
    pub fn push(&mut self, value: Option<&str>) {
        let number = value.map_or(NONE, |value| self.texts.number(value));
        self.numbers.push(number);
    }

    /// Memory held, that of [`Values::write`] included.
    pub fn octets(&self) -> usize {
        self.texts.octets() + self.texts.len() * 8 + self.numbers.len() * 8
    }

    /// Writes the column.
    ///
    /// # Errors
    /// [`Output::block`]'s.
    pub fn write(self, column: u8, out: &mut Output) -> Result<(), Error> {
        let mut writer = ColumnWriter::new(column);
        let mut ranks = vec![0_u32; self.texts.len()];
        for number in self.texts.sorted() {
            let rank = writer.value(self.texts.text(number), out)?;
            if let Some(slot) = ranks.get_mut(number as usize) {
                *slot = rank;
            }
        }
        let rank = |number: &u32| ranks.get(*number as usize).copied().unwrap_or(0);
        let ranks: Vec<u32> = self.numbers.iter().map(rank).collect();
        writer.ranks(&ranks, out)
    }
}
