//! GETJMAPACCESS (RFC 9698 §4).

use super::Next;
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::session::Session;

/// `command-auth =/ "GETJMAPACCESS"`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.end()?;
    // "If such a JMAP server is not known, the server MUST respond with a tagged BAD response".
    let url = session.options().jmap_session_url.clone().ok_or(answer::UNKNOWN_COMMAND)?;
    session.reply().jmap_access(&url);
    Ok(Next::Answer(Answer::ok("GETJMAPACCESS completed")))
}
