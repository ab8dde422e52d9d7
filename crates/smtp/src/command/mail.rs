//! MAIL (RFC 5321 §4.1.1.2) with SIZE (RFC 1870), BODY (RFC 6152, RFC 3030), SMTPUTF8 (RFC 6531),
//! RET and ENVID (RFC 3461), AUTH (RFC 4954 §5, read and not used).

use crate::{
    effect::{Body, Effect, MailFrom, Ret},
    path, reply,
    reply::Reply,
    session::{Session, Then, Transaction},
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
        ("AUTH", Some(value)) => {
            path::xtext(value).ok_or(reply::SYNTAX)?;
        }
        ("SIZE" | "BODY" | "SMTPUTF8" | "RET" | "ENVID" | "AUTH", _) => return Err(reply::SYNTAX),
        _ => return Err(reply::UNKNOWN_PARAMETER),
    }
    Ok(())
}
