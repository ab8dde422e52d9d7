//! A connection to another server: the client's machine of `smtp` over a socket, with TLS and time.
//!
//! ```no_run
//! # use server::outbound::{Call, Connection, Settings, Unreachable, Verifier};
//! # use {bytes::Bytes, smtp::client::Message};
//! # async fn send(message: Message, content: Bytes) -> Result<(), Unreachable> {
//! let call = Call {
//!     address: "192.0.2.1:25".parse().unwrap(),
//!     source: None,
//!     server_name: "mx.example.org".into(),
//!     implicit_tls: false,
//!     verifier: Verifier::any().unwrap(),
//!     options: smtp::client::Options {
//!         host_name: "mail.example.net".into(),
//!         lmtp: false,
//!         tls: smtp::client::Tls::Opportunistic,
//!         authenticated: false,
//!         chunking: true,
//!         credentials: None,
//!     },
//! };
//! let mut connection = Connection::open(call, Settings::default()).await?;
//! let report = connection.deliver(message, content).await;
//! println!("{:?}", report.outcomes);
//! if connection.is_open() {
//!     connection.quit().await;
//! }
//! # Ok(())
//! # }
//! ```
//!
//! Invariants: what a server says is read also while it does not take what we send, so that neither
//! waits for the other; a delivery that is dropped half way leaves a connection that is not used
//! again; no octet that came in clear is read behind STARTTLS.

use super::verify::Verifier;
use crate::transport::secured;
use bytes::{Buf as _, Bytes, BytesMut};
use rustls::pki_types::ServerName;
use smtp::client::{Effect, Failure, Limits, Message, Options, Phase, Report, Session, Timeouts};
use std::{
    fmt,
    future::{Future, poll_fn},
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, AsyncWriteExt as _, ReadBuf},
    net::{TcpSocket, TcpStream},
    time::{Instant, timeout, timeout_at},
};
use tokio_rustls::{TlsConnector, client::TlsStream};
use wire::{Event, Machine as _, Step};

/// Octets of outbox above which it is written though the machine has more to say.
const OUTBOX_OCTETS_HIGH: usize = 64 << 10;
/// Octets read at once.
const READ_OCTETS: usize = 8 << 10;
/// Octets of replies that are read while a server does not take what is written.
const AHEAD_OCTETS_MAX: usize = 64 << 10;
/// How long the last words of a server that closed the connection are waited for.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// Whom to call, and how.
#[derive(Clone, Debug)]
pub struct Call {
    /// Where.
    pub address: SocketAddr,
    /// Our address, when it is to be a certain one; of the same family.
    pub source: Option<IpAddr>,
    /// The host's name: for SNI, and for the certificate where names count.
    pub server_name: String,
    /// TLS from the first octet (port 465) rather than by STARTTLS.
    pub implicit_tls: bool,
    /// How the certificate is judged.
    pub verifier: Verifier,
    /// What the session is told; `authenticated` is set from `verifier`.
    pub options: Options,
}

/// Limits and time-outs of connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Of sessions.
    pub limits: Limits,
    /// For replies, by phase.
    pub timeouts: Timeouts,
    /// For a connection to come up.
    pub connect_seconds: u32,
    /// For a TLS handshake.
    pub handshake_seconds: u32,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            limits: Limits::default(),
            timeouts: Timeouts::default(),
            connect_seconds: 30,
            handshake_seconds: 60,
        }
    }
}

/// Why there is no session with a server.
#[derive(Debug)]
pub enum Unreachable {
    /// No connection.
    Connect(io::Error),
    /// The TLS handshake failed: the certificate is not what it must be, or no version or cipher
    /// suits both. Without TLS required, another call may go with [`smtp::client::Tls::Never`].
    Tls(io::Error),
    /// The session came to nothing.
    Session(Failure),
}

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect(error) => write!(f, "no connection: {error}"),
            Self::Tls(error) => write!(f, "TLS handshake: {error}"),
            Self::Session(failure) => {
                let reply = failure.reply();
                match reply.code {
                    0 => write!(f, "{:?}: {}", failure.phase, reply.text),
                    code => write!(f, "{:?}: {code} {}", failure.phase, reply.text),
                }
            }
        }
    }
}
impl std::error::Error for Unreachable {}

/// Where the content of a message is read from.
pub trait Content: Send {
    /// Octets of all of it.
    fn octets(&self) -> u64;
    /// At least one octet from `from` on, at most `octets`.
    fn read(&mut self, from: u64, octets: usize) -> impl Future<Output = io::Result<Bytes>> + Send;
}

impl Content for Bytes {
    fn octets(&self) -> u64 {
        self.len() as u64
    }

    async fn read(&mut self, from: u64, octets: usize) -> io::Result<Bytes> {
        let from = usize::try_from(from).unwrap_or(usize::MAX).min(self.len());
        Ok(self.slice(from..self.len().min(from.saturating_add(octets))))
    }
}

enum Transport<S> {
    Clear(S),
    Tls(Box<TlsStream<S>>),
    Gone,
}

/// A session with a server.
pub struct Connection<S = TcpStream> {
    transport: Transport<S>,
    session: Session,
    settings: Settings,
    server_name: String,
    verifier: Verifier,
    tls: Option<String>,
    /// What is waited for since when: the same wait keeps its deadline, however a reply drips in.
    wait: Option<(Phase, usize, Instant)>,
}

/// What a run of the machine came to.
enum Came {
    Ready,
    Done(Report),
    Failed(Failure),
    Closed,
}

impl Connection<TcpStream> {
    /// Connects, and goes as far as the session can take a message.
    ///
    /// # Errors
    /// [`Unreachable`].
    pub async fn open(call: Call, settings: Settings) -> Result<Self, Unreachable> {
        Self::over(Self::dial(&call, settings).await?, call, settings).await
    }

    /// Connects, and says nothing yet.
    ///
    /// # Errors
    /// [`Unreachable::Connect`].
    pub async fn dial(call: &Call, settings: Settings) -> Result<TcpStream, Unreachable> {
        let within = Duration::from_secs(settings.connect_seconds.into());
        let stream = timeout(within, connect(call)).await;
        let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        stream.map_err(Unreachable::Connect)
    }
}

async fn connect(call: &Call) -> io::Result<TcpStream> {
    let socket = match call.address {
        SocketAddr::V4(_) => TcpSocket::new_v4()?,
        SocketAddr::V6(_) => TcpSocket::new_v6()?,
    };
    if let Some(source) = call.source {
        socket.bind(SocketAddr::new(source, 0))?;
    }
    let stream = socket.connect(call.address).await?;
    stream.set_nodelay(true)?;
    Ok(stream)
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Connection<S> {
    /// Over a stream that is connected.
    ///
    /// # Errors
    /// [`Unreachable`].
    pub async fn over(stream: S, call: Call, settings: Settings) -> Result<Self, Unreachable> {
        let mut options = call.options;
        options.authenticated = call.verifier.is_authenticated();
        let mut connection = Self {
            transport: Transport::Clear(stream),
            session: Session::new(settings.limits, options),
            settings,
            server_name: call.server_name,
            verifier: call.verifier,
            tls: None,
            wait: None,
        };
        if call.implicit_tls {
            connection.handshake().await?;
        }
        match connection.run(&mut Bytes::new()).await? {
            Came::Failed(failure) => {
                // QUIT and its answer: the server's part is done.
                let _ = connection.run(&mut Bytes::new()).await;
                Err(Unreachable::Session(failure))
            }
            Came::Ready | Came::Done(_) | Came::Closed => Ok(connection),
        }
    }

    /// Gives the server a message. Whatever happens, each recipient has one outcome; where the
    /// connection is not open any more, all are untried.
    pub async fn deliver(&mut self, message: Message, mut content: impl Content) -> Report {
        let untried = Report::untried(message.recipients.len());
        if !self.is_open() {
            return untried;
        }
        self.session.send(message);
        match self.run(&mut content).await {
            Ok(Came::Done(report)) => report,
            Ok(Came::Ready | Came::Failed(_) | Came::Closed) | Err(_) => untried,
        }
    }

    /// Whether another message can be tried. The server may have closed it meanwhile: then that
    /// message is untried.
    #[must_use]
    pub fn is_open(&self) -> bool {
        self.session.is_ready()
    }

    /// TLS version and cipher, `TLSv1.3 TLS_AES_256_GCM_SHA384` say.
    #[must_use]
    pub fn tls(&self) -> Option<&str> {
        self.tls.as_deref()
    }

    /// What the server offers.
    #[must_use]
    pub const fn capabilities(&self) -> &smtp::client::Capabilities {
        self.session.capabilities()
    }

    /// Says QUIT and closes. In the middle of a message, which a delivery that was dropped leaves,
    /// nothing more is said: the server must not take the half for the whole.
    pub async fn quit(mut self) {
        self.session.quit();
        if self.session.phase() == Phase::Quit {
            let _ = self.run(&mut Bytes::new()).await;
        }
    }

    /// Runs the machine until it has something to tell.
    async fn run(&mut self, content: &mut impl Content) -> Result<Came, Unreachable> {
        let mut from = 0;
        loop {
            let step = self.session.step();
            let more = matches!(step, Step::Ask(Effect::Content { .. }));
            if !(more && self.session.outbox().len() < OUTBOX_OCTETS_HIGH)
                && let Err(error) = self.flush().await
            {
                self.last_words(&error).await;
            }
            match step {
                Step::Ask(Effect::Ready) => return Ok(Came::Ready),
                Step::Ask(Effect::Done(report)) => return Ok(Came::Done(report)),
                Step::Ask(Effect::Failed(failure)) => return Ok(Came::Failed(failure)),
                Step::Ask(Effect::Content { octets_max }) => {
                    self.read_content(content, &mut from, octets_max).await;
                }
                Step::Wait(_) => self.wait().await,
                Step::StartTls => self.handshake().await?,
                Step::Compress | Step::EndCompress => {}
                Step::Close => {
                    self.close().await;
                    return Ok(Came::Closed);
                }
            }
        }
    }

    async fn read_content(&mut self, content: &mut impl Content, from: &mut u64, octets: usize) {
        let whole = content.octets();
        if *from >= whole {
            return self.session.content(b"", true);
        }
        match content.read(*from, octets).await {
            Ok(piece) if !piece.is_empty() => {
                *from += piece.len() as u64;
                self.session.content(&piece, *from >= whole);
            }
            Ok(_) | Err(_) => self.session.content_failed(),
        }
    }

    fn seconds(&self, phase: Phase) -> Duration {
        Duration::from_secs(self.settings.timeouts.seconds(phase).into())
    }

    /// Reads once, within the time of what is awaited.
    async fn wait(&mut self) {
        let (phase, due) = (self.session.phase(), self.session.replies_due());
        let until = match self.wait {
            Some((same, so_many, until)) if (same, so_many) == (phase, due) => until,
            _ => Instant::now() + self.seconds(phase),
        };
        self.wait = Some((phase, due, until));
        let transport = &mut self.transport;
        let mut buffer = [0; READ_OCTETS];
        match timeout_at(until, poll_fn(|cx| transport.poll_read(cx, &mut buffer))).await {
            Ok(Ok(octets)) if octets > 0 => {
                self.session.receive(buffer.get(..octets).unwrap_or_default());
            }
            Ok(_) => self.session.event(Event::Eof),
            Err(_) => self.session.event(Event::TimedOut),
        }
    }

    /// Writes the outbox, piece by piece, each within the time of a data block.
    async fn flush(&mut self) -> io::Result<()> {
        let mut bytes = self.session.outbox().take();
        self.wait = if bytes.is_empty() { self.wait } else { None };
        let within = self.seconds(Phase::DataBlock);
        let mut ahead = 0;
        while !bytes.is_empty() {
            let written = timeout(within, self.write(&mut bytes, &mut ahead)).await;
            written.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
        }
        let transport = &mut self.transport;
        let flushed = timeout(within, poll_fn(|cx| transport.poll_flush(cx))).await;
        flushed.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
    }

    /// Writes some octets; reads while the server does not take them.
    async fn write(&mut self, bytes: &mut BytesMut, ahead: &mut usize) -> io::Result<()> {
        let (transport, session) = (&mut self.transport, &mut self.session);
        let mut buffer = [0; READ_OCTETS];
        poll_fn(|cx| {
            if let Poll::Ready(written) = transport.poll_write(cx, bytes) {
                return Poll::Ready(match written {
                    Ok(0) => Err(io::ErrorKind::WriteZero.into()),
                    written => written.map(|octets| bytes.advance(octets)),
                });
            }
            while *ahead < AHEAD_OCTETS_MAX {
                match transport.poll_read(cx, &mut buffer) {
                    Poll::Pending => break,
                    Poll::Ready(Ok(octets)) if octets > 0 => {
                        *ahead += octets;
                        session.receive(buffer.get(..octets).unwrap_or_default());
                    }
                    Poll::Ready(Ok(_)) => {
                        return Poll::Ready(Err(io::ErrorKind::UnexpectedEof.into()));
                    }
                    Poll::Ready(Err(error)) => return Poll::Ready(Err(error)),
                }
            }
            Poll::Pending
        })
        .await
    }

    /// Writing failed: what the server said before it closed still counts.
    async fn last_words(&mut self, error: &io::Error) {
        if error.kind() == io::ErrorKind::TimedOut {
            return self.session.event(Event::TimedOut);
        }
        let until = Instant::now() + LAST_WORDS;
        let (transport, mut left) = (&mut self.transport, AHEAD_OCTETS_MAX);
        let mut buffer = [0; READ_OCTETS];
        while left > 0 {
            let read = timeout_at(until, poll_fn(|cx| transport.poll_read(cx, &mut buffer))).await;
            let Ok(Ok(octets @ 1..)) = read else { break };
            self.session.receive(buffer.get(..octets).unwrap_or_default());
            left = left.saturating_sub(octets);
        }
        self.session.event(Event::Eof);
    }

    async fn handshake(&mut self) -> Result<(), Unreachable> {
        let other =
            |error: &dyn fmt::Display| Unreachable::Tls(io::Error::other(error.to_string()));
        let name = self.server_name.trim_end_matches('.').to_owned();
        let name = ServerName::try_from(name).map_err(|error| other(&error))?;
        let Transport::Clear(stream) = std::mem::replace(&mut self.transport, Transport::Gone)
        else {
            return Err(other(&"TLS is already up"));
        };
        let within = Duration::from_secs(self.settings.handshake_seconds.into());
        let connector = TlsConnector::from(self.verifier.config());
        let stream = timeout(within, Box::pin(connector.connect(name, stream))).await;
        let stream = stream.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()));
        let stream = stream.map_err(Unreachable::Tls)?;
        let event = secured(stream.get_ref().1);
        if let Event::Secured { description, .. } = &event {
            self.tls = Some(description.clone());
        }
        self.transport = Transport::Tls(Box::new(stream));
        self.session.event(event);
        Ok(())
    }

    async fn close(&mut self) {
        let within = self.seconds(Phase::Quit);
        let closed = match &mut self.transport {
            Transport::Clear(stream) => timeout(within, stream.shutdown()).await,
            Transport::Tls(stream) => timeout(within, stream.shutdown()).await,
            Transport::Gone => return,
        };
        // The server may have gone first.
        drop(closed);
        self.transport = Transport::Gone;
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Transport<S> {
    fn poll_read(&mut self, cx: &mut Context<'_>, into: &mut [u8]) -> Poll<io::Result<usize>> {
        let mut buffer = ReadBuf::new(into);
        let read = match self {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, &mut buffer),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, &mut buffer),
            Self::Gone => Poll::Ready(Ok(())),
        };
        read.map_ok(|()| buffer.filled().len())
    }

    fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}

#[cfg(test)]
mod tests;
