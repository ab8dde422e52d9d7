//! How a server's certificate is judged: not at all (opportunistic TLS), by the web's authorities
//! and its name, or by DANE. The proof that it has the certificate's key is asked for always.

use super::dane::{Dane, Tlsa};
use rustls::{
    CertificateError, ClientConfig, DigitallySignedStruct, Error, OtherError, RootCertStore,
    SignatureScheme,
    client::{
        Resumption, WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    },
    crypto::{
        WebPkiSupportedAlgorithms, aws_lc_rs, verify_tls12_signature, verify_tls13_signature,
    },
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{fmt, net::SocketAddr, sync::Arc, time::Duration};

/// How a certificate is judged.
#[derive(Clone, Debug)]
pub struct Verifier {
    config: Arc<ClientConfig>,
    authenticated: bool,
}

impl Verifier {
    /// Any certificate is taken (RFC 7435): safe from those who listen, not from those who forge.
    ///
    /// # Errors
    /// rustls refuses its settings.
    pub fn any() -> Result<Self, Error> {
        Self::new(Arc::new(Any(Signatures::default())), false)
    }

    /// A certificate for the server's name under one of these authorities (RFC 9525): for MTA-STS
    /// and smart hosts.
    ///
    /// # Errors
    /// Without an authority; rustls refuses its settings.
    pub fn pkix(roots: Arc<RootCertStore>) -> Result<Self, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider).build();
        Self::new(verifier.map_err(|error| Error::General(error.to_string()))?, true)
    }

    /// A certificate that the TLSA records are for. `None` when none of them is usable: then TLS is
    /// required and not authenticated (RFC 7672 §2.2). `names`: the host's and the domain's that
    /// mail is for (§3.2.2).
    ///
    /// # Errors
    /// rustls refuses its settings.
    pub fn dane(records: Vec<Tlsa>, names: &[String]) -> Result<Option<Self>, Error> {
        let verifier = Dane::new(records, names);
        verifier.map(|verifier| Self::new(Arc::new(verifier), true)).transpose()
    }

    fn new(verifier: Arc<dyn ServerCertVerifier>, authenticated: bool) -> Result<Self, Error> {
        let provider = Arc::new(aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?
            .dangerous()
            .with_custom_certificate_verifier(verifier)
            .with_no_client_auth();
        // A resumed session is not verified anew: policies may have changed since.
        config.resumption = Resumption::disabled();
        Ok(Self { config: Arc::new(config), authenticated })
    }

    /// Judges alike, and what passes is not taken as proven: a policy is only tried out.
    #[must_use]
    pub const fn on_trial(mut self) -> Self {
        self.authenticated = false;
        self
    }

    /// Whether a connection that it lets pass is with the server meant.
    #[must_use]
    pub const fn is_authenticated(&self) -> bool {
        self.authenticated
    }

    pub(super) fn config(&self) -> Arc<ClientConfig> {
        Arc::clone(&self.config)
    }

    /// A client for HTTPS with one host at these addresses, within so much time: no proxy of the
    /// environment, and nowhere else when it is told to go there.
    ///
    /// # Errors
    /// Text of what is wrong.
    pub fn https(
        &self,
        (host, addresses): (&str, &[SocketAddr]),
        within: Duration,
    ) -> Result<reqwest::Client, String> {
        reqwest::Client::builder()
            .tls_backend_preconfigured((*self.config).clone())
            .https_only(true)
            .no_proxy()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(within)
            .resolve_to_addrs(host, addresses)
            .build()
            .map_err(|error| error.to_string())
    }
}

/// The signatures of a handshake.
#[derive(Clone, Copy)]
pub(super) struct Signatures {
    pub algorithms: WebPkiSupportedAlgorithms,
}

impl Default for Signatures {
    fn default() -> Self {
        Self { algorithms: aws_lc_rs::default_provider().signature_verification_algorithms }
    }
}

impl fmt::Debug for Signatures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signatures")
    }
}

impl Signatures {
    pub fn verify_tls12(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls12_signature(message, certificate, signed, &self.algorithms)
    }

    pub fn verify_tls13(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        verify_tls13_signature(message, certificate, signed, &self.algorithms)
    }
}

/// Why a certificate is refused, in words.
pub(super) fn refused(why: &'static str) -> Error {
    let error = Arc::<dyn std::error::Error + Send + Sync>::from(Box::from(why));
    CertificateError::Other(OtherError(error)).into()
}

/// Takes any certificate.
#[derive(Debug)]
struct Any(Signatures);

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12(message, certificate, signed)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signed: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13(message, certificate, signed)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.algorithms.supported_schemes()
    }
}
