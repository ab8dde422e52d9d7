//! How `palomar reports` tells.

use crate::admin::{DomainReports, ReporterRow};

/// Rows of one kind that are told to people; JSON has all.
const ROWS_MAX: usize = 25;

/// What is reported about a domain, as text.
pub fn text(domain: &DomainReports) -> String {
    let DomainReports { mail, tls, .. } = domain;
    let mut out = format!("{}\n", domain.domain);
    if mail.reports > 0 {
        out += &format!(
            "  mail: {} messages in {} reports; {} proven, {} refused, {} put into Junk\n",
            mail.messages,
            mail.reports,
            share(mail.passed, mail.messages),
            mail.rejected,
            mail.quarantined
        );
        out += &reporters(&mail.by, "messages", "proven");
        out +=
            "    from                                       messages      SPF     DKIM  neither\n";
        for row in mail.sources.iter().take(ROWS_MAX) {
            out += &format!(
                "    {:<40} {:>10} {:>8} {:>8} {:>8}\n",
                row.address, row.messages, row.spf, row.dkim, row.failed
            );
        }
        out += &more(mail.sources.len());
    }
    if tls.reports > 0 {
        let sessions = tls.succeeded.saturating_add(tls.failed);
        out += &format!(
            "  TLS: {sessions} sessions in {} reports; {} succeeded\n",
            tls.reports,
            share(tls.succeeded, sessions)
        );
        out += &reporters(&tls.by, "sessions", "succeeded");
        for row in tls.failures.iter().take(ROWS_MAX) {
            let host = if row.host.is_empty() { "any host" } else { &row.host };
            out += &format!(
                "    failed: {} sessions, {} at {}\n",
                row.sessions,
                word(&row.result),
                word(host)
            );
        }
        out += &more(tls.failures.len());
    }
    if domain.unproven > 0 {
        out += &format!(
            "  {} reports are not counted: nobody is proven to have sent them (--unproven)\n",
            domain.unproven
        );
    }
    out
}

fn reporters(rows: &[ReporterRow], what: &str, good: &str) -> String {
    let one = |row: &ReporterRow| {
        let (name, reports, count) = (word(&row.organization), row.reports, row.count);
        let share = share(row.good, count);
        format!("    {name}: {count} {what} in {reports} reports, {share} {good}\n")
    };
    rows.iter().take(ROWS_MAX).map(one).chain([more(rows.len())]).collect()
}

fn more(rows: usize) -> String {
    match rows.saturating_sub(ROWS_MAX) {
        0 => String::new(),
        more => format!("    and {more} more (--json has all)\n"),
    }
}

fn share(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "none".to_owned();
    }
    format!("{part} ({:.1} %)", 100.0 * part as f64 / whole as f64)
}

/// Words of strangers, without control characters.
fn word(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).take(60).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{MailReports, SourceRow};

    #[test]
    fn told_to_people() {
        let source =
            SourceRow { address: "192.0.2.1".into(), messages: 8, spf: 6, dkim: 0, failed: 2 };
        let by = ReporterRow { organization: "a\x1b[2J".into(), reports: 1, count: 8, good: 6 };
        let mail = MailReports {
            reports: 1,
            messages: 8,
            passed: 6,
            rejected: 2,
            by: vec![by],
            sources: vec![source; ROWS_MAX + 1],
            ..Default::default()
        };
        let domain = DomainReports { domain: "a.test".into(), mail, ..Default::default() };
        let told = text(&domain);
        assert!(told.contains("8 messages in 1 reports; 6 (75.0 %) proven, 2 refused"), "{told}");
        assert!(told.contains("a [2J: 8 messages"), "{told}");
        assert!(told.contains("and 1 more"), "{told}");
    }
}
