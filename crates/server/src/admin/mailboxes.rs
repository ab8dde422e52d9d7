//! Mailboxes and their messages, for export and undelete.

use super::{
    DeletedRow, Exported, Failure, MailboxRow, Message, Reply, perform::Admin, perform::told,
};
use account::{Account, Deleted, MailboxName, Numbers, Record, Row};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use mail::{Flags, Keyword, MessageId, NumberSet, SystemFlags};
use std::sync::Arc;

/// Octets of bodies in one answer, about; at least one message whatever its size.
const EXPORT_OCTETS: u64 = 2 << 20;
/// Messages in one answer.
const EXPORT_MESSAGES_MAX: usize = 256;
/// Records read at once.
const RECORDS_PAGE: usize = 256;

impl Admin {
    pub(super) async fn mailbox_list(&self, address: &str) -> Result<Reply, Failure> {
        let account = self.open(address).await?;
        let rows = account.mailboxes().into_iter().map(|info| MailboxRow {
            name: info.name.as_str().to_owned(),
            uid_validity: info.uid_validity.0,
            messages: info.exists,
            unseen: info.unseen,
            octets: info.octets,
        });
        Ok(Reply::Mailboxes(rows.collect()))
    }

    pub(super) async fn export(
        &self,
        address: &str,
        mailbox: &str,
        after: u32,
    ) -> Result<Reply, Failure> {
        let account = self.open(address).await?;
        let name = MailboxName::parse(mailbox).map_err(|error| told(error, mailbox))?;
        let Some(info) = account.mailbox(&name) else {
            return Err(Failure::refused(format!("{mailbox}: there is no such mailbox")));
        };
        let mut view = account.select(info.id, true).map_err(|error| told(error, mailbox))?;
        let mut messages = Vec::new();
        if let Some(first) = after.checked_add(1) {
            let set = NumberSet::of([(first, u32::MAX)]);
            let mut octets = 0;
            for row in view.rows(&set, Numbers::Uid, 1, EXPORT_MESSAGES_MAX) {
                if octets > 0 && octets + u64::from(row.octets) > EXPORT_OCTETS {
                    break;
                }
                octets += u64::from(row.octets);
                if let Some((_, body)) = whole(&account, row.message).await? {
                    messages.push(message(&row, &body));
                }
            }
        }
        Ok(Reply::Exported(Exported { uid_validity: info.uid_validity.0, messages }))
    }

    /// The account of an address, loaded.
    pub(super) async fn open(&self, address: &str) -> Result<Arc<Account>, Failure> {
        let info = self.find(address).await?;
        self.accounts.account(info.id).await.map_err(Failure::ours)
    }

    pub(super) async fn undelete_list(&self, address: &str) -> Result<Reply, Failure> {
        let account = self.open(address).await?;
        let mut rows = Vec::new();
        for page in account.deleted().await.map_err(Failure::ours)?.chunks(RECORDS_PAGE) {
            let ids: Vec<MessageId> = page.iter().map(|one| one.message).collect();
            let records = account.records(&ids).await.map_err(Failure::ours)?;
            rows.extend(page.iter().zip(records).map(|(one, record)| row(one, record.as_ref())));
        }
        Ok(Reply::Deleted(rows))
    }

    /// Brings back those named, or all; into the mailbox named, or into those that they left.
    pub(super) async fn undelete_restore(
        &self,
        address: &str,
        messages: &[u32],
        mailbox: Option<&str>,
    ) -> Result<Reply, Failure> {
        let account = self.open(address).await?;
        let target = match mailbox {
            None => None,
            Some(text) => {
                let name = MailboxName::parse(text).map_err(|error| told(error, text))?;
                let found = account.mailbox(&name).map(|info| info.id);
                Some(match found {
                    Some(id) => id,
                    None => account.create(&name, None).await.map_err(|e| told(e, text))?,
                })
            }
        };
        let wanted: Vec<MessageId> = if messages.is_empty() {
            let all = account.deleted().await.map_err(Failure::ours)?;
            all.into_iter().map(|one| one.message).collect()
        } else {
            messages.iter().map(|number| MessageId(*number)).collect()
        };
        let mut restored = 0;
        for message in wanted {
            let back = account.undelete(message).await;
            let (place, uid) = back.map_err(|error| told(error, &message.to_string()))?;
            restored += 1;
            if let Some(target) = target.filter(|target| *target != place) {
                let mut view = account.select(place, false).map_err(Failure::ours)?;
                let set = NumberSet::of_numbers([uid.0]);
                let moved = view.move_to(&set, Numbers::Uid, target).await;
                moved.map_err(|error| told(error, &message.to_string()))?;
            }
        }
        Ok(Reply::Restored { messages: restored })
    }
}

fn row(deleted: &Deleted, record: Option<&Record>) -> DeletedRow {
    let envelope = record.map(Record::envelope).unwrap_or_default();
    let text = |value: Option<&[u8]>| mail::text::decode_header(value.unwrap_or_default());
    let from = envelope.from.first().map(|one| {
        let part = |value: &Option<Vec<u8>>| text(value.as_deref());
        format!("{}@{}", part(&one.mailbox), part(&one.host))
    });
    DeletedRow {
        message: deleted.message.0,
        mailbox: deleted.mailbox.as_str().to_owned(),
        erased_at: deleted.erase_at,
        octets: record.map_or(0, Record::octets),
        subject: text(envelope.subject.as_deref()),
        from: from.unwrap_or_default(),
    }
}

fn message(row: &Row, body: &[u8]) -> Message {
    let system = SystemFlags::NAMES
        .into_iter()
        .filter(|(_, flag)| row.system.contains(*flag))
        .map(|(name, _)| name.to_owned());
    let keywords = row.keywords.iter().map(|keyword| keyword.as_str().to_owned());
    Message {
        uid: row.uid.0,
        flags: system.chain(keywords).collect(),
        internal_date: Some(row.internal_date),
        body: STANDARD.encode(body),
    }
}

/// Flags from their names; what is not a flag is left out.
pub(super) fn flags_of(names: &[String]) -> Flags {
    let mut flags = Flags::default();
    for name in names {
        let system =
            SystemFlags::NAMES.into_iter().find(|(known, _)| name.eq_ignore_ascii_case(known));
        if let Some((_, flag)) = system {
            flags.system = flags.system.union(flag);
        } else if let Some(keyword) = Keyword::parse(name)
            && !flags.keywords.contains(&keyword)
        {
            flags.keywords.push(keyword);
        }
    }
    flags
}

/// A message's record and all its octets; `None` when it was erased meanwhile.
pub(super) async fn whole(
    account: &Account,
    message: MessageId,
) -> Result<Option<(Record, Bytes)>, Failure> {
    let mut records = account.records(&[message]).await.map_err(Failure::ours)?;
    let Some(record) = records.pop().flatten() else { return Ok(None) };
    let body = account.body(&record, 0..record.octets()).await.map_err(Failure::ours)?;
    Ok(Some((record, body)))
}
