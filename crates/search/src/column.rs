//! Columns: for every document one text out of a sorted list of distinct ones.
//!
//! Mail repeats itself: a mailbox of 100,000 messages has some thousand senders, and replies share
//! their subjects. The list is searched with one pass of `memmem`; a document's rank, its text's
//! place in the list counted from 1, is also its place in SORT. Rank 0: the document has none.

use crate::{
    Error, Set,
    container::{Block, Input, Output, Reader, Section, put_number, unpack},
};
use bytes::Bytes;
use memchr::memmem;

/// Between values of several fields of one name: a noncharacter (Unicode 23.7).
pub const BETWEEN: char = '\u{FFFF}';
/// Octets of a block of values.
const VALUES_OCTETS: usize = 128 << 10;
/// Ranks of a block.
const RANKS: usize = 64 << 10;

/// Writes the values of a column in order; then the ranks.
pub struct ColumnWriter {
    column: u8,
    lengths: Vec<u8>,
    text: Vec<u8>,
    items: u32,
    values: u32,
}

impl ColumnWriter {
    /// Of that number among the columns.
    #[must_use]
    pub fn new(column: u8) -> Self {
        Self { column, lengths: Vec::new(), text: Vec::new(), items: 0, values: 0 }
    }

    /// Appends a value greater than the last; gives its rank.
    ///
    /// # Errors
    /// [`Output::block`]'s.
    pub fn value(&mut self, value: &str, out: &mut Output) -> Result<u32, Error> {
        put_number(&mut self.lengths, value.len() as u64);
        self.text.extend_from_slice(value.as_bytes());
        self.items += 1;
        self.values += 1;
        if self.text.len() + self.lengths.len() >= VALUES_OCTETS {
            self.close(out)?;
        }
        Ok(self.values)
    }

    fn close(&mut self, out: &mut Output) -> Result<(), Error> {
        if self.items > 0 {
            let mut raw = std::mem::take(&mut self.lengths);
            raw.append(&mut self.text);
            out.block(Section::Values.of(self.column), self.items, raw)?;
        }
        self.items = 0;
        Ok(())
    }

    /// Writes the ranks of all documents and ends the column.
    ///
    /// # Errors
    /// [`Output::block`]'s.
    pub fn ranks(mut self, ranks: &[u32], out: &mut Output) -> Result<(), Error> {
        self.close(out)?;
        // The octets of each significance stand together: the high ones repeat.
        let planes = if self.values < 1 << 8 {
            1
        } else if self.values < 1 << 16 {
            2
        } else {
            4
        };
        for ranks in ranks.chunks(RANKS) {
            let mut raw = vec![planes as u8];
            for plane in 0..planes {
                raw.extend(ranks.iter().map(|rank| (rank >> (8 * plane)) as u8));
            }
            out.block(Section::Ranks.of(self.column), ranks.len() as u32, raw)?;
        }
        Ok(())
    }
}

/// A block of values, opened.
pub struct Values {
    bytes: Bytes,
    /// Where each value ends; the first starts at `start`.
    ends: Vec<u32>,
    start: u32,
}

impl Values {
    fn open(block: &Block, bytes: Bytes) -> Result<Self, Error> {
        let mut reader = Reader(&bytes);
        let mut ends = Vec::with_capacity(bytes.len().min(block.items as usize));
        let mut octets = 0_u64;
        for _ in 0..block.items {
            octets += u64::from(reader.short()?);
            ends.push(octets as u32);
        }
        if octets != reader.0.len() as u64 {
            return Err(Error::Damaged("values of a column"));
        }
        let start = (bytes.len() - reader.0.len()) as u32;
        Ok(Self { ends, start, bytes })
    }

    /// One of them.
    ///
    /// # Errors
    /// [`Error::Damaged`] when it is not there or not UTF-8.
    pub fn value(&self, at: usize) -> Result<&str, Error> {
        let from = at.checked_sub(1).map_or(Some(&0), |before| self.ends.get(before));
        let place = |at: Option<&u32>| at.map(|at| (self.start + at) as usize);
        let range = place(from).zip(place(self.ends.get(at)));
        let octets = range.and_then(|(from, to)| self.bytes.get(from..to));
        octets.and_then(|octets| str::from_utf8(octets).ok()).ok_or(Error::Damaged("value"))
    }

    /// Calls `each` with the number of every value that contains the needle.
    fn find(&self, finder: &memmem::Finder<'_>, mut each: impl FnMut(usize)) {
        let text = self.bytes.get(self.start as usize..).unwrap_or_default();
        let needle = finder.needle().len();
        let (mut from, mut value) = (0, 0);
        while let Some(hit) = text.get(from..).and_then(|rest| finder.find(rest)) {
            let hit = from + hit;
            value += self
                .ends
                .get(value..)
                .unwrap_or_default()
                .partition_point(|end| *end as usize <= hit);
            let end = self.ends.get(value).map_or(usize::MAX, |end| *end as usize);
            if hit.saturating_add(needle) <= end {
                each(value);
                from = end;
            } else {
                // Half in the next value.
                from = hit + 1;
            }
        }
    }
}

/// A column, opened.
pub struct Column<'s> {
    input: &'s Input,
    column: u8,
}

impl<'s> Column<'s> {
    /// Of that number.
    #[must_use]
    pub fn new(input: &'s Input, column: u8) -> Self {
        Self { input, column }
    }

    /// Number of distinct values.
    #[must_use]
    pub fn values(&self) -> u32 {
        self.value_blocks().iter().map(|block| block.items).sum()
    }

    /// Its blocks of values.
    #[must_use]
    pub fn value_blocks(&self) -> &'s [Block] {
        self.input.blocks(Section::Values.of(self.column))
    }

    /// A block of values.
    ///
    /// # Errors
    /// [`Error::Damaged`]; the source's.
    pub async fn open(&self, block: &Block) -> Result<Values, Error> {
        Values::open(block, self.input.read(block).await?)
    }

    /// The rank of every document.
    ///
    /// # Errors
    /// [`Error::Damaged`]; the source's.
    pub async fn ranks(&self) -> Result<Vec<u32>, Error> {
        let (mut ranks, values) = (Vec::new(), self.values());
        for block in self.input.blocks(Section::Ranks.of(self.column)) {
            let raw = self.input.read(block).await?;
            let (planes, rest) = raw.split_first().ok_or(Error::Damaged("ranks"))?;
            let count = block.items as usize;
            if *planes > 4 || rest.len() != count * usize::from(*planes) {
                return Err(Error::Damaged("ranks"));
            }
            let start = ranks.len();
            ranks.resize(start + count, 0_u32);
            for (plane, octets) in rest.chunks_exact(count.max(1)).enumerate() {
                for (rank, octet) in ranks.iter_mut().skip(start).zip(octets) {
                    *rank |= u32::from(*octet) << (8 * plane);
                }
            }
        }
        let whole = ranks.len() == self.input.documents as usize;
        if !whole || ranks.iter().any(|rank| *rank > values) {
            return Err(Error::Damaged("ranks"));
        }
        Ok(ranks)
    }

    /// Calls `each` with the rank and text of every value that contains the needle.
    ///
    /// # Errors
    /// [`Error::Damaged`]; the source's.
    pub async fn scan(
        &self,
        needle: &str,
        each: &mut (dyn FnMut(u32, &str) + Send),
    ) -> Result<(), Error> {
        let finder = memmem::Finder::new(needle.as_bytes());
        let mut first = 1;
        for block in self.value_blocks() {
            let opened = self.open(block).await?;
            opened.find(&finder, |value| {
                each(first + value as u32, opened.value(value).unwrap_or_default());
            });
            first += block.items;
        }
        Ok(())
    }

    /// Documents one of whose values contains one of the needles; with an empty needle those that
    /// have a value.
    ///
    /// # Errors
    /// [`Error::Damaged`]; the source's.
    pub async fn find(&self, needles: &[&str]) -> Result<Set, Error> {
        let values = self.values();
        // By rank.
        let mut hits = Set::empty(values + 1);
        let mut first = 1;
        let mut left = self.value_blocks();
        if needles.contains(&"") {
            hits.complement();
            left = &[];
        }
        while !left.is_empty() {
            let stored = self.input.read_some(left).await?;
            let (now, later) =
                left.split_at_checked(stored.len()).ok_or(Error::Damaged("blocks"))?;
            left = later;
            for (block, stored) in now.iter().zip(stored) {
                let opened = Values::open(block, unpack(block, stored)?)?;
                for needle in needles {
                    let finder = memmem::Finder::new(needle.as_bytes());
                    opened.find(&finder, |value| _ = hits.insert(first + value as u32));
                }
                first += block.items;
            }
        }
        let mut found = Set::empty(self.input.documents);
        if !hits.is_empty() {
            for (ordinal, rank) in (0..).zip(self.ranks().await?) {
                if rank > 0 && hits.contains(rank) {
                    found.insert(ordinal);
                }
            }
        }
        Ok(found)
    }
}

/// Reads a column's values one after another, for merging.
pub struct ValueCursor<'s> {
    column: Column<'s>,
    blocks: &'s [Block],
    open: Option<Values>,
    at: usize,
}

impl<'s> ValueCursor<'s> {
    /// At the first value.
    #[must_use]
    pub fn new(column: Column<'s>) -> Self {
        let blocks = column.value_blocks();
        Self { column, blocks, open: None, at: 0 }
    }

    /// The next value.
    ///
    /// # Errors
    /// [`Error::Damaged`]; the source's.
    pub async fn next(&mut self) -> Result<Option<String>, Error> {
        loop {
            if let Some(open) = &self.open {
                if self.at < open.ends.len() {
                    let value = open.value(self.at)?.to_owned();
                    self.at += 1;
                    return Ok(Some(value));
                }
                self.open = None;
            }
            let Some((block, rest)) = self.blocks.split_first() else { return Ok(None) };
            self.open = Some(self.column.open(block).await?);
            (self.blocks, self.at) = (rest, 0);
        }
    }
}
