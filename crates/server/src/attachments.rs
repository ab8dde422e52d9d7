//! The text of attachments, read by confined children.
//!
//! Documents of strangers are parsed by code that is not ours and may loop, exhaust memory or be
//! subverted. So a few children read them: each is this same program, confined (see
//! [`confine`]), one document at a time. One that takes too long, dies or talks nonsense is ended
//! and replaced; its document counts as one without text. Children start when there is something
//! to read, and end when there has been nothing for a while.

pub mod child;
pub mod confine;
mod process;
pub mod wire;

use account::extract::Text;
use bytes::Bytes;
use child::Arguments;
use extract::Kind;
use process::{Broken, Child};
use std::{
    path::{Path, PathBuf},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};
use tokio::sync::Semaphore;

/// This program, even when its file was replaced since it started.
const PROGRAM: &str = "/proc/self/exe";

/// Settings `attachments.…`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct AttachmentLimits {
    /// Children at the same time; 0: attachments are not read.
    pub children_max: u32,
    /// Seconds for one document.
    pub seconds_max: u32,
    /// Octets of memory that reading takes, for each child.
    pub memory_octets_max: u64,
    /// Documents until a child is replaced.
    pub documents_per_child_max: u32,
    /// Seconds without a document until a child ends.
    pub idle_seconds: u32,
    /// Whether nothing is read where the kernel cannot confine fully.
    pub confinement_required: bool,
    /// Octets of a document.
    pub input_octets_max: u32,
    /// Octets of a document's unpacked entries.
    pub unpacked_octets_max: u32,
    /// Entries of a document.
    pub entries_max: u32,
    /// XML elements inside one another.
    pub depth_max: u32,
    /// Characters of text of a document.
    pub text_chars_max: u32,
}

impl AttachmentLimits {
    /// What a child is told.
    const fn arguments(&self) -> Arguments {
        Arguments {
            memory_octets_max: self.memory_octets_max,
            // It can only be so much over its life: the server ends it earlier when it loops.
            cpu_seconds_max: self.seconds_max as u64 * self.documents_per_child_max as u64 + 1,
            input_octets_max: self.input_octets_max as usize,
            unpacked_octets_max: self.unpacked_octets_max as usize,
            entries_max: self.entries_max as usize,
            depth_max: self.depth_max as usize,
            text_chars_max: self.text_chars_max as usize,
        }
    }
}

/// The pool of children.
#[derive(Debug)]
pub struct Readers(Arc<Pool>);

#[derive(Debug)]
struct Pool {
    limits: AttachmentLimits,
    program: PathBuf,
    places: Semaphore,
    idle: Mutex<Vec<(Child, Instant)>>,
    /// Whether a task ends idle children.
    watched: AtomicBool,
    /// Whether it was logged what confines the children.
    told: AtomicBool,
}

impl Readers {
    /// A pool without children yet; `None` when there may be none.
    #[must_use]
    pub fn new(limits: AttachmentLimits) -> Option<Self> {
        Self::of_program(limits, Path::new(PROGRAM))
    }

    /// The same with children that are another program, which knows `extract-child`.
    #[must_use]
    pub fn of_program(limits: AttachmentLimits, program: &Path) -> Option<Self> {
        let places = Semaphore::new(limits.children_max.min(1_024) as usize);
        let pool = Pool {
            limits,
            program: program.to_owned(),
            places,
            idle: Mutex::default(),
            watched: AtomicBool::new(false),
            told: AtomicBool::new(false),
        };
        (limits.children_max > 0).then(|| Self(Arc::new(pool)))
    }

    async fn read(&self, media_type: &str, document: Bytes) -> Option<String> {
        // What it is goes before what it is said to be.
        let said = || Kind::of_media_type(media_type);
        let kind = Kind::of_content(&document).or_else(said)?;
        if document.len() > self.0.limits.input_octets_max as usize {
            tracing::debug!(octets = document.len(), "an attachment is too long to be read");
            return None;
        }
        let _place = self.0.places.acquire().await.ok()?;
        match self.0.ask(kind, &document).await {
            Ok(Ok(text)) => return Some(text),
            Ok(Err(why)) => tracing::debug!(?kind, why, "an attachment has no text"),
            Err(why) => tracing::warn!(
                ?kind,
                octets = document.len(),
                why = %why,
                "an attachment could not be read; its child was ended"
            ),
        }
        None
    }
}

impl account::Extract for Readers {
    fn reads(&self, media_type: &str) -> bool {
        Kind::of_media_type(media_type).is_some() || Kind::is_untold(media_type)
    }

    fn text<'a>(&'a self, media_type: &'a str, document: Bytes) -> Text<'a> {
        Box::pin(self.read(media_type, document))
    }
}

impl Pool {
    /// The text, or why there is none, of a child in good order.
    async fn ask(
        self: &Arc<Self>,
        kind: Kind,
        document: &[u8],
    ) -> Result<Result<String, String>, Broken> {
        if let Some(mut child) = self.take() {
            match self.within(child.ask(kind, document)).await {
                Ok(text) => {
                    self.keep(child);
                    return Ok(text);
                }
                Err(Broken::Late) => return Err(Broken::Late),
                // It may have died of what it read before: this document is not to blame yet.
                Err(Broken::Died(_) | Broken::Nonsense | Broken::Unconfined) => {}
            }
        }
        let mut child = self.within(Child::start(&self.program, &self.limits)).await?;
        self.tell(&child);
        if self.limits.confinement_required && !child.confinement.is_full() {
            return Err(Broken::Unconfined);
        }
        let text = self.within(child.ask(kind, document)).await?;
        self.keep(child);
        Ok(text)
    }

    async fn within<T>(
        &self,
        work: impl Future<Output = Result<T, Broken>> + Send,
    ) -> Result<T, Broken> {
        let seconds = Duration::from_secs(self.limits.seconds_max.into());
        tokio::time::timeout(seconds, work).await.unwrap_or(Err(Broken::Late))
    }

    fn take(&self) -> Option<Child> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop().map(|(child, _)| child)
    }

    /// Puts a child back, unless it has read enough.
    fn keep(self: &Arc<Self>, child: Child) {
        if child.documents >= self.limits.documents_per_child_max {
            return;
        }
        let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
        idle.push((child, Instant::now()));
        drop(idle);
        if !self.watched.swap(true, Ordering::AcqRel) {
            tokio::spawn(Arc::clone(self).end_idle());
        }
    }

    /// Ends children that have nothing to read, until there are none.
    async fn end_idle(self: Arc<Self>) {
        let patience = Duration::from_secs(self.limits.idle_seconds.max(1).into());
        loop {
            tokio::time::sleep(patience).await;
            let mut idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner);
            idle.retain(|(_, since)| since.elapsed() < patience);
            if idle.is_empty() {
                // Under the lock: whoever puts one back now starts another task.
                self.watched.store(false, Ordering::Release);
                return;
            }
        }
    }

    /// Says once in the log what confines the children.
    fn tell(&self, child: &Child) {
        if self.told.swap(true, Ordering::AcqRel) {
            return;
        }
        let confine::Confinement { landlock, seccomp } = child.confinement;
        if child.confinement.is_full() {
            tracing::info!("attachments are read by children under landlock and seccomp");
        } else if self.limits.confinement_required {
            tracing::error!(
                landlock,
                seccomp,
                "the kernel cannot confine children; attachments are not read"
            );
        } else {
            tracing::warn!(
                landlock,
                seccomp,
                "the kernel cannot confine children fully; attachments are read all the same"
            );
        }
    }
}
