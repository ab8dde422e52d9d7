//! Writes frames to the end of the log: one write and one sync for a group.
//!
//! Invariants: what [`Writer::append`] says is placed is durable; a segment is synced before the
//! next one is begun; after [`Error::Full`] nothing of the frames that failed is on the disk; after
//! any other error nobody may append again.

use super::{
    checkpoint::Position,
    disk::{BLOCK_OCTETS, DiskFile},
    frame::{Draft, HEADER_OCTETS, Number},
    index::io_failed,
    options::Counters,
    segment::{self, Known},
    segments::Segments,
    space::{Need, Room},
};
use crate::Error;
use std::{
    io,
    sync::{Arc, atomic::Ordering::Relaxed},
    time::Instant,
};

/// Where a frame came to lie.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Placed {
    /// Its LSN.
    pub lsn: u64,
    /// Segment number.
    pub segment: u32,
    /// Where its first body begins, in octets.
    pub bodies: u64,
    /// Where it ends.
    pub end: u64,
}

/// The segment that is written.
struct Active {
    number: u32,
    file: Arc<dyn DiskFile>,
    capacity: u64,
    /// Octets of it that are durable; 0 if not even its header is.
    used: u64,
}

/// The end of the log.
pub struct Writer {
    segments: Arc<Segments>,
    room: Arc<Room>,
    counters: Arc<Counters>,
    salt: u32,
    next: u64,
    synced: u64,
    active: Option<Active>,
    buffer: Vec<u8>,
}

/// What a writer works with.
pub struct Parts {
    /// The segments.
    pub segments: Arc<Segments>,
    /// Room for more.
    pub room: Arc<Room>,
    /// Where it counts.
    pub counters: Arc<Counters>,
    /// The store's salt.
    pub salt: u32,
}

impl Writer {
    /// A writer that goes on behind a position up to which all is durable.
    pub fn open(parts: Parts, end: Position) -> io::Result<Self> {
        let Parts { segments, room, counters, salt } = parts;
        let active = if end.segment == 0 {
            None
        } else {
            let file = segments.file(end.segment)?;
            let capacity = file.size()?;
            Some(Active { number: end.segment, file, capacity, used: end.offset })
        };
        let (synced, next) = (end.lsn, end.lsn + 1);
        Ok(Self { segments, room, counters, salt, next, synced, active, buffer: Vec::new() })
    }

    /// Appends frames, all of them durable when it returns without an error. With an error those
    /// in `placed` are durable and the others are not there.
    pub fn append<'a>(
        &mut self,
        drafts: impl Iterator<Item = &'a Draft>,
        urgent: bool,
        placed: &mut Vec<Placed>,
    ) -> Result<(), Error> {
        let mut durable = placed.len();
        let done = self.fill(drafts, urgent, placed, &mut durable).and_then(|()| self.flush());
        match &done {
            Ok(()) => durable = placed.len(),
            Err(_) => {
                self.buffer.clear();
                self.next -= (placed.len() - durable) as u64;
            }
        }
        placed.truncate(durable);
        done
    }

    fn fill<'a>(
        &mut self,
        drafts: impl Iterator<Item = &'a Draft>,
        urgent: bool,
        placed: &mut Vec<Placed>,
        durable: &mut usize,
    ) -> Result<(), Error> {
        for draft in drafts {
            let octets = draft.octets();
            if !self.fits(octets) {
                self.flush()?;
                *durable = placed.len();
                self.roll(octets, urgent || !draft.has_bodies())?;
            }
            let Some(active) = &self.active else { return Err(Error::Closed) };
            let (segment, start, capacity) = (active.number, active.used, active.capacity);
            if start == 0 && self.buffer.is_empty() {
                self.begin(segment);
            }
            let bodies = HEADER_OCTETS as u64 + draft.ops().len() as u64;
            let offset = start + self.buffer.len() as u64;
            let number = Number { lsn: self.next, durable: self.synced, salt: self.salt };
            draft.encode(number, &mut self.buffer);
            let end = start + self.buffer.len() as u64;
            placed.push(Placed { lsn: self.next, segment, bodies: offset + bodies, end });
            self.next += 1;
            if end > capacity / 2 {
                self.room.want(segment + 1);
            }
        }
        Ok(())
    }

    fn fits(&self, octets: u64) -> bool {
        self.active.as_ref().is_some_and(|active| {
            let held = active.used + self.buffer.len() as u64;
            held.max(segment::HEADER_OCTETS) + octets <= active.capacity
        })
    }

    /// Puts the header of a segment in front of its first frame.
    fn begin(&mut self, number: u32) {
        let header = segment::Header { salt: self.salt, number, first: self.next };
        self.buffer.extend_from_slice(&header.encode());
        let known = Known { first: self.next, ..Known::default() };
        self.segments.known().insert(number, known);
    }

    /// Goes on in the next segment. The one before is durable.
    fn roll(&mut self, octets: u64, urgent: bool) -> Result<(), Error> {
        let last = self.active.as_ref().map_or(0, |active| active.number);
        let number = last.checked_add(1).ok_or(Error::Full)?;
        let ready = self.room.take(Need { number, octets, urgent })?;
        if let Some(full) = self.active.take() {
            if let Some(known) = self.segments.known().get_mut(&full.number) {
                known.sealed = true;
            }
            self.room.cut(full.number, full.used);
        }
        self.segments.keep(ready.number, Arc::clone(&ready.file));
        let (file, capacity) = (ready.file, ready.capacity);
        self.active = Some(Active { number: ready.number, file, capacity, used: 0 });
        Ok(())
    }

    /// Writes and syncs what is in the buffer.
    fn flush(&mut self) -> Result<(), Error> {
        let Some(active) = &mut self.active else { return Ok(()) };
        if self.buffer.is_empty() {
            return Ok(());
        }
        let octets = self.buffer.len();
        // Zeros to the end of the block: over zeros, and the system need not read the block first.
        let end = (active.used + octets as u64).next_multiple_of(BLOCK_OCTETS);
        let end = end.min(active.capacity).saturating_sub(active.used);
        self.buffer.resize(usize::try_from(end).unwrap_or(octets).max(octets), 0);
        let written = active.file.write_at(active.used, &self.buffer);
        self.buffer.truncate(octets);
        if let Err(error) = written {
            return Err(undo(active, end, &error));
        }
        let begun = Instant::now();
        // Whatever the reason, and however the disk calls it: what it holds is unknown now.
        active.file.sync().map_err(|error| Error::Io(format!("sync of the log: {error}")))?;
        self.counters.synced(u64::try_from(begun.elapsed().as_micros()).unwrap_or(u64::MAX));
        self.counters.groups.fetch_add(1, Relaxed);
        self.counters.octets.fetch_add(self.buffer.len() as u64, Relaxed);
        active.used += self.buffer.len() as u64;
        self.synced = self.next - 1;
        if let Some(known) = self.segments.known().get_mut(&active.number) {
            known.used = active.used;
        }
        self.buffer.clear();
        Ok(())
    }
}

/// After a write that failed for want of room: makes sure that nothing of it can be found later.
fn undo(active: &Active, octets: u64, error: &io::Error) -> Error {
    let failed = io_failed(error);
    if failed != Error::Full {
        return Error::Io(format!("write to the log: {error}"));
    }
    let zeros = vec![0; usize::try_from(octets).unwrap_or(0)];
    let undone = active.file.write_at(active.used, &zeros).and_then(|()| active.file.sync());
    undone
        .map_or_else(|error| Error::Io(format!("undoing a write to the log: {error}")), |()| failed)
}
