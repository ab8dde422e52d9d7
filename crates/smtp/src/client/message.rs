//! A message to send, and the MAIL and RCPT that say so (RFC 5321 §4.1.1.2, §4.1.1.3).
//!
//! Invariant: nothing that is written here can end a line: parameters that do not follow their
//! grammar are left out or encoded.

use super::{capabilities::Capabilities, reply::Reply};
use crate::{
    effect::{Body, MailFrom, RcptTo, Ret},
    path,
};
use mail::Address;
use std::fmt::Write as _;

/// Octets of an ENVID (RFC 3461 §4.4) and of an ORCPT (§4.2), encoded.
const ENVELOPE_ID_OCTETS_MAX: usize = 100;
const ORIGINAL_OCTETS_MAX: usize = 500;

/// A message: who sends it to whom, and what its content needs. The content is asked for when it is
/// due ([`super::Effect::Content`]).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// The sender and what MAIL says: `size` of the content in octets, `body` as the content is,
    /// `utf8` when its header is not ASCII (what addresses need is seen here).
    pub from: MailFrom,
    /// Whom it is for; at least one.
    pub recipients: Vec<RcptTo>,
    /// REQUIRETLS (RFC 8689 §2).
    pub require_tls: bool,
}

/// What a connection gives, besides the server's extensions.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Protection {
    /// TLS is up.
    pub secure: bool,
    /// The certificate was checked against the name of the server.
    pub authenticated: bool,
}

impl Message {
    /// Whether SMTPUTF8 is needed (RFC 6531 §3.1). A domain alone does not: it has A-labels.
    #[must_use]
    pub fn needs_utf8(&self) -> bool {
        let sender = self.from.path.iter();
        let all = sender.chain(self.recipients.iter().map(|to| &to.path));
        self.from.utf8 || all.into_iter().any(|address| !address.local().is_ascii())
    }

    /// Why this server cannot be given it: nothing was said yet.
    pub(crate) fn refusal(&self, has: &Capabilities, protection: Protection) -> Option<Reply> {
        let ours = |status, text| Some(Reply::ours(status, text));
        // RFC 8689 §4.2.1; §5: a report is not thrown away for want of it.
        if self.require_tls && self.from.path.is_some() {
            if !protection.secure || !protection.authenticated {
                return ours((5, 7, 10), "TLS with an authenticated server is required");
            }
            if !has.require_tls {
                return ours((5, 7, 30), "REQUIRETLS support is required");
            }
        }
        if self.needs_utf8() && !has.utf8 {
            // RFC 6531 §3.5: no down-conversion.
            return ours((5, 6, 7), "The message needs SMTPUTF8, which the server does not offer");
        }
        match self.from.body {
            // RFC 6152 §3: converting would break signatures; the sender hears why instead.
            Body::EightBit if !has.eight_bit_mime => {
                return ours(
                    (5, 6, 3),
                    "The message needs 8BITMIME, which the server does not offer",
                );
            }
            // RFC 3030 §3
            Body::Binary if !(has.chunking && has.binary_mime) => {
                return ours(
                    (5, 6, 3),
                    "The message needs BINARYMIME, which the server does not offer",
                );
            }
            Body::SevenBit | Body::EightBit | Body::Binary => {}
        }
        // RFC 1870 §6.1
        match (self.from.size, has.message_octets_max) {
            (Some(octets), Some(max)) if octets > max => {
                ours((5, 3, 4), &format!("The message has {octets} octets, the server takes {max}"))
            }
            _ => None,
        }
    }

    /// `MAIL FROM:<…> …` with CRLF.
    pub(crate) fn mail(&self, has: &Capabilities, secure: bool) -> String {
        let utf8 = has.utf8 && self.needs_utf8();
        let path = self.from.path.as_ref().map_or_else(String::new, |path| printed(path, utf8));
        let mut line = format!("MAIL FROM:<{path}>");
        if let Some(octets) = self.from.size.filter(|_| has.size) {
            let _ = write!(line, " SIZE={octets}");
        }
        match self.from.body {
            Body::EightBit => line.push_str(" BODY=8BITMIME"),
            Body::Binary => line.push_str(" BODY=BINARYMIME"),
            Body::SevenBit => {}
        }
        if utf8 {
            line.push_str(" SMTPUTF8");
        }
        if self.require_tls && has.require_tls && secure {
            line.push_str(" REQUIRETLS");
        }
        if has.dsn {
            match self.from.ret {
                Some(Ret::Full) => line.push_str(" RET=FULL"),
                Some(Ret::Headers) => line.push_str(" RET=HDRS"),
                None => {}
            }
            let id = self.from.envelope_id.as_deref().map(xtext);
            if let Some(id) = id.filter(|id| id.len() <= ENVELOPE_ID_OCTETS_MAX) {
                let _ = write!(line, " ENVID={id}");
            }
        }
        line.push_str("\r\n");
        line
    }

    /// `RCPT TO:<…> …` with CRLF.
    pub(crate) fn rcpt(&self, to: &RcptTo, has: &Capabilities) -> String {
        let utf8 = has.utf8 && self.needs_utf8();
        let mut line = format!("RCPT TO:<{}>", printed(&to.path, utf8));
        if has.dsn {
            if let Some(notify) = to.notify.as_deref().filter(|notify| path::is_notify(notify)) {
                let _ = write!(line, " NOTIFY={notify}");
            }
            if let Some((kind, address)) = &to.original
                && let Some(original) = original(kind, address)
            {
                let _ = write!(line, " ORCPT={original}");
            }
        }
        line.push_str("\r\n");
        line
    }
}

/// An address as RFC 5321 §4.1.2 writes it; without SMTPUTF8 its domain has A-labels.
fn printed(address: &Address, utf8: bool) -> String {
    let text = address.to_string();
    let domain = address.domain();
    match text.strip_suffix(domain.as_str()) {
        Some(local) if !utf8 => format!("{local}{}", domain.to_ascii()),
        _ => text,
    }
}

/// `xtext = *( xchar / hexchar )` (RFC 3461 §4)
fn xtext(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for octet in text.bytes() {
        match octet {
            b'+' | b'=' => {
                let _ = write!(out, "+{octet:02X}");
            }
            b'!'..=b'~' => out.push(char::from(octet)),
            _ => {
                let _ = write!(out, "+{octet:02X}");
            }
        }
    }
    out
}

/// `original-recipient-address = addr-type ";" xtext` (RFC 3461 §4.2); addresses that are not ASCII
/// as `utf-8-addr-xtext` (RFC 6533 §3), which every server takes.
fn original(kind: &str, address: &str) -> Option<String> {
    let atom = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    if kind.is_empty() || !kind.chars().all(atom) {
        return None;
    }
    let text = if address.is_ascii() && !kind.eq_ignore_ascii_case("utf-8") {
        format!("{kind};{}", xtext(address))
    } else {
        let mut text = "utf-8;".to_owned();
        for letter in address.chars() {
            match letter {
                '+' | '=' => {
                    let _ = write!(text, "\\x{{{:02X}}}", u32::from(letter));
                }
                '!'..='~' => text.push(letter),
                _ => {
                    let _ = write!(text, "\\x{{{:02X}}}", u32::from(letter));
                }
            }
        }
        text
    };
    (text.len() <= ORIGINAL_OCTETS_MAX).then_some(text)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn to(address: &str) -> RcptTo {
        RcptTo { path: Address::parse(address).unwrap(), notify: None, original: None }
    }

    fn message(from: &str, recipients: &[&str]) -> Message {
        Message {
            from: MailFrom { path: Address::parse(from), ..MailFrom::default() },
            recipients: recipients.iter().map(|one| to(one)).collect(),
            require_tls: false,
        }
    }

    fn everything() -> Capabilities {
        Capabilities {
            utf8: true,
            size: true,
            dsn: true,
            eight_bit_mime: true,
            require_tls: true,
            ..Capabilities::default()
        }
    }

    const SAFE: Protection = Protection { secure: true, authenticated: true };

    #[test]
    fn parameters_where_the_server_knows_them() {
        let mut one = message("a@b.example", &["c@d.example"]);
        one.from.size = Some(10);
        one.from.body = Body::EightBit;
        one.from.ret = Some(Ret::Headers);
        one.from.envelope_id = Some("a+b c".to_owned());
        one.require_tls = true;
        let line =
            "MAIL FROM:<a@b.example> SIZE=10 BODY=8BITMIME REQUIRETLS RET=HDRS ENVID=a+2Bb+20c\r\n";
        assert_eq!(one.mail(&everything(), true), line);
        one.from.body = Body::SevenBit;
        assert_eq!(one.mail(&Capabilities::default(), true), "MAIL FROM:<a@b.example>\r\n");
        one.from.path = None;
        assert_eq!(one.mail(&Capabilities::default(), false), "MAIL FROM:<>\r\n");
        let mut to = to("c@d.example");
        to.notify = Some("SUCCESS,DELAY".to_owned());
        to.original = Some(("rfc822".to_owned(), "o+x@d.example".to_owned()));
        let line = "RCPT TO:<c@d.example> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;o+2Bx@d.example\r\n";
        assert_eq!(one.rcpt(&to, &everything()), line);
        assert_eq!(one.rcpt(&to, &Capabilities::default()), "RCPT TO:<c@d.example>\r\n");
    }

    #[test]
    fn addresses_that_are_not_ascii() {
        let domain = message("a@b.example", &["c@\u{e9}.example"]);
        assert!(!domain.needs_utf8());
        let to = |one: &Message| one.rcpt(&one.recipients[0], &everything());
        assert_eq!(to(&domain), "RCPT TO:<c@xn--9ca.example>\r\n");
        let local = message("a@b.example", &["\u{e9}@\u{e9}.example"]);
        assert!(local.needs_utf8());
        assert_eq!(to(&local), "RCPT TO:<\u{e9}@\u{e9}.example>\r\n");
        assert_eq!(local.mail(&everything(), true), "MAIL FROM:<a@b.example> SMTPUTF8\r\n");
        let without = Capabilities { utf8: false, ..everything() };
        assert_eq!(local.refusal(&without, SAFE).unwrap().status, (5, 6, 7));
        assert_eq!(domain.refusal(&without, SAFE), None);
        assert_eq!(original("rfc822", "\u{e9}@x").as_deref(), Some("utf-8;\\x{E9}@x"));
    }

    #[test]
    fn what_a_server_cannot_be_given() {
        let status =
            |one: &Message, has: &Capabilities, safe| one.refusal(has, safe).map(|r| r.status);
        let none = Capabilities::default();
        let mut one = message("a@b.example", &["c@d.example"]);
        assert_eq!(status(&one, &none, SAFE), None);
        one.from.body = Body::EightBit;
        assert_eq!(status(&one, &none, SAFE), Some((5, 6, 3)));
        one.from.body = Body::Binary;
        assert_eq!(status(&one, &everything(), SAFE), Some((5, 6, 3)));
        one.from.body = Body::SevenBit;
        let small = Capabilities { message_octets_max: Some(10), ..everything() };
        one.from.size = Some(10);
        assert_eq!(status(&one, &small, SAFE), None);
        one.from.size = Some(11);
        assert_eq!(status(&one, &small, SAFE), Some((5, 3, 4)));
        one.from.size = None;
        one.require_tls = true;
        assert_eq!(status(&one, &everything(), SAFE), None);
        assert_eq!(status(&one, &none, SAFE), Some((5, 7, 30)));
        let clear = Protection { authenticated: false, ..SAFE };
        assert_eq!(status(&one, &everything(), clear), Some((5, 7, 10)));
        // RFC 8689 §5
        one.from.path = None;
        assert_eq!(status(&one, &none, clear), None);
    }

    proptest! {
        /// Whatever comes in, a command is one line, and our own server reads the same from it.
        #[test]
        fn commands_are_one_line(id in ".{0,40}", kind in ".{0,6}", address in ".{0,20}", notify in ".{0,9}") {
            let mut one = message("a@b.example", &["c@d.example"]);
            one.from.envelope_id = Some(id.clone());
            let to = RcptTo {
                notify: Some(notify),
                original: Some((kind, address)),
                ..one.recipients[0].clone()
            };
            let lines = [one.mail(&everything(), true), one.rcpt(&to, &everything())];
            for line in &lines {
                prop_assert_eq!(line.find(['\r', '\n']), Some(line.len() - 2));
                prop_assert!(line.is_ascii());
            }
            let line = lines[0].trim_end();
            let read = path::parse(line.strip_prefix("MAIL ").unwrap(), "FROM").unwrap();
            let value = read.parameters.iter().find(|(name, _)| *name == "ENVID");
            if let Some((_, Some(value))) = value {
                prop_assert_eq!(path::xtext(value), Some(id));
            }
        }
    }
}
