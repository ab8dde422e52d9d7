//! Reading records and bodies.

use crate::{Account, Error, Record, body, keys};
use bytes::{Bytes, BytesMut};
use mail::{MessageId, ThreadId};
use std::{
    collections::VecDeque,
    ops::Range,
    sync::{Mutex, PoisonError},
};

/// Ids no further apart than this are read in one sweep …
const SWEEP_GAP: u32 = 4;
/// … when there are at least so many of them.
const SWEEP_RECORDS_MIN: usize = 6;
/// Records asked for at a time by those who read all.
pub(crate) const RECORDS_PAGE: usize = 256;

/// Chunks remembered, of all accounts: clients fetch big bodies piece by piece.
const CHUNKS_MAX: usize = 64;

/// A chunk's account, blob and place.
type Place = (u32, u64, usize);

/// The chunks that were last read in part, newest last.
#[derive(Default)]
pub(crate) struct Chunks(Mutex<VecDeque<(Place, Bytes)>>);

impl Chunks {
    fn find(&self, place: Place) -> Option<Bytes> {
        let chunks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chunks.iter().rev().find(|(known, _)| *known == place).map(|(_, chunk)| chunk.clone())
    }
    fn remember(&self, place: Place, chunk: &Bytes) {
        let mut chunks = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        chunks.retain(|(known, _)| *known != place);
        if chunks.len() >= CHUNKS_MAX {
            chunks.pop_front();
        }
        chunks.push_back((place, chunk.clone()));
    }
}

impl Account {
    /// Records of messages, in order; `None` for those erased meanwhile. Ask for some hundred at a
    /// time: neighbours are read in one sweep.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn records(&self, messages: &[MessageId]) -> Result<Vec<Option<Record>>, Error> {
        let open = |id: u32, sealed: &Bytes| Record::open(&self.seal, id, sealed);
        let mut wanted: Vec<(u32, usize)> = messages.iter().map(|id| id.0).zip(0..).collect();
        wanted.sort_unstable();
        let mut found: Vec<Option<Record>> = vec![None; messages.len()];
        let mut single = Vec::new();
        for run in wanted.chunk_by(|one, next| next.0 - one.0 <= SWEEP_GAP) {
            if run.len() < SWEEP_RECORDS_MIN {
                single.extend_from_slice(run);
                continue;
            }
            let (Some((first, _)), Some((last, _))) = (run.first(), run.last()) else { continue };
            let page = self.sweep(*first, *last).await?;
            let mut page = page.iter().peekable();
            for (id, at) in run {
                let key = keys::record(*id);
                while page.peek().is_some_and(|(name, _)| name.as_ref() < key.as_ref()) {
                    page.next();
                }
                let same = page.peek().filter(|(name, _)| name.as_ref() == key.as_ref());
                if let (Some((_, sealed)), Some(slot)) = (same, found.get_mut(*at)) {
                    *slot = Some(open(*id, sealed)?);
                }
            }
        }
        if !single.is_empty() {
            let names = single.iter().map(|(id, _)| keys::record(*id).bytes()).collect();
            let values = self.shared.kv.get_many(self.id.0, names).await?;
            for ((id, at), sealed) in single.iter().zip(values) {
                if let (Some(sealed), Some(slot)) = (sealed, found.get_mut(*at)) {
                    *slot = Some(open(*id, &sealed)?);
                }
            }
        }
        Ok(found)
    }

    async fn sweep(&self, first: u32, last: u32) -> Result<store::Page, Error> {
        let scan = store::Scan {
            account: self.id.0,
            from: keys::record(first).bytes(),
            to: keys::record(last.saturating_add(1)).bytes(),
            reverse: false,
            entries_max: usize::MAX,
        };
        Ok(self.shared.kv.scan(scan).await?)
    }

    /// Octets of a message, clamped to its end. Reads only the chunks that hold them (256 KiB of
    /// plain text each); those that are read in part are remembered for a while.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn body(&self, record: &Record, range: Range<u32>) -> Result<Bytes, Error> {
        let octets = record.octets() as usize;
        let end = (range.end as usize).min(octets);
        let start = (range.start as usize).min(end);
        if start == end {
            return Ok(Bytes::new());
        }
        let (first, last) = (start / body::CHUNK_OCTETS, (end - 1) / body::CHUNK_OCTETS);
        let mut out = BytesMut::new();
        for (at, place) in record.places().enumerate().take(last + 1).skip(first) {
            let base = at * body::CHUNK_OCTETS;
            let whole = body::CHUNK_OCTETS.min(octets - base.min(octets));
            let (from, to) = (start.saturating_sub(base), (end - base).min(whole));
            let chunk = self.chunk((record.blob(), at), place, to < whole).await?;
            if chunk.len() != whole {
                return Err(self.damaged_blob(record.blob()));
            }
            if first == last {
                return Ok(chunk.slice(from..to));
            }
            out.reserve(if out.is_empty() { end - start } else { 0 });
            out.extend_from_slice(chunk.get(from..to).unwrap_or_default());
        }
        if out.len() != end - start {
            return Err(self.damaged_blob(record.blob()));
        }
        Ok(out.freeze())
    }

    fn damaged_blob(&self, blob: u64) -> Error {
        Error::Damaged(format!("account {}: blob {blob}", self.id))
    }

    /// A chunk, opened. With `partly`, its rest will soon be asked for.
    async fn chunk(
        &self,
        (blob, at): (u64, usize),
        place: Range<u64>,
        partly: bool,
    ) -> Result<Bytes, Error> {
        let key = (self.id.0, blob, at);
        if let Some(chunk) = self.shared.chunks.find(key) {
            return Ok(chunk);
        }
        let id = store::BlobId { account: self.id.0, blob };
        let found = self.shared.blobs.get(id, place).await?;
        let piece =
            found.ok_or_else(|| Error::Damaged(format!("account {}: no blob {blob}", self.id)))?;
        let chunk = Bytes::from(body::open(&self.seal, blob, at, &piece)?);
        if partly {
            self.shared.chunks.remember(key, &chunk);
        }
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
