//! SMTP, submission and LMTP: one message after another on one connection, commands pipelined.

use super::lines::Lines;
use crate::{
    error::{Error, fail},
    peer::PASSWORD,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};

/// A connection that delivers.
pub struct Deliverer {
    lines: Lines,
    from: String,
}

impl Deliverer {
    /// Connects and greets; `lmtp` says LHLO.
    pub fn connect(port: u16, lmtp: bool) -> Result<Self, Error> {
        let mut new = Self::open(port, false, "sender@example.org")?;
        let hello: &[u8] = if lmtp { b"LHLO bench.test\r\n" } else { b"EHLO bench.test\r\n" };
        new.lines.send(hello)?;
        new.expect(b'2')?;
        Ok(new)
    }

    /// Connects with TLS and greets, to send as `user`; where a login is offered, logs in.
    pub fn submit(port: u16, user: &str) -> Result<Self, Error> {
        let mut new = Self::open(port, true, user)?;
        new.lines.send(b"EHLO bench.test\r\n")?;
        let mut login = false;
        loop {
            let line = new.lines.line()?;
            login |= line.get(4..).is_some_and(|word| word.starts_with(b"AUTH "));
            if line.get(3) != Some(&b'-') {
                break;
            }
        }
        if login {
            let coded = STANDARD.encode(format!("\0{user}\0{PASSWORD}"));
            new.lines.send(format!("AUTH PLAIN {coded}\r\n").as_bytes())?;
            new.expect(b'2')?;
        }
        Ok(new)
    }

    fn open(port: u16, tls: bool, from: &str) -> Result<Self, Error> {
        let mut new = Self { lines: Lines::connect(port, tls)?, from: from.to_owned() };
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
        let commands = format!("MAIL FROM:<{}>\r\nRCPT TO:<{to}>\r\nDATA\r\n", self.from);
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
