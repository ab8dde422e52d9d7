//! Delivery: where a recipient's mail goes, what is written on top of it, and one message into many
//! mailboxes. Knows accounts and mail, no protocol.
//!
//! Invariants: a message is reported delivered to a recipient only after it is durable in every
//! account that the recipient stands for; a message that passed too many servers is refused.

pub mod author;
pub mod classify;
pub mod hops;
pub mod join;
pub mod queue;
pub mod recipient;
pub mod report;
pub mod srs;
pub mod trace;

pub use recipient::{Inbound, Problem, Route, Submitted};
pub use trace::{Origin, Received};
