//! Raw DEFLATE (RFC 1951) between a machine and its connection, for IMAP COMPRESS (RFC 4978).
//!
//! Invariants: each drain ends with a sync flush, so the peer can read all that was said; what
//! comes is inflated in pieces of [`INFLATED_OCTETS_MAX`], each of them consumed by the machine
//! before the next is made, so a bomb costs time that its sender spends too and no memory; at most
//! [`READ_OCTETS_MAX`] octets wait here to be inflated.
//!
//! The compressor (some 300 KiB) is let go once the session has been quiet for [`REST_AFTER`]:
//! behind a sync flush the stream stands at an octet's boundary, where a new compressor may go on,
//! without the old one's dictionary. What stays is the inflater with its window of 32 KiB, into
//! which the peer may refer at any time.
//!
//! Measured with 500 sessions in IDLE over TLS after a login, a SELECT and a NOOP: 70 KB more of
//! resident memory each, all told. What 500 compressors held (another 400 KB each) goes back to the
//! system when the allocator next runs, not at the moment of the rest.

use bytes::{Buf, BytesMut};
use flate2::{Compress, Compression, Decompress, FlushCompress as Flush, FlushDecompress, Status};
use std::{io, time::Duration};

/// Octets inflated at once, for the machine to consume before there are more.
pub const INFLATED_OCTETS_MAX: usize = 16 << 10;
/// Octets read at once from a peer that compresses.
pub const READ_OCTETS_MAX: usize = 16 << 10;
/// Octets in a row that inflate to nothing (empty blocks, tables of codes) before the peer is taken
/// for one that means harm.
pub const EMPTY_OCTETS_MAX: usize = 64 << 10;
/// Quiet after which the compressor is let go.
pub const REST_AFTER: Duration = Duration::from_secs(5);
/// RFC 4978 §4: "keep it at 1-5".
const LEVEL: u32 = 3;
/// Room made for compressed octets at a time.
const ROOM_OCTETS: usize = 16 << 10;

/// Both directions of a compressed connection.
pub struct Deflate {
    /// Absent while the session is quiet.
    compressor: Option<Compress>,
    inflater: Decompress,
    /// Received and not inflated.
    compressed: BytesMut,
    /// The last piece filled its room: there may be more without more input.
    is_full: bool,
    /// Octets since the last that inflated to something.
    empty_octets: usize,
    /// The peer ended its stream.
    is_ended: bool,
}

impl Default for Deflate {
    fn default() -> Self {
        Self {
            compressor: None,
            inflater: Decompress::new(false),
            compressed: BytesMut::new(),
            is_full: false,
            empty_octets: 0,
            is_ended: false,
        }
    }
}

impl Deflate {
    /// Octets from the peer, once [`Self::has_more`] is false.
    pub fn put(&mut self, compressed: &[u8]) {
        self.compressed.extend_from_slice(compressed);
    }

    /// Whether [`Self::inflate`] may give something without more input.
    #[must_use]
    pub fn has_more(&self) -> bool {
        !self.is_ended && (self.is_full || !self.compressed.is_empty())
    }

    /// Whether the peer ended its stream, which is the end of what it says.
    #[must_use]
    pub const fn is_ended(&self) -> bool {
        self.is_ended
    }

    /// What came behind the end of the peer's stream, in clear; empty if it did not end.
    #[must_use]
    pub fn behind_end(self) -> BytesMut {
        if self.is_ended { self.compressed } else { BytesMut::new() }
    }

    /// The next piece, into `room`; its octets, possibly none.
    ///
    /// # Errors
    /// `InvalidData`: what came is not DEFLATE, or means nothing for too long.
    pub fn inflate(&mut self, room: &mut [u8]) -> io::Result<usize> {
        let (came, made) = (self.inflater.total_in(), self.inflater.total_out());
        let status = self.inflater.decompress(&self.compressed, room, FlushDecompress::Sync);
        let status = status.map_err(|_| broken("not DEFLATE"))?;
        // Neither exceeds the length of its slice.
        let used = (self.inflater.total_in() - came) as usize;
        let octets = (self.inflater.total_out() - made) as usize;
        self.is_full = octets == room.len();
        self.is_ended = status == Status::StreamEnd;
        self.empty_octets = if octets > 0 { 0 } else { self.empty_octets + used };
        if used == self.compressed.len() {
            self.compressed = BytesMut::new();
        } else {
            self.compressed.advance(used);
        }
        let is_stuck = used == 0 && octets == 0 && self.has_more();
        if self.empty_octets > EMPTY_OCTETS_MAX || is_stuck {
            return Err(broken("DEFLATE without content"));
        }
        Ok(octets)
    }

    /// What is to be sent for a piece of what the machine says; a drain's last piece is flushed.
    ///
    /// # Errors
    /// None are known of a compressor that is given memory.
    pub fn deflate(&mut self, piece: &[u8], flush: Flush) -> io::Result<BytesMut> {
        let compressor =
            self.compressor.get_or_insert_with(|| Compress::new(Compression::new(LEVEL), false));
        let mut sent = Vec::with_capacity(piece.len() / 2 + 64);
        let mut rest = piece;
        loop {
            let before = compressor.total_in();
            compressor.compress_vec(rest, &mut sent, flush).map_err(io::Error::other)?;
            rest = rest.get((compressor.total_in() - before) as usize..).unwrap_or_default();
            // Room that is left says that nothing waits for it.
            if rest.is_empty() && sent.len() < sent.capacity() {
                return Ok(BytesMut::from(bytes::Bytes::from(sent)));
            }
            sent.reserve(ROOM_OCTETS);
        }
    }

    /// Whether [`Self::rest`] would free something.
    #[must_use]
    pub const fn is_warm(&self) -> bool {
        self.compressor.is_some()
    }

    /// Lets the compressor go. Behind a flush only, as after every drain.
    pub fn rest(&mut self) {
        self.compressor = None;
    }
}

fn broken(why: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

#[cfg(test)]
mod tests;
