//! Results of searches that are kept up to date while a mailbox is selected (RFC 5267 §4.3).
//!
//! Invariants: a result holds Uids, and no criteria are looked at again but of messages that came
//! or changed; what is told removes before it adds, removes before numbers move (EXPUNGE) and adds
//! after they exist (EXISTS). A session without such results holds none of this.

use super::{
    Imap, Selected,
    fetch::{self, Fetching},
    memory::Memory,
    query,
    refusal::Stop,
    sort, uid_set,
};
use account::{
    Numbers, Row, View,
    search::{Query, Search},
    sort::{SortKey, keys_of},
};
use imap::{
    ContextUpdate, Session,
    effect::{Done, Effect, Refusal},
    types::{self, FetchItem, FetchModifiers, SearchKey, SequenceSet, SetNumber, SortCriterion},
};
use mail::{NumberSet, Uid};

/// Messages in all results of a session.
const RESULTS_MAX: usize = 1_000_000;
/// Messages put in their places in one step.
const PLACED_MAX: usize = 64;
/// Rows looked at in one go.
const ROWS_MAX: usize = 4_096;

impl Imap {
    /// RFC 5267 §4.3: "An attempt to use UPDATE where a tag is already in use with a previous
    /// searching command that itself used UPDATE SHALL result in the server rejecting the
    /// searching command with a BAD response."
    pub(super) fn check_tag(&self, session: &mut Session, effect: &Effect) -> Result<(), Stop> {
        let (Effect::Search { returns, .. }
        | Effect::Sort { returns, .. }
        | Effect::MultiSearch { returns, .. }) = effect
        else {
            return Ok(());
        };
        let contexts = self.selected.as_deref().and_then(|selected| selected.contexts.as_ref());
        let taken = contexts.is_some_and(|contexts| contexts.has(session.reply().tag()));
        if returns.update && taken { Err(Refusal::TagReuse.into()) } else { Ok(()) }
    }

    /// CANCELUPDATE; of a tag that is none nothing is said.
    pub(super) fn cancel_updates(&mut self, tags: &[String]) {
        let selected = self.selected.as_deref_mut();
        if let Some(contexts) = selected.and_then(|selected| selected.contexts.as_mut()) {
            contexts.cancel(tags);
        }
    }
}

/// All of a session.
#[derive(Default)]
pub(super) struct Contexts {
    all: Vec<Context>,
    /// Uids of messages that this session changed itself; others come by poll.
    changed: NumberSet,
    /// Messages of this Uid and above have not been looked at.
    next: u32,
}

/// One result.
struct Context {
    tag: Box<str>,
    /// The client hears Uids.
    uid: bool,
    query: Query,
    found: NumberSet,
    /// Uids in the order of a SORT.
    order: Option<Order>,
    /// Told of messages that come, before they are added (RFC 5465 §7).
    items: Vec<FetchItem>,
}

struct Order {
    keys: Vec<SortKey>,
    uids: Vec<u32>,
}

/// What a command that asks for UPDATE wants.
#[derive(Clone)]
pub(super) struct Wanted {
    query: Query,
    uid: bool,
    keys: Option<Vec<SortKey>>,
    items: Vec<FetchItem>,
}

impl Wanted {
    /// Of SEARCH, or of SORT by that order. `None` when it cannot be kept: scores of other messages
    /// move when one comes.
    pub fn new(
        selected: &mut Selected,
        (key, uid): (&SearchKey, bool),
        order: Option<&[types::SortKey]>,
    ) -> Option<Self> {
        let scored = |order: &[types::SortKey]| {
            order.iter().any(|key| key.criterion == SortCriterion::Relevancy)
        };
        if order.is_some_and(scored) {
            return None;
        }
        let query = query::lasting(selected, key);
        Some(Self { query, uid, keys: order.map(sort::order), items: Vec::new() })
    }

    /// With items of messages that come.
    pub fn with(self, items: Vec<FetchItem>) -> Self {
        Self { items, ..self }
    }
}

impl Contexts {
    /// Whether one of so many messages may come to the others.
    fn has_room(&self, contexts_max: usize, messages: usize) -> bool {
        let held: usize = self.all.iter().map(Context::weight).sum();
        self.all.len() < contexts_max && held.saturating_add(messages) <= RESULTS_MAX
    }

    /// RFC 5267 §4.3: a tag of a result that is kept up to date must not come again.
    pub fn has(&self, tag: &str) -> bool {
        self.all.iter().any(|context| *context.tag == *tag)
    }

    pub fn cancel(&mut self, tags: &[String]) {
        self.all.retain(|context| !tags.iter().any(|tag| *context.tag == **tag));
    }

    /// Whether there are messages to be looked at, besides those of the next poll.
    pub fn has_news(&self, largest: Uid) -> bool {
        !self.all.is_empty() && (!self.changed.is_empty() || largest.0 >= self.next)
    }
}

impl Context {
    /// Messages that it costs.
    fn weight(&self) -> usize {
        self.order.as_ref().map_or(self.found.ranges().len(), |order| order.uids.len())
    }

    /// Takes messages out: their numbers, by the place where they stood.
    fn remove(&mut self, gone: &NumberSet, number: impl Fn(u32) -> u32) -> Vec<(u32, Vec<u32>)> {
        self.found = without(&self.found, gone);
        let Some(order) = &mut self.order else {
            let mut numbers: Vec<u32> = gone.iter().map(number).collect();
            numbers.sort_unstable();
            return vec![(0, numbers)];
        };
        let mut runs: Vec<(u32, Vec<u32>)> = Vec::new();
        let mut place = 1;
        let mut before_gone = false;
        order.uids.retain(|uid| {
            let goes = gone.contains(*uid);
            if goes {
                match runs.last_mut().filter(|_| before_gone) {
                    Some((_, run)) => run.push(number(*uid)),
                    // Those before are out already when this one is taken out.
                    None => runs.push((place, vec![number(*uid)])),
                }
            } else {
                place += 1;
            }
            before_gone = goes;
            !goes
        });
        runs
    }
}

impl Context {
    /// Puts messages in; their numbers, by the place where the first of them then stands.
    async fn add(&mut self, view: &mut View, rows: Vec<Row>) -> Result<Vec<(u32, Vec<u32>)>, Stop> {
        if rows.is_empty() {
            return Ok(Vec::new());
        }
        let added = rows.iter().map(|row| (row.uid.0, row.uid.0));
        self.found = NumberSet::of(self.found.ranges().iter().copied().chain(added));
        let by_uid = self.uid;
        let number = |row: &Row| if by_uid { row.uid.0 } else { row.sequence };
        let Some(order) = &mut self.order else {
            // RFC 5267 §4.3.3: place 0 is "such that the result list is maintained in mailbox
            // order".
            return Ok(vec![(0, rows.iter().map(number).collect())]);
        };
        let keys = keys_of(view.account(), &rows, &order.keys).await?;
        let mut keyed: Vec<(Vec<u8>, &Row)> = keys.into_iter().zip(&rows).collect();
        keyed.sort_by(|(a, row), (b, other)| a.cmp(b).then(row.uid.cmp(&other.uid)));
        let mut runs: Vec<(u32, Vec<u32>)> = Vec::new();
        for (count, (key, row)) in keyed.into_iter().enumerate() {
            if count % PLACED_MAX == PLACED_MAX - 1 {
                tokio::task::yield_now().await;
            }
            let at = order.place(view, (&key, row.uid)).await?;
            order.uids.insert(at.min(order.uids.len()), row.uid.0);
            let place = u32::try_from(at).unwrap_or(u32::MAX).saturating_add(1);
            match runs.last_mut() {
                Some((first, run)) if *first as usize + run.len() == place as usize => {
                    run.push(number(row));
                }
                _ => runs.push((place, vec![number(row)])),
            }
        }
        Ok(runs)
    }
}

impl Order {
    /// Where a message of that key belongs, from 0. Keys of others are read again: to remember
    /// them would cost more than to come by here now and then.
    async fn place(&self, view: &mut View, (key, uid): (&[u8], Uid)) -> Result<usize, Stop> {
        let (mut low, mut high) = (0, self.uids.len());
        while low < high {
            let middle = usize::midpoint(low, high);
            let Some(other) = self.uids.get(middle).copied() else { break };
            let rows = view.rows(&NumberSet::of([(other, other)]), Numbers::Uid, 1, 1);
            let keys = keys_of(view.account(), &rows, &self.keys).await?;
            let before = keys.first().is_none_or(|found| (found.as_slice(), other) < (key, uid.0));
            if before { low = middle + 1 } else { high = middle }
        }
        Ok(low)
    }
}

impl Selected {
    /// Keeps a result up to date from now on, or says that it will not.
    pub(super) fn keep(&mut self, session: &mut Session, wanted: Option<Wanted>, uids: Vec<u32>) {
        let contexts_max = session.limits().contexts_max;
        let tag: Box<str> = session.reply().tag().into();
        let largest = self.view.uid_max();
        let contexts = self.contexts.get_or_insert_default();
        let room = contexts.has_room(contexts_max, uids.len());
        let Some(Wanted { query, uid, keys, items }) = wanted.filter(|_| room) else {
            session.reply().no_update();
            return;
        };
        if contexts.all.is_empty() {
            (contexts.changed, contexts.next) = (NumberSet::default(), largest.next().0);
        }
        let found = NumberSet::of_numbers(uids.iter().copied());
        let order = keys.map(|keys| Order { keys, uids });
        contexts.all.push(Context { tag, uid, query, found, order, items });
    }

    /// Messages were changed by this session itself.
    pub(super) fn note_changed<'a>(&mut self, rows: impl IntoIterator<Item = &'a Row>) {
        if let Some(contexts) = &mut self.contexts {
            let uids = rows.into_iter().map(|row| row.uid.0);
            contexts.changed = NumberSet::of_numbers(contexts.changed.iter().chain(uids));
        }
    }

    /// Tells that messages are gone, before their numbers are: (sequence number, Uid). Those that
    /// were told before are passed over.
    pub(super) fn tell_gone(&mut self, session: &mut Session, gone: &[(u32, Uid)]) {
        let Some(contexts) = &mut self.contexts else { return };
        for context in &mut contexts.all {
            let uids = uid_set(
                gone.iter().map(|(_, uid)| *uid).filter(|uid| context.found.contains(uid.0)),
            );
            if uids.is_empty() {
                continue;
            }
            let told = gone.iter().filter(|_| !context.uid).map(|(number, uid)| (uid.0, *number));
            let mut told = Told(told.collect());
            told.0.sort_unstable();
            let removed = context.remove(&uids, |uid| told.number(uid));
            tell(session, context, &removed, &[]);
        }
    }
}

/// Results that are looked at again because messages came or changed.
pub(super) struct Updating {
    /// Those messages, by Uid.
    uids: NumberSet,
    /// The result at hand.
    at: usize,
    search: Option<Search>,
    matched: Vec<Row>,
    /// Messages of this Uid and above came since the last time.
    arrived: u32,
    /// What is told of them before the result at hand.
    fetching: Option<Box<Fetching>>,
    /// What is told after that.
    changes: Option<Changes>,
}

/// Messages taken out of a result and put in, by the place where they stand.
struct Changes {
    removed: Vec<(u32, Vec<u32>)>,
    added: Vec<(u32, Vec<u32>)>,
}

impl Updating {
    /// After a poll that told of these changes; `None` when there is nothing to be looked at.
    pub fn new(selected: &mut Selected, changed: &NumberSet) -> Option<Self> {
        let largest = selected.view.uid_max();
        let contexts = selected.contexts.as_mut()?;
        if changed.is_empty() && !contexts.has_news(largest) {
            return None;
        }
        let own = std::mem::take(&mut contexts.changed);
        let arrived = (contexts.next, largest.0);
        let first = contexts.next;
        contexts.next = contexts.next.max(largest.next().0);
        let changed = changed.ranges().iter().chain(own.ranges()).copied();
        let arrived = Some(arrived).filter(|(first, last)| first <= last);
        let uids = NumberSet::of(changed.chain(arrived));
        Some(Self {
            uids,
            at: 0,
            search: None,
            matched: Vec::new(),
            arrived: first,
            fetching: None,
            changes: None,
        })
    }

    /// Looks at one result, or some of it, and tells what changed in it.
    pub async fn step(
        &mut self,
        session: &mut Session,
        selected: &mut Selected,
        memory: &Memory,
    ) -> Result<Done, Stop> {
        if let Some(fetching) = &mut self.fetching {
            if fetching.step(session, selected, memory).await? != Done::More {
                self.fetching = None;
            }
            return Ok(Done::More);
        }
        let Selected { view, contexts, .. } = selected;
        let context = contexts.as_mut().and_then(|contexts| contexts.all.get_mut(self.at));
        let Some(context) = context else { return Ok(Done::Ok(None)) };
        if let Some(Changes { removed, added }) = self.changes.take() {
            tell(session, context, &removed, &added);
            self.at += 1;
            return Ok(Done::More);
        }
        let search = self.search.get_or_insert_with(|| {
            Search::new(Query::And(vec![Query::Uid(self.uids.clone()), context.query.clone()]))
        });
        let (rows, more) = search.step(view).await?;
        self.matched.extend(rows);
        if more {
            return Ok(Done::More);
        }
        self.search = None;
        let mut matched = std::mem::take(&mut self.matched);
        // What is expunged and not told is out already.
        matched.retain(|row| !view.is_expunged(row.uid));
        let still = uid_set(matched.iter().map(|row| row.uid));
        let looked_at = self.uids.iter();
        let gone = looked_at.filter(|uid| context.found.contains(*uid) && !still.contains(*uid));
        let gone = NumberSet::of_numbers(gone);
        matched.retain(|row| !context.found.contains(row.uid.0));
        let removed = match gone.is_empty() {
            true => Vec::new(),
            false => {
                let numbers = Told::of(view, &gone, context.uid);
                context.remove(&gone, |uid| numbers.number(uid))
            }
        };
        // RFC 5465 §7: FETCH after EXISTS and before ESEARCH, and none "if a message becomes a
        // member […] due to flag or annotation changes".
        let new = uid_set(matched.iter().map(|row| row.uid).filter(|uid| uid.0 >= self.arrived));
        let items = context.items.clone();
        let added = context.add(view, matched).await?;
        self.changes = Some(Changes { removed, added });
        if !items.is_empty() && !new.is_empty() {
            let set = SequenceSet::Ranges(
                new.ranges()
                    .iter()
                    .map(|(first, last)| (SetNumber::Number(*first), SetNumber::Number(*last)))
                    .collect(),
            );
            let modifiers = FetchModifiers::default();
            let asked = fetch::Asked { set, uid: true, items, modifiers };
            self.fetching = Some(Box::new(Fetching::new(session, selected, asked).await?));
        }
        Ok(Done::More)
    }
}

/// Sequence numbers of some messages, when the client hears these.
struct Told(Vec<(u32, u32)>);

impl Told {
    fn of(view: &mut View, uids: &NumberSet, by_uid: bool) -> Self {
        let mut told = Vec::new();
        if by_uid {
            return Self(told);
        }
        let mut next = 1;
        loop {
            let rows = view.rows(uids, Numbers::Uid, next, ROWS_MAX);
            let Some(last) = rows.last() else { break };
            next = last.sequence.saturating_add(1);
            told.extend(rows.iter().map(|row| (row.uid.0, row.sequence)));
        }
        Self(told)
    }

    fn number(&self, uid: u32) -> u32 {
        let found = self.0.binary_search_by_key(&uid, |(uid, _)| *uid);
        found.ok().and_then(|at| self.0.get(at)).map_or(uid, |(_, sequence)| *sequence)
    }
}

/// `* ESEARCH (TAG "…") …`, unless nothing changed.
fn tell(
    session: &mut Session,
    context: &Context,
    removed: &[(u32, Vec<u32>)],
    added: &[(u32, Vec<u32>)],
) {
    session.reply().esearch_update(&ContextUpdate {
        tag: &context.tag,
        uid: context.uid,
        removed,
        added,
    });
}

/// A set without the numbers of another.
fn without(set: &NumberSet, gone: &NumberSet) -> NumberSet {
    let mut left = Vec::new();
    for &(first, last) in set.ranges() {
        let mut from = u64::from(first);
        let start = gone.ranges().partition_point(|(_, end)| *end < first);
        let within = gone.ranges().iter().skip(start).take_while(|(start, _)| *start <= last);
        for &(start, end) in within {
            if u64::from(start) > from {
                left.push((from, u64::from(start) - 1));
            }
            from = from.max(u64::from(end) + 1);
        }
        if from <= u64::from(last) {
            left.push((from, u64::from(last)));
        }
    }
    let narrow = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
    NumberSet::of(left.into_iter().map(|(first, last)| (narrow(first), narrow(last))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn context(order: Option<&[u32]>, found: &[u32]) -> Context {
        let order = order.map(|uids| Order { keys: Vec::new(), uids: uids.to_vec() });
        let found = NumberSet::of_numbers(found.iter().copied());
        Context { tag: "a".into(), uid: true, query: Query::All, found, order, items: Vec::new() }
    }

    fn removed(context: &mut Context, gone: &[u32]) -> Vec<(u32, Vec<u32>)> {
        context.remove(&NumberSet::of_numbers(gone.iter().copied()), |uid| uid)
    }

    #[test]
    fn limits_at_n_and_one_more() {
        let mut contexts = Contexts::default();
        assert!(contexts.has_room(1, RESULTS_MAX));
        assert!(!contexts.has_room(1, RESULTS_MAX + 1));
        contexts.all.push(context(Some(&[5, 3]), &[5, 3]));
        assert!(!contexts.has_room(1, 0));
        assert!(contexts.has_room(2, RESULTS_MAX - 2));
        assert!(!contexts.has_room(2, RESULTS_MAX - 1));
    }

    #[test]
    fn what_goes_from_an_order_goes_by_its_place() {
        let uids = [9, 2, 7, 5, 1];
        let mut all = context(Some(&uids), &uids);
        assert_eq!(removed(&mut all, &[2, 7, 1]), [(2, vec![2, 7]), (3, vec![1])]);
        assert_eq!(all.order.as_ref().unwrap().uids, [9, 5]);
        assert_eq!(all.found.ranges(), [(5, 5), (9, 9)]);
        let mut mailbox = context(None, &uids);
        assert_eq!(removed(&mut mailbox, &[7, 2]), [(0, vec![2, 7])]);
    }

    proptest! {
        #[test]
        fn runs_rebuild_the_order(
            uids in Just((1..30_u32).collect::<Vec<_>>()).prop_shuffle(),
            gone in prop::collection::btree_set(1..30_u32, 1..20),
        ) {
            let gone: Vec<u32> = gone.into_iter().collect();
            let mut all = context(Some(&uids), &uids);
            let mut client = uids.clone();
            for (place, run) in removed(&mut all, &gone) {
                let from = place as usize - 1;
                let taken: Vec<u32> = client.drain(from..from + run.len()).collect();
                prop_assert_eq!(taken, run);
            }
            prop_assert_eq!(client, all.order.unwrap().uids);
        }

        #[test]
        fn sets_without_others(
            set in prop::collection::vec(1..40_u32, 0..30),
            gone in prop::collection::vec(1..40_u32, 0..30),
        ) {
            let left = set.iter().copied().filter(|number| !gone.contains(number));
            let wanted = NumberSet::of_numbers(left);
            let of = |numbers: &[u32]| NumberSet::of_numbers(numbers.iter().copied());
            prop_assert_eq!(without(&of(&set), &of(&gone)), wanted);
        }
    }
}
