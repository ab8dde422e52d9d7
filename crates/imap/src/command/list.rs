//! LIST with selection and return options (RFC 9051 §6.3.9, RFC 5258, RFC 5819, RFC 6154,
//! RFC 9590), and LSUB (RFC 3501 §6.3.9).

use super::{Next, metadata, status};
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::effect::{Effect, Enabled};
use crate::reply::ListLine;
use crate::session::Session;
use crate::types::{ListReturn, ListSelect, StatusItem};

/// Patterns of one LIST.
const PATTERNS_MAX: usize = 100;

/// `list = "LIST" [SP list-select-opts] SP mailbox SP mbox-or-pat [SP list-return-opts]`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let enabled = session.enabled();
    cursor.space()?;
    let extended = cursor.peek() == Some(b'(');
    let mut select = ListSelect::default();
    if extended {
        select = selection(cursor)?;
        cursor.space()?;
    }
    let reference = reference(cursor, enabled)?;
    cursor.space()?;
    let many = cursor.peek() == Some(b'(');
    let patterns = patterns(cursor, enabled)?;
    let mut returns = ListReturn::default();
    let returning = !cursor.at_end();
    if returning {
        cursor.space()?;
        returns = return_options(session, cursor)?;
    } else if !extended && !many {
        // Plain LIST: CHILDREN (RFC 3348), and special uses, which iPhones look for (quirk 6).
        (returns.children, returns.special_use) = (true, true);
    }
    cursor.end()?;
    // RFC 5258 §3.1: the selection options SUBSCRIBED and (RFC 6154 §5.2) SPECIAL-USE include the
    // return options of that name.
    returns.subscribed |= select.subscribed;
    returns.special_use |= select.special_use;
    if returns.status.as_ref().is_some_and(|items| items.contains(&StatusItem::HighestModSeq)) {
        session.enable_condstore();
    }
    if !extended && !many && patterns.iter().all(String::is_empty) {
        return Ok(separator(session));
    }
    let effect = Effect::List { select, reference, patterns, returns, lsub: false };
    Ok(Next::ask(effect, "LIST completed"))
}

/// `lsub = "LSUB" SP mailbox SP list-mailbox`
pub fn run_lsub(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let enabled = session.enabled();
    cursor.space()?;
    let reference = reference(cursor, enabled)?;
    cursor.space()?;
    let patterns = vec![cursor.list_mailbox(enabled)?];
    cursor.end()?;
    let select = ListSelect { subscribed: true, ..ListSelect::default() };
    let returns = ListReturn::default();
    let effect = Effect::List { select, reference, patterns, returns, lsub: true };
    Ok(Next::ask(effect, "LSUB completed"))
}

/// RFC 9051 §6.3.9: "An empty ("" string) mailbox name argument is a special request to return the
/// hierarchy delimiter and the root name of the name given in the reference." That is always "".
fn separator(session: &mut Session) -> Next {
    let attributes = &["\\Noselect"][..];
    session.reply().list(&ListLine { attributes, separator: Some('/'), ..ListLine::default() });
    Next::Answer(Answer::ok("LIST completed"))
}

/// The reference as written: its last separator counts.
fn reference(cursor: &mut Cursor<'_>, enabled: Enabled) -> Result<String, Answer> {
    cursor.list_mailbox(enabled)
}

/// `mbox-or-pat = list-mailbox / "(" list-mailbox *(SP list-mailbox) ")"`
fn patterns(cursor: &mut Cursor<'_>, enabled: Enabled) -> Result<Vec<String>, Answer> {
    if cursor.peek() != Some(b'(') {
        return Ok(vec![cursor.list_mailbox(enabled)?]);
    }
    let patterns = cursor.list(|cursor| cursor.list_mailbox(enabled))?;
    match patterns.len() {
        0 => Err(Answer::syntax("Expected a mailbox pattern")),
        1..=PATTERNS_MAX => Ok(patterns),
        _ => Err(answer::TOO_MANY),
    }
}

/// `list-select-opts`
fn selection(cursor: &mut Cursor<'_>) -> Result<ListSelect, Answer> {
    let mut select = ListSelect::default();
    cursor.list(|cursor| {
        match cursor.atom()?.to_ascii_uppercase().as_str() {
            "SUBSCRIBED" => select.subscribed = true,
            "REMOTE" => select.remote = true,
            "RECURSIVEMATCH" => select.recursive_match = true,
            "SPECIAL-USE" => select.special_use = true,
            _ => return Err(Answer::syntax("Unknown LIST selection option")),
        }
        Ok(())
    })?;
    // RFC 5258 §3.1: "RECURSIVEMATCH … MUST NOT occur as the only selection option (or only with
    // REMOTE) … the server MUST return a tagged BAD".
    if select.recursive_match && !select.subscribed && !select.special_use {
        return Err(Answer::syntax("RECURSIVEMATCH needs another selection option"));
    }
    Ok(select)
}

/// `list-return-opts = "RETURN" SP "(" [return-option *(SP return-option)] ")"`
fn return_options(session: &Session, cursor: &mut Cursor<'_>) -> Result<ListReturn, Answer> {
    if !cursor.eat_word("RETURN") {
        return Err(Answer::syntax("Expected RETURN"));
    }
    cursor.space()?;
    let mut returns = ListReturn::default();
    cursor.list(|cursor| {
        match cursor.atom()?.to_ascii_uppercase().as_str() {
            "SUBSCRIBED" => returns.subscribed = true,
            "CHILDREN" => returns.children = true,
            "SPECIAL-USE" => returns.special_use = true,
            "STATUS" => {
                cursor.space()?;
                returns.status = Some(status::items(cursor)?);
            }
            // RFC 8440: `return-option =/ "MYRIGHTS"`
            "MYRIGHTS" => returns.my_rights = true,
            // RFC 9590: `return-option =/ "METADATA" SP entries`
            "METADATA" => {
                cursor.space()?;
                returns.metadata = Some(metadata::entries(session, cursor)?);
            }
            _ => return Err(Answer::syntax("Unknown LIST return option")),
        }
        Ok(())
    })?;
    Ok(returns)
}
