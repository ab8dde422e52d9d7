//! Appending: parse, compress and seal outside of the lock; plan and hand over under it.

use crate::{
    Account, Appended, Error, NewMessage, Refused,
    account::{SYSTEM_ALL, Sent},
    body, keys,
    record::{Ingest, Placed, Record},
    state::Entry,
    threads::Threading,
};
use bytes::Bytes;
use mail::{Flags, MailboxId, MessageId, ModSeq, Uid, UidValidity};

/// What parsing and compressing a message gave; the same for every account.
#[derive(Debug)]
pub struct Prepared {
    ingest: Ingest,
    chunks: Vec<Vec<u8>>,
}

/// A message ready for the lock.
struct Ready {
    message: u32,
    octets: u32,
    date: i64,
    flags: Flags,
    record: Vec<u8>,
    blob: Bytes,
    threading: Threading,
}

impl Account {
    /// Appends messages, all or none, in one commit. Concurrent calls are grouped, not retried.
    /// When the future is dropped after its first step, they may come in all the same.
    ///
    /// # Errors
    /// [`Refused::NoSuchMailbox`], [`Refused::OverQuota`], [`Refused::MessageTooBig`],
    /// [`Refused::Limit`]; the store's.
    pub async fn append(
        &self,
        mailbox: MailboxId,
        messages: Vec<NewMessage>,
    ) -> Result<Appended, Error> {
        self.append_marked(mailbox, messages, None).await
    }

    /// As [`Self::append`], with the mark of a transaction; [`Refused::EntryExists`] when there is
    /// that mark already.
    pub(crate) async fn append_marked(
        &self,
        mailbox: MailboxId,
        messages: Vec<NewMessage>,
        mark: Option<u64>,
    ) -> Result<Appended, Error> {
        let max = self.shared.options.message_octets_max.min(u32::MAX.into());
        if messages.iter().any(|message| message.bytes.len() as u64 > max) {
            return Err(Refused::MessageTooBig.into());
        }
        let octets: u64 = messages.iter().map(|message| message.bytes.len() as u64).sum();
        {
            // Before the work; decided for good under the lock.
            let inner = self.turn().await?;
            if !inner.state.mailboxes.contains_key(&mailbox.0) {
                return Err(Refused::NoSuchMailbox.into());
            }
            inner.room(octets, messages.len() as u64)?;
        }
        let first = self.take_messages(messages.len())?;
        let mut ready = Vec::with_capacity(messages.len());
        for (message, id) in messages.into_iter().zip(first..) {
            ready.push(self.ready(message, id).await?);
        }
        let (sent, uids, uid_validity) = self.plan_append(mailbox, &ready, octets, mark).await?;
        sent.landed().await?;
        Ok(Appended {
            uid_validity,
            uids,
            messages: ready.iter().map(|one| MessageId(one.message)).collect(),
            modseq: ModSeq(sent.modseq),
        })
    }

    async fn ready(&self, new: NewMessage, message: u32) -> Result<Ready, Error> {
        let level = self.shared.options.zstd_level;
        let prepared = new.prepared.get_or_init(|| Prepared {
            ingest: Ingest::new(&new.bytes),
            chunks: body::chunks(&new.bytes, level),
        });
        let threading = self.threading(&prepared.ingest, message).await?;
        let now = self.shared.clock.now_seconds();
        let octets = u32::try_from(new.bytes.len()).map_err(|_| Refused::MessageTooBig)?;
        let date = new.internal_date.unwrap_or(now);
        let (blob, places) = body::seal(&self.seal, message.into(), &prepared.chunks)?;
        let placed = Placed {
            message,
            thread: threading.thread,
            blob: message.into(),
            places: &places,
            octets,
            internal_date: date,
            save_date: now,
        };
        Ok(Ready {
            message,
            octets,
            date,
            flags: new.flags,
            record: Record::seal(&self.seal, &prepared.ingest, &placed, level)?,
            blob: blob.into(),
            threading,
        })
    }

    async fn plan_append(
        &self,
        mailbox: MailboxId,
        ready: &[Ready],
        octets: u64,
        mark: Option<u64>,
    ) -> Result<(Sent, Vec<Uid>, UidValidity), Error> {
        let mut guard = self.turn().await?;
        let inner = &mut *guard;
        let now = self.shared.clock.now_seconds();
        if mark.is_some_and(|mark| inner.is_marked(mark, now)) {
            return Err(Refused::EntryExists.into());
        }
        let found = inner.state.mailboxes.get(&mailbox.0).ok_or(Refused::NoSuchMailbox)?;
        let uid_validity = UidValidity(found.record.uid_validity);
        inner.room(octets, ready.len() as u64)?;
        let first = inner.plan.uid_next(&inner.state, mailbox.0);
        let count = u32::try_from(ready.len()).map_err(|_| Error::from(Refused::Limit))?;
        first.checked_add(count).ok_or(Refused::Limit)?;
        self.admit_keywords(inner, ready.iter().flat_map(|one| &one.flags.keywords))?;
        // Nothing is refused from here on.
        let mut draft = self.draft(inner);
        draft.taken = (octets, ready.len() as u64);
        if let Some(mark) = mark {
            draft.mark(mark);
        }
        let mut uids = Vec::with_capacity(ready.len());
        for (one, uid) in ready.iter().zip(first..) {
            let numbers = self.keyword_numbers(inner, &one.flags.keywords, &mut draft)?;
            let set = inner.state.keywords.set(numbers.clone());
            let entry = Entry {
                modseq: draft.modseq,
                uid,
                message: one.message,
                thread: one.threading.thread,
                octets: one.octets,
                date: u32::try_from(one.date.max(0)).unwrap_or(u32::MAX),
                flags: Entry::with_flags(one.flags.system.0 & SYSTEM_ALL, set),
            };
            draft.put(keys::record(one.message), &one.record);
            one.threading.put(&mut draft);
            draft.blobs.push((one.message.into(), one.blob.clone()));
            draft.add(mailbox.0, entry, &numbers);
            uids.push(Uid(uid));
        }
        Ok((self.commit(inner, draft), uids, uid_validity))
    }
}
