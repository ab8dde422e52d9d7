//! Encoded words (RFC 2047 §2), with the malformations that mail has.

use crate::charset::{Charset, guess};
use crate::lexical::hex;
use crate::mime;

/// Decodes a header value's encoded words, and undeclared 8-bit as UTF-8 or Windows-1252. The value
/// may be folded. Adjacent words of one charset are put together before decoding, as many programs
/// split a character over two words, against RFC 2047 §5.
#[must_use]
pub fn decode_header(value: &[u8]) -> String {
    let unfolded = crate::header::unfold(value);
    let mut out = String::with_capacity(unfolded.len());
    let mut pending: Option<(String, Vec<u8>)> = None;
    let mut rest = unfolded.as_slice();
    while !rest.is_empty() {
        if let Some((word, after)) = encoded_word(rest) {
            rest = after;
            match &mut pending {
                Some((charset, bytes)) if charset.eq_ignore_ascii_case(word.charset) => {
                    bytes.extend_from_slice(&word.bytes);
                }
                _ => {
                    flush(&mut pending, &mut out);
                    pending = Some((word.charset.to_owned(), word.bytes));
                }
            }
            // RFC 2047 §6.2: white space between adjacent words is ignored.
            let gap = rest.iter().position(|b| !matches!(b, b' ' | b'\t')).unwrap_or(rest.len());
            if let Some(next) = rest.get(gap..).filter(|next| encoded_word(next).is_some()) {
                rest = next;
            }
            continue;
        }
        flush(&mut pending, &mut out);
        // Up to where a word may begin, at least one octet.
        let tail = rest.get(1..).unwrap_or_default();
        let end = memchr::memmem::find(tail, b"=?").map_or(rest.len(), |at| at + 1);
        let (plain, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        out.push_str(&guess(plain));
        rest = after;
    }
    flush(&mut pending, &mut out);
    out
}

fn flush(pending: &mut Option<(String, Vec<u8>)>, out: &mut String) {
    let Some((charset, bytes)) = pending.take() else { return };
    match Charset::of(&charset) {
        Some(charset) => out.push_str(&charset.decode(&bytes)),
        None => out.push_str(&guess(&bytes)),
    }
}

struct EncodedWord<'a> {
    charset: &'a str,
    bytes: Vec<u8>,
}

/// `encoded-word = "=?" charset ["*" language] "?" encoding "?" encoded-text "?="` at the start;
/// and what follows. Its three fields cannot hold a `?`, so this looks no further than the third.
fn encoded_word(text: &[u8]) -> Option<(EncodedWord<'_>, &[u8])> {
    let body = text.strip_prefix(b"=?")?;
    let (charset, body) = split_once(body, CHARSET_OCTETS_MAX)?;
    let (encoding, body) = split_once(body, 1)?;
    let (encoded, after) = split_once(body, body.len())?;
    let after = after.strip_prefix(b"=")?;
    let charset = std::str::from_utf8(charset).ok()?;
    let charset = charset.split('*').next().unwrap_or_default();
    if charset.is_empty() || charset.contains([' ', '\t', '=']) {
        return None;
    }
    let bytes = match encoding {
        b"B" | b"b" => mime::base64(encoded),
        b"Q" | b"q" => q_encoding(encoded),
        _ => return None,
    };
    Some((EncodedWord { charset, bytes }, after))
}

/// Longer than any charset's name.
const CHARSET_OCTETS_MAX: usize = 64;

fn split_once(bytes: &[u8], octets_max: usize) -> Option<(&[u8], &[u8])> {
    let within = bytes.get(..octets_max + 1).unwrap_or(bytes);
    let at = memchr::memchr(b'?', within)?;
    Some((bytes.get(..at)?, bytes.get(at + 1..)?))
}

/// RFC 2047 §4.2: `_` is a space, `=` and two digits an octet.
fn q_encoding(text: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.iter();
    while let Some(byte) = bytes.next() {
        let octet = match bytes.as_slice() {
            [high, low, ..] if *byte == b'=' => hex(*high).zip(hex(*low)),
            _ => None,
        };
        match (octet, byte) {
            (Some((high, low)), _) => {
                out.push(high << 4 | low);
                bytes.nth(1);
            }
            (None, b'_') => out.push(b' '),
            (None, byte) => out.push(*byte),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(value: &str, expected: &str) {
        assert_eq!(decode_header(value.as_bytes()), expected, "{value}");
    }

    #[test]
    fn rfc2047_examples() {
        check(
            "=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?= <keld@dkuug.dk>",
            "Keld Jørn Simonsen <keld@dkuug.dk>",
        );
        check(
            "=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=\r\n \
             =?ISO-8859-2?B?dSB1bmRlcnN0YW5kIHRoZSBleGFtcGxlLg==?=",
            "If you can read this you understand the example.",
        );
        check("(=?ISO-8859-1?Q?a?=)", "(a)");
        check("(=?ISO-8859-1?Q?a?= b)", "(a b)");
        check("(=?ISO-8859-1?Q?a?= =?ISO-8859-1?Q?b?=)", "(ab)");
        check("(=?ISO-8859-1?Q?a?=  =?ISO-8859-1?Q?b?=)", "(ab)");
        check("(=?ISO-8859-1?Q?a_b?=)", "(a b)");
        check("(=?ISO-8859-1?Q?a?= =?ISO-8859-2?Q?_b?=)", "(a b)");
        check("=?US-ASCII*EN?Q?Keith_Moore?=", "Keith Moore");
    }

    #[test]
    fn characters_split_over_words() {
        check("=?utf-8?q?Espa=C3?= =?UTF-8?q?=B1a?=", "España");
        check("=?utf-8?b?w7HD?= =?utf-8?b?sQ==?=", "ññ");
        check("=?utf-8?b?w7HD?= =?utf-8?q?=B1?=", "ññ");
    }

    #[test]
    fn malformed_words() {
        check("=?utf-8?q?a b?=", "a b");
        check("a=?utf-8?q?b?=c", "abc");
        check("=?utf-8?x?a?=", "=?utf-8?x?a?=");
        check("=?utf-8?q?a", "=?utf-8?q?a");
        check("=??q?a?=", "=??q?a?=");
        check("=?utf-8?q??=", "");
        check("=?3du?q?=F1?=", "ñ");
        check("=?utf-8?b?!!!?=", "");
        check("=?utf-8?q?=ZZ=?=", "=ZZ=");
        check("ñ", "ñ");
        check("", "");
        assert_eq!(decode_header(b"a \xf1 =?utf-8?q?=C3=B1?="), "a ñ ñ");
    }

    #[test]
    fn other_charsets() {
        check("=?ISO-2022-JP?B?GyRCJUYlOSVIGyhC?=", "テスト");
        check("=?unicode-1-1-utf-7?Q?+ZeVnLIqe-?=", "日本語");
        check("=?windows-1251?B?z/Do4uXy?=", "Привет");
    }

    proptest! {
        #[test]
        fn inverse_of_q_and_b(text in "\\PC{0,60}") {
            let q: String = text.bytes().map(|b| format!("={b:02X}")).collect();
            prop_assert_eq!(decode_header(format!("=?utf-8?Q?{q}?=").as_bytes()), text.clone());
        }

        #[test]
        fn never_panics(value in proptest::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode_header(&value);
        }
    }
}
