//! Settings and figures of the embedded store.

use std::sync::atomic::{AtomicU64, Ordering::Relaxed};

/// Settings of the embedded store. Every limit is kept; none is needed for durability.
#[derive(Clone, Debug)]
pub struct Options {
    /// Octets of memory for blocks of the index that were read.
    pub cache_octets: u64,
    /// Octets of the first segment of the log; each is twice the one before, up to the largest.
    pub segment_octets_first: u64,
    /// Octets of the largest segment. A single greater commit gets a segment of its own size.
    pub segment_octets_max: u64,
    /// Whether segments are written with zeros before use (halves the time of a sync).
    pub prewrite: bool,
    /// Octets of log after which the index is made durable.
    pub checkpoint_octets: u64,
    /// Octets of the index in memory after which it is made durable: small values, as a queue's,
    /// take more memory than log.
    pub checkpoint_memory_octets: u64,
    /// Seconds after which it is made durable if anything changed.
    pub checkpoint_seconds: u64,
    /// Commits that share a write and a sync at most.
    pub group_commits_max: usize,
    /// Octets that share a write and a sync at most (a single commit may have more).
    pub group_octets_max: u64,
    /// Octets of one commit, bodies included, at most; below 4 GB.
    pub commit_octets_max: u64,
    /// Octets of a key at most.
    pub key_octets_max: usize,
    /// Octets of a value that is kept in the index at most; greater ones stay in the log.
    pub value_inline_octets_max: usize,
    /// Per cent of a segment that must be live, or the cleaner rewrites it.
    pub clean_live_percent_min: u64,
    /// Octets per second that the cleaner reads at most.
    pub clean_octets_per_second: u64,
    /// Octets of disk that stay free: below, commits are refused as [`crate::Error::Full`]. Never
    /// more than an eighth of the file system.
    pub reserve_octets: u64,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            cache_octets: 128 << 20,
            segment_octets_first: 4 << 20,
            segment_octets_max: 16 << 20,
            prewrite: true,
            checkpoint_octets: 64 << 20,
            checkpoint_memory_octets: 12 << 20,
            checkpoint_seconds: 30,
            group_commits_max: 512,
            group_octets_max: 8 << 20,
            commit_octets_max: 1 << 30,
            key_octets_max: 4096,
            value_inline_octets_max: 16 << 10,
            clean_live_percent_min: 50,
            clean_octets_per_second: 32 << 20,
            reserve_octets: 64 << 20,
        }
    }
}

impl Options {
    /// Small segments and caches: many stores in one process, as tests have.
    #[must_use]
    pub fn small() -> Self {
        Self {
            cache_octets: 1 << 20,
            segment_octets_first: 64 << 10,
            segment_octets_max: 256 << 10,
            prewrite: false,
            checkpoint_octets: 1 << 20,
            ..Self::default()
        }
    }
}

/// Upper bounds of the histogram of syncs, in microseconds; a last bucket has no bound.
pub const SYNC_MICROS_BUCKETS: [u64; 8] = [100, 250, 500, 1_000, 2_500, 5_000, 25_000, 100_000];

/// Figures of an open store, for metrics.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stats {
    /// Commits that were written.
    pub commits: u64,
    /// Groups that they shared.
    pub groups: u64,
    /// Octets written to the log.
    pub octets: u64,
    /// Syncs of the log.
    pub syncs: u64,
    /// Microseconds that they took, all together.
    pub sync_micros: u64,
    /// Syncs by duration, see [`SYNC_MICROS_BUCKETS`]; not cumulative.
    pub sync_buckets: [u64; SYNC_MICROS_BUCKETS.len() + 1],
    /// Checkpoints of the index.
    pub checkpoints: u64,
    /// Octets that the cleaner copied.
    pub cleaned_octets: u64,
    /// Segments of the log.
    pub segments: u64,
    /// Octets of the log in use.
    pub used_octets: u64,
    /// Octets of those that are still needed, as far as known.
    pub live_octets: u64,
    /// Octets of the index on disk.
    pub index_octets: u64,
    /// Octets free on the disk.
    pub free_octets: u64,
    /// Whether a write failed so that nothing more is accepted.
    pub poisoned: bool,
}

/// Counters, written by the store's threads.
#[derive(Default)]
pub struct Counters {
    pub commits: AtomicU64,
    pub groups: AtomicU64,
    pub octets: AtomicU64,
    pub syncs: AtomicU64,
    pub sync_micros: AtomicU64,
    pub sync_buckets: [AtomicU64; SYNC_MICROS_BUCKETS.len() + 1],
    pub checkpoints: AtomicU64,
    pub cleaned_octets: AtomicU64,
}

impl Counters {
    /// One sync.
    pub fn synced(&self, micros: u64) {
        self.syncs.fetch_add(1, Relaxed);
        self.sync_micros.fetch_add(micros, Relaxed);
        let bucket = SYNC_MICROS_BUCKETS.partition_point(|bound| *bound < micros);
        if let Some(bucket) = self.sync_buckets.get(bucket) {
            bucket.fetch_add(1, Relaxed);
        }
    }

    /// What they say now.
    pub fn stats(&self) -> Stats {
        let mut sync_buckets = [0; SYNC_MICROS_BUCKETS.len() + 1];
        for (to, from) in sync_buckets.iter_mut().zip(&self.sync_buckets) {
            *to = from.load(Relaxed);
        }
        Stats {
            commits: self.commits.load(Relaxed),
            groups: self.groups.load(Relaxed),
            octets: self.octets.load(Relaxed),
            syncs: self.syncs.load(Relaxed),
            sync_micros: self.sync_micros.load(Relaxed),
            sync_buckets,
            checkpoints: self.checkpoints.load(Relaxed),
            cleaned_octets: self.cleaned_octets.load(Relaxed),
            ..Stats::default()
        }
    }
}
