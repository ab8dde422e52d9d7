//! MIME structure with exact offsets (RFC 2045, RFC 2046): what BODYSTRUCTURE, BODY[section],
//! BINARY and search stand on. Never fails: a malformed message is some message.

use crate::envelope::Envelope;
use std::ops::Range;

/// Hard limits of the parser; past one of them the rest is plain content of the part at hand.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Nesting of multiparts and message/rfc822.
    pub depth_max: usize,
    /// Parts of one message.
    pub parts_max: usize,
    /// Header fields looked at in one part.
    pub fields_max: usize,
    /// Octets of one part's header that are looked at.
    pub header_octets_max: usize,
    /// Parameters of one Content-Type or Content-Disposition (CVE-2026-27859).
    pub parameters_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth_max: 32,
            parts_max: 1_000,
            fields_max: 2_000,
            header_octets_max: 1 << 20,
            parameters_max: 64,
        }
    }
}

/// Content-Transfer-Encoding (RFC 2045 §6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Encoding {
    /// `7bit`, also when the field is absent.
    SevenBit,
    /// `8bit`
    EightBit,
    /// `binary`
    Binary,
    /// `quoted-printable`
    QuotedPrintable,
    /// `base64`
    Base64,
    /// Anything else, as written: its content cannot be decoded.
    Other(String),
}

/// What a part is made of.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum PartKind {
    /// Neither of the others.
    Leaf,
    /// multipart/*: indices of the children in [`Structure::parts`].
    Multipart(Vec<u32>),
    /// message/rfc822 or message/global, not transfer-encoded: its envelope and the index of the
    /// part that is the message inside.
    Message(Box<Envelope>, u32),
}

/// One part. Offsets are octets from the start of the whole message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Part {
    /// The header with its closing empty line.
    pub header: Range<u32>,
    /// The body, without the line end that belongs to the boundary.
    pub body: Range<u32>,
    /// Lines of the body as RFC 9051 §7.5.2 counts them (CRLF or bare LF ends one).
    pub lines: u32,
    /// Media type in lower case, e.g. `text`; default `text`.
    pub media_type: String,
    /// Media subtype in lower case, e.g. `plain`.
    pub media_subtype: String,
    /// Content-Type parameters: names in lower case, values decoded of RFC 2231 (UTF-8 bytes where
    /// that is possible, else raw).
    pub parameters: Vec<(String, Vec<u8>)>,
    /// Content-ID as written.
    pub id: Option<Vec<u8>>,
    /// Content-Description, unfolded, not decoded.
    pub description: Option<Vec<u8>>,
    /// Transfer encoding.
    pub encoding: Encoding,
    /// Content-MD5.
    pub md5: Option<Vec<u8>>,
    /// Content-Disposition in lower case, with parameters as above.
    pub disposition: Option<(String, Vec<(String, Vec<u8>)>)>,
    /// Content-Language tags.
    pub language: Vec<String>,
    /// Content-Location.
    pub location: Option<Vec<u8>>,
    /// Leaf, multipart or message.
    pub kind: PartKind,
}

/// A whole message's parts in the order of their appearance; `parts[0]` is the message itself.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Structure {
    /// At least one.
    pub parts: Vec<Part>,
}

/// What of a part is meant (RFC 9051 §6.4.5 `section-text`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Slice {
    /// `BODY[1.2]`; of the empty path, the whole message.
    Whole,
    /// `BODY[1.2.MIME]`: the part's own header.
    Mime,
    /// `BODY[1.2.HEADER]`: the header of the message inside; of the empty path, the message's.
    Header,
    /// `BODY[1.2.TEXT]`: the body of the message inside; of the empty path, the message's.
    Text,
}

impl Structure {
    /// Parses a message.
    #[must_use]
    pub fn parse(_message: &[u8], _limits: &Limits) -> Self {
        todo!()
    }
    /// Index of the part that an IMAP part path names (RFC 9051 §6.4.5.1: `1` of a
    /// non-multipart is the message's own body; numbers go through message/rfc822).
    #[must_use]
    pub fn part(&self, _path: &[u32]) -> Option<usize> {
        todo!()
    }
    /// Octets that a section names, or `None` when there is no such part or slice.
    #[must_use]
    pub fn section(&self, _path: &[u32], _slice: Slice) -> Option<Range<u32>> {
        todo!()
    }
    /// A compact form for storing, readable by [`Structure::unpack`] for ever.
    pub fn pack(&self, _out: &mut Vec<u8>) {
        todo!()
    }
    /// Reads what [`Structure::pack`] wrote; gives the rest. `None` for damaged bytes.
    #[must_use]
    pub fn unpack(_bytes: &[u8]) -> Option<(Self, &[u8])> {
        todo!()
    }
}

/// Decodes a body of its transfer encoding; `None` for [`Encoding::Other`] (RFC 3516 UNKNOWN-CTE).
#[must_use]
pub fn decode<'a>(_body: &'a [u8], _encoding: &Encoding) -> Option<std::borrow::Cow<'a, [u8]>> {
    todo!()
}
