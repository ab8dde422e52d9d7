//! Bodies that fail on purpose, for tests: a store whose n-th operation fails ([`Faulty`]), and a
//! disk whose n-th operation fails or whose power is cut ([`FaultyDisk`]), to be put under
//! [`crate::Embedded`].
//!
//! Invariant: without a fault planned they are plain stores.

mod disk;

pub use disk::{Fault, FaultyDisk};

use crate::{BlobId, Blobs, Commit, Error, Find, Fut, Kv, Page, Scan};
use bytes::Bytes;
use std::{
    future::ready,
    ops::Range,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
};

/// When in an operation it fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// Before it did anything.
    Before,
    /// When all is done, but nobody can know it.
    After,
}

/// A store that passes everything on to another, until the n-th operation. That one fails with
/// [`Error::Io`]; if it was a write, every later write fails with [`Error::Poisoned`] until
/// [`Faulty::heal`], which stands for opening the store anew.
pub struct Faulty<S> {
    inner: Arc<S>,
    count: AtomicU64,
    fail_at: AtomicU64,
    after: AtomicBool,
    poisoned: AtomicBool,
}

impl<S> Faulty<S> {
    /// Nothing fails yet.
    #[must_use]
    pub fn new(inner: Arc<S>) -> Self {
        Self {
            inner,
            count: AtomicU64::new(0),
            fail_at: AtomicU64::new(0),
            after: AtomicBool::new(false),
            poisoned: AtomicBool::new(false),
        }
    }

    /// The n-th operation from now (1 is the next) fails.
    pub fn fail(&self, nth: u64, when: When) {
        self.after.store(when == When::After, Relaxed);
        self.fail_at.store(self.count.load(Relaxed) + nth, Relaxed);
    }

    /// Operations so far.
    pub fn operations(&self) -> u64 {
        self.count.load(Relaxed)
    }

    /// No more faults.
    pub fn heal(&self) {
        self.fail_at.store(0, Relaxed);
        self.poisoned.store(false, Relaxed);
    }

    fn fault(&self) -> Option<When> {
        let number = self.count.fetch_add(1, Relaxed) + 1;
        let hit = number == self.fail_at.load(Relaxed);
        let when = if self.after.load(Relaxed) { When::After } else { When::Before };
        hit.then_some(when)
    }

    fn read<'a, T: Send + 'a>(&'a self, read: impl FnOnce(&'a S) -> Fut<'a, T>) -> Fut<'a, T> {
        if self.fault().is_some() { Box::pin(ready(Err(fault()))) } else { read(&self.inner) }
    }

    fn write(&self, write: impl FnOnce(&S) -> Fut<'static, ()>) -> Fut<'static, ()> {
        let when = self.fault();
        if self.poisoned.load(Relaxed) {
            return Box::pin(ready(Err(Error::Poisoned)));
        }
        self.poisoned.store(when.is_some(), Relaxed);
        match when {
            None => write(&self.inner),
            Some(When::Before) => Box::pin(ready(Err(fault()))),
            Some(When::After) => {
                let done = write(&self.inner);
                Box::pin(async move { done.await.and(Err(fault())) })
            }
        }
    }
}

fn fault() -> Error {
    Error::Io("a planned fault".into())
}

impl<S: Kv> Kv for Faulty<S> {
    fn get(&self, account: u32, key: Bytes) -> Fut<'_, Option<Bytes>> {
        self.read(|inner| inner.get(account, key))
    }
    fn get_many(&self, account: u32, keys: Vec<Bytes>) -> Fut<'_, Vec<Find>> {
        self.read(|inner| inner.get_many(account, keys))
    }
    fn scan(&self, scan: Scan) -> Fut<'_, Page> {
        self.read(|inner| inner.scan(scan))
    }
    fn head(&self, account: u32) -> Fut<'_, u64> {
        self.read(|inner| inner.head(account))
    }
    fn commit(&self, commit: Commit) -> Fut<'static, ()> {
        self.write(|inner| inner.commit(commit))
    }
    fn accounts(&self, after: Option<u32>, entries_max: usize) -> Fut<'_, Vec<u32>> {
        self.read(|inner| inner.accounts(after, entries_max))
    }
    fn erase(&self, account: u32) -> Fut<'static, ()> {
        self.write(|inner| inner.erase(account))
    }
}

impl<S: Blobs> Blobs for Faulty<S> {
    fn put(&self, id: BlobId, bytes: Bytes) -> Fut<'static, ()> {
        self.write(|inner| inner.put(id, bytes))
    }
    fn get(&self, id: BlobId, range: Range<u64>) -> Fut<'_, Option<Bytes>> {
        self.read(|inner| inner.get(id, range))
    }
    fn size(&self, id: BlobId) -> Fut<'_, Option<u64>> {
        self.read(|inner| inner.size(id))
    }
    fn delete(&self, id: BlobId) -> Fut<'static, ()> {
        self.write(|inner| inner.delete(id))
    }
    fn list(&self, account: u32, after: Option<u64>, entries_max: usize) -> Fut<'_, Vec<u64>> {
        self.read(|inner| inner.list(account, after, entries_max))
    }
}
