//! The full-text index of an account: segments that hold the texts of most messages. What no
//! segment holds is read when it is searched, so that answers never wait for the index.
//!
//! Invariants: a segment is immutable, its chunks are durable before the manifest names it, and
//! the manifest changes by one commit of the account's log: after a crash it is the old one or the
//! new one. Which messages are indexed is known by their ids, not by how far the work got. A
//! segment that cannot be read counts as not there, until it is made anew.

mod cache;
pub(crate) mod chunks;
mod ids;
pub(crate) mod manifest;
mod merge;
pub(crate) mod order;
mod size;
mod work;

pub(crate) use cache::Cache;
pub use size::Sizes;
pub use work::Progress;
pub(crate) use work::yield_now;

use crate::{Account, Error, keys};
use ::search::Segment;
use chunks::Stored;
use event_listener::Event;
use ids::Ids;
use manifest::{Manifest, Place};
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicU32, Ordering},
};

/// The kind of texts that are indexed now: 1 without, 2 with those of attachments.
const TEXTS: u8 = 1;

/// A segment, open.
pub(crate) struct Open {
    pub place: Place,
    pub ids: Ids,
    pub segment: Segment,
    /// It could not be read: its documents count as not indexed.
    broken: AtomicBool,
}

impl Open {
    pub fn is_broken(&self) -> bool {
        self.broken.load(Ordering::Relaxed)
    }
    /// Whether it was whole until now.
    fn break_off(&self) -> bool {
        !self.broken.swap(true, Ordering::Relaxed)
    }
}

/// The index at one moment.
#[derive(Default)]
pub(crate) struct Snapshot {
    pub manifest: Manifest,
    /// Those that could be opened, by number.
    pub segments: Vec<Arc<Open>>,
}

impl Snapshot {
    /// Where a message is: the segment's place in [`Snapshot::segments`] and the document's
    /// ordinal. `hint` is the segment where the last one was.
    pub fn find(&self, message: u32, hint: &mut usize) -> Option<(usize, u32)> {
        if let Some(ordinal) = self.ordinal(*hint, message) {
            return Some((*hint, ordinal));
        }
        let mut found = (0..self.segments.len()).rev();
        let (at, ordinal) = found.find_map(|at| Some((at, self.ordinal(at, message)?)))?;
        *hint = at;
        Some((at, ordinal))
    }

    fn ordinal(&self, at: usize, message: u32) -> Option<u32> {
        let open = self.segments.get(at)?;
        let within = (open.place.first..=open.place.last).contains(&message);
        if within && !open.is_broken() { open.ids.ordinal(message) } else { None }
    }

    fn octets(&self) -> usize {
        let each = self.segments.iter();
        each.map(|open| size_of::<Open>() + open.ids.octets() + open.segment.octets()).sum()
    }
}

#[derive(Default)]
struct Inner {
    snapshot: Option<Arc<Snapshot>>,
    /// Grows whenever the manifest may have changed.
    generation: u64,
    /// Somebody changes the index.
    working: bool,
    /// What a crash left behind was looked for.
    swept: bool,
}

/// An account's side of its index.
#[derive(Default)]
pub(crate) struct Index {
    inner: Mutex<Inner>,
    calm: Event,
    /// The next message id when all messages were last looked at, less those that were left for the
    /// next batch; 0 when that was not yet.
    looked: AtomicU32,
}

impl Index {
    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
    /// Octets of memory, roughly.
    pub fn octets(&self) -> u64 {
        self.inner().snapshot.as_ref().map_or(0, |snapshot| snapshot.octets() as u64)
    }
    fn install(&self, snapshot: Option<Snapshot>) {
        let mut inner = self.inner();
        inner.generation += 1;
        inner.snapshot = snapshot.map(Arc::new);
    }
}

/// The right to change the index.
pub(crate) struct Working<'a> {
    index: &'a Index,
    done: bool,
}

impl Working<'_> {
    /// Nothing was left half done.
    pub fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Working<'_> {
    fn drop(&mut self) {
        let mut inner = self.index.inner();
        inner.working = false;
        if !self.done {
            // What the store has is looked at anew, and what was left there is swept.
            inner.swept = false;
            inner.generation += 1;
            inner.snapshot = None;
        }
        drop(inner);
        self.index.calm.notify(usize::MAX);
    }
}

impl Account {
    /// What kind of texts are indexed: an index of another kind is not used.
    fn texts(&self) -> u8 {
        TEXTS + u8::from(self.shared.options.extract.is_some())
    }

    /// The index as it is now, opened when it was not.
    pub(crate) async fn index(&self) -> Result<Arc<Snapshot>, Error> {
        loop {
            let generation = {
                let inner = self.index.inner();
                if let Some(snapshot) = &inner.snapshot {
                    return Ok(Arc::clone(snapshot));
                }
                inner.generation
            };
            let snapshot = Arc::new(self.open_index().await?);
            let mut inner = self.index.inner();
            if inner.generation == generation {
                inner.snapshot = Some(Arc::clone(&snapshot));
                return Ok(snapshot);
            }
        }
    }

    /// The manifest as it is stored; an empty one when there is none, or none that can be read.
    async fn manifest(&self) -> Result<Manifest, Error> {
        let value = self.shared.kv.get(self.id.0, keys::index().bytes()).await?;
        let manifest = value.as_ref().and_then(|value| Manifest::read(value));
        if value.is_some() && manifest.is_none() {
            tracing::warn!(account = self.id.0, "list of search segments not readable");
        }
        Ok(manifest.unwrap_or(Manifest { texts: self.texts(), ..Manifest::default() }))
    }

    async fn open_index(&self) -> Result<Snapshot, Error> {
        let manifest = self.manifest().await?;
        let mut segments = Vec::with_capacity(manifest.places.len());
        if manifest.texts == self.texts() {
            for place in &manifest.places {
                match self.open_segment(*place).await {
                    Ok(open) => segments.push(Arc::new(open)),
                    Err(Error::Damaged(what)) => {
                        let (account, segment) = (self.id.0, place.number);
                        tracing::warn!(account, segment, what, "search segment not usable");
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(Snapshot { manifest, segments })
    }

    pub(crate) fn stored(&self, place: Place) -> Stored {
        let (shared, seal) = (Arc::clone(&self.shared), Arc::clone(&self.seal));
        Stored { shared, seal, account: self.id.0, place }
    }

    pub(crate) async fn open_segment(&self, place: Place) -> Result<Open, Error> {
        let segment = Segment::open(Arc::new(self.stored(place))).await.map_err(own)?;
        let ids = segment.messages().await.map_err(own)?;
        if ids.len() != place.documents as usize {
            return Err(Error::Damaged(format!("search segment {}", place.number)));
        }
        let ids = Ids::of(&ids);
        Ok(Open { place, ids, segment, broken: AtomicBool::new(false) })
    }

    /// Takes the right to change the index; waits for it.
    pub(crate) async fn working(&self) -> Working<'_> {
        loop {
            let calm = {
                let mut inner = self.index.inner();
                if !inner.working {
                    inner.working = true;
                    return Working { index: &self.index, done: false };
                }
                self.index.calm.listen()
            };
            calm.await;
        }
    }

    /// A segment of a snapshot could not be read. When it is still the index's, it counts as not
    /// there from now on; otherwise there is a newer index.
    pub(crate) fn segment_failed(&self, snapshot: &Arc<Snapshot>, at: usize, error: &Error) {
        let current = self.index.inner().snapshot.clone();
        let same = current.is_some_and(|current| Arc::ptr_eq(&current, snapshot));
        let Some(open) = snapshot.segments.get(at).filter(|_| same) else { return };
        if open.break_off() {
            let (account, segment) = (self.id.0, open.place.number);
            tracing::warn!(account, segment, %error, "search segment not usable");
            // All messages are to be looked at.
            self.index.looked.store(1, Ordering::Relaxed);
        }
    }
}

/// An error of the index as one of the account.
pub(crate) fn own(error: ::search::Error) -> Error {
    match error {
        ::search::Error::Io(inner) => match inner.downcast::<Error>() {
            Ok(error) => *error,
            Err(other) => Error::Damaged(other.to_string()),
        },
        other => Error::Damaged(other.to_string()),
    }
}
