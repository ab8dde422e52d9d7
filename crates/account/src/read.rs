//! Reading records and bodies.

use crate::{Account, Error, Record, body, keys};
use bytes::{Bytes, BytesMut};
use mail::{MessageId, ThreadId};
use std::{
    ops::Range,
    sync::{Arc, Mutex, PoisonError},
};

/// Ids that span at most so many times their number are read in one sweep.
const SWEEP_FACTOR: u32 = 4;
/// Records asked for at a time by those who read all.
pub(crate) const RECORDS_PAGE: usize = 256;

/// The chunk that was read last: clients fetch big bodies piece by piece.
#[derive(Default)]
pub(crate) struct LastChunk(Mutex<Option<Chunk>>);

/// Blob, number of the chunk, its plain octets.
type Chunk = (u64, usize, Arc<Vec<u8>>);

impl Account {
    /// Records of messages, in order; `None` for those erased meanwhile. Ask for some hundred at a
    /// time: neighbours are read in one sweep.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn records(&self, messages: &[MessageId]) -> Result<Vec<Option<Record>>, Error> {
        let open = |id: &MessageId, sealed: &Bytes| Record::open(&self.seal, id.0, sealed);
        let first = messages.iter().map(|id| id.0).min().unwrap_or(0);
        let last = messages.iter().map(|id| id.0).max().unwrap_or(0);
        let count = u32::try_from(messages.len()).unwrap_or(u32::MAX);
        if count > 8 && last - first < count.saturating_mul(SWEEP_FACTOR) {
            let page = self.sweep(first, last).await?;
            let find = |id: &MessageId| {
                let key = keys::record(id.0);
                let at = page.binary_search_by(|(name, _)| name.cmp(&key)).ok()?;
                page.get(at).map(|(_, sealed)| open(id, sealed))
            };
            return messages.iter().map(|id| find(id).transpose()).collect();
        }
        let names = messages.iter().map(|id| keys::record(id.0)).collect();
        let found = self.shared.kv.get_many(self.id.0, names).await?;
        let pairs = messages.iter().zip(found);
        pairs.map(|(id, sealed)| sealed.map(|sealed| open(id, &sealed)).transpose()).collect()
    }

    async fn sweep(&self, first: u32, last: u32) -> Result<store::Page, Error> {
        let scan = store::Scan {
            account: self.id.0,
            from: keys::record(first),
            to: keys::record(last.saturating_add(1)),
            reverse: false,
            entries_max: usize::MAX,
        };
        Ok(self.shared.kv.scan(scan).await?)
    }

    /// Octets of a message, clamped to its end. Reads only the chunks that hold them (256 KiB of
    /// plain text each); the last chunk of a bigger body is remembered.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn body(&self, record: &Record, range: Range<u32>) -> Result<Bytes, Error> {
        let blob = record.blob();
        let end = range.end.min(record.octets()) as usize;
        let start = (range.start as usize).min(end);
        if start == end {
            return Ok(Bytes::new());
        }
        let (first, last) = (start / body::CHUNK_OCTETS, (end - 1) / body::CHUNK_OCTETS);
        if record.octets() as usize <= body::CHUNK_OCTETS {
            let chunk = self.small(blob).await?;
            return Ok(Bytes::from(chunk).slice(start..end));
        }
        let mut out = BytesMut::with_capacity(end - start);
        for at in first..=last {
            let chunk = self.chunk(blob, at).await?;
            let base = at * body::CHUNK_OCTETS;
            let from = start.saturating_sub(base).min(chunk.len());
            let to = (end - base).min(chunk.len());
            out.extend_from_slice(chunk.get(from..to).unwrap_or_default());
        }
        Ok(out.freeze())
    }

    async fn read(&self, blob: u64, range: Range<u64>) -> Result<Bytes, Error> {
        let id = store::BlobId { account: self.id.0, blob };
        let found = self.shared.blobs.get(id, range).await?;
        found.ok_or_else(|| Error::Damaged(format!("account {}: no blob {blob}", self.id)))
    }

    /// A body of one chunk.
    async fn small(&self, blob: u64) -> Result<Vec<u8>, Error> {
        let whole = self.read(blob, 0..u64::MAX).await?;
        let damaged = || Error::Damaged(format!("account {}: blob {blob}", self.id));
        let places = body::places(&whole).ok_or_else(damaged)?;
        let Some(place) = places.first() else { return Ok(Vec::new()) };
        let range = usize::try_from(place.start).ok().zip(usize::try_from(place.end).ok());
        let piece = range.and_then(|(start, end)| whole.get(start..end)).ok_or_else(damaged)?;
        body::open(&self.seal, blob, 0, piece)
    }

    async fn chunk(&self, blob: u64, at: usize) -> Result<Arc<Vec<u8>>, Error> {
        if let Some((_, _, chunk)) = self
            .chunk
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .as_ref()
            .filter(|(other, index, _)| (*other, *index) == (blob, at))
        {
            return Ok(Arc::clone(chunk));
        }
        let head = self.read(blob, 0..body::HEAD_OCTETS_MAX).await?;
        let damaged = || Error::Damaged(format!("account {}: blob {blob}", self.id));
        let places = body::places(&head).ok_or_else(damaged)?;
        let place = places.get(at).cloned().ok_or_else(damaged)?;
        let piece = self.read(blob, place).await?;
        let chunk = Arc::new(body::open(&self.seal, blob, at, &piece)?);
        *self.chunk.0.lock().unwrap_or_else(PoisonError::into_inner) =
            Some((blob, at, Arc::clone(&chunk)));
        Ok(chunk)
    }

    /// Thread of a message that is in the account, for tests and JMAP.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn thread(&self, message: MessageId) -> Result<Option<ThreadId>, Error> {
        let records = self.records(&[message]).await?;
        Ok(records.into_iter().flatten().next().map(|record| record.thread()))
    }
}
