//! Bytes that last: keys and values ([`Kv`]), blobs ([`Blobs`]), hints ([`Bus`]). Knows no mail.
//!
//! Invariants: a commit is all or nothing and durable before its future is ready; commits are
//! ordered by the order of the calls; after a failed write or fsync nothing more is accepted
//! ([`Error::Poisoned`]) until the store is opened anew.

pub mod error;
pub mod traits;

pub use error::Error;
pub use traits::{BlobId, Blobs, Bus, Commit, Find, Fut, Kv, Page, Scan};
