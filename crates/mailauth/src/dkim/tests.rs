//! Examples of the RFCs, and signatures that we make ourselves.

use super::*;
use crate::dns::{Answer, Dns, Failure};
use proptest::prelude::*;
use std::{
    collections::HashMap,
    future::Future,
    net::IpAddr,
    pin::pin,
    task::{Context, Poll, Waker},
};

/// Keys by name; a name that begins with `down.` is not answered for.
#[derive(Default)]
pub(crate) struct Keys(pub HashMap<String, Vec<Vec<u8>>>);

impl Dns for Keys {
    async fn txt(&self, name: &str) -> Answer<Vec<u8>> {
        if name.starts_with("down.") {
            return Err(Failure::Temporary);
        }
        self.0.get(name).cloned().ok_or(Failure::NoSuchName)
    }
    async fn addresses(&self, _: &str, _: bool) -> Answer<IpAddr> {
        Err(Failure::NoRecords)
    }
    async fn exchanges(&self, _: &str) -> Answer<String> {
        Err(Failure::NoRecords)
    }
    async fn names(&self, _: IpAddr) -> Answer<String> {
        Err(Failure::NoRecords)
    }
}

impl Keys {
    pub(crate) fn with(mut self, name: &str, record: &str) -> Self {
        self.0.entry(name.to_owned()).or_default().push(record.as_bytes().to_vec());
        self
    }
}

/// Nothing here waits.
pub(crate) fn now<T>(future: impl Future<Output = T>) -> T {
    match pin!(future).poll(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(value) => value,
        Poll::Pending => panic!("it waits"),
    }
}

fn verify(message: &[u8], keys: &Keys, at: i64) -> Vec<Verified> {
    let (header, body) = message.split_at(mail::header::header_octets(message));
    let mut check = Check::new(header, at, &Limits::default());
    check.update(body);
    now(check.finish(keys))
}

const RFC8463: &str = "DKIM-Signature: v=1; a=ed25519-sha256; c=relaxed/relaxed;\r
 d=football.example.com; i=@football.example.com;\r
 q=dns/txt; s=brisbane; t=1528637909; h=from : to :\r
 subject : date : message-id : from : subject : date;\r
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r
 b=/gCrinpcQOoIfuHNQIbq4pgh9kyIK3AQUdt9OdqQehSwhEIug4D11Bus\r
 Fa3bT3FY5OsU7ZbnKELq+eXdp1Q1Dw==\r
DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed;\r
 d=football.example.com; i=@football.example.com;\r
 q=dns/txt; s=test; t=1528637909; h=from : to : subject :\r
 date : message-id : from : subject : date;\r
 bh=2jUSOH9NhtVGCQWNr9BrIAPreKQjO6Sn7XIkfJVOzv8=;\r
 b=F45dVWDfMbQDGHJFlXUNB2HKfbCeLRyhDXgFpEL8GwpsRe0IeIixNTe3\r
 DhCVlUrSjV4BwcVcOF6+FF3Zo9Rpo1tFOeS9mPYQTnGdaSGsgeefOsk2Jz\r
 dA+L10TeYt9BgDfQNZtKdN1WO//KgIqXP7OdEFE4LjFYNcUxZQ4FADY+8=\r
From: Joe SixPack <joe@football.example.com>\r
To: Suzie Q <suzie@shopping.example.net>\r
Subject: Is dinner ready?\r
Date: Fri, 11 Jul 2003 21:00:37 -0700 (PDT)\r
Message-ID: <20030712040037.46341.5F8J@football.example.com>\r
\r
Hi.\r
\r
We lost the game.  Are you hungry yet?\r
\r
Joe.\r
";

fn rfc8463_keys() -> Keys {
    Keys::default()
        .with(
            "brisbane._domainkey.football.example.com",
            "v=DKIM1; k=ed25519; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
        )
        .with(
            "test._domainkey.football.example.com",
            "v=DKIM1; k=rsa; p=MIGfMA0GCSqGSIb3DQEBAQUAA4GNADCBiQKBgQDkHlOQoBTzWR\
             iGs5V6NpP3idY6Wk08a5qhdR6wy5bdOKb2jLQiY/J16JYi0Qvx/byYzCNb3W91y3FutAC\
             DfzwQ/BC/e/8uBsCR+yz1Lxj+PL6lHvqMKrM3rG4hstT5QjvHO9PzoxZyVYLzBfO2EeC3\
             Ip3G+2kryOTIKT+l/K4w3QIDAQAB",
        )
}

#[test]
fn rfc8463_appendix_a() {
    let found = verify(RFC8463.as_bytes(), &rfc8463_keys(), 1_600_000_000);
    let told: Vec<_> = found.iter().map(|one| (one.outcome, &*one.selector)).collect();
    assert_eq!(told, [(Outcome::Pass, "brisbane"), (Outcome::Pass, "test")], "{found:#?}");
    assert_eq!((&*found[0].domain, &*found[0].start), ("football.example.com", "/gCrinpc"));
}

#[test]
fn what_was_changed_fails() {
    let keys = rfc8463_keys();
    for (from, to, reason) in [
        ("hungry", "angry", "the body was changed"),
        (
            "Subject: Is dinner",
            "Subject: Is supper",
            "the header was changed, or the key is another",
        ),
        // Signed twice, so that none can be added.
        ("Date:", "Subject: Another\r\nDate:", "the header was changed, or the key is another"),
    ] {
        for one in verify(RFC8463.replace(from, to).as_bytes(), &keys, 0) {
            // At the time 0 the signature is of the future; that is told first.
            assert_eq!(one.outcome, Outcome::Policy);
        }
        for one in verify(RFC8463.replace(from, to).as_bytes(), &keys, 1_600_000_000) {
            assert_eq!((one.outcome, one.reason), (Outcome::Fail, reason), "{from}");
        }
    }
    // White space and case of names do not count.
    let same = RFC8463
        .replace("To: Suzie Q", "TO  :  Suzie\r\n\t Q")
        .replace("game.  Are", "game. Are \t");
    let same = same.replace("\tyou", "you").replace("Joe.\r\n", "Joe. \r\n\r\n \r\n");
    assert!(
        verify(same.as_bytes(), &keys, 1_600_000_000)
            .iter()
            .all(|one| one.outcome == Outcome::Pass)
    );
}

#[test]
fn what_dns_and_keys_say() {
    let message = RFC8463.as_bytes();
    let outcome = |keys: &Keys| verify(message, keys, 1_600_000_000)[0].clone();
    let name = "brisbane._domainkey.football.example.com";
    assert_eq!(outcome(&Keys::default()).outcome, Outcome::PermError);
    for (record, reason) in [
        ("v=DKIM1; k=ed25519; p=", "the key was revoked"),
        (
            "v=DKIM1; k=ed25519; s=other; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=",
            "the key is for something else",
        ),
        ("x", "the key record cannot be read"),
    ] {
        let one = outcome(&Keys::default().with(name, record));
        assert_eq!((one.outcome, one.reason), (Outcome::PermError, reason));
    }
    // The first that is a key, and its flags.
    let keys = Keys::default()
        .with(name, "v=spf1 -all")
        .with(name, "k=ed25519; t=y:s; p=11qYAYKxCrfVS/7TyWQHOg7hcvPapiMlrwIaaPcHURo=");
    assert!(outcome(&keys).outcome == Outcome::Pass && outcome(&keys).testing);
    let down = RFC8463.replace("s=brisbane", "s=down");
    assert_eq!(verify(down.as_bytes(), &keys, 1_600_000_000)[0].outcome, Outcome::TempError);
}

#[test]
fn rfc6376_6_1_1_what_a_signature_must_have() {
    let keys = rfc8463_keys();
    for (from, to, outcome, reason) in [
        ("v=1; a=ed", "v=2; a=ed", Outcome::Neutral, "another version"),
        ("a=ed25519-sha256", "a=rsa-sha1", Outcome::Policy, "SHA-1"),
        ("a=ed25519-sha256", "a=dsa-sha256", Outcome::Neutral, "another algorithm"),
        ("h=from : to", "h=to", Outcome::Fail, "the header was changed, or the key is another"),
        (
            "h=from : to :\r\n subject : date : message-id : from :",
            "h=",
            Outcome::Neutral,
            "From is not signed",
        ),
        ("i=@football", "i=@soccer", Outcome::Neutral, "i= is not of d="),
        ("i=@football", "i=@notfootball", Outcome::Neutral, "i= is not of d="),
        ("q=dns/txt", "q=web", Outcome::Neutral, "another way to the key"),
        ("t=1528637909", "t=1528637909; x=1528637908", Outcome::Neutral, "x= is before t="),
        ("t=1528637909", "x=1528637910", Outcome::Fail, "expired"),
        ("c=relaxed/relaxed", "c=nofws", Outcome::Neutral, "another canonicalisation"),
        ("bh=2jUSOH9NhtVG", "bh=", Outcome::Neutral, "bh= is no hash"),
        ("t=1528637909", "l=9999", Outcome::Fail, "the body is shorter than what was signed"),
        ("d=football.example.com", "d=", Outcome::Neutral, "d= or s= is missing"),
    ] {
        let message = RFC8463.replacen(from, to, 1);
        assert_ne!(message, RFC8463, "{from}");
        let one = verify(message.as_bytes(), &keys, 1_600_000_000)[0].clone();
        assert_eq!((one.outcome, one.reason), (outcome, reason), "{to}");
    }
}

fn signing() -> Vec<SigningKey> {
    [Algorithm::RsaSha256, Algorithm::Ed25519Sha256]
        .into_iter()
        .map(|algorithm| {
            let secret = generate(algorithm).unwrap();
            let selector = algorithm.key_type();
            SigningKey::new(("example.test", selector), algorithm, &secret).unwrap()
        })
        .collect()
}

fn published(keys: &[SigningKey]) -> Keys {
    keys.iter().fold(Keys::default(), |all, key| {
        all.with(&format!("{}._domainkey.example.test", key.selector()), &key.record().unwrap())
    })
}

fn signed(keys: &[SigningKey], header: &str, body: &[u8]) -> Vec<u8> {
    let mut hash = BodyHash::new(Canonical::Relaxed, u64::MAX);
    hash.update(body);
    let (hash, _) = hash.finish();
    let mut message: String =
        keys.iter().map(|key| key.sign(header.as_bytes(), &hash, 1_000).unwrap()).collect();
    message.push_str(header);
    message.push_str("\r\n");
    [message.as_bytes(), body].concat()
}

#[test]
fn what_is_signed_verifies_and_is_folded() {
    let keys = signing();
    let header =
        "From: a@example.test\r\nTo: b@example.test\r\nList-Id: <x>\r\nTo: c@example.test\r\n";
    let message = signed(&keys, header, b"Hello\r\n");
    let found = verify(&message, &published(&keys), 1_000);
    assert_eq!(found.len(), 2);
    assert!(found.iter().all(|one| one.outcome == Outcome::Pass), "{found:#?}");
    let text = String::from_utf8(message).unwrap();
    assert!(text.lines().all(|line| line.len() < 80), "{text}");
    // Neither another From nor another Subject can be added, nor a To or List-Id that is signed
    // be taken away.
    for (from, to) in [
        ("To: b", "From: x@example.test\r\nTo: b"),
        ("To: b", "Subject: x\r\nTo: b"),
        ("To: c@example.test\r\n", ""),
        ("List-Id: <x>\r\n", ""),
    ] {
        let changed = text.replacen(&format!("\r\n{from}"), &format!("\r\n{to}"), 1);
        assert_ne!(changed, text);
        let found = verify(changed.as_bytes(), &published(&keys), 1_000);
        assert!(found.iter().all(|one| one.outcome == Outcome::Fail), "{from} {found:#?}");
    }
}

#[test]
fn signatures_at_the_limit_and_beyond() {
    let limits = Limits { signatures_max: 2, ..Limits::default() };
    let header = "DKIM-Signature: v=1\r\n".repeat(3);
    assert_eq!(now(Check::new(header.as_bytes(), 0, &limits).finish(&Keys::default())).len(), 2);
    let limits = Limits { names_max: 8, ..Limits::default() };
    let (header, _) = RFC8463.split_at(mail::header::header_octets(RFC8463.as_bytes()));
    assert!(!Check::new(header.as_bytes(), 1_600_000_000, &limits).is_empty());
    let limits = Limits { names_max: 7, ..Limits::default() };
    assert!(Check::new(header.as_bytes(), 1_600_000_000, &limits).is_empty());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(40))]
    #[test]
    fn what_is_signed_verifies_and_what_is_changed_does_not(
        subject in "[ -~]{0,40}",
        extra in "[a-z \t]{0,90}",
        body in "([a-z \t]{0,9}(\r\n)?){0,9}",
        at in any::<prop::sample::Index>(),
    ) {
        let keys = &signing()[1..];
        let to = extra.replace("  ", " \r\n ");
        let header = format!("Subject: {subject}\r\nFrom: a@example.test\r\nTo:{to}\r\n");
        let message = signed(keys, &header, body.as_bytes());
        let found = verify(&message, &published(keys), 1_000);
        prop_assert_eq!(found[0].outcome, Outcome::Pass);
        // One letter of the body is another.
        let places = message.len() - body.len()..message.len();
        let letters: Vec<usize> =
            places.filter(|at| message[*at].is_ascii_lowercase()).collect();
        if !letters.is_empty() {
            let mut changed = message.clone();
            changed[*at.get(&letters)] = b'!';
            let found = verify(&changed, &published(keys), 1_000);
            prop_assert_eq!(found[0].outcome, Outcome::Fail);
        }
    }

    #[test]
    fn no_header_panics(
        header in "(DKIM-Signature: )?[ -~;=\r\n\t]{0,300}",
        body in proptest::collection::vec(any::<u8>(), 0..50),
    ) {
        let mut check = Check::new(header.as_bytes(), 5, &Limits::default());
        check.update(&body);
        now(check.finish(&rfc8463_keys()));
    }
}
