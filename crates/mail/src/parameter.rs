//! `type/subtype; name=value` of Content-Type and Content-Disposition (RFC 2045 §5.1, RFC 2183),
//! with the continuations and charsets of RFC 2231.
//!
//! Tolerant: a missing semicolon, unquoted values with spaces and unterminated quotes are read as
//! they were meant. Bounded: at most `parameters_max` `name=value` pairs of a field are looked at
//! (CVE-2026-27859).

use crate::charset::decode_charset;
use crate::lexical::{after_comment, hex};

/// Parameters in the order of the field: names in lower case, values decoded.
pub type Parameters = Vec<(String, Vec<u8>)>;

/// A Content-Type value: type and subtype in lower case, `None` when there is no `type/subtype`
/// at the start; and the parameters.
pub fn content_type(value: &[u8], parameters_max: usize) -> (Option<(String, String)>, Parameters) {
    let mut cursor = Cursor { rest: value };
    cursor.skip_cfws();
    let media_type = cursor.token();
    cursor.skip_cfws();
    let mut types = None;
    if cursor.eat(b'/') {
        cursor.skip_cfws();
        let subtype = cursor.token();
        if !media_type.is_empty() && !subtype.is_empty() {
            types = Some((lower(media_type), lower(subtype)));
        }
    }
    (types, cursor.parameters(parameters_max))
}

/// A Content-Disposition value: the disposition in lower case, and parameters.
pub fn disposition(value: &[u8], parameters_max: usize) -> Option<(String, Parameters)> {
    let mut cursor = Cursor { rest: value };
    cursor.skip_cfws();
    let kind = cursor.token();
    // `Content-Disposition: filename=x` without a disposition is one to be saved (RFC 2183 §2.8).
    let parameters = if cursor.rest.first() == Some(&b'=') {
        Cursor { rest: value }.parameters(parameters_max)
    } else if kind.is_empty() {
        return None;
    } else {
        return Some((lower(kind), cursor.parameters(parameters_max)));
    };
    Some(("attachment".into(), parameters))
}

/// The first token of a value, as written: a transfer encoding, say.
pub fn first_token(value: &[u8]) -> &[u8] {
    let mut cursor = Cursor { rest: value };
    cursor.skip_cfws();
    cursor.token()
}

fn lower(token: &[u8]) -> String {
    String::from_utf8_lossy(token).to_lowercase()
}

struct Cursor<'a> {
    rest: &'a [u8],
}

impl<'a> Cursor<'a> {
    fn eat(&mut self, byte: u8) -> bool {
        match self.rest.split_first() {
            Some((first, rest)) if *first == byte => {
                self.rest = rest;
                true
            }
            _ => false,
        }
    }

    fn take_while(&mut self, keep: impl Fn(u8) -> bool) -> &'a [u8] {
        let end = self.rest.iter().position(|b| !keep(*b)).unwrap_or(self.rest.len());
        let (taken, rest) = self.rest.split_at_checked(end).unwrap_or_default();
        self.rest = rest;
        taken
    }

    /// White space, line ends and comments.
    fn skip_cfws(&mut self) {
        loop {
            self.take_while(|b| b.is_ascii_whitespace());
            if self.rest.first() != Some(&b'(') {
                return;
            }
            self.rest = after_comment(self.rest);
        }
    }

    /// `token` of RFC 2045 §5.1, more or less: what does not part one thing from another.
    fn token(&mut self) -> &'a [u8] {
        self.take_while(|b| !b.is_ascii_whitespace() && !b"()<>,;:\\\"/=".contains(&b))
    }

    fn parameters(mut self, parameters_max: usize) -> Parameters {
        let mut pieces = Vec::new();
        while pieces.len() < parameters_max {
            self.take_while(|b| b != b';' && b != b'=' && b.is_ascii_whitespace());
            self.skip_cfws();
            if self.rest.is_empty() {
                break;
            }
            if self.eat(b';') {
                continue;
            }
            let name = self.token();
            self.skip_cfws();
            if self.eat(b'=') && !name.is_empty() {
                let value = self.value();
                pieces.push(Piece::of(name, value));
            } else if name.is_empty() {
                // A character that begins nothing.
                self.rest = self.rest.get(1..).unwrap_or_default();
            }
        }
        join(pieces)
    }

    fn value(&mut self) -> Vec<u8> {
        self.skip_cfws();
        if self.eat(b'"') {
            return self.quoted();
        }
        let mut end = 0;
        let bytes = self.rest;
        // Up to the semicolon; but ` (comment)` and ` name=` end it too.
        for (at, byte) in bytes.iter().enumerate() {
            if *byte == b';' {
                break;
            }
            if byte.is_ascii_whitespace() {
                continue;
            }
            let word_starts = at > end;
            if word_starts
                && (*byte == b'(' || starts_parameter(bytes.get(at..).unwrap_or_default()))
            {
                break;
            }
            end = at + 1;
        }
        let (value, rest) = bytes.split_at_checked(end).unwrap_or_default();
        self.rest = rest;
        crate::header::unfold(value)
    }

    /// What follows an opening quote, up to the closing one or the end.
    fn quoted(&mut self) -> Vec<u8> {
        let mut value = Vec::new();
        let mut bytes = self.rest.iter();
        while let Some(byte) = bytes.next() {
            match byte {
                b'"' => break,
                b'\r' | b'\n' => {}
                b'\\' => value.extend(bytes.next()),
                byte => value.push(*byte),
            }
        }
        self.rest = bytes.as_slice();
        value
    }
}

/// Whether `name=` stands here: a parameter whose semicolon was forgotten. Names are short; a
/// longer word is no name, so that this stays linear.
fn starts_parameter(bytes: &[u8]) -> bool {
    let head = bytes.get(..32).unwrap_or(bytes);
    let letters = head.iter().position(|b| !b.is_ascii_alphanumeric() && !b"-*".contains(b));
    letters.is_some_and(|at| at > 0 && head.get(at) == Some(&b'='))
        && head.first().is_some_and(u8::is_ascii_alphabetic)
}

/// One `name*section*=value` of RFC 2231 §3 and §4.
struct Piece {
    name: String,
    section: Option<u32>,
    extended: bool,
    value: Vec<u8>,
}

impl Piece {
    fn of(name: &[u8], value: Vec<u8>) -> Self {
        let name = lower(name);
        let (bare, extended) = match name.strip_suffix('*') {
            Some(bare) => (bare, true),
            None => (name.as_str(), false),
        };
        let split = bare.rsplit_once('*').and_then(|(n, s)| Some((n, s.parse::<u32>().ok()?)));
        match split {
            Some((name, section)) if !name.is_empty() => {
                Self { name: name.into(), section: Some(section), extended, value }
            }
            _ if bare.is_empty() => Self { name, section: None, extended: false, value },
            _ => Self { name: bare.into(), section: None, extended, value },
        }
    }
}

/// Puts sections together; of a name given plainly and by RFC 2231, the latter counts: the
/// plain one is for old readers. Of several plain ones the first counts.
fn join(mut pieces: Vec<Piece>) -> Parameters {
    let mut order: Vec<String> = Vec::new();
    for piece in &pieces {
        if !order.contains(&piece.name) {
            order.push(piece.name.clone());
        }
    }
    // Stable: equal sections stay in the order of the field.
    pieces.sort_by_key(|piece| piece.section);
    let mut parameters = Vec::with_capacity(order.len());
    for name in order {
        let mine = || pieces.iter().filter(|piece| piece.name == name);
        let value = mine()
            .find(|piece| piece.extended && piece.section.is_none())
            .map(|piece| extended_value(&[piece]))
            .or_else(|| sections(&mine().filter(|p| p.section.is_some()).collect::<Vec<_>>()))
            .or_else(|| mine().next().map(|piece| piece.value.clone()));
        parameters.push((name, value.unwrap_or_default()));
    }
    parameters
}

/// The sections 0, 1, 2 … as far as they go without a gap; `None` when there is no section 0.
fn sections(pieces: &[&Piece]) -> Option<Vec<u8>> {
    let mut run: Vec<&Piece> = Vec::new();
    for piece in pieces {
        let next = u32::try_from(run.len()).ok()?;
        if piece.section == Some(next) {
            run.push(piece);
        }
    }
    (!run.is_empty()).then(|| extended_value(&run))
}

/// RFC 2231 §4.1: only the first section names the charset; sections that are not extended are
/// taken as they are. All bytes are put together before decoding, as a section may end within a
/// character.
fn extended_value(pieces: &[&Piece]) -> Vec<u8> {
    let mut charset: Option<String> = None;
    let mut bytes = Vec::new();
    for (at, piece) in pieces.iter().enumerate() {
        let mut value = piece.value.as_slice();
        if piece.extended && at == 0 {
            let mut fields = value.splitn(3, |b| *b == b'\'');
            if let (Some(label), Some(_language), Some(text)) =
                (fields.next(), fields.next(), fields.next())
            {
                charset = Some(String::from_utf8_lossy(label).into_owned());
                value = text;
            }
        }
        if piece.extended { percent_decode(value, &mut bytes) } else { bytes.extend(value) }
    }
    match charset {
        Some(label) if !bytes.is_ascii() || label.to_ascii_lowercase().contains("utf-7") => {
            decode_charset(&bytes, &label).0.into_bytes()
        }
        // ISO-2022 text is ASCII to the eye.
        Some(label) if bytes.contains(&0x1b) => decode_charset(&bytes, &label).0.into_bytes(),
        _ => bytes,
    }
}

fn percent_decode(value: &[u8], out: &mut Vec<u8>) {
    let mut bytes = value.iter();
    while let Some(byte) = bytes.next() {
        let digits = match bytes.as_slice() {
            [high, low, ..] if *byte == b'%' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match digits {
            Some((high, low)) => {
                out.push(high << 4 | low);
                bytes.nth(1);
            }
            None => out.push(*byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(value: &str, types: Option<&str>, expected: &[(&str, &str)]) {
        let (found, parameters) = content_type(value.as_bytes(), 64);
        let found = found.map(|(t, s)| format!("{t}/{s}"));
        assert_eq!(found.as_deref(), types, "{value}");
        let parameters: Vec<_> =
            parameters.iter().map(|(n, v)| (n.as_str(), std::str::from_utf8(v).unwrap())).collect();
        assert_eq!(parameters, expected, "{value}");
    }

    #[test]
    fn plain_parameters() {
        check("text/plain", Some("text/plain"), &[]);
        check(
            "Text/Plain; Charset=us-ascii (Plain text)",
            Some("text/plain"),
            &[("charset", "us-ascii")],
        );
        check(
            "text (a) / (b) html (c) ; (d) charset (e) = (f) \"u\\\"8\" ; x=y",
            Some("text/html"),
            &[("charset", "u\"8"), ("x", "y")],
        );
        check("a/b;;; c=d;", Some("a/b"), &[("c", "d")]);
        check("a/b; c=\"d\r\n e\"", Some("a/b"), &[("c", "d e")]);
        check("a/b; c=", Some("a/b"), &[("c", "")]);
        check("a/b; c=1; C=2", Some("a/b"), &[("c", "1")]);
    }

    #[test]
    fn malformations_of_real_mail() {
        check("text/plain charset=utf-8", Some("text/plain"), &[("charset", "utf-8")]);
        check(
            "a/b; name=Mi CV 2.pdf size=3; x=y",
            Some("a/b"),
            &[("name", "Mi CV 2.pdf"), ("size", "3"), ("x", "y")],
        );
        check("a/b; name=\"open", Some("a/b"), &[("name", "open")]);
        check("a/b; charset=\"x\"; =y; <z>", Some("a/b"), &[("charset", "x")]);
        check("text; charset=utf-8", None, &[("charset", "utf-8")]);
        check("", None, &[]);
        check("/", None, &[]);
        check("a/b; boundary=\"--=_a'()+,./:=?\"", Some("a/b"), &[("boundary", "--=_a'()+,./:=?")]);
        check("a/b; boundary=--=_a/b=c", Some("a/b"), &[("boundary", "--=_a/b=c")]);
        check("a/b; boundary====x", Some("a/b"), &[("boundary", "===x")]);
    }

    #[test]
    fn rfc2231_examples() {
        check(
            "message/external-body; access-type=URL; URL*0=\"ftp://\"; URL*1=\"cs.utk.edu/pub\"",
            Some("message/external-body"),
            &[("access-type", "URL"), ("url", "ftp://cs.utk.edu/pub")],
        );
        check(
            "application/x-stuff; title*=us-ascii'en-us'This%20is%20%2A%2A%2Afun%2A%2A%2A",
            Some("application/x-stuff"),
            &[("title", "This is ***fun***")],
        );
        check(
            "application/x-stuff\r\n ;title*0*=us-ascii'en'This%20is%20even%20more%20\r\n \
             ;title*1*=%2A%2A%2Afun%2A%2A%2A%20\r\n ;title*2=\"isn't it!\"",
            Some("application/x-stuff"),
            &[("title", "This is even more ***fun*** isn't it!")],
        );
    }

    #[test]
    fn rfc2231_oddities() {
        // Out of order, a character split over two sections, a gap.
        check("a/b; n*1*=%B1o; n*0*=utf-8''Espa%C3; n*3*=lost", Some("a/b"), &[("n", "Españo")]);
        check("a/b; n*=iso-8859-1''%F1; n=old", Some("a/b"), &[("n", "ñ")]);
        check("a/b; n*0=x; n=old", Some("a/b"), &[("n", "x")]);
        check("a/b; n*1=x", Some("a/b"), &[("n", "x")]);
        check("a/b; n*=%zz%4", Some("a/b"), &[("n", "%zz%4")]);
        check("a/b; *=x; *0=z", Some("a/b"), &[("*", "x"), ("*0", "z")]);
        check("a/b; n*99999999999=x", Some("a/b"), &[("n*99999999999", "x")]);
    }

    #[test]
    fn parameters_max_at_n_and_one_more() {
        let value = |n: usize| {
            let all: String = (0..n).map(|i| format!("; p{i}=v")).collect();
            content_type(format!("a/b{all}").as_bytes(), 64).1.len()
        };
        assert_eq!((value(64), value(65), value(100_000)), (64, 64, 64));
    }

    #[test]
    fn dispositions() {
        let check = |value: &str, expected: Option<(&str, &str)>| {
            let found = disposition(value.as_bytes(), 64).map(|(kind, parameters)| {
                (kind, parameters.first().map_or(String::new(), |p| format!("{p:?}")))
            });
            assert_eq!(
                found.as_ref().map(|(k, p)| (k.as_str(), p.is_empty())),
                expected.map(|(k, p)| (k, p.is_empty())),
                "{value}"
            );
        };
        check("ATTACHMENT; filename=x", Some(("attachment", "x")));
        check("inline", Some(("inline", "")));
        check("filename=x", Some(("attachment", "x")));
        check("", None);
        check("; filename=x", None);
    }
}
