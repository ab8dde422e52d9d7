//! Content of messages: the end of DATA, dots, line ends (RFC 5321 §4.5.2, §2.3.8). Only
//! CRLF.CRLF ends it; a bare CR or LF spoils it, whatever stands around.

use crate::reply::{self, Reply};
use bytes::BytesMut;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum At {
    LineStart,
    Middle,
    /// After CR.
    Cr,
    /// After a dot at the start of a line.
    Dot,
    /// After a dot and CR at the start of a line.
    DotCr,
}

/// A decoder of one message's content.
#[derive(Clone, Debug)]
pub struct Content {
    at: At,
    /// Dots are stuffed and end it (DATA); not so in BDAT.
    dots: bool,
    /// Any octet may come (BINARYMIME).
    binary: bool,
    line_octets: usize,
    line_octets_max: usize,
    octets: u64,
    octets_max: u64,
    fault: Option<Reply>,
}

impl Content {
    /// Of DATA.
    #[must_use]
    pub const fn data(line_octets_max: usize, octets_max: u64) -> Self {
        Self::new(true, false, line_octets_max, octets_max)
    }
    /// Of BDAT; `binary` for BODY=BINARYMIME.
    #[must_use]
    pub const fn chunks(binary: bool, line_octets_max: usize, octets_max: u64) -> Self {
        Self::new(false, binary, line_octets_max, octets_max)
    }
    const fn new(dots: bool, binary: bool, line_octets_max: usize, octets_max: u64) -> Self {
        let at = At::LineStart;
        Self {
            at,
            dots,
            binary,
            line_octets: 0,
            line_octets_max,
            octets: 0,
            octets_max,
            fault: None,
        }
    }

    /// What is wrong with it so far; once something is, no more is given out.
    #[must_use]
    pub const fn fault(&self) -> Option<Reply> {
        self.fault
    }

    /// Something else is wrong with it (the receiver has no room).
    pub fn spoil(&mut self, fault: Reply) {
        self.fault.get_or_insert(fault);
    }

    fn give(&mut self, bytes: &[u8], out: &mut BytesMut) {
        self.octets += bytes.len() as u64;
        if self.octets > self.octets_max {
            self.spoil(reply::TOO_BIG);
        }
        if self.fault.is_none() {
            out.extend_from_slice(bytes);
        }
    }

    fn line(&mut self, bytes: &[u8], out: &mut BytesMut) {
        // Where both limits are passed, the one passed first is named, however the line was cut
        // into packets.
        let line_left = self.line_octets_max.saturating_sub(self.line_octets) as u64;
        let left = self.octets_max.saturating_sub(self.octets);
        self.line_octets += bytes.len();
        if bytes.len() as u64 > line_left && line_left <= left {
            self.spoil(reply::DATA_LINE_TOO_LONG);
        }
        self.give(bytes, out);
        if bytes.len() as u64 > line_left {
            self.spoil(reply::DATA_LINE_TOO_LONG);
        }
    }

    /// Takes octets; gives how many were taken and whether the end was among them (never in BDAT).
    pub fn feed(&mut self, input: &[u8], out: &mut BytesMut) -> (usize, bool) {
        if self.binary {
            self.give(input, out);
            return (input.len(), false);
        }
        let mut rest = input;
        while let Some((&first, tail)) = rest.split_first() {
            match self.at {
                At::LineStart if first == b'.' && self.dots => {
                    self.at = At::Dot;
                    rest = tail;
                }
                At::LineStart | At::Middle => {
                    let stop = memchr::memchr2(b'\r', b'\n', rest).unwrap_or(rest.len());
                    let (text, after) = rest.split_at(stop);
                    self.line(text, out);
                    rest = after;
                    if let Some((&end, tail)) = after.split_first() {
                        rest = tail;
                        self.at = At::Cr;
                        if end == b'\n' {
                            self.spoil(reply::BARE_IN_DATA);
                            self.at = At::Middle;
                        }
                    } else if stop > 0 {
                        self.at = At::Middle;
                    }
                }
                At::Cr if first == b'\n' => {
                    self.give(b"\r\n", out);
                    self.line_octets = 0;
                    self.at = At::LineStart;
                    rest = tail;
                }
                At::Cr => {
                    self.spoil(reply::BARE_IN_DATA);
                    self.at = At::Middle;
                }
                At::Dot if first == b'\r' => {
                    self.at = At::DotCr;
                    rest = tail;
                }
                At::Dot => self.at = At::Middle,
                At::DotCr if first == b'\n' => return (input.len() - tail.len(), true),
                At::DotCr => {
                    self.spoil(reply::BARE_IN_DATA);
                    self.at = At::Middle;
                }
            }
        }
        (input.len(), false)
    }

    /// BDAT's last chunk is over: a CR at the very end is bare.
    pub fn finish(&mut self) {
        if self.at == At::Cr {
            self.spoil(reply::BARE_IN_DATA);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn decode(input: &[u8], size: usize) -> (Vec<u8>, Option<Reply>, Option<usize>) {
        decode_into(Content::data(1_000, 1 << 20), input, size)
    }

    fn decode_into(
        mut content: Content,
        input: &[u8],
        size: usize,
    ) -> (Vec<u8>, Option<Reply>, Option<usize>) {
        let (mut out, mut taken) = (BytesMut::new(), 0);
        for piece in input.chunks(size) {
            let (used, end) = content.feed(piece, &mut out);
            taken += used;
            if end {
                return (out.to_vec(), content.fault(), Some(taken));
            }
        }
        (out.to_vec(), content.fault(), None)
    }

    /// The ends that other servers took for the end of DATA (SMTP smuggling, 2023).
    #[test]
    fn only_crlf_dot_crlf_ends() {
        for end in [
            "\n.\n",
            "\n.\r\n",
            "\r.\r",
            "\r\n.\n",
            "\r\n.\r",
            "\r.\r\n",
            "\r.\n",
            "\n.\r",
            "\r\n\0.\r\n",
            "\r\n.\0\r\n",
            "\r\n.\r\r\n",
        ] {
            let input = format!("a{end}b\r\n.\r\n");
            for size in [1, 2, 3, 7, 100] {
                let (_, fault, taken) = decode(input.as_bytes(), size);
                assert_eq!(taken, Some(input.len()), "{end:?}");
                assert_eq!(fault.is_some(), !end.contains('\0'), "{end:?}");
            }
        }
        assert_eq!(decode(b".\r\n", 1), (Vec::new(), None, Some(3)), "an empty message");
    }

    #[test]
    fn limits_hold_at_n_and_n_plus_one() {
        let mut out = BytesMut::new();
        for (octets, fault) in [(10, None), (11, Some(reply::TOO_BIG))] {
            let mut content = Content::data(100, 10);
            content.feed(&vec![b'a'; octets], &mut out);
            assert_eq!(content.fault(), fault);
        }
        for (octets, fault) in [(10, None), (11, Some(reply::DATA_LINE_TOO_LONG))] {
            let mut content = Content::data(10, 100);
            content.feed(b"x\r\n", &mut out);
            content.feed(&vec![b'a'; octets], &mut out);
            assert_eq!(content.fault(), fault);
        }
    }

    proptest! {
        #[test]
        fn stuffed_dots_come_off_at_any_chunking(
            lines in prop::collection::vec("[.a\\u{e9} ]{0,6}", 0..8),
            size in 1_usize..9,
        ) {
            let plain: String = lines.iter().map(|line| format!("{line}\r\n")).collect();
            let stuff = |line: &String| match line.starts_with('.') {
                true => format!(".{line}\r\n"),
                false => format!("{line}\r\n"),
            };
            let sent: String = lines.iter().map(stuff).chain([".\r\n".to_owned()]).collect();
            let (out, fault, taken) = decode(sent.as_bytes(), size);
            prop_assert_eq!(out, plain.into_bytes());
            prop_assert_eq!(fault, None);
            prop_assert_eq!(taken, Some(sent.len()));
        }

        #[test]
        fn anything_is_taken(input in prop::collection::vec(any::<u8>(), 0..200), size in 1_usize..9) {
            let whole = decode(&input, usize::MAX);
            prop_assert_eq!(decode(&input, size), whole);
        }

        /// What is refused, and why, does not depend on the packets.
        #[test]
        fn the_first_limit_passed_is_named(
            lines in prop::collection::vec("[.a]{0,20}(\r\n|\n)", 0..8),
            size in 1_usize..9,
        ) {
            let input = lines.concat().into_bytes();
            let (_, fault, taken) = decode_into(Content::data(12, 40), &input, usize::MAX);
            let (_, cut_fault, cut_taken) = decode_into(Content::data(12, 40), &input, size);
            prop_assert_eq!(cut_fault, fault);
            prop_assert_eq!(cut_taken, taken);
        }
    }
}
