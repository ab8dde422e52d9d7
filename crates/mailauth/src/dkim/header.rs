//! What of a header is signed (RFC 6376 §3.4.1, §3.4.2, §3.7, §5.4.2).

use super::body::Canonical;
use mail::header::{Field, fields};

/// A header as signatures see it: fields to be taken from the bottom up.
pub struct Header<'a>(Vec<Field<'a>>);

impl<'a> Header<'a> {
    /// Of a message's header.
    #[must_use]
    pub fn new(header: &'a [u8]) -> Self {
        Self(fields(header).collect())
    }

    /// Appends the canonical form of the fields named, each name taking the lowest field of that
    /// name that was not taken; one that is not there is nothing (§5.4.2).
    pub fn select(&self, names: &[String], canonical: Canonical, out: &mut Vec<u8>) {
        let mut taken = vec![false; self.0.len()];
        for name in names {
            let found = self.0.iter().zip(&mut taken).rev();
            let found = found.into_iter().find(|(field, taken)| !**taken && field.is(name));
            if let Some((field, taken)) = found {
                *taken = true;
                write(field, canonical, out);
            }
        }
    }

    /// How many fields have a name.
    #[must_use]
    pub fn count(&self, name: &str) -> usize {
        self.0.iter().filter(|field| field.is(name)).count()
    }
}

/// Appends a field's canonical form with its line end.
pub fn write(field: &Field<'_>, canonical: Canonical, out: &mut Vec<u8>) {
    match canonical {
        Canonical::Simple => {
            let raw = field.raw.strip_suffix(b"\n").unwrap_or(field.raw);
            out.extend_from_slice(raw.strip_suffix(b"\r").unwrap_or(raw));
        }
        Canonical::Relaxed => {
            out.extend(field.name.iter().map(u8::to_ascii_lowercase));
            out.push(b':');
            relax(field.value, out);
        }
    }
    out.extend_from_slice(b"\r\n");
}

/// §3.4.2: unfolded, white space as one space, none at the ends.
fn relax(value: &[u8], out: &mut Vec<u8>) {
    let start = out.len();
    let mut space = false;
    for octet in value.iter().copied() {
        match octet {
            b' ' | b'\t' => space = true,
            b'\r' | b'\n' => {}
            octet => {
                if space && out.len() > start {
                    out.push(b' ');
                }
                space = false;
                out.push(octet);
            }
        }
    }
}

/// A signature's own field in canonical form: its `b=` empty, without line end (§3.7).
pub fn write_unsigned(field: &Field<'_>, canonical: Canonical, out: &mut Vec<u8>) {
    let stripped = without_signature(field.raw);
    let own = fields(&stripped).next().unwrap_or(*field);
    write(&own, canonical, out);
    out.truncate(out.len().saturating_sub(2));
}

/// The field with nothing behind `b=`.
fn without_signature(raw: &[u8]) -> Vec<u8> {
    let colon = raw.iter().position(|octet| *octet == b':').map_or(0, |at| at + 1);
    let (name, value) = raw.split_at_checked(colon).unwrap_or((raw, &[]));
    let mut out = name.to_vec();
    for (at, part) in value.split(|octet| *octet == b';').enumerate() {
        if at > 0 {
            out.push(b';');
        }
        let equals = part.iter().position(|octet| *octet == b'=');
        match equals {
            Some(equals) if part.get(..equals).unwrap_or_default().trim_ascii() == b"b" => {
                out.extend_from_slice(part.get(..=equals).unwrap_or_default());
                // The line end of the field belongs to the field, not to the value.
                if part.ends_with(b"\r\n") && !value.ends_with(b";") {
                    out.extend_from_slice(b"\r\n");
                }
            }
            _ => out.extend_from_slice(part),
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn canonical(header: &[u8], canonical: Canonical) -> String {
        let mut out = Vec::new();
        for field in fields(header) {
            write(&field, canonical, &mut out);
        }
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn rfc6376_3_4_5_examples() {
        let header = b"A: X\r\nB : Y\t\r\n\tZ  \r\n";
        assert_eq!(canonical(header, Canonical::Relaxed), "a:X\r\nb:Y Z\r\n");
        assert_eq!(canonical(header, Canonical::Simple), "A: X\r\nB : Y\t\r\n\tZ  \r\n");
    }

    #[test]
    fn rfc6376_5_4_2_fields_from_the_bottom_up() {
        let header = Header::new(b"A: 1\r\nB: 2\r\na: 3\r\n");
        let select = |names: &[&str]| {
            let names: Vec<String> = names.iter().map(|name| (*name).to_owned()).collect();
            let mut out = Vec::new();
            header.select(&names, Canonical::Relaxed, &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(select(&["a"]), "a:3\r\n");
        assert_eq!(select(&["A", "a", "A", "c", "b"]), "a:3\r\na:1\r\nb:2\r\n");
    }

    #[test]
    fn a_signatures_own_value_is_left_out() {
        for (field, wanted) in [
            ("DKIM-Signature: v=1; b=abc\r\n def; h=x\r\n", "dkim-signature:v=1; b=; h=x"),
            ("DKIM-Signature: v=1; bh=q; b = abc\r\n def\r\n", "dkim-signature:v=1; bh=q; b ="),
            ("DKIM-Signature: b=abc;\r\n", "dkim-signature:b=;"),
            ("DKIM-Signature: b=abc", "dkim-signature:b="),
        ] {
            let mut out = Vec::new();
            write_unsigned(&fields(field.as_bytes()).next().unwrap(), Canonical::Relaxed, &mut out);
            assert_eq!(String::from_utf8(out).unwrap(), wanted);
        }
        let mut out = Vec::new();
        let field = b"DKIM-Signature: v=1;\r\n\tb=abc\r\n";
        write_unsigned(&fields(field).next().unwrap(), Canonical::Simple, &mut out);
        assert_eq!(out, b"DKIM-Signature: v=1;\r\n\tb=");
    }
}
