//! What the threads of an open store share, and its checkpoints.

use super::{
    Options,
    apply::Applier,
    checkpoint::Position,
    index::Index,
    options::{Counters, Stats},
    segments::Segments,
    space::Room,
};
use crate::Error;
use std::{
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};

/// How often a checkpoint that found no room is tried again.
const RETRY: Duration = Duration::from_millis(500);
/// Octets in memory that the index waits at, when checkpoints do not keep up, per octet of
/// [`Options::checkpoint_octets`].
const MEMORY_FACTOR: u64 = 4;

/// What wakes the threads behind the commit thread.
#[derive(Default)]
pub struct Signals {
    /// A checkpoint is wanted now.
    wanted: bool,
    /// Checkpoints done.
    done: u64,
    /// All shall end.
    pub stop: bool,
}

/// An open store.
pub struct Shared {
    /// Its settings.
    pub options: Options,
    /// The index.
    pub index: Arc<Index>,
    /// The log's segments.
    pub segments: Arc<Segments>,
    /// Room for more.
    pub room: Arc<Room>,
    /// The one that writes the index.
    pub applier: Mutex<Applier>,
    /// Figures.
    pub counters: Arc<Counters>,
    /// A write failed: nothing more is accepted.
    pub poisoned: AtomicBool,
    /// The index finds no room: nothing is accepted for now.
    pub full: AtomicBool,
    /// The last checkpoint that is durable; held while one is made.
    checkpoint: Mutex<Position>,
    /// Held by the one cleaner that is at work.
    cleaning: Mutex<()>,
    signals: Mutex<Signals>,
    pub changed: Condvar,
}

/// What [`Shared::new`] needs.
pub struct Parts {
    pub options: Options,
    pub index: Arc<Index>,
    pub segments: Arc<Segments>,
    pub room: Arc<Room>,
    pub applier: Applier,
    pub counters: Arc<Counters>,
}

impl Shared {
    /// Ready to start.
    #[must_use]
    pub fn new(parts: Parts, checkpoint: Position) -> Self {
        let Parts { options, index, segments, room, applier, counters } = parts;
        Self {
            options,
            index,
            segments,
            room,
            applier: Mutex::new(applier),
            counters,
            poisoned: AtomicBool::new(false),
            full: AtomicBool::new(false),
            checkpoint: Mutex::new(checkpoint),
            cleaning: Mutex::new(()),
            signals: Mutex::default(),
            changed: Condvar::new(),
        }
    }

    /// The one that writes the index, to oneself.
    pub fn applier(&self) -> MutexGuard<'_, Applier> {
        self.applier.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// To be the one cleaner.
    pub fn cleaning(&self) -> MutexGuard<'_, ()> {
        self.cleaning.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The signals.
    pub fn signals(&self) -> MutexGuard<'_, Signals> {
        self.signals.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Nothing more is accepted.
    pub fn poison(&self, error: &Error) {
        tracing::error!(%error, "the store accepts nothing more until it is opened anew");
        self.poisoned.store(true, Relaxed);
        self.changed.notify_all();
    }

    /// Asks for a checkpoint when enough was applied; `since` octets were.
    pub fn applied(&self, since: u64) {
        if since >= self.options.checkpoint_octets
            || self.index.memory_octets() >= self.options.checkpoint_memory_octets
        {
            let mut signals = self.signals();
            if !signals.wanted {
                signals.wanted = true;
                self.changed.notify_all();
            }
        }
    }

    /// Waits while the index holds too much in memory. Not for long: checkpoints make it smaller,
    /// and if they fail commits are refused instead.
    pub fn wait_for_memory(&self) {
        let memory_max = self.options.checkpoint_octets.saturating_mul(MEMORY_FACTOR);
        let failing = || self.full.load(Relaxed) || self.poisoned.load(Relaxed);
        while self.index.memory_octets() > memory_max && !failing() {
            let mut signals = self.signals();
            if signals.stop {
                return;
            }
            signals.wanted = true;
            self.changed.notify_all();
            let wait = self.changed.wait_timeout(signals, RETRY);
            drop(wait.unwrap_or_else(PoisonError::into_inner));
        }
    }

    /// Makes the index durable as it is now. Gives up to where.
    pub fn checkpoint(&self) -> Result<Position, Error> {
        let mut last = self.checkpoint.lock().unwrap_or_else(PoisonError::into_inner);
        let position = {
            let mut applier = self.applier();
            let idle = applier.position() == *last && !self.full.load(Relaxed);
            if idle {
                return Ok(*last);
            }
            applier.checkpoint()
        };
        match self.index.flush() {
            Ok(()) => self.full.store(false, Relaxed),
            Err(error) => {
                if error == Error::Full {
                    self.full.store(true, Relaxed);
                } else {
                    self.poison(&error);
                }
                return Err(error);
            }
        }
        *last = position;
        drop(last);
        self.counters.checkpoints.fetch_add(1, Relaxed);
        let mut signals = self.signals();
        signals.done += 1;
        self.changed.notify_all();
        Ok(position)
    }

    /// The thread that makes checkpoints; returns after [`Shared::stop`].
    pub fn run_checkpoints(&self) {
        let period = Duration::from_secs(self.options.checkpoint_seconds.max(1));
        let mut last = Instant::now();
        loop {
            let mut signals = self.signals();
            let retry = self.full.load(Relaxed);
            let left = if retry { RETRY } else { period.saturating_sub(last.elapsed()) };
            if !signals.stop && !signals.wanted && !left.is_zero() {
                let wait = self.changed.wait_timeout(signals, left);
                let (again, waited) = wait.unwrap_or_else(PoisonError::into_inner);
                signals = again;
                if !signals.wanted && !waited.timed_out() && !signals.stop {
                    continue;
                }
            }
            if signals.stop {
                return;
            }
            signals.wanted = false;
            drop(signals);
            if !self.poisoned.load(Relaxed)
                && let Err(error) = self.checkpoint()
            {
                tracing::warn!(%error, "the index was not made durable");
            }
            last = Instant::now();
        }
    }

    /// The thread that compacts the index; returns after [`Shared::stop`].
    pub fn run_compactions(&self) {
        let mut seen = None;
        while let Some(done) = self.next_checkpoint(seen, None) {
            seen = Some(done);
            while !self.signals().stop {
                match self.index.compact() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        // The tables before are all there still; the next checkpoint tries again.
                        tracing::warn!(%error, "the index was not compacted");
                        break;
                    }
                }
            }
        }
    }

    /// Waits for the next checkpoint, or some time; gives how many there were, `None` at the end.
    pub fn next_checkpoint(&self, seen: Option<u64>, wait: Option<Duration>) -> Option<u64> {
        let mut signals = self.signals();
        loop {
            if signals.stop {
                return None;
            }
            if seen != Some(signals.done) {
                return Some(signals.done);
            }
            let Some(wait) = wait else {
                signals = self.changed.wait(signals).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            let waited = self.changed.wait_timeout(signals, wait);
            let (again, waited) = waited.unwrap_or_else(PoisonError::into_inner);
            if waited.timed_out() {
                return (!again.stop).then_some(again.done);
            }
            signals = again;
        }
    }

    /// Sleeps; `false` if all shall end.
    pub fn pause(&self, time: Duration) -> bool {
        let until = Instant::now() + time;
        let mut signals = self.signals();
        while !signals.stop {
            let left = until.saturating_duration_since(Instant::now());
            if left.is_zero() {
                return true;
            }
            let waited = self.changed.wait_timeout(signals, left);
            signals = waited.unwrap_or_else(PoisonError::into_inner).0;
        }
        false
    }

    /// Ends the threads behind the commit thread.
    pub fn stop(&self) {
        self.signals().stop = true;
        self.changed.notify_all();
        self.room.stop();
    }

    /// Figures of now.
    pub fn stats(&self) -> Stats {
        let mut stats = self.counters.stats();
        let known = self.segments.known();
        stats.segments = known.len() as u64;
        stats.used_octets = known.values().map(|known| known.used).sum();
        stats.live_octets = known.values().map(|known| known.live()).sum();
        drop(known);
        stats.index_octets = self.index.disk_octets();
        stats.free_octets = self.segments.disk.space().map_or(0, |space| space.free);
        stats.poisoned = self.poisoned.load(Relaxed);
        stats
    }
}
