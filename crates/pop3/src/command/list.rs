//! LIST (RFC 1939 §5).

use super::{at_most_one, message_number};
use crate::{
    maildrop::Listed,
    reply::{self, Reply},
    session::Session,
};

pub(super) fn run(session: &mut Session, argument: &[u8]) -> Result<(), Reply> {
    listing(session, argument, Listed::Sizes)
}

/// LIST and UIDL: one message, or all that are not marked as deleted.
pub(super) fn listing(session: &mut Session, argument: &[u8], listed: Listed) -> Result<(), Reply> {
    let word = at_most_one(argument)?;
    let maildrop = session.maildrop.as_deref().ok_or(reply::LOGIN_FIRST)?;
    if let Some(word) = word {
        let number = message_number(word)?;
        let line = maildrop.line(number, &maildrop.message(number)?, listed);
        session.line(&format!("+OK {line}"));
    } else {
        let (count, octets) = maildrop.status();
        session.line(&format!("+OK {count} messages ({octets} octets)"));
        session.list(listed);
    }
    Ok(())
}
