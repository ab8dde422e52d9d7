//! Names, answers, failures.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use super::*;
use std::collections::HashMap;

/// Answers in memory; what is not there does not exist.
struct Zone(HashMap<String, dns::Answer<IpAddr>>);

impl Zone {
    fn new(records: &[(&str, &[&str])]) -> Self {
        let record = |(name, texts): &(&str, &[&str])| {
            let addresses = texts.iter().map(|text| text.parse().unwrap()).collect();
            ((*name).to_owned(), Ok(addresses))
        };
        Self(records.iter().map(record).collect())
    }

    fn failing(name: &str) -> Self {
        Self(HashMap::from([(name.to_owned(), Err(dns::Failure::Temporary))]))
    }
}

impl Dns for Zone {
    async fn txt(&self, _: &str) -> dns::Answer<Vec<u8>> {
        Err(dns::Failure::NoRecords)
    }
    async fn addresses(&self, name: &str, ipv6: bool) -> dns::Answer<IpAddr> {
        // Not at once, as DNS.
        tokio::task::yield_now().await;
        assert!(!ipv6, "codes are A records");
        self.0.get(name).cloned().unwrap_or(Err(dns::Failure::NoSuchName))
    }
    async fn exchanges(&self, _: &str) -> dns::Answer<String> {
        Err(dns::Failure::NoRecords)
    }
    async fn names(&self, _: IpAddr) -> dns::Answer<String> {
        Err(dns::Failure::NoRecords)
    }
}

fn list(zone: &str, kind: Kind) -> List {
    let rows = [("127.0.0.2", Effect::Weight(2.5)), ("127.0.0.9", Effect::Reject)];
    let rows = rows.map(|(text, effect)| Row::parse(text, effect).unwrap());
    List { zone: zone.to_owned(), kind, codes: Codes(rows.to_vec()) }
}

fn address(text: &str) -> Subject<'static> {
    Subject::Address(text.parse().unwrap())
}

#[test]
fn names_of_addresses() {
    let list = list("l.test", Kind::Addresses);
    let name = |text: &str| name(&list, address(text));
    // RFC 5782 §2.1 and §2.4.
    assert_eq!(name("192.0.2.99").as_deref(), Some("99.2.0.192.l.test"));
    let nibbles = "0.7.b.d.3.c.8.d.2.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.l.test";
    assert_eq!(name("2001:db8::102:d8c3:db70").as_deref(), Some(nibbles));
    assert_eq!(name("::ffff:192.0.2.99").as_deref(), Some("99.2.0.192.l.test"), "mapped");
    for private in [
        "10.0.0.1",
        "127.0.0.2",
        "192.168.1.1",
        "172.16.0.1",
        "169.254.0.1",
        "100.64.0.1",
        "100.127.255.255",
        "0.0.0.0",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1",
        "fd00::1",
        "ff02::1",
        "::ffff:10.0.0.1",
    ] {
        assert_eq!(name(private), None, "{private}");
    }
    for public in ["100.63.255.255", "100.128.0.0", "172.32.0.1", "2001:db8::1"] {
        assert!(name(public).is_some(), "{public}");
    }
    assert_eq!(super::name(&list, Subject::Domain("example.test")), None);
}

#[test]
fn names_of_domains() {
    let list = list("l.test", Kind::Domains);
    let name = |text: &'static str| name(&list, Subject::Domain(text));
    assert_eq!(name("Example.ORG.").as_deref(), Some("example.org.l.test"));
    assert_eq!(name("xn--bcher-kva.example").as_deref(), Some("xn--bcher-kva.example.l.test"));
    for bad in ["", ".", "a..b", "b\u{fc}cher.example", "a b", "192.0.2.1", "[192.0.2.1]", "a/b"] {
        assert_eq!(name(bad), None, "{bad}");
    }
    let label = |octets| format!("{}.test", "a".repeat(octets));
    assert!(super::name(&list, Subject::Domain(&label(63))).is_some());
    assert!(super::name(&list, Subject::Domain(&label(64))).is_none());
    // 253 octets with the zone's seven.
    let long = "a.".repeat(122);
    assert!(super::name(&list, Subject::Domain(&format!("{long}aa"))).is_some());
    assert!(super::name(&list, Subject::Domain(&format!("{long}aaa"))).is_none());
    assert_eq!(super::name(&list, address("192.0.2.1")), None);
}

#[test]
fn answers() {
    let list = list("l.test", Kind::Addresses);
    let read = |texts: &[&str]| {
        let addresses = texts.iter().map(|text| text.parse().unwrap()).collect();
        super::read(&list, &Ok(addresses))
    };
    let code: Ipv4Addr = "127.0.0.2".parse().unwrap();
    assert_eq!(read(&["127.0.0.2"]), Ok(Listing::Listed(Effect::Weight(2.5), vec![code])));
    assert_eq!(read(&["127.0.0.3"]), Ok(Listing::Absent), "a code that is not configured");
    for error in ["127.255.255.254", "127.255.255.252", "127.0.0.1", "203.0.113.5", "::1"] {
        assert!(matches!(read(&[error]), Err(Failure::Refused(_))), "{error}");
        assert!(matches!(read(&["127.0.0.2", error]), Err(Failure::Refused(_))), "{error}");
    }
    for absent in [dns::Failure::NoSuchName, dns::Failure::NoRecords] {
        assert_eq!(super::read(&list, &Err(absent)), Ok(Listing::Absent));
    }
    let failed = super::read(&list, &Err(dns::Failure::Temporary));
    assert!(matches!(failed, Err(Failure::Unreachable(_))));
}

#[tokio::test]
async fn all_lists_are_asked_and_failures_decide_nothing() {
    let dns = Zone::new(&[
        ("7.2.0.192.heavy.test", &["127.0.0.2"]),
        ("7.2.0.192.broken.test", &["127.255.255.254"]),
        ("bad.example.names.test", &["127.0.0.2", "127.0.0.3"]),
    ]);
    let lists = [
        list("heavy.test", Kind::Addresses),
        list("broken.test", Kind::Addresses),
        list("names.test", Kind::Domains),
    ];
    let subjects = [address("192.0.2.7"), Subject::Domain("bad.example")];
    let answers = ask(&dns, &lists, &subjects, 10).await;
    let zones: Vec<&str> = answers.iter().map(|one| one.list.zone.as_str()).collect();
    assert_eq!(zones, ["heavy.test", "broken.test", "names.test"]);
    let verdict = verdict(&answers);
    assert_eq!((verdict.action, verdict.score), (Action::Accept, 5.0));
    let texts: Vec<&str> = verdict.reasons.iter().map(|reason| reason.text.as_str()).collect();
    assert_eq!(texts, ["192.0.2.7: 127.0.0.2", "bad.example: 127.0.0.2, 127.0.0.3"]);
    assert_eq!(verdict.reply, None);
}

#[tokio::test]
async fn a_list_refuses() {
    let dns = Zone::new(&[("7.2.0.192.l.test", &["127.0.0.2", "127.0.0.9"])]);
    let lists = [list("l.test", Kind::Addresses)];
    let verdict = verdict(&ask(&dns, &lists, &[address("192.0.2.7")], 10).await);
    assert_eq!((verdict.action, verdict.score), (Action::Reject, 0.0));
    assert_eq!(verdict.reply.as_deref(), Some("192.0.2.7 is listed in l.test"));
}

#[tokio::test]
async fn lists_are_tried() {
    let good = list("good.test", Kind::Addresses);
    let dns = Zone::new(&[("2.0.0.127.good.test", &["127.0.0.4"])]);
    assert_eq!(probe(&dns, &good, 10).await, Ok(Health::Works), "any code is one");
    let nibbles = "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.good.test";
    let dns = Zone::new(&[(nibbles, &["127.0.0.2"])]);
    assert_eq!(probe(&dns, &good, 10).await, Ok(Health::Works), "of IPv6 alone");
    assert_eq!(probe(&Zone::new(&[]), &good, 10).await, Ok(Health::Untold));
    let everybody = [("2.0.0.127.good.test", &["127.0.0.2"][..])];
    let everybody = [everybody[0], ("1.0.0.127.good.test", &["127.0.0.2"])];
    let result = probe(&Zone::new(&everybody), &good, 10).await;
    assert!(matches!(result, Err(Failure::Unclear(_))));
    let parked = Zone::new(&[("1.0.0.127.good.test", &["203.0.113.5"])]);
    assert!(matches!(probe(&parked, &good, 10).await, Err(Failure::Refused(_))));
    let blocked = Zone::new(&[("2.0.0.127.good.test", &["127.255.255.254"])]);
    assert!(matches!(probe(&blocked, &good, 10).await, Err(Failure::Refused(_))));
    let failing = Zone::failing("1.0.0.127.good.test");
    assert!(matches!(probe(&failing, &good, 10).await, Err(Failure::Unreachable(_))));
    let names = list("names.test", Kind::Domains);
    let dns = Zone::new(&[("test.names.test", &["127.0.0.2"])]);
    assert_eq!(probe(&dns, &names, 10).await, Ok(Health::Works));
    let dns = Zone::new(&[("invalid.names.test", &["127.0.0.2"])]);
    assert!(probe(&dns, &names, 10).await.is_err());
}

#[tokio::test]
async fn only_lists_that_lie_are_left_out() {
    let dns = Zone::new(&[
        ("2.0.0.127.good.test", &["127.0.0.2"]),
        ("1.0.0.127.all.test", &["127.0.0.2"]),
        ("2.0.0.127.blocked.test", &["127.255.255.254"]),
    ]);
    let zones = ["good.test", "all.test", "blocked.test", "untold.test"];
    let lists = zones.map(|zone| list(zone, Kind::Addresses)).to_vec();
    let left = working(&dns, lists, 10).await;
    let left: Vec<&str> = left.iter().map(|list| list.zone.as_str()).collect();
    assert_eq!(left, ["good.test", "untold.test"]);
    let lists = vec![list("down.test", Kind::Addresses)];
    assert_eq!(working(&Zone::failing("1.0.0.127.down.test"), lists, 10).await.len(), 1);
}

/// DNS that never answers.
struct Silent;

impl Dns for Silent {
    async fn txt(&self, _: &str) -> dns::Answer<Vec<u8>> {
        std::future::pending().await
    }
    async fn addresses(&self, _: &str, _: bool) -> dns::Answer<IpAddr> {
        std::future::pending().await
    }
    async fn exchanges(&self, _: &str) -> dns::Answer<String> {
        std::future::pending().await
    }
    async fn names(&self, _: IpAddr) -> dns::Answer<String> {
        std::future::pending().await
    }
}

#[tokio::test(start_paused = true)]
async fn silence_takes_its_time_once() {
    let lists = ["a.test", "b.test", "c.test"].map(|zone| list(zone, Kind::Addresses));
    let start = time::Instant::now();
    let answers = ask(&Silent, &lists, &[address("192.0.2.7")], 10).await;
    assert_eq!(start.elapsed().as_secs(), 10, "all at once");
    assert!(answers.iter().all(|one| one.result == Err(Failure::Late(10))));
    assert_eq!(verdict(&answers).action, Action::Accept);
}

#[tokio::test]
async fn lists_are_asked_once_they_were_tried() {
    let lists = ["good.test", "all.test"].map(|zone| list(zone, Kind::Addresses)).to_vec();
    let used = Used::new(Settings { lists, seconds: 10 });
    let dns = Zone::new(&[
        ("2.0.0.127.good.test", &["127.0.0.2"]),
        ("1.0.0.127.all.test", &["127.0.0.2"]),
    ]);
    let (found, ()) = tokio::join!(used.now(), used.try_all(&dns));
    assert_eq!(found.iter().map(|list| &*list.zone).collect::<Vec<_>>(), ["good.test"]);
    // One that is well again is asked again.
    used.try_all(&Zone::new(&[])).await;
    assert_eq!(used.now().await.len(), 2);
    // Nobody waits for a trial for ever.
    let never = Used::new(Settings { lists: vec![list("good.test", Kind::Addresses)], seconds: 0 });
    assert!(never.now().await.is_empty());
}
