//! Appending: parse, compress and seal outside of the lock; plan and hand over under it.

use crate::{
    Account, Appended, Error, NewMessage, Numbers, Refused, View,
    account::{Inner, SYSTEM_ALL, Sent},
    body,
    explain::Explained,
    keys,
    keywords::settle_opposites,
    plan::Effective,
    record::{Ingest, Placed, Record},
    seal::Kind,
    state::Entry,
    threads::Threading,
};
use bytes::Bytes;
use mail::{Flags, Keyword, MailboxId, MessageId, ModSeq, NumberSet, Uid, UidValidity};
use std::sync::Arc;

/// What parsing and compressing a message gave; the same for every account.
#[derive(Debug)]
pub struct Prepared {
    ingest: Ingest,
    chunks: Vec<Vec<u8>>,
}

/// What one commit of messages does.
#[derive(Clone, Copy)]
struct Appending {
    mailbox: MailboxId,
    octets: u64,
    mark: Option<u64>,
    /// Mailbox and Uid of the message that goes with it, as a view named it.
    replaces: Option<(u32, u32)>,
}

/// A message ready for the lock.
struct Ready {
    message: u32,
    octets: u32,
    date: i64,
    flags: Flags,
    /// What it gets besides, where there is room for it.
    besides: Option<Keyword>,
    record: Vec<u8>,
    blob: Bytes,
    threading: Threading,
    /// Why it is here, sealed.
    explained: Option<Vec<u8>>,
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
        let appending = Appending { mailbox, octets, mark, replaces: None };
        let (sent, uids, uid_validity) = self.plan_append(&ready, appending).await?;
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
        let mut flags = new.flags;
        settle_opposites(&mut flags.keywords);
        let told = flags.keywords.iter().any(|one| one.opposite().is_some());
        let besides = new.tell_attachments && !told;
        let besides = besides.then(|| Keyword::of_attachments(prepared.ingest.has_attachment));
        let seal =
            |why: Arc<Explained>| self.seal.seal(Kind::Explained, message.into(), &why.write());
        Ok(Ready {
            explained: new.explained.map(seal).transpose()?,
            message,
            octets,
            date,
            flags,
            besides,
            record: Record::seal(&self.seal, &prepared.ingest, &placed, level)?,
            blob: blob.into(),
            threading,
        })
    }

    async fn plan_append(
        &self,
        ready: &[Ready],
        Appending { mailbox, octets, mark, replaces }: Appending,
    ) -> Result<(Sent, Vec<Uid>, UidValidity), Error> {
        let mut guard = self.turn().await?;
        let inner = &mut *guard;
        let now = self.shared.clock.now_seconds();
        if mark.is_some_and(|mark| inner.is_marked(mark, now)) {
            return Err(Refused::EntryExists.into());
        }
        let found = inner.state.mailboxes.get(&mailbox.0).ok_or(Refused::NoSuchMailbox)?;
        let uid_validity = UidValidity(found.record.uid_validity);
        let gone = replaces.map(|place| inner.replaced(place)).transpose()?;
        let freed = gone.as_ref().map_or((0, 0), |(_, freed)| *freed);
        inner.room(octets.saturating_sub(freed.0), ready.len() as u64 - freed.1)?;
        let first = inner.plan.uid_next(&inner.state, mailbox.0);
        let count = u32::try_from(ready.len()).map_err(|_| Error::from(Refused::Limit))?;
        first.checked_add(count).ok_or(Refused::Limit)?;
        let wanted = || ready.iter().flat_map(|one| &one.flags.keywords);
        self.admit_keywords(inner, wanted())?;
        let besides = ready.iter().filter_map(|one| one.besides.as_ref());
        let besides = self.admit_keywords(inner, wanted().chain(besides)).is_ok();
        // Nothing is refused from here on.
        let mut draft = self.draft(inner);
        draft.taken = (octets, ready.len() as u64);
        if let Some(mark) = mark {
            draft.mark(mark);
        }
        let mut uids = Vec::with_capacity(ready.len());
        for (one, uid) in ready.iter().zip(first..) {
            let mut keywords = one.flags.keywords.clone();
            keywords.extend(one.besides.clone().filter(|_| besides));
            let numbers = self.keyword_numbers(inner, &keywords, &mut draft)?;
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
            if let Some(explained) = &one.explained {
                draft.put(keys::explained(one.message), explained);
            }
            one.threading.put(&mut draft);
            draft.blobs.push((one.message.into(), one.blob.clone()));
            draft.add(mailbox.0, entry, &numbers);
            uids.push(Uid(uid));
        }
        if let (Some((from, _)), Some((now, _))) = (replaces, gone) {
            self.draft_expunge(inner, &mut draft, from, &[now])?;
        }
        Ok((self.commit(inner, draft), uids, uid_validity))
    }
}

impl Inner {
    /// A message that another is to replace, and the octets and messages that are given back then.
    fn replaced(&self, (mailbox, uid): (u32, u32)) -> Result<(Effective, (u64, u64)), Error> {
        let found = self.state.mailboxes.get(&mailbox).and_then(|found| found.entry(uid));
        let now = found.and_then(|entry| self.plan.effective(mailbox, entry));
        let now = now.ok_or(Refused::NoSuchMessage)?;
        let place = (mailbox, uid);
        let mut others = self.plan.memberships(&self.state, now.entry.message, place);
        let is_last = others.all(|one| one == place);
        Ok((now, if is_last { (now.entry.octets.into(), 1) } else { (0, 0) }))
    }
}

impl View {
    /// The Uid of the message that one number names.
    ///
    /// # Errors
    /// [`Refused::NoSuchMessage`] when it names none that is still there.
    pub fn one(&self, set: &NumberSet, numbers: Numbers) -> Result<Uid, Error> {
        let account = Arc::clone(&self.account);
        let found = self.effective(&account.inner(), set, numbers);
        let [only] = found.as_slice() else { return Err(Refused::NoSuchMessage.into()) };
        Ok(Uid(only.entry.uid))
    }

    /// Whether a message of so many octets may replace another of this mailbox: the room that this
    /// one gives back counts (RFC 8508 §3.4).
    ///
    /// # Errors
    /// [`Refused::ReadOnly`], [`Refused::NoSuchMessage`], [`Refused::MessageTooBig`],
    /// [`Refused::OverQuota`].
    pub fn room_for_replacement(&self, uid: Uid, octets: u64) -> Result<(), Error> {
        self.writable()?;
        if octets > self.account.shared.options.message_octets_max {
            return Err(Refused::MessageTooBig.into());
        }
        let inner = self.account.inner();
        let (_, freed) = inner.replaced((self.mailbox, uid.0))?;
        inner.room(octets.saturating_sub(freed.0), 1 - freed.1)
    }

    /// Appends a message to a mailbox and expunges another from this one, in one commit
    /// (RFC 8508). The view is told of both by its next poll.
    ///
    /// # Errors
    /// Those of [`Account::append`]; [`Refused::ReadOnly`], [`Refused::NoSuchMessage`].
    pub async fn replace(
        &self,
        uid: Uid,
        to: MailboxId,
        message: NewMessage,
    ) -> Result<Appended, Error> {
        let octets = message.bytes.len() as u64;
        self.room_for_replacement(uid, octets)?;
        let account = &self.account;
        let first = account.take_messages(1)?;
        let ready = [account.ready(message, first).await?];
        let replaces = Some((self.mailbox, uid.0));
        let appending = Appending { mailbox: to, octets, mark: None, replaces };
        let (sent, uids, uid_validity) = account.plan_append(&ready, appending).await?;
        sent.landed().await?;
        let messages = vec![MessageId(first)];
        Ok(Appended { uid_validity, uids, messages, modseq: ModSeq(sent.modseq) })
    }
}
