//! Lessons: a message with what a person called it, written into counts, and taken back.

use crate::page::{COUNT_MAX, Counts, PAGES, Page, PageError, place};
use crate::{Tokens, Verdict};

/// What a person calls a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Wanted.
    Ham,
    /// Junk.
    Spam,
}

/// How many messages were learnt, and how often all counts were halved.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Messages that were kept.
    pub ham: u16,
    /// Messages called junk.
    pub spam: u16,
    /// Halvings, modulo 256.
    pub age: u8,
    /// Messages ever learnt.
    pub lessons: u32,
}

/// Octets of stored totals.
const TOTALS_OCTETS: usize = 10;
const TOTALS_VERSION: u8 = 1;

impl Totals {
    /// Reads stored totals; of no octets, none.
    pub fn open(octets: &[u8]) -> Result<Self, PageError> {
        match octets {
            [] => Ok(Self::default()),
            [TOTALS_VERSION, h0, h1, s0, s1, age, l0, l1, l2, l3] => Ok(Self {
                ham: u16::from_le_bytes([*h0, *h1]).min(COUNT_MAX),
                spam: u16::from_le_bytes([*s0, *s1]).min(COUNT_MAX),
                age: *age,
                lessons: u32::from_le_bytes([*l0, *l1, *l2, *l3]),
            }),
            [TOTALS_VERSION, ..] => Err(PageError::Damaged),
            _ => Err(PageError::Version),
        }
    }

    /// As they are stored.
    #[must_use]
    pub fn pack(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(TOTALS_OCTETS);
        octets.push(TOTALS_VERSION);
        octets.extend(self.ham.to_le_bytes());
        octets.extend(self.spam.to_le_bytes());
        octets.push(self.age);
        octets.extend(self.lessons.to_le_bytes());
        octets
    }

    fn of(&mut self, class: Class) -> &mut u16 {
        match class {
            Class::Ham => &mut self.ham,
            Class::Spam => &mut self.spam,
        }
    }

    /// A generation is 16 lessons: what the age of an entry is counted in.
    const fn generation(&self) -> u8 {
        (self.lessons >> 4) as u8
    }
}

/// All that an account, or the server, has learnt.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Book {
    totals: Totals,
    pages: Vec<Page>,
}

impl Default for Book {
    fn default() -> Self {
        Self { totals: Totals::default(), pages: vec![Page::default(); PAGES] }
    }
}

impl Book {
    /// Reads what is stored: the totals' octets, and those of the page of each number (empty where
    /// none is stored).
    pub fn open<'a>(
        totals: &[u8],
        mut page: impl FnMut(u8) -> &'a [u8],
    ) -> Result<Self, PageError> {
        let pages = (0..=u8::MAX).map(|number| Page::open(page(number)));
        Ok(Self { totals: Totals::open(totals)?, pages: pages.collect::<Result<_, _>>()? })
    }

    /// How much was learnt.
    #[must_use]
    pub const fn totals(&self) -> &Totals {
        &self.totals
    }

    /// The page of a number.
    #[must_use]
    pub fn page(&self, number: u8) -> Option<&Page> {
        self.pages.get(usize::from(number))
    }

    /// The counts of a token.
    #[must_use]
    pub fn counts(&self, hash: u64) -> Counts {
        let (page, name) = place(hash);
        self.page(page).map(|page| page.counts(name, self.totals.age)).unwrap_or_default()
    }

    /// Learns a message. Gives the numbers of the pages that changed, ascending; the totals did.
    pub fn train(&mut self, tokens: &Tokens, class: Class) -> Vec<u8> {
        *self.totals.of(class) += 1;
        if *self.totals.of(class) > COUNT_MAX {
            self.totals.ham >>= 1;
            self.totals.spam >>= 1;
            self.totals.age = self.totals.age.wrapping_add(1);
        }
        self.totals.lessons = self.totals.lessons.wrapping_add(1);
        self.change(tokens, |counts| match class {
            Class::Ham => counts.ham += 1,
            Class::Spam => counts.spam += 1,
        })
    }

    /// Takes back a lesson that [`Book::train`] wrote: with the same tokens and class, or
    /// something else is forgotten. Gives the numbers of the pages that changed.
    pub fn untrain(&mut self, tokens: &Tokens, class: Class) -> Vec<u8> {
        let total = self.totals.of(class);
        *total = total.saturating_sub(1);
        self.totals.lessons = self.totals.lessons.saturating_sub(1);
        self.change(tokens, |counts| match class {
            Class::Ham => counts.ham = counts.ham.saturating_sub(1),
            Class::Spam => counts.spam = counts.spam.saturating_sub(1),
        })
    }

    fn change(&mut self, tokens: &Tokens, change: impl Fn(&mut Counts)) -> Vec<u8> {
        let mut places: Vec<(u8, u32)> = tokens.list().iter().map(|t| place(t.hash)).collect();
        // Two tokens may share a name, rarely: one lesson counts once.
        places.sort_unstable();
        places.dedup();
        let generation = self.totals.generation();
        for of_page in places.chunk_by(|a, b| a.0 == b.0) {
            let number = of_page.first().map_or(0, |(number, _)| *number);
            let Some(page) = self.pages.get_mut(usize::from(number)) else { continue };
            page.halve(self.totals.age);
            for (_, name) in of_page {
                page.change(*name, generation, &change);
            }
        }
        places.dedup_by_key(|(number, _)| *number);
        places.into_iter().map(|(number, _)| number).collect()
    }
}

/// Messages of each class that teach whatever the verdict: a verdict by less is chance.
pub const ALL_MESSAGES: u16 = 50;

/// Below this a wanted message is known. Wanted mail is the more varied: taught more eagerly, it
/// fills the book with words that say nothing.
const HAM_SURE: f64 = 0.05;
/// Above this junk is known.
const SPAM_SURE: f64 = 0.99;

/// Whether a message that was judged so teaches this book something: the verdict was wrong or not
/// sure, or the book has little. Learning only such messages keeps counts small, and is measured
/// to be better than learning all.
#[must_use]
pub fn worthwhile(verdict: &Verdict, class: Class, book: &Book) -> bool {
    match class {
        Class::Ham => verdict.probability > HAM_SURE || book.totals.ham < ALL_MESSAGES,
        Class::Spam => verdict.probability < SPAM_SURE || book.totals.spam < ALL_MESSAGES,
    }
}
