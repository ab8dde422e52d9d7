//! Delivery status notifications (RFC 3464) in a multipart/report (RFC 6522): what became of a
//! message, for its sender, in the sender's language and for programs.
//!
//! Never made for a message from `<>`: that is the caller's to see. What hosts said is quoted as
//! they said it, without controls.

mod words;

use crate::trace;
use account::queue::{Content, Language, Queued, Reply, Return, Settled};
use mail::{Address, header};
use std::fmt::Write as _;

/// Octets of a message that a report returns whole when the sender wants that; above, its header.
pub const RETURNED_OCTETS_MAX: u64 = 256 << 10;
/// Recipients that a report names; the others are counted.
const RECIPIENTS_MAX: usize = 1_000;

/// What a report tells of a recipient (RFC 3464 §2.3.3).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// It will not arrive.
    Failed,
    /// It has not arrived yet.
    Delayed,
    /// It is in a mailbox.
    Delivered,
    /// It was handed to a host that tells nothing.
    Relayed,
}

impl Action {
    const fn word(self) -> &'static str {
        match self {
            Self::Failed => "failed",
            Self::Delayed => "delayed",
            Self::Delivered => "delivered",
            Self::Relayed => "relayed",
        }
    }
    /// What to tell of a recipient that is settled so; nothing of one that was dropped.
    #[must_use]
    pub const fn of(settled: Settled) -> Option<Self> {
        match settled {
            Settled::Delivered => Some(Self::Delivered),
            Settled::Relayed => Some(Self::Relayed),
            Settled::Failed | Settled::Expired => Some(Self::Failed),
            Settled::Dropped => None,
        }
    }
}

/// What a report is made from.
#[derive(Clone, Copy, Debug)]
pub struct Report<'a> {
    /// The message that it is about.
    pub queued: &'a Queued,
    /// Recipients by their place in the envelope, and what became of them.
    pub recipients: &'a [(usize, Action)],
    /// The message's content, whole or at least its header.
    pub content: &'a [u8],
    /// Our name.
    pub host_name: &'a str,
    /// Seconds since 1970 UTC.
    pub now: i64,
}

/// Who a report is from.
#[must_use]
pub fn sender(host_name: &str) -> String {
    format!("MAILER-DAEMON@{host_name}")
}

impl Report<'_> {
    /// The message, and what it needs of whom it is sent to.
    ///
    /// `to` is the reverse-path of the message that it is about.
    #[must_use]
    pub fn message(&self, to: &Address) -> (Vec<u8>, Content, bool) {
        let envelope = &self.queued.envelope;
        let worst = self.recipients.iter().map(|(_, action)| *action).min_by_key(|a| *a as u8);
        let words = words::of(envelope.language, worst.unwrap_or(Action::Failed));
        let boundary = format!("=_{}_{:x}", self.queued.id, self.now);
        let utf8 = !to.local().is_ascii() || !to.domain().as_str().is_ascii() || self.needs_utf8();
        let returned = self.returned();
        let content = if returned.iter().all(u8::is_ascii) && !utf8 {
            Content::SevenBit
        } else {
            Content::EightBit
        };
        let mut out = String::with_capacity(2_000 + returned.len());
        let id = format!("{}.{:x}@{}", self.queued.id, self.now, self.host_name);
        let _ = write!(
            out,
            "From: {} <{}>\r\nTo: <{to}>\r\nSubject: {}\r\nDate: {}\r\nMessage-ID: <{id}>\r\n\
             Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/report; report-type=delivery-status;\r\n\
             \tboundary=\"{boundary}\"\r\n",
            words.system,
            sender(self.host_name),
            words.subject,
            trace::date(self.now)
        );
        if let Some(original) = self.field("Message-ID") {
            let _ = write!(out, "In-Reply-To: {original}\r\nReferences: {original}\r\n");
        }
        let _ = write!(out, "\r\n--{boundary}\r\n{}", self.human(words));
        let _ = write!(out, "\r\n--{boundary}\r\n{}", self.status(utf8));
        let kind = match (self.is_whole(), utf8) {
            (true, false) => "message/rfc822",
            (true, true) => "message/global",
            (false, false) => "text/rfc822-headers",
            (false, true) => "message/global-headers",
        };
        let encoding = if content == Content::SevenBit { "7bit" } else { "8bit" };
        let _ = write!(
            out,
            "\r\n--{boundary}\r\nContent-Type: {kind}\r\n\
             Content-Transfer-Encoding: {encoding}\r\n\r\n"
        );
        let mut message = out.into_bytes();
        message.extend_from_slice(&returned);
        if !message.ends_with(b"\r\n") {
            message.extend_from_slice(b"\r\n");
        }
        message.extend_from_slice(format!("\r\n--{boundary}--\r\n").as_bytes());
        (message, content, utf8)
    }

    fn needs_utf8(&self) -> bool {
        self.recipients.iter().any(|(at, _)| {
            self.queued.envelope.recipients.get(*at).is_some_and(|target| {
                !target.address.local().is_ascii() || !target.address.domain().as_str().is_ascii()
            })
        })
    }

    /// "RET=FULL … if any recipient failed" (RFC 3461 §4.3): whole only then, and when short.
    fn is_whole(&self) -> bool {
        let envelope = &self.queued.envelope;
        let failed = self.recipients.iter().any(|(_, action)| *action == Action::Failed);
        envelope.returns == Some(Return::Full)
            && failed
            && envelope.octets <= RETURNED_OCTETS_MAX
            && self.content.len() as u64 == envelope.octets
            // A binary part would have to be encoded, and its header says how it was.
            && envelope.content != Content::Binary
    }

    /// What is returned, with CRLF at every line's end.
    fn returned(&self) -> Vec<u8> {
        let whole = self.is_whole();
        let head = header::header_octets(self.content);
        let part = if whole { self.content } else { self.content.get(..head).unwrap_or_default() };
        part.to_vec()
    }

    fn field(&self, name: &str) -> Option<String> {
        let head = self.content.get(..header::header_octets(self.content))?;
        let field = header::fields(head).find(|field| field.is(name))?;
        let text = String::from_utf8(field.unfolded().to_vec()).ok()?;
        let text = text.trim();
        let plain = text.len() <= 900 && text.bytes().all(|octet| (0x20..0x7f).contains(&octet));
        (plain && !text.is_empty()).then(|| text.to_owned())
    }

    /// The part for people.
    fn human(&self, words: &words::Words) -> String {
        let mut out = String::from(
            "Content-Type: text/plain; charset=utf-8\r\nContent-Transfer-Encoding: 8bit\r\n\r\n",
        );
        let _ = write!(out, "{}\r\n\r\n", words.what);
        for (at, _) in self.recipients.iter().take(RECIPIENTS_MAX) {
            let Some(target) = self.queued.envelope.recipients.get(*at) else { continue };
            let _ = write!(out, "  <{}>\r\n", target.address);
            let progress = self.queued.progress.get(*at);
            if let Some(reply) = progress.and_then(|progress| progress.reply.as_ref()) {
                let _ = write!(out, "    {}\r\n", said(reply, words));
            }
        }
        let _ = write!(out, "\r\n{}\r\n", words.then);
        if self.recipients.len() > RECIPIENTS_MAX {
            let _ = write!(out, "(+{})\r\n", self.recipients.len() - RECIPIENTS_MAX);
        }
        out
    }

    /// The part for programs (RFC 3464 §2, RFC 6533 §3).
    fn status(&self, utf8: bool) -> String {
        let envelope = &self.queued.envelope;
        let kind = if utf8 { "message/global-delivery-status" } else { "message/delivery-status" };
        let mut out = format!("Content-Type: {kind}\r\n");
        if utf8 {
            out.push_str("Content-Transfer-Encoding: 8bit\r\n");
        }
        out.push_str("\r\n");
        if let Some(id) = &envelope.envelope_id {
            let _ = write!(out, "Original-Envelope-Id: {}\r\n", plain(id));
        }
        let _ = write!(
            out,
            "Reporting-MTA: dns; {}\r\nArrival-Date: {}\r\n",
            self.host_name,
            trace::date(envelope.received_at)
        );
        for (at, action) in self.recipients.iter().take(RECIPIENTS_MAX) {
            let Some(target) = envelope.recipients.get(*at) else { continue };
            let progress = self.queued.progress.get(*at);
            out.push_str("\r\n");
            if let Some((kind, address)) = &target.original {
                let _ = write!(out, "Original-Recipient: {}; {}\r\n", plain(kind), plain(address));
            }
            let ascii = target.address.to_string().is_ascii();
            let kind = if ascii { "rfc822" } else { "utf-8" };
            let _ = write!(out, "Final-Recipient: {kind}; {}\r\n", target.address);
            let reply = progress.and_then(|progress| progress.reply.as_ref());
            let (class, subject, detail) = status_code(*action, reply);
            let _ =
                write!(out, "Action: {}\r\nStatus: {class}.{subject}.{detail}\r\n", action.word());
            if let Some(reply) = reply.filter(|reply| reply.code > 0) {
                let _ = write!(out, "Remote-MTA: dns; {}\r\n", plain(&reply.host));
                let _ =
                    write!(out, "Diagnostic-Code: smtp; {} {}\r\n", reply.code, plain(&reply.text));
            }
            if let Some(tried) = progress.map(|progress| progress.tried_at).filter(|at| *at > 0) {
                let _ = write!(out, "Last-Attempt-Date: {}\r\n", trace::date(tried));
            }
            if *action == Action::Delayed {
                let _ = write!(out, "Will-Retry-Until: {}\r\n", trace::date(envelope.expires_at));
            }
        }
        out
    }
}

/// "The class of the status code must fit the action" (RFC 3464 §2.3.4).
fn status_code(action: Action, reply: Option<&Reply>) -> (u8, u16, u16) {
    let class = match action {
        Action::Failed => 5,
        Action::Delayed => 4,
        Action::Delivered | Action::Relayed => 2,
    };
    match reply.map(|reply| reply.status).filter(|(given, ..)| *given > 0) {
        // What expired was told to come later: 5.4.7, delivery time expired (RFC 3463 §3.5).
        Some((4, ..)) if class == 5 => (5, 4, 7),
        Some((_, subject, detail)) => (class, subject, detail),
        None if class == 5 => (5, 4, 7),
        None => (class, 0, 0),
    }
}

fn said(reply: &Reply, words: &words::Words) -> String {
    if reply.code == 0 {
        return plain(&reply.text);
    }
    let (class, subject, detail) = reply.status;
    let host = plain(&reply.host);
    let status = if class > 0 { format!(" {class}.{subject}.{detail}") } else { String::new() };
    format!("{host} {}: {}{status} {}", words.said, reply.code, plain(&reply.text))
}

/// Without controls, no longer than a line may be.
fn plain(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).take(900).collect()
}

/// The language of who writes so: the first of `es`, `en`, `de` in a list of language tags.
#[must_use]
pub fn language(tags: &str) -> Option<Language> {
    tags.split(',').find_map(|tag| {
        let tag = tag.trim().split(['-', ';', '_']).next().unwrap_or_default();
        match tag.to_ascii_lowercase().as_str() {
            "es" => Some(Language::Spanish),
            "en" => Some(Language::English),
            "de" => Some(Language::German),
            _ => None,
        }
    })
}

#[cfg(test)]
mod tests;
