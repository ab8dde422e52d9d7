//! How long to wait before the next try.
//!
//! "The sender MUST delay retrying a particular destination after one attempt has failed. In
//! general, the retry interval SHOULD be at least 30 minutes; however, more sophisticated and
//! variable strategies will be beneficial" (RFC 5321 §4.5.4.1): the first tries come sooner, since
//! most hosts that greylist take a message after some minutes.

/// Doubling waits between two bounds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Backoff {
    /// Seconds after the first failure.
    pub first_seconds: u32,
    /// Seconds at most.
    pub max_seconds: u32,
    /// Makes servers wait differently; any number.
    pub seed: u64,
}

/// Waits are up to so many per cent longer: peers are not called by all at once.
pub const JITTER_PERCENT: u64 = 25;

impl Backoff {
    /// Seconds to wait after so many failures (from 1) of somebody.
    #[must_use]
    pub fn seconds(&self, who: u64, failures: u32) -> i64 {
        let doublings = failures.saturating_sub(1).min(31);
        let base = u64::from(self.first_seconds) << doublings;
        let base = base.min(self.max_seconds.into());
        let spread = base * JITTER_PERCENT / 100;
        let drawn = mix(self.seed ^ mix(who ^ u64::from(failures).rotate_left(40)));
        i64::try_from(base + drawn % (spread + 1)).unwrap_or(i64::MAX)
    }
}

/// A number for a name, another one with another seed: an order by chance.
#[must_use]
pub fn spread(name: &str, seed: u64) -> u64 {
    name.bytes().fold(mix(seed), |number, octet| mix(number ^ u64::from(octet)))
}

/// Spreads a number over all 64 bits (the finalizer of SplitMix64).
pub(crate) const fn mix(number: u64) -> u64 {
    let z = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_up_to_the_bound() {
        let backoff = Backoff { first_seconds: 100, max_seconds: 3_600, seed: 7 };
        for (failures, base) in [(0, 100), (1, 100), (2, 200), (6, 3_200), (7, 3_600), (99, 3_600)]
        {
            for who in 0..200 {
                let seconds = backoff.seconds(who, failures);
                assert!((base..=base + base / 4).contains(&seconds), "{failures}: {seconds}");
            }
        }
    }

    #[test]
    fn nobody_waits_like_another() {
        let backoff = Backoff { first_seconds: 1_000, max_seconds: 3_600, seed: 7 };
        let mut all: Vec<i64> = (0..100).map(|who| backoff.seconds(who, 1)).collect();
        all.sort_unstable();
        all.dedup();
        assert!(all.len() > 50, "{}", all.len());
        let other = Backoff { seed: 8, ..backoff };
        assert!((0..100).any(|who| other.seconds(who, 1) != backoff.seconds(who, 1)));
    }
}
