//! STATUS (RFC 9051 §6.3.11; RFC 7162 §3.1.7, RFC 7889 §4, RFC 8438, RFC 8474 §4.3,
//! RFC 9208 §4.1.4).

use super::{Next, mailbox_argument};
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;
use crate::types::StatusItem;

/// `status = "STATUS" SP mailbox SP "(" status-att *(SP status-att) ")"`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let mailbox = mailbox_argument(cursor, session.enabled())?;
    cursor.space()?;
    let items = items(cursor)?;
    cursor.end()?;
    if items.contains(&StatusItem::HighestModSeq) {
        session.enable_condstore();
    }
    Ok(Next::ask(Effect::Status { mailbox, items }, "STATUS completed"))
}

/// `"(" status-att *(SP status-att) ")"`, each once.
pub fn items(cursor: &mut Cursor<'_>) -> Result<Vec<StatusItem>, Answer> {
    let mut items = Vec::new();
    cursor.list(|cursor| {
        let name = cursor.atom()?;
        let item = StatusItem::ALL.iter().find(|item| item.name().eq_ignore_ascii_case(name));
        let item = *item.ok_or(Answer::syntax("Unknown STATUS item"))?;
        if !items.contains(&item) {
            items.push(item);
        }
        Ok(())
    })?;
    if items.is_empty() { Err(Answer::syntax("Expected a STATUS item")) } else { Ok(items) }
}
