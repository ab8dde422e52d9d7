//! CANCELUPDATE (RFC 5267 §4.3.5).

use super::Next;
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;

/// Tags named at once.
const TAGS_MAX: usize = 100;

/// `cancel-update = "CANCELUPDATE" 1*(SP quoted)`
pub fn run(_: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let mut tags = Vec::new();
    loop {
        cursor.space()?;
        let tag = cursor.string()?;
        if tags.len() >= TAGS_MAX {
            return Err(answer::TOO_MANY);
        }
        tags.push(String::from_utf8_lossy(&tag).into_owned());
        if cursor.at_end() {
            return Ok(Next::ask(Effect::CancelUpdate(tags), "No further updates"));
        }
    }
}
