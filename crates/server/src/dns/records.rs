//! The records that a domain needs in DNS for its mail, and whether they are there.
//!
//! Invariants: nothing here changes DNS; a name server that does not answer makes a record unknown,
//! never missing.

use super::{Dns, Fault, ascii};
use crate::{outbound::Tlsa, protocol::Protocol, signing, sts};
use account::directory::{DomainKey, KeyState};
use aws_lc_rs::digest::{SHA256, digest};
use mail::Domain;
use serde::{Deserialize, Serialize};
use std::net::IpAddr;

/// Octets of one string of a TXT record (RFC 1035 §3.3.14).
const STRING_OCTETS_MAX: usize = 255;

/// A record that there should be.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[allow(missing_docs)]
pub struct Wanted {
    /// With a dot at its end.
    pub name: String,
    #[serde(rename = "type")]
    pub kind: Kind,
    /// As zone files have it; of TXT the text alone.
    pub data: String,
    /// What it is for.
    pub about: String,
}

/// Types of records.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "UPPERCASE")]
#[allow(missing_docs)]
pub enum Kind {
    Mx,
    Txt,
    Cname,
    Tlsa,
    Srv,
}

/// A record that was looked for.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[allow(missing_docs)]
pub struct Checked {
    #[serde(flatten)]
    pub wanted: Wanted,
    pub state: State,
    /// Why, and what is there instead.
    pub why: String,
}

/// How a record is.
#[derive(Clone, Copy, PartialEq, Eq, Serialize, Deserialize, Debug)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// As it should be.
    Ok,
    /// Something else, which may do.
    Other,
    /// Not there.
    Missing,
    /// DNS did not answer.
    Unknown,
}

/// What the records are made of.
pub struct Facts<'a> {
    /// Our name.
    pub host_name: &'a str,
    /// The MTA-STS policy, if there is one.
    pub sts: Option<&'a sts::Policy>,
    /// What is listened for.
    pub protocols: &'a [Protocol],
    /// The domain's keys.
    pub keys: &'a [DomainKey],
    /// Public keys (SPKI) of the certificates that the host shows.
    pub certificates: &'a [Vec<u8>],
}

/// All records of a domain. Retired keys stay as long as mail signed with them is under way.
#[must_use]
pub fn wanted(domain: &Domain, facts: &Facts<'_>) -> Vec<Wanted> {
    let name = ascii(domain.as_str()).unwrap_or_else(|| domain.to_string());
    let host = facts.host_name;
    let mut all = vec![
        record(name.clone(), Kind::Mx, format!("10 {host}."), "where mail for it is received"),
        record(name.clone(), Kind::Txt, "v=spf1 mx -all".into(), "who sends its mail (SPF)"),
    ];
    if host != name {
        // RFC 7208 §2.3: the name in EHLO is checked as well, and alone for reports.
        let about = "who greets by the host's name (SPF)";
        all.push(record(host.to_owned(), Kind::Txt, "v=spf1 a -all".into(), about));
    }
    for key in facts.keys {
        let Ok(text) = signing::open(domain, key)
            .and_then(|key| key.record().map_err(|error| error.to_string()))
        else {
            continue;
        };
        let about = match key.state {
            KeyState::Waiting => "the next key of its signatures (DKIM)",
            KeyState::Active => "the key of its signatures (DKIM)",
            KeyState::Retired => "an old key, for mail under way (DKIM)",
        };
        all.push(record(format!("{}._domainkey.{name}", key.selector), Kind::Txt, text, about));
    }
    all.push(record(
        format!("_dmarc.{name}"),
        Kind::Txt,
        format!("v=DMARC1; p=quarantine; rua=mailto:postmaster@{name}"),
        "what becomes of forged mail (DMARC)",
    ));
    all.push(record(
        format!("_smtp._tls.{name}"),
        Kind::Txt,
        format!("v=TLSRPTv1; rua=mailto:postmaster@{name}"),
        "who hears of trouble with TLS (TLS-RPT)",
    ));
    if let Some(policy) = facts.sts {
        let id = format!("v=STSv1; id={};", policy.id);
        let about = "that there is an MTA-STS policy, and which";
        all.push(record(format!("_mta-sts.{name}"), Kind::Txt, id, about));
        let about = "where the MTA-STS policy is served";
        all.push(record(format!("mta-sts.{name}"), Kind::Cname, format!("{host}."), about));
    }
    // Of any of the host's certificates: while one follows another both are right.
    for key in facts.certificates {
        let data = digest(&SHA256, key).as_ref().to_vec();
        let tlsa = Tlsa { usage: 3, selector: 1, matching: 1, data }.to_string();
        let about = "the host's key, in a zone signed with DNSSEC (DANE)";
        all.push(record(format!("_25._tcp.{host}"), Kind::Tlsa, tlsa, about));
    }
    all.extend(services(&name, facts));
    all
}

fn record(name: String, kind: Kind, data: String, about: &str) -> Wanted {
    Wanted { name: format!("{name}."), kind, data, about: about.to_owned() }
}

/// Where mail programs find what (RFC 6186, RFC 8314 §5.1).
fn services(name: &str, facts: &Facts<'_>) -> Vec<Wanted> {
    let mut all = Vec::new();
    let served = |protocol| facts.protocols.contains(&protocol);
    for protocol in [Protocol::Imaps, Protocol::Pop3s, Protocol::Submissions, Protocol::Submission]
    {
        let (service, port) = (protocol.name(), protocol.port());
        // RFC 6186 §3.4: a target of the root says that there is none.
        let (data, about) = if served(protocol) {
            (format!("0 1 {port} {}.", facts.host_name), "for mail programs")
        } else {
            ("0 0 0 .".to_owned(), "there is none")
        };
        all.push(record(format!("_{service}._tcp.{name}"), Kind::Srv, data, about));
    }
    for service in ["imap", "pop3"] {
        let about = "there is none without TLS";
        all.push(record(format!("_{service}._tcp.{name}"), Kind::Srv, "0 0 0 .".into(), about));
    }
    if served(Protocol::Https) {
        let data = format!("{}.", facts.host_name);
        let about = "where mail programs learn how they are set up";
        all.push(record(format!("autoconfig.{name}"), Kind::Cname, data, about));
    }
    all
}

impl Wanted {
    /// As a line of a zone file.
    #[must_use]
    pub fn line(&self) -> String {
        let data = match self.kind {
            Kind::Txt => strings(&self.data),
            _ => self.data.clone(),
        };
        let kind = match self.kind {
            Kind::Mx => "MX",
            Kind::Txt => "TXT",
            Kind::Cname => "CNAME",
            Kind::Tlsa => "TLSA",
            Kind::Srv => "SRV",
        };
        format!("{} IN {kind} {data}", self.name)
    }
}

/// A text in strings of 255 octets.
fn strings(text: &str) -> String {
    let escaped = |piece: &[u8]| {
        let piece = String::from_utf8_lossy(piece).replace('\\', "\\\\").replace('"', "\\\"");
        format!("\"{piece}\"")
    };
    let pieces: Vec<String> = text.as_bytes().chunks(STRING_OCTETS_MAX).map(escaped).collect();
    pieces.join(" ")
}

impl Dns {
    /// Looks for records.
    pub async fn check(&self, all: Vec<Wanted>) -> Vec<Checked> {
        let mut checked = Vec::with_capacity(all.len());
        for wanted in all {
            let (state, why) = match self.found(&wanted).await {
                Ok(found) => compare(&wanted, &found),
                Err(Fault::NoSuchName | Fault::NoRecords) => {
                    (State::Missing, "there is none".to_owned())
                }
                Err(Fault::Temporary(why)) => (State::Unknown, why),
            };
            checked.push(Checked { wanted, state, why });
        }
        checked
    }

    async fn found(&self, wanted: &Wanted) -> Result<Vec<String>, Fault> {
        let name = wanted.name.trim_end_matches('.');
        match wanted.kind {
            Kind::Mx => {
                let found = self.exchanges(name).await?.records;
                Ok(found.iter().map(|mx| format!("{} {}.", mx.preference, mx.host)).collect())
            }
            Kind::Txt => {
                let found = self.txt(name).await?.records;
                Ok(found.iter().map(|text| String::from_utf8_lossy(text).into_owned()).collect())
            }
            Kind::Cname => self.leads(name, wanted.data.trim_end_matches('.')).await,
            Kind::Tlsa => {
                let host = name.strip_prefix("_25._tcp.").unwrap_or(name);
                let found = self.tlsa(host, 25).await?;
                if !found.secure {
                    let why = "it is not proven by DNSSEC, so nobody heeds it";
                    return Err(Fault::Temporary(why.to_owned()));
                }
                Ok(found.records.iter().map(ToString::to_string).collect())
            }
            Kind::Srv => Ok(self.services(name).await?.records),
        }
    }
}

impl Dns {
    /// Where an alias leads: the host that is wanted, if any of its addresses is the same; whether
    /// by CNAME or not does not matter.
    async fn leads(&self, name: &str, host: &str) -> Result<Vec<String>, Fault> {
        let found = self.both(name).await?;
        let wanted = self.both(host).await.unwrap_or_default();
        if found.iter().any(|address| wanted.contains(address)) {
            return Ok(vec![format!("{host}.")]);
        }
        Ok(found.iter().map(ToString::to_string).collect())
    }

    async fn both(&self, name: &str) -> Result<Vec<IpAddr>, Fault> {
        let (four, six) = tokio::join!(self.addresses(name, false), self.addresses(name, true));
        match (four, six) {
            (Ok(four), Ok(six)) => Ok([four.records, six.records].concat()),
            (Ok(one), Err(_)) | (Err(_), Ok(one)) => Ok(one.records),
            (Err(_), Err(fault @ Fault::Temporary(_))) | (Err(fault), Err(_)) => Err(fault),
        }
    }
}

/// How what is there is to what should be.
fn compare(wanted: &Wanted, found: &[String]) -> (State, String) {
    let plain = |text: &str| text.split_whitespace().collect::<Vec<_>>().join(" ").to_lowercase();
    if wanted.kind == Kind::Mx {
        // Which preference does not matter, and others may be there too.
        let host = |text: &str| text.split_once(' ').map(|(_, host)| host.to_lowercase());
        let there = found.iter().any(|one| host(one) == host(&wanted.data));
        return if there { (State::Ok, String::new()) } else { (State::Other, told(found)) };
    }
    // Of texts only those with the same beginning are of the same kind.
    let head = wanted.data.split_once([';', ' ']).map_or("", |(head, _)| head);
    let alike: Vec<&String> = match wanted.kind {
        Kind::Txt => found.iter().filter(|one| one.starts_with(head)).collect(),
        _ => found.iter().collect(),
    };
    let keyed = |text: &str| text.chars().filter(|c| !c.is_whitespace()).collect::<String>();
    let same = |one: &&String| {
        plain(one) == plain(&wanted.data)
            || wanted.name.contains("._domainkey.") && keyed(one) == keyed(&wanted.data)
    };
    match alike.len() {
        0 => (State::Missing, "there is none".to_owned()),
        count if count > 1 && wanted.data.starts_with("v=") && head != "v=DKIM1" => {
            (State::Other, "there are several, which makes all of them void".to_owned())
        }
        _ if alike.iter().any(same) => (State::Ok, String::new()),
        _ => (State::Other, told(alike)),
    }
}

fn told<'a>(found: impl IntoIterator<Item = &'a String>) -> String {
    let all: Vec<&str> = found.into_iter().map(String::as_str).collect();
    format!("there is: {}", all.join(" | "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(name: &str, kind: Kind, data: &str) -> Wanted {
        Wanted { name: name.into(), kind, data: data.into(), about: String::new() }
    }

    #[test]
    fn what_is_there_is_compared() {
        let spf = record("a.test.", Kind::Txt, "v=spf1 mx -all");
        let state = |wanted: &Wanted, found: &[&str]| {
            let found: Vec<String> = found.iter().map(|one| (*one).to_owned()).collect();
            compare(wanted, &found).0
        };
        assert_eq!(state(&spf, &["x", "v=spf1  MX -all"]), State::Ok);
        assert_eq!(state(&spf, &["v=spf1 a -all"]), State::Other);
        assert_eq!(state(&spf, &["v=spf1 mx -all", "v=spf1 a"]), State::Other);
        assert_eq!(state(&spf, &["google-site"]), State::Missing);
        let mx = record("a.test.", Kind::Mx, "10 mx.test.");
        assert_eq!(state(&mx, &["5 MX.test.", "20 b.test."]), State::Ok);
        assert_eq!(state(&mx, &["5 b.test."]), State::Other);
        let key = record("s._domainkey.a.test.", Kind::Txt, "v=DKIM1; k=rsa; p=AAAA");
        assert_eq!(state(&key, &["v=DKIM1;k=rsa;p=AA AA"]), State::Ok);
        assert_eq!(state(&key, &["v=DKIM1; k=rsa; p=BBBB"]), State::Other);
    }

    #[test]
    fn rfc1035_3_3_14_strings_at_the_limit_and_beyond() {
        let line = |octets: usize| record("a.", Kind::Txt, &"x".repeat(octets)).line();
        assert_eq!(line(STRING_OCTETS_MAX).matches('"').count(), 2);
        assert_eq!(line(STRING_OCTETS_MAX + 1).matches('"').count(), 4);
        assert_eq!(record("a.", Kind::Txt, "a\"b").line(), "a. IN TXT \"a\\\"b\"");
    }
}
