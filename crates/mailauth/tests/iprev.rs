//! `iprev`: every result, and the limit of names at n and n+1.

#![allow(clippy::unwrap_used, clippy::panic)]

mod zone;

use mailauth::iprev::{NAMES_MAX, Verdict, check};
use mailauth::results::{Entry, Results};
use zone::{Zone, now};

fn verdict(zone: &Zone) -> Verdict {
    let address = std::net::Ipv4Addr::new(192, 0, 2, 1);
    now(check(zone, address.into())).verdict
}

#[test]
fn a_name_that_leads_back_passes() {
    let zone =
        Zone::default().pointer("192.0.2.1", "mx.example").address("mx.example", "192.0.2.1");
    assert_eq!(verdict(&zone), Verdict::Pass);
    let mapped = std::net::Ipv4Addr::new(192, 0, 2, 1).to_ipv6_mapped();
    let outcome = now(check(&zone, mapped.into()));
    assert_eq!((outcome.verdict, outcome.name.as_deref()), (Verdict::Pass, Some("mx.example")));
    let entries = vec![Entry::iprev(&outcome)];
    let written = Results { authserv_id: "a.example".to_owned(), entries }.value(0);
    assert_eq!(written, "a.example;\r\n\tiprev=pass (mx.example) policy.iprev=192.0.2.1");
}

#[test]
fn other_results() {
    assert_eq!(verdict(&Zone::default()), Verdict::PermError, "no name");
    let named = || Zone::default().pointer("192.0.2.1", "mx.example");
    assert_eq!(verdict(&named()), Verdict::PermError, "a name without address");
    assert_eq!(verdict(&named().address("mx.example", "192.0.2.2")), Verdict::Fail);
    assert_eq!(verdict(&named().silent("mx.example", "A")), Verdict::TempError);
    let silent = Zone::default().silent("1.2.0.192.in-addr.arpa", "PTR");
    assert_eq!(verdict(&silent), Verdict::TempError);
    let two = named().pointer("192.0.2.1", "b.example").silent("mx.example", "A");
    assert_eq!(verdict(&two.address("b.example", "192.0.2.1")), Verdict::Pass, "one is enough");
    let two = named().pointer("192.0.2.1", "b.example").silent("mx.example", "A");
    assert_eq!(verdict(&two.address("b.example", "192.0.2.9")), Verdict::TempError);
}

#[test]
fn ten_names_are_looked_at() {
    for (names, expected) in [(NAMES_MAX, Verdict::Pass), (NAMES_MAX + 1, Verdict::Fail)] {
        let mut zone = Zone::default().address("last.example", "192.0.2.1");
        for n in 1..names {
            let name = format!("n{n}.example");
            zone = zone.pointer("192.0.2.1", &name).address(&name, "192.0.2.9");
        }
        assert_eq!(verdict(&zone.pointer("192.0.2.1", "last.example")), expected, "{names}");
    }
}
