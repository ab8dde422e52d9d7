//! The checkpoint: up to where the index knows the log, and what was known of the segments then.
//! It is an entry of the index itself, so that both become durable in the same moment.
//!
//! ```text
//! format u32, salt u32, LSN u64, segment u32, offset u64, then per segment (little-endian)
//!   number u32, first LSN u64, used u64, dead u64, surveyed u64, sealed u8
//! ```

use super::segment::{FORMAT, Known};
use std::collections::BTreeMap;

/// A place in the log: all before it is applied.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Position {
    /// The last LSN applied; 0 for none.
    pub lsn: u64,
    /// Segment number; 0 if there is none yet.
    pub segment: u32,
    /// Where its frame ends, in octets.
    pub offset: u64,
}

/// A checkpoint.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Checkpoint {
    /// The store's salt; 0 if there is no checkpoint.
    pub salt: u32,
    /// Up to where.
    pub position: Position,
    /// The segments.
    pub known: BTreeMap<u32, Known>,
}

impl Checkpoint {
    /// The octets of the entry.
    #[must_use]
    pub fn encode(&self) -> Vec<u8> {
        let mut octets = Vec::with_capacity(28 + self.known.len() * 37);
        octets.extend_from_slice(&FORMAT.to_le_bytes());
        octets.extend_from_slice(&self.salt.to_le_bytes());
        octets.extend_from_slice(&self.position.lsn.to_le_bytes());
        octets.extend_from_slice(&self.position.segment.to_le_bytes());
        octets.extend_from_slice(&self.position.offset.to_le_bytes());
        for (number, known) in &self.known {
            octets.extend_from_slice(&number.to_le_bytes());
            for part in [known.first, known.used, known.dead, known.surveyed] {
                octets.extend_from_slice(&part.to_le_bytes());
            }
            octets.push(known.sealed.into());
        }
        octets
    }

    /// Inverse; `None` for another form.
    #[must_use]
    pub fn parse(octets: &[u8]) -> Option<Self> {
        let mut rest = octets;
        if u32_of(&mut rest)? != FORMAT {
            return None;
        }
        let salt = u32_of(&mut rest)?;
        let lsn = u64_of(&mut rest)?;
        let position = Position { lsn, segment: u32_of(&mut rest)?, offset: u64_of(&mut rest)? };
        let mut known = BTreeMap::new();
        while !rest.is_empty() {
            let number = u32_of(&mut rest)?;
            let (first, used) = (u64_of(&mut rest)?, u64_of(&mut rest)?);
            let (dead, surveyed) = (u64_of(&mut rest)?, u64_of(&mut rest)?);
            let (sealed, after) = rest.split_first()?;
            rest = after;
            let sealed = *sealed != 0;
            known.insert(number, Known { first, used, dead, sealed, surveyed });
        }
        Some(Self { salt, position, known })
    }
}

fn u32_of(from: &mut &[u8]) -> Option<u32> {
    let (part, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(u32::from_le_bytes(*part))
}

fn u64_of(from: &mut &[u8]) -> Option<u64> {
    let (part, rest) = from.split_first_chunk()?;
    *from = rest;
    Some(u64::from_le_bytes(*part))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_back() {
        let known = Known { first: 1, used: 2, dead: 3, sealed: true, surveyed: 4 };
        let checkpoint = Checkpoint {
            salt: 8,
            position: Position { lsn: 5, segment: 6, offset: 7 },
            known: [(1, known), (9, Known { sealed: false, ..known })].into(),
        };
        let octets = checkpoint.encode();
        assert_eq!(Checkpoint::parse(&octets), Some(checkpoint));
        assert_eq!(Checkpoint::parse(&octets[..octets.len() - 1]), None);
        assert_eq!(Checkpoint::parse(b""), None);
        assert_eq!(Checkpoint::parse(&[9; 28]), None);
    }
}
