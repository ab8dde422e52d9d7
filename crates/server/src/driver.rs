//! The one connection driver, for all protocols: it moves bytes between a socket and a machine, has
//! the bridge perform what the machine asks, and keeps time.
//!
//! Invariants: an idle connection holds no buffer (reads go into one of the thread's, the outbox
//! gives its memory away when drained); the outbox is drained before every wait and whenever it
//! passes [`OUTBOX_OCTETS_HIGH`] or [`OUTBOX_AGE_MAX`], so a peer that does not read stops its own
//! session; a machine always has the last word: time-out, end of input and shutdown are events to
//! it, not cuts.
//! It never knows which protocol it drives.

use crate::{
    bridge::Bridge,
    deflate::{self, Deflate, INFLATED_OCTETS_MAX, REST_AFTER},
    pace::{Pace, Timeouts},
    tls::{Handshake, TlsError},
    transport::Transport,
};
use bytes::{Buf, BytesMut};
use flate2::FlushCompress as Flush;
use prometheus_client::metrics::counter::Counter;
use std::{
    cell::RefCell,
    fmt,
    future::{pending, poll_fn},
    io::{self, ErrorKind::TimedOut},
    sync::Arc,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    sync::watch,
    task::coop,
    time::{Instant, sleep_until, timeout, timeout_at},
};
use wire::{Event, Machine, Patience, Step};

/// Octets of outbox above which it is drained even though the machine has more to do.
pub const OUTBOX_OCTETS_HIGH: usize = 64 << 10;
/// How long an answer may lie in the outbox while the machine goes on with something else.
pub const OUTBOX_AGE_MAX: Duration = Duration::from_millis(200);
/// Octets read at once, into a buffer of the thread.
pub const READ_OCTETS_MAX: usize = 64 << 10;
/// How long a peer may take to hear our goodbye and close its side.
const LINGER: Duration = Duration::from_secs(2);
/// Octets of a closing peer that are read and dropped, so that our goodbye is not lost to a reset.
const LINGER_OCTETS_MAX: usize = 256 << 10;

thread_local! {
    static BUFFER: RefCell<Box<[u8]>> = RefCell::new(vec![0; READ_OCTETS_MAX].into());
}

/// Octets of a listener's connections, in clear as the machines see them.
#[derive(Default, Debug, Clone)]
pub struct Octets {
    /// From peers.
    pub received: Counter,
    /// To peers.
    pub sent: Counter,
}

/// What all connections of a listener share.
pub struct Shared {
    /// Time-outs.
    pub timeouts: Timeouts,
    /// TLS, where it is set up.
    pub handshake: Option<Handshake>,
    /// Octets moved.
    pub octets: Octets,
}

/// How a connection ended, for the log.
#[derive(Debug)]
pub enum Ended {
    /// The machine closed it.
    Closed,
    /// The peer went away, or did not take what we sent in time.
    Lost(io::Error),
    /// TLS failed.
    Tls(TlsError),
}

impl fmt::Display for Ended {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => f.write_str("closed"),
            Self::Lost(error) => write!(f, "lost: {error}"),
            Self::Tls(error) => error.fmt(f),
        }
    }
}

/// One connection with its machine and its bridge.
pub struct Driver<B: Bridge, S> {
    transport: Transport<S>,
    machine: B::Machine,
    bridge: B,
    /// Once the machine asked for it; boxed, since few do.
    deflate: Option<Box<Deflate>>,
    shared: Arc<Shared>,
    shutdown: watch::Receiver<bool>,
    pace: Pace,
    /// The machine did something since the last wait.
    answered: bool,
    /// Nothing that is in the outbox is older than this.
    drained: Instant,
    told_shutdown: bool,
    /// The machine knows that its login is withdrawn.
    told_withdrawn: bool,
    /// Nothing more can come, or nothing more is waited for: the next wait closes.
    ending: bool,
}

/// What ended a wait.
enum Woke {
    Received(usize),
    Lost(io::Error),
    News,
    TimedOut,
    ShuttingDown,
    Withdrawn,
}

impl<B, S> Driver<B, S>
where
    B: Bridge,
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    /// Over a connection that was accepted (behind its PROXY header, if any).
    pub fn new(
        stream: S,
        (machine, bridge): (B::Machine, B),
        shared: Arc<Shared>,
        shutdown: watch::Receiver<bool>,
    ) -> Self {
        let pace = Pace::new(&shared.timeouts);
        Self {
            transport: Transport::Clear(stream),
            machine,
            bridge,
            deflate: None,
            shared,
            shutdown,
            pace,
            answered: false,
            drained: Instant::now(),
            told_shutdown: false,
            told_withdrawn: false,
            ending: false,
        }
    }

    /// Drives it to its end. `secure` for TLS from the first octet.
    pub async fn run(mut self, secure: bool) -> Ended {
        if secure && let Err(ended) = self.handshake().await {
            return ended;
        }
        loop {
            match self.turn().await {
                Ok(true) => {}
                Ok(false) => {
                    self.close().await;
                    return Ended::Closed;
                }
                Err(ended) => return ended,
            }
        }
    }

    /// One step of the machine. Whether there is another.
    async fn turn(&mut self) -> Result<bool, Ended> {
        let octets = self.machine.outbox().len();
        let old = octets > 0 && self.drained.elapsed() >= OUTBOX_AGE_MAX;
        if octets >= OUTBOX_OCTETS_HIGH || old {
            self.drain().await.map_err(Ended::Lost)?;
        }
        if self.bridge.access().is_some_and(|access| access.is_withdrawn()) {
            self.tell_withdrawn();
        }
        match self.machine.step() {
            // Cut in the middle of a command: its goodbye is said between commands only.
            Step::Ask(_) if self.told_withdrawn => {
                self.drain().await.map_err(Ended::Lost)?;
                Ok(false)
            }
            Step::Ask(effect) => {
                self.answered = true;
                // Boxed: an idle connection does not carry the room of the largest command.
                Box::pin(self.bridge.perform(&mut self.machine, effect)).await;
                Ok(true)
            }
            Step::Wait(patience) => {
                self.answered |= !self.machine.outbox().is_empty();
                self.drain().await.map_err(Ended::Lost)?;
                if self.ending {
                    return Ok(false);
                }
                self.wait(patience).await?;
                Ok(true)
            }
            Step::StartTls => {
                self.drain().await.map_err(Ended::Lost)?;
                self.handshake().await?;
                Ok(true)
            }
            Step::Compress => {
                self.drain().await.map_err(Ended::Lost)?;
                self.deflate = Some(Box::default());
                Ok(true)
            }
            Step::EndCompress => {
                self.end_deflate().await.map_err(Ended::Lost)?;
                Ok(true)
            }
            Step::Close => {
                self.drain().await.map_err(Ended::Lost)?;
                Ok(false)
            }
        }
    }

    fn tell_withdrawn(&mut self) {
        if !self.told_withdrawn {
            self.told_withdrawn = true;
            self.ending = true;
            self.machine.event(Event::Withdrawn);
        }
    }

    async fn handshake(&mut self) -> Result<(), Ended> {
        let shared = Arc::clone(&self.shared);
        let Some(handshake) = &shared.handshake else {
            let why = "the listener has no certificate".to_owned();
            return Err(Ended::Tls(TlsError::Settings(why)));
        };
        let limit = Duration::from_secs(shared.timeouts.handshake_seconds.into());
        let secured = timeout(limit, Box::pin(self.transport.secure(handshake))).await;
        let event = match secured {
            Ok(outcome) => outcome.map_err(Ended::Tls)?,
            Err(_) => return Err(Ended::Lost(io::ErrorKind::TimedOut.into())),
        };
        self.machine.event(event);
        self.pace.restart(&shared.timeouts);
        Ok(())
    }

    /// Waits for input or an event and tells the machine.
    async fn wait(&mut self, patience: Patience) -> Result<(), Ended> {
        let deadline = self.pace.wait(patience, self.answered, &self.shared.timeouts);
        self.answered = false;
        let woke = self.woke(deadline).await;
        self.drained = Instant::now();
        match woke {
            Woke::Received(0) => {
                self.ending = true;
                self.machine.event(Event::Eof);
            }
            Woke::Received(octets) => {
                self.shared.octets.received.inc_by(octets as u64);
                self.pace.received(octets, &self.shared.timeouts);
            }
            Woke::Lost(error) => return Err(Ended::Lost(error)),
            Woke::News => self.machine.event(Event::News),
            Woke::TimedOut => {
                self.ending = true;
                self.machine.event(Event::TimedOut);
            }
            Woke::Withdrawn => self.tell_withdrawn(),
            Woke::ShuttingDown => {
                self.told_shutdown = true;
                self.machine.event(Event::ShuttingDown);
            }
        }
        Ok(())
    }

    /// Waits until then, and lets the compressor go on the way.
    async fn woke(&mut self, deadline: Instant) -> Woke {
        loop {
            let warm = self.deflate.as_deref_mut().filter(|deflate| deflate.is_warm());
            let rest = warm.map_or(deadline, |_| deadline.min(Instant::now() + REST_AFTER));
            match self.woke_until(rest).await {
                Woke::TimedOut if rest < deadline => {
                    if let Some(deflate) = &mut self.deflate {
                        deflate.rest();
                    }
                }
                woke => return woke,
            }
        }
    }

    async fn woke_until(&mut self, deadline: Instant) -> Woke {
        let Self { transport, machine, bridge, deflate, shutdown, told_shutdown, .. } = self;
        let access = bridge.access().cloned();
        let withdrawn = async {
            match &access {
                Some(access) => access.withdrawn().await,
                None => pending().await,
            }
        };
        tokio::select! {
            biased;
            // An error means that the sender is gone, which is a shutdown too.
            _ = shutdown.wait_for(|down| *down), if !*told_shutdown => Woke::ShuttingDown,
            () = withdrawn => Woke::Withdrawn,
            read = poll_fn(|cx| match deflate {
                None => poll_receive(transport, machine, cx),
                Some(deflate) => poll_inflate(transport, (deflate, machine), cx),
            }) => match read {
                Ok(octets) => Woke::Received(octets),
                Err(error) => Woke::Lost(error),
            },
            () = bridge.news() => Woke::News,
            () = sleep_until(deadline) => Woke::TimedOut,
        }
    }

    /// Sends all that waits. The peer has `write_seconds` for each 64 KiB of it.
    async fn drain(&mut self) -> io::Result<()> {
        self.drained = Instant::now();
        let mut bytes = self.machine.outbox().take();
        if bytes.is_empty() {
            return Ok(());
        }
        self.shared.octets.sent.inc_by(bytes.len() as u64);
        if self.deflate.is_some() {
            return Box::pin(self.send_deflated(bytes, Flush::Sync)).await;
        }
        let limit = Duration::from_secs(self.shared.timeouts.write_seconds.into());
        let transport = &mut self.transport;
        while !bytes.is_empty() {
            let piece = bytes.len().min(OUTBOX_OCTETS_HIGH);
            let end = bytes.len() - piece;
            let is_last = end == 0;
            let send = poll_fn(|cx| poll_send(transport, (&mut bytes, end), is_last, cx));
            timeout(limit, send).await.map_err(|_| io::Error::from(TimedOut))??;
        }
        Ok(())
    }

    /// The same with a peer that compresses.
    async fn send_deflated(&mut self, mut bytes: BytesMut, last: Flush) -> io::Result<()> {
        let limit = Duration::from_secs(self.shared.timeouts.write_seconds.into());
        let (Some(deflate), transport) = (&mut self.deflate, &mut self.transport) else {
            return Ok(());
        };
        loop {
            let piece = bytes.split_to(bytes.len().min(OUTBOX_OCTETS_HIGH));
            let is_last = bytes.is_empty();
            let mut sent = deflate.deflate(&piece, if is_last { last } else { Flush::None })?;
            let send = poll_fn(|cx| poll_send(transport, (&mut sent, 0), is_last, cx));
            timeout(limit, send).await.map_err(|_| io::Error::from(TimedOut))??;
            if is_last {
                return Ok(());
            }
        }
    }

    /// Sends what waits as the end of our stream, and goes on in clear.
    async fn end_deflate(&mut self) -> io::Result<()> {
        self.drained = Instant::now();
        let bytes = self.machine.outbox().take();
        self.shared.octets.sent.inc_by(bytes.len() as u64);
        Box::pin(self.send_deflated(bytes, Flush::Finish)).await?;
        if let Some(deflate) = self.deflate.take() {
            let clear = deflate.behind_end();
            if !clear.is_empty() {
                self.machine.receive(&clear);
            }
        }
        Ok(())
    }

    /// Says goodbye on the wire, and gives the peer a moment to hear what was said last: closing
    /// with unread input would reset the connection and may lose it.
    async fn close(mut self) {
        let deadline = Instant::now() + LINGER;
        let transport = &mut self.transport;
        let shut = timeout_at(deadline, poll_fn(|cx| transport.poll_shutdown(cx))).await;
        if !matches!(shut, Ok(Ok(()))) || self.ending {
            return;
        }
        let mut dropped = 0;
        while dropped < LINGER_OCTETS_MAX {
            let read = poll_fn(|cx| poll_drop(transport, cx));
            match timeout_at(deadline, read).await {
                Ok(Ok(octets)) if octets > 0 => dropped += octets,
                _ => return,
            }
        }
    }
}

/// Reads into the thread's buffer and hands what came to the machine. 0 at the end of input.
fn poll_receive<M: Machine, S>(
    transport: &mut Transport<S>,
    machine: &mut M,
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    BUFFER.with_borrow_mut(|buffer| {
        let mut into = ReadBuf::new(buffer);
        match ready!(transport.poll_read(cx, &mut into)) {
            Ok(()) => {
                let bytes = into.filled();
                if !bytes.is_empty() {
                    machine.receive(bytes);
                }
                Poll::Ready(Ok(bytes.len()))
            }
            // A peer that closes TCP without close_notify has closed; every second client does so.
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Poll::Ready(Ok(0)),
            Err(error) => Poll::Ready(Err(error)),
        }
    })
}

/// The same with a peer that compresses: hands on one piece, however much it has sent.
fn poll_inflate<M: Machine, S>(
    transport: &mut Transport<S>,
    (deflate, machine): (&mut Deflate, &mut M),
    cx: &mut Context<'_>,
) -> Poll<io::Result<usize>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    BUFFER.with_borrow_mut(|buffer| {
        let (room, rest) = buffer.split_at_mut(INFLATED_OCTETS_MAX);
        let (read, _) = rest.split_at_mut(deflate::READ_OCTETS_MAX);
        loop {
            while deflate.has_more() {
                // Others have their turn, also while nothing must be read for the next piece.
                ready!(coop::poll_proceed(cx)).made_progress();
                let octets = deflate.inflate(room)?;
                if let Some(bytes) = room.get(..octets).filter(|bytes| !bytes.is_empty()) {
                    machine.receive(bytes);
                    return Poll::Ready(Ok(octets));
                }
            }
            // The end of its stream is the end of what the peer says.
            if deflate.is_ended() {
                return Poll::Ready(Ok(0));
            }
            let mut into = ReadBuf::new(read);
            match ready!(transport.poll_read(cx, &mut into)) {
                Ok(()) if into.filled().is_empty() => return Poll::Ready(Ok(0)),
                Ok(()) => deflate.put(into.filled()),
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
                    return Poll::Ready(Ok(0));
                }
                Err(error) => return Poll::Ready(Err(error)),
            }
        }
    })
}

fn poll_drop<S>(transport: &mut Transport<S>, cx: &mut Context<'_>) -> Poll<io::Result<usize>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    BUFFER.with_borrow_mut(|buffer| {
        let mut into = ReadBuf::new(buffer);
        ready!(transport.poll_read(cx, &mut into))?;
        Poll::Ready(Ok(into.filled().len()))
    })
}

/// Sends until `end` octets are left, then flushes if that was the last piece.
fn poll_send<S>(
    transport: &mut Transport<S>,
    (bytes, end): (&mut BytesMut, usize),
    is_last: bool,
    cx: &mut Context<'_>,
) -> Poll<io::Result<()>>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
{
    while bytes.len() > end {
        let written = ready!(transport.poll_write(cx, bytes))?;
        if written == 0 {
            return Poll::Ready(Err(io::ErrorKind::WriteZero.into()));
        }
        bytes.advance(written);
    }
    if is_last { transport.poll_flush(cx) } else { Poll::Ready(Ok(())) }
}

#[cfg(test)]
mod tests;
