//! Login checks for all protocols: one place that verifies, slows down failures, and logs.
//!
//! Invariants: a wrong name and a wrong password take the same time and hear the same words; a
//! password is hashed by a bounded number of threads; nobody can lock an owner out: a right
//! password from an address that did not fail is never slowed. No password and no key is logged.

mod cache;
mod open;
mod slowdown;
mod token;

pub use open::{Access, Session};

use crate::{admission::Admission, context::Peer, metrics::Metrics};
use account::{Accounts, Credentials, directory::Proof};
use aws_lc_rs::{hmac, rand};
use cache::Verified;
use mail::AccountId;
use open::Open;
use slowdown::Slowdown;
use std::{sync::Arc, time::Duration};
use tokio::{sync::Semaphore, task::spawn_blocking, time::sleep};
use wire::auth::{Answer, Ask, Refusal, ScramKeys, Secret};

/// Limits of logins.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct LoginLimits {
    /// Logged-in connections of one account.
    pub connections_per_account_max: u32,
    /// Longest delay after failures, in seconds.
    pub login_delay_seconds_max: u32,
}

/// Checks logins.
pub struct Authenticator {
    limits: LoginLimits,
    /// For what unknown logins are told; derived from the master key, so that it stays.
    decoys: hmac::Key,
    hashing: Arc<Semaphore>,
    verified: Verified,
    slowdown: Slowdown,
    open: Arc<Open>,
    admission: Arc<Admission>,
    metrics: Arc<Metrics>,
}

/// A login at hand, for checks and logs.
struct Attempt<'a> {
    accounts: &'a Arc<Accounts>,
    peer: &'a Peer,
    protocol: &'static str,
    login: String,
    authzid: String,
}

type Outcome = Result<Session, Refusal>;

impl Authenticator {
    /// `secret` makes up keys for unknown logins; it should survive restarts.
    #[must_use]
    pub fn new(
        limits: LoginLimits,
        secret: &[u8; 32],
        admission: Arc<Admission>,
        metrics: Arc<Metrics>,
    ) -> Self {
        let threads = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let delay_max = Duration::from_secs(limits.login_delay_seconds_max.into());
        Self {
            limits,
            decoys: hmac::Key::new(hmac::HMAC_SHA256, secret),
            hashing: Arc::new(Semaphore::new(threads)),
            verified: Verified::new(),
            slowdown: Slowdown::new(delay_max),
            open: Arc::default(),
            admission,
            metrics,
        }
    }

    /// Answers an [`Ask`]. Waits longer the more often this address or this account failed lately
    /// (a right password from an address that never failed is not slowed). Gives the session with
    /// [`Answer::Accepted`].
    pub async fn answer(
        &self,
        accounts: &Arc<account::Accounts>,
        peer: &Peer,
        protocol: &'static str,
        ask: Ask,
    ) -> (Answer, Option<Session>) {
        let attempt = |login: String, authzid: String| Attempt {
            accounts,
            peer,
            protocol,
            login: login.trim().to_lowercase(),
            authzid,
        };
        match ask {
            Ask::Scram { login } => (self.scram(&attempt(login, String::new())).await, None),
            Ask::Password { login, authzid, password } => {
                let attempt = attempt(login, authzid);
                let outcome = self.password(&attempt, password).await;
                self.conclude(&attempt, outcome).await
            }
            Ask::Token { authzid, token } => {
                let attempt = attempt(authzid, String::new());
                let outcome = self.token(&attempt, token).await;
                self.conclude(&attempt, outcome).await
            }
            Ask::ScramEnded { login, authzid, proven } => {
                let attempt = attempt(login, authzid);
                let outcome = self.scram_ended(&attempt, proven).await;
                self.conclude(&attempt, outcome).await
            }
        }
    }

    async fn credentials(&self, attempt: &Attempt<'_>) -> Result<Option<Credentials>, Refusal> {
        let found = attempt.accounts.directory().credentials(&attempt.login).await;
        found.map_err(|error| {
            tracing::error!(%error, "directory");
            self.metrics.error("directory");
            Refusal::Unavailable
        })
    }

    async fn password(&self, attempt: &Attempt<'_>, password: Secret) -> Outcome {
        let credentials = self.credentials(attempt).await?;
        if let Some(credentials) = &credentials
            && let Some(proof) = self.verified.knows(&attempt.login, &password, credentials)
        {
            return self.admit(attempt, credentials, (proof, None)).await;
        }
        sleep(self.slowdown.before(attempt.peer, &attempt.login)).await;
        let Ok(_permit) = Arc::clone(&self.hashing).acquire_owned().await else {
            return Err(Refusal::Unavailable);
        };
        let checked = spawn_blocking(move || match credentials {
            Some(credentials) => {
                let proof = credentials.verify(password.reveal());
                (proof.map(|proof| (proof, credentials)), password)
            }
            None => {
                Credentials::verify_nobody(password.reveal());
                (None, password)
            }
        });
        let Ok((right, password)) = checked.await else { return Err(Refusal::Unavailable) };
        let Some((proof, credentials)) = right else { return Err(Refusal::Credentials) };
        self.verified.remember(&attempt.login, &password, (&credentials, proof));
        self.admit(attempt, &credentials, (proof, None)).await
    }

    async fn scram(&self, attempt: &Attempt<'_>) -> Answer {
        let mut nonce = [0; 18];
        let drawn = rand::fill(&mut nonce);
        let credentials = match self.credentials(attempt).await {
            _ if drawn.is_err() => return Answer::Refused(Refusal::Unavailable),
            Ok(credentials) => credentials,
            Err(refusal) => return Answer::Refused(refusal),
        };
        let keys = credentials.map_or_else(
            || self.decoy(&attempt.login),
            |credentials| {
                let (salt, iterations, stored_key, server_key) = credentials.scram();
                ScramKeys { salt: salt.to_vec(), iterations, stored_key, server_key }
            },
        );
        Answer::Scram { keys, nonce }
    }

    /// Keys of nobody: the same for a login each time, as a real one's are.
    fn decoy(&self, login: &str) -> ScramKeys {
        let draw = |what: &str| {
            let tag = hmac::sign(&self.decoys, format!("{what}\0{login}").as_bytes());
            let mut bytes = [0; 32];
            bytes.iter_mut().zip(tag.as_ref()).for_each(|(to, from)| *to = *from);
            bytes
        };
        let salt = draw("salt").into_iter().take(account::directory::SCRAM_SALT_OCTETS);
        ScramKeys {
            salt: salt.collect(),
            iterations: account::directory::SCRAM_ITERATIONS,
            stored_key: draw("stored"),
            server_key: draw("server"),
        }
    }

    async fn scram_ended(&self, attempt: &Attempt<'_>, proven: bool) -> Outcome {
        sleep(self.slowdown.before(attempt.peer, &attempt.login)).await;
        match self.credentials(attempt).await? {
            Some(credentials) if proven => {
                self.admit(attempt, &credentials, (credentials.main(), None)).await
            }
            _ => Err(Refusal::Credentials),
        }
    }

    /// The password or token is right; may this login come in? `lasts` is how long a token is good
    /// for.
    async fn admit(
        &self,
        attempt: &Attempt<'_>,
        credentials: &Credentials,
        (proof, lasts): (Proof, Option<Duration>),
    ) -> Outcome {
        let address = credentials.address();
        let as_whom = attempt.authzid.trim().to_lowercase();
        let itself = as_whom.is_empty()
            || as_whom == attempt.login
            || as_whom == address.to_string().to_lowercase();
        if !itself {
            return Err(Refusal::Authorization);
        }
        if credentials.disabled() {
            return Err(Refusal::Disabled);
        }
        let account = attempt.accounts.account(credentials.account()).await.map_err(|error| {
            tracing::error!(account = %credentials.account(), %error, "account cannot be loaded");
            self.metrics.error("account");
            Refusal::Unavailable
        })?;
        let access = Access::new(proof, lasts);
        if !self.open.enter(account.id(), &access, self.limits.connections_per_account_max) {
            return Err(Refusal::TooMany);
        }
        let open = Arc::clone(&self.open);
        let (address, hidden) = (address.clone(), credentials.hidden_capabilities());
        let hidden_capabilities = hidden.into();
        let session = Session { account, address, hidden_capabilities, access, open };
        // Looked at once more now that it would be ended: it may have been withdrawn meanwhile.
        match self.holds(attempt.accounts, session.account.id(), &proof).await {
            Ok(true) => Ok(session),
            Ok(false) => Err(Refusal::Credentials),
            Err(_) => Err(Refusal::Unavailable),
        }
    }

    /// Whether a login that was made with this would still be let in.
    async fn holds(
        &self,
        accounts: &Accounts,
        id: AccountId,
        proof: &Proof,
    ) -> Result<bool, account::Error> {
        let directory = accounts.directory();
        let credentials = match proof {
            Proof::Token(token) => {
                directory.token_by_id(id, *token).await?.map(|(credentials, _)| credentials)
            }
            Proof::Password(_) | Proof::App(_) => directory.credentials_of(id).await?,
        };
        Ok(credentials.is_some_and(|found| !found.disabled() && found.holds(proof)))
    }

    /// Ends the sessions of an account whose logins would not be let in any more: after it was
    /// switched off or erased, and after a password or a token of it was changed or revoked.
    pub async fn review(&self, accounts: &Accounts, id: AccountId) {
        for access in self.open.of(id) {
            match self.holds(accounts, id, &access.proof).await {
                Ok(true) => continue,
                Ok(false) => {}
                Err(error) => tracing::error!(account = %id, %error, "directory"),
            }
            access.withdraw();
        }
    }

    /// Counts, slows down, logs, answers.
    async fn conclude(&self, attempt: &Attempt<'_>, outcome: Outcome) -> (Answer, Option<Session>) {
        let Attempt { peer, protocol, login, .. } = attempt;
        self.metrics.login(protocol, outcome.is_ok());
        match outcome {
            Ok(session) => {
                self.admission.logged_in(peer.id);
                self.slowdown.succeeded(peer, login);
                let address = &session.address;
                tracing::info!(
                    connection = peer.id, protocol, peer = %peer.address.ip(), %address, "login"
                );
                (Answer::Accepted { login: session.address.to_string() }, Some(session))
            }
            Err(refusal) => {
                // A login that is not an address may be a password typed into the wrong field.
                let shown = if login.contains('@') { login.as_str() } else { "(not an address)" };
                tracing::warn!(
                    connection = peer.id, protocol, peer = %peer.address.ip(), login = shown,
                    ?refusal, "login refused"
                );
                if refusal == Refusal::Credentials {
                    sleep(self.slowdown.failed(peer, login)).await;
                }
                (Answer::Refused(refusal), None)
            }
        }
    }
}
