//! SEARCH, step by step (RFC 9051 §6.4.4, RFC 4731, RFC 5182, RFC 7162 §3.1.5, RFC 9585).

use super::{Selected, id_number, refusal::Stop};
use crate::clock::SystemClock;
use account::{
    Clock, Row,
    search::{Query, Search},
};
use imap::{
    EsearchLine, Session,
    effect::Done,
    types::{SearchKey, SearchReturn, SequenceSet},
};
use mail::{MessageId, ModSeq, NumberSet, SystemFlags, ThreadId, UidValidity};
use std::time::Duration;
use tokio::{task::yield_now, time::Instant};

/// How often a long search tells how far it is (RFC 9585 §3: 10 to 15 seconds).
const PROGRESS: Duration = Duration::from_secs(10);
/// Seconds of a day.
const DAY: i64 = 86_400;

/// A SEARCH between two steps.
pub(super) struct Searching {
    search: Search,
    uid: bool,
    returns: SearchReturn,
    /// MODSEQ is a criterion: the answer tells the highest.
    modseq: bool,
    /// Numbers for ALL.
    found: NumberSet,
    /// Uids to be saved.
    uids: NumberSet,
    min: Option<Match>,
    max: Option<Match>,
    count: u64,
    highest: ModSeq,
    told: Instant,
    /// The mailbox that the answer names: ESEARCH over several (RFC 7377).
    mailbox: Option<(Box<str>, UidValidity)>,
}

/// A message that was found.
#[derive(Clone, Copy)]
struct Match {
    number: u32,
    uid: u32,
    modseq: ModSeq,
}

impl Searching {
    pub fn new(selected: &mut Selected, key: &SearchKey, uid: bool, returns: SearchReturn) -> Self {
        let now = SystemClock.now_seconds();
        Self {
            search: Search::new(Translation { selected, now }.query(key)),
            uid,
            returns,
            modseq: asks_modseq(key),
            found: NumberSet::default(),
            uids: NumberSet::default(),
            min: None,
            max: None,
            count: 0,
            highest: ModSeq(0),
            told: Instant::now(),
            mailbox: None,
        }
    }

    /// The answer names this mailbox, and is left out when nothing is found.
    pub fn names(&mut self, mailbox: &str, uid_validity: UidValidity) {
        self.mailbox = Some((mailbox.into(), uid_validity));
    }

    pub async fn step(
        &mut self,
        session: &mut Session,
        selected: &mut Selected,
    ) -> Result<Done, Stop> {
        let (rows, more) = match self.search.step(&mut selected.view).await {
            Ok(step) => step,
            Err(error) => {
                // RFC 5182 §2.1: when a SEARCH with SAVE fails, `$` is the empty set.
                if self.returns.save {
                    selected.saved = NumberSet::default();
                }
                return Err(error.into());
            }
        };
        rows.iter().for_each(|row| self.take(row));
        if more && !self.is_settled() {
            if self.told.elapsed() >= PROGRESS {
                self.told = Instant::now();
                let (done, goal) = self.search.progress();
                session.reply().in_progress(done.into(), Some(goal.into()));
            }
            yield_now().await;
            return Ok(Done::More);
        }
        self.answer(session);
        if self.returns.save {
            selected.saved = self.take_saved();
        }
        Ok(Done::Ok(None))
    }

    fn take(&mut self, row: &Row) {
        let number = if self.uid { row.uid.0 } else { row.sequence };
        let this = Match { number, uid: row.uid.0, modseq: row.modseq };
        self.min.get_or_insert(this);
        self.max = Some(this);
        self.count += 1;
        self.highest = self.highest.max(row.modseq);
        if self.returns.all || !self.returns.esearch {
            self.found.push(number);
        }
        if self.saves_all() {
            self.uids.push(row.uid.0);
        }
    }

    /// Whether what comes cannot change the answer: MIN alone was asked, and found.
    const fn is_settled(&self) -> bool {
        let SearchReturn { esearch, min, max, all, count, save: _ } = self.returns;
        esearch && min && !max && !all && !count && self.min.is_some()
    }

    /// RFC 5182 §2.4: with MIN or MAX and without ALL and COUNT, only these are saved.
    const fn saves_all(&self) -> bool {
        let SearchReturn { min, max, all, count, save, .. } = self.returns;
        save && (all || count || !(min || max))
    }

    fn take_saved(&mut self) -> NumberSet {
        if self.saves_all() {
            return std::mem::take(&mut self.uids);
        }
        let min = self.min.filter(|_| self.returns.min);
        let max = self.max.filter(|_| self.returns.max);
        NumberSet::of_numbers(min.into_iter().chain(max).map(|found| found.uid))
    }

    /// RFC 7162 §3.1.10: of MIN and MAX alone, theirs; else the highest of all that was found.
    fn modseq(&self) -> Option<ModSeq> {
        let SearchReturn { esearch, min, max, all, count, save: _ } = self.returns;
        if !self.modseq || self.count == 0 {
            return None;
        }
        if !esearch || all || count || !(min || max) {
            return Some(self.highest);
        }
        let min = self.min.filter(|_| min).map(|found| found.modseq);
        let max = self.max.filter(|_| max).map(|found| found.modseq);
        min.max(max)
    }

    fn answer(&self, session: &mut Session) {
        let SearchReturn { esearch, min, max, all, count, save } = self.returns;
        let modseq = self.modseq();
        if !esearch {
            session.reply().search(self.found.iter(), modseq);
            return;
        }
        // RFC 5182 §2.1: SAVE alone is not answered.
        if save && !(min || max || all || count) {
            return;
        }
        let line = EsearchLine {
            uid: self.uid,
            min: self.min.filter(|_| min).map(|found| found.number),
            max: self.max.filter(|_| max).map(|found| found.number),
            all: all.then_some(&self.found),
            count: count.then_some(self.count),
            modseq,
        };
        match &self.mailbox {
            // RFC 7377 §2.1: "An ESEARCH response MUST NOT be returned for mailboxes that contain
            // no matching messages."
            Some(_) if self.count == 0 => {}
            Some((mailbox, validity)) => session.reply().esearch_of(mailbox, validity.0, &line),
            None => session.reply().esearch(&line),
        }
    }
}

/// Whether MODSEQ is among the criteria.
fn asks_modseq(key: &SearchKey) -> bool {
    match key {
        SearchKey::ModSeq(_) => true,
        SearchKey::Not(key) => asks_modseq(key),
        SearchKey::Or(one, other) => asks_modseq(one) || asks_modseq(other),
        SearchKey::And(keys) => keys.iter().any(asks_modseq),
        _ => false,
    }
}

/// From IMAP's search keys to the account's.
struct Translation<'a> {
    selected: &'a mut Selected,
    /// Seconds since 1970 UTC, for YOUNGER and OLDER.
    now: i64,
}

impl Translation<'_> {
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
            SearchKey::EmailId(id) => id_number('M', id)
                .map_or(Query::Nothing, |number| Query::Message(MessageId(number))),
            SearchKey::ThreadId(id) => {
                id_number('T', id).map_or(Query::Nothing, |number| Query::Thread(ThreadId(number)))
            }
            SearchKey::Sequence(numbers) => self.numbers(numbers, false),
            SearchKey::Uid(numbers) => self.numbers(numbers, true),
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
        match kind {
            account::Numbers::Sequence => Query::Sequence(numbers),
            account::Numbers::Uid => Query::Uid(numbers),
        }
    }
}

fn not(query: Query) -> Query {
    Query::Not(Box::new(query))
}

/// The first second of a day.
const fn start(day: i64) -> i64 {
    day.saturating_mul(DAY)
}
