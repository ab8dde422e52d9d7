//! RETR (RFC 1939 §5).

use super::one_message;
use crate::{
    content::Encoder,
    reply::{self, Reply},
    session::{Reading, Session},
};

pub(super) fn run(session: &mut Session, argument: &[u8]) -> Result<(), Reply> {
    let number = one_message(argument)?;
    let message = session.maildrop.as_ref().ok_or(reply::LOGIN_FIRST)?.message(number)?;
    let encoder = Encoder::whole(session.options.outlook_2003);
    let reading = Reading { number, message, encoder, whole: true, offset: 0, announced: false };
    session.read(Box::new(reading));
    Ok(())
}
