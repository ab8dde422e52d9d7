//! TLS: rustls with aws-lc-rs, TLS 1.2 and 1.3, post-quantum key exchange first.
//!
//! Invariants: certificates are swapped whole, so that a handshake sees the old set or the new one;
//! a set that cannot be read never replaces one that works; resumption keeps no state on the server
//! (tickets), so memory does not grow with clients; no early data.

use crate::protocol::Protocol;
use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
    server::{
        ClientHello, NoServerSessionStorage, ParsedCertificate, ProducesTickets, ResolvesServerCert,
    },
    sign::CertifiedKey,
};
use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, PoisonError, RwLock},
    time::SystemTime,
};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_rustls::{LazyConfigAcceptor, server::TlsStream};

/// PEM files of one certificate with its chain, and its key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct CertificateFiles {
    /// The certificate, then its chain.
    pub certificate: PathBuf,
    /// Its private key (PKCS #8, SEC 1 or PKCS #1).
    pub key: PathBuf,
}

/// What can go wrong with TLS.
#[derive(Debug)]
pub enum TlsError {
    /// A file cannot be read or does not hold what it should (ours).
    Files(String),
    /// rustls refuses the settings (ours).
    Settings(String),
    /// The handshake failed (the peer's, most often).
    Handshake(io::Error),
    /// A second STARTTLS, or none where TLS is not set up.
    AlreadySecure,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(why) | Self::Settings(why) => f.write_str(why),
            Self::Handshake(error) => write!(f, "TLS handshake: {error}"),
            Self::AlreadySecure => f.write_str("TLS is already up"),
        }
    }
}
impl std::error::Error for TlsError {}

/// One certificate, ready to sign, and what it says of names.
struct Entry {
    key: Arc<CertifiedKey>,
    leaf: CertificateDer<'static>,
}

impl Entry {
    fn is_for(&self, name: &ServerName<'_>) -> bool {
        ParsedCertificate::try_from(&self.leaf)
            .is_ok_and(|leaf| rustls::client::verify_server_name(&leaf, name).is_ok())
    }
}

/// The certificates in use. The first is the default; another is taken when the client names a host
/// (SNI) that it is for and the default is not.
pub struct Certificates {
    files: Vec<CertificateFiles>,
    current: RwLock<Arc<Vec<Entry>>>,
    stamp: RwLock<Vec<Option<SystemTime>>>,
    provider: Arc<CryptoProvider>,
}

impl Certificates {
    /// Reads the files.
    pub fn load(files: Vec<CertificateFiles>) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let stamp = stamps(&files);
        let entries = read_all(&files, &provider)?;
        Ok(Arc::new(Self {
            files,
            current: RwLock::new(Arc::new(entries)),
            stamp: RwLock::new(stamp),
            provider,
        }))
    }

    /// Reads the files again. On an error the certificates in use stay.
    pub fn reload(&self) -> Result<(), TlsError> {
        let stamp = stamps(&self.files);
        let entries = read_all(&self.files, &self.provider)?;
        *self.current.write().unwrap_or_else(PoisonError::into_inner) = Arc::new(entries);
        *self.stamp.write().unwrap_or_else(PoisonError::into_inner) = stamp;
        Ok(())
    }

    /// Whether a file changed since it was read.
    #[must_use]
    pub fn changed(&self) -> bool {
        stamps(&self.files) != *self.stamp.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// Public keys (SubjectPublicKeyInfo) of the certificates in use.
    #[must_use]
    pub fn public_keys(&self) -> Vec<Vec<u8>> {
        let key = |entry: &Entry| {
            let leaf = ParsedCertificate::try_from(&entry.leaf).ok()?;
            Some(leaf.subject_public_key_info().to_vec())
        };
        self.current().iter().filter_map(key).collect()
    }

    fn current(&self) -> Arc<Vec<Entry>> {
        Arc::clone(&self.current.read().unwrap_or_else(PoisonError::into_inner))
    }
}

impl fmt::Debug for Certificates {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Certificates").field("files", &self.files).finish_non_exhaustive()
    }
}

impl ResolvesServerCert for Certificates {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let entries = self.current();
        let first = entries.first()?;
        if entries.len() == 1 {
            return Some(Arc::clone(&first.key));
        }
        let name = hello.server_name().and_then(|name| ServerName::try_from(name).ok());
        let found = name.and_then(|name| entries.iter().find(|entry| entry.is_for(&name)));
        Some(Arc::clone(&found.unwrap_or(first).key))
    }
}

fn stamps(files: &[CertificateFiles]) -> Vec<Option<SystemTime>> {
    let stamp = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    files.iter().flat_map(|pair| [stamp(&pair.certificate), stamp(&pair.key)]).collect()
}

fn read_all(files: &[CertificateFiles], provider: &CryptoProvider) -> Result<Vec<Entry>, TlsError> {
    if files.is_empty() {
        return Err(TlsError::Files("no certificate is set".into()));
    }
    files.iter().map(|pair| read(pair, provider)).collect()
}

fn read(files: &CertificateFiles, provider: &CryptoProvider) -> Result<Entry, TlsError> {
    let bad =
        |path: &Path, why: &dyn fmt::Display| TlsError::Files(format!("{}: {why}", path.display()));
    let chain = CertificateDer::pem_file_iter(&files.certificate)
        .and_then(Iterator::collect::<Result<Vec<_>, _>>)
        .map_err(|error| bad(&files.certificate, &error))?;
    let Some(leaf) = chain.first().cloned() else {
        return Err(bad(&files.certificate, &"no certificate in it"));
    };
    let key = PrivateKeyDer::from_pem_file(&files.key).map_err(|error| bad(&files.key, &error))?;
    let key = CertifiedKey::from_der(chain, key, provider)
        .map_err(|error| bad(&files.certificate, &error))?;
    Ok(Entry { key: Arc::new(key), leaf })
}

/// What a listener needs to shake hands.
#[derive(Clone)]
pub struct Handshake {
    /// Without ALPN: for clients that offer none, or none that is ours.
    plain: Arc<ServerConfig>,
    /// With ALPN, for clients that offer this protocol.
    named: Option<(&'static [u8], Arc<ServerConfig>)>,
}

/// Makes handshakes; shares certificates and ticket keys between listeners.
pub struct Tls {
    certificates: Arc<Certificates>,
    ticketer: Arc<dyn ProducesTickets>,
}

impl Tls {
    /// Over these certificates.
    pub fn new(certificates: Arc<Certificates>) -> Result<Self, TlsError> {
        let ticketer = aws_lc_rs::Ticketer::new()
            .map_err(|error| TlsError::Settings(format!("ticket keys: {error}")))?;
        Ok(Self { certificates, ticketer })
    }

    /// The certificates.
    #[must_use]
    pub const fn certificates(&self) -> &Arc<Certificates> {
        &self.certificates
    }

    /// For a listener. `tickets` false sends no TLS 1.3 tickets: some senders of mail (Microsoft's
    /// outbound servers, seen 2024) mishandle them, so the MX listener does without.
    pub fn handshake(&self, protocol: Protocol, tickets: bool) -> Result<Handshake, TlsError> {
        let plain = self.settings(tickets)?;
        let named = protocol.alpn().map(|id| {
            let mut config = plain.clone();
            config.alpn_protocols = vec![id.to_vec()];
            (id, Arc::new(config))
        });
        Ok(Handshake { plain: Arc::new(plain), named })
    }

    fn settings(&self, tickets: bool) -> Result<ServerConfig, TlsError> {
        let mut config =
            ServerConfig::builder_with_provider(Arc::clone(&self.certificates.provider))
                .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])
                .map_err(|error| TlsError::Settings(error.to_string()))?
                .with_no_client_auth()
                .with_cert_resolver(Arc::clone(&self.certificates) as Arc<dyn ResolvesServerCert>);
        config.session_storage = Arc::new(NoServerSessionStorage {});
        config.ticketer = Arc::clone(&self.ticketer);
        // One ticket is enough to resume one connection; each costs a seal and 200 octets.
        config.send_tls13_tickets = usize::from(tickets);
        config.max_early_data_size = 0;
        config.ignore_client_order = true;
        Ok(config)
    }
}

impl Handshake {
    /// Shakes hands as the server. ALPN is tolerant (RFC 7301 §3.2 would refuse): curl, for one,
    /// offers `http/1.1` whatever the protocol.
    pub async fn accept<S>(&self, stream: S) -> Result<TlsStream<S>, TlsError>
    where
        S: AsyncRead + AsyncWrite + Unpin,
    {
        let start = LazyConfigAcceptor::new(rustls::server::Acceptor::default(), stream)
            .await
            .map_err(TlsError::Handshake)?;
        let named = self.named.as_ref().filter(|(id, _)| {
            start.client_hello().alpn().is_some_and(|mut offered| offered.any(|one| one == *id))
        });
        let config = named.map_or(&self.plain, |(_, config)| config);
        start.into_stream(Arc::clone(config)).await.map_err(TlsError::Handshake)
    }
}
