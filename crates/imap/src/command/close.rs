//! CLOSE (RFC 9051 §6.4.1).

use super::Next;
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::session::{Session, State};

/// `"CLOSE"`: expunges without telling, unless the mailbox was opened by EXAMINE.
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.end()?;
    let expunge = matches!(session.state(), State::Selected { read_only: false, .. });
    Ok(Next::Leave { expunge, ok: "CLOSE completed" })
}
