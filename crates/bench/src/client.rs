//! The client program: the same bytes to every server.

pub mod imap;
pub mod lines;
pub mod mail;
pub mod taker;
