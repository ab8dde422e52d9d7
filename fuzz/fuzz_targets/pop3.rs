//! A whole POP3 session: the first octet chooses options, the second the size of pieces, the third
//! how the world answers; up to an octet FF come messages, divided by FE, then what the client sends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::{AccountId, MessageId, Uid, UidValidity};
use pop3::{Effect, Limits, Message, Opened, Options, Refusal, Session};
use std::sync::Arc;
use wire::auth::{Answer, Ask, ScramKeys};
use wire::{Event, Machine, Step};

fuzz_target!(|data: &[u8]| {
    let [options, piece, world, rest @ ..] = data else { return };
    let end = rest.iter().position(|octet| *octet == 0xff).unwrap_or(0);
    let (messages, input) = rest.split_at(end);
    let messages: Vec<&[u8]> = messages.split(|octet| *octet == 0xfe).collect();
    let world =
        |octets_at_once| World { messages: &messages, choice: *world, asked: 0, octets_at_once };
    let whole = play(*options, world(usize::MAX), input, usize::MAX);
    // RETR and TOP cost what the messages have, twice at most (all dots or bare LF).
    let largest = messages.iter().map(|message| message.len()).max().unwrap_or(0);
    let commands = input.split(|octet| *octet == b'\n').count();
    assert!(whole.len() <= 4_096 + commands * (4_096 + 3 * largest + 64 * messages.len()));
    // After STLS what has arrived is dropped, which depends on the pieces.
    let stls = input.windows(4).any(|word| word.eq_ignore_ascii_case(b"STLS"));
    if !stls {
        let piece = usize::from(*piece).max(1);
        assert!(play(*options, world(piece), input, piece) == whole, "pieces make a difference");
    }
});

fn play(options: u8, mut world: World<'_>, input: &[u8], piece: usize) -> Vec<u8> {
    let mut limits = Limits::default();
    if options & 1 != 0 {
        limits.command_octets_max = 32;
        limits.auth_octets_max = 64;
        limits.piece_octets_max = 16;
    }
    let mut session = Session::new(Arc::new(Options {
        limits,
        host_name: "mail.example.test".to_owned(),
        starttls: options & 2 != 0,
        outlook_2003: options & 4 != 0,
    }));
    if options & 8 != 0 {
        session.event(secured());
    }
    let login: &[u8] = if options & 16 != 0 { b"USER a\r\nPASS b\r\n" } else { b"" };
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
struct World<'a> {
    messages: &'a [&'a [u8]],
    choice: u8,
    asked: u32,
    octets_at_once: usize,
}

impl World<'_> {
    /// Runs to the next wait; `false` at the end.
    fn run(&mut self, session: &mut Session, said: &mut Vec<u8>) -> bool {
        loop {
            let step = session.step();
            said.extend_from_slice(&session.outbox().take());
            match step {
                Step::Ask(effect) => self.answer(session, effect),
                Step::Wait(_) => return true,
                Step::StartTls => session.event(secured()),
                Step::Compress | Step::EndCompress => panic!("POP3 compresses nothing"),
                Step::Close => return false,
            }
        }
    }

    fn refuses(&mut self) -> bool {
        self.asked += 1;
        self.choice.rotate_left(self.asked) & 1 != 0
    }

    fn answer(&mut self, session: &mut Session, effect: Effect) {
        match effect {
            Effect::Auth(Ask::Scram { .. }) => {
                let (stored_key, server_key) = ([1; 32], [2; 32]);
                let keys = ScramKeys { salt: vec![1], iterations: 1, stored_key, server_key };
                session.auth(Answer::Scram { keys, nonce: [5; 18] });
            }
            Effect::Auth(Ask::ScramEnded { proven: false, .. }) => {
                session.auth(Answer::Refused(wire::auth::Refusal::Credentials));
            }
            Effect::Auth(_) if self.refuses() => {
                session.auth(Answer::Refused(wire::auth::Refusal::Credentials));
            }
            Effect::Auth(_) => session.auth(Answer::Accepted { login: "a".to_owned() }),
            Effect::Open if self.refuses() => session.opened(Err(Refusal::InUse)),
            Effect::Open => session.opened(Ok(self.opened())),
            Effect::Read { message, offset } => self.read(session, message, offset),
            Effect::Update { erase, seen } => {
                assert!(erase.iter().all(|uid| uid as usize <= self.messages.len()));
                assert!(seen.iter().all(|uid| !erase.contains(uid)), "seen and erased");
                let refused = self.refuses().then_some(Refusal::Unavailable);
                session.updated(refused.map_or(Ok(()), Err));
            }
            Effect::Drain => {}
        }
    }

    fn opened(&self) -> Opened {
        let message = |(uid, octets): (u32, &&[u8])| Message {
            uid: Uid(uid),
            id: MessageId(uid + 7),
            octets: octets.len() as u32,
        };
        let messages = (1..).zip(self.messages).map(message).collect();
        Opened { account: AccountId(1), uid_validity: UidValidity(5), messages }
    }

    /// Refuses at the beginning alone, so that the size of pieces makes no difference.
    fn read(&mut self, session: &mut Session, message: Message, offset: u32) {
        if offset == 0 && self.refuses() {
            session.content(Err(Refusal::Gone));
            return;
        }
        let rest = &self.messages[message.uid.0 as usize - 1][offset as usize..];
        session.content(Ok(&rest[..rest.len().min(self.octets_at_once)]));
    }
}
