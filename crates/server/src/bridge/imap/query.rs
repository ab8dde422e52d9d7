//! Search programs as the account understands them (RFC 9051 §6.4.4, RFC 5032, RFC 6203, RFC 8514).

use super::{Selected, id_number};
use crate::clock::SystemClock;
use account::{Clock, search::Query};
use imap::types::{SearchKey, SequenceSet, SetNumber};
use mail::{MessageId, ModSeq, NumberSet, SystemFlags, ThreadId};

/// Seconds of a day.
const DAY: i64 = 86_400;

/// Whether MODSEQ is among the criteria.
pub(super) fn asks_modseq(key: &SearchKey) -> bool {
    match key {
        SearchKey::ModSeq(_) => true,
        SearchKey::Not(key) | SearchKey::Fuzzy(key) => asks_modseq(key),
        SearchKey::Or(one, other) => asks_modseq(one) || asks_modseq(other),
        SearchKey::And(keys) => keys.iter().any(asks_modseq),
        _ => false,
    }
}

/// From IMAP's search keys to the account's; numbers mean what they mean now.
pub(super) fn query(selected: &mut Selected, key: &SearchKey) -> Query {
    Translation { selected, now: SystemClock.now_seconds(), lasting: false }.query(key)
}

/// The same for a result that is kept up to date: RFC 5267 §4.3 has message numbers "evaluated at
/// the time the command is received", so they become the Uids of these messages; a range of Uids up
/// to `*` goes on growing.
pub(super) fn lasting(selected: &mut Selected, key: &SearchKey) -> Query {
    Translation { selected, now: SystemClock.now_seconds(), lasting: true }.query(key)
}

struct Translation<'a> {
    selected: &'a mut Selected,
    /// Seconds since 1970 UTC, for YOUNGER and OLDER.
    now: i64,
    /// Numbers must mean the same later.
    lasting: bool,
}

impl Translation<'_> {
    /// The number of an id, if it is one of the selected mailbox's account.
    fn id_number(&self, letter: char, id: &str) -> Option<u32> {
        let own = match self.selected.foreign {
            None => id,
            Some(owner) => id.strip_suffix(&format!("-{owner}"))?,
        };
        id_number(letter, own)
    }

    fn query(&mut self, key: &SearchKey) -> Query {
        let set = |flag| Query::System(flag);
        let unset = |flag| not(Query::System(flag));
        match key {
            SearchKey::All => Query::All,
            SearchKey::Answered => set(SystemFlags::ANSWERED),
            SearchKey::Deleted => set(SystemFlags::DELETED),
            SearchKey::Draft => set(SystemFlags::DRAFT),
            SearchKey::Flagged => set(SystemFlags::FLAGGED),
            SearchKey::Seen => set(SystemFlags::SEEN),
            SearchKey::Unanswered => unset(SystemFlags::ANSWERED),
            SearchKey::Undeleted => unset(SystemFlags::DELETED),
            SearchKey::Undraft => unset(SystemFlags::DRAFT),
            SearchKey::Unflagged => unset(SystemFlags::FLAGGED),
            SearchKey::Unseen => unset(SystemFlags::SEEN),
            SearchKey::New => Query::And(vec![Query::Recent, unset(SystemFlags::SEEN)]),
            SearchKey::Old => not(Query::Recent),
            SearchKey::Recent => Query::Recent,
            SearchKey::Keyword(keyword) => Query::Keyword(keyword.clone()),
            SearchKey::Unkeyword(keyword) => not(Query::Keyword(keyword.clone())),
            SearchKey::Larger(octets) => Query::Larger(*octets),
            SearchKey::Smaller(octets) => Query::Smaller(*octets),
            SearchKey::ModSeq(modseq) => Query::ModSeq(ModSeq(*modseq)),
            SearchKey::EmailId(id) => self
                .id_number('M', id)
                .map_or(Query::Nothing, |number| Query::Message(MessageId(number))),
            SearchKey::ThreadId(id) => self
                .id_number('T', id)
                .map_or(Query::Nothing, |number| Query::Thread(ThreadId(number))),
            SearchKey::Sequence(numbers) => self.numbers(numbers, false),
            SearchKey::Uid(numbers) => self.numbers(numbers, true),
            SearchKey::Fuzzy(key) => Query::Fuzzy(Box::new(self.query(key))),
            SearchKey::Not(key) => not(self.query(key)),
            SearchKey::Or(one, other) => {
                Query::Or(Box::new(self.query(one)), Box::new(self.query(other)))
            }
            SearchKey::And(keys) => Query::And(keys.iter().map(|key| self.query(key)).collect()),
            key => self.text_or_date(key),
        }
    }

    fn text_or_date(&self, key: &SearchKey) -> Query {
        let header = |name: &str, text: &str| Query::Header(name.to_owned(), text.to_owned());
        match key {
            SearchKey::Bcc(text) => header("Bcc", text),
            SearchKey::Cc(text) => header("Cc", text),
            SearchKey::From(text) => header("From", text),
            SearchKey::To(text) => header("To", text),
            SearchKey::Subject(text) => header("Subject", text),
            SearchKey::Header(name, text) => header(name, text),
            SearchKey::Body(text) => Query::Body(text.clone()),
            SearchKey::Text(text) => Query::Text(text.clone()),
            // INTERNALDATE's day is that of UTC, in which FETCH tells it.
            SearchKey::Before(day) => Query::Internal(None, Some(start(day.0))),
            SearchKey::On(day) => Query::Internal(Some(start(day.0)), Some(start(day.0 + 1))),
            SearchKey::Since(day) => Query::Internal(Some(start(day.0)), None),
            SearchKey::SavedBefore(day) => Query::Saved(None, Some(start(day.0))),
            SearchKey::SavedOn(day) => Query::Saved(Some(start(day.0)), Some(start(day.0 + 1))),
            SearchKey::SavedSince(day) => Query::Saved(Some(start(day.0)), None),
            // RFC 8514 §4.3: every mailbox here has it.
            SearchKey::SaveDateSupported => Query::All,
            SearchKey::SentBefore(day) => Query::Sent(None, Some(day.0)),
            SearchKey::SentOn(day) => Query::Sent(Some(day.0), Some(day.0 + 1)),
            SearchKey::SentSince(day) => Query::Sent(Some(day.0), None),
            // RFC 5032 §3: YOUNGER "more recent than or equal to the target time", OLDER "less
            // recent than or equal".
            SearchKey::Younger(seconds) => Query::Internal(Some(self.ago(*seconds)), None),
            SearchKey::Older(seconds) => {
                Query::Internal(None, Some(self.ago(*seconds).saturating_add(1)))
            }
            // The others were translated before.
            _ => Query::Nothing,
        }
    }

    fn ago(&self, seconds: u64) -> i64 {
        self.now.saturating_sub(i64::try_from(seconds).unwrap_or(i64::MAX))
    }

    fn numbers(&mut self, set: &SequenceSet, uid: bool) -> Query {
        let (numbers, kind) = self.selected.resolve(set, uid);
        if self.lasting {
            return Query::Uid(match kind {
                account::Numbers::Sequence => self.selected.view.uids(&numbers),
                account::Numbers::Uid => open_ended(set, &numbers),
            });
        }
        match kind {
            account::Numbers::Sequence => Query::Sequence(numbers),
            account::Numbers::Uid => Query::Uid(numbers),
        }
    }
}

/// With ranges up to `*` as ranges without end.
fn open_ended(set: &SequenceSet, now: &NumberSet) -> NumberSet {
    let SequenceSet::Ranges(ranges) = set else { return now.clone() };
    let open = ranges.iter().filter_map(|range| match range {
        (SetNumber::Number(first), SetNumber::Star)
        | (SetNumber::Star, SetNumber::Number(first)) => Some((*first, u32::MAX - 1)),
        _ => None,
    });
    NumberSet::of(now.ranges().iter().copied().chain(open))
}

fn not(query: Query) -> Query {
    Query::Not(Box::new(query))
}

/// The first second of a day.
const fn start(day: i64) -> i64 {
    day.saturating_mul(DAY)
}
