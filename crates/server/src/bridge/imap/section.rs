//! What of a message FETCH sends as a literal: sections (RFC 9051 §6.4.5.1), header fields, decoded
//! parts (RFC 3516).
//!
//! Ranges of the stored message are read chunk by chunk as they go out; only header subsets and
//! decoded parts are held, within the shared [`Memory`].

use super::{
    memory::{Memory, Room},
    refusal::Stop,
};
use account::{Account, Record};
use bytes::Bytes;
use imap::{
    effect::Refusal,
    types::{FetchItem, Partial, Section, SectionText},
};
use mail::{
    Structure, header,
    mime::{self, PartKind, Slice},
};
use std::ops::Range;

/// Octets of a body that are read at once: the size of the chunks that the account stores.
const CHUNK_OCTETS: u32 = 256 << 10;
/// Octets that are held without asking for room.
const SMALL_OCTETS: u32 = 64 << 10;

/// Octets that follow a literal's announcement.
#[derive(Debug)]
pub(super) enum Content {
    /// A range of the stored message, with what was read of it already.
    Stored(Range<u32>, Bytes),
    /// Octets in memory; their room is given back with them.
    Held(Bytes, #[allow(dead_code, reason = "held until dropped")] Option<Room>),
}

/// What an item turned out to be.
#[derive(Debug)]
pub(super) enum Found {
    /// There is no such part or slice.
    Nil,
    /// A number of octets: BINARY.SIZE.
    Size(u64),
    /// Octets, and whether a NUL is among them (of BINARY).
    Octets(Content, bool),
}

impl Content {
    /// Octets in all that are still to come.
    pub fn octets(&self) -> u64 {
        match self {
            Self::Stored(range, read) => u64::from(range.end - range.start) + read.len() as u64,
            Self::Held(bytes, _) => bytes.len() as u64,
        }
    }

    /// The next octets; empty at the end, or when the store has less than it should.
    pub async fn next(&mut self, source: &Source<'_>) -> Result<Bytes, account::Error> {
        match self {
            Self::Held(bytes, _) => Ok(std::mem::take(bytes)),
            Self::Stored(_, read) if !read.is_empty() => Ok(std::mem::take(read)),
            Self::Stored(range, _) if range.start >= range.end => Ok(Bytes::new()),
            Self::Stored(range, _) => source.chunk(range).await,
        }
    }
}

/// A message that is read.
#[derive(Clone, Copy)]
pub(super) struct Source<'a> {
    pub account: &'a Account,
    pub record: &'a Record,
    /// All of it, when it was read already.
    pub body: Option<&'a Bytes>,
    pub memory: &'a Memory,
}

impl Source<'_> {
    /// What an item names; `structure` is unpacked at most once a message.
    pub async fn find(
        &self,
        item: &FetchItem,
        structure: &mut Option<Structure>,
    ) -> Result<Found, Stop> {
        let whole = 0..self.record.octets();
        let head = self.record.header_octets().min(whole.end);
        match item {
            FetchItem::Rfc822 => self.stored(whole, None).await,
            FetchItem::Rfc822Header => self.stored(0..head, None).await,
            FetchItem::Rfc822Text => self.stored(head..whole.end, None).await,
            FetchItem::BodySection { section, partial, .. } => {
                self.section(section, *partial, structure).await
            }
            FetchItem::Binary { part, partial, .. } => {
                let decoded = self.decoded(part, structure).await?;
                self.binary(decoded, *partial).await
            }
            FetchItem::BinarySize { part } => Ok(match self.decoded(part, structure).await? {
                None => Found::Nil,
                Some(Decoded::Stored(range)) => Found::Size(range.len() as u64),
                Some(Decoded::Held(bytes, _)) => Found::Size(bytes.len() as u64),
            }),
            _ => Err(Refusal::Bug.into()),
        }
    }

    async fn section(
        &self,
        section: &Section,
        partial: Option<Partial>,
        structure: &mut Option<Structure>,
    ) -> Result<Found, Stop> {
        let (slice, fields) = match &section.text {
            SectionText::Whole => (Slice::Whole, None),
            SectionText::Header => (Slice::Header, None),
            SectionText::Text => (Slice::Text, None),
            SectionText::Mime => (Slice::Mime, None),
            SectionText::HeaderFields(names) => (Slice::Header, Some((names, false))),
            SectionText::HeaderFieldsNot(names) => (Slice::Header, Some((names, true))),
        };
        if let Some((names, false)) = fields
            && section.part.is_empty()
            && names.iter().all(|name| self.holds(name))
        {
            let subset = subset(self.record.fields(), names, false);
            return Ok(Found::Octets(Content::Held(part_of(subset, partial), None), false));
        }
        let Some(range) = self.range(&section.part, slice, structure) else {
            return Ok(Found::Nil);
        };
        let Some((names, not)) = fields else { return self.stored(range, partial).await };
        let (header, room) = self.whole(range).await?;
        let subset = subset(&header, names, not);
        Ok(Found::Octets(Content::Held(part_of(subset, partial), room), false))
    }

    fn holds(&self, name: &[u8]) -> bool {
        std::str::from_utf8(name).is_ok_and(|name| self.record.holds_field(name))
    }

    /// Octets of a section; without unpacking the structure where the record is enough.
    fn range(
        &self,
        part: &[u32],
        slice: Slice,
        structure: &mut Option<Structure>,
    ) -> Option<Range<u32>> {
        let octets = self.record.octets();
        let head = self.record.header_octets().min(octets);
        match (part, slice) {
            ([], Slice::Whole) => Some(0..octets),
            ([], Slice::Header) => Some(0..head),
            ([], Slice::Text) => Some(head..octets),
            _ => structure.get_or_insert_with(|| self.record.structure()).section(part, slice),
        }
    }

    /// A range of the stored message; its first chunk is read at once, so that a body that cannot
    /// be read is known before it is announced.
    async fn stored(&self, range: Range<u32>, partial: Option<Partial>) -> Result<Found, Stop> {
        let mut range = clamp(range, partial);
        let first = if range.is_empty() { Bytes::new() } else { self.chunk(&mut range).await? };
        Ok(Found::Octets(Content::Stored(range, first), false))
    }

    /// The next chunk of a range that is not empty; what was read is taken from it.
    async fn chunk(&self, range: &mut Range<u32>) -> Result<Bytes, account::Error> {
        if let Some(body) = self.body
            && body.len() >= range.end as usize
        {
            let wanted = std::mem::replace(range, range.end..range.end);
            return Ok(body.slice(wanted.start as usize..wanted.end as usize));
        }
        let border = (range.start / CHUNK_OCTETS).saturating_add(1).saturating_mul(CHUNK_OCTETS);
        let end = range.end.min(border);
        let wanted = range.start..end;
        let octets = self.account.body(self.record, wanted.clone()).await?;
        if octets.len() != wanted.len() {
            let message = self.record.message();
            return Err(account::Error::Damaged(format!("body of message {message} is short")));
        }
        range.start = end;
        Ok(octets)
    }

    /// A whole range in memory.
    async fn whole(&self, mut range: Range<u32>) -> Result<(Bytes, Option<Room>), Stop> {
        let octets = range.end.saturating_sub(range.start);
        if range.is_empty() {
            return Ok((Bytes::new(), None));
        }
        // The copy that is made of it needs as much again.
        let room = match octets {
            0..=SMALL_OCTETS => None,
            _ => Some(self.memory.reserve(2 * u64::from(octets)).await?),
        };
        let first = self.chunk(&mut range).await?;
        if range.is_empty() {
            return Ok((first, room));
        }
        let mut all = Vec::with_capacity(octets as usize);
        all.extend_from_slice(&first);
        while !range.is_empty() {
            all.extend_from_slice(&self.chunk(&mut range).await?);
        }
        Ok((all.into(), room))
    }

    /// A part without its transfer encoding (RFC 3516 §4.3); of a multipart or a message, which
    /// have none, its octets.
    async fn decoded(
        &self,
        part: &[u32],
        structure: &mut Option<Structure>,
    ) -> Result<Option<Decoded>, Stop> {
        let Some(range) = self.range(part, Slice::Whole, structure) else { return Ok(None) };
        if part.is_empty() {
            return Ok(Some(Decoded::Stored(range)));
        }
        let structure = structure.get_or_insert_with(|| self.record.structure());
        let found = structure.part(part).and_then(|index| structure.parts.get(index));
        let Some(found) = found else { return Ok(None) };
        let encoding = match &found.kind {
            PartKind::Leaf => &found.encoding,
            PartKind::Multipart(_) | PartKind::Message(..) => &mime::Encoding::Binary,
        };
        match encoding {
            mime::Encoding::SevenBit | mime::Encoding::EightBit | mime::Encoding::Binary => {
                Ok(Some(Decoded::Stored(range)))
            }
            mime::Encoding::Other(_) => Err(Refusal::UnknownCte.into()),
            mime::Encoding::Base64 | mime::Encoding::QuotedPrintable => {
                let (encoded, room) = self.whole(range).await?;
                let decoded = mime::decode(&encoded, encoding).ok_or(Refusal::UnknownCte)?;
                Ok(Some(Decoded::Held(decoded.into_owned().into(), room)))
            }
        }
    }

    async fn binary(
        &self,
        decoded: Option<Decoded>,
        partial: Option<Partial>,
    ) -> Result<Found, Stop> {
        match decoded {
            None => Ok(Found::Nil),
            Some(Decoded::Held(bytes, room)) => {
                let bytes = part_of(bytes, partial);
                let nul = memchr::memchr(0, &bytes).is_some();
                Ok(Found::Octets(Content::Held(bytes, room), nul))
            }
            // Whether a NUL is among octets that are not held is not known: literal8 fits always.
            Some(Decoded::Stored(range)) => match self.stored(range, partial).await? {
                Found::Octets(content, _) => {
                    let nul = match &content {
                        Content::Stored(rest, first) => {
                            !rest.is_empty() || memchr::memchr(0, first).is_some()
                        }
                        Content::Held(..) => true,
                    };
                    Ok(Found::Octets(content, nul))
                }
                found => Ok(found),
            },
        }
    }
}

/// A part without its transfer encoding.
enum Decoded {
    /// It has none: octets as stored.
    Stored(Range<u32>),
    Held(Bytes, Option<Room>),
}

/// `<offset.count>` of a range; beyond its end, nothing (RFC 9051 §6.4.5.1).
fn clamp(range: Range<u32>, partial: Option<Partial>) -> Range<u32> {
    let Some(partial) = partial else { return range };
    let start = range.start.saturating_add(partial.offset).min(range.end);
    start..start.saturating_add(partial.count).min(range.end)
}

fn part_of(bytes: impl Into<Bytes>, partial: Option<Partial>) -> Bytes {
    let bytes = bytes.into();
    let octets = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    let range = clamp(0..octets, partial);
    bytes.slice(range.start as usize..range.end as usize)
}

/// HEADER.FIELDS and HEADER.FIELDS.NOT: the fields whole and in their order, then an empty line
/// (RFC 9051 §6.4.5.1).
fn subset(header: &[u8], names: &[Vec<u8>], not: bool) -> Vec<u8> {
    let mut subset = Vec::with_capacity(if not { header.len() } else { 512 });
    for field in header::fields(header) {
        let named = names.iter().any(|name| name.eq_ignore_ascii_case(field.name));
        if named != not {
            subset.extend_from_slice(field.raw);
            if !field.raw.ends_with(b"\n") {
                subset.extend_from_slice(b"\r\n");
            }
        }
    }
    subset.extend_from_slice(b"\r\n");
    subset
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn subsets_keep_order_and_folding() {
        let header = b"From: a\r\nX-A: 1\r\n 2\r\nTo: b\r\nFROM: c\r\n\r\n";
        let names =
            |names: &[&str]| names.iter().map(|n| n.as_bytes().to_vec()).collect::<Vec<_>>();
        assert_eq!(
            subset(header, &names(&["x-a", "from"]), false),
            b"From: a\r\nX-A: 1\r\n 2\r\nFROM: c\r\n\r\n"
        );
        assert_eq!(subset(header, &names(&["from", "x-a"]), true), b"To: b\r\n\r\n");
        assert_eq!(subset(header, &names(&["none"]), false), b"\r\n");
        assert_eq!(subset(b"A: 1", &names(&["a"]), false), b"A: 1\r\n\r\n");
    }

    #[test]
    fn partials_end_at_the_end() {
        let partial = |offset, count| Some(Partial { offset, count });
        assert_eq!(clamp(10..20, None), 10..20);
        assert_eq!(clamp(10..20, partial(0, 5)), 10..15);
        assert_eq!(clamp(10..20, partial(9, u32::MAX)), 19..20);
        assert_eq!(clamp(10..20, partial(10, 1)), 20..20);
        assert_eq!(clamp(10..20, partial(u32::MAX, u32::MAX)), 20..20);
        assert_eq!(&part_of(b"hello".to_vec(), partial(1, 3))[..], b"ell");
    }
}
