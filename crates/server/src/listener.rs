//! Listening sockets: bound once, with rights that are dropped afterwards; accepted without end.
//!
//! Invariants: when the process is out of file descriptors or memory, accepting waits instead of
//! spinning; a connection beyond a limit hears why in its protocol's words and costs no task; the
//! PROXY protocol is read only where it is switched on and only from trusted networks.

use crate::{
    admission::{Admission, Full, Place},
    context::Peer,
    inbound::rates::{Act, Rates},
    metrics::Metrics,
    protocol::Protocol,
    proxy::{self, Network},
};
use socket2::{Domain, SockRef, Socket, TcpKeepalive, Type};
use std::{
    io,
    net::{IpAddr, SocketAddr},
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
    /// How much may come from one place by port 25.
    pub rates: Arc<Rates>,
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
            // LMTP is for a server of ours, which has as many connections as it wants.
            if !from_proxy && config.protocol != Protocol::Lmtp {
                self.admit(config.protocol, &place, address.ip())?;
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
        match self.admit(protocol, &taken.place, taken.peer.address.ip()) {
            Ok(()) => true,
            Err(full) => {
                self.refuse(protocol, &taken.stream, &taken.peer, full);
                false
            }
        }
    }

    /// Counts a connection for where it comes from.
    fn admit(&self, protocol: Protocol, place: &Place, address: IpAddr) -> Result<(), Full> {
        place.came_from(address)?;
        let counted = protocol == Protocol::Smtp;
        let now = self.rates.now();
        if counted && !self.rates.admit(address, Act::Connection, now) {
            return Err(Full::Rate);
        }
        Ok(())
    }

    /// Says why, as far as the socket takes it at once.
    fn refuse(&self, protocol: Protocol, stream: &TcpStream, peer: &Peer, full: Full) {
        let outcome = match full {
            Full::Server => "server_full",
            Full::Address => "address_full",
            Full::Rate => "too_often",
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admission::ConnectionLimits;
    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        sync::mpsc,
    };

    struct World {
        address: SocketAddr,
        taken: mpsc::UnboundedReceiver<Taken>,
        _down: watch::Sender<bool>,
    }

    fn world(proxy: &[&str], each: u32) -> World {
        let config = ListenerConfig {
            protocol: Protocol::Pop3,
            address: "127.0.0.1:0".parse().unwrap(),
            proxy: proxy.iter().map(|text| Network::parse(text).unwrap()).collect(),
        };
        let bound = bind(config).unwrap();
        let address = bound.address().unwrap();
        let limits = ConnectionLimits { connections_max: 100, connections_per_address_max: each };
        let (down, shutdown) = watch::channel(false);
        let door = Door {
            rates: Arc::default(),
            admission: Admission::new(limits),
            metrics: Metrics::new(),
            numbers: Arc::default(),
            handshake_seconds: 5,
            shutdown,
        };
        let (sender, taken) = mpsc::unbounded_channel();
        tokio::spawn(door.accept(bound, move |taken| {
            let sender = sender.clone();
            async move {
                let _ = sender.send(taken);
            }
        }));
        World { address, taken, _down: down }
    }

    async fn heard(stream: &mut TcpStream) -> String {
        let mut text = String::new();
        let _ = stream.read_to_string(&mut text).await;
        text
    }

    #[tokio::test]
    async fn beyond_the_limit_of_an_address_a_client_hears_why() {
        let mut world = world(&[], 1);
        let _one = TcpStream::connect(world.address).await.unwrap();
        let taken = world.taken.recv().await.unwrap();
        assert_eq!(taken.peer.address.ip(), world.address.ip());
        let mut two = TcpStream::connect(world.address).await.unwrap();
        assert_eq!(heard(&mut two).await, "-ERR [SYS/TEMP] Too many connections\r\n");
        drop(taken);
        let _three = TcpStream::connect(world.address).await.unwrap();
        assert_eq!(world.taken.recv().await.unwrap().peer.id, 3);
    }

    #[tokio::test]
    async fn a_trusted_proxy_tells_who_it_is_for() {
        let mut world = world(&["127.0.0.0/8"], 1);
        for (client, header) in [
            ("192.0.2.7:1234", "PROXY TCP4 192.0.2.7 198.51.100.1 1234 110\r\n"),
            ("192.0.2.8:1234", "PROXY TCP4 192.0.2.8 198.51.100.1 1234 110\r\n"),
        ] {
            let mut stream = TcpStream::connect(world.address).await.unwrap();
            stream.write_all(header.as_bytes()).await.unwrap();
            stream.write_all(b"CAPA\r\n").await.unwrap();
            let mut taken = world.taken.recv().await.unwrap();
            assert_eq!(taken.peer.address.to_string(), client);
            assert_eq!(taken.peer.local.to_string(), "198.51.100.1:110");
            let mut line = [0; 6];
            taken.stream.read_exact(&mut line).await.unwrap();
            assert_eq!(&line, b"CAPA\r\n");
        }
    }

    #[tokio::test]
    async fn the_limit_is_of_the_address_that_the_proxy_tells() {
        let mut world = world(&["127.0.0.1"], 1);
        let header = b"PROXY TCP4 192.0.2.7 198.51.100.1 1234 110\r\n";
        let mut one = TcpStream::connect(world.address).await.unwrap();
        one.write_all(header).await.unwrap();
        let _taken = world.taken.recv().await.unwrap();
        let mut two = TcpStream::connect(world.address).await.unwrap();
        two.write_all(header).await.unwrap();
        assert!(heard(&mut two).await.starts_with("-ERR"));
    }

    #[tokio::test]
    async fn others_may_not_claim_to_be_a_proxy() {
        let world = world(&["10.0.0.0/8"], 1);
        let mut stream = TcpStream::connect(world.address).await.unwrap();
        let _ = stream.write_all(b"PROXY TCP4 192.0.2.7 198.51.100.1 1234 110\r\n").await;
        assert_eq!(heard(&mut stream).await, "");
        let mut quiet = self::world(&["127.0.0.1"], 1);
        let mut stream = TcpStream::connect(quiet.address).await.unwrap();
        stream.write_all(b"USER ana\r\nPASS secret\r\n").await.unwrap();
        assert_eq!(heard(&mut stream).await, "");
        assert!(quiet.taken.try_recv().is_err());
    }
}
