//! An account is an ordered log of changes; mailboxes, flags, threads, quota are folded from it.
//!
//! Invariants: every change is one commit, numbered by the account's next [`mail::ModSeq`], durable
//! before anyone is told; commits of one account are applied in order; no lock is held across a
//! wait for the disk; nothing here names a runtime, a socket or a protocol.

pub mod account;
pub mod directory;
pub mod error;
pub mod record;
pub mod search;
pub mod view;

pub use account::{Account, Accounts, Appended, Copied, FlagChange, MailboxInfo, MailboxName};
pub use account::{Clock, FlagOp, MasterKey, NewMessage, Options, Quota, SpecialUse, Stored};
pub use directory::{Credentials, Directory, Recipient};
pub use error::{Error, Refused};
pub use record::Record;
pub use view::{Numbers, Row, Update, View};
