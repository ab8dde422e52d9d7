//! Authentication-Results: written, read, and told apart from forged ones.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use mailauth::results::{ENTRIES_MAX, Entry, FIELD_OCTETS_MAX, Results, VALUE_OCTETS_MAX, claims};
use proptest::prelude::*;

fn results(entries: Vec<Entry>) -> Results {
    Results { authserv_id: "mx.example.org".to_owned(), entries }
}

fn read(text: &str) -> Results {
    Results::parse(text.as_bytes()).unwrap_or_else(|| panic!("{text}"))
}

#[test]
fn a_field_is_written_folded() {
    let spf = Entry::new("spf", "pass")
        .commented("example.com permits 192.0.2.1: ip4:192.0.2.0/24")
        .with("smtp", "mailfrom", "example.com");
    let dkim = Entry::new("dkim", "fail")
        .because("bad signature")
        .with("header", "d", "example.com")
        .with("header", "b", "mMg/7+aB");
    let written = results(vec![spf, dkim, Entry::auth("me@example.com")]).field();
    assert_eq!(
        written,
        "Authentication-Results: mx.example.org;\r\n\
         \tspf=pass (example.com permits 192.0.2.1: ip4:192.0.2.0/24)\r\n\
         \tsmtp.mailfrom=example.com;\r\n\
         \tdkim=fail reason=\"bad signature\" header.d=example.com\r\n\
         \theader.b=\"mMg/7+aB\";\r\n\
         \tauth=pass smtp.auth=me@example.com\r\n"
    );
}

#[test]
fn no_result_is_none() {
    let none = results(Vec::new());
    assert_eq!(none.field(), "Authentication-Results: mx.example.org; none\r\n");
    assert_eq!(read("mx.example.org; none"), none);
    assert_eq!(read("mx.example.org 1; none"), none);
    assert_eq!(read("mx.example.org;"), none);
}

/// The examples of RFC 8601 appendix B, and what other servers write.
#[test]
fn fields_of_others_are_read() {
    let found = read(
        "example.com;\r\n\tauth=pass (cleartext) smtp.auth=sender@example.net;\r\n\
         \tspf=pass smtp.mailfrom=example.net",
    );
    assert_eq!(found.authserv_id, "example.com");
    assert_eq!(found.entries[0].comment.as_deref(), Some("cleartext"));
    assert_eq!(found.entries[0].property("smtp", "auth"), Some("sender@example.net"));
    assert_eq!(found.entries[1].property("smtp", "mailfrom"), Some("example.net"));

    let found = read(
        "foo.example.net (foobar) 1 (baz);\r\n dkim (Because I like it) / 1 (One yay) = (wait for \
         it) fail\r\n policy (A dot can go here) . (like that) expired\r\n (this surprised me) = \
         (as I wasn't expecting it) 1362471462",
    );
    assert_eq!(
        (found.entries[0].method.as_str(), found.entries[0].result.as_str()),
        ("dkim", "fail")
    );
    assert_eq!(found.entries[0].property("policy", "expired"), Some("1362471462"));

    let found = read(
        "mx.google.com; dkim=pass header.i=@example.com header.s=s1 header.b=Ab/+c=; spf=pass \
         (google.com: domain of a@example.com designates 2001:db8::1 as permitted sender) \
         smtp.mailfrom=a@example.com; dmarc=pass (p=NONE sp=NONE dis=NONE) \
         header.from=example.com;",
    );
    assert_eq!(found.entries.len(), 3);
    assert_eq!(found.entries[0].property("header", "i"), Some("@example.com"));
    assert_eq!(found.entries[0].property("header", "b"), Some("Ab/+c="));
    assert_eq!(found.entries[2].comment.as_deref(), Some("p=NONE sp=NONE dis=NONE"));

    let found =
        read("a.example; spf=fail smtp.mailfrom=\"a b\"@example.com; x=y reason=z action=no");
    assert_eq!(found.entries[0].property("smtp", "mailfrom"), Some("\"a b\"@example.com"));
    assert_eq!(found.entries[1].reason.as_deref(), Some("z"));
}

#[test]
fn what_is_no_result_is_not_read() {
    for wrong in [
        "",
        ";",
        "a.example; spf",
        "a.example; =pass",
        "a.example; spf=",
        "a 2; none",
        "a.example; spf=pass smtp.mailfrom",
        "a.example; spf=pass (",
        "(",
        "\"a",
        "a b; none",
    ] {
        assert_eq!(Results::parse(wrong.as_bytes()), None, "{wrong}");
    }
}

#[test]
fn limits_hold() {
    let many = |n: usize| results(vec![Entry::new("spf", "pass"); n]).value(0);
    assert_eq!(read(&many(ENTRIES_MAX)).entries.len(), ENTRIES_MAX);
    assert_eq!(Results::parse(many(ENTRIES_MAX + 1).as_bytes()), None);

    let padded = |n: usize| format!("a.example; none{}", " ".repeat(n - 15));
    assert!(Results::parse(padded(FIELD_OCTETS_MAX).as_bytes()).is_some());
    assert!(Results::parse(padded(FIELD_OCTETS_MAX + 1).as_bytes()).is_none());

    for length in [VALUE_OCTETS_MAX, VALUE_OCTETS_MAX + 1] {
        let value = "a".repeat(length);
        let written =
            results(vec![Entry::new("dkim", "pass").with("header", "d", &value)]).value(0);
        let kept = read(&written).entries[0].property("header", "d").unwrap().len();
        assert_eq!(kept, VALUE_OCTETS_MAX);
    }
    let deep = |n: usize| format!("{}{} a.example; none", "(".repeat(n), ")".repeat(n));
    assert!(Results::parse(deep(32).as_bytes()).is_some());
    assert!(Results::parse(deep(33).as_bytes()).is_none());
}

#[test]
fn strangers_write_no_lines() {
    let nasty = "x\r\nBcc: you@example.org\r\n\r\n\"; spf=pass (\\";
    let entry =
        Entry::new("spf", "fail").commented(nasty).because(nasty).with("smtp", "helo", nasty);
    let written = results(vec![entry]).field();
    let lines: Vec<&str> = written.split("\r\n").collect();
    assert!(lines[1..lines.len() - 1].iter().all(|line| line.starts_with('\t')), "{written}");
    assert!(!written.replace("\r\n", "").contains(['\r', '\n']));
    let found = read(written.trim_start_matches("Authentication-Results:"));
    assert_eq!(found.entries.len(), 1);
}

#[test]
fn forged_fields_are_known() {
    for ours in [
        "mx.example.org; spf=pass",
        " MX.Example.ORG;none",
        "(x(y)) mx.example.org (z) 1; none",
        "\"mx.example.org\"; none",
        "mx.example.org",
        "mx.example.org.; none",
        "mx.example.org/1; x",
        "\r\n\tmx.example.org\r\n ; none",
        "\"m\\x.example.org\"; none",
        "mx.example.org(1);none",
        "(mx.example.org; spf=pass",
        "; mx.example.org; spf=pass",
    ] {
        assert!(claims(ours.as_bytes(), "mx.example.org"), "{ours}");
    }
    for other in [
        "example.org; none",
        "a.mx.example.org; none",
        "mx.example.org.evil.example; none",
        "other.example; spf=pass smtp.helo=mx.example.org",
        "(mx.example.org) other.example; none",
    ] {
        assert!(!claims(other.as_bytes(), "mx.example.org"), "{other}");
    }
    assert!(claims("müller.example; none".as_bytes(), "xn--mller-kva.example"));
    assert!(claims(b"xn--mller-kva.example; none", "müller.example"));
}

fn entry() -> impl Strategy<Value = Entry> {
    let text = || "[ -~äß€]{0,30}".prop_map(|text| text.trim().replace("  ", "_"));
    let property = ("[a-z]{1,8}", "[a-z][a-z0-9-]{0,8}", "[ -~ä]{1,40}");
    let properties = prop::collection::vec(property, 0..4);
    let optional = (prop::option::of(text()), prop::option::of(text()));
    ("[a-z]{1,8}", "[a-z]{1,8}", optional, properties).prop_map(|(m, r, (c, reason), ps)| {
        let start = Entry { comment: c, reason, ..Entry::new(&m, &r) };
        ps.iter().fold(start, |entry, (kind, name, value)| entry.with(kind, name, value))
    })
}

proptest! {
    #[test]
    fn what_is_written_reads_back(entries in prop::collection::vec(entry(), 0..5)) {
        let entries: Vec<Entry> = entries.into_iter().map(|mut entry| {
            // Spaces around words of a comment are not kept as they were.
            entry.comment = entry.comment.map(|c| c.split(' ').collect::<Vec<_>>().join("-"));
            entry
        }).collect();
        let all = results(entries);
        prop_assert_eq!(Results::parse(all.value(20).as_bytes()), Some(all));
    }

    #[test]
    fn any_octets_are_no_panic(octets in prop::collection::vec(any::<u8>(), 0..80),
        text in "a;[ -~\\r\\n\\t(;=.\"\\\\ä]{0,60}") {
        let _ = (Results::parse(&octets), claims(&octets, "mx.example.org"));
        if let Some(read) = Results::parse(text.as_bytes()) {
            prop_assert!(read.field().lines().all(|line| line.len() <= 998));
        }
    }
}
