//! TLS: rustls with aws-lc-rs, TLS 1.2 and 1.3, post-quantum key exchange first.
//!
//! Invariants: certificates are swapped whole, so that a handshake sees the old set or the new one;
//! a set that cannot be read never replaces one that works; resumption keeps no state on the server
//! (tickets), so memory does not grow with clients; no early data.
//!
//! Certificates come from files that the configuration names and from the folder of those that the
//! server gets itself ([`crate::acme`]); those of the configuration are asked first.

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
    collections::HashMap,
    fmt, fs, io,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::SystemTime,
};
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt as _};
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
    /// The client wanted the answer to a challenge, and got it.
    Challenge,
    /// A second STARTTLS, or none where TLS is not set up.
    AlreadySecure,
}

impl fmt::Display for TlsError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Files(why) | Self::Settings(why) => f.write_str(why),
            Self::Handshake(error) => write!(f, "TLS handshake: {error}"),
            Self::Challenge => f.write_str("a challenge was answered"),
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
    managed: Option<Managed>,
    /// What answers tls-alpn-01 (RFC 8737), by host name in lower case.
    challenges: Mutex<HashMap<String, Arc<CertifiedKey>>>,
    current: RwLock<Arc<Vec<Entry>>>,
    stamp: RwLock<Vec<Option<SystemTime>>>,
    provider: Arc<CryptoProvider>,
}

impl Certificates {
    /// Reads the files.
    pub fn load(files: Vec<CertificateFiles>) -> Result<Arc<Self>, TlsError> {
        Self::load_managed(files, None)
    }

    /// Reads the files, and those of a folder of the server's own.
    pub fn load_managed(
        files: Vec<CertificateFiles>,
        managed: Option<Managed>,
    ) -> Result<Arc<Self>, TlsError> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let stamp = stamps(&files);
        let entries = read_all(&files, managed.as_ref(), &provider)?;
        Ok(Arc::new(Self {
            files,
            managed,
            challenges: Mutex::default(),
            current: RwLock::new(Arc::new(entries)),
            stamp: RwLock::new(stamp),
            provider,
        }))
    }

    /// Reads the files again. On an error the certificates in use stay.
    pub fn reload(&self) -> Result<(), TlsError> {
        let stamp = stamps(&self.files);
        let entries = read_all(&self.files, self.managed.as_ref(), &self.provider)?;
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

    /// Certificates in use, in DER.
    #[must_use]
    pub fn leaves(&self) -> Vec<CertificateDer<'static>> {
        self.current().iter().map(|entry| entry.leaf.clone()).collect()
    }

    /// Answers a challenge for a host (RFC 8737) from now on, or no more.
    ///
    /// # Errors
    /// The key cannot be used.
    pub fn challenge(
        &self,
        host: &str,
        certificate: Option<(CertificateDer<'static>, PrivateKeyDer<'static>)>,
    ) -> Result<(), TlsError> {
        let mut challenges = self.challenges.lock().unwrap_or_else(PoisonError::into_inner);
        let Some((certificate, key)) = certificate else {
            challenges.remove(&host.to_ascii_lowercase());
            return Ok(());
        };
        // Not `from_der`, which looks into the certificate and refuses the critical extension that
        // makes it an answer (RFC 8737 §3).
        let key = self.provider.key_provider.load_private_key(key);
        let key = key.map_err(|error| TlsError::Settings(error.to_string()))?;
        let key = CertifiedKey::new(vec![certificate], key);
        challenges.insert(host.to_ascii_lowercase(), Arc::new(key));
        Ok(())
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

/// Those that answer challenges.
#[derive(Debug)]
struct Challenges(Arc<Certificates>);

impl ResolvesServerCert for Challenges {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let host = hello.server_name()?.to_ascii_lowercase();
        let challenges = self.0.challenges.lock().unwrap_or_else(PoisonError::into_inner);
        challenges.get(&host).map(Arc::clone)
    }
}

/// Where the server keeps certificates that it got itself: `NAME.pem` and `NAME.key`.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Managed {
    /// The folder; it may be missing.
    pub folder: PathBuf,
    /// For whom one is made on the spot while there is none.
    pub host_name: String,
}

impl Managed {
    /// Its files, by name.
    fn files(&self) -> Vec<CertificateFiles> {
        let entries = fs::read_dir(&self.folder).into_iter().flatten().flatten();
        let mut files: Vec<CertificateFiles> = entries
            .map(|entry| entry.path())
            .filter(|path| path.extension().is_some_and(|ending| ending == "pem"))
            .map(|certificate| CertificateFiles {
                key: certificate.with_extension("key"),
                certificate,
            })
            .collect();
        files.sort_by(|one, other| one.certificate.cmp(&other.certificate));
        files
    }

    /// One that nobody knows: better than no TLS at all until a real one is there.
    fn made_up(&self, provider: &CryptoProvider) -> Result<Entry, TlsError> {
        let made = rcgen::generate_simple_self_signed([self.host_name.clone()])
            .map_err(|error| TlsError::Settings(format!("a certificate: {error}")))?;
        let leaf = made.cert.der().clone();
        let key = PrivateKeyDer::Pkcs8(made.signing_key.serialize_der().into());
        let key = CertifiedKey::from_der(vec![leaf.clone()], key, provider)
            .map_err(|error| TlsError::Settings(error.to_string()))?;
        Ok(Entry { key: Arc::new(key), leaf })
    }
}

fn stamps(files: &[CertificateFiles]) -> Vec<Option<SystemTime>> {
    let stamp = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    files.iter().flat_map(|pair| [stamp(&pair.certificate), stamp(&pair.key)]).collect()
}

fn read_all(
    files: &[CertificateFiles],
    managed: Option<&Managed>,
    provider: &CryptoProvider,
) -> Result<Vec<Entry>, TlsError> {
    let mut entries: Vec<Entry> =
        files.iter().map(|pair| read(pair, provider)).collect::<Result<_, _>>()?;
    if let Some(managed) = managed {
        for pair in managed.files() {
            // What was cut off or damaged is got again; the others serve.
            match read(&pair, provider) {
                Ok(entry) => entries.push(entry),
                Err(error) => tracing::error!(%error, "a certificate is left out"),
            }
        }
        if entries.is_empty() {
            entries.push(managed.made_up(provider)?);
        }
    }
    if entries.is_empty() {
        return Err(TlsError::Files("no certificate is set".into()));
    }
    Ok(entries)
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
    /// For who asks for the answer to a challenge (RFC 8737).
    challenge: Arc<ServerConfig>,
}

/// ALPN id of tls-alpn-01 (RFC 8737 §6.2).
const CHALLENGE_ALPN: &[u8] = b"acme-tls/1";

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
        let mut challenge = plain.clone();
        challenge.cert_resolver = Arc::new(Challenges(Arc::clone(&self.certificates)));
        challenge.alpn_protocols = vec![CHALLENGE_ALPN.to_vec()];
        Ok(Handshake { plain: Arc::new(plain), named, challenge: Arc::new(challenge) })
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
        // RFC 8737 §3: who validates offers this one alone, and hears nothing but the certificate.
        let challenged = {
            let mut offered = start.client_hello().alpn().into_iter().flatten();
            offered.next() == Some(CHALLENGE_ALPN) && offered.next().is_none()
        };
        if challenged {
            let stream = start.into_stream(Arc::clone(&self.challenge)).await;
            let mut stream = stream.map_err(TlsError::Handshake)?;
            let _ = stream.shutdown().await;
            return Err(TlsError::Challenge);
        }
        let named = self.named.as_ref().filter(|(id, _)| {
            start.client_hello().alpn().is_some_and(|mut offered| offered.any(|one| one == *id))
        });
        let config = named.map_or(&self.plain, |(_, config)| config);
        start.into_stream(Arc::clone(config)).await.map_err(TlsError::Handshake)
    }
}
