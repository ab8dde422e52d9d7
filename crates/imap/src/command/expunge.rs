//! EXPUNGE (RFC 9051 §6.4.3) and UID EXPUNGE (§6.4.9).

use super::{Next, writable};
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;

/// `"EXPUNGE"`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.end()?;
    writable(session)?;
    Ok(Next::ask(Effect::Expunge { uids: None }, "EXPUNGE completed"))
}

/// `uid-expunge = "EXPUNGE" SP sequence-set`
pub fn run_uid(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.space()?;
    let uids = cursor.sequence_set()?;
    cursor.end()?;
    writable(session)?;
    Ok(Next::ask(Effect::Expunge { uids: Some(uids) }, "UID EXPUNGE completed"))
}
