//! The shell of a segment: blocks of octets in sections, each with its checksum, and a directory
//! of them at the end.
//!
//! ```text
//! "PALIDX" format(1) 0 | block … | directory | trailer
//! trailer: directory's place(8) octets(4) unpacked(4) crc32c(4) format(1) "PIX"
//! ```
//! Numbers are little-endian, those of the directory LEB128. A block is packed with zstd where that
//! is shorter; its checksum is over the octets as stored. The directory alone stays in memory.

use crate::{Error, Fut, Source};
use bytes::Bytes;
use std::{ops::Range, sync::Arc};

/// The format written; others are refused.
pub const FORMAT: u8 = 1;
const HEAD: &[u8; 8] = b"PALIDX\x01\x00";
const TAIL: &[u8; 3] = b"PIX";
const TRAILER_OCTETS: usize = 24;
/// Octets of a block, unpacked: what reading one may take of memory. Blocks are cut far below; one
/// grows to this only by a single text of that size.
pub const BLOCK_OCTETS_MAX: usize = 64 << 20;
/// Octets asked of a source at once, if a single block is not larger.
const READ_OCTETS_MAX: u64 = 2 << 20;
/// Octets between two blocks that are rather read than skipped.
const GAP_OCTETS: u64 = 64 << 10;

/// What a block belongs to. The numbers are part of the format.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Section {
    Messages = 0,
    Flags = 1,
    Sent = 2,
    Links = 3,
    /// Terms of the body, and their postings.
    BodyTerms = 4,
    BodyPostings = 5,
    /// Runs too long for terms.
    BodyRuns = 6,
    HeaderTerms = 7,
    HeaderPostings = 8,
    HeaderRuns = 9,
    /// Letters and digits of the body.
    Letters = 10,
    /// The field that each block of header terms starts in.
    HeaderNames = 11,
    /// Distinct values of the columns of `Field::ALL`, then `SortKey::ALL`.
    Values = 12,
    Ranks = 23,
    /// From one word of the body to the next.
    CrossingTerms = 34,
    CrossingPostings = 35,
}

/// Sections in all: eleven columns have two each.
const SECTIONS: usize = 36;
/// Columns.
const COLUMNS: u8 = 11;

/// A section's number.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place(u8);

impl Section {
    /// Its number.
    #[must_use]
    pub const fn place(self) -> Place {
        Place(self as u8)
    }

    /// Its number for that column ([`Section::Values`] and [`Section::Ranks`] alone).
    #[must_use]
    pub const fn of(self, column: u8) -> Place {
        debug_assert!(column < COLUMNS);
        Place(self as u8 + column)
    }
}

/// What is in the section of that number.
#[must_use]
pub const fn section_name(place: usize) -> &'static str {
    match place {
        0 => "message ids",
        1 => "flags",
        2 => "dates",
        3 => "links",
        4 => "body terms",
        5 => "body postings",
        6 => "body runs",
        7 => "header terms",
        8 => "header postings",
        9 => "header runs",
        10 => "letters",
        11 => "header names",
        12..=16 => "field values",
        17..=22 => "sort keys",
        23..=27 => "field ranks",
        28..=33 => "sort ranks",
        34 => "crossing terms",
        _ => "crossing postings",
    }
}

/// A block as the directory knows it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Block {
    /// Where it starts.
    offset: u64,
    /// Octets as stored.
    stored: u32,
    /// Octets unpacked.
    raw: u32,
    crc: u32,
    /// Things in it: documents, terms, values.
    pub items: u32,
}

impl Block {
    fn range(&self) -> Range<u64> {
        self.offset..self.offset + u64::from(self.stored)
    }
}

/// What a segment says of itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Summary {
    /// Documents.
    pub documents: u32,
    /// Lowest and highest message id.
    pub span: (u32, u32),
    /// Documents of which only a part was indexed.
    pub partial: u32,
}

/// LEB128.
pub fn put_number(out: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Octets being read; short or wrong ones are [`Error::Damaged`].
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    /// LEB128.
    pub fn number(&mut self) -> Result<u64, Error> {
        let mut value = 0;
        for shift in (0..64).step_by(7) {
            let (byte, rest) = self.0.split_first().ok_or(Error::Damaged("number cut off"))?;
            self.0 = rest;
            value |= u64::from(byte & 0x7f) << shift;
            if byte & 0x80 == 0 {
                return Ok(value);
            }
        }
        Err(Error::Damaged("number too long"))
    }

    /// LEB128 of at most 32 bits.
    pub fn short(&mut self) -> Result<u32, Error> {
        u32::try_from(self.number()?).map_err(|_| Error::Damaged("number too large"))
    }

    /// So many octets.
    pub fn octets(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (head, rest) =
            self.0.split_at_checked(count).ok_or(Error::Damaged("block too short"))?;
        self.0 = rest;
        Ok(head)
    }

    /// Octets of a fixed number.
    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Error::Damaged("block too short"))?;
        self.0 = rest;
        Ok(*head)
    }
}

/// A segment being written: gathers octets that the caller passes on whenever it likes.
pub struct Output {
    ready: Vec<u8>,
    offset: u64,
    sections: Vec<Vec<Block>>,
    /// Blocks that wait until their section is closed, so that it lies in one piece.
    held: Vec<(Place, Block, Vec<u8>)>,
    held_octets: u64,
    /// One context for all blocks: making one costs more than packing a small block.
    packer: zstd::bulk::Compressor<'static>,
}

impl Output {
    /// An empty segment. `level` is zstd's.
    ///
    /// # Errors
    /// zstd's, of memory.
    pub fn new(level: i32) -> Result<Self, Error> {
        Ok(Self {
            ready: HEAD.to_vec(),
            offset: HEAD.len() as u64,
            sections: vec![Vec::new(); SECTIONS],
            held: Vec::new(),
            held_octets: 0,
            packer: zstd::bulk::Compressor::new(level).map_err(|e| Error::Io(Box::new(e)))?,
        })
    }

    fn pack(&mut self, raw: Vec<u8>, packed: bool) -> Result<(Vec<u8>, Block), Error> {
        if raw.len() > BLOCK_OCTETS_MAX {
            return Err(Error::Full);
        }
        let mut block = Block { raw: raw.len() as u32, ..Block::default() };
        let mut stored = raw;
        if packed {
            let packed = self.packer.compress(&stored).map_err(|e| Error::Io(Box::new(e)))?;
            if packed.len() < stored.len() {
                stored = packed;
            }
        }
        block.stored = stored.len() as u32;
        block.crc = crc32c::crc32c(&stored);
        Ok((stored, block))
    }

    /// Appends a block of `items` things to a section.
    ///
    /// # Errors
    /// [`Error::Full`] past [`BLOCK_OCTETS_MAX`].
    pub fn block(&mut self, place: Place, items: u32, raw: Vec<u8>) -> Result<(), Error> {
        let (stored, block) = self.pack(raw, true)?;
        self.append(place, Block { items, ..block }, &stored);
        Ok(())
    }

    /// As [`Output::block`], of octets that would not get shorter.
    ///
    /// # Errors
    /// As [`Output::block`].
    pub fn plain_block(&mut self, place: Place, items: u32, raw: Vec<u8>) -> Result<(), Error> {
        let (stored, block) = self.pack(raw, false)?;
        self.append(place, Block { items, ..block }, &stored);
        Ok(())
    }

    /// As [`Output::block`], but written at [`Output::release`].
    ///
    /// # Errors
    /// As [`Output::block`].
    pub fn hold(&mut self, place: Place, items: u32, raw: Vec<u8>) -> Result<(), Error> {
        let (stored, block) = self.pack(raw, true)?;
        self.held_octets += u64::from(block.stored);
        self.held.push((place, Block { items, ..block }, stored));
        Ok(())
    }

    /// Writes what was held.
    pub fn release(&mut self) {
        self.held_octets = 0;
        for (place, block, stored) in std::mem::take(&mut self.held) {
            self.append(place, block, &stored);
        }
    }

    fn append(&mut self, place: Place, block: Block, stored: &[u8]) {
        if let Some(section) = self.sections.get_mut(usize::from(place.0)) {
            section.push(Block { offset: self.offset, ..block });
        }
        self.ready.extend_from_slice(stored);
        self.offset += stored.len() as u64;
    }

    /// Octets of the segment so far.
    #[must_use]
    pub fn octets(&self) -> u64 {
        self.offset + self.held_octets
    }

    /// Octets that are ready to be passed on.
    #[must_use]
    pub fn ready(&self) -> usize {
        self.ready.len()
    }

    /// The octets that are ready to be passed on.
    #[must_use]
    pub fn take(&mut self) -> Vec<u8> {
        std::mem::take(&mut self.ready)
    }

    /// Writes the directory; gives the last octets.
    ///
    /// # Errors
    /// As [`Output::block`].
    pub fn finish(mut self, summary: Summary) -> Result<Vec<u8>, Error> {
        self.release();
        let mut directory = Vec::new();
        let Summary { documents, span, partial } = summary;
        for number in [documents, span.0, span.1, partial] {
            put_number(&mut directory, u64::from(number));
        }
        for section in &self.sections {
            put_number(&mut directory, section.len() as u64);
            let mut last = 0_u64;
            for block in section {
                put_number(&mut directory, block.offset.wrapping_sub(last));
                for number in [block.stored, block.raw, block.items] {
                    put_number(&mut directory, u64::from(number));
                }
                directory.extend_from_slice(&block.crc.to_le_bytes());
                last = block.offset;
            }
        }
        let (stored, block) = self.pack(directory, true)?;
        let place = self.offset;
        self.ready.extend_from_slice(&stored);
        let mut trailer = Vec::with_capacity(TRAILER_OCTETS);
        trailer.extend_from_slice(&place.to_le_bytes());
        for number in [block.stored, block.raw, block.crc] {
            trailer.extend_from_slice(&number.to_le_bytes());
        }
        trailer.push(FORMAT);
        trailer.extend_from_slice(TAIL);
        self.ready.extend_from_slice(&trailer);
        Ok(self.ready)
    }
}

/// The blocks of every section.
type Sections = Vec<Box<[Block]>>;

/// A segment being read.
pub struct Input {
    source: Arc<dyn Source>,
    sections: Sections,
    /// What it says of itself.
    pub summary: Summary,
    /// Documents.
    pub documents: u32,
}

impl Input {
    /// Reads the trailer and the directory.
    ///
    /// # Errors
    /// [`Error::Damaged`]; the source's.
    pub async fn open(source: Arc<dyn Source>) -> Result<Self, Error> {
        let size = source.size();
        let start = size
            .checked_sub(TRAILER_OCTETS as u64)
            .filter(|start| *start >= HEAD.len() as u64)
            .ok_or(Error::Damaged("segment too short"))?;
        let trailer = source.read(start..size).await?;
        let mut reader = Reader(&trailer);
        let place = u64::from_le_bytes(reader.array()?);
        let mut number = || reader.array().map(u32::from_le_bytes);
        let (stored, raw, crc) = (number()?, number()?, number()?);
        if reader.array()? != [FORMAT] || reader.array()? != *TAIL {
            return Err(Error::Damaged("trailer"));
        }
        if place.checked_add(u64::from(stored)) != Some(start) || raw as usize > BLOCK_OCTETS_MAX {
            return Err(Error::Damaged("trailer"));
        }
        let block = Block { offset: place, stored, raw, crc, items: 0 };
        let directory = unpack(&block, source.read(block.range()).await?)?;
        let (summary, sections) = sections(&directory, place)?;
        Ok(Self { source, sections, summary, documents: summary.documents })
    }

    /// The blocks of a section.
    #[must_use]
    pub fn blocks(&self, place: Place) -> &[Block] {
        self.sections.get(usize::from(place.0)).map_or(&[], |blocks| blocks)
    }

    /// Octets and octets unpacked of every section.
    pub fn sizes(&self) -> impl Iterator<Item = (u64, u64)> + '_ {
        let sum = |(a, b): (u64, u64), block: &Block| {
            (a + u64::from(block.stored), b + u64::from(block.raw))
        };
        self.sections.iter().map(move |section| section.iter().fold((0, 0), sum))
    }

    /// Octets of memory held.
    #[must_use]
    pub fn octets(&self) -> usize {
        let blocks: usize = self.sections.iter().map(|section| section.len()).sum();
        size_of::<Self>() + SECTIONS * size_of::<Box<[Block]>>() + blocks * size_of::<Block>()
    }

    /// One block, unpacked.
    ///
    /// # Errors
    /// [`Error::Damaged`]; the source's.
    pub async fn read(&self, block: &Block) -> Result<Bytes, Error> {
        unpack(block, self.source.read(block.range()).await?)
    }

    /// As many of these blocks (in the order of their places) as are read at once, at least one,
    /// as stored: pass each to [`unpack`].
    #[must_use]
    pub fn read_some<'a>(&'a self, blocks: &[Block]) -> Fut<'a, Vec<Bytes>> {
        let Some(first) = blocks.first() else { return Box::pin(std::future::ready(Ok(vec![]))) };
        let start = first.offset;
        let mut end = first.range().end;
        let mut ranges = vec![first.range()];
        for block in blocks.iter().skip(1) {
            let far = block.offset < end || block.offset - end > GAP_OCTETS;
            if far || block.range().end - start > READ_OCTETS_MAX {
                break;
            }
            end = block.range().end;
            ranges.push(block.range());
        }
        Box::pin(async move {
            let bytes = self.source.read(start..end).await?;
            let part = |range: Range<u64>| {
                let place = |at: u64| usize::try_from(at - start).unwrap_or(usize::MAX);
                let (from, to) = (place(range.start), place(range.end));
                if to > bytes.len() {
                    return Err(Error::Damaged("segment shorter than it says"));
                }
                Ok(bytes.slice(from..to))
            };
            ranges.into_iter().map(part).collect()
        })
    }
}

/// The directory: the summary, and the blocks of every section, which must lie before `end`.
fn sections(directory: &[u8], end: u64) -> Result<(Summary, Sections), Error> {
    let mut reader = Reader(directory);
    let (documents, span) = (reader.short()?, (reader.short()?, reader.short()?));
    let summary = Summary { documents, span, partial: reader.short()? };
    if documents > crate::bits::HIGH_MAX {
        return Err(Error::Damaged("directory"));
    }
    let mut sections = Vec::with_capacity(SECTIONS);
    for _ in 0..SECTIONS {
        let mut blocks = Vec::new();
        let mut last = 0_u64;
        for _ in 0..reader.number()? {
            let offset = last.wrapping_add(reader.number()?);
            let (stored, raw, items) = (reader.short()?, reader.short()?, reader.short()?);
            let crc = u32::from_le_bytes(reader.array()?);
            let fits = offset.checked_add(u64::from(stored)).is_some_and(|to| to <= end);
            if !fits || raw as usize > BLOCK_OCTETS_MAX {
                return Err(Error::Damaged("directory"));
            }
            blocks.push(Block { offset, stored, raw, crc, items });
            last = offset;
        }
        sections.push(blocks.into_boxed_slice());
    }
    Ok((summary, sections))
}

/// A block's octets out of what is stored.
///
/// # Errors
/// [`Error::Damaged`].
pub fn unpack(block: &Block, stored: Bytes) -> Result<Bytes, Error> {
    if stored.len() != block.stored as usize || crc32c::crc32c(&stored) != block.crc {
        return Err(Error::Damaged("block's checksum"));
    }
    if block.stored == block.raw {
        return Ok(stored);
    }
    let raw = zstd::bulk::decompress(&stored, block.raw as usize);
    match raw {
        Ok(raw) if raw.len() == block.raw as usize => Ok(raw.into()),
        _ => Err(Error::Damaged("block's packing")),
    }
}
