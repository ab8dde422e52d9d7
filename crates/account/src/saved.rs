//! When a message came into a mailbox (RFC 8514): the day it was taken in, which its record has,
//! unless it was copied or moved there, which has a key of its own.
//!
//! The key is under the message, not under the mailbox: flags are changed without reading it, an
//! expunge need not know whether there is one, and it goes when the message is erased.

use crate::{
    Account, Error,
    codec::{Reader, Writer},
    draft::Draft,
    keys,
};
use mail::{MailboxId, MessageId, Uid};

impl Draft {
    /// A message comes into a mailbox by a copy or a move.
    pub(crate) fn save(&mut self, message: u32, mailbox: u32, uid: u32) {
        let time = self.time;
        self.put_with(keys::saved(message, mailbox, uid), |to| write(time, to));
    }
}

fn write(time: i64, to: &mut Writer) {
    to.byte(1).signed(time);
}

/// Reads what a copy wrote.
pub(crate) fn read(value: &[u8]) -> Option<i64> {
    let mut from = Reader(value);
    (from.byte()? == 1).then_some(())?;
    from.signed()
}

impl Account {
    /// When messages were copied or moved into a mailbox, seconds since 1970 UTC; `None` for those
    /// that were not: their record's [`crate::Record::save_date`] is theirs.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn copied_at(
        &self,
        mailbox: MailboxId,
        messages: &[(MessageId, Uid)],
    ) -> Result<Vec<Option<i64>>, Error> {
        let key = |(message, uid): &(MessageId, Uid)| keys::saved(message.0, mailbox.0, uid.0);
        let names = messages.iter().map(|one| key(one).bytes()).collect();
        let values = self.shared.kv.get_many(self.id.0, names).await?;
        let damaged = || Error::Damaged(format!("account {}: a save date", self.id));
        let time = |value: Option<bytes::Bytes>| match value {
            Some(value) => read(&value).map(Some).ok_or_else(damaged),
            None => Ok(None),
        };
        values.into_iter().map(time).collect()
    }

    /// Takes out the save dates of messages that are erased, and why they are where they are.
    pub(crate) async fn draft_unsaved(
        &self,
        draft: &mut Draft,
        messages: impl Iterator<Item = u32>,
    ) -> Result<(), Error> {
        for message in messages {
            draft.delete(keys::explained(message));
            let scan = store::Scan {
                account: self.id.0,
                from: keys::saved(message, 0, 0).bytes(),
                to: keys::saved(message.saturating_add(1), 0, 0).bytes(),
                reverse: false,
                entries_max: usize::MAX,
            };
            for (key, _) in self.shared.kv.scan(scan).await? {
                if let Some((message, mailbox, uid)) = keys::saved_of(&key) {
                    draft.delete(keys::saved(message, mailbox, uid));
                }
            }
        }
        Ok(())
    }
}
