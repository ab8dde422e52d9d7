//! The sans-I/O contract between protocol machines and whoever drives them, SASL, and the
//! transcript runner. No I/O, no clock, no random numbers here: they come in as outcomes.
//!
//! A driver loops: [`Machine::step`] says what is wanted next; bytes that came in go to
//! [`Machine::receive`]; what the machine wants to say gathers in its [`Outbox`], the one ordered
//! queue out, which the driver drains before it waits, and whenever it has grown past a mark.

#![forbid(unsafe_code)]

pub mod auth;
pub mod http;
pub mod line;
pub mod outbox;
pub mod proxy;
pub mod sasl;
#[cfg(any(test, feature = "transcript"))]
pub mod transcript;

pub use line::{Ends, Line, Lines};
pub use outbox::Outbox;

/// How long a peer may take (the driver knows the seconds).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Patience {
    /// Before login: short.
    Greeting,
    /// For the next command of a session that is logged in.
    Command,
    /// In the middle of a command: a literal, a DATA body, a SASL answer.
    Middle,
    /// IMAP IDLE.
    Idle,
}

/// What a machine wants next.
#[derive(Debug)]
pub enum Step<E> {
    /// An effect of the world; the bridge performs it and tells the machine through the machine's
    /// own outcome methods. The machine asks for one at a time.
    Ask(E),
    /// More input (or an event) is needed. The driver first drains the outbox.
    Wait(Patience),
    /// Drain the outbox, drop what was read and not consumed, shake hands, then send
    /// [`Event::Secured`].
    StartTls,
    /// Drain the outbox as it is; what is said and received behind this step is raw DEFLATE
    /// (RFC 1951). The machine has consumed all it was given.
    Compress,
    /// Drain the outbox and end its stream of DEFLATE; then both directions are in clear again.
    /// What came behind the end of the peer's stream is received at once.
    EndCompress,
    /// Drain the outbox and close.
    Close,
}

/// What happens to a connection besides bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Event {
    /// TLS is up (also sent at once on implicit-TLS ports, before the first `step`).
    Secured {
        /// RFC 9266 `tls-exporter` (TLS 1.3), for SCRAM-SHA-256-PLUS; `None` on TLS 1.2.
        exporter: Option<[u8; 32]>,
        /// For logs and Received, e.g. `TLSv1.3 TLS_AES_256_GCM_SHA384`.
        description: String,
    },
    /// The peer closed its side.
    Eof,
    /// The patience asked for has run out: say goodbye in the protocol's words and close.
    TimedOut,
    /// The server is going down: finish the command at hand, say goodbye, close.
    ShuttingDown,
    /// Who logged in may do so no longer: the account was switched off or erased, or what it logged
    /// in with was revoked. Say so and close; nothing more is carried out.
    Withdrawn,
    /// The bridge has news for a waiting session (new mail); the machine may ask for it.
    News,
}

/// A protocol as a machine: bytes and outcomes in, steps and bytes out.
pub trait Machine {
    /// What it may ask of the world.
    type Effect;
    /// What is wanted next. Never called again after [`Step::Close`].
    fn step(&mut self) -> Step<Self::Effect>;
    /// Bytes from the peer. The machine takes all of them; after a `Wait` only.
    fn receive(&mut self, bytes: &[u8]);
    /// Something else happened.
    fn event(&mut self, event: Event);
    /// What it wants to say.
    fn outbox(&mut self) -> &mut Outbox;
}
