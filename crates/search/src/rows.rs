//! What is one number or a few for each document: ids, flags, dates, links; and the runs too long
//! for terms.
//!
//! Blocks hold documents in order. All of a section is read at once: a mailbox of 100,000 messages
//! has half a megabyte of each.

use crate::{
    Error, Links,
    container::{Block, Input, Output, Place, Reader, Section, put_number, unpack},
};
use mail::MessageId;
use memchr::memmem;

/// Documents of a block of numbers.
const BLOCK_ROWS: u32 = 16 << 10;
/// Octets of a block of runs or links.
const BLOCK_OCTETS: usize = 128 << 10;
/// Bits of the hashes of message ids that are kept.
pub const HASH_BITS: u32 = 48;
const HASH_OCTETS: usize = HASH_BITS as usize / 8;
/// Octets of a set of letters.
const LETTER_OCTETS: usize = 5;

/// Numbers of the documents, written in order.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Row {
    /// The message.
    pub message: MessageId,
    /// Whether its body was indexed in part.
    pub partial: bool,
    /// Whether its subject marks a reply or forward.
    pub reply: bool,
    /// The Date field.
    pub sent: Option<(i64, i16)>,
    /// Letters and digits of its body ([`crate::tokens::letters`]).
    pub letters: u64,
    /// Hash of its Message-ID.
    pub message_id: u64,
    /// Hashes of its References.
    pub references: Vec<u64>,
}

/// Writes a section of rows.
struct Rows {
    place: Place,
    raw: Vec<u8>,
    items: u32,
}

impl Rows {
    fn new(place: Place) -> Self {
        Self { place, raw: Vec::new(), items: 0 }
    }

    fn next(&mut self, out: &mut Output) -> Result<(), Error> {
        self.items += 1;
        if self.items == BLOCK_ROWS || self.raw.len() >= BLOCK_OCTETS {
            self.close(out)?;
        }
        Ok(())
    }

    fn close(&mut self, out: &mut Output) -> Result<(), Error> {
        if self.items > 0 {
            out.block(self.place, self.items, std::mem::take(&mut self.raw))?;
        }
        self.items = 0;
        Ok(())
    }
}

/// Writes all numbers of the documents.
pub struct RowWriter {
    messages: Rows,
    flags: Rows,
    sent: Rows,
    letters: Rows,
    links: Rows,
    last: u32,
    last_sent: i64,
    ordinals: hashbrown::HashMap<u64, u32>,
    ordinal: u32,
}

const PARTIAL: u8 = 1;
const REPLY: u8 = 2;
const SENT: u8 = 4;

impl RowWriter {
    /// None yet.
    #[must_use]
    pub fn new() -> Self {
        let rows = |section: Section| Rows::new(section.place());
        Self {
            messages: rows(Section::Messages),
            flags: rows(Section::Flags),
            sent: rows(Section::Sent),
            letters: rows(Section::Letters),
            links: rows(Section::Links),
            last: 0,
            last_sent: 0,
            ordinals: hashbrown::HashMap::new(),
            ordinal: 0,
        }
    }

    /// The next document.
    ///
    /// # Errors
    /// [`Output::block`]'s.
    pub fn push(&mut self, row: &Row, out: &mut Output) -> Result<(), Error> {
        // Blocks start afresh.
        if self.messages.items == 0 {
            self.last = 0;
        }
        if self.sent.items == 0 {
            self.last_sent = 0;
        }
        put_number(&mut self.messages.raw, u64::from(row.message.0.wrapping_sub(self.last)));
        self.last = row.message.0;
        self.messages.next(out)?;
        let flag = |set: bool, flag: u8| if set { flag } else { 0 };
        let flags = flag(row.partial, PARTIAL) | flag(row.reply, REPLY);
        self.flags.raw.push(flags | flag(row.sent.is_some(), SENT));
        self.flags.next(out)?;
        if let Some((seconds, zone)) = row.sent {
            let step = seconds.wrapping_sub(self.last_sent);
            self.last_sent = seconds;
            put_number(&mut self.sent.raw, (step << 1 ^ step >> 63) as u64);
            self.sent.raw.extend_from_slice(&zone.to_le_bytes());
        }
        self.sent.next(out)?;
        let letters = row.letters.to_le_bytes();
        self.letters.raw.extend_from_slice(letters.get(..LETTER_OCTETS).unwrap_or_default());
        self.letters.next(out)?;
        self.link(row, out)
    }

    /// A reference to a document of this segment is its distance, which is short; others are 0 and
    /// the hash.
    fn link(&mut self, row: &Row, out: &mut Output) -> Result<(), Error> {
        let raw = &mut self.links.raw;
        let own = row.message_id & ((1 << HASH_BITS) - 1);
        raw.extend_from_slice(own.to_le_bytes().get(..HASH_OCTETS).unwrap_or_default());
        put_number(raw, row.references.len() as u64);
        for reference in &row.references {
            let hash = reference & ((1 << HASH_BITS) - 1);
            if let Some(ordinal) = self.ordinals.get(&hash) {
                put_number(raw, u64::from(self.ordinal - ordinal));
            } else {
                raw.push(0);
                raw.extend_from_slice(hash.to_le_bytes().get(..HASH_OCTETS).unwrap_or_default());
            }
        }
        if own != 0 {
            self.ordinals.insert(own, self.ordinal);
        }
        self.ordinal += 1;
        self.links.next(out)
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// [`Output::block`]'s.
    pub fn finish(mut self, out: &mut Output) -> Result<(), Error> {
        let Self { messages, flags, sent, letters, links, .. } = &mut self;
        [messages, flags, sent, letters, links].into_iter().try_for_each(|rows| rows.close(out))
    }
}

/// Octets of the links' hash table for each document, while writing.
pub const LINK_OCTETS: usize = 32;

async fn each_block(
    input: &Input,
    place: Place,
    each: &mut (dyn FnMut(&Block, &mut Reader<'_>) -> Result<(), Error> + Send),
) -> Result<(), Error> {
    let mut left = input.blocks(place);
    let mut items = 0_u64;
    while !left.is_empty() {
        let stored = input.read_some(left).await?;
        let (now, later) = left.split_at_checked(stored.len()).ok_or(Error::Damaged("blocks"))?;
        for (block, stored) in now.iter().zip(stored) {
            let raw = unpack(block, stored)?;
            let mut reader = Reader(&raw);
            each(block, &mut reader)?;
            if !reader.0.is_empty() {
                return Err(Error::Damaged("rows longer than told"));
            }
            items += u64::from(block.items);
        }
        left = later;
    }
    if items != u64::from(input.documents) {
        return Err(Error::Damaged("number of rows"));
    }
    Ok(())
}

/// The ids, ascending.
///
/// # Errors
/// [`Error::Damaged`]; the source's (as of all here).
pub async fn messages(input: &Input) -> Result<Vec<MessageId>, Error> {
    let mut found: Vec<MessageId> = Vec::new();
    each_block(input, Section::Messages.place(), &mut |block, reader| {
        let mut last = 0_u32;
        for _ in 0..block.items {
            last = last.checked_add(reader.short()?).ok_or(Error::Damaged("message ids"))?;
            if found.last().is_some_and(|before| before.0 >= last) {
                return Err(Error::Damaged("message ids"));
            }
            found.push(MessageId(last));
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

async fn flags(input: &Input) -> Result<Vec<u8>, Error> {
    let mut found = Vec::new();
    each_block(input, Section::Flags.place(), &mut |block, reader| {
        found.extend_from_slice(reader.octets(block.items as usize)?);
        Ok(())
    })
    .await?;
    Ok(found)
}

/// Documents indexed in part.
pub async fn partial(input: &Input) -> Result<crate::Set, Error> {
    let mut set = crate::Set::empty(input.documents);
    for (ordinal, flags) in (0..).zip(flags(input).await?) {
        if flags & PARTIAL != 0 {
            set.insert(ordinal);
        }
    }
    Ok(set)
}

/// Letters and digits of the bodies.
pub async fn letters(input: &Input) -> Result<Vec<u64>, Error> {
    let mut found = Vec::new();
    each_block(input, Section::Letters.place(), &mut |block, reader| {
        for _ in 0..block.items {
            let octets: [u8; LETTER_OCTETS] = reader.array()?;
            found.push(octets.iter().rev().fold(0, |all, octet| all << 8 | u64::from(*octet)));
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

/// The Date fields.
pub async fn sent(input: &Input) -> Result<Vec<Option<(i64, i16)>>, Error> {
    let flags = flags(input).await?;
    let mut flags = flags.iter();
    let mut found = Vec::new();
    each_block(input, Section::Sent.place(), &mut |block, reader| {
        let mut last = 0_i64;
        for _ in 0..block.items {
            if flags.next().is_none_or(|flags| flags & SENT == 0) {
                found.push(None);
                continue;
            }
            let step = reader.number()?;
            last = last.wrapping_add((step >> 1) as i64 ^ -((step & 1) as i64));
            found.push(Some((last, i16::from_le_bytes(reader.array()?))));
        }
        Ok(())
    })
    .await?;
    Ok(found)
}

fn hash(reader: &mut Reader<'_>) -> Result<u64, Error> {
    let octets: [u8; HASH_OCTETS] = reader.array()?;
    Ok(octets.iter().rev().fold(0, |hash, octet| hash << 8 | u64::from(*octet)))
}

/// What THREAD needs.
pub async fn links(input: &Input) -> Result<Links, Error> {
    let mut links = Links::default();
    each_block(input, Section::Links.place(), &mut |block, reader| {
        for _ in 0..block.items {
            let own = hash(reader)?;
            let mut references = Vec::new();
            for _ in 0..reader.number()? {
                let distance = reader.number()?;
                references.push(if distance == 0 {
                    hash(reader)?
                } else {
                    let distance = usize::try_from(distance).unwrap_or(usize::MAX);
                    let place = links.message_ids.len().checked_sub(distance);
                    let target = place.and_then(|place| links.message_ids.get(place));
                    *target.ok_or(Error::Damaged("references"))?
                });
            }
            links.message_ids.push(own);
            links.references.push(references);
        }
        Ok(())
    })
    .await?;
    links.replies = flags(input).await?.iter().map(|flags| flags & REPLY != 0).collect();
    Ok(links)
}

/// Writes the runs of the documents that have any.
pub struct RunWriter {
    rows: Rows,
    skipped: u32,
}

impl RunWriter {
    /// None yet.
    #[must_use]
    pub fn new(place: Place) -> Self {
        Self { rows: Rows::new(place), skipped: 0 }
    }

    /// The next document's runs, a line each. `items` of a block are its documents.
    ///
    /// # Errors
    /// [`Output::block`]'s.
    pub fn push(&mut self, runs: &str, out: &mut Output) -> Result<(), Error> {
        if runs.is_empty() {
            self.skipped += 1;
            return Ok(());
        }
        let raw = &mut self.rows.raw;
        put_number(raw, u64::from(self.skipped));
        put_number(raw, runs.len() as u64);
        raw.extend_from_slice(runs.as_bytes());
        self.skipped = 0;
        self.rows.items += 1;
        if self.rows.raw.len() >= BLOCK_OCTETS {
            self.rows.close(out)?;
        }
        Ok(())
    }

    /// Writes what is left.
    ///
    /// # Errors
    /// [`Output::block`]'s.
    pub fn finish(mut self, out: &mut Output) -> Result<(), Error> {
        self.rows.close(out)
    }
}

/// Reads runs document by document.
pub struct RunCursor<'s> {
    input: &'s Input,
    blocks: &'s [Block],
    raw: bytes::Bytes,
    at: usize,
    items: u32,
    ordinal: u32,
}

impl<'s> RunCursor<'s> {
    /// Before the first.
    #[must_use]
    pub fn new(input: &'s Input, place: Place) -> Self {
        let blocks = input.blocks(place);
        Self { input, blocks, raw: bytes::Bytes::new(), at: 0, items: 0, ordinal: 0 }
    }

    /// The next document that has runs, and its runs.
    ///
    /// # Errors
    /// [`Error::Damaged`]; the source's.
    pub async fn next(&mut self) -> Result<Option<(u32, &str)>, Error> {
        while self.items == 0 {
            let Some((block, rest)) = self.blocks.split_first() else { return Ok(None) };
            self.raw = self.input.read(block).await?;
            (self.blocks, self.at, self.items) = (rest, 0, block.items);
        }
        let mut reader = Reader(self.raw.get(self.at..).unwrap_or_default());
        let (skipped, octets) = (reader.short()?, reader.short()?);
        let runs = reader.octets(octets as usize)?;
        self.at = self.raw.len() - reader.0.len();
        self.items -= 1;
        let here = self.ordinal.checked_add(skipped).ok_or(Error::Damaged("runs"))?;
        self.ordinal = here.checked_add(1).ok_or(Error::Damaged("runs"))?;
        Ok(Some((here, str::from_utf8(runs).map_err(|_| Error::Damaged("runs"))?)))
    }
}

/// Of each needle the documents whose runs contain it, all in one pass.
pub async fn find_runs(
    input: &Input,
    place: Place,
    needles: &[&str],
) -> Result<Vec<crate::Set>, Error> {
    let mut found = vec![crate::Set::empty(input.documents); needles.len()];
    if needles.is_empty() {
        return Ok(found);
    }
    let finder = |needle: &&str| memmem::Finder::new(needle.as_bytes()).into_owned();
    let finders: Vec<_> = needles.iter().map(finder).collect();
    let mut cursor = RunCursor::new(input, place);
    while let Some((ordinal, runs)) = cursor.next().await? {
        for (finder, set) in finders.iter().zip(&mut found) {
            if finder.find(runs.as_bytes()).is_some() {
                set.insert(ordinal);
            }
        }
    }
    Ok(found)
}
