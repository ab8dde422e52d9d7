//! A message as the bridge needs it: put together, and read for what it says of itself.

use account::{
    explain::{Check, Explained},
    queue::Language,
};
use bytes::{Bytes, BytesMut};
use delivery::report;

/// The author's domain, if it is proven (DMARC).
pub fn proven(explained: &Explained) -> Option<String> {
    let passed = |check: &&Check| check.method == "dmarc" && check.result == "pass";
    let of = &explained.checks.iter().find(passed)?.of;
    let domain = of.split([' ', ';']).find_map(|part| part.strip_prefix("header.from="))?;
    Some(domain.to_owned())
}

/// Parts, one after the other.
pub fn joined(parts: &[&[u8]]) -> Bytes {
    let octets = parts.iter().map(|part| part.len()).sum();
    let mut whole = BytesMut::with_capacity(octets);
    for part in parts {
        whole.extend_from_slice(part);
    }
    whole.freeze()
}

/// The language that a message says it is in (RFC 3282), for reports about it.
pub fn header_language(head: &[u8]) -> Language {
    let field = mail::header::fields(head).find(|field| field.is("Content-Language"));
    let tags = field.map(|field| String::from_utf8_lossy(&field.unfolded()).into_owned());
    tags.and_then(|tags| report::language(&tags)).unwrap_or_default()
}
