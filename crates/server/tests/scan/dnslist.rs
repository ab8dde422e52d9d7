//! DNS lists, with the resolver that the server has and a name server.

use crate::daemon;
use server::{
    dns::{Dns, Dnssec, Settings},
    scan::{
        Action,
        dnslist::{Codes, Effect, Health, Kind, List, Row, Subject, ask, probe, verdict, working},
    },
};

const RECORDS: &str = "
2.0.0.127.sbl A 127.0.0.2
7.2.0.192.sbl A 127.0.0.2
8.2.0.192.sbl A 127.0.0.4
8.2.0.192.sbl A 127.0.0.2
9.2.0.192.sbl A 127.255.255.254
0.7.b.d.3.c.8.d.2.0.1.0.0.0.0.0.0.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2.sbl A 127.0.0.2
test.dbl A 127.0.1.2
bad.example.dbl A 127.0.1.2
*.parked A 203.0.113.5
*.everybody A 127.0.0.2
";

fn list(name: &str, kind: Kind) -> List {
    let rows = [
        ("127.0.0.2", Effect::Weight(2.5)),
        ("127.0.0.4", Effect::Reject),
        ("127.0.1.2", Effect::Weight(4.0)),
    ];
    let rows = rows.map(|(text, effect)| Row::parse(text, effect).unwrap());
    List { zone: format!("{name}.lists.test"), kind, codes: Codes(rows.to_vec()) }
}

#[tokio::test]
async fn lists_are_asked() {
    let server = daemon::Knot::start("lists.test", RECORDS).await;
    let settings = Settings {
        servers: vec![server.address],
        dnssec: Dnssec::Off,
        query_seconds: 10,
        ..Settings::default()
    };
    let dns = Dns::new(&settings).unwrap();
    let (sbl, dbl) = (list("sbl", Kind::Addresses), list("dbl", Kind::Domains));
    assert_eq!(probe(&dns, &sbl, 30).await, Ok(Health::Works));
    assert_eq!(probe(&dns, &dbl, 30).await, Ok(Health::Works));
    let others = ["parked", "everybody"].map(|name| list(name, Kind::Addresses));
    let lists = [sbl, dbl].into_iter().chain(others).collect();
    let lists = working(&dns, lists, 30).await;
    assert_eq!(lists.len(), 2, "{lists:?}");
    for (address, domain, action, score) in [
        ("192.0.2.7", "good.example", Action::Accept, 2.5),
        ("192.0.2.7", "bad.example", Action::Accept, 6.5),
        ("2001:db8::102:d8c3:db70", "good.example", Action::Accept, 2.5),
        ("192.0.2.8", "good.example", Action::Reject, 0.0),
        ("192.0.2.9", "good.example", Action::Accept, 0.0),
        ("192.0.2.10", "good.example", Action::Accept, 0.0),
    ] {
        let subjects = [Subject::Address(address.parse().unwrap()), Subject::Domain(domain)];
        let answers = ask(&dns, &lists, &subjects, 30).await;
        assert_eq!(answers.len(), 2);
        let failures = answers.iter().filter(|one| one.result.is_err()).count();
        assert_eq!(failures, usize::from(address == "192.0.2.9"), "{answers:?}");
        let verdict = verdict(&answers);
        assert_eq!((verdict.action, verdict.score), (action, score), "{address} {domain}");
    }
}
