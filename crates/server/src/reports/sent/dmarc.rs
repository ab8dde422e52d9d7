//! DMARC aggregate reports (RFC 9990, RFC 7489 §7.2): what is counted of a message, and what the
//! report says.

use crate::{inbound::Authenticity, scan::Action};
use mail::header;
use mailauth::{
    dmarc::{Alignment, Outcome, Policy, Verdict},
    report::aggregate::{Disposition, Dkim, Published, Reason, Row, Spf},
    spf::{self, Identity},
};
use std::net::IpAddr;

/// Signatures of one message that are reported.
const SIGNATURES_MAX: usize = 10;

/// What is counted of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Counted {
    /// The domain whose record applies, to which the report goes.
    pub domain: String,
    /// What it published, as it is stored.
    pub about: Vec<u8>,
    /// The row, as it is stored.
    pub row: Vec<u8>,
}

/// What is counted of a message from this address of which so much was found, with what DMARC made
/// of it in the end. `None`: nobody asked for a report, or the message is a report itself:
/// otherwise two servers would report reports of reports to each other for ever.
#[must_use]
pub fn counted(
    (source, content): (IpAddr, &[u8]),
    found: &Authenticity,
    done: Action,
) -> Option<Counted> {
    let outcome = found.dmarc.as_ref()?;
    let published = Published::of(outcome)?;
    let (_, record) = outcome.published.as_ref()?;
    let known = !matches!(outcome.verdict, Verdict::TempError | Verdict::PermError);
    let unasked = record.aggregate_reports.is_empty();
    if unasked || !known || outcome.verdict == Verdict::Pass && is_report(content) {
        return None;
    }
    let row = row(source, (found, outcome), done);
    let domain = published.domain.clone();
    Some(Counted { domain, about: stored_published(&published), row: stored_row(&row) })
}

/// RFC 9990 §3.5.2, RFC 8460 §5.3: how the subject of a report begins.
fn is_report(content: &[u8]) -> bool {
    let subject = header::fields(content).find(|field| field.is("Subject"));
    let subject = subject.map(|field| field.unfolded()).unwrap_or_default();
    let start = subject.trim_ascii_start().get(..14).unwrap_or_default();
    start.eq_ignore_ascii_case(b"Report Domain:")
}

fn row(source: IpAddr, (found, outcome): (&Authenticity, &Outcome), done: Action) -> Row {
    let done = match done {
        Action::Accept | Action::Greylist | Action::SoftReject => Policy::None,
        Action::Junk => Policy::Quarantine,
        Action::Reject => Policy::Reject,
    };
    let of_mail_from = |one: &&spf::Outcome| one.identity == Identity::MailFrom;
    let mut row = Row::of(source, (outcome, found.spf.iter().find(of_mail_from)), done);
    if done != outcome.policy {
        // RFC 8617 §7.2.1: an override by ARC is told as a local policy, with the chain.
        let reason = Reason { kind: "local_policy".to_owned(), comment: found.vouched.clone() };
        row.reasons.push(reason);
    }
    let signed = found.dkim.iter().filter(|one| !one.domain.is_empty()).take(SIGNATURES_MAX);
    row.dkim = signed
        .map(|one| Dkim {
            domain: one.domain.clone(),
            selector: one.selector.clone(),
            result: one.outcome.as_str().to_owned(),
            human: None,
        })
        .collect();
    row
}

/// `s`: strict.
type StoredPublished = (String, [Option<String>; 3], [bool; 3], Option<String>);
type StoredRow = (
    IpAddr,
    u8,
    [bool; 2],
    Vec<(String, Option<String>)>,
    (String, Option<String>),
    Vec<(String, String, String)>,
    Vec<(String, String)>,
);

fn stored_published(published: &Published) -> Vec<u8> {
    let policy = |policy: Policy| Some(policy.as_str().to_owned());
    let strict = |alignment: Option<Alignment>| alignment == Some(Alignment::Strict);
    let stored: StoredPublished = (
        published.domain.clone(),
        [
            policy(published.policy),
            published.subdomain_policy.and_then(policy),
            published.nonexistent_policy.and_then(policy),
        ],
        [strict(published.dkim_alignment), strict(published.spf_alignment), published.testing],
        published.failure_options.clone(),
    );
    serde_json::to_vec(&stored).unwrap_or_default()
}

/// What was published, as it was counted with; `None` for damage.
#[must_use]
pub fn published(stored: &[u8]) -> Option<Published> {
    let (domain, [p, sp, np], [dkim, spf, testing], failure_options): StoredPublished =
        serde_json::from_slice(stored).ok()?;
    let policy = |text: Option<String>| text.and_then(|text| Policy::parse(&text));
    let alignment = |strict| Some(if strict { Alignment::Strict } else { Alignment::Relaxed });
    Some(Published {
        domain,
        policy: policy(p)?,
        subdomain_policy: policy(sp),
        nonexistent_policy: policy(np),
        dkim_alignment: alignment(dkim),
        spf_alignment: alignment(spf),
        testing,
        discovery: Some("treewalk".to_owned()),
        failure_options,
    })
}

const DISPOSITIONS: [Disposition; 4] =
    [Disposition::None, Disposition::Pass, Disposition::Quarantine, Disposition::Reject];

fn stored_row(row: &Row) -> Vec<u8> {
    let disposition = (0..).zip(DISPOSITIONS).find(|(_, one)| *one == row.disposition);
    let dkim = |one: &Dkim| (one.domain.clone(), one.selector.clone(), one.result.clone());
    let stored: StoredRow = (
        row.source,
        disposition.map_or(0, |(at, _)| at),
        [row.dkim_aligned, row.spf_aligned],
        row.reasons.iter().map(|one| (one.kind.clone(), one.comment.clone())).collect(),
        (row.header_from.clone(), row.envelope_from.clone()),
        row.dkim.iter().map(dkim).collect(),
        row.spf.iter().map(|one| (one.domain.clone(), one.result.clone())).collect(),
    );
    serde_json::to_vec(&stored).unwrap_or_default()
}

/// A row that was counted; `None` for damage.
#[must_use]
pub fn read_row(stored: &[u8]) -> Option<Row> {
    let (source, disposition, aligned, reasons, from, dkim, spf): StoredRow =
        serde_json::from_slice(stored).ok()?;
    let [dkim_aligned, spf_aligned] = aligned;
    let dkim = dkim.into_iter();
    let dkim =
        dkim.map(|(domain, selector, result)| Dkim { domain, selector, result, human: None });
    let scope = Some(Identity::MailFrom);
    let spf = spf.into_iter().map(|(domain, result)| Spf { domain, scope, result, human: None });
    Some(Row {
        source,
        disposition: *DISPOSITIONS.get(usize::from(disposition))?,
        dkim_aligned,
        spf_aligned,
        reasons: reasons.into_iter().map(|(kind, comment)| Reason { kind, comment }).collect(),
        header_from: from.0,
        envelope_from: from.1,
        envelope_to: None,
        dkim: dkim.collect(),
        spf: spf.collect(),
    })
}
