//! Transfer encodings (RFC 2045 §6.7, §6.8), read as tolerantly as mail demands.

use super::Encoding;
use crate::lexical::hex;
use std::borrow::Cow;

/// Decodes a body of its transfer encoding; `None` for [`Encoding::Other`] (RFC 3516 UNKNOWN-CTE).
#[must_use]
pub fn decode<'a>(body: &'a [u8], encoding: &Encoding) -> Option<Cow<'a, [u8]>> {
    match encoding {
        Encoding::SevenBit | Encoding::EightBit | Encoding::Binary => Some(Cow::Borrowed(body)),
        Encoding::Base64 => Some(Cow::Owned(base64(body))),
        Encoding::QuotedPrintable => Some(Cow::Owned(quoted_printable(body))),
        Encoding::Other(_) => None,
    }
}

/// Values of the base64 alphabet; 64 for `=`, 65 for what is skipped.
const BASE64: [u8; 256] = {
    let alphabet = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut table = [65_u8; 256];
    let mut at = 0;
    #[allow(clippy::indexing_slicing)] // Evaluated by the compiler.
    while at < alphabet.len() {
        table[alphabet[at] as usize] = at as u8;
        at += 1;
    }
    #[allow(clippy::indexing_slicing)]
    {
        table[b'=' as usize] = 64;
    }
    table
};

fn value(byte: u8) -> u8 {
    BASE64.get(usize::from(byte)).copied().unwrap_or(65)
}

/// RFC 2045 §6.8: "all line breaks or other characters not found in Table 1 must be ignored".
/// A quantum that padding completes ends the data, as what follows is no longer base64 (a mailing
/// list's footer, say); an unpadded last quantum gives the octets that it has whole.
pub fn base64(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len() / 4 * 3 + 3);
    let mut rest = body;
    let (mut bits, mut digits, mut padding) = (0_u32, 0_u32, 0_u32);
    loop {
        if digits == 0 {
            rest = whole_quanta(rest, &mut out);
        }
        let Some((byte, after)) = rest.split_first() else { break };
        rest = after;
        match value(*byte) {
            65 => {}
            64 => {
                padding += 1;
                if digits >= 2 && digits + padding >= 4 {
                    break;
                }
            }
            digit => {
                bits = bits << 6 | u32::from(digit);
                digits += 1;
                padding = 0;
                if digits == 4 {
                    let [_, octets @ ..] = bits.to_be_bytes();
                    out.extend_from_slice(&octets);
                    (bits, digits) = (0, 0);
                }
            }
        }
    }
    // Two digits hold one octet, three hold two; one holds none.
    let [_, high, low, _] = (bits << (6 * (4 - digits))).to_be_bytes();
    let whole: &[u8] = &[high, low];
    // `bits` of three bytes: the first of the quantum lies in the second of the four.
    out.extend(whole.iter().take(digits.saturating_sub(1) as usize));
    out
}

/// Decodes four digits at a time, the usual case, up to anything else.
fn whole_quanta<'a>(mut rest: &'a [u8], out: &mut Vec<u8>) -> &'a [u8] {
    while let Some((quantum, after)) = rest.split_first_chunk::<4>() {
        let [a, b, c, d] = quantum.map(value);
        if (a | b | c | d) & 0xc0 != 0 {
            break;
        }
        let bits = u32::from(a) << 18 | u32::from(b) << 12 | u32::from(c) << 6 | u32::from(d);
        let [_, octets @ ..] = bits.to_be_bytes();
        out.extend_from_slice(&octets);
        rest = after;
    }
    rest
}

/// RFC 2045 §6.7. White space at the end of a line is dropped (rule 3); `=` before anything that
/// is neither a line end nor two hexadecimal digits stands for itself.
pub fn quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    while !rest.is_empty() {
        let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
        let (line, after) = rest.split_at_checked(end).unwrap_or((rest, &[]));
        rest = after;
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let line_end = line.get(text.len()..).unwrap_or_default();
        let blank = text.iter().rev().take_while(|b| matches!(b, b' ' | b'\t')).count();
        let text = text.get(..text.len() - blank).unwrap_or_default();
        match text.strip_suffix(b"=") {
            Some(soft) => quoted_line(soft, &mut out),
            None => {
                quoted_line(text, &mut out);
                out.extend_from_slice(line_end);
            }
        }
    }
    out
}

fn quoted_line(mut line: &[u8], out: &mut Vec<u8>) {
    while let Some(at) = memchr::memchr(b'=', line) {
        let (plain, quoted) = line.split_at_checked(at).unwrap_or((line, &[]));
        out.extend_from_slice(plain);
        let octet = match quoted {
            [_, high, low, ..] => hex(*high).zip(hex(*low)),
            _ => None,
        };
        line = if let Some((high, low)) = octet {
            out.push(high << 4 | low);
            quoted.get(3..).unwrap_or_default()
        } else {
            out.push(b'=');
            quoted.get(1..).unwrap_or_default()
        };
    }
    out.extend_from_slice(line);
}

#[cfg(test)]
mod tests {
    use super::*;
    use ::base64::Engine as _;
    use ::base64::prelude::BASE64_STANDARD;
    use proptest::prelude::*;

    #[test]
    fn base64_with_junk() {
        for (text, expected) in [
            ("", ""),
            ("QW5h", "Ana"),
            ("QW\r\n5h\r\n", "Ana"),
            ("Q W!5-h", "Ana"),
            ("QW5hQQ==", "AnaA"),
            ("QW5hQQ", "AnaA"),
            ("QW5hQUE", "AnaAA"),
            ("QW5hQUE=\r\n--\r\nfooter", "AnaAA"),
            ("QW5hQ", "Ana"),
            ("=QW5h", "Ana"),
            ("Q=W5h", "Ana"),
            ("====", ""),
        ] {
            assert_eq!(base64(text.as_bytes()), expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn quoted_printable_with_junk() {
        for (text, expected) in [
            ("", ""),
            ("a=3Db=3db", "a=b=b"),
            ("a=\r\nb=\nc= \t\r\nd", "abcd"),
            ("a \t\r\nb ", "a\r\nb"),
            ("a=20\r\n", "a \r\n"),
            ("a==3D", "a=="),
            ("a=ZZ=4", "a=ZZ=4"),
            ("a=", "a"),
            ("=C3=B1", "ñ"),
            ("\r\n\r\n", "\r\n\r\n"),
            ("a\rb", "a\rb"),
        ] {
            let decoded = quoted_printable(text.as_bytes());
            assert_eq!(decoded, expected.as_bytes(), "{text}");
        }
    }

    #[test]
    fn identity_borrows_and_unknown_is_none() {
        assert!(matches!(decode(b"x", &Encoding::Binary), Some(Cow::Borrowed(b"x"))));
        assert_eq!(decode(b"x", &Encoding::Other("x-uuencode".into())), None);
    }

    proptest! {
        #[test]
        fn base64_inverse(data in proptest::collection::vec(any::<u8>(), 0..500), width in 1_usize..90) {
            let encoded = BASE64_STANDARD.encode(&data);
            let lines: Vec<&[u8]> = encoded.as_bytes().chunks(width).collect();
            prop_assert_eq!(base64(&lines.join(&b"\r\n"[..])), data);
        }

        #[test]
        fn quoted_printable_inverse(data in proptest::collection::vec(any::<u8>(), 0..300)) {
            let mut encoded = Vec::new();
            for (at, byte) in data.iter().enumerate() {
                encoded.extend(format!("={byte:02X}").bytes());
                if at % 20 == 19 { encoded.extend(b"=\r\n"); }
            }
            prop_assert_eq!(quoted_printable(&encoded), data);
        }

        #[test]
        fn never_longer(data in "[A-Za-z0-9=+/ \r\n]{0,100}") {
            prop_assert!(quoted_printable(data.as_bytes()).len() <= data.len());
            prop_assert!(base64(data.as_bytes()).len() <= data.len());
        }
    }
}
