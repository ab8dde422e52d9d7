//! One POP3 session of an account at a time (RFC 1939 §4: "an exclusive-access lock on the
//! maildrop").
//!
//! Who comes while another is there waits a moment: two devices of one person that fetch by the
//! same clock should both have their mail.

use mail::AccountId;
use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// How long a session waits for the one before it.
const WAIT: Duration = Duration::from_secs(2);

/// The locks of all accounts.
#[derive(Clone, Default, Debug)]
pub(super) struct Locks(Arc<Table>);

#[derive(Default, Debug)]
struct Table {
    taken: Mutex<HashSet<AccountId>>,
    given_back: Notify,
}

/// A lock; given back when dropped.
#[derive(Debug)]
pub(super) struct Lock {
    table: Arc<Table>,
    account: AccountId,
}

impl Table {
    fn taken(&self) -> MutexGuard<'_, HashSet<AccountId>> {
        self.taken.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Locks {
    /// `None` when another session keeps it.
    pub async fn take(&self, account: AccountId) -> Option<Lock> {
        let until = Instant::now() + WAIT;
        loop {
            // First who waits, then the look: what is given back in between wakes.
            let mut given_back = std::pin::pin!(self.0.given_back.notified());
            given_back.as_mut().enable();
            if self.0.taken().insert(account) {
                return Some(Lock { table: Arc::clone(&self.0), account });
            }
            timeout_at(until, given_back).await.ok()?;
        }
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.table.taken().remove(&self.account);
        self.table.given_back.notify_waiters();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn one_at_a_time() {
        let locks = Locks::default();
        let first = locks.take(AccountId(1)).await.unwrap();
        let other = locks.take(AccountId(2)).await.unwrap();
        let began = Instant::now();
        assert!(locks.take(AccountId(1)).await.is_none());
        assert_eq!(began.elapsed(), WAIT);
        drop(other);
        assert!(locks.take(AccountId(1)).await.is_none());
        drop(first);
        assert!(locks.take(AccountId(1)).await.is_some());
        assert!(locks.0.taken().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn who_waits_is_next() {
        let locks = Locks::default();
        let first = locks.take(AccountId(1)).await.unwrap();
        let waiting = tokio::spawn({
            let locks = locks.clone();
            async move { locks.take(AccountId(1)).await.is_some() }
        });
        tokio::time::sleep(WAIT / 2).await;
        drop(first);
        assert!(waiting.await.unwrap());
    }
}
