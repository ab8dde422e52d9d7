//! Chains that we make ourselves, and every way to break one.

use super::{set::collect, *};
use crate::{
    dkim::{
        Algorithm, BodyHash, Canonical, SigningKey, generate,
        tests::{Keys, now},
    },
    results::Entry,
};
use proptest::prelude::*;
use std::sync::LazyLock;

const AT: i64 = 1_000;
const HEADER: &str = "From: a@one.test\r\nTo: list@two.test\r\nSubject: x\r\n\
                      DKIM-Signature: v=1; d=one.test\r\n\r\n";
const BODY: &str = "Hello\r\n";

/// Making keys takes its time.
static KEYS: LazyLock<[SigningKey; 2]> = LazyLock::new(|| {
    let make = |domain, algorithm: Algorithm| {
        SigningKey::new((domain, "s"), algorithm, &generate(algorithm).unwrap()).unwrap()
    };
    [make("two.test", Algorithm::RsaSha256), make("three.test", Algorithm::Ed25519Sha256)]
});

fn published() -> Keys {
    KEYS.iter().fold(Keys::default(), |keys, key| {
        keys.with(&format!("s._domainkey.{}", key.domain()), &key.record().unwrap())
    })
}

fn found(dmarc: &str) -> Results {
    let entries = vec![Entry::new("dmarc", dmarc).with("header", "from", "one.test")];
    Results { authserv_id: "mx.two.test".into(), entries }
}

fn try_seal(message: &str, key: &SigningKey, status: Status) -> Result<String, NoSeal> {
    let (header, body) = message.split_at(mail::header::header_octets(message.as_bytes()));
    let mut hash = BodyHash::new(Canonical::Relaxed, u64::MAX);
    hash.update(body.as_bytes());
    let body = hash.finish().0;
    let set = seal(key, (header.as_bytes(), &body), (&found("pass"), status), AT)?;
    Ok(format!("{set}{message}"))
}

fn sealed(message: &str, key: &SigningKey, status: Status) -> String {
    try_seal(message, key, status).unwrap()
}

fn verify_with(message: &[u8], keys: &Keys, limits: &Limits) -> Chain {
    let (header, body) = message.split_at(mail::header::header_octets(message));
    let mut check = Check::new(header, AT, limits);
    check.update(body);
    now(check.finish(keys))
}

fn verify(message: &str) -> Chain {
    verify_with(message.as_bytes(), &published(), &Limits::default())
}

/// Two hosts passed it on.
fn chain() -> String {
    let [two, three] = &*KEYS;
    let once = sealed(&format!("{HEADER}{BODY}"), two, Status::None);
    sealed(&format!("Received: x\r\n{once}"), three, Status::Pass)
}

#[test]
fn a_chain_of_two_passes_and_tells_who_sealed_it() {
    assert_eq!(verify(&format!("{HEADER}{BODY}")), Chain::judged(Status::None, ""));
    let message = chain();
    let chain = verify(&message);
    assert_eq!((chain.status, chain.reason), (Status::Pass, ""), "{message}");
    let told: Vec<_> =
        chain.sealers.iter().map(|one| (one.instance, &*one.domain, &*one.selector)).collect();
    assert_eq!(told, [(1, "two.test", "s"), (2, "three.test", "s")]);
    assert_eq!(chain.sealers[0].results, Some(found("pass")));
    assert!(message.lines().all(|line| line.len() < 80), "{message}");
}

#[test]
fn rfc8617_5_2_what_was_changed_fails() {
    let message = chain();
    for (from, to) in [
        ("Hello", "Hallo"),
        ("Subject: x", "Subject: y"),
        ("From: a@", "From: b@"),
        ("DKIM-Signature: v=1", "DKIM-Signature: v=2"),
        // What the first host found, and when.
        ("dmarc=pass", "dmarc=fail"),
        ("t=1000; cv=none", "t=1001; cv=none"),
        ("cv=pass", "cv=none"),
        ("cv=none", "cv=pass"),
        ("cv=pass", "cv=fail"),
        ("cv=pass", "cv=maybe"),
        ("ARC-Seal: i=2; ", "ARC-Seal: i=2; h=from; "),
        ("ARC-Seal: i=2; ", "ARC-Seal: i=2; i=2; "),
        ("ARC-Seal: i=2; ", "ARC-Seal: "),
        ("ARC-Seal: i=2; a=", "ARC-Seal: i=2; b="),
        ("ARC-Seal: i=2; a=ed25519-sha256", "ARC-Seal: i=2; a=rsa-sha1"),
        ("ARC-Seal: i=2;", "ARC-Seal: i=3;"),
        ("ARC-Seal: i=1;", "ARC-Seal: i=0;"),
        ("ARC-Seal: i=1;", "X-Seal: i=1;"),
        ("ARC-Message-Signature: i=1;", "X-Signature: i=1;"),
        ("ARC-Message-Signature: i=1;", "ARC-Message-Signature: i=2;"),
        ("ARC-Authentication-Results: i=1;", "ARC-Authentication-Results: i=a;"),
        ("ARC-Authentication-Results: i=1;", "ARC-Authentication-Results: (i=1) none;"),
        ("h=From:", "h=ARC-Seal:From:"),
        ("h=From:", "h="),
    ] {
        let changed = message.replacen(from, to, 1);
        assert_ne!(changed, message, "{from}");
        let chain = verify(&changed);
        assert_eq!(chain.status, Status::Fail, "{from} {to}");
        assert!(!chain.reason.is_empty() && !chain.unanswered && chain.sealers.is_empty());
    }
    for name in ["ARC-Seal", "ARC-Message-Signature", "ARC-Authentication-Results"] {
        let twice = format!("{name}: i=2; cv=pass\r\n{message}");
        assert_eq!(verify(&twice).status, Status::Fail, "{name}");
    }
    assert_eq!(
        verify_with(message.as_bytes(), &Keys::default(), &Limits::default()).status,
        Status::Fail
    );
}

#[test]
fn what_old_message_signatures_cover_may_have_been_changed() {
    let [two, three] = &*KEYS;
    let once = sealed(&format!("{HEADER}{BODY}"), two, Status::None);
    let list = once.replace("Subject: x", "Subject: [list] x").replace("Hello", "Hello, all");
    assert_eq!(verify(&list).status, Status::Fail);
    assert_eq!(verify(&sealed(&list, three, Status::Pass)).status, Status::Pass);
}

#[test]
fn silence_of_dns_is_told_apart() {
    let message = chain().replacen("s=s", "s=down", 1);
    let keys = published();
    let (seal, rest) = message.split_once("ARC-Message-Signature").unwrap();
    let rest = rest.replacen("s=s", "s=down", 1);
    let message = format!("{seal}ARC-Message-Signature{rest}");
    let chain = verify_with(message.as_bytes(), &keys, &Limits::default());
    assert_eq!((chain.status, chain.unanswered), (Status::Fail, true), "{}", chain.reason);
}

#[test]
fn rfc8617_5_1_2_a_chain_that_failed_is_sealed_once_more() {
    let [two, three] = &*KEYS;
    let changed = chain().replacen("Hello", "Hallo", 1);
    let sealed_again = sealed(&changed, two, Status::Fail);
    assert!(sealed_again.starts_with("ARC-Seal: i=3; a=rsa-sha256; t=1000; cv=fail;"));
    let chain = verify(&sealed_again);
    assert_eq!(chain.status, Status::Fail);
    assert!(chain.reason.contains("before"), "{}", chain.reason);
    // Nobody adds to it.
    assert_eq!(try_seal(&sealed_again, three, Status::Fail), Err(NoSeal::Ended));
    assert_eq!(try_seal(HEADER, three, Status::Pass), Err(NoSeal::Ended));
    assert_eq!(try_seal(&changed, three, Status::None), Err(NoSeal::Ended));
}

#[test]
fn rfc8617_4_2_1_sets_at_the_limit_and_beyond() {
    let three = &KEYS[1];
    let mut message = format!("{HEADER}{BODY}");
    for instance in 0..SETS_MAX {
        let status = if instance == 0 { Status::None } else { Status::Pass };
        message = sealed(&message, three, status);
    }
    let chain = verify(&message);
    assert_eq!((chain.status, chain.sealers.len()), (Status::Pass, SETS_MAX));
    assert_eq!(try_seal(&message, three, Status::Pass), Err(NoSeal::Full));
    let more = format!("ARC-Seal: i=51; cv=pass\r\n{message}");
    assert_eq!(verify(&more).status, Status::Fail);
}

#[test]
fn octets_and_names_at_the_limit_and_beyond() {
    let message = chain();
    let arc = |field: &mail::header::Field<'_>| field.name.starts_with(b"ARC-");
    let fields = mail::header::fields(message.as_bytes()).filter(arc);
    let octets = fields.map(|field| field.raw.len()).sum();
    let status = |limits: &Limits| verify_with(message.as_bytes(), &published(), limits).status;
    let limits = |octets| Limits { chain_octets_max: octets, ..Limits::default() };
    assert_eq!(status(&limits(octets)), Status::Pass);
    assert_eq!(status(&limits(octets - 1)), Status::Fail);
    // Fourteen are signed once more than they are there: three of them are, and DKIM-Signature.
    let limits = |names| Limits { names_max: names, ..Limits::default() };
    assert_eq!(status(&limits(18)), Status::Pass);
    assert_eq!(status(&limits(17)), Status::Fail);
    let limits = |seconds| Limits { skew_seconds_max: seconds, ..Limits::default() };
    let early = |seconds| {
        let mut check = Check::new(message.as_bytes(), AT - 10, &limits(seconds));
        check.update(BODY.as_bytes());
        now(check.finish(&published())).status
    };
    assert_eq!((early(10), early(9)), (Status::Pass, Status::Fail));
}

#[test]
fn instances_are_written_in_many_ways() {
    for (text, wanted) in [
        ("i=1; a; none", Some(1)),
        (" i = 50 ; a", Some(50)),
        ("(x) i=(y)07;a", Some(7)),
        ("i=51; a", None),
        ("i=0; a", None),
        ("i=001; a", None),
        ("i=1", None),
        ("I=1; a", None),
        ("j=1; a", None),
        ("i=1 (; a", None),
        ("i=+1; a", None),
    ] {
        let told = super::set::results(text.as_bytes()).map(|(instance, _)| instance);
        assert_eq!(told, wanted, "{text}");
    }
}

proptest! {
    #[test]
    fn no_header_panics(
        lines in proptest::collection::vec(
            ("(ARC-(Seal|Message-Signature|Authentication-Results)|From): ", "[ -~]{0,60}"), 0..8),
        body in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let header: String =
            lines.iter().map(|(name, value)| format!("{name}i=1; {value}\r\n")).collect();
        let _ = collect(header.as_bytes(), 1 << 20);
        let message = [header.as_bytes(), b"\r\n", &body].concat();
        verify_with(&message, &published(), &Limits::default());
    }
}
