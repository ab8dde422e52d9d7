//! The bytes that packed forms are made of: LEB128 numbers, octet strings with their length,
//! and tokens with a number for the frequent ones.
//!
//! Reading never panics and never reserves more memory than the bytes at hand can fill; `None`
//! means damaged or from a later version.

/// Names that mail uses again and again. Their place is part of the packed form: only ever
/// append, up to 127.
const TOKENS: [&str; 60] = [
    "text",
    "plain",
    "html",
    "multipart",
    "alternative",
    "mixed",
    "related",
    "message",
    "rfc822",
    "delivery-status",
    "application",
    "octet-stream",
    "pdf",
    "image",
    "png",
    "jpeg",
    "gif",
    "charset",
    "boundary",
    "name",
    "filename",
    "format",
    "delsp",
    "type",
    "report-type",
    "protocol",
    "micalg",
    "attachment",
    "inline",
    "size",
    "creation-date",
    "modification-date",
    "report",
    "signed",
    "pgp-signature",
    "pkcs7-signature",
    "x-pkcs7-signature",
    "calendar",
    "method",
    "csv",
    "zip",
    "msword",
    "audio",
    "video",
    "font",
    "svg+xml",
    "digest",
    "encrypted",
    "start",
    "smime-type",
    "text-headers",
    "rfc822-headers",
    "global",
    "x-unix-mode",
    "charset-edited",
    "disposition-notification",
    "feedback-report",
    "markdown",
    "reply-type",
    "read-date",
];

pub fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Lengths past `u32::MAX` cannot come from a message; what is longer is cut.
pub fn put_bytes(out: &mut Vec<u8>, bytes: &[u8]) {
    let octets = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
    put_varint(out, octets);
    out.extend_from_slice(bytes.get(..octets as usize).unwrap_or(bytes));
}

/// As length + 1, so that 0 is none.
pub fn put_option(out: &mut Vec<u8>, bytes: Option<&[u8]>) {
    let Some(bytes) = bytes else {
        out.push(0);
        return;
    };
    let octets = u32::try_from(bytes.len()).unwrap_or(u32::MAX).min(u32::MAX - 1);
    put_varint(out, octets + 1);
    out.extend_from_slice(bytes.get(..octets as usize).unwrap_or(bytes));
}

/// A frequent token's number plus one, or 0 and the token's octets.
pub fn put_token(out: &mut Vec<u8>, token: &str) {
    match (1..).zip(TOKENS).find(|(_, known)| *known == token) {
        Some((number, _)) => put_varint(out, number),
        None => {
            out.push(0);
            put_bytes(out, token.as_bytes());
        }
    }
}

/// Reads packed bytes from the front.
#[derive(Clone, Copy, Debug)]
pub struct Reader<'a> {
    pub rest: &'a [u8],
}

impl<'a> Reader<'a> {
    pub fn byte(&mut self) -> Option<u8> {
        let (byte, rest) = self.rest.split_first()?;
        self.rest = rest;
        Some(*byte)
    }

    pub fn varint(&mut self) -> Option<u32> {
        let mut value = 0_u32;
        for shift in [0, 7, 14, 21, 28] {
            let byte = self.byte()?;
            let bits = u32::from(byte & 0x7f);
            if shift == 28 && bits > 0xf {
                return None;
            }
            value |= bits << shift;
            if byte & 0x80 == 0 {
                return Some(value);
            }
        }
        None
    }

    pub fn take(&mut self, octets: u32) -> Option<&'a [u8]> {
        let (taken, rest) = self.rest.split_at_checked(octets as usize)?;
        self.rest = rest;
        Some(taken)
    }

    pub fn bytes(&mut self) -> Option<&'a [u8]> {
        let octets = self.varint()?;
        self.take(octets)
    }

    /// The outer option is damage, the inner one the value.
    #[allow(clippy::option_option)]
    pub fn option(&mut self) -> Option<Option<&'a [u8]>> {
        match self.varint()? {
            0 => Some(None),
            more => self.take(more - 1).map(Some),
        }
    }

    pub fn text(&mut self) -> Option<&'a str> {
        std::str::from_utf8(self.bytes()?).ok()
    }

    pub fn token(&mut self) -> Option<&'a str> {
        match self.varint()? {
            0 => self.text(),
            number => TOKENS.get(number as usize - 1).copied(),
        }
    }

    /// A count of elements that take at least one octet each.
    pub fn count(&mut self) -> Option<u32> {
        let count = self.varint()?;
        (count as usize <= self.rest.len()).then_some(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn varints_at_their_edges() {
        for value in [0, 1, 0x7f, 0x80, 0x3fff, 0x4000, u32::MAX - 1, u32::MAX] {
            let mut out = Vec::new();
            put_varint(&mut out, value);
            assert_eq!(Reader { rest: &out }.varint(), Some(value));
        }
        assert_eq!(Reader { rest: &[0xff, 0xff, 0xff, 0xff, 0x10] }.varint(), None);
        assert_eq!(Reader { rest: &[0xff; 9] }.varint(), None);
        assert_eq!(Reader { rest: &[0x80] }.varint(), None);
    }

    #[test]
    fn tokens_are_distinct() {
        for (at, token) in TOKENS.iter().enumerate() {
            let mut out = Vec::new();
            put_token(&mut out, token);
            assert_eq!(out, [at as u8 + 1], "{token}");
            assert_eq!(Reader { rest: &out }.token(), Some(*token));
        }
        assert_eq!(Reader { rest: &[120] }.token(), None);
    }

    #[test]
    fn a_count_beyond_the_bytes_is_damage() {
        assert_eq!(Reader { rest: &[2, 0] }.count(), None);
        assert_eq!(Reader { rest: &[1, 0] }.count(), Some(1));
    }

    proptest! {
        #[test]
        fn inverse(bytes in proptest::option::of(proptest::collection::vec(any::<u8>(), 0..300)), token in "[a-z/]{0,20}") {
            let mut out = Vec::new();
            put_option(&mut out, bytes.as_deref());
            put_token(&mut out, &token);
            let mut reader = Reader { rest: &out };
            prop_assert_eq!(reader.option(), Some(bytes.as_deref()));
            prop_assert_eq!(reader.token(), Some(token.as_str()));
            prop_assert!(reader.rest.is_empty());
        }
    }
}
