//! Why a command stops, and the one mapping from the account's errors to IMAP's refusals.
//!
//! The peer hears a short sentence; the whole story goes to the log, without message text.

use account::Refused;
use imap::effect::Refusal;

/// Why a command stops before its end.
#[derive(Debug)]
pub(super) enum Stop {
    /// The peer asked for what cannot be.
    Refused(Refusal),
    /// The account's error.
    Account(account::Error),
    /// The session was aborted in the middle of a literal: nothing may be said any more.
    Aborted,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}
impl From<account::Error> for Stop {
    fn from(error: account::Error) -> Self {
        Self::Account(error)
    }
}

/// What the peer hears of the account's error.
pub(super) const fn refusal(error: &account::Error) -> Refusal {
    match error {
        account::Error::Refused(refused) => match refused {
            Refused::NoSuchMailbox => Refusal::NoSuchMailbox,
            Refused::MailboxExists => Refusal::MailboxExists,
            Refused::BadMailboxName => Refusal::BadName,
            Refused::Cannot => Refusal::Cannot,
            Refused::SpecialUseTaken => Refusal::UseAttr,
            Refused::OverQuota => Refusal::OverQuota,
            Refused::MessageTooBig => Refusal::TooBig,
            Refused::Limit => Refusal::Limit,
            Refused::NoSuchMessage => Refusal::NoSuchMessage,
            // The bridge says how large a value may be.
            Refused::AnnotationTooBig => Refusal::TooBig,
            Refused::TooManyAnnotations => Refusal::MetadataTooMany,
            Refused::NoPrivateAnnotations => Refusal::MetadataNoPrivate,
            Refused::ReadOnly => Refusal::ReadOnly,
            // The directory's words, which no IMAP command leads to.
            Refused::NoSuchEntry | Refused::EntryExists => Refusal::Bug,
        },
        account::Error::Store(_) => Refusal::Unavailable,
        account::Error::Damaged(_) => Refusal::Bug,
    }
}

/// Whether the error is ours, so that whoever runs the server should know.
pub(super) const fn is_ours(error: &account::Error) -> bool {
    match error {
        account::Error::Refused(_) => false,
        account::Error::Store(_) | account::Error::Damaged(_) => true,
    }
}
