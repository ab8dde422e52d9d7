//! IMAP4rev2 (RFC 9051) and IMAP4rev1 (RFC 3501) as a machine: bytes → commands, replies → bytes.
//!
//! Invariants: no I/O, clock or random numbers; one command at a time, tagged answers in command
//! order; a message body never sits whole in the machine; sequence numbers change only where
//! RFC 9051 §5.5 lets them.
//!
//! Where things are: a command's grammar is in `command/` under its name, what it asks of the world
//! in [`effect`], what it answers in [`reply`]; `session/` reads, waits and keeps order. To add an
//! extension: a row in [`extensions`]; for a command, a file in `command/` and a row in its table;
//! for what it does, an effect, performed in a file of `server/src/bridge/imap/`; transcripts.

mod answer;
mod command;
mod cursor;
pub mod date;
pub mod effect;
pub mod extensions;
pub mod limits;
pub mod quirks;
pub mod reply;
pub mod session;
pub mod types;
pub mod url;
pub mod utf7;

pub use limits::Limits;
pub use reply::{
    ContextUpdate, EsearchLine, FetchWriter, Found, ListLine, QuotaResource, Reply, StatusValue,
    ThreadMark,
};
pub use session::{Options, Session};
