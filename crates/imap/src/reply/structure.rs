//! ENVELOPE and BODYSTRUCTURE (RFC 9051 §7.5.2, `envelope` and `body` of §9).
//!
//! `message/rfc822` carries envelope, body and lines; `text/*` carries lines; everything else is
//! `body-type-basic`. A multipart without parts, which the grammar cannot say, is written as one
//! empty text part inside.

use super::decimal;
use super::string::{nstring, string};
use crate::effect::Enabled;
use mail::{Encoding, Envelope, Mailbox, Part, PartKind, Structure};
use wire::Outbox;

/// Deeper nesting than a structure can have (see `mail::mime::Limits::depth_max`); what lies
/// below is written as an empty part.
const DEPTH_MAX: usize = 200;

/// `envelope`
pub fn write_envelope(out: &mut Outbox, envelope: &Envelope, enabled: Enabled) {
    out.put(b"(");
    nstring(out, envelope.date.as_deref(), enabled);
    out.put(b" ");
    nstring(out, envelope.subject.as_deref(), enabled);
    // RFC 9051 §7.5.2: "if the Sender or Reply-To header fields are absent … the server sets the
    // corresponding member … from the from member".
    for list in [
        &envelope.from,
        fallback(&envelope.sender, &envelope.from),
        fallback(&envelope.reply_to, &envelope.from),
        &envelope.to,
        &envelope.cc,
        &envelope.bcc,
    ] {
        out.put(b" ");
        addresses(out, list, enabled);
    }
    out.put(b" ");
    nstring(out, envelope.in_reply_to.as_deref(), enabled);
    out.put(b" ");
    nstring(out, envelope.message_id.as_deref(), enabled);
    out.put(b")");
}

const fn fallback<'a>(list: &'a Vec<Mailbox>, from: &'a Vec<Mailbox>) -> &'a Vec<Mailbox> {
    if list.is_empty() { from } else { list }
}

fn addresses(out: &mut Outbox, list: &[Mailbox], enabled: Enabled) {
    if list.is_empty() {
        out.put(b"NIL");
        return;
    }
    out.put(b"(");
    for mailbox in list {
        let mut start: &[u8] = b"(";
        for field in [&mailbox.name, &mailbox.route, &mailbox.mailbox, &mailbox.host] {
            out.put(start);
            nstring(out, field.as_deref(), enabled);
            start = b" ";
        }
        out.put(b")");
    }
    out.put(b")");
}

/// `body`; with `extended` what BODYSTRUCTURE says besides.
pub fn write_body(out: &mut Outbox, structure: &Structure, extended: bool, enabled: Enabled) {
    let mut writer = Writer { out, structure, extended, enabled };
    writer.part(0, 0);
}

struct Writer<'a> {
    out: &'a mut Outbox,
    structure: &'a Structure,
    extended: bool,
    enabled: Enabled,
}

const EMPTY_PART: &[u8] = b"(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0)";

impl Writer<'_> {
    fn part(&mut self, index: u32, depth: usize) {
        let structure = self.structure;
        let part = structure.parts.get(index as usize).filter(|_| depth < DEPTH_MAX);
        let Some(part) = part else {
            self.out.put(EMPTY_PART);
            return;
        };
        self.out.put(b"(");
        match &part.kind {
            PartKind::Multipart(children) => self.multipart(part, children, depth),
            PartKind::Leaf => self.leaf(part, None, depth),
            PartKind::Message(envelope, inner) => {
                self.leaf(part, Some((envelope.as_ref(), *inner)), depth);
            }
        }
        self.out.put(b")");
    }

    /// `body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]`
    fn multipart(&mut self, part: &Part, children: &[u32], depth: usize) {
        for child in children {
            self.part(*child, depth + 1);
        }
        if children.is_empty() {
            self.out.put(EMPTY_PART);
        }
        self.out.put(b" ");
        self.upper(&part.media_subtype);
        if self.extended {
            self.out.put(b" ");
            self.parameters(&part.parameters);
            self.extension(part);
        }
    }

    /// `body-type-basic`, `body-type-text`, `body-type-msg`
    fn leaf(&mut self, part: &Part, message: Option<(&Envelope, u32)>, depth: usize) {
        // A message/rfc822 that could not be entered (encoded, too deep) has no envelope to show,
        // but `body-type-msg` demands one: it goes as plain octets.
        let octets_only = message.is_none()
            && part.media_type == "message"
            && matches!(part.media_subtype.as_str(), "rfc822" | "global");
        if octets_only {
            self.out.put(b"\"APPLICATION\" \"OCTET-STREAM\"");
        } else {
            self.upper(&part.media_type);
            self.out.put(b" ");
            self.upper(&part.media_subtype);
        }
        self.out.put(b" ");
        self.parameters(&part.parameters);
        self.out.put(b" ");
        nstring(self.out, part.id.as_deref(), self.enabled);
        self.out.put(b" ");
        nstring(self.out, part.description.as_deref(), self.enabled);
        self.out.put(b" ");
        self.encoding(&part.encoding);
        self.out.put(b" ");
        decimal(self.out, part.body.len() as u64);
        if let Some((envelope, inner)) = message {
            self.out.put(b" ");
            write_envelope(self.out, envelope, self.enabled);
            self.out.put(b" ");
            self.part(inner, depth + 1);
        }
        if message.is_some() || part.media_type == "text" {
            self.out.put(b" ");
            decimal(self.out, part.lines.into());
        }
        if self.extended {
            self.out.put(b" ");
            nstring(self.out, part.md5.as_deref(), self.enabled);
            self.extension(part);
        }
    }

    /// Disposition, language, location: the end of `body-ext-1part` and `body-ext-mpart`.
    fn extension(&mut self, part: &Part) {
        match &part.disposition {
            Some((disposition, parameters)) => {
                self.out.put(b" (");
                self.upper(disposition);
                self.out.put(b" ");
                self.parameters(parameters);
                self.out.put(b")");
            }
            None => self.out.put(b" NIL"),
        }
        match part.language.as_slice() {
            [] => self.out.put(b" NIL"),
            [one] => {
                self.out.put(b" ");
                string(self.out, one.as_bytes(), self.enabled);
            }
            many => {
                let mut start: &[u8] = b" (";
                for tag in many {
                    self.out.put(start);
                    string(self.out, tag.as_bytes(), self.enabled);
                    start = b" ";
                }
                self.out.put(b")");
            }
        }
        self.out.put(b" ");
        nstring(self.out, part.location.as_deref(), self.enabled);
    }

    fn parameters(&mut self, parameters: &[(String, Vec<u8>)]) {
        if parameters.is_empty() {
            self.out.put(b"NIL");
            return;
        }
        let mut start: &[u8] = b"(";
        for (name, value) in parameters {
            self.out.put(start);
            string(self.out, name.as_bytes(), self.enabled);
            self.out.put(b" ");
            string(self.out, value, self.enabled);
            start = b" ";
        }
        self.out.put(b")");
    }

    fn encoding(&mut self, encoding: &Encoding) {
        match encoding {
            Encoding::SevenBit => self.out.put(b"\"7BIT\""),
            Encoding::EightBit => self.out.put(b"\"8BIT\""),
            Encoding::Binary => self.out.put(b"\"BINARY\""),
            Encoding::QuotedPrintable => self.out.put(b"\"QUOTED-PRINTABLE\""),
            Encoding::Base64 => self.out.put(b"\"BASE64\""),
            Encoding::Other(name) => string(self.out, name.as_bytes(), self.enabled),
        }
    }

    /// Media types go in upper case, as most servers do.
    fn upper(&mut self, text: &str) {
        let mut upper = [0_u8; 64];
        match upper.get_mut(..text.len()) {
            Some(upper) => {
                upper.copy_from_slice(text.as_bytes());
                upper.make_ascii_uppercase();
                string(self.out, upper, self.enabled);
            }
            None => string(self.out, text.to_ascii_uppercase().as_bytes(), self.enabled),
        }
    }
}
