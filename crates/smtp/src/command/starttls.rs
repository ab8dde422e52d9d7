//! STARTTLS (RFC 3207).

use crate::{reply, session::Session};

pub(super) fn run(session: &mut Session, argument: &str) {
    if !argument.is_empty() {
        session.reply(reply::SYNTAX);
    } else if session.secure {
        session.reply(reply::ALREADY_TLS);
    } else if !session.options.starttls {
        session.reply(reply::NO_TLS);
    } else {
        super::start_tls(session);
    }
}
