//! How much may come from one place by port 25: connections, messages, recipients, and recipients
//! that are nobody's (whoever tries out names).
//!
//! Each count is a bucket that leaks (the generic cell rate algorithm): the whole limit at once,
//! then as many as leak out with time. A place is an address (IPv6: a /64) and, with a multiple of
//! its limits, the network around it (IPv4: a /24, IPv6: a /48).
//!
//! Invariants: memory is bounded by `networks_max`, and by `reputation.senders_max` places of bad
//! repute, which may do a part of it; a place about which nothing is known may do what the limits
//! say.

use crate::proxy::Network;
use hashbrown::{HashMap, HashSet};
use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Instant,
};

const MINUTE: u64 = 60_000;
const HOUR: u64 = 60 * MINUTE;
/// Places that are looked at to find one that may be forgotten.
const SAMPLE: usize = 16;

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Act {
    /// A connection, per minute.
    Connection,
    /// A message (MAIL), per hour.
    Message,
    /// A recipient (RCPT), per hour.
    Recipient,
    /// A recipient that is not here, per hour. Who has too many hears nothing of any recipient.
    Unknown,
}

const ACTS: usize = 4;

impl Act {
    /// The setting that limits it.
    #[must_use]
    pub const fn setting(self) -> &'static str {
        match self {
            Self::Connection => "inbound.connections_minute_max",
            Self::Message => "inbound.messages_hour_max",
            Self::Recipient => "inbound.recipients_hour_max",
            Self::Unknown => "inbound.unknown_recipients_hour_max",
        }
    }
}

/// Settings. Of each limit, 0 means any number.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Limits {
    /// Connections of an address in a minute.
    pub connections_minute_max: u32,
    /// Messages of an address in an hour.
    pub messages_hour_max: u32,
    /// Recipients that an address names in an hour.
    pub recipients_hour_max: u32,
    /// Of these, recipients that are not here.
    pub unknown_recipients_hour_max: u32,
    /// A network may do so many times what an address may.
    pub network_times_max: u32,
    /// Addresses and networks that are remembered.
    pub networks_max: u32,
    /// Networks without limits.
    pub exempt: Vec<Network>,
    /// What a place of bad repute may do of all that, in percent.
    pub slowed_percent: u32,
}

impl Limits {
    /// Whether there are none for an address.
    #[must_use]
    pub fn exempts(&self, address: IpAddr) -> bool {
        self.exempt.iter().any(|network| network.contains(address))
    }

    /// How many, in how many milliseconds.
    const fn of(&self, act: Act) -> (u32, u64) {
        match act {
            Act::Connection => (self.connections_minute_max, MINUTE),
            Act::Message => (self.messages_hour_max, HOUR),
            Act::Recipient => (self.recipients_hour_max, HOUR),
            Act::Unknown => (self.unknown_recipients_hour_max, HOUR),
        }
    }
}

/// The buckets of a place: when each will have leaked out, in microseconds of the caller's clock.
type Buckets = [u64; ACTS];

/// A network: its first address, and the bits that are its own.
pub type Place = (IpAddr, u8);

/// Counts what comes.
#[derive(Debug)]
pub struct Rates {
    limits: Limits,
    begun: Instant,
    places: Mutex<HashMap<Place, Buckets>>,
    /// Those of bad repute.
    slowed: Mutex<HashSet<Place>>,
}

impl Default for Rates {
    /// Without limits.
    fn default() -> Self {
        Self::new(Limits::default())
    }
}

impl Rates {
    /// With these limits.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, begun: Instant::now(), places: Mutex::default(), slowed: Mutex::default() }
    }

    /// Milliseconds since it was made: the time of acts.
    #[must_use]
    pub fn now(&self) -> u64 {
        u64::try_from(self.begun.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Counts an act at a time ([`Rates::now`]), and says whether it is within the limits. What is
    /// not is not counted.
    pub fn admit(&self, address: IpAddr, act: Act, now: u64) -> bool {
        self.look(address, act, (now, true))
    }

    /// Whether an act would be admitted.
    #[must_use]
    pub fn would_admit(&self, address: IpAddr, act: Act, now: u64) -> bool {
        self.look(address, act, (now, false))
    }

    fn slowed(&self) -> MutexGuard<'_, HashSet<Place>> {
        self.slowed.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A place may do a part of what others may, or all of it again.
    pub fn slow(&self, place: Place, slow: bool) {
        let mut slowed = self.slowed();
        if slow {
            slowed.insert(place);
        } else {
            slowed.remove(&place);
        }
    }

    /// These places may do a part of what others may, and nobody else.
    pub fn slow_alone(&self, places: Vec<Place>) {
        *self.slowed() = places.into_iter().collect();
    }

    /// How many of so many acts a place may do.
    fn share(&self, place: &Place, limit: u64) -> u64 {
        if self.limits.slowed_percent >= 100 || !self.slowed().contains(place) {
            return limit;
        }
        (limit.saturating_mul(self.limits.slowed_percent.into()) / 100).max(1)
    }

    fn look(&self, address: IpAddr, act: Act, (now, count): (u64, bool)) -> bool {
        let (limit, period) = self.limits.of(act);
        if limit == 0 || self.limits.exempts(address) {
            return true;
        }
        let now = now.saturating_mul(1_000);
        let period = period * 1_000;
        let mut places = self.places.lock().unwrap_or_else(PoisonError::into_inner);
        let times = u64::from(self.limits.network_times_max.max(1));
        let both = [(place(address), 1), (around(address), times)];
        let mut filled = [0; 2];
        for ((place, times), filled) in both.iter().zip(&mut filled) {
            let most = self.share(place, u64::from(limit) * times);
            let step = period / most.max(1);
            let buckets = places.get(place).copied().unwrap_or_default();
            *filled = buckets.get(act as usize).copied().unwrap_or(0).max(now) + step;
            // The bucket is full when more would leak out than a period lets.
            if *filled > now + step * most {
                return false;
            }
        }
        if count {
            for ((place, _), filled) in both.iter().zip(filled) {
                self.make_room(&mut places, place, now);
                let buckets = places.entry(*place).or_default();
                if let Some(bucket) = buckets.get_mut(act as usize) {
                    *bucket = filled;
                }
            }
        }
        true
    }

    /// Forgets what has leaked out, and, when that is not enough, the emptiest of some places.
    fn make_room(&self, places: &mut HashMap<Place, Buckets>, place: &Place, now: u64) {
        let max = usize::try_from(self.limits.networks_max.max(2)).unwrap_or(usize::MAX);
        if places.len() < max || places.contains_key(place) {
            return;
        }
        let last = |buckets: &Buckets| buckets.iter().copied().max().unwrap_or(0);
        places.retain(|_, buckets| last(buckets) > now);
        if places.len() >= max {
            let sample = places.iter().take(SAMPLE);
            let emptiest = sample.min_by_key(|(_, buckets)| last(buckets)).map(|(key, _)| *key);
            if let Some(key) = emptiest {
                places.remove(&key);
            }
        }
    }
}

/// An address, or what one subscriber has of IPv6.
pub(super) fn place(address: IpAddr) -> Place {
    match address.to_canonical() {
        IpAddr::V4(v4) => (IpAddr::V4(v4), 32),
        IpAddr::V6(v6) => (cut_v6(v6, 64), 64),
    }
}

/// The network around it.
pub(super) fn around(address: IpAddr) -> Place {
    match address.to_canonical() {
        IpAddr::V4(v4) => (IpAddr::V4(Ipv4Addr::from_bits(v4.to_bits() & 0xffff_ff00)), 24),
        IpAddr::V6(v6) => (cut_v6(v6, 48), 48),
    }
}

fn cut_v6(address: Ipv6Addr, bits: u32) -> IpAddr {
    IpAddr::V6(Ipv6Addr::from_bits(address.to_bits() & (u128::MAX << (128 - bits))))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rates(limits: Limits) -> Rates {
        Rates::new(limits)
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn an_address_at_its_limit_and_one_more_and_what_leaks_out() {
        let limits = Limits { connections_minute_max: 3, networks_max: 100, ..Limits::default() };
        let rates = rates(Limits { network_times_max: 4, ..limits });
        let here = ip("192.0.2.1");
        for at in 0..3 {
            assert!(rates.admit(here, Act::Connection, at), "{at}");
        }
        assert!(!rates.would_admit(here, Act::Connection, 3));
        assert!(!rates.admit(here, Act::Connection, 3));
        // A third of a minute later there is room for one.
        assert!(rates.admit(here, Act::Connection, 20_001));
        assert!(!rates.admit(here, Act::Connection, 20_002));
        // Other acts and addresses have their own.
        assert!(rates.admit(here, Act::Message, 20_002));
        assert!(rates.admit(ip("192.0.2.2"), Act::Connection, 20_002));
        // Any time later all of it.
        assert!((0..3).all(|_| rates.admit(here, Act::Connection, 1 << 40)));
        assert!(!rates.admit(here, Act::Connection, 1 << 40));
    }

    #[test]
    fn a_network_at_its_limit_and_one_more() {
        for (neighbours, far) in [
            (["192.0.2.1", "192.0.2.2", "192.0.2.3"], "192.0.3.1"),
            (["2001:db8::1", "2001:db8:0:1::1", "2001:db8:0:2::1"], "2001:db8:1::1"),
        ] {
            let rates = rates(Limits {
                messages_hour_max: 2,
                network_times_max: 2,
                networks_max: 100,
                ..Limits::default()
            });
            for address in [neighbours[0], neighbours[0], neighbours[1], neighbours[1]] {
                assert!(rates.admit(ip(address), Act::Message, 0));
            }
            assert!(!rates.admit(ip(neighbours[2]), Act::Message, 0));
            assert!(rates.admit(ip(far), Act::Message, 0));
        }
    }

    #[test]
    fn one_subscriber_of_ipv6_is_one_place() {
        let rates = rates(Limits {
            messages_hour_max: 1,
            network_times_max: 9,
            networks_max: 100,
            ..Limits::default()
        });
        assert!(rates.admit(ip("2001:db8::1"), Act::Message, 0));
        assert!(!rates.admit(ip("2001:db8::ffff:1"), Act::Message, 0));
        assert!(rates.admit(ip("::ffff:192.0.2.1"), Act::Message, 0));
        assert!(!rates.admit(ip("192.0.2.1"), Act::Message, 0));
    }

    #[test]
    fn no_limit_and_exempt_networks() {
        let rates = rates(Limits {
            messages_hour_max: 1,
            networks_max: 100,
            exempt: vec![Network::parse("127.0.0.0/8").unwrap()],
            ..Limits::default()
        });
        assert!((0..9).all(|_| rates.admit(ip("127.0.0.1"), Act::Message, 0)));
        assert!((0..9).all(|_| rates.admit(ip("192.0.2.1"), Act::Recipient, 0)));
        assert!(rates.places.lock().unwrap().is_empty());
    }

    #[test]
    fn a_place_of_bad_repute_may_do_a_part_of_it() {
        let rates = rates(Limits {
            messages_hour_max: 8,
            connections_minute_max: 1,
            network_times_max: 4,
            networks_max: 100,
            slowed_percent: 25,
            ..Limits::default()
        });
        let admitted =
            |from: &str| (0..99).filter(|_| rates.admit(ip(from), Act::Message, 0)).count();
        rates.slow(place(ip("192.0.2.1")), true);
        assert_eq!((admitted("192.0.2.1"), admitted("192.0.2.2")), (2, 8));
        assert!(rates.admit(ip("192.0.2.1"), Act::Connection, 0), "never nothing");
        rates.slow(place(ip("192.0.2.1")), false);
        assert_eq!(admitted("192.0.2.1"), 0, "what it did in that time is not less for it");
        // Of a network, what all of it may do.
        rates.slow_alone(vec![around(ip("198.51.100.1"))]);
        assert_eq!((admitted("198.51.100.1"), admitted("198.51.100.2")), (8, 0));
        rates.slow_alone(Vec::new());
        assert!((0..8).all(|_| rates.admit(ip("198.51.100.2"), Act::Message, HOUR)));
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let rates = rates(Limits {
            messages_hour_max: 1,
            network_times_max: 1_000,
            networks_max: 50,
            ..Limits::default()
        });
        for number in 0..10_000 {
            rates.admit(IpAddr::V4(Ipv4Addr::from_bits(number * 256)), Act::Message, 0);
            assert!(rates.places.lock().unwrap().len() <= 50);
        }
    }
}
