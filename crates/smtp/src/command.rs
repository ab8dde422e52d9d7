//! The table of commands: verb, where it is allowed, what runs it.

mod auth;
mod bdat;
mod data;
mod hello;
mod mail;
mod rcpt;
mod starttls;

use crate::{
    reply,
    session::{Kind, Phase, Session},
};

/// Runs a command with its argument.
type Run = fn(&mut Session, &str);

struct Row {
    verb: &'static str,
    kinds: &'static [Kind],
    run: Run,
}

const ALL: &[Kind] = &[Kind::Reception, Kind::Submission, Kind::Lmtp];
const SMTP: &[Kind] = &[Kind::Reception, Kind::Submission];

const TABLE: &[Row] = &[
    Row { verb: "EHLO", kinds: SMTP, run: hello::ehlo },
    Row { verb: "HELO", kinds: SMTP, run: hello::helo },
    Row { verb: "LHLO", kinds: &[Kind::Lmtp], run: hello::lhlo },
    Row { verb: "MAIL", kinds: ALL, run: mail::run },
    Row { verb: "RCPT", kinds: ALL, run: rcpt::run },
    Row { verb: "DATA", kinds: ALL, run: data::run },
    Row { verb: "BDAT", kinds: ALL, run: bdat::run },
    Row { verb: "STARTTLS", kinds: ALL, run: starttls::run },
    Row { verb: "AUTH", kinds: &[Kind::Submission], run: auth::run },
    Row { verb: "RSET", kinds: ALL, run: rset },
    Row { verb: "NOOP", kinds: ALL, run: |session, _| session.reply(reply::OK) },
    Row { verb: "VRFY", kinds: ALL, run: vrfy },
    Row { verb: "EXPN", kinds: ALL, run: |session, _| session.reply(reply::NOT_IMPLEMENTED) },
    Row { verb: "HELP", kinds: ALL, run: |session, _| session.reply(reply::HELP) },
    Row { verb: "QUIT", kinds: ALL, run: |session, _| session.close_with(reply::BYE) },
];

/// Verbs of other protocols: whoever says them is cut off (cross-protocol attacks).
const FOREIGN: &[&str] = &["GET", "POST", "PUT", "HEAD", "OPTIONS", "CONNECT", "PRI", "USER"];

/// Runs one line.
pub(crate) fn run(session: &mut Session, line: &str) {
    let (verb, argument) = line.split_once(' ').unwrap_or((line, ""));
    if FOREIGN.iter().any(|foreign| verb.eq_ignore_ascii_case(foreign)) {
        session.close_with(reply::NOT_SMTP);
        return;
    }
    let row = TABLE.iter().find(|row| verb.eq_ignore_ascii_case(row.verb));
    match row.filter(|row| row.kinds.contains(&session.options.kind)) {
        Some(row) => (row.run)(session, argument.trim_end_matches([' ', '\t'])),
        None => session.reply(reply::UNKNOWN_COMMAND),
    }
}

/// RFC 5321 §4.1.1.5
fn rset(session: &mut Session, argument: &str) {
    if argument.is_empty() {
        session.reset();
        session.reply(reply::OK);
    } else {
        session.reply(reply::SYNTAX);
    }
}

/// RFC 5321 §4.1.1.6, §7.3
fn vrfy(session: &mut Session, argument: &str) {
    session.reply(if argument.is_empty() { reply::SYNTAX } else { reply::CANNOT_VERIFY });
}

/// Refuses what needs an introduction, TLS or a login first. Whether it may go on.
fn is_ready(session: &mut Session) -> bool {
    let submission = session.options.kind == Kind::Submission;
    let refusal = if session.introduction.hello.is_empty() {
        let lmtp = session.options.kind == Kind::Lmtp;
        if lmtp { reply::LHLO_FIRST } else { reply::HELLO_FIRST }
    } else if submission && !session.secure {
        reply::TLS_FIRST
    } else if submission && !session.introduction.authenticated {
        reply::LOGIN_FIRST
    } else {
        return true;
    };
    session.reply(refusal);
    false
}

/// RFC 3207 §4.2: what was read and not consumed is dropped with the step.
fn start_tls(session: &mut Session) {
    session.reply(reply::READY_FOR_TLS);
    session.reset();
    session.phase = Phase::StartTls;
}
