//! A disk in memory that knows what was synced, fails when it is told to, and can lose power.
//!
//! Invariant: it keeps the promises of [`Disk`] and no others: what was written and not synced may
//! be lost in any part, sector by sector.

use crate::embedded::disk::{Disk, DiskFile, Fill, Space};
use std::{
    collections::BTreeMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Octets that a disk writes whole or not at all.
const SECTOR_OCTETS: usize = 512;
/// Octets of an empty disk.
const TOTAL_OCTETS: u64 = 1 << 40;

/// What happens at the n-th operation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fault {
    /// It fails and does nothing.
    Error,
    /// A write does half and fails; anything else fails.
    Short,
    /// There is no room, from this operation on, until [`FaultyDisk::heal`]. A write does half.
    Full,
    /// The power goes: it and all later ones fail until [`FaultyDisk::cut_power`].
    Power,
}

#[derive(Default)]
struct Octets {
    durable: Vec<u8>,
    now: Vec<u8>,
    /// Ranges that were written since the last sync.
    dirty: Vec<(usize, usize)>,
}

#[derive(Default)]
struct State {
    files: BTreeMap<String, Arc<Mutex<Octets>>>,
    count: u64,
    plan: Option<(u64, Fault)>,
    hit: bool,
}

/// The disk.
#[derive(Clone, Default)]
pub struct FaultyDisk {
    state: Arc<Mutex<State>>,
}

struct Open {
    disk: FaultyDisk,
    octets: Arc<Mutex<Octets>>,
}

fn lock<T>(of: &Mutex<T>) -> MutexGuard<'_, T> {
    of.lock().unwrap_or_else(PoisonError::into_inner)
}

impl FaultyDisk {
    /// An empty disk, without faults.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// The n-th operation from now (1 is the next) fails.
    pub fn fail(&self, nth: u64, fault: Fault) {
        let mut state = lock(&self.state);
        state.plan = Some((state.count + nth, fault));
        state.hit = false;
    }

    /// Whether the planned fault came.
    #[must_use]
    pub fn hit(&self) -> bool {
        lock(&self.state).hit
    }

    /// Operations so far.
    #[must_use]
    pub fn operations(&self) -> u64 {
        lock(&self.state).count
    }

    /// No more faults.
    pub fn heal(&self) {
        lock(&self.state).plan = None;
    }

    /// What a machine finds after its power was cut: of what was written and not synced each
    /// sector is there or not, as `seed` has it; with seed 0 none is. Files opened before must not
    /// be used any more. No more faults.
    pub fn cut_power(&self, seed: u64) {
        let mut state = lock(&self.state);
        state.plan = None;
        let mut random = seed;
        for octets in state.files.values() {
            let octets = &mut *lock(octets);
            for (from, to) in std::mem::take(&mut octets.dirty) {
                let mut at = from;
                while at < to {
                    let end = (at / SECTOR_OCTETS * SECTOR_OCTETS + SECTOR_OCTETS).min(to);
                    random = random.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
                    if seed != 0 && random >> 63 == 1 {
                        octets.keep(at, end);
                    }
                    at = end;
                }
            }
            octets.now.clone_from(&octets.durable);
        }
    }

    /// Changes an octet of a file, as a worn disk does. Tells whether there is such an octet.
    pub fn spoil(&self, name: &str, offset: usize) -> bool {
        let state = lock(&self.state);
        let Some(octets) = state.files.get(name) else { return false };
        let octets = &mut *lock(octets);
        let mut spoilt = false;
        for side in [&mut octets.durable, &mut octets.now] {
            if let Some(octet) = side.get_mut(offset) {
                *octet ^= 0x55;
                spoilt = true;
            }
        }
        spoilt
    }

    /// A copy, faults not included.
    #[must_use]
    pub fn copy(&self) -> Self {
        let copy = |octets: &Arc<Mutex<Octets>>| {
            let octets = lock(octets);
            let (durable, now) = (octets.durable.clone(), octets.now.clone());
            Arc::new(Mutex::new(Octets { durable, now, dirty: octets.dirty.clone() }))
        };
        let state = lock(&self.state);
        let files = state.files.iter().map(|(name, octets)| (name.clone(), copy(octets)));
        let files = files.collect();
        Self { state: Arc::new(Mutex::new(State { files, ..State::default() })) }
    }

    /// Counts an operation; the fault that it meets.
    fn turn(&self) -> Option<Fault> {
        let mut state = lock(&self.state);
        state.count += 1;
        let (at, fault) = state.plan?;
        let met = match fault {
            Fault::Error | Fault::Short => state.count == at,
            Fault::Full | Fault::Power => state.count >= at,
        };
        state.hit |= met;
        met.then_some(fault)
    }

    /// For what needs no room.
    fn roomless(&self) -> io::Result<()> {
        match self.turn() {
            None | Some(Fault::Full) => Ok(()),
            Some(_) => Err(error()),
        }
    }
}

fn error() -> io::Error {
    io::Error::other("a planned fault")
}

impl Octets {
    /// Makes a range durable.
    fn keep(&mut self, from: usize, to: usize) {
        if self.durable.len() < to {
            self.durable.resize(to, 0);
        }
        if let (Some(place), Some(octets)) =
            (self.durable.get_mut(from..to), self.now.get(from..to))
        {
            place.copy_from_slice(octets);
        }
    }

    fn write(&mut self, from: usize, octets: &[u8]) {
        let to = from + octets.len();
        if self.now.len() < to {
            self.now.resize(to, 0);
        }
        if let Some(place) = self.now.get_mut(from..to) {
            place.copy_from_slice(octets);
        }
        self.dirty.push((from, to));
    }
}

impl Disk for FaultyDisk {
    fn list(&self) -> io::Result<Vec<String>> {
        self.roomless()?;
        Ok(lock(&self.state).files.keys().cloned().collect())
    }

    fn open(&self, name: &str) -> io::Result<Arc<dyn DiskFile>> {
        self.roomless()?;
        let octets = lock(&self.state).files.get(name).cloned();
        let octets = octets.ok_or(io::ErrorKind::NotFound)?;
        Ok(Arc::new(Open { disk: self.clone(), octets }))
    }

    fn create(&self, name: &str, octets: u64, _fill: Fill) -> io::Result<Arc<dyn DiskFile>> {
        let fault = self.turn();
        if fault == Some(Fault::Full) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        let size = usize::try_from(octets).map_err(|_| error())?;
        let made = Octets { durable: vec![0; size], now: vec![0; size], dirty: Vec::new() };
        let made = Arc::new(Mutex::new(made));
        // Even if it fails it may be there.
        lock(&self.state).files.insert(name.to_owned(), Arc::clone(&made));
        match fault {
            None => Ok(Arc::new(Open { disk: self.clone(), octets: made })),
            Some(_) => Err(error()),
        }
    }

    fn remove(&self, name: &str) -> io::Result<()> {
        self.roomless()?;
        let gone = lock(&self.state).files.remove(name);
        gone.map(|_| ()).ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn space(&self) -> io::Result<Space> {
        self.roomless()?;
        let state = lock(&self.state);
        let used: usize = state.files.values().map(|octets| lock(octets).now.len()).sum();
        Ok(Space { free: TOTAL_OCTETS - used as u64, total: TOTAL_OCTETS })
    }
}

impl DiskFile for Open {
    fn size(&self) -> io::Result<u64> {
        self.disk.roomless()?;
        Ok(lock(&self.octets).now.len() as u64)
    }

    fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
        self.disk.roomless()?;
        let octets = lock(&self.octets);
        let rest = usize::try_from(offset).ok().and_then(|from| octets.now.get(from..));
        let rest = rest.unwrap_or_default();
        let count = rest.len().min(into.len());
        if let (Some(into), Some(rest)) = (into.get_mut(..count), rest.get(..count)) {
            into.copy_from_slice(rest);
        }
        Ok(count)
    }

    fn write_at(&self, offset: u64, octets: &[u8]) -> io::Result<()> {
        let fault = self.disk.turn();
        let from = usize::try_from(offset).map_err(|_| error())?;
        let half = octets.get(..octets.len() / 2).unwrap_or_default();
        let mut file = lock(&self.octets);
        match fault {
            None => file.write(from, octets),
            Some(Fault::Error) => return Err(error()),
            Some(Fault::Short | Fault::Power) => {
                file.write(from, half);
                return Err(error());
            }
            // Zeros over what is there already need no room.
            Some(Fault::Full) if octets.iter().all(|octet| *octet == 0) => file.write(from, octets),
            Some(Fault::Full) => {
                file.write(from, half);
                return Err(io::ErrorKind::StorageFull.into());
            }
        }
        Ok(())
    }

    fn sync(&self) -> io::Result<()> {
        self.disk.roomless()?;
        let mut octets = lock(&self.octets);
        octets.dirty.clear();
        octets.durable = octets.now.clone();
        Ok(())
    }

    fn truncate(&self, octets: u64) -> io::Result<()> {
        self.disk.roomless()?;
        let size = usize::try_from(octets).map_err(|_| error())?;
        lock(&self.octets).now.truncate(size);
        Ok(())
    }
}
