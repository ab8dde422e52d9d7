//! What rspamd answers to `/checkv2`, read leniently: fields that are missing, or not what they
//! were, are passed over; only an answer without an action is none.
//!
//! Invariants: what comes out is bounded (reasons, fields, text) and plain. Header fields are only
//! added: rspamd's wishes to remove or change others are not honoured.

use crate::scan::{Action, Failure, Reason, Verdict, plain};
use serde_json::{Map, Value};

/// Reasons that a verdict keeps.
pub const REASONS_MAX: usize = 100;
/// Header fields that a verdict keeps.
pub const FIELDS_MAX: usize = 32;
/// Characters of a reason's text.
pub const TEXT_CHARS_MAX: usize = 900;
/// Octets of a field's value; with its name it fits a line (RFC 5322 §2.1.1: 998).
pub const VALUE_OCTETS_MAX: usize = 900;
/// Characters of a rule's name.
const NAME_CHARS_MAX: usize = 100;
/// Characters of what the sender is told.
const REPLY_CHARS_MAX: usize = 200;

/// Reads an answer.
///
/// # Errors
/// It is no JSON object, or has no action: `Unclear`; rspamd says an error: `Refused`.
pub fn read(octets: &[u8]) -> Result<Verdict, Failure> {
    let value: Value =
        serde_json::from_slice(octets).map_err(|error| Failure::Unclear(error.to_string()))?;
    if let Some(error) = value.get("error").and_then(Value::as_str) {
        return Err(Failure::Refused(plain(error, TEXT_CHARS_MAX)));
    }
    let word = value.get("action").and_then(Value::as_str);
    let word = word.ok_or_else(|| Failure::Unclear("no action".to_owned()))?;
    let mut reasons = reasons(value.get("symbols"));
    // `is_skipped` says only that some rules were not asked: GTUBE is refused and "skipped".
    let action = action(word).unwrap_or_else(|| {
        // An action of the administrator's own: what it means is not known here.
        let text = format!("action {} is not known", plain(word, NAME_CHARS_MAX));
        reasons.push(Reason { name: "RSPAMD_ACTION".to_owned(), score: 0.0, text });
        Action::Accept
    });
    Ok(Verdict {
        action,
        score: number(value.get("score")).unwrap_or(0.0),
        required: number(value.get("required_score")),
        reasons,
        reply: reply(value.get("messages")),
        fields: value.get("milter").map_or_else(Vec::new, fields),
        message_id: value.get("message-id").and_then(Value::as_str).and_then(message_id),
    })
}

/// rspamd's words. `discard` says that mail should vanish though it was accepted: nothing vanishes
/// here, its sender is told.
fn action(word: &str) -> Option<Action> {
    Some(match word {
        "no action" => Action::Accept,
        "greylist" => Action::Greylist,
        "add header" | "add_header" | "rewrite subject" | "rewrite_subject" | "quarantine" => {
            Action::Junk
        }
        "soft reject" | "soft_reject" => Action::SoftReject,
        "reject" | "discard" => Action::Reject,
        _ => return None,
    })
}

/// A number that is one: not infinite.
fn number(value: Option<&Value>) -> Option<f64> {
    value.and_then(Value::as_f64).filter(|number| number.is_finite())
}

/// rspamd says `undef` where a message has none.
fn message_id(text: &str) -> Option<String> {
    let text = plain(text, TEXT_CHARS_MAX);
    (!text.is_empty() && text != "undef").then_some(text)
}

fn reasons(symbols: Option<&Value>) -> Vec<Reason> {
    let Some(symbols) = symbols.and_then(Value::as_object) else { return Vec::new() };
    let mut reasons: Vec<Reason> = symbols
        .iter()
        .map(|(name, symbol)| Reason {
            name: plain(name, NAME_CHARS_MAX),
            score: number(symbol.get("score")).unwrap_or(0.0),
            text: text(symbol),
        })
        .collect();
    reasons.sort_by(|left, right| right.score.abs().total_cmp(&left.score.abs()));
    reasons.truncate(REASONS_MAX);
    reasons
}

/// `description (option, option)`
fn text(symbol: &Value) -> String {
    let description = symbol.get("description").and_then(Value::as_str).unwrap_or_default();
    let options = symbol.get("options").and_then(Value::as_array);
    let options = options.into_iter().flatten().filter_map(Value::as_str);
    let options = options.collect::<Vec<_>>().join(", ");
    let text = match (description, options.as_str()) {
        (text, "") => text.to_owned(),
        ("", options) => format!("({options})"),
        (text, options) => format!("{text} ({options})"),
    };
    plain(&text, TEXT_CHARS_MAX)
}

/// `messages.smtp_message`, as one line of an SMTP reply (RFC 5321 §4.2: ASCII).
fn reply(messages: Option<&Value>) -> Option<String> {
    let text = messages?.get("smtp_message")?.as_str()?;
    let line = plain(&ascii(text), REPLY_CHARS_MAX);
    (!line.is_empty()).then_some(line)
}

fn ascii(text: &str) -> String {
    text.chars().map(|char| if char.is_ascii() { char } else { '?' }).collect()
}

/// `milter.add_headers`: name to a value, or to `{value, order}`, or to a list of those.
fn fields(milter: &Value) -> Vec<(String, String)> {
    let empty = Map::new();
    let wanted = milter.get("add_headers").and_then(Value::as_object).unwrap_or(&empty);
    let mut fields = Vec::new();
    for (name, value) in wanted.iter().filter(|(name, _)| is_field_name(name)) {
        let one = std::slice::from_ref(value);
        for value in value.as_array().map_or(one, Vec::as_slice) {
            let text = value.as_str().or_else(|| value.get("value").and_then(Value::as_str));
            // One that is cut may lie: a long one is left out.
            let fits = |text: &String| text.len() <= VALUE_OCTETS_MAX && fields.len() < FIELDS_MAX;
            if let Some(text) = text.map(unfolded).filter(fits) {
                fields.push((name.clone(), plain(&text, VALUE_OCTETS_MAX)));
            }
        }
    }
    fields
}

/// RFC 5322 §2.2: visible ASCII without a colon.
fn is_field_name(name: &str) -> bool {
    (1..=76).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_graphic() && byte != b':')
}

/// Lines as one: rspamd folds long values.
fn unfolded(text: &str) -> String {
    ascii(text)
        .split(['\r', '\n'])
        .map(str::trim)
        .filter(|line| !line.is_empty())
        .collect::<Vec<_>>()
        .join(" ")
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;
    use serde_json::json;

    fn verdict(value: &Value) -> Verdict {
        read(value.to_string().as_bytes()).unwrap()
    }

    #[test]
    fn an_answer_is_read() {
        let verdict = verdict(&json!({
            "is_skipped": false, "score": 7.5, "required_score": 15.0, "action": "add header",
            "symbols": {
                "LIGHT": {"name": "LIGHT", "score": -0.5, "metric_score": -0.5},
                "HEAVY": {"name": "HEAVY", "score": 8.0, "description": "It\nis heavy",
                          "options": ["one", 2, "three"]},
            },
            "messages": {"smtp_message": "Come\r\n250 again, ümlaut"},
            "message-id": "x@example.test", "time_real": 0.1, "new": [1],
            "milter": {"add_headers": {
                "X-Plain": "yes", "X-Order": {"value": "a\r\n\tb", "order": 1},
                "X-Twice": [{"value": "1"}, "2"], "Bad Name": "x", "X-Odd": 7,
            }, "remove_headers": {"Subject": 1}, "change_from": "evil@example.test"},
        }));
        assert_eq!((verdict.action, verdict.score), (Action::Junk, 7.5));
        assert_eq!(verdict.required, Some(15.0));
        let reason = |name: &str, score: f64, text: &str| Reason {
            name: name.to_owned(),
            score,
            text: text.to_owned(),
        };
        let heavy = reason("HEAVY", 8.0, "It is heavy (one, three)");
        assert_eq!(verdict.reasons, [heavy, reason("LIGHT", -0.5, "")]);
        assert_eq!(verdict.reply.as_deref(), Some("Come  250 again, ?mlaut"));
        assert_eq!(verdict.message_id.as_deref(), Some("x@example.test"));
        let mut fields = verdict.fields;
        fields.sort();
        let field = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let (order, plain) = (field("X-Order", "a b"), field("X-Plain", "yes"));
        assert_eq!(fields, [order, plain, field("X-Twice", "1"), field("X-Twice", "2")]);
    }

    #[test]
    fn every_action() {
        for (word, expected) in [
            ("no action", Action::Accept),
            ("greylist", Action::Greylist),
            ("add header", Action::Junk),
            ("rewrite subject", Action::Junk),
            ("quarantine", Action::Junk),
            ("soft reject", Action::SoftReject),
            ("reject", Action::Reject),
            ("discard", Action::Reject),
            ("explode", Action::Accept),
        ] {
            assert_eq!(verdict(&json!({"action": word})).action, expected, "{word}");
        }
        let unknown = verdict(&json!({"action": "explode"}));
        assert!(unknown.reasons[0].text.contains("explode"));
        let skipped = verdict(&json!({"action": "reject", "is_skipped": true}));
        assert_eq!(skipped.action, Action::Reject);
    }

    #[test]
    fn fields_of_other_types_are_passed_over() {
        let verdict = verdict(&json!({
            "action": "no action", "score": "7", "required_score": null, "symbols": [1],
            "messages": [], "milter": {"add_headers": ["x"]}, "message-id": 7,
        }));
        assert_eq!((verdict.score, verdict.required), (0.0, None));
        assert_eq!((verdict.reasons.len(), verdict.fields.len()), (0, 0));
        assert_eq!((verdict.reply, verdict.message_id), (None, None));
    }

    #[test]
    fn no_answer_is_none() {
        for text in ["", "[]", "{}", "{\"action\":7}", "<html>", "\u{0}", "{\"action\":"] {
            assert!(matches!(read(text.as_bytes()), Err(Failure::Unclear(_))), "{text}");
        }
        let deep = "[".repeat(100_000);
        assert!(matches!(read(deep.as_bytes()), Err(Failure::Unclear(_))));
        let error = read(b"{\"error\":\"Cannot\\nparse\"}");
        assert_eq!(error, Err(Failure::Refused("Cannot parse".to_owned())));
    }

    #[test]
    fn limits() {
        for (count, kept) in [(REASONS_MAX, REASONS_MAX), (REASONS_MAX + 1, REASONS_MAX)] {
            let symbol = |index| (format!("S{index}"), json!({"score": 1.0}));
            let symbols: Map<String, Value> = (0..count).map(symbol).collect();
            let verdict = verdict(&json!({"action": "reject", "symbols": symbols}));
            assert_eq!(verdict.reasons.len(), kept);
        }
        for (count, kept) in [(FIELDS_MAX, FIELDS_MAX), (FIELDS_MAX + 1, FIELDS_MAX)] {
            let values = vec!["v"; count];
            let milter = json!({"add_headers": {"X-Many": values}});
            assert_eq!(fields(&milter).len(), kept);
        }
        for (octets, kept) in [(VALUE_OCTETS_MAX, 1), (VALUE_OCTETS_MAX + 1, 0)] {
            let milter = json!({"add_headers": {"X-Long": "v".repeat(octets)}});
            assert_eq!(fields(&milter).len(), kept);
        }
        let name = |octets| is_field_name(&"n".repeat(octets));
        assert!(name(76) && !name(77) && !name(0));
    }
}
