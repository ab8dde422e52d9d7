//! APPEND (RFC 9051 §6.3.12), of several messages (RFC 3502), in UTF-8 (RFC 6855 §4), binary
//! (RFC 3516 §4.4) and of parts (CATENATE, RFC 4469); REPLACE (RFC 8508).
//!
//! The messages themselves stream through `session/append.rs`: this reads what stands between
//! them, as a list of what is to be done.

use super::{Next, writable};
use crate::answer::{self, Answer, EMPTY_MESSAGE};
use crate::cursor::Cursor;
use crate::date;
use crate::session::{Session, State};
use crate::types::{AppendOptions, Replaced, SequenceSet, SetNumber};

/// What precedes the octets of a message.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Message {
    /// Flags and date.
    pub options: AppendOptions,
    /// `UTF8 (` came: `)` must follow the octets.
    pub utf8: bool,
}

/// Something to be done, in the order in which it was written.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Action {
    /// The literal at the line's end is a message.
    Message(Message),
    /// `CATENATE (`: a message of parts begins.
    Begin(AppendOptions),
    /// The literal at the line's end is a part.
    Text,
    /// A part is what this URL names.
    Url(String),
    /// The command is whole.
    Commit,
}

/// A command up to its first message's octets.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Head {
    /// The mailbox.
    pub mailbox: String,
    /// The message that goes: REPLACE.
    pub replaces: Option<Replaced>,
    /// What is to be done; the last of it with the literal, if the line ends with one.
    pub actions: Vec<Action>,
    /// Within `CATENATE (`.
    pub catenating: bool,
}

/// What was read up to a literal or the command's end.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Read<T> {
    /// This.
    Done(T),
    /// The literal is an argument: read on with it.
    ReadOn,
}

/// APPEND, REPLACE or UID REPLACE.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Verb {
    Append,
    Replace { uid: bool },
}

impl Verb {
    pub const REPLACE: Self = Self::Replace { uid: false };
    pub const REPLACE_UID: Self = Self::Replace { uid: true };
}

/// The verb, if it is one of these. The cursor stands behind the tag's space; behind the verb then.
pub(crate) fn verb(cursor: &mut Cursor<'_>) -> Option<Verb> {
    if cursor.eat_word("APPEND") {
        return Some(Verb::Append);
    }
    let uid = cursor.eat_word("UID") && cursor.space().is_ok();
    cursor.eat_word("REPLACE").then_some(Verb::Replace { uid })
}

/// Reads a command from behind its verb up to the literal at the line's end, or to its end.
pub(crate) fn head(
    session: &Session,
    cursor: &mut Cursor<'_>,
    verb: Verb,
) -> Result<Read<Head>, Answer> {
    let replaces = match verb {
        Verb::Append => None,
        Verb::Replace { uid } => {
            // RFC 8508 §3.5: in the selected state alone.
            if !matches!(session.state(), State::Selected { .. }) {
                return Err(answer::NOT_SELECTED);
            }
            if session.enabled().uidonly && !uid {
                return Err(answer::UID_REQUIRED);
            }
            writable(session)?;
            cursor.space()?;
            Some(Replaced { set: replaced_number(cursor, uid)?, uid })
        }
    };
    cursor.space()?;
    if is_argument(cursor) {
        return Ok(Read::ReadOn);
    }
    let mailbox = cursor.mailbox(session.enabled())?;
    Ok(match messages(cursor, false)? {
        Read::ReadOn => Read::ReadOn,
        Read::Done((actions, catenating)) => {
            if actions.first() == Some(&Action::Commit) {
                return Err(Answer::syntax("Expected a message"));
            }
            Read::Done(Head { mailbox, replaces, actions, catenating })
        }
    })
}

/// `seq-number`, or a Uid: one.
fn replaced_number(cursor: &mut Cursor<'_>, uid: bool) -> Result<SequenceSet, Answer> {
    if !uid && cursor.eat(b'*') {
        return Ok(SequenceSet::Ranges(vec![(SetNumber::Star, SetNumber::Star)]));
    }
    let number = SetNumber::Number(cursor.nz_number()?);
    Ok(SequenceSet::Ranges(vec![(number, number)]))
}

/// Whether the literal that the line announces at its end comes next.
fn is_announced(cursor: &Cursor<'_>) -> bool {
    let rest = cursor.rest();
    (rest.starts_with(b"{") || rest.starts_with(b"~{")) && !rest.contains(&b'\n')
}

/// Whether it comes next as an argument: its octets belong to the command.
fn is_argument(cursor: &Cursor<'_>) -> bool {
    cursor.peek() == Some(b'{') && is_announced(cursor)
}

/// `1*append-message`, from where they are up to a literal or the command's end; within a
/// `CATENATE (` or not, before and after.
pub(crate) fn messages(
    cursor: &mut Cursor<'_>,
    mut catenating: bool,
) -> Result<Read<(Vec<Action>, bool)>, Answer> {
    let mut actions = Vec::new();
    let mut first_part = false;
    loop {
        if catenating {
            if cursor.eat(b')') {
                if first_part {
                    return Err(Answer::syntax("Expected a part"));
                }
                catenating = false;
                continue;
            }
            if !std::mem::take(&mut first_part) {
                cursor.space()?;
                // A space too many is not in the grammar, and does no harm.
                if cursor.eat(b')') {
                    catenating = false;
                    continue;
                }
            }
            match part(cursor)? {
                Read::ReadOn => return Ok(Read::ReadOn),
                Read::Done(Action::Text) => {
                    actions.push(Action::Text);
                    return Ok(Read::Done((actions, true)));
                }
                Read::Done(action) => actions.push(action),
            }
        } else if cursor.at_end() {
            actions.push(Action::Commit);
            return Ok(Read::Done((actions, false)));
        } else {
            let action = message(cursor)?;
            let whole = matches!(action, Action::Message(_));
            actions.push(action);
            if whole {
                return Ok(Read::Done((actions, false)));
            }
            (catenating, first_part) = (true, true);
        }
    }
}

/// `cat-part = "TEXT" SP literal / "URL" SP astring` (RFC 4469 §5).
fn part(cursor: &mut Cursor<'_>) -> Result<Read<Action>, Answer> {
    if cursor.eat_word("TEXT") {
        cursor.space()?;
        let announced = is_announced(cursor);
        let text = Read::Done(Action::Text);
        return if announced { Ok(text) } else { Err(Answer::syntax("Expected a literal")) };
    }
    if !cursor.eat_word("URL") {
        return Err(Answer::syntax("Expected TEXT or URL"));
    }
    cursor.space()?;
    if is_argument(cursor) {
        return Ok(Read::ReadOn);
    }
    Ok(Read::Done(Action::Url(cursor.text()?)))
}

/// `append-message = [SP flag-list] [SP date-time] SP (literal / literal8 / "UTF8" SP "("
/// literal8 ")" / "CATENATE" SP "(" …)`, up to the literal or the first part.
fn message(cursor: &mut Cursor<'_>) -> Result<Action, Answer> {
    let mut options = AppendOptions::default();
    cursor.space()?;
    if cursor.peek() == Some(b'(') {
        options.flags = cursor.flags()?;
        cursor.space()?;
    }
    if cursor.rest() == b"\"\"" {
        return Err(EMPTY_MESSAGE);
    }
    if cursor.peek() == Some(b'"') {
        options.internal_date = Some(cursor.quoted_as(date::parse_date_time)?);
        cursor.space()?;
    }
    if cursor.eat_word("CATENATE") {
        cursor.space()?;
        cursor.expect(b'(', "Expected (")?;
        return Ok(Action::Begin(options));
    }
    let utf8 = cursor.eat_word("UTF8");
    if utf8 {
        cursor.space()?;
        cursor.expect(b'(', "Expected (")?;
    }
    // The announcement itself was read by the framing; it must be all that is left.
    let is_literal8 = cursor.peek() == Some(b'~');
    if !is_announced(cursor) || (utf8 && !is_literal8) {
        return Err(Answer::syntax("Expected a literal"));
    }
    Ok(Action::Message(Message { options, utf8 }))
}

/// A command whose line ended without a literal: all its parts are URLs, if it is right.
pub(super) fn without_literal(
    session: &mut Session,
    cursor: &mut Cursor<'_>,
    verb: Verb,
) -> Result<Next, Answer> {
    match head(session, cursor, verb)? {
        Read::Done(head) if head.actions.last() == Some(&Action::Commit) => {
            Ok(Next::Append(Box::new(head)))
        }
        // The framing found no announcement at the line's end.
        Read::Done(_) | Read::ReadOn => Err(Answer::syntax("Expected a literal")),
    }
}
