//! SEARCH (RFC 9051 §6.4.4; RFC 3501 §6.4.4, RFC 4731, RFC 5032, RFC 5182, RFC 7162 §3.1.5,
//! RFC 8474 §6, RFC 8514 §4.3, RFC 6203, RFC 9394, RFC 5267).

use super::{Next, Poll, fetch};
use crate::answer::{self, Answer};
use crate::cursor::Cursor;
use crate::date;
use crate::effect::Effect;
use crate::session::Session;
use crate::types::{Day, SearchKey, SearchReturn};

/// `search = "SEARCH" [search-return-opts] SP search-program`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>, uid: bool) -> Result<Next, Answer> {
    let rev2 = session.enabled().rev2;
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
    let program = Program::parse(session, cursor)?;
    program.allows(&returns)?;
    let poll = program.poll(uid);
    let effect = Effect::Search { key: program.key, uid, returns };
    Ok(Next::Ask { effect, ok: "SEARCH completed", poll, target: false })
}

/// What is searched for.
pub(super) struct Program {
    pub key: SearchKey,
    /// Message numbers are among the criteria.
    numbers: bool,
    /// FUZZY is among them.
    pub fuzzy: bool,
}

impl Program {
    /// `search-key *(SP search-key)` up to the end of the command.
    pub fn parse(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Self, Answer> {
        let left = session.options().limits.search_keys_max;
        let mut keys = Keys { left, ..Keys::default() };
        let key = keys.program(cursor)?;
        cursor.end()?;
        // RFC 9586 §3.1.
        if keys.sequences && session.enabled().uidonly {
            return Err(answer::UID_REQUIRED);
        }
        if keys.modseq {
            session.enable_condstore();
        }
        Ok(Self { key, numbers: keys.numbers, fuzzy: keys.fuzzy })
    }

    /// RFC 7162 §3.2.10.2, RFC 5256 §3: expunges may be told after UID SEARCH, UID SORT and UID
    /// THREAD, unless the command names message numbers.
    pub const fn poll(&self, uid: bool) -> Poll {
        if uid && !self.numbers { Poll::All } else { Poll::NoExpunges }
    }

    /// RFC 6203 §4: "The RELEVANCY return option MUST NOT be used unless a FUZZY search key is
    /// also given."
    pub const fn allows(&self, returns: &SearchReturn) -> Result<(), Answer> {
        if returns.relevancy && !self.fuzzy { Err(answer::NOT_FUZZY) } else { Ok(()) }
    }
}

/// `[search-return-opts SP] search-program`, as ESEARCH has it (RFC 7377 §4).
pub fn returns_and_program(
    session: &mut Session,
    cursor: &mut Cursor<'_>,
) -> Result<(SearchReturn, SearchKey), Answer> {
    let mut returns = SearchReturn::default();
    if cursor.eat_word("RETURN") {
        cursor.space()?;
        returns = return_options(cursor)?;
        cursor.space()?;
    }
    charset(cursor)?;
    let program = Program::parse(session, cursor)?;
    program.allows(&returns)?;
    Ok((returns, program.key))
}

/// `search-return-opts = "RETURN" SP "(" [search-return-opt *(SP search-return-opt)] ")"`
pub(super) fn return_options(cursor: &mut Cursor<'_>) -> Result<SearchReturn, Answer> {
    let mut returns = SearchReturn { esearch: true, ..SearchReturn::default() };
    let options = cursor.list(|cursor| {
        match cursor.atom()?.to_ascii_uppercase().as_str() {
            "MIN" => returns.min = true,
            "MAX" => returns.max = true,
            "ALL" => returns.all = true,
            "COUNT" => returns.count = true,
            "SAVE" => returns.save = true,
            "RELEVANCY" => returns.relevancy = true,
            "CONTEXT" => returns.context = true,
            "UPDATE" => {
                returns.update = true;
                // RFC 5465 §7.
                if let Some(items) = fetch::items_in_list(cursor)? {
                    returns.update_items = items;
                }
            }
            "PARTIAL" if returns.partial.is_none() => {
                cursor.space()?;
                returns.partial = Some(cursor.window()?);
            }
            "PARTIAL" => return Err(answer::PARTIAL_AND_ALL),
            _ => return Err(Answer::syntax("Unknown SEARCH return option")),
        }
        Ok(())
    })?;
    // RFC 9394 §3.1: "A single command MUST NOT contain more than one PARTIAL or ALL".
    if returns.all && returns.partial.is_some() {
        return Err(answer::PARTIAL_AND_ALL);
    }
    // RFC 4731 §3.1: "RETURN ()" is ALL.
    returns.all |= options.is_empty();
    Ok(returns)
}

/// `["CHARSET" SP charset SP]`
fn charset(cursor: &mut Cursor<'_>) -> Result<(), Answer> {
    if !cursor.eat_word("CHARSET") {
        return Ok(());
    }
    cursor.space()?;
    charset_name(cursor)?;
    cursor.space()
}

/// `charset`: those that RFC 9051 §6.4.4 and RFC 5256 §3 want.
pub(super) fn charset_name(cursor: &mut Cursor<'_>) -> Result<(), Answer> {
    let name = cursor.astring()?;
    let known = name.eq_ignore_ascii_case(b"UTF-8") || name.eq_ignore_ascii_case(b"US-ASCII");
    if known { Ok(()) } else { Err(answer::BAD_CHARSET) }
}

/// What was seen of a program.
#[derive(Default)]
struct Keys {
    left: usize,
    modseq: bool,
    numbers: bool,
    /// Message numbers that the client wrote, not `$`.
    sequences: bool,
    fuzzy: bool,
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
                self.sequences |= cursor.peek() != Some(b'$');
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
            "SAVEDBEFORE" => SearchKey::SavedBefore(day(cursor)?),
            "SAVEDON" => SearchKey::SavedOn(day(cursor)?),
            "SAVEDSINCE" => SearchKey::SavedSince(day(cursor)?),
            "FUZZY" => {
                cursor.enter()?;
                let key = self.key(cursor)?;
                cursor.leave();
                self.fuzzy = true;
                SearchKey::Fuzzy(Box::new(key))
            }
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
        "SAVEDATESUPPORTED" => SearchKey::SaveDateSupported,
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
