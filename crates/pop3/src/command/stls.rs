//! STLS (RFC 2595 §4). What was read and not consumed is dropped with the step.

use super::nothing;
use crate::{
    reply::{self, Reply},
    session::Session,
};

pub(super) fn run(session: &mut Session, argument: &[u8]) -> Result<(), Reply> {
    nothing(argument)?;
    if session.secure {
        return Err(reply::ALREADY_TLS);
    }
    if !session.options.starttls {
        return Err(reply::NO_TLS);
    }
    session.reply(reply::READY_FOR_TLS);
    session.start_tls();
    Ok(())
}
