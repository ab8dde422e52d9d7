//! A whole IMAP session: the first octet chooses options, the second the size of pieces, the third
//! how the world answers; the rest is what the client sends.
#![no_main]

use imap::effect::{Appended, Done, Effect, Refusal, Selected};
use imap::{Limits, Options, Session};
use libfuzzer_sys::fuzz_target;
use mail::{ModSeq, Uid, UidValidity};
use std::sync::Arc;
use wire::auth::{Answer, ScramKeys};
use wire::{Event, Machine, Step};

fuzz_target!(|data: &[u8]| {
    let [options, piece, world, input @ ..] = data else { return };
    let whole = play(*options, *world, input, usize::MAX);
    assert!(whole.len() <= 4_096 + input.len() * 256, "answers out of proportion");
    // After STARTTLS what has arrived is dropped, and COMPRESS is refused when more has arrived: both
    // depend on the pieces.
    let switches = input.windows(8).any(|word| {
        word.eq_ignore_ascii_case(b"STARTTLS") || word.eq_ignore_ascii_case(b"COMPRESS")
    });
    if !switches {
        let pieces = play(*options, *world, input, usize::from(*piece).max(1));
        assert!(pieces == whole, "pieces make a difference");
    }
});

fn play(options: u8, world: u8, input: &[u8], piece: usize) -> Vec<u8> {
    let small = options & 1 != 0;
    let mut limits = Limits::default();
    if small {
        limits.command_octets_max = 512;
        limits.greeting_command_octets_max = 256;
    }
    let mut session = Session::new(Arc::new(Options {
        limits,
        host: "mail.example.test".to_owned(),
        tls_required: options & 2 != 0,
        starttls: options & 4 != 0,
        append_octets_max: if small { 64 } else { 1 << 20 },
        hidden_capabilities: Vec::new(),
        jmap_session_url: (options & 4 != 0).then(|| "https://example.test/jmap".to_owned()),
    }));
    if options & 8 != 0 {
        session.event(secured());
    }
    let login: &[u8] = if options & 16 != 0 { b"a LOGIN a b\r\nb SELECT INBOX\r\n" } else { b"" };
    let mut world = World { choice: world, asked: 0 };
    let mut said = Vec::new();
    for piece in std::iter::once(login).chain(input.chunks(piece)) {
        if !world.run(&mut session, &mut said) {
            return said;
        }
        session.receive(piece);
    }
    if world.run(&mut session, &mut said) {
        session.event(Event::Eof);
        assert!(!world.run(&mut session, &mut said), "open after the end");
    }
    said
}

fn secured() -> Event {
    Event::Secured { exporter: Some([7; 32]), description: String::new() }
}

/// How effects are answered.
struct World {
    choice: u8,
    asked: u32,
}

impl World {
    /// Runs to the next wait; `false` at the end.
    fn run(&mut self, session: &mut Session, said: &mut Vec<u8>) -> bool {
        loop {
            let step = session.step();
            said.extend_from_slice(&session.outbox().take());
            match step {
                Step::Ask(effect) => self.answer(session, &effect),
                Step::Wait(_) => return true,
                Step::StartTls => session.event(secured()),
                // The driver inflates: to the machine what follows looks as before.
                Step::Compress | Step::EndCompress => {}
                Step::Close => return false,
            }
        }
    }

    /// Data and news come in different numbers for different pieces: they are always answered
    /// alike.
    fn answer(&mut self, session: &mut Session, effect: &Effect) {
        match effect {
            Effect::AppendData(_) | Effect::Poll { .. } => {
                session.done(Done::Ok(None));
                return;
            }
            Effect::Id(_) | Effect::Unauthenticate | Effect::Idle(_) | Effect::AppendAbort => {
                return;
            }
            _ => self.asked += 1,
        }
        let refused = self.choice.rotate_left(self.asked) & 1 != 0;
        match effect {
            Effect::Auth(wire::auth::Ask::Scram { .. }) => {
                let (stored_key, server_key) = ([1; 32], [2; 32]);
                let keys = ScramKeys { salt: vec![1], iterations: 1, stored_key, server_key };
                session.auth(Answer::Scram { keys, nonce: [5; 18] });
            }
            Effect::Auth(wire::auth::Ask::ScramEnded { proven: false, .. }) => {
                session.auth(Answer::Refused(wire::auth::Refusal::Credentials));
            }
            Effect::Auth(_) if refused => {
                session.auth(Answer::Refused(wire::auth::Refusal::Credentials));
            }
            Effect::Auth(_) => session.auth(Answer::Accepted { login: "a".to_owned() }),
            Effect::Select { .. } if refused => session.selected(Err(Refusal::NoSuchMailbox)),
            Effect::Select { qresync, read_only, .. } => {
                session.selected(Ok(selected(*read_only)));
                if qresync.is_some() {
                    session.done(Done::Ok(None));
                }
            }
            Effect::AppendEnd if refused => session.appended(Err(Refusal::OverQuota)),
            Effect::AppendEnd => session.appended(Ok(Appended {
                uid_validity: UidValidity(1),
                uids: vec![Uid(7)],
                highest_modseq: Some(ModSeq(9)),
            })),
            _ if refused => session.done(Done::No(Refusal::NoSuchMailbox)),
            _ => session.done(Done::Ok(None)),
        }
    }
}

fn selected(read_only: bool) -> Selected {
    Selected {
        mailbox: "INBOX".to_owned(),
        exists: 3,
        recent: 0,
        first_unseen: None,
        uid_validity: 5,
        uid_next: 9,
        highest_modseq: 7,
        keywords: Vec::new(),
        mailbox_id: "M1".to_owned(),
        read_only,
        permanent: if read_only { imap::types::Permanent::NONE } else { imap::types::Permanent::ALL },
    }
}
