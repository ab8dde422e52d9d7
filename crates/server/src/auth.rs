//! Login checks for all protocols: one place that verifies, slows down failures, and logs.

use crate::context::Peer;
use std::sync::Arc;
use wire::auth::{Answer, Ask};

/// Checks logins.
pub struct Authenticator {}

/// An account's place among its connections; given back when dropped.
pub struct Session {
    /// The account.
    pub account: Arc<account::Account>,
    /// Its main address.
    pub address: mail::Address,
}

impl Authenticator {
    /// Answers an [`Ask`]. Waits longer the more often this address or this account failed lately
    /// (a right password from an address that never failed is not slowed). Gives the session with
    /// [`Answer::Accepted`].
    pub async fn answer(
        &self,
        _accounts: &Arc<account::Accounts>,
        _peer: &Peer,
        _protocol: &'static str,
        _ask: Ask,
    ) -> (Answer, Option<Session>) {
        todo!()
    }
}
