//! ENVELOPE (RFC 9051 §7.5.2) and the address lists of RFC 5322 §3.4.
//!
//! Everything stays in the bytes of the message, unfolded but not decoded. Reading never fails:
//! what is not an address becomes one as well as it can. Two forms: [`Envelope`] owns its parts,
//! [`EnvelopeRef`] borrows them from packed bytes, for writing a hundred thousand without copying.

mod list;
mod packed;

pub use list::address_list;
pub use packed::{EnvelopeRef, MailboxRef, Mailboxes};

use crate::header;
use crate::mime::Limits;

/// One element of an address list as ENVELOPE writes it. A group opens with `mailbox` set and
/// `host` `None`, and ends with both `None`. An address without domain has an empty `host`; `<>`
/// has an empty `mailbox` too.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Mailbox {
    /// Display name, unquoted, encoded words left as they are.
    pub name: Option<Vec<u8>>,
    /// Source route (`addr-adl`), obsolete.
    pub route: Option<Vec<u8>>,
    /// Local part, or group name.
    pub mailbox: Option<Vec<u8>>,
    /// Domain.
    pub host: Option<Vec<u8>>,
}

/// Header fields of ENVELOPE: unfolded, not decoded, `None` where absent. Of fields given twice
/// the first counts, address lists go on.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Envelope {
    /// Date
    pub date: Option<Vec<u8>>,
    /// Subject
    pub subject: Option<Vec<u8>>,
    /// From
    pub from: Vec<Mailbox>,
    /// Sender (the writer falls back on From when empty)
    pub sender: Vec<Mailbox>,
    /// Reply-To (the writer falls back on From when empty)
    pub reply_to: Vec<Mailbox>,
    /// To
    pub to: Vec<Mailbox>,
    /// Cc
    pub cc: Vec<Mailbox>,
    /// Bcc
    pub bcc: Vec<Mailbox>,
    /// In-Reply-To
    pub in_reply_to: Option<Vec<u8>>,
    /// Message-ID
    pub message_id: Option<Vec<u8>>,
}

impl Envelope {
    /// Reads the header of a message (all bytes up to and with the empty line), within the default
    /// [`Limits`]: fields, octets and addresses past them are left out.
    #[must_use]
    pub fn parse(header: &[u8]) -> Self {
        let limits = Limits::default();
        let mut addresses_left = limits.addresses_max;
        Self::parse_within(header, &limits, &mut addresses_left)
    }

    /// As [`Envelope::parse`]; takes what it uses from `addresses_left`, which the envelopes of
    /// one message share.
    pub(crate) fn parse_within(header: &[u8], limits: &Limits, addresses_left: &mut usize) -> Self {
        let header = header.get(..limits.header_octets_max).unwrap_or(header);
        let mut envelope = Self::default();
        for field in header::fields(header).take(limits.fields_max) {
            envelope.take_field(&field, addresses_left);
        }
        envelope
    }

    fn take_field(&mut self, field: &header::Field<'_>, addresses_left: &mut usize) {
        let Some((text, list)) = self.place(field) else { return };
        if let Some(text) = text {
            if text.is_none() {
                *text = Some(field.unfolded());
            }
        } else if let Some(list) = list {
            let mut found = list::read(field.value, *addresses_left);
            *addresses_left = addresses_left.saturating_sub(found.len());
            list.append(&mut found);
        }
    }

    /// Where a field goes: to a text or to a list.
    #[allow(clippy::type_complexity)]
    fn place(
        &mut self,
        field: &header::Field<'_>,
    ) -> Option<(Option<&mut Option<Vec<u8>>>, Option<&mut Vec<Mailbox>>)> {
        let is = |name: &str| field.is(name);
        Some(match field.name.len() {
            2 if is("To") => (None, Some(&mut self.to)),
            2 if is("Cc") => (None, Some(&mut self.cc)),
            3 if is("Bcc") => (None, Some(&mut self.bcc)),
            4 if is("From") => (None, Some(&mut self.from)),
            4 if is("Date") => (Some(&mut self.date), None),
            6 if is("Sender") => (None, Some(&mut self.sender)),
            7 if is("Subject") => (Some(&mut self.subject), None),
            8 if is("Reply-To") => (None, Some(&mut self.reply_to)),
            10 if is("Message-ID") => (Some(&mut self.message_id), None),
            11 if is("In-Reply-To") => (Some(&mut self.in_reply_to), None),
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HEADER: &[u8] = b"Date: Mon, 23 Nov 2026 08:51:00 +0000\r\n\
        FROM: Ana <ana@example.test>\r\nSubject: one\r\n two\r\nTo: a@b\r\nTO: c@d\r\n\
        subject: other\r\nMessage-Id: <1@x>\r\nX-To: no@no\r\n\r\nCc: body@no\r\n";

    #[test]
    fn fields_are_found_in_any_case_and_unfolded() {
        let envelope = Envelope::parse(HEADER);
        assert_eq!(envelope.subject.as_deref(), Some(&b"one two"[..]));
        assert_eq!(envelope.from.len(), 1);
        assert_eq!(envelope.to.len(), 2);
        assert_eq!(envelope.message_id.as_deref(), Some(&b"<1@x>"[..]));
        assert_eq!(envelope.in_reply_to, None);
        assert!(envelope.cc.is_empty() && envelope.sender.is_empty());
    }

    #[test]
    fn addresses_max_at_n_and_one_more() {
        let count = |n: usize| {
            let header = format!("To: {}\r\n\r\n", "a@b,".repeat(n));
            Envelope::parse(header.as_bytes()).to.len()
        };
        let max = Limits::default().addresses_max;
        assert_eq!((count(max), count(max + 1)), (max, max));
    }

    #[test]
    fn fields_max_at_n_and_one_more() {
        let subject = |n: usize| {
            let header = format!("{}Subject: x\r\n\r\n", "A: b\r\n".repeat(n - 1));
            Envelope::parse(header.as_bytes()).subject.is_some()
        };
        let max = Limits::default().fields_max;
        assert!(subject(max));
        assert!(!subject(max + 1));
    }

    #[test]
    fn header_octets_max_at_n_and_one_more() {
        let limits = Limits { header_octets_max: 16, ..Limits::default() };
        let subject = |header: &[u8]| Envelope::parse_within(header, &limits, &mut 1).subject;
        assert_eq!(subject(b"Subject: abcdefg").as_deref(), Some(&b"abcdefg"[..]));
        assert_eq!(subject(b"Subject: abcdefgh").as_deref(), Some(&b"abcdefg"[..]));
    }
}
