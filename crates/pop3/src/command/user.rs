//! USER (RFC 1939 §7), in UTF-8 (RFC 6856 §2.2).

use crate::{
    reply::{self, Reply},
    session::Session,
};

pub(super) fn run(session: &mut Session, argument: &[u8]) -> Result<(), Reply> {
    if !session.secure {
        return Err(reply::TLS_FIRST);
    }
    // RFC 6856 §2.2: "MUST reject UTF-8 usernames … that fail to comply with the formal syntax".
    let name = std::str::from_utf8(argument).map_err(|_| reply::SYNTAX)?.trim();
    if name.is_empty() {
        return Err(reply::SYNTAX);
    }
    session.user = Some(name.to_owned());
    session.reply(reply::SEND_PASSWORD);
    Ok(())
}
