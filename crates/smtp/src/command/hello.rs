//! EHLO, HELO, LHLO (RFC 5321 §4.1.1.1, RFC 2033 §4.1). Any name is taken: Outlook sends machine
//! names with underscores (quirk 19).

use crate::{
    reply,
    session::{Kind, Session},
};
use wire::sasl::Mechanism;

fn introduce(session: &mut Session, name: &str, extended: bool) -> bool {
    if name.is_empty() || name.len() > session.limits.hello_octets_max {
        session.reply(reply::SYNTAX);
        return false;
    }
    session.reset();
    let printable = |c: char| if c.is_control() { '?' } else { c };
    session.introduction.hello = name.chars().map(printable).collect();
    session.introduction.extended = extended;
    true
}

/// HELO
pub(super) fn helo(session: &mut Session, name: &str) {
    if introduce(session, name, false) {
        let host = session.options.host_name.clone();
        session.line(250, false, "", &host);
    }
}

/// EHLO
pub(super) fn ehlo(session: &mut Session, name: &str) {
    if introduce(session, name, true) {
        extensions(session);
    }
}

/// LHLO
pub(super) fn lhlo(session: &mut Session, name: &str) {
    ehlo(session, name);
}

fn extensions(session: &mut Session) {
    let size = format!("SIZE {}", session.limits.message_octets_max);
    let mut lines = vec![session.options.host_name.clone(), "PIPELINING".into(), size];
    for word in ["8BITMIME", "SMTPUTF8", "CHUNKING", "BINARYMIME", "DSN", "ENHANCEDSTATUSCODES"] {
        lines.push(word.into());
    }
    if session.secure {
        // RFC 8689 §2: not offered without TLS.
        lines.push("REQUIRETLS".into());
    }
    if session.options.starttls && !session.secure {
        lines.push("STARTTLS".into());
    }
    if session.options.kind == Kind::Submission && session.secure {
        let offered = Mechanism::offered(session.exporter.is_some());
        let names: Vec<&str> = offered.iter().map(|mechanism| mechanism.name()).collect();
        lines.push(format!("AUTH {}", names.join(" ")));
        if let Some(release) = &session.options.release {
            lines.push(format!("FUTURERELEASE {} {}", release.seconds_max, release.until));
        }
    }
    let last = lines.len() - 1;
    for (at, line) in lines.iter().enumerate() {
        session.line(250, at < last, "", line);
    }
}
