//! DELE (RFC 1939 §5): the message is erased at QUIT.

use super::one_message;
use crate::{
    reply::{self, Reply},
    session::Session,
};

pub(super) fn run(session: &mut Session, argument: &[u8]) -> Result<(), Reply> {
    let number = one_message(argument)?;
    let maildrop = session.maildrop.as_mut().ok_or(reply::LOGIN_FIRST)?;
    maildrop.message(number)?;
    maildrop.delete(number);
    session.reply(reply::DELETED);
    Ok(())
}
