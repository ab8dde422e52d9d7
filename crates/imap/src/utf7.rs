//! Modified UTF-7 of mailbox names (RFC 3501 §5.1.3).

use base64::Engine as _;
use base64::alphabet::IMAP_MUTF7;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &IMAP_MUTF7,
    GeneralPurposeConfig::new()
        .with_encode_padding(false)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// A name in modified UTF-7.
#[must_use]
pub fn encode(name: &str) -> String {
    let printable = |c: char| (' '..='~').contains(&c);
    let mut out = String::with_capacity(name.len() + 8);
    let mut rest = name;
    while let Some(first) = rest.chars().next() {
        let same = |c: char| printable(c) != printable(first);
        let (run, after) = rest.split_at(rest.find(same).unwrap_or(rest.len()));
        if printable(first) {
            out.push_str(&run.replace('&', "&-"));
        } else {
            let units: Vec<u8> = run.encode_utf16().flat_map(u16::to_be_bytes).collect();
            out.push('&');
            BASE64.encode_string(units, &mut out);
            out.push('-');
        }
        rest = after;
    }
    out
}

/// The name in UTF-8, or `None` when `text` is no modified UTF-7.
#[must_use]
pub fn decode(text: &str) -> Option<String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((plain, shifted)) = rest.split_once('&') {
        out.push_str(plain);
        let (coded, after) = shifted.split_once('-')?;
        if coded.is_empty() {
            out.push('&');
        } else {
            let bytes = BASE64.decode(coded).ok()?;
            let (pairs, odd) = bytes.as_chunks::<2>();
            if !odd.is_empty() {
                return None;
            }
            let units = pairs.iter().map(|pair| u16::from_be_bytes(*pair));
            for c in char::decode_utf16(units) {
                out.push(c.ok()?);
            }
        }
        rest = after;
    }
    out.push_str(rest);
    Some(out)
}

/// The name that a client means under IMAP4rev1: modified UTF-7, or else plain UTF-8 with a raw
/// `&` (quirk 15: Thunderbird after ENABLE UTF8=ACCEPT, and many scripts).
#[must_use]
pub fn decode_leniently(text: &str) -> String {
    if text.is_ascii() {
        // A name which does not come out the same again (`&AGE-` for `a`) is taken as it stands, so
        // that no two spellings name one mailbox.
        if let Some(name) = decode(text).filter(|name| encode(name) == text) {
            return name;
        }
    }
    text.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn rfc_3501_examples() {
        let name = "~peter/mail/台北/日本語";
        let coded = "~peter/mail/&U,BTFw-/&ZeVnLIqe-";
        assert_eq!(encode(name), coded);
        assert_eq!(decode(coded).as_deref(), Some(name));
        assert_eq!(decode("&Jjo!"), None);
        assert_eq!(encode("&"), "&-");
    }

    #[test]
    fn quirk_15_raw_ampersand() {
        assert_eq!(decode_leniently("R&D"), "R&D");
        assert_eq!(decode_leniently("R&-D"), "R&D");
        assert_eq!(decode_leniently("a & b - c"), "a & b - c");
        assert_eq!(decode_leniently("Büro"), "Büro");
        assert_eq!(decode_leniently("B&APw-ro"), "Büro");
        assert_eq!(decode_leniently("&AGE-"), "&AGE-");
    }

    proptest! {
        #[test]
        fn encoded_names_decode_back(name in any::<String>()) {
            let coded = encode(&name);
            prop_assert!(coded.is_ascii());
            prop_assert_eq!(decode(&coded), Some(name));
        }
        #[test]
        fn anything_is_no_panic(text in any::<String>()) {
            let _ = decode(&text);
            let _ = decode_leniently(&text);
        }
    }
}
