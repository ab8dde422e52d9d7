//! GETQUOTAROOT, GETQUOTA, SETQUOTA (RFC 9208 §4.1). One root an account.

use super::{Next, mailbox_argument};
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;
use crate::types::QUOTA_ROOT;

/// `getquotaroot = "GETQUOTAROOT" SP mailbox`
pub fn run_quota_root(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let mailbox = mailbox_argument(cursor, session.enabled())?;
    cursor.end()?;
    Ok(Next::ask(Effect::Quota { mailbox: Some(mailbox) }, "GETQUOTAROOT completed"))
}

/// `getquota = "GETQUOTA" SP quota-root-name`
pub fn run_quota(_: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.space()?;
    let root = cursor.astring()?;
    cursor.end()?;
    if *root != *QUOTA_ROOT.as_bytes() {
        return Err(answer::NO_QUOTA_ROOT);
    }
    Ok(Next::ask(Effect::Quota { mailbox: None }, "GETQUOTA completed"))
}

/// SETQUOTA is the administrator's, who does not use IMAP for it.
pub fn run_set_quota(_: &mut Session, _: &mut Cursor<'_>) -> Result<Next, Answer> {
    Err(answer::NO_PERMISSION)
}
