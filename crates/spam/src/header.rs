//! What a message's header looks like: the fields that the author's program writes.
//!
//! Only fields of [`AUTHORED`] are looked at: the others tell by which way a message came, and
//! what other filters thought of it, which whoever sends can write. In-Reply-To and References are
//! left out too: anybody can answer a message that was never sent; the caller knows better. Only a
//! subject that says `Re:` without either is noted.

use crate::tokens::{Gatherer, Kind};
use crate::writing::unsayable;
use crate::{sender, url, words};
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
/// Encoded words of a subject that are looked at.
const ENCODED_WORDS_MAX: usize = 4;
/// What programs write before the subject of an answer.
const ANSWERS: [&str; 3] = ["re:", "aw:", "sv:"];
/// Addresses of one field that are looked at.
const ADDRESSES_MAX: usize = 64;

/// Whom a message is from and for, as the rest of it may name them.
#[derive(Default)]
pub(crate) struct Parties {
    /// Domains of the recipients, of which nothing is to be learnt.
    pub own: Vec<String>,
    /// Local parts of the recipients that are long enough to be told from other words.
    pub locals: Vec<String>,
    /// The author's host.
    pub from: String,
}

/// What the fields say of each other.
#[derive(Default)]
struct Seen {
    from: String,
    from_local: String,
    reply_to: String,
    answers: bool,
    mailer: String,
    message_id: String,
    message_id_left: Vec<u8>,
    recipients: Vec<(String, String)>,
    subject: String,
    names: Vec<&'static str>,
}

/// Local parts shorter than this are words of their own.
const LOCAL_OCTETS_MIN: usize = 4;
/// Recipients whose name is looked for in the text; who writes to more does not name each.
const LOCALS_MAX: usize = 8;

/// Tokens of a header. Gives whom the message is from and for.
pub(crate) fn tokens(octets: &[u8], gatherer: &mut Gatherer<'_>) -> Parties {
    let mut seen = Seen::default();
    for field in header::fields(octets) {
        let lower = field.name.to_ascii_lowercase();
        seen.answers |= matches!(lower.as_slice(), b"in-reply-to" | b"references");
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
    sender::writes(&seen.mailer, &seen.message_id_left, gatherer);
    let mut parties = Parties { from: seen.from, ..Parties::default() };
    for (local, domain) in seen.recipients {
        parties.own.push(url::registered(&domain).to_owned());
        if local.len() >= LOCAL_OCTETS_MIN && parties.locals.len() < LOCALS_MAX {
            parties.locals.push(local);
        }
    }
    parties
}

fn of_field(name: &'static str, value: &[u8], seen: &mut Seen, gatherer: &mut Gatherer<'_>) {
    match name {
        "from" => {
            let value = text::decode_header(value);
            let (shown, address) = author(&value);
            words::field(shown, Kind::Name, None, gatherer);
            gatherer.add(Kind::Header, &format!("from {}", sender::form(&value)));
            sender::author(shown, address, gatherer);
            if shown.is_empty() {
                gatherer.add(Kind::Header, "from without a name");
            }
            if shown.contains('@') {
                gatherer.add(Kind::Header, "an address as the name in from");
            }
            if let Some((local, domain)) = address.rsplit_once('@') {
                seen.from = domain.to_lowercase();
                seen.from_local = local.to_lowercase();
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
            sender::program(&value).clone_into(&mut seen.mailer);
        }
        "message-id" => {
            let (left, domain) = match value.iter().rposition(|b| *b == b'@') {
                Some(at) => value.split_at_checked(at).unwrap_or((value, &[])),
                None => (value, &[][..]),
            };
            gatherer.add(Kind::Header, &format!("message-id {}", shape(left.trim_ascii())));
            seen.message_id_left = left.trim_ascii().to_owned();
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
        "content-type" => {
            gatherer.add(Kind::Header, &format!("content-type {}", type_form(value)));
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
    gatherer.add(Kind::Header, &format!("{name} {}", sender::form(value)));
}

/// How the words of a subject are encoded (RFC 2047), and whether they need to be.
fn encoded(value: &[u8], subject: &str, gatherer: &mut Gatherer<'_>) {
    gatherer.add(Kind::Header, "subject with encoded words");
    let value = String::from_utf8_lossy(value);
    for word in value.split("=?").skip(1).take(ENCODED_WORDS_MAX) {
        let mut parts = word.split('?');
        let (charset, encoding) = (parts.next().unwrap_or_default(), parts.next().unwrap_or("-"));
        let form = format!("subject in {} {encoding}", charset.to_ascii_lowercase());
        gatherer.add(Kind::Header, &form);
    }
    if subject.is_ascii() {
        gatherer.add(Kind::Header, "subject encoded for nothing");
    }
}

fn subject(value: &[u8], gatherer: &mut Gatherer<'_>) -> String {
    let subject = text::decode_header(value);
    if value.windows(2).any(|two| two == b"=?") {
        encoded(value, &subject, gatherer);
    }
    if subject.split_whitespace().next_back().is_some_and(unsayable) {
        gatherer.add(Kind::Header, "subject ends in a word nobody can say");
    }
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
    let himself = |(local, domain): &(String, String)| {
        !local.is_empty() && *local == seen.from_local && *domain == seen.from
    };
    if seen.recipients.iter().any(himself) {
        gatherer.add(Kind::Header, "from the recipient himself");
    }
    // What is answered can be feigned: that a message answers says nothing, but that one claims to
    // without naming what does.
    let subject = seen.subject.trim_start();
    if !seen.answers && ANSWERS.iter().any(|mark| subject.starts_with(mark)) {
        gatherer.add(Kind::Header, "an answer to nothing");
    }
}

/// How a date is written: its words by what they are made of.
fn date_form(value: &[u8]) -> String {
    let words = value.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty());
    let kinds: Vec<String> = words.take(8).map(date_word).collect();
    kinds.join(" ")
}

/// How Content-Type is written: the case of the type, quotes and spaces about its parameters.
fn type_form(value: &[u8]) -> String {
    let value = String::from_utf8_lossy(value);
    let mut parts = value.trim().split(';');
    let capitals = parts.next().is_some_and(|kind| kind.bytes().any(|b| b.is_ascii_uppercase()));
    let mut form = String::from(if capitals { "A/A" } else { "a/a" });
    for parameter in parts.take(3) {
        form.push(';');
        let written = parameter.trim_start();
        let space = parameter.get(..parameter.len() - written.len()).unwrap_or_default();
        if space.contains('\n') {
            form.push('|');
        }
        if space.contains('\t') {
            form.push('>');
        } else if !space.is_empty() {
            form.push(' ');
        }
        let (name, value) = written.split_once('=').unwrap_or((written, ""));
        form.push_str(name.trim());
        form.push_str(if value.starts_with('"') { "=\"\"" } else { "=" });
    }
    form
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
