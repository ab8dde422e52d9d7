//! LOGIN (RFC 9051 §6.2.3).

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
