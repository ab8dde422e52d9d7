//! TOP (RFC 1939 §7): the header and so many lines of the body. The message is not seen by it.

use super::{message_number, number, words};
use crate::{
    content::Encoder,
    reply::{self, Reply},
    session::{Reading, Session},
};

pub(super) fn run(session: &mut Session, argument: &[u8]) -> Result<(), Reply> {
    let mut words = words(argument);
    let (Some(message), Some(lines), None) = (words.next(), words.next(), words.next()) else {
        return Err(reply::SYNTAX);
    };
    let (asked, lines) = (message_number(message)?, number(lines)?);
    let message = session.maildrop.as_ref().ok_or(reply::LOGIN_FIRST)?.message(asked)?;
    let encoder = Encoder::top(lines, session.options.outlook_2003);
    let reading =
        Reading { number: asked, message, encoder, whole: false, offset: 0, announced: false };
    session.read(Box::new(reading));
    Ok(())
}
