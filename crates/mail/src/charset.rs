//! Charsets of mail (IANA names, WHATWG labels, and misspellings) to UTF-8.
//!
//! encoding_rs knows those that the web knows; UTF-7, ISO-2022-KR, ISO-2022-CN and HZ, which mail
//! has and the web forbids, are turned here into what it knows. Nothing fails: what cannot be
//! decoded becomes U+FFFD.

use encoding_rs::{EUC_KR, Encoding, GBK, WINDOWS_1252};
use std::borrow::Cow;

/// Decodes bytes of a named charset (IANA names and the misspellings seen in mail, UTF-7 too).
/// Unknown charsets are guessed: UTF-8 when valid, else Windows-1252. The flag tells whether the
/// charset was known.
#[must_use]
pub fn decode_charset(bytes: &[u8], charset: &str) -> (String, bool) {
    match Charset::of(charset) {
        Some(charset) => (charset.decode(bytes).into_owned(), true),
        None => (guess(bytes).into_owned(), false),
    }
}

/// Text in no declared charset: UTF-8 when valid, else Windows-1252.
pub fn guess(bytes: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(bytes) {
        Ok(text) => Cow::Borrowed(text),
        Err(_) => WINDOWS_1252.decode_without_bom_handling(bytes).0,
    }
}

/// A charset that can be decoded.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Charset {
    /// US-ASCII: bytes above are guessed, as they are in mail that does not say.
    Ascii,
    /// One of encoding_rs.
    Known(&'static Encoding),
    /// RFC 2152.
    Utf7,
    /// RFC 1557.
    Iso2022Kr,
    /// RFC 1922, the GB 2312 half.
    Iso2022Cn,
    /// RFC 1843.
    Hz,
}

impl Charset {
    /// Finds a charset by its name or what is taken for one.
    pub fn of(label: &str) -> Option<Self> {
        let label = label.trim_matches(|c: char| c.is_whitespace() || "\"'<>;,".contains(c));
        if label.len() > 64 {
            return None;
        }
        // `iso-8859-1*en`: a language tag of RFC 2231.
        let label = label.split('*').next().unwrap_or_default().to_ascii_lowercase();
        let hyphened = label.replace('_', "-");
        let by_hand = match hyphened.as_str() {
            "us-ascii" | "ascii" | "ansi-x3.4-1968" | "usascii" | "us-asci" | "iso646-us" => {
                Self::Ascii
            }
            "utf-7"
            | "utf7"
            | "unicode-1-1-utf-7"
            | "unicode-2-0-utf-7"
            | "x-unicode-2-0-utf-7"
            | "csunicode11utf7" => Self::Utf7,
            "iso-2022-kr" | "csiso2022kr" => Self::Iso2022Kr,
            "iso-2022-cn" | "iso-2022-cn-ext" => Self::Iso2022Cn,
            "hz-gb-2312" | "hz" => Self::Hz,
            _ => {
                let known = Encoding::for_label_no_replacement(label.as_bytes());
                return known.or_else(|| encoding(&hyphened)).map(Self::Known);
            }
        };
        Some(by_hand)
    }

    /// Decodes; never fails.
    pub fn decode(self, bytes: &[u8]) -> Cow<'_, str> {
        match self {
            Self::Ascii => guess(bytes),
            Self::Known(encoding) => encoding.decode(bytes).0,
            Self::Utf7 => Cow::Owned(utf7(bytes)),
            Self::Iso2022Kr => Cow::Owned(shifted(bytes, EUC_KR)),
            Self::Iso2022Cn => Cow::Owned(shifted(bytes, GBK)),
            Self::Hz => Cow::Owned(hz(bytes)),
        }
    }
}

/// encoding_rs by label with hyphens, then by what the label was meant to be.
fn encoding(label: &str) -> Option<&'static Encoding> {
    let known = |label: &str| Encoding::for_label_no_replacement(label.as_bytes());
    let meant = |label: &str| -> Option<&'static Encoding> {
        let respelled = match label {
            "uft-8" | "utf" | "utf-8n" | "utf-8-sig" | "utf8mb4" | "unicode-utf-8" | "utf-08"
            | "utf8-mac" | "utf-8-mac" | "wtf-8" | "cesu-8" => "utf-8",
            "cp936" | "ms936" | "gb18030-2000" | "gb-18030" | "gb-2312" | "gb" => "gb18030",
            "cp932" | "ms932" | "sjis" | "shiftjis" | "cswindows31j" | "x-ms-cp932" => "shift_jis",
            "cp949" | "ms949" | "uhc" | "ks-c-5601" | "ksc5601" | "ksc-5601" | "euckr" => "euc-kr",
            "cp950" | "ms950" | "big-5" | "big5hkscs" | "big5-eten" => "big5",
            "eucjp" | "x-euc" | "ujis" => "euc-jp",
            "iso-2022-jp-1" | "iso-2022-jp-2" | "iso-2022-jp-3" | "iso-2022-jp-ms"
            | "iso2022jp" | "cp50220" | "cp50221" | "jis" => "iso-2022-jp",
            "tis620" | "tis-62" | "iso-8859-11" | "cp874" | "windows-874" => "windows-874",
            "cp866" | "ibm866" | "866" => "ibm866",
            "koi8" | "koi-8-r" | "koi8r" => "koi8-r",
            "iso-8859"
            | "iso8859"
            | "8859-1"
            | "latin-1"
            | "latin"
            | "iso-latin-1"
            | "ansi"
            | "iso-8859-1-windows-3.0-latin-1"
            | "iso-8859-1-windows-3.1-latin-1" => "windows-1252",
            "latin-2" => "iso-8859-2",
            "latin-9" | "latin9" | "iso-latin-9" => "iso-8859-15",
            "utf-16" | "unicode" | "ucs-2" | "ucs2" | "iso-10646-ucs-2" => "utf-16le",
            "ucs-2be" => "utf-16be",
            _ => return None,
        };
        Encoding::for_label_no_replacement(respelled.as_bytes())
    };
    // `windows1252`, `win-1251`, `cp-1250`, `x-cp1252`, `iso8859-5`, `iso-8859-1:1987`.
    let numbered = |label: &str| -> Option<&'static Encoding> {
        let label = label.strip_prefix("x-").unwrap_or(label);
        let label = label.split(':').next().unwrap_or_default();
        let digits = label.trim_start_matches(|c: char| !c.is_ascii_digit());
        let name = label.get(..label.len() - digits.len())?.trim_end_matches('-');
        let meant = match name {
            "windows" | "win" | "cp" | "ms" | "microsoft-cp" | "microsoft" => {
                format!("windows-{digits}")
            }
            "iso" | "is" | "iso-ir" | "8859" => format!("iso-{digits}"),
            "utf" => format!("utf-{digits}"),
            _ => label.to_owned(),
        };
        known(&meant)
    };
    known(label).or_else(|| meant(label)).or_else(|| numbered(label))
}

/// RFC 2152. Malformed shifts are kept as the text that they look like.
fn utf7(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        if *first != b'+' {
            let end = memchr::memchr(b'+', rest).unwrap_or(rest.len());
            let (direct, tail) = rest.split_at_checked(end).unwrap_or((rest, &[]));
            text.push_str(&guess(direct));
            rest = tail;
            continue;
        }
        let digits = tail.iter().position(|b| !is_base64(*b)).unwrap_or(tail.len());
        let (encoded, after) = tail.split_at_checked(digits).unwrap_or((tail, &[]));
        let dash = after.first() == Some(&b'-');
        rest = if dash { after.get(1..).unwrap_or_default() } else { after };
        if encoded.is_empty() {
            // `+-` is a plus sign; a lone `+` is taken for one.
            text.push('+');
            continue;
        }
        let octets = crate::mime::base64(encoded);
        let units = octets.chunks_exact(2).map(|pair| match pair {
            [high, low] => u16::from_be_bytes([*high, *low]),
            _ => 0xfffd,
        });
        text.extend(char::decode_utf16(units).map(|unit| unit.unwrap_or('\u{fffd}')));
    }
    text
}

const fn is_base64(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || matches!(byte, b'+' | b'/')
}

/// ISO-2022-KR and -CN: between SO and SI stand the characters of a 94×94 set, whose high bits
/// make them those of the matching EUC. Designations (`ESC $ ) C`) are dropped.
fn shifted(bytes: &[u8], euc: &'static Encoding) -> String {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut out = false;
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        match first {
            0x0e => out = true,
            0x0f => out = false,
            0x1b if tail.first() == Some(&b'$') => rest = tail.get(3..).unwrap_or_default(),
            // RFC 1557: a line begins in ASCII.
            b'\n' => {
                out = false;
                plain.push(b'\n');
            }
            0x21..=0x7e if out => plain.push(first | 0x80),
            other => plain.push(*other),
        }
    }
    euc.decode_without_bom_handling(&plain).0.into_owned()
}

/// RFC 1843: `~{` begins GB 2312 in seven bits, `~}` ends it, `~~` is a tilde.
fn hz(bytes: &[u8]) -> String {
    let mut plain = Vec::with_capacity(bytes.len());
    let mut chinese = false;
    let mut rest = bytes;
    while let Some((first, tail)) = rest.split_first() {
        rest = tail;
        let escape = if *first == b'~' { tail.first() } else { None };
        match escape {
            Some(b'{') => chinese = true,
            Some(b'}') => chinese = false,
            Some(b'~') => plain.push(b'~'),
            Some(b'\n') => {}
            _ => {
                if *first == b'\n' {
                    chinese = false;
                }
                let high = chinese && matches!(first, 0x21..=0x7e);
                plain.push(if high { first | 0x80 } else { *first });
                continue;
            }
        }
        rest = tail.get(1..).unwrap_or_default();
    }
    GBK.decode_without_bom_handling(&plain).0.into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(bytes: &[u8], charset: &str, expected: &str) {
        let (text, known) = decode_charset(bytes, charset);
        assert_eq!((text.as_str(), known), (expected, true), "{charset}");
    }

    #[test]
    fn usual_charsets() {
        check("Añá €".as_bytes(), "UTF-8", "Añá €");
        check(b"\xa4", "iso-8859-15", "€");
        check(b"\x80", "ISO-8859-1", "€");
        check(b"\xcf\xf0\xe8", "windows-1251", "При");
        check(b"\xf0\xd2\xc9", "koi8-r", "При");
        check(b"\x1b$B%F%9%H\x1b(B", "iso-2022-jp", "テスト");
        check(b"\x83e\x83X\x83g", "Shift_JIS", "テスト");
        check(b"\xbe\xc8\xb3\xe7", "ks_c_5601-1987", "안녕");
        check(b"\xc4\xe3\xba\xc3", "gb2312", "你好");
        check(b"\xa7A\xa6n", "big5", "你好");
        check(b"h\0i\0", "utf-16le", "hi");
        check(b"a\xffb", "utf-8", "a\u{fffd}b");
    }

    #[test]
    fn misspelled_labels() {
        for label in [
            "UFT-8",
            "utf8",
            "utf_8",
            "\"utf-8\"",
            "utf",
            " utf-8;",
            "utf-8*es",
            "x-utf-8",
            "unicode-1-1-utf-8",
        ] {
            check("ñ".as_bytes(), label, "ñ");
        }
        for label in [
            "latin1",
            "latin-1",
            "iso8859-1",
            "iso_8859-1",
            "8859-1",
            "iso-8859",
            "cp1252",
            "windows1252",
            "win-1252",
            "x-cp1252",
            "iso-8859-1:1987",
            "ISO_8859-1:1987",
            "cp-1252",
        ] {
            check(b"\xf1", label, "ñ");
        }
        for label in ["cp932", "sjis", "x-sjis", "windows-31j", "ms_kanji"] {
            check(b"\x83e", label, "テ");
        }
    }

    #[test]
    fn ascii_with_eight_bits_is_guessed() {
        check("ñ".as_bytes(), "us-ascii", "ñ");
        check(b"\xf1", "US-ASCII", "ñ");
    }

    #[test]
    fn unknown_charsets_are_guessed() {
        for label in ["", "x-unknown", "unknown-8bit", "default", "3du", &"x".repeat(100), "ñ"] {
            assert_eq!(decode_charset("ñ".as_bytes(), label), ("ñ".into(), false), "{label}");
            assert_eq!(decode_charset(b"\xf1", label), ("ñ".into(), false), "{label}");
        }
    }

    #[test]
    fn utf7_of_rfc2152() {
        check(b"Hi Mom -+Jjo--!", "utf-7", "Hi Mom -\u{263a}-!");
        check(b"+ZeVnLIqe-", "unicode-1-1-utf-7", "日本語");
        check(b"A+ImIDkQ.", "utf-7", "A\u{2262}\u{391}.");
        check(b"1+-1 + 2", "utf7", "1+1 + 2");
        check(b"+2D3eAA-", "utf-7", "\u{1f600}");
        check(b"+2D0-", "utf-7", "\u{fffd}");
        check(b"+AA", "utf-7", "");
    }

    #[test]
    fn charsets_that_the_web_forbids() {
        check(b"\x1b$)C\x0e>H3g\x0f ok\n", "iso-2022-kr", "안녕 ok\n");
        check(b"\x1b$)A\x0eDc:C\x0f ok", "iso-2022-cn", "你好 ok");
        check(b"~{Dc:C~} ~~ok", "hz-gb-2312", "你好 ~ok");
    }
}
