//! The packed form of an envelope, and the visitor that borrows from it.
//!
//! Form 1: the octet 1, then date, subject, From, Sender, Reply-To, To, Cc, Bcc, In-Reply-To and
//! Message-ID. A text is an optional string; a list is a count of elements and for each name,
//! route, mailbox and host as optional strings. Later forms get other first octets.

use super::{Envelope, Mailbox};
use crate::packed::{Reader, put_option, put_varint};

const FORM: u8 = 1;

impl Envelope {
    /// A compact form for storing, readable for ever.
    pub fn pack(&self, out: &mut Vec<u8>) {
        out.push(FORM);
        put_option(out, self.date.as_deref());
        put_option(out, self.subject.as_deref());
        for list in [&self.from, &self.sender, &self.reply_to, &self.to, &self.cc, &self.bcc] {
            put_varint(out, u32::try_from(list.len()).unwrap_or(u32::MAX));
            for mailbox in list {
                put_option(out, mailbox.name.as_deref());
                put_option(out, mailbox.route.as_deref());
                put_option(out, mailbox.mailbox.as_deref());
                put_option(out, mailbox.host.as_deref());
            }
        }
        put_option(out, self.in_reply_to.as_deref());
        put_option(out, self.message_id.as_deref());
    }

    /// Reads what [`Envelope::pack`] wrote; gives the rest. `None` for damaged bytes.
    #[must_use]
    pub fn unpack(bytes: &[u8]) -> Option<(Self, &[u8])> {
        let (envelope, rest) = EnvelopeRef::unpack(bytes)?;
        Some((envelope.to_owned(), rest))
    }
}

/// One element of an address list, borrowed; see [`Mailbox`].
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct MailboxRef<'a> {
    /// Display name.
    pub name: Option<&'a [u8]>,
    /// Source route.
    pub route: Option<&'a [u8]>,
    /// Local part, or group name.
    pub mailbox: Option<&'a [u8]>,
    /// Domain.
    pub host: Option<&'a [u8]>,
}

impl<'a> MailboxRef<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        Some(Self {
            name: reader.option()?,
            route: reader.option()?,
            mailbox: reader.option()?,
            host: reader.option()?,
        })
    }
}

/// A packed address list, checked: iterating gives each element without copying.
#[derive(Clone, Copy, Debug)]
pub struct Mailboxes<'a> {
    count: u32,
    reader: Reader<'a>,
}

impl<'a> Mailboxes<'a> {
    fn read(reader: &mut Reader<'a>) -> Option<Self> {
        let count = reader.count()?;
        let list = Self { count, reader: *reader };
        for _ in 0..count {
            MailboxRef::read(reader)?;
        }
        Some(list)
    }

    /// Whether there is no element.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.count == 0
    }

    /// How many elements.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.count as usize
    }
}

impl<'a> Iterator for Mailboxes<'a> {
    type Item = MailboxRef<'a>;

    fn next(&mut self) -> Option<MailboxRef<'a>> {
        self.count = self.count.checked_sub(1)?;
        MailboxRef::read(&mut self.reader)
    }
}

/// An envelope in packed bytes, each field a slice of them; see [`Envelope`].
#[derive(Clone, Copy, Debug)]
pub struct EnvelopeRef<'a> {
    /// Date
    pub date: Option<&'a [u8]>,
    /// Subject
    pub subject: Option<&'a [u8]>,
    /// From
    pub from: Mailboxes<'a>,
    /// Sender (the writer falls back on From when empty)
    pub sender: Mailboxes<'a>,
    /// Reply-To (the writer falls back on From when empty)
    pub reply_to: Mailboxes<'a>,
    /// To
    pub to: Mailboxes<'a>,
    /// Cc
    pub cc: Mailboxes<'a>,
    /// Bcc
    pub bcc: Mailboxes<'a>,
    /// In-Reply-To
    pub in_reply_to: Option<&'a [u8]>,
    /// Message-ID
    pub message_id: Option<&'a [u8]>,
}

impl<'a> EnvelopeRef<'a> {
    /// Finds the fields in what [`Envelope::pack`] wrote, checking all of it; gives the rest.
    /// `None` for damaged bytes.
    #[must_use]
    pub fn unpack(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let mut reader = Reader { rest: bytes };
        if reader.byte()? != FORM {
            return None;
        }
        let envelope = Self {
            date: reader.option()?,
            subject: reader.option()?,
            from: Mailboxes::read(&mut reader)?,
            sender: Mailboxes::read(&mut reader)?,
            reply_to: Mailboxes::read(&mut reader)?,
            to: Mailboxes::read(&mut reader)?,
            cc: Mailboxes::read(&mut reader)?,
            bcc: Mailboxes::read(&mut reader)?,
            in_reply_to: reader.option()?,
            message_id: reader.option()?,
        };
        Some((envelope, reader.rest))
    }

    /// A copy that stands by itself.
    #[must_use]
    pub fn to_owned(&self) -> Envelope {
        let text = |field: Option<&[u8]>| field.map(<[u8]>::to_vec);
        let list = |list: Mailboxes<'_>| {
            let mut owned = Vec::with_capacity(list.len());
            owned.extend(list.map(|mailbox| Mailbox {
                name: text(mailbox.name),
                route: text(mailbox.route),
                mailbox: text(mailbox.mailbox),
                host: text(mailbox.host),
            }));
            owned
        };
        Envelope {
            date: text(self.date),
            subject: text(self.subject),
            from: list(self.from),
            sender: list(self.sender),
            reply_to: list(self.reply_to),
            to: list(self.to),
            cc: list(self.cc),
            bcc: list(self.bcc),
            in_reply_to: text(self.in_reply_to),
            message_id: text(self.message_id),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sample() -> Envelope {
        Envelope::parse(
            b"From: Ana <ana@x.test>\nTo: G: a@b, c@d;\nCc: <@r:e@f>\nSubject:\n\
            Date: x\nMessage-ID: <i@x>\n\n",
        )
    }

    #[test]
    fn inverse_and_rest() {
        for envelope in [Envelope::default(), sample()] {
            let mut out = Vec::new();
            envelope.pack(&mut out);
            out.extend_from_slice(b"rest");
            assert_eq!(Envelope::unpack(&out), Some((envelope, &b"rest"[..])));
        }
    }

    #[test]
    fn borrowed_fields() {
        let mut out = Vec::new();
        sample().pack(&mut out);
        let (envelope, _) = EnvelopeRef::unpack(&out).unwrap();
        assert_eq!(envelope.subject, Some(&b""[..]));
        assert_eq!(envelope.to.len(), 4);
        assert_eq!(envelope.to.map(|m| m.host).collect::<Vec<_>>()[1], Some(&b"b"[..]));
        assert!(envelope.bcc.is_empty());
    }

    #[test]
    fn every_cut_is_noticed() {
        let mut out = Vec::new();
        sample().pack(&mut out);
        for end in 0..out.len() {
            assert_eq!(Envelope::unpack(&out[..end]), None, "{end}");
        }
        out[0] = 2;
        assert_eq!(Envelope::unpack(&out), None);
    }

    proptest! {
        #[test]
        fn damage_never_panics(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = Envelope::unpack(&[&[FORM][..], &bytes].concat());
        }

        #[test]
        fn flipped_bytes_never_panic(at in 0_usize..80, byte: u8) {
            let mut out = Vec::new();
            sample().pack(&mut out);
            if let Some(place) = out.get_mut(at) { *place = byte; }
            let _ = Envelope::unpack(&out);
        }
    }
}
