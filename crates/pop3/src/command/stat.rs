//! STAT (RFC 1939 §5).

use super::nothing;
use crate::{
    reply::{self, Reply},
    session::Session,
};

/// `+OK`, a space, the messages, a space, their octets; RFC 1939 "STRONGLY discourages" more.
pub(super) fn run(session: &mut Session, argument: &[u8]) -> Result<(), Reply> {
    nothing(argument)?;
    let (count, octets) = session.maildrop.as_ref().ok_or(reply::LOGIN_FIRST)?.status();
    session.line(&format!("+OK {count} {octets}"));
    Ok(())
}
