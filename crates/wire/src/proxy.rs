//! PROXY protocol headers, versions 1 and 2 (HAProxy's specification of 2020-03-05): what a proxy
//! tells of the client. How many octets belong to a header is known before they are read.
//!
//! Invariant: exactly the header is asked for, never an octet of what follows.

use core::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// The longest header of version 1 with its CRLF, by the specification §2.1.
pub const V1_OCTETS_MAX: usize = 107;
/// The longest rest of a version 2 header that is read: addresses and some TLVs.
pub const V2_OCTETS_MAX: usize = 2048;
/// Octets that tell the version.
pub const START_OCTETS: usize = 12;
/// Octets of a version 2 header in front of its addresses.
const V2_START_OCTETS: usize = 16;
const V2_SIGNATURE: [u8; START_OCTETS] = *b"\r\n\r\n\0\r\nQUIT\n";

/// Client and own address as a proxy told them; `None` when it speaks for itself (health checks).
pub type Told = Option<(SocketAddr, SocketAddr)>;

/// What a header that has come in part needs next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Header {
    /// So many octets more, at least one.
    More(usize),
    /// It is whole.
    Whole(Told),
}

/// Reads what has come of a header.
///
/// # Errors
/// What is wrong with it; nothing that follows is to be believed.
pub fn read(octets: &[u8]) -> Result<Header, &'static str> {
    if octets.len() < START_OCTETS {
        return Ok(Header::More(START_OCTETS - octets.len()));
    }
    if octets.starts_with(&V2_SIGNATURE) { version_2(octets) } else { version_1(octets) }
}

/// The line's end is found octet by octet, so that nothing behind it is taken.
fn version_1(line: &[u8]) -> Result<Header, &'static str> {
    if !line.starts_with(b"PROXY ") {
        return Err("not one");
    }
    let Some(line) = line.strip_suffix(b"\r\n") else {
        let long = line.len() >= V1_OCTETS_MAX;
        return if long { Err("version 1 too long") } else { Ok(Header::More(1)) };
    };
    let text = std::str::from_utf8(line).map_err(|_| "version 1 not ASCII")?;
    line_of_version_1(text).map(Header::Whole)
}

/// `PROXY TCP4 192.0.2.1 192.0.2.2 56324 443`
fn line_of_version_1(line: &str) -> Result<Told, &'static str> {
    let mut words = line.split(' ').skip(1);
    let family = words.next().unwrap_or_default();
    if family == "UNKNOWN" {
        return Ok(None);
    }
    let mut address = || words.next().and_then(|word| word.parse::<IpAddr>().ok());
    let (Some(from), Some(to)) = (address(), address()) else {
        return Err("version 1 addresses");
    };
    let mut port = || words.next().and_then(|word| word.parse::<u16>().ok());
    let (Some(from_port), Some(to_port)) = (port(), port()) else {
        return Err("version 1 ports");
    };
    let is_family = match family {
        "TCP4" => from.is_ipv4() && to.is_ipv4(),
        "TCP6" => from.is_ipv6() && to.is_ipv6(),
        _ => false,
    };
    if !is_family || words.next().is_some() {
        return Err("version 1 family");
    }
    Ok(Some((SocketAddr::new(from, from_port), SocketAddr::new(to, to_port))))
}

fn version_2(octets: &[u8]) -> Result<Header, &'static str> {
    let Some((start, rest)) = octets.split_first_chunk::<V2_START_OCTETS>() else {
        return Ok(Header::More(V2_START_OCTETS - octets.len()));
    };
    let [.., command, family, high, low] = *start;
    let length = usize::from(u16::from_be_bytes([high, low]));
    if length > V2_OCTETS_MAX {
        return Err("version 2 too long");
    }
    if rest.len() < length {
        return Ok(Header::More(length - rest.len()));
    }
    match command {
        0x20 => Ok(Header::Whole(None)),
        0x21 => addresses_of_version_2(family, rest).map(Header::Whole),
        _ => Err("version 2 command"),
    }
}

/// Addresses of §2.2; TLVs behind them are passed over.
fn addresses_of_version_2(family: u8, rest: &[u8]) -> Result<Told, &'static str> {
    let port = |at: usize| {
        rest.get(at..at + 2).and_then(|two| two.try_into().ok()).map(u16::from_be_bytes)
    };
    let v4 = |at: usize| {
        let four: [u8; 4] = rest.get(at..at + 4)?.try_into().ok()?;
        Some(IpAddr::V4(Ipv4Addr::from(four)))
    };
    let v6 = |at: usize| {
        let sixteen: [u8; 16] = rest.get(at..at + 16)?.try_into().ok()?;
        Some(IpAddr::V6(Ipv6Addr::from(sixteen)))
    };
    let parts = match family {
        0x00 => return Ok(None),
        0x11 => (v4(0), v4(4), port(8), port(10)),
        0x21 => (v6(0), v6(16), port(32), port(34)),
        _ => return Err("version 2 family"),
    };
    let (Some(from), Some(to), Some(from_port), Some(to_port)) = parts else {
        return Err("version 2 too short");
    };
    Ok(Some((SocketAddr::new(from, from_port), SocketAddr::new(to, to_port))))
}
