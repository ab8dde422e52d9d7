//! Appending: parse, compress and seal outside of the lock; plan and hand over under it.

use crate::{
    Account, Appended, Error, NewMessage, Refused,
    account::Draft,
    body,
    change::{Change, Member},
    keys,
    record::{Ingest, Placed, Record},
    threads::Threading,
};
use bytes::Bytes;
use mail::{Flags, Keyword, MailboxId, MessageId, ModSeq, SystemFlags, Uid, UidValidity};

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
    record: Bytes,
    blob: Bytes,
    threading: Threading,
}

impl Account {
    /// Appends messages, all or none, in one commit. Concurrent calls are grouped, not retried.
    ///
    /// # Errors
    /// [`Refused::NoSuchMailbox`], [`Refused::OverQuota`], [`Refused::MessageTooBig`],
    /// [`Refused::Limit`]; the store's.
    pub async fn append(
        &self,
        mailbox: MailboxId,
        messages: Vec<NewMessage>,
    ) -> Result<Appended, Error> {
        let total: u64 = messages.iter().map(|message| message.bytes.len() as u64).sum();
        for message in &messages {
            if message.bytes.len() as u64 > self.shared.options.message_octets_max {
                return Err(Refused::MessageTooBig.into());
            }
        }
        self.room(&self.inner(), total, messages.len() as u64)?;
        let first = self.take_messages(messages.len())?;
        let mut ready = Vec::with_capacity(messages.len());
        for (message, id) in messages.into_iter().zip(first..) {
            ready.push(self.ready(message, id).await?);
        }
        let (flight, uids, uid_validity) = self.plan_append(mailbox, &ready, total)?;
        self.landed(&flight).await?;
        Ok(Appended {
            uid_validity,
            uids,
            messages: ready.iter().map(|one| MessageId(one.message)).collect(),
            modseq: ModSeq(flight.modseq),
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
        let placed = Placed {
            message,
            thread: threading.thread,
            blob: message.into(),
            octets,
            internal_date: date,
            save_date: now,
        };
        Ok(Ready {
            message,
            octets,
            date,
            flags: new.flags,
            record: Record::seal(&self.seal, &prepared.ingest, placed, level)?.into(),
            blob: body::seal(&self.seal, message.into(), &prepared.chunks)?.into(),
            threading,
        })
    }

    fn plan_append(
        &self,
        mailbox: MailboxId,
        ready: &[Ready],
        total: u64,
    ) -> Result<(std::sync::Arc<crate::flight::Flight>, Vec<Uid>, UidValidity), Error> {
        let mut guard = self.inner();
        let inner = &mut *guard;
        self.room(inner, total, ready.len() as u64)?;
        let found = inner.state.mailboxes.get(&mailbox.0);
        let uid_validity = UidValidity(found.ok_or(Refused::NoSuchMailbox)?.record.uid_validity);
        let mut draft = Draft::new();
        draft.weight = (total, ready.len() as u64);
        let mut uids = Vec::with_capacity(ready.len());
        let modseq = inner.plan.modseq + 1;
        for one in ready {
            let keywords = self.keyword_numbers(inner, &one.flags.keywords, &mut draft)?;
            let uid = inner.plan.uid(&inner.state, mailbox.0).ok_or(Refused::Limit)?;
            let member = Member {
                uid,
                message: one.message,
                modseq,
                system: one.flags.system.0,
                keywords,
                octets: one.octets,
                date: one.date,
                thread: one.threading.thread,
            };
            draft.put(keys::member(mailbox.0, uid), member.value());
            draft.put(keys::record(one.message), one.record.clone());
            for hash in &one.threading.hashes {
                let thread = Bytes::copy_from_slice(&one.threading.thread.to_be_bytes());
                draft.put(keys::thread(*hash), thread);
            }
            draft.blobs.push((one.message.into(), one.blob.clone()));
            draft.change(Change::Added { mailbox: mailbox.0, member });
            uids.push(Uid(uid));
        }
        let flight = self.commit(inner, draft)?;
        Ok((flight, uids, uid_validity))
    }

    /// Numbers of keywords; those used for the first time become part of the draft.
    pub(crate) fn keyword_numbers(
        &self,
        inner: &mut crate::account::Inner,
        keywords: &[Keyword],
        draft: &mut Draft,
    ) -> Result<Vec<u32>, Error> {
        let mut numbers = Vec::with_capacity(keywords.len());
        for keyword in keywords {
            if let Some(number) = inner.state.keywords.number(keyword) {
                numbers.push(number);
                continue;
            }
            let count = inner.state.keywords.len();
            if count >= self.shared.options.keywords_max {
                return Err(Refused::Limit.into());
            }
            let number = u32::try_from(count).map_err(|_| Error::from(Refused::Limit))?;
            inner.state.keywords.add(number, keyword.clone());
            let name = keyword.as_str().to_owned();
            draft.put(keys::keyword(number), Bytes::copy_from_slice(name.as_bytes()));
            draft.change(Change::Keyword { keyword: number, name });
            numbers.push(number);
        }
        numbers.sort_unstable();
        numbers.dedup();
        Ok(numbers)
    }
}

/// Flags as bits, without what IMAP may not set.
pub(crate) const fn settable(system: SystemFlags) -> u8 {
    system.0 & crate::account::SYSTEM_ALL
}
