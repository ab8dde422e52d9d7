//! The cleaner: finds out what of a segment is still needed, and gives the room of the rest back.
//!
//! How: some frames of a full segment are looked at when thrice as much was written behind it as
//! lies between it and the last look (so the effort grows with the logarithm of the log); what died
//! of its bodies is known at once. When less than a share of it is live, the index is made durable,
//! what is live is written again at the end of the log, as an ordinary change with a new LSN, and
//! the segment is removed.
//!
//! Invariants: an op is live if the index says that its key was written by its LSN. A delete or
//! erase is needed while an older segment exists, which may hold what it hides; in the oldest
//! segment it is not. Nothing is written again without a look, by the commit thread itself, whether
//! it is still the newest: the log never holds an old value behind a newer one.

use super::{
    commit::Job,
    frame::{HEADER_OCTETS, Op, Ops},
    index::{self, Entry, Location, io_failed},
    scan::{self, Place},
    segment::{self, Opening},
    shared::Shared,
};
use crate::{Error, oneshot};
use bytes::Bytes;
use std::{
    collections::BTreeMap,
    sync::{Arc, atomic::Ordering::Relaxed, mpsc::Sender},
    time::Duration,
};

/// Octets that the commit thread is asked to write at once.
const BATCH_OCTETS: u64 = 256 << 10;
/// How much older a segment must be than at the last look.
const SURVEY_FACTOR: u64 = 4;
/// Frames of a segment that a survey looks at, about: enough to tell its share within 3 per cent.
const SAMPLE_FRAMES: usize = 1024;
/// Octets after which the cleaner rests, so as to keep to its speed.
const PACE_OCTETS: u64 = 256 << 10;
/// How long the cleaner waits for something to do when no checkpoint is made.
const IDLE: Duration = Duration::from_secs(10);

/// A value on its way.
#[derive(Debug)]
pub struct MovedValue {
    /// Key within the account.
    pub key: Vec<u8>,
    /// The LSN that wrote it.
    pub lsn: u64,
    /// What to write.
    pub what: Moved,
}

/// What is written again.
#[derive(Debug)]
pub enum Moved {
    /// A value that the index holds.
    Put(Vec<u8>),
    /// A value that the log holds.
    Located(Bytes),
    /// A key's absence.
    Delete,
    /// The absence of what an account had before an LSN.
    Erase {
        /// The LSN.
        before: u64,
    },
}

/// A batch.
#[derive(Debug, Default)]
pub struct Move {
    /// The last LSN that the index had applied when the cleaner looked.
    pub checked: u64,
    /// Values by account, in order.
    pub accounts: BTreeMap<u32, Vec<MovedValue>>,
    octets: u64,
}

/// The cleaner's thread.
pub struct Cleaner {
    shared: Arc<Shared>,
    jobs: Sender<Job>,
}

impl Cleaner {
    /// Ready to run.
    #[must_use]
    pub fn new(shared: Arc<Shared>, jobs: Sender<Job>) -> Self {
        Self { shared, jobs }
    }

    /// Works until [`Shared::stop`].
    pub fn run(&self) {
        let mut seen = None;
        while let Some(done) = self.shared.next_checkpoint(seen, Some(IDLE)) {
            seen = Some(done);
            while !self.shared.signals().stop && !self.shared.poisoned.load(Relaxed) {
                match self.step() {
                    Ok(true) => {}
                    Ok(false) => break,
                    Err(error) => {
                        tracing::warn!(%error, "the cleaner stopped for now");
                        break;
                    }
                }
            }
        }
    }

    /// Looks through every full segment and cleans what is worth it. Gives the segments removed.
    pub fn clean_all(&self) -> Result<u64, Error> {
        let _alone = self.shared.cleaning();
        self.shared.checkpoint()?;
        let sealed = |(number, known): (&u32, &segment::Known)| known.sealed.then_some(*number);
        let numbers: Vec<u32> = self.shared.segments.known().iter().filter_map(sealed).collect();
        for number in numbers {
            self.survey(number)?;
        }
        let mut removed = 0;
        while let Some(number) = self.victim() {
            if !self.clean(number)? {
                break;
            }
            removed += 1;
        }
        Ok(removed)
    }

    /// Does one thing; `false` if nothing is due.
    fn step(&self) -> Result<bool, Error> {
        let _alone = self.shared.cleaning();
        if let Some(number) = self.victim() {
            return self.clean(number);
        }
        let Some(number) = self.due() else { return Ok(false) };
        self.survey(number)?;
        Ok(true)
    }

    /// The segment with the least live, if that is little enough.
    fn victim(&self) -> Option<u32> {
        let percent = self.shared.options.clean_live_percent_min;
        let known = self.shared.segments.known();
        let share = |live: u64, used: u64| live.saturating_mul(1000) / used.max(1);
        known
            .iter()
            .filter(|(_, known)| known.sealed && known.live() * 100 < known.used * percent)
            .min_by_key(|(_, known)| share(known.live(), known.used))
            .map(|(number, _)| *number)
    }

    /// The oldest segment that should be looked through.
    fn due(&self) -> Option<u32> {
        let now = self.shared.applier().position().lsn;
        let known = self.shared.segments.known();
        let mut ends = known.values().skip(1).map(|next| next.first);
        known.iter().find_map(|(number, known)| {
            let end = ends.next()?;
            let seen = known.surveyed.max(end) - known.first.min(end);
            let due = now.saturating_sub(known.first) >= seen.saturating_mul(SURVEY_FACTOR);
            (known.sealed && due).then_some(*number)
        })
    }

    /// Counts what of a segment is live.
    pub fn survey(&self, number: u32) -> Result<(), Error> {
        let now = self.shared.applier().position().lsn;
        let mut live = 0;
        let looked = self.look(number, Some(SAMPLE_FRAMES), |found| {
            live += found.op.octets() + u64::from(found.first_of_frame) * HEADER_OCTETS as u64;
            Ok(0)
        })?;
        if let Some(known) = self.shared.segments.known().get_mut(&number) {
            let dead = looked.saturating_sub(live);
            let all = known.used.saturating_sub(segment::HEADER_OCTETS);
            known.dead = if looked == 0 { 0 } else { mul_div(all, dead, looked) };
            known.surveyed = now;
        }
        Ok(())
    }

    /// Writes again what of a segment is live, and removes it; `false` if it is too young.
    pub fn clean(&self, number: u32) -> Result<bool, Error> {
        // What the checkpoint does not know yet must not go.
        if self.shared.checkpoint()?.segment <= number {
            return Ok(false);
        }
        let mut batch = Move::default();
        let moved = self.look(number, None, |found| {
            if batch.accounts.is_empty() {
                batch.checked = found.checked;
            }
            let octets = found.op.octets();
            let value = self.value(&found, number)?;
            batch.octets += octets;
            batch.accounts.entry(found.place.header.account).or_default().push(value);
            if batch.octets >= BATCH_OCTETS {
                self.send(std::mem::take(&mut batch))?;
            }
            Ok(octets)
        });
        let moved = moved.and_then(|_| self.send(batch));
        if matches!(moved, Err(Error::Damaged(_))) {
            self.leave(number);
        }
        moved?;
        // What was written again lies behind the checkpoint: a crash from here on redoes it.
        self.shared.segments.remove(number).map_err(|error| io_failed(&error))?;
        tracing::debug!(number, "segment cleaned");
        Ok(true)
    }

    /// A segment with damage is not removed: somebody may want to look at it.
    fn leave(&self, number: u32) {
        let now = self.shared.applier().position().lsn;
        if let Some(known) = self.shared.segments.known().get_mut(&number) {
            known.dead = 0;
            known.surveyed = now;
        }
    }

    fn value(&self, found: &Found, number: u32) -> Result<MovedValue, Error> {
        let lsn = found.place.header.lsn;
        let what = match found.op {
            Op::Put { value, .. } => Moved::Put(value.to_vec()),
            Op::Located { octets, crc, .. } => {
                let offset = u32::try_from(found.body).map_err(|_| damaged(number))?;
                let place = Location { segment: number, offset, octets, crc };
                let body = self.shared.segments.read(place, 0, octets)?;
                Moved::Located(body.ok_or_else(|| damaged(number))?)
            }
            Op::Delete { .. } => Moved::Delete,
            Op::Erase { before: 0 } => Moved::Erase { before: lsn },
            Op::Erase { before } => Moved::Erase { before },
        };
        Ok(MovedValue { key: found.op.key().to_vec(), lsn, what })
    }

    fn send(&self, batch: Move) -> Result<(), Error> {
        if batch.accounts.is_empty() {
            return Ok(());
        }
        let (giver, awaited) = oneshot::oneshot();
        self.jobs.send(Job::Move(Box::new(batch), giver)).map_err(|_| Error::Closed)?;
        oneshot::block_on(awaited).map(|_| ())
    }

    /// Shows every live op of all frames of a segment, or of about so many, at the allowed speed.
    /// `each` gives the octets that it read. Gives the octets of the frames looked at.
    fn look(
        &self,
        number: u32,
        sample: Option<usize>,
        mut each: impl FnMut(Found) -> Result<u64, Error>,
    ) -> Result<u64, Error> {
        let segments = &self.shared.segments;
        let file = segments.file(number).map_err(|error| io_failed(&error))?;
        let Opening::Used(header) =
            segment::Header::read(&*file).map_err(|error| io_failed(&error))?
        else {
            return Err(damaged(number));
        };
        // Not beyond what is used: behind it the file may be cut at any moment.
        let used = segments.known().get(&number).map_or(0, |known| known.used);
        let from = scan::From { end: used, ..scan::beginning(number, &header) };
        let scan = scan::scan(&*file, from);
        let scan = scan.map_err(|error| io_failed(&error))?;
        if !scan.damage.is_empty() {
            return Err(damaged(number));
        }
        let oldest = segments.known().keys().next() == Some(&number);
        let (mut pace, mut looked) = (used, 0);
        let stride = sample.map_or(1, |sample| scan.frames.len().div_ceil(sample).max(1));
        for place in scan.frames.iter().step_by(stride) {
            looked += u64::from(place.header.octets);
            let checked = self.shared.applier().position().lsn;
            let ops = scan::ops(&*file, place).map_err(|error| io_failed(&error))?;
            let mut body = place.bodies();
            let mut first_of_frame = true;
            for op in Ops::new(&ops) {
                let op = op.map_err(|_| damaged(number))?;
                if self.is_live(&op, place, oldest)? {
                    pace += each(Found { place, op, body, checked, first_of_frame })?;
                    first_of_frame = false;
                }
                if let Op::Located { octets, .. } = op {
                    body += u64::from(octets);
                }
            }
            pace += ops.len() as u64;
            if pace >= PACE_OCTETS {
                let rate = self.shared.options.clean_octets_per_second.max(1);
                let pause = Duration::from_micros(pace.saturating_mul(1_000_000) / rate);
                pace = 0;
                if !self.shared.pause(pause) {
                    return Err(Error::Closed);
                }
            }
        }
        Ok(looked)
    }

    fn is_live(&self, op: &Op, place: &Place, oldest: bool) -> Result<bool, Error> {
        let entry = |key: &[u8]| self.shared.index.get(&index::key(place.header.account, key));
        Ok(match op {
            Op::Put { key, .. } | Op::Located { key, .. } => match entry(key)? {
                Some(entry) => Entry::parse(&entry)?.lsn == place.header.lsn,
                None => false,
            },
            Op::Delete { key } => !oldest && entry(key)?.is_none(),
            Op::Erase { .. } => !oldest,
        })
    }
}

/// A live op.
struct Found<'a> {
    place: &'a Place,
    op: Op<'a>,
    /// Where its body would begin.
    body: u64,
    /// The last LSN that was applied before it was looked at.
    checked: u64,
    first_of_frame: bool,
}

fn mul_div(value: u64, by: u64, of: u64) -> u64 {
    u64::try_from(u128::from(value) * u128::from(by) / u128::from(of)).unwrap_or(u64::MAX)
}

fn damaged(number: u32) -> Error {
    Error::Damaged(format!("segment {number}"))
}
