//! Errors of the account floor: refused (the asker's business) or ours.

/// Why something cannot be done.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// No mailbox of that name or id.
    NoSuchMailbox,
    /// There is one of that name.
    MailboxExists,
    /// Not a name for a mailbox (empty level, control character, too long or deep).
    BadMailboxName,
    /// INBOX cannot be deleted, a mailbox cannot move below itself, and the like.
    Cannot,
    /// Another mailbox has that special use.
    SpecialUseTaken,
    /// The quota of octets or messages would be passed.
    OverQuota,
    /// The message is larger than `message_octets_max`.
    MessageTooBig,
    /// A limit of the account (mailboxes, keywords, Uids) is reached.
    Limit,
    /// No message of that id.
    NoSuchMessage,
    /// An annotation's value is larger than `metadata_value_octets_max`.
    AnnotationTooBig,
    /// The mailbox or the server has as many annotations as it may.
    TooManyAnnotations,
    /// `/private` annotations are not kept (`metadata_private_entries_max` is 0).
    NoPrivateAnnotations,
    /// The mailbox was selected read-only.
    ReadOnly,
    /// No such account, domain, alias.
    NoSuchEntry,
    /// There is such an account, domain, alias.
    EntryExists,
}

/// An error.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// The asker asked for what cannot be.
    Refused(Refused),
    /// The store failed.
    Store(store::Error),
    /// What is stored cannot be read (its story for the log).
    Damaged(String),
}

impl From<store::Error> for Error {
    fn from(error: store::Error) -> Self {
        Self::Store(error)
    }
}
impl From<Refused> for Error {
    fn from(why: Refused) -> Self {
        Self::Refused(why)
    }
}
impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Refused(why) => write!(f, "refused: {why:?}"),
            Self::Store(error) => error.fmt(f),
            Self::Damaged(what) => write!(f, "damaged: {what}"),
        }
    }
}
impl std::error::Error for Error {}
