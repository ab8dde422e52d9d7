//! Whether somebody takes the reports that another's record sends there (RFC 9990 §4).

#![allow(clippy::unwrap_used, clippy::panic)]

mod zone;

use mailauth::report::destination::{Consent, consent, mail_address};
use zone::{Zone, now};

#[test]
fn within_one_organization_nobody_is_asked() {
    let zone = Zone::default().text("_dmarc.example.org", "v=DMARC1; p=none");
    assert_eq!(now(consent(&zone, "a.example", "A.example")), Consent::Given);
    assert_eq!(now(consent(&zone, "example.org", "reports.example.org")), Consent::Given);
    assert_eq!(now(consent(&zone, "a.example.org", "b.example.org")), Consent::Given);
    assert!(!zone.asked().iter().any(|asked| asked.contains("_report")));
}

#[test]
fn others_have_to_agree() {
    let of = |zone: &Zone| now(consent(zone, "example.org", "other.example"));
    let record = "example.org._report._dmarc.other.example";
    assert_eq!(of(&Zone::default()), Consent::Missing);
    assert_eq!(of(&Zone::default().text(record, "v=DMARC1")), Consent::Given);
    let rua = |uri: &str| Zone::default().text(record, &format!("v=DMARC1; rua={uri}"));
    let there = mail::Address::parse("x@other.example").unwrap();
    assert_eq!(of(&rua("mailto:x@Other.example")), Consent::Instead(vec![there]));
    assert_eq!(of(&rua("mailto:x@y.example")), Consent::Missing, "another host");
    assert_eq!(of(&rua("mailto:x@other.example,mailto:x@y.example")), Consent::Missing);
    assert_eq!(of(&Zone::default().text(record, "something")), Consent::Missing);
    let all = Zone::default().text("*._report._dmarc.other.example", "v=DMARC1");
    assert_eq!(of(&all), Consent::Missing, "wildcards are the name server's to answer");
    assert_eq!(of(&Zone::default().silent(record, "TXT")), Consent::Unknown);
    assert_eq!(of(&Zone::default().silent("_dmarc.org", "TXT")), Consent::Unknown);
    let long = format!("{}.example", vec!["a".repeat(60); 3].join("."));
    assert_eq!(now(consent(&Zone::default(), &long, &long.replace('a', "b"))), Consent::Missing);
}

#[test]
fn addresses_of_uris() {
    let of = |uri| mail_address(uri).map(|address| address.to_string());
    assert_eq!(of("mailto:a@example.org"), Some("a@example.org".to_owned()));
    assert_eq!(of("MAILTO:a%2Bb@example.org?subject=x"), Some("a+b@example.org".to_owned()));
    for wrong in [
        "https://example.org",
        "mailto:",
        "a@example.org",
        "mailto:a%2@example.org",
        "mailto:a@example.org,b@example.org",
        "mailto:a%0d@example.org",
        "mailto:%ff@example.org",
    ] {
        assert_eq!(of(wrong), None, "{wrong}");
    }
}
