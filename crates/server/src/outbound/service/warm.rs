//! Mail that waits since all addresses of ours that it could leave from are new.
//!
//! Invariants: a message is counted before a new address gives it away; one that waits for its day
//! is in the scheduler's line, untried, and expires no sooner than another; why it waits is told.

use super::{
    super::{
        source::Source,
        warmup::{Warmup, provider},
    },
    Outbound,
    open::{For, NoWay, Open},
};
use crate::calendar::short;
use account::queue::{Queued, Room};
use std::{collections::HashMap, net::IpAddr, sync::Arc};

/// Sites of which it is known that mail waits; more are found out each time.
const WAITS_MAX: usize = 10_000;

/// Mail that waits: by site and senders' domain whose addresses it leaves from.
pub(super) type Waits = HashMap<(Arc<str>, Option<String>), Wait>;

/// Until when, and why.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Wait {
    pub until: i64,
    pub why: String,
}

/// A new address, and who hears of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct New {
    address: IpAddr,
    provider: String,
}

/// From where a host is called.
pub(super) struct From<'a> {
    pub source: Source<'a>,
    /// Each message is counted.
    pub new: Option<New>,
}

impl Outbound {
    const fn warmup(&self) -> &Warmup {
        &self.settings.warmup
    }

    /// From where a host is called now: from the address that is the site's, or from another when
    /// that one is new and gave it enough today.
    pub(super) async fn source(
        &self,
        whom: For<'_>,
        (host, to): (&str, IpAddr),
    ) -> Result<From<'_>, NoWay> {
        let routed = self.settings.routes.of_site(whom.site).is_some();
        let mut wait: Option<Wait> = None;
        for source in self.settings.sources.choices(whom.pool, (whom.site, to)) {
            let address = match source {
                Source::From(address, _) if !routed && self.warmup().is_new(address) => address,
                _ => return Ok(From { source, new: None }),
            };
            let new = New { address, provider: provider(host) };
            let max = |day| self.warmup().messages_max(day);
            let room = self.queue.room((address, &new.provider), max).await;
            match room.map_err(|error| NoWay::Later(error.to_string()))? {
                Room::Yes => return Ok(From { source, new: Some(new) }),
                Room::No(until) if wait.as_ref().is_none_or(|wait| until < wait.until) => {
                    wait = Some(new.full(until));
                }
                Room::No(_) => {}
            }
        }
        Err(wait.map_or_else(|| NoWay::Later("no address".to_owned()), NoWay::Wait))
    }

    /// Counts a message that a connection is to be given. Whether it may be.
    pub(super) async fn count_new(&self, open: &Open) -> Result<bool, NoWay> {
        let Some(new) = &open.new else { return Ok(true) };
        let max = |day| self.warmup().messages_max(day);
        let room = self.queue.give((new.address, &new.provider), max).await;
        let room = room.map_err(|error| NoWay::Later(error.to_string()))?;
        Ok(room == Room::Yes)
    }

    /// Mail to a site waits.
    pub(super) fn waits(&self, whom: For<'_>, wait: &Wait) {
        let now = Self::now();
        let mut state = self.state();
        if state.waits.len() >= WAITS_MAX {
            state.waits.retain(|_, wait| wait.until > now);
        }
        if state.waits.len() < WAITS_MAX {
            tracing::info!(site = whom.site, why = wait.why, "mail waits");
            let pool = whom.pool.map(str::to_owned);
            state.waits.insert((Arc::from(whom.site), pool), wait.clone());
        }
    }

    /// Whether mail to a site is known to wait.
    pub(super) fn waiting(&self, whom: For<'_>) -> Option<Wait> {
        let pool = whom.pool.map(str::to_owned);
        let mut state = self.state();
        let key = (Arc::from(whom.site), pool);
        let wait = state.waits.get(&key)?.clone();
        if wait.until <= Self::now() {
            state.waits.remove(&key);
            return None;
        }
        Some(wait)
    }

    /// Why a message waits, if its sender or a host is not the reason.
    pub async fn waits_for(&self, queued: &Queued) -> Option<String> {
        if self.is_paused(&queued.envelope) {
            return Some("sending of its account is paused".to_owned());
        }
        if self.state().waits.is_empty() {
            return None;
        }
        let pool = self.pool(queued);
        for (target, progress) in queued.envelope.recipients.iter().zip(&queued.progress) {
            if progress.settled.is_none() {
                let site = self.site(&target.address, queued.envelope.tls_optional).await;
                if let Some(wait) = self.waiting(For { site: &site, pool }) {
                    return Some(wait.why);
                }
            }
        }
        None
    }

    /// The sender's domain whose addresses a message leaves from.
    pub(super) fn pool(&self, queued: &Queued) -> Option<&str> {
        let sender = queued.envelope.from.as_ref().map(|from| from.domain().as_str());
        self.settings.sources.pool(sender)
    }

    /// Forgets what was counted and does not count any more.
    pub(super) async fn tidy_warmth(&self) {
        if let Err(error) = self.queue.tidy_warmth(&self.warmup().addresses).await {
            tracing::error!(%error, "how warm addresses are cannot be read");
        }
    }
}

impl New {
    fn full(&self, until: i64) -> Wait {
        let Self { address, provider } = self;
        let why = format!(
            "{address} is new (outbound.warmup_addresses) and gave {provider} as much as it may \
             today; more from {} UTC on",
            short(until)
        );
        Wait { until, why }
    }
}
