//! Mailboxes and their messages, for export and undelete.

use super::{Exported, Failure, MailboxRow, Message, Reply, perform::Admin, perform::told};
use account::{Account, MailboxName, Numbers, Record, Row};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use mail::{Flags, Keyword, MessageId, NumberSet, SystemFlags};
use std::sync::Arc;

/// Octets of bodies in one answer, about; at least one message whatever its size.
const EXPORT_OCTETS: u64 = 2 << 20;
/// Messages in one answer.
const EXPORT_MESSAGES_MAX: usize = 256;

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
        let _account = self.open(address).await?;
        Ok(Reply::Deleted(Vec::new()))
    }

    pub(super) async fn undelete_restore(
        &self,
        address: &str,
        _messages: &[u32],
        _mailbox: Option<&str>,
    ) -> Result<Reply, Failure> {
        let _account = self.open(address).await?;
        Ok(Reply::Restored { messages: 0 })
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
