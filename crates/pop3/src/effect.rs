//! What a session asks of the world, and what it hears.

use crate::maildrop::Message;
use mail::{AccountId, NumberSet, UidValidity};
use wire::auth::Ask;

/// An effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// A step of a login. Answered by [`crate::Session::auth`].
    Auth(Ask),
    /// The login was accepted: lock the account's INBOX against other POP3 sessions and list it.
    /// Answered by [`crate::Session::opened`]; when refused, the account is let go.
    Open,
    /// Octets of a message as stored, from `offset` on: as many as are at hand, at least one if
    /// there is one. Answered by [`crate::Session::content`]. At offset 0 the message must still be
    /// in INBOX, else [`Refusal::Gone`].
    Read {
        /// The message.
        message: Message,
        /// Octets that were read.
        offset: u32,
    },
    /// The session ends: erase messages of INBOX in one commit, mark others as seen, let the lock
    /// and the account go. Answered by [`crate::Session::updated`].
    Update {
        /// Uids to be erased; empty unless the client said QUIT.
        erase: NumberSet,
        /// Uids to be marked `\Seen`.
        seen: NumberSet,
    },
    /// Nothing: the peer is to take what was written before more is. Not answered.
    Drain,
}

/// INBOX as the session will see it to its end.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Opened {
    /// The account, a part of unique-ids.
    pub account: AccountId,
    /// Its UIDVALIDITY, a part of unique-ids.
    pub uid_validity: UidValidity,
    /// Its messages, by Uid.
    pub messages: Vec<Message>,
}

/// Why something cannot be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// The message is not in INBOX any more.
    Gone,
    /// Another POP3 session has the account.
    InUse,
    /// Ours, and may pass: store, memory.
    Unavailable,
    /// Ours, and will not pass by itself: what is stored cannot be read.
    Damaged,
}
