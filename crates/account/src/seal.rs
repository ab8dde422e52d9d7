//! Sealing: AES-256-GCM under the account's key, which is wrapped by the master key. A sealed
//! piece is nonce (12) ‖ ciphertext ‖ tag (16); what it is (account, kind, number) is
//! authenticated with it, so that no piece passes for another.

use crate::{Error, MasterKey};
use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey},
    rand,
};

/// Kinds of pieces, part of what is authenticated.
#[derive(Clone, Copy)]
pub(crate) enum Kind {
    Key = 1,
    Mailbox = 2,
    Record = 3,
    Body = 4,
    Person = 5,
}

/// An account's key, ready for use.
pub(crate) struct Seal {
    key: LessSafeKey,
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
        let key = UnboundKey::new(&AES_256_GCM, key).map_err(|_| damaged("a key's length"))?;
        Ok(Self { key: LessSafeKey::new(key), account })
    }

    /// A new key, and how it is stored.
    pub fn make(account: u32, master: &MasterKey) -> Result<(Self, Vec<u8>), Error> {
        let mut key = zeroize::Zeroizing::new([0_u8; 32]);
        rand::fill(key.as_mut()).map_err(|_| damaged("no random numbers"))?;
        let wrapped = Self::new(account, &master.0)?.seal(Kind::Key, 0, key.to_vec())?;
        Ok((Self::new(account, key.as_ref())?, wrapped))
    }

    /// The key as it was stored.
    pub fn open_key(account: u32, master: &MasterKey, wrapped: &[u8]) -> Result<Self, Error> {
        let key = Self::new(account, &master.0)?
            .open(Kind::Key, 0, wrapped)
            .map_err(|_| damaged("the account's key: is this the right master key?"))?;
        Self::new(account, &zeroize::Zeroizing::new(key))
    }

    /// Seals a piece.
    pub fn seal(&self, kind: Kind, number: u64, mut plain: Vec<u8>) -> Result<Vec<u8>, Error> {
        let mut nonce = [0; NONCE_LEN];
        rand::fill(&mut nonce).map_err(|_| damaged("no random numbers"))?;
        let tag = self
            .key
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                aad(self.account, kind, number),
                &mut plain,
            )
            .map_err(|_| damaged("sealing"))?;
        let mut sealed = Vec::with_capacity(NONCE_LEN + plain.len() + tag.as_ref().len());
        sealed.extend_from_slice(&nonce);
        sealed.extend_from_slice(&plain);
        sealed.extend_from_slice(tag.as_ref());
        Ok(sealed)
    }

    /// Opens a piece.
    pub fn open(&self, kind: Kind, number: u64, sealed: &[u8]) -> Result<Vec<u8>, Error> {
        let (nonce, rest) =
            sealed.split_first_chunk::<NONCE_LEN>().ok_or_else(|| damaged("a sealed piece"))?;
        let mut plain = rest.to_vec();
        let nonce = Nonce::assume_unique_for_key(*nonce);
        let opened = self
            .key
            .open_in_place(nonce, aad(self.account, kind, number), &mut plain)
            .map_err(|_| damaged("a sealed piece"))?
            .len();
        plain.truncate(opened);
        Ok(plain)
    }
}
