//! An account is an ordered log of changes; mailboxes, flags, threads, quota are folded from it.
//!
//! Invariants: every change is one commit, numbered by the account's next [`mail::ModSeq`], durable
//! before anyone is told; commits of one account are applied in order; no lock is held across a
//! wait for the disk; nothing here names a runtime, a socket or a protocol.

mod account;
mod accounts;
pub mod acl;
mod annotate;
mod annotation;
mod append;
mod body;
mod bulk;
mod change;
pub mod check;
mod codec;
pub mod directory;
mod document;
mod draft;
mod edit;
pub mod error;
pub mod explain;
pub mod extract;
mod flight;
mod fold;
mod index;
pub mod junk;
mod keys;
mod keywords;
mod load;
mod lock;
mod mailbox;
mod mailboxes;
pub mod once;
mod pack;
mod password;
mod person;
mod plan;
pub mod queue;
mod read;
pub mod record;
pub mod reports;
pub mod reputation;
mod saved;
mod seal;
pub mod search;
pub mod sort;
mod state;
pub mod strangers;
pub mod thread_tree;
mod threads;
mod transfer;
mod trash;
pub mod types;
pub mod view;
mod watch;

pub use account::Account;
pub use accounts::Accounts;
pub use acl::{AclEntry, Who};
pub use annotate::{Annotate, AnnotationChange, SPECIAL_USE_ENTRY};
pub use directory::{Credentials, Directory, Recipient};
pub use error::{Error, Refused};
pub use extract::Extract;
pub use index::{Progress as IndexProgress, Sizes as IndexSizes};
pub use record::Record;
pub use trash::Deleted;
pub use types::{
    Appended, Clock, Copied, FlagChange, FlagOp, MailboxInfo, MailboxName, MasterKey, NewMessage,
    Options, Quota, SpecialUse, Stored,
};
pub use view::{Numbers, Row, Update, View};

/// What a record of this message would be compressed from, to train the dictionary with.
#[doc(hidden)]
#[must_use]
pub fn dictionary_sample(message: &[u8]) -> Vec<u8> {
    record::Ingest::new(message).sample()
}
