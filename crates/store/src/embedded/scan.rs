//! Reads the frames of one segment, and finds the next one behind damage.
//!
//! Invariant: a damaged frame costs that frame alone; what is given is either right by its
//! checksums or named as damage. Nothing is written.

use super::{
    disk::DiskFile,
    frame::{ALIGN, HEADER_OCTETS, Header, Op, Ops},
    segment,
};
use std::io;

/// Octets read at once.
const WINDOW_OCTETS: usize = 256 << 10;

/// A frame found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// Where it begins, in octets from the segment's beginning.
    pub offset: u64,
    /// Its header.
    pub header: Header,
    /// Whether its bodies were read and are not as their checksums say.
    pub bodies_damaged: bool,
}

impl Place {
    /// Where its first body begins.
    #[must_use]
    pub fn bodies(&self) -> u64 {
        self.offset + HEADER_OCTETS as u64 + u64::from(self.header.ops_octets)
    }
    /// Where it ends.
    #[must_use]
    pub fn end(&self) -> u64 {
        self.offset + u64::from(self.header.octets)
    }
}

/// Octets of a segment that hold no frame and should.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Damage {
    /// Segment number.
    pub segment: u32,
    /// Where it begins, in octets.
    pub offset: u64,
    /// Octets.
    pub octets: u64,
    /// The first LSN that is missing.
    pub lsn: u64,
    /// The account, when the frame's header could be read.
    pub account: Option<u32>,
}

/// What a segment holds.
#[derive(Clone, Default, Debug)]
pub struct Scan {
    /// Frames in order.
    pub frames: Vec<Place>,
    /// Damage in order.
    pub damage: Vec<Damage>,
    /// Where the last frame, or what is not zero behind it, ends.
    pub end: u64,
    /// The LSN that comes next.
    pub next: u64,
    /// The highest durable LSN that a frame names; 0 if none does.
    pub durable: u64,
}

/// Where and how to read.
#[derive(Clone, Copy, Debug)]
pub struct From {
    /// Segment number.
    pub segment: u32,
    /// First octet; the end of a frame or of the segment's header.
    pub offset: u64,
    /// The LSN expected there.
    pub lsn: u64,
    /// The store's salt.
    pub salt: u32,
    /// Whether to read and check bodies too.
    pub bodies: bool,
    /// Nothing from this octet on is read, should the file be longer.
    pub end: u64,
}

/// Reads a segment from somewhere to its end.
pub fn scan(file: &dyn DiskFile, from: From) -> io::Result<Scan> {
    let mut window = Window::new(file, from.end)?;
    let mut scan = Scan { end: from.offset, next: from.lsn, ..Scan::default() };
    let mut at = from.offset;
    while at + HEADER_OCTETS as u64 <= window.size {
        let header = Header::parse(window.octets(at, HEADER_OCTETS as u64)?, from.salt)
            .filter(|header| header.lsn >= scan.next)
            .filter(|header| at + u64::from(header.octets) <= window.size);
        let damage =
            |octets, account| Damage { segment: from.segment, offset: at, octets, lsn: 0, account };
        let lost = if let Some(header) = header {
            scan.durable = scan.durable.max(header.durable);
            let place = Place { offset: at, header, bodies_damaged: false };
            let lost = match frame(&mut window, place, from.bodies)? {
                Some(place) => {
                    scan.frames.push(place);
                    None
                }
                None => Some(damage(u64::from(header.octets), Some(header.account))),
            };
            at = place.end();
            lost.map(|lost| (lost, header.lsn + 1)).or_else(|| {
                scan.next = header.lsn + 1;
                None
            })
        } else {
            let Some(next) = behind(&mut window, at, &from, scan.next)? else { break };
            let lost = damage(next - at, None);
            at = next;
            Some((lost, scan.next))
        };
        if let Some((lost, next)) = lost {
            scan.damage.push(Damage { lsn: scan.next, ..lost });
            scan.next = next;
        }
        scan.end = at;
    }
    Ok(scan)
}

/// Checks a frame whose header is right; `None` if its ops are not.
fn frame(window: &mut Window, place: Place, bodies: bool) -> io::Result<Option<Place>> {
    let header = place.header;
    let ops = window.octets(place.offset + HEADER_OCTETS as u64, header.ops_octets.into())?;
    if crc32c::crc32c(ops) != header.ops_crc {
        return Ok(None);
    }
    let mut located = Vec::new();
    for op in Ops::new(ops) {
        match op {
            Ok(Op::Located { octets, crc, .. }) => located.push((octets, crc)),
            Ok(_) => {}
            Err(_) => return Ok(None),
        }
    }
    let mut damaged = false;
    let mut at = place.bodies();
    for (octets, crc) in located {
        if at + u64::from(octets) > place.end() {
            return Ok(None);
        }
        damaged |= bodies && crc32c::crc32c(window.octets(at, octets.into())?) != crc;
        at += u64::from(octets);
    }
    Ok(Some(Place { bodies_damaged: damaged, ..place }))
}

/// The next frame's place behind octets that are none, or the end of what is not zero; `None` if
/// all is zeros to the end.
fn behind(window: &mut Window, at: u64, from: &From, lsn: u64) -> io::Result<Option<u64>> {
    let mut last = None;
    let mut probe = at;
    while probe < window.size {
        let length = ALIGN.min(window.size - probe);
        if window.octets(probe, length)?.iter().any(|octet| *octet != 0) {
            last = Some(probe + length);
            if probe > at && probe + HEADER_OCTETS as u64 <= window.size {
                let header = Header::parse(window.octets(probe, HEADER_OCTETS as u64)?, from.salt);
                if header.is_some_and(|header| header.lsn >= lsn) {
                    return Ok(Some(probe));
                }
            }
            probe += ALIGN;
        } else {
            probe = window.skip_zeros(probe)?;
        }
    }
    Ok(last)
}

/// The ops of a frame that was found.
pub fn ops(file: &dyn DiskFile, place: &Place) -> io::Result<Vec<u8>> {
    let mut octets = vec![0; place.header.ops_octets as usize];
    let read = file.read_at(place.offset + HEADER_OCTETS as u64, &mut octets)?;
    let right = read == octets.len() && crc32c::crc32c(&octets) == place.header.ops_crc;
    if right { Ok(octets) } else { Err(io::Error::from(io::ErrorKind::InvalidData)) }
}

/// Where a segment's frames begin.
#[must_use]
pub fn beginning(segment: u32, header: &segment::Header) -> From {
    From {
        segment,
        offset: segment::HEADER_OCTETS,
        lsn: header.first,
        salt: header.salt,
        bodies: false,
        end: u64::MAX,
    }
}

/// A piece of the file in memory.
struct Window<'a> {
    file: &'a dyn DiskFile,
    size: u64,
    start: u64,
    octets: Vec<u8>,
}

impl<'a> Window<'a> {
    fn new(file: &'a dyn DiskFile, end: u64) -> io::Result<Self> {
        Ok(Self { file, size: file.size()?.min(end), start: 0, octets: Vec::new() })
    }

    /// Octets that lie within the file.
    fn octets(&mut self, at: u64, count: u64) -> io::Result<&[u8]> {
        let short = || io::Error::from(io::ErrorKind::UnexpectedEof);
        let held = self.start + self.octets.len() as u64;
        if at < self.start || at + count > held {
            let want = usize::try_from(count).unwrap_or(usize::MAX).max(WINDOW_OCTETS);
            let left = usize::try_from(self.size.saturating_sub(at)).unwrap_or(usize::MAX);
            self.octets.resize(want.min(left), 0);
            let read = self.file.read_at(at, &mut self.octets)?;
            self.octets.truncate(read);
            self.start = at;
        }
        let from = usize::try_from(at - self.start).map_err(|_| short())?;
        let count = usize::try_from(count).map_err(|_| short())?;
        self.octets.get(from..from + count).ok_or_else(short)
    }

    /// The first place at or behind `at`, at the same alignment, that does not begin with zeros.
    fn skip_zeros(&mut self, at: u64) -> io::Result<u64> {
        let mut at = at;
        while at < self.size {
            let count = (self.size - at).min(WINDOW_OCTETS as u64);
            let octets = self.octets(at, count)?;
            match octets.iter().position(|octet| *octet != 0) {
                Some(found) => return Ok(at + found as u64 / ALIGN * ALIGN),
                None => at += count,
            }
        }
        Ok(self.size)
    }
}

#[cfg(test)]
mod tests {
    use super::super::frame::{Draft, Number};
    use super::*;
    use bytes::Bytes;
    use std::sync::Mutex;

    struct Octets(Mutex<Vec<u8>>);
    impl DiskFile for Octets {
        fn size(&self) -> io::Result<u64> {
            Ok(self.0.lock().unwrap().len() as u64)
        }
        fn read_at(&self, offset: u64, into: &mut [u8]) -> io::Result<usize> {
            let octets = self.0.lock().unwrap();
            let rest = &octets[(offset as usize).min(octets.len())..];
            let count = rest.len().min(into.len());
            into[..count].copy_from_slice(&rest[..count]);
            Ok(count)
        }
        fn write_at(&self, _: u64, _: &[u8]) -> io::Result<()> {
            unreachable!()
        }
        fn sync(&self) -> io::Result<()> {
            unreachable!()
        }
        fn truncate(&self, _: u64) -> io::Result<()> {
            unreachable!()
        }
    }

    const FROM: From = From { segment: 1, offset: 0, lsn: 1, salt: 7, bodies: true, end: u64::MAX };

    fn log(frames: u64) -> (Vec<u8>, Vec<usize>) {
        let (mut octets, mut starts) = (Vec::new(), Vec::new());
        for lsn in 1..=frames {
            starts.push(octets.len());
            let mut draft = Draft::new(lsn as u32);
            draft.put(1, b"key", &lsn.to_le_bytes());
            draft.locate(2, b"blob", Bytes::from(vec![lsn as u8; 100 + lsn as usize]));
            draft.encode(Number { lsn, durable: lsn - 1, salt: 7 }, &mut octets);
        }
        (octets, starts)
    }

    fn read(octets: Vec<u8>) -> Scan {
        scan(&Octets(Mutex::new(octets)), FROM).unwrap()
    }

    #[test]
    fn frames_then_zeros() {
        let (mut octets, _) = log(20);
        let end = octets.len() as u64;
        octets.resize(octets.len() + 1000, 0);
        let scan = read(octets);
        assert_eq!((scan.frames.len(), scan.end, scan.next, scan.durable), (20, end, 21, 19));
        assert!(scan.damage.is_empty());
    }

    #[test]
    fn a_flipped_bit_anywhere_costs_one_frame() {
        let (octets, starts) = log(5);
        for at in 0..octets.len() {
            let mut octets = octets.clone();
            octets[at] ^= 0x40;
            octets.resize(octets.len() + 100, 0);
            let scan = read(octets);
            let hit = starts.iter().rposition(|start| *start <= at).unwrap();
            let whole = scan.frames.iter().filter(|frame| !frame.bodies_damaged).count();
            let padding = whole == 5;
            assert!(whole >= 4, "octet {at} in frame {hit}");
            if !padding {
                let lost = 1 + hit as u64;
                assert!(
                    scan.damage.iter().any(|damage| damage.lsn == lost)
                        || scan.frames[hit].bodies_damaged,
                    "octet {at}"
                );
            }
            assert_eq!(scan.next, if hit == 4 && !padding { scan.next } else { 6 });
        }
    }

    #[test]
    fn a_zeroed_sector_is_found_and_skipped() {
        let (mut octets, starts) = log(50);
        octets[starts[10]..starts[13] + 9].fill(0);
        let scan = read(octets);
        assert_eq!(scan.frames.len(), 46);
        assert_eq!(scan.damage.len(), 1);
        assert_eq!(scan.damage[0].lsn, 11);
        assert_eq!(scan.next, 51);
    }

    #[test]
    fn cut_anywhere_the_frames_before_remain() {
        let (octets, starts) = log(5);
        for cut in 0..octets.len() {
            let mut cut_octets = octets[..cut].to_vec();
            cut_octets.resize(octets.len() + 64, 0);
            let scan = read(cut_octets);
            let whole = starts.iter().skip(1).filter(|start| **start <= cut).count();
            let right = scan.frames.iter().filter(|frame| !frame.bodies_damaged).count();
            assert!(right >= whole && right <= whole + 1, "cut at {cut}: {right} of {whole}");
        }
    }
}
