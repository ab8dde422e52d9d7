//! How many connections there may be: in all, and from one address before login.
//!
//! Invariant: what is taken is given back when its [`Place`] is dropped; the table of addresses
//! holds only addresses that have connections now, so it is bounded by the connections.

use hashbrown::HashMap;
use std::{
    net::{IpAddr, Ipv6Addr},
    sync::{Arc, Mutex, PoisonError},
};

/// Limits of connections.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct ConnectionLimits {
    /// In all.
    pub connections_max: u32,
    /// From one address (IPv6: one /64), not logged in.
    pub connections_per_address_max: u32,
}

/// Why a connection is not taken.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Full {
    /// `connections_max`
    Server,
    /// `connections_per_address_max`
    Address,
    /// Too many in a minute (`inbound.connections_minute_max`).
    Rate,
}

/// Counts connections.
#[derive(Debug)]
pub struct Admission {
    limits: ConnectionLimits,
    counts: Mutex<Counts>,
}

#[derive(Default, Debug)]
struct Counts {
    all: u32,
    by_address: HashMap<IpAddr, u32>,
    /// Connections that are not logged in, by their number.
    strangers: HashMap<u64, IpAddr>,
}

impl Admission {
    /// With these limits.
    #[must_use]
    pub fn new(limits: ConnectionLimits) -> Arc<Self> {
        Arc::new(Self { limits, counts: Mutex::default() })
    }

    /// Takes a place for connection number `id`, whose address is told by [`Place::came_from`].
    pub fn enter(self: &Arc<Self>, id: u64) -> Result<Place, Full> {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        if counts.all >= self.limits.connections_max {
            return Err(Full::Server);
        }
        counts.all += 1;
        drop(counts);
        Ok(Place { admission: Arc::clone(self), id })
    }

    /// Connection `id` is logged in: from now on its account's limit counts, not its address's
    /// (many people of one office share an address).
    pub fn logged_in(&self, id: u64) {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).known(id);
    }

    /// Connections there are.
    #[must_use]
    pub fn connections(&self) -> u32 {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner).all
    }
}

/// A connection's place.
#[derive(Debug)]
pub struct Place {
    admission: Arc<Admission>,
    id: u64,
}

impl Place {
    /// Counts it for the address it comes from, until it is logged in.
    pub fn came_from(&self, address: IpAddr) -> Result<(), Full> {
        let address = network(address);
        let admission = &self.admission;
        let mut counts = admission.counts.lock().unwrap_or_else(PoisonError::into_inner);
        let here = counts.by_address.entry(address).or_insert(0);
        if *here >= admission.limits.connections_per_address_max {
            return Err(Full::Address);
        }
        *here += 1;
        counts.strangers.insert(self.id, address);
        Ok(())
    }
}

impl Counts {
    fn known(&mut self, id: u64) {
        let Some(address) = self.strangers.remove(&id) else { return };
        if let Some(here) = self.by_address.get_mut(&address) {
            *here = here.saturating_sub(1);
            if *here == 0 {
                self.by_address.remove(&address);
            }
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut counts = self.admission.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.known(self.id);
        counts.all = counts.all.saturating_sub(1);
    }
}

/// What counts as one address: an IPv4 address, or an IPv6 /64, which is what one subscriber has.
#[must_use]
pub fn network(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(v4) => IpAddr::V4(v4),
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(
            v6.to_bits() & 0xffff_ffff_ffff_ffff_0000_0000_0000_0000,
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn admission(all: u32, each: u32) -> Arc<Admission> {
        let limits = ConnectionLimits { connections_max: all, connections_per_address_max: each };
        Admission::new(limits)
    }

    #[test]
    fn all_at_the_limit_and_one_more() {
        let admission = admission(2, 2);
        let one = admission.enter(1).unwrap();
        let _two = admission.enter(2).unwrap();
        assert_eq!(admission.enter(3).unwrap_err(), Full::Server);
        drop(one);
        assert!(admission.enter(4).is_ok());
    }

    #[test]
    fn an_address_at_the_limit_and_one_more() {
        let admission = admission(100, 2);
        let here: IpAddr = "2001:db8::1".parse().unwrap();
        let neighbour: IpAddr = "2001:db8::ffff".parse().unwrap();
        let come = |id: u64, address: IpAddr| {
            let place = admission.enter(id).unwrap();
            place.came_from(address).map(|()| place)
        };
        let one = come(1, here).unwrap();
        let _two = come(2, neighbour).unwrap();
        assert_eq!(come(3, here).unwrap_err(), Full::Address);
        assert!(come(4, "2001:db8:0:1::1".parse().unwrap()).is_ok());
        admission.logged_in(1);
        let _five = come(5, here).unwrap();
        drop(one);
        assert_eq!(come(6, here).unwrap_err(), Full::Address);
        assert_eq!(admission.connections(), 2);
    }
}
