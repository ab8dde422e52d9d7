//! SUBSCRIBE and UNSUBSCRIBE (RFC 9051 §6.3.7, §6.3.8).

use super::{Next, mailbox_argument};
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;

/// `subscribe = "SUBSCRIBE" SP mailbox`, `unsubscribe = "UNSUBSCRIBE" SP mailbox`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>, wanted: bool) -> Result<Next, Answer> {
    let mailbox = mailbox_argument(cursor, session.enabled())?;
    cursor.end()?;
    let ok = if wanted { "SUBSCRIBE completed" } else { "UNSUBSCRIBE completed" };
    Ok(Next::ask(Effect::Subscribe { mailbox, wanted }, ok))
}
