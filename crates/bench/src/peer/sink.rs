//! smtp-sink of Postfix: takes mail and forgets it, and counts.

use super::{free_port, wait_for};
use crate::error::{Error, fail};
use std::{
    io::Read,
    process::{Child, Command, Stdio},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

/// Connections that may wait to be accepted.
const BACKLOG: &str = "1000";
/// How long messages may take to arrive.
const ARRIVE: Duration = Duration::from_secs(300);

/// A running smtp-sink.
pub struct Sink {
    /// Its port.
    pub port: u16,
    child: Child,
    messages: Arc<AtomicU64>,
}

impl Sink {
    /// Starts it.
    pub fn start() -> Result<Self, Error> {
        let port = free_port()?;
        let mut command = Command::new("smtp-sink");
        if Command::new("id").arg("-u").output()?.stdout.starts_with(b"0") {
            command.args(["-u", "nobody"]);
        }
        command.args(["-c", &format!("127.0.0.1:{port}"), BACKLOG]).stdout(Stdio::piped());
        let mut child = command.spawn()?;
        let Some(output) = child.stdout.take() else { return fail("smtp-sink tells nothing") };
        let messages = Arc::new(AtomicU64::new(0));
        let counter = Arc::clone(&messages);
        thread::spawn(move || count(output, &counter));
        wait_for(port)?;
        Ok(Self { port, child, messages })
    }

    /// Messages taken so far.
    #[must_use]
    pub fn messages(&self) -> u64 {
        self.messages.load(Ordering::Relaxed)
    }

    /// Waits, bounded, for so many messages in all.
    pub fn arrived(&self, expected: u64) -> Result<(), Error> {
        let deadline = Instant::now() + ARRIVE;
        while self.messages() < expected {
            if Instant::now() > deadline {
                return fail(format!("{} of {expected} messages arrived", self.messages()));
            }
            thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Follows `sess=1 quit=1 mesg=1\r`, which is written anew at each change.
fn count(mut output: impl Read, messages: &AtomicU64) {
    let (mut buffer, mut kept) = ([0; 8 << 10], Vec::new());
    while let Ok(octets @ 1..) = output.read(&mut buffer) {
        kept.extend_from_slice(buffer.get(..octets).unwrap_or_default());
        let mut told = kept.split(|octet| *octet == b'\r').rev();
        let rest = told.next().unwrap_or_default().to_vec();
        let number = told.next().and_then(|line| {
            let text = std::str::from_utf8(line).ok()?;
            text.rsplit_once("mesg=")?.1.trim().parse().ok()
        });
        if let Some(number) = number {
            messages.store(number, Ordering::Relaxed);
        }
        kept = rest;
    }
}
