//! COPY (RFC 9051 §6.4.7) and MOVE (§6.4.8), by sequence number and by Uid.

use super::{Next, Poll, mailbox_argument, writable};
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;

/// `copy = "COPY" SP sequence-set SP mailbox`, `move = "MOVE" SP sequence-set SP mailbox`
pub fn run(
    session: &mut Session,
    cursor: &mut Cursor<'_>,
    uid: bool,
    remove: bool,
) -> Result<Next, Answer> {
    cursor.space()?;
    let set = cursor.sequence_set()?;
    let mailbox = mailbox_argument(cursor, session.enabled())?;
    cursor.end()?;
    if remove {
        writable(session)?;
    }
    let ok = if remove { "MOVE completed" } else { "COPY completed" };
    let effect = Effect::Copy { set, uid, mailbox, remove };
    Ok(Next::Ask { effect, ok, poll: Poll::All, target: true })
}
