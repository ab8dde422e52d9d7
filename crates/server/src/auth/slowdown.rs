//! Failed logins slow down what comes next: by address, by account, and by both together.
//!
//! Invariants: the delay before a check depends on the address alone (and on the account from that
//! address), so that somebody who guesses at an account from elsewhere never slows its owner; the
//! delay after a failure depends on the account too, so that guessing from many addresses is slow.
//! The table is bounded and forgets.

use crate::{admission::network, context::Peer};
use hashbrown::HashMap;
use std::{
    hash::{BuildHasher, RandomState},
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Failures that cost nothing: typing errors.
const FREE: f64 = 3.0;
/// A failure counts half after this time.
const HALVED: Duration = Duration::from_secs(300);
/// Entries kept at most; the weakest go first.
const ENTRIES_MAX: usize = 100_000;
/// An entry below this weight is forgotten.
const WEIGHT_MIN: f64 = 0.5;

/// Failures lately.
pub struct Slowdown {
    delay_max: Duration,
    hasher: RandomState,
    entries: Mutex<HashMap<u64, Entry>>,
}

#[derive(Clone, Copy)]
struct Entry {
    weight: f64,
    at: Instant,
}

impl Entry {
    fn weight(&self, now: Instant) -> f64 {
        let halves = now.saturating_duration_since(self.at).as_secs_f64() / HALVED.as_secs_f64();
        self.weight * 0.5_f64.powf(halves)
    }
}

#[derive(Hash)]
enum Key<'a> {
    Address(std::net::IpAddr),
    Account(&'a str),
    Both(std::net::IpAddr, &'a str),
}

impl Slowdown {
    /// No delay is longer than `delay_max`.
    pub fn new(delay_max: Duration) -> Self {
        Self { delay_max, hasher: RandomState::new(), entries: Mutex::default() }
    }

    /// How long to wait before checking.
    pub fn before(&self, peer: &Peer, login: &str) -> Duration {
        let address = network(peer.address.ip());
        self.longest(&[Key::Address(address), Key::Both(address, login)])
    }

    /// It was wrong: how long to wait before saying so.
    pub fn failed(&self, peer: &Peer, login: &str) -> Duration {
        let address = network(peer.address.ip());
        let keys = [Key::Address(address), Key::Account(login), Key::Both(address, login)];
        let now = Instant::now();
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() + keys.len() > ENTRIES_MAX {
            make_room(&mut entries, now);
        }
        for key in &keys {
            let entry =
                entries.entry(self.hasher.hash_one(key)).or_insert(Entry { weight: 0.0, at: now });
            *entry = Entry { weight: entry.weight(now) + 1.0, at: now };
        }
        drop(entries);
        // The wait before the next check comes from the other two.
        self.longest(&[Key::Account(login)])
    }

    /// It was right: the account is forgiven here. The address is not: it may own one account and
    /// guess at others.
    pub fn succeeded(&self, peer: &Peer, login: &str) {
        let key = Key::Both(network(peer.address.ip()), login);
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        entries.remove(&self.hasher.hash_one(key));
    }

    fn longest(&self, keys: &[Key<'_>]) -> Duration {
        let now = Instant::now();
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        let weight = |key| {
            entries.get(&self.hasher.hash_one(key)).map_or(0.0, |entry: &Entry| entry.weight(now))
        };
        let most = keys.iter().map(weight).fold(0.0, f64::max);
        self.delay(most)
    }

    /// Half a second after [`FREE`] failures, doubled with each one more.
    fn delay(&self, weight: f64) -> Duration {
        if weight < FREE {
            return Duration::ZERO;
        }
        let doublings = (weight - FREE).floor().min(32.0);
        Duration::from_secs_f64(0.5 * doublings.exp2()).min(self.delay_max)
    }
}

/// Drops what is nearly forgotten; if that is not enough, half of all, the weakest.
fn make_room(entries: &mut HashMap<u64, Entry>, now: Instant) {
    entries.retain(|_, entry| entry.weight(now) >= WEIGHT_MIN);
    if entries.len() * 4 > ENTRIES_MAX * 3 {
        let mut weights: Vec<f64> = entries.values().map(|entry| entry.weight(now)).collect();
        let middle = weights.len() / 2;
        let (_, median, _) = weights.select_nth_unstable_by(middle, f64::total_cmp);
        let median = *median;
        let mut excess = entries.len() / 2;
        entries.retain(|_, entry| {
            let goes = excess > 0 && entry.weight(now) <= median;
            excess -= usize::from(goes);
            !goes
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn peer(address: &str) -> Peer {
        let address = std::net::SocketAddr::new(address.parse().unwrap(), 40_000);
        Peer { address, local: address, id: 1 }
    }

    fn slowdown() -> Slowdown {
        Slowdown::new(Duration::from_secs(15))
    }

    #[tokio::test(start_paused = true)]
    async fn grows_to_its_limit_and_is_forgotten() {
        let slowdown = slowdown();
        let here = peer("192.0.2.1");
        let mut before = Vec::new();
        for _ in 0..12 {
            before.push(slowdown.before(&here, "ana@example.test").as_millis());
            slowdown.failed(&here, "ana@example.test");
        }
        assert_eq!(before[..7], [0, 0, 0, 500, 1000, 2000, 4000]);
        assert_eq!(before.last(), Some(&15_000));
        tokio::time::advance(Duration::from_secs(3600)).await;
        assert_eq!(slowdown.before(&here, "ana@example.test"), Duration::ZERO);
    }

    #[tokio::test(start_paused = true)]
    async fn the_owner_is_never_slowed_by_strangers() {
        let slowdown = slowdown();
        for n in 0..200 {
            slowdown.failed(&peer(&format!("198.51.100.{n}")), "ana@example.test");
        }
        assert_eq!(slowdown.before(&peer("192.0.2.1"), "ana@example.test"), Duration::ZERO);
        let stranger = slowdown.failed(&peer("203.0.113.1"), "ana@example.test");
        assert_eq!(stranger, Duration::from_secs(15));
    }

    #[tokio::test(start_paused = true)]
    async fn an_own_account_does_not_clear_an_address() {
        let slowdown = slowdown();
        let here = peer("192.0.2.1");
        for n in 0..10 {
            slowdown.failed(&here, &format!("victim{n}@example.test"));
        }
        slowdown.succeeded(&here, "own@example.test");
        assert!(slowdown.before(&here, "ana@example.test") > Duration::from_secs(5));
    }

    #[tokio::test(start_paused = true)]
    async fn the_table_is_bounded() {
        let slowdown = slowdown();
        for n in 0..60_000 {
            slowdown.failed(&peer("192.0.2.1"), &format!("{n}@example.test"));
        }
        assert!(slowdown.entries.lock().unwrap().len() <= ENTRIES_MAX);
    }
}
