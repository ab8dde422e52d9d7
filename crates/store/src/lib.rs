//! Bytes that last: keys and values ([`Kv`]), blobs ([`Blobs`]), hints ([`Bus`]). Knows no mail.
//!
//! Invariants: a commit is all or nothing and durable before its future is ready; commits are
//! ordered by the order of the calls; after a failed write or fsync nothing more is accepted
//! ([`Error::Poisoned`]) until the store is opened anew.

pub mod bus;
pub mod embedded;
pub mod error;
pub mod faulty;
pub mod memory;
pub mod oneshot;
pub mod traits;

pub use bus::LocalBus;
pub use embedded::{Embedded, Options, Report, Stats};
pub use error::Error;
pub use memory::Memory;
pub use traits::{BlobId, Blobs, Bus, Commit, Find, Fut, Kv, Page, Scan};
