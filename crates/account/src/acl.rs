//! Who may do what with a mailbox (RFC 4314). The owner of the account may do everything with all
//! of its mailboxes; this is about others.
//!
//! A list is kept as one annotation that nobody sees, so that it is sealed, folded from the log,
//! and goes and is renamed with its mailbox.

use crate::{
    Account, Error, MailboxName, Refused,
    annotation::Annotation,
    codec::{Reader, Writer},
};
use bytes::Bytes;
use mail::{AccountId, EntryName, MailboxId, ModSeq, Rights};

/// Stands for the list where a user's number would be: no account has it.
const OWNER: u32 = u32::MAX;
const ENTRY: &str = "/shared/acl";
/// Entries of one mailbox's list.
pub const ACL_ENTRIES_MAX: usize = 1_000;

/// Whom an entry is about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub enum Who {
    /// Everybody: all accounts of the owner's domain.
    Anyone,
    /// An account.
    Account(AccountId),
}

/// An entry.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct AclEntry {
    /// Whom it is about.
    pub who: Who,
    /// Takes rights away (`-` before the identifier, RFC 4314 §2).
    pub negative: bool,
    /// Which.
    pub rights: Rights,
}

fn write(entries: &[AclEntry]) -> Bytes {
    let mut to = Writer::default();
    to.byte(1);
    for entry in entries {
        let id = match entry.who {
            Who::Anyone => 0,
            Who::Account(id) => id.0,
        };
        to.number(id.into()).byte(entry.negative.into()).number(entry.rights.0.into());
    }
    to.done()
}

fn read(value: &[u8]) -> Option<Vec<AclEntry>> {
    let mut from = Reader(value);
    (from.byte()? == 1).then_some(())?;
    let mut entries = Vec::new();
    while !from.is_empty() {
        let who = match from.number32()? {
            0 => Who::Anyone,
            id => Who::Account(AccountId(id)),
        };
        let negative = from.byte()? != 0;
        let rights = Rights(u16::try_from(from.number()?).ok()?);
        entries.push(AclEntry { who, negative, rights });
    }
    Some(entries)
}

/// What a list gives somebody: "the union of the rights granted … minus the union of … negative
/// rights" (RFC 4314 §2). `neighbour`: of the owner's domain.
#[must_use]
pub fn rights_of(entries: &[AclEntry], id: AccountId, neighbour: bool) -> Rights {
    let about = |entry: &&AclEntry| match entry.who {
        Who::Anyone => neighbour,
        Who::Account(other) => other == id,
    };
    let union = |negative: bool| {
        let meant = entries.iter().filter(about).filter(|entry| entry.negative == negative);
        meant.fold(Rights::NONE, |all, entry| all.and(entry.rights))
    };
    union(false).without(union(true))
}

impl Account {
    /// The list of a mailbox, as it was written.
    #[must_use]
    pub fn acl(&self, mailbox: MailboxId) -> Vec<AclEntry> {
        let Some(name) = EntryName::parse(ENTRY) else { return Vec::new() };
        let inner = self.inner();
        let entries = inner.state.annotations.of(mailbox.0);
        let value = entries.and_then(|entries| entries.get(&(OWNER, name)));
        value.and_then(|value| read(value)).unwrap_or_default()
    }

    /// What another account may do with a mailbox. `neighbour`: it is of the owner's domain.
    #[must_use]
    pub fn rights(&self, mailbox: MailboxId, id: AccountId, neighbour: bool) -> Rights {
        rights_of(&self.acl(mailbox), id, neighbour)
    }

    /// Replaces the list of a mailbox.
    ///
    /// # Errors
    /// [`Refused::NoSuchMailbox`], [`Refused::Limit`]; the store's.
    pub async fn set_acl(
        &self,
        mailbox: &MailboxName,
        entries: &[AclEntry],
    ) -> Result<ModSeq, Error> {
        if entries.len() > ACL_ENTRIES_MAX {
            return Err(Refused::Limit.into());
        }
        let name = EntryName::parse(ENTRY).ok_or(Refused::Cannot)?;
        let value = (!entries.is_empty()).then(|| write(entries));
        self.alone(|inner, draft| {
            let id = *inner.state.names.get(mailbox).ok_or(Refused::NoSuchMailbox)?;
            self.draft_annotation(draft, id, Annotation { owner: OWNER, name, value })?;
            Ok(ModSeq(draft.modseq))
        })
        .await
    }

    /// Whether any mailbox has an entry about somebody.
    #[must_use]
    pub fn shares_with(&self, who: Who) -> bool {
        let mailboxes = self.mailboxes();
        mailboxes.iter().any(|info| self.acl(info.id).iter().any(|entry| entry.who == who))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(who: Who, negative: bool, rights: &str) -> AclEntry {
        AclEntry { who, negative, rights: Rights::parse(rights).unwrap() }
    }

    #[test]
    fn inverse() {
        let entries = [
            entry(Who::Anyone, false, "lr"),
            entry(Who::Account(AccountId(u32::MAX - 1)), true, "lrswipkxtea"),
            entry(Who::Account(AccountId(1)), false, ""),
        ];
        let bytes = write(&entries);
        assert_eq!(read(&bytes).as_deref(), Some(&entries[..]));
        assert_eq!(read(&bytes[..bytes.len() - 1]), None);
        assert_eq!(read(&[]), None);
    }

    #[test]
    fn rfc4314_negative_rights_go_last() {
        let (ana, bea) = (AccountId(1), AccountId(2));
        let entries = [
            entry(Who::Anyone, false, "lr"),
            entry(Who::Account(ana), false, "sw"),
            entry(Who::Account(ana), true, "r"),
            entry(Who::Account(bea), true, "lr"),
        ];
        assert_eq!(rights_of(&entries, ana, true), Rights::parse("lsw").unwrap());
        assert_eq!(rights_of(&entries, ana, false), Rights::parse("sw").unwrap());
        assert_eq!(rights_of(&entries, bea, true), Rights::NONE);
        assert_eq!(rights_of(&entries, AccountId(3), true), Rights::parse("lr").unwrap());
        assert_eq!(rights_of(&entries, AccountId(3), false), Rights::NONE);
    }
}
