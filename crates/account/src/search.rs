//! Search: exact and complete at any moment. Rows decide first, then the full-text index; what
//! neither knows is read.

mod look;
mod plan;

use crate::{Error, Numbers, Row, View, view::row};
use look::Open;
use mail::{Keyword, MessageId, ModSeq, NumberSet, SystemFlags, ThreadId};
use plan::{Plan, Seen};
use std::{collections::HashMap, sync::Arc};

/// Messages looked at in one step, when nothing must be read.
const STEP_ROWS: usize = 16_384;
/// Messages looked at in one step, when records are needed.
const STEP_RECORDS: usize = 256;
/// Octets of bodies read in one step.
const STEP_OCTETS: u64 = 4 << 20;

/// A search program (RFC 9051 §6.4.4) with sets resolved and charsets decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Query {
    All,
    /// None at all.
    Nothing,
    And(Vec<Query>),
    Or(Box<Query>, Box<Query>),
    Not(Box<Query>),
    Sequence(NumberSet),
    Uid(NumberSet),
    System(SystemFlags),
    Recent,
    Keyword(Keyword),
    /// Octets greater than.
    Larger(u64),
    /// Octets smaller than.
    Smaller(u64),
    /// INTERNALDATE in [from, to), seconds since 1970 UTC.
    Internal(Option<i64>, Option<i64>),
    /// Date field's local day, days since 1970, in [from, to).
    Sent(Option<i64>, Option<i64>),
    /// When saved, in [from, to), seconds since 1970 UTC (RFC 8514).
    Saved(Option<i64>, Option<i64>),
    /// Field name and substring; an empty substring asks for the field's presence.
    Header(String, String),
    /// Substring of From, To, Cc, Bcc addresses and names as ENVELOPE holds them, or of Subject:
    /// the field name.
    Body(String),
    Text(String),
    /// Changed at or after (RFC 7162 MODSEQ).
    ModSeq(ModSeq),
    Message(MessageId),
    Thread(ThreadId),
    /// RFC 6203: criteria about text inside are matched by words like those asked for too.
    Fuzzy(Box<Query>),
}

fn within(value: i64, (from, to): (Option<i64>, Option<i64>)) -> bool {
    from.is_none_or(|from| value >= from) && to.is_none_or(|to| value < to)
}

/// A search in progress: call [`Search::step`] until it is done, so that the caller can tell of
/// progress and a peer that left stops it.
pub struct Search {
    plan: Plan,
    asked: bool,
    next: u32,
    total: u32,
    /// Scores of messages found by fuzzy criteria, and the highest of them.
    scores: HashMap<u32, f32>,
    score_max: f32,
}

/// What a pass over rows found.
#[derive(Default)]
struct Pass {
    found: Vec<(Row, f32)>,
    open: Vec<Open>,
    /// Where to go on; `None` at the end.
    next: Option<u32>,
}

impl Search {
    /// Starts a search of a view.
    #[must_use]
    pub fn new(query: Query) -> Self {
        let (scores, score_max) = (HashMap::new(), 0.0);
        Self { plan: Plan::new(query), asked: false, next: 1, total: 0, scores, score_max }
    }

    /// Looks at some more messages (bounded in octets read); gives rows that match, ascending, and
    /// whether there may be more.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn step(&mut self, view: &mut View) -> Result<(Vec<Row>, bool), Error> {
        let account = Arc::clone(view.account());
        if !self.asked {
            self.plan.ask(&account).await?;
            self.asked = true;
        }
        self.total = view.exists();
        let Pass { mut found, open, mut next } = self.pass(view);
        if !open.is_empty() {
            let (more, looked) =
                self.plan.look((&account, view.mailbox()), &open, STEP_OCTETS).await?;
            found.extend(more);
            if let Some(rest) = open.get(looked) {
                // It and what is behind it is looked at by the next step.
                next = Some(rest.row.sequence);
                found.retain(|(row, _)| row.sequence < rest.row.sequence);
            }
            found.sort_by_key(|(row, _)| row.sequence);
        }
        self.next = next.unwrap_or(self.total.saturating_add(1));
        for (row, score) in found.iter().filter(|(_, score)| *score > 0.0) {
            self.scores.insert(row.message.0, *score);
            self.score_max = self.score_max.max(*score);
        }
        Ok((found.into_iter().map(|(row, _)| row).collect(), next.is_some()))
    }

    /// Goes over rows until some thousands were seen or some hundreds must be looked at.
    fn pass(&mut self, view: &View) -> Pass {
        let (first, plan) = (self.next, &mut self.plan);
        view.look(Pass::default(), |state, watch, numbered| {
            let mut pass = Pass::default();
            let all = NumberSet::of([(1, u32::MAX - 1)]);
            let (set, numbers) = plan.within.clone().unwrap_or((all, Numbers::Sequence));
            for (count, (sequence, entry, _)) in numbered.of_set(&set, numbers, first).enumerate() {
                if count >= STEP_ROWS || pass.open.len() >= STEP_RECORDS {
                    pass.next = Some(sequence);
                    break;
                }
                let seen = Seen { state, watch, sequence, entry };
                let place = plan.place(entry.message);
                let row = || row(state, watch, sequence, entry);
                match plan.decide(seen, place) {
                    Some(true) => pass.found.push((row(), plan.score(place))),
                    Some(false) => {}
                    None => {
                        let by_row = plan.by_row(seen);
                        pass.open.push(Open { row: row(), place, by_row });
                    }
                }
            }
            pass
        })
    }

    /// How well a message that was found fits the fuzzy criteria, 1 to 100 (RFC 6203 §4); for good
    /// when the search is done. 100 when there are none.
    #[must_use]
    pub fn relevancy(&self, message: MessageId) -> u8 {
        if !self.plan.is_fuzzy() {
            return 100;
        }
        let score = self.scores.get(&message.0).copied().unwrap_or(0.0);
        let part = if self.score_max > 0.0 { score / self.score_max } else { 0.0 };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let percent = (part * 100.0).clamp(1.0, 100.0) as u8;
        percent
    }

    /// (messages looked at, messages in all)
    #[must_use]
    pub fn progress(&self) -> (u32, u32) {
        (self.next.saturating_sub(1).min(self.total), self.total)
    }
}
