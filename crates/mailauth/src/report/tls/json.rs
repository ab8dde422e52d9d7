//! The JSON of RFC 8460 §4.4.

use super::{Failure, Policy, PolicyKind, REPORT_OCTETS_MAX, Report, time};
use crate::report::{LIST_MAX, ROWS_MAX, Unreadable, kept};
use serde_json::{Map, Value, json};

pub fn write(report: &Report) -> String {
    let policies: Vec<Value> = report.policies.iter().map(policy).collect();
    let whole = json!({
        "organization-name": kept(&report.organization),
        "date-range": {
            "start-datetime": time::write(report.begin_unix_seconds),
            "end-datetime": time::write(report.end_unix_seconds),
        },
        "contact-info": kept(&report.contact),
        "report-id": kept(&report.id),
        "policies": policies,
    });
    whole.to_string()
}

fn policy(policy: &Policy) -> Value {
    let texts = |all: &[String]| -> Vec<String> { all.iter().map(|text| kept(text)).collect() };
    let mut about = Map::new();
    about.insert("policy-type".to_owned(), policy.kind.as_str().into());
    if !policy.lines.is_empty() {
        about.insert("policy-string".to_owned(), texts(&policy.lines).into());
    }
    about.insert("policy-domain".to_owned(), kept(&policy.domain).into());
    if !policy.hosts.is_empty() {
        about.insert("mx-host".to_owned(), texts(&policy.hosts).into());
    }
    let mut whole = Map::new();
    whole.insert("policy".to_owned(), Value::Object(about));
    whole.insert(
        "summary".to_owned(),
        json!({
            "total-successful-session-count": policy.successes,
            "total-failure-session-count": policy.failures,
        }),
    );
    if !policy.details.is_empty() {
        let details: Vec<Value> = policy.details.iter().map(failure).collect();
        whole.insert("failure-details".to_owned(), details.into());
    }
    Value::Object(whole)
}

fn failure(failure: &Failure) -> Value {
    let mut whole = Map::new();
    whole.insert("result-type".to_owned(), kept(&failure.result).into());
    for (name, value) in [
        ("sending-mta-ip", &failure.sender),
        ("receiving-mx-hostname", &failure.host),
        ("receiving-mx-helo", &failure.helo),
        ("receiving-ip", &failure.receiver),
        ("additional-information", &failure.more),
        ("failure-reason-code", &failure.code),
    ] {
        if let Some(text) = value {
            whole.insert(name.to_owned(), kept(text).into());
        }
    }
    whole.insert("failed-session-count".to_owned(), failure.sessions.into());
    Value::Object(whole)
}

pub fn parse(octets: &[u8]) -> Result<Report, Unreadable> {
    if octets.len() > REPORT_OCTETS_MAX {
        return Err(Unreadable::TooLarge);
    }
    let octets = octets.strip_prefix(b"\xef\xbb\xbf").unwrap_or(octets);
    let whole: Value = serde_json::from_slice(octets).map_err(|_| Unreadable::Syntax)?;
    let range = whole.get("date-range").ok_or(Unreadable::Lacks("date-range"))?;
    let moment = |name| {
        let text = range.get(name).and_then(Value::as_str);
        text.and_then(time::read).ok_or(Unreadable::Lacks(name))
    };
    let policies = whole.get("policies").and_then(Value::as_array);
    let policies = policies.ok_or(Unreadable::Lacks("policies"))?;
    let mut room = ROWS_MAX;
    Ok(Report {
        organization: text(&whole, "organization-name").unwrap_or_default(),
        begin_unix_seconds: moment("start-datetime")?,
        end_unix_seconds: moment("end-datetime")?,
        contact: text(&whole, "contact-info").unwrap_or_default(),
        id: text(&whole, "report-id").ok_or(Unreadable::Lacks("report-id"))?,
        policies: policies
            .iter()
            .take(LIST_MAX)
            .filter_map(|policy| read_policy(policy, &mut room))
            .collect(),
    })
}

/// `room`: how many failures are still kept of this report.
fn read_policy(whole: &Value, room: &mut usize) -> Option<Policy> {
    let about = whole.get("policy")?;
    let summary = whole.get("summary");
    let count = |name| summary.and_then(|s| s.get(name)).and_then(Value::as_u64).unwrap_or(0);
    let details = whole.get("failure-details").and_then(Value::as_array);
    let details = details.map(Vec::as_slice).unwrap_or_default();
    let details: Vec<Failure> = details.iter().take(*room).filter_map(read_failure).collect();
    *room -= details.len().min(*room);
    Some(Policy {
        kind: PolicyKind::parse(&text(about, "policy-type")?)?,
        lines: texts(about, "policy-string"),
        domain: text(about, "policy-domain")?.to_lowercase(),
        hosts: texts(about, "mx-host"),
        successes: count("total-successful-session-count"),
        failures: count("total-failure-session-count"),
        details,
    })
}

fn read_failure(whole: &Value) -> Option<Failure> {
    Some(Failure {
        result: text(whole, "result-type")?,
        sender: text(whole, "sending-mta-ip"),
        host: text(whole, "receiving-mx-hostname"),
        helo: text(whole, "receiving-mx-helo"),
        receiver: text(whole, "receiving-ip"),
        sessions: whole.get("failed-session-count").and_then(Value::as_u64).unwrap_or(0),
        more: text(whole, "additional-information"),
        code: text(whole, "failure-reason-code"),
    })
}

fn text(whole: &Value, name: &str) -> Option<String> {
    Some(kept(whole.get(name)?.as_str()?)).filter(|text| !text.is_empty())
}

/// A list of strings; some write one string.
fn texts(whole: &Value, name: &str) -> Vec<String> {
    match whole.get(name) {
        Some(Value::String(one)) => vec![kept(one)],
        Some(Value::Array(many)) => {
            many.iter().filter_map(Value::as_str).take(LIST_MAX).map(kept).collect()
        }
        _ => Vec::new(),
    }
}
