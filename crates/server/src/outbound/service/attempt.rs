//! One site's turn: a connection, and message after message on it.

use super::{
    super::{connection::Content, route::LOCAL},
    Outbound,
    onward::Tried,
    open::{For, NoWay, Open},
};
use account::queue::{self, Queue, Queued, Reply, Return, Settled};
use bytes::Bytes;
use delivery::{
    Problem,
    queue::{Ended, Item},
};
use smtp::{
    MailFrom, RcptTo,
    client::{Message, Outcome, Report, Verdict},
    effect::{Body, Ret},
};
use std::{collections::BTreeSet, io, sync::Arc};

/// Octets of content read from the store at once.
const PIECE_OCTETS: u64 = 256 << 10;

/// Calls for one message whose addresses turn out to have given enough.
const CALLS_MAX: usize = 64;

/// What became of a recipient.
pub(super) struct Came {
    /// Its place in the envelope.
    pub at: u32,
    /// How it ended; `None`: it is tried again.
    pub settled: Option<Settled>,
    /// What was said.
    pub reply: Reply,
    /// It may have arrived.
    pub undecided: bool,
    /// Nobody was asked: it does not count as a try.
    pub untried: bool,
}

/// Content of a queued message, from memory or from the store.
struct FromQueue<'a> {
    queue: &'a Queue,
    queued: &'a Queued,
    fresh: Option<Bytes>,
}

impl Content for FromQueue<'_> {
    fn octets(&self) -> u64 {
        self.queued.envelope.octets
    }

    async fn read(&mut self, from: u64, octets: usize) -> io::Result<Bytes> {
        if let Some(fresh) = &mut self.fresh {
            return fresh.read(from, octets).await;
        }
        let octets = PIECE_OCTETS.min(octets as u64);
        self.queue.content(self.queued, from, octets).await.map_err(io::Error::other)
    }
}

impl Outbound {
    /// Serves a site until nothing is due there, or it does not answer.
    pub(super) async fn serve(self: Arc<Self>, site: Arc<str>) {
        let mut connection = None;
        loop {
            let item = self.state().scheduler.take(&site, Self::now());
            let Some(item) = item else { break };
            let ended = self.attempt(&site, &item, &mut connection).await;
            let ends = matches!(ended, Ended::Unreachable(_) | Ended::Full { .. });
            match &ended {
                Ended::Unreachable(why) => {
                    tracing::warn!(%site, why, "no host takes mail");
                    self.forget_all();
                }
                Ended::Later(_) => self.forget(item.id),
                Ended::Wait(_) => self.forget(item.id),
                Ended::Full { host, until } => {
                    tracing::debug!(%site, ?host, until, "its host is full");
                }
                Ended::Done | Ended::Untried => {}
            }
            let mut state = self.state();
            if let Ended::Full { host: Some(host), .. } = &ended {
                state.hosts.wait(host, &site);
            }
            let again = state.scheduler.ended(&site, item, (ended, Self::now()));
            drop(state);
            tracing::trace!(%site, ?again, "tried");
            if ends {
                break;
            }
        }
        if let Some(Open { connection, .. }) = connection.take() {
            connection.quit().await;
        }
        self.state().scheduler.hung_up(&site, Self::now());
        self.notify.notify_one();
    }

    /// Tries a message, transaction after transaction: one takes only so many recipients (RFC 9422,
    /// and our own limit). What was said of some is durable before others are tried.
    async fn attempt(&self, site: &str, item: &Item, connection: &mut Option<Open>) -> Ended {
        let mut later = BTreeSet::new();
        loop {
            let queued = match self.queue.find(item.id).await {
                Ok(Some(queued)) => queued,
                Ok(None) => return Ended::Done,
                Err(error) => {
                    tracing::error!(queue = %item.id, %error, "cannot be read");
                    return Ended::Later(item.recipients.clone());
                }
            };
            if queued.envelope.held || self.put_aside(&queued, (site, item)) {
                return Ended::Done;
            }
            let waits = |at: &u32| {
                let progress = queued.progress.get(*at as usize);
                progress.is_some_and(|progress| progress.settled.is_none()) && !later.contains(at)
            };
            let open: Vec<u32> = item.recipients.iter().copied().filter(waits).collect();
            if open.is_empty() {
                return joined(Ended::Done, later);
            }
            if site == LOCAL {
                return self.deliver_all(queued, (item, &open)).await;
            }
            let (came, dsn_passed) = match self.relay(site, &queued, (&open, connection)).await {
                Ok(came) => came,
                Err(NoWay::Later(why)) => return Ended::Unreachable(why),
                Err(NoWay::Never(reply)) => (never(&open, &reply), false),
                Err(NoWay::Wait(wait)) => {
                    self.waits(For { site, pool: self.pool(&queued) }, &wait);
                    return Ended::Wait(wait.until);
                }
                Err(NoWay::Full(host, until)) => return Ended::Full { host, until },
            };
            let untried = came.iter().filter(|one| one.untried).count();
            let goes_on = (1..came.len()).contains(&untried);
            let asked = came.iter().filter(|one| !one.untried && one.settled.is_none());
            later.extend(asked.map(|one| one.at));
            let tried = Tried { came, dsn_passed, onward: Vec::new() };
            match self.settle(queued, (item, tried)).await {
                Some(_) if goes_on => {}
                Some(ended) => return joined(ended, later),
                // What was done is not known to the next try: it may come twice.
                None => return Ended::Later(item.recipients.clone()),
            }
        }
    }

    pub(super) async fn whole(&self, queued: &Queued) -> Result<Bytes, account::Error> {
        let fresh = self.state().fresh.get(&queued.id.0).cloned();
        match fresh {
            Some(content) => Ok(content),
            None => self.queue.content(queued, 0, queued.envelope.octets).await,
        }
    }

    /// There is an open connection that may be given a message.
    async fn ready(&self, whom: For<'_>, connection: &mut Option<Open>) -> Result<(), NoWay> {
        if let Some(wait) = self.waiting(whom).filter(|_| connection.is_none()) {
            return Err(NoWay::Wait(wait));
        }
        // Each time round, one more of our addresses has given enough today.
        for _ in 0..CALLS_MAX {
            if !connection.as_ref().is_some_and(|open| open.connection.is_open()) {
                // Its place at the host is free for this one.
                *connection = None;
                *connection = Some(self.connect(whom).await?);
            }
            let Some(open) = connection else { break };
            self.count_host(open)?;
            if self.count_new(open).await? {
                return Ok(());
            }
            if let Some(full) = connection.take() {
                full.connection.quit().await;
            }
        }
        Err(NoWay::Later(format!("{} is called in vain", whom.site)))
    }

    /// To another host; also whether it promised to report itself.
    async fn relay(
        &self,
        site: &str,
        queued: &Queued,
        (open, connection): (&[u32], &mut Option<Open>),
    ) -> Result<(Vec<Came>, bool), NoWay> {
        let pool = self.pool(queued);
        if let Some(other) = connection.take_if(|open| open.pool.as_deref() != pool) {
            other.connection.quit().await;
        }
        // A connection that was in use may be gone by now: the second one is new.
        for again in [true, false] {
            self.ready(For { site, pool }, connection).await?;
            let Some(Open { host, connection: open_connection, known_by, .. }) = connection else {
                break;
            };
            let fresh = self.state().fresh.get(&queued.id.0).cloned();
            let content = FromQueue { queue: &self.queue, queued, fresh };
            let report = open_connection.deliver(message(queued, open), content).await;
            let untried = report.outcomes.iter().all(|one| one.verdict == Verdict::Untried);
            if untried && again {
                *connection = None;
                continue;
            }
            let tls = open_connection.tls().unwrap_or("none");
            let tls = format!("{tls} {}", known_by.unwrap_or("unknown"));
            return Ok(told(host, (open, report), (queued, &tls)));
        }
        Err(NoWay::Later(format!("{site} closes connections")))
    }
}

/// How a message's try ended of which some recipients were asked to come again before.
fn joined(ended: Ended, mut later: BTreeSet<u32>) -> Ended {
    match ended {
        ended if later.is_empty() => ended,
        Ended::Done | Ended::Untried => Ended::Later(later.into_iter().collect()),
        Ended::Later(others) => {
            later.extend(others);
            Ended::Later(later.into_iter().collect())
        }
        other => other,
    }
}

/// As the client's machine wants it.
fn message(queued: &Queued, open: &[u32]) -> Message {
    let envelope = &queued.envelope;
    let targets = open.iter().filter_map(|at| envelope.recipients.get(*at as usize));
    Message {
        from: MailFrom {
            path: envelope.from.clone(),
            size: Some(envelope.octets),
            body: match envelope.content {
                queue::Content::SevenBit => Body::SevenBit,
                queue::Content::EightBit => Body::EightBit,
                queue::Content::Binary => Body::Binary,
            },
            utf8: envelope.utf8,
            ret: envelope.returns.map(|returns| match returns {
                Return::Full => Ret::Full,
                Return::Headers => Ret::Headers,
            }),
            envelope_id: envelope.envelope_id.clone(),
            // The client takes it from the message, as below.
            require_tls: envelope.require_tls,
            hold: None,
        },
        recipients: targets
            .map(|target| RcptTo {
                path: target.address.clone(),
                notify: target.notify.text(),
                original: target.original.clone(),
            })
            .collect(),
        require_tls: envelope.require_tls,
    }
}

fn never(open: &[u32], reply: &Reply) -> Vec<Came> {
    let failed = |one| Came { settled: Some(Settled::Failed), ..one };
    later(open, reply).into_iter().map(failed).collect()
}

pub(super) fn later(open: &[u32], reply: &Reply) -> Vec<Came> {
    let one = |at: &u32| Came {
        at: *at,
        settled: None,
        reply: reply.clone(),
        undecided: false,
        untried: false,
    };
    open.iter().map(one).collect()
}

pub(super) fn local(at: u32, outcome: Result<(), Problem>) -> Came {
    let (settled, status, text) = match outcome {
        Ok(()) => (Some(Settled::Delivered), (2, 0, 0), "Delivered".to_owned()),
        Err(Problem::NoSuchUser | Problem::Elsewhere) => {
            (Some(Settled::Failed), (5, 1, 1), "There is no such mailbox".to_owned())
        }
        Err(Problem::TooBig) => {
            (Some(Settled::Failed), (5, 3, 4), "The message is too large".to_owned())
        }
        Err(Problem::Loop) => (
            Some(Settled::Failed),
            (5, 4, 6),
            "The message was sent on from there before".to_owned(),
        ),
        Err(Problem::MailboxFull) => (None, (4, 2, 2), "The mailbox is full".to_owned()),
        Err(Problem::NoRoom) => (None, (4, 3, 1), "No space left".to_owned()),
        Err(Problem::Failed(why)) => (None, (4, 3, 0), why),
    };
    let reply = Reply::new("", 0, status, &text);
    Came { at, settled, reply, undecided: false, untried: false }
}

fn told(
    host: &str,
    (open, report): (&[u32], Report),
    (queued, tls): (&Queued, &str),
) -> (Vec<Came>, bool) {
    let mut came = Vec::with_capacity(open.len());
    for (at, outcome) in open.iter().zip(report.outcomes) {
        let Outcome { verdict, phase, reply, undecided } = outcome;
        let settled = match verdict {
            Verdict::Accepted => Some(Settled::Relayed),
            Verdict::Permanent => Some(Settled::Failed),
            Verdict::Temporary | Verdict::Untried => None,
        };
        tracing::info!(
            queue = %queued.id, recipient = at, host, tls, ?verdict, ?phase, code = reply.code,
            said = %reply.text.replace('\n', " "), undecided, "sent"
        );
        let reply = Reply::new(host, reply.code, reply.status, &reply.text);
        let untried = verdict == Verdict::Untried;
        came.push(Came { at: *at, settled, reply, undecided, untried });
    }
    (came, report.dsn_passed)
}
