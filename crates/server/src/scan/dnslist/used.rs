//! Which of the configured lists are asked: those that did not lie when they were tried.
//!
//! Invariants: no list is asked about mail before it was tried; one that lists everybody, or that
//! answers what no list would, is not asked until it was tried anew, a day later. One that cannot
//! be reached is asked: it may come back, and without an answer it decides nothing.

use super::{List, Settings, working};
use mailauth::dns::Dns;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::watch,
    time::{sleep, timeout},
};

/// Lists are tried so often.
const TRIED_EVERY: Duration = Duration::from_secs(86_400);

/// Lists, and which of them are asked now.
pub struct Used {
    settings: Settings,
    /// `None`: they were not tried yet.
    now: watch::Sender<Option<Arc<[List]>>>,
}

impl Used {
    /// Those of the settings; asked once [`Self::keep_trying`] has tried them.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self { settings, now: watch::Sender::new(None) }
    }

    /// Whether none are configured.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.settings.lists.is_empty()
    }

    /// Seconds for their answers.
    #[must_use]
    pub const fn seconds(&self) -> u32 {
        self.settings.seconds
    }

    /// Those that are asked now; mail that comes while they are tried for the first time waits for
    /// that, as long as for an answer.
    pub async fn now(&self) -> Arc<[List]> {
        let mut now = self.now.subscribe();
        let tried = now.wait_for(Option::is_some);
        let tried = timeout(Duration::from_secs(self.settings.seconds.into()), tried).await;
        match tried {
            Ok(Ok(found)) => found.clone().unwrap_or_default(),
            Ok(Err(_)) | Err(_) => Arc::default(),
        }
    }

    /// Tries all of them once.
    pub async fn try_all(&self, dns: &impl Dns) {
        let found = working(dns, self.settings.lists.clone(), self.settings.seconds).await;
        self.now.send_replace(Some(found.into()));
    }

    /// Tries them now and every day, until `shutdown`.
    pub async fn keep_trying(&self, dns: &impl Dns, mut shutdown: watch::Receiver<bool>) {
        while !self.is_empty() {
            tokio::select! {
                _ = shutdown.wait_for(|down| *down) => return,
                () = async {
                    self.try_all(dns).await;
                    sleep(TRIED_EVERY).await;
                } => {}
            }
        }
    }
}
