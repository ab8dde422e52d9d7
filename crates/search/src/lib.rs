//! A segment of an account's full-text index: built from decoded messages, merged with others,
//! asked what RFC 9051 §6.4.4 asks — which messages contain this string?
//!
//! Invariants: a segment is immutable bytes; its documents are numbered by *ordinals* in the order
//! of their message ids. An [`Answer`] never lies: what is certain contains the needle, and what is
//! neither certain nor possible does not. All text, of documents and of needles, is casemapped
//! ([`mail::text::casemap`]) by the caller. Nothing here does I/O, knows a clock or an account:
//! bytes come through [`Source`] and go through [`Sink`]. Damaged bytes give [`Error::Damaged`].
//!
//! What is in a segment, and of what file:
//!
//! | part | answers | file |
//! |---|---|---|
//! | terms of the body, their postings, long runs | BODY, TEXT, FUZZY | `terms.rs`, `rows.rs` |
//! | crossings from word to word | phrases: fewer possible documents | `tokens.rs` |
//! | terms of the header, by field | HEADER, TEXT | `header.rs` |
//! | columns of distinct values | FROM … SUBJECT; the order of SORT | `column.rs` |
//! | ids, dates, links, letters | SENT…, THREAD, needles of one letter | `rows.rs` |
//!
//! Why so, and what it measures: `docs/decisions/0005-search-index.md`.

mod bits;
mod body;
pub mod builder;
mod column;
mod container;
pub mod document;
pub mod error;
mod gather;
mod header;
pub mod limits;
pub mod merge;
pub mod order;
mod rows;
pub mod segment;
pub mod set;
mod similar;
pub mod source;
mod terms;
mod tokens;

pub use builder::Builder;
pub use document::{Document, Field, SortKey};
pub use error::Error;
pub use limits::Limits;
pub use merge::merge;
pub use order::{places, ranks};
pub use rows::HASH_BITS;
pub use segment::{Links, Segment};
pub use set::{Answer, Set};
pub use source::{Fut, Sink, Source};
