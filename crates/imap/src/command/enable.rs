//! ENABLE (RFC 9051 §6.3.1).

use super::Next;
use crate::answer::Answer;
use crate::cursor::Cursor;
use crate::session::Session;

/// `enable = "ENABLE" 1*(SP capability)`. What cannot be enabled is passed over (§6.3.1).
pub fn run(session: &mut Session, cursor: &mut Cursor<'_>) -> Result<Next, Answer> {
    let mut names = Vec::new();
    cursor.space()?;
    loop {
        names.push(cursor.atom()?);
        if cursor.at_end() {
            break;
        }
        cursor.space()?;
    }
    let before = session.enabled();
    let mut enabled = before;
    for name in names {
        if session.is_hidden(name) {
            continue;
        }
        match name.to_ascii_uppercase().as_str() {
            "CONDSTORE" => enabled.condstore = true,
            // RFC 7162 §3.2.3: QRESYNC enables CONDSTORE too.
            "QRESYNC" => (enabled.qresync, enabled.condstore) = (true, true),
            "UTF8=ACCEPT" => enabled.utf8 = true,
            "IMAP4REV2" => enabled.rev2 = true,
            "UIDONLY" => enabled.uidonly = true,
            "METADATA" => enabled.metadata = true,
            _ => {}
        }
    }
    let news = [
        ("CONDSTORE", before.condstore, enabled.condstore),
        ("QRESYNC", before.qresync, enabled.qresync),
        ("UTF8=ACCEPT", before.utf8, enabled.utf8),
        ("IMAP4rev2", before.rev2, enabled.rev2),
        ("UIDONLY", before.uidonly, enabled.uidonly),
        ("METADATA", before.metadata, enabled.metadata),
    ];
    let news = news.into_iter().filter(|(_, was, is)| *is && !was);
    session.reply().enabled_now(news.map(|(name, ..)| name));
    session.enable(enabled);
    Ok(Next::Answer(Answer::ok("ENABLE completed")))
}
