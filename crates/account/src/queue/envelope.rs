//! What is known of a message in the queue, and how it is written.
//!
//! The first octet is the form's number: old ones stay readable.

use crate::{
    codec::{Reader, Writer},
    explain::Explained,
};
use mail::{AccountId, Address, Domain};

const FORM: u8 = 1;
/// Of an envelope: its first form had no explanation.
const ENVELOPE_FORM: u8 = 2;
/// Octets of an explanation that are kept.
const EXPLAINED_OCTETS_MAX: usize = 64 << 10;
/// Octets of a host's reply that are kept.
pub const REPLY_OCTETS_MAX: usize = 1_000;
/// Recipients of one message, when read: far above what is taken in.
const RECIPIENTS_MAX: u64 = 1_000_000;

/// What the content needs of whom it is sent to.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Content {
    /// Lines of ASCII.
    #[default]
    SevenBit,
    /// Lines with octets above 127 (RFC 6152).
    EightBit,
    /// Anything (RFC 3030).
    Binary,
}

/// How much of the message a report returns (RFC 3461 §4.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Return {
    /// All of it.
    Full,
    /// Its header.
    Headers,
}

/// Language of reports to the sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub enum Language {
    #[default]
    English,
    Spanish,
    German,
}

/// Of what a sender wants to hear (RFC 3461 §4.1). Without a wish: failure and delay.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Notify(pub Option<NotifyWish>);

/// NOTIFY as it was given; none of them is `NEVER`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub struct NotifyWish {
    pub success: bool,
    pub failure: bool,
    pub delay: bool,
}

impl Notify {
    /// As RCPT wrote it, checked there: `NEVER`, or a list of the others.
    #[must_use]
    pub fn parse(text: &str) -> Self {
        let has = |word: &str| text.split(',').any(|one| one.eq_ignore_ascii_case(word));
        Self(Some(NotifyWish {
            success: has("SUCCESS"),
            failure: has("FAILURE"),
            delay: has("DELAY"),
        }))
    }
    /// As RCPT writes it; `None` when nothing was wished.
    #[must_use]
    pub fn text(self) -> Option<String> {
        let wish = self.0?;
        let all = [(wish.success, "SUCCESS"), (wish.failure, "FAILURE"), (wish.delay, "DELAY")];
        let words: Vec<&str> = all.iter().filter(|(on, _)| *on).map(|(_, word)| *word).collect();
        Some(if words.is_empty() { "NEVER".to_owned() } else { words.join(",") })
    }
    /// Whether a failure is told.
    #[must_use]
    pub fn failure(self) -> bool {
        self.0.is_none_or(|wish| wish.failure)
    }
    /// Whether a delay is told (RFC 3461 §4.1: without a wish, whoever sends decides; senders want
    /// to know).
    #[must_use]
    pub fn delay(self) -> bool {
        self.0.is_none_or(|wish| wish.delay)
    }
    /// Whether a delivery is told.
    #[must_use]
    pub fn success(self) -> bool {
        self.0.is_some_and(|wish| wish.success)
    }
}

/// Somebody whom a message is for.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Target {
    /// Where it goes.
    pub address: Address,
    /// Of what the sender wants to hear.
    pub notify: Notify,
    /// ORCPT: type and address (RFC 3461 §4.2).
    pub original: Option<(String, String)>,
}

/// A message's envelope.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Envelope {
    /// Reverse-path; `None` is `<>`: nobody is told of what happens to it.
    pub from: Option<Address>,
    /// Who submitted it.
    pub account: Option<AccountId>,
    /// ENVID (RFC 3461 §4.4).
    pub envelope_id: Option<String>,
    /// RET (RFC 3461 §4.3).
    pub returns: Option<Return>,
    /// What the content needs.
    pub content: Content,
    /// SMTPUTF8 (RFC 6531 §3.4).
    pub utf8: bool,
    /// REQUIRETLS (RFC 8689 §2).
    pub require_tls: bool,
    /// It goes also where TLS is not what it must be (RFC 8689 §4: `TLS-Required: No`).
    pub tls_optional: bool,
    /// When it was taken in, seconds since 1970 UTC.
    pub received_at: i64,
    /// Not to be sent before (RFC 4865), seconds since 1970 UTC.
    pub not_before: i64,
    /// Not tried any more after, seconds since 1970 UTC.
    pub expires_at: i64,
    /// Waits until somebody releases it.
    pub held: bool,
    /// Its sender was told that it is late.
    pub warned: bool,
    /// Octets of the content.
    pub octets: u64,
    /// Language of reports.
    pub language: Language,
    /// What was found out about a stranger's mail, as [`Envelope::explain`] writes it.
    pub explained: Vec<u8>,
    /// Whom it is for.
    pub recipients: Vec<Target>,
}

/// How a recipient's part ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settled {
    /// In a mailbox of ours.
    Delivered,
    /// The next host has it.
    Relayed,
    /// It will not be.
    Failed,
    /// Nobody took it in time.
    Expired,
    /// Somebody who runs the server took it out.
    Dropped,
}

/// What a host said.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reply {
    /// Which host; empty when it was us.
    pub host: String,
    /// The SMTP reply code; 0 when there was none.
    pub code: u16,
    /// The enhanced status code (RFC 3463).
    pub status: (u8, u16, u16),
    /// Its text, at most [`REPLY_OCTETS_MAX`].
    pub text: String,
}

/// How far a recipient is.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Tries that ended with a reply.
    pub attempts: u32,
    /// When it was last tried, seconds since 1970 UTC.
    pub tried_at: i64,
    /// Not tried again before, seconds since 1970 UTC.
    pub next_at: i64,
    /// How it ended, if it has.
    pub settled: Option<Settled>,
    /// What was said last.
    pub reply: Option<Reply>,
    /// The connection broke after the content and before the reply: it may have arrived.
    pub undecided: u32,
}

fn write_address(to: &mut Writer, address: &Address) {
    to.bytes(address.local().as_bytes()).bytes(address.domain().as_str().as_bytes());
}

fn read_address(from: &mut Reader<'_>) -> Option<Address> {
    let local = from.text()?;
    Address::new(local, Domain::parse(from.text()?)?)
}

fn write_option<T>(to: &mut Writer, value: Option<&T>, write: impl FnOnce(&mut Writer, &T)) {
    to.byte(value.is_some().into());
    if let Some(value) = value {
        write(to, value);
    }
}

fn read_option<'a, T>(
    from: &mut Reader<'a>,
    read: impl FnOnce(&mut Reader<'a>) -> Option<T>,
) -> Option<Option<T>> {
    match from.byte()? {
        0 => Some(None),
        1 => read(from).map(Some),
        _ => None,
    }
}

impl Target {
    fn write(&self, to: &mut Writer) {
        write_address(to, &self.address);
        to.byte(match self.notify.0 {
            None => 0,
            Some(wish) => {
                8 | u8::from(wish.success) | u8::from(wish.failure) << 1 | u8::from(wish.delay) << 2
            }
        });
        write_option(to, self.original.as_ref(), |to, (kind, address)| {
            to.bytes(kind.as_bytes()).bytes(address.as_bytes());
        });
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        let address = read_address(from)?;
        let notify = match from.byte()? {
            0 => None,
            bits => Some(NotifyWish {
                success: bits & 1 != 0,
                failure: bits & 2 != 0,
                delay: bits & 4 != 0,
            }),
        };
        let original =
            read_option(from, |from| Some((from.text()?.to_owned(), from.text()?.to_owned())))?;
        Some(Self { address, notify: Notify(notify), original })
    }
}

impl Envelope {
    /// Keeps what was found out, for the accounts here that get the message.
    pub fn explain(&mut self, explained: &Explained) {
        let octets = explained.write();
        // One that long is not of this server's making.
        self.explained = if octets.len() > EXPLAINED_OCTETS_MAX { Vec::new() } else { octets };
    }

    /// What was found out, if it was a stranger's mail.
    #[must_use]
    pub fn explained(&self) -> Option<Explained> {
        Explained::read(&self.explained)
    }

    pub(super) fn write(&self, to: &mut Writer) {
        to.byte(ENVELOPE_FORM);
        write_option(to, self.from.as_ref(), write_address);
        write_option(to, self.account.as_ref(), |to, id| {
            to.number(id.0.into());
        });
        write_option(to, self.envelope_id.as_ref(), |to, id| {
            to.bytes(id.as_bytes());
        });
        to.byte(match self.returns {
            None => 0,
            Some(Return::Full) => 1,
            Some(Return::Headers) => 2,
        });
        to.byte(match self.content {
            Content::SevenBit => 0,
            Content::EightBit => 1,
            Content::Binary => 2,
        });
        let flags = [self.utf8, self.require_tls, self.held, self.warned, self.tls_optional];
        to.byte(flags.iter().rev().fold(0, |bits, flag| bits << 1 | u8::from(*flag)));
        to.signed(self.received_at).signed(self.not_before).signed(self.expires_at);
        to.number(self.octets);
        to.byte(match self.language {
            Language::English => 0,
            Language::Spanish => 1,
            Language::German => 2,
        });
        to.bytes(&self.explained);
        to.number(self.recipients.len() as u64);
        for recipient in &self.recipients {
            recipient.write(to);
        }
    }

    pub(super) fn read(from: &mut Reader<'_>) -> Option<Self> {
        let form = from.byte().filter(|form| (1..=ENVELOPE_FORM).contains(form))?;
        let sender = read_option(from, read_address)?;
        let account = read_option(from, |from| from.number32().map(AccountId))?;
        let envelope_id = read_option(from, |from| from.text().map(str::to_owned))?;
        let returns = match from.byte()? {
            0 => None,
            1 => Some(Return::Full),
            2 => Some(Return::Headers),
            _ => return None,
        };
        let content = match from.byte()? {
            0 => Content::SevenBit,
            1 => Content::EightBit,
            2 => Content::Binary,
            _ => return None,
        };
        let bits = from.byte()?;
        let (received_at, not_before) = (from.signed()?, from.signed()?);
        let (expires_at, octets) = (from.signed()?, from.number()?);
        let language = match from.byte()? {
            0 => Language::English,
            1 => Language::Spanish,
            2 => Language::German,
            _ => return None,
        };
        let explained = if form == 1 { Vec::new() } else { from.bytes()?.to_vec() };
        let count = from.number().filter(|count| *count <= RECIPIENTS_MAX)?;
        let recipients = (0..count).map(|_| Target::read(from)).collect::<Option<_>>()?;
        Some(Self {
            from: sender,
            account,
            envelope_id,
            returns,
            content,
            utf8: bits & 1 != 0,
            require_tls: bits & 2 != 0,
            held: bits & 4 != 0,
            warned: bits & 8 != 0,
            tls_optional: bits & 16 != 0,
            received_at,
            not_before,
            expires_at,
            octets,
            language,
            explained,
            recipients,
        })
    }
}

impl Reply {
    /// With a text of printable characters, cut where it is too long.
    #[must_use]
    pub fn new(host: &str, code: u16, status: (u8, u16, u16), text: &str) -> Self {
        let mut kept: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
        if kept.len() > REPLY_OCTETS_MAX {
            kept.truncate(kept.floor_char_boundary(REPLY_OCTETS_MAX));
        }
        Self { host: host.to_owned(), code, status, text: kept }
    }
}

impl Progress {
    pub(super) fn write(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.byte(FORM).number(self.attempts.into()).number(self.undecided.into());
        to.signed(self.tried_at).signed(self.next_at);
        to.byte(match self.settled {
            None => 0,
            Some(Settled::Delivered) => 1,
            Some(Settled::Relayed) => 2,
            Some(Settled::Failed) => 3,
            Some(Settled::Expired) => 4,
            Some(Settled::Dropped) => 5,
        });
        write_option(&mut to, self.reply.as_ref(), |to, reply| {
            to.bytes(reply.host.as_bytes()).number(reply.code.into());
            let (class, subject, detail) = reply.status;
            to.byte(class).number(subject.into()).number(detail.into());
            to.bytes(reply.text.as_bytes());
        });
        to.0
    }

    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        if from.byte()? != FORM {
            return None;
        }
        let (attempts, undecided) = (from.number32()?, from.number32()?);
        let (tried_at, next_at) = (from.signed()?, from.signed()?);
        let settled = match from.byte()? {
            0 => None,
            1 => Some(Settled::Delivered),
            2 => Some(Settled::Relayed),
            3 => Some(Settled::Failed),
            4 => Some(Settled::Expired),
            5 => Some(Settled::Dropped),
            _ => return None,
        };
        let short = |number: u64| u16::try_from(number).ok();
        let reply = read_option(&mut from, |from| {
            Some(Reply {
                host: from.text()?.to_owned(),
                code: short(from.number()?)?,
                status: (from.byte()?, short(from.number()?)?, short(from.number()?)?),
                text: from.text()?.to_owned(),
            })
        })?;
        Some(Self { attempts, tried_at, next_at, settled, reply, undecided })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole() -> Envelope {
        Envelope {
            from: Address::parse("ana@example.test"),
            account: Some(AccountId(7)),
            envelope_id: Some("abc".into()),
            returns: Some(Return::Headers),
            content: Content::EightBit,
            utf8: true,
            require_tls: false,
            tls_optional: true,
            received_at: 1_795_421_045,
            not_before: -1,
            expires_at: i64::MAX,
            held: true,
            warned: false,
            octets: 4_096,
            language: Language::German,
            explained: vec![1, 2, 3],
            recipients: ["b@x.test", "jörg@例え.test"]
                .into_iter()
                .map(|address| Target {
                    address: Address::parse(address).unwrap(),
                    notify: Notify::parse("SUCCESS,DELAY"),
                    original: Some(("rfc822".into(), "b@y.test".into())),
                })
                .collect(),
        }
    }

    #[test]
    fn an_envelope_is_read_as_it_was_written() {
        for envelope in [whole(), Envelope::default()] {
            let mut to = Writer::default();
            envelope.write(&mut to);
            let bytes = to.done();
            let mut from = Reader(&bytes);
            assert_eq!(Envelope::read(&mut from), Some(envelope));
            assert!(from.is_empty());
            for cut in 0..bytes.len() {
                assert_eq!(Envelope::read(&mut Reader(&bytes[..cut])), None);
            }
        }
    }

    #[test]
    fn an_envelope_of_the_first_form_is_read() {
        let one = Envelope { explained: Vec::new(), ..whole() };
        let mut to = Writer::default();
        one.write(&mut to);
        let mut bytes = to.done().to_vec();
        bytes[0] = 1;
        let mut recipients = Writer::default();
        recipients.number(one.recipients.len() as u64);
        one.recipients.iter().for_each(|recipient| recipient.write(&mut recipients));
        // What is new, the empty explanation, stands before the recipients.
        bytes.remove(bytes.len() - recipients.done().len() - 1);
        assert_eq!(Envelope::read(&mut Reader(&bytes)), Some(one));
    }

    #[test]
    fn what_is_explained_is_kept_up_to_its_limit() {
        let explained = Explained { id: "1.2".into(), ..Explained::default() };
        let mut envelope = Envelope::default();
        assert_eq!(envelope.explained(), None);
        envelope.explain(&explained);
        assert_eq!(envelope.explained(), Some(explained));
    }

    #[test]
    fn progress_is_read_as_it_was_written() {
        let reply = Reply::new("mx.x.test", 451, (4, 7, 112), "later\r\nplease");
        assert_eq!(reply.text, "later  please");
        let all = [
            Progress::default(),
            Progress {
                attempts: 3,
                tried_at: 10,
                next_at: 20,
                settled: Some(Settled::Dropped),
                reply: Some(reply),
                undecided: 1,
            },
        ];
        for progress in all {
            let bytes = progress.write();
            assert_eq!(Progress::read(&bytes), Some(progress));
            for cut in 0..bytes.len() {
                assert_eq!(Progress::read(&bytes[..cut]), None);
            }
        }
    }

    #[test]
    fn long_replies_are_cut_between_characters() {
        let text = "é".repeat(REPLY_OCTETS_MAX);
        assert_eq!(Reply::new("", 550, (5, 0, 0), &text).text.len(), REPLY_OCTETS_MAX);
        let text = format!("x{text}");
        assert_eq!(Reply::new("", 550, (5, 0, 0), &text).text.len(), REPLY_OCTETS_MAX - 1);
    }

    #[test]
    fn wishes_are_written_as_they_were_read() {
        for text in ["NEVER", "SUCCESS", "FAILURE", "DELAY", "SUCCESS,FAILURE,DELAY"] {
            assert_eq!(Notify::parse(text).text().as_deref(), Some(text));
        }
        assert_eq!(Notify::default().text(), None);
        assert!(!Notify::parse("NEVER").failure() && Notify::default().failure());
        assert!(!Notify::parse("FAILURE").delay() && Notify::default().delay());
        assert!(!Notify::default().success());
    }
}
