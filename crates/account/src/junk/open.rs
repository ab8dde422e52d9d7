//! A book in memory, and how it is stored: its pages as they were when they were last written, and
//! one entry for each lesson since.
//!
//! A lesson touches most pages: writing them all each time would be a megabyte for every message.

use crate::{
    Error,
    codec::{Reader, Writer},
    keys,
    seal::{Kind, Seal},
};
use bytes::Bytes;
use spam::{Book, Class, Token, Tokens};
use std::{collections::BTreeSet, sync::Arc};

use super::{Puts, lesson};

const FORM: u8 = 1;
/// Set in the octet of an entry that takes a lesson back.
const BACK: u8 = 0x80;

/// What an entry does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum What {
    Learn(Class),
    TakeBack(Class),
}

/// A book with what is not in its stored pages yet.
#[derive(Clone, Debug)]
pub(super) struct Open {
    pub owner: u32,
    pub book: Arc<Book>,
    /// How far the owner's log was heard.
    pub through: u64,
    /// Entries that are stored.
    pub entries: usize,
    /// The book's totals, as its stored pages have them.
    totals: Vec<u8>,
    /// The number of the next entry.
    next: u32,
    /// Pages that changed since they were stored.
    changed: BTreeSet<u8>,
}

/// What the key of a part of a book names.
enum Part {
    State,
    Page(u8),
    Entry(u32),
}

impl Part {
    fn of(key: &[u8]) -> Option<Self> {
        match key.get(5..)? {
            [] => Some(Self::State),
            [1, page] => Some(Self::Page(*page)),
            [2, number @ ..] => keys::number(number).map(Self::Entry),
            _ => None,
        }
    }

    /// What it is sealed as.
    fn number(&self, owner: u32) -> u64 {
        let place = match self {
            Self::State => 0,
            Self::Page(page) => 0x100 | u64::from(*page),
            // Entries are taken out each time that pages are stored; their numbers start anew.
            Self::Entry(number) => 0x1000_0000 | u64::from(*number),
        };
        u64::from(owner) << 32 | place
    }
}

impl Open {
    /// From all keys of a book.
    pub fn read(owner: u32, seal: &Seal, stored: &[(Bytes, Bytes)]) -> Result<Self, Error> {
        let damaged = || Error::Damaged(format!("book of account {owner}"));
        let (mut totals, mut through) = (Vec::new(), 0);
        let mut pages = vec![Vec::new(); spam::PAGES];
        let mut entries = Vec::new();
        for (key, sealed) in stored {
            let part = Part::of(key).ok_or_else(damaged)?;
            let plain = seal.open(Kind::Book, part.number(owner), sealed).map_err(|_| damaged())?;
            match part {
                Part::State => {
                    let mut from = Reader(&plain);
                    let form = from.byte().filter(|form| *form == FORM);
                    through = form.and_then(|_| from.number()).ok_or_else(damaged)?;
                    totals = from.bytes().ok_or_else(damaged)?.to_vec();
                }
                Part::Page(page) => {
                    if let Some(slot) = pages.get_mut(usize::from(page)) {
                        *slot = plain;
                    }
                }
                Part::Entry(number) => entries.push((number, plain)),
            }
        }
        let page = |number: u8| pages.get(usize::from(number)).map_or(&[][..], Vec::as_slice);
        let book = Book::open(&totals, page).map_err(|_| damaged())?;
        let mut open = Self {
            owner,
            book: Arc::new(book),
            through,
            entries: entries.len(),
            totals,
            next: entries.last().map_or(0, |(number, _)| number.saturating_add(1)),
            changed: BTreeSet::new(),
        };
        for (_, plain) in entries {
            let (what, tokens) = read_entry(&plain).ok_or_else(damaged)?;
            open.apply(what, &tokens);
        }
        Ok(open)
    }

    fn apply(&mut self, what: What, tokens: &Tokens) {
        let book = Arc::make_mut(&mut self.book);
        self.changed.extend(match what {
            What::Learn(class) => book.train(tokens, class),
            What::TakeBack(class) => book.untrain(tokens, class),
        });
    }

    /// Changes the book, and puts an entry that says so.
    pub fn write(
        &mut self,
        what: What,
        tokens: &Tokens,
        (seal, puts): (&Seal, &mut Puts),
    ) -> Result<(), Error> {
        self.apply(what, tokens);
        let number = self.next;
        let plain = write_entry(what, tokens.list());
        let sealed = seal.seal(Kind::Book, Part::Entry(number).number(self.owner), &plain)?;
        puts.push((keys::book_entry(self.owner, number).bytes(), Some(sealed.into())));
        self.next = number.saturating_add(1);
        self.entries += 1;
        Ok(())
    }

    /// Puts the pages that changed, and takes the entries out.
    pub fn fold(&mut self, seal: &Seal, puts: &mut Puts) -> Result<(), Error> {
        for number in std::mem::take(&mut self.changed) {
            let Some(page) = self.book.page(number) else { continue };
            let plain = page.pack();
            let sealed = seal.seal(Kind::Book, Part::Page(number).number(self.owner), &plain)?;
            puts.push((keys::book_page(self.owner, number).bytes(), Some(sealed.into())));
        }
        for number in 0..self.next {
            let key = keys::book_entry(self.owner, number).bytes();
            // What this very commit was to put is not put at all.
            puts.retain(|(put, _)| *put != key);
            puts.push((key, None));
        }
        self.totals = self.book.totals().pack();
        (self.next, self.entries) = (0, 0);
        Ok(())
    }

    /// Puts how far the log was heard, and the totals of the stored pages.
    pub fn state(&self, seal: &Seal, puts: &mut Puts) -> Result<(), Error> {
        let mut to = Writer::default();
        to.byte(FORM).number(self.through).bytes(&self.totals);
        let sealed = seal.seal(Kind::Book, Part::State.number(self.owner), &to.0)?;
        puts.push((keys::book(self.owner).bytes(), Some(sealed.into())));
        Ok(())
    }
}

fn write_entry(what: What, tokens: &[Token]) -> Vec<u8> {
    let mut to = Writer::default();
    to.byte(FORM).byte(match what {
        What::Learn(class) => lesson::number(class),
        What::TakeBack(class) => lesson::number(class) | BACK,
    });
    for token in tokens {
        to.0.extend_from_slice(&token.hash.to_le_bytes());
    }
    to.0
}

/// `None` for damage.
fn read_entry(octets: &[u8]) -> Option<(What, Tokens)> {
    let (head, hashes) = octets.split_first_chunk::<2>()?;
    let [FORM, what] = *head else { return None };
    let class = lesson::class(what & !BACK)?;
    let what = if what & BACK == 0 { What::Learn(class) } else { What::TakeBack(class) };
    let (hashes, []) = hashes.as_chunks::<8>() else { return None };
    Some((what, Tokens::of_hashes(hashes.iter().map(|hash| u64::from_le_bytes(*hash)))))
}
