//! AUTH (RFC 5034). Without a mechanism it lists them: old Outlooks ask with `AUTH` and a space.

use super::words;
use crate::{
    reply::{self, Reply},
    session::Session,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// `auth-command = "AUTH" SP sasl-mech [SP initial-response] *(CRLF [base64]) [CRLF
/// cancel-response]`
pub(super) fn run(session: &mut Session, argument: &[u8]) -> Result<(), Reply> {
    let mut words = words(argument);
    let (name, initial) = match (words.next(), words.next(), words.next()) {
        (None, ..) => {
            list(session);
            return Ok(());
        }
        (Some(name), initial, None) => (name, initial),
        (Some(_), _, Some(_)) => return Err(reply::SYNTAX),
    };
    if !session.secure {
        return Err(reply::TLS_FIRST);
    }
    let mut offered = session.mechanisms().iter().copied();
    let mechanism = offered.find(|one| name.eq_ignore_ascii_case(one.name().as_bytes()));
    let mechanism = mechanism.ok_or(reply::UNKNOWN_MECHANISM)?;
    let initial = match initial {
        None => None,
        // RFC 5034 §4: "a single equals sign" is an empty response.
        Some(b"=") => Some(Vec::new()),
        Some(coded) => Some(BASE64.decode(coded).map_err(|_| reply::MALFORMED_RESPONSE)?),
    };
    session.begin_sasl(mechanism, initial.as_deref());
    Ok(())
}

fn list(session: &mut Session) {
    session.reply(reply::LIST_FOLLOWS);
    for mechanism in session.mechanisms() {
        session.line(mechanism.name());
    }
    session.line(".");
}
