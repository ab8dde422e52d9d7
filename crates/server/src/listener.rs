//! Listening sockets: bound once, with rights that are dropped afterwards; accepted without end.
//!
//! Invariants: when the process is out of file descriptors or memory, accepting waits instead of
//! spinning; a connection beyond a limit hears why in its protocol's words and costs no task; the
//! PROXY protocol is read only where it is switched on and only from trusted networks.

use crate::{
    admission::{Admission, Full, Place},
    context::Peer,
    metrics::Metrics,
    protocol::Protocol,
    proxy::{self, Network},
};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};
use tokio::{
    net::{TcpListener, TcpStream},
    sync::watch,
    time::{sleep, timeout},
};

/// Connections that the kernel holds until they are accepted.
const BACKLOG: i32 = 1024;
/// How long accepting rests after an error such as "too many open files".
const REST: Duration = Duration::from_millis(200);

/// Silence after which the kernel asks whether a peer is still there: below the usual life of an
/// entry in a NAT table, so that a phone in IDLE stays reachable.
const KEEPALIVE: Duration = Duration::from_secs(240);

/// What a listener serves, and where.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ListenerConfig {
    /// The protocol.
    pub protocol: Protocol,
    /// Address and port.
    pub address: SocketAddr,
    /// Networks whose PROXY header is believed; where this is not empty, every connection must come
    /// from one of them and must bring the header.
    pub proxy: Vec<Network>,
}

/// A bound socket that is not accepting yet.
pub struct Bound {
    /// What it serves.
    pub config: ListenerConfig,
    socket: std::net::TcpListener,
}

/// Binds. An IPv6 wildcard takes IPv4 too.
pub fn bind(config: ListenerConfig) -> io::Result<Bound> {
    let socket = Socket::new(Domain::for_address(config.address), Type::STREAM, None)?;
    // A restart does not wait for old connections in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if config.address.is_ipv6() {
        socket.set_only_v6(!config.address.ip().is_unspecified())?;
    }
    socket.bind(&config.address.into())?;
    socket.listen(BACKLOG)?;
    socket.set_nonblocking(true)?;
    Ok(Bound { config, socket: socket.into() })
}

impl Bound {
    /// Where it listens; the port is known even when 0 was asked for.
    pub fn address(&self) -> io::Result<SocketAddr> {
        self.socket.local_addr()
    }
}

/// A connection that was taken.
pub struct Taken {
    /// Its socket, behind the PROXY header.
    pub stream: TcpStream,
    /// Who.
    pub peer: Peer,
    /// Its place; to be kept as long as it is open.
    pub place: Place,
}

/// What accepting needs.
#[derive(Clone)]
pub struct Door {
    /// Limits.
    pub admission: Arc<Admission>,
    /// Counters.
    pub metrics: Arc<Metrics>,
    /// Numbers of connections.
    pub numbers: Arc<AtomicU64>,
    /// For a PROXY header.
    pub handshake_seconds: u32,
    /// Ends accepting.
    pub shutdown: watch::Receiver<bool>,
}

impl Door {
    /// Accepts until shutdown. `serve` runs each connection to its end, in a task of its own.
    pub async fn accept<F, G>(self, bound: Bound, serve: F) -> io::Result<()>
    where
        F: Fn(Taken) -> G + Clone + Send + Sync + 'static,
        G: Future<Output = ()> + Send + 'static,
    {
        let config = Arc::new(bound.config);
        let listener = TcpListener::from_std(bound.socket)?;
        let mut shutdown = self.shutdown.clone();
        loop {
            let accepted = tokio::select! {
                _ = shutdown.wait_for(|down| *down) => return Ok(()),
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok((stream, address)) => {
                    if let Some(taken) = self.take(&config, stream, address) {
                        self.spawn(&config, taken, serve.clone());
                    }
                }
                Err(error) if is_the_connections(&error) => {}
                Err(error) => {
                    let protocol = config.protocol.name();
                    tracing::error!(protocol, %error, "cannot accept; resting");
                    self.metrics.error("accept");
                    sleep(REST).await;
                }
            }
        }
    }

    /// A place for a connection, or its refusal.
    fn take(
        &self,
        config: &ListenerConfig,
        stream: TcpStream,
        address: SocketAddr,
    ) -> Option<Taken> {
        let id = self.numbers.fetch_add(1, Relaxed) + 1;
        let address = SocketAddr::new(address.ip().to_canonical(), address.port());
        let local = stream.local_addr().unwrap_or(config.address);
        let peer = Peer { address, local, id };
        if let Err(error) = prepare(&stream) {
            tracing::debug!(connection = id, %error, "gone before it began");
            return None;
        }
        let from_proxy = !config.proxy.is_empty();
        if from_proxy && !config.proxy.iter().any(|network| network.contains(address.ip())) {
            self.metrics.connection(config.protocol, "untrusted");
            tracing::warn!(connection = id, peer = %address, "not a trusted proxy");
            return None;
        }
        let place = self.admission.enter(id).and_then(|place| {
            if !from_proxy {
                place.came_from(address.ip())?;
            }
            Ok(place)
        });
        match place {
            Ok(place) => Some(Taken { stream, peer, place }),
            Err(full) => {
                self.refuse(config.protocol, &stream, &peer, full);
                None
            }
        }
    }

    fn spawn<F, G>(&self, config: &Arc<ListenerConfig>, mut taken: Taken, serve: F)
    where
        F: Fn(Taken) -> G + Send + Sync + 'static,
        G: Future<Output = ()> + Send + 'static,
    {
        if config.proxy.is_empty() {
            tokio::spawn(serve(taken));
            return;
        }
        let (door, protocol) = (self.clone(), config.protocol);
        tokio::spawn(async move {
            if door.header(protocol, &mut taken).await {
                // Boxed: the room for reading the header is given back.
                Box::pin(serve(taken)).await;
            }
        });
    }

    /// Reads the PROXY header. Whether the connection goes on.
    async fn header(&self, protocol: Protocol, taken: &mut Taken) -> bool {
        let limit = Duration::from_secs(self.handshake_seconds.into());
        let told = match timeout(limit, proxy::read(&mut taken.stream)).await {
            Ok(Ok(told)) => told,
            Ok(Err(error)) => {
                tracing::warn!(connection = taken.peer.id, peer = %taken.peer.address, %error);
                self.metrics.connection(protocol, "untrusted");
                return false;
            }
            Err(_) => return false,
        };
        if let Some((from, to)) = told {
            tracing::debug!(connection = taken.peer.id, proxy = %taken.peer.address, %from);
            taken.peer.address = SocketAddr::new(from.ip().to_canonical(), from.port());
            taken.peer.local = to;
        }
        match taken.place.came_from(taken.peer.address.ip()) {
            Ok(()) => true,
            Err(full) => {
                self.refuse(protocol, &taken.stream, &taken.peer, full);
                false
            }
        }
    }

    /// Says why, as far as the socket takes it at once.
    fn refuse(&self, protocol: Protocol, stream: &TcpStream, peer: &Peer, full: Full) {
        let outcome = match full {
            Full::Server => "server_full",
            Full::Address => "address_full",
        };
        self.metrics.connection(protocol, outcome);
        let protocol_name = protocol.name();
        tracing::warn!(protocol = protocol_name, peer = %peer.address, outcome, "refused");
        if !protocol.implicit_tls() {
            let _ = SockRef::from(stream).send(protocol.busy());
        }
    }
}

/// Errors of accept(2) that are one connection's, not the listener's.
fn is_the_connections(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted
            | io::ErrorKind::ConnectionReset
            | io::ErrorKind::Interrupted
            | io::ErrorKind::HostUnreachable
            | io::ErrorKind::NetworkUnreachable
            | io::ErrorKind::NetworkDown
    )
}

/// Answers go out at once, and a peer that vanished is noticed.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let keepalive = TcpKeepalive::new().with_time(KEEPALIVE).with_interval(KEEPALIVE / 5);
    SockRef::from(stream).set_tcp_keepalive(&keepalive)
}
