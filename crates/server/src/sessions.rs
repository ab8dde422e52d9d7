//! A machine and a bridge for each connection, by protocol.

use crate::{
    config::Config,
    context::{Context, Peer},
    driver::{Ended, Shared},
    protocol::Protocol,
};
use std::sync::Arc;
use tokio::{net::TcpStream, sync::watch};

/// Makes sessions of one listener.
pub struct Sessions {
    protocol: Protocol,
    context: Arc<Context>,
}

impl Sessions {
    /// For a listener; `tls` says whether it has a certificate.
    #[must_use]
    pub fn new(config: &Config, context: &Arc<Context>, (protocol, tls): (Protocol, bool)) -> Self {
        let _ = (config, tls);
        Self { protocol, context: Arc::clone(context) }
    }

    /// Runs one connection to its end.
    pub async fn run(
        &self,
        (stream, peer): (TcpStream, Peer),
        shared: Arc<Shared>,
        shutdown: watch::Receiver<bool>,
    ) -> Ended {
        let _ = (stream, peer, shared, shutdown, &self.context, self.protocol);
        Ended::Closed
    }
}
