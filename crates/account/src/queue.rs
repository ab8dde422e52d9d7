//! The durable part of the outbound queue: messages that wait to leave, and how far each recipient
//! is. Lives under an account id of its own, with a key of its own.
//!
//! Invariants: a message is in the queue or it is not: envelope and content are one commit; what a
//! recipient's host said last is durable before it is acted upon; a message leaves with its last
//! recipient, in one commit. Never decides when or where to send.

mod envelope;
mod peer;
mod sent;
mod tallies;
mod warmth;

use crate::{
    Accounts, Error, Refused,
    accounts::Shared,
    body,
    codec::{Reader, Writer},
    keys,
    seal::{Kind, Seal},
};
use bytes::{Bytes, BytesMut};
pub use envelope::{
    Content, Envelope, Language, Notify, NotifyWish, Progress, REPLY_OCTETS_MAX, Reply, Return,
    Settled, Target,
};
use mail::AccountId;
pub use peer::{Peer, StsPolicy};
pub use sent::Sent;
use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
pub use tallies::{Addition, Tally, TallyId, TallyKind, TallyLimits, TallyRow};
pub use warmth::Room;

/// The queue's own account: the directory numbers accounts from 1 on and never comes here.
const QUEUE: u32 = u32::MAX;
/// Messages read at a time by who reads all.
const PAGE: usize = 256;

/// A message in the queue; never used again.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct QueueId(pub u64);

impl std::fmt::Display for QueueId {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Q{:x}", self.0)
    }
}

impl std::str::FromStr for QueueId {
    type Err = Refused;
    fn from_str(text: &str) -> Result<Self, Refused> {
        let digits = text.strip_prefix(['Q', 'q']).ok_or(Refused::NoSuchEntry)?;
        u64::from_str_radix(digits, 16).map(Self).map_err(|_| Refused::NoSuchEntry)
    }
}

/// A message that waits, with where each of its recipients is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Queued {
    /// Its number.
    pub id: QueueId,
    /// All that is known of it.
    pub envelope: Envelope,
    /// One for each recipient.
    pub progress: Vec<Progress>,
    /// Octets that each chunk of the content takes, sealed.
    places: Vec<u64>,
}

/// Where commits go next.
#[derive(Default)]
struct Head {
    next: u64,
    flying: usize,
    /// A commit failed: the head is read anew before the next.
    broken: bool,
}

/// Messages that wait to leave.
pub struct Queue {
    shared: Arc<Shared>,
    seal: Seal,
    head: Mutex<Head>,
    sents: Mutex<HashMap<u32, Sent>>,
    warmth: Mutex<warmth::Warmth>,
    tallied: tallies::Tallied,
}

type Puts = Vec<(Bytes, Option<Bytes>)>;

impl Queued {
    /// One whose content is nowhere: for reports of what never came into the queue.
    #[must_use]
    pub const fn new(id: QueueId, envelope: Envelope, progress: Vec<Progress>) -> Self {
        Self { id, envelope, progress, places: Vec::new() }
    }
}

impl Queue {
    /// The queue of an installation; made when there is none.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`] when its key does not open.
    pub async fn open(accounts: &Accounts) -> Result<Arc<Self>, Error> {
        let shared = accounts.share();
        let head = shared.kv.head(QUEUE).await?;
        let (seal, made) = match shared.kv.get(QUEUE, keys::sealing().bytes()).await? {
            Some(wrapped) => (Seal::open_key(QUEUE, &shared.master, &wrapped)?, None),
            None => {
                let (seal, wrapped) = Seal::make(QUEUE, &shared.master)?;
                (seal, Some((keys::sealing().bytes(), Some(wrapped.into()))))
            }
        };
        let head = Mutex::new(Head { next: head, ..Head::default() });
        let (sents, warmth, tallied) = (Mutex::default(), Mutex::default(), Default::default());
        let queue = Arc::new(Self { shared, seal, head, sents, warmth, tallied });
        if let Some(put) = made {
            queue.commit(|_| Ok((vec![put], Changed::default()))).await?;
        }
        Ok(queue)
    }

    fn sents(&self) -> MutexGuard<'_, HashMap<u32, Sent>> {
        self.sents.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn head(&self) -> MutexGuard<'_, Head> {
        self.head.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One commit, made by `plan` from its own number, which is the first message's; those after it
    /// have the next numbers.
    async fn commit(
        &self,
        plan: impl FnOnce(u64) -> Result<(Puts, Changed), Error>,
    ) -> Result<u64, Error> {
        if self.head().broken {
            let found = self.shared.kv.head(QUEUE).await?;
            let mut head = self.head();
            // What was on its way fails as well; until it has, nobody knows where the end is.
            if head.broken && head.flying > 0 {
                return Err(store::Error::Conflict { head: found }.into());
            }
            *head = Head { next: found, ..Head::default() };
        }
        let (landing, number) = {
            let mut head = self.head();
            let number = head.next + 1;
            let (puts, changed) = plan(number)?;
            // Each message that it takes in has a number of its own.
            let last = number + changed.blobs.len().saturating_sub(1) as u64;
            let commit = store::Commit {
                account: QUEUE,
                expected: head.next,
                head: last,
                puts,
                blobs: changed.blobs,
                drops: changed.drops,
            };
            head.next = last;
            head.flying += 1;
            (Landing { queue: self, landed: false, future: self.shared.kv.commit(commit) }, number)
        };
        landing.settled().await?;
        Ok(number)
    }

    /// Takes a message in: when this is ready it is durable.
    ///
    /// # Errors
    /// [`Refused::MessageTooBig`], [`Refused::Limit`] without recipients; the store's.
    pub async fn put(&self, envelope: &Envelope, content: &[u8]) -> Result<QueueId, Error> {
        if content.len() as u64 > self.shared.options.message_octets_max.min(u32::MAX.into()) {
            return Err(Refused::MessageTooBig.into());
        }
        if envelope.recipients.is_empty() {
            return Err(Refused::Limit.into());
        }
        if let Some(account) = envelope.account {
            self.sent(account).await?;
        }
        let chunks = body::chunks(content, self.shared.options.zstd_level);
        let plan = |number| {
            // Sealed under the lock: the number is part of what is authenticated. AES takes some
            // microseconds for a usual message.
            let (blob, places) = body::seal(&self.seal, number, &chunks)?;
            let put = self.envelope_put(number, envelope, &places)?;
            let changed = Changed { blobs: vec![(number, blob.into())], drops: Vec::new() };
            let mut puts = vec![put];
            if let Some(account) = envelope.account {
                puts.push(self.count(account, envelope.recipients.len())?);
            }
            Ok((puts, changed))
        };
        self.commit(plan).await.map(QueueId)
    }

    fn envelope_put(
        &self,
        number: u64,
        envelope: &Envelope,
        places: &[u64],
    ) -> Result<(Bytes, Option<Bytes>), Error> {
        let mut to = Writer::default();
        envelope.write(&mut to);
        to.number(places.len() as u64);
        for octets in places {
            to.number(*octets);
        }
        let sealed = self.seal.seal(Kind::Queued, number, &to.done())?;
        Ok((keys::queued(number).bytes(), Some(sealed.into())))
    }

    fn open_envelope(&self, number: u64, sealed: &[u8]) -> Result<Queued, Error> {
        let damaged = || Error::Damaged(format!("queue: message {}", QueueId(number)));
        let plain = self.seal.open(Kind::Queued, number, sealed).map_err(|_| damaged())?;
        let mut from = Reader(&plain);
        let envelope = Envelope::read(&mut from).ok_or_else(damaged)?;
        let count = from.number().ok_or_else(damaged)?;
        let mut places = Vec::new();
        for _ in 0..count {
            places.push(from.number().ok_or_else(damaged)?);
        }
        let progress = vec![Progress::default(); envelope.recipients.len()];
        Ok(Queued { id: QueueId(number), envelope, progress, places })
    }

    /// Fills in how far recipients are.
    async fn with_progress(&self, mut queued: Queued) -> Result<Queued, Error> {
        let number = queued.id.0;
        let scan = store::Scan {
            account: QUEUE,
            from: keys::progress(number, 0).bytes(),
            to: keys::progress(number + 1, 0).bytes(),
            reverse: false,
            entries_max: usize::MAX,
        };
        for (key, sealed) in self.shared.kv.scan(scan).await? {
            let damaged = || Error::Damaged(format!("queue: progress of {}", QueueId(number)));
            let at = keys::progress_recipient(&key).ok_or_else(damaged)?;
            let plain = self.seal.open(Kind::QueueProgress, number, &sealed)?;
            let read = Progress::read(&plain).ok_or_else(damaged)?;
            if let Some(slot) = queued.progress.get_mut(at as usize) {
                *slot = read;
            }
        }
        Ok(queued)
    }

    /// A message of the queue.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn find(&self, id: QueueId) -> Result<Option<Queued>, Error> {
        match self.shared.kv.get(QUEUE, keys::queued(id.0).bytes()).await? {
            Some(sealed) => {
                let queued = self.open_envelope(id.0, &sealed)?;
                self.with_progress(queued).await.map(Some)
            }
            None => Ok(None),
        }
    }

    /// A page of messages in the order in which they came, after `after`; none at the end. One that
    /// cannot be read is an error in its place: the others can.
    ///
    /// # Errors
    /// The store's.
    pub async fn page(
        &self,
        after: Option<QueueId>,
    ) -> Result<Vec<(QueueId, Result<Queued, Error>)>, Error> {
        let scan = store::Scan {
            account: QUEUE,
            from: keys::queued(after.map_or(0, |id| id.0 + 1)).bytes(),
            to: keys::all(keys::tag::QUEUED).1,
            reverse: false,
            entries_max: PAGE,
        };
        let mut found = Vec::new();
        for (key, sealed) in self.shared.kv.scan(scan).await? {
            let Some(number) = keys::queued_number(&key) else { continue };
            let opened = match self.open_envelope(number, &sealed) {
                Ok(queued) => self.with_progress(queued).await,
                Err(error) => Err(error),
            };
            found.push((QueueId(number), opened));
        }
        Ok(found)
    }

    /// Octets of a message's content, clamped to its end.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn content(&self, queued: &Queued, from: u64, octets: u64) -> Result<Bytes, Error> {
        let whole = queued.envelope.octets;
        let end = from.saturating_add(octets).min(whole);
        let chunk_octets = body::CHUNK_OCTETS as u64;
        let damaged = || Error::Damaged(format!("queue: content of {}", queued.id));
        let (mut out, mut start, mut base) = (BytesMut::new(), 0_u64, 0_u64);
        for (at, place) in queued.places.iter().enumerate() {
            let range = start..start + place;
            start = range.end;
            let first = base;
            base += chunk_octets;
            if base <= from || first >= end {
                continue;
            }
            let blob = store::BlobId { account: QUEUE, blob: queued.id.0 };
            let piece = self.shared.blobs.get(blob, range).await?.ok_or_else(damaged)?;
            let plain = body::open(&self.seal, queued.id.0, at, &piece)?;
            let clip = |at: u64| usize::try_from(at.clamp(first, base) - first).unwrap_or(0);
            out.extend_from_slice(plain.get(clip(from)..clip(end)).ok_or_else(damaged)?);
        }
        if out.len() as u64 == end.saturating_sub(from) { Ok(out.freeze()) } else { Err(damaged()) }
    }

    /// Writes down how far recipients are; when that was the last, the message leaves.
    ///
    /// # Errors
    /// The store's.
    pub async fn progress(&self, queued: &Queued, changed: &[usize]) -> Result<(), Error> {
        if queued.progress.iter().all(|one| one.settled.is_some()) {
            return self.remove(queued).await;
        }
        let number = queued.id.0;
        let mut puts = Vec::with_capacity(changed.len());
        for at in changed {
            let Some(progress) = queued.progress.get(*at) else { continue };
            let sealed = self.seal.seal(Kind::QueueProgress, number, &progress.write())?;
            let at = u32::try_from(*at).map_err(|_| Error::from(Refused::Limit))?;
            puts.push((keys::progress(number, at).bytes(), Some(sealed.into())));
        }
        self.commit(|_| Ok((puts, Changed::default()))).await.map(|_| ())
    }

    /// Writes a message's envelope anew: held, released, warned of.
    ///
    /// # Errors
    /// The store's.
    pub async fn amend(&self, queued: &Queued) -> Result<(), Error> {
        let put = self.envelope_put(queued.id.0, &queued.envelope, &queued.places)?;
        self.commit(|_| Ok((vec![put], Changed::default()))).await.map(|_| ())
    }

    /// Takes a message out, with another that speaks of it, if there is one, in the same commit.
    ///
    /// # Errors
    /// The store's.
    pub async fn remove(&self, queued: &Queued) -> Result<(), Error> {
        self.commit(|_| Ok(Self::gone(queued))).await.map(|_| ())
    }

    /// As [`Self::progress`], and puts what follows from it into the queue, in one commit: reports,
    /// and what goes on to others. Gives their numbers.
    ///
    /// # Errors
    /// The store's.
    pub async fn follow(
        &self,
        queued: &Queued,
        messages: &[(Envelope, Bytes)],
    ) -> Result<Vec<QueueId>, Error> {
        let level = self.shared.options.zstd_level;
        let all: Vec<_> = messages
            .iter()
            .map(|(envelope, content)| (envelope, body::chunks(content, level)))
            .collect();
        let plan = |first: u64| {
            let (mut puts, mut changed) = self.written(queued)?;
            for (number, (envelope, chunks)) in (first..).zip(&all) {
                let (blob, places) = body::seal(&self.seal, number, chunks)?;
                puts.push(self.envelope_put(number, envelope, &places)?);
                changed.blobs.push((number, blob.into()));
            }
            Ok((puts, changed))
        };
        let first = self.commit(plan).await?;
        Ok((first..).take(messages.len()).map(QueueId).collect())
    }

    /// All that is known of a message, or that it is gone.
    fn written(&self, queued: &Queued) -> Result<(Puts, Changed), Error> {
        if queued.progress.iter().all(|one| one.settled.is_some()) {
            return Ok(Self::gone(queued));
        }
        let number = queued.id.0;
        let mut puts = vec![self.envelope_put(number, &queued.envelope, &queued.places)?];
        for (progress, at) in queued.progress.iter().zip(0..) {
            if *progress != Progress::default() {
                let sealed = self.seal.seal(Kind::QueueProgress, number, &progress.write())?;
                puts.push((keys::progress(number, at).bytes(), Some(sealed.into())));
            }
        }
        Ok((puts, Changed::default()))
    }

    fn gone(queued: &Queued) -> (Puts, Changed) {
        let number = queued.id.0;
        let mut puts = vec![(keys::queued(number).bytes(), None)];
        // One that went well at once never had progress written; deleting what is not there is
        // harmless, and cheap where there is one recipient.
        for at in (0..).take(queued.envelope.recipients.len()) {
            puts.push((keys::progress(number, at).bytes(), None));
        }
        (puts, Changed { blobs: Vec::new(), drops: vec![number] })
    }

    /// Takes out all that an account sent: it is erased. Gives how many messages.
    ///
    /// # Errors
    /// The store's.
    pub async fn remove_of(&self, account: AccountId) -> Result<usize, Error> {
        let (mut after, mut count) = (None, 0);
        loop {
            let page = self.page(after).await?;
            let Some((last, _)) = page.last() else { return Ok(count) };
            after = Some(*last);
            for (_, queued) in page {
                if let Ok(queued) = queued
                    && queued.envelope.account == Some(account)
                {
                    self.remove(&queued).await?;
                    count += 1;
                }
            }
        }
    }
}

/// Blobs of a commit.
#[derive(Default)]
struct Changed {
    blobs: Vec<(u64, Bytes)>,
    drops: Vec<u64>,
}

/// A commit on its way; counted until it has landed, also when nobody waits for it any more.
struct Landing<'a> {
    queue: &'a Queue,
    landed: bool,
    future: store::Fut<'static, ()>,
}

impl Landing<'_> {
    async fn settled(mut self) -> Result<(), Error> {
        let outcome = self.future.as_mut().await;
        self.landed = true;
        let mut head = self.queue.head();
        head.flying -= 1;
        if outcome.is_err() {
            head.broken = true;
        }
        Ok(outcome?)
    }
}

impl Drop for Landing<'_> {
    fn drop(&mut self) {
        if !self.landed {
            // Given up: whether it came in is not known, so the head is read anew.
            let mut head = self.queue.head();
            head.flying -= 1;
            head.broken = true;
        }
    }
}
