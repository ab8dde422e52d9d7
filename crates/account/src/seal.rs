//! Sealing: AES-256-GCM under the account's key, which is wrapped by the master key. A sealed piece
//! is nonce (12) ‖ ciphertext ‖ tag (16); what it is (account, kind, number) is authenticated with
//! it, so that no piece passes for another.
//!
//! Nonces are random: 2^32 pieces may be sealed under one key (NIST SP 800-38D §8.3).

use crate::{Error, MasterKey};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand,
};

const TAG_LEN: usize = 16;

/// Kinds of pieces, part of what is authenticated.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Key = 1,
    Mailbox = 2,
    Record = 3,
    Body = 4,
    Person = 5,
    /// A subscribed name.
    Name = 6,
    Keyword = 7,
    /// The name of the mailbox that a message in the trash was in.
    TrashName = 8,
    /// Of hashes alone: a message id.
    MessageId = 9,
    /// Of hashes alone: a base subject.
    Subject = 10,
    /// A chunk of the full-text index.
    Segment = 11,
    /// Of the directory.
    Token = 12,
    /// Of hashes alone: a transaction.
    Mark = 13,
    /// An annotation.
    Annotation = 14,
    /// Of the directory: a domain's secret key.
    DomainKey = 15,
    /// Why a message is where it came to.
    Explained = 16,
    /// Of the queue: a message's envelope.
    Queued = 20,
    /// Of the queue: how far a recipient is.
    QueueProgress = 21,
    /// Of the queue: what is remembered of a domain.
    Peer = 22,
    /// Of the queue: to how many recipients an account wrote.
    Sent = 23,
    /// Of the queue: how many messages an address gave to a provider.
    Warmth = 24,
    /// Of the queue: what was counted of a domain on a day.
    Tally = 34,
    /// Of the queue: a row of it.
    TallyRow = 35,
    /// Of the books of junk: a book.
    Book = 25,
    /// Of the books of junk: what a person said of a message.
    Lesson = 26,
    /// Of the reports: one.
    Report = 27,
    /// Of strangers, of hashes alone: a name.
    Stranger = 30,
    /// Of strangers: what is known of a sender.
    Sender = 31,
}

/// An account's key, ready for use.
pub(crate) struct Seal {
    key: LessSafeKey,
    hashing: zeroize::Zeroizing<[u8; 32]>,
    account: u32,
}

fn aad(account: u32, kind: Kind, number: u64) -> Aad<[u8; 13]> {
    let mut all = [0; 13];
    let parts = account.to_be_bytes().into_iter().chain([kind as u8]).chain(number.to_be_bytes());
    for (slot, byte) in all.iter_mut().zip(parts) {
        *slot = byte;
    }
    Aad::from(all)
}

fn damaged(what: &str) -> Error {
    Error::Damaged(what.to_owned())
}

impl Seal {
    /// From 32 octets of key.
    pub fn new(account: u32, key: &[u8]) -> Result<Self, Error> {
        let hashing = blake3::derive_key("palomar 2026-11-23 hashes of names and message ids", key);
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| damaged("a key's length"))?;
        Ok(Self { key: LessSafeKey::new(key), hashing: hashing.into(), account })
    }

    /// A new key, and how it is stored.
    pub fn make(account: u32, master: &MasterKey) -> Result<(Self, Vec<u8>), Error> {
        let mut key = zeroize::Zeroizing::new([0_u8; 32]);
        rand::fill(key.as_mut()).map_err(|_| damaged("no random numbers"))?;
        let wrapped = Self::new(account, &master.0)?.seal(Kind::Key, 0, key.as_ref())?;
        Ok((Self::new(account, key.as_ref())?, wrapped))
    }

    /// The key as it was stored.
    pub fn open_key(account: u32, master: &MasterKey, wrapped: &[u8]) -> Result<Self, Error> {
        let key = Self::new(account, &master.0)?.open(Kind::Key, 0, wrapped).map_err(|_| {
            damaged("the account's key does not open: is this the right master key?")
        })?;
        Self::new(account, &zeroize::Zeroizing::new(key))
    }

    /// Octets that so many octets take when sealed.
    pub const fn sealed_octets(plain: usize) -> usize {
        NONCE_LEN + plain + TAG_LEN
    }

    /// Seals a piece.
    pub fn seal(&self, kind: Kind, number: u64, plain: &[u8]) -> Result<Vec<u8>, Error> {
        let mut sealed = Vec::with_capacity(Self::sealed_octets(plain.len()));
        self.seal_into(kind, number, plain, &mut sealed)?;
        Ok(sealed)
    }

    /// Seals a piece behind what `out` holds.
    pub fn seal_into(
        &self,
        kind: Kind,
        number: u64,
        plain: &[u8],
        out: &mut Vec<u8>,
    ) -> Result<(), Error> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| damaged("no random numbers"))?;
        out.extend_from_slice(&nonce);
        let start = out.len();
        out.extend_from_slice(plain);
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                aad(self.account, kind, number),
                out.get_mut(start..).unwrap_or_default(),
            )
            .map_err(|_| damaged("sealing"))?;
        out.extend_from_slice(tag.as_ref());
        Ok(())
    }

    /// Opens a piece.
    pub fn open(&self, kind: Kind, number: u64, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let broken = || damaged("a sealed piece");
        let (nonce, rest) = sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(broken)?;
        let (cipher, tag) = rest.split_last_chunk::<TAG_LEN>().ok_or_else(broken)?;
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let mut plain = vec![0; cipher.len()];
        self.key
            .open_separate_gather(nonce, aad(self.account, kind, number), cipher, tag, &mut plain)
            .map_err(|_| broken())?;
        Ok(plain)
    }

    /// A hash under the account's key: tells nobody else what was hashed.
    pub fn hash(&self, kind: Kind, parts: &[&[u8]]) -> u64 {
        let mut hasher = blake3::Hasher::new_keyed(&self.hashing);
        hasher.update(&[kind as u8]);
        for part in parts {
            hasher.update(&(part.len() as u64).to_be_bytes());
            hasher.update(part);
        }
        let [a, b, c, d, e, f, g, h, ..] = *hasher.finalize().as_bytes();
        u64::from_be_bytes([a, b, c, d, e, f, g, h])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_piece_opens_as_what_it_is_and_as_nothing_else() {
        let seal = Seal::new(7, &[1; 32]).unwrap();
        let sealed = seal.seal(Kind::Record, 5, b"text").unwrap();
        assert_eq!(sealed.len(), Seal::sealed_octets(4));
        assert_eq!(seal.open(Kind::Record, 5, &sealed).unwrap(), b"text");
        assert!(seal.open(Kind::Record, 6, &sealed).is_err());
        assert!(seal.open(Kind::Body, 5, &sealed).is_err());
        assert!(Seal::new(8, &[1; 32]).unwrap().open(Kind::Record, 5, &sealed).is_err());
        assert!(Seal::new(7, &[2; 32]).unwrap().open(Kind::Record, 5, &sealed).is_err());
        for at in 0..sealed.len() {
            let mut bad = sealed.clone();
            bad[at] ^= 1;
            assert!(seal.open(Kind::Record, 5, &bad).is_err());
            assert!(seal.open(Kind::Record, 5, &sealed[..at]).is_err());
        }
        assert_ne!(sealed, seal.seal(Kind::Record, 5, b"text").unwrap());
    }

    #[test]
    fn hashes_depend_on_key_kind_and_where_parts_end() {
        let seal = Seal::new(1, &[1; 32]).unwrap();
        let other = Seal::new(1, &[2; 32]).unwrap();
        let one = seal.hash(Kind::Name, &[b"ab", b"c"]);
        assert_eq!(one, seal.hash(Kind::Name, &[b"ab", b"c"]));
        assert_ne!(one, seal.hash(Kind::Name, &[b"a", b"bc"]));
        assert_ne!(one, seal.hash(Kind::Subject, &[b"ab", b"c"]));
        assert_ne!(one, other.hash(Kind::Name, &[b"ab", b"c"]));
    }
}
