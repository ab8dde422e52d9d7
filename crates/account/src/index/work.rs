//! Making the index: batches of messages become segments, segments become fewer. Each step leaves
//! an index that is whole.

use super::{
    Open, Snapshot,
    cache::Name,
    chunks::{self, Writing},
    manifest::{Manifest, Place},
    own,
};
use crate::{Account, Accounts, Error, Record, keys, load::Counters, read::RECORDS_PAGE};
use ::search::{Builder, Document, Error as IndexError, Limits, Set};
use mail::{AccountId, MessageId};
use std::{
    collections::BTreeSet,
    future::poll_fn,
    sync::{Arc, atomic::Ordering},
    task::Poll,
};

/// Memberships looked at while the account's lock is held.
const LOOK_ENTRIES: usize = 8_192;
/// Blobs listed in one page.
const BLOBS_PAGE: usize = 10_000;

/// What a step of indexing did.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Progress {
    /// Messages that are in the index now and were not before.
    pub messages: u32,
    /// Messages that are not in the index.
    pub waiting: u32,
    /// Whether another step would do something.
    pub more: bool,
}

/// All messages, against the index.
#[derive(Default)]
pub(super) struct Look {
    /// Not in the index, ascending.
    pub waiting: BTreeSet<u32>,
    /// Of each segment, documents whose messages are in a mailbox.
    pub live: Vec<Set>,
}

/// Lets others run.
pub(crate) async fn yield_now() {
    let mut yielded = false;
    poll_fn(|context| {
        if yielded {
            return Poll::Ready(());
        }
        yielded = true;
        context.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}

impl Account {
    /// How many messages wait to be indexed, at most: those that came since all were last looked
    /// at, in this process or before.
    ///
    /// # Errors
    /// The store's.
    pub async fn index_waiting(&self) -> Result<u32, Error> {
        let looked = match self.index.looked.load(Ordering::Relaxed) {
            0 => {
                let through = self.manifest().await?.through();
                let looked = through.saturating_add(1);
                let _ = self.index.looked.compare_exchange(
                    0,
                    looked,
                    Ordering::Relaxed,
                    Ordering::Relaxed,
                );
                looked
            }
            looked => looked,
        };
        Ok(self.next_message.load(Ordering::Relaxed).saturating_sub(looked))
    }

    /// A step of indexing: makes one segment of messages that wait, if they are `messages_min` or
    /// more; otherwise merges some segments. Takes as long as a few thousand messages take; call it
    /// again while there is more. Searches, deliveries and other changes go on meanwhile.
    ///
    /// # Errors
    /// The store's; what was indexed before stays.
    pub async fn index_step(&self, messages_min: u32) -> Result<Progress, Error> {
        let working = self.working().await;
        let done = self.index_step_alone(messages_min).await?;
        working.done();
        Ok(done)
    }

    async fn index_step_alone(&self, least: u32) -> Result<Progress, Error> {
        self.sweep_index().await?;
        let snapshot = self.index().await?;
        let next = self.next_message.load(Ordering::Relaxed);
        let look = self.look_at_all(&snapshot).await?;
        let count = |number: usize| u32::try_from(number).unwrap_or(u32::MAX);
        let waiting = count(look.waiting.len());
        if waiting > 0 && waiting >= least {
            let messages = self.index_batch(&snapshot, &look).await?;
            return Ok(Progress { messages, waiting: waiting - messages.min(waiting), more: true });
        }
        if self.merge_some(&snapshot, &look).await? {
            return Ok(Progress { messages: 0, waiting, more: true });
        }
        self.index.looked.store(next.saturating_sub(waiting).max(1), Ordering::Relaxed);
        Ok(Progress { messages: 0, waiting, more: false })
    }

    /// Throws the index away; the next steps make it anew.
    ///
    /// # Errors
    /// The store's.
    pub async fn drop_index(&self) -> Result<(), Error> {
        let _not_done = self.working().await;
        let manifest = self.manifest().await?;
        let drops = manifest.places.iter().flat_map(chunks::blobs).collect();
        let empty = Manifest { texts: self.texts(), next: manifest.next, places: Vec::new() };
        self.commit_index(empty, drops).await?;
        self.index.looked.store(1, Ordering::Relaxed);
        Ok(())
    }

    /// Ready when nobody works on the index.
    pub async fn index_settled(&self) {
        self.working().await.done();
    }

    /// Messages in mailboxes, and how many of them the index holds.
    ///
    /// # Errors
    /// The store's.
    pub async fn indexed(&self) -> Result<(u64, u64), Error> {
        let snapshot = self.index().await?;
        let look = self.look_at_all(&snapshot).await?;
        let live: u64 = look.live.iter().map(|set| u64::from(set.len())).sum();
        Ok((live + look.waiting.len() as u64, live))
    }

    /// Looks at every membership, a part at a time.
    pub(super) async fn look_at_all(&self, snapshot: &Snapshot) -> Result<Look, Error> {
        let live = snapshot.segments.iter().map(|open| Set::empty(open.place.documents));
        let mut look = Look { waiting: BTreeSet::new(), live: live.collect() };
        let mailboxes: Vec<u32> = self.inner().state.mailboxes.keys().copied().collect();
        for mailbox in mailboxes {
            let mut from = Some(0);
            while let Some(uid) = from {
                from = self.look_at_some(snapshot, (mailbox, uid), &mut look);
                yield_now().await;
            }
        }
        Ok(look)
    }

    /// Gives the Uid to go on at.
    fn look_at_some(
        &self,
        snapshot: &Snapshot,
        (mailbox, from): (u32, u32),
        look: &mut Look,
    ) -> Option<u32> {
        let inner = self.inner();
        let entries = &inner.state.mailboxes.get(&mailbox)?.entries;
        let start = entries.partition_point(|entry| entry.uid < from);
        let rest = entries.get(start..).unwrap_or_default();
        let mut hint = 0;
        for entry in rest.iter().take(LOOK_ENTRIES) {
            match snapshot.find(entry.message, &mut hint) {
                Some((at, ordinal)) => {
                    if let Some(live) = look.live.get_mut(at) {
                        live.insert(ordinal);
                    }
                }
                None => {
                    look.waiting.insert(entry.message);
                }
            }
        }
        rest.get(LOOK_ENTRIES).map(|entry| entry.uid)
    }

    /// Makes a segment of the first messages that wait; gives how many they were.
    async fn index_batch(&self, snapshot: &Snapshot, look: &Look) -> Result<u32, Error> {
        let builder_octets_max = self.shared.options.index_memory_octets_max;
        let mut builder = Builder::new(Limits { builder_octets_max, ..Limits::default() });
        let ids: Vec<MessageId> = look.waiting.iter().copied().map(MessageId).collect();
        let mut first = None;
        'pages: for page in ids.chunks(RECORDS_PAGE) {
            for (id, record) in page.iter().zip(self.records_or_damage(page).await?) {
                // Erased meanwhile.
                let Some(record) = record else { continue };
                let document = match record {
                    Ok(record) => self.text_of(&record).await,
                    Err(damage) => Err(damage),
                };
                let document = match document {
                    Ok(document) => document,
                    Err(Error::Damaged(what)) => {
                        tracing::warn!(account = self.id.0, message = id.0, what, "not indexed");
                        // Whoever searches for it is told.
                        Arc::new(Document { message: *id, partial: true, ..Document::default() })
                    }
                    Err(error) => return Err(error),
                };
                match builder.push(&document) {
                    Ok(()) => first = first.or(Some(*id)),
                    Err(IndexError::Full) => break 'pages,
                    Err(error) => return Err(own(error)),
                }
                yield_now().await;
            }
        }
        let (Some(first), Some(last)) = (first, builder.last()) else { return Ok(0) };
        let documents = builder.len();
        let mut manifest = Manifest { texts: self.texts(), ..snapshot.manifest.clone() };
        let number = manifest.next;
        let mut writing = Writing::new(self, number);
        ::search::Sink::write(&mut writing, builder.finish().map_err(own)?.into())
            .await
            .map_err(own)?;
        let octets = writing.finish().await?;
        let (first, last) = (first.0, last.0);
        manifest.next = number.saturating_add(1);
        manifest.places.push(Place { number, first, last, documents, octets });
        self.commit_index(manifest, Vec::new()).await?;
        let done = ids.iter().filter(|id| id.0 <= last);
        self.shared.texts.forget(done.map(|id| Name::Text(self.id.0, id.0)));
        Ok(documents)
    }

    /// Records, each by itself where one is damaged: the others are not to suffer for it.
    async fn records_or_damage(
        &self,
        page: &[MessageId],
    ) -> Result<Vec<Option<Result<Record, Error>>>, Error> {
        match self.records(page).await {
            Ok(records) => return Ok(records.into_iter().map(|one| one.map(Ok)).collect()),
            Err(Error::Damaged(_)) => {}
            Err(error) => return Err(error),
        }
        let mut records = Vec::with_capacity(page.len());
        for id in page {
            records.push(match self.records(&[*id]).await {
                Ok(one) => one.into_iter().flatten().next().map(Ok),
                Err(damage @ Error::Damaged(_)) => Some(Err(damage)),
                Err(error) => return Err(error),
            });
        }
        Ok(records)
    }

    /// What a message is searched by; remembered for a while.
    pub(crate) async fn text_of(&self, record: &Record) -> Result<Arc<Document>, Error> {
        if let Some(known) = self.shared.texts.text(self.id.0, record.message().0) {
            return Ok(known);
        }
        Ok(Arc::new(self.document(record).await?))
    }

    /// Writes a new manifest, and drops the chunks that it no longer names. Then the index is the
    /// one that it tells of.
    pub(super) async fn commit_index(
        &self,
        manifest: Manifest,
        drops: Vec<u64>,
    ) -> Result<(), Error> {
        let forgotten = drops.clone();
        let sent = {
            let mut guard = self.turn().await?;
            let inner = &mut *guard;
            let mut draft = self.draft(inner);
            draft.put_with(keys::index(), |to| manifest.write(to));
            draft.drops = drops;
            self.commit(inner, draft)
        };
        sent.landed().await?;
        let before = self.index.inner().snapshot.clone();
        let known = |place: &Place| -> Option<Arc<Open>> {
            let all = before.as_ref()?.segments.iter();
            all.clone().find(|open| open.place == *place && !open.is_broken()).cloned()
        };
        let mut segments = Vec::with_capacity(manifest.places.len());
        for place in &manifest.places {
            match known(place) {
                Some(open) => segments.push(open),
                None => segments.push(Arc::new(self.open_segment(*place).await?)),
            }
        }
        self.index.install(Some(Snapshot { manifest, segments }));
        let chunk = |blob: &u64| Name::Chunk(self.id.0, *blob);
        self.shared.texts.forget(forgotten.iter().map(chunk));
        Ok(())
    }

    /// Drops what a crash left behind, and segments that cannot be used.
    async fn sweep_index(&self) -> Result<(), Error> {
        let snapshot = self.index().await?;
        let usable = |place: &&Place| {
            snapshot.segments.iter().any(|open| open.place == **place && !open.is_broken())
        };
        let places: Vec<Place> = snapshot.manifest.places.iter().filter(usable).copied().collect();
        let mut next = snapshot.manifest.next;
        let mut drops: Vec<u64> = Vec::new();
        if !self.index.inner().swept {
            let named: BTreeSet<u32> = places.iter().map(|place| place.number).collect();
            let mut after = Some(keys::SEGMENTS_FROM - 1);
            loop {
                let page = self.shared.blobs.list(self.id.0, after, BLOBS_PAGE).await?;
                let Some(last) = page.last() else { break };
                after = Some(*last);
                for blob in page {
                    let Some(number) = keys::segment_of(blob) else { continue };
                    if !named.contains(&number) {
                        drops.push(blob);
                        next = next.max(number.saturating_add(1));
                    }
                }
            }
        } else if places.len() < snapshot.manifest.places.len() {
            let gone = snapshot.manifest.places.iter().filter(|place| !usable(place));
            drops.extend(gone.flat_map(chunks::blobs));
        }
        if !drops.is_empty() || places.len() < snapshot.manifest.places.len() {
            let manifest = Manifest { texts: self.texts(), next, places };
            self.commit_index(manifest, drops).await?;
        }
        self.index.inner().swept = true;
        Ok(())
    }
}

impl Accounts {
    /// How many messages of an account wait to be indexed, at most; it need not be loaded for that.
    ///
    /// # Errors
    /// The store's.
    pub async fn index_waiting(&self, id: AccountId) -> Result<u32, Error> {
        let names = vec![keys::index().bytes(), keys::version().bytes()];
        let values = self.shared().kv.get_many(id.0, names).await?;
        let (Some(manifest), Some(counters)) = (values.first(), values.get(1)) else {
            return Ok(0);
        };
        let manifest = manifest.as_ref().and_then(|value| Manifest::read(value));
        let next = counters.as_ref().and_then(|value| Counters::read(value));
        let through = manifest.map_or(0, |manifest| manifest.through());
        Ok(next.map_or(0, |next| next.next_message).saturating_sub(through.saturating_add(1)))
    }

    /// Hears of commits: `each` is called with the account, from any thread and for every commit,
    /// and must be quick. Lasts until the returned guard is dropped. A hint may be lost.
    #[must_use]
    pub fn hear(&self, each: Box<dyn Fn(AccountId) + Send + Sync>) -> Box<dyn Send + Sync> {
        self.shared().bus.subscribe(Box::new(move |account, _| each(AccountId(account))))
    }
}
