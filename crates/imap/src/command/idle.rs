//! IDLE (RFC 9051 §6.3.13).

use super::Next;
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::session::Session;

/// `idle = "IDLE" CRLF "DONE"`
pub fn run(_: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.end()?;
    Ok(Next::Idle)
}
