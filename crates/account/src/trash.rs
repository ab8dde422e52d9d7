//! Undelete time: messages that left their last mailbox wait here, then are erased.

use crate::{
    Account, Accounts, Error, MailboxName, Refused,
    account::Draft,
    change::{Change, Member},
    keys::{self, tag},
};
use bytes::Bytes;
use mail::{MailboxId, MessageId, Uid};

/// Messages erased by one commit.
const PURGE_MESSAGES: usize = 256;

/// A message that can be brought back.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Deleted {
    /// Its permanent id.
    pub message: MessageId,
    /// The mailbox that it left last.
    pub mailbox: MailboxName,
    /// When it will be erased, seconds since 1970 UTC.
    pub erase_at: i64,
}

impl Account {
    /// Messages that wait to be erased, those that wait shortest last.
    ///
    /// # Errors
    /// The store's.
    pub async fn deleted(&self) -> Result<Vec<Deleted>, Error> {
        let mut found = Vec::new();
        self.each(tag::TRASH, |key, value| {
            let (at, message) = key.split_first_chunk()?;
            found.push(Deleted {
                message: MessageId(u32::from_be_bytes(message.try_into().ok()?)),
                mailbox: MailboxName::parse(std::str::from_utf8(value).ok()?).ok()?,
                erase_at: i64::try_from(u64::from_be_bytes(*at)).ok()?,
            });
            Some(())
        })
        .await?;
        Ok(found)
    }

    /// Brings a deleted message back into the mailbox that it left, or into INBOX when that is
    /// gone.
    ///
    /// # Errors
    /// [`Refused::NoSuchMessage`], [`Refused::OverQuota`]; the store's.
    pub async fn undelete(&self, message: MessageId) -> Result<(MailboxId, Uid), Error> {
        let waiting = self.deleted().await?;
        let found = waiting.into_iter().find(|one| one.message == message);
        let found = found.ok_or(Refused::NoSuchMessage)?;
        let record = self.records(&[message]).await?.into_iter().flatten().next();
        let record = record.ok_or(Refused::NoSuchMessage)?;
        let (flight, mailbox, uid) = {
            let mut guard = self.still().await?;
            let inner = &mut *guard;
            let names = &inner.state.names;
            let mailbox = names.get(&found.mailbox).or_else(|| names.get(&MailboxName::inbox()));
            let mailbox = *mailbox.ok_or(Refused::NoSuchMailbox)?;
            self.room(inner, record.octets().into(), 1)?;
            let uid = inner.plan.uid(&inner.state, mailbox).ok_or(Refused::Limit)?;
            let member = Member {
                uid,
                message: message.0,
                modseq: inner.plan.modseq + 1,
                system: 0,
                keywords: Vec::new(),
                octets: record.octets(),
                date: record.internal_date(),
                thread: record.thread().0,
            };
            let mut draft = Draft::new();
            draft.weight = (record.octets().into(), 1);
            let erase_at = u64::try_from(found.erase_at).unwrap_or(0);
            draft.delete(keys::trash(erase_at, message.0));
            draft.put(keys::member(mailbox, uid), member.value());
            draft.change(Change::Added { mailbox, member });
            (self.commit(inner, draft)?, mailbox, uid)
        };
        self.landed(&flight).await?;
        Ok((MailboxId(mailbox), Uid(uid)))
    }

    /// Erases messages whose time is over; gives how many.
    ///
    /// # Errors
    /// The store's.
    pub async fn purge(&self, now: i64) -> Result<u64, Error> {
        let mut erased = 0;
        loop {
            let due: Vec<Deleted> = self.deleted().await?;
            let due: Vec<_> =
                due.into_iter().filter(|d| d.erase_at <= now).take(PURGE_MESSAGES).collect();
            if due.is_empty() {
                return Ok(erased);
            }
            erased += self.erase_due(&due).await?;
        }
    }

    async fn erase_due(&self, due: &[Deleted]) -> Result<u64, Error> {
        let ids: Vec<MessageId> = due.iter().map(|one| one.message).collect();
        let records = self.records(&ids).await?;
        let names = records.iter().flatten().map(|record| keys::shared(record.blob())).collect();
        let shared = self.shared.kv.get_many(self.id.0, names).await?;
        let mut sharers: Vec<(u64, u32)> = records
            .iter()
            .flatten()
            .zip(shared)
            .map(|(record, value)| {
                let count = value.and_then(|v| v.as_ref().try_into().ok().map(u32::from_be_bytes));
                (record.blob(), count.unwrap_or(1))
            })
            .collect();
        let flight = {
            let mut guard = self.still().await?;
            let inner = &mut *guard;
            // A copy that was on its way when the last membership ended keeps the message.
            let alive = |message: u32| {
                let mut all = inner.state.mailboxes.values().flat_map(|m| m.entries.iter());
                all.any(|entry| entry.message == message)
            };
            let mut draft = Draft::new();
            for (one, record) in due.iter().zip(&records) {
                let erase_at = u64::try_from(one.erase_at).unwrap_or(0);
                draft.delete(keys::trash(erase_at, one.message.0));
                let Some(record) = record else { continue };
                if alive(one.message.0) {
                    continue;
                }
                draft.delete(keys::record(one.message.0));
                let blob = record.blob();
                let Some(count) = sharers.iter_mut().find(|(other, _)| *other == blob) else {
                    continue;
                };
                count.1 = count.1.saturating_sub(1);
                match count.1 {
                    0 => {
                        draft.delete(keys::shared(blob));
                        draft.drops.push(blob);
                    }
                    left => {
                        let left = Bytes::copy_from_slice(&left.to_be_bytes());
                        draft.put(keys::shared(blob), left);
                    }
                }
            }
            self.commit(inner, draft)?
        };
        self.landed(&flight).await?;
        Ok(due.len() as u64)
    }
}

impl Accounts {
    /// Erases, in all accounts, messages whose undelete time is over; gives how many.
    ///
    /// # Errors
    /// The store's.
    pub async fn purge(&self, now: i64) -> Result<u64, Error> {
        let (mut after, mut erased) = (None, 0);
        loop {
            let page = self.directory().accounts(after, 100).await?;
            let Some(last) = page.last() else { return Ok(erased) };
            after = Some(last.id);
            for one in page {
                erased += self.account(one.id).await?.purge(now).await?;
            }
        }
    }
}
