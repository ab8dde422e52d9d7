//! NOOP and CHECK (RFC 9051 §6.1.2, RFC 3501 §6.4.1): what is new is told at the end of every
//! command, so there is nothing to do.

use super::Next;
use crate::answer::Answer;
use crate::cursor::Cursor;

/// `"NOOP"`, `"CHECK"`
pub fn run(cursor: &mut Cursor<'_>, ok: &'static str) -> Result<Next, Answer> {
    cursor.end()?;
    Ok(Next::Answer(Answer::ok(ok)))
}
