//! The running server's side of the admin socket.
//!
//! Invariants: mode 0600 from its first moment (bound under a name of its own and renamed); a line
//! longer than [`LINE_OCTETS_MAX`] ends the connection; one request at a time per connection.

use super::{Admin, Answer, Failure, Request};
use std::{
    fs, io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{
    io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader},
    net::{UnixListener, UnixStream},
    sync::watch,
};

/// The longest line: a message of 128 MiB in base64 with what is around it.
pub const LINE_OCTETS_MAX: u64 = 180 << 20;
/// Commands at once.
const CONNECTIONS_MAX: usize = 64;

/// Where the socket of a data folder is.
#[must_use]
pub fn path(data: &Path) -> PathBuf {
    data.join("admin.sock")
}

/// Binds it. What a killed server left behind is replaced; the store's lock says that no other
/// server runs.
pub fn bind(data: &Path) -> io::Result<UnixListener> {
    let path = path(data);
    let young = data.join("admin.sock.new");
    for old in [&path, &young] {
        match fs::remove_file(old) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
    }
    let listener = UnixListener::bind(&young)?;
    fs::set_permissions(&young, fs::Permissions::from_mode(0o600))?;
    fs::rename(&young, &path)?;
    Ok(listener)
}

/// Serves until shutdown.
pub async fn serve(listener: UnixListener, admin: Arc<Admin>, mut shutdown: watch::Receiver<bool>) {
    let places = Arc::new(tokio::sync::Semaphore::new(CONNECTIONS_MAX));
    loop {
        let accepted = tokio::select! {
            _ = shutdown.wait_for(|down| *down) => return,
            accepted = listener.accept() => accepted,
        };
        match (accepted, Arc::clone(&places).acquire_owned().await) {
            (Ok((stream, _)), Ok(place)) => {
                let admin = Arc::clone(&admin);
                tokio::spawn(async move {
                    if let Err(error) = converse(stream, &admin).await {
                        tracing::debug!(%error, "admin connection");
                    }
                    drop(place);
                });
            }
            (Err(error), _) => {
                tracing::error!(%error, "admin socket");
                tokio::time::sleep(std::time::Duration::from_millis(200)).await;
            }
            (_, Err(_)) => return,
        }
    }
}

async fn converse(stream: UnixStream, admin: &Admin) -> io::Result<()> {
    let (read, mut write) = stream.into_split();
    let mut read = BufReader::new(read);
    loop {
        let mut line = Vec::new();
        let octets = (&mut read).take(LINE_OCTETS_MAX).read_until(b'\n', &mut line).await?;
        if octets == 0 {
            return Ok(());
        }
        let answer = match serde_json::from_slice::<Request>(&line) {
            // serde's message would quote the line, which may hold a password.
            Err(_) => Answer::Failed(Failure::refused("not a request that this version knows")),
            Ok(request) => match admin.perform(request).await {
                Ok(reply) => Answer::Ok(reply),
                Err(failure) => Answer::Failed(failure),
            },
        };
        let mut line = serde_json::to_vec(&answer).map_err(io::Error::other)?;
        line.push(b'\n');
        write.write_all(&line).await?;
        if octets as u64 >= LINE_OCTETS_MAX {
            return Ok(());
        }
    }
}
