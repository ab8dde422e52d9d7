//! A segment: one file of the log. Its header, its name, its size, and what is known of each.
//!
//! ```text
//! header, 64 octets (little-endian): magic "PALOMAR\n" | format u32 | salt u32 | number u64 |
//!   first LSN u64 | zeros | crc32c of the 60 octets before u32
//! ```
//!
//! Invariants: numbers only grow and never return; a file whose header is all zeros was prepared
//! and never used; everything in segment n was durable before the first octet of n + 1 was written.

use super::{Options, disk::DiskFile};
use std::io;

/// Octets of a segment's header; the first frame follows.
pub const HEADER_OCTETS: u64 = 64;
/// The form of everything in the log; a store of a newer form is not opened.
pub const FORMAT: u32 = 1;
const MAGIC: [u8; 8] = *b"PALOMAR\n";

/// A segment's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// The store's salt, the same in all.
    pub salt: u32,
    /// The segment's number, as in its name.
    pub number: u32,
    /// LSN of its first frame.
    pub first: u64,
}

/// What the beginning of a segment's file says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Opening {
    /// A header.
    Used(Header),
    /// Zeros: prepared, never used.
    Spare,
    /// A header of a form that this program does not know.
    Format(u32),
    /// Something else.
    Damaged,
}

impl Header {
    /// The octets of the header.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(HEADER_OCTETS as usize);
        octets.extend_from_slice(&MAGIC);
        octets.extend_from_slice(&FORMAT.to_le_bytes());
        octets.extend_from_slice(&self.salt.to_le_bytes());
        octets.extend_from_slice(&u64::from(self.number).to_le_bytes());
        octets.extend_from_slice(&self.first.to_le_bytes());
        octets.resize(HEADER_OCTETS as usize - 4, 0);
        let sum = crc32c::crc32c(&octets);
        octets.extend_from_slice(&sum.to_le_bytes());
        octets
    }

    /// Reads the beginning of a file.
    pub fn read(file: &dyn DiskFile) -> io::Result<Opening> {
        let mut octets = [0; HEADER_OCTETS as usize];
        let read = file.read_at(0, &mut octets)?;
        if octets.get(..read).is_some_and(|octets| octets.iter().all(|octet| *octet == 0)) {
            return Ok(Opening::Spare);
        }
        Ok(Self::parse(&octets).unwrap_or(Opening::Damaged))
    }

    fn parse(octets: &[u8; HEADER_OCTETS as usize]) -> Option<Opening> {
        let (body, sum) = octets.split_last_chunk::<4>()?;
        if body.first_chunk() != Some(&MAGIC) || u32::from_le_bytes(*sum) != crc32c::crc32c(body) {
            return None;
        }
        let u32_at = |at: usize| Some(u32::from_le_bytes(*body.get(at..)?.first_chunk()?));
        let u64_at = |at: usize| Some(u64::from_le_bytes(*body.get(at..)?.first_chunk()?));
        let format = u32_at(8)?;
        if format != FORMAT {
            return Some(Opening::Format(format));
        }
        let number = u32::try_from(u64_at(16)?).ok()?;
        Some(Opening::Used(Self { salt: u32_at(12)?, number, first: u64_at(24)? }))
    }
}

/// The file of a segment.
#[must_use]
pub fn name(number: u32) -> String {
    format!("{number:010}.seg")
}

/// Inverse of [`name`].
#[must_use]
pub fn number(name: &str) -> Option<u32> {
    let number = name.strip_suffix(".seg")?.parse().ok()?;
    (self::name(number) == name).then_some(number)
}

/// Octets of a new segment: they double from the first to the largest, so that an empty store is
/// small and a big one has few files.
#[must_use]
pub fn capacity(options: &Options, number: u32) -> u64 {
    let doublings = number.saturating_sub(1).min(32);
    let octets = options.segment_octets_first.saturating_mul(1u64 << doublings);
    octets.min(options.segment_octets_max).max(HEADER_OCTETS * 2)
}

/// What is known of a segment.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Known {
    /// LSN of its first frame.
    pub first: u64,
    /// Octets in use, header included.
    pub used: u64,
    /// Octets of those that nothing needs any more; found out late, so never too many by design.
    pub dead: u64,
    /// Whether nothing more is written to it.
    pub sealed: bool,
    /// The LSN up to which ops were looked at when [`Known::dead`] was last counted.
    pub surveyed: u64,
}

impl Known {
    /// Octets that are still needed.
    #[must_use]
    pub fn live(&self) -> u64 {
        self.used.saturating_sub(self.dead)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_reads_back_and_every_flipped_bit_is_seen() {
        let header = Header { salt: 5, number: 3, first: 99 };
        let octets: [u8; 64] = header.encode().try_into().unwrap();
        assert_eq!(Header::parse(&octets), Some(Opening::Used(header)));
        for bit in 0..64 * 8 {
            let mut octets = octets;
            octets[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::parse(&octets), None, "bit {bit}");
        }
    }

    #[test]
    fn names_and_sizes() {
        assert_eq!(number(&name(17)), Some(17));
        assert_eq!(number("17.seg"), None);
        assert_eq!(number("x"), None);
        let options = Options::default();
        let sizes: Vec<_> = (1..7).map(|n| capacity(&options, n) >> 20).collect();
        assert_eq!(sizes, [4, 8, 16, 16, 16, 16]);
    }
}
