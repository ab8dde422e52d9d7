//! The bytes of segments: cut into chunks, each sealed and a blob of its own.
//!
//! Invariant: a chunk's number is authenticated with it, so that none passes for another.

use super::manifest::Place;
use crate::{Account, Error, accounts::Shared, keys, seal::Kind, seal::Seal};
use ::search::{Error as IndexError, Fut, Sink, Source};
use bytes::{Bytes, BytesMut};
use std::{collections::VecDeque, ops::Range, sync::Arc};

/// Octets of plain bytes in a chunk.
pub(crate) const CHUNK_OCTETS: usize = 64 << 10;
/// Chunks on their way to the disk while the next ones are made.
const FLYING_MAX: usize = 8;

/// Chunks that so many octets take.
pub(crate) fn chunks_of(octets: u64) -> u64 {
    octets.div_ceil(CHUNK_OCTETS as u64)
}

/// Blobs of a segment.
pub(crate) fn blobs(place: &Place) -> impl Iterator<Item = u64> + use<> {
    let number = place.number;
    (0..chunks_of(place.octets)).map(move |at| keys::segment_chunk(number, at))
}

fn io(error: Error) -> IndexError {
    match error {
        Error::Damaged(_) => IndexError::Damaged("a chunk"),
        error => IndexError::Io(Box::new(error)),
    }
}

/// A stored segment.
pub(crate) struct Stored {
    pub shared: Arc<Shared>,
    pub seal: Arc<Seal>,
    pub account: u32,
    pub place: Place,
}

impl Stored {
    /// A chunk, opened.
    pub async fn chunk(&self, at: u64) -> Result<Bytes, Error> {
        let blob = keys::segment_chunk(self.place.number, at);
        if let Some(chunk) = self.shared.texts.chunk(self.account, blob) {
            return Ok(chunk);
        }
        let chunk = self.read_chunk(at).await?;
        self.shared.texts.remember_chunk(self.account, blob, &chunk);
        Ok(chunk)
    }

    /// As it is on the disk now.
    pub async fn read_chunk(&self, at: u64) -> Result<Bytes, Error> {
        let blob = keys::segment_chunk(self.place.number, at);
        let damaged = || Error::Damaged(format!("account {}: blob {blob}", self.account));
        let id = store::BlobId { account: self.account, blob };
        let sealed = self.shared.blobs.get(id, 0..u64::MAX).await?.ok_or_else(damaged)?;
        let chunk = self.seal.open(Kind::Segment, blob, &sealed)?;
        let rest = self.place.octets.saturating_sub(at * CHUNK_OCTETS as u64);
        if chunk.len() as u64 != rest.min(CHUNK_OCTETS as u64) {
            return Err(damaged());
        }
        Ok(chunk.into())
    }

    async fn range(&self, range: Range<u64>) -> Result<Bytes, IndexError> {
        if range.start >= range.end {
            return Ok(Bytes::new());
        }
        let size = CHUNK_OCTETS as u64;
        let (first, last) = (range.start / size, (range.end - 1) / size);
        let mut out = BytesMut::new();
        for at in first..=last {
            let chunk = self.chunk(at).await.map_err(io)?;
            let base = at * size;
            let from = range.start.saturating_sub(base);
            let to = (range.end - base).min(size);
            let (from, to) = (from as usize, to as usize);
            if to > chunk.len() || from > to {
                return Err(IndexError::Damaged("past the end"));
            }
            if first == last {
                return Ok(chunk.slice(from..to));
            }
            out.extend_from_slice(chunk.get(from..to).unwrap_or_default());
        }
        Ok(out.freeze())
    }
}

impl Source for Stored {
    fn size(&self) -> u64 {
        self.place.octets
    }
    fn read(&self, range: Range<u64>) -> Fut<'_, Bytes> {
        Box::pin(self.range(range))
    }
}

/// A segment on its way to the disk. Nothing refers to it before the manifest does.
pub(crate) struct Writing<'a> {
    account: &'a Account,
    number: u32,
    plain: Vec<u8>,
    next: u64,
    octets: u64,
    flying: VecDeque<store::Fut<'static, ()>>,
}

impl<'a> Writing<'a> {
    pub fn new(account: &'a Account, number: u32) -> Self {
        let (plain, flying) = (Vec::with_capacity(CHUNK_OCTETS), VecDeque::new());
        Self { account, number, plain, next: 0, octets: 0, flying }
    }

    async fn put(&mut self) -> Result<(), Error> {
        if self.flying.len() >= FLYING_MAX
            && let Some(oldest) = self.flying.pop_front()
        {
            oldest.await?;
        }
        let blob = keys::segment_chunk(self.number, self.next);
        let sealed = self.account.seal.seal(Kind::Segment, blob, &self.plain)?;
        self.next += 1;
        self.plain.clear();
        self.flying.push_back(self.account.put_chunk(blob, sealed.into())?);
        Ok(())
    }

    async fn take(&mut self, octets: &[u8]) -> Result<(), Error> {
        self.octets += octets.len() as u64;
        let mut rest = octets;
        while !rest.is_empty() {
            let (now, later) = rest.split_at(rest.len().min(CHUNK_OCTETS - self.plain.len()));
            self.plain.extend_from_slice(now);
            rest = later;
            if self.plain.len() == CHUNK_OCTETS {
                self.put().await?;
            }
        }
        Ok(())
    }

    /// Ready when all is durable: the octets written.
    pub async fn finish(mut self) -> Result<u64, Error> {
        if !self.plain.is_empty() {
            self.put().await?;
        }
        for flying in self.flying {
            flying.await?;
        }
        Ok(self.octets)
    }
}

impl Sink for Writing<'_> {
    fn write(&mut self, octets: Bytes) -> Fut<'_, ()> {
        Box::pin(async move { self.take(&octets).await.map_err(io) })
    }
}

impl Account {
    /// Hands a chunk to the store. Under the lock, so that nothing comes behind the erasing of the
    /// account.
    fn put_chunk(&self, blob: u64, sealed: Bytes) -> Result<store::Fut<'static, ()>, Error> {
        let _inner = self.inner();
        if self.is_stopped() {
            return Err(store::Error::Closed.into());
        }
        Ok(self.shared.blobs.put(store::BlobId { account: self.id.0, blob }, sealed))
    }
}
