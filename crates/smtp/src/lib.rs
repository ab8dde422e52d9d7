//! SMTP reception, submission and LMTP as one machine: bytes → commands, outcomes → replies
//! (RFC 5321, RFC 6409, RFC 2033).
//!
//! Invariants: no I/O, clock or random numbers; every reply is a named value of [`reply`]; only
//! CRLF.CRLF ends DATA, and a message with a bare CR or LF is refused (no smuggling); a message
//! never sits whole in the machine.

pub mod client;
pub mod command;
pub mod content;
pub mod effect;
pub mod limits;
pub mod path;
pub mod reply;
pub mod session;

pub use effect::{Effect, MailFrom, RcptTo, Verdict};
pub use limits::Limits;
pub use session::{Kind, Options, Release, Session};
