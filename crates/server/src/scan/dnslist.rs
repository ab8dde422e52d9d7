//! DNS lists: who is in a list of addresses or of domains, asked of DNS (RFC 5782).
//!
//! Invariants: an answer counts only when it is one of the list's codes and the configuration says
//! what that code means. What no list would say is a failure, never a listing: answers outside of
//! 127.0.0.0/8 (a domain that was sold, a resolver that lies), 127.0.0.1, which no list has
//! (RFC 5782 §5), and 127.255.255.0/24, with which lists say that they do not answer us. Nothing
//! here asks twice, and what asks of many lists asks them at once.

mod code;
#[cfg(test)]
mod tests;
mod used;

pub use code::{Codes, Effect, Row};
pub use used::Used;

use super::{Action, Failure, Reason, Verdict, plain};
use mailauth::dns::{self, Dns};
use std::{
    fmt::Write as _,
    future::{Future, poll_fn},
    net::{IpAddr, Ipv4Addr},
    task::Poll,
    time::Duration,
};
use tokio::time;

/// Octets of a name that is asked for (RFC 1035 §2.3.4).
const NAME_OCTETS_MAX: usize = 253;
/// Characters of what the sender is told.
const REPLY_CHARS_MAX: usize = 200;
/// Characters of a reason's text.
const TEXT_CHARS_MAX: usize = 900;

/// What a list is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Addresses (RFC 5782 §2).
    Addresses,
    /// Domains (RFC 5782 §3).
    Domains,
}

/// A list.
#[derive(Clone, PartialEq, Debug)]
pub struct List {
    /// Domain that it is under, in A-labels.
    pub zone: String,
    /// What it is of.
    pub kind: Kind,
    /// What its answers mean.
    pub codes: Codes,
}

/// Lists that are asked, and how long.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Settings {
    /// The lists.
    pub lists: Vec<List>,
    /// Seconds for their answers.
    pub seconds: u32,
}

/// Who is asked about.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject<'a> {
    /// A client's address.
    Address(IpAddr),
    /// A domain in A-labels.
    Domain(&'a str),
}

/// What a list says of somebody.
#[derive(Clone, PartialEq, Debug)]
pub enum Listing {
    /// Not there, or with a code that means nothing to us.
    Absent,
    /// There: what that weighs, and the codes.
    Listed(Effect, Vec<Ipv4Addr>),
}

/// The name to ask for: an address's octets, or nibbles, the last one first (RFC 5782 §2.1, §2.4);
/// a domain as it is (§3). `None` when the list is not of such, when a domain is none, and for
/// addresses that no list can have: those of no public network.
#[must_use]
pub fn name(list: &List, subject: Subject<'_>) -> Option<String> {
    match (list.kind, subject) {
        (Kind::Addresses, Subject::Address(address)) if is_public(address) => {
            Some(reversed(address.to_canonical()) + &list.zone)
        }
        (Kind::Domains, Subject::Domain(domain)) => domain_name(domain, &list.zone),
        _ => None,
    }
}

/// Octets, or nibbles, the last one first, each with a dot.
fn reversed(address: IpAddr) -> String {
    let mut name = String::new();
    // Writing to a String does not fail.
    match address {
        IpAddr::V4(address) => {
            for octet in address.octets().iter().rev() {
                let _ = write!(name, "{octet}.");
            }
        }
        IpAddr::V6(address) => {
            for octet in address.octets().iter().rev() {
                let _ = write!(name, "{:x}.{:x}.", octet & 0xF, octet >> 4);
            }
        }
    }
    name
}

fn domain_name(domain: &str, zone: &str) -> Option<String> {
    let domain = domain.trim_end_matches('.').to_ascii_lowercase();
    let is_label = |label: &str| {
        let inner = |byte: u8| byte.is_ascii_alphanumeric() || b"-_".contains(&byte);
        (1..=63).contains(&label.len()) && label.bytes().all(inner)
    };
    // An address is no domain: lists of domains answer such questions with errors.
    let is_domain = domain.split('.').all(is_label) && domain.parse::<IpAddr>().is_err();
    let name = format!("{domain}.{zone}");
    (is_domain && name.len() <= NAME_OCTETS_MAX).then_some(name)
}

/// Whether an address may be in a list: it is nobody's private one.
pub(crate) fn is_public(address: IpAddr) -> bool {
    match address.to_canonical() {
        IpAddr::V4(address) => {
            let [first, second, ..] = address.octets();
            // RFC 6598: shared address space of providers.
            let shared = first == 100 && second & 0xC0 == 64;
            !(address.is_private()
                || address.is_loopback()
                || address.is_link_local()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_broadcast()
                || shared)
        }
        IpAddr::V6(address) => {
            !(address.is_loopback()
                || address.is_unspecified()
                || address.is_multicast()
                || address.is_unique_local()
                || address.is_unicast_link_local())
        }
    }
}

/// What an answer means.
///
/// # Errors
/// DNS fails, or the answer is none that a list gives to those whom it answers.
pub fn read(list: &List, answer: &dns::Answer<IpAddr>) -> Result<Listing, Failure> {
    let answers = match answer {
        Ok(answers) => answers,
        Err(dns::Failure::NoSuchName | dns::Failure::NoRecords) => return Ok(Listing::Absent),
        Err(dns::Failure::Temporary) => {
            return Err(Failure::Unreachable(format!("DNS has no answer from {}", list.zone)));
        }
    };
    if let Some(error) = answers.iter().find(|answer| code::is_code(**answer).is_none()) {
        return Err(Failure::Refused(format!("{} answers {error}", list.zone)));
    }
    let codes: Vec<Ipv4Addr> = answers.iter().copied().filter_map(code::is_code).collect();
    let effect = list.codes.effect(&codes);
    Ok(effect.map_or(Listing::Absent, |effect| Listing::Listed(effect, codes)))
}

/// A list and what came of asking it about somebody.
#[derive(Clone, PartialEq, Debug)]
pub struct Answered<'a> {
    /// The list.
    pub list: &'a List,
    /// Who was asked about.
    pub subject: Subject<'a>,
    /// What it says.
    pub result: Result<Listing, Failure>,
}

/// Asks all lists about all of these at once. Those that have no answer within so many seconds
/// fail; so there is one entry for each list and each subject that it can have.
pub async fn ask<'a>(
    dns: &impl Dns,
    lists: &'a [List],
    subjects: &[Subject<'a>],
    seconds: u32,
) -> Vec<Answered<'a>> {
    let pairs = lists.iter().flat_map(|list| subjects.iter().map(move |subject| (list, *subject)));
    let questions = pairs.filter_map(|(list, subject)| {
        let name = name(list, subject)?;
        Some(async move {
            let answer = within(seconds, dns.addresses(&name, false)).await;
            let result = answer.and_then(|answer| read(list, &answer));
            Answered { list, subject, result }
        })
    });
    all(questions.collect()).await
}

/// What is to be done with mail of somebody who was asked about: it is refused when a list says so;
/// weights are added up. Failures go to the log; they decide nothing.
#[must_use]
pub fn verdict(answers: &[Answered<'_>]) -> Verdict {
    let mut verdict =
        Verdict { reasons: Vec::new(), ..Verdict::noted(Action::Accept, "", String::new()) };
    for Answered { list, subject, result } in answers {
        let (effect, codes) = match result {
            Ok(Listing::Listed(effect, codes)) => (*effect, codes),
            Ok(Listing::Absent) => continue,
            Err(failure) => {
                tracing::warn!("DNS list: {failure}");
                continue;
            }
        };
        let who = match subject {
            Subject::Address(address) => address.to_canonical().to_string(),
            Subject::Domain(domain) => (*domain).to_owned(),
        };
        let score = match effect {
            Effect::Weight(weight) => weight,
            Effect::Reject => {
                verdict.action = Action::Reject;
                verdict.reply.get_or_insert_with(|| {
                    plain(&format!("{who} is listed in {}", list.zone), REPLY_CHARS_MAX)
                });
                0.0
            }
        };
        verdict.score += score;
        let codes: Vec<String> = codes.iter().map(ToString::to_string).collect();
        let text = format!("{who}: {}", codes.join(", "));
        verdict.reasons.push(Reason {
            name: list.zone.clone(),
            score,
            text: plain(&text, TEXT_CHARS_MAX),
        });
    }
    verdict.reasons.sort_by(|left, right| right.score.abs().total_cmp(&left.score.abs()));
    verdict
}

/// How a list looks when it is tried.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Health {
    /// It has the entry that is there to be tried, and not everybody.
    Works,
    /// It does not have that entry: it may be gone, or a list of domains with another entry.
    Untold,
}

/// Tries a list: 127.0.0.2, or TEST, is to be there; 127.0.0.1, or INVALID, is not (RFC 5782 §5).
///
/// # Errors
/// DNS fails; the list answers with an error (`Refused`), or has everybody (`Unclear`).
pub async fn probe(dns: &impl Dns, list: &List, seconds: u32) -> Result<Health, Failure> {
    let zone = &list.zone;
    let (there, absent) = match list.kind {
        Kind::Addresses => {
            // A list of IPv6 alone has the same entry as a mapped address.
            let there = Ipv4Addr::new(127, 0, 0, 2);
            let names = [there.into(), there.to_ipv6_mapped().into()];
            let names = names.map(|address: IpAddr| reversed(address) + zone);
            (names.to_vec(), reversed(Ipv4Addr::LOCALHOST.into()) + zone)
        }
        Kind::Domains => (vec![format!("test.{zone}")], format!("invalid.{zone}")),
    };
    let codes = async |name: &str| match within(seconds, dns.addresses(name, false)).await? {
        Ok(answers) if answers.iter().all(|answer| code::is_code(*answer).is_some()) => Ok(true),
        answer => read(list, &answer).map(|_| false),
    };
    if codes(&absent).await? {
        return Err(Failure::Unclear(format!("{zone} lists everybody")));
    }
    for name in &there {
        if codes(name).await? {
            return Ok(Health::Works);
        }
    }
    Ok(Health::Untold)
}

/// Tries lists and leaves out those that refuse to answer or have everybody; the log says which, and
/// which have no entry to be tried.
pub async fn working(dns: &impl Dns, lists: Vec<List>, seconds: u32) -> Vec<List> {
    let probes = lists.iter().map(|list| probe(dns, list, seconds)).collect();
    let results = all(probes).await;
    let judged = lists.into_iter().zip(results).filter(|(list, result)| match result {
        Ok(Health::Works) => true,
        Ok(Health::Untold) => {
            tracing::warn!("DNS list {} has no test entry", list.zone);
            true
        }
        Err(failure @ (Failure::Unreachable(_) | Failure::Late(_))) => {
            tracing::warn!("DNS list {} not tried: {failure}", list.zone);
            true
        }
        Err(failure) => {
            tracing::error!("DNS list {} not used: {failure}", list.zone);
            false
        }
    });
    judged.map(|(list, _)| list).collect()
}

async fn within<T>(seconds: u32, question: impl Future<Output = T>) -> Result<T, Failure> {
    let late = |_| Failure::Late(seconds);
    time::timeout(Duration::from_secs(seconds.into()), question).await.map_err(late)
}

/// Waits for all of them at once; what they say, in their order.
async fn all<T: Unpin>(futures: Vec<impl Future<Output = T>>) -> Vec<T> {
    let mut waiting: Vec<_> = futures.into_iter().map(|one| (Box::pin(one), None)).collect();
    poll_fn(|context| {
        let mut ready = true;
        for (future, result) in &mut waiting {
            if result.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *result = Some(value),
                    Poll::Pending => ready = false,
                }
            }
        }
        if ready { Poll::Ready(()) } else { Poll::Pending }
    })
    .await;
    waiting.into_iter().filter_map(|(_, result)| result).collect()
}
