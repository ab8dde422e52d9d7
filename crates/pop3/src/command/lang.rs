//! LANG (RFC 6856 §3): there is English.

use super::at_most_one;
use crate::{
    reply::{self, Reply},
    session::Session,
};

pub(super) fn run(session: &mut Session, argument: &[u8]) -> Result<(), Reply> {
    match at_most_one(argument)? {
        None => {
            session.reply(reply::LIST_FOLLOWS);
            session.line("en English");
            session.line(".");
            Ok(())
        }
        Some(range) if range == b"*" || range.eq_ignore_ascii_case(b"en") => {
            session.reply(reply::LANGUAGE);
            Ok(())
        }
        Some(_) => Err(reply::NO_SUCH_LANGUAGE),
    }
}
