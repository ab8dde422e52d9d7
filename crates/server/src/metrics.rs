//! What is counted, and how Prometheus reads it.
//!
//! Invariant: no label has a value that a peer chooses, so the number of series is bounded.

pub mod http;
mod store;

use self::store::StoreFigures;
use crate::{driver::Octets, protocol::Protocol};
use ::store::Embedded;
use prometheus_client::{
    encoding::{EncodeLabelSet, text::encode},
    metrics::{counter::Counter, family::Family, gauge::Gauge},
    registry::{Registry, Unit},
};
use std::sync::Arc;

#[derive(Clone, Hash, PartialEq, Eq, Debug, EncodeLabelSet)]
struct ByProtocol {
    protocol: &'static str,
}

#[derive(Clone, Hash, PartialEq, Eq, Debug, EncodeLabelSet)]
struct ByOutcome {
    protocol: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Hash, PartialEq, Eq, Debug, EncodeLabelSet)]
struct ByPart {
    part: &'static str,
}

#[derive(Clone, Hash, PartialEq, Eq, Debug, EncodeLabelSet)]
struct ByDirection {
    protocol: &'static str,
    direction: &'static str,
}

/// The counters.
#[derive(Default)]
pub struct Metrics {
    registry: Registry,
    open: Family<ByProtocol, Gauge>,
    connections: Family<ByOutcome, Counter>,
    logins: Family<ByOutcome, Counter>,
    octets: Family<ByDirection, Counter>,
    delivered: Family<ByProtocol, Counter>,
    errors: Family<ByPart, Counter>,
}

/// An open connection; counts down when dropped.
pub struct Open(Gauge);

impl Drop for Open {
    fn drop(&mut self) {
        self.0.dec();
    }
}

impl Metrics {
    /// All at zero, with the figures of a store.
    #[must_use]
    pub fn with_store(store: Arc<Embedded>) -> Arc<Self> {
        let mut this = Self::registered();
        this.registry.register_collector(Box::new(StoreFigures(store)));
        Arc::new(this)
    }

    /// All at zero.
    #[must_use]
    pub fn new() -> Arc<Self> {
        Arc::new(Self::registered())
    }

    fn registered() -> Self {
        let mut this = Self::default();
        let registry = &mut this.registry;
        registry.register("palomar_connections_open", "Connections now", this.open.clone());
        let help = "Connections that came, by what became of them";
        registry.register("palomar_connections", help, this.connections.clone());
        registry.register("palomar_logins", "Logins tried", this.logins.clone());
        let help = "Octets moved, without TLS";
        registry.register_with_unit("palomar_transfer", help, Unit::Bytes, this.octets.clone());
        let help = "Messages accepted for a mailbox, once per recipient";
        registry.register("palomar_messages_delivered", help, this.delivered.clone());
        registry.register("palomar_errors", "Errors of our own", this.errors.clone());
        this
    }

    /// A connection was taken.
    #[must_use]
    pub fn opened(&self, protocol: Protocol) -> Open {
        let gauge = self.open.get_or_create_owned(&ByProtocol { protocol: protocol.name() });
        gauge.inc();
        self.connection(protocol, "taken");
        Open(gauge)
    }

    /// What became of a connection, in one word.
    pub fn connection(&self, protocol: Protocol, outcome: &'static str) {
        let label = ByOutcome { protocol: protocol.name(), outcome };
        self.connections.get_or_create(&label).inc();
    }

    /// A login was tried.
    pub fn login(&self, protocol: &'static str, accepted: bool) {
        let outcome = if accepted { "accepted" } else { "refused" };
        self.logins.get_or_create(&ByOutcome { protocol, outcome }).inc();
    }

    /// Messages came into mailboxes.
    pub fn delivered(&self, protocol: &'static str, messages: u64) {
        self.delivered.get_or_create(&ByProtocol { protocol }).inc_by(messages);
    }

    /// Something of ours failed.
    pub fn error(&self, part: &'static str) {
        self.errors.get_or_create(&ByPart { part }).inc();
    }

    /// The octet counters of a protocol.
    #[must_use]
    pub fn octets(&self, protocol: Protocol) -> Octets {
        let protocol = protocol.name();
        let counter =
            |direction| self.octets.get_or_create_owned(&ByDirection { protocol, direction });
        Octets { received: counter("received"), sent: counter("sent") }
    }

    /// All of them in OpenMetrics text.
    #[must_use]
    pub fn text(&self) -> String {
        let mut text = String::new();
        // Writing to a String does not fail.
        let _ = encode(&mut text, &self.registry);
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_counted_is_told() {
        let metrics = Metrics::new();
        let open = metrics.opened(Protocol::Imaps);
        metrics.login("imap", false);
        metrics.octets(Protocol::Imaps).sent.inc_by(7);
        let text = metrics.text();
        assert!(text.contains("palomar_connections_open{protocol=\"imaps\"} 1"), "{text}");
        assert!(text.contains("palomar_logins_total{protocol=\"imap\",outcome=\"refused\"} 1"));
        assert!(text.contains("direction=\"sent\"} 7"), "{text}");
        drop(open);
        assert!(metrics.text().contains("palomar_connections_open{protocol=\"imaps\"} 0"));
    }
}
