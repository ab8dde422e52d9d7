//! UNAUTHENTICATE (RFC 8437).

use super::Next;
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::session::Session;

/// `"UNAUTHENTICATE"` (RFC 8437 §3)
pub fn run(_: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.end()?;
    Ok(Next::Unauthenticate)
}
