//! AUTHENTICATE (RFC 9051 §6.2.2); what follows is `session/sasl.rs`.

use super::Next;
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::session::Session;

/// `authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]` (RFC 4959)
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.space()?;
    let mechanism = cursor.atom()?.to_ascii_uppercase();
    let mut initial = None;
    if !cursor.at_end() {
        cursor.space()?;
        initial = Some(cursor.atom()?.as_bytes().to_vec());
    }
    cursor.end()?;
    if !session.login_allowed() {
        return Err(answer::PRIVACY_REQUIRED);
    }
    Ok(Next::Sasl(mechanism, initial))
}
