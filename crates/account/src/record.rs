//! What was written of a message at ingest: all that FETCH needs besides bodies. Immutable.

use mail::{Envelope, MessageId, Structure, ThreadId};

/// A message's record, read and unsealed; its parts are unpacked when asked for.
#[derive(Clone, Debug)]
pub struct Record {}

impl Record {
    /// The message.
    #[must_use]
    pub fn message(&self) -> MessageId {
        todo!()
    }
    /// Its thread.
    #[must_use]
    pub fn thread(&self) -> ThreadId {
        todo!()
    }
    /// Octets.
    #[must_use]
    pub fn octets(&self) -> u32 {
        todo!()
    }
    /// INTERNALDATE, seconds since 1970 UTC.
    #[must_use]
    pub fn internal_date(&self) -> i64 {
        todo!()
    }
    /// When it came into the account, seconds since 1970 UTC (RFC 8514).
    #[must_use]
    pub fn save_date(&self) -> i64 {
        todo!()
    }
    /// The Date field as seconds UTC and zone in minutes (RFC 9051 SENTSINCE compares the local day).
    #[must_use]
    pub fn sent_date(&self) -> Option<(i64, i16)> {
        todo!()
    }
    /// ENVELOPE.
    #[must_use]
    pub fn envelope(&self) -> Envelope {
        todo!()
    }
    /// ENVELOPE as [`Envelope::pack`] wrote it, for [`mail::EnvelopeRef`].
    #[must_use]
    pub fn envelope_packed(&self) -> &[u8] {
        todo!()
    }
    /// BODYSTRUCTURE as [`Structure::pack`] wrote it, for [`mail::StructureRef`].
    #[must_use]
    pub fn structure_packed(&self) -> &[u8] {
        todo!()
    }
    /// BODYSTRUCTURE and offsets.
    #[must_use]
    pub fn structure(&self) -> Structure {
        todo!()
    }
    /// Octets of the message's header with its empty line.
    #[must_use]
    pub fn header_octets(&self) -> u32 {
        todo!()
    }
    /// The raw header fields that the record holds, one after another as they stand in the message.
    #[must_use]
    pub fn fields(&self) -> &[u8] {
        todo!()
    }
    /// Whether [`Record::fields`] holds every field of that name that the message has, so that an
    /// answer from it is exact.
    #[must_use]
    pub fn holds_field(&self, _name: &str) -> bool {
        todo!()
    }
    /// The first words of the text.
    #[must_use]
    pub fn preview(&self) -> &str {
        todo!()
    }
}
