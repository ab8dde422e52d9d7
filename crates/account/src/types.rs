//! The nouns of this floor: names, limits, what operations take and give.

use crate::{Error, Extract, Row, explain::Explained};
use bytes::Bytes;
use mail::{Flags, MailboxId, MessageId, ModSeq, NumberSet, Uid, UidValidity};
use std::sync::{Arc, OnceLock};

/// Separator of mailbox name levels.
pub const SEPARATOR: char = '/';

/// A mailbox's full name: levels divided by `/`, NFC, INBOX in capitals wherever it stands as
/// first level in any case.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct MailboxName(Box<str>);

impl MailboxName {
    /// Refuses empty levels, control characters, `%` and `*`, more than 1,000 octets or 32 levels.
    pub fn parse(text: &str) -> Result<Self, Error> {
        Ok(Self(crate::mailbox::normal(text)?.into()))
    }
    /// `INBOX`
    #[must_use]
    pub fn inbox() -> Self {
        Self("INBOX".into())
    }
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Special uses (RFC 6154 §2).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
#[allow(missing_docs)]
pub enum SpecialUse {
    Archive,
    Drafts,
    Flagged,
    Junk,
    Sent,
    Trash,
    All,
    Important,
}

/// A mailbox as LIST and STATUS show it. Copied out at one moment.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailboxInfo {
    /// Its id, for life.
    pub id: MailboxId,
    /// Its name.
    pub name: MailboxName,
    /// Its UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// The next message's Uid.
    pub uid_next: Uid,
    /// Messages.
    pub exists: u32,
    /// Messages without `\Seen`.
    pub unseen: u32,
    /// Messages with `\Deleted`.
    pub deleted: u32,
    /// Messages that no session has been told of as `\Recent`.
    pub recent: u32,
    /// Sum of the messages' sizes in octets.
    pub octets: u64,
    /// The commit that last touched it.
    pub highest_modseq: ModSeq,
    /// Its special use, if any.
    pub special_use: Option<SpecialUse>,
    /// Whether its name is subscribed.
    pub subscribed: bool,
}

/// A message to be appended.
#[derive(Clone, Debug)]
pub struct NewMessage {
    /// The whole message, as it is given back for ever.
    pub bytes: Bytes,
    /// Flags it starts with.
    pub flags: Flags,
    /// INTERNALDATE, seconds since 1970 UTC; now when absent.
    pub internal_date: Option<i64>,
    /// Whether it gets `$hasattachment` or `$hasnoattachment`, if it comes with neither (RFC 9979
    /// §4) and the account has room for the keyword.
    pub tell_attachments: bool,
    /// Why it is here, to be stored with it.
    pub explained: Option<Arc<Explained>>,
    /// What parsing and compressing gave; clones of this message share it, so that mail to many
    /// accounts is parsed once.
    pub prepared: Arc<OnceLock<crate::append::Prepared>>,
}

impl NewMessage {
    /// A message without flags, dated now.
    #[must_use]
    pub fn new(bytes: Bytes) -> Self {
        Self {
            bytes,
            flags: Flags::default(),
            internal_date: None,
            tell_attachments: false,
            explained: None,
            prepared: Arc::default(),
        }
    }
}

/// Messages were appended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Appended {
    /// The mailbox's UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// Uids in the order of the messages given.
    pub uids: Vec<Uid>,
    /// Their permanent ids.
    pub messages: Vec<MessageId>,
    /// The commit.
    pub modseq: ModSeq,
}

/// Messages were copied or moved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Copied {
    /// The target's UIDVALIDITY.
    pub uid_validity: UidValidity,
    /// (Uid in the source, Uid in the target), ascending; messages that were gone are left out.
    pub pairs: Vec<(Uid, Uid)>,
    /// The commit; `None` when nothing was copied.
    pub modseq: Option<ModSeq>,
}

/// What to do with flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum FlagOp {
    /// Set these, clear all others.
    Replace,
    /// Set these.
    Add,
    /// Clear these.
    Remove,
}

/// A change of flags.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct FlagChange {
    /// Add, remove, replace.
    pub op: FlagOp,
    /// The flags.
    pub flags: Flags,
    /// Leave messages alone that changed after this commit (RFC 7162 §3.1.3).
    pub unchanged_since: Option<ModSeq>,
}

/// Flags were stored.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Stored {
    /// The rows as they now are, by ascending sequence number, also where nothing had to change.
    pub rows: Vec<Row>,
    /// Uids left alone because of `unchanged_since`.
    pub modified: NumberSet,
    /// The commit; `None` when nothing had to change.
    pub modseq: Option<ModSeq>,
}

/// Use and limits of an account; `None` is no limit.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Quota {
    /// Octets of all messages, as their senders count them.
    pub octets_used: u64,
    /// Octets allowed.
    pub octets_max: Option<u64>,
    /// Messages.
    pub messages_used: u64,
    /// Messages allowed.
    pub messages_max: Option<u64>,
}

/// The key that wraps the accounts' keys. 256 bits.
#[derive(Clone, zeroize::ZeroizeOnDrop)]
pub struct MasterKey(pub [u8; 32]);

/// The time, as a trait so that tests choose it.
pub trait Clock: Send + Sync + 'static {
    /// Seconds since 1970 UTC.
    fn now_seconds(&self) -> i64;
}

/// argon2id's memory in KiB, passes and lanes (OWASP's second choice: 19 MiB, 2, 1).
pub(crate) const ARGON2_COST: (u32, u32, u32) = (19_456, 2, 1);

/// Limits and settings, each named.
#[derive(Clone, Debug)]
pub struct Options {
    /// Largest message in octets.
    pub message_octets_max: u64,
    /// Mailboxes of one account.
    pub mailboxes_max: usize,
    /// Different keywords of one account.
    pub keywords_max: usize,
    /// Whether mail that is delivered gets `$hasattachment` or `$hasnoattachment` (RFC 9979 §4).
    pub attachment_keywords: bool,
    /// Octets of one annotation's value (RFC 5464 §4.1: at least 1,024).
    pub metadata_value_octets_max: usize,
    /// `/shared` annotations of one mailbox (RFC 5464 §4.1: at least 10).
    pub metadata_shared_entries_max: usize,
    /// `/private` annotations of one user of one mailbox, or of the server (RFC 5464 §4.1: at least
    /// 10, or 0 for none).
    pub metadata_private_entries_max: usize,
    /// Octets of names and values of all annotations of one account.
    pub metadata_octets_max: u64,
    /// Days that expunged messages are kept.
    pub undelete_days: u32,
    /// Octets of memory for accounts held hot.
    pub hot_octets_max: u64,
    /// Quota of accounts that have none of their own.
    pub quota_octets_default: Option<u64>,
    /// zstd level of bodies and records.
    pub zstd_level: i32,
    /// argon2id's memory in KiB, passes and lanes for passwords set from now on.
    pub argon2_cost: (u32, u32, u32),
    /// Messages from which on a change of flags is written as one value for all of them.
    pub bulk_messages_min: usize,
    /// Messages that wait to be indexed before it is done.
    pub index_messages_min: u32,
    /// Octets of memory that indexing an account may take, roughly.
    pub index_memory_octets_max: usize,
    /// Octets of memory for what searches read, of all accounts.
    pub search_cache_octets_max: u64,
    /// Reads attachments for search; without it they are found by their names alone.
    pub extract: Option<Arc<dyn Extract>>,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            message_octets_max: 64 << 20,
            mailboxes_max: 10_000,
            keywords_max: 1_000,
            attachment_keywords: true,
            metadata_value_octets_max: 64 << 10,
            metadata_shared_entries_max: 100,
            metadata_private_entries_max: 100,
            metadata_octets_max: 4 << 20,
            undelete_days: 30,
            hot_octets_max: 512 << 20,
            quota_octets_default: None,
            zstd_level: 3,
            argon2_cost: ARGON2_COST,
            bulk_messages_min: 256,
            index_messages_min: 256,
            index_memory_octets_max: 32 << 20,
            search_cache_octets_max: 128 << 20,
            extract: None,
        }
    }
}
