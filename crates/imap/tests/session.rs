//! The machine at its edges: limits at n and n + 1, failures in the middle, sizes, random input.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use bytes::Bytes;
use imap::effect::{Appended, Done, Effect, Refusal, Selected};
use imap::{Limits, Options, Session};
use mail::{Uid, UidValidity};
use proptest::prelude::*;
use std::sync::Arc;
use wire::auth::Answer;
use wire::{Event, Machine as _, Patience, Step};

fn options() -> Options {
    Options {
        limits: Limits::default(),
        host: "mail.example.test".to_owned(),
        tls_required: false,
        starttls: false,
        append_octets_max: 1_000_000,
        hidden_capabilities: Vec::new(),
        jmap_session_url: None,
    }
}

fn appended(uid: u32) -> Appended {
    Appended { uid_validity: UidValidity(5), uids: vec![Uid(uid)], highest_modseq: None }
}

fn answer(session: &mut Session, effect: &Effect) {
    match effect {
        Effect::Auth(_) => session.auth(Answer::Accepted { login: String::new() }),
        Effect::Select { qresync, .. } => {
            session.selected(Ok(Selected {
                mailbox: "INBOX".to_owned(),
                exists: 3,
                recent: 0,
                first_unseen: None,
                uid_validity: 5,
                uid_next: 9,
                highest_modseq: 7,
                keywords: Vec::new(),
                mailbox_id: "M1".to_owned(),
                read_only: false,
                permanent: imap::types::Permanent::ALL,
            }));
            if qresync.is_some() {
                session.done(Done::Ok(None));
            }
        }
        Effect::AppendEnd => session.appended(Ok(appended(9))),
        Effect::Id(_) | Effect::Idle(_) | Effect::AppendAbort => {}
        _ => session.done(Done::Ok(None)),
    }
}

/// Runs to the next wait or the end, all effects answered well; `None` at the end.
fn run(session: &mut Session) -> Option<Patience> {
    loop {
        match session.step() {
            Step::Ask(effect) => answer(session, &effect),
            Step::Wait(patience) => return Some(patience),
            Step::StartTls => {
                session.event(Event::Secured { exporter: None, description: String::new() })
            }
            Step::Compress | Step::EndCompress => {}
            Step::Close => return None,
        }
    }
}

fn said(session: &mut Session) -> String {
    String::from_utf8(session.outbox().take().to_vec()).unwrap()
}

/// A session with INBOX selected.
fn selected(options: Options) -> Session {
    let mut session = Session::new(Arc::new(options));
    run(&mut session);
    session.receive(b"a LOGIN ana secret\r\nb SELECT INBOX\r\n");
    run(&mut session);
    drop(said(&mut session));
    session
}

/// The answer to one command.
fn ask(session: &mut Session, command: &str) -> String {
    session.receive(command.as_bytes());
    session.receive(b"\r\n");
    run(session);
    said(session)
}

#[test]
fn an_idle_session_is_tiny() {
    assert!(size_of::<Session>() < 600, "{}", size_of::<Session>());
}

#[test]
fn patience_follows_the_state() {
    let mut session = Session::new(Arc::new(options()));
    assert_eq!(run(&mut session), Some(Patience::Greeting));
    session.receive(b"a LOGIN ana secret\r\n");
    assert_eq!(run(&mut session), Some(Patience::Command));
    session.receive(b"b NO");
    assert_eq!(run(&mut session), Some(Patience::Middle));
    session.receive(b"OP\r\nc IDLE\r\n");
    assert_eq!(run(&mut session), Some(Patience::Idle));
    assert!(session.is_idling());
    session.receive(b"DONE\r\nd APPEND x {5+}\r\nab");
    assert_eq!(run(&mut session), Some(Patience::Middle));
}

#[test]
fn nesting_at_the_limit_and_beyond() {
    let mut session = selected(options());
    let nested = |depth| format!("c SEARCH {}ALL{}", "(".repeat(depth), ")".repeat(depth));
    assert!(ask(&mut session, &nested(50)).contains("c OK "));
    assert!(ask(&mut session, &nested(51)).contains("c BAD [LIMIT] "));
    assert!(ask(&mut session, &nested(100_000)).contains("c BAD [LIMIT] "));
    let nots = |depth| format!("c SEARCH {}ALL", "NOT ".repeat(depth));
    assert!(ask(&mut session, &nots(50)).contains("c OK "));
    assert!(ask(&mut session, &nots(51)).contains("c BAD [LIMIT] "));
    let ors = |depth| format!("c SEARCH {}ALL{}", "OR ".repeat(depth), " ALL".repeat(depth));
    assert!(ask(&mut session, &ors(50)).contains("c OK "));
    assert!(ask(&mut session, &ors(51)).contains("c BAD [LIMIT] "));
}

#[test]
fn search_keys_at_the_limit_and_beyond() {
    let mut session = selected(options());
    let keys = |count| format!("c SEARCH{}", " ALL".repeat(count));
    assert!(ask(&mut session, &keys(2_000)).contains("c OK "));
    assert!(ask(&mut session, &keys(2_001)).contains("c BAD [LIMIT] "));
}

#[test]
fn fetch_items_at_the_limit_and_beyond() {
    let mut session = selected(options());
    let items = |count: usize| {
        let items: Vec<_> = (1..=count).map(|at| format!("BODY[{at}]")).collect();
        format!("c FETCH 1 ({})", items.join(" "))
    };
    assert!(ask(&mut session, &items(1_000)).contains("c OK "));
    assert!(ask(&mut session, &items(1_001)).contains("c BAD [LIMIT] "));
}

#[test]
fn lists_at_their_limits_and_beyond() {
    let mut session = selected(options());
    for (start, item, end, max) in [
        ("ID (", "\"k\" NIL ", ")", 30),
        ("LIST \"\" (", "x ", ")", 100),
        ("CREATE x (USE (", "\\Sent ", "))", 10),
        ("FETCH 1 BODY[", "1.", "1]", 63),
    ] {
        let command = |count| format!("c {start}{}{end}", item.repeat(count));
        assert!(ask(&mut session, &command(max)).contains("c OK "), "{start}");
        let beyond = ask(&mut session, &command(max + 1));
        assert!(beyond.contains("c BAD [LIMIT] "), "{start}: {beyond}");
    }
}

#[test]
fn long_uid_sets_are_understood() {
    let mut session = selected(options());
    let set: Vec<_> = (1..=10_000).map(|uid| (uid * 3).to_string()).collect();
    assert!(ask(&mut session, &format!("c UID FETCH {} FLAGS", set.join(","))).contains("c OK "));
}

#[test]
fn failed_logins_end_the_session() {
    let mut session = Session::new(Arc::new(options()));
    run(&mut session);
    let mut answers = 0;
    loop {
        session.receive(b"a LOGIN ana wrong\r\n");
        match session.step() {
            Step::Ask(_) => session.auth(Answer::Refused(wire::auth::Refusal::Credentials)),
            step => panic!("{step:?}"),
        }
        answers += 1;
        if run(&mut session).is_none() {
            break;
        }
    }
    assert_eq!(answers, 11);
    assert!(said(&mut session).ends_with("* BYE Too many errors\r\n"));
}

/// The rest of a message is read and dropped; what follows it is the next command.
#[test]
fn append_that_fails_in_the_middle() {
    let mut session = selected(options());
    session.receive(b"c APPEND INBOX {10+}\r\n01234");
    loop {
        match session.step() {
            Step::Ask(Effect::AppendData(octets)) => {
                assert_eq!(octets, Bytes::from_static(b"01234"));
                session.done(Done::No(Refusal::Unavailable));
                break;
            }
            Step::Ask(effect) => answer(&mut session, &effect),
            step => panic!("{step:?}"),
        }
    }
    assert!(matches!(session.step(), Step::Ask(Effect::AppendAbort)));
    run(&mut session);
    assert_eq!(said(&mut session), "");
    session.receive(b"6789\n\r\nd NOOP\r\n");
    run(&mut session);
    let said = said(&mut session);
    assert_eq!(said, "c NO [UNAVAILABLE] Try again later\r\nd OK NOOP completed\r\n");
}

#[test]
fn a_command_at_hand_is_answered_before_the_server_goes_down() {
    let mut session = selected(options());
    session.receive(b"c NOOP\r\nd NOOP\r\n");
    assert!(matches!(session.step(), Step::Ask(Effect::Poll { expunges: true })));
    session.event(Event::ShuttingDown);
    session.done(Done::Ok(None));
    assert!(matches!(session.step(), Step::Close));
    let said = said(&mut session);
    assert!(said.starts_with("c OK NOOP completed\r\n* BYE "), "{said}");
}

#[test]
fn hidden_capabilities_are_neither_shown_nor_enabled() {
    let mut options = options();
    options.hidden_capabilities = vec!["imap4REV2".to_owned(), "APPENDLIMIT".to_owned()];
    let mut session = selected(options);
    let said = ask(&mut session, "c CAPABILITY");
    assert!(!said.contains("IMAP4rev2") && !said.contains("APPENDLIMIT"), "{said}");
    assert!(ask(&mut session, "c ENABLE IMAP4rev2").starts_with("* ENABLED\r\n"));
}

/// RFC 4978 §3: "The client MUST NOT send any further commands until it has seen the result".
#[test]
fn compress_is_refused_when_more_was_sent_behind_it() {
    let mut session = selected(options());
    session.receive(b"c COMPRESS DEFLATE\r\nd CHE");
    assert!(matches!(session.step(), Step::Wait(_)));
    session.receive(b"CK now\r\ne COMPRESS DEFLATE\r\n");
    assert!(matches!(session.step(), Step::Compress));
    let said = said(&mut session);
    assert_eq!(
        said,
        "c BAD [CLIENTBUG] Wait for the answer to COMPRESS\r\nd BAD Too many arguments\r\n\
         e OK DEFLATE active\r\n"
    );
    assert!(ask(&mut session, "f COMPRESS DEFLATE").starts_with("f NO [COMPRESSIONACTIVE] "));
}

#[test]
fn compress_is_neither_shown_nor_done_when_hidden() {
    let mut options = options();
    options.hidden_capabilities = vec!["compress=deflate".to_owned()];
    let mut session = selected(options);
    assert!(!ask(&mut session, "c CAPABILITY").contains("COMPRESS"));
    session.receive(b"d COMPRESS DEFLATE\r\n");
    assert!(matches!(session.step(), Step::Wait(_)));
    assert_eq!(said(&mut session), "d BAD Unknown command\r\n");
}

/// Bodies of commands, so that random input gets past the first word.
fn command() -> impl Strategy<Value = Vec<u8>> {
    let words = prop::sample::select(vec![
        "a ",
        "LOGIN ",
        "x y",
        "SELECT INBOX",
        "UID ",
        "FETCH ",
        "1:* ",
        "(FLAGS BODY[1.2])",
        "IDLE",
        "DONE",
        "\r\n",
        "{3}\r\n",
        "{5+}\r\n",
        "~{4+}\r\n",
        "APPEND INBOX ",
        "(\\Seen $x) ",
        "\"q\\\"\"",
        "SEARCH ",
        "NOT (OR ALL SEEN) ",
        "RETURN (MIN)",
        "STORE 1 +FLAGS ",
        "LIST \"\" ",
        "% ",
        "UTF8 (",
        ")",
        "QRESYNC (1 2)",
        "ENABLE QRESYNC",
        "CLOSE",
        "STATUS x (MESSAGES)",
        "COPY $ x",
        " ",
        "*",
        "AUTHENTICATE PLAIN",
        "AGEAYg==",
        "STARTTLS",
        "LOGOUT",
        "ID (\"a\" NIL)",
        "\0",
        "\u{e9}",
    ]);
    prop::collection::vec(
        prop_oneof![
            8 => words.prop_map(|word| word.as_bytes().to_vec()),
            1 => prop::collection::vec(any::<u8>(), 0..6),
        ],
        0..60,
    )
    .prop_map(|words| words.concat())
}

/// Everything that is said, by octets in pieces.
fn all_said(octets: &[u8], piece_octets: usize) -> Vec<u8> {
    let mut session = Session::new(Arc::new(options()));
    let mut out = Vec::new();
    let login: &[u8] = b"a LOGIN ana secret\r\nb SELECT INBOX\r\n";
    for piece in std::iter::once(login).chain(octets.chunks(piece_octets)) {
        if run(&mut session).is_none() {
            break;
        }
        out.extend_from_slice(&session.outbox().take());
        session.receive(piece);
    }
    run(&mut session);
    out.extend_from_slice(&session.outbox().take());
    out
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, ..ProptestConfig::default() })]

    #[test]
    fn random_input_is_no_panic_and_pieces_make_no_difference(octets in command()) {
        prop_assume!(!octets.windows(8).any(|w| w.eq_ignore_ascii_case(b"STARTTLS")));
        let whole = all_said(&octets, usize::MAX);
        for piece_octets in [1, 3, 7] {
            prop_assert_eq!(
                all_said(&octets, piece_octets).escape_ascii().to_string(),
                whole.escape_ascii().to_string()
            );
        }
    }

    #[test]
    fn random_input_with_tls_is_no_panic(octets in command()) {
        let mut options = options();
        options.starttls = true;
        let mut session = Session::new(Arc::new(options));
        for piece in octets.chunks(5) {
            if run(&mut session).is_none() {
                break;
            }
            session.receive(piece);
        }
        run(&mut session);
    }
}
