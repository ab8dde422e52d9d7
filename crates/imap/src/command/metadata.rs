//! GETMETADATA and SETMETADATA (RFC 5464 §4.2, §4.3).

use super::Next;
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;
use crate::types::MetadataQuery;
use mail::{Depth, EntryName};

/// `getmetadata = "GETMETADATA" [SP getmetadata-options] SP mailbox SP entries`. The examples of
/// §4.2.1 and §4.2.2 had the options behind the mailbox (erratum 2785), and so have clients.
pub fn run_get(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let mut query = MetadataQuery::default();
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        options(cursor, &mut query)?;
        cursor.space()?;
    }
    let mailbox = mailbox(session, cursor)?;
    cursor.space()?;
    if begins_options(*cursor) {
        options(cursor, &mut query)?;
        cursor.space()?;
    }
    query.entries = entries(session, cursor)?;
    // The examples of §4.4.1 had several without parentheses (erratum 3868).
    while !cursor.at_end() && query.entries.len() < session.limits().metadata_entries_max {
        cursor.space()?;
        query.entries.push(entry(cursor)?);
    }
    cursor.end()?;
    Ok(Next::ask(Effect::GetMetadata { mailbox, query }, "GETMETADATA completed"))
}

/// `setmetadata = "SETMETADATA" SP mailbox SP entry-values`
pub fn run_set(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.space()?;
    let mailbox = mailbox(session, cursor)?;
    cursor.space()?;
    let entries_max = session.limits().metadata_entries_max;
    let mut left = entries_max;
    let entries = cursor.list(|cursor| {
        left = left.checked_sub(1).ok_or(answer::TOO_MANY)?;
        let name = entry(cursor)?;
        // §3.2: "Invalid entry names result in a BAD response in any IMAP command".
        if !name.is_whole() {
            return Err(answer::BAD_ENTRY);
        }
        cursor.space()?;
        Ok((name, cursor.metadata_value()?))
    })?;
    cursor.end()?;
    if entries.is_empty() {
        return Err(Answer::syntax("Expected an entry"));
    }
    Ok(Next::ask(Effect::SetMetadata { mailbox, entries }, "SETMETADATA completed"))
}

/// §4.1: "An empty string is used for the mailbox name to signify server annotations."
fn mailbox(session: &Session, cursor: &mut Cursor<'_>) -> Result<Option<String>, Answer> {
    Ok(Some(cursor.mailbox(session.enabled())?).filter(|name| !name.is_empty()))
}

/// `entry = astring`
fn entry(cursor: &mut Cursor<'_>) -> Result<EntryName, Answer> {
    EntryName::parse(&cursor.text()?).ok_or(answer::BAD_ENTRY)
}

/// `entries = entry / "(" entry *(SP entry) ")"`
pub(super) fn entries(
    session: &Session,
    cursor: &mut Cursor<'_>,
) -> Result<Vec<EntryName>, Answer> {
    if cursor.peek() != Some(b'(') {
        return Ok(vec![entry(cursor)?]);
    }
    let entries = cursor.list(entry)?;
    match entries.len() {
        0 => Err(Answer::syntax("Expected an entry")),
        count if count > session.limits().metadata_entries_max => Err(answer::TOO_MANY),
        _ => Ok(entries),
    }
}

/// Whether options come next: entries begin with `/`.
fn begins_options(mut cursor: Cursor<'_>) -> bool {
    cursor.eat(b'(') && (cursor.eat_word("MAXSIZE") || cursor.eat_word("DEPTH"))
}

/// `maxsize-opt = "MAXSIZE" SP number`, `scope-opt = "DEPTH" SP ("0" / "1" / "infinity")`
fn options(cursor: &mut Cursor<'_>, query: &mut MetadataQuery) -> Result<(), Answer> {
    cursor.list(|cursor| {
        let label = cursor.atom()?.to_ascii_uppercase();
        cursor.space()?;
        match label.as_str() {
            "MAXSIZE" => query.octets_max = Some(cursor.number()?),
            "DEPTH" => {
                query.depth = match cursor.atom()? {
                    "0" => Depth::Zero,
                    "1" => Depth::One,
                    other if other.eq_ignore_ascii_case("infinity") => Depth::Infinity,
                    _ => return Err(Answer::syntax("DEPTH is 0, 1 or infinity")),
                }
            }
            _ => return Err(Answer::syntax("Unknown GETMETADATA option")),
        }
        Ok(())
    })?;
    Ok(())
}
