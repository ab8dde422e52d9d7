//! What is counted for reports, gathered in memory for some seconds and then written down.
//!
//! Invariants: nobody who counts waits; what is gathered has a limit, beyond which it is counted as
//! lost; a kill loses the counts of [`EVERY`] at most, never a message. Nobody is counted for whom
//! no report would be sent.

use super::{Settings, dmarc::Counted, tls::Session};
use crate::clock::SystemClock;
use account::{
    Clock as _, Error,
    queue::{Addition, Queue, TallyId, TallyKind, TallyLimits},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::sleep,
};

/// Counts are written so often.
pub const EVERY: Duration = Duration::from_secs(5);
/// Rows that are gathered in memory at most, some hundred octets each.
const GATHERED_ROWS_MAX: usize = 10_000;
/// With so many rows they are written at once.
const GATHERED_ROWS_HIGH: usize = 2_000;
const DAY_SECONDS: i64 = 86_400;

/// What waits to be written.
#[derive(Default)]
struct Gathered {
    additions: BTreeMap<TallyId, Addition>,
    rows: usize,
    /// Of domains for which there was no room.
    dropped: u64,
}

/// Counts for reports.
pub struct Tallies {
    queue: Arc<Queue>,
    settings: Settings,
    gathered: Mutex<Gathered>,
    many: Notify,
    /// Held by who sends reports.
    pub(super) sending: tokio::sync::Mutex<()>,
}

/// Days since 1970 of a time.
#[must_use]
pub fn day_of(seconds: i64) -> u32 {
    u32::try_from(seconds.div_euclid(DAY_SECONDS)).unwrap_or(0)
}

impl Gathered {
    fn add(&mut self, id: TallyId, about: Vec<u8>, row: Vec<u8>) {
        if self.rows >= GATHERED_ROWS_MAX {
            match self.additions.get_mut(&id) {
                Some(known) => match known.rows.get_mut(&row) {
                    Some(count) => *count += 1,
                    None => known.lost += 1,
                },
                None => self.dropped += 1,
            }
            return;
        }
        let addition = self.additions.entry(id).or_default();
        addition.about = about;
        let count = addition.rows.entry(row).or_insert_with(|| {
            self.rows += 1;
            0
        });
        *count += 1;
    }
}

impl Tallies {
    /// Writes into the queue's part of the store.
    #[must_use]
    pub fn new(queue: &Arc<Queue>, settings: Settings) -> Self {
        let (gathered, many, sending) = Default::default();
        Self { queue: Arc::clone(queue), settings, gathered, many, sending }
    }

    /// How reports are sent.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    /// Where what is counted is.
    #[must_use]
    pub const fn queue(&self) -> &Arc<Queue> {
        &self.queue
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts one for a domain's report of today. `about` replaces what was said before.
    pub fn count(&self, (kind, domain): (TallyKind, &str), about: Vec<u8>, row: Vec<u8>) {
        let wanted = match kind {
            TallyKind::Dmarc => self.settings.dmarc,
            TallyKind::Tls => self.settings.tls,
        };
        if !wanted {
            return;
        }
        let day = day_of(SystemClock.now_seconds());
        let id = TallyId { kind, day, domain: domain.to_owned() };
        let mut gathered = self.gathered();
        gathered.add(id, about, row);
        if gathered.rows >= GATHERED_ROWS_HIGH {
            self.many.notify_one();
        }
    }

    /// Counts a message that came in, if its author's domain asked for reports.
    pub fn count_mail(&self, counted: Option<&Counted>) {
        if let Some(Counted { domain, about, row }) = counted {
            self.count((TallyKind::Dmarc, domain), about.clone(), row.clone());
        }
    }

    /// Counts a session with a host of a domain that asked for TLS reports.
    pub fn count_session(&self, domain: &str, session: &Session) {
        self.count((TallyKind::Tls, domain), Vec::new(), session.stored());
    }

    /// Writes down what was gathered. What cannot be written is lost, and the log says so.
    ///
    /// # Errors
    /// The store's.
    pub async fn write(&self) -> Result<(), Error> {
        let Gathered { additions, dropped, .. } = std::mem::take(&mut *self.gathered());
        if additions.is_empty() && dropped == 0 {
            return Ok(());
        }
        let limits = TallyLimits {
            rows_max: self.settings.rows_max,
            all_rows_max: self.settings.all_rows_max,
        };
        let uncounted = self.queue.count_rows(&additions, limits).await? + dropped;
        if uncounted > 0 {
            tracing::warn!(uncounted, "more than reports.all_rows_max: not in any report");
        }
        Ok(())
    }

    /// Writes until `shutdown`, and then once more.
    pub async fn run(&self, mut shutdown: watch::Receiver<bool>) {
        loop {
            let down = tokio::select! {
                _ = shutdown.wait_for(|down| *down) => true,
                () = self.many.notified() => false,
                () = sleep(EVERY) => false,
            };
            if let Err(error) = self.write().await {
                tracing::warn!(%error, "what was counted for reports is lost");
            }
            if down {
                return;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(domain: &str) -> TallyId {
        TallyId { kind: TallyKind::Tls, day: 1, domain: domain.to_owned() }
    }

    #[test]
    fn what_is_gathered_has_a_limit() {
        let mut gathered = Gathered::default();
        for row in 0..GATHERED_ROWS_MAX {
            gathered.add(id("a.test"), Vec::new(), row.to_be_bytes().to_vec());
        }
        assert_eq!((gathered.rows, gathered.dropped), (GATHERED_ROWS_MAX, 0));
        assert_eq!(gathered.additions[&id("a.test")].lost, 0);
        // A row that is there goes on counting, another is lost, another domain is dropped.
        gathered.add(id("a.test"), Vec::new(), 0_usize.to_be_bytes().to_vec());
        gathered.add(id("a.test"), Vec::new(), b"new".to_vec());
        gathered.add(id("b.test"), Vec::new(), b"new".to_vec());
        let addition = &gathered.additions[&id("a.test")];
        assert_eq!((addition.lost, addition.rows.len()), (1, GATHERED_ROWS_MAX));
        assert_eq!(addition.rows[&0_usize.to_be_bytes().to_vec()], 2);
        assert_eq!((gathered.dropped, gathered.additions.len()), (1, 1));
    }
}
