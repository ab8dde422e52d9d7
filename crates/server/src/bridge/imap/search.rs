//! SEARCH, step by step (RFC 9051 §6.4.4, RFC 4731, RFC 5182, RFC 7162 §3.1.5, RFC 9394, RFC 9585).

use super::{Imap, Selected, Work, context::Wanted, query, refusal::Stop, sort, thread};
use account::{Row, search::Search};
use imap::{
    EsearchLine, Found, Session,
    effect::{Done, Effect, Refusal},
    types::{SearchKey, SearchReturn},
};
use mail::{MessageId, ModSeq, NumberSet, UidValidity};
use std::time::Duration;
use tokio::{task::yield_now, time::Instant};

/// How often a long search tells how far it is (RFC 9585 §3: 10 to 15 seconds).
const PROGRESS: Duration = Duration::from_secs(10);

impl Imap {
    /// SEARCH, SORT and THREAD begin.
    pub(super) async fn find(
        &mut self,
        session: &mut Session,
        effect: Effect,
    ) -> Result<Done, Stop> {
        let selected = self.selected.as_deref_mut().ok_or(Refusal::Bug)?;
        let work = match effect {
            Effect::Search { key, uid, returns } => {
                Work::Search(Box::new(Searching::new(selected, &key, uid, returns)))
            }
            Effect::Sort { order, key, uid, returns } => {
                let asked = sort::Asked { order, key, uid, returns };
                Work::Sort(Box::new(sort::Sorting::new(selected, &asked)))
            }
            Effect::Thread { algorithm, key, uid } => {
                let threading = thread::Threading::new(selected, algorithm, &key, uid);
                Work::Thread(Box::new(threading))
            }
            _ => return Err(Refusal::Bug.into()),
        };
        self.begin(session, work).await
    }
}

/// Messages that match, page by page: what SEARCH, SORT and THREAD begin with.
pub(super) struct Matching {
    search: Search,
    told: Instant,
}

impl Matching {
    pub fn new(selected: &mut Selected, key: &SearchKey) -> Self {
        Self { search: Search::new(query::query(selected, key)), told: Instant::now() }
    }

    /// Some more of them, and whether there may be still more; tells how far it is from time to
    /// time.
    pub async fn step(
        &mut self,
        session: &mut Session,
        selected: &mut Selected,
    ) -> Result<(Vec<Row>, bool), Stop> {
        let (rows, more) = self.search.step(&mut selected.view).await?;
        if more {
            if self.told.elapsed() >= PROGRESS {
                self.told = Instant::now();
                let (done, goal) = self.search.progress();
                session.reply().in_progress(done.into(), Some(goal.into()));
            }
            yield_now().await;
        }
        Ok((rows, more))
    }

    /// How well a message fits, once all were found (RFC 6203 §4).
    pub fn relevancy(&self, message: MessageId) -> u8 {
        self.search.relevancy(message)
    }
}

/// A SEARCH between two steps.
pub(super) struct Searching {
    matching: Matching,
    uid: bool,
    returns: SearchReturn,
    /// MODSEQ is a criterion: the answer tells the highest.
    modseq: bool,
    /// For UPDATE: what is to be kept up to date, unless that cannot be.
    wanted: Option<Wanted>,
    /// Numbers of all that were found, when they are asked for.
    found: NumberSet,
    /// Uids of all that were found, when they are to be saved or kept up to date.
    uids: NumberSet,
    /// Messages that were found, when their scores are asked for.
    messages: Vec<MessageId>,
    min: Option<Match>,
    max: Option<Match>,
    count: u64,
    highest: ModSeq,
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
        let wanted = if returns.update { Wanted::new(selected, (key, uid), None) } else { None };
        Self {
            matching: Matching::new(selected, key),
            uid,
            modseq: query::asks_modseq(key),
            wanted: wanted.map(|wanted| wanted.with(returns.update_items.clone())),
            returns,
            found: NumberSet::default(),
            uids: NumberSet::default(),
            messages: Vec::new(),
            min: None,
            max: None,
            count: 0,
            highest: ModSeq(0),
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
        let (rows, more) = match self.matching.step(session, selected).await {
            Ok(step) => step,
            Err(stop) => {
                // RFC 5182 §2.1: when a SEARCH with SAVE fails, `$` is the empty set.
                if self.returns.save {
                    selected.saved = NumberSet::default();
                }
                return Err(stop);
            }
        };
        rows.iter().for_each(|row| self.take(row));
        if more && !self.is_settled() {
            return Ok(Done::More);
        }
        self.answer(session);
        if self.returns.update {
            selected.keep(session, self.wanted.take(), self.uids.iter().collect());
        }
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
        let SearchReturn { esearch, all, partial, relevancy, save, update, .. } = self.returns;
        if all || partial.is_some() || !esearch {
            self.found.push(number);
        }
        if update || save && (self.saves_all() || partial.is_some()) {
            self.uids.push(row.uid.0);
        }
        if relevancy {
            self.messages.push(row.message);
        }
    }

    /// Whether what comes cannot change the answer: MIN alone or a window from the front was asked,
    /// and found.
    fn is_settled(&self) -> bool {
        let SearchReturn { esearch, min, max, all, count, partial, relevancy, update, .. } =
            self.returns;
        let many = max || all || count || relevancy || update;
        if !esearch || many || !(min || partial.is_some()) {
            return false;
        }
        let windowed = partial.is_none_or(|window| {
            !window.from_end && self.count >= u64::from(window.first.max(window.last))
        });
        windowed && self.min.is_some()
    }

    /// RFC 5182 §2.4, RFC 9394 §3.2: with MIN, MAX or PARTIAL and without ALL and COUNT, only these
    /// are saved.
    const fn saves_all(&self) -> bool {
        let SearchReturn { min, max, all, count, save, partial, .. } = self.returns;
        save && (all || count || !(min || max || partial.is_some()))
    }

    fn take_saved(&mut self) -> NumberSet {
        if self.saves_all() {
            return std::mem::take(&mut self.uids);
        }
        let min = self.min.filter(|_| self.returns.min);
        let max = self.max.filter(|_| self.returns.max);
        let ends = min.into_iter().chain(max).map(|found| found.uid);
        let window = self.returns.partial;
        let windowed = window.map(|window| part(&self.uids, window.places(self.count)));
        NumberSet::of_numbers(ends.chain(windowed.iter().flat_map(NumberSet::iter)))
    }

    /// RFC 7162 §3.1.10: of MIN and MAX alone, theirs; else the highest of all that was found.
    fn modseq(&self) -> Option<ModSeq> {
        let SearchReturn { esearch, min, max, all, count, partial, .. } = self.returns;
        if !self.modseq || self.count == 0 {
            return None;
        }
        if !esearch || all || count || partial.is_some() || !(min || max) {
            return Some(self.highest);
        }
        let min = self.min.filter(|_| min).map(|found| found.modseq);
        let max = self.max.filter(|_| max).map(|found| found.modseq);
        min.max(max)
    }

    fn answer(&self, session: &mut Session) {
        let SearchReturn { esearch, min, max, all, count, partial, relevancy, .. } = self.returns;
        let modseq = self.modseq();
        if !esearch {
            session.reply().search(self.found.iter(), modseq);
            return;
        }
        if !self.returns.answers() {
            return;
        }
        let window = partial.map(|window| {
            let places = window.places(self.count);
            (window, places, part(&self.found, places))
        });
        let messages = match &window {
            Some((_, (from, to), _)) if !all => slice(&self.messages, (*from, *to)),
            _ => &self.messages,
        };
        let scores: Vec<u8> =
            messages.iter().map(|message| self.matching.relevancy(*message)).collect();
        let mailbox = self.mailbox.as_ref();
        let line = EsearchLine {
            mailbox: mailbox.map(|(name, validity)| (&**name, validity.0)),
            uid: self.uid,
            min: self.min.filter(|_| min).map(|found| found.number),
            max: self.max.filter(|_| max).map(|found| found.number),
            all: all.then_some(Found::Set(&self.found)),
            partial: window.as_ref().map(|(window, _, found)| (*window, Found::Set(found))),
            count: count.then_some(self.count),
            relevancy: relevancy.then_some(&scores),
            modseq,
        };
        // RFC 7377 §2.1: "An ESEARCH response MUST NOT be returned for mailboxes that contain no
        // matching messages."
        if mailbox.is_none() || self.count > 0 {
            session.reply().esearch(&line);
        }
    }
}

/// The numbers at these places of a set.
pub(super) fn part(set: &NumberSet, (from, to): (u64, u64)) -> NumberSet {
    let mut passed = 0_u64;
    let ranges = set.ranges().iter().filter_map(|&(first, last)| {
        let (start, end) = (passed, passed + u64::from(last - first) + 1);
        passed = end;
        let (low, high) = (from.max(start), to.min(end));
        let number = |place: u64| first + u32::try_from(place - start).unwrap_or(0);
        (low < high).then(|| (number(low), number(high - 1)))
    });
    NumberSet::of(ranges)
}

/// What is at these places, as far as there is something.
pub(super) fn slice<T>(all: &[T], (from, to): (u64, u64)) -> &[T] {
    let place = |place: u64| usize::try_from(place).unwrap_or(usize::MAX).min(all.len());
    all.get(place(from)..place(to)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_of_sets() {
        let set = NumberSet::of([(3, 5), (9, 9), (20, 30)]);
        let part = |from, to| part(&set, (from, to)).ranges().to_vec();
        assert_eq!(part(0, 2), [(3, 4)]);
        assert_eq!(part(2, 5), [(5, 5), (9, 9), (20, 20)]);
        assert_eq!(part(13, 15), [(29, 30)]);
        assert!(part(15, 15).is_empty());
    }
}
