//! SORT (RFC 5256 §3 BASE.6.4.SORT, RFC 5267 §3, RFC 5957, RFC 6203 §6).

use super::Next;
use super::search::{self, Program};
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::effect::Effect;
use crate::session::Session;
use crate::types::{SearchReturn, SortCriterion, SortKey};

/// Keys of one order: more than there are criteria tell nothing new.
const KEYS_MAX: usize = 20;

/// `extended-sort = ["UID" SP] "SORT" [search-return-opts] SP sort-criteria SP search-criteria`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>, uid: bool) -> Result<Next, Answer> {
    cursor.space()?;
    let mut returns = SearchReturn::default();
    if cursor.eat_word("RETURN") {
        cursor.space()?;
        returns = search::return_options(cursor)?;
        cursor.space()?;
    }
    let order = cursor.list(sort_key)?;
    if order.is_empty() {
        return Err(Answer::syntax("Expected a sort criterion"));
    }
    if order.len() > KEYS_MAX {
        return Err(answer::TOO_MANY);
    }
    cursor.space()?;
    search::charset_name(cursor)?;
    cursor.space()?;
    let program = Program::parse(session, cursor)?;
    program.allows(&returns)?;
    // RFC 6203 §6: "RELEVANCY sort criteria MUST NOT be used unless a FUZZY search key is also
    // given."
    let relevancy = order.iter().any(|key| key.criterion == SortCriterion::Relevancy);
    if relevancy && !program.fuzzy {
        return Err(answer::NOT_FUZZY);
    }
    let poll = program.poll(uid);
    let effect = Effect::Sort { order, key: program.key, uid, returns };
    Ok(Next::Ask { effect, ok: "SORT completed", poll, target: false })
}

/// `sort-criterion = ["REVERSE" SP] sort-key`
fn sort_key(cursor: &mut Cursor<'_>) -> Result<SortKey, Answer> {
    let reverse = cursor.eat_word("REVERSE");
    if reverse {
        cursor.space()?;
    }
    let criterion = match cursor.atom()?.to_ascii_uppercase().as_str() {
        "ARRIVAL" => SortCriterion::Arrival,
        "CC" => SortCriterion::Cc,
        "DATE" => SortCriterion::Date,
        "FROM" => SortCriterion::From,
        "SIZE" => SortCriterion::Size,
        "SUBJECT" => SortCriterion::Subject,
        "TO" => SortCriterion::To,
        "DISPLAYFROM" => SortCriterion::DisplayFrom,
        "DISPLAYTO" => SortCriterion::DisplayTo,
        "RELEVANCY" => SortCriterion::Relevancy,
        _ => return Err(Answer::syntax("Unknown sort criterion")),
    };
    Ok(SortKey { criterion, reverse })
}
