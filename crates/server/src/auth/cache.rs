//! Logins that were right a moment ago, so that a phone that connects every minute does not cost a
//! password hash each time.
//!
//! Invariants: holds no password, only a tag under a key that is drawn at start and never leaves
//! the process; a changed password is another generation, which no tag knows; bounded.

use account::{Credentials, directory::Proof};
use aws_lc_rs::{hmac, rand};
use hashbrown::HashMap;
use std::{
    sync::{Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;
use wire::auth::Secret;

/// How long a login is remembered.
const REMEMBERED: Duration = Duration::from_secs(300);
/// Logins remembered at most.
const ENTRIES_MAX: usize = 20_000;

type Tag = [u8; 32];

/// The cache.
pub struct Verified {
    /// `None` when no random numbers could be had: then nothing is remembered.
    key: Option<hmac::Key>,
    until: Mutex<HashMap<Tag, (Instant, Proof)>>,
}

impl Verified {
    /// Empty, under a new key.
    pub fn new() -> Self {
        let mut secret = [0; 32];
        let drawn = rand::fill(&mut secret).is_ok();
        let key = drawn.then(|| hmac::Key::new(hmac::HMAC_SHA256, &secret));
        Self { key, until: Mutex::default() }
    }

    /// Whether this very password was right for this login lately, and which it is.
    pub fn knows(
        &self,
        login: &str,
        password: &Secret,
        credentials: &Credentials,
    ) -> Option<Proof> {
        let tag = self.tag(login, password, credentials)?;
        let until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        let (until, proof) = until.get(&tag)?;
        (*until > Instant::now()).then_some(*proof)
    }

    /// It was right.
    pub fn remember(
        &self,
        login: &str,
        password: &Secret,
        (credentials, proof): (&Credentials, Proof),
    ) {
        let Some(tag) = self.tag(login, password, credentials) else { return };
        let now = Instant::now();
        let mut until = self.until.lock().unwrap_or_else(PoisonError::into_inner);
        if until.len() >= ENTRIES_MAX {
            until.retain(|_, (until, _)| *until > now);
        }
        if until.len() < ENTRIES_MAX {
            until.insert(tag, (now + REMEMBERED, proof));
        }
    }

    fn tag(&self, login: &str, password: &Secret, credentials: &Credentials) -> Option<Tag> {
        let mut context = hmac::Context::with_key(self.key.as_ref()?);
        context.update(&credentials.account().0.to_be_bytes());
        context.update(&credentials.generation().to_be_bytes());
        // Its length first: no two pairs of login and password are the same bytes.
        context.update(&(login.len() as u64).to_be_bytes());
        context.update(login.as_bytes());
        context.update(password.reveal());
        context.sign().as_ref().try_into().ok()
    }
}
