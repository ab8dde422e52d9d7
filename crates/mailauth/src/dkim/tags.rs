//! Tag lists (RFC 6376 §3.2): `tag=value; tag=value`.
//!
//! Invariants: a tag that comes twice, or no name, makes the whole list invalid; white space around
//! names and values is gone, folding inside of values is left to whoever reads them.

/// Tags of one list.
const TAGS_MAX: usize = 64;

/// A list whose values are octets of what it was made of.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Tags<'a>(Vec<(&'a str, &'a str)>);

impl<'a> Tags<'a> {
    /// From its text; `None` for what is none.
    #[must_use]
    pub fn parse(text: &'a [u8]) -> Option<Self> {
        let text = std::str::from_utf8(text).ok()?;
        let mut tags: Vec<(&str, &str)> = Vec::new();
        for part in text.split(';') {
            let part = part.trim_matches(is_white);
            // "tag-list = tag-spec *( ";" tag-spec ) [ ";" ]": only the last may be empty; empty
            // ones in between are borne, as everybody does.
            if part.is_empty() {
                continue;
            }
            let (name, value) = part.split_once('=')?;
            let (name, value) = (name.trim_matches(is_white), value.trim_matches(is_white));
            let mut letters = name.bytes();
            let good = letters.next().is_some_and(|first| first.is_ascii_alphabetic())
                && letters.all(|octet| octet.is_ascii_alphanumeric() || octet == b'_');
            if !good || tags.len() >= TAGS_MAX || tags.iter().any(|(other, _)| *other == name) {
                return None;
            }
            tags.push((name, value));
        }
        Some(Self(tags))
    }

    /// A tag's value.
    #[must_use]
    pub fn value(&self, name: &str) -> Option<&'a str> {
        self.0.iter().find(|(other, _)| *other == name).map(|(_, value)| *value)
    }

    /// The first tag's name.
    #[must_use]
    pub fn first(&self) -> Option<&'a str> {
        self.0.first().map(|(name, _)| *name)
    }

    /// A value with all white space gone (base64, lists of names).
    #[must_use]
    pub fn solid(&self, name: &str) -> Option<String> {
        self.value(name).map(|value| value.chars().filter(|c| !is_white(*c)).collect())
    }

    /// Items of a value, between `:`.
    #[must_use]
    pub fn items(&self, name: &str) -> Option<Vec<String>> {
        self.solid(name).map(|value| value.split(':').map(str::to_owned).collect())
    }

    /// A number of at most 12 digits (§3.5, `t=`, `x=`) or 76 (`l=`), clamped; `None` if it is
    /// none.
    ///
    /// # Errors
    /// It is there and no number.
    pub fn number(&self, name: &str) -> Result<Option<u64>, ()> {
        let Some(value) = self.value(name) else { return Ok(None) };
        let good = (1..=76).contains(&value.len()) && value.bytes().all(|b| b.is_ascii_digit());
        if good { Ok(Some(value.parse().unwrap_or(u64::MAX))) } else { Err(()) }
    }
}

const fn is_white(c: char) -> bool {
    matches!(c, ' ' | '\t' | '\r' | '\n')
}

/// A value of base64 with white space anywhere.
#[must_use]
pub fn base64(value: &str) -> Option<Vec<u8>> {
    use ::base64::{
        Engine as _, alphabet,
        engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
    };
    let mode = GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent);
    let engine = GeneralPurpose::new(&alphabet::STANDARD, mode);
    let solid: Vec<u8> = value.bytes().filter(|octet| !is_white(char::from(*octet))).collect();
    engine.decode(solid).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6376_3_2_lists() {
        let tags = Tags::parse(b" v=1; a = rsa-sha256;h=a :\r\n b;\tt=5;z=;").unwrap();
        assert_eq!(
            (tags.value("v"), tags.value("a"), tags.value("z")),
            (Some("1"), Some("rsa-sha256"), Some(""))
        );
        assert_eq!(tags.items("h").unwrap(), ["a", "b"]);
        assert_eq!(
            (tags.number("t"), tags.number("x"), tags.number("a")),
            (Ok(Some(5)), Ok(None), Err(()))
        );
        for bad in ["v=1; v=2", "=1", "v", "1=v", "v=1; \u{e4}=1"] {
            assert_eq!(Tags::parse(bad.as_bytes()), None, "{bad}");
        }
        assert_eq!(Tags::parse(b"v=\xff"), None);
    }

    #[test]
    fn tags_at_the_limit_and_beyond() {
        let list = |count: usize| (0..count).map(|at| format!("a{at}=1;")).collect::<String>();
        assert!(Tags::parse(list(TAGS_MAX).as_bytes()).is_some());
        assert!(Tags::parse(list(TAGS_MAX + 1).as_bytes()).is_none());
    }

    #[test]
    fn base64_with_folds_and_without_padding() {
        assert_eq!(base64("aG Vs\r\n bG8=").as_deref(), Some(&b"hello"[..]));
        assert_eq!(base64("aGVsbG8").as_deref(), Some(&b"hello"[..]));
        assert_eq!(base64("a!"), None);
    }
}
