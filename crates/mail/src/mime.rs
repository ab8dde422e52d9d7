//! MIME structure with exact offsets (RFC 2045, RFC 2046): what BODYSTRUCTURE, BODY[section],
//! BINARY and search stand on. Never fails: a malformed message is some message.
//!
//! Invariants of a parsed [`Structure`]: parts stand in the order of their headers in the message
//! (each before its children, children one after the other); a part's body begins where its header
//! ends; a child lies within its parent's body; header lines are whole. So headers, bodies of
//! leaves and what lies between them are the message, octet for octet.
//!
//! How malformed mail is read:
//! - A Content-Type without `type/subtype`, or a multipart without boundary, is text/plain
//!   (RFC 2045 §5.2), a leaf.
//! - A multipart in which no delimiter is found has one child: text/plain, without header, with
//!   the whole body. IMAP's grammar wants a child, and so nobody loses sight of the text.
//! - An inner multipart ends where an outer delimiter stands; the last part of a multipart
//!   without close delimiter goes on to the end.
//! - message/rfc822 and message/global with base64, quoted-printable or an unknown encoding
//!   (RFC 2046 §5.2.1 forbids it) is a leaf.
//! - A container past a limit is a leaf; a multipart then is named application/octet-stream.
//! - Octets past 4 GiB are not looked at: offsets have 32 bits.

mod attachment;
mod decode;
mod packed;
mod parse;

pub use crate::parameter::Parameters;
pub(crate) use decode::base64;
pub use decode::decode;
pub use packed::{KindRef, Languages, ParametersRef, PartRef, StructureRef};

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
    /// Parameters of one Content-Type or Content-Disposition (CVE-2026-27859), and tags of one
    /// Content-Language.
    pub parameters_max: usize,
    /// Elements of the address lists of a message, those of the messages inside it included.
    pub addresses_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            depth_max: 32,
            parts_max: 1_000,
            fields_max: 2_000,
            header_octets_max: 1 << 20,
            parameters_max: 64,
            addresses_max: 10_000,
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

impl Encoding {
    /// As IMAP and MIME write it, in lower case but for [`Encoding::Other`].
    #[must_use]
    pub fn name(&self) -> &str {
        match self {
            Self::SevenBit => "7bit",
            Self::EightBit => "8bit",
            Self::Binary => "binary",
            Self::QuotedPrintable => "quoted-printable",
            Self::Base64 => "base64",
            Self::Other(name) => name,
        }
    }
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
    pub parameters: Parameters,
    /// Content-ID as written.
    pub id: Option<Vec<u8>>,
    /// Content-Description, unfolded, not decoded.
    pub description: Option<Vec<u8>>,
    /// Transfer encoding.
    pub encoding: Encoding,
    /// Content-MD5.
    pub md5: Option<Vec<u8>>,
    /// Content-Disposition in lower case, with parameters as above.
    pub disposition: Option<(String, Parameters)>,
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

impl Part {
    /// The value of a Content-Type parameter, by its name in lower case.
    #[must_use]
    pub fn parameter(&self, name: &str) -> Option<&[u8]> {
        self.parameters.iter().find(|(known, _)| known == name).map(|(_, value)| value.as_slice())
    }

    /// The file name of Content-Disposition, else the `name` of Content-Type.
    #[must_use]
    pub fn file_name(&self) -> Option<&[u8]> {
        let disposition = self.disposition.iter().flat_map(|(_, parameters)| parameters);
        let given = disposition.into_iter().find(|(name, _)| name == "filename");
        given.map(|(_, value)| value.as_slice()).or_else(|| self.parameter("name"))
    }
}

impl Structure {
    /// Parses a message.
    #[must_use]
    pub fn parse(message: &[u8], limits: &Limits) -> Self {
        parse::structure(message, limits)
    }

    /// Index of the part that an IMAP part path names (RFC 9051 §6.4.5.1: `1` of a
    /// non-multipart is the message's own body; numbers go through message/rfc822).
    #[must_use]
    pub fn part(&self, path: &[u32]) -> Option<usize> {
        // Where the next number counts: the parts of this message or multipart …
        let mut container = 0;
        // … unless this leaf is the only part of its message, and has been named.
        let mut named: Option<usize> = None;
        for (at, number) in path.iter().enumerate() {
            if at > 0 {
                let index = named?;
                container = match &self.parts.get(index)?.kind {
                    PartKind::Leaf => return None,
                    PartKind::Multipart(_) => index,
                    PartKind::Message(_, inner) => *inner as usize,
                };
            }
            named = Some(match &self.parts.get(container)?.kind {
                PartKind::Multipart(children) => {
                    *children.get((*number as usize).checked_sub(1)?)? as usize
                }
                PartKind::Leaf | PartKind::Message(..) if *number == 1 => container,
                _ => return None,
            });
        }
        match path {
            [] => self.parts.first().map(|_| 0),
            _ => named,
        }
    }

    /// Octets that a section names, or `None` when there is no such part or slice.
    #[must_use]
    pub fn section(&self, path: &[u32], slice: Slice) -> Option<Range<u32>> {
        let part = self.parts.get(self.part(path)?)?;
        let message = match (path, &part.kind) {
            ([], _) => Some(part),
            (_, PartKind::Message(_, inner)) => self.parts.get(*inner as usize),
            _ => None,
        };
        match slice {
            Slice::Whole if path.is_empty() => Some(part.header.start..part.body.end),
            Slice::Whole => Some(part.body.clone()),
            Slice::Mime => (!path.is_empty()).then(|| part.header.clone()),
            Slice::Header => Some(message?.header.clone()),
            Slice::Text => Some(message?.body.clone()),
        }
    }
}

#[cfg(test)]
mod tests;
