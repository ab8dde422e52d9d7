//! Logins with a token (RFC 7628, XOAUTH2).

use super::{Attempt, Authenticator, Outcome};
use account::directory::{Proof, Scopes, Token};
use mail::{AccountId, Address};
use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::time::sleep;
use wire::auth::{Refusal, Secret};

/// The scope that a protocol asks for.
fn scope(protocol: &str) -> Option<Scopes> {
    match protocol {
        "imap" => Some(Scopes::IMAP),
        "pop3" => Some(Scopes::POP),
        "submission" => Some(Scopes::SMTP),
        _ => None,
    }
}

impl Authenticator {
    /// Whose token, is told by the token; an address that comes with it has to be the account's.
    pub(super) async fn token(&self, attempt: &Attempt<'_>, token: Secret) -> Outcome {
        sleep(self.slowdown.before(attempt.peer, &attempt.login)).await;
        let found = attempt.accounts.directory().token(token.reveal()).await;
        let found = found.map_err(|error| {
            tracing::error!(%error, "directory");
            self.metrics.error("directory");
            Refusal::Unavailable
        })?;
        let Some((credentials, token)) = found else { return Err(Refusal::Credentials) };
        let own = credentials.address().fold();
        let fold = |address: Address| address.fold();
        let is_own = Address::parse(&attempt.login).map(fold).is_some_and(|named| named == own);
        if !attempt.login.is_empty() && !is_own {
            return Err(Refusal::Credentials);
        }
        if !scope(attempt.protocol).is_some_and(|scope| token.scopes.has(scope)) {
            return Err(Refusal::Authorization);
        }
        let lasts = token.expires.map(remaining);
        let session = self.admit(attempt, &credentials, (Proof::Token(token.id), lasts)).await?;
        self.note_use(attempt, (credentials.account(), token));
        Ok(session)
    }

    /// The login does not wait for it.
    fn note_use(&self, attempt: &Attempt<'_>, (account, token): (AccountId, Token)) {
        let (accounts, metrics) = (Arc::clone(attempt.accounts), Arc::clone(&self.metrics));
        tokio::spawn(async move {
            if let Err(error) = accounts.directory().token_used(account, &token).await {
                tracing::warn!(%account, %error, "the day of a token's last use is not kept");
                metrics.error("directory");
            }
        });
    }
}

/// How long it is until then.
fn remaining(expires: i64) -> Duration {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let expires = Duration::from_secs(u64::try_from(expires).unwrap_or_default());
    expires.saturating_sub(now)
}
