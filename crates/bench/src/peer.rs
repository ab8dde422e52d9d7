//! The servers that are measured: each started fresh in a folder of its own, on loopback.

pub mod dovecot;
pub mod palomar;
pub mod postfix;
pub mod sink;

use std::path::PathBuf;

/// Accounts of every server: user0@example.test and up.
pub const ACCOUNTS: usize = 100;
/// Password of all of them.
pub const PASSWORD: &str = "bench-password-7";

/// A running server.
pub struct Server {
    /// Its name in the table.
    pub name: &'static str,
    /// LMTP port.
    pub lmtp: u16,
    /// SMTP port, 0 when it has none.
    pub smtp: u16,
    /// Submission port with TLS from the start, 0 when it has none.
    pub submissions: u16,
    /// IMAPS port.
    pub imaps: u16,
    /// POP3S port, 0 when it has none.
    pub pop3s: u16,
    /// Its first process; CPU and memory are those of the tree below it.
    pub roots: Vec<u32>,
    /// Where its mail is.
    pub data: PathBuf,
    /// Stops it.
    pub stop: Box<dyn FnMut() + Send>,
}

impl Server {
    /// An account's address.
    #[must_use]
    pub fn user(number: usize) -> String {
        format!("user{}@example.test", number % ACCOUNTS)
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        (self.stop)();
    }
}

/// A port that nobody listens on.
pub fn free_port() -> Result<u16, crate::error::Error> {
    Ok(std::net::TcpListener::bind(("127.0.0.1", 0))?.local_addr()?.port())
}

/// Waits until the port is listened on.
pub fn wait_for(port: u16) -> Result<(), crate::error::Error> {
    for _ in 0..600 {
        if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
            return Ok(());
        }
        std::thread::sleep(std::time::Duration::from_millis(50));
    }
    crate::error::fail(format!("nobody listens on port {port}"))
}
