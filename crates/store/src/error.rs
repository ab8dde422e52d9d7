//! What can go wrong in a store.

/// A store's error. Never the fault of a peer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Error {
    /// The account's head was not the expected one: somebody else committed.
    Conflict {
        /// The head that the store has.
        head: u64,
    },
    /// No space left: nothing was written; may work again later.
    Full,
    /// A write or fsync failed earlier: nothing is accepted until the store is opened anew.
    Poisoned,
    /// Stored bytes are damaged.
    Damaged(String),
    /// Input or output failed.
    Io(String),
    /// The store is closing.
    Closed,
    /// A key or a commit is larger than its limit.
    TooLarge {
        /// Its octets.
        octets: u64,
        /// The limit.
        octets_max: u64,
    },
    /// Another process has the store open.
    InUse,
}

impl std::fmt::Display for Error {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Conflict { head } => write!(f, "another commit came first (head {head})"),
            Self::Full => f.write_str("no space left"),
            Self::Poisoned => f.write_str("the store stopped after a failed write"),
            Self::Damaged(what) => write!(f, "damaged: {what}"),
            Self::Io(what) => write!(f, "input/output: {what}"),
            Self::Closed => f.write_str("the store is closing"),
            Self::TooLarge { octets, octets_max } => {
                write!(f, "{octets} octets are more than the {octets_max} allowed")
            }
            Self::InUse => f.write_str("another process has the store open"),
        }
    }
}

impl std::error::Error for Error {}
