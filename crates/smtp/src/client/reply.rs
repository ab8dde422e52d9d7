//! Replies of a server (RFC 5321 §4.2), read line by line.
//!
//! Invariants: what is held of a reply is bounded; its text is printable; a status (RFC 3463) whose
//! class is not the reply's is not believed.

use std::fmt::Write as _;
use wire::{Ends, Line, Lines};

/// Octets of a reply's text that are kept with an outcome.
pub const TEXT_OCTETS_MAX: usize = 1_000;

/// A reply of a server, or words of our own.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Reply {
    /// Reply code; 0 when no server said it.
    pub code: u16,
    /// Enhanced status code (RFC 3463), `x.0.0` where the server gave none.
    pub status: (u8, u16, u16),
    /// As it was said with its status, lines joined by LF, at most [`TEXT_OCTETS_MAX`] octets.
    pub text: String,
}

impl Reply {
    /// Words of our own: no server said them.
    #[must_use]
    pub fn ours(status: (u8, u16, u16), text: &str) -> Self {
        Self { code: 0, status, text: text.to_owned() }
    }

    /// 2yz
    #[must_use]
    pub const fn is_positive(&self) -> bool {
        self.code / 100 == 2
    }

    /// 5yz
    #[must_use]
    pub const fn is_permanent(&self) -> bool {
        self.code / 100 == 5
    }
}

/// A whole reply with its lines, as EHLO needs them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Whole {
    pub reply: Reply,
    pub lines: Vec<String>,
}

/// What there is to read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) enum Read {
    /// No whole reply yet.
    Partial,
    Whole(Whole),
    /// This is no SMTP, or more than is read.
    Bad(&'static str),
}

/// Reads replies.
#[derive(Default, Debug)]
pub(crate) struct Replies {
    input: Lines,
    lines: Vec<String>,
}

impl Replies {
    pub fn receive(&mut self, bytes: &[u8]) {
        self.input.receive(bytes);
    }

    /// Whether nothing waits to be read.
    pub fn is_empty(&self) -> bool {
        self.input.is_empty() && self.lines.is_empty()
    }

    pub fn clear(&mut self) {
        *self = Self::default();
    }

    /// The next reply: `Reply-line = *( Reply-code "-" [ textstring ] CRLF )
    /// Reply-code [ SP textstring ] CRLF` (RFC 5321 §4.2). Lines that LF alone ends are borne;
    /// where the codes of a reply differ, the last one counts.
    pub fn next(&mut self, line_octets_max: usize, lines_max: usize) -> Read {
        loop {
            let line = match self.input.next(line_octets_max, Ends::Lenient) {
                Line::Partial => return Read::Partial,
                Line::TooLong => return Read::Bad("a reply with a line that is too long"),
                Line::Bad => return Read::Bad("not a reply"),
                Line::Whole(line) => line,
            };
            let Some((code, more, text)) = parts(&line) else { return Read::Bad("not a reply") };
            if self.lines.len() >= lines_max {
                return Read::Bad("a reply of too many lines");
            }
            self.lines.push(text);
            if !more {
                let lines = std::mem::take(&mut self.lines);
                return Read::Whole(Whole { reply: reply(code, &lines), lines });
            }
        }
    }
}

fn parts(line: &[u8]) -> Option<(u16, bool, String)> {
    let (digits, rest) = line.split_at_checked(3)?;
    let [class @ b'2'..=b'5', tens, ones] = digits else { return None };
    if !tens.is_ascii_digit() || !ones.is_ascii_digit() {
        return None;
    }
    let digit = |octet: &u8| u16::from(octet - b'0');
    let code = digit(class) * 100 + digit(tens) * 10 + digit(ones);
    let (more, text) = match rest {
        [] => (false, rest),
        [b' ', text @ ..] => (false, text),
        [b'-', text @ ..] => (true, text),
        _ => return None,
    };
    let printable = |c: char| if c.is_control() { '?' } else { c };
    Some((code, more, String::from_utf8_lossy(text).chars().map(printable).collect()))
}

fn reply(code: u16, lines: &[String]) -> Reply {
    let class = u8::try_from(code / 100).unwrap_or(0);
    let status = lines.first().and_then(|line| status(line)).filter(|status| status.0 == class);
    let mut text = String::new();
    for (at, line) in lines.iter().enumerate() {
        let _ = write!(text, "{}{line}", if at > 0 { "\n" } else { "" });
    }
    text.truncate(text.floor_char_boundary(TEXT_OCTETS_MAX));
    Reply { code, status: status.unwrap_or((class, 0, 0)), text }
}

/// `status-code = class "." subject "." detail` (RFC 3463 §2) before a space or the end.
fn status(line: &str) -> Option<(u8, u16, u16)> {
    let word = line.split(' ').next().unwrap_or_default();
    let mut numbers = word.split('.');
    let class = numbers.next().filter(|class| ["2", "4", "5"].contains(class))?;
    let mut number = || {
        let text = numbers.next()?;
        let digits = (1..=3).contains(&text.len()) && text.bytes().all(|one| one.is_ascii_digit());
        if digits { text.parse().ok() } else { None }
    };
    let (subject, detail) = (number()?, number()?);
    if numbers.next().is_some() {
        return None;
    }
    Some((class.parse().ok()?, subject, detail))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(input: &[u8]) -> Vec<Read> {
        let mut replies = Replies::default();
        replies.receive(input);
        let mut read = Vec::new();
        loop {
            match replies.next(32, 3) {
                Read::Partial => return read,
                one => read.push(one),
            }
        }
    }

    fn one(input: &[u8]) -> Reply {
        match read(input).as_slice() {
            [Read::Whole(whole)] => whole.reply.clone(),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn statuses() {
        let status = |input: &[u8]| one(input).status;
        assert_eq!(status(b"550 5.1.1 nobody\r\n"), (5, 1, 1));
        assert_eq!(status(b"250 2.1.5\r\n"), (2, 1, 5));
        assert_eq!(status(b"250\r\n"), (2, 0, 0));
        assert_eq!(status(b"550 4.1.1 other class\r\n"), (5, 0, 0));
        assert_eq!(status(b"550 5.1.1.1 no\r\n"), (5, 0, 0));
        assert_eq!(status(b"550 5.1000.1 no\r\n"), (5, 0, 0));
        assert_eq!(status(b"550 5.+1.1 no\r\n"), (5, 0, 0));
        assert_eq!(status(b"354 go\r\n"), (3, 0, 0));
    }

    #[test]
    fn several_lines_and_lenient_ends() {
        let reply = one(b"550-5.7.1 a\n550-5.7.1 b\xff\x07\r\n550 5.7.1 c\r\n");
        assert_eq!((reply.code, reply.status), (550, (5, 7, 1)));
        assert_eq!(reply.text, "5.7.1 a\n5.7.1 b\u{fffd}?\n5.7.1 c");
        // Codes that differ: the last one counts.
        assert_eq!(one(b"250-a\r\n451 b\r\n").code, 451);
    }

    #[test]
    fn limits_at_n_and_beyond() {
        let line =
            |octets: usize| [b"250 ".to_vec(), vec![b'x'; octets - 6], b"\r\n".into()].concat();
        assert_eq!(one(&line(32)).code, 250);
        assert!(matches!(read(&line(33)).as_slice(), [Read::Bad(_)]));
        let lines = |count: usize| [b"250-x\r\n".repeat(count - 1), b"250 y\r\n".to_vec()].concat();
        assert_eq!(one(&lines(3)).code, 250);
        assert!(matches!(read(&lines(4)).first(), Some(Read::Bad(_))));
        let text = Reply { text: one(b"250 x\r\n").text, ..reply(250, &["\u{e9}".repeat(900)]) };
        assert_eq!(text.text, "x");
        assert_eq!(reply(250, &["\u{e9}".repeat(900)]).text.len(), TEXT_OCTETS_MAX);
    }

    #[test]
    fn what_is_no_reply() {
        for bad in
            [&b"HTTP/1.1 400\r\n"[..], b"25\r\n", b"\r\n", b"150 x\r\n", b"650 x\r\n", b"250x\r\n"]
        {
            assert!(matches!(read(bad).as_slice(), [Read::Bad(_)]), "{bad:?}");
        }
    }
}
