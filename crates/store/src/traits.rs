//! The three traits and what passes through them.

use crate::Error;
use bytes::Bytes;
use std::{future::Future, ops::Range, pin::Pin};

/// What every operation gives.
pub type Fut<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// A blob of an account: unique, immutable, never reused.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct BlobId {
    /// The account.
    pub account: u32,
    /// Its blob, chosen by the caller.
    pub blob: u64,
}

/// One atomic change of one account. Keys do not contain the account: the store puts it in front,
/// so that an account is one contiguous range.
#[derive(Clone, Debug, Default)]
pub struct Commit {
    /// The account.
    pub account: u32,
    /// The head that the caller expects (0 for an account that has none yet).
    pub expected: u64,
    /// The head after this commit; greater than `expected`.
    pub head: u64,
    /// Absolute puts (`Some`) and deletes (`None`), in order; the last one of a key wins.
    pub puts: Vec<(Bytes, Option<Bytes>)>,
    /// Blobs that become durable with this commit.
    pub blobs: Vec<(u64, Bytes)>,
    /// Blobs that are no longer wanted; their space is given back in time.
    pub drops: Vec<u64>,
}

/// A range of keys of one account.
#[derive(Clone, Debug)]
pub struct Scan {
    /// The account.
    pub account: u32,
    /// First key, inclusive.
    pub from: Bytes,
    /// Last key, exclusive; empty for the account's end.
    pub to: Bytes,
    /// From the end to the start.
    pub reverse: bool,
    /// Entries at most in the page.
    pub entries_max: usize,
}

/// Entries found, in order.
pub type Page = Vec<(Bytes, Bytes)>;

/// Entry of a bulk get: its value, if any.
pub type Find = Option<Bytes>;

/// Ordered keys and values, by account.
pub trait Kv: Send + Sync + 'static {
    /// One value.
    fn get(&self, account: u32, key: Bytes) -> Fut<'_, Option<Bytes>>;
    /// Many values, in the order of the keys.
    fn get_many(&self, account: u32, keys: Vec<Bytes>) -> Fut<'_, Vec<Find>>;
    /// A page of a range. Reads what is committed when it is called, never half a commit of one
    /// account within one page.
    fn scan(&self, scan: Scan) -> Fut<'_, Page>;
    /// The account's head; 0 if it has none.
    fn head(&self, account: u32) -> Fut<'_, u64>;
    /// Commits. The call itself fixes the order: of two calls for one account the first made is the
    /// first applied, and the second may already expect the head of the first. When one fails,
    /// those of that account behind it fail with [`Error::Conflict`] or the same error.
    /// When the future is ready the commit is durable and reads see it.
    fn commit(&self, commit: Commit) -> Fut<'static, ()>;
    /// Every account that has a head, in order, after `after`.
    fn accounts(&self, after: Option<u32>, entries_max: usize) -> Fut<'_, Vec<u32>>;
    /// Erases all keys and blobs of an account and its head, durably.
    fn erase(&self, account: u32) -> Fut<'static, ()>;
}

/// Immutable bytes by id.
pub trait Blobs: Send + Sync + 'static {
    /// Stores a blob, durable when ready (bodies that ride in a [`Commit`] need no `put`).
    fn put(&self, id: BlobId, bytes: Bytes) -> Fut<'static, ()>;
    /// Some octets of a blob (clamped to its end), `None` if there is none.
    fn get(&self, id: BlobId, range: Range<u64>) -> Fut<'_, Option<Bytes>>;
    /// Its size in octets.
    fn size(&self, id: BlobId) -> Fut<'_, Option<u64>>;
    /// Forgets a blob.
    fn delete(&self, id: BlobId) -> Fut<'static, ()>;
    /// Blobs of an account after `after`, in order (for `palomar check` and the sweeper).
    fn list(&self, account: u32, after: Option<u64>, entries_max: usize) -> Fut<'_, Vec<u64>>;
}

/// "Account A is at ModSeq N": a hint that may be lost or come twice.
pub trait Bus: Send + Sync + 'static {
    /// Tells it.
    fn publish(&self, account: u32, head: u64);
    /// Hears it: `each` is called for every hint, from any thread, and must be quick. Lasts until
    /// the returned guard is dropped.
    fn subscribe(&self, each: Box<dyn Fn(u32, u64) + Send + Sync>) -> Box<dyn Send + Sync>;
}
