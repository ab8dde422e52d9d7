//! SPF (RFC 7208): may this host send for that domain?
//!
//! Invariants: a record is read whole before the first of its terms is looked up; all lookups are
//! counted against [`Limits`]; a DNS failure is `temperror`, never a pass or a fail. How long a
//! check may take (RFC 7208 §4.6.4: 20 seconds at least) is the caller's: nothing here has a clock.

mod evaluate;
mod macros;
mod record;

use crate::dns::Dns;
use core::net::IpAddr;
use std::fmt;

/// What one check may cost (RFC 7208 §4.6.4).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Terms that ask DNS: `include`, `a`, `mx`, `ptr`, `exists`, `redirect`, included ones too.
    pub lookup_terms_max: u32,
    /// Lookups that found nothing.
    pub void_lookups_max: u32,
    /// Hosts of one `mx` whose addresses are asked.
    pub exchanges_max: usize,
    /// Names of one `ptr`; others are not looked at.
    pub pointers_max: usize,
    /// Length of one record in octets, without its version. No source; a record of that size came
    /// over TCP.
    pub record_octets_max: usize,
    /// Length of an explanation in octets; a longer one is not told.
    pub explanation_octets_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            lookup_terms_max: 10,
            void_lookups_max: 2,
            exchanges_max: 10,
            pointers_max: 10,
            record_octets_max: 16_384,
            explanation_octets_max: 400,
        }
    }
}

/// Who sends, as SMTP told it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Sender<'a> {
    /// The client's address. An IPv4 address in IPv6 (`::ffff:0:0/96`) counts as IPv4.
    pub address: IpAddr,
    /// What HELO or EHLO said.
    pub helo: &'a str,
    /// The reverse-path without angle brackets; empty when it was null.
    pub mail_from: &'a str,
    /// Our own name, for macro `r`.
    pub receiver: &'a str,
    /// Now, for macro `t`.
    pub unix_seconds: u64,
}

/// RFC 7208 §2.6.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Verdict {
    /// No domain to ask, or no record.
    None,
    /// The domain says nothing of this host.
    Neutral,
    /// The host may.
    Pass,
    /// The host may not.
    Fail,
    /// The host probably may not.
    SoftFail,
    /// DNS did not answer.
    TempError,
    /// The record is wrong, or costs too much.
    PermError,
}

/// Which of SMTP's two names was checked.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Identity {
    /// RFC 7208 §2.3.
    Helo,
    /// RFC 7208 §2.4.
    MailFrom,
}

/// What a check found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The result.
    pub verdict: Verdict,
    /// Of which name.
    pub identity: Identity,
    /// The domain that was asked, as SMTP told it.
    pub domain: String,
    /// The mechanism that matched, as the record has it; `default` when none did.
    pub mechanism: Option<String>,
    /// A sentence for the log and for a comment in a header field; printable ASCII.
    pub reason: String,
    /// With `fail`: what the domain says to the sender (RFC 7208 §6.2), which is a stranger's text;
    /// printable ASCII.
    pub explanation: Option<String>,
}

impl Verdict {
    /// The word of RFC 8601 §2.7.2.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Neutral => "neutral",
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::SoftFail => "softfail",
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

/// Checks the name that HELO gave (RFC 7208 §2.3), with local part `postmaster` (§4.3). A literal
/// or a name without a dot is `none`.
pub async fn check_helo<D: Dns>(dns: &D, sender: &Sender<'_>, limits: &Limits) -> Outcome {
    let address = format!("postmaster@{}", sender.helo);
    evaluate::check_host(dns, (sender, &address, Identity::Helo), limits).await
}

/// Checks the reverse-path (RFC 7208 §2.4); a null one is `postmaster` at the HELO name.
pub async fn check_mail_from<D: Dns>(dns: &D, sender: &Sender<'_>, limits: &Limits) -> Outcome {
    let (local, domain) = match sender.mail_from.rsplit_once('@') {
        _ if sender.mail_from.is_empty() => ("postmaster", sender.helo),
        // "If the <sender> has no local-part, substitute the string "postmaster"" (§4.3).
        Some(("", domain)) => ("postmaster", domain),
        Some(parts) => parts,
        None => ("postmaster", sender.mail_from),
    };
    let address = format!("{local}@{domain}");
    evaluate::check_host(dns, (sender, &address, Identity::MailFrom), limits).await
}
