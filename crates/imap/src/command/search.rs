//! SEARCH (RFC 9051 §6.4.4; RFC 3501 §6.4.4, RFC 4731, RFC 5032, RFC 5182, RFC 7162 §3.1.5,
//! RFC 8474 §6).

use super::{Next, Poll};
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::date;
use crate::effect::Effect;
use crate::session::Session;
use crate::types::{Day, SearchKey, SearchReturn};

/// `search = "SEARCH" [search-return-opts] SP search-program`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>, uid: bool) -> Result<Next, Answer> {
    let rev2 = session.enabled().rev2;
    let keys_max = session.options().limits.search_keys_max;
    cursor.space()?;
    let mut returns = SearchReturn::default();
    if cursor.eat_word("RETURN") {
        cursor.space()?;
        returns = return_options(cursor)?;
        cursor.space()?;
    } else if rev2 {
        // RFC 9051 §6.4.4: without RETURN the answer is ESEARCH with ALL.
        (returns.esearch, returns.all) = (true, true);
    }
    charset(cursor)?;
    let mut keys = Keys { left: keys_max, modseq: false, numbers: false };
    let key = keys.program(cursor)?;
    cursor.end()?;
    if keys.modseq {
        session.enable_condstore();
    }
    // RFC 7162 §3.2.10.2: expunges may be told after UID SEARCH, unless it names message numbers.
    let poll = if uid && !keys.numbers { Poll::All } else { Poll::NoExpunges };
    let effect = Effect::Search { key, uid, returns };
    Ok(Next::Ask { effect, ok: "SEARCH completed", poll, target: false })
}

/// `[search-return-opts SP] search-program`, as ESEARCH has it (RFC 7377 §4).
pub fn returns_and_program(
    session: &mut Session,
    cursor: &mut Cursor<'_>,
) -> Result<(SearchReturn, SearchKey), Answer> {
    let keys_max = session.options().limits.search_keys_max;
    let mut returns = SearchReturn::default();
    if cursor.eat_word("RETURN") {
        cursor.space()?;
        returns = return_options(cursor)?;
        cursor.space()?;
    }
    charset(cursor)?;
    let mut keys = Keys { left: keys_max, modseq: false, numbers: false };
    let key = keys.program(cursor)?;
    cursor.end()?;
    if keys.modseq {
        session.enable_condstore();
    }
    Ok((returns, key))
}

/// `search-return-opts = "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"`
fn return_options(cursor: &mut Cursor<'_>) -> Result<SearchReturn, Answer> {
    let mut returns = SearchReturn { esearch: true, ..SearchReturn::default() };
    cursor.list(|cursor| {
        match cursor.atom()?.to_ascii_uppercase().as_str() {
            "MIN" => returns.min = true,
            "MAX" => returns.max = true,
            "ALL" => returns.all = true,
            "COUNT" => returns.count = true,
            "SAVE" => returns.save = true,
            _ => return Err(Answer::syntax("Unknown SEARCH return option")),
        }
        Ok(())
    })?;
    // RFC 4731 §3.1: "RETURN ()" is ALL.
    let any = returns.min || returns.max || returns.count || returns.save;
    returns.all |= !any;
    Ok(returns)
}

/// `["CHARSET" SP charset SP]`
fn charset(cursor: &mut Cursor<'_>) -> Result<(), Answer> {
    if !cursor.eat_word("CHARSET") {
        return Ok(());
    }
    cursor.space()?;
    let name = cursor.astring()?;
    let known = name.eq_ignore_ascii_case(b"UTF-8") || name.eq_ignore_ascii_case(b"US-ASCII");
    if !known {
        return Err(answer::BAD_CHARSET);
    }
    cursor.space()
}

/// What was seen of a program.
struct Keys {
    left: usize,
    modseq: bool,
    numbers: bool,
}

impl Keys {
    /// `search-key *(SP search-key)` up to the end.
    fn program(&mut self, cursor: &mut Cursor<'_>) -> Result<SearchKey, Answer> {
        let mut keys = vec![self.key(cursor)?];
        while !cursor.at_end() {
            cursor.space()?;
            keys.push(self.key(cursor)?);
        }
        Ok(all_of(keys))
    }

    /// `search-key`
    fn key(&mut self, cursor: &mut Cursor<'_>) -> Result<SearchKey, Answer> {
        self.left = self.left.checked_sub(1).ok_or(answer::TOO_MANY)?;
        match cursor.peek() {
            Some(b'(') => {
                cursor.enter()?;
                let keys = cursor.list(|cursor| self.key(cursor))?;
                cursor.leave();
                if keys.is_empty() {
                    return Err(Answer::syntax("Expected a search key"));
                }
                return Ok(all_of(keys));
            }
            Some(b'0'..=b'9' | b'*' | b'$') => {
                self.numbers = true;
                return cursor.sequence_set().map(SearchKey::Sequence);
            }
            _ => {}
        }
        let name = cursor.atom()?.to_ascii_uppercase();
        if let Some(key) = plain_key(&name) {
            return Ok(key);
        }
        let before = *cursor;
        if cursor.space().is_ok() {
            return self.key_with_argument(&name, cursor);
        }
        *cursor = before;
        Err(Answer::syntax("Unknown search key, or missing argument"))
    }

    fn key_with_argument(
        &mut self,
        name: &str,
        cursor: &mut Cursor<'_>,
    ) -> Result<SearchKey, Answer> {
        Ok(match name {
            "BCC" => SearchKey::Bcc(cursor.text()?),
            "BODY" => SearchKey::Body(cursor.text()?),
            "CC" => SearchKey::Cc(cursor.text()?),
            "FROM" => SearchKey::From(cursor.text()?),
            "SUBJECT" => SearchKey::Subject(cursor.text()?),
            "TEXT" => SearchKey::Text(cursor.text()?),
            "TO" => SearchKey::To(cursor.text()?),
            "HEADER" => {
                let field = cursor.text()?;
                cursor.space()?;
                SearchKey::Header(field, cursor.text()?)
            }
            "KEYWORD" => SearchKey::Keyword(cursor.keyword()?),
            "UNKEYWORD" => SearchKey::Unkeyword(cursor.keyword()?),
            "BEFORE" => SearchKey::Before(day(cursor)?),
            "ON" => SearchKey::On(day(cursor)?),
            "SINCE" => SearchKey::Since(day(cursor)?),
            "SENTBEFORE" => SearchKey::SentBefore(day(cursor)?),
            "SENTON" => SearchKey::SentOn(day(cursor)?),
            "SENTSINCE" => SearchKey::SentSince(day(cursor)?),
            "LARGER" => SearchKey::Larger(cursor.number64()?),
            "SMALLER" => SearchKey::Smaller(cursor.number64()?),
            "YOUNGER" => SearchKey::Younger(interval(cursor)?),
            "OLDER" => SearchKey::Older(interval(cursor)?),
            "MODSEQ" => self.modseq(cursor)?,
            "EMAILID" => SearchKey::EmailId(cursor.text()?),
            "THREADID" => SearchKey::ThreadId(cursor.text()?),
            "UID" => SearchKey::Uid(cursor.sequence_set()?),
            "NOT" => {
                cursor.enter()?;
                let key = self.key(cursor)?;
                cursor.leave();
                SearchKey::Not(Box::new(key))
            }
            "OR" => {
                cursor.enter()?;
                let one = self.key(cursor)?;
                cursor.space()?;
                let other = self.key(cursor)?;
                cursor.leave();
                SearchKey::Or(Box::new(one), Box::new(other))
            }
            _ => return Err(Answer::syntax("Unknown search key")),
        })
    }

    /// `search-modsequence = "MODSEQ" [SP entry-name SP entry-type-req] SP mod-sequence-valzer`.
    /// There is one mod-sequence a message: the entry makes no difference (RFC 7162 §3.1.5).
    fn modseq(&mut self, cursor: &mut Cursor<'_>) -> Result<SearchKey, Answer> {
        if cursor.peek() == Some(b'"') {
            cursor.string()?;
            cursor.space()?;
            if !["PRIV", "SHARED", "ALL"].iter().any(|name| cursor.eat_word(name)) {
                return Err(Answer::syntax("Expected priv, shared or all"));
            }
            cursor.space()?;
        }
        self.modseq = true;
        cursor.number64().map(SearchKey::ModSeq)
    }
}

/// Keys without arguments.
fn plain_key(name: &str) -> Option<SearchKey> {
    Some(match name {
        "ALL" => SearchKey::All,
        "ANSWERED" => SearchKey::Answered,
        "DELETED" => SearchKey::Deleted,
        "DRAFT" => SearchKey::Draft,
        "FLAGGED" => SearchKey::Flagged,
        "SEEN" => SearchKey::Seen,
        "NEW" => SearchKey::New,
        "OLD" => SearchKey::Old,
        "RECENT" => SearchKey::Recent,
        "UNANSWERED" => SearchKey::Unanswered,
        "UNDELETED" => SearchKey::Undeleted,
        "UNDRAFT" => SearchKey::Undraft,
        "UNFLAGGED" => SearchKey::Unflagged,
        "UNSEEN" => SearchKey::Unseen,
        _ => return None,
    })
}

fn all_of(mut keys: Vec<SearchKey>) -> SearchKey {
    match keys.len() {
        1 => keys.pop().unwrap_or(SearchKey::All),
        _ => SearchKey::And(keys),
    }
}

/// `date = date-text / DQUOTE date-text DQUOTE`
fn day(cursor: &mut Cursor<'_>) -> Result<Day, Answer> {
    let text = cursor.astring()?;
    date::parse_date(&text).map(Day).ok_or(Answer::syntax("Not a date"))
}

/// RFC 5032 §2: `nz-number` seconds.
fn interval(cursor: &mut Cursor<'_>) -> Result<u64, Answer> {
    cursor.nz_number().map(u64::from)
}
