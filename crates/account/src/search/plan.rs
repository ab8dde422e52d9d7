//! A query taken apart: tests that a row alone decides, and *leaves* that need a message's text. Of
//! each leaf the index knows for most messages whether it holds; three values, so that what is not
//! known is read and nothing is guessed.

use super::{Query, within};
use crate::{
    Account, Error, document,
    index::{Snapshot, own, yield_now},
    state::{Entry, State},
    watch::Watch,
};
use ::search::{Answer, Field, Set};
use mail::NumberSet;
use std::{collections::HashMap, sync::Arc};

/// Seconds of a day.
pub(super) const DAY_SECONDS: i64 = 86_400;
/// How often a question is asked anew when the index changes or turns out to be damaged meanwhile.
const TRIES_MAX: usize = 8;

/// Something that only a message's text or record tells. All strings are casemapped.
#[derive(Clone, PartialEq, Debug)]
pub(super) enum Leaf {
    Header(String, String),
    Body(String),
    Text(String),
    /// Words, any of which, or one like it, is in the text.
    Similar(Vec<String>),
    /// Days of the Date field.
    Sent(Option<i64>, Option<i64>),
    Saved(Option<i64>, Option<i64>),
}

/// A part of a query.
#[derive(Debug)]
pub(super) enum Node {
    All(Vec<Node>),
    Any(Vec<Node>),
    Not(Box<Node>),
    Is(bool),
    /// A question that a row decides, by its place in [`Plan::tests`].
    Test(usize),
    /// By its place in [`Plan::leaves`].
    Leaf(usize),
}

/// Takes a query apart.
#[derive(Default)]
struct Parts {
    tests: Vec<Query>,
    leaves: Vec<Leaf>,
}

/// A row that is looked at.
#[derive(Clone, Copy)]
pub(super) struct Seen<'a> {
    pub state: &'a State,
    pub watch: &'a Watch,
    pub sequence: u32,
    pub entry: &'a Entry,
}

/// What is known of a leaf.
#[derive(Default)]
struct Known {
    /// By segment.
    answers: Vec<Answer>,
    /// By segment, of documents that are similar: how much.
    scores: Vec<HashMap<u32, f32>>,
}

/// A query ready to be asked.
pub(super) struct Plan {
    root: Node,
    tests: Vec<Query>,
    pub leaves: Vec<Leaf>,
    known: Vec<Known>,
    snapshot: Arc<Snapshot>,
    /// Where the last message was found.
    hint: usize,
    /// Only rows of this set can match.
    pub within: Option<(NumberSet, crate::Numbers)>,
}

/// A document: its segment and ordinal.
pub(super) type Place = Option<(usize, u32)>;

impl Plan {
    pub fn new(query: Query) -> Self {
        let within = bounds(&query);
        let mut parts = Parts::default();
        let root = parts.node(query, false);
        let Parts { tests, leaves } = parts;
        let known = leaves.iter().map(|_| Known::default()).collect();
        Self { root, tests, leaves, known, snapshot: Arc::default(), hint: 0, within }
    }

    /// Asks the index about every leaf. What cannot be asked stays unknown.
    pub async fn ask(&mut self, account: &Account) -> Result<(), Error> {
        for _ in 0..TRIES_MAX {
            if self.leaves.is_empty() {
                return Ok(());
            }
            self.snapshot = account.index().await?;
            if self.ask_once(account).await? {
                return Ok(());
            }
        }
        self.snapshot = Arc::default();
        Ok(())
    }

    /// Whether all went well; if not, a segment is damaged or gone.
    async fn ask_once(&mut self, account: &Account) -> Result<bool, Error> {
        let snapshot = Arc::clone(&self.snapshot);
        for (leaf, known) in self.leaves.iter().zip(&mut self.known) {
            *known = Known::default();
            for (at, open) in snapshot.segments.iter().enumerate() {
                let documents = open.place.documents;
                if open.is_broken() {
                    known.answers.push(Answer::unknown(documents));
                    known.scores.push(HashMap::new());
                    continue;
                }
                // A peer may ask a hundred things at once.
                yield_now().await;
                match ask(&open.segment, leaf).await.map_err(own) {
                    Ok((answer, scores)) => {
                        known.answers.push(answer);
                        known.scores.push(scores);
                    }
                    Err(error @ Error::Damaged(_)) => {
                        account.segment_failed(&snapshot, at, &error);
                        return Ok(false);
                    }
                    Err(error) => return Err(error),
                }
            }
        }
        Ok(true)
    }

    /// Whether any criterion is matched by likeness.
    pub fn is_fuzzy(&self) -> bool {
        self.leaves.iter().any(|leaf| matches!(leaf, Leaf::Similar(_)))
    }

    /// Where the index has a message.
    pub fn place(&mut self, message: u32) -> Place {
        if self.leaves.is_empty() {
            return None;
        }
        self.snapshot.find(message, &mut self.hint)
    }

    /// What the index knows of a leaf.
    pub fn knows(&self, leaf: usize, place: Place) -> Option<bool> {
        let (segment, ordinal) = place?;
        let answer = self.known.get(leaf)?.answers.get(segment)?;
        if answer.certain.contains(ordinal) {
            return Some(true);
        }
        if answer.possible.contains(ordinal) { None } else { Some(false) }
    }

    /// How similar a document is; 0 when it is not.
    pub fn score(&self, place: Place) -> f32 {
        let Some((segment, ordinal)) = place else { return 0.0 };
        let scores = self.known.iter().filter_map(|known| known.scores.get(segment));
        scores.filter_map(|scores| scores.get(&ordinal)).fold(0.0, |sum, score| sum + score)
    }

    /// Whether a row matches; `None` when it must be read.
    pub fn decide(&self, seen: Seen<'_>, place: Place) -> Option<bool> {
        let test = |at: usize| self.tests.get(at).is_some_and(|test| by_row(test, seen));
        self.root.decide(&mut |at| Some(test(at)), &mut |leaf| self.knows(leaf, place))
    }

    /// All that a row says.
    pub fn by_row(&self, seen: Seen<'_>) -> Vec<bool> {
        self.tests.iter().map(|test| by_row(test, seen)).collect()
    }

    /// As [`Plan::decide`], of what was found out about a row.
    pub fn decide_with(
        &self,
        rows: &[bool],
        leaf: &mut impl FnMut(usize) -> Option<bool>,
    ) -> Option<bool> {
        self.root.decide(&mut |at| rows.get(at).copied(), leaf)
    }
}

/// The set of rows that a query limits itself to.
fn bounds(query: &Query) -> Option<(NumberSet, crate::Numbers)> {
    match query {
        Query::Sequence(set) => Some((set.clone(), crate::Numbers::Sequence)),
        Query::Uid(set) => Some((set.clone(), crate::Numbers::Uid)),
        Query::And(all) => all.iter().find_map(bounds),
        _ => None,
    }
}

impl Parts {
    fn leaf(&mut self, leaf: Leaf) -> Node {
        let known = self.leaves.iter().position(|one| *one == leaf);
        Node::Leaf(known.unwrap_or_else(|| {
            self.leaves.push(leaf);
            self.leaves.len() - 1
        }))
    }

    /// Cheap ones first: a body is read only for what all others let through.
    fn ordered(&mut self, all: impl IntoIterator<Item = Query>, fuzzy: bool) -> Vec<Node> {
        let mut all: Vec<Node> = all.into_iter().map(|one| self.node(one, fuzzy)).collect();
        all.sort_by_key(|one| one.cost(&self.leaves));
        all
    }

    fn node(&mut self, query: Query, fuzzy: bool) -> Node {
        match query {
            Query::All => Node::Is(true),
            Query::Nothing => Node::Is(false),
            Query::And(all) => Node::All(self.ordered(all, fuzzy)),
            Query::Or(a, b) => Node::Any(self.ordered([*a, *b], fuzzy)),
            Query::Not(a) => Node::Not(Box::new(self.node(*a, fuzzy))),
            Query::Fuzzy(a) => self.node(*a, true),
            Query::Sent(from, to) => self.leaf(Leaf::Sent(from, to)),
            Query::Saved(from, to) => self.leaf(Leaf::Saved(from, to)),
            Query::Header(name, needle) => self.header(&name, &needle, fuzzy),
            Query::Body(needle) => self.text(&needle, fuzzy, Leaf::Body),
            Query::Text(needle) => self.text(&needle, fuzzy, Leaf::Text),
            other => {
                self.tests.push(other);
                Node::Test(self.tests.len() - 1)
            }
        }
    }

    /// RFC 6203: fuzzily, a field has every word of the needle, in any order.
    fn header(&mut self, name: &str, needle: &str, fuzzy: bool) -> Node {
        let (name, needle) = (document::name(name), mail::text::casemap(needle));
        if !fuzzy || needle.split_whitespace().count() < 2 {
            return self.leaf(Leaf::Header(name, needle));
        }
        let words = needle.split_whitespace();
        Node::All(words.map(|one| self.leaf(Leaf::Header(name.clone(), one.to_owned()))).collect())
    }

    fn text(&mut self, needle: &str, fuzzy: bool, of: fn(String) -> Leaf) -> Node {
        let needle = mail::text::casemap(needle);
        if needle.is_empty() {
            return Node::Is(true);
        }
        let words: Vec<String> = needle.split_whitespace().map(str::to_owned).collect();
        if !fuzzy || words.is_empty() {
            return self.leaf(of(needle));
        }
        Node::Any(vec![self.leaf(Leaf::Similar(words)), self.leaf(of(needle))])
    }
}

impl Leaf {
    /// What it takes to read it.
    fn cost(&self) -> u8 {
        match self {
            Self::Sent(..) | Self::Saved(..) => 1,
            Self::Header(..) => 2,
            Self::Similar(_) => 3,
            Self::Body(_) | Self::Text(_) => 4,
        }
    }
}

impl Node {
    fn cost(&self, leaves: &[Leaf]) -> u8 {
        match self {
            Self::All(all) | Self::Any(all) => {
                all.iter().map(|one| one.cost(leaves)).max().unwrap_or(0)
            }
            Self::Not(a) => a.cost(leaves),
            Self::Is(_) | Self::Test(_) => 0,
            Self::Leaf(leaf) => leaves.get(*leaf).map_or(0, Leaf::cost),
        }
    }

    /// Three-valued.
    fn decide(
        &self,
        test: &mut impl FnMut(usize) -> Option<bool>,
        leaf: &mut impl FnMut(usize) -> Option<bool>,
    ) -> Option<bool> {
        match self {
            Self::Is(value) => Some(*value),
            Self::Test(at) => test(*at),
            Self::Leaf(at) => leaf(*at),
            Self::Not(a) => a.decide(test, leaf).map(|value| !value),
            Self::All(all) => until(all.iter().map(|one| one.decide(test, leaf)), false),
            Self::Any(all) => until(all.iter().map(|one| one.decide(test, leaf)), true),
        }
    }
}

/// The first part that is `end` decides; otherwise all must be known.
fn until(all: impl Iterator<Item = Option<bool>>, end: bool) -> Option<bool> {
    let mut open = false;
    for one in all {
        match one {
            Some(value) if value == end => return Some(end),
            Some(_) => {}
            None => open = true,
        }
    }
    (!open).then_some(!end)
}

fn by_row(test: &Query, seen: Seen<'_>) -> bool {
    let (entry, keywords) = (seen.entry, &seen.state.keywords);
    match test {
        Query::Keyword(keyword) => keywords
            .number(keyword)
            .is_some_and(|number| keywords.numbers_of(entry.keywords()).contains(&number)),
        Query::Sequence(set) => set.contains(seen.sequence),
        Query::Uid(set) => set.contains(entry.uid),
        Query::System(flags) => entry.system() & flags.0 == flags.0,
        Query::Recent => seen.watch.is_recent(entry.uid),
        Query::Larger(octets) => u64::from(entry.octets) > *octets,
        Query::Smaller(octets) => u64::from(entry.octets) < *octets,
        Query::Internal(from, to) => within(entry.date.into(), (*from, *to)),
        Query::ModSeq(modseq) => entry.modseq >= modseq.0,
        Query::Message(message) => entry.message == message.0,
        Query::Thread(thread) => entry.thread == thread.0,
        _ => false,
    }
}

async fn ask(
    segment: &::search::Segment,
    leaf: &Leaf,
) -> Result<(Answer, HashMap<u32, f32>), ::search::Error> {
    let documents = segment.documents();
    let answer = match leaf {
        Leaf::Header(name, needle) => match Field::of(name) {
            Some(field) => segment.field(field, needle).await?,
            None => segment.header(name, needle).await?,
        },
        Leaf::Body(needle) => segment.body(needle).await?,
        Leaf::Text(needle) => segment.text(needle).await?,
        Leaf::Similar(words) => {
            let words: Vec<&str> = words.iter().map(String::as_str).collect();
            let mut found = Set::empty(documents);
            let scores: HashMap<u32, f32> = segment.similar(&words).await?.into_iter().collect();
            scores.keys().for_each(|ordinal| {
                found.insert(*ordinal);
            });
            return Ok((Answer::exactly(found), scores));
        }
        Leaf::Sent(from, to) => {
            let mut found = Set::empty(documents);
            for (sent, ordinal) in segment.sent().await?.into_iter().zip(0..) {
                if sent_within(sent, (*from, *to)) {
                    found.insert(ordinal);
                }
            }
            Answer::exactly(found)
        }
        // When a message was saved is in its record alone.
        Leaf::Saved(..) => Answer::unknown(documents),
    };
    Ok((answer, HashMap::new()))
}

/// RFC 9051 §6.4.4 SENTSINCE and others: the day is that of the Date field, "disregarding time and
/// timezone".
pub(super) fn sent_within(sent: Option<(i64, i16)>, days: (Option<i64>, Option<i64>)) -> bool {
    sent.is_some_and(|(seconds, zone)| {
        let local = seconds.saturating_add(i64::from(zone) * 60);
        within(local.div_euclid(DAY_SECONDS), days)
    })
}
