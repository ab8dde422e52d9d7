//! DMARC aggregate reports (RFC 9990, RFC 7489 §7.2): what is counted of a message, and what the
//! report says.

use super::{
    message::gzip,
    send::{Fate, Ready, Work},
};
use crate::{
    dns::{Dns, Fault},
    inbound::Authenticity,
    scan::Action,
};
use mail::{Address, header};
use mailauth::{
    dmarc::{Alignment, Outcome, Policy, Record, Verdict},
    report::{
        aggregate::{
            Disposition, Dkim, Published, Reason, Report, Row, Spf, counted as counted_rows,
        },
        destination::{Consent, consent, mail_address},
    },
    spf::{self, Identity},
};
use std::net::IpAddr;

/// Signatures of one message that are reported.
const SIGNATURES_MAX: usize = 10;
/// Addresses that get one report.
const DESTINATIONS_MAX: usize = 10;

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
        (row.header_from.clone(), row.envelope_from.as_deref().map(str::to_lowercase)),
        row.dkim.iter().map(dkim).collect(),
        row.spf.iter().map(|one| (one.domain.to_lowercase(), one.result.clone())).collect(),
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

/// A destination of a record (`dmarc-uri` of RFC 7489 §6.4): its URI, and the octets of the
/// compressed report that it takes at most. RFC 9989 has no limit any more; records do.
///
/// ```abnf
/// dmarc-uri = URI [ "!" 1*DIGIT [ "k" / "m" / "g" / "t" ] ]
/// ```
#[must_use]
pub fn destination(uri: &str) -> (&str, Option<u64>) {
    let Some((plain, limit)) = uri.rsplit_once('!') else { return (uri, None) };
    let digits = limit.trim_end_matches(|c: char| c.is_ascii_alphabetic());
    let unit = limit.get(digits.len()..).unwrap_or_default().to_ascii_lowercase();
    let factor: u64 = match unit.as_str() {
        "" => 1,
        "k" => 1 << 10,
        "m" => 1 << 20,
        "g" => 1 << 30,
        "t" => 1 << 40,
        _ => return (uri, None),
    };
    match digits.parse::<u64>() {
        Ok(number) => (plain, Some(number.saturating_mul(factor))),
        Err(_) => (uri, None),
    }
}

/// Where a domain's reports go, as its record says now, each with the octets that it takes.
///
/// # Errors
/// [`Fate`]: nobody wants a report, or DNS does not answer.
pub(super) async fn destinations(
    dns: &Dns,
    domain: &str,
) -> Result<Vec<(Address, Option<u64>)>, Fate> {
    let texts = match dns.txt(&format!("_dmarc.{domain}")).await {
        Ok(found) => found.records,
        Err(Fault::Temporary(why)) => return Err(Fate::Later(format!("_dmarc.{domain}: {why}"))),
        Err(Fault::NoSuchName | Fault::NoRecords) => Vec::new(),
    };
    let record = texts.iter().find_map(|text| Record::parse(text));
    let uris = record.map(|record| record.aggregate_reports).unwrap_or_default();
    let mut found = Vec::new();
    for uri in &uris {
        let (uri, octets_max) = destination(uri);
        let Some(address) = mail_address(uri) else { continue };
        match consent(dns, domain, &address.domain().to_ascii()).await {
            Consent::Given => found.push((address, octets_max)),
            Consent::Instead(others) => {
                found.extend(others.into_iter().map(|one| (one, octets_max)));
            }
            Consent::Missing => tracing::info!(domain, uri, "takes no reports of this domain"),
            Consent::Unknown => return Err(Fate::Later(format!("{uri}: DNS does not answer"))),
        }
    }
    found.truncate(DESTINATIONS_MAX);
    match found.is_empty() {
        true => Err(Fate::Dropped(format!("{domain} names nobody who takes it"))),
        false => Ok(found),
    }
}

impl Work<'_> {
    /// The report of what was counted; `None` for damage.
    pub(super) fn dmarc_report(&self) -> Option<Ready> {
        let (begin_unix_seconds, end_unix_seconds) = self.range();
        let rows = self.rows.iter().filter_map(|(row, count)| Some((read_row(row)?, *count)));
        let lost = self.tally.lost;
        let told = || format!("{lost} messages have no record here: there were too many kinds");
        let report = Report {
            organization: self.organization(),
            email: self.from.to_string(),
            contact: None,
            id: self.id(),
            begin_unix_seconds,
            end_unix_seconds,
            errors: (lost > 0).then(told).into_iter().collect(),
            generator: Some(format!("Palomar {}", env!("CARGO_PKG_VERSION"))),
            published: published(&self.tally.about)?,
            records: counted_rows(rows),
            records_lost: lost,
        };
        let submitter = self.from.domain().to_ascii();
        Some(Ready {
            content: gzip(report.xml().as_bytes()).ok()?,
            subject: report.subject(&submitter),
            file_name: format!("{}.xml.gz", report.file_name(&submitter)),
            id: report.id,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use mailauth::dkim;

    fn found(record: &str, verdict: Verdict) -> Authenticity {
        let record = Record::parse(record.as_bytes()).unwrap();
        let requested = record.policy;
        let dmarc = Outcome {
            verdict,
            author: "news.a.test".to_owned(),
            organizational: "a.test".to_owned(),
            requested,
            policy: if verdict == Verdict::Fail { requested } else { Policy::None },
            published: Some(("a.test".to_owned(), record)),
            spf_aligned: verdict == Verdict::Pass,
            dkim_aligned: false,
            reason: String::new(),
        };
        let spf = spf::Outcome {
            verdict: spf::Verdict::Pass,
            identity: Identity::MailFrom,
            domain: "a.test".to_owned(),
            mechanism: None,
            reason: String::new(),
            explanation: None,
        };
        let signature = dkim::Verified {
            outcome: dkim::Outcome::Fail,
            domain: "b.test".to_owned(),
            selector: "s".to_owned(),
            identity: String::new(),
            algorithm: String::new(),
            start: String::new(),
            partial_body: false,
            testing: false,
            reason: "",
        };
        Authenticity {
            dmarc: Some(dmarc),
            spf: vec![spf],
            dkim: vec![signature; SIGNATURES_MAX + 1],
            ..Authenticity::default()
        }
    }

    const SOURCE: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));
    const RECORD: &str = "v=DMARC1; p=reject; sp=none; aspf=s; rua=mailto:r@a.test";

    fn count(found: &Authenticity, content: &str, done: Action) -> Option<Row> {
        read_row(&counted((SOURCE, content.as_bytes()), found, done)?.row)
    }

    #[test]
    fn what_is_counted_reads_back() {
        let passed = found(RECORD, Verdict::Pass);
        let counted = counted((SOURCE, b"\r\n"), &passed, Action::Accept).unwrap();
        assert_eq!(counted.domain, "a.test");
        let published = published(&counted.about).unwrap();
        assert_eq!(published, Published::of(passed.dmarc.as_ref().unwrap()).unwrap());
        let row = read_row(&counted.row).unwrap();
        assert_eq!((row.source, row.disposition), (SOURCE, Disposition::Pass));
        assert_eq!((row.dkim_aligned, row.spf_aligned), (false, true));
        assert_eq!(
            (&*row.header_from, row.envelope_from.as_deref()),
            ("news.a.test", Some("a.test"))
        );
        assert_eq!(row.dkim.len(), SIGNATURES_MAX);
        assert_eq!((&*row.dkim[0].selector, &*row.dkim[0].result), ("s", "fail"));
        for end in 0..counted.row.len() {
            assert_eq!(read_row(&counted.row[..end]), None);
        }
    }

    #[test]
    fn rfc9990_what_was_done_otherwise_has_a_reason() {
        let mut failed = found(RECORD, Verdict::Fail);
        let row = count(&failed, "\r\n", Action::Reject).unwrap();
        assert_eq!((row.disposition, row.reasons.len()), (Disposition::Reject, 0));
        let row = count(&failed, "\r\n", Action::Junk).unwrap();
        assert_eq!(
            (row.disposition, &*row.reasons[0].kind),
            (Disposition::Quarantine, "local_policy")
        );
        failed.vouched = Some("arc=pass as[1].d=l.test as[1].s=s".to_owned());
        let row = count(&failed, "\r\n", Action::Accept).unwrap();
        assert_eq!(row.disposition, Disposition::None);
        assert_eq!(row.reasons[0].comment, failed.vouched);
    }

    #[test]
    fn who_did_not_ask_and_reports_are_not_counted() {
        let silent = found("v=DMARC1; p=reject", Verdict::Fail);
        assert_eq!(count(&silent, "\r\n", Action::Reject), None);
        let unknown = found(RECORD, Verdict::TempError);
        assert_eq!(count(&unknown, "\r\n", Action::Accept), None);
        let report = "Subject: Report Domain: a.test Submitter: b.test\r\n\r\n";
        assert_eq!(count(&found(RECORD, Verdict::Pass), report, Action::Accept), None);
        // Who only claims that it is one is counted.
        assert!(count(&found(RECORD, Verdict::Fail), report, Action::Reject).is_some());
    }

    #[test]
    fn rfc7489_6_4_limits_of_octets() {
        assert_eq!(destination("mailto:a@b.test!10m"), ("mailto:a@b.test", Some(10 << 20)));
        assert_eq!(destination("mailto:a@b.test!7"), ("mailto:a@b.test", Some(7)));
        assert_eq!(destination("mailto:a@b.test"), ("mailto:a@b.test", None));
        for odd in ["mailto:a@b.test!", "mailto:a@b.test!m", "mailto:a@b.test!1x", "mailto:a!b@c"] {
            assert_eq!(destination(odd), (odd, None));
        }
    }
}
