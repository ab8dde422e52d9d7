//! What real programs sent, recorded: every command must be understood and answered in order, at
//! every size of pieces.
//!
//! The files of `tests/clients/` hold the lines of one program each, `## connection` before each
//! connection, after its login.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use imap::effect::{Appended, Done, Effect, Selected};
use imap::{Limits, Options, Session};
use mail::{Uid, UidValidity};
use std::sync::Arc;
use wire::auth::Answer;
use wire::{Machine as _, Step};

fn session() -> Session {
    Session::new(Arc::new(Options {
        limits: Limits::default(),
        host: "mail.example.test".to_owned(),
        tls_required: false,
        starttls: false,
        append_octets_max: 1_000_000,
        hidden_capabilities: Vec::new(),
        jmap_session_url: None,
    }))
}

fn appended(uid: u32) -> Appended {
    Appended { uid_validity: UidValidity(5), uids: vec![Uid(uid)], highest_modseq: None }
}

fn answer(session: &mut Session, effect: &Effect) {
    match effect {
        Effect::Auth(_) => session.auth(Answer::Accepted { login: "ana".to_owned() }),
        Effect::Select { read_only, qresync, mailbox } => {
            session.selected(Ok(Selected {
                mailbox: mailbox.clone(),
                exists: 18,
                recent: 0,
                first_unseen: None,
                uid_validity: 5,
                uid_next: 19,
                highest_modseq: 77,
                keywords: Vec::new(),
                mailbox_id: "M1".to_owned(),
                read_only: *read_only,
                permanent: imap::types::Permanent::ALL,
            }));
            if qresync.is_some() {
                session.done(Done::Ok(None));
            }
        }
        Effect::AppendEnd => session.appended(Ok(appended(19))),
        Effect::Id(_) | Effect::Idle(_) | Effect::AppendAbort => {}
        _ => session.done(Done::Ok(None)),
    }
}

/// Sends the octets in pieces; gives what was said.
fn converse(octets: &[u8], piece_octets: usize) -> String {
    let mut session = session();
    let mut pieces = octets.chunks(piece_octets);
    let mut said = Vec::new();
    loop {
        match session.step() {
            Step::Ask(effect) => answer(&mut session, &effect),
            Step::Wait(_) => match pieces.next() {
                Some(piece) => session.receive(piece),
                None => break,
            },
            Step::StartTls | Step::Compress | Step::EndCompress => panic!("not here"),
            Step::Close => break,
        }
        said.extend_from_slice(&session.outbox().take());
    }
    said.extend_from_slice(&session.outbox().take());
    String::from_utf8(said).unwrap()
}

/// Tags and verbs of the commands, literals and DONE passed over.
fn commands(lines: &[&str]) -> Vec<(String, String)> {
    let mut commands = Vec::new();
    let mut literal = false;
    for line in lines {
        let mut words = line.split(' ');
        let (tag, verb) = (words.next().unwrap(), words.next().unwrap_or_default());
        let known = !verb.is_empty() && !tag.ends_with(':') && !literal;
        if known {
            commands.push((tag.to_owned(), verb.to_ascii_uppercase()));
        }
        literal = line.ends_with('}') || (literal && !line.is_empty() && !known);
    }
    commands
}

fn replay(connection: &[&str]) {
    let mut octets = b"login LOGIN ana secret\r\nselect SELECT INBOX\r\n".to_vec();
    for line in connection {
        octets.extend_from_slice(line.as_bytes());
        octets.extend_from_slice(b"\r\n");
    }
    let said = converse(&octets, usize::MAX);
    let mut tagged = said.lines().filter(|line| !line.starts_with(['*', '+']));
    assert!(tagged.next().unwrap().starts_with("login OK "));
    assert!(tagged.next().unwrap().starts_with("select OK "));
    let commands = commands(connection);
    for (at, (tag, verb)) in commands.iter().enumerate() {
        let Some(line) = tagged.next() else {
            // The program went away in IDLE.
            assert!(at + 1 == commands.len() && verb == "IDLE", "no answer to {tag} {verb}");
            break;
        };
        assert!(line.starts_with(&format!("{tag} OK ")), "{tag} {verb}: {line}");
    }
    assert_eq!(tagged.next(), None);
    for piece_octets in [1, 2, 3, 7] {
        assert!(converse(&octets, piece_octets) == said, "pieces of {piece_octets}");
    }
}

#[test]
fn recorded_clients_are_understood() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/clients");
    let mut connections = 0;
    for entry in std::fs::read_dir(folder).unwrap() {
        let text = std::fs::read_to_string(entry.unwrap().path()).unwrap();
        for connection in text.split("## connection\n").skip(1) {
            replay(&connection.lines().collect::<Vec<_>>());
            connections += 1;
        }
    }
    assert!(connections > 20);
}
