//! POP3 (RFC 1939) with its extension mechanism (RFC 2449) as a machine: bytes → commands, outcomes
//! → replies.
//!
//! Invariants: no I/O, clock or random numbers; commands are answered in their order; message
//! numbers mean the same message from login to QUIT, also when it is gone meanwhile; a body never
//! sits whole in the machine; no password is taken in clear.
//!
//! Messages are sent as they are stored, also those with UTF-8 in their header to clients that did
//! not say UTF8 (RFC 6856 §2.1 would have them refused or rewritten): a client that fetches
//! everything would never get past a message that is refused.

mod command;
mod content;
pub mod effect;
pub mod limits;
pub mod maildrop;
pub mod quirks;
pub mod reply;
pub mod session;

pub use effect::{Effect, Opened, Refusal};
pub use limits::Limits;
pub use maildrop::Message;
pub use session::{Options, Session};
