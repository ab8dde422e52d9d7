//! IMAP: a command, its answer counted and thrown away.

use super::lines::Lines;
use crate::error::{Error, fail};

/// A connection over TLS, logged in.
pub struct Imap {
    lines: Lines,
    line: Vec<u8>,
}

/// What came for a command.
#[derive(Clone, Copy, Debug, Default)]
pub struct Answer {
    /// Untagged lines that named FETCH.
    pub fetches: u64,
    /// Octets, literals included.
    pub octets: u64,
    /// The last number of a line `* STATUS … (MESSAGES n)` or `* n EXISTS`.
    pub number: u64,
}

/// What a client keeps of a mailbox.
#[derive(Clone, Copy, Debug, Default)]
pub struct Known {
    /// UIDVALIDITY
    pub uid_validity: u64,
    /// HIGHESTMODSEQ
    pub highest: u64,
}

impl Imap {
    /// Connects and logs in.
    pub fn login(port: u16, user: &str, password: &str) -> Result<Self, Error> {
        let mut new = Self { lines: Lines::connect(port, true)?, line: Vec::new() };
        new.lines.line()?;
        new.run(&format!("LOGIN \"{user}\" \"{password}\""))?;
        Ok(new)
    }

    /// A command without literals; gives what came with its OK.
    pub fn run(&mut self, command: &str) -> Result<Answer, Error> {
        self.lines.send(format!("a {command}\r\n").as_bytes())?;
        self.answer(command)
    }

    /// SELECT; gives the response codes that a client keeps for its next visit.
    pub fn codes(&mut self, command: &str) -> Result<Known, Error> {
        self.lines.send(format!("a {command}\r\n").as_bytes())?;
        let mut known = Known::default();
        loop {
            self.read()?;
            let line = String::from_utf8_lossy(&self.line).into_owned();
            let number = |name: &str| {
                let rest = line.split_once(name)?.1;
                rest.split(']').next()?.trim().parse::<u64>().ok()
            };
            known.uid_validity = number("[UIDVALIDITY ").unwrap_or(known.uid_validity);
            known.highest = number("[HIGHESTMODSEQ ").unwrap_or(known.highest);
            if line.starts_with("a OK") {
                return Ok(known);
            }
            if line.starts_with("a ") {
                return fail(format!("{command}: {line}"));
            }
        }
    }

    fn answer(&mut self, command: &str) -> Result<Answer, Error> {
        let mut answer = Answer::default();
        loop {
            self.read()?;
            answer.octets += self.line.len() as u64 + 2;
            if self.line.starts_with(b"a ") {
                if self.line.starts_with(b"a OK") {
                    return Ok(answer);
                }
                return fail(format!("{command}: {}", String::from_utf8_lossy(&self.line)));
            }
            let mut words = self.line.split(|b| *b == b' ');
            if self.line.starts_with(b"* STATUS") {
                let text = String::from_utf8_lossy(&self.line).into_owned();
                let digits = text.rsplit(' ').next().unwrap_or_default().trim_end_matches(')');
                answer.number = digits.parse().unwrap_or_default();
            } else if let (Some(b"*"), Some(number), Some(what)) =
                (words.next(), words.next(), words.next())
            {
                match what {
                    b"FETCH" => answer.fetches += 1,
                    b"EXISTS" => {
                        answer.number = String::from_utf8_lossy(number).parse().unwrap_or_default();
                    }
                    _ => {}
                }
            }
            while let Some(octets) = literal(&self.line) {
                self.lines.skip(octets)?;
                self.read()?;
                answer.octets += octets + self.line.len() as u64 + 2;
            }
        }
    }

    fn read(&mut self) -> Result<(), Error> {
        self.lines.line_into(&mut self.line)
    }

    /// Appends messages: one command (MULTIAPPEND where more than one), literals without waiting.
    pub fn append(&mut self, mailbox: &str, messages: &[Vec<u8>]) -> Result<(), Error> {
        let mut bytes = format!("a APPEND {mailbox}").into_bytes();
        for message in messages {
            bytes.extend_from_slice(format!(" {{{}+}}\r\n", message.len()).as_bytes());
            bytes.extend_from_slice(message);
        }
        bytes.extend_from_slice(b"\r\n");
        self.lines.send(&bytes)?;
        self.answer("APPEND").map(|_| ())
    }

    /// Starts IDLE; ready when the server said `+`.
    pub fn idle(&mut self) -> Result<(), Error> {
        self.lines.send(b"a IDLE\r\n")?;
        loop {
            self.read()?;
            if self.line.starts_with(b"+") {
                return Ok(());
            }
        }
    }

    /// Waits for an EXISTS while idling.
    pub fn exists(&mut self) -> Result<(), Error> {
        loop {
            self.read()?;
            if self.line.ends_with(b"EXISTS") {
                return Ok(());
            }
        }
    }
}

/// Octets of the literal that a line announces at its end.
fn literal(line: &[u8]) -> Option<u64> {
    let inner = line.strip_suffix(b"}")?;
    let open = inner.iter().rposition(|b| *b == b'{')?;
    std::str::from_utf8(inner.get(open + 1..)?).ok()?.parse().ok()
}
