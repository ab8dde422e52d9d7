//! AUTH (RFC 4954): `AUTH LOGIN <user>` in one line and in any case too (quirk 20).

use crate::{reply, session::Session};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use wire::sasl::{Exchange, Mechanism};

pub(super) fn run(session: &mut Session, argument: &str) {
    let fault = if !session.secure {
        reply::ENCRYPTION_REQUIRED
    } else if session.introduction.hello.is_empty() {
        reply::HELLO_FIRST
    } else if session.introduction.authenticated {
        reply::ALREADY_LOGGED_IN
    } else if session.transaction.is_some() {
        reply::BAD_SEQUENCE
    } else {
        begin(session, argument);
        return;
    };
    session.reply(fault);
}

fn begin(session: &mut Session, argument: &str) {
    let (name, initial) = argument.split_once(' ').map_or((argument, None), |(n, i)| (n, Some(i)));
    let Some(mechanism) = Mechanism::parse(name, session.exporter.is_some()) else {
        session.reply(reply::UNKNOWN_MECHANISM);
        return;
    };
    let initial = match initial.map(str::trim) {
        None => None,
        // RFC 4954 §4: "=" is an empty response.
        Some("=") => Some(Vec::new()),
        Some(coded) => match BASE64.decode(coded) {
            Ok(initial) => Some(initial),
            Err(_) => {
                session.reply(reply::MALFORMED_RESPONSE);
                return;
            }
        },
    };
    let mut exchange = Box::new(Exchange::new(mechanism, session.exporter).scoped("smtp"));
    let turn = exchange.start(initial.as_deref());
    session.turn(exchange, turn);
}
