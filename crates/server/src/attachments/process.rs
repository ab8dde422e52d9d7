//! One child as the server sees it: started, asked, ended with its handle.

use super::{
    AttachmentLimits,
    confine::Confinement,
    wire::{self, Answer},
};
use extract::Kind;
use std::{fmt, io, path::Path, process::Stdio};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    process::{ChildStdin, ChildStdout, Command},
};

/// Octets of an answer besides text: why there is none.
const REASON_OCTETS_MAX: u32 = 1_024;

/// Why a child is of no use any more.
#[derive(Debug)]
pub(super) enum Broken {
    /// It took longer than is allowed.
    Late,
    /// It could not be started, or has ended.
    Died(io::Error),
    /// It said what cannot be.
    Nonsense,
    /// The kernel did not confine it, and that is required.
    Unconfined,
}

impl fmt::Display for Broken {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Late => f.write_str("it took too long"),
            Self::Died(error) => write!(f, "the child died: {error}"),
            Self::Nonsense => f.write_str("the child talked nonsense"),
            Self::Unconfined => f.write_str("the child is not confined"),
        }
    }
}

impl From<io::Error> for Broken {
    fn from(error: io::Error) -> Self {
        Self::Died(error)
    }
}

/// A running child; killed when dropped.
#[derive(Debug)]
pub(super) struct Child {
    requests: ChildStdin,
    answers: ChildStdout,
    answer_octets_max: u32,
    _process: tokio::process::Child,
    /// What confines it.
    pub(super) confinement: Confinement,
    /// Documents it was given.
    pub(super) documents: u32,
}

impl Child {
    /// Starts one and waits until it is confined.
    pub(super) async fn start(program: &Path, limits: &AttachmentLimits) -> Result<Self, Broken> {
        let mut command = Command::new(program);
        command
            .arg("extract-child")
            .args(limits.arguments().words())
            .env_clear()
            // Memory that the allocator merely reserves would count as used.
            .env("MIMALLOC_ARENA_RESERVE", "0")
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .kill_on_drop(true);
        let mut process = command.spawn()?;
        let pipes = process.stdin.take().zip(process.stdout.take());
        let (requests, answers) = pipes.ok_or(Broken::Nonsense)?;
        let mut child = Self {
            requests,
            answers,
            answer_octets_max: limits.text_chars_max.saturating_mul(4).max(REASON_OCTETS_MAX),
            _process: process,
            confinement: Confinement { landlock: false, seccomp: false },
            documents: 0,
        };
        match child.answer().await? {
            Answer::Ready(confinement) => child.confinement = confinement,
            Answer::Text(_) | Answer::NoText(_) => return Err(Broken::Nonsense),
        }
        Ok(child)
    }

    /// Has it read a document: the text, or why there is none.
    pub(super) async fn ask(
        &mut self,
        kind: Kind,
        document: &[u8],
    ) -> Result<Result<String, String>, Broken> {
        self.documents += 1;
        let octets = u32::try_from(document.len()).map_err(|_| Broken::Nonsense)?;
        self.requests.write_all(&wire::head(kind.code(), octets)).await?;
        self.requests.write_all(document).await?;
        match self.answer().await? {
            Answer::Text(text) => Ok(Ok(text)),
            Answer::NoText(why) => Ok(Err(why)),
            Answer::Ready(_) => Err(Broken::Nonsense),
        }
    }

    async fn answer(&mut self) -> Result<Answer, Broken> {
        let mut head = [0; wire::HEAD_OCTETS];
        self.answers.read_exact(&mut head).await?;
        let (octets, code) = wire::parse_head(head);
        if octets > self.answer_octets_max {
            return Err(Broken::Nonsense);
        }
        let mut content = vec![0; octets as usize];
        self.answers.read_exact(&mut content).await?;
        Answer::parse(code, content).ok_or(Broken::Nonsense)
    }
}
