//! Strings on the wire: atom, quoted or literal (RFC 9051 §4.3), by what the client understands.

use crate::effect::Enabled;
use wire::Outbox;

/// Longest string written quoted; beyond it a literal, since parsers bound their lines.
const QUOTED_OCTETS_MAX: usize = 4096;

/// A number in decimal.
pub fn decimal(out: &mut Outbox, mut number: u64) {
    let mut digits = [0_u8; 20];
    let mut start = digits.len();
    for slot in digits.iter_mut().rev() {
        // The remainder is below 10.
        *slot = b'0' + (number % 10) as u8;
        number /= 10;
        start -= 1;
        if number == 0 {
            break;
        }
    }
    out.put(digits.get(start..).unwrap_or_default());
}

/// What a string needs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Form {
    /// Quotes alone.
    Plain,
    /// Quotes, and `\` before `"` and `\`.
    Escaped,
    /// A literal: CR, LF, NUL, too long, or octets that the client would not take quoted.
    Literal,
}

fn form(bytes: &[u8], enabled: Enabled) -> Form {
    if bytes.len() > QUOTED_OCTETS_MAX || memchr::memchr3(b'\r', b'\n', 0, bytes).is_some() {
        return Form::Literal;
    }
    // RFC 3501 §4.3: quoted strings are 7-bit. RFC 6855 §3 and RFC 9051 §4.3 let in UTF-8.
    if !bytes.is_ascii() {
        let utf8 = enabled.utf8 || enabled.rev2;
        if !utf8 || std::str::from_utf8(bytes).is_err() {
            return Form::Literal;
        }
    }
    if memchr::memchr2(b'"', b'\\', bytes).is_some() { Form::Escaped } else { Form::Plain }
}

/// `string`: quoted if possible, else a literal. NUL, which no string can hold, is left out.
pub fn string(out: &mut Outbox, bytes: &[u8], enabled: Enabled) {
    match form(bytes, enabled) {
        Form::Plain => {
            out.put(b"\"");
            out.put(bytes);
            out.put(b"\"");
        }
        Form::Escaped => quoted(out, bytes),
        Form::Literal => literal(out, bytes),
    }
}

/// `nstring`
pub fn nstring(out: &mut Outbox, bytes: Option<&[u8]>, enabled: Enabled) {
    match bytes {
        Some(bytes) => string(out, bytes, enabled),
        None => out.put(b"NIL"),
    }
}

/// Quotes bytes that hold no CR, LF or NUL.
pub fn quoted(out: &mut Outbox, mut bytes: &[u8]) {
    out.put(b"\"");
    while let Some(at) = memchr::memchr2(b'"', b'\\', bytes) {
        let (plain, rest) = bytes.split_at(at);
        let (special, rest) = rest.split_at(1);
        out.put(plain);
        out.put(b"\\");
        out.put(special);
        bytes = rest;
    }
    out.put(bytes);
    out.put(b"\"");
}

fn literal(out: &mut Outbox, bytes: &[u8]) {
    let nuls = memchr::memchr_iter(0, bytes).count();
    out.put(b"{");
    decimal(out, (bytes.len() - nuls) as u64);
    out.put(b"}\r\n");
    for piece in bytes.split(|&b| b == 0) {
        out.put(piece);
    }
}

fn is_atom(bytes: &[u8]) -> bool {
    let atom = |b: &u8| b.is_ascii_graphic() && !b"(){%*\"\\]".contains(b);
    !bytes.is_empty() && bytes.len() <= 256 && bytes.iter().all(atom)
}

/// `astring`
pub fn astring(out: &mut Outbox, bytes: &[u8], enabled: Enabled) {
    // NIL unquoted would read as nothing at all.
    if is_atom(bytes) && !bytes.eq_ignore_ascii_case(b"NIL") {
        out.put(bytes);
    } else {
        string(out, bytes, enabled);
    }
}

/// `header-fld-name`, as an atom if it is one.
pub fn field_name(out: &mut Outbox, name: &[u8]) {
    if is_atom(name) {
        out.put(name);
    } else {
        string(out, name, Enabled::default());
    }
}

/// `mailbox`: INBOX bare, all others as the client can read them. Quoted, as all servers do:
/// some clients read no atom in LIST.
pub fn mailbox_name(out: &mut Outbox, name: &str, enabled: Enabled) {
    if name == "INBOX" {
        out.put(b"INBOX");
    } else if enabled.utf8 || enabled.rev2 || (name.is_ascii() && !name.contains('&')) {
        string(out, name.as_bytes(), enabled);
    } else {
        string(out, crate::utf7::encode(name).as_bytes(), enabled);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const REV1: Enabled = Enabled {
        rev2: false,
        uidonly: false,
        condstore: false,
        qresync: false,
        utf8: false,
        metadata: false,
    };
    const REV2: Enabled = Enabled { rev2: true, ..REV1 };

    fn text(write: impl FnOnce(&mut Outbox)) -> Vec<u8> {
        let mut out = Outbox::default();
        write(&mut out);
        out.take().to_vec()
    }

    #[test]
    fn decimals() {
        for number in [0, 1, 9, 10, 99, 100, 4_294_967_295, u64::MAX] {
            assert_eq!(text(|out| decimal(out, number)), number.to_string().into_bytes());
        }
    }

    #[test]
    fn strings() {
        let string = |bytes: &[u8], enabled| text(|out| string(out, bytes, enabled));
        assert_eq!(string(b"", REV1), b"\"\"");
        assert_eq!(string(b"a \"b\" \\c", REV1), b"\"a \\\"b\\\" \\\\c\"");
        assert_eq!(string(b"a\nb", REV2), b"{3}\r\na\nb");
        assert_eq!(string("é".as_bytes(), REV1), "{2}\r\né".as_bytes());
        assert_eq!(string("é".as_bytes(), REV2), "\"é\"".as_bytes());
        assert_eq!(string(b"\xe9", REV2), b"{1}\r\n\xe9");
        assert_eq!(string(b"a\0b", REV1), b"{2}\r\nab");
        assert_eq!(string(&[b'a'; QUOTED_OCTETS_MAX], REV1).len(), QUOTED_OCTETS_MAX + 2);
        assert!(string(&[b'a'; QUOTED_OCTETS_MAX + 1], REV1).starts_with(b"{4097}\r\n"));
    }

    #[test]
    fn names() {
        let name = |name, enabled| text(|out| mailbox_name(out, name, enabled));
        assert_eq!(name("INBOX", REV1), b"INBOX");
        assert_eq!(name("a&b", REV1), b"\"a&-b\"");
        assert_eq!(name("a&b", REV2), b"\"a&b\"");
        assert_eq!(name("Entwürfe", REV1), b"\"Entw&APw-rfe\"");
        assert_eq!(name("Entwürfe", REV2), "\"Entwürfe\"".as_bytes());
    }

    #[test]
    fn astrings() {
        let astring = |bytes: &[u8]| text(|out| astring(out, bytes, REV1));
        assert_eq!(astring(b"a@b.c"), b"a@b.c");
        assert_eq!(astring(b""), b"\"\"");
        assert_eq!(astring(b"nil"), b"\"nil\"");
        assert_eq!(astring(b"a b"), b"\"a b\"");
    }
}
