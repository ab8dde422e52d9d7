//! Who is remembered: a domain that is proven to have sent mail, an address, a network.

use std::{
    fmt,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
};

/// Names a sender. Written and read as `example.org`, `192.0.2.1`, `192.0.2.0/24`,
/// `2001:db8::/64`.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub enum Name {
    /// A domain, in A-labels.
    Domain(String),
    /// A network, its first address and the bits that are its own; one address of IPv4 has 32.
    Place(IpAddr, u8),
}

/// What one subscriber has of IPv6.
const SUBSCRIBER_BITS: u8 = 64;

impl Name {
    /// An address, or the /64 that it is in; a network; a domain. `None` for anything else.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse::<u8>().ok()?)),
            None => (text, None),
        };
        match (address.parse::<IpAddr>(), bits) {
            (Ok(IpAddr::V4(v4)), bits) => {
                let bits = bits.unwrap_or(32);
                let mask = u32::MAX.checked_shl(32_u32.checked_sub(bits.into())?).unwrap_or(0);
                Some(Self::Place(Ipv4Addr::from_bits(v4.to_bits() & mask).into(), bits))
            }
            (Ok(IpAddr::V6(v6)), bits) => {
                let bits = bits.unwrap_or(SUBSCRIBER_BITS);
                let mask = u128::MAX.checked_shl(128_u32.checked_sub(bits.into())?).unwrap_or(0);
                Some(Self::Place(Ipv6Addr::from_bits(v6.to_bits() & mask).into(), bits))
            }
            (Err(_), None) => Some(Self::Domain(mail::Domain::parse(text)?.to_ascii())),
            (Err(_), Some(_)) => None,
        }
    }

    /// Whether it is a domain.
    #[must_use]
    pub const fn is_domain(&self) -> bool {
        matches!(self, Self::Domain(_))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Domain(domain) => f.write_str(domain),
            Self::Place(address, 32) if address.is_ipv4() => address.fmt(f),
            Self::Place(address, bits) => write!(f, "{address}/{bits}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_read_as_they_are_written() {
        for (text, wanted) in [
            ("example.org", "example.org"),
            ("BÜCHER.test", "xn--bcher-kva.test"),
            ("192.0.2.1", "192.0.2.1"),
            ("192.0.2.77/24", "192.0.2.0/24"),
            ("0.0.0.0/0", "0.0.0.0/0"),
            ("2001:db8::1", "2001:db8::/64"),
            ("2001:db8:0:1::1/48", "2001:db8::/48"),
        ] {
            let name = Name::parse(text).unwrap();
            assert_eq!(name.to_string(), wanted);
            assert_eq!(Name::parse(&name.to_string()), Some(name));
        }
        for bad in ["", "192.0.2.1/33", "2001:db8::/129", "example.org/24", "a b", "1.2.3.4/x"] {
            assert_eq!(Name::parse(bad), None, "{bad}");
        }
    }
}
