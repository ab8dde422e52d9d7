//! Builds a segment from documents, in memory that it tells.

use crate::{Document, Error, Limits};
use mail::MessageId;

/// Builds one segment.
pub struct Builder {
    limits: Limits,
    documents: Vec<Document>,
    octets: usize,
}

impl Builder {
    /// An empty one.
    #[must_use]
    pub fn new(limits: Limits) -> Self {
        Self { limits, documents: Vec::new(), octets: 0 }
    }

    /// Adds a document.
    ///
    /// # Errors
    /// [`Error::Order`] when its id is not above the last one's; [`Error::Full`] when
    /// [`Limits::segment_messages_max`] are there or [`Limits::builder_octets_max`] are passed:
    /// finish this one, and add it to the next.
    pub fn push(&mut self, document: &Document) -> Result<(), Error> {
        if self.last().is_some_and(|last| last >= document.message) {
            return Err(Error::Order);
        }
        if self.len() >= self.limits.segment_messages_max
            || self.octets >= self.limits.builder_octets_max
        {
            return Err(Error::Full);
        }
        self.octets += size_of::<Document>() + document.body.len();
        self.octets += document.header.iter().map(|(a, b)| a.len() + b.len()).sum::<usize>();
        self.documents.push(document.clone());
        Ok(())
    }

    /// The last document added.
    #[must_use]
    pub fn last(&self) -> Option<MessageId> {
        self.documents.last().map(|last| last.message)
    }

    /// Documents added.
    #[must_use]
    pub fn len(&self) -> u32 {
        self.documents.len() as u32
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.documents.is_empty()
    }

    /// Memory held, octets.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.octets
    }

    /// The segment's bytes.
    ///
    /// # Errors
    /// [`Error::Full`] past [`Limits::segment_octets_max`].
    pub fn finish(self) -> Result<Vec<u8>, Error> {
        let mut out = Vec::with_capacity(self.octets);
        crate::segment::encode(&self.documents, &mut out);
        if out.len() as u64 > self.limits.segment_octets_max {
            return Err(Error::Full);
        }
        Ok(out)
    }
}
