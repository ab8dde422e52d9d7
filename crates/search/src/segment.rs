//! A segment opened for questions.

use crate::{Answer, Document, Error, Field, Set, Source};
use mail::MessageId;
use std::sync::Arc;

/// What THREAD needs of each document of a segment, by ordinal.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Links {
    /// Hash of the Message-ID; 0 when there is none.
    pub message_ids: Vec<u64>,
    /// Hashes of References, oldest first.
    pub references: Vec<Vec<u64>>,
    /// Whether the subject marks a reply or forward.
    pub replies: Vec<bool>,
}

/// A segment: what is kept of it in memory is small (a directory of its blocks); all else is read
/// when asked for.
pub struct Segment {
    documents: Vec<Document>,
}

impl Segment {
    /// Opens: reads the end of the bytes.
    ///
    /// # Errors
    /// [`Error::Damaged`]; the source's.
    pub async fn open(source: Arc<dyn Source>) -> Result<Self, Error> {
        let bytes = source.read(0..source.size()).await?;
        Ok(Self { documents: decode(&bytes)? })
    }

    /// Number of documents.
    #[must_use]
    pub fn documents(&self) -> u32 {
        self.documents.len() as u32
    }

    /// Octets of memory that it holds while open.
    #[must_use]
    pub fn octets(&self) -> usize {
        size_of::<Self>()
    }

    /// The lowest and the highest message id; `None` of an empty segment.
    #[must_use]
    pub fn span(&self) -> Option<(MessageId, MessageId)> {
        Some((self.documents.first()?.message, self.documents.last()?.message))
    }

    /// The message ids, ascending: the ordinal of a document is its place.
    ///
    /// # Errors
    /// [`Error::Damaged`]; the source's (so do all that follow).
    pub async fn messages(&self) -> Result<Vec<MessageId>, Error> {
        Ok(self.documents.iter().map(|one| one.message).collect())
    }

    /// SEARCH FROM, TO, CC, BCC, SUBJECT (RFC 9051 §6.4.4): always certain. An empty needle asks
    /// for the field's presence.
    pub async fn field(&self, field: Field, needle: &str) -> Result<Answer, Error> {
        self.header(field.name(), needle).await
    }

    /// SEARCH HEADER: `name` casemapped. An empty needle asks for the field's presence.
    pub async fn header(&self, name: &str, needle: &str) -> Result<Answer, Error> {
        Ok(self.answer(|one| {
            one.header.iter().any(|(field, value)| field == name && value.contains(needle))
        }))
    }

    /// SEARCH BODY: documents whose body texts contain the needle.
    pub async fn body(&self, needle: &str) -> Result<Answer, Error> {
        Ok(self.answer(|one| one.body.contains(needle)))
    }

    /// SEARCH TEXT: as [`Segment::body`], or the header, of which each field counts as
    /// `NAME: value\n`.
    pub async fn text(&self, needle: &str) -> Result<Answer, Error> {
        Ok(self.answer(|one| {
            let header: String = one.header.iter().map(|(n, v)| format!("{n}: {v}\n")).collect();
            one.body.contains(needle) || header.contains(needle)
        }))
    }

    /// The Date field by ordinal: seconds since 1970 UTC and zone in minutes east.
    pub async fn sent(&self) -> Result<Vec<Option<(i64, i16)>>, Error> {
        Ok(self.documents.iter().map(|one| one.sent).collect())
    }

    /// What THREAD needs.
    pub async fn links(&self) -> Result<Links, Error> {
        let each = || self.documents.iter();
        Ok(Links {
            message_ids: each().map(|one| one.message_id).collect(),
            references: each().map(|one| one.references.clone()).collect(),
            replies: each().map(|one| one.reply).collect(),
        })
    }

    /// SEARCH=FUZZY (RFC 6203): documents for these casemapped words and a relevancy score each,
    /// above 0 and not bounded; unordered. A document needs one of the words, or one with the same
    /// stem or prefix, in its body or subject.
    pub async fn similar(&self, words: &[&str]) -> Result<Vec<(u32, f32)>, Error> {
        let mut found = Vec::new();
        for (ordinal, one) in self.documents.iter().enumerate() {
            let hits = words.iter().filter(|word| one.body.contains(**word)).count();
            if hits > 0 {
                found.push((ordinal as u32, hits as f32));
            }
        }
        Ok(found)
    }

    pub(crate) fn stored(&self) -> &[Document] {
        &self.documents
    }

    fn answer(&self, matches: impl Fn(&Document) -> bool) -> Answer {
        let mut answer = Answer { certain: Set::empty(self.documents()), ..Answer::default() };
        answer.possible = answer.certain.clone();
        for (ordinal, one) in self.documents.iter().enumerate() {
            if matches(one) {
                answer.certain.insert(ordinal as u32);
            } else if one.partial {
                answer.possible.insert(ordinal as u32);
            }
        }
        answer
    }
}

fn put(out: &mut Vec<u8>, text: &str) {
    out.extend_from_slice(&(text.len() as u32).to_le_bytes());
    out.extend_from_slice(text.as_bytes());
}

/// Documents as bytes.
pub(crate) fn encode(documents: &[Document], out: &mut Vec<u8>) {
    for one in documents {
        out.extend_from_slice(&one.message.0.to_le_bytes());
        out.extend_from_slice(&(one.header.len() as u32).to_le_bytes());
        for (name, value) in &one.header {
            put(out, name);
            put(out, value);
        }
        put(out, &one.body);
        for key in &one.sort {
            put(out, key);
        }
        out.push(
            u8::from(one.partial) | u8::from(one.reply) << 1 | u8::from(one.sent.is_some()) << 2,
        );
        let (seconds, zone) = one.sent.unwrap_or_default();
        out.extend_from_slice(&seconds.to_le_bytes());
        out.extend_from_slice(&zone.to_le_bytes());
        out.extend_from_slice(&one.message_id.to_le_bytes());
        out.extend_from_slice(&(one.references.len() as u32).to_le_bytes());
        for reference in &one.references {
            out.extend_from_slice(&reference.to_le_bytes());
        }
    }
}

struct Reader<'a>(&'a [u8]);

impl Reader<'_> {
    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let (head, rest) = self.0.split_first_chunk().ok_or(Error::Damaged("short"))?;
        self.0 = rest;
        Ok(*head)
    }

    fn number(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_le_bytes)
    }

    fn text(&mut self) -> Result<String, Error> {
        let octets = self.number()? as usize;
        let (head, rest) = self.0.split_at_checked(octets).ok_or(Error::Damaged("short"))?;
        self.0 = rest;
        String::from_utf8(head.to_vec()).map_err(|_| Error::Damaged("text"))
    }
}

fn decode(bytes: &[u8]) -> Result<Vec<Document>, Error> {
    let mut reader = Reader(bytes);
    let mut documents = Vec::new();
    while !reader.0.is_empty() {
        let mut one = Document { message: MessageId(reader.number()?), ..Document::default() };
        for _ in 0..reader.number()? {
            one.header.push((reader.text()?, reader.text()?));
        }
        one.body = reader.text()?;
        for key in &mut one.sort {
            *key = reader.text()?;
        }
        let [flags] = reader.array()?;
        (one.partial, one.reply) = (flags & 1 != 0, flags & 2 != 0);
        let sent = (i64::from_le_bytes(reader.array()?), i16::from_le_bytes(reader.array()?));
        one.sent = (flags & 4 != 0).then_some(sent);
        one.message_id = u64::from_le_bytes(reader.array()?);
        for _ in 0..reader.number()? {
            one.references.push(u64::from_le_bytes(reader.array()?));
        }
        documents.push(one);
    }
    Ok(documents)
}
