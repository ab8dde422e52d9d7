//! The account's lock. While it is held, what has to be told is only noted; it is told when the
//! lock is free: nobody is woken, and no hint is sent, under it.
//!
//! The store's wake-ups come from its own threads at any moment, also while the lock is held by the
//! very thread that they come on; such a wake-up leaves a mark, and whoever frees the lock sees it.

use crate::{Account, account::Inner};
use std::{
    ops::{Deref, DerefMut},
    sync::{
        Arc, MutexGuard, PoisonError, TryLockError, Weak,
        atomic::{AtomicBool, Ordering},
    },
    task::{Wake, Waker},
};

/// What has to be told when the lock is free.
#[derive(Default)]
pub(crate) struct Tell {
    pub wakers: Vec<Waker>,
    /// The last commit that became visible.
    pub landed: Option<u64>,
    /// Sessions may have news.
    pub news: bool,
    /// Who waits for his turn may try again.
    pub calm: bool,
}

/// The lock, held.
pub(crate) struct Locked<'a> {
    account: &'a Account,
    guard: Option<MutexGuard<'a, Inner>>,
}

impl Deref for Locked<'_> {
    type Target = Inner;
    #[allow(clippy::expect_used)] // Taken by drop alone.
    fn deref(&self) -> &Inner {
        self.guard.as_ref().expect("held until dropped")
    }
}

impl DerefMut for Locked<'_> {
    #[allow(clippy::expect_used)] // Taken by drop alone.
    fn deref_mut(&mut self) -> &mut Inner {
        self.guard.as_mut().expect("held until dropped")
    }
}

impl Drop for Locked<'_> {
    fn drop(&mut self) {
        let Some(mut guard) = self.guard.take() else { return };
        let tell = std::mem::take(&mut guard.tell);
        drop(guard);
        self.account.tell(tell);
        self.account.settle();
    }
}

/// Wakes an account when a commit may have landed. Holds it weakly: an account that is dropped has
/// nobody to tell.
pub(crate) struct Nudge {
    pub account: Weak<Account>,
    pub nudged: AtomicBool,
}

impl Wake for Nudge {
    fn wake(self: Arc<Self>) {
        self.nudged.store(true, Ordering::SeqCst);
        if let Some(account) = self.account.upgrade() {
            account.settle();
        }
    }
}

impl Account {
    /// Locks.
    pub(crate) fn inner(&self) -> Locked<'_> {
        let guard = self.inner.lock().unwrap_or_else(PoisonError::into_inner);
        Locked { account: self, guard: Some(guard) }
    }

    /// Makes visible what has landed, if the store says that something may have.
    fn settle(&self) {
        // Whoever finds the lock taken leaves: the holder looks at the mark after freeing it.
        while self.nudge.nudged.load(Ordering::SeqCst) {
            let mut guard = match self.inner.try_lock() {
                Ok(guard) => guard,
                Err(TryLockError::Poisoned(poisoned)) => poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => return,
            };
            if self.nudge.nudged.swap(false, Ordering::SeqCst) {
                self.drive(&mut guard);
            }
            let tell = std::mem::take(&mut guard.tell);
            drop(guard);
            self.tell(tell);
        }
    }

    fn tell(&self, tell: Tell) {
        if tell.news {
            self.event.notify(usize::MAX);
        }
        for waker in tell.wakers {
            waker.wake();
        }
        if tell.calm {
            self.calm.notify(usize::MAX);
        }
        if let Some(modseq) = tell.landed {
            self.shared.bus.publish(self.id.0, modseq);
        }
    }
}
