//! The index: which value each key has now, or where in the log it lies. Derived, never synced on
//! the way of a commit; the log can make it anew.
//!
//! A log-structured tree (fjall's, without fjall's journal: our log is the journal). A flush writes
//! tables, syncs them and switches to them at once, so what is found at open is the state of one
//! moment, and the checkpoint entry in it tells of which.
//!
//! ```text
//! key   = account u32 BE, class u8 (0 head, 1 the caller's key, 2 blob), rest
//! value = kind u8, LSN u64 LE, then 1: the value | 2: segment u32, offset u32, octets u32, crc u32
//! key 00 (one octet): the checkpoint, see `checkpoint.rs`
//! ```
//!
//! Invariants: one thread writes at a time; a scan sees the state between two commits, never half
//! of one; what a scan may still need is not collected.

use crate::Error;
use lsm_tree::{
    AbstractTree, AnyTree, Cache, CompressionType, Config, Guard, IterGuardImpl,
    SequenceNumberCounter, Slice,
    compaction::Leveled,
    config::{BloomConstructionPolicy, CompressionPolicy, FilterPolicy, FilterPolicyEntry},
};
use std::{
    io,
    path::Path,
    sync::{
        Arc, PoisonError, RwLock,
        atomic::{AtomicU64, Ordering},
    },
};

/// Class of the account's head.
pub const HEAD: u8 = 0;
/// Class of the caller's keys.
pub const KEY: u8 = 1;
/// Class of blobs.
pub const BLOB: u8 = 2;
/// One more than the last class.
pub const CLASSES: u8 = 3;
/// Key of the checkpoint.
pub const CHECKPOINT: [u8; 1] = [0];
/// Octets in front of what a caller calls a key.
pub const PREFIX_OCTETS: usize = 5;
const INLINE: u8 = 1;
const LOCATED: u8 = 2;

/// Where a value lies in the log.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Location {
    /// Segment number.
    pub segment: u32,
    /// Octets from its beginning.
    pub offset: u32,
    /// Octets of the value.
    pub octets: u32,
    /// Their checksum.
    pub crc: u32,
}

/// What the index knows of a key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Entry<'a> {
    /// LSN of the commit that wrote it.
    pub lsn: u64,
    /// Its value, or where.
    pub value: Value<'a>,
}

/// A value, or where it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Value<'a> {
    /// The value.
    Inline(&'a [u8]),
    /// Its place.
    Located(Location),
}

impl<'a> Entry<'a> {
    /// Reads an entry.
    pub fn parse(octets: &'a [u8]) -> Result<Self, Error> {
        Self::read(octets).ok_or_else(|| Error::Damaged("an entry of the index".into()))
    }

    fn read(octets: &'a [u8]) -> Option<Self> {
        let (kind, rest) = octets.split_first()?;
        let (lsn, rest) = rest.split_first_chunk::<8>()?;
        let value = match *kind {
            INLINE => Value::Inline(rest),
            LOCATED => {
                let part =
                    |at: usize| Some(u32::from_le_bytes(*rest.get(at * 4..)?.first_chunk()?));
                Value::Located(Location {
                    segment: part(0)?,
                    offset: part(1)?,
                    octets: part(2)?,
                    crc: part(3)?,
                })
            }
            _ => return None,
        };
        Some(Self { lsn: u64::from_le_bytes(*lsn), value })
    }

    /// The octets of an entry.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let (kind, size) = match self.value {
            Value::Inline(value) => (INLINE, value.len()),
            Value::Located(_) => (LOCATED, 16),
        };
        let mut octets = Vec::with_capacity(9 + size);
        octets.push(kind);
        octets.extend_from_slice(&self.lsn.to_le_bytes());
        match self.value {
            Value::Inline(value) => octets.extend_from_slice(value),
            Value::Located(place) => {
                for part in [place.segment, place.offset, place.octets, place.crc] {
                    octets.extend_from_slice(&part.to_le_bytes());
                }
            }
        }
        octets
    }
}

/// The key of the index for a key of the log.
#[must_use]
pub fn key(account: u32, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(4 + rest.len());
    key.extend_from_slice(&account.to_be_bytes());
    key.extend_from_slice(rest);
    key
}

/// The key of the index for a class and the rest.
#[must_use]
pub fn class_key(account: u32, class: u8, rest: &[u8]) -> Vec<u8> {
    let mut key = Vec::with_capacity(PREFIX_OCTETS + rest.len());
    key.extend_from_slice(&account.to_be_bytes());
    key.push(class);
    key.extend_from_slice(rest);
    key
}

/// An error of the tree.
pub fn failed(error: lsm_tree::Error) -> Error {
    match error {
        lsm_tree::Error::Io(error) => match error.kind() {
            io::ErrorKind::NotFound | io::ErrorKind::InvalidData | io::ErrorKind::UnexpectedEof => {
                Error::Damaged(format!("the index: {error}"))
            }
            _ => io_failed(&error),
        },
        error => Error::Damaged(format!("the index: {error}")),
    }
}

/// An error of a file.
pub fn io_failed(error: &io::Error) -> Error {
    match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Error::Full,
        _ => Error::Io(error.to_string()),
    }
}

/// The index.
pub struct Index {
    tree: AnyTree,
    next: SequenceNumberCounter,
    /// Scans see what was written before this number.
    visible: AtomicU64,
    /// Held while a scan takes its snapshot, so that nothing it needs is collected meanwhile.
    gate: RwLock<()>,
}

impl Index {
    /// Opens or makes the index in a folder.
    pub fn open(path: &Path, cache_octets: u64) -> Result<Self, Error> {
        let next = SequenceNumberCounter::default();
        let none = CompressionType::None;
        let bloom = |policy| FilterPolicyEntry::Bloom(policy);
        // As fjall sets them: the upper levels raw and with precise filters, the rest packed.
        let tree = Config::new(path, next.clone(), SequenceNumberCounter::default())
            .use_cache(Arc::new(Cache::with_capacity_bytes(cache_octets)))
            .data_block_compression_policy(CompressionPolicy::new([
                none,
                none,
                CompressionType::Lz4,
            ]))
            .filter_policy(FilterPolicy::new([
                bloom(BloomConstructionPolicy::FalsePositiveRate(0.0001)),
                bloom(BloomConstructionPolicy::BitsPerKey(10.0)),
            ]))
            .open()
            .map_err(failed)?;
        next.set(tree.get_highest_seqno().map_or(1, |highest| highest + 1));
        let visible = AtomicU64::new(next.get());
        Ok(Self { tree, next, visible, gate: RwLock::new(()) })
    }

    /// An entry's octets, see [`Entry::parse`]. Sees writes before [`Index::publish`] too.
    pub fn get(&self, key: &[u8]) -> Result<Option<Slice>, Error> {
        self.tree.get(key, u64::MAX).map_err(failed)
    }

    /// Writes an entry.
    pub fn put(&self, key: Vec<u8>, entry: Vec<u8>) {
        self.tree.insert(key, entry, self.next.next());
    }

    /// Removes an entry.
    pub fn remove(&self, key: Vec<u8>) {
        self.tree.remove(key, self.next.next());
    }

    /// Lets scans see all that was written. Between two commits only.
    pub fn publish(&self) {
        self.visible.store(self.next.get(), Ordering::Release);
    }

    /// Entries from a key on to before another, as they are published now.
    pub fn range(&self, from: &[u8], to: &[u8]) -> Found {
        if from >= to {
            return Found(Box::new(std::iter::empty()));
        }
        let _gate = self.gate.read().unwrap_or_else(PoisonError::into_inner);
        let visible = self.visible.load(Ordering::Acquire);
        Found(self.tree.range(from..to, visible, None))
    }

    /// Begins a new table in memory; the one before waits for [`Index::flush`].
    pub fn rotate(&self) {
        self.tree.rotate_memtable();
    }

    /// Makes durable what was written before the last [`Index::rotate`].
    pub fn flush(&self) -> Result<(), Error> {
        let lock = self.tree.get_flush_lock();
        self.tree.flush(&lock, self.watermark()).map_err(failed)?;
        Ok(())
    }

    /// Does one piece of compaction; `false` if none was due.
    pub fn compact(&self) -> Result<bool, Error> {
        let before = self.tree.current_version().id();
        let strategy = Arc::new(Leveled::default());
        self.tree.compact(strategy, self.watermark()).map_err(failed)?;
        Ok(self.tree.current_version().id() != before)
    }

    /// Writes everything into as few tables as can be.
    pub fn compact_all(&self) -> Result<(), Error> {
        self.tree.major_compact(64 << 20, self.watermark()).map_err(failed)
    }

    /// Octets of the table in memory that is written to.
    #[must_use]
    pub fn memory_octets(&self) -> u64 {
        self.tree.active_memtable().size()
    }

    /// Octets on disk.
    #[must_use]
    pub fn disk_octets(&self) -> u64 {
        self.tree.disk_space()
    }

    /// No scan takes, or is taking, a snapshot from before this number.
    fn watermark(&self) -> u64 {
        let visible = self.visible.load(Ordering::Acquire);
        drop(self.gate.write().unwrap_or_else(PoisonError::into_inner));
        visible
    }
}

/// Entries found, in order, from either end.
pub struct Found(Box<dyn DoubleEndedIterator<Item = IterGuardImpl> + Send>);

fn pair(found: IterGuardImpl) -> Result<(Slice, Slice), Error> {
    found.into_inner().map_err(failed)
}

impl Iterator for Found {
    type Item = Result<(Slice, Slice), Error>;
    fn next(&mut self) -> Option<Self::Item> {
        self.0.next().map(pair)
    }
}

impl DoubleEndedIterator for Found {
    fn next_back(&mut self) -> Option<Self::Item> {
        self.0.next_back().map(pair)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn entries_read_back() {
        let place = Location { segment: 1, offset: 2, octets: 3, crc: 4 };
        for value in [Value::Inline(b"x"), Value::Inline(b""), Value::Located(place)] {
            let entry = Entry { lsn: 77, value };
            assert_eq!(Entry::parse(&entry.encode()), Ok(entry));
        }
        assert!(Entry::parse(b"").is_err());
        assert!(Entry::parse(&[9; 30]).is_err());
    }

    /// What the design rests on: a flush is the state of one moment, what was not flushed is gone
    /// with the process, and numbers go on from there so that newer writes win.
    #[test]
    fn what_was_flushed_is_what_is_found() {
        let folder = tempfile::tempdir().unwrap();
        for round in 0..5u8 {
            let index = Index::open(folder.path(), 1 << 20).unwrap();
            let found = index.get(b"key").unwrap();
            assert_eq!(found.as_deref(), round.checked_sub(1).as_ref().map(std::slice::from_ref));
            assert_eq!(index.get(b"late").unwrap(), None);
            assert_eq!(index.range(b"a", b"z").count(), usize::from(round > 0));
            index.put(b"key".to_vec(), vec![round]);
            index.publish();
            index.rotate();
            index.put(b"late".to_vec(), vec![round]);
            index.publish();
            index.flush().unwrap();
            assert_eq!(index.range(b"a", b"z").count(), 2);
            while index.compact().unwrap() {}
        }
    }

    #[test]
    fn a_scan_sees_the_state_between_two_commits() {
        let folder = tempfile::tempdir().unwrap();
        let index = Arc::new(Index::open(folder.path(), 1 << 20).unwrap());
        let stop = Arc::new(AtomicU64::new(0));
        let reader = std::thread::spawn({
            let (index, stop) = (Arc::clone(&index), Arc::clone(&stop));
            move || {
                let mut scans = 0;
                while stop.load(Ordering::Relaxed) == 0 || scans == 0 {
                    let page: Vec<_> = index.range(b"a", b"z").map(|e| e.unwrap().1).collect();
                    assert!(page.windows(2).all(|pair| pair[0] == pair[1]), "half a commit");
                    scans += 1;
                }
            }
        });
        for round in 0..3000u32 {
            for key in [b"b", b"c", b"d"] {
                index.put(key.to_vec(), round.to_le_bytes().to_vec());
            }
            index.publish();
            if round % 100 == 0 {
                index.rotate();
                index.flush().unwrap();
                index.compact().unwrap();
            }
        }
        stop.store(1, Ordering::Relaxed);
        reader.join().unwrap();
    }
}
