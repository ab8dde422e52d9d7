//! DMARC (RFC 9989): records, the tree walk, alignment, policies, and silence.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod zone;

use mailauth::dmarc::{
    Alignment, Evidence, Outcome, Policy, PublicSuffix, Record, URIS_MAX, Verdict, WALKS_MAX, check,
};
use mailauth::results::{Entry, Results};
use mailauth::spf;
use proptest::prelude::*;
use zone::{Zone, now};

/// A zone of records under `_dmarc.`.
fn zone(records: &[(&str, &str)]) -> Zone {
    records.iter().fold(Zone::default(), |zone, (name, text)| {
        zone.text(&format!("_dmarc.{name}"), &format!("v=DMARC1; {text}"))
    })
}

fn signed(zone: &Zone, author: &str, signer: &str) -> Outcome {
    let dkim_passed: &[&str] = if signer.is_empty() { &[] } else { &[signer] };
    now(check(zone, &Evidence { authors: &[author], dkim_passed, ..Evidence::default() }))
}

fn unsigned(zone: &Zone, author: &str) -> Outcome {
    signed(zone, author, "")
}

#[test]
fn a_record_is_read() {
    let record = Record::parse(
        b"v = DMARC1;p=Reject ; SP=quarantine; np=none;adkim=s; aspf=S;psd=n;t=y;fo=d:s; x=y;\
          pct=1; rua=mailto:a@example.org!10m , https://b.example/; ruf=mailto:c@example.org;\
          rua=mailto:d",
    )
    .unwrap();
    assert_eq!(record.policy, Policy::Reject);
    assert_eq!(record.subdomain_policy, Some(Policy::Quarantine));
    assert_eq!(record.nonexistent_policy, Some(Policy::None));
    assert_eq!(
        (record.dkim_alignment, record.spf_alignment),
        (Alignment::Strict, Alignment::Strict)
    );
    assert_eq!((record.public_suffix, record.testing), (PublicSuffix::No, true));
    assert_eq!(record.aggregate_reports, ["mailto:a@example.org", "https://b.example/"]);
    assert_eq!(record.failure_reports, ["mailto:c@example.org"]);
    assert_eq!(record.failure_options, "d:s");
    assert!(!record.unusable);
}

#[test]
fn what_begins_otherwise_is_no_record() {
    for text in [
        "",
        "v=DMARC2; p=none",
        "v=dmarc1; p=none",
        "p=none; v=DMARC1",
        "v=DMARC1 p=none",
        "v=DMARC11",
        "=",
        "v",
    ] {
        assert_eq!(Record::parse(text.as_bytes()), None, "{text}");
    }
    assert_eq!(Record::parse(b"v=DMARC1").unwrap().policy, Policy::None);
}

#[test]
fn wrong_tags_are_absent_and_wrong_policies_decide() {
    let record = Record::parse(b"v=DMARC1;p=reject;adkim=x;t=1;psd=z;fo=q;rua=nonsense").unwrap();
    assert_eq!((record.policy, record.testing), (Policy::Reject, false));
    assert_eq!((record.dkim_alignment, record.failure_options.as_str()), (Alignment::Relaxed, "0"));
    assert!(record.aggregate_reports.is_empty());
    for text in ["p=refuse", "p=reject; sp=x", "p=reject; np="] {
        let unusable = zone(&[("example.org", text)]);
        assert_eq!(unsigned(&unusable, "example.org").verdict, Verdict::None, "{text}");
        let reported = zone(&[("example.org", &format!("{text}; rua=mailto:a@example.org"))]);
        let outcome = unsigned(&reported, "example.org");
        assert_eq!((outcome.verdict, outcome.policy), (Verdict::Fail, Policy::None), "{text}");
    }
}

#[test]
fn addresses_for_reports_are_limited() {
    for count in [URIS_MAX, URIS_MAX + 1] {
        let uris = vec!["mailto:a@example.org"; count].join(",");
        let record = Record::parse(format!("v=DMARC1; rua={uris}").as_bytes()).unwrap();
        assert_eq!(record.aggregate_reports.len(), URIS_MAX);
    }
}

/// RFC 9989 §4.10: eight labels are asked one by one, of nine the second is the one with seven.
#[test]
fn a_walk_asks_eight_names_at_most() {
    let asked = |author: &str| {
        let zone = Zone::default();
        unsigned(&zone, author);
        zone.asked()
    };
    assert_eq!(asked("mail.example.com").len(), 3);
    assert_eq!(asked("b.c.d.e.f.mail.example.com").len(), 8);
    assert_eq!(
        asked("a.b.c.d.e.f.g.h.i.j.mail.example.com"),
        [
            "TXT _dmarc.a.b.c.d.e.f.g.h.i.j.mail.example.com",
            "TXT _dmarc.g.h.i.j.mail.example.com",
            "TXT _dmarc.h.i.j.mail.example.com",
            "TXT _dmarc.i.j.mail.example.com",
            "TXT _dmarc.j.mail.example.com",
            "TXT _dmarc.mail.example.com",
            "TXT _dmarc.example.com",
            "TXT _dmarc.com",
        ]
    );
}

/// RFC 9989 §4.10.2 and its examples.
#[test]
fn the_organizational_domain() {
    let of = |records: &[(&str, &str)], author| unsigned(&zone(records), author).organizational;
    assert_eq!(
        of(&[("mail.example.com", ""), ("example.com", "")], "a.mail.example.com"),
        "example.com"
    );
    assert_eq!(of(&[("com", "psd=y")], "a.mail.example.com"), "example.com");
    assert_eq!(of(&[("com", "psd=y"), ("example.com", "")], "a.example.com"), "example.com");
    assert_eq!(of(&[("com", ""), ("example.com", "psd=n")], "a.example.com"), "example.com");
    assert_eq!(
        of(&[("a.example.com", "psd=n"), ("example.com", "")], "a.example.com"),
        "a.example.com"
    );
    assert_eq!(of(&[("com", "psd=y")], "com"), "com");
    assert_eq!(of(&[("uk", "psd=y"), ("co.uk", "psd=y")], "a.b.co.uk"), "b.co.uk");
    assert_eq!(
        of(&[("co.uk", "psd=y"), ("uk", "")], "co.uk"),
        "uk",
        "the start does not end a walk"
    );
    assert_eq!(of(&[("b.example.com", "")], "a.b.example.com"), "b.example.com");
}

#[test]
fn the_record_of_the_author_then_above_then_the_suffix() {
    let of = |records: &[(&str, &str)], author| {
        let outcome = unsigned(&zone(records), author);
        (outcome.published.map(|(domain, _)| domain).unwrap_or_default(), outcome.policy)
    };
    let reject = |domain: &str| (domain.to_owned(), Policy::Reject);
    assert_eq!(
        of(&[("a.example", "p=reject"), ("example", "p=none")], "a.example"),
        reject("a.example")
    );
    // The one between is neither the author's nor the organizational domain's.
    let three = [("c.example", "p=reject"), ("b.c.example", "p=none")];
    assert_eq!(of(&three, "a.b.c.example"), reject("c.example"));
    assert_eq!(of(&[("example", "psd=y; p=reject")], "a.b.example"), reject("example"));
    assert_eq!(of(&[], "a.example"), (String::new(), Policy::None));
    assert_eq!(unsigned(&zone(&[]), "a.example").verdict, Verdict::None);
}

#[test]
fn several_records_are_none() {
    let two = zone(&[("a.example", "p=reject"), ("a.example", "p=none")]);
    assert_eq!(unsigned(&two, "a.example").verdict, Verdict::None);
    let other = zone(&[("a.example", "p=reject")]).text("_dmarc.a.example", "something else");
    assert_eq!(unsigned(&other, "a.example").policy, Policy::Reject);
}

#[test]
fn alignment_is_relaxed_or_strict() {
    let relaxed = zone(&[("example.org", "p=reject")]);
    let strict = zone(&[("example.org", "p=reject; adkim=s; aspf=s")]);
    let verdict = |zone: &Zone, author, signer| signed(zone, author, signer).verdict;
    for (author, signer, loose, tight) in [
        ("example.org", "example.org", Verdict::Pass, Verdict::Pass),
        ("EXAMPLE.org", "example.ORG.", Verdict::Pass, Verdict::Pass),
        ("example.org", "mail.example.org", Verdict::Pass, Verdict::Fail),
        ("mail.example.org", "example.org", Verdict::Pass, Verdict::Fail),
        ("a.example.org", "b.example.org", Verdict::Pass, Verdict::Fail),
        ("example.org", "notexample.org", Verdict::Fail, Verdict::Fail),
        ("example.org", "org", Verdict::Fail, Verdict::Fail),
        ("example.org", "example.com", Verdict::Fail, Verdict::Fail),
    ] {
        assert_eq!(verdict(&relaxed, author, signer), loose, "{author} {signer}");
        assert_eq!(verdict(&strict, author, signer), tight, "{author} {signer}");
    }
    // A name below that is an organization of its own is another's.
    let apart = zone(&[("example.org", "p=reject"), ("b.example.org", "psd=n")]);
    assert_eq!(verdict(&apart, "example.org", "b.example.org"), Verdict::Fail);
    let suffix = zone(&[("example.org", "psd=y; p=reject")]);
    assert_eq!(verdict(&suffix, "a.example.org", "b.example.org"), Verdict::Fail);
}

#[test]
fn spf_counts_when_it_passed_for_an_aligned_domain() {
    let zone = zone(&[("example.org", "p=reject; aspf=r; adkim=s")]);
    let of = |spf| {
        now(check(&zone, &Evidence { authors: &["example.org"], spf, ..Evidence::default() }))
    };
    let outcome = of(Some((spf::Verdict::Pass, "bounce.example.org")));
    assert_eq!(
        (outcome.verdict, outcome.spf_aligned, outcome.dkim_aligned),
        (Verdict::Pass, true, false)
    );
    assert_eq!(outcome.policy, Policy::None);
    assert_eq!(outcome.requested, Policy::Reject);
    assert_eq!(of(Some((spf::Verdict::Pass, "example.com"))).verdict, Verdict::Fail);
    assert_eq!(of(Some((spf::Verdict::SoftFail, "example.org"))).verdict, Verdict::Fail);
    assert_eq!(of(None).policy, Policy::Reject);
}

#[test]
fn policies_for_names_below() {
    let of = |text, author| {
        let zone = zone(&[("example.org", text)]).address("real.example.org", "192.0.2.1");
        unsigned(&zone, author).policy
    };
    let all = "p=reject; sp=quarantine; np=none";
    assert_eq!(of(all, "example.org"), Policy::Reject);
    assert_eq!(of(all, "real.example.org"), Policy::Quarantine);
    assert_eq!(of(all, "unreal.example.org"), Policy::None);
    assert_eq!(of("p=none; sp=reject", "unreal.example.org"), Policy::Reject, "np is sp");
    assert_eq!(of("p=quarantine", "unreal.example.org"), Policy::Quarantine, "np is p");
    assert_eq!(of("p=none; np=reject", "real.example.org"), Policy::None, "sp is p");
    assert_eq!(of("p=none; np=reject", "unreal.example.org"), Policy::Reject);
}

#[test]
fn testing_lowers_by_one() {
    let of = |text| {
        let outcome = unsigned(&zone(&[("example.org", text)]), "example.org");
        (outcome.verdict, outcome.requested, outcome.policy)
    };
    assert_eq!(of("p=reject; t=y"), (Verdict::Fail, Policy::Reject, Policy::Quarantine));
    assert_eq!(of("p=quarantine; t=y"), (Verdict::Fail, Policy::Quarantine, Policy::None));
    assert_eq!(of("p=none; t=y"), (Verdict::Fail, Policy::None, Policy::None));
    assert_eq!(of("p=reject; t=n; pct=0"), (Verdict::Fail, Policy::Reject, Policy::Reject));
}

#[test]
fn one_author_domain_is_needed() {
    let zone = zone(&[("example.org", "p=reject"), ("xn--mller-kva.example", "p=reject")]);
    let of = |authors: &[&str]| {
        let outcome = now(check(&zone, &Evidence { authors, ..Evidence::default() }));
        (outcome.verdict, outcome.author)
    };
    let none = |verdict| (verdict, String::new());
    assert_eq!(of(&[]), none(Verdict::None));
    assert_eq!(of(&["example.org", "example.com"]), none(Verdict::None));
    assert_eq!(of(&["example.org", "Example.ORG"]), (Verdict::Fail, "example.org".to_owned()));
    let both = ["müller.example", "XN--mller-kva.example"];
    assert_eq!(of(&both), (Verdict::Fail, "xn--mller-kva.example".to_owned()));
    let long = "a.".repeat(125);
    for wrong in ["", "a..b", "[192.0.2.1]", "a b", long.as_str()] {
        assert_eq!(of(&[wrong]), none(Verdict::PermError), "{wrong}");
    }
}

#[test]
fn silence_decides_nothing() {
    let silent = zone(&[("example.org", "p=reject")]).silent("_dmarc.org", "TXT");
    assert_eq!(unsigned(&silent, "example.org").verdict, Verdict::TempError);
    assert_eq!(unsigned(&silent, "example.org").reason, "DNS did not answer for _dmarc.org");

    let zone = || zone(&[("example.org", "p=reject")]);
    let of = |zone: &Zone, evidence: Evidence<'_>| {
        now(check(zone, &Evidence { authors: &["example.org"], ..evidence })).verdict
    };
    let unanswered = |domain| Evidence { dkim_unanswered: domain, ..Evidence::default() };
    assert_eq!(of(&zone(), unanswered(&["a.example.org"])), Verdict::TempError);
    assert_eq!(of(&zone(), unanswered(&["a.example.com"])), Verdict::Fail, "cannot be aligned");
    let spf =
        |domain| Evidence { spf: Some((spf::Verdict::TempError, domain)), ..Evidence::default() };
    assert_eq!(of(&zone(), spf("example.org")), Verdict::TempError);
    assert_eq!(of(&zone(), spf("example.com")), Verdict::Fail);
    let passed = Evidence { dkim_passed: &["example.org"], ..spf("example.org") };
    assert_eq!(of(&zone(), passed), Verdict::Pass);
    let below = || zone().silent("_dmarc.a.example.org", "TXT");
    let signer = Evidence { dkim_passed: &["a.example.org"], ..Evidence::default() };
    assert_eq!(of(&below(), signer), Verdict::TempError);
    let signers =
        Evidence { dkim_passed: &["a.example.org", "example.org"], ..Evidence::default() };
    assert_eq!(of(&below(), signers), Verdict::Pass);
}

#[test]
fn silence_about_the_author_matters_where_np_is_other() {
    let of = |text| {
        let zone = zone(&[("example.org", text)]).silent("a.example.org", "A");
        unsigned(&zone, "a.example.org").verdict
    };
    assert_eq!(of("p=reject; np=reject"), Verdict::Fail);
    assert_eq!(of("p=none; np=reject"), Verdict::TempError);
}

#[test]
fn walks_for_others_are_limited() {
    for (before, verdict) in [(WALKS_MAX - 1, Verdict::Pass), (WALKS_MAX, Verdict::Fail)] {
        let others: Vec<String> = (0..before).map(|n| format!("n{n}.example.org")).collect();
        let mut records = vec![("example.org", "p=reject")];
        records.extend(others.iter().map(|name| (name.as_str(), "psd=n")));
        let mut signers: Vec<&str> = others.iter().map(String::as_str).collect();
        signers.push("good.example.org");
        let evidence =
            Evidence { authors: &["example.org"], dkim_passed: &signers, ..Evidence::default() };
        assert_eq!(now(check(&zone(&records), &evidence)).verdict, verdict, "{before}");
    }
}

#[test]
fn what_was_found_is_written() {
    let entries =
        vec![Entry::dmarc(&unsigned(&zone(&[("example.org", "p=reject")]), "a.example.org"))];
    assert_eq!(
        Results { authserv_id: "mx.example".to_owned(), entries }.value(0),
        "mx.example;\r\n\tdmarc=fail (nothing aligned with a.example.org passed)\r\n\
         \theader.from=a.example.org polrec.p=reject polrec.domain=example.org"
    );
}

proptest! {
    #[test]
    fn any_record_and_any_domain_are_no_panic(
        octets in prop::collection::vec(any::<u8>(), 0..60),
        text in "(v=DMARC1)?(; ?(p|sp|np|psd|t|rua|fo)=(none|reject|y|n|[!-~]{0,8})){0,6}",
        author in "([a-z.é-]{0,12}|\\PC{0,10})(\\.example)?",
        signer in "[a-z.]{0,6}\\.example",
    ) {
        let _ = Record::parse(&octets);
        let zone = Zone::default().text("_dmarc.example", &text).text("_dmarc.a.example", &text);
        let outcome = signed(&zone, &author, &signer);
        prop_assert!(outcome.reason.is_ascii());
        prop_assert!(outcome.verdict == Verdict::Fail || outcome.policy == Policy::None);
    }
}
