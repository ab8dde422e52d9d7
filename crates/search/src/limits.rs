//! What a segment may hold and what building one may take.

/// Limits of one segment. A builder or merge that would pass one says [`crate::Error::Full`].
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Documents of a segment. A merge takes memory by it: about 100 octets for each.
    pub segment_messages_max: u32,
    /// Octets of a segment, as written.
    pub segment_octets_max: u64,
    /// Memory of a builder, octets, by [`crate::Builder::octets`]; one document may pass it.
    pub builder_octets_max: usize,
    /// Octets of a document's body text that are indexed; a document with more is *possible* for
    /// every needle that its indexed text does not contain.
    pub document_octets_max: usize,
    /// How hard zstd tries.
    pub level: i32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            segment_messages_max: 1 << 17,
            segment_octets_max: 1 << 30,
            builder_octets_max: 32 << 20,
            document_octets_max: 4 << 20,
            level: 6,
        }
    }
}
