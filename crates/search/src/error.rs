//! What can go wrong with a segment.

use std::fmt;

/// Why a segment was not built or could not be read.
#[derive(Debug)]
pub enum Error {
    /// The bytes are not what was written, or of a later format; where.
    Damaged(&'static str),
    /// A document whose message id is not above the last one's.
    Order,
    /// A document more than [`crate::Limits`] allow: finish the segment and start another.
    Full,
    /// The source or sink failed.
    Io(Box<dyn std::error::Error + Send + Sync>),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Damaged(place) => write!(f, "search index damaged: {place}"),
            Self::Order => f.write_str("documents of a search segment out of order"),
            Self::Full => f.write_str("search segment full"),
            Self::Io(error) => write!(f, "search index: {error}"),
        }
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::Io(error) => Some(&**error),
            Self::Damaged(_) | Self::Order | Self::Full => None,
        }
    }
}
