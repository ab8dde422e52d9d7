//! DNS that is asked within a time.
//!
//! Invariant: a question that has no answer when the time is over failed for now, as any other
//! that nobody answers: it says nothing about what was asked.

use mailauth::dns::{Answer, Dns, Failure};
use std::{future::Future, net::IpAddr, time::Duration};
use tokio::time::{Instant, timeout_at};

/// All questions together have so long.
pub struct Within<'a, D> {
    dns: &'a D,
    until: Instant,
}

impl<'a, D: Dns> Within<'a, D> {
    /// The time begins now.
    pub fn new(dns: &'a D, time: Duration) -> Self {
        Self { dns, until: Instant::now() + time }
    }

    async fn ask<T: Send>(&self, question: impl Future<Output = Answer<T>> + Send) -> Answer<T> {
        timeout_at(self.until, question).await.unwrap_or(Err(Failure::Temporary))
    }
}

impl<D: Dns> Dns for Within<'_, D> {
    async fn txt(&self, name: &str) -> Answer<Vec<u8>> {
        self.ask(self.dns.txt(name)).await
    }

    async fn addresses(&self, name: &str, ipv6: bool) -> Answer<IpAddr> {
        self.ask(self.dns.addresses(name, ipv6)).await
    }

    async fn exchanges(&self, name: &str) -> Answer<String> {
        self.ask(self.dns.exchanges(name)).await
    }

    async fn names(&self, address: IpAddr) -> Answer<String> {
        self.ask(self.dns.names(address)).await
    }
}
