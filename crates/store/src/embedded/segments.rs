//! The segments of an open log: which there are, what is known of each, and their open files.
//!
//! Shared by all threads. Invariant: a location that the index gives is readable, or has moved and
//! the index already knows where to.

use super::{
    disk::{Disk, DiskFile},
    index::{Location, io_failed},
    segment::{self, Known},
};
use crate::Error;
use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashMap},
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError, RwLock},
};

/// Files kept open at most, beside the one that is written.
const OPEN_FILES_MAX: usize = 512;

/// The segments.
pub struct Segments {
    pub(super) disk: Arc<dyn Disk>,
    open: RwLock<HashMap<u32, Arc<dyn DiskFile>>>,
    known: Mutex<BTreeMap<u32, Known>>,
}

impl Segments {
    /// None known yet.
    #[must_use]
    pub fn new(disk: Arc<dyn Disk>) -> Self {
        Self { disk, open: RwLock::default(), known: Mutex::default() }
    }

    /// What is known of each, by number.
    pub fn known(&self) -> MutexGuard<'_, BTreeMap<u32, Known>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Something that was needed in a segment is not any more.
    pub fn died(&self, segment: u32, octets: u64) {
        if let Some(known) = self.known().get_mut(&segment) {
            known.dead = (known.dead + octets).min(known.used);
        }
    }

    /// The open file of a segment.
    pub fn file(&self, number: u32) -> io::Result<Arc<dyn DiskFile>> {
        let open = self.open.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(file) = open.get(&number) {
            return Ok(Arc::clone(file));
        }
        drop(open);
        let file = self.disk.open(&segment::name(number))?;
        self.keep(number, Arc::clone(&file));
        Ok(file)
    }

    /// Keeps a file open.
    pub fn keep(&self, number: u32, file: Arc<dyn DiskFile>) {
        let mut open = self.open.write().unwrap_or_else(PoisonError::into_inner);
        if open.len() >= OPEN_FILES_MAX {
            open.clear();
        }
        open.insert(number, file);
    }

    /// Removes a segment that nothing needs. While its file may be there it stays known: what it
    /// holds counts when the log is read anew.
    pub fn remove(&self, number: u32) -> io::Result<()> {
        match self.disk.remove(&segment::name(number)) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        self.known().remove(&number);
        self.open.write().unwrap_or_else(PoisonError::into_inner).remove(&number);
        Ok(())
    }

    /// Some octets of a located value. Checked if all are asked for; `None` if the segment is gone,
    /// so that the index must be asked again.
    pub fn read(&self, place: Location, from: u32, count: u32) -> Result<Option<Bytes>, Error> {
        let file = match self.file(place.segment) {
            Ok(file) => file,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(error) => return Err(io_failed(&error)),
        };
        let mut octets = vec![0; count as usize];
        let offset = u64::from(place.offset) + u64::from(from);
        let read = file.read_at(offset, &mut octets).map_err(|error| io_failed(&error))?;
        let whole = from == 0 && count == place.octets;
        if read != octets.len() || (whole && crc32c::crc32c(&octets) != place.crc) {
            let (segment, offset) = (place.segment, place.offset);
            let what = format!("{} octets at {offset} of segment {segment}", place.octets);
            return Err(Error::Damaged(what));
        }
        Ok(Some(octets.into()))
    }
}
