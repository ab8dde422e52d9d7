//! `iprev` (RFC 8601 §3): does a name of the client's address lead back to it?

use crate::dns::{Dns, Failure};
use core::net::IpAddr;
use std::fmt;

/// Names of an address that are looked at; RFC 8601 §3: "limit ... the number of names", as SPF
/// does (RFC 7208 §4.6.4).
pub const NAMES_MAX: usize = 10;

/// RFC 8601 §2.7.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Verdict {
    /// A name leads back.
    Pass,
    /// There are names and addresses; none is this one.
    Fail,
    /// DNS did not answer.
    TempError,
    /// The address has no name, or its names no address.
    PermError,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The result.
    pub verdict: Verdict,
    /// The address that was looked at.
    pub address: IpAddr,
    /// The name that leads back; without one, the first name of the address.
    pub name: Option<String>,
}

impl Verdict {
    /// The word of RFC 8601 §2.7.3.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

impl fmt::Display for Verdict {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.as_str())
    }
}

/// Asks for the names of an address, and for the addresses of up to [`NAMES_MAX`] of them.
pub async fn check<D: Dns>(dns: &D, address: IpAddr) -> Outcome {
    let address = address.to_canonical();
    let outcome = |verdict, name| Outcome { verdict, address, name };
    let names = match dns.names(address).await {
        Ok(names) => names,
        Err(Failure::Temporary) => return outcome(Verdict::TempError, None),
        Err(Failure::NoSuchName | Failure::NoRecords) => {
            return outcome(Verdict::PermError, None);
        }
    };
    let mut verdict = Verdict::PermError;
    for name in names.iter().take(NAMES_MAX) {
        match dns.addresses(name, address.is_ipv6()).await {
            Ok(found) if found.iter().any(|other| other.to_canonical() == address) => {
                return outcome(Verdict::Pass, Some(name.clone()));
            }
            Ok(_) if verdict == Verdict::PermError => verdict = Verdict::Fail,
            // Silence could have been the name that leads back.
            Err(Failure::Temporary) => verdict = Verdict::TempError,
            Ok(_) | Err(Failure::NoSuchName | Failure::NoRecords) => {}
        }
    }
    outcome(verdict, names.into_iter().next())
}
