//! DMARC aggregate reports (RFC 9990): what a domain hears of mail in its name.

mod read;
mod write;

use super::Unreadable;
use crate::dmarc::{self, Alignment, Policy};
use crate::spf::{self, Identity};
use core::net::IpAddr;
use std::collections::BTreeMap;

/// A report: `feedback`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// Who reports: `org_name`.
    pub organization: String,
    /// Whom to ask: `email`.
    pub email: String,
    /// `extra_contact_info`
    pub contact: Option<String>,
    /// `report_id`
    pub id: String,
    /// `date_range`: seconds since 1970, both in the range.
    pub begin_unix_seconds: u64,
    /// The last second.
    pub end_unix_seconds: u64,
    /// `error`
    pub errors: Vec<String>,
    /// `generator`: the program.
    pub generator: Option<String>,
    /// `policy_published`
    pub published: Published,
    /// `record`
    pub records: Vec<Record>,
    /// Records that were there and could not be read, or were too many.
    pub records_lost: u64,
}

/// What the domain had published.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Published {
    /// Where the record was found.
    pub domain: String,
    /// `p`
    pub policy: Policy,
    /// `sp`
    pub subdomain_policy: Option<Policy>,
    /// `np`
    pub nonexistent_policy: Option<Policy>,
    /// `adkim`
    pub dkim_alignment: Option<Alignment>,
    /// `aspf`
    pub spf_alignment: Option<Alignment>,
    /// `testing`
    pub testing: bool,
    /// `discovery_method`: `psl` or `treewalk`.
    pub discovery: Option<String>,
    /// `fo`
    pub failure_options: Option<String>,
}

/// Messages that are alike, and how many they were.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    /// `count`
    pub count: u64,
    /// What they have in common.
    pub row: Row,
}

/// What is reported of a message.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Row {
    /// `source_ip`
    pub source: IpAddr,
    /// What was done with the message.
    pub disposition: Disposition,
    /// `dkim` of `policy_evaluated`: passed and aligned.
    pub dkim_aligned: bool,
    /// `spf` of `policy_evaluated`.
    pub spf_aligned: bool,
    /// Why something else was done than the domain asked for.
    pub reasons: Vec<Reason>,
    /// `header_from`: the author's domain.
    pub header_from: String,
    /// `envelope_from`: the domain of MAIL FROM.
    pub envelope_from: Option<String>,
    /// `envelope_to`: the domain of the recipient.
    pub envelope_to: Option<String>,
    /// Each signature.
    pub dkim: Vec<Dkim>,
    /// SPF, of MAIL FROM.
    pub spf: Vec<Spf>,
}

/// `disposition`
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Hash)]
pub enum Disposition {
    /// Nothing was done, by policy.
    None,
    /// DMARC passed under a policy that is not `none`.
    Pass,
    /// Marked as suspicious.
    Quarantine,
    /// Refused.
    Reject,
}

/// `reason`: a policy that was overridden.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Reason {
    /// `local_policy`, `mailing_list`, `trusted_forwarder`, `policy_test_mode`, `other`.
    pub kind: String,
    /// For people.
    pub comment: Option<String>,
}

/// What became of a signature.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Dkim {
    /// `d=`
    pub domain: String,
    /// `s=`
    pub selector: String,
    /// A word of RFC 8601 §2.7.1.
    pub result: String,
    /// For people.
    pub human: Option<String>,
}

/// What SPF said.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Spf {
    /// The domain that was asked.
    pub domain: String,
    /// `scope`
    pub scope: Option<Identity>,
    /// A word of RFC 8601 §2.7.2.
    pub result: String,
    /// For people.
    pub human: Option<String>,
}

impl Disposition {
    /// The word of the schema.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::None => "none",
            Self::Pass => "pass",
            Self::Quarantine => "quarantine",
            Self::Reject => "reject",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::None, Self::Pass, Self::Quarantine, Self::Reject]
            .into_iter()
            .find(|one| one.as_str().eq_ignore_ascii_case(text))
    }
}

impl Published {
    /// What an evaluation found published; `None` without a record.
    #[must_use]
    pub fn of(outcome: &dmarc::Outcome) -> Option<Self> {
        let (domain, record) = outcome.published.as_ref()?;
        Some(Self {
            domain: domain.clone(),
            policy: record.policy,
            subdomain_policy: record.subdomain_policy,
            nonexistent_policy: record.nonexistent_policy,
            dkim_alignment: Some(record.dkim_alignment),
            spf_alignment: Some(record.spf_alignment),
            testing: record.testing,
            discovery: Some("treewalk".to_owned()),
            failure_options: Some(record.failure_options.clone()),
        })
    }
}

impl Row {
    /// A message from this address, as DMARC saw it, and SPF of MAIL FROM (HELO is not reported:
    /// "only the MAIL FROM identity is used in DMARC"); `done` is what was done with it in the end.
    /// Signatures, other reasons than `t=y`, and the recipient are for the caller to add.
    #[must_use]
    pub fn of(
        source: IpAddr,
        (outcome, spf): (&dmarc::Outcome, Option<&spf::Outcome>),
        done: Policy,
    ) -> Self {
        let passed = outcome.verdict == dmarc::Verdict::Pass;
        let disposition = match done {
            Policy::None if passed && outcome.requested != Policy::None => Disposition::Pass,
            Policy::None => Disposition::None,
            Policy::Quarantine => Disposition::Quarantine,
            Policy::Reject => Disposition::Reject,
        };
        let spf = spf.filter(|spf| spf.identity == Identity::MailFrom);
        let tested = outcome.policy != outcome.requested && done == outcome.policy;
        let reason = || Reason { kind: "policy_test_mode".to_owned(), comment: None };
        Self {
            source: source.to_canonical(),
            disposition,
            dkim_aligned: outcome.dkim_aligned,
            spf_aligned: outcome.spf_aligned,
            reasons: (tested && !passed).then(reason).into_iter().collect(),
            header_from: outcome.author.clone(),
            envelope_from: spf.map(|spf| spf.domain.clone()),
            envelope_to: None,
            dkim: Vec::new(),
            spf: spf.map(Spf::of).into_iter().collect(),
        }
    }
}

impl Spf {
    fn of(outcome: &spf::Outcome) -> Self {
        Self {
            domain: outcome.domain.clone(),
            scope: Some(outcome.identity),
            result: outcome.verdict.as_str().to_owned(),
            human: None,
        }
    }
}

/// "One record per (IP, result, authenticated identifiers) tuple": counts rows that are alike.
#[must_use]
pub fn counted(rows: impl IntoIterator<Item = (Row, u64)>) -> Vec<Record> {
    let mut counts: BTreeMap<Row, u64> = BTreeMap::new();
    for (row, count) in rows {
        let sum = counts.entry(row).or_default();
        *sum = sum.saturating_add(count);
    }
    counts.into_iter().map(|(row, count)| Record { count, row }).collect()
}

impl Report {
    /// Reads XML, of RFC 9990 or of RFC 7489. What it lacks and nobody needs may be missing.
    ///
    /// # Errors
    /// See [`Unreadable`]; a single bad record is counted in [`Report::records_lost`] instead.
    pub fn parse(xml: &[u8]) -> Result<Self, Unreadable> {
        read::report(xml)
    }

    /// The report as XML in UTF-8. [`Report::records_lost`] is not in it.
    #[must_use]
    pub fn xml(&self) -> String {
        write::xml(self)
    }

    /// The name of its file, without `.xml` or `.xml.gz` (RFC 9990 §3.5.2).
    #[must_use]
    pub fn file_name(&self, receiver: &str) -> String {
        let range = [self.begin_unix_seconds, self.end_unix_seconds];
        super::file_name([receiver, &self.published.domain], range, &self.id)
    }

    /// The subject of its mail.
    #[must_use]
    pub fn subject(&self, submitter: &str) -> String {
        super::subject(&self.published.domain, submitter, &self.id)
    }
}
