//! Framing: from octets to whole commands, with the literals inside them (RFC 9051 §4.3).
//!
//! The octets of a command stay together in one buffer, literals in their places. Octets that were
//! scanned once are not scanned again, whatever the size of the pieces in which they come.

use bytes::{Buf as _, Bytes, BytesMut};

/// A literal that a line announces at its end.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Announced {
    /// Octets to come.
    pub octets: u64,
    /// The client waits for `+` (no `+` in the braces).
    pub synchronising: bool,
    /// `~{…}`
    pub literal8: bool,
}

/// What the buffer begins with.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Frame {
    /// Not enough yet.
    Partial,
    /// More octets than allowed, and still no end.
    TooLong,
    /// A whole command: [`Input::take_command`].
    Command,
    /// A command up to a literal: [`Input::accept`] it as an argument, or [`Input::take_line`].
    Literal(Announced),
}

/// The buffer.
#[derive(Debug, Default)]
pub struct Input {
    buffer: BytesMut,
    /// No line end before this place; may lie beyond the buffer, past a literal to come.
    scanned: usize,
    /// Start of the line at hand.
    line: usize,
}

impl Input {
    pub fn put(&mut self, bytes: &[u8]) {
        self.buffer.extend_from_slice(bytes);
    }

    pub fn is_empty(&self) -> bool {
        self.buffer.is_empty()
    }

    /// Forgets everything: nothing sent before TLS counts after it.
    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// Gives memory back while nothing is buffered.
    pub fn rest(&mut self) {
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
    }

    /// Looks for the end of the command, or for its next literal.
    pub fn frame(&mut self, octets_max: usize) -> Frame {
        let unseen = self.buffer.get(self.scanned..).unwrap_or_default();
        let Some(at) = memchr::memchr(b'\n', unseen) else {
            self.scanned = self.scanned.max(self.buffer.len());
            let too_long = self.buffer.len() > octets_max;
            return if too_long { Frame::TooLong } else { Frame::Partial };
        };
        let end = self.scanned + at;
        if end >= octets_max {
            return Frame::TooLong;
        }
        let line = self.buffer.get(self.line..end).unwrap_or_default();
        match announced(line.strip_suffix(b"\r").unwrap_or(line)) {
            Some(literal) => {
                self.scanned = end;
                Frame::Literal(literal)
            }
            None => {
                self.scanned = end;
                Frame::Command
            }
        }
    }

    /// Octets up to and with the line end that [`Input::frame`] found.
    pub fn framed(&self) -> &[u8] {
        self.buffer.get(..=self.scanned).unwrap_or_default()
    }

    /// Takes what [`Input::framed`] shows; what follows starts anew.
    pub fn take_command(&mut self) -> BytesMut {
        let octets = (self.scanned + 1).min(self.buffer.len());
        (self.scanned, self.line) = (0, 0);
        self.buffer.split_to(octets)
    }

    /// Lets the literal that [`Input::frame`] found be part of the command.
    pub fn accept(&mut self, literal: Announced) {
        let octets = usize::try_from(literal.octets).unwrap_or(usize::MAX);
        self.scanned = (self.scanned + 1).saturating_add(octets);
        self.line = self.scanned;
    }

    /// Takes up to `max` octets of a message literal.
    pub fn take_octets(&mut self, max: u64) -> Bytes {
        let octets = usize::try_from(max).unwrap_or(usize::MAX).min(self.buffer.len());
        self.buffer.split_to(octets).freeze()
    }

    /// Drops up to `max` octets, and tells how many.
    pub fn skip(&mut self, max: u64) -> u64 {
        let octets = usize::try_from(max).unwrap_or(usize::MAX).min(self.buffer.len());
        self.buffer.advance(octets);
        octets as u64
    }
}

/// `["~"] "{" number64 ["+"] "}"` at the end of a line. (`-` instead of `+` was never sent by
/// anyone; RFC 7888 §8 has `+` alone.)
fn announced(line: &[u8]) -> Option<Announced> {
    let inside = line.strip_suffix(b"}")?;
    let (inside, synchronising) = match inside.strip_suffix(b"+") {
        Some(inside) => (inside, false),
        None => (inside, true),
    };
    // Twenty digits are more than 64 bits: no need to look further.
    let tail = inside.get(inside.len().saturating_sub(21)..)?;
    let digits = tail.iter().rev().take_while(|b| b.is_ascii_digit()).count();
    let (before, number) = inside.split_at_checked(inside.len().checked_sub(digits)?)?;
    let before = before.strip_suffix(b"{").filter(|_| digits > 0)?;
    let octets = std::str::from_utf8(number).ok()?.parse().unwrap_or(u64::MAX);
    Some(Announced { octets, synchronising, literal8: before.ends_with(b"~") })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn literal(line: &str) -> Option<(u64, bool, bool)> {
        announced(line.as_bytes()).map(|l| (l.octets, l.synchronising, l.literal8))
    }

    #[test]
    fn announcements() {
        assert_eq!(literal("a LOGIN {5}"), Some((5, true, false)));
        assert_eq!(literal("{5+}"), Some((5, false, false)));
        assert_eq!(literal("x ~{10+}"), Some((10, false, true)));
        assert_eq!(literal("{99999999999999999999}"), Some((u64::MAX, true, false)));
        assert_eq!(literal("{}"), None);
        assert_eq!(literal("{+}"), None);
        assert_eq!(literal("5}"), None);
        assert_eq!(literal("{5"), None);
        assert_eq!(literal("{a5}"), None);
        assert_eq!(literal("{-5}"), None);
    }

    #[test]
    fn command_of_n_octets_and_n_plus_1() {
        let mut input = Input::default();
        input.put(b"a NOOP\r\n");
        assert_eq!(input.frame(8), Frame::Command);
        let mut input = Input::default();
        input.put(b"a NOOP \r\n");
        assert_eq!(input.frame(8), Frame::TooLong);
        let mut input = Input::default();
        input.put(b"a NOOP  ");
        assert_eq!(input.frame(8), Frame::Partial);
        input.put(b" ");
        assert_eq!(input.frame(8), Frame::TooLong);
    }

    #[test]
    fn literals_stay_in_place() {
        let mut input = Input::default();
        for byte in b"a X {3}\r\n\n{9 y\r\nb NOOP\r\n" {
            input.put(&[*byte]);
            if let Frame::Literal(literal) = input.frame(100) {
                input.accept(literal);
            } else if input.frame(100) == Frame::Command {
                break;
            }
        }
        assert_eq!(&input.take_command()[..], b"a X {3}\r\n\n{9 y\r\n");
    }

    #[test]
    fn idle_input_holds_no_memory() {
        let mut input = Input::default();
        input.put(b"a NOOP\r\n");
        assert_eq!(input.frame(100), Frame::Command);
        drop(input.take_command());
        input.rest();
        assert_eq!(input.buffer.capacity(), 0);
    }
}
