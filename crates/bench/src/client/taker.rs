//! A host that takes all mail and tells when each message was there whole: what smtp-sink does not.

use crate::error::Error;
use std::{
    collections::HashMap,
    io::{BufRead, BufReader, Write},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicU64, Ordering},
        mpsc::{Receiver, Sender, channel},
    },
    thread,
    time::Instant,
};

const HELLO: &[u8] = b"250-taker.test\r\n250-PIPELINING\r\n250 8BITMIME\r\n";

type Expected = Arc<Mutex<HashMap<u64, Sender<Instant>>>>;

/// It.
pub struct Taker {
    /// Its port.
    pub port: u16,
    next: AtomicU64,
    expected: Expected,
}

impl Taker {
    /// Listens from now on, until this program ends.
    pub fn start() -> Result<Self, Error> {
        let listener = TcpListener::bind(("127.0.0.1", 0))?;
        let port = listener.local_addr()?.port();
        let expected = Expected::default();
        let known = Arc::clone(&expected);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let known = Arc::clone(&known);
                thread::spawn(move || serve(&stream, &known));
            }
        });
        Ok(Self { port, next: AtomicU64::new(1), expected })
    }

    /// A number for a message's `X-Bench` field, and where its arrival is told.
    pub fn expect(&self) -> (u64, Receiver<Instant>) {
        let (tell, told) = channel();
        let number = self.next.fetch_add(1, Ordering::Relaxed);
        self.expected.lock().unwrap_or_else(PoisonError::into_inner).insert(number, tell);
        (number, told)
    }
}

/// One connection, to its end.
fn serve(stream: &TcpStream, expected: &Expected) -> Option<()> {
    stream.set_nodelay(true).ok()?;
    let (mut lines, mut out) = (BufReader::new(stream).split(b'\n'), stream);
    out.write_all(b"220 taker.test ESMTP\r\n").ok()?;
    while let Some(Ok(line)) = lines.next() {
        let verb = line.get(..4).unwrap_or_default().to_ascii_uppercase();
        match verb.as_slice() {
            b"EHLO" => out.write_all(HELLO).ok()?,
            b"DATA" => {
                out.write_all(b"354 go\r\n").ok()?;
                let mut number = None;
                for line in lines.by_ref().map_while(Result::ok) {
                    if let Some(text) = line.strip_prefix(b"X-Bench: ") {
                        number = std::str::from_utf8(text).ok()?.trim().parse().ok();
                    }
                    if line == b".\r" {
                        break;
                    }
                }
                let now = Instant::now();
                out.write_all(b"250 ok\r\n").ok()?;
                let mut waiting = expected.lock().unwrap_or_else(PoisonError::into_inner);
                if let Some(tell) = number.and_then(|number: u64| waiting.remove(&number)) {
                    let _ = tell.send(now);
                }
            }
            b"QUIT" => {
                out.write_all(b"221 bye\r\n").ok()?;
                break;
            }
            _ => out.write_all(b"250 ok\r\n").ok()?,
        }
    }
    Some(())
}
