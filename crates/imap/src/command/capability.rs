//! CAPABILITY (RFC 9051 §6.1.1): what is shown depends on the state.

use super::Next;
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::extensions;
use crate::session::{Session, State};
use std::fmt::Write as _;

/// `capability = "CAPABILITY"`
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    cursor.end()?;
    let list = capabilities(session);
    session.reply().capability(&list);
    Ok(Next::Answer(Answer::ok("CAPABILITY completed")))
}

/// `CAPABILITY …`, as a response and inside a response code.
pub(crate) fn capabilities(session: &Session) -> String {
    let options = session.options();
    let shown = |name: &str| !session.is_hidden(name);
    let mut list = String::with_capacity(1_000);
    list.push_str("CAPABILITY");
    let mut add = |name: &str| {
        if shown(name) {
            list.push(' ');
            list.push_str(name);
        }
    };
    if session.state() != State::NotAuthenticated {
        extensions::shown(true).for_each(&mut add);
        if session.jmap_shown() {
            add("JMAPACCESS");
        }
        let limits = session.limits();
        for (name, max) in [
            ("MESSAGELIMIT", limits.command_messages_max),
            ("SAVELIMIT", limits.saved_messages_max),
        ] {
            if max > 0 && shown(name) {
                let _ = write!(list, " {name}={max}");
            }
        }
        if shown("APPENDLIMIT") {
            // Writing to a String does not fail.
            let _ = write!(list, " APPENDLIMIT={}", options.append_octets_max);
        }
        return list;
    }
    extensions::shown(false).for_each(&mut add);
    if session.starttls_offered() {
        add("STARTTLS");
    }
    if session.login_allowed() {
        for mechanism in session.mechanisms() {
            add(&format!("AUTH={}", mechanism.name()));
        }
    } else {
        add("LOGINDISABLED");
    }
    list
}
