//! SORT, step by step (RFC 5256, RFC 5267 §3, RFC 6203 §6).

use super::{
    Selected,
    context::Wanted,
    query,
    refusal::Stop,
    search::{Matching, slice},
};
use account::sort::{Criterion, SortKey, Sorted, Sorter};
use imap::{
    EsearchLine, Found, Session,
    effect::Done,
    types::{self, SearchKey, SearchReturn, SortCriterion},
};
use mail::{ModSeq, NumberSet};
use std::sync::Arc;

/// What was asked.
pub(super) struct Asked {
    pub order: Vec<types::SortKey>,
    pub key: SearchKey,
    pub uid: bool,
    pub returns: SearchReturn,
}

/// A SORT between two steps.
pub(super) struct Sorting {
    matching: Matching,
    /// `None` once all is in order.
    sorter: Option<Sorter>,
    uid: bool,
    returns: SearchReturn,
    /// MODSEQ is a criterion: the answer tells the highest.
    modseq: bool,
    /// For UPDATE: what is to be kept up to date, unless that cannot be.
    wanted: Option<Wanted>,
}

impl Sorting {
    pub fn new(selected: &mut Selected, asked: &Asked) -> Self {
        let wanted = (asked.returns.update)
            .then(|| Wanted::new(selected, (&asked.key, asked.uid), Some(&asked.order)));
        let items = asked.returns.update_items.clone();
        Self {
            wanted: wanted.flatten().map(|wanted| wanted.with(items)),
            matching: Matching::new(selected, &asked.key),
            sorter: Some(Sorter::new(order(&asked.order))),
            uid: asked.uid,
            returns: asked.returns.clone(),
            modseq: query::asks_modseq(&asked.key),
        }
    }

    pub async fn step(
        &mut self,
        session: &mut Session,
        selected: &mut Selected,
    ) -> Result<Done, Stop> {
        match self.gather(session, selected).await {
            Ok(true) => return Ok(Done::More),
            Ok(false) => {}
            Err(stop) => {
                // RFC 5182 §2.1: when a search with SAVE fails, `$` is the empty set.
                if self.returns.save {
                    selected.saved = NumberSet::default();
                }
                return Err(stop);
            }
        }
        let sorter = self.sorter.take();
        let sorted = sorter.map(|sorter| sorter.finish(|message| self.matching.relevancy(message)));
        let sorted = sorted.unwrap_or_default();
        self.answer(session, &sorted);
        if self.returns.update {
            let uids = sorted.iter().map(|row| row.uid.0).collect();
            selected.keep(session, self.wanted.take(), uids);
        }
        if self.returns.save {
            selected.saved = self.saved(&sorted);
        }
        Ok(Done::Ok(None))
    }

    /// Takes some more messages; whether there may be still more.
    async fn gather(
        &mut self,
        session: &mut Session,
        selected: &mut Selected,
    ) -> Result<bool, Stop> {
        let (rows, more) = self.matching.step(session, selected).await?;
        if let Some(sorter) = &mut self.sorter {
            let account = Arc::clone(selected.view.account());
            sorter.take(&account, &rows).await?;
        }
        Ok(more)
    }

    fn answer(&self, session: &mut Session, sorted: &[Sorted]) {
        let SearchReturn { esearch, min, max, all, count, partial, relevancy, .. } = self.returns;
        let number = |row: &Sorted| if self.uid { row.uid.0 } else { row.sequence };
        let numbers: Vec<u32> = sorted.iter().map(number).collect();
        let highest = sorted.iter().map(|row| row.modseq).max().filter(|_| self.modseq);
        if !esearch {
            session.reply().sort(numbers, highest);
            return;
        }
        if !self.returns.answers() {
            return;
        }
        let places = partial.map(|window| window.places(numbers.len() as u64));
        let told = places.filter(|_| !all).map_or(sorted, |places| slice(sorted, places));
        let scores: Vec<u8> = told.iter().map(|row| self.matching.relevancy(row.message)).collect();
        let windowed = places.map(|places| Found::Ordered(slice(&numbers, places)));
        session.reply().esearch(&EsearchLine {
            mailbox: None,
            uid: self.uid,
            // RFC 5267 §3.1: "as in ESEARCH", so the lowest and highest numbers.
            min: numbers.iter().min().copied().filter(|_| min),
            max: numbers.iter().max().copied().filter(|_| max),
            all: all.then_some(Found::Ordered(&numbers)),
            partial: partial.zip(windowed),
            count: count.then_some(numbers.len() as u64),
            relevancy: relevancy.then_some(&scores),
            modseq: self.highest_of_told(sorted, highest),
        });
    }

    /// RFC 7162 §3.1.10: of MIN and MAX alone, theirs; else the highest of all that was found.
    fn highest_of_told(&self, sorted: &[Sorted], highest: Option<ModSeq>) -> Option<ModSeq> {
        let SearchReturn { min, max, all, count, partial, .. } = self.returns;
        if all || count || partial.is_some() || !(min || max) {
            return highest;
        }
        let ends = self.ends(sorted);
        highest.and(ends.into_iter().map(|row| row.modseq).max())
    }

    /// The lowest and the highest message, if they were asked for.
    fn ends<'a>(&self, sorted: &'a [Sorted]) -> Vec<&'a Sorted> {
        let min = sorted.iter().min_by_key(|row| row.uid).filter(|_| self.returns.min);
        let max = sorted.iter().max_by_key(|row| row.uid).filter(|_| self.returns.max);
        min.into_iter().chain(max).collect()
    }

    /// RFC 5182 §2.4, RFC 9394 §3.2: with MIN, MAX or PARTIAL and without ALL and COUNT, only these
    /// are saved.
    fn saved(&self, sorted: &[Sorted]) -> NumberSet {
        let SearchReturn { min, max, all, count, partial, .. } = self.returns;
        if all || count || !(min || max || partial.is_some()) {
            return NumberSet::of_numbers(sorted.iter().map(|row| row.uid.0));
        }
        let places = partial.map_or((0, 0), |window| window.places(sorted.len() as u64));
        let ends = self.ends(sorted).into_iter();
        NumberSet::of_numbers(ends.chain(slice(sorted, places)).map(|row| row.uid.0))
    }
}

/// As the account names criteria.
pub(super) fn order(keys: &[types::SortKey]) -> Vec<SortKey> {
    let key = |key: &types::SortKey| SortKey {
        criterion: match key.criterion {
            SortCriterion::Arrival => Criterion::Arrival,
            SortCriterion::Cc => Criterion::Cc,
            SortCriterion::Date => Criterion::Date,
            SortCriterion::From => Criterion::From,
            SortCriterion::Size => Criterion::Size,
            SortCriterion::Subject => Criterion::Subject,
            SortCriterion::To => Criterion::To,
            SortCriterion::DisplayFrom => Criterion::DisplayFrom,
            SortCriterion::DisplayTo => Criterion::DisplayTo,
            SortCriterion::Relevancy => Criterion::Relevancy,
        },
        reverse: key.reverse,
    };
    keys.iter().map(key).collect()
}
