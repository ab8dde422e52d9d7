//! The table of commands: verb, where it is allowed, what runs it.

mod auth;
mod capa;
mod dele;
mod lang;
mod list;
mod pass;
mod retr;
mod rset;
mod stat;
mod stls;
mod top;
mod uidl;
mod user;

use crate::{
    reply::{self, Reply},
    session::Session,
};

/// States of RFC 1939 in which a command is allowed.
#[derive(Clone, Copy, PartialEq, Eq)]
enum State {
    Authorization,
    Transaction,
    Both,
}

/// Runs a command; the argument is what follows the first space.
type Run = fn(&mut Session, &[u8]) -> Result<(), Reply>;

struct Row {
    verb: &'static str,
    state: State,
    run: Run,
}

const TABLE: &[Row] = &[
    Row { verb: "CAPA", state: State::Both, run: capa::run },
    Row { verb: "STLS", state: State::Authorization, run: stls::run },
    Row { verb: "USER", state: State::Authorization, run: user::run },
    Row { verb: "PASS", state: State::Authorization, run: pass::run },
    Row { verb: "AUTH", state: State::Authorization, run: auth::run },
    Row { verb: "UTF8", state: State::Authorization, run: utf8 },
    Row { verb: "LANG", state: State::Both, run: lang::run },
    Row { verb: "STAT", state: State::Transaction, run: stat::run },
    Row { verb: "LIST", state: State::Transaction, run: list::run },
    Row { verb: "UIDL", state: State::Transaction, run: uidl::run },
    Row { verb: "RETR", state: State::Transaction, run: retr::run },
    Row { verb: "TOP", state: State::Transaction, run: top::run },
    Row { verb: "DELE", state: State::Transaction, run: dele::run },
    Row { verb: "RSET", state: State::Transaction, run: rset::run },
    Row { verb: "NOOP", state: State::Transaction, run: noop },
    Row { verb: "QUIT", state: State::Both, run: quit },
];

/// Verbs of other protocols: whoever says them is cut off (cross-protocol attacks).
const FOREIGN: &[&str] =
    &["GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "PRI", "EHLO", "HELO"];

/// Runs one line.
pub(crate) fn run(session: &mut Session, line: &[u8]) {
    let space = line.iter().position(|octet| *octet == b' ');
    let (verb, argument) = line.split_at(space.unwrap_or(line.len()));
    let argument = argument.get(1..).unwrap_or_default();
    if FOREIGN.iter().any(|foreign| verb.eq_ignore_ascii_case(foreign.as_bytes())) {
        session.close_with(reply::NOT_POP3);
        return;
    }
    let found = TABLE.iter().find(|row| verb.eq_ignore_ascii_case(row.verb.as_bytes()));
    let Some(row) = found else {
        session.bad(reply::UNKNOWN_COMMAND);
        return;
    };
    let outcome = match (row.state, session.maildrop.is_some()) {
        (State::Authorization, true) => Err(reply::ALREADY_LOGGED_IN),
        (State::Transaction, false) => Err(reply::LOGIN_FIRST),
        _ => (row.run)(session, argument),
    };
    match outcome {
        Err(reply) if reply == reply::SYNTAX => session.bad(reply),
        Err(reply) => {
            session.understood();
            session.reply(reply);
        }
        Ok(()) => session.understood(),
    }
}

/// RFC 6856 §2.1. Messages are sent as they are stored in both modes: see the crate's description.
fn utf8(session: &mut Session, argument: &[u8]) -> Result<(), Reply> {
    nothing(argument)?;
    session.reply(reply::UTF8);
    Ok(())
}

/// RFC 1939 §5.
fn noop(session: &mut Session, argument: &[u8]) -> Result<(), Reply> {
    nothing(argument)?;
    session.reply(reply::DONE);
    Ok(())
}

/// RFC 1939 §6.
fn quit(session: &mut Session, argument: &[u8]) -> Result<(), Reply> {
    nothing(argument)?;
    session.quit();
    Ok(())
}

/// The words of an argument.
fn words(argument: &[u8]) -> impl Iterator<Item = &[u8]> {
    argument.split(|octet| b" \t".contains(octet)).filter(|word| !word.is_empty())
}

/// No argument.
fn nothing(argument: &[u8]) -> Result<(), Reply> {
    if words(argument).next().is_none() { Ok(()) } else { Err(reply::SYNTAX) }
}

/// One argument at most.
fn at_most_one(argument: &[u8]) -> Result<Option<&[u8]>, Reply> {
    let mut words = words(argument);
    let first = words.next();
    if words.next().is_none() { Ok(first) } else { Err(reply::SYNTAX) }
}

/// Decimal digits. What is too large for 64 bits is as large as can be.
fn number(word: &[u8]) -> Result<u64, Reply> {
    if word.is_empty() || !word.iter().all(u8::is_ascii_digit) {
        return Err(reply::SYNTAX);
    }
    let push =
        |sum: u64, digit: &u8| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0'));
    Ok(word.iter().fold(0, push))
}

/// A message's number. One that is too large is none of the list's.
fn message_number(word: &[u8]) -> Result<u32, Reply> {
    Ok(u32::try_from(number(word)?).unwrap_or(u32::MAX))
}

/// The only argument, a message's number.
fn one_message(argument: &[u8]) -> Result<u32, Reply> {
    message_number(at_most_one(argument)?.ok_or(reply::SYNTAX)?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers() {
        assert_eq!(number(b"0"), Ok(0));
        assert_eq!(number(b"007"), Ok(7));
        assert_eq!(number(b"18446744073709551616"), Ok(u64::MAX));
        assert_eq!(message_number(b"4294967296"), Ok(u32::MAX));
        for bad in [&b""[..], b"-1", b"+1", b"1a", b"0x1", b"\xb2"] {
            assert_eq!(number(bad), Err(reply::SYNTAX));
        }
    }

    #[test]
    fn arguments() {
        assert_eq!(one_message(b" 3 "), Ok(3));
        assert_eq!(one_message(b""), Err(reply::SYNTAX));
        assert_eq!(one_message(b"3 4"), Err(reply::SYNTAX));
        assert_eq!(at_most_one(b"\t"), Ok(None));
        assert!(nothing(b"  ").is_ok() && nothing(b" x").is_err());
    }
}
