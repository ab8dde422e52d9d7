//! TLS reports (RFC 8460): what is counted of sessions with a domain's hosts, what the report says,
//! and the ways that it takes: mail, and HTTPS.
//!
//! Invariants: a report goes whatever TLS towards its readers is like (§3), and the sessions that
//! carry it are not counted; nobody makes this server post to its own network by naming it.

use super::{
    message::{Letter, gzip},
    send::{Fate, Ready, Work},
};
use crate::{
    dns::{Dns, Fault},
    outbound::Verifier,
    scan::dnslist::is_public,
};
use account::Error;
use mail::Address;
use mailauth::report::{
    destination::mail_address,
    tls::{self, Failure, Policy, PolicyKind, Report},
};
use reqwest::Url;
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

/// For the whole of a post.
const POST_WITHIN: Duration = Duration::from_secs(60);
/// After so many tries a report that could not be posted goes by mail alone.
const POST_TRIES_MAX: u32 = 3;
/// RFC 8460 §6.4, §6.5
const GZIP: &str = "application/tlsrpt+gzip";

/// A session that failed, as it is counted.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, Debug)]
pub struct Failed {
    /// A word of [`tls::result`].
    pub result: String,
    /// Our address.
    pub sender: Option<String>,
    /// The host.
    pub host: Option<String>,
    /// Its address.
    pub receiver: Option<String>,
    /// What is to be said besides, ASCII.
    pub code: Option<String>,
}

/// A session, as it is counted: those that are alike have one row.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Session {
    /// Under which policy.
    pub kind: PolicyKind,
    /// Its text.
    pub lines: Vec<String>,
    /// Hosts that it is for.
    pub hosts: Vec<String>,
    /// How it failed, if it did.
    pub failed: Option<Failed>,
}

type Stored = (String, Vec<String>, Vec<String>, Option<Failed>);

impl Failed {
    /// With a host.
    #[must_use]
    pub fn new(result: &str, host: &str, code: &str) -> Self {
        let some = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        let (sender, receiver) = (None, None);
        Self { result: result.to_owned(), sender, host: some(host), receiver, code: some(code) }
    }
}

impl Session {
    /// As it is stored.
    #[must_use]
    pub fn stored(&self) -> Vec<u8> {
        let Self { kind, lines, hosts, failed } = self.clone();
        let stored: Stored = (kind.as_str().to_owned(), lines, hosts, failed);
        serde_json::to_vec(&stored).unwrap_or_default()
    }

    /// `None` for damage.
    #[must_use]
    pub fn read(stored: &[u8]) -> Option<Self> {
        let (kind, lines, hosts, failed): Stored = serde_json::from_slice(stored).ok()?;
        let kinds = [PolicyKind::Tlsa, PolicyKind::Sts, PolicyKind::None];
        let kind = kinds.into_iter().find(|one| one.as_str() == kind)?;
        Some(Self { kind, lines, hosts, failed })
    }
}

/// Sessions by the policy that they were under (§4.2: "grouped by policy").
fn policies(domain: &str, rows: impl Iterator<Item = (Session, u64)>) -> Vec<Policy> {
    let mut found: BTreeMap<(PolicyKind, Vec<String>, Vec<String>), Policy> = BTreeMap::new();
    for (Session { kind, lines, hosts, failed }, count) in rows {
        let policy = found.entry((kind, lines.clone(), hosts.clone())).or_insert_with(|| Policy {
            kind,
            lines,
            domain: domain.to_owned(),
            hosts,
            successes: 0,
            failures: 0,
            details: Vec::new(),
        });
        let Some(failed) = failed else {
            policy.successes += count;
            continue;
        };
        policy.failures += count;
        let Failed { result, sender, host, receiver, code } = failed;
        let (helo, more, sessions) = (None, None, count);
        policy.details.push(Failure { result, sender, host, helo, receiver, sessions, more, code });
    }
    found.into_values().collect()
}

/// Who wants a report: by mail, and by HTTPS.
struct Readers {
    mail: Vec<Address>,
    web: Vec<Url>,
}

/// As the domain's record says now (§3).
async fn readers(dns: &Dns, domain: &str) -> Result<Readers, Fate> {
    let name = format!("_smtp._tls.{domain}");
    let texts = match dns.txt(&name).await {
        Ok(found) => found.records,
        Err(Fault::Temporary(why)) => return Err(Fate::Later(format!("{name}: {why}"))),
        Err(Fault::NoSuchName | Fault::NoRecords) => Vec::new(),
    };
    let uris = tls::destinations(&texts).unwrap_or_default();
    let mail: Vec<Address> = uris.iter().filter_map(|uri| mail_address(uri)).collect();
    let web = uris.iter().filter_map(|uri| Url::parse(uri).ok());
    let web: Vec<Url> = web.filter(|url| url.scheme() == "https").collect();
    match mail.is_empty() && web.is_empty() {
        true => Err(Fate::Dropped(format!("{domain} names nobody who takes it"))),
        false => Ok(Readers { mail, web }),
    }
}

/// Gives a report to a web server (§5.4).
async fn post(
    (dns, url): (&Dns, &Url),
    (content, private_networks): (Vec<u8>, bool),
) -> Result<(), String> {
    let host = url.domain().ok_or("it names no host")?;
    let port = url.port_or_known_default().unwrap_or(443);
    let place = dns.host_addresses(host).await.map_err(|why| format!("{host}: {why:?}"))?;
    let addresses = place.addresses.iter().filter(|one| private_networks || is_public(**one));
    let addresses: Vec<SocketAddr> = addresses.map(|one| SocketAddr::new(*one, port)).collect();
    if addresses.is_empty() {
        return Err(format!("{host} has no address that is posted to"));
    }
    // A report of trouble with certificates has to arrive in spite of it.
    let verifier = Verifier::any().map_err(|error| error.to_string())?;
    let client = verifier.https((host, &addresses), POST_WITHIN)?;
    let request = client.post(url.clone()).header(reqwest::header::CONTENT_TYPE, GZIP);
    let answer = request.body(content).send().await.map_err(|error| format!("{error:?}"))?;
    // "A reporting entity SHOULD expect a 'successful' response from the accepting HTTPS server".
    match answer.status().is_success() {
        true => Ok(()),
        false => Err(format!("{host} answered {}", answer.status())),
    }
}

impl Work<'_> {
    /// The report of what was counted.
    fn tls_report(&self) -> Option<Ready> {
        let (begin_unix_seconds, end_unix_seconds) = self.range();
        let rows = self.rows.iter().filter_map(|(row, count)| Some((Session::read(row)?, *count)));
        let domain = &self.tally.id.domain;
        let report = Report {
            organization: self.organization(),
            begin_unix_seconds,
            end_unix_seconds,
            contact: self.from.to_string(),
            id: self.id(),
            policies: policies(domain, rows),
        };
        let submitter = self.from.domain().to_ascii();
        Some(Ready {
            content: gzip(report.json().as_bytes()).ok()?,
            subject: report.subject(&submitter, domain),
            file_name: format!("{}.json.gz", report.file_name(&submitter, domain)),
            id: report.id,
        })
    }

    pub(super) async fn send_tls(&mut self) -> Result<Fate, Error> {
        let domain = self.tally.id.domain.clone();
        let Readers { mail, web } = match readers(self.dns, &domain).await {
            Ok(readers) => readers,
            Err(fate @ Fate::Later(_)) => return Ok(fate),
            Err(fate) => return self.drop(fate.to_string()).await,
        };
        let Some(ready) = self.tls_report() else {
            return self.drop("it cannot be compressed".to_owned()).await;
        };
        let mut failed = Vec::new();
        for url in &web {
            if self.tally.done.iter().any(|done| done == url.as_str()) {
                continue;
            }
            let content = (ready.content.clone(), self.settings().private_networks);
            match post((self.dns, url), content).await {
                Ok(()) => self.tally.done.push(url.to_string()),
                Err(why) => {
                    tracing::info!(domain, %url, why, "TLS report is not taken");
                    failed.push(why);
                }
            }
        }
        let mailed = !mail.is_empty();
        if !failed.is_empty() && (!mailed || self.tally.tries + 1 < POST_TRIES_MAX) {
            return Ok(Fate::Later(failed.join("; ")));
        }
        if !mailed {
            let done = self.tally.done.clone();
            self.context.outbound.close_tally((&self.tally, &self.rows), None).await?;
            return Ok(Fate::Sent(done));
        }
        let sent = self.mail_tls(&mail, &ready).await?;
        Ok(match sent {
            Fate::Sent(to) => Fate::Sent(self.tally.done.iter().cloned().chain(to).collect()),
            other => other,
        })
    }

    /// By mail (§5.3).
    async fn mail_tls(&self, to: &[Address], ready: &Ready) -> Result<Fate, Error> {
        let (domain, submitter) = (&self.tally.id.domain, self.from.domain().to_ascii());
        let text = format!(
            "This is a TLS report: how safely {}\r\n\
             reached the hosts that take mail for {domain}.\r\n",
            self.context.host_name
        );
        let letter = Letter {
            from: &self.from,
            to,
            subject: &ready.subject,
            fields: &[
                ("TLS-Report-Domain", domain),
                ("TLS-Report-Submitter", &submitter),
                // RFC 8689 §5: whatever the domain asks of TLS, as it may be what is told of.
                ("TLS-Required", "No"),
            ],
            multipart: "report; report-type=\"tlsrpt\"",
            text: &text,
            file: (GZIP, &ready.file_name),
        };
        self.queue(letter, (ready, true)).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn session(kind: PolicyKind, failed: Option<Failed>) -> Session {
        Session { kind, lines: vec!["3 1 1 00".to_owned()], hosts: vec!["mx.test".into()], failed }
    }

    #[test]
    fn what_is_counted_reads_back() {
        let failed = Failed::new(tls::result::TLSA_INVALID, "mx.test", "no record");
        let one = session(PolicyKind::Tlsa, Some(failed));
        let stored = one.stored();
        assert_eq!(Session::read(&stored), Some(one));
        for end in 0..stored.len() {
            assert_eq!(Session::read(&stored[..end]), None);
        }
        assert_eq!(Session::read(br#"["other",[],[],null]"#), None);
    }

    #[test]
    fn rfc8460_4_2_sessions_are_grouped_by_policy() {
        let failed = |host| Some(Failed::new(tls::result::CERTIFICATE_EXPIRED, host, ""));
        let rows = [
            (session(PolicyKind::Tlsa, None), 7),
            (session(PolicyKind::Tlsa, failed("a.test")), 2),
            (session(PolicyKind::Tlsa, failed("b.test")), 1),
            (session(PolicyKind::Sts, None), 4),
        ];
        let policies = policies("x.test", rows.into_iter());
        let told: Vec<_> = policies
            .iter()
            .map(|policy| (policy.kind, policy.successes, policy.failures, policy.details.len()))
            .collect();
        assert_eq!(told, [(PolicyKind::Tlsa, 7, 3, 2), (PolicyKind::Sts, 4, 0, 0)]);
        let hosts: Vec<_> = policies[0].details.iter().map(|one| one.host.clone()).collect();
        assert_eq!(hosts, [Some("a.test".to_owned()), Some("b.test".to_owned())]);
    }
}
