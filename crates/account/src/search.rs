//! Search by reading: exact and complete. Metadata first, records next, bodies last.

use crate::{Error, Row, View};
use mail::{Keyword, MessageId, ModSeq, NumberSet, SystemFlags, ThreadId};

/// A search program (RFC 9051 §6.4.4) with sets resolved and charsets decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Query {
    All,
    /// None at all.
    Nothing,
    And(Vec<Query>),
    Or(Box<Query>, Box<Query>),
    Not(Box<Query>),
    Sequence(NumberSet),
    Uid(NumberSet),
    System(SystemFlags),
    Recent,
    Keyword(Keyword),
    /// Octets greater than.
    Larger(u64),
    /// Octets smaller than.
    Smaller(u64),
    /// INTERNALDATE in [from, to), seconds since 1970 UTC.
    Internal(Option<i64>, Option<i64>),
    /// Date field's local day, days since 1970, in [from, to).
    Sent(Option<i64>, Option<i64>),
    /// When saved, in [from, to), seconds since 1970 UTC (RFC 8514).
    Saved(Option<i64>, Option<i64>),
    /// Field name and substring; an empty substring asks for the field's presence.
    Header(String, String),
    /// Substring of From, To, Cc, Bcc addresses and names as ENVELOPE holds them, or of Subject:
    /// the field name.
    Body(String),
    Text(String),
    /// Changed at or after (RFC 7162 MODSEQ).
    ModSeq(ModSeq),
    Message(MessageId),
    Thread(ThreadId),
}

/// A search in progress: call [`Search::step`] until it is done, so that the caller can tell of
/// progress and a peer that left stops it.
pub struct Search {}

impl Search {
    /// Starts a search of a view.
    #[must_use]
    pub fn new(_query: Query) -> Self {
        todo!()
    }
    /// Looks at some more messages (bounded in octets read); gives rows that match, ascending, and
    /// whether there may be more.
    pub async fn step(&mut self, _view: &mut View) -> Result<(Vec<Row>, bool), Error> {
        todo!()
    }
    /// (messages looked at, messages in all)
    #[must_use]
    pub fn progress(&self) -> (u32, u32) {
        todo!()
    }
}
