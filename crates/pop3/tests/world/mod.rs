//! A world for the bare machine: a maildrop of a few messages in memory.

#![allow(dead_code, reason = "each test program uses a part")]
#![allow(clippy::unwrap_used, clippy::panic, clippy::indexing_slicing)]

use mail::{AccountId, MessageId, Uid, UidValidity};
use pop3::{Effect, Limits, Message, Opened, Options, Refusal, Session};
use std::sync::Arc;
use wire::{
    Event, Machine as _, Step,
    auth::{Answer, Ask, Refusal as LoginRefusal, ScramKeys},
    transcript,
};

/// What the maildrop holds, by number.
pub const MESSAGES: [&[u8]; 4] = [
    b"Subject: one\r\n\r\ntext\r\n.\r\n..dots\r\n",
    b"Subject: two\n\nbare\nline ends",
    b"Subject: three, without a body\r\n",
    b"Subject: four\r\nX: \0\r\n\r\n1\r\n2\r\n3\r\n",
];

pub struct World {
    pub messages: Vec<Vec<u8>>,
    /// Octets given at once.
    pub piece_octets: usize,
    /// How often the peer was asked to take some.
    pub drains: u32,
}

impl Default for World {
    fn default() -> Self {
        let messages = MESSAGES.map(<[u8]>::to_vec).to_vec();
        Self { messages, piece_octets: usize::MAX, drains: 0 }
    }
}

pub fn options() -> Options {
    Options {
        limits: Limits::default(),
        host_name: "mail.example.test".to_owned(),
        starttls: true,
        outlook_2003: false,
    }
}

pub fn secured() -> Event {
    Event::Secured { exporter: None, description: "TLS".to_owned() }
}

impl World {
    pub fn opened(&self) -> Opened {
        let message = |(at, octets): (u32, &Vec<u8>)| Message {
            uid: Uid(10 * at + 10),
            id: MessageId(at + 0xa0),
            octets: u32::try_from(octets.len()).unwrap(),
        };
        let messages = (0..).zip(&self.messages).map(message).collect();
        Opened { account: AccountId(7), uid_validity: UidValidity(0x65_00_00_01), messages }
    }

    fn read(&self, message: Message, offset: u32) -> &[u8] {
        let octets = &self.messages[(message.uid.0 / 10 - 1) as usize];
        let rest = &octets[offset as usize..];
        &rest[..rest.len().min(self.piece_octets)]
    }

    /// Answers as a world does in which all goes well.
    pub fn perform(&mut self, session: &mut Session, effect: Effect) {
        match effect {
            Effect::Auth(Ask::Scram { .. }) => session.auth(scram()),
            Effect::Auth(Ask::ScramEnded { proven: false, .. }) => {
                session.auth(Answer::Refused(LoginRefusal::Credentials));
            }
            Effect::Auth(_) => session.auth(accepted()),
            Effect::Open => session.opened(Ok(self.opened())),
            Effect::Read { message, offset } => session.content(Ok(self.read(message, offset))),
            Effect::Update { .. } => session.updated(Ok(())),
            Effect::Drain => self.drains += 1,
        }
    }

    /// Runs to the next wait; what was said. `None` in its place at the end.
    pub fn run(&mut self, session: &mut Session) -> (String, bool) {
        let mut said = Vec::new();
        loop {
            let step = session.step();
            said.extend_from_slice(&session.outbox().take());
            match step {
                Step::Ask(effect) => self.perform(session, effect),
                Step::Wait(_) => return (said.escape_ascii().to_string(), true),
                Step::StartTls => session.event(secured()),
                Step::Compress | Step::EndCompress => panic!("POP3 has no compression"),
                Step::Close => return (said.escape_ascii().to_string(), false),
            }
        }
    }
}

/// A session in TLS that has said its greeting.
pub fn greeted(options: Options) -> (World, Session) {
    let mut session = Session::new(Arc::new(options));
    session.event(secured());
    let mut world = World::default();
    assert!(world.run(&mut session).1);
    (world, session)
}

/// A session that is logged in.
pub fn logged_in(options: Options) -> (World, Session) {
    let (mut world, mut session) = greeted(options);
    session.receive(b"USER ana\r\nPASS secret\r\n");
    assert!(world.run(&mut session).0.contains("Logged in"));
    (world, session)
}

impl transcript::World for World {
    type Machine = Session;

    fn begin(&mut self, lines: &[&str]) -> Session {
        let mut options = options();
        for line in lines {
            match *line {
                "no-tls" => options.starttls = false,
                "outlook" => options.outlook_2003 = true,
                "pieces" => self.piece_octets = 5,
                "small" => {
                    options.limits.command_octets_max = 20;
                    options.limits.auth_octets_max = 40;
                    options.limits.greeting_errors_max = 3;
                    options.limits.bad_commands_max = 2;
                }
                other => panic!("unknown option: {other}"),
            }
        }
        Session::new(Arc::new(options))
    }

    fn answer(&mut self, session: &mut Session, effect: Effect, outcome: Option<&str>) {
        let Some(outcome) = outcome else { return self.perform(session, effect) };
        let (word, rest) = outcome.split_once(' ').unwrap_or((outcome, ""));
        match (effect, word) {
            (Effect::Auth(_), "refused") => session.auth(Answer::Refused(login_refusal(rest))),
            (Effect::Open, "refused") => session.opened(Err(refusal(rest))),
            (Effect::Read { .. }, "refused") => session.content(Err(refusal(rest))),
            (Effect::Read { .. }, "octets") => session.content(Ok(rest.as_bytes())),
            (Effect::Update { .. }, "refused") => session.updated(Err(refusal(rest))),
            (effect, "ok") => self.perform(session, effect),
            (effect, _) => panic!("{effect:?} has no outcome {outcome}"),
        }
    }

    fn is_quiet(&self, effect: &Effect) -> bool {
        *effect == Effect::Drain
    }
}

fn accepted() -> Answer {
    Answer::Accepted { login: "ana@example.test".to_owned() }
}

/// Keys (RFC 5802 §3) of the password "secret", salt "salt", 2 iterations.
fn scram() -> Answer {
    let stored_key = [
        74, 124, 97, 197, 112, 194, 65, 187, 170, 50, 113, 41, 95, 127, 196, 177, 158, 221, 177,
        222, 163, 131, 49, 168, 52, 242, 182, 189, 180, 76, 101, 149,
    ];
    let server_key = [
        170, 52, 87, 245, 43, 58, 72, 104, 54, 23, 41, 35, 106, 4, 138, 190, 225, 185, 27, 214, 75,
        116, 249, 85, 14, 191, 226, 21, 9, 113, 183, 176,
    ];
    let keys = ScramKeys { salt: b"salt".to_vec(), iterations: 2, stored_key, server_key };
    Answer::Scram { keys, nonce: [5; 18] }
}

fn refusal(name: &str) -> Refusal {
    match name {
        "Gone" => Refusal::Gone,
        "InUse" => Refusal::InUse,
        "Unavailable" => Refusal::Unavailable,
        "Damaged" => Refusal::Damaged,
        _ => panic!("unknown refusal: {name}"),
    }
}

fn login_refusal(name: &str) -> LoginRefusal {
    match name {
        "Credentials" => LoginRefusal::Credentials,
        "Authorization" => LoginRefusal::Authorization,
        "Disabled" => LoginRefusal::Disabled,
        "Unavailable" => LoginRefusal::Unavailable,
        "TooMany" => LoginRefusal::TooMany,
        _ => panic!("unknown refusal: {name}"),
    }
}
