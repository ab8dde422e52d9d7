//! What opening, rebuilding and checking a store found.

use super::scan::Damage;

/// Differences that are described; all are counted.
const DESCRIBED_MAX: usize = 100;

/// What was found.
#[derive(Clone, Default, Debug, PartialEq, Eq)]
pub struct Report {
    /// Segments of the log.
    pub segments: u64,
    /// Frames that were read.
    pub frames: u64,
    /// The last LSN.
    pub last_lsn: u64,
    /// Octets of a torn tail, which nobody was told of. Not a fault.
    pub torn_octets: u64,
    /// Whether the index was made anew.
    pub rebuilt: bool,
    /// Damage in what was acknowledged. What it hit is lost.
    pub damage: Vec<Damage>,
    /// Entries of the index.
    pub entries: u64,
    /// Entries that differ between the index and the log.
    pub differences: u64,
    /// The first of them, in words.
    pub described: Vec<String>,
}

impl Report {
    /// Whether nothing is lost and the index is right.
    #[must_use]
    pub fn is_clean(&self) -> bool {
        self.damage.is_empty() && self.differences == 0
    }

    /// One more difference.
    pub(super) fn differs(&mut self, what: String) {
        self.differences += 1;
        if self.described.len() < DESCRIBED_MAX {
            self.described.push(what);
        }
    }

    /// Writes damage to the log of the program.
    pub(super) fn tell(&self) {
        for damage in &self.damage {
            let Damage { segment, offset, octets, lsn, account } = *damage;
            tracing::error!(segment, offset, octets, lsn, account, "the log is damaged");
        }
        if self.torn_octets > 0 {
            tracing::info!(octets = self.torn_octets, "an unfinished write was cut off");
        }
    }
}

impl std::fmt::Display for Report {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{} segments, {} frames read, last LSN {}, {} entries",
            self.segments, self.frames, self.last_lsn, self.entries
        )?;
        for damage in &self.damage {
            let Damage { segment, offset, octets, lsn, account } = damage;
            write!(f, "\ndamage: segment {segment}, {octets} octets at {offset}, LSN {lsn}")?;
            if let Some(account) = account {
                write!(f, ", account {account}")?;
            }
        }
        for what in &self.described {
            write!(f, "\ndifference: {what}")?;
        }
        let untold = self.differences.saturating_sub(self.described.len() as u64);
        if untold > 0 { write!(f, "\nand {untold} differences more") } else { Ok(()) }
    }
}
