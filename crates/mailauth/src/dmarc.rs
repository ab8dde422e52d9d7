//! DMARC (RFC 9989): did the domain in From send this, and what does it ask for if not?
//!
//! Invariants: nobody's silence makes a fail; a walk asks at most [`QUERIES_MAX`] names, a check
//! walks for at most [`WALKS_MAX`] others. Nothing here accepts or refuses: [`Outcome::policy`] is
//! what the domain asks, and `reject` alone is no reason to refuse (§5.4).

mod record;
mod walk;

pub use record::{Alignment, Policy, PublicSuffix, Record, URIS_MAX};
pub use walk::QUERIES_MAX;

use crate::dns::{Dns, Failure};
use crate::spf;
use std::fmt;
use walk::{Unanswered, Walk, Walker};

/// Domains, of those that SPF and DKIM found, whose organizational domain is looked for; the
/// author's is not counted, nor are those that cannot be near it.
pub const WALKS_MAX: usize = 8;

/// What is known of the message before.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Evidence<'a> {
    /// The domains of all addresses of all From fields, as they stand there.
    pub authors: &'a [&'a str],
    /// What SPF said of the MAIL FROM identity, and of which domain.
    pub spf: Option<(spf::Verdict, &'a str)>,
    /// `d=` of signatures that are good.
    pub dkim_passed: &'a [&'a str],
    /// `d=` of signatures that nobody could check now (`temperror`).
    pub dkim_unanswered: &'a [&'a str],
}

/// RFC 8601 §2.7.1 and RFC 9989 §4.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Verdict {
    /// DMARC does not apply: no record, or not one author domain.
    None,
    /// SPF or DKIM passed for a domain that is aligned.
    Pass,
    /// Neither did.
    Fail,
    /// DNS did not answer, and it would have decided.
    TempError,
    /// The author's domain cannot be a domain.
    PermError,
}

/// What was found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The result.
    pub verdict: Verdict,
    /// The domain in From, in lower case and A-labels; empty if there is not one.
    pub author: String,
    /// Its organizational domain; empty if there was no record.
    pub organizational: String,
    /// The domain whose record applies, and the record.
    pub published: Option<(String, Record)>,
    /// Which of `p`, `sp`, `np` is meant for this author, as it is published.
    pub requested: Policy,
    /// What to do with the message: `None` unless the verdict is fail; one step milder than
    /// published with `t=y`.
    pub policy: Policy,
    /// SPF passed for an aligned domain.
    pub spf_aligned: bool,
    /// DKIM passed for an aligned domain.
    pub dkim_aligned: bool,
    /// A sentence for the log and for a comment in a header field; printable ASCII.
    pub reason: String,
}

impl Verdict {
    /// The word of RFC 8601 §2.7.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
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

impl Outcome {
    fn without_record(verdict: Verdict, author: &str, reason: String) -> Self {
        Self {
            verdict,
            author: author.to_owned(),
            organizational: String::new(),
            published: None,
            requested: Policy::None,
            policy: Policy::None,
            spf_aligned: false,
            dkim_aligned: false,
            reason,
        }
    }
}

/// Evaluates a message (RFC 9989 §5.3).
pub async fn check<D: Dns>(dns: &D, evidence: &Evidence<'_>) -> Outcome {
    let author = match author(evidence.authors) {
        Ok(author) => author,
        Err((verdict, reason)) => return Outcome::without_record(verdict, "", reason.to_owned()),
    };
    let mut walker = Walker::new(dns);
    let walk = match walker.walk(&author).await {
        Ok(walk) => walk,
        Err(silent) => return Outcome::without_record(Verdict::TempError, &author, why(&silent)),
    };
    let Some((domain, record)) = walk.policy().cloned() else {
        let reason = format!("no record for {author}");
        return Outcome::without_record(Verdict::None, &author, reason);
    };
    if record.unusable {
        let reason = format!("the record of {domain} has no valid policy");
        return Outcome::without_record(Verdict::None, &author, reason);
    }
    let mut outcome = Outcome {
        organizational: walk.organizational().to_owned(),
        published: Some((domain.clone(), record.clone())),
        ..Outcome::without_record(Verdict::Fail, &author, String::new())
    };
    let aligned = align(&mut walker, &walk, (evidence, &record)).await;
    outcome.spf_aligned = aligned.spf;
    outcome.dkim_aligned = aligned.dkim;
    let exists = exists(dns, (&author, &domain), &record).await;
    outcome.requested = requested(&record, domain == author, exists.unwrap_or(true));
    (outcome.verdict, outcome.reason) = match (aligned.silent, exists) {
        _ if aligned.spf || aligned.dkim => (Verdict::Pass, passed(&outcome)),
        (Some(why), _) => (Verdict::TempError, why),
        (None, None) => (Verdict::TempError, format!("DNS did not answer for {author}")),
        (None, Some(_)) => (Verdict::Fail, format!("nothing aligned with {author} passed")),
    };
    if outcome.verdict == Verdict::Fail {
        outcome.policy = match record.testing {
            true => outcome.requested.lowered(),
            false => outcome.requested,
        };
    }
    outcome
}

/// The organizational domain of a name (RFC 9989 §4.10.2), in lower case and A-labels; what is no
/// domain is its own.
///
/// # Errors
/// [`Failure::Temporary`] if DNS did not answer.
pub async fn organizational<D: Dns>(dns: &D, domain: &str) -> Result<String, Failure> {
    let Some(start) = name(domain) else { return Ok(domain.to_owned()) };
    let walk = Walker::new(dns).walk(&start).await.map_err(|_| Failure::Temporary)?;
    Ok(walk.organizational().to_owned())
}

fn why(Unanswered(name): &Unanswered) -> String {
    format!("DNS did not answer for {name}")
}

fn passed(outcome: &Outcome) -> String {
    let by = match (outcome.spf_aligned, outcome.dkim_aligned) {
        (true, true) => "SPF and DKIM",
        (true, false) => "SPF",
        _ => "DKIM",
    };
    format!("{by} passed, aligned with {}", outcome.author)
}

/// RFC 9989 §5.3.1: "only proceed with DMARC checking if the domain is identical for all of the
/// addresses"; with several domains a message "MUST be exempt". Without any there is nothing to
/// check.
fn author(domains: &[&str]) -> Result<String, (Verdict, &'static str)> {
    let (first, others) = domains.split_first().ok_or((Verdict::None, "no author domain"))?;
    let author = name(first).ok_or((Verdict::PermError, "the author domain is no domain"))?;
    match others.iter().all(|other| name(other).as_ref() == Some(&author)) {
        true => Ok(author),
        false => Err((Verdict::None, "more than one author domain")),
    }
}

/// A domain in lower case and A-labels. Names too long to be asked with `_dmarc.` are none.
fn name(text: &str) -> Option<String> {
    let text = text.trim();
    let parsed = mail::Domain::parse(text.strip_suffix('.').unwrap_or(text))?;
    let ascii = parsed.to_ascii();
    (!parsed.is_literal() && ascii.len() <= 253 - "_dmarc.".len()).then_some(ascii)
}

/// Which tag speaks of the author (RFC 9989 §4.7: np, else sp, else p).
fn requested(record: &Record, own: bool, exists: bool) -> Policy {
    let below = record.subdomain_policy.unwrap_or(record.policy);
    match (own, exists) {
        (true, _) => record.policy,
        (false, true) => below,
        (false, false) => record.nonexistent_policy.unwrap_or(below),
    }
}

/// Whether the author's domain exists (RFC 8020: NXDOMAIN says no), asked only where it makes a
/// difference; `None` if nobody answered.
async fn exists<D: Dns>(dns: &D, (author, found): (&str, &str), record: &Record) -> Option<bool> {
    if author == found || requested(record, false, true) == requested(record, false, false) {
        return Some(true);
    }
    match dns.addresses(author, false).await {
        Ok(_) | Err(Failure::NoRecords) => Some(true),
        Err(Failure::NoSuchName) => Some(false),
        Err(Failure::Temporary) => None,
    }
}

#[derive(Default)]
struct Aligned {
    spf: bool,
    dkim: bool,
    /// Why the answer may be another one later.
    silent: Option<String>,
}

/// RFC 9989 §4.4. A domain that did not answer makes a `temperror` only if it is aligned: anybody
/// can sign with a domain that is silent.
async fn align<D: Dns>(
    walker: &mut Walker<'_, D>,
    walk: &Walk,
    (evidence, record): (&Evidence<'_>, &Record),
) -> Aligned {
    let mut aligned = Aligned::default();
    let mut walks_left = WALKS_MAX;
    let mut identified: Vec<(String, Alignment, Fact)> = Vec::new();
    let mut add = |domain: &str, mode, fact| {
        identified.extend(name(domain).map(|ascii| (ascii, mode, fact)));
    };
    for domain in evidence.dkim_passed {
        add(domain, record.dkim_alignment, Fact::Dkim);
    }
    match evidence.spf {
        Some((spf::Verdict::Pass, domain)) => add(domain, record.spf_alignment, Fact::Spf),
        Some((spf::Verdict::TempError, domain)) => add(domain, record.spf_alignment, Fact::Silent),
        _ => {}
    }
    for domain in evidence.dkim_unanswered {
        add(domain, record.dkim_alignment, Fact::Silent);
    }
    // The nearest first: what is equal to the author costs nothing.
    identified.sort_by_key(|(domain, _, _)| *domain != *walk.start());
    for (domain, mode, fact) in identified {
        let near = match mode {
            Alignment::Strict => Ok(domain == *walk.start()),
            Alignment::Relaxed => relaxed(walker, walk, (&domain, &mut walks_left)).await,
        };
        match (near, fact) {
            (Ok(true), Fact::Spf) => aligned.spf = true,
            (Ok(true), Fact::Dkim) => aligned.dkim = true,
            (Ok(true), Fact::Silent) => {
                aligned.silent = Some(format!("DNS did not answer for {domain}"));
            }
            (Ok(false), _) => {}
            (Err(silent), _) => aligned.silent = Some(why(&silent)),
        }
    }
    aligned
}

/// What SPF or DKIM said of a domain.
#[derive(Clone, Copy)]
enum Fact {
    Spf,
    Dkim,
    Silent,
}

/// Whether both have one organizational domain. Only a name at or below the author's can, so no
/// other is asked.
async fn relaxed<D: Dns>(
    walker: &mut Walker<'_, D>,
    walk: &Walk,
    (domain, walks_left): (&str, &mut usize),
) -> Result<bool, Unanswered> {
    let organizational = walk.organizational();
    if domain == walk.start() {
        return Ok(true);
    }
    let before = domain.strip_suffix(organizational);
    if !before.is_some_and(|before| before.is_empty() || before.ends_with('.')) || *walks_left == 0
    {
        return Ok(false);
    }
    *walks_left -= 1;
    Ok(walker.walk(domain).await?.organizational() == organizational)
}
