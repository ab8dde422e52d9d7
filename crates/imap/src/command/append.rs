//! APPEND (RFC 9051 §6.3.12), of several messages (RFC 3502), in UTF-8 (RFC 6855 §4) and binary
//! (RFC 3516 §4.4).
//!
//! The messages themselves stream through `session/append.rs`: this reads what stands before each.

use super::Next;
use crate::answer::{Answer, EMPTY_MESSAGE};
use crate::cursor::Cursor;
use crate::date;
use crate::effect::Enabled;
use crate::session::Session;
use crate::types::AppendOptions;

/// What precedes the octets of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Flags and date.
    pub options: AppendOptions,
    /// `UTF8 (` came: `)` must follow the octets.
    pub utf8: bool,
}

/// The line of an APPEND up to a literal.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Head {
    /// The literal is the mailbox: read on.
    Argument,
    /// The literal is a message.
    Message(String, Message),
}

impl Head {
    /// Reads `SP mailbox append-message` up to the literal's `{`. The cursor stands behind
    /// the verb; the line ends with the announcement.
    pub fn parse(cursor: &mut Cursor<'_>, enabled: Enabled) -> Result<Self, Answer> {
        cursor.space()?;
        let announced = matches!(cursor.peek(), Some(b'{'));
        if announced && !cursor.rest().contains(&b'\n') {
            return Ok(Self::Argument);
        }
        let mailbox = cursor.mailbox(enabled)?;
        let message = message_after_message(cursor)?;
        Ok(Self::Message(mailbox, message))
    }
}

/// `append-message = [SP flag-list] [SP date-time] SP (literal / literal8 / "UTF8" SP "("
/// literal8 ")")`, up to the literal.
pub(crate) fn message_after_message(cursor: &mut Cursor<'_>) -> Result<Message, Answer> {
    let mut options = AppendOptions::default();
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        options.flags = cursor.flags()?;
        cursor.space()?;
    }
    if cursor.peek() == Some(b'"') {
        options.internal_date = Some(cursor.quoted_as(date::parse_date_time)?);
        cursor.space()?;
    }
    let utf8 = cursor.eat_word("UTF8");
    if utf8 {
        cursor.space()?;
        cursor.expect(b'(', "Expected (")?;
    }
    // The announcement itself was read by the framing; it must be all that is left.
    let rest = cursor.rest();
    let literal8 = rest.starts_with(b"~{");
    if !(literal8 || (rest.starts_with(b"{") && !utf8)) || rest.contains(&b'\n') {
        return Err(Answer::syntax("Expected a literal"));
    }
    Ok(Message { options, utf8 })
}

/// APPEND whose line ended without a literal. `""` for a message is an empty one.
pub(super) fn without_literal(
    session: &mut Session,
    cursor: &mut Cursor<'_>,
) -> Result<Next, Answer> {
    cursor.space()?;
    cursor.mailbox(session.enabled())?;
    let empty = cursor.rest().ends_with(b" \"\"");
    Err(if empty { EMPTY_MESSAGE } else { Answer::syntax("Expected a literal") })
}
