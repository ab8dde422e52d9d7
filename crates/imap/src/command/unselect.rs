//! UNSELECT (RFC 9051 §6.4.2, RFC 3691).

use super::Next;
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::session::Session;

/// `"UNSELECT"`
pub fn run(_: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.end()?;
    Ok(Next::Leave { expunge: false, ok: "UNSELECT completed" })
}
