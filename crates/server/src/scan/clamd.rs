//! clamd, the virus scanner: a message is streamed to it over a socket (INSTREAM of clamd(8)).
//!
//! Invariants: one question takes no longer than `seconds`, the wait for a free connection
//! included; larger messages are not asked about; its answer is read while the message is still
//! written, so that neither side waits for the other. A failure never decides
//! ([`Clamd::verdict`]).

use super::{Action, Failure, Verdict, plain};
use std::{io, path::PathBuf, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::{TcpStream, UnixStream},
    sync::Semaphore,
    time,
};

/// Octets of an answer: a name and a word.
const REPLY_OCTETS_MAX: u64 = 4096;
/// Octets of one chunk of a message; clamd takes up to its `StreamMaxLength`.
const CHUNK_OCTETS_MAX: usize = 64 << 10;
/// Characters of a signature's name that are kept.
const NAME_CHARS_MAX: usize = 200;

/// Where clamd listens.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// `host:port`
    Tcp(String),
}

impl Address {
    /// Reads an absolute path, or `host:port` (`[address]:port`).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.starts_with('/') {
            return Some(Self::Unix(text.into()));
        }
        let (host, port) = text.rsplit_once(':')?;
        let port: u16 = port.parse().ok()?;
        let bracketed = host.starts_with('[') && host.ends_with(']');
        let is_host = !host.is_empty()
            && host.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'/')
            && (bracketed || !host.contains(':'));
        (is_host && port != 0).then(|| Self::Tcp(text.to_owned()))
    }
}

/// Where it is, and what it may take.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// Where it listens; `None`: it is not asked.
    pub address: Option<Address>,
    /// Seconds for one question.
    pub seconds: u32,
    /// Octets of a message that it is asked about.
    pub message_octets_max: u64,
    /// Questions at a time; more wait.
    pub connections_max: u32,
    /// Whether mail waits at its sender while it fails.
    pub required: bool,
}

/// What it found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Finding {
    /// Nothing.
    Clean,
    /// What has this name.
    Infected(String),
}

/// Asks clamd.
#[derive(Debug)]
pub struct Clamd {
    settings: Settings,
    address: Address,
    free: Semaphore,
}

impl Clamd {
    /// `None` when the settings name no address.
    #[must_use]
    pub fn new(settings: Settings) -> Option<Self> {
        let address = settings.address.clone()?;
        let free = usize::try_from(settings.connections_max.max(1)).unwrap_or(1);
        let free = Semaphore::new(free.min(Semaphore::MAX_PERMITS));
        Some(Self { settings, address, free })
    }

    /// What is to be done with a message: what is infected is refused. A failure is written to the
    /// log and noted; it asks the sender to come again only where the settings require an answer,
    /// and never for a message that is too large to be asked about.
    pub async fn verdict(&self, queue_id: &str, message: &[u8]) -> Verdict {
        match self.check(message).await {
            Ok(Finding::Clean) => Verdict { reasons: Vec::new(), ..noted(Action::Accept, "", "") },
            Ok(Finding::Infected(name)) => {
                let ascii: String = name.chars().filter(char::is_ascii).collect();
                let reply = Some(format!("The message is infected: {ascii}"));
                Verdict { reply, ..noted(Action::Reject, "VIRUS", &name) }
            }
            Err(failure) => {
                let size = matches!(failure, Failure::TooLarge(_));
                tracing::warn!(queue_id, "clamd: {failure}");
                let wait = self.settings.required && !size;
                let action = if wait { Action::SoftReject } else { Action::Accept };
                let name = if size { "CLAMD_NOT_ASKED" } else { "CLAMD_FAILED" };
                noted(action, name, &failure.to_string())
            }
        }
    }

    /// Asks about a message.
    ///
    /// # Errors
    /// It is too large, or nobody answers so that it is understood, or in time.
    pub async fn check(&self, message: &[u8]) -> Result<Finding, Failure> {
        let octets_max = self.settings.message_octets_max;
        if u64::try_from(message.len()).is_ok_and(|octets| octets > octets_max) {
            return Err(Failure::TooLarge(octets_max));
        }
        let asked = async {
            let _free = self.free.acquire().await;
            let reply = match &self.address {
                Address::Unix(path) => {
                    let stream = UnixStream::connect(path).await.map_err(unreachable)?;
                    let (from, to) = stream.into_split();
                    ask(from, to, message).await
                }
                Address::Tcp(address) => {
                    let stream = TcpStream::connect(address).await.map_err(unreachable)?;
                    let (from, to) = stream.into_split();
                    ask(from, to, message).await
                }
            };
            read(&reply.map_err(unreachable)?)
        };
        let seconds = self.settings.seconds;
        let late = |_| Failure::Late(seconds);
        time::timeout(Duration::from_secs(seconds.into()), asked).await.map_err(late)?
    }
}

fn noted(action: Action, name: &str, text: &str) -> Verdict {
    Verdict::noted(action, name, text.to_owned())
}

fn unreachable(error: io::Error) -> Failure {
    Failure::Unreachable(error.to_string())
}

/// Writes the message and reads the answer, at the same time: clamd answers early when it has had
/// enough, and does not read the rest.
async fn ask(
    from: impl AsyncRead + Unpin,
    mut to: impl AsyncWrite + Unpin,
    message: &[u8],
) -> io::Result<Vec<u8>> {
    let mut from = from.take(REPLY_OCTETS_MAX);
    let answered = async {
        let mut reply = Vec::new();
        // The `z` of the command: the answer ends with a NUL; clamd closes after it, too.
        while !reply.contains(&0) && from.read_buf(&mut reply).await? > 0 {}
        let silent = || io::Error::new(io::ErrorKind::UnexpectedEof, "closed without a word");
        if reply.is_empty() { Err(silent()) } else { Ok(reply) }
    };
    let written = write(&mut to, message);
    tokio::pin!(answered, written);
    let written = tokio::select! {
        reply = &mut answered => return reply,
        written = &mut written => written,
    };
    match (written, answered.await) {
        // It may have closed because it has answered: the answer says more than the error.
        (_, Ok(reply)) => Ok(reply),
        (Err(error), _) | (Ok(()), Err(error)) => Err(error),
    }
}

async fn write(to: &mut (impl AsyncWrite + Unpin), message: &[u8]) -> io::Result<()> {
    to.write_all(b"zINSTREAM\0").await?;
    for chunk in message.chunks(CHUNK_OCTETS_MAX) {
        let octets = u32::try_from(chunk.len()).map_err(io::Error::other)?;
        to.write_all(&octets.to_be_bytes()).await?;
        to.write_all(chunk).await?;
    }
    to.write_all(&[0; 4]).await?;
    to.flush().await
}

/// `stream: OK`, `stream: NAME FOUND`, `… ERROR`; a NUL ends it, or it was cut.
fn read(reply: &[u8]) -> Result<Finding, Failure> {
    let text = plain(&String::from_utf8_lossy(reply), reply.len());
    let unclear = || Failure::Unclear(plain(&format!("{text:?}"), NAME_CHARS_MAX));
    if !reply.ends_with(b"\0") {
        return Err(unclear());
    }
    if let Some(why) = text.strip_suffix("ERROR") {
        return Err(Failure::Refused(plain(why, NAME_CHARS_MAX)));
    }
    match text.strip_prefix("stream: ") {
        Some("OK") => Ok(Finding::Clean),
        Some(found) => {
            let name = found.strip_suffix(" FOUND").ok_or_else(unclear)?;
            Ok(Finding::Infected(plain(name, NAME_CHARS_MAX)))
        }
        None => Err(unclear()),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::*;
    use std::{
        pin::Pin,
        task::{Context, Poll},
    };

    #[test]
    fn addresses() {
        let unix = Address::Unix("/run/clamd.ctl".into());
        assert_eq!(Address::parse("/run/clamd.ctl"), Some(unix));
        for good in ["localhost:3310", "192.0.2.1:1", "[2001:db8::1]:65535"] {
            assert_eq!(Address::parse(good), Some(Address::Tcp(good.to_owned())));
        }
        for bad in ["", "localhost", ":3310", "a:0", "a:65536", "a b:1", "2001:db8::1:1", "x/y:1"] {
            assert_eq!(Address::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn answers() {
        assert_eq!(read(b"stream: OK\0"), Ok(Finding::Clean));
        let infected = |name: &str| Ok(Finding::Infected(name.to_owned()));
        assert_eq!(read(b"stream: Eicar-Test FOUND\0"), infected("Eicar-Test"));
        assert_eq!(read(b"stream: OK FOUND\0"), infected("OK"));
        assert_eq!(read(b"stream: a\r\nb FOUND\0"), infected("a  b"));
        let refused = Failure::Refused("INSTREAM size limit exceeded.".to_owned());
        assert_eq!(read(b"INSTREAM size limit exceeded. ERROR\0"), Err(refused));
        for bad in
            ["", "\0", "stream: OK", "stream: \0", "OK\0", "stream: x\0", "UNKNOWN COMMAND\0"]
        {
            assert!(matches!(read(bad.as_bytes()), Err(Failure::Unclear(_))), "{bad:?}");
        }
        for (chars, kept) in
            [(NAME_CHARS_MAX, NAME_CHARS_MAX), (NAME_CHARS_MAX + 1, NAME_CHARS_MAX)]
        {
            let reply = format!("stream: {} FOUND\0", "n".repeat(chars));
            assert_eq!(read(reply.as_bytes()), infected(&"n".repeat(kept)));
        }
    }

    /// A pipe that holds 64 octets: whoever writes more waits for the other side.
    #[tokio::test]
    async fn an_early_answer_is_heard() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let (from, to) = tokio::io::split(ours);
        theirs.write_all(b"INSTREAM size limit exceeded. ERROR\0").await.unwrap();
        let reply = ask(from, to, &[b'x'; 100_000]).await.unwrap();
        assert!(matches!(read(&reply), Err(Failure::Refused(_))));
    }

    #[tokio::test]
    async fn an_answer_before_the_end_is_heard() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let (from, to) = tokio::io::split(ours);
        theirs.write_all(b"stream: X FOUND\0").await.unwrap();
        drop(theirs);
        let reply = ask(from, to, &[b'x'; 100_000]).await.unwrap();
        assert_eq!(read(&reply), Ok(Finding::Infected("X".to_owned())));
    }

    /// Takes nothing.
    struct Closed;

    impl AsyncWrite for Closed {
        fn poll_write(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
            _: &[u8],
        ) -> Poll<io::Result<usize>> {
            Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()))
        }
        fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
        fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            Poll::Ready(Ok(()))
        }
    }

    #[tokio::test]
    async fn an_answer_after_a_broken_pipe_is_heard() {
        let (mut ours, theirs) = tokio::io::duplex(64);
        let asked = ask(theirs, Closed, b"x");
        let answered = async {
            tokio::task::yield_now().await;
            ours.write_all(b"stream: X FOUND\0").await.unwrap();
        };
        let (reply, ()) = tokio::join!(asked, answered);
        assert_eq!(read(&reply.unwrap()), Ok(Finding::Infected("X".to_owned())));
        let (mut silent, theirs) = tokio::io::duplex(64);
        silent.shutdown().await.unwrap();
        assert!(ask(theirs, Closed, b"x").await.is_err());
    }

    #[tokio::test]
    async fn one_that_closes_says_nothing() {
        let (ours, theirs) = tokio::io::duplex(64);
        drop(theirs);
        let (from, to) = tokio::io::split(ours);
        assert!(ask(from, to, b"x").await.is_err());
    }

    #[tokio::test]
    async fn an_endless_answer_is_cut() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let (from, to) = tokio::io::split(ours);
        let endless = async { while theirs.write_all(&[b'n'; 64]).await.is_ok() {} };
        let (reply, ()) = tokio::join!(ask(from, to, b"x"), endless);
        assert_eq!(reply.unwrap().len() as u64, REPLY_OCTETS_MAX);
    }
}
