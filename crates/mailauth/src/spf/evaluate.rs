//! `check_host` (RFC 7208 §4): the record of a domain, evaluated against one sender.

use super::macros::{MacroString, NAME_OCTETS_MAX, Place, Values};
use super::record::{Directive, Malformed, Mechanism, Prefixes, Qualifier, Record, terms};
use super::{Identity, Limits, Outcome, Sender, Verdict};
use crate::dns::{Answer, Dns, Failure};
use core::{future::Future, net::IpAddr, pin::Pin};

/// One check: what is asked, and what was spent.
struct Check<'a, D> {
    dns: &'a D,
    limits: &'a Limits,
    sender: &'a Sender<'a>,
    /// `<sender>`, with a local part.
    mailbox: &'a str,
    /// `<ip>`, an IPv4 address in IPv6 taken out.
    address: IpAddr,
    lookup_terms: u32,
    void_lookups: u32,
    /// Names of the address that lead back to it; asked once.
    names: Option<Vec<String>>,
}

/// Why the evaluation ends without a match.
enum Stop {
    Temporary(String),
    Permanent(String),
}

/// What a record said.
struct Found {
    verdict: Verdict,
    mechanism: String,
    /// The domain whose record it was, after `redirect`, and its `exp`.
    domain: String,
    explanation: Option<MacroString>,
}

type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// `check_host(<ip>, <domain>, <sender>)`; the domain is that of the mailbox.
pub async fn check_host<D: Dns>(
    dns: &D,
    (sender, mailbox, identity): (&Sender<'_>, &str, Identity),
    limits: &Limits,
) -> Outcome {
    let told = mailbox.rsplit_once('@').map_or(mailbox, |(_, domain)| domain);
    let domain = ascii(told.strip_suffix('.').unwrap_or(told));
    let address = sender.address.to_canonical();
    let mut check = Check {
        dns,
        limits,
        sender,
        mailbox,
        address,
        lookup_terms: 0,
        void_lookups: 0,
        names: None,
    };
    let found = match whole(&domain) {
        true => check.evaluate(domain.clone()).await,
        false => Ok(None),
    };
    let (verdict, mechanism, reason, explanation) = match found {
        Ok(None) => (Verdict::None, None, format!("no record at {domain}"), None),
        Ok(Some(found)) => {
            let explanation = match found.verdict {
                Verdict::Fail => check.explain(&found).await,
                _ => None,
            };
            let reason = reason(&domain, address, &found);
            (found.verdict, Some(found.mechanism), reason, explanation)
        }
        Err(Stop::Temporary(why)) => (Verdict::TempError, None, why, None),
        Err(Stop::Permanent(why)) => (Verdict::PermError, None, why, None),
    };
    let reason = printable(&reason);
    Outcome { verdict, identity, domain: told.to_owned(), mechanism, reason, explanation }
}

/// The sentence for the log.
fn reason(domain: &str, address: IpAddr, found: &Found) -> String {
    let says = match found.verdict {
        Verdict::Pass => "permits",
        Verdict::Fail => "forbids",
        Verdict::SoftFail => "probably forbids",
        _ => "says nothing of",
    };
    format!("{domain} {says} {address}: {}", found.mechanism)
}

/// A domain in A-labels (RFC 7208 §4.3); what is no domain stays, and is not asked.
fn ascii(domain: &str) -> String {
    if domain.is_ascii() {
        return domain.to_owned();
    }
    mail::Domain::parse(domain).map_or_else(|| domain.to_owned(), |parsed| parsed.to_ascii())
}

/// What may be asked at the start: "if the <domain> is malformed (e.g., label longer than 63
/// characters, zero-length label not at the end, etc.) or is not a multi-label domain name"
/// (RFC 7208 §4.3), the result is `none`.
fn whole(domain: &str) -> bool {
    domain.contains('.') && !domain.ends_with(']') && askable(domain)
}

/// Whether DNS has such names.
fn askable(name: &str) -> bool {
    name.len() <= NAME_OCTETS_MAX
        && name.is_ascii()
        && name.split('.').all(|label| (1..=63).contains(&label.len()))
}

fn printable(text: &str) -> String {
    let plain = |c: char| if c.is_ascii_graphic() || c == ' ' { c } else { '?' };
    text.chars().map(plain).collect()
}

impl<D: Dns> Check<'_, D> {
    /// Boxed, since records include records; `lookup_terms_max` bounds how deep.
    fn evaluate(&mut self, domain: String) -> Boxed<'_, Result<Option<Found>, Stop>> {
        Box::pin(async move {
            let Some(record) = self.record(&domain).await? else { return Ok(None) };
            for directive in &record.directives {
                if self.matches(directive, &domain).await? {
                    return Ok(Some(Found {
                        verdict: verdict(directive.qualifier),
                        mechanism: directive.text.clone(),
                        domain,
                        explanation: record.explanation,
                    }));
                }
            }
            if let Some(target) = record.redirect.as_ref().filter(|_| !record.has_all()) {
                return self.redirected(target, &domain).await.map(Some);
            }
            // "If none of the mechanisms match ... "neutral", just as if "?all"" (§4.7).
            let mechanism = "default".to_owned();
            Ok(Some(Found { verdict: Verdict::Neutral, mechanism, domain, explanation: None }))
        })
    }

    /// RFC 7208 §6.1: "if no SPF record is found, or if the <target-name> is malformed, the result
    /// is a "permerror"".
    async fn redirected(&mut self, target: &MacroString, domain: &str) -> Result<Found, Stop> {
        self.count_term()?;
        let name = self.name(Some(target), domain).await;
        let nothing = || Stop::Permanent(format!("redirect={name}: no record there"));
        self.evaluate(name.clone()).await?.ok_or_else(nothing)
    }

    /// RFC 7208 §4.4 and §4.5.
    async fn record(&self, domain: &str) -> Result<Option<Record>, Stop> {
        if !askable(domain) {
            return Ok(None);
        }
        let texts = match self.dns.txt(domain).await {
            Ok(texts) => texts,
            Err(Failure::Temporary) => return Err(unanswered(domain)),
            Err(Failure::NoSuchName | Failure::NoRecords) => return Ok(None),
        };
        let mut records = texts.iter().filter_map(|text| terms(text));
        let Some(found) = records.next() else { return Ok(None) };
        if records.next().is_some() {
            return Err(Stop::Permanent(format!("{domain} has more than one record")));
        }
        let wrong = |Malformed(term)| Stop::Permanent(format!("{domain}: syntax error: {term}"));
        Record::parse(found, self.limits).map(Some).map_err(wrong)
    }

    /// RFC 7208 §5: whether the mechanism matches.
    async fn matches(&mut self, directive: &Directive, domain: &str) -> Result<bool, Stop> {
        match &directive.mechanism {
            Mechanism::All => return Ok(true),
            Mechanism::Network(network, bits) => return Ok(within(self.address, *network, *bits)),
            _ => self.count_term()?,
        }
        match &directive.mechanism {
            Mechanism::All | Mechanism::Network(..) => Ok(false),
            Mechanism::Include(target) => {
                let name = self.name(Some(target), domain).await;
                match self.evaluate(name.clone()).await? {
                    Some(found) => Ok(found.verdict == Verdict::Pass),
                    // The table of §5.2: none gives permerror.
                    None => Err(Stop::Permanent(format!("include:{name}: no record there"))),
                }
            }
            Mechanism::Addresses(target, prefixes) => {
                let name = self.name(target.as_ref(), domain).await;
                let answer = self.addresses(&name, self.address.is_ipv6()).await;
                let found = self.counted(answer, &name)?;
                Ok(found.iter().any(|other| self.near(*other, *prefixes)))
            }
            Mechanism::Exchanges(target, prefixes) => {
                let name = self.name(target.as_ref(), domain).await;
                self.exchange_matches(&name, *prefixes).await
            }
            Mechanism::Pointer(target) => {
                let name = self.name(target.as_ref(), domain).await;
                let names = self.validated().await?;
                Ok(names.iter().any(|validated| is_or_is_below(validated, &name)))
            }
            Mechanism::Exists(target) => {
                let name = self.name(Some(target), domain).await;
                // "The resulting domain name is used for a DNS A RR lookup (even when the
                // connection type is IPv6)" (§5.7).
                let answer = self.addresses(&name, false).await;
                Ok(!self.counted(answer, &name)?.is_empty())
            }
        }
    }

    /// RFC 7208 §5.4. How many there are is looked at first, so that the order of hosts with one
    /// preference, which is random, decides nothing.
    async fn exchange_matches(&mut self, name: &str, prefixes: Prefixes) -> Result<bool, Stop> {
        let answer = match askable(name) {
            true => self.dns.exchanges(name).await,
            false => Err(Failure::NoSuchName),
        };
        let hosts = self.counted(answer, name)?;
        if hosts.len() > self.limits.exchanges_max {
            let max = self.limits.exchanges_max;
            return Err(Stop::Permanent(format!("{name} has more than {max} MX records")));
        }
        for host in hosts.iter().filter(|host| !host.is_empty()) {
            match self.addresses(host, self.address.is_ipv6()).await {
                Ok(found) if found.iter().any(|other| self.near(*other, prefixes)) => {
                    return Ok(true);
                }
                Err(Failure::Temporary) => return Err(unanswered(host)),
                Ok(_) | Err(Failure::NoSuchName | Failure::NoRecords) => {}
            }
        }
        Ok(false)
    }
}

impl<D: Dns> Check<'_, D> {
    /// "SPF implementations MUST limit the total number of those terms to 10 during SPF
    /// evaluation" (RFC 7208 §4.6.4).
    fn count_term(&mut self) -> Result<(), Stop> {
        self.lookup_terms += 1;
        if self.lookup_terms > self.limits.lookup_terms_max {
            let max = self.limits.lookup_terms_max;
            return Err(Stop::Permanent(format!("more than {max} terms that ask DNS")));
        }
        Ok(())
    }

    /// Turns the answer to a term's own question into records, and counts "void lookups": the
    /// number of terms "for which DNS queries return either a positive answer with an answer count
    /// of 0, or a Name Error" (RFC 7208 §4.6.4). So hosts of an `mx` without address do not count.
    fn counted<T>(&mut self, answer: Answer<T>, name: &str) -> Result<Vec<T>, Stop> {
        match answer {
            Ok(records) if !records.is_empty() => Ok(records),
            Err(Failure::Temporary) => Err(unanswered(name)),
            Ok(_) | Err(Failure::NoSuchName | Failure::NoRecords) => {
                self.void_lookups += 1;
                if self.void_lookups > self.limits.void_lookups_max {
                    let max = self.limits.void_lookups_max;
                    return Err(Stop::Permanent(format!("more than {max} lookups found nothing")));
                }
                Ok(Vec::new())
            }
        }
    }

    async fn addresses(&self, name: &str, ipv6: bool) -> Answer<IpAddr> {
        match askable(name) {
            true => self.dns.addresses(name, ipv6).await,
            false => Err(Failure::NoSuchName),
        }
    }

    fn near(&self, other: IpAddr, prefixes: Prefixes) -> bool {
        let bits = if other.is_ipv4() { prefixes.v4 } else { prefixes.v6 };
        within(self.address, other, bits)
    }

    /// `<target-name>`: the `domain-spec` expanded, or the domain itself (RFC 7208 §4.8).
    async fn name(&mut self, target: Option<&MacroString>, domain: &str) -> String {
        let Some(target) = target else { return domain.to_owned() };
        let validated = match target.needs_validated() {
            true => self.validated_name(domain).await,
            false => String::new(),
        };
        target.expand_name(&self.values(domain, &validated))
    }

    fn values<'b>(&'b self, domain: &'b str, validated: &'b str) -> Values<'b> {
        Values {
            sender: self.mailbox,
            domain,
            address: self.address,
            validated,
            helo: self.sender.helo,
            receiver: self.sender.receiver,
            unix_seconds: self.sender.unix_seconds,
        }
    }

    /// Macro `p` (RFC 7208 §7.3): the domain itself if validated, else a name below it, else any;
    /// "if there are no validated domain names or if a DNS error occurs, the string "unknown"".
    async fn validated_name(&mut self, domain: &str) -> String {
        self.learn_names().await;
        let names = self.names.as_deref().unwrap_or_default();
        let same = names.iter().find(|name| name.eq_ignore_ascii_case(domain));
        let below = || names.iter().find(|name| is_or_is_below(name, domain));
        let chosen = same.or_else(below).or_else(|| names.first());
        chosen.map_or_else(|| "unknown".to_owned(), Clone::clone)
    }

    /// The names for a `ptr` term, which counts as void when the address has none.
    async fn validated(&mut self) -> Result<Vec<String>, Stop> {
        let void = self.learn_names().await;
        if void {
            self.counted(Err::<Vec<IpAddr>, _>(Failure::NoRecords), "")?;
        }
        Ok(self.names.clone().unwrap_or_default())
    }

    /// RFC 7208 §5.5: the names of the address that lead back to it. A failure is no match there,
    /// so it makes no name. Says whether the address has no names, when asked just now.
    async fn learn_names(&mut self) -> bool {
        if self.names.is_some() {
            return false;
        }
        let answer = self.dns.names(self.address).await;
        let void = matches!(answer, Err(Failure::NoSuchName | Failure::NoRecords));
        let mut validated = Vec::new();
        // "all records other than the first 10 MUST be ignored" (§4.6.4).
        for name in answer.unwrap_or_default().into_iter().take(self.limits.pointers_max) {
            let found = self.addresses(&name, self.address.is_ipv6()).await.unwrap_or_default();
            if found.iter().any(|other| other.to_canonical() == self.address) {
                validated.push(name);
            }
        }
        self.names = Some(validated);
        void
    }

    /// RFC 7208 §6.2: on any trouble there is no explanation.
    async fn explain(&mut self, found: &Found) -> Option<String> {
        let target = found.explanation.as_ref()?;
        let name = self.name(Some(target), &found.domain).await;
        let texts = if askable(&name) { self.dns.txt(&name).await.ok()? } else { return None };
        let [text] = texts.as_slice() else { return None };
        if text.len() > self.limits.explanation_octets_max {
            return None;
        }
        let text = MacroString::parse(std::str::from_utf8(text).ok()?, Place::Explanation)?;
        let validated = match text.needs_validated() {
            true => self.validated_name(&found.domain).await,
            false => String::new(),
        };
        let said = text.expand(&self.values(&found.domain, &validated));
        (said.len() <= self.limits.explanation_octets_max).then(|| printable(&said))
    }
}

fn unanswered(name: &str) -> Stop {
    Stop::Temporary(format!("DNS did not answer for {name}"))
}

const fn verdict(qualifier: Qualifier) -> Verdict {
    match qualifier {
        Qualifier::Pass => Verdict::Pass,
        Qualifier::Fail => Verdict::Fail,
        Qualifier::SoftFail => Verdict::SoftFail,
        Qualifier::Neutral => Verdict::Neutral,
    }
}

fn is_or_is_below(name: &str, domain: &str) -> bool {
    let Some(at) = name.len().checked_sub(domain.len()) else { return false };
    let Some((before, tail)) = name.split_at_checked(at) else { return false };
    tail.eq_ignore_ascii_case(domain) && (before.is_empty() || before.ends_with('.'))
}

/// Whether the first bits are equal. Addresses of different families never match.
fn within(address: IpAddr, network: IpAddr, bits: u32) -> bool {
    match (address, network) {
        (IpAddr::V4(a), IpAddr::V4(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(32 - bits.min(32)).unwrap_or(0) == 0
        }
        (IpAddr::V6(a), IpAddr::V6(b)) => {
            (a.to_bits() ^ b.to_bits()).checked_shr(128 - bits.min(128)).unwrap_or(0) == 0
        }
        _ => false,
    }
}
