//! LOGOUT (RFC 9051 §6.1.3).

use super::Next;
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::session::Session;

/// `"LOGOUT"`
pub fn run(_: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.end()?;
    Ok(Next::Logout)
}
