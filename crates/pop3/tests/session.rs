//! What transcripts do not show: patience, back-pressure, octets that no client would send.

#![allow(clippy::unwrap_used, clippy::panic)]

mod world;

use pop3::{Limits, Options, Session};
use proptest::prelude::*;
use std::sync::Arc;
use wire::{Event, Machine as _, Patience, Step};
use world::{World, greeted, logged_in, options, secured};

fn patience(session: &mut Session) -> Patience {
    match session.step() {
        Step::Wait(patience) => patience,
        other => panic!("{other:?}"),
    }
}

#[test]
fn patience_of_each_phase() {
    let (mut world, mut session) = greeted(options());
    assert_eq!(patience(&mut session), Patience::Greeting);
    session.receive(b"AUTH LOGIN\r\n");
    assert_eq!(patience(&mut session), Patience::Greeting);
    session.receive(b"YW5h\r\nc2VjcmV0\r\n");
    world.run(&mut session);
    assert_eq!(patience(&mut session), Patience::Command);
}

/// A listing of many messages gives the peer time to take it, and nothing of it is lost.
#[test]
fn piece_octets_max() {
    let limits = Limits { piece_octets_max: 100, ..Limits::default() };
    let mut session = Session::new(Arc::new(Options { limits, ..options() }));
    session.event(secured());
    let mut world = World { messages: vec![b"x".to_vec(); 1_000], ..World::default() };
    session.receive(b"USER a\r\nPASS b\r\nDELE 500\r\nLIST\r\nUIDL\r\n");
    let mut said = Vec::new();
    loop {
        let step = session.step();
        let octets = session.outbox().take();
        // At the limit it goes on; a line of a listing has at most 23 octets more.
        assert!(octets.len() < 100 + 160, "{}", octets.len());
        said.extend_from_slice(&octets);
        match step {
            Step::Ask(effect) => world.perform(&mut session, effect),
            Step::Wait(_) => break,
            other => panic!("{other:?}"),
        }
    }
    assert!(world.drains > 200, "{}", world.drains);
    let said = String::from_utf8(said).unwrap();
    let (_, list) = said.split_once("999 messages (999 octets)\r\n").unwrap();
    let (list, uidl) = list.split_once("+OK 999 messages (999 octets)\r\n").unwrap();
    let wanted: String = (1..=1_000).filter(|n| *n != 500).map(|n| format!("{n} 1\r\n")).collect();
    assert_eq!(list, format!("{wanted}.\r\n"));
    assert_eq!(uidl.lines().count(), 1_000);
}

#[test]
fn command_octets_max_of_the_defaults() {
    let (mut world, mut session) = greeted(options());
    let user = |octets: usize| format!("USER {}\r\n", "x".repeat(octets - 7));
    session.receive(user(512).as_bytes());
    assert!(world.run(&mut session).0.starts_with("+OK"));
    session.receive(user(513).as_bytes());
    assert_eq!(world.run(&mut session).0, "-ERR Line is too long\\r\\n");
    let auth = |octets: usize| format!("AUTH {}\r\n", "x".repeat(octets - 7));
    session.receive(auth(12_288).as_bytes());
    assert_eq!(world.run(&mut session).0, "-ERR Mechanism is not offered\\r\\n");
    session.receive(auth(12_289).as_bytes());
    assert_eq!(world.run(&mut session).0, "-ERR Line is too long\\r\\n");
}

#[test]
fn a_session_that_is_not_answered_ends() {
    let (_, mut session) = greeted(options());
    session.receive(b"USER a\r\nPASS b\r\n");
    assert!(matches!(session.step(), Step::Ask(_)));
    assert!(matches!(session.step(), Step::Close));
}

#[test]
fn what_was_said_in_clear_is_forgotten() {
    let mut session = Session::new(Arc::new(options()));
    let mut world = World::default();
    session.receive(b"STLS\r\nUSER ana\r\nPASS secret\r\nSTAT\r\n");
    let (said, _) = world.run(&mut session);
    assert!(said.ends_with("+OK Begin TLS negotiation\\r\\n"), "{said}");
    session.receive(b"PASS secret\r\n");
    assert_eq!(world.run(&mut session).0, "-ERR Say USER first\\r\\n");
}

#[test]
fn the_end_of_input_comes_after_what_was_said_before() {
    let (mut world, mut session) = logged_in(options());
    session.receive(b"DELE 1\r\nQUIT\r\n");
    session.event(Event::Eof);
    let (said, open) = world.run(&mut session);
    assert!(said.ends_with("+OK Bye\\r\\n") && !open, "{said}");
}

fn command() -> impl Strategy<Value = Vec<u8>> {
    let verb = prop_oneof![
        Just("USER ana"),
        Just("PASS secret"),
        Just("AUTH PLAIN AGFuYQBzZWNyZXQ="),
        Just("AUTH LOGIN"),
        Just("YW5h"),
        Just("*"),
        Just("CAPA"),
        Just("STAT"),
        Just("LIST"),
        Just("UIDL 2"),
        Just("RETR 1"),
        Just("RETR 2"),
        Just("TOP 4 1"),
        Just("DELE 3"),
        Just("RSET"),
        Just("NOOP"),
        Just("LANG"),
        Just(""),
    ];
    let end = prop_oneof![8 => Just("\r\n"), 1 => Just("\n"), 1 => Just(" \r\n")];
    prop_oneof![
        9 => (verb, end).prop_map(|(verb, end)| [verb.as_bytes(), end.as_bytes()].concat()),
        1 => proptest::collection::vec(any::<u8>(), 0..30),
    ]
}

fn play(said: &[u8], piece_octets: usize) -> String {
    let (mut world, mut session) = greeted(options());
    let mut heard = String::new();
    for piece in said.chunks(piece_octets) {
        session.receive(piece);
        let (more, open) = world.run(&mut session);
        heard.push_str(&more);
        if !open {
            return heard;
        }
    }
    session.event(Event::Eof);
    let (more, open) = world.run(&mut session);
    assert!(!open, "open after the end");
    heard + &more
}

proptest! {
    #[test]
    fn pieces_make_no_difference(
        commands in proptest::collection::vec(command(), 0..20),
        piece_octets in 1_usize..9,
    ) {
        let said = commands.concat();
        prop_assert_eq!(play(&said, piece_octets), play(&said, usize::MAX));
    }
}
