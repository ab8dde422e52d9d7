//! `GET /metrics` over HTTP/1.1 ([`wire::http`]): one request a connection, nothing else.
//!
//! Limits: a request within [`REQUEST_TIME`]; a few connections at once. Meant for a loopback
//! address.

use super::Metrics;
use std::{io, sync::Arc, time::Duration};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::TcpListener,
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use wire::{
    Event, Machine as _, Step,
    http::{Response, Session},
};

const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";
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
    let (mut session, mut piece) = (Session::default(), [0; 1024]);
    loop {
        match session.step() {
            Step::Ask(request) if request.path == "/metrics" => {
                session.answer(&Response::found(OPEN_METRICS, metrics.text()));
            }
            Step::Ask(_) => session.answer(&Response::NOT_FOUND),
            Step::Wait(_) => match stream.read(&mut piece).await? {
                0 => session.event(Event::Eof),
                octets => session.receive(piece.get(..octets).unwrap_or_default()),
            },
            _ => break,
        }
    }
    stream.write_all(&session.outbox().take()).await?;
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
        assert!(ask(b"GET / HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.1 404"));
        assert!(ask(b"POST /metrics HTTP/1.0\r\n\r\n").await.starts_with("HTTP/1.1 405"));
    }
}
