//! Undelete time: messages that left their last mailbox wait here, then are erased.

use crate::{
    Account, Accounts, Error, MailboxName, Refused,
    account::Inner,
    change::{Change, read_keywords, write_keywords},
    codec::{Reader, Writer},
    draft::Draft,
    keys::{self, tag},
    plan::Effective,
    seal::Kind,
    state::{DELETED, Entry},
    transfer::write_sharers,
};
use bytes::Bytes;
use mail::{AccountId, MailboxId, MessageId, Uid};
use std::collections::BTreeMap;

/// Messages erased by one commit.
const PURGE_MESSAGES: usize = 256;
/// Accounts looked at in one page.
const ACCOUNTS_PAGE: usize = 100;
const DAY_SECONDS: i64 = 86_400;

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

/// What is kept of a message in the trash: form 1, mailbox, its sealed name, flags.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Row {
    pub mailbox: u32,
    name: Bytes,
    pub system: u8,
    pub keywords: Vec<u32>,
}

impl Row {
    fn write(&self, to: &mut Writer) {
        to.byte(1).number(self.mailbox.into()).bytes(&self.name).byte(self.system);
        write_keywords(to, &self.keywords);
    }
    pub fn read(value: &[u8]) -> Option<Self> {
        let mut from = Reader(value);
        (from.byte()? == 1).then_some(())?;
        Some(Self {
            mailbox: from.number32()?,
            name: Bytes::copy_from_slice(from.bytes()?),
            system: from.byte()?,
            keywords: read_keywords(&mut from)?,
        })
    }
}

/// Messages of one mailbox going to the trash in one commit.
pub(crate) struct Trash {
    mailbox: u32,
    name: Bytes,
    pub erase_at: u64,
}

impl Trash {
    /// A message goes.
    pub fn put(&mut self, inner: &Inner, draft: &mut Draft, now: &Effective) {
        let keywords = inner.state.keywords.numbers_of(now.keywords).to_vec();
        let system = now.system & !DELETED;
        let row = Row { mailbox: self.mailbox, name: self.name.clone(), system, keywords };
        draft.put_with(keys::trash(self.erase_at, now.entry.message), |to| row.write(to));
        draft.freed.0 += u64::from(now.entry.octets);
        draft.freed.1 += 1;
    }
}

impl Account {
    /// Begins to throw away messages of a mailbox.
    pub(crate) fn trash(&self, inner: &Inner, now: i64, mailbox: u32) -> Result<Trash, Error> {
        let name = inner.state.mailboxes.get(&mailbox).ok_or(Refused::NoSuchMailbox)?;
        let name = name.record.name.as_str().as_bytes();
        let name = self.seal.seal(Kind::TrashName, mailbox.into(), name)?.into();
        let days = i64::from(self.shared.options.undelete_days);
        let erase_at = u64::try_from(now.saturating_add(days * DAY_SECONDS)).unwrap_or(0);
        Ok(Trash { mailbox, name, erase_at })
    }

    /// Rows of the trash that are to be erased before a time.
    async fn trash_rows(&self, before: u64) -> Result<Vec<(u64, u32, Row)>, Error> {
        let mut found = Vec::new();
        let (from, _) = keys::all(tag::TRASH);
        let to = keys::trash(before, 0).bytes();
        self.each_between(from, to, |key, value| {
            let (at, message) = keys::trash_of(key)?;
            found.push((at, message, Row::read(value)?));
            Some(())
        })
        .await?;
        Ok(found)
    }

    /// Messages that wait to be erased, those that wait longest first.
    ///
    /// # Errors
    /// The store's.
    pub async fn deleted(&self) -> Result<Vec<Deleted>, Error> {
        let rows = self.trash_rows(u64::MAX).await?;
        let damaged = |message| Error::Damaged(format!("trash row of message {message}"));
        let one = |(at, message, row): (u64, u32, Row)| {
            let name = self.open_text(Kind::TrashName, row.mailbox.into(), &row.name);
            let name = name.and_then(|name| MailboxName::parse(&name).ok());
            Ok(Deleted {
                message: MessageId(message),
                mailbox: name.ok_or_else(|| damaged(message))?,
                erase_at: i64::try_from(at).unwrap_or(i64::MAX),
            })
        };
        rows.into_iter().map(one).collect()
    }

    /// Brings a deleted message back with its flags: into the mailbox that it left, else into the
    /// one that has its name now, else into INBOX.
    ///
    /// # Errors
    /// [`Refused::NoSuchMessage`], [`Refused::OverQuota`]; the store's.
    pub async fn undelete(&self, message: MessageId) -> Result<(MailboxId, Uid), Error> {
        let hold = self.hold().await?;
        let rows = self.trash_rows(u64::MAX).await?;
        let found = rows.into_iter().find(|(_, other, _)| *other == message.0);
        let (erase_at, _, row) = found.ok_or(Refused::NoSuchMessage)?;
        let record = self.records(&[message]).await?.into_iter().flatten().next();
        let record = record.ok_or(Refused::NoSuchMessage)?;
        let (sent, mailbox, uid) = {
            let mut guard = self.inner();
            let inner = &mut *guard;
            let mailbox = self.home(inner, &row).ok_or(Refused::NoSuchMailbox)?;
            inner.room(record.octets().into(), 1)?;
            let uid = inner.plan.uid_next(&inner.state, mailbox);
            uid.checked_add(1).ok_or(Refused::Limit)?;
            let mut draft = self.draft(inner);
            draft.taken = (record.octets().into(), 1);
            draft.delete(keys::trash(erase_at, message.0));
            let set = inner.state.keywords.set(row.keywords.clone());
            let entry = Entry {
                modseq: draft.modseq,
                uid,
                message: message.0,
                thread: record.thread().0,
                octets: record.octets(),
                date: u32::try_from(record.internal_date().max(0)).unwrap_or(u32::MAX),
                flags: Entry::with_flags(row.system, set),
            };
            draft.add(mailbox, entry, &row.keywords);
            draft.save(message.0, mailbox, uid);
            (self.commit(inner, draft), mailbox, uid)
        };
        drop(hold);
        sent.landed().await?;
        Ok((MailboxId(mailbox), Uid(uid)))
    }

    fn home(&self, inner: &Inner, row: &Row) -> Option<u32> {
        if inner.state.mailboxes.contains_key(&row.mailbox) {
            return Some(row.mailbox);
        }
        let names = &inner.state.names;
        let name = self.open_text(Kind::TrashName, row.mailbox.into(), &row.name);
        let name = name.and_then(|name| MailboxName::parse(&name).ok());
        let same = name.and_then(|name| names.get(&name));
        same.or_else(|| names.get(&MailboxName::inbox())).copied()
    }

    /// Erases messages whose time is over; gives how many.
    ///
    /// # Errors
    /// The store's.
    pub async fn purge(&self, now: i64) -> Result<u64, Error> {
        // Those due at this very second too.
        let before = u64::try_from(now.saturating_add(1)).unwrap_or(0);
        let mut erased = 0;
        loop {
            let hold = self.hold().await?;
            let mut due = self.trash_rows(before).await?;
            due.truncate(PURGE_MESSAGES);
            if due.is_empty() {
                return Ok(erased);
            }
            erased += due.len() as u64;
            let draft = self.draft_purge(&due).await?;
            let sent = self.commit(&mut self.inner(), draft);
            drop(hold);
            sent.landed().await?;
        }
    }

    /// The account must be held.
    async fn draft_purge(&self, due: &[(u64, u32, Row)]) -> Result<Draft, Error> {
        let ids: Vec<MessageId> = due.iter().map(|(_, message, _)| MessageId(*message)).collect();
        let records = self.records(&ids).await?;
        // (before, after) of each blob.
        let mut sharers: BTreeMap<u64, (u32, u32)> = BTreeMap::new();
        for record in records.iter().flatten() {
            let blob = record.blob();
            let (before, after) = match sharers.get(&blob) {
                Some(known) => *known,
                None => {
                    let count = self.sharers(blob).await?;
                    (count, count)
                }
            };
            sharers.insert(blob, (before, after.saturating_sub(1)));
        }
        let mut draft = self.draft(&self.inner());
        for (at, message, _) in due {
            draft.delete(keys::trash(*at, *message));
            draft.delete(keys::record(*message));
        }
        let erased = due.iter().map(|(_, message, _)| *message);
        self.draft_unsaved(&mut draft, erased).await?;
        for (blob, (before, after)) in sharers {
            match after {
                0 => draft.drops.push(blob),
                1 => {}
                more => draft.put_with(keys::shared(blob), |to| write_sharers(more, to)),
            }
            if before > 1 && after <= 1 {
                draft.delete(keys::shared(blob));
            }
        }
        let mut messages: Vec<u32> = due.iter().map(|(_, message, _)| *message).collect();
        messages.sort_unstable();
        draft.change(&Change::Erased { messages });
        Ok(draft)
    }
}

impl Accounts {
    /// Erases, in all accounts, messages whose undelete time is over; gives how many. Accounts that
    /// have none are not loaded.
    ///
    /// # Errors
    /// The store's.
    pub async fn purge(&self, now: i64) -> Result<u64, Error> {
        let (mut after, mut erased) = (None, 0);
        loop {
            let page = self.directory().accounts(after, ACCOUNTS_PAGE).await?;
            let Some(last) = page.last() else { return Ok(erased) };
            after = Some(last.id);
            for one in page {
                if self.has_due(one.id, now).await? {
                    erased += self.account(one.id).await?.purge(now).await?;
                }
            }
        }
    }

    async fn has_due(&self, id: AccountId, now: i64) -> Result<bool, Error> {
        let (from, _) = keys::all(tag::TRASH);
        let before = u64::try_from(now.saturating_add(1)).unwrap_or(0);
        let to = keys::trash(before, 0).bytes();
        let scan = store::Scan { account: id.0, from, to, reverse: false, entries_max: 1 };
        Ok(!self.shared().kv.scan(scan).await?.is_empty())
    }
}
