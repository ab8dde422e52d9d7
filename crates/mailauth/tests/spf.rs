//! SPF beyond the suites: limits at n and n+1, identities, failures, reasons, and any input.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod zone;

use mailauth::spf::{Identity, Limits, Outcome, Sender, Verdict, check_helo, check_mail_from};
use proptest::prelude::*;
use zone::{Zone, now};

fn sender<'a>(address: &str, mail_from: &'a str) -> Sender<'a> {
    Sender {
        address: address.parse().unwrap(),
        helo: "mx.example.org",
        mail_from,
        receiver: "receiver.example",
        unix_seconds: 1_700_000_000,
    }
}

fn check(zone: &Zone, mail_from: &str) -> Outcome {
    now(check_mail_from(zone, &sender("192.0.2.1", mail_from), &Limits::default()))
}

/// A zone where `a.example` has this record.
fn record(text: &str) -> Zone {
    Zone::default().text("a.example", text)
}

#[test]
fn ten_terms_that_ask_are_taken_and_not_eleven() {
    for (terms, verdict) in [(10, Verdict::Pass), (11, Verdict::PermError)] {
        let mut text = "v=spf1".to_owned();
        let mut zone = Zone::default();
        for n in 1..terms {
            text.push_str(&format!(" a:h{n}.example"));
            zone = zone.address(&format!("h{n}.example"), "198.51.100.1");
        }
        text.push_str(" exists:last.example -all");
        let zone = zone.address("last.example", "127.0.0.2").text("a.example", &text);
        assert_eq!(check(&zone, "x@a.example").verdict, verdict, "{terms}");
    }
}

#[test]
fn included_and_redirected_terms_count_too() {
    for (depth, verdict) in [(10, Verdict::Pass), (11, Verdict::PermError)] {
        let mut zone = Zone::default().text(&format!("i{depth}.example"), "v=spf1 +all");
        for n in 1..depth {
            let next = format!("v=spf1 redirect=i{}.example", n + 1);
            zone = zone.text(&format!("i{n}.example"), &next);
        }
        let zone = zone.text("a.example", "v=spf1 include:i1.example -all");
        assert_eq!(check(&zone, "x@a.example").verdict, verdict, "{depth}");
    }
}

#[test]
fn a_record_that_includes_itself_ends() {
    let outcome = check(&record("v=spf1 include:a.example -all"), "x@a.example");
    assert_eq!(outcome.verdict, Verdict::PermError);
    assert_eq!(outcome.reason, "more than 10 terms that ask DNS");
}

#[test]
fn two_lookups_may_find_nothing_and_not_three() {
    let zone = record("v=spf1 a:n1.example a:n2.example ~all");
    assert_eq!(check(&zone, "x@a.example").verdict, Verdict::SoftFail);
    let zone = record("v=spf1 a:n1.example a:n2.example exists:n3.example ~all");
    assert_eq!(check(&zone, "x@a.example").verdict, Verdict::PermError);
}

#[test]
fn hosts_of_an_mx_without_address_are_one_term() {
    let mut zone = record("v=spf1 mx ~all");
    for n in 1..=5 {
        zone = zone.exchange("a.example", &format!("m{n}.example"));
    }
    assert_eq!(check(&zone, "x@a.example").verdict, Verdict::SoftFail);
}

#[test]
fn an_mx_has_ten_hosts_and_not_eleven() {
    for (hosts, verdict) in [(10, Verdict::Pass), (11, Verdict::PermError)] {
        let mut zone = record("v=spf1 mx -all");
        for n in 1..=hosts {
            let host = format!("m{n}.example");
            let address = if n == hosts { "192.0.2.1" } else { "198.51.100.1" };
            zone = zone.exchange("a.example", &host).address(&host, address);
        }
        assert_eq!(check(&zone, "x@a.example").verdict, verdict, "{hosts}");
    }
}

#[test]
fn of_a_ptr_ten_names_are_looked_at() {
    for (names, verdict) in [(10, Verdict::Pass), (11, Verdict::Fail)] {
        let mut zone = record("v=spf1 ptr -all").address("h.a.example", "192.0.2.1");
        for n in 1..names {
            zone = zone.pointer("192.0.2.1", &format!("n{n}.example"));
        }
        let zone = zone.pointer("192.0.2.1", "h.a.example");
        assert_eq!(check(&zone, "x@a.example").verdict, verdict, "{names}");
    }
}

#[test]
fn a_long_record_is_an_error_and_a_long_explanation_is_not_told() {
    let limits = Limits { record_octets_max: 5, explanation_octets_max: 5, ..Limits::default() };
    let of = |zone: &Zone| now(check_mail_from(zone, &sender("192.0.2.1", "x@a.example"), &limits));
    assert_eq!(of(&record("v=spf1 +all")).verdict, Verdict::Pass);
    assert_eq!(of(&record("v=spf1  +all")).verdict, Verdict::PermError);
    let limits = Limits { explanation_octets_max: 5, ..Limits::default() };
    let of = |zone: &Zone| now(check_mail_from(zone, &sender("192.0.2.1", "x@a.example"), &limits));
    let exp = |text| record("v=spf1 -all exp=e.a.example").text("e.a.example", text);
    assert_eq!(of(&exp("12345")).explanation.as_deref(), Some("12345"));
    assert_eq!(of(&exp("123456")).explanation, None);
    assert_eq!(of(&exp("%{l}")).explanation.as_deref(), Some("x"));
    assert_eq!(of(&exp("%{d}")).explanation, None, "a.example is longer than five octets");
}

#[test]
fn what_matched_is_told_in_a_sentence() {
    let outcome = check(&record("v=spf1 ip4:192.0.2.0/24 -all"), "x@a.example");
    assert_eq!(outcome.mechanism.as_deref(), Some("ip4:192.0.2.0/24"));
    assert_eq!(outcome.reason, "a.example permits 192.0.2.1: ip4:192.0.2.0/24");
    assert_eq!((outcome.identity, outcome.domain.as_str()), (Identity::MailFrom, "a.example"));
    let outcome = check(&record("v=spf1 ip4:198.51.100.0/24"), "x@a.example");
    assert_eq!(outcome.verdict, Verdict::Neutral);
    assert_eq!(outcome.mechanism.as_deref(), Some("default"));
    let outcome = check(&record("v=spf1 frobnicate -all"), "x@a.example");
    assert_eq!(outcome.reason, "a.example: syntax error: frobnicate");
}

#[test]
fn a_null_reverse_path_is_the_helo_name() {
    let zone = Zone::default().text("mx.example.org", "v=spf1 exists:%{l}.%{o}.e.example -all");
    let zone = zone.address("postmaster.mx.example.org.e.example", "127.0.0.2");
    let outcome = check(&zone, "");
    assert_eq!((outcome.verdict, outcome.domain.as_str()), (Verdict::Pass, "mx.example.org"));
    let helo = now(check_helo(&zone, &sender("192.0.2.1", "x@b.example"), &Limits::default()));
    assert_eq!((helo.verdict, helo.identity), (Verdict::Pass, Identity::Helo));
}

#[test]
fn literals_and_bare_names_are_not_asked() {
    for helo in ["[192.0.2.1]", "localhost", "", "a..b", ".", "[IPv6:2001:db8::1]"] {
        let zone = Zone::default();
        let sender = Sender { helo, ..sender("192.0.2.1", "") };
        assert_eq!(now(check_helo(&zone, &sender, &Limits::default())).verdict, Verdict::None);
        assert_eq!(zone.asked(), Vec::<String>::new(), "{helo}");
    }
}

#[test]
fn silence_is_temperror_wherever_it_decides() {
    for (text, silent, kind) in [
        ("v=spf1 -all", "a.example", "TXT"),
        ("v=spf1 a:h.example -all", "h.example", "A"),
        ("v=spf1 mx:h.example -all", "h.example", "MX"),
        ("v=spf1 include:h.example -all", "h.example", "TXT"),
        ("v=spf1 exists:h.example -all", "h.example", "A"),
        ("v=spf1 redirect=h.example", "h.example", "TXT"),
    ] {
        let zone = record(text).silent(silent, kind);
        let outcome = check(&zone, "x@a.example");
        assert_eq!(outcome.verdict, Verdict::TempError, "{text}");
        assert_eq!(outcome.reason, format!("DNS did not answer for {silent}"));
    }
    let zone = record("v=spf1 ip4:192.0.2.1 a:h.example -all").silent("h.example", "A");
    assert_eq!(check(&zone, "x@a.example").verdict, Verdict::Pass, "matched before");
}

#[test]
fn a_domain_in_unicode_is_asked_in_a_labels() {
    let zone = Zone::default().text("xn--mller-kva.example", "v=spf1 +all");
    let outcome = check(&zone, "jürgen@müller.example");
    assert_eq!(outcome.verdict, Verdict::Pass);
    assert_eq!(outcome.domain, "müller.example");
    assert!(outcome.reason.is_ascii());
}

#[test]
fn an_ipv4_client_on_an_ipv6_socket_is_ipv4() {
    let zone = record("v=spf1 ip4:192.0.2.1 -all");
    let sender = sender("::ffff:192.0.2.1", "x@a.example");
    assert_eq!(now(check_mail_from(&zone, &sender, &Limits::default())).verdict, Verdict::Pass);
}

proptest! {
    #[test]
    fn no_record_panics(terms in prop::collection::vec(
        "(\\+|-|~|\\?)?(all|a|mx|ptr|exists|include|ip4|ip6|exp|redirect|x)?[:=/]{0,2}\
         (%\\{[a-zA-Z][0-9]{0,3}r?[-.+,/_=]?\\}|[ -~]|[0-9./:]{0,8}|a\\.example){0,4}", 0..6),
        from in "\\PC{0,20}", explanation in "[ -~]{0,30}|(%\\{[a-zA-Z]\\}){0,3}") {
        let text = format!("v=spf1 {} -all exp=e.example", terms.join(" "));
        let zone = record(&text).text("e.example", &explanation).pointer("192.0.2.1", "a.example");
        check(&zone, &format!("{from}@a.example"));
        check(&zone, &from);
    }

    #[test]
    fn any_octets_are_no_panic(octets in prop::collection::vec(any::<u8>(), 0..80)) {
        let mut zone = Zone::default();
        zone.add("a.example", zone::Data::Text([b"v=spf1 ", octets.as_slice()].concat()));
        check(&zone, "x@a.example");
    }
}
