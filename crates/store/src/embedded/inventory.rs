//! The segments of a log as they lie on the disk, before they are read.
//!
//! Invariant: a file is removed only if nothing in it was ever acknowledged.

use super::{
    checkpoint::{Checkpoint, Position},
    disk::{Disk, DiskFile},
    index::io_failed,
    scan::{self, From},
    segment::{self, Header, Known, Opening},
    segments::Segments,
};
use crate::Error;
use std::{collections::BTreeMap, io};

/// Octets read at once while looking for anything but zeros.
const LOOK_OCTETS: usize = 1 << 20;

/// What there is.
pub struct Inventory {
    /// The header of each segment, by number; `None` if it cannot be read.
    pub headers: BTreeMap<u32, Option<Header>>,
    /// The store's salt, if any header tells it.
    pub salt: Option<u32>,
    /// Segments that were made ready and never used.
    spares: Vec<u32>,
}

impl Inventory {
    /// Looks at the beginning of each file.
    pub fn read(disk: &dyn Disk) -> Result<Self, Error> {
        let names = disk.list().map_err(|error| io_failed(&error))?;
        let mut numbers: Vec<u32> = names.iter().filter_map(|name| segment::number(name)).collect();
        numbers.sort_unstable();
        let mut found = Self { headers: BTreeMap::new(), salt: None, spares: Vec::new() };
        for number in numbers {
            let opening = disk.open(&segment::name(number)).and_then(|file| {
                match Header::read(&*file)? {
                    // Zeros in front of something else are a header that was lost.
                    Opening::Spare if !is_zeros(&*file)? => Ok(Opening::Damaged),
                    opening => Ok(opening),
                }
            });
            match opening.map_err(|error| io_failed(&error))? {
                Opening::Used(header) => {
                    found.salt = Some(header.salt);
                    found.headers.insert(number, Some(header));
                }
                Opening::Damaged => {
                    found.headers.insert(number, None);
                }
                Opening::Spare => found.spares.push(number),
                Opening::Format(format) => {
                    let known = segment::FORMAT;
                    let what = format!("the log has form {format}, this program knows {known}");
                    return Err(Error::Io(what));
                }
            }
        }
        Ok(found)
    }

    /// Removes what was made ready and never used, and a newest segment that was torn at its very
    /// first write, header and all. Gives the octets that were torn.
    pub fn settle(
        &mut self,
        disk: &dyn Disk,
        checkpoint: &Checkpoint,
        look_only: bool,
    ) -> Result<u64, Error> {
        let mut torn = 0;
        if let Some((&number, None)) = self.headers.last_key_value()
            && number > checkpoint.position.segment
        {
            let file = disk.open(&segment::name(number)).map_err(|error| io_failed(&error))?;
            let from = From {
                segment: number,
                offset: segment::HEADER_OCTETS,
                lsn: 0,
                salt: self.salt.unwrap_or(0),
                bodies: false,
                end: u64::MAX,
            };
            let scan = scan::scan(&*file, from).map_err(|error| io_failed(&error))?;
            // A frame that was acknowledged is named durable by those behind it.
            let told = scan.frames.first().is_some_and(|first| scan.durable >= first.header.lsn);
            let first = scan.frames.first().filter(|first| first.offset == from.offset);
            match first {
                _ if told => {}
                // Whole up to somewhere, but for its header: that can be written again.
                Some(first) => {
                    torn = segment::HEADER_OCTETS;
                    let header = Header { salt: from.salt, number, first: first.header.lsn };
                    self.headers.insert(number, Some(header));
                    if !look_only {
                        let written = file.write_at(0, &header.encode());
                        let done = written.and_then(|()| file.sync());
                        done.map_err(|error| Error::Io(format!("the log: {error}")))?;
                    }
                }
                None => {
                    torn = scan.end;
                    self.headers.remove(&number);
                    self.spares.push(number);
                }
            }
        }
        for number in self.spares.drain(..).filter(|_| !look_only) {
            disk.remove(&segment::name(number)).map_err(|error| io_failed(&error))?;
        }
        Ok(torn)
    }

    /// Whether the checkpoint names a place that the log does not have.
    pub fn is_behind(&self, disk: &dyn Disk, position: Position) -> Result<bool, Error> {
        if position.lsn == 0 {
            return Ok(false);
        }
        if !self.headers.contains_key(&position.segment) {
            return Ok(true);
        }
        let file = disk.open(&segment::name(position.segment));
        let size = file.and_then(|file| file.size()).map_err(|error| io_failed(&error))?;
        Ok(size < position.offset)
    }

    /// What is known of the segments before the checkpoint. One that the cleaner could not remove
    /// may be there without being known to it.
    pub fn known(
        &self,
        segments: &Segments,
        checkpoint: &Checkpoint,
    ) -> Result<BTreeMap<u32, Known>, Error> {
        let mut known = checkpoint.known.clone();
        known.retain(|number, _| self.headers.contains_key(number));
        for (number, header) in self.headers.range(..checkpoint.position.segment) {
            if !known.contains_key(number) {
                let size = segments.file(*number).and_then(|file| file.size());
                let used = size.map_err(|error| io_failed(&error))?;
                let first = header.map_or(0, |header| header.first);
                known.insert(*number, Known { first, used, sealed: true, ..Known::default() });
            }
        }
        Ok(known)
    }
}

fn is_zeros(file: &dyn DiskFile) -> io::Result<bool> {
    let mut octets = vec![0; LOOK_OCTETS];
    let mut at = 0;
    loop {
        let read = file.read_at(at, &mut octets)?;
        if octets.iter().take(read).any(|octet| *octet != 0) {
            return Ok(false);
        }
        if read < octets.len() {
            return Ok(true);
        }
        at += read as u64;
    }
}
