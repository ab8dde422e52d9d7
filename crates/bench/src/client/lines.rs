//! A blocking connection, plain or TLS, read by lines.

use crate::error::Error;
use rustls::{
    ClientConfig, ClientConnection, DigitallySignedStruct, SignatureScheme, StreamOwned,
    client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
    pki_types::{CertificateDer, ServerName, UnixTime},
};
use std::{
    io::{BufRead, BufReader, Read, Write},
    net::TcpStream,
    sync::{Arc, OnceLock},
    time::Duration,
};

/// Seconds that a server may take for one answer.
const READ_SECONDS_MAX: u64 = 300;

/// A connection.
pub struct Lines {
    stream: BufReader<Stream>,
}

enum Stream {
    Plain(TcpStream),
    Tls(Box<StreamOwned<ClientConnection, TcpStream>>),
}

impl Read for Stream {
    fn read(&mut self, into: &mut [u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.read(into),
            Self::Tls(stream) => stream.read(into),
        }
    }
}

impl Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        match self {
            Self::Plain(stream) => stream.write(bytes),
            Self::Tls(stream) => stream.write(bytes),
        }
    }
    fn flush(&mut self) -> std::io::Result<()> {
        match self {
            Self::Plain(stream) => stream.flush(),
            Self::Tls(stream) => stream.flush(),
        }
    }
}

/// Loopback peers with certificates of their own making: any is taken.
#[derive(Debug)]
struct Any;

impl ServerCertVerifier for Any {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        rustls::crypto::aws_lc_rs::default_provider()
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn config() -> Arc<ClientConfig> {
    static CONFIG: OnceLock<Arc<ClientConfig>> = OnceLock::new();
    let make = || {
        let config = ClientConfig::builder().dangerous();
        Arc::new(config.with_custom_certificate_verifier(Arc::new(Any)).with_no_client_auth())
    };
    Arc::clone(CONFIG.get_or_init(make))
}

impl Lines {
    /// Connects to a loopback port.
    pub fn connect(port: u16, tls: bool) -> Result<Self, Error> {
        let tcp = TcpStream::connect(("127.0.0.1", port))?;
        tcp.set_nodelay(true)?;
        tcp.set_read_timeout(Some(Duration::from_secs(READ_SECONDS_MAX)))?;
        let stream = if tls {
            let name = ServerName::try_from("localhost")?;
            Stream::Tls(Box::new(StreamOwned::new(ClientConnection::new(config(), name)?, tcp)))
        } else {
            Stream::Plain(tcp)
        };
        Ok(Self { stream: BufReader::with_capacity(if tls { 16 << 10 } else { 4 << 10 }, stream) })
    }

    /// A line without its end.
    pub fn line(&mut self) -> Result<Vec<u8>, Error> {
        let mut line = Vec::new();
        self.line_into(&mut line)?;
        Ok(line)
    }

    /// A line without its end, into a buffer that is cleared first.
    pub fn line_into(&mut self, line: &mut Vec<u8>) -> Result<(), Error> {
        line.clear();
        if self.stream.read_until(b'\n', line)? == 0 {
            return crate::error::fail("the server closed the connection");
        }
        while line.last().is_some_and(|b| *b == b'\n' || *b == b'\r') {
            line.pop();
        }
        Ok(())
    }

    /// Reads and forgets octets.
    pub fn skip(&mut self, octets: u64) -> Result<(), Error> {
        std::io::copy(&mut (&mut self.stream).take(octets), &mut std::io::sink())?;
        Ok(())
    }

    /// Sends.
    pub fn send(&mut self, bytes: &[u8]) -> Result<(), Error> {
        self.stream.get_mut().write_all(bytes)?;
        self.stream.get_mut().flush()?;
        Ok(())
    }
}
