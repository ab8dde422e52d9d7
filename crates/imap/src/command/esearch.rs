//! ESEARCH: SEARCH in several mailboxes at once (RFC 7377).

use super::{Next, Poll, filter, search};
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::{Session, State};
use crate::types::MailboxFilter;

/// `esearch = "ESEARCH" [SP esearch-source-opts] [SP search-return-opts] SP search-program`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.space()?;
    let mut sources = vec![MailboxFilter::Selected];
    if cursor.eat_word("IN") {
        cursor.space()?;
        sources = source_options(session, cursor)?;
        cursor.space()?;
    }
    let (mut returns, key) = search::returns_and_program(session, cursor)?;
    if !returns.esearch {
        // RFC 7377 §2.1: without a result option ALL is meant.
        (returns.esearch, returns.all) = (true, true);
    }
    // RFC 7377 §2.2: "If the session is not in a correct state, the ESEARCH command MUST return a
    // BAD result."
    let selected = sources.contains(&MailboxFilter::Selected);
    if selected && !matches!(session.state(), State::Selected { .. }) {
        return Err(answer::NOT_SELECTED);
    }
    // "If UPDATE is used and there is no mailbox currently selected, the ESEARCH command MUST
    // return a BAD result."
    if returns.update && !matches!(session.state(), State::Selected { .. }) {
        return Err(answer::NOT_SELECTED);
    }
    if returns.save && (sources.len() > 1 || !selected) {
        return Err(Answer::syntax("SAVE is for the selected mailbox alone"));
    }
    // Message numbers of the selected mailbox may be named.
    let poll = Poll::NoExpunges;
    let effect = Effect::MultiSearch { sources, key, returns };
    Ok(Next::Ask { effect, ok: "ESEARCH completed", poll, target: false })
}

/// `esearch-source-opts = "IN" SP "(" source-mbox [SP "(" scope-options ")"] ")"`; no scope option
/// is defined.
fn source_options(
    session: &Session,
    cursor: &mut Cursor<'_>,
) -> Result<Vec<MailboxFilter>, Answer> {
    let sources = cursor.list(|cursor| match cursor.peek() {
        Some(b'(') => Err(Answer::syntax("Unknown scope option")),
        _ => match filter::filter(session, cursor)? {
            // RFC 7377 §2.2: "The "selected-delayed" specifier is not valid here."
            MailboxFilter::SelectedDelayed => Err(Answer::syntax("selected-delayed is for NOTIFY")),
            other => Ok(other),
        },
    })?;
    if sources.is_empty() { Err(Answer::syntax("Expected a mailbox filter")) } else { Ok(sources) }
}
