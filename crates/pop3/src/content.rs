//! A message as it is sent: dots stuffed (RFC 1939 §3), lines ended by CRLF, of TOP only so many.
//!
//! What was stored with bare LF (an APPEND can) is sent with CRLF, and a last line without end gets
//! one: the answer would not be POP3 otherwise. All other octets are sent as they are stored. The
//! size that is told is that of the stored message, which is what is sent unless one of the two had
//! to be.

use wire::Outbox;

/// What NULs become for old Outlooks.
const NUL_SUBSTITUTE: u8 = 0x80;

/// Writes one message, piece by piece.
#[derive(Clone, Debug)]
pub struct Encoder {
    /// Octets of the line so far, CR too; more than 2 is 2.
    line_octets: usize,
    /// The last octet was a CR.
    cr: bool,
    in_header: bool,
    /// Lines of the body that may still be sent; all without.
    lines_left: Option<u64>,
    /// See [`crate::quirks`].
    outlook_2003: bool,
}

impl Encoder {
    /// The whole message.
    pub const fn whole(outlook_2003: bool) -> Self {
        Self { line_octets: 0, cr: false, in_header: true, lines_left: None, outlook_2003 }
    }

    /// The header, an empty line, and `lines` of the body.
    pub const fn top(lines: u64, outlook_2003: bool) -> Self {
        let mut this = Self::whole(outlook_2003);
        this.lines_left = Some(lines);
        this
    }

    /// Writes octets of the message. Whether more of them are wanted.
    pub fn write(&mut self, octets: &[u8], out: &mut Outbox) -> bool {
        if self.is_complete() {
            return false;
        }
        let mut from = 0;
        for end in memchr::memchr_iter(b'\n', octets) {
            self.put(octets.get(from..end).unwrap_or_default(), out);
            let empty = self.line_octets == usize::from(self.cr);
            out.put(if self.cr { b"\n" } else { b"\r\n" });
            self.ended(empty);
            if self.is_complete() {
                return false;
            }
            from = end + 1;
        }
        self.put(octets.get(from..).unwrap_or_default(), out);
        true
    }

    /// Writes the end.
    pub fn finish(&mut self, out: &mut Outbox) {
        if self.line_octets > 0 {
            out.put(b"\r\n");
        }
        // RFC 1939 §7, TOP: "the headers of the message, the blank line separating the headers from
        // the body".
        if self.in_header && (self.lines_left.is_some() || self.outlook_2003) {
            out.put(b"\r\n");
        }
        out.put(b".\r\n");
    }

    const fn is_complete(&self) -> bool {
        !self.in_header && matches!(self.lines_left, Some(0))
    }

    /// A part of a line, without its LF.
    fn put(&mut self, part: &[u8], out: &mut Outbox) {
        let Some(last) = part.last() else { return };
        if self.line_octets == 0 && part.first() == Some(&b'.') {
            out.put(b".");
        }
        if self.outlook_2003 && memchr::memchr(0, part).is_some() {
            let known = |octet: &u8| if *octet == 0 { NUL_SUBSTITUTE } else { *octet };
            out.put(&part.iter().map(known).collect::<Vec<_>>());
        } else {
            out.put(part);
        }
        self.line_octets = (self.line_octets + part.len()).min(2);
        self.cr = *last == b'\r';
    }

    /// A line has ended.
    fn ended(&mut self, empty: bool) {
        (self.line_octets, self.cr) = (0, false);
        if self.in_header {
            self.in_header = !empty;
        } else if let Some(left) = &mut self.lines_left {
            *left -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn sent(mut encoder: Encoder, message: &[u8], piece: usize) -> Vec<u8> {
        let mut out = Outbox::default();
        for piece in message.chunks(piece) {
            if !encoder.write(piece, &mut out) {
                break;
            }
        }
        encoder.finish(&mut out);
        out.take().to_vec()
    }

    #[track_caller]
    fn check(encoder: &Encoder, message: &[u8], wanted: &[u8]) {
        for piece in [1, 2, 3, 7, usize::MAX] {
            let got = sent(encoder.clone(), message, piece);
            assert_eq!(got.escape_ascii().to_string(), wanted.escape_ascii().to_string());
        }
    }

    #[test]
    fn whole_messages() {
        let whole = Encoder::whole(false);
        check(&whole, b"A: b\r\n\r\ntext\r\n", b"A: b\r\n\r\ntext\r\n.\r\n");
        check(&whole, b"", b".\r\n");
        check(&whole, b"A: b\r\n", b"A: b\r\n.\r\n");
        check(&whole, b"A: b\r\n\r\ntext", b"A: b\r\n\r\ntext\r\n.\r\n");
        check(&whole, b".", b"..\r\n.\r\n");
        check(&whole, b"\r\n.\r\n..\r\n...x\r\nx.\r\n", b"\r\n..\r\n...\r\n....x\r\nx.\r\n.\r\n");
        check(&whole, b"A: b\r\n\r\n.", b"A: b\r\n\r\n..\r\n.\r\n");
    }

    #[test]
    fn line_ends_become_crlf_and_nothing_else_changes() {
        let whole = Encoder::whole(false);
        check(&whole, b"A: b\n\n.c\n\r\nd", b"A: b\r\n\r\n..c\r\n\r\nd\r\n.\r\n");
        check(&whole, b"a\rb\r\r\n\0\xff\r\n\r.x\r", b"a\rb\r\r\n\0\xff\r\n\r.x\r\r\n.\r\n");
    }

    #[test]
    fn tops() {
        let message = b"A: b\r\n.c: d\r\n\r\n1\r\n.2\r\n3";
        let header = b"A: b\r\n..c: d\r\n\r\n";
        let lines: [&[u8]; 5] =
            [b"", b"1\r\n", b"1\r\n..2\r\n", b"1\r\n..2\r\n3\r\n", b"1\r\n..2\r\n3\r\n"];
        for (lines, body) in (0..).zip(lines) {
            check(&Encoder::top(lines, false), message, &[header, body, b".\r\n"].concat());
        }
        check(&Encoder::top(u64::MAX, false), b"\r\n\r\n", b"\r\n\r\n.\r\n");
        check(&Encoder::top(1, false), b"\n\n\nx", b"\r\n\r\n.\r\n");
        // The blank line comes also when the message has none.
        check(&Encoder::top(0, false), b"A: b\r\n", b"A: b\r\n\r\n.\r\n");
        check(&Encoder::top(3, false), b"A: b", b"A: b\r\n\r\n.\r\n");
        check(&Encoder::top(0, false), b"", b"\r\n.\r\n");
        // A line of one CR and CRLF is not empty.
        check(&Encoder::top(0, false), b"\r\r\n\r\nx", b"\r\r\n\r\n.\r\n");
    }

    #[test]
    fn for_old_outlooks() {
        check(
            &Encoder::whole(true),
            b"A: \0\r\n\r\n\0.\0\r\n",
            b"A: \x80\r\n\r\n\x80.\x80\r\n.\r\n",
        );
        check(&Encoder::whole(true), b"A: b\r\n", b"A: b\r\n\r\n.\r\n");
        check(&Encoder::whole(true), b"A: b\r\n\r\n", b"A: b\r\n\r\n.\r\n");
    }

    /// What a client makes of an answer.
    fn received(answer: &[u8]) -> Vec<u8> {
        let mut message = Vec::new();
        for line in answer.split_inclusive(|octet| *octet == b'\n') {
            assert!(line.ends_with(b"\r\n"), "{}", line.escape_ascii());
            if line == b".\r\n" {
                return message;
            }
            message.extend_from_slice(line.strip_prefix(b".").unwrap_or(line));
        }
        panic!("no end");
    }

    proptest! {
        #[test]
        fn messages_come_back(
            message in proptest::collection::vec(prop_oneof![
                Just(b"\r\n".to_vec()), Just(b"\n".to_vec()), Just(b".".to_vec()),
                Just(b"\r".to_vec()), Just(b"a".to_vec()), Just(b"\0".to_vec())
            ], 0..60),
            piece in 1_usize..9,
            lines in 0_u64..9,
        ) {
            let message = message.concat();
            let answer = sent(Encoder::whole(false), &message, piece);
            prop_assert_eq!(&answer, &sent(Encoder::whole(false), &message, usize::MAX));
            let got = received(&answer);
            let mut wanted = Vec::new();
            for line in message.split_inclusive(|octet| *octet == b'\n') {
                let line = line.strip_suffix(b"\n").unwrap_or(line);
                let kept = if wanted.len() + line.len() < message.len() {
                    line.strip_suffix(b"\r").unwrap_or(line)
                } else {
                    line
                };
                wanted.extend_from_slice(kept);
                wanted.extend_from_slice(b"\r\n");
            }
            // A CR before the end of the message is text when no LF follows it.
            if message.ends_with(b"\n") {
                let text = |octets: &[u8]| -> Vec<u8> {
                    octets.iter().copied().filter(|octet| !b"\r\n".contains(octet)).collect()
                };
                prop_assert_eq!(text(&got), text(&wanted));
                let count = |octets: &[u8]| memchr::memchr_iter(b'\n', octets).count();
                prop_assert_eq!(count(&got), count(&message));
            }
            let crlf_only = !message.windows(2).any(|two| two[1] == b'\n' && two[0] != b'\r')
                && message.first() != Some(&b'\n');
            if crlf_only && (message.is_empty() || message.ends_with(b"\r\n")) {
                prop_assert_eq!(&got, &message);
            }
            let top = received(&sent(Encoder::top(lines, false), &message, piece));
            prop_assert!(got.starts_with(&top) || top == [&got[..], b"\r\n"].concat());
        }
    }
}
