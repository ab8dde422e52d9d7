//! The openspf.org test suites for RFC 7208 and RFC 4408, kept as JSON under `tests/spf/`.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod zone;

use mailauth::spf::{Limits, Sender, check_mail_from};
use serde_json::{Map, Value};
use zone::{Data, Zone, now};

/// Reads the records of one scenario. `SPF` stands for TXT where a name has no `TXT` of its own
/// (the suite's "auto-magic duplication"); `TIMEOUT` for all types that the name does not list.
fn zone(records: &Map<String, Value>) -> Zone {
    let mut zone = Zone::default();
    for (name, list) in records {
        zone.exist(name);
        let list = list.as_array().unwrap();
        let has = |kind: &str| list.iter().any(|record| record.get(kind).is_some());
        if list.iter().any(|record| record == "TIMEOUT") {
            for kind in ["TXT", "A", "AAAA", "MX", "PTR"] {
                let listed = match kind {
                    "TXT" if has("TXT") => list.iter().any(is_text),
                    "TXT" => has("SPF"),
                    _ => has(kind),
                };
                if !listed {
                    zone.be_silent(name, kind);
                }
            }
        }
        for (kind, value) in list.iter().filter_map(Value::as_object).flatten() {
            match (kind.as_str(), value) {
                ("TXT", value) if value == "NONE" => {}
                ("SPF", _) if has("TXT") => {}
                ("TXT" | "SPF", value) => zone.add(name, Data::Text(text(value))),
                ("A" | "AAAA", value) => {
                    zone.add(name, Data::Address(value.as_str().unwrap().parse().unwrap()));
                }
                ("MX", value) => {
                    let preference = value[0].as_u64().unwrap().try_into().unwrap();
                    zone.add(name, Data::Exchange(preference, value[1].as_str().unwrap().into()));
                }
                ("PTR", value) => zone.add(name, Data::Pointer(value.as_str().unwrap().into())),
                ("CNAME", value) => zone.add(name, Data::Alias(value.as_str().unwrap().into())),
                (other, _) => panic!("{other}"),
            }
        }
    }
    zone
}

/// Whether this is a TXT record, and not the word that there is none.
fn is_text(record: &Value) -> bool {
    record.get("TXT").is_some_and(|text| text != "NONE")
}

/// The strings of a record, joined.
fn text(value: &Value) -> Vec<u8> {
    match value {
        Value::String(one) => one.as_bytes().to_vec(),
        Value::Array(many) => many.iter().flat_map(|part| part.as_str().unwrap().bytes()).collect(),
        other => panic!("{other}"),
    }
}

/// Runs a suite; says how many cases there were and which failed.
fn run(suite: &str) -> (usize, Vec<String>) {
    let scenarios: Vec<Value> = serde_json::from_str(suite).unwrap();
    let mut failed = Vec::new();
    let mut count = 0;
    for scenario in &scenarios {
        let zone = zone(scenario["zonedata"].as_object().unwrap());
        for (name, case) in scenario["tests"].as_object().unwrap() {
            count += 1;
            if let Some(why) = wrong(&zone, case) {
                failed.push(format!("{name}: {why}"));
            }
        }
    }
    (count, failed)
}

fn wrong(zone: &Zone, case: &Value) -> Option<String> {
    let sender = Sender {
        address: case["host"].as_str().unwrap().parse().unwrap(),
        helo: case["helo"].as_str().unwrap(),
        mail_from: case["mailfrom"].as_str().unwrap(),
        receiver: "receiver.example",
        unix_seconds: 1_700_000_000,
    };
    let outcome = now(check_mail_from(zone, &sender, &Limits::default()));
    let got = outcome.verdict.as_str();
    let expected = match &case["result"] {
        Value::Array(several) => several.iter().any(|one| one == got),
        one => one == got,
    };
    if !expected {
        return Some(format!("{got} instead of {} ({})", case["result"], outcome.reason));
    }
    // "DEFAULT" is what a receiver says by itself.
    let said = outcome.explanation.unwrap_or_else(|| "DEFAULT".to_owned());
    match case.get("explanation") {
        Some(wanted) if *wanted != said.as_str() => Some(format!("{said:?}, not {wanted}")),
        _ => None,
    }
}

#[test]
fn rfc7208_suite_passes() {
    let (count, failed) = run(include_str!("spf/rfc7208-tests.json"));
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(count, 203);
}

/// Where RFC 7208 decides what RFC 4408 left open (`mx-limit`), this suite takes both answers.
#[test]
fn rfc4408_suite_passes() {
    let (count, failed) = run(include_str!("spf/rfc4408-tests.json"));
    assert_eq!(failed, Vec::<String>::new());
    assert_eq!(count, 191);
}
