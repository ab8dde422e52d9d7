//! The packed form of a structure, and the visitor that borrows from it.
//!
//! Form 1: the octet 1 and the count of parts, then each part in the order of [`Structure::parts`]:
//! start of the header; length of the header; gap between header and body (0); length of the body;
//! lines; media type and subtype as tokens; encoding (0–4, or 5 and its name); a set of bits that
//! tells which of the rest is there: 1 parameters, 2 id, 4 description, 8 md5, 16 disposition,
//! 32 language, 64 location; those; kind (0 leaf; 1 multipart and the count of children; 2 message
//! and its envelope). Children follow their parent, so their indices need not be written.

use super::{Encoding, Part, PartKind, Structure};
use crate::envelope::EnvelopeRef;
use crate::packed::{Reader, put_bytes, put_token, put_varint};
use std::ops::Range;

const FORM: u8 = 1;
const PARAMETERS: u32 = 1;
const ID: u32 = 2;
const DESCRIPTION: u32 = 4;
const MD5: u32 = 8;
const DISPOSITION: u32 = 16;
const LANGUAGE: u32 = 32;
const LOCATION: u32 = 64;

impl Structure {
    /// A compact form for storing, readable by [`Structure::unpack`] for ever. Parts must stand in
    /// the order that [`Structure::parse`] gives.
    pub fn pack(&self, out: &mut Vec<u8>) {
        out.push(FORM);
        put_varint(out, u32::try_from(self.parts.len()).unwrap_or(u32::MAX));
        for part in &self.parts {
            part.pack(out);
        }
    }

    /// Reads what [`Structure::pack`] wrote; gives the rest. `None` for damaged bytes.
    #[must_use]
    pub fn unpack(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let mut packed = StructureRef::open(bytes)?;
        let mut parts: Vec<Part> = Vec::new();
        // Containers that wait for children: index and how many.
        let mut open: Vec<(usize, u32)> = Vec::new();
        while packed.parts_left > 0 {
            let part = packed.next_part()?;
            let index = u32::try_from(parts.len()).ok()?;
            if index > 0 {
                let (parent, left) = open.last_mut()?;
                *left -= 1;
                let parent = parts.get_mut(*parent)?;
                match &mut parent.kind {
                    PartKind::Multipart(children) => children.push(index),
                    PartKind::Message(_, inner) => *inner = index,
                    PartKind::Leaf => return None,
                }
            }
            let children = match part.kind {
                KindRef::Leaf => 0,
                KindRef::Multipart(children) => children,
                KindRef::Message(_) => 1,
            };
            open.push((parts.len(), children));
            while open.last().is_some_and(|(_, left)| *left == 0) {
                open.pop();
            }
            parts.push(part.to_owned());
        }
        (open.is_empty() && !parts.is_empty()).then_some((Self { parts }, packed.rest()))
    }
}

impl Part {
    fn pack(&self, out: &mut Vec<u8>) {
        put_varint(out, self.header.start);
        put_varint(out, self.header.end.saturating_sub(self.header.start));
        put_varint(out, self.body.start.saturating_sub(self.header.end));
        put_varint(out, self.body.end.saturating_sub(self.body.start));
        put_varint(out, self.lines);
        put_token(out, &self.media_type);
        put_token(out, &self.media_subtype);
        match &self.encoding {
            Encoding::SevenBit => out.push(0),
            Encoding::EightBit => out.push(1),
            Encoding::Binary => out.push(2),
            Encoding::QuotedPrintable => out.push(3),
            Encoding::Base64 => out.push(4),
            Encoding::Other(name) => {
                out.push(5);
                put_bytes(out, name.as_bytes());
            }
        }
        self.pack_optional(out);
        match &self.kind {
            PartKind::Leaf => out.push(0),
            PartKind::Multipart(children) => {
                out.push(1);
                put_varint(out, u32::try_from(children.len()).unwrap_or(u32::MAX));
            }
            PartKind::Message(envelope, _) => {
                out.push(2);
                envelope.pack(out);
            }
        }
    }

    fn pack_optional(&self, out: &mut Vec<u8>) {
        let bit = |there: bool, bit: u32| if there { bit } else { 0 };
        let there = bit(!self.parameters.is_empty(), PARAMETERS)
            | bit(self.id.is_some(), ID)
            | bit(self.description.is_some(), DESCRIPTION)
            | bit(self.md5.is_some(), MD5)
            | bit(self.disposition.is_some(), DISPOSITION)
            | bit(!self.language.is_empty(), LANGUAGE)
            | bit(self.location.is_some(), LOCATION);
        put_varint(out, there);
        if !self.parameters.is_empty() {
            pack_parameters(&self.parameters, out);
        }
        for text in [&self.id, &self.description, &self.md5].into_iter().flatten() {
            put_bytes(out, text);
        }
        if let Some((kind, parameters)) = &self.disposition {
            put_token(out, kind);
            pack_parameters(parameters, out);
        }
        if !self.language.is_empty() {
            put_varint(out, u32::try_from(self.language.len()).unwrap_or(u32::MAX));
            for tag in &self.language {
                put_bytes(out, tag.as_bytes());
            }
        }
        if let Some(location) = &self.location {
            put_bytes(out, location);
        }
    }
}

fn pack_parameters(parameters: &[(String, Vec<u8>)], out: &mut Vec<u8>) {
    put_varint(out, u32::try_from(parameters.len()).unwrap_or(u32::MAX));
    for (name, value) in parameters {
        put_token(out, name);
        put_bytes(out, value);
    }
}

/// Walks a packed structure part by part without copying: a multipart comes before its children,
/// a message before the part that it holds.
#[derive(Clone, Copy, Debug)]
pub struct StructureRef<'a> {
    reader: Reader<'a>,
    parts_left: u32,
}

impl<'a> StructureRef<'a> {
    /// Opens what [`Structure::pack`] wrote. `None` for damaged bytes.
    #[must_use]
    pub fn open(bytes: &'a [u8]) -> Option<Self> {
        let mut reader = Reader { rest: bytes };
        if reader.byte()? != FORM {
            return None;
        }
        let parts_left = reader.count()?;
        Some(Self { reader, parts_left })
    }

    /// The next part; `None` at the end, or for damaged bytes.
    pub fn next_part(&mut self) -> Option<PartRef<'a>> {
        self.parts_left = self.parts_left.checked_sub(1)?;
        PartRef::read(&mut self.reader)
    }

    /// What lies behind the parts read so far.
    #[must_use]
    pub const fn rest(&self) -> &'a [u8] {
        self.reader.rest
    }
}

/// What a packed part is made of.
#[allow(clippy::large_enum_variant)] // Lives on the stack, one at a time.
#[derive(Clone, Copy, Debug)]
pub enum KindRef<'a> {
    /// Neither of the others.
    Leaf,
    /// multipart/*: so many children follow, each with what belongs to it.
    Multipart(u32),
    /// message/rfc822 or message/global: its envelope; the message inside follows.
    Message(EnvelopeRef<'a>),
}

/// A part in packed bytes; see [`Part`].
#[derive(Clone, Debug)]
pub struct PartRef<'a> {
    /// The header with its closing empty line.
    pub header: Range<u32>,
    /// The body.
    pub body: Range<u32>,
    /// Lines of the body.
    pub lines: u32,
    /// Media type in lower case.
    pub media_type: &'a str,
    /// Media subtype in lower case.
    pub media_subtype: &'a str,
    /// Content-Type parameters.
    pub parameters: ParametersRef<'a>,
    /// Content-ID.
    pub id: Option<&'a [u8]>,
    /// Content-Description.
    pub description: Option<&'a [u8]>,
    /// Name of the transfer encoding, in lower case unless unknown; see [`Encoding::name`].
    pub encoding: &'a str,
    /// Whether [`super::decode`] knows the encoding.
    pub encoding_known: bool,
    /// Content-MD5.
    pub md5: Option<&'a [u8]>,
    /// Content-Disposition and its parameters.
    pub disposition: Option<(&'a str, ParametersRef<'a>)>,
    /// Content-Language tags.
    pub language: Languages<'a>,
    /// Content-Location.
    pub location: Option<&'a [u8]>,
    /// Leaf, multipart or message.
    pub kind: KindRef<'a>,
}

impl<'a> PartRef<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let header_start = reader.varint()?;
        let header_end = header_start.checked_add(reader.varint()?)?;
        let body_start = header_end.checked_add(reader.varint()?)?;
        let body_end = body_start.checked_add(reader.varint()?)?;
        let lines = reader.varint()?;
        let (media_type, media_subtype) = (reader.token()?, reader.token()?);
        let code = reader.byte()?;
        let encoding = match code {
            0 => "7bit",
            1 => "8bit",
            2 => "binary",
            3 => "quoted-printable",
            4 => "base64",
            5 => reader.text()?,
            _ => return None,
        };
        let there = reader.varint()?;
        if there >= LOCATION << 1 {
            return None;
        }
        let has = |bit: u32| there & bit != 0;
        let text = |reader: &mut Reader<'a>, bit: u32| {
            if has(bit) { reader.bytes().map(Some) } else { Some(None) }
        };
        let parameters = ParametersRef::read_if(reader, has(PARAMETERS))?;
        let (id, description) = (text(reader, ID)?, text(reader, DESCRIPTION)?);
        let md5 = text(reader, MD5)?;
        let disposition = if has(DISPOSITION) {
            Some((reader.token()?, ParametersRef::read_if(reader, true)?))
        } else {
            None
        };
        let language = Languages::read_if(reader, has(LANGUAGE))?;
        let location = text(reader, LOCATION)?;
        let kind = match reader.byte()? {
            0 => KindRef::Leaf,
            1 => KindRef::Multipart(reader.varint()?),
            2 => {
                let (envelope, rest) = EnvelopeRef::unpack(reader.rest)?;
                reader.rest = rest;
                KindRef::Message(envelope)
            }
            _ => return None,
        };
        Some(Self {
            header: header_start..header_end,
            body: body_start..body_end,
            lines,
            media_type,
            media_subtype,
            parameters,
            id,
            description,
            encoding,
            encoding_known: code < 5,
            md5,
            disposition,
            language,
            location,
            kind,
        })
    }

    /// A copy that stands by itself; indices of children are not known here and left out.
    fn to_owned(&self) -> Part {
        let text = |field: Option<&[u8]>| field.map(<[u8]>::to_vec);
        let pairs = |list: ParametersRef<'_>| -> Vec<(String, Vec<u8>)> {
            list.map(|(name, value)| (name.to_owned(), value.to_vec())).collect()
        };
        Part {
            header: self.header.clone(),
            body: self.body.clone(),
            lines: self.lines,
            media_type: self.media_type.to_owned(),
            media_subtype: self.media_subtype.to_owned(),
            parameters: pairs(self.parameters),
            id: text(self.id),
            description: text(self.description),
            encoding: match (self.encoding_known, self.encoding) {
                (true, "7bit") => Encoding::SevenBit,
                (true, "8bit") => Encoding::EightBit,
                (true, "binary") => Encoding::Binary,
                (true, "quoted-printable") => Encoding::QuotedPrintable,
                (true, "base64") => Encoding::Base64,
                (_, other) => Encoding::Other(other.to_owned()),
            },
            md5: text(self.md5),
            disposition: self.disposition.map(|(kind, list)| (kind.to_owned(), pairs(list))),
            language: self.language.map(str::to_owned).collect(),
            location: text(self.location),
            kind: match &self.kind {
                KindRef::Leaf => PartKind::Leaf,
                KindRef::Multipart(_) => PartKind::Multipart(Vec::new()),
                KindRef::Message(envelope) => PartKind::Message(Box::new(envelope.to_owned()), 0),
            },
        }
    }
}

/// Packed parameters, checked: iterating gives each name and value.
#[derive(Clone, Copy, Debug)]
pub struct ParametersRef<'a> {
    count: u32,
    reader: Reader<'a>,
}

impl<'a> ParametersRef<'a> {
    fn read_if(reader: &mut Reader<'a>, there: bool) -> Option<Self> {
        let count = if there { reader.count()? } else { 0 };
        let list = Self { count, reader: *reader };
        for _ in 0..count {
            reader.token()?;
            reader.bytes()?;
        }
        Some(list)
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'a> Iterator for ParametersRef<'a> {
    type Item = (&'a str, &'a [u8]);

    fn next(&mut self) -> Option<Self::Item> {
        self.count = self.count.checked_sub(1)?;
        Some((self.reader.token()?, self.reader.bytes()?))
    }
}

/// Packed language tags, checked.
#[derive(Clone, Copy, Debug)]
pub struct Languages<'a> {
    count: u32,
    reader: Reader<'a>,
}

impl<'a> Languages<'a> {
    fn read_if(reader: &mut Reader<'a>, there: bool) -> Option<Self> {
        let count = if there { reader.count()? } else { 0 };
        let list = Self { count, reader: *reader };
        for _ in 0..count {
            reader.text()?;
        }
        Some(list)
    }

    /// How many tags.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }
}

impl<'a> Iterator for Languages<'a> {
    type Item = &'a str;

    fn next(&mut self) -> Option<&'a str> {
        self.count = self.count.checked_sub(1)?;
        self.reader.text()
    }
}
