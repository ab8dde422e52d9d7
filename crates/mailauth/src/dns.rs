//! What is asked of DNS, and how it may fail.
//!
//! Names come without a dot at the end, in A-labels, in any case; answers too.

use std::{future::Future, net::IpAddr};

/// Why there is no answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The name does not exist (NXDOMAIN).
    NoSuchName,
    /// The name has no records of this type.
    NoRecords,
    /// Nobody answered in time, SERVFAIL, or an answer that DNSSEC says is forged.
    Temporary,
}

/// Records, one or more.
pub type Answer<T> = Result<Vec<T>, Failure>;

/// Asks DNS.
pub trait Dns: Send + Sync {
    /// TXT records, the strings of each joined without anything between them (RFC 7208 §3.3).
    fn txt(&self, name: &str) -> impl Future<Output = Answer<Vec<u8>>> + Send;

    /// A records, or AAAA.
    fn addresses(&self, name: &str, ipv6: bool) -> impl Future<Output = Answer<IpAddr>> + Send;

    /// Hosts of MX records, by preference; the root is the empty string.
    fn exchanges(&self, name: &str) -> impl Future<Output = Answer<String>> + Send;

    /// Names of PTR records.
    fn names(&self, address: IpAddr) -> impl Future<Output = Answer<String>> + Send;
}
