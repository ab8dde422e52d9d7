//! NAMESPACE (RFC 9051 §6.3.10).

use super::Next;
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::session::Session;

/// `"NAMESPACE"`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.end()?;
    session.reply().namespace();
    Ok(Next::Answer(Answer::ok("NAMESPACE completed")))
}
