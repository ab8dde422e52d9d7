//! Which message is tried next, and on which connection: the queue in memory.
//!
//! A *site* is where messages go together: a domain, a smart host, ourselves. Messages for one site
//! wait in one line; a site that nobody answers for is closed as a whole, so that a hundred
//! thousand messages for a dead domain cost one try each time, and nothing is written.
//!
//! Invariants: an item is waiting, due or in the hands of one connection, never in two of them; a
//! site has no more connections than its limit; sites that have work take turns. Knows no clock:
//! seconds are given.

mod places;
mod row;

use super::backoff::{Backoff, mix};
use account::queue::QueueId;
use places::Places;
use row::{Place, Row};
use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

/// How much may be under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Connections, of all sites together.
    pub connections_max: usize,
    /// Connections of one site.
    pub site_connections_max: usize,
    /// Messages that one site is given in a minute; 0 for any number.
    pub site_messages_per_minute_max: u32,
    /// A site's first connections: more are made as it takes mail.
    pub site_connections_first: usize,
}

/// What goes to one site in one transaction: a message and some of its recipients.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Item {
    /// The message.
    pub id: QueueId,
    /// Places of recipients in its envelope.
    pub recipients: Box<[u32]>,
    /// Replies that asked to come again.
    pub attempts: u32,
}

impl Item {
    /// One item of both.
    fn joined(mut self, other: Option<Self>) -> Self {
        let Some(other) = other else { return self };
        let mut all: BTreeSet<u32> = self.recipients.iter().copied().collect();
        all.extend(other.recipients.iter());
        self.recipients = all.into_iter().collect();
        self.attempts = self.attempts.max(other.attempts);
        self
    }
}

/// How an item's try ended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ended {
    /// No recipient of it waits any more.
    Done,
    /// These wait on, since they were asked to come again.
    Later(Box<[u32]>),
    /// Nobody of the site took the call: all that goes there waits. Why, for who asks.
    Unreachable(String),
    /// Not to be tried before this time, seconds since 1970 UTC: nobody was asked.
    Wait(i64),
    /// A host of the site has as much as it may: nobody calls for the site before `until`, seconds
    /// since 1970 UTC, or [`Scheduler::call_again`]. The item is due as before.
    Full {
        /// The host that it waits for a place at, if it is not the minute that it waits for.
        host: Option<String>,
        /// When it looks again.
        until: i64,
    },
    /// Given back untried, to be due again at once: the connection ended before its turn.
    Untried,
}

/// A site as somebody who runs the server sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Site {
    /// A domain or a host.
    pub name: Arc<str>,
    /// Items due now.
    pub due: usize,
    /// Items that wait for their time.
    pub waiting: usize,
    /// Connections it has.
    pub connections: usize,
    /// Calls in a row that nobody took.
    pub failures: u32,
    /// Not called before, seconds since 1970 UTC.
    pub closed_until: i64,
    /// Why it was closed.
    pub why: Option<String>,
}

/// A site's line.
struct Line {
    name: Arc<str>,
    row: Row,
    connections: usize,
    /// Connections that it is worth now: more with each message taken.
    worth: usize,
    failures: u32,
    closed_until: i64,
    /// No more connections before this time: its host is full.
    full_until: i64,
    why: Option<String>,
    /// The minute at hand and the messages given in it.
    minute: (i64, u32),
    /// Whether it stands in the line of those that want a connection.
    wants: bool,
    /// Its entry among the alarms.
    alarm: Option<i64>,
}

/// All sites.
pub struct Scheduler {
    limits: Limits,
    backoff: Backoff,
    lines: HashMap<Arc<str>, Line>,
    /// Sites that have work and may have another connection, in turn.
    wanting: VecDeque<Arc<str>>,
    /// When to look at a site again.
    alarms: BTreeSet<(i64, Arc<str>)>,
    connections: usize,
    /// Where each item is that is not in a connection's hands, by message and site: one is taken
    /// out without looking at the others.
    places: Places,
}

impl Scheduler {
    /// Nothing to do yet.
    #[must_use]
    pub fn new(limits: Limits, backoff: Backoff) -> Self {
        Self {
            limits,
            backoff,
            lines: HashMap::new(),
            wanting: VecDeque::new(),
            alarms: BTreeSet::new(),
            connections: 0,
            places: Places::default(),
        }
    }

    /// Items that are not in a connection's hands.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.places.len()
    }
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.places.len() == 0
    }
    /// Connections under way.
    #[must_use]
    pub const fn connections(&self) -> usize {
        self.connections
    }

    /// An item for a site, not to be tried before `at`.
    pub fn add(&mut self, site: &str, item: Item, (now, at): (i64, i64)) {
        let first = self.limits.site_connections_first.max(1);
        let name = match self.lines.get_key_value(site) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(site),
        };
        self.lines.entry(Arc::clone(&name)).or_insert_with(|| Line {
            name: Arc::clone(&name),
            row: Row::default(),
            connections: 0,
            worth: first,
            failures: 0,
            closed_until: 0,
            full_until: 0,
            why: None,
            minute: (0, 0),
            wants: false,
            alarm: None,
        });
        self.put(
            &name,
            item,
            |row, item| {
                if at <= now { row.push_back(item) } else { row.wait(at, item) }
            },
        );
        self.look(&name, now);
    }

    /// Puts an item into its site's row. A message that is there already, since it was let go while
    /// a connection had it, stays one item, with the recipients of both.
    fn put(&mut self, site: &Arc<str>, item: Item, put: impl FnOnce(&mut Row, Item) -> Place) {
        let Some(line) = self.lines.get_mut(site) else { return };
        let id = item.id.0;
        let known = self.places.take(id, site).and_then(|place| line.row.take(place, id));
        let place = put(&mut line.row, item.joined(known));
        self.places.put(id, site, place);
    }

    /// A site's state may have changed: puts it where it belongs.
    fn look(&mut self, site: &Arc<str>, now: i64) {
        let Some(line) = self.lines.get_mut(site) else { return };
        while let Some(item) = line.row.pop_waiting(now) {
            let id = item.id.0;
            let place = line.row.push_back(item);
            self.places.put(id, site, place);
        }
        let open_at = line.open_at(&self.limits, now).max(line.full_until);
        let room = line.connections < line.worth.min(self.limits.site_connections_max);
        let wants = line.row.due() > 0 && room && open_at <= now;
        if wants && !line.wants {
            self.wanting.push_back(Arc::clone(site));
        }
        // One that no longer wants is skipped when its turn comes.
        line.wants |= wants;
        let next = if line.row.due() == 0 {
            line.row.next_at()
        } else {
            (open_at > now).then_some(open_at)
        };
        if line.alarm != next {
            if let Some(at) = line.alarm.take() {
                self.alarms.remove(&(at, Arc::clone(site)));
            }
            if let Some(at) = next {
                self.alarms.insert((at, Arc::clone(site)));
            }
            line.alarm = next;
        }
        // Nothing is known of a site that has neither work nor a bad name.
        let idle = line.row.due() == 0 && line.row.waiting() == 0 && line.connections == 0;
        if idle && line.closed_until <= now && !line.wants {
            self.lines.remove(site);
        }
    }

    /// Lets time pass: what was waited for is due. Gives when to come again.
    pub fn wake(&mut self, now: i64) -> Option<i64> {
        while let Some((at, site)) = self.alarms.first().cloned() {
            if at > now {
                return Some(at);
            }
            self.alarms.pop_first();
            if let Some(line) = self.lines.get_mut(&site) {
                line.alarm = None;
            }
            self.look(&site, now);
        }
        None
    }

    /// A site that is to have another connection now; counted until [`Self::hung_up`].
    pub fn call(&mut self, now: i64) -> Option<Arc<str>> {
        if self.connections >= self.limits.connections_max {
            return None;
        }
        while let Some(site) = self.wanting.pop_front() {
            let Some(line) = self.lines.get_mut(&site) else { continue };
            line.wants = false;
            let room = line.connections < line.worth.min(self.limits.site_connections_max);
            let open = line.open_at(&self.limits, now).max(line.full_until) <= now;
            if line.row.due() == 0 || !room || !open {
                self.look(&site, now);
                continue;
            }
            line.connections += 1;
            self.connections += 1;
            // Others come first before it is called once more.
            self.look(&site, now);
            return Some(site);
        }
        None
    }

    /// The next item for a connection of a site.
    pub fn take(&mut self, site: &Arc<str>, now: i64) -> Option<Item> {
        let line = self.lines.get_mut(site)?;
        if line.open_at(&self.limits, now) > now {
            return None;
        }
        let item = line.row.pop_due();
        if let Some(item) = &item {
            self.places.take(item.id.0, site);
            let minute = now.div_euclid(60);
            line.minute = (minute, if line.minute.0 == minute { line.minute.1 + 1 } else { 1 });
        }
        self.look(site, now);
        item
    }

    /// An item's try ended. Gives when it is tried again, if it is.
    pub fn ended(
        &mut self,
        site: &Arc<str>,
        item: Item,
        (ended, now): (Ended, i64),
    ) -> Option<i64> {
        let line = self.lines.get_mut(site)?;
        match ended {
            Ended::Done => {
                line.answered();
                self.look(site, now);
                None
            }
            Ended::Later(recipients) => {
                line.answered();
                let attempts = item.attempts + 1;
                let at = now + self.backoff.seconds(item.id.0, attempts);
                let item = Item { recipients, attempts, ..item };
                self.put(site, item, |row, item| row.wait(at, item));
                self.look(site, now);
                Some(at)
            }
            Ended::Wait(at) => {
                self.put(site, item, |row, item| row.wait(at, item));
                self.look(site, now);
                Some(at)
            }
            Ended::Full { until, .. } => {
                line.full_until = until;
                self.put(site, item, Row::push_front);
                self.look(site, now);
                Some(until)
            }
            Ended::Untried => {
                self.put(site, item, Row::push_front);
                self.look(site, now);
                None
            }
            Ended::Unreachable(why) => {
                // Calls that failed together are one failure.
                if line.closed_until <= now {
                    line.failures += 1;
                    let who = name_number(&line.name);
                    line.closed_until = now + self.backoff.seconds(who, line.failures);
                }
                line.why = Some(why);
                line.worth = 1;
                let again = line.closed_until;
                self.put(site, item, Row::push_front);
                self.look(site, now);
                Some(again)
            }
        }
    }

    /// A connection ended.
    pub fn hung_up(&mut self, site: &Arc<str>, now: i64) {
        self.connections = self.connections.saturating_sub(1);
        if let Some(line) = self.lines.get_mut(site) {
            line.connections = line.connections.saturating_sub(1);
        }
        self.look(site, now);
    }

    /// There is room at a site's host again. Whether it has something to send there.
    pub fn call_again(&mut self, site: &Arc<str>, now: i64) -> bool {
        if let Some(line) = self.lines.get_mut(site) {
            line.full_until = 0;
        }
        self.look(site, now);
        self.lines.get(site).is_some_and(|line| line.wants)
    }

    /// Whether nobody of a site took the last call: what is added now will wait.
    #[must_use]
    pub fn is_failing(&self, site: &str) -> bool {
        self.lines.get(site).is_some_and(|line| line.failures > 0)
    }

    /// Takes a message out of every line; those in a connection's hands are not found.
    pub fn remove(&mut self, id: QueueId, now: i64) -> Vec<(Arc<str>, Item)> {
        let places = self.places.take_all(id.0);
        let mut found = Vec::with_capacity(places.len());
        for (site, place) in places {
            let line = self.lines.get_mut(&site);
            let item = line.and_then(|line| line.row.take(place, id.0));
            found.extend(item.map(|item| (site, item)));
        }
        for (site, _) in &found {
            self.look(&Arc::clone(site), now);
        }
        found
    }

    /// Opens a site and makes all that waits for it due; all sites without a name.
    pub fn retry(&mut self, site: Option<&str>, now: i64) {
        let all: Vec<Arc<str>> = self
            .lines
            .keys()
            .filter(|name| site.is_none_or(|site| site == &***name))
            .cloned()
            .collect();
        for name in all {
            if let Some(line) = self.lines.get_mut(&name) {
                line.closed_until = 0;
                line.full_until = 0;
                line.failures = 0;
                while let Some(item) = line.row.pop_waiting(i64::MAX) {
                    let id = item.id.0;
                    let place = line.row.push_back(item);
                    self.places.put(id, &name, place);
                }
            }
            self.look(&name, now);
        }
    }

    /// All sites that have work or a bad name, by name.
    #[must_use]
    pub fn sites(&self) -> Vec<Site> {
        let mut all: Vec<Site> = self.lines.values().map(Line::tell).collect();
        all.sort_by(|one, other| one.name.cmp(&other.name));
        all
    }

    /// One site.
    #[must_use]
    pub fn site(&self, name: &str) -> Option<Site> {
        self.lines.get(name).map(Line::tell)
    }
}

/// A number for a name, the same at every time.
fn name_number(name: &str) -> u64 {
    name.bytes().fold(0, |number, octet| mix(number ^ u64::from(octet)))
}

impl Line {
    /// When it may be given a message: closed sites wait, and so do those that had their share of
    /// this minute.
    fn open_at(&self, limits: &Limits, now: i64) -> i64 {
        let max = limits.site_messages_per_minute_max;
        let full = max > 0 && self.minute.0 == now.div_euclid(60) && self.minute.1 >= max;
        let minute = if full { (self.minute.0 + 1) * 60 } else { 0 };
        self.closed_until.max(minute)
    }

    /// It speaks with us: it is worth another connection.
    fn answered(&mut self) {
        self.failures = 0;
        self.closed_until = 0;
        self.why = None;
        self.worth = self.worth.saturating_add(1);
    }

    fn tell(&self) -> Site {
        Site {
            name: Arc::clone(&self.name),
            due: self.row.due(),
            waiting: self.row.waiting(),
            connections: self.connections,
            failures: self.failures,
            closed_until: self.closed_until,
            why: self.why.clone(),
        }
    }
}

#[cfg(test)]
mod tests;
