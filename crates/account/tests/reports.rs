//! Reports of others: kept once, bounded, read in order, and gone when they are old.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use account::reports::{Kept, Report, Reports, Subject};
use support::{Bench, run};

fn report(domain: &str, end: u64, identity: &str) -> Report {
    Report {
        domain: domain.to_owned(),
        subject: Subject::Mail,
        identity: identity.to_owned(),
        end,
        received: 5,
        proven: Some("reporter.test".to_owned()),
        content: vec![7; 1000],
    }
}

async fn all(reports: &Reports, domain: &str, since: u64) -> Vec<Report> {
    let (mut found, mut after) = (Vec::new(), None);
    loop {
        let (some, last) = reports.list(domain, (since, after)).await.unwrap();
        found.extend(some);
        if last.is_none() {
            return found;
        }
        after = last;
    }
}

#[test]
fn a_report_is_kept_once_and_read_again() {
    run(async {
        let bench = Bench::new();
        let reports = Reports::open(&bench.accounts).await.unwrap();
        let one = report("a.test", 10, "one");
        assert_eq!(reports.keep(&one, 9).await.unwrap(), Kept::Yes);
        assert_eq!(reports.keep(&one, 9).await.unwrap(), Kept::Already);
        // Another subject, number or domain is another report.
        let tls = Report { subject: Subject::Tls, proven: None, ..one.clone() };
        for other in [&tls, &report("a.test", 10, "two"), &report("a.test.test", 10, "one")] {
            assert_eq!(reports.keep(other, 9).await.unwrap(), Kept::Yes);
        }
        let of_a = all(&reports, "a.test", 0).await;
        assert_eq!(of_a.len(), 3);
        assert!(of_a.contains(&one) && of_a.contains(&tls));
        assert_eq!(all(&reports, "", 0).await.len(), 4);
        // Opened anew, they are there.
        let again = Reports::open(&bench.accounts).await.unwrap();
        assert_eq!(all(&again, "", 0).await.len(), 4);
    });
}

#[test]
fn a_domain_at_its_limit_and_one_more() {
    run(async {
        let bench = Bench::new();
        let reports = Reports::open(&bench.accounts).await.unwrap();
        for number in 0..3 {
            let one = report("a.test", number, "x");
            assert_eq!(reports.keep(&one, 3).await.unwrap(), Kept::Yes);
        }
        assert_eq!(reports.keep(&report("a.test", 3, "x"), 3).await.unwrap(), Kept::Full);
        assert_eq!(reports.keep(&report("b.test", 3, "x"), 3).await.unwrap(), Kept::Yes);
        assert_eq!(reports.purge(1).await.unwrap(), 1);
        assert_eq!(reports.keep(&report("a.test", 3, "x"), 3).await.unwrap(), Kept::Yes);
        assert_eq!(reports.purge(u64::MAX).await.unwrap(), 4);
        assert_eq!(reports.keep(&report("a.test", 3, "x"), 1).await.unwrap(), Kept::Yes);
    });
}

#[test]
fn many_are_read_in_pages_and_since_a_time() {
    run(async {
        let bench = Bench::new();
        let reports = Reports::open(&bench.accounts).await.unwrap();
        for number in 0..150 {
            let domain = if number % 3 == 0 { "a.test" } else { "b.test" };
            reports.keep(&report(domain, number, "x"), 999).await.unwrap();
        }
        let ends: Vec<u64> = all(&reports, "b.test", 0).await.iter().map(|r| r.end).collect();
        assert_eq!(ends.len(), 100);
        assert!(ends.is_sorted());
        assert_eq!(all(&reports, "", 100).await.len(), 50);
        assert_eq!(all(&reports, "a.test", 147).await.len(), 1);
        assert_eq!(reports.purge(100).await.unwrap(), 100);
        assert_eq!(all(&reports, "", 0).await.len(), 50);
    });
}
