//! Header fields as they stand in the message (RFC 5322 §2.2).
//!
//! Lines end with CRLF or a bare LF; a bare CR is content. A line without a colon is a field
//! without a name and does not end the header: only an empty line or the end does, so the parts
//! of a header put together again are the header. Nothing here decodes or rewrites.

use memchr::memchr;

pub use crate::date::date;

/// One field: its raw bytes and where name and value are.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Field<'a> {
    /// The whole field, folded lines and line end included.
    pub raw: &'a [u8],
    /// The name without white space before the colon; empty when the line has no colon.
    pub name: &'a [u8],
    /// What follows the colon, folded, without the last line end.
    pub value: &'a [u8],
}

impl<'a> Field<'a> {
    /// Whether the field has this name, without regard to ASCII case.
    #[must_use]
    pub const fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
    /// The value unfolded (RFC 5322 §2.2.3), ends trimmed.
    #[must_use]
    pub fn unfolded(&self) -> Vec<u8> {
        unfold(self.value)
    }

    fn of(raw: &'a [u8]) -> Self {
        let first_line = memchr(b'\n', raw).unwrap_or(raw.len());
        let colon = memchr(b':', raw.get(..first_line).unwrap_or(raw));
        let (name, value) = match colon {
            Some(at) => (raw.get(..at).unwrap_or_default(), raw.get(at + 1..).unwrap_or_default()),
            None => (&[][..], raw),
        };
        let value = value.strip_suffix(b"\n").unwrap_or(value);
        let value = value.strip_suffix(b"\r").unwrap_or(value);
        Self { raw, name: name.trim_ascii_end(), value }
    }
}

/// A field's value without its line ends (RFC 5322 §2.2.3: "simply removing any CRLF"), ends
/// trimmed of white space. Bare CR and LF go too: no caller can write them into a line.
#[must_use]
pub fn unfold(value: &[u8]) -> Vec<u8> {
    let value = value.trim_ascii();
    if memchr::memchr2(b'\r', b'\n', value).is_none() {
        return value.to_vec();
    }
    value.iter().copied().filter(|b| !matches!(b, b'\r' | b'\n')).collect()
}

/// The fields of a header; stops at the empty line or the end. Accepts CRLF and bare LF.
pub fn fields(header: &[u8]) -> impl Iterator<Item = Field<'_>> {
    Fields { rest: header }
}

struct Fields<'a> {
    rest: &'a [u8],
}

impl<'a> Iterator for Fields<'a> {
    type Item = Field<'a>;

    fn next(&mut self) -> Option<Field<'a>> {
        if matches!(self.rest, [] | [b'\n', ..] | [b'\r', b'\n', ..]) {
            return None;
        }
        let mut end = 0;
        loop {
            let tail = self.rest.get(end..).unwrap_or_default();
            let Some(line) = memchr(b'\n', tail) else {
                end = self.rest.len();
                break;
            };
            end += line + 1;
            // "a line that begins with white space continues the field" (RFC 5322 §2.2.3).
            if !matches!(self.rest.get(end), Some(b' ' | b'\t')) {
                break;
            }
        }
        let (raw, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        Some(Field::of(raw))
    }
}

/// Length in octets of the header with its empty line; of a message without empty line, all of it.
#[must_use]
pub fn header_octets(message: &[u8]) -> usize {
    match message {
        [b'\n', ..] => return 1,
        [b'\r', b'\n', ..] => return 2,
        _ => {}
    }
    for at in memchr::memchr_iter(b'\n', message) {
        match message.get(at + 1..) {
            Some([b'\n', ..]) => return at + 2,
            Some([b'\r', b'\n', ..]) => return at + 3,
            _ => {}
        }
    }
    message.len()
}

/// The first field of that name.
#[must_use]
pub fn first<'a>(header: &'a [u8], name: &str) -> Option<Field<'a>> {
    fields(header).find(|field| field.is(name))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pairs(header: &[u8]) -> Vec<(String, String)> {
        let text = |b: &[u8]| String::from_utf8_lossy(b).into_owned();
        fields(header).map(|f| (text(f.name), text(&f.unfolded()))).collect()
    }

    #[test]
    fn fields_of_crlf_and_lf() {
        let expected = [("Subject".into(), "a b".into()), ("X".into(), String::new())];
        assert_eq!(pairs(b"Subject: a\r\n b\r\nX:\r\n\r\nbody: no\r\n"), expected);
        assert_eq!(pairs(b"Subject: a\n b\nX:\n\nbody: no\n"), expected);
    }

    #[test]
    fn tabs_stay_and_ends_go() {
        assert_eq!(pairs(b"S: \t a\r\n\tb \r\n \r\n"), [("S".into(), "a\tb".into())]);
    }

    #[test]
    fn line_without_colon_is_a_nameless_field() {
        let header = b"A: 1\r\nnonsense\r\n more: x\r\nB : 2";
        let found = pairs(header);
        assert_eq!(found[1], (String::new(), "nonsense more: x".into()));
        assert_eq!(found[2], ("B".into(), "2".into()));
        let raw: Vec<u8> = fields(header).flat_map(|f| f.raw.to_vec()).collect();
        assert_eq!(raw, header);
    }

    #[test]
    fn name_with_inner_space_is_another_name() {
        assert!(first(b"Fr om: a@b\r\n", "From").is_none());
        assert!(first(b"fROM \t: a@b\r\n", "From").is_some());
    }

    #[test]
    fn header_ends_at_the_first_empty_line() {
        for (message, octets) in [
            (&b""[..], 0),
            (b"\r\n", 2),
            (b"\nx", 1),
            (b"A: b", 4),
            (b"A: b\r\n", 6),
            (b"A: b\r\n\r\nx\r\n\r\n", 8),
            (b"A: b\n\nx", 6),
            (b"A: b\n\r\nx", 7),
            (b"A: b\r\n \r\n\r\n", 11),
            (b"A: b\r\rx\r\n", 9),
        ] {
            assert_eq!(header_octets(message), octets, "{message:?}");
        }
    }
}
