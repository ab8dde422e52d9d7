//! Relative IMAP URLs of messages and their parts (RFC 5092 §7), as CATENATE has them (RFC 4469
//! §3): `/mailbox;UIDVALIDITY=1/;UID=2/;SECTION=1.2/;PARTIAL=0.100`, or from the selected mailbox
//! `;UID=2/;SECTION=HEADER`.
//!
//! A URL with a scheme or a server is none of ours: "only relative IMAP message or message part
//! URLs … are used" (RFC 4469 §3).

use crate::command;
use crate::cursor::Cursor;
use crate::types::{MessageUrl, Partial};

/// Reads a URL; `None` when it is none of a message.
#[must_use]
pub fn parse(text: &str) -> Option<MessageUrl> {
    let (path, message) = split(text)?;
    let (mailbox, uid_validity) = match path {
        None => (None, None),
        Some(path) => {
            let (name, validity) = match find(path, ";UIDVALIDITY=") {
                Some(at) => (path.get(..at)?, Some(path.get(at + ";UIDVALIDITY=".len()..)?)),
                None => (path, None),
            };
            let validity = match validity {
                Some(digits) => Some(number(digits).filter(|number| *number > 0)?),
                None => None,
            };
            let name = String::from_utf8(decoded(name)?).ok().filter(|name| !name.is_empty())?;
            let is_inbox = name.eq_ignore_ascii_case("INBOX");
            (Some(if is_inbox { "INBOX".to_owned() } else { name }), validity)
        }
    };
    let mut parts = message.split('/');
    let uid = number(value(parts.next()?, ";UID=")?).filter(|uid| *uid > 0)?;
    let mut url = MessageUrl {
        text: text.to_owned(),
        mailbox,
        uid_validity,
        uid,
        section: None,
        partial: None,
    };
    let rest: Vec<&str> = parts.collect();
    let mut rest = rest.as_slice();
    if let [first, others @ ..] = rest
        && let Some(section) = value(first, ";SECTION=")
    {
        let section = decoded(section)?;
        let mut cursor = Cursor::new(&section, 1);
        let found = command::section_inside(&mut cursor).ok()?;
        cursor.end().ok()?;
        url.section = Some(found);
        rest = others;
    }
    if let [first, others @ ..] = rest
        && let Some(range) = value(first, ";PARTIAL=")
    {
        let (offset, count) = match range.split_once('.') {
            Some((offset, count)) => (offset, number(count).filter(|count| *count > 0)?),
            // RFC 5092 §7: without a length, to the end.
            None => (range, u32::MAX),
        };
        url.partial = Some(Partial { offset: number(offset)?, count });
        rest = others;
    }
    rest.is_empty().then_some(url)
}

/// The mailbox's part, when there is one, and what begins with `;UID=`.
fn split(text: &str) -> Option<(Option<&str>, &str)> {
    let at = find(text, ";UID=")?;
    let (path, message) = text.split_at_checked(at)?;
    match path {
        // From the selected mailbox.
        "" => Some((None, message)),
        _ => {
            let path = path.strip_prefix('/')?;
            let path = path.strip_suffix('/')?;
            Some((Some(path), message))
        }
    }
}

/// Where a word begins, in any case. `;UID=` is not the begin of `;UIDVALIDITY=`.
fn find(text: &str, word: &str) -> Option<usize> {
    let (text, word) = (text.as_bytes(), word.as_bytes());
    text.windows(word.len()).position(|window| window.eq_ignore_ascii_case(word))
}

fn value<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    let (head, tail) = text.split_at_checked(name.len())?;
    head.eq_ignore_ascii_case(name).then_some(tail)
}

fn number(digits: &str) -> Option<u32> {
    let plain = !digits.is_empty() && digits.bytes().all(|octet| octet.is_ascii_digit());
    digits.parse().ok().filter(|_| plain)
}

/// Without percent-encoding (RFC 3986 §2.1).
fn decoded(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len());
    let mut octets = text.bytes();
    while let Some(octet) = octets.next() {
        if octet != b'%' {
            out.push(octet);
            continue;
        }
        let mut digit = || char::from(octets.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        out.push(u8::try_from(high << 4 | low).ok()?);
    }
    Some(out)
}

/// As the response code BADURL has it: `url-resp-text` (RFC 4469 §5) is without `]` and line ends.
#[must_use]
pub fn in_code(text: &str) -> String {
    const CHARS_MAX: usize = 1_000;
    let mut out = String::from("BADURL \"");
    for c in text.chars().take(CHARS_MAX) {
        match c {
            ']' => out.push_str("%5D"),
            '"' => out.push_str("%22"),
            '\\' => out.push_str("%5C"),
            c if c.is_control() => out.push('?'),
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{Section, SectionText};

    fn url(text: &str, mailbox: Option<&str>, uid_validity: Option<u32>, uid: u32) -> MessageUrl {
        MessageUrl {
            text: text.to_owned(),
            mailbox: mailbox.map(str::to_owned),
            uid_validity,
            uid,
            section: None,
            partial: None,
        }
    }

    #[test]
    fn messages() {
        for (text, mailbox, validity, uid) in [
            ("/INBOX/;UID=20", Some("INBOX"), None, 20),
            ("/inbox;uidvalidity=385759045/;uid=20", Some("INBOX"), Some(385_759_045), 20),
            ("/Other%20Mail/a%2Fb/;UID=1", Some("Other Mail/a/b"), None, 1),
            ("/M%C3%BCll/;UID=1", Some("Müll"), None, 1),
            (";UID=4294967295", None, None, u32::MAX),
        ] {
            assert_eq!(parse(text), Some(url(text, mailbox, validity, uid)), "{text}");
        }
    }

    #[test]
    fn parts() {
        let text = "/INBOX/;UID=20/;section=1.2.mime";
        let section = Section { part: vec![1, 2], text: SectionText::Mime };
        let expect = MessageUrl { section: Some(section), ..url(text, Some("INBOX"), None, 20) };
        assert_eq!(parse(text), Some(expect));
        let text = ";UID=20/;SECTION=HEADER.FIELDS%20(To%20From)/;PARTIAL=10.5";
        let names = SectionText::HeaderFields(vec![b"To".to_vec(), b"From".to_vec()]);
        let section = Section { part: Vec::new(), text: names };
        let partial = Some(Partial { offset: 10, count: 5 });
        let expect = MessageUrl { section: Some(section), partial, ..url(text, None, None, 20) };
        assert_eq!(parse(text), Some(expect));
        let partial = parse(";UID=1/;PARTIAL=7").unwrap().partial;
        assert_eq!(partial, Some(Partial { offset: 7, count: u32::MAX }));
    }

    #[test]
    fn what_names_no_message() {
        for text in [
            "",
            "/INBOX",
            "/INBOX/",
            "INBOX/;UID=1",
            "/INBOX;UID=1",
            "//;UID=1",
            "imap://ana@example.test/INBOX/;UID=1",
            "/INBOX/;UID=0",
            "/INBOX/;UID=4294967296",
            "/INBOX/;UID=+1",
            "/INBOX/;UID=",
            "/INBOX;UIDVALIDITY=0/;UID=1",
            "/INBOX;UIDVALIDITY=x/;UID=1",
            "/IN%ZZ/;UID=1",
            "/IN%F/;UID=1",
            "/IN%FF/;UID=1",
            "/INBOX/;UID=1/",
            "/INBOX/;UID=1/;SECTION=x",
            "/INBOX/;UID=1/;SECTION=1]",
            "/INBOX/;UID=1/;PARTIAL=1.0",
            "/INBOX/;UID=1/;PARTIAL=1/;SECTION=1",
            "/INBOX/;UID=1/;URLAUTH=anonymous",
        ] {
            assert_eq!(parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_code_cannot_be_left() {
        assert_eq!(in_code("/a]\"\r\nb"), "BADURL \"/a%5D%22??b\"");
    }
}
