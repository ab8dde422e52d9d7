//! The outbound queue at work: what is accepted is written down, tried, tried again, and reported.
//!
//! Invariants: nothing is tried before it is durable; what a host said is durable before the next
//! thing follows from it; a message leaves the queue with the report about it, in one commit; who
//! has no reverse-path is told nothing. What cannot be written down is tried again later: a message
//! may then arrive twice, never be lost.

mod attempt;
mod hosts;
mod onward;
mod open;
mod pause;
mod policy;
mod reported;
mod tallied;
mod tell;
mod turns;
mod warm;

use super::{
    AccountLimits,
    connection::Settings as ConnectionSettings,
    route::{LOCAL, Routes},
    source::Sources,
    warmup::Warmup,
};
use crate::{
    clock::SystemClock,
    dns::Dns,
    reports::sent::{self, Tallies},
    signing::Signing,
};
use account::{
    Accounts, Clock as _, Error, Recipient,
    queue::{Envelope, Queue, QueueId, Queued, Settled},
};
use bytes::Bytes;
use delivery::{
    Inbound,
    queue::{Backoff, HostLimits, Hosts, Item, Limits, Scheduler, Site},
};
use mail::Address;
use open::TLS_OPTIONAL;
use policy::Policies;
use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

/// When nothing is due the queue is looked at so often all the same.
const LOOK_EVERY: Duration = Duration::from_secs(60);
/// Octets of a Message-ID that are logged.
const MESSAGE_ID_OCTETS_MAX: usize = 250;
/// Octets of content that are kept in memory for messages that are tried at once.
const FRESH_OCTETS_MAX: usize = 16 << 20;

/// Settings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// Where mail goes.
    pub routes: Routes,
    /// From where hosts are called.
    pub sources: Sources,
    /// Which of them are new.
    pub warmup: Warmup,
    /// Other domains' hosts are found by DNS.
    pub direct: bool,
    /// Port of other domains' hosts.
    pub port: u32,
    /// Certificate authorities; the system's without a file.
    pub ca_file: Option<PathBuf>,
    /// Days that a host is expected to have TLS after it had.
    pub tls_remembered_days: u32,
    /// Seconds until the second try; then twice as long each time.
    pub retry_seconds_min: u32,
    /// Seconds between two tries at most.
    pub retry_seconds_max: u32,
    /// Seconds after which a message is given up.
    pub expire_seconds: u32,
    /// Seconds after which its sender hears that it is late.
    pub warn_seconds: u32,
    /// Limits of each account.
    pub account: AccountLimits,
    /// Seconds that a message is held at most when its sender asks for it (RFC 4865).
    pub hold_seconds_max: u32,
    /// Connections in all.
    pub connections_max: u32,
    /// Connections to one host, for all domains that it serves.
    pub host_connections_max: u32,
    /// Messages to one host in a minute; 0 for any number.
    pub host_messages_per_minute_max: u32,
    /// Connections for one domain's mail.
    pub domain_connections_max: u32,
    /// Messages to one domain in a minute; 0 for any number.
    pub domain_messages_per_minute_max: u32,
    /// Reports to other domains.
    pub reports: sent::Settings,
}

/// The queue.
pub struct Outbound {
    queue: Arc<Queue>,
    accounts: Arc<Accounts>,
    inbound: Inbound,
    host_name: String,
    settings: Settings,
    connection: ConnectionSettings,
    /// When other domains' hosts are found by DNS.
    dns: Option<Arc<Dns>>,
    policies: Policies,
    signing: Arc<Signing>,
    tallies: Tallies,
    state: Mutex<State>,
    left: Arc<hosts::Left>,
    turns: turns::Turns,
    notify: Notify,
}

struct State {
    scheduler: Scheduler,
    hosts: Hosts,
    /// When a message's sender is to be told something, or it is to be given up.
    deadlines: BTreeSet<(i64, u64)>,
    /// Content of messages that came just now.
    fresh: BTreeMap<u64, Bytes>,
    fresh_octets: usize,
    /// What paused accounts sent before.
    aside: pause::Aside,
    /// Where mail waits since addresses are new.
    waits: warm::Waits,
}

impl Outbound {
    /// Opens the queue; [`Self::run`] works on it. `inbound` takes what is for accounts of ours.
    ///
    /// # Errors
    /// The store's.
    pub async fn open(
        accounts: &Arc<Accounts>,
        host_name: &str,
        (settings, dns, inbound): (Settings, Option<Arc<Dns>>, Inbound),
        signing: &Arc<Signing>,
    ) -> Result<Arc<Self>, Error> {
        let queue = Queue::open(accounts).await?;
        let limits = Limits {
            connections_max: settings.connections_max.max(1) as usize,
            site_connections_max: settings.domain_connections_max.max(1) as usize,
            site_messages_per_minute_max: settings.domain_messages_per_minute_max,
            site_connections_first: 2,
        };
        let backoff = Backoff {
            first_seconds: settings.retry_seconds_min.max(1),
            max_seconds: settings.retry_seconds_max.max(1),
            seed: seed(),
        };
        let of_host = HostLimits {
            connections_max: settings.host_connections_max.max(1) as usize,
            messages_per_minute_max: settings.host_messages_per_minute_max,
        };
        let dns = dns.filter(|_| settings.direct);
        let state = State {
            scheduler: Scheduler::new(limits, backoff),
            hosts: Hosts::new(of_host),
            deadlines: BTreeSet::new(),
            fresh: BTreeMap::new(),
            fresh_octets: 0,
            aside: pause::Aside::default(),
            waits: warm::Waits::default(),
        };
        Ok(Arc::new(Self {
            tallies: Tallies::new(&queue, settings.reports.clone()),
            queue,
            accounts: Arc::clone(accounts),
            inbound,
            host_name: host_name.to_owned(),
            settings,
            connection: ConnectionSettings::default(),
            dns,
            policies: Policies::default(),
            signing: Arc::clone(signing),
            state: Mutex::new(state),
            left: Arc::default(),
            turns: turns::Turns::default(),
            notify: Notify::new(),
        }))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is counted for reports.
    #[must_use]
    pub const fn tallies(&self) -> &Tallies {
        &self.tallies
    }

    pub(super) const fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    pub(super) const fn accounts(&self) -> &Arc<Accounts> {
        &self.accounts
    }

    pub(super) const fn account_limits(&self) -> &AccountLimits {
        &self.settings.account
    }

    pub(super) fn host_name(&self) -> &str {
        &self.host_name
    }

    pub(super) fn now() -> i64 {
        SystemClock.now_seconds()
    }

    /// What takes mail in.
    #[must_use]
    pub const fn inbound(&self) -> &Inbound {
        &self.inbound
    }

    /// Whether there is a way out to a domain.
    #[must_use]
    pub fn reaches(&self, domain: &str) -> bool {
        self.dns.is_some() || self.settings.routes.host(domain).is_some()
    }

    /// Takes a message in: when this is ready it is durable, and it is being tried. Times of the
    /// envelope are set here.
    ///
    /// # Errors
    /// The store's; [`account::Refused::MessageTooBig`].
    pub async fn accept(&self, mut envelope: Envelope, content: Bytes) -> Result<QueueId, Error> {
        envelope = self.begun(envelope, &content);
        let id = self.queue.put(&envelope, &content).await?;
        let recipients = envelope.recipients.len();
        let message_id = message_id(&content);
        tracing::info!(queue = %id, message_id, octets = content.len(), recipients, "queued");
        self.enter(Queued::new(id, envelope, Vec::new()), Some(content)).await;
        Ok(id)
    }

    /// An envelope whose times begin now.
    fn begun(&self, envelope: Envelope, content: &[u8]) -> Envelope {
        let now = Self::now();
        let begins = envelope.not_before.max(now);
        let expires_at = begins + i64::from(self.settings.expire_seconds);
        // RFC 8689 §4.1: REQUIRETLS goes before the field.
        let asks = !envelope.require_tls && needs_no_tls(content);
        let tls_optional = envelope.tls_optional || asks;
        let octets = content.len() as u64;
        Envelope { received_at: now, expires_at, octets, tls_optional, ..envelope }
    }

    /// Seconds that a message is held at most for its sender; 0: none is.
    #[must_use]
    pub const fn hold_seconds_max(&self) -> u32 {
        self.settings.hold_seconds_max
    }

    /// When a message's sender hears that it is late.
    fn warn_at(&self, envelope: &Envelope) -> i64 {
        let begins = envelope.received_at.max(envelope.not_before);
        begins + i64::from(self.settings.warn_seconds)
    }

    /// A message is in the queue: it is given to the scheduler.
    async fn enter(&self, queued: Queued, content: Option<Bytes>) {
        let Queued { id, envelope, progress, .. } = queued;
        let mut sites: BTreeMap<Arc<str>, (Vec<u32>, u32, i64)> = BTreeMap::new();
        for (at, target) in (0..).zip(&envelope.recipients) {
            let known = progress.get(at as usize);
            if known.is_some_and(|progress| progress.settled.is_some()) {
                continue;
            }
            let site = self.site(&target.address, envelope.tls_optional).await;
            let (recipients, attempts, next) = sites.entry(site).or_default();
            recipients.push(at);
            *attempts = (*attempts).max(known.map_or(0, |progress| progress.attempts));
            *next = (*next).max(known.map_or(0, |progress| progress.next_at));
        }
        let now = Self::now();
        let mut state = self.state();
        // What waits for a host that does not answer needs its content later, if at all.
        let is_open = sites.keys().any(|site| !state.scheduler.is_failing(site));
        if let Some(content) = content
            && is_open
            && state.fresh_octets + content.len() <= FRESH_OCTETS_MAX
        {
            state.fresh_octets += content.len();
            state.fresh.insert(id.0, content);
        }
        let warn_at = self.warn_at(&envelope);
        let deadline = if envelope.warned { envelope.expires_at } else { warn_at };
        state.deadlines.insert((deadline.min(envelope.expires_at), id.0));
        if !envelope.held {
            for (site, (recipients, attempts, next)) in sites {
                let item = Item { id, recipients: recipients.into(), attempts };
                let at = next.max(envelope.not_before);
                state.scheduler.add(&site, item, (now, at));
            }
        }
        drop(state);
        self.notify.notify_one();
    }

    /// Where an address's mail goes together. One without a way out waits at its domain.
    async fn site(&self, address: &Address, tls_optional: bool) -> Arc<str> {
        match self.accounts.directory().resolve(address).await {
            Ok(Recipient::Local { .. } | Recipient::Unknown) => Arc::from(LOCAL),
            // When the directory cannot be asked the recipient is tried as another's, later.
            Ok(Recipient::Elsewhere) | Err(_) => {
                let domain = address.domain().as_str();
                let by_dns = || match tls_optional {
                    true => format!("{TLS_OPTIONAL}{domain}").into(),
                    false => Arc::from(domain),
                };
                self.settings.routes.site(domain).unwrap_or_else(by_dns)
            }
        }
    }

    /// Works until `shutdown`.
    pub async fn run(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        self.tidy_warmth().await;
        self.load().await;
        loop {
            let wait = self.turn().await;
            tokio::select! {
                _ = shutdown.wait_for(|down| *down) => return,
                () = self.notify.notified() => {}
                () = sleep(wait) => {}
            }
        }
    }

    /// What waited when the server was started.
    async fn load(&self) {
        let (mut after, mut count) = (None, 0_u64);
        loop {
            let page = match self.queue.page(after).await {
                Ok(page) => page,
                Err(error) => {
                    tracing::error!(%error, "the queue cannot be read");
                    return;
                }
            };
            let Some((last, _)) = page.last() else { break };
            after = Some(*last);
            for (id, queued) in page {
                match queued {
                    Ok(queued) => {
                        count += 1;
                        self.enter(queued, None).await;
                    }
                    Err(error) => tracing::error!(queue = %id, %error, "cannot be read"),
                }
            }
        }
        if count > 0 {
            tracing::info!(messages = count, "the queue was read");
        }
    }

    /// Calls whom there is something for, and tells senders what is due. Gives how long to wait.
    async fn turn(self: &Arc<Self>) -> Duration {
        let now = Self::now();
        let (next, due) = {
            let mut state = self.state();
            self.offer(&mut state, now);
            let next = state.scheduler.wake(now);
            while let Some(site) = state.scheduler.call(now) {
                let outbound = Arc::clone(self);
                tokio::spawn(async move { outbound.serve(site).await });
            }
            let mut due = Vec::new();
            while let Some((at, id)) = state.deadlines.first().copied().filter(|(at, _)| *at <= now)
            {
                state.deadlines.remove(&(at, id));
                due.push(QueueId(id));
            }
            let deadline = state.deadlines.first().map(|(at, _)| *at);
            (next.into_iter().chain(deadline).min(), due)
        };
        for id in due {
            self.deadline(id).await;
        }
        let seconds = next.map_or(u64::MAX, |at| u64::try_from(at - now).unwrap_or(0).max(1));
        LOOK_EVERY.min(Duration::from_secs(seconds))
    }

    /// Nothing is to be told of a message any more.
    fn undated(&self, queued: &Queued) {
        let envelope = &queued.envelope;
        let warn_at = self.warn_at(envelope);
        let mut state = self.state();
        for at in [warn_at.min(envelope.expires_at), envelope.expires_at] {
            state.deadlines.remove(&(at, queued.id.0));
        }
    }

    /// A message and its content are gone from the queue, or are not needed in memory any more.
    fn forget(&self, id: QueueId) {
        let mut state = self.state();
        if let Some(content) = state.fresh.remove(&id.0) {
            state.fresh_octets -= content.len();
        }
    }

    /// Frees the memory of all content: a host does not answer, and what goes there will wait. That
    /// of other messages is read from the store instead, once.
    fn forget_all(&self) {
        let mut state = self.state();
        state.fresh.clear();
        state.fresh_octets = 0;
    }

    /// All messages, in the order in which they came.
    ///
    /// # Errors
    /// The store's.
    pub async fn messages(&self) -> Result<Vec<Queued>, Error> {
        let (mut after, mut found) = (None, Vec::new());
        loop {
            let page = self.queue.page(after).await?;
            let Some((last, _)) = page.last() else { return Ok(found) };
            after = Some(*last);
            found.extend(page.into_iter().filter_map(|(_, queued)| queued.ok()));
        }
    }

    /// Sites that have work or are not answering.
    #[must_use]
    pub fn sites(&self) -> Vec<Site> {
        self.state().scheduler.sites()
    }

    /// Tries all that waits now, or what waits for one site.
    pub fn retry(&self, site: Option<&str>) {
        let mut state = self.state();
        state.scheduler.retry(site, Self::now());
        if let Some(site) = site {
            state.scheduler.retry(Some(&format!("{TLS_OPTIONAL}{site}")), Self::now());
        }
        drop(state);
        self.notify.notify_one();
    }

    /// Holds a message back, or lets it go. Whether there is such a message.
    ///
    /// # Errors
    /// The store's.
    pub async fn hold(&self, id: QueueId, held: bool) -> Result<bool, Error> {
        let _turn = self.turns.of(id).await;
        let Some(mut queued) = self.queue.find(id).await? else { return Ok(false) };
        queued.envelope.held = held;
        self.queue.amend(&queued).await?;
        self.state().scheduler.remove(id, Self::now());
        if !held {
            self.enter(queued, None).await;
        }
        Ok(true)
    }

    /// Takes a message out; nobody is told. Whether there was such a message.
    ///
    /// # Errors
    /// The store's.
    pub async fn drop_message(&self, id: QueueId) -> Result<bool, Error> {
        let _turn = self.turns.of(id).await;
        let Some(mut queued) = self.queue.find(id).await? else { return Ok(false) };
        self.state().scheduler.remove(id, Self::now());
        for progress in &mut queued.progress {
            progress.settled.get_or_insert(Settled::Dropped);
        }
        self.queue.remove(&queued).await?;
        self.forget(id);
        self.undated(&queued);
        tracing::info!(queue = %id, "dropped");
        Ok(true)
    }
}

/// Whether the author asks for delivery whatever is asked of TLS (RFC 8689 §5).
fn needs_no_tls(content: &[u8]) -> bool {
    let found = mail::header::fields(content).find(|field| field.is("TLS-Required"));
    found.is_some_and(|field| field.unfolded().trim_ascii().eq_ignore_ascii_case(b"no"))
}

/// Another one for each server: numbers of processes are the same in all containers.
fn seed() -> u64 {
    let mut octets = [0; 8];
    // Without random numbers servers only wait alike.
    let _ = aws_lc_rs::rand::fill(&mut octets);
    u64::from_le_bytes(octets)
}

/// The Message-ID, under which others know a message; empty where there is none.
fn message_id(content: &[u8]) -> String {
    let found = mail::header::fields(content).find(|field| field.is("Message-ID"));
    let text = found.map(|field| field.unfolded()).unwrap_or_default();
    let shown = text.get(..MESSAGE_ID_OCTETS_MAX).unwrap_or(&text);
    String::from_utf8_lossy(shown).into_owned()
}

/// Starts the work in the background.
pub fn start(outbound: &Arc<Outbound>, shutdown: watch::Receiver<bool>) {
    tokio::spawn(Arc::clone(outbound).run(shutdown));
}
