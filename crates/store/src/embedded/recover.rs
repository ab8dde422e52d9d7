//! Opens a log: finds its end, cuts a torn tail, names damage, and brings into the index what the
//! last checkpoint did not know.
//!
//! Invariants: damage that was acknowledged (its LSN is not above a durable LSN that something
//! later names) costs the frames that it hit, and is reported; damage that nobody was told of is
//! a torn tail and is cut with all behind it. After recovery the end of the log is followed by
//! zeros, and what is there is durable.

use super::{
    Options,
    apply::{Applier, Written},
    checkpoint::{Checkpoint, Position},
    disk::{Disk, DiskFile},
    index::{CHECKPOINT, Index, io_failed},
    inventory::Inventory,
    report::Report,
    scan::{self, Damage, From, Place, Scan},
    segment::{self, Known},
    segments::Segments,
};
use crate::Error;
use std::{
    hash::{BuildHasher, Hasher, RandomState},
    io,
    path::Path,
    sync::Arc,
};

/// Octets of the index in memory after which a long redo makes it durable.
const MEMORY_OCTETS: u64 = 64 << 20;

/// A log and its index, opened.
pub struct Recovered {
    /// Its segments.
    pub segments: Arc<Segments>,
    /// The index, with everything applied.
    pub index: Arc<Index>,
    /// The one that writes it.
    pub applier: Applier,
    /// The checkpoint that was found; what lies behind it was applied but is not durable there.
    pub checkpoint: Position,
    /// The store's salt.
    pub salt: u32,
    /// What was found.
    pub report: Report,
}

/// What to do while opening.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// The folder of the index.
    pub index: &'a Path,
    /// Make the index anew.
    pub rebuild: bool,
    /// Change nothing in the log.
    pub look_only: bool,
}

/// Opens a log. An index that cannot be read is made anew, unless nothing may be changed.
pub fn recover(disk: &Arc<dyn Disk>, options: &Options, way: Way) -> Result<Recovered, Error> {
    let had_index = way.index.is_dir();
    let opened = attempt(disk, options, way);
    let Err(Error::Damaged(what)) = opened else { return opened };
    if way.rebuild || way.look_only {
        return Err(Error::Damaged(what));
    }
    if had_index && Inventory::read(&**disk)?.headers.is_empty() {
        return Err(Error::Damaged(format!("there is no log, and of the index: {what}")));
    }
    tracing::error!(what, "the index is made anew");
    attempt(disk, options, Way { rebuild: true, ..way })
}

fn attempt(disk: &Arc<dyn Disk>, options: &Options, way: Way) -> Result<Recovered, Error> {
    let mut report = Report::default();
    let mut found = Inventory::read(&**disk)?;
    let old = if way.rebuild { salvage(way.index, options) } else { None };
    let (index, checkpoint) = open_index(&way, options, &mut report)?;
    // What the old index knew durable is so, even if it is made anew.
    let witness = old.unwrap_or_else(|| checkpoint.clone());
    if found.headers.is_empty() && checkpoint.position.lsn > 0 {
        return Err(Error::Damaged("the index is there, the log is not".into()));
    }
    found.salt = found.salt.or((witness.salt != 0).then_some(witness.salt));
    report.torn_octets += found.settle(&**disk, &witness, way.look_only)?;
    report.segments = found.headers.len() as u64;
    if found.is_behind(&**disk, checkpoint.position)? {
        let Position { lsn, segment, offset } = checkpoint.position;
        if !way.look_only {
            tracing::error!(lsn, segment, offset, "the log ends before the index does");
            return Err(Error::Damaged("the log ends before the index does".into()));
        }
        report.damage.push(Damage { segment, offset: 0, octets: offset, lsn, account: None });
    }
    let segments = Arc::new(Segments::new(Arc::clone(disk)));
    *segments.known() = found.known(&segments, &checkpoint)?;
    let index = Arc::new(index);
    let salt = found.salt.unwrap_or_else(random);
    let parts = (Arc::clone(&index), Arc::clone(&segments));
    let applier = Applier::new(parts, checkpoint.position, salt);
    let durable = witness.position.lsn;
    let mut redo = Redo { segments, index, applier, report, way, salt, durable };
    redo.run(&found, checkpoint.position)?;
    let Redo { segments, index, applier, mut report, .. } = redo;
    report.last_lsn = applier.position().lsn;
    report.tell();
    Ok(Recovered { segments, index, applier, checkpoint: checkpoint.position, salt, report })
}

/// The checkpoint of an index that is about to be made anew, if it can be read.
fn salvage(index: &Path, options: &Options) -> Option<Checkpoint> {
    if !index.is_dir() {
        return None;
    }
    let index = Index::open(index, options.cache_octets).ok()?;
    let checkpoint = index.get(&CHECKPOINT).ok()??;
    Checkpoint::parse(&checkpoint)
}

/// A salt; never 0.
fn random() -> u32 {
    (RandomState::new().build_hasher().finish() as u32).max(1)
}

/// Opens the index, or begins a new one where there is none, it cannot be read, or the way says so.
fn open_index(
    way: &Way,
    options: &Options,
    report: &mut Report,
) -> Result<(Index, Checkpoint), Error> {
    if way.rebuild {
        match std::fs::remove_dir_all(way.index) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(io_failed(&error)),
            _ => report.rebuilt = true,
        }
    }
    let index = Index::open(way.index, options.cache_octets)?;
    let checkpoint = match index.get(&CHECKPOINT)? {
        None => Checkpoint::default(),
        Some(octets) => Checkpoint::parse(&octets)
            .ok_or_else(|| Error::Damaged("the index has another form".into()))?,
    };
    Ok((index, checkpoint))
}

/// The segment behind another.
#[derive(Clone, Copy)]
struct Next {
    /// Its first LSN, if its header can be read.
    first: Option<u64>,
    /// Whether none was removed between them.
    follows: bool,
}

struct Redo<'a> {
    segments: Arc<Segments>,
    index: Arc<Index>,
    applier: Applier,
    report: Report,
    way: Way<'a>,
    salt: u32,
    /// The highest LSN that the checkpoint knows durable.
    durable: u64,
}

impl Redo<'_> {
    fn run(&mut self, found: &Inventory, from: Position) -> Result<(), Error> {
        let first = if from.segment == 0 { 0 } else { from.segment };
        let numbers: Vec<u32> = found.headers.range(first..).map(|(number, _)| *number).collect();
        let mut lsn = from.lsn + 1;
        for (at, number) in numbers.iter().copied().enumerate() {
            let header = found.headers.get(&number).copied().flatten();
            let next = numbers.get(at + 1).map(|next| Next {
                first: found.headers.get(next).copied().flatten().map(|header| header.first),
                // Behind segments that the cleaner removed the numbers jump.
                follows: *next == number + 1,
            });
            let offset = if number == from.segment { from.offset } else { segment::HEADER_OCTETS };
            let expected = match header {
                Some(header) if number != from.segment => header.first,
                _ => lsn,
            };
            let start = From {
                segment: number,
                offset,
                lsn: expected,
                salt: self.salt,
                bodies: true,
                end: u64::MAX,
            };
            lsn = self.segment(start, header, next)?;
        }
        self.index.publish();
        Ok(())
    }

    /// Reads one segment and applies it. If there is another behind, everything in this one was
    /// durable. Gives the LSN expected there.
    fn segment(
        &mut self,
        from: From,
        header: Option<segment::Header>,
        next: Option<Next>,
    ) -> Result<u64, Error> {
        let number = from.segment;
        let file = self.segments.file(number).map_err(|error| io_failed(&error))?;
        let mut scan = scan::scan(&*file, from).map_err(|error| io_failed(&error))?;
        if header.is_none() {
            let (octets, lsn) = (segment::HEADER_OCTETS, from.lsn);
            let damage = Damage { segment: number, offset: 0, octets, lsn, account: None };
            self.report.damage.push(damage);
        }
        if next.is_none() {
            self.cut(&*file, &mut scan)?;
        }
        let first = header.map_or(from.lsn, |header| header.first);
        let known = Known { first, used: scan.end, sealed: next.is_some(), ..Known::default() };
        self.segments.known().entry(number).or_insert(known);
        if let Some(entry) = self.segments.known().get_mut(&number) {
            (entry.used, entry.sealed) = (scan.end, next.is_some());
        }
        for place in &scan.frames {
            self.frame(&*file, number, place)?;
        }
        if let Some(first) = next.filter(|next| next.follows).and_then(|next| next.first)
            && first > scan.next
        {
            let (offset, lsn) = (scan.end, scan.next);
            scan.damage.push(Damage { segment: number, offset, octets: 0, lsn, account: None });
            scan.next = first;
        }
        self.report.damage.append(&mut scan.damage);
        let position = self.applier.position();
        if position.segment != number || position.offset < scan.end {
            // Nothing but damage at the end: the log goes on behind it.
            let lsn = position.lsn.max(scan.next.saturating_sub(1));
            self.applier.skip_to(Position { lsn, segment: number, offset: scan.end });
        }
        if self.index.memory_octets() > MEMORY_OCTETS {
            self.applier.checkpoint();
            self.index.flush()?;
            while self.index.compact()? {}
        }
        Ok(scan.next)
    }

    fn frame(&mut self, file: &dyn DiskFile, segment: u32, place: &Place) -> Result<(), Error> {
        let header = place.header;
        let ops = scan::ops(file, place).map_err(|error| io_failed(&error))?;
        self.applier.apply(&Written {
            account: header.account,
            lsn: header.lsn,
            segment,
            bodies: place.bodies(),
            end: place.end(),
            ops: &ops,
        })?;
        self.report.frames += 1;
        if place.bodies_damaged {
            let (offset, octets) = (place.offset, u64::from(header.octets));
            let account = Some(header.account);
            self.report.damage.push(Damage { segment, offset, octets, lsn: header.lsn, account });
        }
        Ok(())
    }

    /// Cuts what nobody was told of from the last segment, and makes the rest durable: after a kill
    /// it may be in memory only.
    fn cut(&mut self, file: &dyn DiskFile, scan: &mut Scan) -> Result<(), Error> {
        let durable = scan.durable.max(self.durable);
        let torn_frame = scan
            .frames
            .iter()
            .find(|place| place.bodies_damaged && place.header.lsn > durable)
            .map(|place| (place.offset, place.header.lsn));
        let torn = scan.damage.iter().find(|damage| damage.lsn > durable);
        let torn =
            torn.map(|damage| (damage.offset, damage.lsn)).into_iter().chain(torn_frame).min();
        if let Some((offset, lsn)) = torn {
            self.report.torn_octets += scan.end - offset;
            scan.frames.retain(|place| place.offset < offset);
            scan.damage.retain(|damage| damage.offset < offset);
            scan.next = lsn;
            if !self.way.look_only {
                zero(file, offset, scan.end).map_err(|error| io_failed(&error))?;
            }
            scan.end = offset;
        }
        if self.way.look_only {
            return Ok(());
        }
        file.sync().map_err(|error| Error::Io(format!("sync of the log: {error}")))
    }
}

fn zero(file: &dyn DiskFile, from: u64, to: u64) -> io::Result<()> {
    let zeros = vec![0; 64 << 10];
    let mut at = from;
    while at < to {
        let step = usize::try_from(to - at).unwrap_or(usize::MAX).min(zeros.len());
        file.write_at(at, zeros.get(..step).unwrap_or_default())?;
        at += step as u64;
    }
    Ok(())
}
