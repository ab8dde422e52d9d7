//! A store in memory: the first body of the contract suite, and what tests run on.

use crate::{BlobId, Blobs, Commit, Error, Find, Fut, Kv, Page, Scan};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    future::ready,
    ops::{Bound, Range},
    sync::{Mutex, MutexGuard, PoisonError},
};

#[derive(Default)]
struct Inner {
    heads: BTreeMap<u32, u64>,
    values: BTreeMap<(u32, Bytes), Bytes>,
    blobs: BTreeMap<(u32, u64), Bytes>,
}

/// Keys, values and blobs in memory.
#[derive(Default)]
pub struct Memory {
    inner: Mutex<Inner>,
}

impl Memory {
    /// An empty store.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Octets of all keys and values, and of all blobs.
    #[must_use]
    pub fn octets(&self) -> (usize, usize) {
        let inner = self.inner();
        let values = inner.values.iter().map(|((_, key), value)| key.len() + value.len()).sum();
        (values, inner.blobs.values().map(Bytes::len).sum())
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn clamp(bytes: &Bytes, range: &Range<u64>) -> Bytes {
    let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(bytes.len());
    let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(end);
    bytes.slice(start..end)
}

impl Kv for Memory {
    fn get(&self, account: u32, key: Bytes) -> Fut<'_, Option<Bytes>> {
        Box::pin(ready(Ok(self.inner().values.get(&(account, key)).cloned())))
    }
    fn get_many(&self, account: u32, keys: Vec<Bytes>) -> Fut<'_, Vec<Find>> {
        let inner = self.inner();
        let found = keys.into_iter().map(|key| inner.values.get(&(account, key)).cloned());
        Box::pin(ready(Ok(found.collect())))
    }
    fn scan(&self, scan: Scan) -> Fut<'_, Page> {
        if !scan.to.is_empty() && scan.to <= scan.from {
            return Box::pin(ready(Ok(Page::new())));
        }
        let inner = self.inner();
        let from = Bound::Included((scan.account, scan.from));
        let to = if scan.to.is_empty() {
            scan.account
                .checked_add(1)
                .map_or(Bound::Unbounded, |next| Bound::Excluded((next, Bytes::new())))
        } else {
            Bound::Excluded((scan.account, scan.to))
        };
        let entry = |((_, key), value): (&(u32, Bytes), &Bytes)| (key.clone(), value.clone());
        let range = inner.values.range((from, to));
        let page: Page = if scan.reverse {
            range.rev().take(scan.entries_max).map(entry).collect()
        } else {
            range.take(scan.entries_max).map(entry).collect()
        };
        Box::pin(ready(Ok(page)))
    }
    fn head(&self, account: u32) -> Fut<'_, u64> {
        Box::pin(ready(Ok(self.inner().heads.get(&account).copied().unwrap_or(0))))
    }
    fn commit(&self, commit: Commit) -> Fut<'static, ()> {
        assert!(commit.head > commit.expected, "a commit moves its account's head on");
        let mut inner = self.inner();
        let head = inner.heads.get(&commit.account).copied().unwrap_or(0);
        if head != commit.expected {
            return Box::pin(ready(Err(Error::Conflict { head })));
        }
        inner.heads.insert(commit.account, commit.head);
        for (key, value) in commit.puts {
            match value {
                Some(value) => inner.values.insert((commit.account, key), value),
                None => inner.values.remove(&(commit.account, key)),
            };
        }
        for (blob, bytes) in commit.blobs {
            inner.blobs.insert((commit.account, blob), bytes);
        }
        for blob in commit.drops {
            inner.blobs.remove(&(commit.account, blob));
        }
        Box::pin(ready(Ok(())))
    }
    fn accounts(&self, after: Option<u32>, entries_max: usize) -> Fut<'_, Vec<u32>> {
        let inner = self.inner();
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        let range = inner.heads.range((from, Bound::Unbounded));
        Box::pin(ready(Ok(range.take(entries_max).map(|(account, _)| *account).collect())))
    }
    fn erase(&self, account: u32) -> Fut<'static, ()> {
        let mut inner = self.inner();
        inner.heads.remove(&account);
        inner.values.retain(|(owner, _), _| *owner != account);
        inner.blobs.retain(|(owner, _), _| *owner != account);
        Box::pin(ready(Ok(())))
    }
}

impl Blobs for Memory {
    fn put(&self, id: BlobId, bytes: Bytes) -> Fut<'static, ()> {
        self.inner().blobs.insert((id.account, id.blob), bytes);
        Box::pin(ready(Ok(())))
    }
    fn get(&self, id: BlobId, range: Range<u64>) -> Fut<'_, Option<Bytes>> {
        let found = self.inner().blobs.get(&(id.account, id.blob)).map(|b| clamp(b, &range));
        Box::pin(ready(Ok(found)))
    }
    fn size(&self, id: BlobId) -> Fut<'_, Option<u64>> {
        let found = self.inner().blobs.get(&(id.account, id.blob)).map(|b| b.len() as u64);
        Box::pin(ready(Ok(found)))
    }
    fn delete(&self, id: BlobId) -> Fut<'static, ()> {
        self.inner().blobs.remove(&(id.account, id.blob));
        Box::pin(ready(Ok(())))
    }
    fn list(&self, account: u32, after: Option<u64>, entries_max: usize) -> Fut<'_, Vec<u64>> {
        let from = after.map_or(Bound::Included((account, 0)), |b| Bound::Excluded((account, b)));
        let inner = self.inner();
        let range = inner.blobs.range((from, Bound::Included((account, u64::MAX))));
        Box::pin(ready(Ok(range.take(entries_max).map(|((_, blob), _)| *blob).collect())))
    }
}
