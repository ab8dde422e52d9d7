//! STARTTLS (RFC 9051 §6.2.1).

use super::Next;
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::session::Session;

/// `"STARTTLS"`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.end()?;
    if session.starttls_offered() {
        Ok(Next::StartTls)
    } else {
        Err(Answer::client_bug("STARTTLS is not offered"))
    }
}
