//! What a message's header looks like: the fields that the author's program writes.
//!
//! Only fields of [`AUTHORED`] are looked at: the others tell by which way a message came, and
//! what other filters thought of it, which whoever sends can write. In-Reply-To and References are
//! left out too: anybody can answer a message that was never sent; the caller knows better.

use crate::tokens::{Gatherer, Kind};
use crate::{url, words};
use mail::{header, text};

/// Fields that the author's program writes, in lower case.
const AUTHORED: &[&str] = &[
    "accept-language",
    "bcc",
    "cc",
    "comments",
    "content-class",
    "content-disposition",
    "content-language",
    "content-transfer-encoding",
    "content-type",
    "date",
    "disposition-notification-to",
    "feedback-id",
    "from",
    "importance",
    "keywords",
    "message-id",
    "mime-version",
    "organization",
    "reply-to",
    "return-receipt-to",
    "subject",
    "thread-index",
    "thread-topic",
    "to",
    "user-agent",
    "x-accept-language",
    "x-mailer",
    "x-mimeole",
    "x-msmail-priority",
    "x-php-originating-script",
    "x-priority",
];
/// Addresses of one field that are looked at.
const ADDRESSES_MAX: usize = 64;

/// What the fields say of each other.
#[derive(Default)]
struct Seen {
    from: String,
    reply_to: String,
    message_id: String,
    recipients: Vec<(String, String)>,
    subject: String,
    names: Vec<&'static str>,
}

/// Tokens of a header. Gives the domains of the recipients, of which nothing is to be learnt.
pub(crate) fn tokens(octets: &[u8], gatherer: &mut Gatherer<'_>) -> Vec<String> {
    let mut seen = Seen::default();
    for field in header::fields(octets) {
        let lower = field.name.to_ascii_lowercase();
        let Some(name) = AUTHORED.iter().find(|name| name.as_bytes() == lower) else { continue };
        if seen.names.contains(name) {
            // RFC 5322 §3.6: of each of these there is one at most.
            gatherer.add(Kind::Header, &format!("{name} twice"));
            continue;
        }
        seen.names.push(name);
        gatherer.add(Kind::Header, &String::from_utf8_lossy(field.name));
        if !field.value.is_ascii() {
            gatherer.add(Kind::Header, &format!("{name} with bare octets"));
        }
        of_field(name, field.value, &mut seen, gatherer);
    }
    for name in ["from", "to", "subject", "message-id", "mime-version"] {
        if !seen.names.contains(&name) {
            gatherer.add(Kind::Header, &format!("no {name}"));
        }
    }
    order(&seen, gatherer);
    relations(&seen, gatherer);
    seen.recipients.into_iter().map(|(_, domain)| url::registered(&domain).to_owned()).collect()
}

fn of_field(name: &'static str, value: &[u8], seen: &mut Seen, gatherer: &mut Gatherer<'_>) {
    match name {
        "from" => {
            let value = text::decode_header(value);
            let (shown, address) = author(&value);
            words::field(shown, Kind::Name, None, gatherer);
            if shown.is_empty() {
                gatherer.add(Kind::Header, "from without a name");
            }
            if shown.contains('@') {
                gatherer.add(Kind::Header, "an address as the name in from");
            }
            if let Some((local, domain)) = address.rsplit_once('@') {
                seen.from = domain.to_lowercase();
                let digits = local.bytes().filter(u8::is_ascii_digit).count();
                gatherer.add(Kind::Header, &format!("{} digits in from", digits.min(5)));
            }
        }
        "reply-to" => {
            let value = text::decode_header(value);
            let domain = author(&value).1.rsplit_once('@').map(|(_, domain)| domain.to_lowercase());
            seen.reply_to = domain.unwrap_or_default();
        }
        "to" | "cc" => recipients(name, &text::decode_header(value), seen, gatherer),
        "subject" => seen.subject = subject(value, gatherer),
        "x-mailer" | "user-agent" => {
            let value = text::decode_header(value);
            words::field(&value, Kind::Mailer, None, gatherer);
        }
        "message-id" => {
            let (left, domain) = match value.iter().rposition(|b| *b == b'@') {
                Some(at) => value.split_at_checked(at).unwrap_or((value, &[])),
                None => (value, &[][..]),
            };
            gatherer.add(Kind::Header, &format!("message-id {}", shape(left.trim_ascii())));
            let domain = String::from_utf8_lossy(domain).to_lowercase();
            seen.message_id = domain.trim_matches(['@', '>', ' ', '\t', '\r', '\n']).to_owned();
        }
        "date" => {
            gatherer.add(Kind::Header, &format!("date {}", date_form(value)));
        }
        "x-priority"
        | "x-msmail-priority"
        | "importance"
        | "content-class"
        | "content-transfer-encoding"
        | "accept-language"
        | "x-accept-language" => {
            let value = String::from_utf8_lossy(value).trim().to_lowercase();
            gatherer.add(Kind::Header, &format!("{name} {value}"));
        }
        "organization" | "comments" | "keywords" | "thread-topic" => {
            words::field(&text::decode_header(value), Kind::Name, None, gatherer);
        }
        _ => {}
    }
}

/// The name shown and the address of a field with one mailbox; of several, of the first.
fn author(value: &str) -> (&str, &str) {
    let quotes = [' ', '"', '\'', '\t', '\r', '\n'];
    match value.split_once('<') {
        Some((shown, rest)) => {
            (shown.trim_matches(quotes), rest.split('>').next().unwrap_or_default())
        }
        None => match value.split_once('(') {
            Some((address, comment)) => (comment.trim_matches([' ', ')']), address.trim()),
            None => ("", value.trim()),
        },
    }
}

fn recipients(name: &str, value: &str, seen: &mut Seen, gatherer: &mut Gatherer<'_>) {
    let mut count = 0;
    for one in value.split(',').take(ADDRESSES_MAX) {
        let (_, address) = author(one.trim());
        if let Some((local, domain)) = address.rsplit_once('@') {
            count += 1;
            seen.recipients.push((local.to_lowercase(), domain.to_lowercase()));
        }
    }
    let many = match count {
        0 => "nobody",
        1 => "one",
        2..=5 => "some",
        6..=20 => "many",
        _ => "a crowd",
    };
    gatherer.add(Kind::Header, &format!("{name} {many}"));
}

fn subject(value: &[u8], gatherer: &mut Gatherer<'_>) -> String {
    if value.windows(2).any(|two| two == b"=?") {
        gatherer.add(Kind::Header, "subject with encoded words");
    }
    let subject = text::decode_header(value);
    words::field(&subject, Kind::Subject, Some(Kind::SubjectPair), gatherer);
    let letters = subject.chars().filter(|c| c.is_alphabetic()).count();
    let large = subject.chars().filter(|c| c.is_uppercase()).count();
    if letters >= 8 && large * 10 >= letters * 7 {
        gatherer.add(Kind::Header, "subject in capitals");
    }
    if subject.contains("    ") {
        gatherer.add(Kind::Header, "subject with a gap");
    }
    if subject.trim_end().ends_with(['!', '?']) {
        gatherer.add(Kind::Header, "subject ends with ! or ?");
    }
    subject.to_lowercase()
}

/// In which order the program wrote its fields: each program has its own.
fn order(seen: &Seen, gatherer: &mut Gatherer<'_>) {
    const ORDERED: [&str; 6] = ["date", "from", "to", "subject", "message-id", "mime-version"];
    let initials: String = seen
        .names
        .iter()
        .filter(|name| ORDERED.contains(name))
        .filter_map(|name| name.chars().next())
        .collect();
    gatherer.add(Kind::Header, &format!("order {initials}"));
}

fn relations(seen: &Seen, gatherer: &mut Gatherer<'_>) {
    let from = url::registered(&seen.from);
    let same = |domain: &str| url::registered(domain) == from && !from.is_empty();
    if seen.recipients.iter().any(|(_, domain)| same(domain)) {
        gatherer.add(Kind::Header, "from the recipient's domain");
    } else if !from.is_empty() {
        gatherer.add(Kind::From, from);
        let top = from.rsplit_once('.').map_or("", |(_, top)| top);
        gatherer.add(Kind::From, &format!(".{top}"));
    }
    if !seen.reply_to.is_empty() && !same(&seen.reply_to) {
        gatherer.add(Kind::Header, "reply-to elsewhere");
    }
    if !seen.message_id.is_empty() {
        let relation = if same(&seen.message_id) { "from's domain" } else { "another domain" };
        gatherer.add(Kind::Header, &format!("message-id of {relation}"));
        if !seen.message_id.contains('.') {
            gatherer.add(Kind::Header, "message-id without a domain");
        }
    }
    let told = seen
        .recipients
        .first()
        .is_some_and(|(local, _)| local.len() >= 3 && seen.subject.contains(local.as_str()));
    if told {
        gatherer.add(Kind::Header, "the recipient in subject");
    }
}

/// How a date is written: its words by what they are made of.
fn date_form(value: &[u8]) -> String {
    let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let kinds: Vec<String> = words.take(8).map(date_word).collect();
    kinds.join(" ")
}

/// Digits become 0; the name of a day or month and a zone stand for all of them.
fn date_word(word: &[u8]) -> String {
    match word {
        b"+0000" | b"-0000" => "+0000".to_owned(),
        [b'+' | b'-', zone @ ..] if zone.iter().all(u8::is_ascii_digit) => "zone".to_owned(),
        [b'(', ..] => "(".to_owned(),
        [_, b'a'..=b'z', b'a'..=b'z'] => "a".to_owned(),
        [_, b'a'..=b'z', b'a'..=b'z', b','] => "a,".to_owned(),
        _ => {
            let of = |octet: &u8| if octet.is_ascii_digit() { '0' } else { char::from(*octet) };
            word.iter().map(of).collect()
        }
    }
}

/// The shape of a generated string: runs of digits are 0, of lower case a, of capitals A; other
/// octets stay; eight runs.
pub(crate) fn shape(octets: &[u8]) -> String {
    let mut shape = String::new();
    for octet in octets {
        let class = match octet {
            b'0'..=b'9' => '0',
            b'a'..=b'z' => 'a',
            b'A'..=b'Z' => 'A',
            b' '..=b'~' => char::from(*octet),
            _ => '?',
        };
        if shape.ends_with(class) {
            continue;
        }
        if shape.len() == 8 {
            break;
        }
        shape.push(class);
    }
    shape
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn forms_of_dates() {
        assert_eq!(
            date_form(b" Tue, 3 Sep 2002 01:02:03 -0700 (PDT)\r\n"),
            "a, 0 a 0000 00:00:00 zone ("
        );
        assert_eq!(date_form(b""), "");
    }

    #[test]
    fn shapes() {
        assert_eq!(shape(b"----=_NextPart_000_001"), "-=_AaAa_");
        assert_eq!(shape(b"<20020827"), "<0");
        assert_eq!(shape(b""), "");
        assert_eq!(shape(b"\xff\xfe"), "?");
    }

    #[test]
    fn authors() {
        assert_eq!(author("\"A B\" <a@b>"), ("A B", "a@b"));
        assert_eq!(author("a@b (A B)"), ("A B", "a@b"));
        assert_eq!(author("a@b"), ("", "a@b"));
        assert_eq!(author("<<>>"), ("", "<"));
        assert_eq!(author(""), ("", ""));
    }
}
