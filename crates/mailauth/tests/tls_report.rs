//! TLS reports (RFC 8460): the RFC's example, round trip, limits, where they go.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use mailauth::report::tls::{
    Failure, Policy, PolicyKind, REPORT_OCTETS_MAX, Report, URIS_MAX, destinations, result,
};
use mailauth::report::{LIST_MAX, ROWS_MAX, Unreadable, VALUE_OCTETS_MAX};
use proptest::prelude::*;

/// RFC 8460 appendix B.
const SAMPLE: &str = r#"{
  "organization-name": "Company-X",
  "date-range": {
    "start-datetime": "2016-04-01T00:00:00Z",
    "end-datetime": "2016-04-01T23:59:59Z"
  },
  "contact-info": "sts-reporting@company-x.example",
  "report-id": "5065427c-23d3-47ca-b6e0-946ea0e8c4be",
  "policies": [{
    "policy": {
      "policy-type": "sts",
      "policy-string": ["version: STSv1","mode: testing",
            "mx: *.mail.company-y.example","max_age: 86400"],
      "policy-domain": "company-y.example",
      "mx-host": ["*.mail.company-y.example"]
    },
    "summary": {
      "total-successful-session-count": 5326,
      "total-failure-session-count": 303
    },
    "failure-details": [{
      "result-type": "certificate-expired",
      "sending-mta-ip": "2001:db8:abcd:0012::1",
      "receiving-mx-hostname": "mx1.mail.company-y.example",
      "failed-session-count": 100
    }, {
      "result-type": "starttls-not-supported",
      "sending-mta-ip": "2001:db8:abcd:0013::1",
      "receiving-mx-hostname": "mx2.mail.company-y.example",
      "receiving-ip": "203.0.113.56",
      "failed-session-count": 200,
      "additional-information": "https://reports.company-x.example/report_info?id=5065427c"
    }, {
      "result-type": "validation-failure",
      "sending-mta-ip": "198.51.100.62",
      "receiving-ip": "203.0.113.58",
      "receiving-mx-hostname": "mx-backup.mail.company-y.example",
      "failed-session-count": 3,
      "failure-reason-code": "X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"
    }]
  }]
}"#;

#[test]
fn the_sample_is_read() {
    let report = Report::parse(SAMPLE.as_bytes()).unwrap();
    assert_eq!(report.organization, "Company-X");
    assert_eq!(report.begin_unix_seconds, 1_459_468_800);
    assert_eq!(report.end_unix_seconds, 1_459_555_199);
    let policy = &report.policies[0];
    assert_eq!((policy.kind, policy.domain.as_str()), (PolicyKind::Sts, "company-y.example"));
    assert_eq!((policy.lines.len(), policy.hosts.len()), (4, 1));
    assert_eq!((policy.successes, policy.failures), (5326, 303));
    assert_eq!(policy.details[1].result, result::STARTTLS_NOT_SUPPORTED);
    assert_eq!(policy.details[1].sessions, 200);
    assert_eq!(policy.details[2].code.as_deref(), Some("X509_V_ERR_PROXY_PATH_LENGTH_EXCEEDED"));
    assert_eq!(
        report.file_name("mail.sender.example.com", "example.net"),
        "mail.sender.example.com!example.net!1459468800!1459555199"
    );
    let named = Report { id: "001".to_owned(), ..report.clone() };
    assert_eq!(named.file_name("a/b", "c!d"), "a-b!c-d!1459468800!1459555199!001");
    assert_eq!(
        report.subject("a\r\nb: c", "example.net"),
        "Report Domain: example.net Submitter: a  b: c \
         Report-ID: <5065427c-23d3-47ca-b6e0-946ea0e8c4be>"
    );
    assert_eq!(Report::parse(report.json().as_bytes()), Ok(report));
}

#[test]
fn what_is_no_report_is_told() {
    for wrong in ["", "{", "[", "nonsense", "{\"a\":1}x"] {
        assert_eq!(Report::parse(wrong.as_bytes()), Err(Unreadable::Syntax), "{wrong}");
    }
    let without = |name: &str| Report::parse(SAMPLE.replace(name, "x").as_bytes());
    assert_eq!(without("date-range"), Err(Unreadable::Lacks("date-range")));
    assert_eq!(without("start-datetime"), Err(Unreadable::Lacks("start-datetime")));
    assert_eq!(without("2016-04-01T23:59:59Z"), Err(Unreadable::Lacks("end-datetime")));
    assert_eq!(without("policies"), Err(Unreadable::Lacks("policies")));
    assert_eq!(without("report-id"), Err(Unreadable::Lacks("report-id")));
    assert_eq!(without("policy-type").unwrap().policies, []);
    assert_eq!(without("contact-info").unwrap().contact, "");
    assert_eq!(Report::parse(b"[]"), Err(Unreadable::Lacks("date-range")));
    assert_eq!(Report::parse("[".repeat(100_000).as_bytes()), Err(Unreadable::Syntax));
}

#[test]
fn limits_hold() {
    let sized = |octets: usize| SAMPLE.to_owned() + &" ".repeat(octets - SAMPLE.len());
    assert!(Report::parse(sized(REPORT_OCTETS_MAX).as_bytes()).is_ok());
    assert_eq!(Report::parse(sized(REPORT_OCTETS_MAX + 1).as_bytes()), Err(Unreadable::TooLarge));

    let sample = Report::parse(SAMPLE.as_bytes()).unwrap();
    let read = |report: &Report| Report::parse(report.json().as_bytes()).unwrap();
    let [sender, host, helo, receiver, more, code] = [const { None }; 6];
    let word = "x".to_owned();
    let detail = Failure { result: word, sender, host, helo, receiver, sessions: 1, more, code };
    let policy =
        |count| Policy { details: vec![detail.clone(); count], ..sample.policies[0].clone() };
    let rows = |counts: &[usize]| {
        let policies = counts.iter().map(|count| policy(*count)).collect();
        let report = read(&Report { policies, ..sample.clone() });
        report.policies.iter().map(|policy| policy.details.len()).collect::<Vec<_>>()
    };
    assert_eq!(rows(&[ROWS_MAX - 1, 1]), [ROWS_MAX - 1, 1]);
    assert_eq!(rows(&[ROWS_MAX - 1, 2]), [ROWS_MAX - 1, 1]);
    for count in [LIST_MAX, LIST_MAX + 1] {
        let hosts = vec!["a.example".to_owned(); count];
        let policies = vec![Policy { hosts, ..policy(0) }; count];
        let report = read(&Report { policies, ..sample.clone() });
        assert_eq!((report.policies.len(), report.policies[0].hosts.len()), (LIST_MAX, LIST_MAX));
    }
    for length in [VALUE_OCTETS_MAX, VALUE_OCTETS_MAX + 1] {
        let json = SAMPLE.replace("Company-X", &"a".repeat(length));
        assert_eq!(Report::parse(json.as_bytes()).unwrap().organization.len(), VALUE_OCTETS_MAX);
    }
}

#[test]
fn where_reports_go() {
    let of = |texts: &[&str]| {
        let texts: Vec<Vec<u8>> = texts.iter().map(|text| text.as_bytes().to_vec()).collect();
        destinations(&texts)
    };
    let both = "v=TLSRPTv1; rua = mailto:reports@example.com , https://r.example/v1;x=y";
    let expected = vec!["mailto:reports@example.com".to_owned(), "https://r.example/v1".to_owned()];
    assert_eq!(of(&[both, "v=spf1 -all"]), Some(expected));
    assert_eq!(of(&[both, "v=TLSRPTv1;rua=mailto:b@example.com"]), None, "two records");
    for wrong in [
        "v=TLSRPTv1",
        "v=TLSRPTv1;",
        "v=TLSRPTv1; rua=",
        "v=TLSRPTv1; rua=ftp://x/",
        "v=TLSRPTv2; rua=mailto:a@example.com",
        "v=TLSRPTv10; rua=mailto:a@example.com",
        "",
    ] {
        assert_eq!(of(&[wrong]), None, "{wrong}");
    }
    for count in [URIS_MAX, URIS_MAX + 1] {
        let record = format!("v=TLSRPTv1;rua={}", vec!["mailto:a@example.com"; count].join(","));
        assert_eq!(of(&[&record]).unwrap().len(), URIS_MAX);
    }
}

fn text() -> impl Strategy<Value = String> {
    "[!-~é€]([ -~é€]{0,20}[!-~é€])?"
}

fn failure() -> impl Strategy<Value = Failure> {
    let optional = || prop::option::of(text());
    let options = (optional(), optional(), optional(), optional(), optional(), optional());
    (text(), any::<u64>(), options).prop_map(
        |(result, sessions, (sender, host, helo, receiver, more, code))| Failure {
            result,
            sender,
            host,
            helo,
            receiver,
            sessions,
            more,
            code,
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        words in prop::collection::vec(text(), 3),
        lines in prop::collection::vec(text(), 0..3),
        hosts in prop::collection::vec(text(), 0..3),
        details in prop::collection::vec(failure(), 0..3),
        days in 0u64..2_900_000,
        counts in any::<[u64; 2]>(),
        kind in prop::sample::select(vec![PolicyKind::Tlsa, PolicyKind::Sts, PolicyKind::None]),
    ) {
        let policy = Policy {
            kind, lines, hosts, details,
            domain: "example.org".to_owned(),
            successes: counts[0],
            failures: counts[1],
        };
        let report = Report {
            organization: words[0].clone(),
            contact: words[1].clone(),
            id: words[2].clone(),
            begin_unix_seconds: days * 86_400,
            end_unix_seconds: days * 86_400 + 86_399,
            policies: vec![policy.clone(), policy],
        };
        prop_assert_eq!(Report::parse(report.json().as_bytes()), Ok(report));
    }

    #[test]
    fn any_octets_are_no_panic(octets in prop::collection::vec(any::<u8>(), 0..80),
        at in 0..SAMPLE.len(), other in "[\"{},:\\[\\]0-9]{1,4}", moment in "[0-9TZ:+.-]{0,26}") {
        let _ = Report::parse(&octets);
        let _ = destinations(&[octets]);
        let _ = Report::parse(format!("{}{other}{}", &SAMPLE[..at], &SAMPLE[at..]).as_bytes());
        let _ = Report::parse(SAMPLE.replace("2016-04-01T23:59:59Z", &moment).as_bytes());
    }
}
