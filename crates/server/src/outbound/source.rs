//! Our own addresses: from which one a host is called, and under which name.
//!
//! Invariants: with a list, only addresses of it are called from, and a host whose family is not in
//! it is not called; the same site is called from the same address, so that whoever knows us by it
//! (greylisting, reputation) does again. Nothing here is I/O: the connection binds.

use delivery::queue::backoff::spread;
use std::{cmp::Reverse, net::IpAddr};

/// Settings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sources {
    /// Those that may be used; the system chooses where there are none.
    pub addresses: Vec<IpAddr>,
    /// Names in EHLO, by address.
    pub names: Vec<(IpAddr, String)>,
    /// Addresses of senders' domains, instead of the others.
    pub senders: Vec<(String, Vec<IpAddr>)>,
}

/// From where a host is called.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Source<'a> {
    /// As the system has it.
    Any,
    /// From here, and under this name if it has one of its own.
    From(IpAddr, Option<&'a str>),
    /// Not at all: there is no address of that family.
    None,
}

impl Sources {
    /// The domain whose addresses a sender's mail leaves from; `None`: those of all.
    #[must_use]
    pub fn pool(&self, sender: Option<&str>) -> Option<&str> {
        let sender = sender?;
        let own = self.senders.iter().find(|(domain, _)| domain.eq_ignore_ascii_case(sender));
        own.map(|(domain, _)| domain.as_str())
    }

    /// From where a host may be called for a pool: the first is the site's own, the others are for
    /// when that one may not be used. Never empty.
    #[must_use]
    pub fn choices(&self, pool: Option<&str>, (site, to): (&str, IpAddr)) -> Vec<Source<'_>> {
        let own = pool.and_then(|pool| self.senders.iter().find(|(domain, _)| domain == pool));
        let all = own.map_or(&self.addresses, |(_, addresses)| addresses);
        if all.is_empty() {
            return vec![Source::Any];
        }
        let of_family = all.iter().filter(|one| one.is_ipv4() == to.is_ipv4());
        // Of several each site has its own, whichever others are added (rendezvous hashing).
        let mut ranked: Vec<_> =
            of_family.map(|one| (spread(&format!("{one} {site}"), 0), *one)).collect();
        ranked.sort_by_key(|(rank, _)| Reverse(*rank));
        let source = |(_, address): (u64, IpAddr)| {
            let name = self.names.iter().find(|(of, _)| *of == address);
            Source::From(address, name.map(|(_, name)| name.as_str()))
        };
        if ranked.is_empty() {
            return vec![Source::None];
        }
        ranked.into_iter().map(source).collect()
    }
}

/// `address=name`
#[must_use]
pub fn parse_name(text: &str) -> Option<(IpAddr, &str)> {
    let (address, name) = text.split_once('=')?;
    Some((address.trim().parse().ok()?, name.trim()))
}

/// `domain=address`, with several between commas.
#[must_use]
pub fn parse_sender(text: &str) -> Option<(String, Vec<IpAddr>)> {
    let (domain, addresses) = text.split_once('=')?;
    let domain = domain.trim().to_ascii_lowercase();
    let addresses: Option<Vec<IpAddr>> =
        addresses.split(',').map(|one| one.trim().parse().ok()).collect();
    Some((domain, addresses?)).filter(|(domain, _)| !domain.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    impl Sources {
        fn choose(&self, pool: Option<&str>, to: (&str, IpAddr)) -> Source<'_> {
            self.choices(pool, to)[0]
        }
    }

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    #[test]
    fn a_family_without_an_address_is_not_used() {
        let (four, six) = (ip("192.0.2.9"), ip("2001:db8::9"));
        let one = Sources { addresses: vec![ip("192.0.2.1")], ..Sources::default() };
        assert_eq!(one.choose(None, ("x.test", four)), Source::From(ip("192.0.2.1"), None));
        assert_eq!(one.choose(None, ("x.test", six)), Source::None);
        assert_eq!(Sources::default().choose(None, ("x.test", six)), Source::Any);
    }

    #[test]
    fn a_site_knows_us_by_one_address() {
        let addresses: Vec<IpAddr> = (1..=4).map(|last| ip(&format!("192.0.2.{last}"))).collect();
        let four = Sources { addresses: addresses.clone(), ..Sources::default() };
        let three = Sources { addresses: addresses[..3].to_vec(), ..Sources::default() };
        let mut used = std::collections::BTreeSet::new();
        for number in 0..100 {
            let site = format!("s{number}.test");
            let with = four.choose(None, (&site, ip("198.51.100.1")));
            assert_eq!(with, four.choose(None, (&site, ip("198.51.100.1"))));
            let Source::From(address, _) = with else { panic!("no address") };
            used.insert(address);
            assert_eq!(four.choices(None, (&site, ip("198.51.100.1"))).len(), 4);
            // One more address takes sites over, and moves none between the others.
            if address != addresses[3] {
                assert_eq!(three.choose(None, (&site, ip("198.51.100.1"))), with);
            }
        }
        assert_eq!(used.len(), 4);
    }

    #[test]
    fn names_and_senders() {
        let (default, own) = (ip("192.0.2.1"), ip("192.0.2.7"));
        let all = Sources {
            addresses: vec![default],
            names: vec![(own, "news.test".to_owned())],
            senders: vec![parse_sender("News.test = 192.0.2.7, 2001:db8::7").unwrap()],
        };
        let to = ("x.test", ip("198.51.100.1"));
        assert_eq!(all.pool(Some("NEWS.test")), Some("news.test"));
        assert_eq!((all.pool(Some("a.test")), all.pool(None)), (None, None));
        assert_eq!(all.choose(None, to), Source::From(default, None));
        assert_eq!(all.choose(Some("news.test"), to), Source::From(own, Some("news.test")));
        let six = all.choose(Some("news.test"), ("x.test", ip("2001:db8::1")));
        assert_eq!(six, Source::From(ip("2001:db8::7"), None));
    }

    #[test]
    fn what_is_written() {
        assert_eq!(parse_name("192.0.2.1=a.test"), Some((ip("192.0.2.1"), "a.test")));
        for text in ["", "a.test", "x=a.test"] {
            assert_eq!(parse_name(text), None, "{text}");
        }
        for text in ["", "a.test", "a.test=", "a.test=x", "=192.0.2.1", "a.test=192.0.2.1,"] {
            assert_eq!(parse_sender(text), None, "{text}");
        }
    }
}
