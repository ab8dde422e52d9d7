//! What others report about our domains, summed up for whoever runs the server.

use super::{Failure, Reply, Request, perform::Admin};
use crate::reports::{received::Desk, unpack::Report};
use mailauth::report::{
    aggregate::{self, Disposition},
    tls,
};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// Addresses, and kinds of failures, that are told of one domain, the most frequent first.
const ROWS_MAX: usize = 1_000;

/// Addresses that are counted of one domain.
const SOURCES_MAX: usize = 100_000;

/// What is reported about a domain.
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
pub struct DomainReports {
    /// The domain.
    pub domain: String,
    /// Of mail in its name.
    pub mail: MailReports,
    /// Of TLS on the way to it.
    pub tls: TlsReports,
    /// Reports whose sender was not proven: they are not counted.
    pub unproven: u64,
}

/// DMARC aggregate reports.
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
pub struct MailReports {
    /// How many.
    pub reports: u64,
    /// Messages in them.
    pub messages: u64,
    /// Of these, authenticated by SPF or DKIM as the domain's.
    pub passed: u64,
    /// Put into Junk for the domain's policy.
    pub quarantined: u64,
    /// Refused for it.
    pub rejected: u64,
    /// Who reports.
    pub by: Vec<ReporterRow>,
    /// Where the mail came from.
    pub sources: Vec<SourceRow>,
}

/// Who reports.
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
#[allow(missing_docs)]
pub struct ReporterRow {
    pub organization: String,
    pub reports: u64,
    /// Messages, or TLS sessions.
    pub count: u64,
    /// Those that passed, or succeeded.
    pub good: u64,
}

/// Where mail in the domain's name came from.
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
#[allow(missing_docs)]
pub struct SourceRow {
    pub address: String,
    pub messages: u64,
    /// SPF passed for the author's domain.
    pub spf: u64,
    /// DKIM did.
    pub dkim: u64,
    /// Neither did.
    pub failed: u64,
}

/// TLS reports.
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
#[allow(missing_docs)]
pub struct TlsReports {
    pub reports: u64,
    pub succeeded: u64,
    pub failed: u64,
    pub by: Vec<ReporterRow>,
    pub failures: Vec<FailureRow>,
}

/// Sessions that failed alike.
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
#[allow(missing_docs)]
pub struct FailureRow {
    pub result: String,
    pub host: String,
    pub sessions: u64,
}

/// A domain's reports while they are added up.
#[derive(Default)]
struct Sum {
    shown: DomainReports,
    mail_by: BTreeMap<String, ReporterRow>,
    sources: BTreeMap<String, SourceRow>,
    tls_by: BTreeMap<String, ReporterRow>,
    failures: BTreeMap<(String, String), u64>,
}

impl Admin {
    /// Requests about reports: a running server has them.
    pub(super) async fn reports(&self, request: Request) -> Result<Reply, Failure> {
        let Some(server) = self.server() else {
            return Err(Failure::refused("a running server tells reports: start it first"));
        };
        match request {
            Request::ReportsShow { domain, days, unproven } => {
                let domain = domain.unwrap_or_default().to_lowercase();
                show(&server.reports, (&domain, days, unproven)).await
            }
            _ => Err(Failure::ours("not a request about reports")),
        }
    }
}

async fn show(desk: &Desk, (domain, days, unproven): (&str, u32, bool)) -> Result<Reply, Failure> {
    let mut sums: BTreeMap<String, Sum> = BTreeMap::new();
    let each = desk.each(domain, days, |found| {
        let sum = sums.entry(found.domain).or_default();
        if found.proven.is_none() && !unproven {
            sum.shown.unproven += 1;
            return;
        }
        match found.report {
            Report::Mail(report) => sum.mail(&report),
            Report::Tls(report) => sum.tls(&report),
        }
    });
    each.await.map_err(Failure::ours)?;
    Ok(Reply::Reports(sums.into_iter().map(|(domain, sum)| sum.shown(domain)).collect()))
}

impl Sum {
    fn mail(&mut self, report: &aggregate::Report) {
        let mail = &mut self.shown.mail;
        mail.reports += 1;
        let by = reporter(&mut self.mail_by, &report.organization);
        for record in &report.records {
            let (count, row) = (record.count, &record.row);
            let passed = if row.spf_aligned || row.dkim_aligned { count } else { 0 };
            add(&mut mail.messages, count);
            add(&mut mail.passed, passed);
            match row.disposition {
                Disposition::Quarantine => add(&mut mail.quarantined, count),
                Disposition::Reject => add(&mut mail.rejected, count),
                Disposition::None | Disposition::Pass => {}
            }
            add(&mut by.count, count);
            add(&mut by.good, passed);
            let address = row.source.to_string();
            if self.sources.len() >= SOURCES_MAX && !self.sources.contains_key(&address) {
                continue;
            }
            let source = self.sources.entry(address.clone()).or_default();
            source.address = address;
            add(&mut source.messages, count);
            add(&mut source.spf, if row.spf_aligned { count } else { 0 });
            add(&mut source.dkim, if row.dkim_aligned { count } else { 0 });
            add(&mut source.failed, count - passed);
        }
    }

    fn tls(&mut self, report: &tls::Report) {
        let shown = &mut self.shown.tls;
        shown.reports += 1;
        let by = reporter(&mut self.tls_by, &report.organization);
        for policy in &report.policies {
            add(&mut shown.succeeded, policy.successes);
            add(&mut shown.failed, policy.failures);
            add(&mut by.count, policy.successes.saturating_add(policy.failures));
            add(&mut by.good, policy.successes);
            for one in &policy.details {
                let host = one.host.clone().unwrap_or_default();
                add(self.failures.entry((one.result.clone(), host)).or_default(), one.sessions);
            }
        }
    }

    fn shown(self, domain: String) -> DomainReports {
        let mut shown = DomainReports { domain, ..self.shown };
        shown.mail.by = self.mail_by.into_values().collect();
        shown.mail.sources = self.sources.into_values().collect();
        shown.mail.sources.sort_by_key(|row| std::cmp::Reverse(row.messages));
        shown.mail.sources.truncate(ROWS_MAX);
        shown.tls.by = self.tls_by.into_values().collect();
        let failure = |((result, host), sessions)| FailureRow { result, host, sessions };
        shown.tls.failures = self.failures.into_iter().map(failure).collect();
        shown.tls.failures.sort_by_key(|row| std::cmp::Reverse(row.sessions));
        shown.tls.failures.truncate(ROWS_MAX);
        shown
    }
}

/// Numbers of strangers: as large as they like.
const fn add(to: &mut u64, more: u64) {
    *to = to.saturating_add(more);
}

fn reporter<'a>(
    by: &'a mut BTreeMap<String, ReporterRow>,
    organization: &str,
) -> &'a mut ReporterRow {
    let row = by.entry(organization.to_lowercase()).or_default();
    if row.organization.is_empty() {
        row.organization = organization.to_owned();
    }
    row.reports += 1;
    row
}
