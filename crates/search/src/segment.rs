//! A segment opened for questions.

use crate::{
    Answer, Error, Field, Source, body,
    column::{BETWEEN, Column},
    container::{Input, section_name},
    header, rows,
};
use mail::MessageId;
use std::sync::Arc;

/// What THREAD needs of each document of a segment, by ordinal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Links {
    /// Hash of the Message-ID, its lowest [`crate::HASH_BITS`] bits; 0 when there is none.
    pub message_ids: Vec<u64>,
    /// Hashes of References, the same bits of them, oldest first.
    pub references: Vec<Vec<u64>>,
    /// Whether the subject marks a reply or forward.
    pub replies: Vec<bool>,
}

/// A segment: what is kept of it in memory is small (a directory of its blocks); all else is read
/// when asked for.
pub struct Segment {
    pub(crate) input: Input,
}

impl Segment {
    /// Opens: reads the end of the bytes.
    ///
    /// # Errors
    /// [`Error::Damaged`]; the source's.
    pub async fn open(source: Arc<dyn Source>) -> Result<Self, Error> {
        Ok(Self { input: Input::open(source).await? })
    }

    /// Number of documents.
    #[must_use]
    pub fn documents(&self) -> u32 {
        self.input.documents
    }

    /// Octets of memory that it holds while open.
    #[must_use]
    pub fn octets(&self) -> usize {
        self.input.octets()
    }

    /// What takes its space: names of parts, octets stored and octets unpacked.
    #[must_use]
    pub fn sizes(&self) -> Vec<(&'static str, u64, u64)> {
        let mut all: Vec<(&str, u64, u64)> = Vec::new();
        for (place, (stored, raw)) in self.input.sizes().enumerate() {
            let name = section_name(place);
            match all.iter_mut().find(|(other, ..)| *other == name) {
                Some(sum) => (sum.1, sum.2) = (sum.1 + stored, sum.2 + raw),
                None => all.push((name, stored, raw)),
            }
        }
        all
    }

    /// The lowest and the highest message id; `None` of an empty segment.
    #[must_use]
    pub fn span(&self) -> Option<(MessageId, MessageId)> {
        let (first, last) = self.input.summary.span;
        (self.documents() > 0).then_some((MessageId(first), MessageId(last)))
    }

    /// The message ids, ascending: the ordinal of a document is its place.
    ///
    /// # Errors
    /// [`Error::Damaged`]; the source's (so do all that follow).
    pub async fn messages(&self) -> Result<Vec<MessageId>, Error> {
        rows::messages(&self.input).await
    }

    /// SEARCH FROM, TO, CC, BCC, SUBJECT (RFC 9051 §6.4.4): always certain, but for a needle with
    /// the noncharacter U+FFFF. An empty needle asks for the field's presence.
    pub async fn field(&self, field: Field, needle: &str) -> Result<Answer, Error> {
        if needle.contains(BETWEEN) {
            return Ok(Answer::unknown(self.documents()));
        }
        Column::new(&self.input, field as u8).find(&[needle]).await.map(Answer::exactly)
    }

    /// SEARCH HEADER: `name` casemapped. An empty needle asks for the field's presence, which is
    /// certain, and so is a needle of letters and digits alone.
    pub async fn header(&self, name: &str, needle: &str) -> Result<Answer, Error> {
        match Field::of(name) {
            Some(field) => self.field(field, needle).await,
            None => header::named(&self.input, name, needle).await,
        }
    }

    /// SEARCH BODY: documents whose body texts contain the needle. A needle of letters and digits
    /// alone is answered with certainty, others by documents that have its words.
    pub async fn body(&self, needle: &str) -> Result<Answer, Error> {
        let mut answer = body::contains(&self.input, needle).await?;
        if self.input.summary.partial > 0 {
            answer.possible.unite(&rows::partial(&self.input).await?);
            answer.possible.subtract(&answer.certain);
        }
        Ok(answer)
    }

    /// SEARCH TEXT: as [`Segment::body`], or the header, of which each field counts as
    /// `NAME: value\n`.
    pub async fn text(&self, needle: &str) -> Result<Answer, Error> {
        let body = self.body(needle).await?;
        Ok(body.or(&header::contains(&self.input, needle).await?))
    }

    /// The Date field by ordinal: seconds since 1970 UTC and zone in minutes east.
    pub async fn sent(&self) -> Result<Vec<Option<(i64, i16)>>, Error> {
        rows::sent(&self.input).await
    }

    /// What THREAD needs.
    pub async fn links(&self) -> Result<Links, Error> {
        rows::links(&self.input).await
    }

    /// SEARCH=FUZZY (RFC 6203): documents for these casemapped words and a relevancy score each,
    /// above 0 and not bounded; by ordinal. A document needs each of the words in its body or
    /// subject: itself, or a word with the same stem, or one that begins with it.
    pub async fn similar(&self, words: &[&str]) -> Result<Vec<(u32, f32)>, Error> {
        crate::similar::similar(&self.input, words).await
    }
}
