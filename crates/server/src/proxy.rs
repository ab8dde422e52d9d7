//! PROXY protocol, versions 1 and 2 (HAProxy's specification of 2020-03-05): a trusted proxy tells
//! the client's address in front of everything else.
//!
//! Invariants: reads exactly the header, never an octet of what follows; a header that is not
//! understood closes the connection; nothing is read from addresses that are not trusted.

use std::{fmt, io, net::IpAddr};
use tokio::io::{AsyncRead, AsyncReadExt};
use wire::proxy::{self as header, Header, Told};

/// A network in CIDR form, e.g. `10.0.0.0/8`; a lone address is its own network.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    address: IpAddr,
    bits: u8,
}

impl Network {
    /// `None` unless `text` is an address, or an address, `/` and a prefix length that it can have.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address.parse::<IpAddr>().ok()?, Some(bits.parse().ok()?)),
            None => (text.parse().ok()?, None),
        };
        let bits_max = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(bits_max);
        (bits <= bits_max).then_some(Self { address, bits })
    }

    /// Whether an address is in it. An IPv4 address mapped into IPv6 counts as IPv4.
    #[must_use]
    pub fn contains(&self, address: IpAddr) -> bool {
        match (self.address, address.to_canonical()) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                let shift = 32 - u32::from(self.bits);
                let cut = |bits: u32| bits.checked_shr(shift).unwrap_or(0);
                cut(ours.to_bits()) == cut(theirs.to_bits())
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => {
                let shift = 128 - u32::from(self.bits);
                let cut = |bits: u128| bits.checked_shr(shift).unwrap_or(0);
                cut(ours.to_bits()) == cut(theirs.to_bits())
            }
            _ => false,
        }
    }
}

impl fmt::Display for Network {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.address, self.bits)
    }
}

/// Reads a header.
pub async fn read<S: AsyncRead + Unpin>(stream: &mut S) -> io::Result<Told> {
    let mut octets = Vec::new();
    loop {
        match header::read(&octets).map_err(bad)? {
            Header::Whole(told) => return Ok(told),
            Header::More(more) => {
                let start = octets.len();
                octets.resize(start + more, 0);
                stream.read_exact(octets.get_mut(start..).unwrap_or_default()).await?;
            }
        }
    }
}

fn bad(what: &str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("PROXY header: {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use wire::proxy::{V1_OCTETS_MAX, V2_OCTETS_MAX};

    const V2_SIGNATURE: [u8; 12] = *b"\r\n\r\n\0\r\nQUIT\n";

    async fn told(bytes: &[u8]) -> io::Result<(Told, Vec<u8>)> {
        let mut rest = bytes;
        let told = read(&mut rest).await?;
        Ok((told, rest.to_vec()))
    }

    #[tokio::test]
    async fn version_1_reads_its_line_and_no_more() {
        let (found, rest) =
            told(b"PROXY TCP4 192.0.2.1 198.51.100.2 56324 993\r\nA1 NOOP\r\n").await.unwrap();
        let (from, to) = found.unwrap();
        assert_eq!(from.to_string(), "192.0.2.1:56324");
        assert_eq!(to.to_string(), "198.51.100.2:993");
        assert_eq!(rest, b"A1 NOOP\r\n");
        let (found, _) = told(b"PROXY TCP6 2001:db8::1 2001:db8::2 1 2\r\n").await.unwrap();
        assert_eq!(found.unwrap().0.to_string(), "[2001:db8::1]:1");
        assert!(told(b"PROXY UNKNOWN\r\n").await.unwrap().0.is_none());
        assert!(told(b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n").await.unwrap().0.is_none());
    }

    #[tokio::test]
    async fn version_1_refuses_what_it_does_not_know() {
        for line in [
            "A1 LOGIN ana secret\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 56324\r\n",
            "PROXY TCP4 2001:db8::1 2001:db8::2 1 2\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 56324 99999\r\n",
            "PROXY TCP4 192.0.2.1 198.51.100.2 1 2 3\r\n",
        ] {
            assert!(told(line.as_bytes()).await.is_err(), "{line}");
        }
    }

    #[tokio::test]
    async fn version_1_at_its_longest_and_one_more() {
        let padded = |octets: usize| format!("PROXY UNKNOWN {}\r\n", "x".repeat(octets - 16));
        assert!(told(padded(V1_OCTETS_MAX).as_bytes()).await.is_ok());
        assert!(told(padded(V1_OCTETS_MAX + 1).as_bytes()).await.is_err());
    }

    fn v2(command: u8, family: u8, rest: &[u8]) -> Vec<u8> {
        let octets = u16::try_from(rest.len()).unwrap();
        [&V2_SIGNATURE[..], &[command, family], &octets.to_be_bytes(), rest].concat()
    }

    #[tokio::test]
    async fn version_2() {
        let v4 = [192, 0, 2, 1, 198, 51, 100, 2, 0, 80, 3, 225];
        let mut bytes = v2(0x21, 0x11, &v4);
        bytes.extend_from_slice(b"* rest");
        let (found, rest) = told(&bytes).await.unwrap();
        let (from, to) = found.unwrap();
        assert_eq!(
            (from.to_string(), to.to_string()),
            ("192.0.2.1:80".into(), "198.51.100.2:993".into())
        );
        assert_eq!(rest, b"* rest");
        assert!(told(&v2(0x20, 0x11, &v4)).await.unwrap().0.is_none());
        assert!(told(&v2(0x21, 0x11, &v4[..11])).await.is_err());
        assert!(told(&v2(0x22, 0x11, &v4)).await.is_err());
        let with_tlvs = [&v4[..], &[3, 0, 4, 1, 2, 3, 4]].concat();
        assert!(told(&v2(0x21, 0x11, &with_tlvs)).await.unwrap().0.is_some());
    }

    #[tokio::test]
    async fn version_2_at_its_longest_and_one_more() {
        assert!(told(&v2(0x21, 0x11, &[0; V2_OCTETS_MAX])).await.is_ok());
        assert!(told(&v2(0x21, 0x11, &[0; V2_OCTETS_MAX + 1])).await.is_err());
    }

    #[test]
    fn networks() {
        let ten = Network::parse("10.0.0.0/8").unwrap();
        assert!(ten.contains("10.200.0.1".parse().unwrap()));
        assert!(ten.contains("::ffff:10.200.0.1".parse().unwrap()));
        assert!(!ten.contains("11.0.0.1".parse().unwrap()));
        assert!(!ten.contains("fe80::1".parse().unwrap()));
        assert!(Network::parse("0.0.0.0/0").unwrap().contains("203.0.113.9".parse().unwrap()));
        assert!(Network::parse("::1").unwrap().contains("::1".parse().unwrap()));
        assert!(!Network::parse("2001:db8::/32").unwrap().contains("2001:db9::".parse().unwrap()));
        assert!(Network::parse("10.0.0.0/33").is_none());
        assert!(Network::parse("example.org/8").is_none());
    }
}
