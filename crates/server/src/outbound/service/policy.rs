//! What is remembered of domains and hosts, and asked of them again: MTA-STS policies (RFC 8461)
//! and that there was TLS.
//!
//! Invariants: a policy is fetched over a connection whose certificate proves the domain, and kept
//! durably until it ends; one that cannot be fetched anew goes on to count (§5.1); nobody is asked
//! again within [`RETRY_SECONDS`] after a failure.

use super::{
    super::{sts::POLICY_OCTETS_MAX, sts::Policy, verify::Verifier},
    Outbound,
};
use crate::dns::{Dns, ascii};
use account::queue::{Peer, StsPolicy};
use mail::Domain;
use mailauth::report::tls::result;
use rustls::RootCertStore;
use std::{
    collections::BTreeMap,
    error::Error,
    io,
    iter::successors,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

/// Seconds after which a policy that could not be fetched is asked for again (§3.3: "limited to, at
/// most, once every five minutes").
const RETRY_SECONDS: i64 = 300;
/// Domains of which failures are remembered.
const FAILURES_MAX: usize = 10_000;
/// For the whole of a fetch (§3.3: "a timeout of one minute").
const FETCH_WITHIN: Duration = Duration::from_secs(60);
const HTTPS_PORT: u16 = 443;
const DAY_SECONDS: i64 = 86_400;

/// What fetching policies needs.
#[derive(Default)]
pub(super) struct Policies {
    /// Authorities, once they were read.
    roots: tokio::sync::OnceCell<Arc<RootCertStore>>,
    /// When a domain's policy could not be fetched.
    failures: Mutex<BTreeMap<String, i64>>,
}

impl Policies {
    /// Authorities of a file, or of the system.
    async fn roots(&self, file: Option<&Path>) -> Result<Arc<RootCertStore>, String> {
        let file: Option<PathBuf> = file.map(Path::to_owned);
        let read = || async move {
            let read = tokio::task::spawn_blocking(move || read_roots(file.as_deref()));
            read.await.map_err(|error| error.to_string())?.map(Arc::new)
        };
        self.roots.get_or_try_init(read).await.cloned()
    }

    fn failed_lately(&self, domain: &str, now: i64) -> bool {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        failures.retain(|_, at| now - *at < RETRY_SECONDS);
        failures.contains_key(domain)
    }

    fn failed(&self, domain: &str, now: i64) {
        let mut failures = self.failures.lock().unwrap_or_else(PoisonError::into_inner);
        if failures.len() < FAILURES_MAX {
            failures.insert(domain.to_owned(), now);
        }
    }
}

fn read_roots(file: Option<&Path>) -> Result<RootCertStore, String> {
    let mut roots = RootCertStore::empty();
    match file {
        Some(file) => {
            use rustls::pki_types::{CertificateDer, pem::PemObject};
            let name = file.display();
            let found = CertificateDer::pem_file_iter(file);
            for certificate in found.map_err(|error| format!("{name}: {error}"))? {
                let certificate = certificate.map_err(|error| format!("{name}: {error}"))?;
                roots.add(certificate).map_err(|error| format!("{name}: {error}"))?;
            }
        }
        None => {
            let found = rustls_native_certs::load_native_certs();
            roots.add_parsable_certificates(found.certs);
        }
    }
    if roots.is_empty() {
        return Err("there are no certificate authorities (outbound.ca_file)".to_owned());
    }
    Ok(roots)
}

/// Why a policy could not be had.
pub(super) struct Unfetched {
    /// In a word of RFC 8460 §4.3.2.
    pub result: &'static str,
    /// The story.
    pub why: String,
}

impl From<String> for Unfetched {
    fn from(why: String) -> Self {
        Self { result: result::STS_POLICY_FETCH_ERROR, why }
    }
}

impl Unfetched {
    fn invalid(why: String) -> Self {
        Self { result: result::STS_POLICY_INVALID, why }
    }

    /// Of a request that failed: whether it was the certificate is somewhere among the causes.
    fn of(error: &reqwest::Error) -> Self {
        let mut causes = successors(error.source(), |cause| (**cause).source());
        let is_certificate = causes.any(|cause| {
            let inner = cause.downcast_ref::<io::Error>().and_then(io::Error::get_ref);
            let tls = inner.and_then(|inner| inner.downcast_ref::<rustls::Error>());
            matches!(
                tls.or_else(|| cause.downcast_ref()),
                Some(rustls::Error::InvalidCertificate(_))
            )
        });
        let why = format!("{error:?}");
        match is_certificate {
            true => Self { result: result::STS_WEBPKI_INVALID, why },
            false => why.into(),
        }
    }
}

impl Outbound {
    /// Judges by the authorities that we trust, and by name.
    pub(super) async fn pkix(&self) -> Result<Verifier, String> {
        let roots = self.policies.roots(self.settings.ca_file.as_deref()).await?;
        Verifier::pkix(roots).map_err(|error| error.to_string())
    }

    /// The policy that counts for a domain now (§5.1), if there is one, and why one could not be
    /// had just now.
    ///
    /// # Errors
    /// What is remembered cannot be read: what to ask of hosts is not known.
    pub(super) async fn policy(
        &self,
        dns: &Dns,
        domain: &str,
    ) -> Result<(Option<Policy>, Option<Unfetched>), String> {
        let Some(domain) = ascii(domain) else { return Ok((None, None)) };
        let now = Self::now();
        let mut peer = self.queue.peer(&domain).await.map_err(|error| error.to_string())?;
        let known = peer.sts.take().filter(|policy| policy.until > now);
        let record = dns.txt(&format!("_mta-sts.{domain}")).await;
        let id = record.ok().and_then(|found| super::super::sts::id(&found.records));
        let fresh = match (&id, &known) {
            (Some(id), Some(known)) => *id != known.id,
            (Some(_), None) => true,
            // §5.1: without a record a policy that is known counts until it ends.
            (None, _) => false,
        };
        let known_policy = || known.as_ref().and_then(|known| Policy::parse(&known.text));
        let Some(id) = id.filter(|_| fresh && !self.policies.failed_lately(&domain, now)) else {
            return Ok((known_policy(), None));
        };
        match self.fetch(dns, &domain).await {
            Ok((text, policy)) => {
                let until = now.saturating_add_unsigned(policy.age_seconds);
                let sts = Some(StsPolicy { id, text, until });
                let peer = Peer { sts, ..peer };
                tracing::info!(domain, mode = ?policy.mode, "MTA-STS policy");
                self.queue.remember(&domain, &peer).await.map_err(|error| error.to_string())?;
                Ok((Some(policy), None))
            }
            Err(failure) => {
                let why = &failure.why;
                tracing::warn!(domain, error = why, "MTA-STS policy cannot be fetched");
                self.policies.failed(&domain, now);
                Ok((known_policy(), Some(failure)))
            }
        }
    }

    /// The text of a domain's policy, as its server tells it now; nothing is remembered.
    ///
    /// # Errors
    /// Text: why it cannot be had.
    pub async fn fetch_policy(&self, dns: &Dns, domain: &Domain) -> Result<String, String> {
        let fetched = self.fetch(dns, &domain.to_ascii()).await;
        fetched.map(|(text, _)| text).map_err(|failure| failure.why)
    }

    /// A domain's policy from its own server (§3.3).
    async fn fetch(&self, dns: &Dns, domain: &str) -> Result<(String, Policy), Unfetched> {
        let host = format!("mta-sts.{domain}");
        let place = dns.host_addresses(&host).await.map_err(|why| format!("{host}: {why:?}"))?;
        let addresses: Vec<SocketAddr> =
            place.addresses.iter().map(|address| SocketAddr::new(*address, HTTPS_PORT)).collect();
        // "HTTP 3xx redirects MUST NOT be followed": this client follows none.
        let client = self.pkix().await?.https((&host, &addresses), FETCH_WITHIN)?;
        let url = format!("https://{host}/.well-known/mta-sts.txt");
        let told = |error: reqwest::Error| Unfetched::of(&error);
        let mut response = client.get(url).send().await.map_err(told)?;
        if response.status() != reqwest::StatusCode::OK {
            return Err(format!("{host} answered {}", response.status()).into());
        }
        let kind = response.headers().get(reqwest::header::CONTENT_TYPE);
        let kind = kind.and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        let essence = kind.split(';').next().unwrap_or_default().trim();
        if !essence.eq_ignore_ascii_case("text/plain") {
            return Err(Unfetched::invalid(format!("{host} answered with {kind:?}")));
        }
        let mut body = Vec::new();
        while let Some(piece) = response.chunk().await.map_err(told)? {
            if body.len() + piece.len() > POLICY_OCTETS_MAX {
                return Err(Unfetched::invalid(format!("{host}: the policy is too large")));
            }
            body.extend_from_slice(&piece);
        }
        let text = String::from_utf8(body);
        let text = text.map_err(|error| Unfetched::invalid(format!("{host}: {error}")))?;
        let policy = Policy::parse(&text);
        let policy = policy.ok_or_else(|| Unfetched::invalid(format!("{host}: no policy")))?;
        Ok((text, policy))
    }

    /// Whether a host had TLS lately.
    pub(super) async fn had_tls(&self, host: &str) -> Result<bool, String> {
        let peer = self.queue.peer(host).await.map_err(|error| error.to_string())?;
        Ok(peer.tls_until > Self::now())
    }

    /// A host has TLS: it is expected again.
    pub(super) async fn remember_tls(&self, host: &str) {
        let expected = i64::from(self.settings.tls_remembered_days) * DAY_SECONDS;
        let now = Self::now();
        let remembered = async {
            let mut peer = self.queue.peer(host).await?;
            // One commit now and then, not one for each connection.
            if peer.tls_until - now < expected / 2 && expected > 0 {
                peer.tls_until = now + expected;
                self.queue.remember(host, &peer).await?;
            }
            Ok::<(), account::Error>(())
        };
        if let Err(error) = remembered.await {
            tracing::error!(host, %error, "TLS cannot be remembered");
        }
    }
}
