//! SETACL, DELETEACL, GETACL, LISTRIGHTS, MYRIGHTS (RFC 4314 §3).

use super::{Next, mailbox_argument};
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;
use crate::types::{AclQuery, RightsOp};
use mail::Rights;

/// `identifier = astring`
fn identifier(cursor: &mut Cursor<'_>) -> Result<String, Answer> {
    cursor.space()?;
    let text = cursor.text()?;
    if text.is_empty() { Err(Answer::syntax("Expected an identifier")) } else { Ok(text) }
}

/// `mod-rights = astring`: `+` adds, `-` removes, all else replaces (§3.1).
fn change(cursor: &mut Cursor<'_>) -> Result<(RightsOp, Rights), Answer> {
    cursor.space()?;
    let text = cursor.text()?;
    let (op, letters) = match text.split_at_checked(1) {
        Some(("+", letters)) => (RightsOp::Add, letters),
        Some(("-", letters)) => (RightsOp::Remove, letters),
        _ => (RightsOp::Replace, text.as_str()),
    };
    // §2.1: "rights … MUST NOT be uppercase"; §3.1: unknown ones are BAD.
    let rights = Rights::parse(letters).ok_or(Answer::syntax("No such right"))?;
    Ok((op, rights))
}

/// `"SETACL" SP mailbox SP identifier SP mod-rights`
pub fn run_set(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let mailbox = mailbox_argument(cursor, session.enabled())?;
    let identifier = identifier(cursor)?;
    let (op, rights) = change(cursor)?;
    cursor.end()?;
    Ok(Next::ask(Effect::SetAcl { mailbox, identifier, op, rights }, "SETACL completed"))
}

/// `"DELETEACL" SP mailbox SP identifier`: as taking all rights away, which leaves no entry.
pub fn run_delete(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let mailbox = mailbox_argument(cursor, session.enabled())?;
    let identifier = identifier(cursor)?;
    cursor.end()?;
    let (op, rights) = (RightsOp::Replace, Rights::NONE);
    Ok(Next::ask(Effect::SetAcl { mailbox, identifier, op, rights }, "DELETEACL completed"))
}

fn ask(mailbox: String, query: AclQuery, ok: &'static str) -> Next {
    Next::ask(Effect::Acl { mailbox, query }, ok)
}

/// `"GETACL" SP mailbox`
pub fn run_get(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let mailbox = mailbox_argument(cursor, session.enabled())?;
    cursor.end()?;
    Ok(ask(mailbox, AclQuery::All, "GETACL completed"))
}

/// `"LISTRIGHTS" SP mailbox SP identifier`
pub fn run_list(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let mailbox = mailbox_argument(cursor, session.enabled())?;
    let identifier = identifier(cursor)?;
    cursor.end()?;
    Ok(ask(mailbox, AclQuery::Grantable(identifier), "LISTRIGHTS completed"))
}

/// `"MYRIGHTS" SP mailbox`
pub fn run_my(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let mailbox = mailbox_argument(cursor, session.enabled())?;
    cursor.end()?;
    Ok(ask(mailbox, AclQuery::Own, "MYRIGHTS completed"))
}
