//! LOGIN (RFC 9051 §6.2.3), AUTHENTICATE (§6.2.2), STARTTLS (§6.2.1), LOGOUT (§6.1.3).

use super::Next;
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;
use wire::auth::Ask;
use wire::sasl::prepare_password;

/// `login = "LOGIN" SP userid SP password`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.space()?;
    let login = cursor.text()?;
    cursor.space()?;
    let password = prepare_password(&cursor.astring()?);
    cursor.end()?;
    if !session.login_allowed() {
        return Err(answer::PRIVACY_REQUIRED);
    }
    Ok(Next::Auth(Effect::Auth(Ask::Password { login, authzid: String::new(), password })))
}

/// `authenticate = "AUTHENTICATE" SP auth-type [SP initial-resp]` (RFC 4959)
pub fn run_authenticate(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
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

/// `"STARTTLS"`
pub fn run_starttls(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.end()?;
    if session.starttls_offered() {
        Ok(Next::StartTls)
    } else {
        Err(Answer::client_bug("STARTTLS is not offered"))
    }
}

/// `"UNAUTHENTICATE"` (RFC 8437 §3)
pub fn run_unauthenticate(_: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.end()?;
    Ok(Next::Unauthenticate)
}

/// `"LOGOUT"`
pub fn run_logout(_: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.end()?;
    Ok(Next::Logout)
}
