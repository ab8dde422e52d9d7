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
        }
    }
}

impl std::error::Error for Error {}
