//! A session's view of a mailbox: sequence numbers that move only when the session was told.
//!
//! A view holds no list: it is the account's index below the Uid that was told last, plus the
//! messages that were expunged and not yet told. One new mail costs a view O(1).

use crate::{Copied, Error, FlagChange, MailboxInfo, Stored};
use mail::{Keyword, MailboxId, MessageId, ModSeq, NumberSet, SystemFlags, ThreadId, Uid};
use std::sync::Arc;

/// What numbers of a set mean.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Numbers {
    /// Message sequence numbers of the view.
    Sequence,
    /// Uids.
    Uid,
}

/// A message as the index knows it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Row {
    /// Its sequence number in the view.
    pub sequence: u32,
    /// Its Uid.
    pub uid: Uid,
    /// Its permanent id.
    pub message: MessageId,
    /// Its thread.
    pub thread: ThreadId,
    /// The commit that last touched it.
    pub modseq: ModSeq,
    /// System flags.
    pub system: SystemFlags,
    /// Whether this view has it as `\Recent` (RFC 3501 only).
    pub recent: bool,
    /// Keywords; shared by all messages that have the same.
    pub keywords: Arc<[Keyword]>,
    /// Octets (RFC822.SIZE).
    pub octets: u32,
    /// INTERNALDATE, seconds since 1970 UTC.
    pub internal_date: i64,
}

/// What a session has to be told.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Update {
    /// Messages are gone: (sequence number at the moment it is told, Uid), in the order in which
    /// EXPUNGE responses have to be sent (descending by sequence number).
    Expunged(Vec<(u32, Uid)>),
    /// The mailbox now has so many messages (and so many recent ones).
    Exists {
        /// Messages.
        exists: u32,
        /// Recent messages of this view.
        recent: u32,
    },
    /// Flags changed.
    Flags(Row),
    /// The mailbox itself was deleted: the session must leave it.
    Gone,
}

/// A session's view of one mailbox.
pub struct View {}

impl View {
    /// The mailbox.
    #[must_use]
    pub fn mailbox(&self) -> MailboxId {
        todo!()
    }
    /// The account.
    #[must_use]
    pub fn account(&self) -> &Arc<crate::Account> {
        todo!()
    }
    /// Whether it was selected read-only.
    #[must_use]
    pub fn read_only(&self) -> bool {
        todo!()
    }
    /// The mailbox as it is now (may be ahead of what the view was told); `None` when deleted.
    #[must_use]
    pub fn info(&self) -> Option<MailboxInfo> {
        todo!()
    }
    /// Messages, as told.
    #[must_use]
    pub fn exists(&self) -> u32 {
        todo!()
    }
    /// Recent messages of this view, as told.
    #[must_use]
    pub fn recent(&self) -> u32 {
        todo!()
    }
    /// The largest Uid told; 0 when the view is empty. For `*`.
    #[must_use]
    pub fn uid_max(&mut self) -> Uid {
        todo!()
    }
    /// Sequence number of the first message without `\Seen`.
    #[must_use]
    pub fn first_unseen(&mut self) -> Option<u32> {
        todo!()
    }
    /// Keywords used in the account (for FLAGS and PERMANENTFLAGS).
    #[must_use]
    pub fn keywords(&self) -> Vec<Keyword> {
        todo!()
    }
    /// Rows of the set that the view was told of, ascending, from sequence number `from` on, at most
    /// `rows_max`; rows expunged meanwhile and not yet told are among them. Call again with the last
    /// row's `sequence + 1` for more: numbers stay put until [`View::poll`].
    pub fn rows(
        &mut self,
        _set: &NumberSet,
        _numbers: Numbers,
        _from: u32,
        _rows_max: usize,
    ) -> Vec<Row> {
        todo!()
    }
    /// Whether the message of that Uid was expunged and the view not yet told.
    #[must_use]
    pub fn is_expunged(&mut self, _uid: Uid) -> bool {
        todo!()
    }
    /// What the session has not been told. With `expunges` false (RFC 9051 §5.5: FETCH, STORE,
    /// SEARCH by sequence number) expunged messages are kept for later. Changes that this view made
    /// silently are left out.
    pub fn poll(&mut self, _expunges: bool) -> Vec<Update> {
        todo!()
    }
    /// Ready when [`View::poll`] may have something. Cancel-safe.
    pub async fn wait(&self) {
        todo!()
    }
    /// Uids expunged from this mailbox after `since` (RFC 7162 §3.2.5 VANISHED (EARLIER)), of
    /// `known` if given. When the tombstones do not reach back that far: all Uids of `known` (or of
    /// 1..=uid_max) that do not exist.
    pub async fn vanished(
        &self,
        _since: ModSeq,
        _known: Option<&NumberSet>,
    ) -> Result<NumberSet, Error> {
        todo!()
    }
    /// Changes flags in one commit. Rows gone meanwhile are left out. With `silent`, the view's own
    /// later polls do not tell of it.
    pub async fn store(
        &mut self,
        _set: &NumberSet,
        _numbers: Numbers,
        _change: &FlagChange,
    ) -> Result<Stored, Error> {
        todo!()
    }
    /// Copies messages, all in one commit; flags and INTERNALDATE come along, `\Deleted` does not.
    pub async fn copy(
        &mut self,
        _set: &NumberSet,
        _numbers: Numbers,
        _to: MailboxId,
    ) -> Result<Copied, Error> {
        todo!()
    }
    /// Moves messages, all in one commit (RFC 6851).
    pub async fn move_to(
        &mut self,
        _set: &NumberSet,
        _numbers: Numbers,
        _to: MailboxId,
    ) -> Result<Copied, Error> {
        todo!()
    }
    /// Expunges the messages that have `\Deleted` (of `uids` if given) in one commit. The view is told
    /// by its next poll.
    pub async fn expunge(&mut self, _uids: Option<&NumberSet>) -> Result<Option<ModSeq>, Error> {
        todo!()
    }
    /// Expunges these Uids whatever their flags, in one commit (POP3 QUIT, JMAP destroy).
    pub async fn erase(&mut self, _uids: &NumberSet) -> Result<Option<ModSeq>, Error> {
        todo!()
    }
}
