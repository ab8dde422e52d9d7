//! Bodies: compressed and sealed in chunks, so that a range reads only what it needs.
//!
//! A blob is its sealed chunks one after the other; how long each is stands in the message's
//! record. Each chunk is sealed under the blob's number and its own place, so that none passes for
//! another.

use crate::{
    Error,
    pack::{self, Shape},
    seal::{Kind, Seal},
};

/// Octets of plain text in a chunk.
pub(crate) const CHUNK_OCTETS: usize = 256 << 10;
/// Bits of a chunk's place in what is authenticated: 2^20 chunks are 256 GiB.
const PLACE_BITS: u32 = 20;

/// Compressed chunks of a message, shared by all accounts that receive it.
pub(crate) fn chunks(message: &[u8], level: i32) -> Vec<Vec<u8>> {
    let pack = |chunk| pack::compress(Shape::Body, chunk, level);
    message.chunks(CHUNK_OCTETS).map(pack).collect()
}

fn number(blob: u64, chunk: usize) -> u64 {
    blob << PLACE_BITS | chunk as u64
}

/// Seals a message's chunks into a blob; gives the octets that each takes too.
pub(crate) fn seal(
    seal: &Seal,
    blob: u64,
    chunks: &[Vec<u8>],
) -> Result<(Vec<u8>, Vec<u64>), Error> {
    let octets: usize = chunks.iter().map(|chunk| Seal::sealed_octets(chunk.len())).sum();
    let mut out = Vec::with_capacity(octets);
    let mut places = Vec::with_capacity(chunks.len());
    for (at, chunk) in chunks.iter().enumerate() {
        let before = out.len();
        seal.seal_into(Kind::Body, number(blob, at), chunk, &mut out)?;
        places.push((out.len() - before) as u64);
    }
    Ok((out, places))
}

/// Opens one chunk.
pub(crate) fn open(seal: &Seal, blob: u64, at: usize, piece: &[u8]) -> Result<Vec<u8>, Error> {
    let packed = seal.open(Kind::Body, number(blob, at), piece)?;
    pack::decompress(Shape::Body, &packed, CHUNK_OCTETS)
        .ok_or_else(|| Error::Damaged(format!("blob {blob}")))
}
