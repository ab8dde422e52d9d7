//! A running server: everything wired together, from bound sockets to the last goodbye.
//!
//! Invariants: nobody is told that the server is ready before every listener accepts; a stopping
//! server takes no new connection, lets each session finish its command and say goodbye, and closes
//! the store last.

use crate::{
    acme::{self, Acme},
    admin::{Admin, socket},
    admission::Admission,
    auth::Authenticator,
    clock::SystemClock,
    config::Config,
    context::Context,
    dns::Dns,
    driver::{Ended, Shared},
    inbound::{self, Inspection, rates::Rates},
    indexer,
    listener::{Bound, Door, Taken},
    metrics::{self, Metrics},
    notify::notify,
    outbound::{self, Outbound},
    protocol::Protocol,
    reports::{self, received::Desk},
    sessions::Sessions,
    signing::Signing,
    stack::Stack,
    tls::{Certificates, Tls, TlsError},
    trainer,
};
use account::{
    Accounts, Clock as _, directory::AccountInfo, junk::Books, reputation::Reputation,
    strangers::Strangers,
};
use delivery::{
    Inbound,
    classify::{self, Classifier},
};
use mail::AccountId;
use std::{
    io,
    net::SocketAddr,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

/// How often certificate files are looked at.
const CERTIFICATES_EVERY: Duration = Duration::from_secs(30);

/// Erasing begins some time after the start, when there is less to do.
const PURGE_FIRST: Duration = Duration::from_secs(600);
const PURGE_EVERY: Duration = Duration::from_secs(86_400);
/// Rest between two accounts, so that erasing never takes the machine.
const PURGE_REST: Duration = Duration::from_millis(20);
const PURGE_PAGE: usize = 100;

/// What a server is made of before it starts.
pub struct Parts {
    /// Settings.
    pub config: Config,
    /// Sockets, bound while rights allowed it.
    pub bound: Vec<Bound>,
    /// Those that are no mail listeners.
    pub sockets: Sockets,
    /// Certificates, if any.
    pub certificates: Option<Arc<Certificates>>,
    /// Store and accounts, opened.
    pub stack: Stack,
}

/// Sockets besides those of listeners, bound as well.
#[derive(Default)]
pub struct Sockets {
    /// Of metrics, if any.
    pub metrics: Option<std::net::TcpListener>,
    /// Of challenges of an authority (http-01), if any.
    pub challenges: Option<std::net::TcpListener>,
}

/// What goes wrong with a server.
#[derive(Debug)]
pub enum ServiceError {
    /// Sockets, files.
    Io(io::Error),
    /// Certificates.
    Tls(TlsError),
}

impl std::fmt::Display for ServiceError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Tls(error) => error.fmt(f),
        }
    }
}
impl std::error::Error for ServiceError {}
impl From<io::Error> for ServiceError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
impl From<TlsError> for ServiceError {
    fn from(error: TlsError) -> Self {
        Self::Tls(error)
    }
}

/// The server while it runs.
struct Service {
    config: Config,
    context: Arc<Context>,
    tls: Option<Tls>,
    door: Door,
    /// Every connection holds one; when all are gone the receiver ends.
    open: mpsc::Sender<()>,
    down: watch::Sender<bool>,
}

/// Runs until SIGTERM or SIGINT. `ready` is called once everything listens, with the addresses.
pub async fn run(
    parts: Parts,
    ready: impl FnOnce(&[(Protocol, SocketAddr)]),
) -> Result<(), ServiceError> {
    let mut signals = [signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?];
    let hangup = signal(SignalKind::hangup())?;
    let store = parts.stack.store();
    let (open, mut closed) = mpsc::channel(1);
    let dns = resolver(&parts.config)?;
    let signing = Signing::new(&parts.stack.accounts, dns.clone(), parts.config.dkim);
    let failed = |error: account::Error| io::Error::other(error.to_string());
    let junk = parts.config.junk;
    let books_max = usize::try_from(junk.books_cached_max).unwrap_or(usize::MAX);
    let books = Books::open(&parts.stack.accounts, books_max).await.map_err(failed)?;
    let when = classify::Settings {
        junk_percent_min: junk.junk_percent_min,
        lessons_min: junk.lessons_min,
    };
    let reports = account::reports::Reports::open(&parts.stack.accounts).await.map_err(failed)?;
    let accounts = Arc::clone(&parts.stack.accounts);
    let reports = Arc::new(Desk::new(reports, accounts, parts.config.reports));
    let classifier = junk.enabled.then(|| Classifier::new(Arc::clone(&books), when));
    let strangers = Strangers::open(&parts.stack.accounts).await.map_err(failed)?;
    let reputation = Arc::new(Reputation::new(&strangers, parts.config.inbound.reputation));
    let inbound = Inbound::new(Arc::clone(&parts.stack.accounts), &parts.stack.secret)
        .with_classifier(classifier)
        .with_reputation(&reputation);
    let outbound = Outbound::open(
        &parts.stack.accounts,
        &parts.config.host_name,
        (parts.config.outbound.clone(), dns.clone(), inbound),
        &signing,
    );
    let outbound = outbound.await.map_err(failed)?;
    let opened = (open, outbound, signing, (books, reports, strangers, reputation), dns);
    let (service, bound, sockets) = Service::new(parts, opened)?;

    let addresses = service.listen(bound)?;
    service.administer(sockets)?;
    if let Some(tls) = &service.tls {
        tokio::spawn(watch_certificates(Arc::clone(tls.certificates()), hangup));
    }
    ready(&addresses);
    notify("READY=1");

    any(&mut signals).await;
    notify("STOPPING=1");
    let seconds = service.config.timeouts.shutdown_seconds;
    tracing::info!(connections = service.door.admission.connections(), seconds, "stopping");
    service.down.send_replace(true);
    let _ = std::fs::remove_file(socket::path(&service.config.data));
    drop(service);
    tokio::select! {
        _ = closed.recv() => {}
        () = sleep(Duration::from_secs(seconds.into())) => {
            tracing::warn!("some connections did not end in time");
        }
        // A second signal does not wait.
        () = any(&mut signals) => {}
    }
    // Waits for the disk; nothing else is left to do in this thread.
    let _ = tokio::task::spawn_blocking(move || store.close()).await;
    tracing::info!("stopped");
    Ok(())
}

/// What asks DNS; `None` where the system has no configuration of it.
fn resolver(config: &Config) -> Result<Option<Arc<Dns>>, ServiceError> {
    match Dns::new(&config.dns) {
        Ok(dns) => Ok(Some(Arc::new(dns))),
        Err(error) if config.dns.servers.is_empty() && config.dns.trust_anchor_file.is_none() => {
            tracing::error!(error, "no name servers");
            Ok(None)
        }
        Err(error) => Err(io::Error::other(format!("dns: {error}")).into()),
    }
}

async fn any([one, two]: &mut [Signal; 2]) {
    tokio::select! {
        _ = one.recv() => {}
        _ = two.recv() => {}
    }
}

/// What was opened for a server, and what its connections hold.
type Opened = (mpsc::Sender<()>, Arc<Outbound>, Arc<Signing>, Known, Option<Arc<Dns>>);
type Known = (Arc<Books>, Arc<Desk>, Arc<Strangers>, Arc<Reputation>);

impl Service {
    /// Nothing runs yet; sockets are given back.
    fn new(
        parts: Parts,
        (open, outbound, signing, (books, reports, strangers, reputation), dns): Opened,
    ) -> Result<(Self, Vec<Bound>, Sockets), ServiceError> {
        let Parts { config, bound, sockets, certificates, stack } = parts;
        let (down, shutdown) = watch::channel(false);
        let counters = Metrics::with_store(stack.store());
        let admission = Admission::new(config.connections);
        let auth = Authenticator::new(
            config.logins,
            &stack.secret,
            Arc::clone(&admission),
            Arc::clone(&counters),
        );
        let rates = Arc::new(Rates::new(config.inbound.rates.clone()));
        let door = Door {
            admission: Arc::clone(&admission),
            rates: Arc::clone(&rates),
            metrics: Arc::clone(&counters),
            numbers: Arc::new(AtomicU64::new(0)),
            handshake_seconds: config.timeouts.handshake_seconds,
            shutdown,
        };
        let checks = (config.inbound.clone(), config.scan.clone());
        let inspection = Inspection::new(dns.clone(), &config.host_name, checks);
        let inspection = inspection.map_err(io::Error::other)?;
        let inspection = inspection.with_strangers(&strangers).with_reputation(&reputation);
        let acme = certificates.as_ref().filter(|_| config.acme.terms_agreed).map(|certificates| {
            Acme::new(
                config.acme.clone(),
                (&config.data, &config.host_name),
                Arc::clone(certificates),
                (Arc::clone(&stack.accounts), dns.clone()),
            )
        });
        let context = Arc::new(Context {
            acme,
            accounts: stack.accounts,
            books,
            host_name: config.host_name.clone(),
            auth,
            admission,
            metrics: counters,
            outbound,
            signing,
            certificates: certificates.clone(),
            rates,
            reports,
            strangers,
            reputation,
            inspection,
            protocols: config.listeners.iter().map(|one| one.protocol).collect(),
            sts: config.sts.policy(&config.host_name),
            dns,
        });
        let tls = certificates.map(Tls::new).transpose()?;
        Ok((Self { config, context, tls, door, open, down }, bound, sockets))
    }

    /// Starts what the person who runs it talks to.
    fn administer(&self, sockets: Sockets) -> Result<(), ServiceError> {
        let shutdown = &self.door.shutdown;
        let data = &self.config.data;
        let accounts = Arc::clone(&self.context.accounts);
        let admin = Admin::new(accounts, data, Some(Arc::clone(&self.context)));
        tokio::spawn(socket::serve(socket::bind(data)?, Arc::new(admin), shutdown.clone()));
        tokio::spawn(purge(Arc::clone(&self.context.accounts), shutdown.clone()));
        outbound::service::start(&self.context.outbound, shutdown.clone());
        tokio::spawn(Arc::clone(&self.context.signing).run(shutdown.clone()));
        tokio::spawn(Arc::clone(&self.context.reports).run(shutdown.clone()));
        reports::sent::start(&self.context, (self.open.clone(), shutdown));
        let (context, down) = (Arc::clone(&self.context), shutdown.clone());
        tokio::spawn(async move { context.inspection.try_lists(down).await });
        let remembered = (Arc::clone(&self.context.reputation), Arc::clone(&self.context.rates));
        let until = (self.open.clone(), shutdown.clone());
        tokio::spawn(inbound::reputation::run(remembered, until));
        let context = Arc::clone(&self.context);
        tokio::spawn(trainer::run(context, self.config.junk, shutdown.clone()));
        let accounts = Arc::clone(&self.context.accounts);
        indexer::start(accounts, self.config.search, shutdown.clone())?;
        if let Some(acme) = &self.context.acme {
            if let Some(listener) = sockets.challenges {
                let listener = TcpListener::from_std(listener)?;
                tokio::spawn(acme::http::serve(listener, acme.answers(), shutdown.clone()));
            }
            tokio::spawn(Arc::clone(acme).run(shutdown.clone()));
        }
        if let Some(listener) = sockets.metrics {
            let counters = Arc::clone(&self.context.metrics);
            let listener = TcpListener::from_std(listener)?;
            tokio::spawn(metrics::http::serve(listener, counters, shutdown.clone()));
        }
        Ok(())
    }

    /// Starts every listener.
    fn listen(&self, bound: Vec<Bound>) -> Result<Vec<(Protocol, SocketAddr)>, ServiceError> {
        let mut addresses = Vec::new();
        let sessions = Arc::new(Sessions::new(&self.config, &self.context, self.tls.is_some()));
        for bound in bound {
            let protocol = bound.config.protocol;
            let address = bound.address()?;
            let tickets = protocol != Protocol::Smtp || self.config.smtp_tickets;
            let handshake =
                self.tls.as_ref().map(|tls| tls.handshake(protocol, tickets)).transpose()?;
            if handshake.is_none() && protocol.implicit_tls() {
                let why = format!("{} needs a certificate: set [[tls]]", protocol.name());
                return Err(TlsError::Settings(why).into());
            }
            let shared = Shared {
                timeouts: self.config.timeouts_of(protocol),
                handshake,
                octets: self.context.metrics.octets(protocol),
            };
            let line = Arc::new(Line {
                protocol,
                sessions: Arc::clone(&sessions),
                context: Arc::clone(&self.context),
                shared: Arc::new(shared),
                shutdown: self.door.shutdown.clone(),
                open: self.open.clone(),
            });
            addresses.push((protocol, address));
            tracing::info!(protocol = protocol.name(), %address, "listening");
            let door = self.door.clone();
            tokio::spawn(async move {
                let serve = move |taken| connection(Arc::clone(&line), taken);
                if let Err(error) = door.accept(bound, serve).await {
                    tracing::error!(protocol = protocol.name(), %error, "listener ended");
                }
            });
        }
        Ok(addresses)
    }
}

/// A listener's share of the service.
struct Line {
    protocol: Protocol,
    sessions: Arc<Sessions>,
    context: Arc<Context>,
    shared: Arc<Shared>,
    shutdown: watch::Receiver<bool>,
    open: mpsc::Sender<()>,
}

/// One connection from its first octet to its last.
async fn connection(line: Arc<Line>, taken: Taken) {
    let Taken { stream, peer, place } = taken;
    let (id, address) = (peer.id, peer.address);
    let counted = line.context.metrics.opened(line.protocol);
    let open = line.open.clone();
    tracing::debug!(
        connection = id, protocol = line.protocol.name(), peer = %peer.address, "connected"
    );
    let shutdown = line.shutdown.clone();
    let shared = Arc::clone(&line.shared);
    let ended = line.sessions.run(line.protocol, (stream, peer), shared, shutdown).await;
    match &ended {
        Ended::Closed => {}
        Ended::Lost(_) => line.context.metrics.connection(line.protocol, "lost"),
        Ended::Tls(_) => line.context.metrics.connection(line.protocol, "tls_failed"),
    }
    match &ended {
        // TLS or DEFLATE that nothing can be made of: a broken peer, or one that means harm.
        Ended::Lost(error) if error.kind() == std::io::ErrorKind::InvalidData => {
            tracing::info!(connection = id, peer = %address, %ended, "disconnected");
        }
        _ => tracing::debug!(connection = id, %ended, "disconnected"),
    }
    drop((place, counted, open));
}

/// Erases what was expunged long enough ago, account by account, once a day.
async fn purge(accounts: Arc<Accounts>, mut shutdown: watch::Receiver<bool>) {
    let sweep = async {
        sleep(PURGE_FIRST).await;
        loop {
            let mut after = None;
            while let Some(page) = next_accounts(&accounts, after).await {
                let Some(last) = page.last() else { break };
                after = Some(last.id);
                for info in page {
                    erase_due(&accounts, info.id).await;
                    sleep(PURGE_REST).await;
                }
            }
            sleep(PURGE_EVERY).await;
        }
    };
    tokio::select! {
        _ = shutdown.wait_for(|down| *down) => {}
        () = sweep => {}
    }
}

async fn next_accounts(accounts: &Accounts, after: Option<AccountId>) -> Option<Vec<AccountInfo>> {
    let found = accounts.directory().accounts(after, PURGE_PAGE).await;
    found.inspect_err(|error| tracing::error!(%error, "accounts cannot be listed")).ok()
}

async fn erase_due(accounts: &Accounts, id: AccountId) {
    let account = match accounts.account(id).await {
        Ok(account) => account,
        Err(error) => {
            tracing::error!(account = id.0, %error, "account cannot be loaded");
            return;
        }
    };
    match account.purge(SystemClock.now_seconds()).await {
        Ok(0) => {}
        Ok(messages) => tracing::info!(account = id.0, messages, "erased"),
        Err(error) => tracing::error!(account = id.0, %error, "not erased"),
    }
}

/// Reads certificates again when they changed or on SIGHUP; what cannot be read is reported, and
/// the old ones stay.
async fn watch_certificates(certificates: Arc<Certificates>, mut hangup: Signal) {
    loop {
        let asked = timeout(CERTIFICATES_EVERY, hangup.recv()).await.is_ok();
        if !asked && !certificates.changed() {
            continue;
        }
        notify("RELOADING=1");
        match certificates.reload() {
            Ok(()) => tracing::info!("certificates read again"),
            Err(error) => tracing::error!(%error, "certificates not changed"),
        }
        notify("READY=1");
    }
}
