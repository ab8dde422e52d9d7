//! A command's side: through the socket of a running server if there is one, else the store itself.

use super::{Admin, Answer, Failure, Reply, Request, socket};
use std::{io, path::Path};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{
        UnixStream,
        unix::{OwnedReadHalf, OwnedWriteHalf},
    },
};

/// Who performs a command's requests.
pub enum Client {
    /// A running server.
    Server(Box<Connection>),
    /// This process, with the store open.
    Direct(Box<Admin>),
}

/// A connection to a running server.
pub struct Connection {
    read: BufReader<OwnedReadHalf>,
    write: OwnedWriteHalf,
}

impl Connection {
    /// Connects to the server of a data folder; `None` when none runs there.
    pub async fn open(data: &Path) -> Result<Option<Self>, Failure> {
        let path = socket::path(data);
        match UnixStream::connect(&path).await {
            Ok(stream) => {
                let (read, write) = stream.into_split();
                Ok(Some(Self { read: BufReader::new(read), write }))
            }
            Err(error) => match error.kind() {
                io::ErrorKind::NotFound | io::ErrorKind::ConnectionRefused => Ok(None),
                _ => Err(Failure::ours(format!("{}: {error}", path.display()))),
            },
        }
    }

    async fn ask(&mut self, request: &Request) -> io::Result<Answer> {
        let mut line = serde_json::to_vec(request).map_err(io::Error::other)?;
        line.push(b'\n');
        self.write.write_all(&line).await?;
        line.clear();
        if self.read.read_until(b'\n', &mut line).await? == 0 {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        serde_json::from_slice(&line).map_err(io::Error::other)
    }
}

impl Client {
    /// Asks for one thing.
    pub async fn ask(&mut self, request: Request) -> Result<Reply, Failure> {
        match self {
            Self::Direct(admin) => admin.perform(request).await,
            Self::Server(connection) => match connection.ask(&request).await {
                Ok(Answer::Ok(reply)) => Ok(reply),
                Ok(Answer::Failed(failure)) => Err(failure),
                Err(error) => Err(Failure::ours(format!("the server did not answer: {error}"))),
            },
        }
    }
}
