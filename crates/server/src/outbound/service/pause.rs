//! Accounts that may send nothing for now: what they sent before waits, and goes on as it was.
//!
//! Invariants: what is put aside here is in no line of the scheduler and in no connection's hands,
//! so that nothing of it goes twice when it goes on; it neither counts as tried nor expires.

use super::Outbound;
use account::queue::{Envelope, Queued};
use delivery::queue::Item;
use mail::AccountId;
use std::{collections::HashMap, sync::Arc};

/// A message of a paused account is looked at again for its end so much later.
pub(super) const PAUSED_LOOK_SECONDS: i64 = 600;

/// What was put aside, by account: sites and what waits for them.
pub(super) type Aside = HashMap<u32, Vec<(Arc<str>, Item)>>;

impl Outbound {
    /// Whether who sent it may send nothing for now.
    pub(super) fn is_paused(&self, envelope: &Envelope) -> bool {
        let directory = self.accounts.directory();
        envelope.account.is_some_and(|account| directory.sending(account).paused)
    }

    /// Puts an item aside if its account is paused; whether it did.
    pub(super) fn put_aside(&self, queued: &Queued, (site, item): (&str, &Item)) -> bool {
        let Some(account) = queued.envelope.account else { return false };
        // Under the lock that `resume` takes: an item is never put aside after its account's were
        // taken up.
        let mut state = self.state();
        if !self.accounts.directory().sending(account).paused {
            return false;
        }
        state.aside.entry(account.0).or_default().push((Arc::from(site), item.clone()));
        true
    }

    /// An account may send again: what waited goes on.
    pub fn resume(&self, account: AccountId) {
        let now = Self::now();
        let mut state = self.state();
        for (site, item) in state.aside.remove(&account.0).unwrap_or_default() {
            state.scheduler.add(&site, item, (now, now));
        }
        drop(state);
        self.notify.notify_one();
    }
}
