//! The embedded store: a commit log of our own, which is the truth, and an index derived from it.
//!
//! ```text
//! commit() ──queue──> commit thread: heads, frames, ONE write, ONE sync ──> index thread ──> wakes
//!                                    log/0000000001.seg …                   index/
//! behind them: checkpoints of the index, its compaction, segments made ready, the cleaner
//! ```
//!
//! Invariants: a change is answered when its frame is synced and the index has it; the index is
//! never synced on the way of a commit, and everything in it can be made anew from the log
//! ([`rebuild`]); one process opens a folder at a time. The log's form is in `frame.rs` and
//! `segment.rs`, the index's in `index.rs`; `docs/storage.md` tells it in one piece.

mod apply;
mod check;
mod checkpoint;
mod cleaner;
mod commit;
pub mod disk;
mod frame;
mod index;
mod inventory;
mod options;
mod recover;
mod report;
mod scan;
mod segment;
mod segments;
mod shared;
mod space;
mod writer;

pub use check::{check, rebuild};
pub use options::{Options, SYNC_MICROS_BUCKETS, Stats};
pub use report::Report;
pub use scan::Damage;

use crate::{BlobId, Blobs, Commit, Error, Find, Fut, Kv, Page, Scan, oneshot::oneshot};
use bytes::{Bytes, BytesMut};
use cleaner::Cleaner;
use commit::{Committer, Job, Pending};
use disk::{Disk, Folder};
use frame::Draft;
use index::{Entry, Value, io_failed};
use recover::{Recovered, Way};
use shared::Shared;
use std::{
    fs::File,
    future::ready,
    ops::Range,
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::Ordering::Relaxed,
        mpsc::{Sender, channel},
    },
    thread::JoinHandle,
};
use writer::Writer;

/// How often a value that moves while it is read is looked for again.
const MOVES_MAX: u32 = 8;
/// Room for a page's spans that is reserved at first.
const SPANS_FIRST: usize = 256;

/// The embedded store.
pub struct Embedded {
    shared: Arc<Shared>,
    jobs: Sender<Job>,
    running: Mutex<Option<Running>>,
    report: Report,
}

struct Running {
    /// The commit thread and the index thread.
    front: Vec<JoinHandle<()>>,
    behind: Vec<JoinHandle<()>>,
    _lock: File,
}

fn index_folder(folder: &Path) -> PathBuf {
    folder.join("index")
}

/// Takes the folder for this process.
fn lock(folder: &Path) -> Result<File, Error> {
    std::fs::create_dir_all(folder).map_err(|error| io_failed(&error))?;
    let file = File::options().create(true).truncate(false).write(true).open(folder.join("lock"));
    let file = file.map_err(|error| io_failed(&error))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(Error::InUse),
        Err(std::fs::TryLockError::Error(error)) => Err(io_failed(&error)),
    }
}

fn log_folder(folder: &Path) -> Result<Arc<dyn Disk>, Error> {
    Ok(Arc::new(Folder::open(&folder.join("log")).map_err(|error| io_failed(&error))?))
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> Result<JoinHandle<()>, Error> {
    let thread = std::thread::Builder::new().name(name.into()).spawn(work);
    thread.map_err(|error| Error::Io(error.to_string()))
}

impl Embedded {
    /// Opens or makes the store of a folder. Blocks: an unclean end is mended here.
    pub fn open(folder: &Path, options: Options) -> Result<Arc<Self>, Error> {
        let lock = lock(folder)?;
        Self::start(folder, log_folder(folder)?, options, lock)
    }

    /// The same with the log on a disk of one's own; the folder holds the index.
    pub fn open_on(
        folder: &Path,
        disk: Arc<dyn Disk>,
        options: Options,
    ) -> Result<Arc<Self>, Error> {
        let lock = lock(folder)?;
        Self::start(folder, disk, options, lock)
    }

    fn start(
        folder: &Path,
        disk: Arc<dyn Disk>,
        options: Options,
        lock: File,
    ) -> Result<Arc<Self>, Error> {
        let path = index_folder(folder);
        let way = Way { index: &path, rebuild: false, look_only: false };
        let Recovered { segments, index, applier, checkpoint, salt, report } =
            recover::recover(&disk, &options, way)?;
        let room = Arc::new(space::Room::new(Arc::clone(&segments), options.clone()));
        let counters = Arc::new(options::Counters::default());
        let parts = writer::Parts {
            segments: Arc::clone(&segments),
            room: Arc::clone(&room),
            counters: Arc::clone(&counters),
            salt,
        };
        let end = applier.position();
        let writer = Writer::open(parts, end).map_err(|error| io_failed(&error))?;
        let parts = shared::Parts { options, index, segments, room, applier, counters };
        let shared = Arc::new(Shared::new(parts, checkpoint));
        let (jobs, queue) = channel();
        let (groups, written) = channel();
        let pending = Arc::new(Pending::default());
        let committer = Committer::new(Arc::clone(&shared), writer, groups, Arc::clone(&pending));
        let front = vec![
            spawn("store-commit", move || committer.run(&queue))?,
            spawn("store-index", {
                let shared = Arc::clone(&shared);
                move || commit::run_index(&shared, &written, &pending)
            })?,
        ];
        let of = |work: fn(&Shared)| {
            let shared = Arc::clone(&shared);
            move || work(&shared)
        };
        let cleaner = Cleaner::new(Arc::clone(&shared), jobs.clone());
        let behind = vec![
            spawn("store-room", of(|shared| shared.room.run()))?,
            spawn("store-point", of(Shared::run_checkpoints))?,
            spawn("store-compact", of(Shared::run_compactions))?,
            spawn("store-clean", move || cleaner.run())?,
        ];
        let running = Mutex::new(Some(Running { front, behind, _lock: lock }));
        Ok(Arc::new(Self { shared, jobs, running, report }))
    }

    /// Writes what waits, makes the index durable and gives the folder back. Blocks; later calls
    /// of anything that writes answer [`Error::Closed`].
    pub fn close(&self) {
        let mut running = self.running.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(Running { front, behind, _lock }) = running.take() else { return };
        let _ = self.jobs.send(Job::Close);
        for thread in front {
            let _ = thread.join();
        }
        if !self.shared.poisoned.load(Relaxed)
            && let Err(error) = self.shared.checkpoint()
        {
            tracing::warn!(%error, "the index was not made durable: the next start takes longer");
        }
        self.shared.stop();
        for thread in behind {
            let _ = thread.join();
        }
    }

    /// What opening found.
    #[must_use]
    pub fn report(&self) -> &Report {
        &self.report
    }

    /// Figures of now.
    #[must_use]
    pub fn stats(&self) -> Stats {
        self.shared.stats()
    }

    /// Makes the index durable now. Blocks.
    pub fn checkpoint(&self) -> Result<(), Error> {
        self.shared.checkpoint().map(|_| ())
    }

    /// Looks through every full segment and gives back the room of those that are not live enough,
    /// now and not in time. Blocks, at the cleaner's speed. Gives the segments that were removed.
    pub fn clean(&self) -> Result<u64, Error> {
        let cleaner = Cleaner::new(Arc::clone(&self.shared), self.jobs.clone());
        cleaner.clean_all()
    }

    fn ask(&self, draft: Draft, step: Option<(u64, u64)>, erase: bool) -> Fut<'static, ()> {
        let octets_max = self.shared.options.commit_octets_max.min(u64::from(u32::MAX) - 64);
        let octets = draft.octets();
        if octets > octets_max {
            return Box::pin(ready(Err(Error::TooLarge { octets, octets_max })));
        }
        let (giver, awaited) = oneshot();
        // A queue that is gone drops the giver, which answers `Closed`.
        let _ = self.jobs.send(Job::Write { draft, step, erase, giver });
        Box::pin(awaited)
    }

    fn draft(&self, commit: Commit) -> Result<Draft, Error> {
        let Commit { account, expected, head, puts, blobs, drops } = commit;
        assert!(head > expected, "a commit moves its account's head on");
        let mut draft = Draft::new(account);
        draft.put(index::HEAD, &[], &head.to_le_bytes());
        let octets_max = self.shared.options.key_octets_max.min(usize::from(u16::MAX) - 5);
        for (name, value) in puts {
            if name.len() > octets_max {
                let (octets, octets_max) = (name.len() as u64, octets_max as u64);
                return Err(Error::TooLarge { octets, octets_max });
            }
            match value {
                None => draft.delete(index::KEY, &name),
                Some(value) if value.len() > self.shared.options.value_inline_octets_max => {
                    draft.locate(index::KEY, &name, value);
                }
                Some(value) => draft.put(index::KEY, &name, &value),
            }
        }
        for (blob, octets) in blobs {
            draft.locate(index::BLOB, &blob.to_be_bytes(), octets);
        }
        for blob in drops {
            draft.delete(index::BLOB, &blob.to_be_bytes());
        }
        Ok(draft)
    }

    /// A value, or some octets of it.
    fn value(&self, key: &[u8], range: &Range<u64>) -> Result<Option<Bytes>, Error> {
        for _ in 0..MOVES_MAX {
            let Some(entry) = self.shared.index.get(key)? else { return Ok(None) };
            match Entry::parse(&entry)?.value {
                Value::Inline(value) => {
                    let size = u32::try_from(value.len()).unwrap_or(u32::MAX);
                    let (from, count) = clamp(range, size);
                    let part = value.iter().skip(from as usize).take(count as usize);
                    return Ok(Some(part.copied().collect()));
                }
                Value::Located(place) => {
                    let (from, count) = clamp(range, place.octets);
                    if let Some(octets) = self.shared.segments.read(place, from, count)? {
                        return Ok(Some(octets));
                    }
                }
            }
        }
        Err(Error::Damaged("a value's segment is gone".into()))
    }

    fn page(&self, scan: &Scan) -> Result<Page, Error> {
        for _ in 0..MOVES_MAX {
            if let Some(page) = self.page_once(scan)? {
                return Ok(page);
            }
        }
        Err(Error::Damaged("a value's segment is gone".into()))
    }

    /// A page; `None` if a value moved meanwhile. All of it lies in one piece of memory.
    fn page_once(&self, scan: &Scan) -> Result<Option<Page>, Error> {
        let from = index::class_key(scan.account, index::KEY, &scan.from);
        let to = if scan.to.is_empty() {
            index::class_key(scan.account, index::KEY + 1, &[])
        } else {
            index::class_key(scan.account, index::KEY, &scan.to)
        };
        let mut octets = BytesMut::new();
        let mut spans = Vec::with_capacity(scan.entries_max.min(SPANS_FIRST));
        let mut found = self.shared.index.range(&from, &to);
        while spans.len() < scan.entries_max {
            let next = if scan.reverse { found.next_back() } else { found.next() };
            let Some(next) = next else { break };
            let (key, entry) = next?;
            let start = octets.len();
            octets.extend_from_slice(key.get(index::PREFIX_OCTETS..).unwrap_or_default());
            let middle = octets.len();
            let elsewhere = match Entry::parse(&entry)?.value {
                Value::Inline(value) => {
                    octets.extend_from_slice(value);
                    None
                }
                Value::Located(place) => {
                    match self.shared.segments.read(place, 0, place.octets)? {
                        Some(value) => Some(value),
                        None => return Ok(None),
                    }
                }
            };
            spans.push((start, middle, octets.len(), elsewhere));
        }
        let octets = octets.freeze();
        let entry = |(start, middle, end, elsewhere): (usize, usize, usize, Option<Bytes>)| {
            let value = elsewhere.unwrap_or_else(|| octets.slice(middle..end));
            (octets.slice(start..middle), value)
        };
        Ok(Some(spans.into_iter().map(entry).collect()))
    }

    fn accounts_after(&self, after: Option<u32>, entries_max: usize) -> Result<Vec<u32>, Error> {
        let mut found = Vec::new();
        let mut next = after.map_or(Some(0), |after| after.checked_add(1));
        let end = [0xff; index::PREFIX_OCTETS];
        while let (Some(account), true) = (next, found.len() < entries_max) {
            let from = index::class_key(account, index::HEAD, &[]);
            let Some(entry) = self.shared.index.range(&from, &end).next() else { break };
            let (key, _) = entry?;
            let Some((owner, rest)) = key.split_first_chunk::<4>() else { break };
            let owner = u32::from_be_bytes(*owner);
            // Blobs alone make no account.
            if rest == [index::HEAD] {
                found.push(owner);
            }
            next = owner.checked_add(1);
        }
        Ok(found)
    }

    fn blob_key(id: BlobId) -> Vec<u8> {
        index::class_key(id.account, index::BLOB, &id.blob.to_be_bytes())
    }

    fn size_of(&self, id: BlobId) -> Result<Option<u64>, Error> {
        let Some(entry) = self.shared.index.get(&Self::blob_key(id))? else { return Ok(None) };
        Ok(Some(match Entry::parse(&entry)?.value {
            Value::Inline(value) => value.len() as u64,
            Value::Located(place) => u64::from(place.octets),
        }))
    }

    fn blobs_after(
        &self,
        account: u32,
        after: Option<u64>,
        entries_max: usize,
    ) -> Result<Vec<u64>, Error> {
        let first = after.map_or(Some(0), |after| after.checked_add(1));
        let Some(first) = first else { return Ok(Vec::new()) };
        let from = Self::blob_key(BlobId { account, blob: first });
        let to = index::class_key(account, index::BLOB + 1, &[]);
        let number = |entry: Result<(lsm_tree::Slice, _), Error>| {
            let (key, _) = entry?;
            let number = key.last_chunk().copied().map(u64::from_be_bytes);
            number.ok_or_else(|| Error::Damaged("a blob's key".into()))
        };
        self.shared.index.range(&from, &to).take(entries_max).map(number).collect()
    }
}

/// The part of a range that lies within a value: first octet and count.
fn clamp(range: &Range<u64>, octets: u32) -> (u32, u32) {
    let within = |at: u64| u32::try_from(at).unwrap_or(u32::MAX).min(octets);
    let (from, to) = (within(range.start), within(range.end));
    (from, to.saturating_sub(from))
}

impl Drop for Embedded {
    fn drop(&mut self) {
        self.close();
    }
}

/// All of a value.
const WHOLE: Range<u64> = 0..u64::MAX;

impl Kv for Embedded {
    fn get(&self, account: u32, name: Bytes) -> Fut<'_, Option<Bytes>> {
        let key = index::class_key(account, index::KEY, &name);
        Box::pin(ready(self.value(&key, &WHOLE)))
    }
    fn get_many(&self, account: u32, names: Vec<Bytes>) -> Fut<'_, Vec<Find>> {
        let find = |name: &Bytes| self.value(&index::class_key(account, index::KEY, name), &WHOLE);
        Box::pin(ready(names.iter().map(find).collect()))
    }
    fn scan(&self, scan: Scan) -> Fut<'_, Page> {
        Box::pin(ready(self.page(&scan)))
    }
    fn head(&self, account: u32) -> Fut<'_, u64> {
        Box::pin(ready(commit::read_head(&self.shared.index, account)))
    }
    fn commit(&self, commit: Commit) -> Fut<'static, ()> {
        let step = Some((commit.expected, commit.head));
        match self.draft(commit) {
            Ok(draft) => self.ask(draft, step, false),
            Err(error) => Box::pin(ready(Err(error))),
        }
    }
    fn accounts(&self, after: Option<u32>, entries_max: usize) -> Fut<'_, Vec<u32>> {
        Box::pin(ready(self.accounts_after(after, entries_max)))
    }
    fn erase(&self, account: u32) -> Fut<'static, ()> {
        let mut draft = Draft::new(account);
        draft.erase(0);
        self.ask(draft, None, true)
    }
}

impl Blobs for Embedded {
    fn put(&self, id: BlobId, bytes: Bytes) -> Fut<'static, ()> {
        let mut draft = Draft::new(id.account);
        draft.locate(index::BLOB, &id.blob.to_be_bytes(), bytes);
        self.ask(draft, None, false)
    }
    fn get(&self, id: BlobId, range: Range<u64>) -> Fut<'_, Option<Bytes>> {
        Box::pin(ready(self.value(&Self::blob_key(id), &range)))
    }
    fn size(&self, id: BlobId) -> Fut<'_, Option<u64>> {
        Box::pin(ready(self.size_of(id)))
    }
    fn delete(&self, id: BlobId) -> Fut<'static, ()> {
        let mut draft = Draft::new(id.account);
        draft.delete(index::BLOB, &id.blob.to_be_bytes());
        self.ask(draft, None, false)
    }
    fn list(&self, account: u32, after: Option<u64>, entries_max: usize) -> Fut<'_, Vec<u64>> {
        Box::pin(ready(self.blobs_after(account, after, entries_max)))
    }
}
