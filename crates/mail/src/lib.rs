//! The nouns of mail, and MIME: what every other crate names, and nothing that does I/O.
//!
//! Invariants: a value that exists is valid (`parse` is the only way in); nothing here knows a
//! protocol's wire form, an account, a socket or a clock.

pub mod address;
pub mod entry;
pub mod envelope;
pub mod flags;
pub mod header;
pub mod ids;
pub mod mime;
pub mod rights;
pub mod set;
pub mod text;
pub mod thread;

mod casemap;
mod charset;
mod date;
mod html;
mod lexical;
mod packed;
mod parameter;
mod punycode;

pub use address::{Address, Domain};
pub use entry::{Depth, EntryName};
pub use envelope::{Envelope, EnvelopeRef, Mailbox};
pub use flags::{Flags, Keyword, SystemFlags};
pub use ids::{AccountId, MailboxId, MessageId, ModSeq, ThreadId, Uid, UidValidity};
pub use mime::{Encoding, Part, PartKind, Structure, StructureRef};
pub use rights::Rights;
pub use set::NumberSet;
