//! Certificates made for the purpose, against TLSA records of all kinds.

use super::*;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, date_time_ymd};
use std::time::Duration;

const NOW: UnixTime = UnixTime::since_unix_epoch(Duration::from_secs(1_780_000_000));

struct Chain {
    leaf: CertificateDer<'static>,
    anchor: CertificateDer<'static>,
}

/// A certificate for `name` until a year, under an authority of its own.
fn chain(name: &str, until: i32) -> Chain {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let key = KeyPair::generate().unwrap();
    let anchor = params.self_signed(&key).unwrap();
    let issuer = Issuer::new(params, key);
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    params.not_after = date_time_ymd(until, 1, 1);
    let leaf = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
    Chain { leaf: leaf.der().clone(), anchor: anchor.der().clone() }
}

fn record(usage: u8, selector: u8, matching: u8, of: &CertificateDer<'_>) -> Tlsa {
    let whole = of.to_vec();
    let key = ParsedCertificate::try_from(of).unwrap().subject_public_key_info();
    let selected = if selector == 0 { whole } else { key.to_vec() };
    let data = match matching {
        1 => digest(&SHA256, &selected).as_ref().to_vec(),
        2 => digest(&SHA512, &selected).as_ref().to_vec(),
        _ => selected,
    };
    Tlsa { usage, selector, matching, data }
}

fn verify(records: Vec<Tlsa>, chain: &Chain) -> Result<(), Error> {
    let names = ["mx.example.test".to_owned(), "example.test".to_owned()];
    let verifier = Dane::new(records, &names).unwrap();
    let sent = [chain.anchor.clone()];
    let asked = ServerName::try_from("mx.example.test").unwrap();
    verifier.verify_server_cert(&chain.leaf, &sent, &asked, b"", NOW).map(|_| ())
}

#[test]
fn every_selector_and_matching() {
    let good = chain("mx.example.test", 2060);
    let other = chain("mx.example.test", 2060);
    for selector in [0, 1] {
        for matching in [0, 1, 2] {
            let end = |of: &Chain| vec![record(3, selector, matching, &of.leaf)];
            assert!(verify(end(&good), &good).is_ok(), "3 {selector} {matching}");
            assert!(verify(end(&other), &good).is_err(), "3 {selector} {matching}");
            let anchor = |of: &Chain| vec![record(2, selector, matching, &of.anchor)];
            assert!(verify(anchor(&good), &good).is_ok(), "2 {selector} {matching}");
            assert!(verify(anchor(&other), &good).is_err(), "2 {selector} {matching}");
        }
    }
    // One of several is enough; a leaf is no authority.
    let both = vec![record(3, 1, 1, &other.leaf), record(2, 0, 1, &good.anchor)];
    assert!(verify(both, &good).is_ok());
    assert!(verify(vec![record(2, 0, 1, &good.leaf)], &good).is_err());
}

/// RFC 7672 §3.1.1, §3.1.2, §3.2.2
#[test]
fn names_and_dates_count_with_usage_2_alone() {
    for odd in [chain("other.test", 2060), chain("mx.example.test", 2020)] {
        assert!(verify(vec![record(3, 1, 1, &odd.leaf)], &odd).is_ok());
        assert!(verify(vec![record(2, 1, 1, &odd.anchor)], &odd).is_err());
    }
    let domain = chain("example.test", 2060);
    assert!(verify(vec![record(2, 1, 1, &domain.anchor)], &domain).is_ok());
}

/// RFC 7671 §5.2: an authority that is whole in the record need not be sent.
#[test]
fn an_authority_that_is_not_sent() {
    let good = chain("mx.example.test", 2060);
    let names = ["mx.example.test".to_owned()];
    let asked = ServerName::try_from("mx.example.test").unwrap();
    let verify = |matching| {
        let verifier = Dane::new(vec![record(2, 0, matching, &good.anchor)], &names).unwrap();
        verifier.verify_server_cert(&good.leaf, &[], &asked, b"", NOW)
    };
    assert!(verify(0).is_ok());
    assert!(verify(1).is_err());
}

/// RFC 7672 §3.1.3; RFC 7671 §9
#[test]
fn records_that_do_not_count() {
    let good = chain("mx.example.test", 2060);
    let of =
        |usage, selector, matching| Tlsa { usage, selector, ..record(3, 0, matching, &good.leaf) };
    let short = Tlsa { data: vec![0; 31], ..of(3, 0, 1) };
    let unusable = [of(0, 0, 1), of(1, 0, 1), of(4, 0, 1), of(3, 2, 1), short];
    assert!(Dane::new(unusable.to_vec(), &[]).is_none());
    assert!(Dane::new(vec![Tlsa { matching: 3, ..of(3, 0, 1) }], &[]).is_none());
    // The weaker digest is right, the stronger one is not: it decides.
    let strong = Tlsa { data: vec![0; 64], ..of(3, 0, 2) };
    assert!(verify(vec![of(3, 0, 1), strong.clone()], &good).is_err());
    assert!(verify(vec![of(3, 0, 1), Tlsa { selector: 1, ..strong }], &good).is_ok());
}

#[test]
fn what_is_no_certificate() {
    let good = chain("mx.example.test", 2060);
    let bad = Chain { leaf: CertificateDer::from(vec![1, 2, 3]), anchor: good.anchor.clone() };
    for record in [record(3, 1, 1, &good.leaf), record(2, 1, 1, &good.anchor)] {
        assert!(verify(vec![record], &bad).is_err());
    }
    let junk = Tlsa { usage: 2, selector: 0, matching: 0, data: vec![1, 2, 3] };
    assert!(verify(vec![junk], &good).is_err());
}
