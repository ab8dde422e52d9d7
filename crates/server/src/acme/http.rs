//! The listener of http-01 (RFC 8555 §8.3): it answers challenges of ours and nothing else.
//!
//! Limits: a request within [`REQUEST_TIME`]; a few connections at once.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{
    io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _},
    net::TcpListener,
    sync::{Semaphore, watch},
    time::{sleep, timeout},
};
use wire::{
    Event, Machine as _, Step,
    http::{Response, Session},
};

const REQUEST_TIME: Duration = Duration::from_secs(10);
const CONNECTIONS_MAX: usize = 32;
const PATH: &str = "/.well-known/acme-challenge/";

/// Answers by token.
#[derive(Clone, Default)]
pub struct Answers(Arc<Mutex<HashMap<String, String>>>);

impl Answers {
    fn all(&self) -> MutexGuard<'_, HashMap<String, String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// From now on a token has this answer, or none.
    pub fn set(&self, token: &str, answer: Option<String>) {
        match answer {
            Some(answer) => self.all().insert(token.to_owned(), answer),
            None => self.all().remove(token),
        };
    }

    fn response(&self, path: &str) -> Response {
        let token = path.strip_prefix(PATH);
        match token.and_then(|token| self.all().get(token).cloned()) {
            Some(answer) => Response::found("application/octet-stream", answer),
            None => Response::NOT_FOUND,
        }
    }
}

/// Serves until shutdown.
pub async fn serve(listener: TcpListener, answers: Answers, mut shutdown: watch::Receiver<bool>) {
    let places = Arc::new(Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            _ = shutdown.wait_for(|down| *down) => return,
            accepted = listener.accept() => accepted,
        };
        match (accepted, Arc::clone(&places).acquire_owned().await) {
            (Ok((stream, _)), Ok(place)) => {
                let answers = answers.clone();
                tokio::spawn(async move {
                    let _ = timeout(REQUEST_TIME, answer(stream, &answers)).await;
                    drop(place);
                });
            }
            (Err(error), _) => {
                tracing::warn!(%error, "listener of http-01");
                sleep(Duration::from_millis(200)).await;
            }
            (_, Err(_)) => return,
        }
    }
}

async fn answer<S>(mut stream: S, answers: &Answers) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin,
{
    let (mut session, mut piece) = (Session::default(), [0; 1024]);
    loop {
        match session.step() {
            Step::Ask(request) => session.answer(&answers.response(&request.path)),
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

    async fn ask(answers: &Answers, path: &str) -> String {
        let (mut client, server) = tokio::io::duplex(1 << 16);
        let request = format!("GET {path} HTTP/1.1\r\nHost: a.test\r\n\r\n");
        client.write_all(request.as_bytes()).await.unwrap();
        answer(server, answers).await.unwrap();
        let mut reply = String::new();
        client.read_to_string(&mut reply).await.unwrap();
        reply
    }

    #[tokio::test]
    async fn rfc8555_8_3_only_what_is_asked_of_us_is_answered() {
        let answers = Answers::default();
        answers.set("token", Some("token.thumb".into()));
        let path = "/.well-known/acme-challenge/token";
        let reply = ask(&answers, path).await;
        assert!(reply.starts_with("HTTP/1.1 200") && reply.ends_with("\r\n\r\ntoken.thumb"));
        for other in ["/", "/.well-known/acme-challenge/", "/.well-known/acme-challenge/other"] {
            assert!(ask(&answers, other).await.starts_with("HTTP/1.1 404"), "{other}");
        }
        answers.set("token", None);
        assert!(ask(&answers, path).await.starts_with("HTTP/1.1 404"));
    }
}
