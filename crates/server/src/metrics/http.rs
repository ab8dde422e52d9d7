//! `GET /metrics` over HTTP/1.1 (RFC 9112): one request a connection, nothing else.
//!
//! Limits: a request of at most [`REQUEST_OCTETS_MAX`] within [`REQUEST_TIME`]; a few connections
//! at once. Meant for a loopback address.

use super::Metrics;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};

/// The longest request with its fields.
pub const REQUEST_OCTETS_MAX: usize = 8 << 10;
const REQUEST_TIME: Duration = Duration::from_secs(10);
const CONNECTIONS_MAX: usize = 16;

/// Serves until shutdown.
pub async fn serve(
    listener: TcpListener,
    metrics: Arc<Metrics>,
    mut shutdown: watch::Receiver<bool>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            _ = shutdown.wait_for(|down| *down) => return,
            accepted = listener.accept() => accepted,
        };
        match (accepted, Arc::clone(&places).acquire_owned().await) {
            (Ok((stream, _)), Ok(place)) => {
                let metrics = Arc::clone(&metrics);
                tokio::spawn(async move {
                    let _ = timeout(REQUEST_TIME, answer(stream, &metrics)).await;
                    drop(place);
                });
            }
            (Err(error), _) => {
                tracing::warn!(%error, "metrics listener");
                sleep(Duration::from_millis(200)).await;
            }
            (_, Err(_)) => return,
        }
    }
}

async fn answer<S>(mut stream: S, metrics: &Metrics) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let mut request = Vec::new();
    while !request.windows(4).any(|four| four == b"\r\n\r\n") {
        if request.len() >= REQUEST_OCTETS_MAX {
            return respond(&mut stream, "431 Request Header Fields Too Large", "").await;
        }
        let room = (REQUEST_OCTETS_MAX - request.len()) as u64;
        if (&mut stream).take(room.min(1024)).read_buf(&mut request).await? == 0 {
            return Ok(());
        }
    }
    let line = request.split(|byte| *byte == b'\r').next().unwrap_or_default();
    let mut words = line.split(|byte| *byte == b' ');
    match (words.next(), words.next()) {
        (Some(b"GET"), Some(b"/metrics")) => respond(&mut stream, "200 OK", &metrics.text()).await,
        (Some(b"GET"), _) => respond(&mut stream, "404 Not Found", "").await,
        _ => respond(&mut stream, "405 Method Not Allowed", "").await,
    }
}

async fn respond<S: AsyncWrite + Unpin>(
    stream: &mut S,
    status: &str,
    body: &str,
) -> io::Result<()> {
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: application/openmetrics-text; version=1.0.0; \
         charset=utf-8\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    stream.write_all(head.as_bytes()).await?;
    stream.write_all(body.as_bytes()).await?;
    stream.shutdown().await
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn ask(request: &[u8]) -> String {
        let (mut client, server) = tokio::io::duplex(1 << 20);
        client.write_all(request).await.unwrap();
        let metrics = Metrics::new();
        metrics.error("test");
        answer(server, &metrics).await.unwrap();
        let mut text = String::new();
        client.read_to_string(&mut text).await.unwrap();
        text
    }

    #[tokio::test]
    async fn metrics_and_nothing_else() {
        let text = ask(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n").await;
        assert!(text.starts_with("HTTP/1.1 200 OK\r\n"), "{text}");
        assert!(text.contains("palomar_errors_total{part=\"test\"} 1"));
        assert!(ask(b"GET / HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 404"));
        assert!(ask(b"POST /metrics HTTP/1.1\r\n\r\n").await.starts_with("HTTP/1.1 405"));
    }

    #[tokio::test]
    async fn a_request_at_its_longest_and_one_more() {
        let padded = |octets: usize| {
            let start = "GET /metrics HTTP/1.1\r\nX: ";
            format!("{start}{}\r\n\r\n", "x".repeat(octets - start.len() - 4))
        };
        assert!(ask(padded(REQUEST_OCTETS_MAX).as_bytes()).await.starts_with("HTTP/1.1 200"));
        assert!(ask(padded(REQUEST_OCTETS_MAX + 1).as_bytes()).await.starts_with("HTTP/1.1 431"));
    }
}
