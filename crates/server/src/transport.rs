//! A connection's bytes: in clear, or through TLS.
//!
//! Invariant: going from clear to TLS keeps no byte that was read in clear: there is no buffer here
//! at all, and what the machine had not consumed it drops when it asks for TLS.

use crate::tls::{Handshake, TlsError};
use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_rustls::server::TlsStream;
use wire::Event;

/// Clear or TLS.
pub enum Transport<S> {
    /// In clear.
    Clear(S),
    /// Through TLS; boxed, because a rustls connection is large and moving it is not free.
    Tls(Box<TlsStream<S>>),
    /// Between the two, or after a handshake that failed.
    Gone,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send> Transport<S> {
    /// Shakes hands and gives what the machine should hear.
    pub async fn secure(&mut self, handshake: &Handshake) -> Result<Event, TlsError> {
        let Self::Clear(stream) = std::mem::replace(self, Self::Gone) else {
            return Err(TlsError::AlreadySecure);
        };
        // Boxed: the handshake's future is an order of magnitude larger than an idle connection's.
        let stream = Box::pin(handshake.accept(stream)).await?;
        let event = secured(stream.get_ref().1);
        *self = Self::Tls(Box::new(stream));
        Ok(event)
    }

    /// Whether TLS is up.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        matches!(self, Self::Tls(_))
    }

    /// Reads what is there.
    pub fn poll_read(
        &mut self,
        cx: &mut Context<'_>,
        into: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(stream) => Pin::new(stream).poll_read(cx, into),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_read(cx, into),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    /// Writes some of it.
    pub fn poll_write(&mut self, cx: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        match self {
            Self::Clear(stream) => Pin::new(stream).poll_write(cx, bytes),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_write(cx, bytes),
            Self::Gone => Poll::Ready(Err(io::ErrorKind::NotConnected.into())),
        }
    }

    /// Pushes out what TLS still holds.
    pub fn poll_flush(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_flush(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }

    /// Says goodbye (close_notify, FIN).
    pub fn poll_shutdown(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self {
            Self::Clear(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream.as_mut()).poll_shutdown(cx),
            Self::Gone => Poll::Ready(Ok(())),
        }
    }
}

/// What a machine hears of a handshake that is done.
pub(crate) fn secured<T>(connection: &rustls::ConnectionCommon<T>) -> Event {
    let version = connection.protocol_version();
    let suite = connection.negotiated_cipher_suite();
    let name = |version| match version {
        rustls::ProtocolVersion::TLSv1_3 => "TLSv1.3",
        rustls::ProtocolVersion::TLSv1_2 => "TLSv1.2",
        _ => "TLS",
    };
    let suite_name = suite.and_then(|suite| suite.suite().as_str()).unwrap_or("?");
    let suite_name = suite_name.replacen("TLS13_", "TLS_", 1);
    Event::Secured {
        exporter: exporter(connection),
        description: format!("{} {suite_name}", version.map_or("TLS", name)),
    }
}

/// RFC 9266 §2: 32 octets of "EXPORTER-Channel-Binding" with an empty context. On TLS 1.2 it is
/// unique only with the extended master secret, so it is not offered there.
fn exporter<T>(connection: &rustls::ConnectionCommon<T>) -> Option<[u8; 32]> {
    if connection.protocol_version() != Some(rustls::ProtocolVersion::TLSv1_3) {
        return None;
    }
    connection.export_keying_material([0; 32], b"EXPORTER-Channel-Binding", Some(b"")).ok()
}
