//! Logged-in connections of each account: counted, and ended when what they logged in with does no
//! longer do.
//!
//! Invariants: a session is here from before its login is looked at for the last time until it is
//! dropped, so that none that was let in by what is withdrawn meanwhile is missed; the table holds
//! only accounts that have sessions now.

use account::directory::Proof;
use hashbrown::HashMap;
use mail::AccountId;
use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::{
    sync::Notify,
    time::{Instant, timeout_at},
};

/// A login, as long as it may be used.
pub struct Access {
    /// What it was made with.
    pub(super) proof: Proof,
    /// The time of a token is over.
    until: Option<Instant>,
    withdrawn: AtomicBool,
    told: Notify,
}

impl Access {
    /// Good until it is withdrawn, or for so long.
    pub(crate) fn new(proof: Proof, lasts: Option<Duration>) -> Arc<Self> {
        let until = lasts.and_then(|lasts| Instant::now().checked_add(lasts));
        let (withdrawn, told) = (AtomicBool::new(false), Notify::new());
        Arc::new(Self { proof, until, withdrawn, told })
    }

    /// Whether it may be used no longer.
    #[must_use]
    pub fn is_withdrawn(&self) -> bool {
        self.withdrawn.load(Ordering::Acquire)
            || self.until.is_some_and(|until| until <= Instant::now())
    }

    /// Waits until it may be used no longer. Cancel-safe.
    pub async fn withdrawn(&self) {
        while !self.is_withdrawn() {
            let told = self.told.notified();
            match self.until {
                None => told.await,
                // Boxed: few sessions have a timer.
                Some(until) => {
                    let _ = Box::pin(timeout_at(until, told)).await;
                }
            }
        }
    }

    /// It is good no longer.
    pub(crate) fn withdraw(&self) {
        self.withdrawn.store(true, Ordering::Release);
        self.told.notify_one();
    }
}

/// An account's place among its connections; given back when dropped.
pub struct Session {
    /// The account.
    pub account: Arc<account::Account>,
    /// Its main address.
    pub address: mail::Address,
    /// IMAP capabilities that it is not shown.
    pub hidden_capabilities: Arc<[String]>,
    /// Whether it may go on.
    pub access: Arc<Access>,
    pub(super) open: Arc<Open>,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.open.leave(self.account.id(), &self.access);
    }
}

/// All of them.
#[derive(Default)]
pub struct Open {
    sessions: Mutex<HashMap<AccountId, Vec<Arc<Access>>>>,
}

impl Open {
    /// Takes a place; whether there was one.
    pub fn enter(&self, id: AccountId, access: &Arc<Access>, max: u32) -> bool {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        let here = sessions.entry(id).or_default();
        let room = here.len() < max as usize;
        if room {
            here.push(Arc::clone(access));
        } else if here.is_empty() {
            sessions.remove(&id);
        }
        room
    }

    fn leave(&self, id: AccountId, access: &Arc<Access>) {
        let mut sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(here) = sessions.get_mut(&id) {
            if let Some(at) = here.iter().position(|other| Arc::ptr_eq(other, access)) {
                here.swap_remove(at);
            }
            if here.is_empty() {
                sessions.remove(&id);
            }
        }
    }

    /// The sessions of an account now.
    pub fn of(&self, id: AccountId) -> Vec<Arc<Access>> {
        let sessions = self.sessions.lock().unwrap_or_else(PoisonError::into_inner);
        sessions.get(&id).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_at_the_limit_and_beyond() {
        let open = Open::default();
        let access = || Access::new(Proof::App([0; 32]), None);
        let (one, two) = (access(), access());
        assert!(!open.enter(AccountId(1), &one, 0));
        assert!(open.sessions.lock().unwrap().is_empty());
        assert!(open.enter(AccountId(1), &one, 1));
        assert!(!open.enter(AccountId(1), &two, 1));
        open.leave(AccountId(1), &two);
        assert_eq!(open.of(AccountId(1)).len(), 1);
        open.leave(AccountId(1), &one);
        assert!(open.sessions.lock().unwrap().is_empty());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_hears_that_it_is_withdrawn_also_when_it_waits_later() {
        let access = Access::new(Proof::App([0; 32]), None);
        assert!(!access.is_withdrawn());
        access.withdraw();
        access.withdrawn().await;
        // And again.
        access.withdrawn().await;
        assert!(access.is_withdrawn());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_with_its_token() {
        let begin = Instant::now();
        let access = Access::new(Proof::Token([0; 32]), Some(Duration::from_secs(60)));
        assert!(!access.is_withdrawn());
        access.withdrawn().await;
        assert!(access.is_withdrawn());
        assert!(begin.elapsed() >= Duration::from_secs(60));
    }
}
