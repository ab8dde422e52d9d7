//! A classifier of unwanted mail: what a message looks like, learnt from mail that people called
//! junk and mail that they kept.
//!
//! Invariants: pure; no I/O, clock or log. Counts are asked for and given back by hash, so that
//! whoever calls decides where they are stored. Work and memory are bounded by limits.
//!
//! Three steps: [`tokens`] takes a message apart into what can be learnt, [`score`] judges it by
//! the books of the server and of the account, [`Book::train`] and [`Book::untrain`] write a
//! lesson into a book, or take it back. Only a lesson that was written may be taken back, and with
//! the same tokens: the caller remembers which messages taught, and what.

mod chi;
mod fold;
mod header;
mod html;
mod page;
mod score;
mod sender;
mod sip;
mod tokens;
mod train;
mod url;
mod words;
mod writing;

pub use page::{Counts, ENTRIES_MAX, PAGES, Page, PageError, place};
pub use score::{JUNK_MIN, Reason, Verdict, score};
pub use sip::Key;
pub use tokens::{Kind, Limits, Token, Tokens, tokens};
pub use train::{ALL_MESSAGES, Book, Class, Totals, worthwhile};
