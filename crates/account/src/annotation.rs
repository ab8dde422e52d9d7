//! Annotations of mailboxes and of the server as a user sees it (RFC 5464): how they are stored,
//! and all of an account's in memory.
//!
//! Invariants: names and values together are no more than `metadata_octets_max` an account, so that
//! they can be kept with its state; what belongs to a mailbox goes with it.

use crate::{
    Account, Error,
    account::Inner,
    codec::{Reader, Writer},
    seal::Kind,
};
use bytes::Bytes;
use mail::EntryName;
use std::collections::BTreeMap;

/// Stands for the server where a mailbox's number would be: mailboxes are numbered from 1.
pub(crate) const SERVER: u32 = 0;
/// Stands for everybody where a user's number would be: the owner of `/shared` entries.
pub(crate) const EVERYBODY: u32 = 0;
/// Octets of memory beside name and value, roughly.
const OVERHEAD_OCTETS: u64 = 96;

/// One entry: whose it is, its name, and its value unless it is removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Annotation {
    pub owner: u32,
    pub name: EntryName,
    pub value: Option<Bytes>,
}

impl Annotation {
    fn write(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.byte(1).number(self.owner.into()).bytes(self.name.as_str().as_bytes());
        match &self.value {
            None => to.byte(0),
            Some(value) => to.byte(1).bytes(value),
        };
        to.0
    }

    fn read(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        (from.byte()? == 1).then_some(())?;
        let owner = from.number32()?;
        let name = EntryName::parse(from.text()?)?;
        let value = match from.byte()? {
            0 => None,
            1 => Some(Bytes::copy_from_slice(from.bytes()?)),
            _ => return None,
        };
        Some(Self { owner, name, value })
    }

    /// Octets that count.
    pub fn octets(&self) -> u64 {
        octets(&self.name, self.value.as_ref())
    }
}

fn octets(name: &EntryName, value: Option<&Bytes>) -> u64 {
    value.map_or(0, |value| (name.as_str().len() + value.len()) as u64)
}

impl Account {
    /// Its key's hash, and the annotation sealed.
    pub(crate) fn seal_annotation(
        &self,
        mailbox: u32,
        annotation: &Annotation,
    ) -> Result<(u64, Bytes), Error> {
        let hash = self.annotation_hash(mailbox, annotation.owner, &annotation.name);
        let sealed = self.seal.seal(Kind::Annotation, hash, &annotation.write())?;
        Ok((hash, sealed.into()))
    }
    /// Hashes of a mailbox's annotations.
    pub(crate) fn annotation_hashes(&self, inner: &Inner, mailbox: u32) -> Vec<u64> {
        let entries = inner.state.annotations.of(mailbox).into_iter().flatten();
        entries.map(|((owner, name), _)| self.annotation_hash(mailbox, *owner, name)).collect()
    }
    fn annotation_hash(&self, mailbox: u32, owner: u32, name: &EntryName) -> u64 {
        let (owner, name) = (owner.to_be_bytes(), name.folded());
        let parts = [&mailbox.to_be_bytes()[..], &owner, name.as_bytes()];
        self.seal.hash(Kind::Annotation, &parts)
    }
    /// What the log says of a key's value.
    pub(crate) fn annotation_value_hash(&self, sealed: &[u8]) -> u64 {
        self.seal.hash(Kind::Annotation, &[sealed])
    }
    pub(crate) fn open_annotation(&self, hash: u64, sealed: &[u8]) -> Option<Annotation> {
        Annotation::read(&self.seal.open(Kind::Annotation, hash, sealed).ok()?)
    }
}

/// Entries of one mailbox or of the server, by owner and name.
pub(crate) type Entries = BTreeMap<(u32, EntryName), Bytes>;

/// All of an account's.
#[derive(Default)]
pub(crate) struct Annotations {
    all: BTreeMap<u32, Entries>,
    /// Octets of names and values.
    pub octets: u64,
    /// The last commit that changed one.
    pub modseq: u64,
}

impl Annotations {
    /// Those of a mailbox, or of [`SERVER`].
    pub fn of(&self, mailbox: u32) -> Option<&Entries> {
        self.all.get(&mailbox)
    }
    /// Sets or removes one.
    pub fn set(&mut self, mailbox: u32, annotation: &Annotation) {
        let Annotation { owner, name, value } = annotation;
        let entries = self.all.entry(mailbox).or_default();
        // The name is kept as it was written last.
        let before = entries.remove_entry(&(*owner, name.clone()));
        let gone = before.map_or(0, |((_, name), value)| octets(&name, Some(&value)));
        self.octets = (self.octets + annotation.octets()).saturating_sub(gone);
        match value {
            Some(value) => {
                entries.insert((*owner, name.clone()), value.clone());
            }
            None if entries.is_empty() => {
                self.all.remove(&mailbox);
            }
            None => {}
        }
    }
    /// The mailbox is gone.
    pub fn forget(&mut self, mailbox: u32) {
        for ((_, name), value) in self.all.remove(&mailbox).unwrap_or_default() {
            self.octets = self.octets.saturating_sub(octets(&name, Some(&value)));
        }
    }
    /// Octets of memory, roughly.
    pub fn memory_octets(&self) -> u64 {
        let count = self.all.values().map(BTreeMap::len).sum::<usize>();
        self.octets + OVERHEAD_OCTETS * count as u64
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn annotation(name: &str, value: Option<&'static [u8]>) -> Annotation {
        let name = EntryName::parse(name).unwrap();
        Annotation { owner: 7, name, value: value.map(Bytes::from_static) }
    }

    #[test]
    fn inverse() {
        for value in [None, Some(&b""[..]), Some(&b"a\0b"[..])] {
            let one = annotation("/private/Comment", value);
            let read = Annotation::read(&one.write()).unwrap();
            assert_eq!(read, one);
            assert_eq!(read.name.as_str(), "/private/Comment");
        }
    }

    #[test]
    fn octets_follow_what_is_set_and_removed() {
        let mut all = Annotations::default();
        all.set(1, &annotation("/private/a", Some(b"1234")));
        all.set(1, &annotation("/PRIVATE/a", Some(b"12")));
        assert_eq!((all.octets, all.of(1).unwrap().len()), (12, 1));
        let (_, name) = all.of(1).unwrap().keys().next().unwrap();
        assert_eq!(name.as_str(), "/PRIVATE/a");
        all.set(SERVER, &annotation("/private/b", Some(b"")));
        all.set(1, &annotation("/private/a", None));
        assert_eq!((all.octets, all.of(1)), (10, None));
        all.forget(SERVER);
        assert_eq!((all.octets, all.memory_octets()), (0, 0));
    }

    proptest! {
        #[test]
        fn damage_never_panics(bytes: Vec<u8>) {
            let _ = Annotation::read(&bytes);
        }
    }
}
