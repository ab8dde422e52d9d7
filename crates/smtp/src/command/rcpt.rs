//! RCPT (RFC 5321 §4.1.1.3) with NOTIFY and ORCPT (RFC 3461).

use crate::{
    effect::{Effect, RcptTo},
    path, reply,
    reply::Reply,
    session::{Session, Then},
};

/// Octets of an ORCPT (RFC 3461 §4.2).
const ORIGINAL_OCTETS_MAX: usize = 500;

pub(super) fn run(session: &mut Session, argument: &str) {
    if !super::is_ready(session) {
        return;
    }
    let (utf8, recipients) = match &session.transaction {
        Some(transaction) if !transaction.chunks => (transaction.utf8, transaction.recipients),
        _ => {
            session.reply(reply::BAD_SEQUENCE);
            return;
        }
    };
    if recipients >= session.limits.recipients_max {
        session.reply(reply::TOO_MANY_RECIPIENTS);
        return;
    }
    match read(argument, utf8, &session.options.host_name) {
        Ok(to) => session.ask(Effect::Recipient(to), Then::Recipient),
        Err(fault) => session.reply(fault),
    }
}

fn read(argument: &str, utf8: bool, host_name: &str) -> Result<RcptTo, Reply> {
    let path = path::parse(argument, "TO").ok_or(reply::SYNTAX)?;
    if !path.inside.is_ascii() && !utf8 {
        return Err(reply::NEEDS_SMTPUTF8);
    }
    let address = path::address(path.inside, host_name).ok_or(reply::BAD_ADDRESS)?;
    let mut to = RcptTo { path: address, notify: None, original: None };
    for (name, value) in path.parameters {
        match (name.to_ascii_uppercase().as_str(), value) {
            ("NOTIFY", Some(value)) if path::is_notify(value) => {
                to.notify = Some(value.to_ascii_uppercase());
            }
            ("ORCPT", Some(value)) if value.len() <= ORIGINAL_OCTETS_MAX => {
                let (kind, address) = value.split_once(';').ok_or(reply::SYNTAX)?;
                let address = path::xtext(address).ok_or(reply::SYNTAX)?;
                to.original = Some((kind.to_owned(), address));
            }
            ("NOTIFY" | "ORCPT", _) => return Err(reply::SYNTAX),
            _ => return Err(reply::UNKNOWN_PARAMETER),
        }
    }
    Ok(to)
}
