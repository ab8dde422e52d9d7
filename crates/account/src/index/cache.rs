//! What was last read for searches, of all accounts, in bounded memory: half of it for the index,
//! half for texts of messages that had to be read, so that neither takes the other's room.

use ::search::Document;
use bytes::Bytes;
use std::{
    collections::{BTreeMap, HashMap},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// What an entry takes besides its bytes, roughly.
const ENTRY_OCTETS: usize = 128;

/// What is remembered.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub(crate) enum Name {
    /// A chunk of a segment: account, blob.
    Chunk(u32, u64),
    /// A message's texts: account, message.
    Text(u32, u32),
    /// Ranks by a key: account, the manifest's next segment, the key's place.
    Ranks(u32, u32, u8),
}

/// Of each segment, by ordinal, the rank of the document by some key.
pub(crate) type Ranks = Arc<Vec<Vec<u32>>>;

#[derive(Clone)]
enum Value {
    Chunk(Bytes),
    Text(Arc<Document>),
    Ranks(Ranks),
}

#[derive(Default)]
struct Inner {
    entries: HashMap<Name, (Value, usize, u64)>,
    /// By when they were used last.
    order: BTreeMap<u64, Name>,
    octets: usize,
    uses: u64,
}

/// The cache.
pub(crate) struct Cache {
    /// Of each half.
    octets_max: usize,
    index: Mutex<Inner>,
    texts: Mutex<Inner>,
}

impl Inner {
    fn find(&mut self, name: Name) -> Option<Value> {
        self.uses += 1;
        let uses = self.uses;
        let (value, _, used) = self.entries.get_mut(&name)?;
        self.order.remove(used);
        self.order.insert(uses, name);
        *used = uses;
        Some(value.clone())
    }

    fn remove(&mut self, name: Name) {
        if let Some((_, octets, used)) = self.entries.remove(&name) {
            self.order.remove(&used);
            self.octets -= octets;
        }
    }

    fn put(&mut self, name: Name, value: Value, octets: usize, octets_max: usize) {
        self.remove(name);
        let octets = octets + ENTRY_OCTETS;
        if octets > octets_max {
            return;
        }
        while self.octets + octets > octets_max {
            let Some((_, oldest)) = self.order.pop_first() else { break };
            if let Some((_, octets, _)) = self.entries.remove(&oldest) {
                self.octets -= octets;
            }
        }
        self.uses += 1;
        self.octets += octets;
        self.order.insert(self.uses, name);
        self.entries.insert(name, (value, octets, self.uses));
    }
}

impl Cache {
    pub fn new(octets_max: u64) -> Self {
        let octets_max = usize::try_from(octets_max / 2).unwrap_or(usize::MAX);
        Self { octets_max, index: Mutex::default(), texts: Mutex::default() }
    }

    fn half(&self, name: Name) -> MutexGuard<'_, Inner> {
        let half = match name {
            Name::Chunk(..) | Name::Ranks(..) => &self.index,
            Name::Text(..) => &self.texts,
        };
        half.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn find(&self, name: Name) -> Option<Value> {
        self.half(name).find(name)
    }

    fn put(&self, name: Name, value: Value, octets: usize) {
        self.half(name).put(name, value, octets, self.octets_max);
    }

    pub fn chunk(&self, account: u32, blob: u64) -> Option<Bytes> {
        match self.find(Name::Chunk(account, blob))? {
            Value::Chunk(bytes) => Some(bytes),
            _ => None,
        }
    }

    pub fn remember_chunk(&self, account: u32, blob: u64, bytes: &Bytes) {
        self.put(Name::Chunk(account, blob), Value::Chunk(bytes.clone()), bytes.len());
    }

    pub fn text(&self, account: u32, message: u32) -> Option<Arc<Document>> {
        match self.find(Name::Text(account, message))? {
            Value::Text(document) => Some(document),
            _ => None,
        }
    }

    pub fn remember_text(&self, account: u32, document: &Arc<Document>) {
        let fields = document.header.iter().map(|(name, value)| name.len() + value.len() + 48);
        let octets = size_of::<Document>() + document.body.len() + fields.sum::<usize>();
        let name = Name::Text(account, document.message.0);
        self.put(name, Value::Text(Arc::clone(document)), octets);
    }

    pub fn ranks(&self, account: u32, number: u32, key: u8) -> Option<Ranks> {
        match self.find(Name::Ranks(account, number, key))? {
            Value::Ranks(ranks) => Some(ranks),
            _ => None,
        }
    }

    pub fn remember_ranks(&self, (account, number, key): (u32, u32, u8), ranks: &Ranks) {
        let octets = ranks.iter().map(|ranks| 4 * ranks.len() + 32).sum();
        self.put(Name::Ranks(account, number, key), Value::Ranks(Arc::clone(ranks)), octets);
    }

    /// What is no longer needed.
    pub fn forget(&self, names: impl Iterator<Item = Name>) {
        names.for_each(|name| self.half(name).remove(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_goes_when_one_more_would_not_fit() {
        let size = 100 + ENTRY_OCTETS as u64;
        let cache = Cache::new(6 * size);
        let bytes = Bytes::from(vec![0; 100]);
        (0..3).for_each(|blob| cache.remember_chunk(1, blob, &bytes));
        assert!((0..3).all(|blob| cache.chunk(1, blob).is_some()));
        cache.chunk(1, 0);
        cache.remember_chunk(1, 3, &bytes);
        let there: Vec<bool> = (0..4).map(|blob| cache.chunk(1, blob).is_some()).collect();
        assert_eq!(there, [true, false, true, true]);
        cache.remember_chunk(1, 9, &Bytes::from(vec![0; 3 * size as usize]));
        assert!(cache.chunk(1, 9).is_none() && cache.chunk(1, 3).is_some());
        cache.forget((0..4).map(|blob| Name::Chunk(1, blob)));
        let half = cache.half(Name::Chunk(1, 0));
        assert!(half.octets == 0 && half.order.is_empty());
    }
}
