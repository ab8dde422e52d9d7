//! Brings what the log holds into the index: the one way for new commits, for redo and for rebuild.
//!
//! Invariant: frames come in the order of the log, each once.

use super::{
    checkpoint::{Checkpoint, Position},
    frame::{HEADER_OCTETS, Op, Ops},
    index::{self, Entry, Index, Location, Value},
    segments::Segments,
};
use crate::Error;
use std::sync::Arc;

/// About what an op and its share of a frame take beside the body.
pub const OVERHEAD_OCTETS: u64 = HEADER_OCTETS as u64 + 24;

/// A frame that is durable.
#[derive(Clone, Copy, Debug)]
pub struct Written<'a> {
    /// Whose it is.
    pub account: u32,
    /// Its LSN.
    pub lsn: u64,
    /// Segment number.
    pub segment: u32,
    /// Where its first body begins, in octets.
    pub bodies: u64,
    /// Where it ends.
    pub end: u64,
    /// Its ops.
    pub ops: &'a [u8],
}

/// The one that writes the index.
pub struct Applier {
    index: Arc<Index>,
    segments: Arc<Segments>,
    position: Position,
    salt: u32,
    /// Octets applied since the last checkpoint was begun.
    since: u64,
}

impl Applier {
    /// Goes on from a position.
    #[must_use]
    pub fn new(parts: (Arc<Index>, Arc<Segments>), position: Position, salt: u32) -> Self {
        let (index, segments) = parts;
        Self { index, segments, position, salt, since: 0 }
    }

    /// Up to where the log is applied.
    #[must_use]
    pub fn position(&self) -> Position {
        self.position
    }

    /// Octets applied since the last checkpoint was begun.
    #[must_use]
    pub fn since(&self) -> u64 {
        self.since
    }

    /// Applies one frame. Scans see it after [`Index::publish`].
    pub fn apply(&mut self, written: &Written) -> Result<(), Error> {
        let account = written.account;
        let mut at = written.bodies;
        for op in Ops::new(written.ops) {
            let op = op.map_err(|_| Error::Damaged(format!("frame {}", written.lsn)))?;
            match op {
                Op::Put { key, value } => {
                    let entry = Entry { lsn: written.lsn, value: Value::Inline(value) };
                    self.index.put(index::key(account, key), entry.encode());
                }
                Op::Located { key, octets, crc } => {
                    let offset = u32::try_from(at).map_err(|_| damaged(written))?;
                    let place = Location { segment: written.segment, offset, octets, crc };
                    let entry = Entry { lsn: written.lsn, value: Value::Located(place) };
                    self.index.put(index::key(account, key), entry.encode());
                    at += u64::from(octets);
                }
                Op::Delete { key } => {
                    let blob = key.first() == Some(&index::BLOB);
                    let key = index::key(account, key);
                    if blob && let Some(entry) = self.index.get(&key)? {
                        self.died(&Entry::parse(&entry)?);
                    }
                    self.index.remove(key);
                }
                Op::Erase { before } => {
                    let before = if before == 0 { written.lsn } else { before };
                    self.erase(account, before)?;
                }
            }
        }
        self.since += written.end.saturating_sub(written.bodies) + written.ops.len() as u64;
        self.since += HEADER_OCTETS as u64;
        let (lsn, segment, offset) = (written.lsn, written.segment, written.end);
        self.position = Position { lsn, segment, offset };
        Ok(())
    }

    fn erase(&self, account: u32, before: u64) -> Result<(), Error> {
        // The scan must see the frames that were applied just before this one.
        self.index.publish();
        let from = index::key(account, &[]);
        let to = index::key(account, &[index::CLASSES]);
        for found in self.index.range(&from, &to) {
            let (key, entry) = found?;
            let entry = Entry::parse(&entry)?;
            if entry.lsn < before {
                self.died(&entry);
                self.index.remove(key.to_vec());
            }
        }
        Ok(())
    }

    fn died(&self, entry: &Entry) {
        if let Value::Located(place) = entry.value {
            self.segments.died(place.segment, u64::from(place.octets) + OVERHEAD_OCTETS);
        }
    }

    /// Goes on behind octets that hold nothing.
    pub fn skip_to(&mut self, position: Position) {
        self.position = position;
    }

    /// Begins a checkpoint: puts it into the index and starts a new table in memory, so that the
    /// next [`Index::flush`] makes exactly this state durable.
    pub fn checkpoint(&mut self) -> Position {
        let known = self.segments.known().clone();
        let checkpoint = Checkpoint { salt: self.salt, position: self.position, known };
        self.index.put(index::CHECKPOINT.to_vec(), checkpoint.encode());
        self.index.publish();
        self.index.rotate();
        self.since = 0;
        self.position
    }
}

fn damaged(written: &Written) -> Error {
    Error::Damaged(format!("frame {} of segment {}", written.lsn, written.segment))
}
