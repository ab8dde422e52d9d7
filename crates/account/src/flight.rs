//! Commits on their way to the disk. The store fixes their order when they are handed over; here
//! they become visible in that order, driven by whoever waits. A waiter that gives up leaves its
//! commit to the finisher, so that what became durable is always seen.

use crate::state::Applied;
use std::{
    pin::Pin,
    sync::{Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker},
};

type Pending = store::Fut<'static, ()>;

enum Stage {
    Flying { future: Pending, waker: Waker },
    Landed(Result<(), store::Error>),
}

/// One commit.
pub(crate) struct Flight {
    pub modseq: u64,
    pub changes: Vec<Applied>,
    /// What appended messages weigh, counted against the quota until they are visible.
    pub octets: u64,
    pub messages: u64,
    stage: Mutex<Stage>,
    waiter: Mutex<Option<Waker>>,
    settled: Mutex<Option<Result<(), store::Error>>>,
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl Flight {
    pub fn new(modseq: u64, changes: Vec<Applied>, weight: (u64, u64), future: Pending) -> Self {
        let stage = Mutex::new(Stage::Flying { future, waker: Waker::noop().clone() });
        let (octets, messages) = weight;
        let (waiter, settled) = (Mutex::default(), Mutex::default());
        Self { modseq, changes, octets, messages, stage, waiter, settled }
    }

    /// Asks the store, for this waker or for the one that asked before.
    pub fn poll(&self, waker: Option<&Waker>) -> Option<Result<(), store::Error>> {
        let mut stage = lock(&self.stage);
        match &mut *stage {
            Stage::Landed(outcome) => Some(outcome.clone()),
            Stage::Flying { future, waker: kept } => {
                if let Some(waker) = waker {
                    kept.clone_from(waker);
                }
                let waker = kept.clone();
                match Pin::as_mut(future).poll(&mut Context::from_waker(&waker)) {
                    Poll::Pending => None,
                    Poll::Ready(outcome) => {
                        *stage = Stage::Landed(outcome.clone());
                        drop(stage);
                        waker.wake();
                        Some(outcome)
                    }
                }
            }
        }
    }

    /// Its changes are visible (or never will be).
    pub fn settle(&self, outcome: Result<(), store::Error>) {
        *lock(&self.settled) = Some(outcome);
    }

    pub fn settled(&self) -> Option<Result<(), store::Error>> {
        lock(&self.settled).clone()
    }
}

impl Flight {
    /// Wakes the waiter after [`Flight::settle`].
    pub fn wake(&self) {
        if let Some(waker) = lock(&self.waiter).take() {
            waker.wake();
        }
    }
    /// Remembers who waits to be settled.
    pub fn wait(&self, waker: &Waker) {
        *lock(&self.waiter) = Some(waker.clone());
    }
}
