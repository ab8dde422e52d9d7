//! RENAME (RFC 9051 §6.3.6).

use super::{Next, mailbox_argument};
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;

/// `rename = "RENAME" SP mailbox SP mailbox`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let from = mailbox_argument(cursor, session.enabled())?;
    let to = mailbox_argument(cursor, session.enabled())?;
    cursor.end()?;
    Ok(Next::ask(Effect::Rename { from, to }, "RENAME completed"))
}
