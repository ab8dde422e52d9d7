//! What is told of TLS towards a domain's hosts (RFC 8460): each session that was tried, under the
//! policy that it was tried under.
//!
//! Invariants: counted are only sessions that came as far as TLS, of domains that ask for reports;
//! a session is counted once; nothing here decides how a host is spoken to.

use super::{
    super::{
        connection::{Connection, Unreachable},
        dane::Tlsa,
        sts::Policy,
    },
    Outbound,
    policy::Unfetched,
};
use crate::{
    dns::{Dns, ascii},
    reports::sent::tls::{Failed, Session},
};
use mailauth::report::tls::{PolicyKind, destinations, result};
use rustls::CertificateError;
use smtp::client::{Failure, Fault};
use std::{io, net::IpAddr, sync::Arc};

/// Octets of a policy's text that are told; of a longer one, its hosts alone.
const POLICY_OCTETS_MAX: usize = 4 << 10;
/// Characters of what is said of a failure.
const CODE_CHARS_MAX: usize = 200;

/// Under which policy sessions with a domain's hosts are counted.
#[derive(Clone)]
pub(super) struct Told {
    domain: Arc<str>,
    kind: PolicyKind,
    lines: Vec<String>,
    hosts: Vec<String>,
}

impl Told {
    /// Of a domain without a policy.
    pub fn none(domain: &Arc<str>) -> Self {
        let (domain, kind) = (Arc::clone(domain), PolicyKind::None);
        Self { domain, kind, lines: Vec::new(), hosts: Vec::new() }
    }

    /// Under an MTA-STS policy.
    pub fn sts(domain: &Arc<str>, policy: &Policy) -> Self {
        let (lines, hosts) = (kept(&policy.lines), policy.hosts.clone());
        Self { domain: Arc::clone(domain), kind: PolicyKind::Sts, lines, hosts }
    }

    /// Under TLSA records of a host.
    pub fn tlsa(domain: &Arc<str>, host: &str, records: &[Tlsa]) -> Self {
        let lines: Vec<String> = records.iter().map(Tlsa::to_string).collect();
        let (lines, hosts) = (kept(&lines), vec![host.to_owned()]);
        Self { domain: Arc::clone(domain), kind: PolicyKind::Tlsa, lines, hosts }
    }
}

fn kept(lines: &[String]) -> Vec<String> {
    let octets: usize = lines.iter().map(String::len).sum();
    if octets > POLICY_OCTETS_MAX { Vec::new() } else { lines.to_vec() }
}

/// With whom a session was, and from which address of ours.
pub(super) struct Ends<'a> {
    pub host: &'a str,
    pub from: Option<IpAddr>,
    pub to: IpAddr,
}

impl Outbound {
    /// The domain under which sessions are counted: one that asks for TLS reports.
    pub(super) async fn told_domain(&self, dns: &Dns, domain: &str) -> Option<Arc<str>> {
        let domain = ascii(domain).filter(|_| self.tallies.settings().tls)?;
        let texts = dns.txt(&format!("_smtp._tls.{domain}")).await.ok()?;
        destinations(&texts.records).map(|_| Arc::from(domain))
    }

    /// Counts a session, if TLS was tried in it.
    pub(super) fn count_session(
        &self,
        told: &Told,
        ends: &Ends<'_>,
        opened: &Result<Connection, Unreachable>,
    ) {
        let failed = match opened {
            Ok(connection) if connection.tls().is_some() => None,
            Ok(_) => Some((result::STARTTLS_NOT_SUPPORTED, String::new())),
            Err(Unreachable::Connect(_)) => return,
            Err(Unreachable::Tls(error)) => Some((certificate(error), error.to_string())),
            Err(Unreachable::Session(Failure { fault, .. })) => match fault {
                Fault::NoTls => Some((result::STARTTLS_NOT_SUPPORTED, String::new())),
                Fault::Injected => {
                    Some((result::VALIDATION_FAILURE, "octets in clear behind STARTTLS".to_owned()))
                }
                _ => return,
            },
        };
        let failed = failed.map(|(result, code)| Failed {
            sender: ends.from.map(|address| address.to_string()),
            receiver: Some(ends.to.to_string()),
            ..Failed::new(result, ends.host, &shown(&code))
        });
        self.count(told, failed);
    }

    /// Counts a session that did not come about because of what the policy, or DNS, says.
    pub(super) fn count_refused(&self, told: &Told, host: &str, (result, why): (&str, &str)) {
        self.count(told, Some(Failed::new(result, host, &shown(why))));
    }

    /// Counts that a policy could not be had.
    pub(super) fn count_unfetched(&self, domain: &Arc<str>, failure: &Unfetched) {
        let told = Told { kind: PolicyKind::Sts, ..Told::none(domain) };
        let host = format!("mta-sts.{domain}");
        self.count(&told, Some(Failed::new(failure.result, "", &host)));
    }

    fn count(&self, told: &Told, failed: Option<Failed>) {
        let Told { domain, kind, lines, hosts } = told.clone();
        self.tallies.count_session(&domain, &Session { kind, lines, hosts, failed });
    }
}

fn shown(why: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    why.chars().map(plain).take(CODE_CHARS_MAX).collect()
}

/// What a handshake failed with, in a word of RFC 8460 §4.3.1.
fn certificate(error: &io::Error) -> &'static str {
    let tls = error.get_ref().and_then(|inner| inner.downcast_ref::<rustls::Error>());
    let Some(rustls::Error::InvalidCertificate(why)) = tls else {
        return result::VALIDATION_FAILURE;
    };
    match why {
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            result::CERTIFICATE_HOST_MISMATCH
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            result::CERTIFICATE_EXPIRED
        }
        // What our own verifier says: no TLSA record is for the certificate.
        CertificateError::Other(_) => result::TLSA_INVALID,
        _ => result::CERTIFICATE_NOT_TRUSTED,
    }
}

#[cfg(test)]
mod tests {
    use super::{super::super::verify::refused, *};

    #[test]
    fn rfc8460_4_3_1_words_of_failures() {
        let word = |error: rustls::Error| certificate(&io::Error::other(error));
        let of = |why: CertificateError| word(rustls::Error::InvalidCertificate(why));
        assert_eq!(of(CertificateError::NotValidForName), "certificate-host-mismatch");
        assert_eq!(of(CertificateError::Expired), "certificate-expired");
        assert_eq!(of(CertificateError::UnknownIssuer), "certificate-not-trusted");
        assert_eq!(word(refused("no record")), "tlsa-invalid");
        assert_eq!(word(rustls::Error::DecryptError), "validation-failure");
        assert_eq!(certificate(&io::ErrorKind::TimedOut.into()), "validation-failure");
    }

    #[test]
    fn long_policies_are_told_by_their_hosts() {
        assert_eq!(kept(&["a".to_owned()]), ["a"]);
        assert!(kept(&vec!["x".repeat(POLICY_OCTETS_MAX); 2]).is_empty());
        assert_eq!(kept(&["x".repeat(POLICY_OCTETS_MAX)]).len(), 1);
    }
}
