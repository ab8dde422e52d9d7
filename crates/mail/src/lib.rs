//! The nouns of mail, and MIME: what every other crate names, and nothing that does I/O.
//!
//! Invariants: a value that exists is valid (`parse` is the only way in); nothing here knows a
//! protocol's wire form, an account, a socket or a clock.

pub mod address;
pub mod flags;
pub mod ids;

pub use address::{Address, Domain};
pub use flags::{Flags, Keyword, SystemFlags};
pub use ids::{AccountId, MailboxId, MessageId, ModSeq, ThreadId, Uid, UidValidity};
pub mod envelope;
pub mod header;
pub mod mime;
pub mod set;
pub mod text;
pub mod thread;

pub use envelope::{Envelope, Mailbox};
pub use mime::{Encoding, Part, PartKind, Structure};
pub use set::NumberSet;
