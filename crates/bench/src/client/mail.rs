//! SMTP and LMTP: one message after another on one connection, commands pipelined.

use super::lines::Lines;
use crate::error::{Error, fail};

/// A connection that delivers.
pub struct Deliverer {
    lines: Lines,
}

impl Deliverer {
    /// Connects and greets; `lmtp` says LHLO.
    pub fn connect(port: u16, lmtp: bool) -> Result<Self, Error> {
        let mut new = Self { lines: Lines::connect(port, false)? };
        new.expect(b'2')?;
        let hello: &[u8] = if lmtp { b"LHLO bench.test\r\n" } else { b"EHLO bench.test\r\n" };
        new.lines.send(hello)?;
        new.expect(b'2')?;
        Ok(new)
    }

    fn expect(&mut self, class: u8) -> Result<(), Error> {
        loop {
            let line = self.lines.line()?;
            if line.first() != Some(&class) {
                return fail(format!("refused: {}", String::from_utf8_lossy(&line)));
            }
            if line.get(3) != Some(&b'-') {
                return Ok(());
            }
        }
    }

    /// Delivers one message and waits for its final reply.
    pub fn deliver(&mut self, to: &str, message: &[u8]) -> Result<(), Error> {
        let commands = format!("MAIL FROM:<sender@example.org>\r\nRCPT TO:<{to}>\r\nDATA\r\n");
        self.lines.send(commands.as_bytes())?;
        self.expect(b'2')?;
        self.expect(b'2')?;
        self.expect(b'3')?;
        let mut data = Vec::with_capacity(message.len() + 5);
        data.extend_from_slice(message);
        data.extend_from_slice(b".\r\n");
        self.lines.send(&data)?;
        self.expect(b'2')
    }
}
