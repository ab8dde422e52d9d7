//! Sending: SMTP and LMTP as a client, one machine for a session of many messages (RFC 5321,
//! RFC 2033). Replies come in, commands and content go out; see [`Session`].
//!
//! Invariants: no I/O, clock or random numbers; content is asked for in pieces and never whole in
//! memory; each recipient of a message gets exactly one [`Outcome`]; no bare CR or LF is sent as a
//! line's end or part, whatever the content has.

pub mod capabilities;
pub mod encode;
pub mod limits;
pub mod message;
pub mod outcome;
pub mod reply;
pub mod session;
mod transaction;

pub use capabilities::Capabilities;
pub use limits::{Limits, Timeouts};
pub use message::Message;
pub use outcome::{Failure, Fault, Outcome, Phase, Report, Verdict};
pub use reply::Reply;
pub use session::{Effect, Options, Session, Tls};
