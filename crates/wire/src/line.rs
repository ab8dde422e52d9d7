//! Lines of a line protocol, cut out of what comes in. IMAP, whose literals interrupt its lines,
//! has a reader of its own.
//!
//! Invariants: the same octets give the same lines however they are cut into pieces; no more than a
//! line too long and what came in one read is ever held; when all is read, no memory is.

use bytes::{Buf as _, BytesMut};

/// What ends a line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ends {
    /// CRLF alone. A line that a bare LF ends, or that holds a CR or a NUL, is [`Line::Bad`].
    Strict,
    /// CRLF or LF.
    Lenient,
}

/// What there is to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Line {
    /// No whole line yet.
    Partial,
    /// A line without its end.
    Whole(BytesMut),
    /// A line longer than allowed. It is dropped to its end, told of once.
    TooLong,
    /// A line that breaks [`Ends::Strict`]. It is dropped.
    Bad,
}

/// Octets that came in, read line by line.
#[derive(Default, Debug)]
pub struct Lines {
    bytes: BytesMut,
    /// Octets of `bytes` in which there is no LF.
    searched: usize,
    /// The rest of a line that was too long is being dropped.
    dropping: bool,
}

impl Lines {
    /// Takes octets.
    pub fn receive(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// Octets that wait to be read.
    #[must_use]
    pub fn len(&self) -> usize {
        self.bytes.len()
    }

    /// Whether nothing waits to be read.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.bytes.is_empty()
    }

    /// What the line that is coming begins with, as far as it is there: its limit may depend on it.
    pub fn peek(&mut self) -> &[u8] {
        self.drop_rest();
        &self.bytes
    }

    /// Drops all that was not read: what came in clear means nothing after STARTTLS.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next line, of at most `octets_max` octets with its end.
    pub fn next(&mut self, octets_max: usize, ends: Ends) -> Line {
        self.drop_rest();
        let unsearched = self.bytes.get(self.searched..).unwrap_or_default();
        let Some(at) = memchr::memchr(b'\n', unsearched) else {
            return self.partial(octets_max);
        };
        let octets = self.searched + at + 1;
        self.searched = 0;
        let line = self.bytes.split_to(octets);
        self.release();
        if octets > octets_max { Line::TooLong } else { ended(line, ends) }
    }

    /// There is no LF: what is held of the line is bounded.
    fn partial(&mut self, octets_max: usize) -> Line {
        self.searched = self.bytes.len();
        if !self.dropping && self.bytes.len() >= octets_max.max(1) {
            self.dropping = true;
            self.drop_rest();
            return Line::TooLong;
        }
        Line::Partial
    }

    /// Drops the rest of a line that was too long, as far as it is there.
    fn drop_rest(&mut self) {
        if self.dropping {
            let end = memchr::memchr(b'\n', &self.bytes);
            self.dropping = end.is_none();
            self.bytes.advance(end.map_or(self.bytes.len(), |at| at + 1));
            self.searched = 0;
            self.release();
        }
    }

    fn release(&mut self) {
        if self.bytes.is_empty() {
            self.bytes = BytesMut::new();
        }
    }
}

/// A line that an LF ends.
fn ended(mut line: BytesMut, ends: Ends) -> Line {
    line.truncate(line.len().saturating_sub(1));
    let cr = line.last() == Some(&b'\r');
    if cr {
        line.truncate(line.len() - 1);
    }
    let strict = ends == Ends::Strict;
    if strict && (!cr || memchr::memchr2(b'\r', 0, &line).is_some()) {
        return Line::Bad;
    }
    Line::Whole(line)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn read(input: &[u8], piece: usize, octets_max: usize, ends: Ends) -> Vec<Line> {
        let mut lines = Lines::default();
        let mut read = Vec::new();
        for piece in input.chunks(piece) {
            lines.receive(piece);
            loop {
                match lines.next(octets_max, ends) {
                    Line::Partial => break,
                    line => read.push(line),
                }
            }
            assert!(lines.len() < octets_max.max(1));
        }
        read
    }

    fn whole(text: &str) -> Line {
        Line::Whole(text.as_bytes().into())
    }

    #[test]
    fn strict_and_lenient() {
        let input = b"a\r\nb\n\r\nc\rd\r\n\n\0\r\nrest";
        let lenient = read(input, 99, 99, Ends::Lenient);
        let all = ["a", "b", "", "c\rd", "", "\0"].map(whole);
        assert_eq!(lenient, all);
        let strict = read(input, 99, 99, Ends::Strict);
        use Line::Bad;
        assert_eq!(strict, [whole("a"), Bad, whole(""), Bad, Bad, Bad]);
    }

    #[test]
    fn octets_max_with_the_end() {
        let lines = read(b"12345678\r\n123456789\r\nab\r\n", 99, 10, Ends::Strict);
        assert_eq!(lines, [whole("12345678"), Line::TooLong, whole("ab")]);
    }

    #[test]
    fn nothing_is_held_of_a_line_that_never_ends() {
        let mut lines = Lines::default();
        let mut told = 0;
        for _ in 0..1_000 {
            lines.receive(&[b'x'; 100]);
            told += usize::from(lines.next(512, Ends::Strict) == Line::TooLong);
            assert!(lines.len() < 512);
            assert!(lines.peek().len() < 512);
        }
        assert_eq!(told, 1);
        assert!(lines.is_empty());
        lines.receive(b"y\r\nok\r\n");
        assert_eq!(lines.next(512, Ends::Strict), whole("ok"));
        assert_eq!(lines.bytes.capacity(), 0);
    }

    #[test]
    fn what_is_peeked_at_is_the_next_line() {
        let mut lines = Lines::default();
        lines.receive(b"xxxxxxxx");
        assert_eq!(lines.next(8, Ends::Strict), Line::TooLong);
        lines.receive(b"xx\r\nAUTH PLAIN\r\n");
        assert_eq!(lines.peek().get(..4), Some(&b"AUTH"[..]));
        assert_eq!(lines.next(12, Ends::Strict), whole("AUTH PLAIN"));
    }

    #[test]
    fn what_is_cleared_is_gone() {
        let mut lines = Lines::default();
        lines.receive(b"half a li");
        assert_eq!(lines.next(512, Ends::Strict), Line::Partial);
        assert_eq!(lines.peek(), b"half a li");
        lines.clear();
        lines.receive(b"x\r\n");
        assert_eq!(lines.next(512, Ends::Strict), whole("x"));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(
            input in proptest::collection::vec(prop_oneof![
                Just(b'\r'), Just(b'\n'), Just(b'a'), Just(0_u8)
            ], 0..200),
            piece in 1_usize..9,
            octets_max in 1_usize..20,
            strict in any::<bool>(),
        ) {
            let ends = if strict { Ends::Strict } else { Ends::Lenient };
            let at_once = read(&input, usize::MAX, octets_max, ends);
            prop_assert_eq!(read(&input, piece, octets_max, ends), at_once);
        }
    }
}
