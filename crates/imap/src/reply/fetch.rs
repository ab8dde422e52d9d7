//! One FETCH line (RFC 9051 §7.5.2), item by item, in the order of the calls.

use super::string::string;
use super::structure::{write_body, write_envelope};
use super::{FetchLine, decimal};
use crate::effect::Enabled;
use crate::types::{FetchItem, Section, SectionText};
use mail::envelope::EnvelopeRef;
use mail::mime::StructureRef;
use mail::{ModSeq, SystemFlags, Uid};
use wire::Outbox;

/// Writes the items of one FETCH line. The line stays open when the writer is dropped without
/// [`FetchWriter::end`]: a literal goes on through
/// [`Reply::resume_fetch`](super::Reply::resume_fetch).
#[derive(Debug)]
pub struct FetchWriter<'a> {
    pub(super) out: &'a mut Outbox,
    pub(super) line: &'a mut FetchLine,
    pub(super) enabled: Enabled,
}

impl FetchWriter<'_> {
    /// `UID n`; nothing once UIDONLY is enabled: the line begins with it.
    pub fn uid(&mut self, uid: Uid) {
        if self.enabled.uidonly {
            return;
        }
        self.item(b"UID ");
        decimal(self.out, uid.0.into());
    }

    /// `FLAGS (…)`; `recent` says `\Recent`, never under IMAP4rev2. Keywords as first written.
    pub fn flags<'k>(
        &mut self,
        system: SystemFlags,
        recent: bool,
        keywords: impl IntoIterator<Item = &'k str>,
    ) {
        self.item(b"FLAGS (");
        let mut space: &[u8] = b"";
        for (name, flag) in &SystemFlags::NAMES {
            if system.contains(*flag) {
                self.out.put(space);
                self.out.put(name.as_bytes());
                space = b" ";
            }
        }
        if recent && !self.enabled.rev2 {
            self.out.put(space);
            self.out.put(b"\\Recent");
            space = b" ";
        }
        for keyword in keywords {
            self.out.put(space);
            self.out.put(keyword.as_bytes());
            space = b" ";
        }
        self.out.put(b")");
    }

    /// `MODSEQ (n)` (RFC 7162 §3.1.4.2)
    pub fn modseq(&mut self, modseq: ModSeq) {
        self.item(b"MODSEQ (");
        decimal(self.out, modseq.0);
        self.out.put(b")");
    }

    /// `INTERNALDATE "…"` of seconds since 1970, written in UTC.
    pub fn internal_date(&mut self, seconds: i64) {
        self.item(b"INTERNALDATE \"");
        self.out.put(&crate::date::date_time(seconds));
        self.out.put(b"\"");
    }

    /// `SAVEDATE "…"`, seconds since 1970 UTC, or `SAVEDATE NIL` (RFC 8514 §4.2).
    pub fn save_date(&mut self, seconds: Option<i64>) {
        match seconds {
            Some(seconds) => {
                self.item(b"SAVEDATE \"");
                self.out.put(&crate::date::date_time(seconds));
                self.out.put(b"\"");
            }
            None => self.item(b"SAVEDATE NIL"),
        }
    }

    /// `RFC822.SIZE n`, octets.
    pub fn size(&mut self, octets: u64) {
        self.item(b"RFC822.SIZE ");
        decimal(self.out, octets);
    }

    /// `ENVELOPE (…)`
    pub fn envelope(&mut self, envelope: &EnvelopeRef<'_>) {
        self.item(b"ENVELOPE ");
        write_envelope(self.out, envelope, self.enabled);
    }

    /// `BODY (…)`: the structure without extension data. It stands before its first part.
    pub fn body(&mut self, structure: StructureRef<'_>) {
        self.item(b"BODY ");
        write_body(self.out, structure, false, self.enabled);
    }

    /// `BODYSTRUCTURE (…)`. The structure stands before its first part.
    pub fn body_structure(&mut self, structure: StructureRef<'_>) {
        self.item(b"BODYSTRUCTURE ");
        write_body(self.out, structure, true, self.enabled);
    }

    /// `PREVIEW "…"` (RFC 8970 §3.1); empty where there is nothing to show.
    pub fn preview(&mut self, text: &str) {
        self.item(b"PREVIEW ");
        string(self.out, text.as_bytes(), self.enabled);
    }

    /// `EMAILID (id)` (RFC 8474 §5.1)
    pub fn email_id(&mut self, id: &str) {
        self.item(b"EMAILID (");
        self.out.put(id.as_bytes());
        self.out.put(b")");
    }

    /// `THREADID (id)`, or `THREADID NIL` (RFC 8474 §5.2)
    pub fn thread_id(&mut self, id: Option<&str>) {
        match id {
            Some(id) => {
                self.item(b"THREADID (");
                self.out.put(id.as_bytes());
                self.out.put(b")");
            }
            None => self.item(b"THREADID NIL"),
        }
    }

    /// Opens the literal of `item`, which is one of [`FetchItem::BodySection`],
    /// [`FetchItem::Rfc822`], [`FetchItem::Rfc822Header`], [`FetchItem::Rfc822Text`]: `octets` must
    /// follow through [`FetchWriter::chunk`], now or later. `None` (no such part) writes NIL.
    ///
    /// The partial's origin and the section are echoed as asked (quirk: Apple Mail compares them).
    pub fn section(&mut self, item: &FetchItem, octets: Option<u64>) {
        match item {
            FetchItem::BodySection { section, partial, .. } => {
                self.item(b"BODY[");
                write_section(self.out, section);
                self.out.put(b"]");
                self.origin(partial.map(|partial| partial.offset));
            }
            FetchItem::Rfc822Header => self.item(b"RFC822.HEADER"),
            FetchItem::Rfc822Text => self.item(b"RFC822.TEXT"),
            _ => {
                assert!(*item == FetchItem::Rfc822, "no section: {item:?}");
                self.item(b"RFC822");
            }
        }
        self.open_literal(octets, false);
    }

    /// Opens `BINARY[part]<origin>` of [`FetchItem::Binary`] (RFC 9051 §6.4.5); `nul` says that the
    /// octets hold a NUL, so that they go as a literal8. `None` writes NIL.
    pub fn binary(&mut self, item: &FetchItem, octets: Option<u64>, nul: bool) {
        let binary = match item {
            FetchItem::Binary { part, partial, .. } => Some((part, partial)),
            _ => None,
        };
        assert!(binary.is_some(), "no BINARY: {item:?}");
        let Some((part, partial)) = binary else { return };
        self.item(b"BINARY[");
        write_part(self.out, part);
        self.out.put(b"]");
        self.origin(partial.map(|partial| partial.offset));
        self.open_literal(octets, nul);
    }

    /// `BINARY.SIZE[part] n`, octets of the decoded part.
    pub fn binary_size(&mut self, part: &[u32], octets: u64) {
        self.item(b"BINARY.SIZE[");
        write_part(self.out, part);
        self.out.put(b"] ");
        decimal(self.out, octets);
    }

    /// Octets of the literal at hand.
    pub fn chunk(&mut self, bytes: &[u8]) {
        let octets = bytes.len() as u64;
        assert!(octets <= self.line.literal_left, "more octets than announced");
        self.line.literal_left -= octets;
        self.out.put(bytes);
    }

    /// Octets of the literal at hand that are still to come.
    #[must_use]
    pub const fn literal_left(&self) -> u64 {
        self.line.literal_left
    }

    /// Octets that wait to be sent: end a piece of a stream when they are some 64 KiB.
    #[must_use]
    pub fn pending_octets(&self) -> usize {
        self.out.len()
    }

    /// Closes the line.
    pub fn end(self) {
        assert!(self.line.literal_left == 0, "fewer octets than announced");
        if let Some(uid) = self.line.uid {
            // There is no line without an item (RFC 9051 §9, msg-att).
            self.out.put(b"UID ");
            decimal(self.out, uid.0.into());
        }
        *self.line = FetchLine::default();
        self.out.put(b")\r\n");
    }

    fn item(&mut self, name: &[u8]) {
        assert!(self.line.literal_left == 0, "fewer octets than announced");
        if self.line.spaced {
            self.out.put(b" ");
        }
        self.line.spaced = true;
        self.line.uid = None;
        self.out.put(name);
    }

    fn origin(&mut self, origin: Option<u32>) {
        if let Some(origin) = origin {
            self.out.put(b"<");
            decimal(self.out, origin.into());
            self.out.put(b">");
        }
    }

    fn open_literal(&mut self, octets: Option<u64>, literal8: bool) {
        match octets {
            None => self.out.put(b" NIL"),
            Some(octets) => {
                self.out.put(if literal8 { b" ~{" } else { b" {" });
                decimal(self.out, octets);
                self.out.put(b"}\r\n");
                self.line.literal_left = octets;
            }
        }
    }
}

fn write_part(out: &mut Outbox, part: &[u32]) {
    for (at, number) in part.iter().enumerate() {
        if at > 0 {
            out.put(b".");
        }
        decimal(out, (*number).into());
    }
}

/// `section-spec` as it was asked, header names verbatim and in order (quirk 2).
fn write_section(out: &mut Outbox, section: &Section) {
    write_part(out, &section.part);
    let (name, fields): (&[u8], Option<&Vec<Vec<u8>>>) = match &section.text {
        SectionText::Whole => return,
        SectionText::Header => (b"HEADER", None),
        SectionText::HeaderFields(fields) => (b"HEADER.FIELDS", Some(fields)),
        SectionText::HeaderFieldsNot(fields) => (b"HEADER.FIELDS.NOT", Some(fields)),
        SectionText::Text => (b"TEXT", None),
        SectionText::Mime => (b"MIME", None),
    };
    if !section.part.is_empty() {
        out.put(b".");
    }
    out.put(name);
    if let Some(fields) = fields {
        let mut start: &[u8] = b" (";
        for field in fields {
            out.put(start);
            super::string::field_name(out, field);
            start = b" ";
        }
        out.put(b")");
    }
}
