//! RSET (RFC 1939 §5): no message is marked as deleted any more.

use super::nothing;
use crate::{
    reply::{self, Reply},
    session::Session,
};

pub(super) fn run(session: &mut Session, argument: &[u8]) -> Result<(), Reply> {
    nothing(argument)?;
    let maildrop = session.maildrop.as_mut().ok_or(reply::LOGIN_FIRST)?;
    maildrop.undelete_all();
    let (count, octets) = maildrop.status();
    session.line(&format!("+OK {count} messages ({octets} octets)"));
    Ok(())
}
