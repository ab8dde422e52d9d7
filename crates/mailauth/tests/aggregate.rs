//! DMARC aggregate reports: the RFC's own example, what other servers send, round trip, limits.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod zone;

use mailauth::dmarc::{self, Alignment, Evidence, Policy};
use mailauth::report::aggregate::{
    Disposition, Dkim, Published, Reason, Record, Report, Row, Spf, counted,
};
use mailauth::report::{LIST_MAX, REPORT_OCTETS_MAX, ROWS_MAX, Unreadable, VALUE_OCTETS_MAX};
use mailauth::spf::{self, Identity};
use proptest::prelude::*;
use zone::{Zone, now};

/// As RFC 9990 appendix B has it.
const SAMPLE: &str = r#"<feedback xmlns="urn:ietf:params:xml:ns:dmarc-2.0">
  <version>1.0</version>
  <report_metadata>
    <org_name>Sample Reporter</org_name>
    <email>report_sender@example-reporter.com</email>
    <extra_contact_info>...</extra_contact_info>
    <report_id>3v98abbp8ya9n3va8yr8oa3ya</report_id>
    <date_range><begin>302832000</begin><end>302918399</end></date_range>
    <generator>Example DMARC Aggregate Reporter v1.2</generator>
  </report_metadata>
  <policy_published>
    <domain>example.com</domain>
    <p>quarantine</p><sp>none</sp><np>none</np>
    <testing>n</testing><discovery_method>treewalk</discovery_method>
  </policy_published>
  <record>
    <row>
      <source_ip>192.0.2.123</source_ip><count>123</count>
      <policy_evaluated>
        <disposition>pass</disposition><dkim>pass</dkim><spf>fail</spf>
      </policy_evaluated>
    </row>
    <identifiers>
      <envelope_from>example.com</envelope_from><header_from>example.com</header_from>
    </identifiers>
    <auth_results>
      <dkim><domain>example.com</domain><result>pass</result><selector>abc123</selector></dkim>
      <spf><domain>example.com</domain><result>fail</result></spf>
    </auth_results>
  </record>
</feedback>"#;

/// RFC 7489's format, as large providers wrote it.
const OLDER: &str = r#"<?xml version="1.0" encoding="UTF-8" ?>
<!DOCTYPE feedback [<!ENTITY x "expanded">]>
<feedback><!-- c --><report_metadata><org_name>A &amp; B&#x21;&x;</org_name>
<email><![CDATA[a@example.net]]></email><report_id> 1 </report_id>
<date_range><begin>1</begin><end>2</end></date_range></report_metadata>
<policy_published><domain>Example.COM</domain><adkim>s</adkim><aspf>r</aspf><p>reject</p><sp>x</sp>
<pct>100</pct></policy_published>
<record><row><source_ip>2001:db8::1</source_ip><count>1</count><policy_evaluated>
<disposition>none</disposition><dkim>fail</dkim><spf>fail</spf>
<reason><type>forwarded</type><comment/></reason></policy_evaluated></row>
<identifiers><header_from>example.com</header_from></identifiers>
<auth_results><spf><domain>x.example</domain><scope>mfrom</scope><result>softfail</result></spf>
</auth_results></record>
<record><row><source_ip>not an address</source_ip><count>1</count></row></record>
</feedback>"#;

#[test]
fn the_sample_is_read() {
    let report = Report::parse(SAMPLE.as_bytes()).unwrap();
    assert_eq!(report.organization, "Sample Reporter");
    assert_eq!((report.begin_unix_seconds, report.end_unix_seconds), (302_832_000, 302_918_399));
    assert_eq!(report.published.nonexistent_policy, Some(Policy::None));
    assert_eq!(report.published.discovery.as_deref(), Some("treewalk"));
    let record = &report.records[0];
    assert_eq!((record.count, record.row.disposition), (123, Disposition::Pass));
    assert_eq!((record.row.dkim_aligned, record.row.spf_aligned), (true, false));
    assert_eq!(record.row.dkim[0].selector, "abc123");
    assert_eq!(
        report.file_name("mail.receiver.example"),
        "mail.receiver.example!example.com!302832000!302918399!3v98abbp8ya9n3va8yr8oa3ya"
    );
    assert_eq!(
        report.subject("receiver.example"),
        "Report Domain: example.com Submitter: receiver.example \
         Report-ID: <3v98abbp8ya9n3va8yr8oa3ya>"
    );
}

#[test]
fn older_reports_are_read() {
    let report = Report::parse(OLDER.as_bytes()).unwrap();
    assert_eq!(report.organization, "A & B!", "entities of a DTD are not expanded");
    assert_eq!((report.email.as_str(), report.id.as_str()), ("a@example.net", "1"));
    assert_eq!(report.published.domain, "example.com");
    assert_eq!(report.published.subdomain_policy, None);
    assert_eq!(report.published.dkim_alignment, Some(Alignment::Strict));
    assert_eq!((report.records.len(), report.records_lost), (1, 1));
    let row = &report.records[0].row;
    assert_eq!(row.reasons, [Reason { kind: "forwarded".to_owned(), comment: None }]);
    assert_eq!(
        (row.spf[0].scope, row.spf[0].result.as_str()),
        (Some(Identity::MailFrom), "softfail")
    );
}

#[test]
fn what_is_no_report_is_told() {
    assert_eq!(Report::parse(b""), Err(Unreadable::Lacks("feedback")));
    assert_eq!(Report::parse(b"<a/>"), Err(Unreadable::Lacks("feedback")));
    assert_eq!(Report::parse(b"<feedback>"), Err(Unreadable::Syntax));
    assert_eq!(Report::parse(b"<feedback></x></feedback>"), Err(Unreadable::Syntax));
    assert_eq!(Report::parse(b"<feedback></feedback>"), Err(Unreadable::Lacks("domain")));
    let without_id = SAMPLE.replace("report_id", "id");
    assert_eq!(Report::parse(without_id.as_bytes()), Err(Unreadable::Lacks("report_id")));
}

#[test]
fn limits_hold() {
    let sized = |octets: usize| SAMPLE.to_owned() + &" ".repeat(octets - SAMPLE.len());
    assert!(Report::parse(sized(REPORT_OCTETS_MAX).as_bytes()).is_ok());
    assert_eq!(Report::parse(sized(REPORT_OCTETS_MAX + 1).as_bytes()), Err(Unreadable::TooLarge));

    let (before, rest) = SAMPLE.split_once("<record>").unwrap();
    let (record, _) = rest.split_once("</record>").unwrap();
    for (count, lost) in [(ROWS_MAX, 0), (ROWS_MAX + 1, 1)] {
        let short = "<record><row><source_ip>::1</source_ip><count>1</count></row></record>";
        let xml = format!("{before}{}</feedback>", short.repeat(count));
        let report = Report::parse(xml.as_bytes()).unwrap();
        assert_eq!((report.records.len(), report.records_lost), (ROWS_MAX, lost));
    }
    let empty = record.replace("<auth_results>", "<auth_results><spf></spf><dkim><x/></dkim>");
    let xml = format!("{before}<record>{empty}</record></feedback>");
    let row = &Report::parse(xml.as_bytes()).unwrap().records[0].row;
    assert_eq!((row.spf.len(), row.dkim.len()), (1, 1), "results of no domain are left out");
    for count in [LIST_MAX, LIST_MAX + 1] {
        let many: String =
            (1..=count).map(|n| format!("<spf><domain>d{n}</domain></spf>")).collect();
        let record = record.replace("<auth_results>", &format!("<auth_results>{many}"));
        let xml = format!("{before}<record>{record}</record></feedback>");
        let report = Report::parse(xml.as_bytes()).unwrap();
        assert_eq!(report.records[0].row.spf.len(), LIST_MAX);
        assert_eq!(report.records[0].row.spf[LIST_MAX - 1].domain, format!("d{LIST_MAX}"));
    }
    for length in [VALUE_OCTETS_MAX, VALUE_OCTETS_MAX + 1] {
        let xml = SAMPLE.replace("Sample Reporter", &"a".repeat(length));
        assert_eq!(Report::parse(xml.as_bytes()).unwrap().organization.len(), VALUE_OCTETS_MAX);
    }
    let deep = |n: usize| format!("{}{}", "<feedback>".repeat(n), "</feedback>".repeat(n));
    assert_eq!(Report::parse(deep(32).as_bytes()), Err(Unreadable::Lacks("domain")));
    assert_eq!(Report::parse(deep(33).as_bytes()), Err(Unreadable::Syntax));
}

#[test]
fn rows_come_from_what_was_found() {
    let zone = Zone::default()
        .text(
            "_dmarc.example.org",
            "v=DMARC1; p=reject; sp=none; adkim=s; t=y; rua=mailto:a@b.example",
        )
        .text("example.org", "v=spf1 +all");
    let sender = spf::Sender {
        address: std::net::Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped().into(),
        helo: "mx.example.org",
        mail_from: "x@example.org",
        receiver: "receiver.example",
        unix_seconds: 0,
    };
    let spf = now(spf::check_mail_from(&zone, &sender, &spf::Limits::default()));
    let of = |spf: &spf::Outcome| {
        let spf = Some((spf.verdict, spf.domain.as_str()));
        now(dmarc::check(
            &zone,
            &Evidence { authors: &["example.org"], spf, ..Evidence::default() },
        ))
    };
    let outcome = of(&spf);
    let row = Row::of(sender.address, (&outcome, Some(&spf)), outcome.policy);
    assert_eq!(row.source.to_string(), "192.0.2.1");
    assert_eq!(
        (row.disposition, row.spf_aligned, row.dkim_aligned),
        (Disposition::Pass, true, false)
    );
    let published = Published::of(&outcome).unwrap();
    assert_eq!((published.domain.as_str(), published.testing), ("example.org", true));

    let failed = of(&spf::Outcome { verdict: spf::Verdict::Fail, ..spf.clone() });
    let other = Row::of(sender.address, (&failed, Some(&spf)), failed.policy);
    assert_eq!(other.disposition, Disposition::Quarantine);
    assert_eq!(other.reasons[0].kind, "policy_test_mode");
    assert_eq!(row.reasons, []);
    assert_eq!(Row::of(sender.address, (&failed, None), Policy::None).reasons, []);
    let helo = spf::Outcome { identity: Identity::Helo, ..spf.clone() };
    assert_eq!(Row::of(sender.address, (&failed, Some(&helo)), Policy::None).spf, []);
    let records = counted([(row.clone(), 1), (other, 1), (row.clone(), 2)]);
    assert_eq!(records.len(), 2);
    assert!(records.contains(&Record { count: 3, row }));
}

fn text() -> impl Strategy<Value = String> {
    "[!-~é€]([ -~é€]{0,20}[!-~é€])?"
}

fn row() -> impl Strategy<Value = Row> {
    let identifiers = ("[a-z.]{1,20}", prop::option::of(text()), prop::option::of(text()));
    let reason = (text(), prop::option::of(text()));
    let dkim =
        prop::collection::vec(("[a-z.]{1,9}", text(), "[a-z]{4}", prop::option::of(text())), 0..3);
    let source = any::<std::net::IpAddr>();
    (source, identifiers, prop::collection::vec(reason, 0..2), dkim, any::<[bool; 2]>()).prop_map(
        |(source, (header_from, envelope_from, envelope_to), reasons, dkim, [one, two])| Row {
            source,
            disposition: if one { Disposition::Reject } else { Disposition::None },
            dkim_aligned: one,
            spf_aligned: two,
            reasons: reasons
                .into_iter()
                .map(|(kind, comment)| Reason { kind: kind.to_ascii_lowercase(), comment })
                .collect(),
            header_from: header_from.clone(),
            envelope_from,
            envelope_to,
            dkim: dkim
                .into_iter()
                .map(|(domain, selector, result, human)| Dkim { domain, selector, result, human })
                .collect(),
            spf: vec![Spf {
                domain: header_from,
                scope: two.then_some(Identity::Helo),
                result: "none".to_owned(),
                human: None,
            }],
        },
    )
}

proptest! {
    #[test]
    fn what_is_written_reads_back(
        rows in prop::collection::vec((row(), 1u64..), 0..4),
        words in prop::collection::vec(text(), 4),
        errors in prop::collection::vec(text(), 0..3),
        seconds in any::<[u64; 2]>(),
        testing in any::<bool>(),
    ) {
        let report = Report {
            organization: words[0].clone(),
            email: words[1].clone(),
            contact: Some(words[2].clone()).filter(|_| testing),
            id: words[3].clone(),
            begin_unix_seconds: seconds[0],
            end_unix_seconds: seconds[1],
            errors,
            generator: None,
            published: Published {
                domain: "example.org".to_owned(),
                policy: Policy::Quarantine,
                subdomain_policy: Some(Policy::Reject),
                nonexistent_policy: None,
                dkim_alignment: Some(Alignment::Strict),
                spf_alignment: Some(Alignment::Relaxed),
                testing,
                discovery: Some("treewalk".to_owned()),
                failure_options: None,
            },
            records: rows.into_iter().map(|(row, count)| Record { count, row }).collect(),
            records_lost: 0,
        };
        prop_assert_eq!(Report::parse(report.xml().as_bytes()), Ok(report));
    }

    #[test]
    fn any_octets_are_no_panic(octets in prop::collection::vec(any::<u8>(), 0..80),
        at in 0..SAMPLE.len(), other in "[<>&;/a-z!\\[\\]-]{0,6}") {
        let _ = Report::parse(&octets);
        let _ = Report::parse(&SAMPLE.as_bytes()[..at]);
        let broken = format!("{}{other}{}", &SAMPLE[..at], &SAMPLE[at..]);
        if let Ok(read) = Report::parse(broken.as_bytes()) {
            prop_assert!(Report::parse(read.xml().as_bytes()).is_ok());
        }
    }
}
