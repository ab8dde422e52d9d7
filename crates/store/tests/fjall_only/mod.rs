//! The embedded body as it was at first: fjall alone. Kept to run the same suite, and to measure.
//!
//! One keyspace; commits that wait share one batch and
//! one fdatasync, made by one commit thread. Reads go to the tree at once.
//!
//! Keys: account (u32, big-endian), then the caller's key. The tag 0xff is the store's own:
//! `ff 01` is the account's head, `ff 02` + blob (u64, big-endian) a blob.

use bytes::Bytes;
use fjall::{Database, Keyspace, KeyspaceCreateOptions, PersistMode};
use std::{
    collections::HashMap,
    future::ready,
    ops::Range,
    path::Path,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Receiver, Sender, channel},
    },
    thread::JoinHandle,
};
use store::{
    BlobId, Blobs, Commit, Error, Find, Fut, Kv, Page, Scan,
    oneshot::{Giver, oneshot},
};

/// Commits of one group at most: bounds the memory of a batch.
const GROUP_COMMITS_MAX: usize = 512;
const HEAD: [u8; 2] = [0xff, 1];
const BLOB: [u8; 2] = [0xff, 2];

enum Job {
    Commit(Box<Commit>, Giver<()>),
    Put(BlobId, Bytes, Giver<()>),
    Delete(BlobId, Giver<()>),
    Erase(u32, Giver<()>),
    Close,
}

/// The store.
pub struct FjallOnly {
    tree: Keyspace,
    jobs: Mutex<Sender<Job>>,
    thread: Mutex<Option<JoinHandle<()>>>,
}

fn failed(error: fjall::Error) -> Error {
    if let fjall::Error::Io(io) = &error
        && io.kind() == std::io::ErrorKind::StorageFull
    {
        return Error::Full;
    }
    Error::Io(error.to_string())
}

fn key(account: u32, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(4 + rest.len());
    key.extend_from_slice(&account.to_be_bytes());
    key.extend_from_slice(rest);
    key
}

fn blob_key(id: BlobId) -> Vec<u8> {
    let mut key = key(id.account, &BLOB);
    key.extend_from_slice(&id.blob.to_be_bytes());
    key
}

impl FjallOnly {
    /// Opens or makes the store of a folder.
    pub fn open(folder: &Path) -> Result<Arc<Self>, Error> {
        let database =
            Database::builder(folder.join("index")).cache_size(128 << 20).open().map_err(failed)?;
        let tree = database.keyspace("store", KeyspaceCreateOptions::default).map_err(failed)?;
        let (jobs, queue) = channel();
        let writer =
            Writer { database, tree: tree.clone(), heads: HashMap::new(), poisoned: false };
        let thread = std::thread::Builder::new()
            .name("commit".into())
            .spawn(move || writer.run(&queue))
            .map_err(|error| Error::Io(error.to_string()))?;
        let (jobs, thread) = (Mutex::new(jobs), Mutex::new(Some(thread)));
        Ok(Arc::new(Self { tree, jobs, thread }))
    }

    /// Writes what waits and stops.
    pub fn close(&self) {
        let _ = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).send(Job::Close);
        let thread = self.thread.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(thread) = thread {
            let _ = thread.join();
        }
    }

    fn ask(&self, job: impl FnOnce(Giver<()>) -> Job) -> Fut<'static, ()> {
        let (giver, awaited) = oneshot();
        let _ = self.jobs.lock().unwrap_or_else(PoisonError::into_inner).send(job(giver));
        Box::pin(awaited)
    }

    fn read(&self, key: &[u8]) -> Result<Option<Bytes>, Error> {
        Ok(self.tree.get(key).map_err(failed)?.map(Bytes::from_owner))
    }
}

impl Drop for FjallOnly {
    fn drop(&mut self) {
        self.close();
    }
}

struct Writer {
    database: Database,
    tree: Keyspace,
    heads: HashMap<u32, u64>,
    poisoned: bool,
}

impl Writer {
    fn run(mut self, queue: &Receiver<Job>) {
        let mut stashed = None;
        while let Some(first) = stashed.take().or_else(|| queue.recv().ok()) {
            // An erasure reads the tree, so it shares no batch with what comes before it.
            let alone = |job: &Job| matches!(job, Job::Erase(..));
            let mut group = vec![first];
            while group.len() < GROUP_COMMITS_MAX && !group.iter().any(alone) {
                let Ok(next) = queue.try_recv() else { break };
                if alone(&next) {
                    stashed = Some(next);
                    break;
                }
                group.push(next);
            }
            let closing = group.iter().any(|job| matches!(job, Job::Close));
            self.group(group);
            if closing {
                return;
            }
        }
    }

    fn group(&mut self, group: Vec<Job>) {
        let mut batch = self.database.batch().durability(Some(PersistMode::SyncData));
        let mut waiting = Vec::with_capacity(group.len());
        for job in group {
            match self.add(&mut batch, job) {
                (Some(giver), Ok(())) => waiting.push(giver),
                (Some(giver), Err(error)) => giver.give(Err(error)),
                (None, _) => {}
            }
        }
        if waiting.is_empty() {
            return;
        }
        let outcome = batch.commit().map_err(failed);
        if outcome.is_err() {
            // What the journal holds is unknown now: nothing more until the store is opened anew.
            self.poisoned = true;
        }
        for giver in waiting {
            giver.give(outcome.clone());
        }
    }

    fn add(
        &mut self,
        batch: &mut fjall::OwnedWriteBatch,
        job: Job,
    ) -> (Option<Giver<()>>, Result<(), Error>) {
        let (giver, outcome) = match job {
            Job::Close => return (None, Ok(())),
            Job::Commit(commit, giver) => (giver, self.commit(batch, *commit)),
            Job::Put(id, bytes, giver) => {
                batch.insert(&self.tree, blob_key(id), bytes.to_vec());
                (giver, Ok(()))
            }
            Job::Delete(id, giver) => {
                batch.remove(&self.tree, blob_key(id));
                (giver, Ok(()))
            }
            Job::Erase(account, giver) => (giver, self.erase(batch, account)),
        };
        let outcome = if self.poisoned { Err(Error::Poisoned) } else { outcome };
        (Some(giver), outcome)
    }

    fn head(&mut self, account: u32) -> Result<u64, Error> {
        if let Some(head) = self.heads.get(&account) {
            return Ok(*head);
        }
        let stored = self.tree.get(key(account, &HEAD)).map_err(failed)?;
        let head = stored.and_then(|v| v.as_ref().try_into().ok().map(u64::from_be_bytes));
        Ok(head.unwrap_or(0))
    }

    fn commit(&mut self, batch: &mut fjall::OwnedWriteBatch, commit: Commit) -> Result<(), Error> {
        if self.poisoned {
            return Err(Error::Poisoned);
        }
        let account = commit.account;
        let head = self.head(account)?;
        if head != commit.expected {
            return Err(Error::Conflict { head });
        }
        self.heads.insert(account, commit.head);
        batch.insert(&self.tree, key(account, &HEAD), commit.head.to_be_bytes().as_slice());
        for (name, value) in commit.puts {
            match value {
                Some(value) => batch.insert(&self.tree, key(account, &name), value.to_vec()),
                None => batch.remove(&self.tree, key(account, &name)),
            }
        }
        for (blob, bytes) in commit.blobs {
            batch.insert(&self.tree, blob_key(BlobId { account, blob }), bytes.to_vec());
        }
        for blob in commit.drops {
            batch.remove(&self.tree, blob_key(BlobId { account, blob }));
        }
        Ok(())
    }

    fn erase(&mut self, batch: &mut fjall::OwnedWriteBatch, account: u32) -> Result<(), Error> {
        self.heads.insert(account, 0);
        for entry in self.tree.prefix(account.to_be_bytes()) {
            batch.remove(&self.tree, entry.key().map_err(failed)?);
        }
        Ok(())
    }
}

impl Kv for FjallOnly {
    fn get(&self, account: u32, name: Bytes) -> Fut<'_, Option<Bytes>> {
        Box::pin(ready(self.read(&key(account, &name))))
    }
    fn get_many(&self, account: u32, names: Vec<Bytes>) -> Fut<'_, Vec<Find>> {
        let found = names.iter().map(|name| self.read(&key(account, name))).collect();
        Box::pin(ready(found))
    }
    fn scan(&self, scan: Scan) -> Fut<'_, Page> {
        if !scan.to.is_empty() && scan.to <= scan.from {
            return Box::pin(ready(Ok(Page::new())));
        }
        let from = key(scan.account, &scan.from);
        // The store's own tag is the highest: a scan to the account's end stops before it.
        let to = key(scan.account, if scan.to.is_empty() { &[0xff] } else { &scan.to });
        let found = self.tree.range(from..to);
        let read = |entry: fjall::Guard| {
            let (name, value) = entry.into_inner().map_err(failed)?;
            Ok((Bytes::from_owner(name).slice(4..), Bytes::from_owner(value)))
        };
        let page: Result<Page, Error> = if scan.reverse {
            found.rev().take(scan.entries_max).map(read).collect()
        } else {
            found.take(scan.entries_max).map(read).collect()
        };
        Box::pin(ready(page))
    }
    fn head(&self, account: u32) -> Fut<'_, u64> {
        let head = self.read(&key(account, &HEAD)).map(|stored| {
            stored.and_then(|v| v.as_ref().try_into().ok().map(u64::from_be_bytes)).unwrap_or(0)
        });
        Box::pin(ready(head))
    }
    fn commit(&self, commit: Commit) -> Fut<'static, ()> {
        self.ask(|giver| Job::Commit(Box::new(commit), giver))
    }
    fn accounts(&self, after: Option<u32>, entries_max: usize) -> Fut<'_, Vec<u32>> {
        let mut found = Vec::new();
        let mut next = after.map_or(Some(0), |after| after.checked_add(1));
        while let (Some(account), true) = (next, found.len() < entries_max) {
            let Some(entry) = self.tree.range(key(account, &[])..).next() else { break };
            let name = match entry.key() {
                Ok(name) => name,
                Err(error) => return Box::pin(ready(Err(failed(error)))),
            };
            let Some(owner) = name.first_chunk().copied().map(u32::from_be_bytes) else { break };
            match self.read(&key(owner, &HEAD)) {
                Ok(Some(_)) => found.push(owner),
                Ok(None) => {}
                Err(error) => return Box::pin(ready(Err(error))),
            }
            next = owner.checked_add(1);
        }
        Box::pin(ready(Ok(found)))
    }
    fn erase(&self, account: u32) -> Fut<'static, ()> {
        self.ask(|giver| Job::Erase(account, giver))
    }
}

impl Blobs for FjallOnly {
    fn put(&self, id: BlobId, bytes: Bytes) -> Fut<'static, ()> {
        self.ask(|giver| Job::Put(id, bytes, giver))
    }
    fn get(&self, id: BlobId, range: Range<u64>) -> Fut<'_, Option<Bytes>> {
        let found = self.read(&blob_key(id)).map(|found| {
            found.map(|bytes| {
                let end = usize::try_from(range.end).unwrap_or(usize::MAX).min(bytes.len());
                let start = usize::try_from(range.start).unwrap_or(usize::MAX).min(end);
                bytes.slice(start..end)
            })
        });
        Box::pin(ready(found))
    }
    fn size(&self, id: BlobId) -> Fut<'_, Option<u64>> {
        let size = self.tree.size_of(blob_key(id)).map_err(failed);
        Box::pin(ready(size.map(|size| size.map(u64::from))))
    }
    fn delete(&self, id: BlobId) -> Fut<'static, ()> {
        self.ask(|giver| Job::Delete(id, giver))
    }
    fn list(&self, account: u32, after: Option<u64>, entries_max: usize) -> Fut<'_, Vec<u64>> {
        let first = after.map_or(Some(0), |after| after.checked_add(1));
        let Some(first) = first else { return Box::pin(ready(Ok(Vec::new()))) };
        let from = blob_key(BlobId { account, blob: first });
        let to = key(account, &[0xff, 3]);
        let number = |entry: fjall::Guard| {
            let name = entry.key().map_err(failed)?;
            let number = name.last_chunk().copied().map(u64::from_be_bytes);
            number.ok_or_else(|| Error::Damaged("a blob's key".into()))
        };
        let found = self.tree.range(from..to).take(entries_max).map(number).collect();
        Box::pin(ready(found))
    }
}
