//! Which conversation a message belongs to: by the message ids it names, newest knowledge first in
//! memory, then in the store. Two messages of one new conversation that arrive at the same moment
//! meet in memory.

use crate::{Account, Error, keys, record::Ingest};
use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Hashes remembered in memory of each account.
const RECENT_MAX: usize = 1_024;
/// References looked up, newest first.
const REFERENCES_MAX: usize = 20;

/// Hash of message id → thread, of the last messages.
#[derive(Default)]
pub(crate) struct Recent(Mutex<HashMap<u64, u32>>);

/// What a message's ids say.
pub(crate) struct Threading {
    pub thread: u32,
    /// Hashes to be stored with this thread.
    pub hashes: Vec<u64>,
}

fn hash(account: u32, id: &[u8]) -> u64 {
    let mut hasher = blake3::Hasher::new();
    hasher.update(&account.to_be_bytes());
    hasher.update(id);
    let mut out = [0; 8];
    hasher.finalize_xof().fill(&mut out);
    u64::from_be_bytes(out)
}

impl Account {
    /// The thread of a new message: that of a message it answers, or of one that answers it, or its
    /// own.
    pub(crate) async fn threading(
        &self,
        ingest: &Ingest,
        message: u32,
    ) -> Result<Threading, Error> {
        let own =
            ingest.envelope.message_id.as_deref().map_or_else(Vec::new, mail::thread::message_ids);
        let references = ingest.references.iter().rev().take(REFERENCES_MAX);
        let mut hashes: Vec<u64> =
            own.iter().take(1).chain(references).map(|id| hash(self.id.0, id)).collect();
        hashes.dedup();
        let known = self.known(&hashes).await?;
        let mut recent = self.threads.0.lock().unwrap_or_else(PoisonError::into_inner);
        let met = hashes.iter().find_map(|hash| recent.get(hash).copied());
        let thread = met.or(known).unwrap_or(message);
        if recent.len() > RECENT_MAX {
            recent.clear();
        }
        for hash in &hashes {
            recent.entry(*hash).or_insert(thread);
        }
        Ok(Threading { thread, hashes })
    }

    async fn known(&self, hashes: &[u64]) -> Result<Option<u32>, Error> {
        let remembered = {
            let recent = self.threads.0.lock().unwrap_or_else(PoisonError::into_inner);
            hashes.iter().find_map(|hash| recent.get(hash).copied())
        };
        if remembered.is_some() || hashes.is_empty() {
            return Ok(remembered);
        }
        let names = hashes.iter().map(|hash| keys::thread(*hash)).collect();
        let found = self.shared.kv.get_many(self.id.0, names).await?;
        let number = |value: bytes::Bytes| value.as_ref().try_into().ok().map(u32::from_be_bytes);
        Ok(found.into_iter().flatten().find_map(number))
    }
}
