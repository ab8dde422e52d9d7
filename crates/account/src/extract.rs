//! Text of attachments: what the account asks of whoever can read documents.

use bytes::Bytes;
use std::{fmt::Debug, future::Future, pin::Pin};

/// A text, or none.
pub type Text<'a> = Pin<Box<dyn Future<Output = Option<String>> + Send + 'a>>;

/// Turns documents (PDF, OOXML, ODF …) into text, for search. The same document gives the same
/// text: what a search reads and what an index holds are made by it alike.
pub trait Extract: Debug + Send + Sync + 'static {
    /// Whether documents of that media type, in lower case (`application/pdf`), are read at all;
    /// others are not even decoded. Cheap.
    fn reads(&self, media_type: &str) -> bool;

    /// The text of a document, decoded of its transfer encoding. `None` when there is none, when it
    /// cannot be read, or when reading it took more time or memory than is allowed.
    fn text<'a>(&'a self, media_type: &'a str, document: Bytes) -> Text<'a>;
}
