//! A dictionary of terms in sorted order, and the ordinals of each.
//!
//! The texts of the terms stand one to a line in blocks of their own, so that a needle is looked
//! for in all of them with one pass of `memmem`; a term's number is its line. Postings blocks hold
//! some hundred terms each, one stream of bits: for every term the number of its documents, for
//! longer lists the bits to pass over, and the list.
//!
//! Terms belong to a header field; those of the body have the empty name. A field's own line
//! (`\x01`, its name and a colon) stands before its terms and lists the documents that have it.

use crate::{
    Error, Set,
    bits::{BitReader, BitWriter},
    container::{Block, Input, Output, Place, Reader, put_number, unpack},
    tokens,
};
use bytes::Bytes;
use memchr::{memchr, memchr_iter, memmem};
use std::ops::Range;

/// What starts the line of a field; no term has it.
const FIELD: u8 = 1;
/// What ends its name.
const COLON: u8 = b':';
/// Octets of a block of texts.
const TEXT_OCTETS: usize = 128 << 10;
/// Terms of a postings block.
const POSTINGS_TERMS: u32 = 512;
/// Octets at which a postings block is closed.
const POSTINGS_OCTETS: u64 = 48 << 10;
/// Blocks with fewer terms are dense.
const DENSE_TERMS: u32 = 64;
/// Lists up to this length are read rather than passed over.
const SHORT_LIST: u32 = 3;

/// Where a dictionary lies.
#[derive(Clone, Copy, Debug)]
pub struct Places {
    /// Texts.
    pub texts: Place,
    /// Postings.
    pub postings: Place,
    /// The field that each block of texts starts in; those of the body belong to none.
    pub names: Option<Place>,
}

/// Writes terms in order: by field name, then text; a field's own line has the empty text.
pub struct TermWriter {
    places: Places,
    high: u32,
    text: Vec<u8>,
    lines: u32,
    bits: BitWriter,
    list: BitWriter,
    terms: u32,
    names: Vec<u8>,
    blocks: u32,
}

impl TermWriter {
    /// For a segment of so many documents.
    #[must_use]
    pub fn new(places: Places, documents: u32) -> Self {
        Self {
            places,
            high: documents.saturating_sub(1),
            text: Vec::new(),
            lines: 0,
            bits: BitWriter::default(),
            list: BitWriter::default(),
            terms: 0,
            names: Vec::new(),
            blocks: 0,
        }
    }

    /// Appends a term with its ascending ordinals, at least one.
    ///
    /// # Errors
    /// [`Output::block`]'s.
    pub fn push(
        &mut self,
        (name, text): (&str, &str),
        list: &[u32],
        out: &mut Output,
    ) -> Result<(), Error> {
        if self.text.is_empty() {
            put_number(&mut self.text, name.len() as u64);
            self.text.extend_from_slice(name.as_bytes());
            self.names.extend_from_slice(&self.text);
            self.blocks += 1;
        }
        if text.is_empty() {
            self.text.push(FIELD);
            self.text.extend_from_slice(name.as_bytes());
            self.text.push(COLON);
        } else {
            self.text.extend_from_slice(text.as_bytes());
        }
        self.text.push(b'\n');
        self.lines += 1;
        let count = list.len() as u32;
        self.bits.put_gamma(count);
        if count <= SHORT_LIST {
            self.bits.put_list(list, 0, self.high);
        } else {
            self.list.put_list(list, 0, self.high);
            self.bits.put_gamma(u32::try_from(self.list.len() + 1).map_err(|_| Error::Full)?);
            self.bits.append(&self.list);
            self.list.clear();
        }
        self.terms += 1;
        if self.terms == POSTINGS_TERMS || self.bits.len() >= POSTINGS_OCTETS * 8 {
            self.close_postings(out)?;
        }
        if self.text.len() >= TEXT_OCTETS {
            self.close_texts(out)?;
        }
        Ok(())
    }

    fn close_postings(&mut self, out: &mut Output) -> Result<(), Error> {
        if self.terms > 0 {
            out.plain_block(self.places.postings, self.terms, self.bits.take())?;
        }
        self.terms = 0;
        Ok(())
    }

    fn close_texts(&mut self, out: &mut Output) -> Result<(), Error> {
        if self.lines > 0 {
            out.hold(self.places.texts, self.lines, std::mem::take(&mut self.text))?;
        }
        self.lines = 0;
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// [`Output::block`]'s.
    pub fn finish(mut self, out: &mut Output) -> Result<(), Error> {
        self.close_postings(out)?;
        self.close_texts(out)?;
        match self.places.names {
            Some(names) if self.blocks > 0 => out.block(names, self.blocks, self.names),
            _ => Ok(()),
        }
    }
}

/// A block of texts, opened.
struct Texts {
    bytes: Bytes,
    /// Where its lines are.
    lines: Range<usize>,
    /// The field that its first lines belong to.
    name: Range<usize>,
}

impl Texts {
    fn open(bytes: Bytes) -> Result<Self, Error> {
        let mut reader = Reader(&bytes);
        let octets = reader.short()? as usize;
        reader.octets(octets)?;
        let start = bytes.len() - reader.0.len();
        Ok(Self { lines: start..bytes.len(), name: start - octets..start, bytes })
    }

    fn part(&self, range: Range<usize>) -> &[u8] {
        self.bytes.get(range).unwrap_or_default()
    }

    /// The lines of a field that are in this block.
    fn of_field(&self, name: &str) -> Range<usize> {
        let lines = self.part(self.lines.clone());
        let start = if self.part(self.name.clone()) == name.as_bytes() {
            0
        } else {
            let mut line = vec![FIELD];
            line.extend_from_slice(name.as_bytes());
            line.extend_from_slice(&[COLON, b'\n']);
            // A name is a whole line: nothing else has its first octet.
            match memmem::find(lines, &line) {
                Some(at) => at,
                None => return 0..0,
            }
        };
        let rest = lines.get(start + 1..).unwrap_or_default();
        let end = memchr(FIELD, rest).map_or(lines.len(), |at| start + 1 + at);
        self.lines.start + start..self.lines.start + end
    }
}

/// What is looked for among the terms.
#[derive(Clone, Copy, Debug)]
pub struct Pattern<'n> {
    /// Octets that the term has.
    pub text: &'n str,
    /// Whether the term starts or ends with them.
    pub place: tokens::Place,
    /// The field; `None` for all, their names among them.
    pub field: Option<&'n str>,
}

impl Pattern<'_> {
    fn fits(&self, line: &[u8]) -> bool {
        let text = self.text.as_bytes();
        // Of names it is enough that they have it, and of values that are several words.
        line.first() == Some(&FIELD)
            || memchr(b' ', line).is_some()
            || (!self.place.starts || line.starts_with(text))
                && (!self.place.ends || line.ends_with(text))
    }
}

/// A dictionary, opened.
pub struct Terms<'s> {
    input: &'s Input,
    places: Places,
}

impl<'s> Terms<'s> {
    /// The dictionary at these places.
    #[must_use]
    pub fn new(input: &'s Input, places: Places) -> Self {
        Self { input, places }
    }

    /// The blocks of texts that can have terms of a field, and the number of the first term there.
    async fn texts(&self, field: Option<&str>) -> Result<(&'s [Block], u32), Error> {
        let all = self.input.blocks(self.places.texts);
        let (Some(field), Some(names)) = (field, self.places.names) else { return Ok((all, 0)) };
        let Some(block) = self.input.blocks(names).first() else { return Ok((all, 0)) };
        let raw = self.input.read(block).await?;
        let mut reader = Reader(&raw);
        let (mut start, mut end) = (0, all.len());
        for at in 0..all.len() {
            let octets = reader.short()? as usize;
            let name = reader.octets(octets)?;
            if name < field.as_bytes() {
                start = at;
            } else if name > field.as_bytes() {
                end = at;
                break;
            }
        }
        let first = all.iter().take(start).map(|block| block.items).sum();
        Ok((all.get(start..end).unwrap_or_default(), first))
    }

    /// Of each pattern the numbers of the terms that fit, ascending. All are of the same field.
    ///
    /// # Errors
    /// [`Error::Damaged`]; the source's.
    pub async fn find(&self, patterns: &[Pattern<'_>]) -> Result<Vec<Vec<u32>>, Error> {
        let finder = |one: &Pattern<'_>| memmem::Finder::new(one.text.as_bytes()).into_owned();
        let finders: Vec<_> = patterns.iter().map(finder).collect();
        let mut found = vec![Vec::new(); patterns.len()];
        let field = patterns.first().and_then(|pattern| pattern.field);
        let (mut left, mut first) = self.texts(field).await?;
        while !left.is_empty() {
            let (blocks, stored) = some(self.input, &mut left).await?;
            for (block, stored) in blocks.iter().zip(stored) {
                let texts = Texts::open(unpack(block, stored)?)?;
                for ((pattern, finder), found) in patterns.iter().zip(&finders).zip(&mut found) {
                    find_in(&texts, pattern, (finder, first), &mut |number, _| found.push(number));
                }
                first += block.items;
            }
        }
        Ok(found)
    }

    /// Numbers and texts of the terms that start with this.
    ///
    /// # Errors
    /// As [`Terms::find`].
    pub async fn starting(&self, start: &str) -> Result<Vec<(u32, String)>, Error> {
        let place = tokens::Place { starts: true, ends: false };
        let pattern = Pattern { text: start, place, field: None };
        let finder = memmem::Finder::new(start.as_bytes());
        let (mut left, mut first) = self.texts(None).await?;
        let mut found = Vec::new();
        while !left.is_empty() {
            let (blocks, stored) = some(self.input, &mut left).await?;
            for (block, stored) in blocks.iter().zip(stored) {
                let texts = Texts::open(unpack(block, stored)?)?;
                find_in(&texts, &pattern, (&finder, first), &mut |number, line| {
                    found.push((number, String::from_utf8_lossy(line).into_owned()));
                });
                first += block.items;
            }
        }
        Ok(found)
    }

    /// Number of the line of a field.
    ///
    /// # Errors
    /// As [`Terms::find`].
    pub async fn field(&self, name: &str) -> Result<Option<u32>, Error> {
        let (blocks, mut first) = self.texts(Some(name)).await?;
        for block in blocks {
            let texts = Texts::open(self.input.read(block).await?)?;
            let range = texts.of_field(name);
            if texts.part(range.clone()).first() == Some(&FIELD) {
                let before = texts.part(texts.lines.start..range.start);
                return Ok(Some(first + memchr_iter(b'\n', before).count() as u32));
            }
            first += block.items;
        }
        Ok(None)
    }

    /// Calls `each` with the ordinals of each of these terms (numbers ascending), those of dense
    /// blocks first, until it gives `false`.
    ///
    /// # Errors
    /// As [`Terms::find`].
    pub async fn lists(
        &self,
        terms: &[u32],
        each: &mut (dyn FnMut(u32, &[u32]) -> bool + Send),
    ) -> Result<(), Error> {
        let mut wanted = Vec::new();
        let mut rest = terms;
        let mut first = 0_u32;
        for block in self.input.blocks(self.places.postings) {
            let end = first + block.items;
            let count = rest.partition_point(|term| *term < end);
            if let Some((here, later)) = rest.split_at_checked(count) {
                if !here.is_empty() {
                    wanted.push((*block, first, here));
                }
                rest = later;
            }
            first = end;
        }
        // Frequent terms have long lists, and so their blocks few. The order within stays.
        wanted.sort_by_key(|(block, ..)| block.items >= DENSE_TERMS);
        let blocks: Vec<Block> = wanted.iter().map(|(block, ..)| *block).collect();
        let mut left = blocks.as_slice();
        let mut wanted = wanted.iter();
        let mut list = Vec::new();
        while !left.is_empty() {
            let (blocks, stored) = some(self.input, &mut left).await?;
            for (block, stored) in blocks.iter().zip(stored) {
                let bytes = unpack(block, stored)?;
                let Some((_, first, terms)) = wanted.next() else { break };
                let mut walk = Walk { reader: BitReader::new(&bytes), high: self.high() };
                let mut at = *first;
                for term in *terms {
                    for _ in at..*term {
                        walk.pass();
                    }
                    walk.list(&mut list, block)?;
                    if !each(*term, &list) {
                        return Ok(());
                    }
                    at = term + 1;
                }
            }
        }
        Ok(())
    }

    /// Unites the ordinals of these terms with a set.
    ///
    /// # Errors
    /// As [`Terms::find`].
    pub async fn unite(&self, terms: &[u32], set: &mut Set) -> Result<(), Error> {
        let mut left = i64::from(set.documents() - set.len());
        self.lists(terms, &mut |_, list| {
            for ordinal in list {
                left -= i64::from(set.insert(*ordinal));
            }
            left > 0
        })
        .await
    }

    fn high(&self) -> u32 {
        self.input.documents.saturating_sub(1)
    }
}

fn find_in(
    texts: &Texts,
    pattern: &Pattern<'_>,
    (finder, first): (&memmem::Finder<'_>, u32),
    each: &mut dyn FnMut(u32, &[u8]),
) {
    let range = pattern.field.map_or(texts.lines.clone(), |name| texts.of_field(name));
    let before = texts.part(texts.lines.start..range.start);
    let mut number = first + memchr_iter(b'\n', before).count() as u32;
    let lines = texts.part(range);
    let mut at = 0;
    while let Some(hit) = lines.get(at..).and_then(|rest| finder.find(rest)) {
        let hit = at + hit;
        let passed = lines.get(at..hit).unwrap_or_default();
        number += memchr_iter(b'\n', passed).count() as u32;
        let start = memchr::memrchr(b'\n', passed).map_or(at, |last| at + last + 1);
        let end =
            lines.get(hit..).and_then(|rest| memchr(b'\n', rest)).map_or(lines.len(), |n| hit + n);
        let line = lines.get(start..end).unwrap_or_default();
        let own = pattern.field.is_some() && line.first() == Some(&FIELD);
        if !own && pattern.fits(line) {
            each(number, line);
        }
        number += 1;
        at = end + 1;
    }
}

/// Reads the first of these blocks that are read together, and takes them away.
async fn some<'b>(
    input: &Input,
    left: &mut &'b [Block],
) -> Result<(&'b [Block], Vec<Bytes>), Error> {
    let stored = input.read_some(left).await?;
    let (now, later) = left.split_at_checked(stored.len()).ok_or(Error::Damaged("blocks"))?;
    *left = later;
    Ok((now, stored))
}

/// Goes through the lists of a postings block.
struct Walk<'a> {
    reader: BitReader<'a>,
    high: u32,
}

impl Walk<'_> {
    /// The next list.
    fn list(&mut self, list: &mut Vec<u32>, block: &Block) -> Result<(), Error> {
        let count = self.reader.read_gamma();
        if count - 1 > self.high || block.items == 0 {
            return Err(Error::Damaged("postings"));
        }
        if count > SHORT_LIST {
            self.reader.read_gamma();
        }
        list.resize(count as usize, 0);
        self.reader.read_list(list, 0, self.high);
        Ok(())
    }

    /// Passes over the next list.
    fn pass(&mut self) {
        let count = self.reader.read_gamma();
        if count > SHORT_LIST {
            let bits = self.reader.read_gamma() - 1;
            self.reader.skip(u64::from(bits));
        } else {
            let mut list = [0; SHORT_LIST as usize];
            let count = list.len().min(count as usize);
            self.reader.read_list(list.get_mut(..count).unwrap_or_default(), 0, self.high);
        }
    }
}

/// Reads a dictionary term by term, for merging.
pub struct TermCursor<'s> {
    input: &'s Input,
    texts: &'s [Block],
    open: Texts,
    line: usize,
    postings: &'s [Block],
    block: Block,
    bits: Bytes,
    bit: u64,
    left: u32,
    /// Field of the current term.
    pub name: String,
    /// Its text; empty for the field's own line.
    pub text: String,
    /// Its ordinals.
    pub list: Vec<u32>,
}

impl<'s> TermCursor<'s> {
    /// Before the first term.
    #[must_use]
    pub fn new(input: &'s Input, places: Places) -> Self {
        Self {
            input,
            texts: input.blocks(places.texts),
            open: Texts { bytes: Bytes::new(), lines: 0..0, name: 0..0 },
            line: 0,
            postings: input.blocks(places.postings),
            block: Block::default(),
            bits: Bytes::new(),
            bit: 0,
            left: 0,
            name: String::new(),
            text: String::new(),
            list: Vec::new(),
        }
    }

    /// Moves to the next term; `false` behind the last.
    ///
    /// # Errors
    /// [`Error::Damaged`]; the source's.
    pub async fn advance(&mut self) -> Result<bool, Error> {
        while self.line >= self.open.lines.end {
            let Some((block, rest)) = self.texts.split_first() else { return Ok(false) };
            self.open = Texts::open(self.input.read(block).await?)?;
            (self.texts, self.line) = (rest, self.open.lines.start);
            copy_text(&mut self.name, self.open.part(self.open.name.clone()))?;
        }
        let rest = self.open.part(self.line..self.open.lines.end);
        let end = memchr(b'\n', rest).ok_or(Error::Damaged("terms"))?;
        let line = rest.get(..end).unwrap_or_default();
        if let [FIELD, name @ .., COLON] = line {
            copy_text(&mut self.name, name)?;
            self.text.clear();
        } else {
            copy_text(&mut self.text, line)?;
        }
        self.line += end + 1;
        while self.left == 0 {
            let Some((block, rest)) = self.postings.split_first() else {
                return Err(Error::Damaged("fewer postings than terms"));
            };
            self.bits = self.input.read(block).await?;
            (self.postings, self.block, self.left, self.bit) = (rest, *block, block.items, 0);
        }
        let high = self.input.documents.saturating_sub(1);
        let mut walk = Walk { reader: BitReader::at(&self.bits, self.bit), high };
        walk.list(&mut self.list, &self.block)?;
        self.bit = walk.reader.place();
        self.left -= 1;
        Ok(true)
    }
}

fn copy_text(to: &mut String, octets: &[u8]) -> Result<(), Error> {
    let text = str::from_utf8(octets).map_err(|_| Error::Damaged("term"))?;
    text.clone_into(to);
    Ok(())
}
