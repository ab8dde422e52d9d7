//! A whole SMTP, submission or LMTP session: the first octet chooses options, the second the size
//! of pieces, the third how the world answers; the rest is what the client sends.
#![no_main]

use libfuzzer_sys::fuzz_target;
use smtp::{Effect, Kind, Limits, Options, Session, Verdict};
use wire::auth::{Answer, Ask, Refusal, ScramKeys};
use wire::{Event, Machine, Step};

fuzz_target!(|data: &[u8]| {
    let [options, piece, world, input @ ..] = data else { return };
    let whole = play(*options, *world, input, usize::MAX);
    assert!(whole.said.len() <= 4_096 + input.len() * 256, "answers out of proportion");
    // After STARTTLS what has arrived is dropped, which depends on the pieces.
    let starttls = input.windows(8).any(|word| word.eq_ignore_ascii_case(b"STARTTLS"));
    if !starttls {
        let pieces = play(*options, *world, input, usize::from(*piece).max(1));
        assert!(pieces.said == whole.said, "pieces make a difference");
        assert!(pieces.delivered == whole.delivered, "pieces make a difference to messages");
    }
});

#[derive(Default)]
struct World {
    choice: u8,
    asked: u32,
    recipients: usize,
    /// Content of the message at hand.
    content: Vec<u8>,
    binary: bool,
    delivered: Vec<Vec<u8>>,
    said: Vec<u8>,
}

fn play(options: u8, choice: u8, input: &[u8], piece: usize) -> World {
    let mut limits = Limits::default();
    if options & 1 != 0 {
        limits.line_octets_max = 64;
        limits.message_octets_max = 64;
        limits.data_line_octets_max = 32;
        limits.recipients_max = 2;
    }
    let kind = match options >> 1 & 3 {
        0 => Kind::Submission,
        1 => Kind::Lmtp,
        _ => Kind::Reception,
    };
    let host_name = "mx.example.test".to_owned();
    let mut session = Session::new(limits, Options { kind, host_name, starttls: options & 8 != 0, release: None });
    if options & 16 != 0 {
        session.event(secured());
    }
    let mut world = World { choice, ..World::default() };
    let start: &[u8] = match kind {
        Kind::Lmtp => b"LHLO x\r\n",
        _ if options & 32 == 0 => b"",
        Kind::Submission => b"EHLO x\r\nAUTH PLAIN AGEAYg==\r\n",
        Kind::Reception => b"EHLO x\r\nMAIL FROM:<a@b.example>\r\nRCPT TO:<c@d.example>\r\n",
    };
    for piece in std::iter::once(start).chain(input.chunks(piece)) {
        if !world.run(&mut session) {
            return world;
        }
        session.receive(piece);
    }
    if world.run(&mut session) {
        session.event(Event::Eof);
        assert!(!world.run(&mut session), "open after the end");
    }
    world
}

fn secured() -> Event {
    Event::Secured { exporter: Some([7; 32]), description: String::new() }
}

impl World {
    /// Runs to the next wait; `false` at the end.
    fn run(&mut self, session: &mut Session) -> bool {
        loop {
            let step = session.step();
            self.said.extend_from_slice(&session.outbox().take());
            match step {
                Step::Ask(effect) => self.answer(session, effect),
                Step::Wait(_) => return true,
                Step::StartTls => session.event(secured()),
                Step::Compress | Step::EndCompress => panic!("SMTP compresses nothing"),
                Step::Close => return false,
            }
        }
    }

    /// Content comes in different numbers for different pieces: it is always taken.
    fn answer(&mut self, session: &mut Session, effect: Effect) {
        if let Effect::Data(bytes) = &effect {
            assert!(!bytes.is_empty(), "content of nothing");
            self.content.extend_from_slice(bytes);
            session.done(Ok(()));
            return;
        }
        self.asked += 1;
        let refused = self.choice.rotate_left(self.asked) & 1 != 0;
        let outcome = if refused { Err(Verdict::MailboxFull) } else { Ok(()) };
        match effect {
            Effect::Auth(ask) => session.auth(login(&ask, refused)),
            Effect::Mail(from) => {
                (self.recipients, self.binary) = (0, from.body == smtp::effect::Body::Binary);
                session.done(outcome);
            }
            Effect::Recipient(_) => {
                self.recipients += usize::from(outcome.is_ok());
                session.done(outcome);
            }
            Effect::DataBegin(_) => {
                assert!(self.recipients > 0, "content for nobody");
                self.content.clear();
                session.done(outcome);
            }
            Effect::DataEnd => {
                let content = std::mem::take(&mut self.content);
                assert!(self.binary || has_whole_line_ends(&content), "a bare CR or LF");
                self.delivered.push(content);
                session.delivered(&vec![outcome; self.recipients]);
            }
            Effect::Abort | Effect::Data(_) => {}
        }
    }
}

fn login(ask: &Ask, refused: bool) -> Answer {
    match ask {
        Ask::Scram { .. } => {
            let (stored_key, server_key) = ([1; 32], [2; 32]);
            let keys = ScramKeys { salt: vec![1], iterations: 1, stored_key, server_key };
            Answer::Scram { keys, nonce: [5; 18] }
        }
        Ask::ScramEnded { proven: false, .. } => Answer::Refused(Refusal::Credentials),
        _ if refused => Answer::Refused(Refusal::Credentials),
        _ => Answer::Accepted { login: "a".to_owned() },
    }
}

fn has_whole_line_ends(content: &[u8]) -> bool {
    let pairs = content.windows(2).filter(|pair| *pair == b"\r\n").count();
    let count = |octet: u8| content.iter().filter(|one| **one == octet).count();
    count(b'\r') == pairs && count(b'\n') == pairs
}
