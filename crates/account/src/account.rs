//! An account in memory and what can be done to it.

use crate::{Directory, Error, Record, Row, View};
use bytes::Bytes;
use mail::{AccountId, Flags, MailboxId, MessageId, ModSeq, NumberSet, ThreadId, Uid, UidValidity};
use std::{ops::Range, sync::Arc};

/// Separator of mailbox name levels.
pub const SEPARATOR: char = '/';

/// A mailbox's full name: levels divided by `/`, NFC, INBOX in capitals wherever it stands as
/// first level in any case.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct MailboxName(Box<str>);

impl MailboxName {
    /// Refuses empty levels, control characters, `%` and `*`, more than 1,000 octets or 32 levels.
    pub fn parse(_text: &str) -> Result<Self, Error> {
        todo!()
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
    /// (Uid there, Uid here), ascending; messages that were gone are left out.
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

/// Limits and settings, each named.
#[derive(Clone, Debug)]
pub struct Options {
    /// Largest message in octets.
    pub message_octets_max: u64,
    /// Mailboxes of one account.
    pub mailboxes_max: usize,
    /// Different keywords of one account.
    pub keywords_max: usize,
    /// Days that expunged messages are kept.
    pub undelete_days: u32,
    /// Octets of memory for accounts held hot.
    pub hot_octets_max: u64,
    /// Quota of accounts that have none of their own.
    pub quota_octets_default: Option<u64>,
    /// zstd level of bodies and records.
    pub zstd_level: i32,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            message_octets_max: 64 << 20,
            mailboxes_max: 10_000,
            keywords_max: 1_000,
            undelete_days: 30,
            hot_octets_max: 512 << 20,
            quota_octets_default: None,
            zstd_level: 3,
        }
    }
}

/// All accounts of this installation.
pub struct Accounts {}

impl Accounts {
    /// Opens the accounts of a store.
    pub async fn open(
        _kv: Arc<dyn store::Kv>,
        _blobs: Arc<dyn store::Blobs>,
        _bus: Arc<dyn store::Bus>,
        _master: MasterKey,
        _clock: Arc<dyn Clock>,
        _options: Options,
    ) -> Result<Arc<Self>, Error> {
        todo!()
    }
    /// Domains, addresses, passwords.
    #[must_use]
    pub fn directory(&self) -> &Directory {
        todo!()
    }
    /// The account, loaded when it was not hot.
    pub async fn account(&self, _id: AccountId) -> Result<Arc<Account>, Error> {
        todo!()
    }
    /// Settings.
    #[must_use]
    pub fn options(&self) -> &Options {
        todo!()
    }
}

/// One account.
pub struct Account {}

impl Account {
    /// Its id.
    #[must_use]
    pub fn id(&self) -> AccountId {
        todo!()
    }
    /// The last durable commit.
    #[must_use]
    pub fn modseq(&self) -> ModSeq {
        todo!()
    }
    /// Ready when a commit after `seen` is durable. Cancel-safe; costs no memory that grows.
    pub async fn wait(&self, _seen: ModSeq) {
        todo!()
    }

    /// All mailboxes by name.
    #[must_use]
    pub fn mailboxes(&self) -> Vec<MailboxInfo> {
        todo!()
    }
    /// One mailbox.
    #[must_use]
    pub fn mailbox(&self, _name: &MailboxName) -> Option<MailboxInfo> {
        todo!()
    }
    /// One mailbox.
    #[must_use]
    pub fn mailbox_by_id(&self, _id: MailboxId) -> Option<MailboxInfo> {
        todo!()
    }
    /// Creates it and the levels above it that are missing. Gives its id.
    pub async fn create(
        &self,
        _name: &MailboxName,
        _special_use: Option<SpecialUse>,
    ) -> Result<MailboxId, Error> {
        todo!()
    }
    /// Deletes it with its messages (which stay for the undelete time). Levels below it stay.
    pub async fn delete(&self, _name: &MailboxName) -> Result<(), Error> {
        todo!()
    }
    /// Renames it and the levels below it; of INBOX, moves its messages to a new mailbox
    /// (RFC 9051 §6.3.6).
    pub async fn rename(&self, _from: &MailboxName, _to: &MailboxName) -> Result<(), Error> {
        todo!()
    }
    /// Subscribes or unsubscribes a name, which need not exist.
    pub async fn subscribe(&self, _name: &MailboxName, _wanted: bool) -> Result<(), Error> {
        todo!()
    }
    /// All subscribed names, also of mailboxes that are no more.
    #[must_use]
    pub fn subscriptions(&self) -> Vec<MailboxName> {
        todo!()
    }

    /// Quota and use.
    #[must_use]
    pub fn quota(&self) -> Quota {
        todo!()
    }
    /// Whether a message of that size would be taken now: [`crate::Refused::OverQuota`] or
    /// [`crate::Refused::MessageTooBig`] otherwise.
    pub fn room_for(&self, _octets: u64) -> Result<(), Error> {
        todo!()
    }
    /// Appends messages, all or none, in one commit. The call to this function plans the commit
    /// when first polled; concurrent calls are grouped, not retried.
    pub async fn append(
        &self,
        _mailbox: MailboxId,
        _messages: Vec<NewMessage>,
    ) -> Result<Appended, Error> {
        todo!()
    }
    /// Opens a session's view of a mailbox. A view that is not read-only takes the `\Recent` marks.
    pub fn select(self: &Arc<Self>, _mailbox: MailboxId, _read_only: bool) -> Result<View, Error> {
        todo!()
    }

    /// Records of messages, in order; `None` for those erased meanwhile. Ask for some hundred at a
    /// time: neighbours are read in one sweep.
    pub async fn records(&self, _messages: &[MessageId]) -> Result<Vec<Option<Record>>, Error> {
        todo!()
    }
    /// Octets of a message, clamped to its end. Reads only the chunks that hold them (256 KiB of
    /// plain text each); the last chunk read is remembered.
    pub async fn body(&self, _record: &Record, _range: Range<u32>) -> Result<Bytes, Error> {
        todo!()
    }
    /// Thread of a message id that is in the account, for tests and JMAP.
    pub async fn thread(&self, _message: MessageId) -> Result<Option<ThreadId>, Error> {
        todo!()
    }
}
