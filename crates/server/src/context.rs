//! What every connection shares.

use crate::{
    admission::Admission,
    auth::Authenticator,
    dns::Dns,
    inbound::{Inspection, rates::Rates},
    metrics::Metrics,
    outbound::Outbound,
    protocol::Protocol,
    reports::received::Desk,
    signing::Signing,
    sts,
    tls::Certificates,
};
use std::{net::SocketAddr, sync::Arc};

/// The running server's parts, as bridges see them.
pub struct Context {
    /// All accounts.
    pub accounts: Arc<account::Accounts>,
    /// What was learnt of junk.
    pub books: Arc<account::junk::Books>,
    /// Host name of the server.
    pub host_name: String,
    /// Login checks.
    pub auth: Authenticator,
    /// Places of connections.
    pub admission: Arc<Admission>,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// Mail that goes elsewhere.
    pub outbound: Arc<Outbound>,
    /// Signatures of what users send.
    pub signing: Arc<Signing>,
    /// What gets certificates, if anything does.
    pub acme: Option<Arc<crate::acme::Acme>>,
    /// Certificates, if there are any.
    pub certificates: Option<Arc<Certificates>>,
    /// How much may come from one place by port 25.
    pub rates: Arc<Rates>,
    /// Reports of others about our domains.
    pub reports: Arc<Desk>,
    /// What is remembered of them.
    pub strangers: Arc<account::strangers::Strangers>,
    /// What their mail was worth.
    pub reputation: Arc<account::reputation::Reputation>,
    /// What is found out about mail of strangers.
    pub inspection: Inspection,
    /// What is listened for.
    pub protocols: Vec<Protocol>,
    /// The MTA-STS policy of our domains, if they have one.
    pub sts: Option<sts::Policy>,
    /// What asks DNS, if anything does.
    pub dns: Option<Arc<Dns>>,
}

/// One connection, for logs and trace headers.
#[derive(Clone, Debug)]
pub struct Peer {
    /// Address of the client (as the PROXY protocol says, where it is on).
    pub address: SocketAddr,
    /// Ours.
    pub local: SocketAddr,
    /// Number of the connection, for logs.
    pub id: u64,
}
