//! DELETE (RFC 9051 §6.3.5).

use super::{Next, mailbox_argument};
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;

/// `delete = "DELETE" SP mailbox`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let mailbox = mailbox_argument(cursor, session.enabled())?;
    cursor.end()?;
    Ok(Next::ask(Effect::Delete { mailbox }, "DELETE completed"))
}
