//! Standard output of commands.
//!
//! Invariant: a reader that has seen enough ends the command quietly; a disk that is full does not.

use super::code;
use std::{
    fmt::Arguments,
    io::{ErrorKind, Write as _, stdout},
    process::exit,
};

/// Writes words, or ends the program: there is nobody to tell them to.
pub fn say(words: Arguments<'_>) {
    if let Err(error) = stdout().write_fmt(words) {
        if error.kind() == ErrorKind::BrokenPipe {
            exit(0);
        }
        eprintln!("palomar: standard output: {error}");
        exit(code::FAILED.into());
    }
}
