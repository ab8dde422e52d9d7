//! `filter-mailboxes`: which mailboxes a command is about (RFC 5465 §6, RFC 7377 §4).

use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::session::Session;
use crate::types::MailboxFilter;

/// `filter-mailboxes = "selected" / "selected-delayed" / "inboxes" / "personal" / "subscribed" /
/// (("subtree" / "subtree-one" / "mailboxes") SP one-or-more-mailbox)`
pub fn filter(session: &Session, cursor: &mut Cursor<'_>) -> Result<MailboxFilter, Answer> {
    let name = cursor.atom()?.to_ascii_lowercase();
    Ok(match name.as_str() {
        "selected" => MailboxFilter::Selected,
        "selected-delayed" => MailboxFilter::SelectedDelayed,
        "inboxes" => MailboxFilter::Inboxes,
        "personal" => MailboxFilter::Personal,
        "subscribed" => MailboxFilter::Subscribed,
        "subtree" => MailboxFilter::Subtree(mailboxes(session, cursor)?),
        "subtree-one" => MailboxFilter::SubtreeOne(mailboxes(session, cursor)?),
        "mailboxes" => MailboxFilter::Mailboxes(mailboxes(session, cursor)?),
        _ => return Err(Answer::syntax("Unknown mailbox filter")),
    })
}

/// `one-or-more-mailbox = mailbox / "(" mailbox *(SP mailbox) ")"`
fn mailboxes(session: &Session, cursor: &mut Cursor<'_>) -> Result<Vec<String>, Answer> {
    let enabled = session.enabled();
    cursor.space()?;
    if cursor.peek() != Some(b'(') {
        return Ok(vec![cursor.mailbox(enabled)?]);
    }
    let max = session.options().limits.filter_mailboxes_max;
    let mut count = 0;
    let names = cursor.list(|cursor| {
        count += 1;
        if count > max {
            return Err(answer::TOO_MANY);
        }
        cursor.mailbox(enabled)
    })?;
    if names.is_empty() { Err(Answer::syntax("Expected a mailbox")) } else { Ok(names) }
}
