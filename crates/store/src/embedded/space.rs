//! Makes segments ready before they are needed, and cuts off what full ones did not use.
//!
//! Invariants: the disk keeps a reserve free, so that the index can be written and the cleaner can
//! work when commits are refused; the commit thread never waits for zeros to be written unless it
//! outran this thread.

use super::{
    Options,
    disk::{DiskFile, Fill},
    index::io_failed,
    segment,
    segments::Segments,
};
use crate::Error;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};

/// The least room that a segment is made for, when the disk is nearly full.
const SEGMENT_OCTETS_MIN: u64 = 1 << 20;

/// A segment that is ready.
pub struct Ready {
    /// Its number.
    pub number: u32,
    /// Its file, all zeros.
    pub file: Arc<dyn DiskFile>,
    /// Octets of the file.
    pub capacity: u64,
}

#[derive(Default)]
struct State {
    wanted: Option<u32>,
    making: bool,
    spare: Option<Ready>,
    cuts: Vec<(u32, u64)>,
    stop: bool,
}

/// The room for the log.
pub struct Room {
    segments: Arc<Segments>,
    options: Options,
    state: Mutex<State>,
    changed: Condvar,
}

/// What the next segment is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Need {
    /// Its number.
    pub number: u32,
    /// Octets of the frame that must fit.
    pub octets: u64,
    /// Whether it may use most of the reserve: changes that give room back in the end.
    pub urgent: bool,
}

impl Room {
    /// Nothing made yet.
    #[must_use]
    pub fn new(segments: Arc<Segments>, options: Options) -> Self {
        Self { segments, options, state: Mutex::default(), changed: Condvar::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Asks for a segment to be made ready. Returns at once.
    pub fn want(&self, number: u32) {
        let mut state = self.state();
        let has = state.spare.as_ref().is_some_and(|spare| spare.number == number);
        if !has && !state.making && state.wanted != Some(number) {
            state.wanted = Some(number);
            self.changed.notify_all();
        }
    }

    /// Cuts a segment that is full to what it holds. Returns at once.
    pub fn cut(&self, number: u32, used: u64) {
        self.state().cuts.push((number, used));
        self.changed.notify_all();
    }

    /// The next segment: the one made ready, or a new one.
    pub fn take(&self, need: Need) -> Result<Ready, Error> {
        let mut state = self.state();
        state.wanted = None;
        while state.making {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        let spare = state.spare.take();
        drop(state);
        if let Some(spare) = spare {
            let fits = spare.capacity >= segment::HEADER_OCTETS + need.octets;
            if fits && spare.number == need.number {
                return Ok(spare);
            }
            let gone = self.segments.disk.remove(&segment::name(spare.number));
            gone.map_err(|error| io_failed(&error))?;
        }
        self.make(need, Fill::Reserved)
    }

    fn make(&self, need: Need, fill: Fill) -> Result<Ready, Error> {
        let disk = &self.segments.disk;
        let space = disk.space().map_err(|error| io_failed(&error))?;
        let reserve = self.options.reserve_octets.min(space.total / 8);
        let reserve = if need.urgent { reserve / 4 } else { reserve };
        let wanted = segment::capacity(&self.options, need.number);
        let fits = segment::HEADER_OCTETS + need.octets;
        let least = fits.max(SEGMENT_OCTETS_MIN.min(wanted));
        let mut capacity = wanted.max(fits);
        while space.free < capacity + reserve {
            capacity /= 2;
            if capacity < least {
                return Err(Error::Full);
            }
        }
        let name = segment::name(need.number);
        let file = disk.create(&name, capacity, fill).map_err(|error| io_failed(&error))?;
        Ok(Ready { number: need.number, file, capacity })
    }

    /// The thread's work; returns after [`Room::stop`].
    pub fn run(&self) {
        let mut state = self.state();
        while !state.stop {
            if let Some((number, used)) = state.cuts.pop() {
                drop(state);
                let cut = self.segments.file(number).and_then(|file| file.truncate(used));
                if let Err(error) = cut {
                    tracing::debug!(number, %error, "a full segment was not cut");
                }
                state = self.state();
            } else if let Some(number) = state.wanted.take().filter(|_| state.spare.is_none()) {
                state.making = true;
                drop(state);
                let fill = if self.options.prewrite { Fill::Zeros } else { Fill::Reserved };
                let made = self.make(Need { number, octets: 0, urgent: false }, fill);
                state = self.state();
                state.making = false;
                match made {
                    Ok(ready) => state.spare = Some(ready),
                    // The commit that needs it tries again and says so.
                    Err(error) => tracing::warn!(%error, "no segment made ready"),
                }
                self.changed.notify_all();
            } else {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            }
        }
        // Removed, so that a closed store is no greater than its mail.
        if let Some(spare) = state.spare.take() {
            let _ = self.segments.disk.remove(&segment::name(spare.number));
        }
    }

    /// Ends [`Room::run`].
    pub fn stop(&self) {
        self.state().stop = true;
        self.changed.notify_all();
    }
}
