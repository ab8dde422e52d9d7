//! ARC (RFC 8617): what hosts that passed a message on found of it, sealed by each of them.
//!
//! Invariants: a chain passes only whole, judged in the order of §5.2; a chain that DNS could not
//! be asked about has not failed ([`Chain::unanswered`]). Nothing here says whom to believe: a
//! chain that passes proves who sealed it, not that they are honest.

mod seal;
mod set;
#[cfg(test)]
mod tests;
mod verify;

use crate::results::Results;
pub use seal::{NoSeal, seal};
pub use set::SETS_MAX;
pub use verify::Check;

/// Limits of what verifying one chain may cost; [`SETS_MAX`] is the standard's.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Octets of all ARC fields of a message; a chain with more has failed.
    pub chain_octets_max: usize,
    /// Names in `h=` of a message signature.
    pub names_max: usize,
    /// Seconds that a signature may lie in the future.
    pub skew_seconds_max: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { chain_octets_max: 1 << 20, names_max: 200, skew_seconds_max: 300 }
    }
}

/// Chain validation status (§4.4).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Status {
    /// There is no chain.
    None,
    /// It is whole.
    Pass,
    /// It is not.
    Fail,
}

impl Status {
    /// As `cv=` and Authentication-Results have it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Fail => "fail",
        }
    }

    /// The reverse; `None` for another word.
    #[must_use]
    pub fn parse(word: &str) -> Option<Self> {
        [Self::None, Self::Pass, Self::Fail].into_iter().find(|one| one.as_str() == word)
    }
}

/// Who sealed a message, and what they found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sealer {
    /// `i=`: the first is 1.
    pub instance: usize,
    /// `d=` of the seal, in lower case.
    pub domain: String,
    /// `s=` of the seal.
    pub selector: String,
    /// Its ARC-Authentication-Results; `None` for what cannot be read.
    pub results: Option<Results>,
}

/// What came of a chain.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Chain {
    /// Whether it is whole.
    pub status: Status,
    /// Why it failed, in words.
    pub reason: &'static str,
    /// DNS did not answer, and it would have decided: the status is not to be written down.
    pub unanswered: bool,
    /// Of a chain that passes, who sealed it, the first first.
    pub sealers: Vec<Sealer>,
}

impl Chain {
    const fn judged(status: Status, reason: &'static str) -> Self {
        Self { status, reason, unanswered: false, sealers: Vec::new() }
    }
}
