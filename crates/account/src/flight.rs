//! Commits on their way to the disk: what each will change, and who waits for it.
//!
//! The store fixes their order when they are handed over; the account makes them visible in that
//! order, driven by the store's own wake-ups. A waiter only waits: when it gives up, nothing is
//! lost.

use crate::{plan::Planned, state::Delta};
use std::{
    future::poll_fn,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Poll, Waker},
};

/// How a commit ended.
pub(crate) type Outcome = Result<(), store::Error>;

/// A commit on its way, in the account's queue.
pub(crate) struct Flight {
    pub modseq: u64,
    pub future: store::Fut<'static, ()>,
    pub delta: Delta,
    /// What it planned, to be forgotten when it has landed.
    pub planned: Vec<Planned>,
    /// Nothing else may be planned until it has landed.
    pub exclusive: bool,
    pub landing: std::sync::Arc<Landing>,
}

/// Where a commit's outcome is waited for, by any number of waiters.
#[derive(Default)]
pub(crate) struct Landing(Mutex<(Option<Outcome>, Vec<Waker>)>);

impl Landing {
    fn inner(&self) -> MutexGuard<'_, (Option<Outcome>, Vec<Waker>)> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Its changes are visible, or never will be. Gives who waits, to be woken without a lock.
    pub fn settle(&self, outcome: Outcome) -> Vec<Waker> {
        let mut inner = self.inner();
        inner.0 = Some(outcome);
        std::mem::take(&mut inner.1)
    }

    /// Ready when settled. Cancel-safe.
    pub async fn settled(&self) -> Outcome {
        poll_fn(|context| {
            let mut inner = self.inner();
            if let Some(outcome) = &inner.0 {
                return Poll::Ready(outcome.clone());
            }
            let waker = context.waker();
            if !inner.1.iter().any(|known| known.will_wake(waker)) {
                inner.1.push(waker.clone());
            }
            Poll::Pending
        })
        .await
    }
}
