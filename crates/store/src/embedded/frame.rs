//! One frame of the log: one commit of one account, bodies included. Pure.
//!
//! ```text
//! frame = header ops bodies padding          (little-endian; length a multiple of 8)
//! header, 40 octets:
//!    0 magic "PALf"        4 length u32, padding included     8 LSN u64
//!   16 durable LSN u64    24 account u32                     28 octets of ops u32
//!   32 crc32c of the ops  36 crc32c of the 36 octets before, seeded with the store's salt
//! op = kind u8, key length varint, key, then
//!   1 put      value length varint, value
//!   2 located  body length varint, crc32c of the body u32
//!   3 delete   (nothing)
//!   4 erase    LSN u64; the key is empty: every key of the account written before that LSN, or
//!              before this frame if it is 0
//! ```
//!
//! Invariants: an op is absolute (never an increment), so that a log applied in order of its LSNs
//! gives the same state however often parts of it are applied. The bodies follow in the order of
//! their ops. The ops' checksum covers the bodies' checksums, the header's covers the ops'.
//!
//! The salt is random and secret to the store: octets that a stranger sends cannot pass for a frame
//! when recovery looks for the next one behind damage.

use bytes::Bytes;

/// Octets of a frame's header.
pub const HEADER_OCTETS: usize = 40;
/// Frames begin at multiples of this many octets.
pub const ALIGN: u64 = 8;
const MAGIC: [u8; 4] = *b"PALf";
const PUT: u8 = 1;
const LOCATED: u8 = 2;
const DELETE: u8 = 3;
const ERASE: u8 = 4;

/// A frame's header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Octets of the frame.
    pub octets: u32,
    /// Its log sequence number: one more than the frame before.
    pub lsn: u64,
    /// The highest LSN known durable when it was written.
    pub durable: u64,
    /// Whose it is.
    pub account: u32,
    /// Octets of its ops.
    pub ops_octets: u32,
    /// Their checksum.
    pub ops_crc: u32,
}

impl Header {
    /// Reads a header; `None` unless every octet is right.
    #[must_use]
    pub fn parse(octets: &[u8], salt: u32) -> Option<Self> {
        let octets: &[u8; HEADER_OCTETS] = octets.first_chunk()?;
        let u32_at = |at: usize| Some(u32::from_le_bytes(*octets.get(at..)?.first_chunk()?));
        let u64_at = |at: usize| Some(u64::from_le_bytes(*octets.get(at..)?.first_chunk()?));
        if octets.first_chunk() != Some(&MAGIC) || u32_at(36)? != crc(salt, octets.get(..36)?) {
            return None;
        }
        let header = Self {
            octets: u32_at(4)?,
            lsn: u64_at(8)?,
            durable: u64_at(16)?,
            account: u32_at(24)?,
            ops_octets: u32_at(28)?,
            ops_crc: u32_at(32)?,
        };
        let least = HEADER_OCTETS as u64 + u64::from(header.ops_octets);
        let whole = u64::from(header.octets);
        (whole >= least && whole.is_multiple_of(ALIGN)).then_some(header)
    }

    fn encode(&self, salt: u32) -> [u8; HEADER_OCTETS] {
        let mut octets = [0; HEADER_OCTETS];
        let mut at = 0;
        let mut put = |part: &[u8]| {
            if let Some(place) = octets.get_mut(at..at + part.len()) {
                place.copy_from_slice(part);
            }
            at += part.len();
        };
        put(&MAGIC);
        put(&self.octets.to_le_bytes());
        put(&self.lsn.to_le_bytes());
        put(&self.durable.to_le_bytes());
        put(&self.account.to_le_bytes());
        put(&self.ops_octets.to_le_bytes());
        put(&self.ops_crc.to_le_bytes());
        let sum = crc(salt, octets.get(..36).unwrap_or_default());
        if let Some(place) = octets.get_mut(36..) {
            place.copy_from_slice(&sum.to_le_bytes());
        }
        octets
    }
}

fn crc(salt: u32, octets: &[u8]) -> u32 {
    crc32c::crc32c_append(salt, octets)
}

/// One op of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Op<'a> {
    /// The key has this value.
    Put {
        /// Key within the account.
        key: &'a [u8],
        /// Its value.
        value: &'a [u8],
    },
    /// The key's value is the frame's next body.
    Located {
        /// Key within the account.
        key: &'a [u8],
        /// Octets of the body.
        octets: u32,
        /// Its checksum.
        crc: u32,
    },
    /// The key has no value.
    Delete {
        /// Key within the account.
        key: &'a [u8],
    },
    /// No key of the account that was written before has a value.
    Erase {
        /// Before this LSN; 0 for the frame's own.
        before: u64,
    },
}

impl Op<'_> {
    /// The key; empty for [`Op::Erase`].
    #[must_use]
    pub fn key(&self) -> &[u8] {
        match self {
            Self::Put { key, .. } | Self::Located { key, .. } | Self::Delete { key } => key,
            Self::Erase { .. } => &[],
        }
    }

    /// About how many octets of the log it takes.
    #[must_use]
    pub fn octets(&self) -> u64 {
        let rest = match self {
            Self::Put { value, .. } => value.len() as u64 + 2,
            Self::Located { octets, .. } => u64::from(*octets) + 7,
            Self::Delete { .. } => 0,
            Self::Erase { .. } => 8,
        };
        self.key().len() as u64 + 2 + rest
    }
}

/// A commit on its way to the log: ops written already, bodies by reference.
#[derive(Clone, Default, Debug)]
pub struct Draft {
    /// Whose it is.
    pub account: u32,
    ops: Vec<u8>,
    bodies: Vec<Bytes>,
    body_octets: u64,
}

impl Draft {
    /// An empty one.
    #[must_use]
    pub fn new(account: u32) -> Self {
        Self { account, ..Self::default() }
    }
    /// The key (a class of the index and the rest) has this value.
    pub fn put(&mut self, class: u8, rest: &[u8], value: &[u8]) {
        self.start(PUT, class, rest);
        varint(&mut self.ops, value.len() as u64);
        self.ops.extend_from_slice(value);
    }
    /// The key's value is this body, which stays in the log.
    pub fn locate(&mut self, class: u8, rest: &[u8], body: Bytes) {
        self.start(LOCATED, class, rest);
        varint(&mut self.ops, body.len() as u64);
        self.ops.extend_from_slice(&crc32c::crc32c(&body).to_le_bytes());
        self.body_octets += body.len() as u64;
        self.bodies.push(body);
    }
    /// The key has no value.
    pub fn delete(&mut self, class: u8, rest: &[u8]) {
        self.start(DELETE, class, rest);
    }
    /// No key of the account that was written before an LSN (0: before this frame) has a value.
    pub fn erase(&mut self, before: u64) {
        self.ops.extend_from_slice(&[ERASE, 0]);
        self.ops.extend_from_slice(&before.to_le_bytes());
    }
    fn start(&mut self, kind: u8, class: u8, rest: &[u8]) {
        self.ops.push(kind);
        varint(&mut self.ops, rest.len() as u64 + 1);
        self.ops.push(class);
        self.ops.extend_from_slice(rest);
    }
    /// The ops, to be read with [`Ops`].
    #[must_use]
    pub fn ops(&self) -> &[u8] {
        &self.ops
    }
    /// Whether it changes nothing.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.ops.is_empty()
    }
    /// Whether it carries bodies.
    #[must_use]
    pub fn has_bodies(&self) -> bool {
        !self.bodies.is_empty()
    }
    /// Octets of its frame.
    #[must_use]
    pub fn octets(&self) -> u64 {
        (HEADER_OCTETS as u64 + self.ops.len() as u64 + self.body_octets).next_multiple_of(ALIGN)
    }
    /// Appends its frame. The caller has checked that its octets fit a `u32`.
    pub fn encode(&self, number: Number, into: &mut Vec<u8>) {
        let octets = self.octets();
        let header = Header {
            octets: u32::try_from(octets).unwrap_or(u32::MAX),
            lsn: number.lsn,
            durable: number.durable,
            account: self.account,
            ops_octets: u32::try_from(self.ops.len()).unwrap_or(u32::MAX),
            ops_crc: crc32c::crc32c(&self.ops),
        };
        let end = into.len() + usize::try_from(octets).unwrap_or(usize::MAX);
        into.extend_from_slice(&header.encode(number.salt));
        into.extend_from_slice(&self.ops);
        for body in &self.bodies {
            into.extend_from_slice(body);
        }
        into.resize(end, 0);
    }
}

/// What a frame is told when it is written.
#[derive(Clone, Copy, Debug)]
pub struct Number {
    /// Its LSN.
    pub lsn: u64,
    /// The highest LSN known durable.
    pub durable: u64,
    /// The store's salt.
    pub salt: u32,
}

/// The ops of a frame, in order; `None` in the middle of octets that are no op.
#[derive(Clone, Debug)]
pub struct Ops<'a>(&'a [u8]);

impl<'a> Ops<'a> {
    /// Reads ops whose checksum was right.
    #[must_use]
    pub fn new(octets: &'a [u8]) -> Self {
        Self(octets)
    }

    fn read(&mut self) -> Option<Op<'a>> {
        let (kind, rest) = self.0.split_first()?;
        self.0 = rest;
        let octets = varint_read(&mut self.0)?;
        let key = take(&mut self.0, octets)?;
        match *kind {
            PUT => {
                let octets = varint_read(&mut self.0)?;
                Some(Op::Put { key, value: take(&mut self.0, octets)? })
            }
            LOCATED => {
                let octets = u32::try_from(varint_read(&mut self.0)?).ok()?;
                let crc = u32::from_le_bytes(*take(&mut self.0, 4)?.first_chunk()?);
                Some(Op::Located { key, octets, crc })
            }
            DELETE => Some(Op::Delete { key }),
            ERASE if key.is_empty() => {
                let before = u64::from_le_bytes(*take(&mut self.0, 8)?.first_chunk()?);
                Some(Op::Erase { before })
            }
            _ => None,
        }
    }
}

/// Octets that are no op.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct NoOp;

impl<'a> Iterator for Ops<'a> {
    type Item = Result<Op<'a>, NoOp>;
    fn next(&mut self) -> Option<Self::Item> {
        if self.0.is_empty() {
            return None;
        }
        let op = self.read().ok_or(NoOp);
        if op.is_err() {
            self.0 = &[];
        }
        Some(op)
    }
}

fn take<'a>(from: &mut &'a [u8], octets: u64) -> Option<&'a [u8]> {
    let (part, rest) = from.split_at_checked(usize::try_from(octets).ok()?)?;
    *from = rest;
    Some(part)
}

/// LEB128.
pub fn varint(into: &mut Vec<u8>, mut value: u64) {
    while value >= 0x80 {
        into.push((value as u8 & 0x7f) | 0x80);
        value >>= 7;
    }
    into.push(value as u8);
}

/// Inverse of [`varint`]; `None` if it is cut or does not fit.
pub fn varint_read(from: &mut &[u8]) -> Option<u64> {
    let mut value = 0u64;
    for shift in (0..64).step_by(7) {
        let (octet, rest) = from.split_first()?;
        *from = rest;
        let part = u64::from(octet & 0x7f);
        if part << shift >> shift != part {
            return None;
        }
        value |= part << shift;
        if octet & 0x80 == 0 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn draft() -> Draft {
        let mut draft = Draft::new(7);
        draft.put(b'h', b"ead", &5u64.to_le_bytes());
        draft.locate(b'b', b"ody", Bytes::from_static(b"From: ana"));
        draft.delete(b'g', b"one");
        draft.erase(4);
        draft
    }

    #[test]
    fn a_frame_reads_back() {
        let mut octets = Vec::new();
        draft().encode(Number { lsn: 9, durable: 8, salt: 3 }, &mut octets);
        assert_eq!(octets.len() as u64, draft().octets());
        let header = Header::parse(&octets, 3).unwrap();
        assert_eq!((header.lsn, header.durable, header.account), (9, 8, 7));
        assert_eq!(u64::from(header.octets), draft().octets());
        let end = HEADER_OCTETS + header.ops_octets as usize;
        let ops = &octets[HEADER_OCTETS..end];
        assert_eq!(crc32c::crc32c(ops), header.ops_crc);
        let ops: Vec<_> = Ops::new(ops).map(Result::unwrap).collect();
        assert_eq!(ops.len(), 4);
        assert_eq!(ops[0], Op::Put { key: b"head", value: &5u64.to_le_bytes() });
        assert_eq!(ops[2], Op::Delete { key: b"gone" });
        assert_eq!(&octets[end..end + 9], b"From: ana");
        assert_eq!(Header::parse(&octets, 4), None, "another store's salt");
    }

    #[test]
    fn every_flipped_bit_of_a_header_is_seen() {
        let mut octets = Vec::new();
        draft().encode(Number { lsn: 9, durable: 8, salt: 3 }, &mut octets);
        for bit in 0..HEADER_OCTETS * 8 {
            octets[bit / 8] ^= 1 << (bit % 8);
            assert_eq!(Header::parse(&octets, 3), None, "bit {bit}");
            octets[bit / 8] ^= 1 << (bit % 8);
        }
    }

    proptest! {
        #[test]
        fn any_octets_are_read_without_panic(octets: Vec<u8>) {
            let _ = Header::parse(&octets, 0);
            prop_assert!(Ops::new(&octets).count() <= octets.len());
        }
        #[test]
        fn varints_read_back(value: u64) {
            let mut octets = Vec::new();
            varint(&mut octets, value);
            let mut rest = octets.as_slice();
            prop_assert_eq!(varint_read(&mut rest), Some(value));
            prop_assert!(rest.is_empty());
        }
    }
}
