//! CAPA (RFC 2449 §5): what is offered depends on TLS, not on the login (RFC 2449 §5: what is there
//! before login is told after it too); STLS is told where it is permitted (RFC 2595 §4).

use super::nothing;
use crate::{reply::Reply, session::Session};

/// What is always there.
const ALWAYS: &[&str] = &[
    "TOP",
    "UIDL",
    "RESP-CODES",
    "AUTH-RESP-CODE",
    "PIPELINING",
    "EXPIRE NEVER",
    "UTF8 USER",
    "LANG",
    "IMPLEMENTATION Palomar",
];

pub(super) fn run(session: &mut Session, argument: &[u8]) -> Result<(), Reply> {
    nothing(argument)?;
    session.line("+OK Capability list follows");
    for capability in ALWAYS {
        session.line(capability);
    }
    if session.secure {
        let names: Vec<_> = session.mechanisms().iter().map(|one| one.name()).collect();
        session.line("USER");
        session.line(&format!("SASL {}", names.join(" ")));
    } else if session.options.starttls && session.maildrop.is_none() {
        session.line("STLS");
    }
    session.line(".");
    Ok(())
}
