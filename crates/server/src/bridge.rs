//! Bridges: the only places that know both a protocol and the account.

use crate::auth::Access;
use std::{future::Future, sync::Arc};
use wire::Machine;

pub mod https;
pub mod imap;
pub mod pop3;
pub mod smtp;

/// The world's side of one connection: performs what its machine asks.
pub trait Bridge: Send {
    /// The protocol.
    type Machine: Machine<Effect: Send> + Send;

    /// Performs an effect and tells the machine through the machine's own outcome methods.
    /// Streaming effects perform one bounded piece (some 64 KiB of output) and have the machine
    /// ask for more, so that back-pressure holds.
    fn perform(
        &mut self,
        machine: &mut Self::Machine,
        effect: <Self::Machine as Machine>::Effect,
    ) -> impl Future<Output = ()> + Send;

    /// Ready when the waiting machine should hear [`wire::Event::News`]. Cancel-safe. Never ready
    /// while nothing is to be told (POP3, SMTP: never).
    fn news(&mut self) -> impl Future<Output = ()> + Send;

    /// The login, if there is one: once it is withdrawn, the machine hears
    /// [`wire::Event::Withdrawn`] and nothing more is performed.
    fn access(&self) -> Option<&Arc<Access>> {
        None
    }
}
