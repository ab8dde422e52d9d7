//! Bodies: sealed in chunks, so that a range reads only what it needs.
//!
//! A blob is: format (1), chunks (varint), the sealed length of each chunk (varint), then the
//! chunks.

use crate::{
    Error,
    codec::{Reader, Writer},
    pack,
    seal::{Kind, Seal},
};
use std::ops::Range;

/// Octets of plain text in a chunk.
pub(crate) const CHUNK_OCTETS: usize = 256 << 10;
/// A head of a blob is never longer.
pub(crate) const HEAD_OCTETS_MAX: u64 = 16 << 10;

/// Compressed chunks of a message, shared by all accounts that receive it.
pub(crate) fn chunks(message: &[u8], level: i32) -> Vec<Vec<u8>> {
    message
        .chunks(CHUNK_OCTETS)
        .map(|chunk| pack::compress(pack::Shape::Body, chunk, level))
        .collect()
}

fn number(blob: u64, chunk: usize) -> u64 {
    blob << 20 | chunk as u64
}

/// Seals a message's chunks into a blob.
pub(crate) fn seal(seal: &Seal, blob: u64, chunks: &[Vec<u8>]) -> Result<Vec<u8>, Error> {
    let mut head = Writer::default();
    head.byte(1).number(chunks.len() as u64);
    let mut sealed = Vec::with_capacity(chunks.len());
    for (at, chunk) in chunks.iter().enumerate() {
        let piece = seal.seal(Kind::Body, number(blob, at), chunk.clone())?;
        head.number(piece.len() as u64);
        sealed.push(piece);
    }
    let mut out = head.0;
    for piece in sealed {
        out.extend_from_slice(&piece);
    }
    Ok(out)
}

/// Where chunks are in their blob.
pub(crate) fn places(head: &[u8]) -> Option<Vec<Range<u64>>> {
    let mut from = Reader(head);
    if from.byte()? != 1 {
        return None;
    }
    let count = from.number()?;
    if count > head.len() as u64 {
        return None;
    }
    let lengths: Option<Vec<u64>> = (0..count).map(|_| from.number()).collect();
    let mut at = (head.len() - from.0.len()) as u64;
    let place = |length: u64| {
        let start = at;
        at = at.checked_add(length)?;
        Some(start..at)
    };
    lengths?.into_iter().map(place).collect()
}

/// Opens one chunk.
pub(crate) fn open(seal: &Seal, blob: u64, at: usize, piece: &[u8]) -> Result<Vec<u8>, Error> {
    let packed = seal.open(Kind::Body, number(blob, at), piece)?;
    pack::decompress(pack::Shape::Body, &packed, CHUNK_OCTETS)
        .ok_or_else(|| Error::Damaged(format!("blob {blob}")))
}
