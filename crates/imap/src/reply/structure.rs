//! ENVELOPE and BODYSTRUCTURE (RFC 9051 §7.5.2, `envelope` and `body` of §9), from the packed forms
//! that are kept with each message: nothing is copied on the way.
//!
//! `message/rfc822` carries envelope, body and lines; `text/*` carries lines; everything else is
//! `body-type-basic`. A multipart without parts, which the grammar cannot say, is written with one
//! empty text part inside, and so is whatever is missing from a damaged structure.

use super::decimal;
use super::string::{nstring, string};
use crate::effect::Enabled;
use mail::envelope::{EnvelopeRef, Mailboxes};
use mail::mime::{KindRef, ParametersRef, PartRef, StructureRef};
use wire::Outbox;

/// Deeper nesting than a structure can have (see `mail::mime::Limits::depth_max`); what lies
/// below is written as an empty part.
const DEPTH_MAX: usize = 200;

/// `envelope`
pub fn write_envelope(out: &mut Outbox, envelope: &EnvelopeRef<'_>, enabled: Enabled) {
    out.put(b"(");
    nstring(out, envelope.date, enabled);
    out.put(b" ");
    nstring(out, envelope.subject, enabled);
    // RFC 9051 §7.5.2: "if the Sender or Reply-To header fields are absent … or are present but
    // empty, the server sets the corresponding member of the envelope to be the same value as the
    // from member".
    let from = envelope.from;
    let sender = if envelope.sender.is_empty() { from } else { envelope.sender };
    let reply_to = if envelope.reply_to.is_empty() { from } else { envelope.reply_to };
    for list in [from, sender, reply_to, envelope.to, envelope.cc, envelope.bcc] {
        out.put(b" ");
        addresses(out, list, enabled);
    }
    out.put(b" ");
    nstring(out, envelope.in_reply_to, enabled);
    out.put(b" ");
    nstring(out, envelope.message_id, enabled);
    out.put(b")");
}

fn addresses(out: &mut Outbox, list: Mailboxes<'_>, enabled: Enabled) {
    if list.is_empty() {
        out.put(b"NIL");
        return;
    }
    out.put(b"(");
    for mailbox in list {
        let mut start: &[u8] = b"(";
        for field in [mailbox.name, mailbox.route, mailbox.mailbox, mailbox.host] {
            out.put(start);
            nstring(out, field, enabled);
            start = b" ";
        }
        out.put(b")");
    }
    out.put(b")");
}

/// `body`; with `extended` what BODYSTRUCTURE says besides.
pub fn write_body(out: &mut Outbox, structure: StructureRef<'_>, extended: bool, enabled: Enabled) {
    let mut writer = Writer { out, structure, extended, enabled };
    writer.part(0);
}

struct Writer<'a> {
    out: &'a mut Outbox,
    structure: StructureRef<'a>,
    extended: bool,
    enabled: Enabled,
}

const EMPTY_PART: &[u8] = b"(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0)";

impl Writer<'_> {
    /// The next part and what belongs to it.
    fn part(&mut self, depth: usize) {
        let Some(part) = self.structure.next_part().filter(|_| depth < DEPTH_MAX) else {
            self.out.put(EMPTY_PART);
            return;
        };
        self.out.put(b"(");
        match part.kind {
            KindRef::Multipart(children) => self.multipart(&part, children, depth),
            KindRef::Leaf => self.leaf(&part, None, depth),
            KindRef::Message(envelope) => self.leaf(&part, Some(&envelope), depth),
        }
        self.out.put(b")");
    }

    /// `body-type-mpart = 1*body SP media-subtype [SP body-ext-mpart]`
    fn multipart(&mut self, part: &PartRef<'_>, children: u32, depth: usize) {
        for _ in 0..children {
            self.part(depth + 1);
        }
        if children == 0 {
            self.out.put(EMPTY_PART);
        }
        self.out.put(b" ");
        self.upper(part.media_subtype);
        if self.extended {
            self.out.put(b" ");
            self.parameters(part.parameters);
            self.extension(part);
        }
    }

    /// `body-type-basic`, `body-type-text`, `body-type-msg`
    fn leaf(&mut self, part: &PartRef<'_>, message: Option<&EnvelopeRef<'_>>, depth: usize) {
        // A message/rfc822 that could not be entered (encoded, too deep) has no envelope to show,
        // but `body-type-msg` demands one: it goes as plain octets.
        let closed = message.is_none()
            && part.media_type == "message"
            && matches!(part.media_subtype, "rfc822" | "global");
        if closed {
            self.out.put(b"\"APPLICATION\" \"OCTET-STREAM\"");
        } else {
            self.upper(part.media_type);
            self.out.put(b" ");
            self.upper(part.media_subtype);
        }
        self.out.put(b" ");
        self.parameters(part.parameters);
        self.out.put(b" ");
        nstring(self.out, part.id, self.enabled);
        self.out.put(b" ");
        nstring(self.out, part.description, self.enabled);
        self.out.put(b" ");
        if part.encoding_known {
            self.upper(part.encoding);
        } else {
            string(self.out, part.encoding.as_bytes(), self.enabled);
        }
        self.out.put(b" ");
        decimal(self.out, part.body.len() as u64);
        if let Some(envelope) = message {
            self.out.put(b" ");
            write_envelope(self.out, envelope, self.enabled);
            self.out.put(b" ");
            self.part(depth + 1);
        }
        if message.is_some() || part.media_type == "text" {
            self.out.put(b" ");
            decimal(self.out, part.lines.into());
        }
        if self.extended {
            self.out.put(b" ");
            nstring(self.out, part.md5, self.enabled);
            self.extension(part);
        }
    }

    /// Disposition, language, location: the end of `body-ext-1part` and `body-ext-mpart`.
    fn extension(&mut self, part: &PartRef<'_>) {
        match part.disposition {
            Some((disposition, parameters)) => {
                self.out.put(b" (");
                self.upper(disposition);
                self.out.put(b" ");
                self.parameters(parameters);
                self.out.put(b")");
            }
            None => self.out.put(b" NIL"),
        }
        let many = part.language.len() > 1;
        if part.language.is_empty() {
            self.out.put(b" NIL");
        }
        let mut start: &[u8] = if many { b" (" } else { b" " };
        for tag in part.language {
            self.out.put(start);
            string(self.out, tag.as_bytes(), self.enabled);
            start = b" ";
        }
        self.out.put(if many { b") " } else { b" " });
        nstring(self.out, part.location, self.enabled);
    }

    fn parameters(&mut self, parameters: ParametersRef<'_>) {
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

    /// Names of media types and the like go in upper case, as most servers do.
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
