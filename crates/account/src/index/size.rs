//! How big an account's index is, and its mail as it is stored.

use crate::{Account, Error, read::RECORDS_PAGE};
use mail::MessageId;
use std::collections::BTreeSet;

/// Octets on the store, without its own overhead.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Sizes {
    /// Of the index.
    pub index_octets: u64,
    /// Of the bodies of all messages in mailboxes: compressed and sealed, shared ones once.
    pub mail_octets: u64,
}

impl Account {
    /// Reads every record.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn index_sizes(&self) -> Result<Sizes, Error> {
        let index_octets = self.manifest().await?.places.iter().map(|place| place.octets).sum();
        let mut sizes = Sizes { index_octets, mail_octets: 0 };
        let messages: BTreeSet<u32> = {
            let inner = self.inner();
            let entries = inner.state.mailboxes.values().flat_map(|mailbox| &mailbox.entries);
            entries.map(|entry| entry.message).collect()
        };
        let messages: Vec<MessageId> = messages.into_iter().map(MessageId).collect();
        let mut blobs = BTreeSet::new();
        for page in messages.chunks(RECORDS_PAGE) {
            for record in self.records(page).await?.into_iter().flatten() {
                if blobs.insert(record.blob()) {
                    let end = record.places().last().map_or(0, |place| place.end);
                    sizes.mail_octets += end;
                }
            }
        }
        Ok(sizes)
    }
}
