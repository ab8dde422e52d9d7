//! MAIL (RFC 5321 §4.1.1.2) with SIZE (RFC 1870), BODY (RFC 6152, RFC 3030), SMTPUTF8 (RFC 6531),
//! RET and ENVID (RFC 3461), AUTH (RFC 4954 §5, read and not used), REQUIRETLS (RFC 8689),
//! HOLDFOR and HOLDUNTIL (RFC 4865).

use crate::{
    effect::{Body, Effect, Hold, MailFrom, Ret},
    path, reply,
    reply::Reply,
    session::{Kind, Session, Then, Transaction},
};

/// Octets of an ENVID (RFC 3461 §4.4).
const ENVELOPE_ID_OCTETS_MAX: usize = 100;

pub(super) fn run(session: &mut Session, argument: &str) {
    if !super::is_ready(session) {
        return;
    }
    if session.transaction.is_some() {
        session.reply(reply::BAD_SEQUENCE);
        return;
    }
    let from = match read(argument, session.limits.message_octets_max) {
        Ok(from) => from,
        Err(fault) => {
            session.reply(fault);
            return;
        }
    };
    let seconds_max = session.options.release.as_ref().map(|release| release.seconds_max);
    let seconds_max = seconds_max.filter(|_| session.options.kind == Kind::Submission);
    let fault = match (from.hold, seconds_max) {
        (Some(_), None) => Some(reply::UNKNOWN_PARAMETER),
        // RFC 4865 §4: longer than what was announced. Of times, whoever has a clock says.
        (Some(Hold::For(seconds)), Some(max)) if seconds > max => Some(reply::HOLD_TOO_LONG),
        // RFC 8689 §2: not offered without TLS.
        _ if from.require_tls && !session.secure => Some(reply::UNKNOWN_PARAMETER),
        _ => None,
    };
    if let Some(fault) = fault {
        session.reply(fault);
        return;
    }
    let transaction = Transaction { body: from.body, utf8: from.utf8, ..Transaction::default() };
    session.ask(Effect::Mail(from), Then::Mail(transaction));
}

fn read(argument: &str, octets_max: u64) -> Result<MailFrom, Reply> {
    let path = path::parse(argument, "FROM").ok_or(reply::SYNTAX)?;
    let mut from = MailFrom::default();
    for (name, value) in &path.parameters {
        parameter(&mut from, name, *value)?;
    }
    if from.size.is_some_and(|size| size > octets_max) {
        return Err(reply::TOO_BIG);
    }
    if !path.inside.is_ascii() && !from.utf8 {
        return Err(reply::NEEDS_SMTPUTF8);
    }
    if !path.inside.is_empty() {
        from.path = Some(mail::Address::parse(path.inside).ok_or(reply::BAD_ADDRESS)?);
    }
    Ok(from)
}

fn parameter(from: &mut MailFrom, name: &str, value: Option<&str>) -> Result<(), Reply> {
    let name = name.to_ascii_uppercase();
    match (name.as_str(), value) {
        ("SIZE", Some(value)) => {
            from.size = Some(value.parse().map_err(|_| reply::SYNTAX)?);
        }
        ("BODY", Some(value)) => {
            from.body = match value.to_ascii_uppercase().as_str() {
                "7BIT" => Body::SevenBit,
                "8BITMIME" => Body::EightBit,
                "BINARYMIME" => Body::Binary,
                _ => return Err(reply::SYNTAX),
            };
        }
        ("SMTPUTF8", None) => from.utf8 = true,
        ("RET", Some(value)) => {
            from.ret = Some(match value.to_ascii_uppercase().as_str() {
                "FULL" => Ret::Full,
                "HDRS" => Ret::Headers,
                _ => return Err(reply::SYNTAX),
            });
        }
        ("ENVID", Some(value)) if value.len() <= ENVELOPE_ID_OCTETS_MAX => {
            from.envelope_id = Some(path::xtext(value).ok_or(reply::SYNTAX)?);
        }
        ("REQUIRETLS", None) => from.require_tls = true,
        // RFC 4865 §4.1: one of the two, once.
        ("HOLDFOR", Some(value)) if from.hold.is_none() && value.len() <= 9 => {
            let seconds = value.parse().ok().filter(|_| value.bytes().all(|b| b.is_ascii_digit()));
            from.hold = Some(Hold::For(seconds.ok_or(reply::SYNTAX)?));
        }
        ("HOLDUNTIL", Some(value)) if from.hold.is_none() => {
            from.hold = Some(Hold::Until(date_time(value).ok_or(reply::SYNTAX)?));
        }
        ("AUTH", Some(value)) => {
            path::xtext(value).ok_or(reply::SYNTAX)?;
        }
        (
            "SIZE" | "BODY" | "SMTPUTF8" | "RET" | "ENVID" | "AUTH" | "REQUIRETLS" | "HOLDFOR"
            | "HOLDUNTIL",
            _,
        ) => return Err(reply::SYNTAX),
        _ => return Err(reply::UNKNOWN_PARAMETER),
    }
    Ok(())
}

/// A time of RFC 3339 §5.6, as seconds since 1970.
fn date_time(text: &str) -> Option<i64> {
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = text.get(from..to)?;
        digits.bytes().all(|b| b.is_ascii_digit()).then(|| digits.parse().ok())?
    };
    let mark = |at: usize, marks: &[u8]| {
        text.as_bytes().get(at).is_some_and(|octet| marks.contains(octet))
    };
    let marks = [(4, &b"-"[..]), (7, b"-"), (10, b"Tt"), (13, b":"), (16, b":")];
    if !marks.iter().all(|(at, marks)| mark(*at, marks)) {
        return None;
    }
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let months = [31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let days = usize::try_from(month - 1).ok().and_then(|month| months.get(month))?;
    if !(1..=*days).contains(&day) || hour > 23 || minute > 59 || second > 60 {
        return None;
    }
    let rest = text.get(19..)?;
    // Parts of a second do not matter.
    let rest = rest
        .strip_prefix('.')
        .map_or(rest, |rest| rest.trim_start_matches(|c: char| c.is_ascii_digit()));
    let offset = match rest.as_bytes() {
        [b'Z' | b'z'] => 0,
        [sign @ (b'+' | b'-'), ..] if rest.len() == 6 && rest.get(3..4) == Some(":") => {
            let hours: i64 = rest.get(1..3)?.parse().ok().filter(|hours| *hours <= 23)?;
            let minutes: i64 = rest.get(4..6)?.parse().ok().filter(|minutes| *minutes <= 59)?;
            (hours * 60 + minutes) * if *sign == b'-' { -60 } else { 60 }
        }
        _ => return None,
    };
    // Days since 1970 of a date of the Gregorian calendar, years beginning in March.
    let (year, month) = if month <= 2 { (year - 1, month + 9) } else { (year, month - 3) };
    let days = 365 * year + year / 4 - year / 100 + year / 400 + (153 * month + 2) / 5 + day - 1;
    Some((days - 719_468) * 86_400 + hour * 3_600 + minute * 60 + second - offset)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc3339_times() {
        for (text, seconds) in [
            ("1970-01-01T00:00:00Z", Some(0)),
            ("2026-11-23T20:00:00z", Some(1_795_464_000)),
            ("2026-11-23T21:00:00.5+01:00", Some(1_795_464_000)),
            ("2024-02-29T12:00:00-00:30", Some(1_709_209_800)),
            ("1969-12-31T23:59:59Z", Some(-1)),
            ("2026-13-01T00:00:00Z", None),
            ("2026-11-31T00:00:00Z", None),
            ("2026-11-23T24:00:00Z", None),
            ("2026-11-23 20:00:00Z", None),
            ("2026-11-23T20:00:00", None),
            ("2026-11-23T20:00:00+1:00", None),
            ("x", None),
            ("+026-11-23T20:00:00Z", None),
        ] {
            assert_eq!(date_time(text), seconds, "{text}");
        }
    }
}
