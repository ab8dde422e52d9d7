//! The machine of one connection.

use crate::{
    command,
    content::Encoder,
    effect::{Effect, Opened, Refusal},
    limits::Limits,
    maildrop::{Listed, Maildrop, Message},
    reply::{self, Reply},
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::sync::Arc;
use wire::{
    Ends, Event, Line, Lines, Machine, Outbox, Patience, Step,
    auth::Answer,
    sasl::{Exchange, Failure, Mechanism, Turn},
};

/// What all sessions of a listener are told.
#[derive(Clone, Debug)]
pub struct Options {
    /// Limits.
    pub limits: Limits,
    /// Our name.
    pub host_name: String,
    /// STLS can be had.
    pub starttls: bool,
    /// Messages are changed so that Outlook 2003 and Outlook Express can take them: see
    /// [`crate::quirks`].
    pub outlook_2003: bool,
}

/// What an effect was asked for.
#[derive(Debug)]
pub(crate) enum Then {
    Password,
    Sasl(Box<Exchange>),
    Open,
    Content(Box<Reading>),
    Updated { quit: bool },
}

/// A message that is being sent.
#[derive(Debug)]
pub(crate) struct Reading {
    pub number: u32,
    pub message: Message,
    pub encoder: Encoder,
    /// RETR, not TOP.
    pub whole: bool,
    pub offset: u32,
    pub announced: bool,
}

#[derive(Debug)]
enum Phase {
    Start,
    Command,
    Sasl(Box<Exchange>),
    /// From this message on.
    Listing(Listed, u32),
    /// The effect is to be asked next.
    Ask(Effect, Then),
    Asked(Then),
    /// The listing goes on after the peer took some.
    Drained(Listed, u32),
    StartTls,
    /// The session ends; of a maildrop the world is told first.
    Ending {
        quit: bool,
    },
    Closed,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    pub(crate) options: Arc<Options>,
    phase: Phase,
    input: Lines,
    out: Outbox,
    pub(crate) secure: bool,
    exporter: Option<[u8; 32]>,
    pub(crate) user: Option<String>,
    pub(crate) maildrop: Option<Box<Maildrop>>,
    errors: u32,
    bad_commands: u32,
    eof: bool,
    stopping: bool,
}

impl Session {
    /// A session that greets when first asked for a step.
    #[must_use]
    pub fn new(options: Arc<Options>) -> Self {
        Self {
            options,
            phase: Phase::Start,
            input: Lines::default(),
            out: Outbox::default(),
            secure: false,
            exporter: None,
            user: None,
            maildrop: None,
            errors: 0,
            bad_commands: 0,
            eof: false,
            stopping: false,
        }
    }

    /// Mechanisms of AUTH that may be used now.
    pub(crate) fn mechanisms(&self) -> &'static [Mechanism] {
        if self.secure { Mechanism::offered(self.exporter.is_some()) } else { &[] }
    }

    /// Writes a line.
    pub(crate) fn line(&mut self, text: &str) {
        self.out.put(text.as_bytes());
        self.out.put(b"\r\n");
    }

    /// Answers a command.
    pub(crate) fn reply(&mut self, reply: Reply) {
        let status = if reply.ok { "+OK" } else { "-ERR" };
        match reply.code {
            "" => self.line(&format!("{status} {}", reply.text)),
            code => self.line(&format!("{status} [{code}] {}", reply.text)),
        }
        if !reply.ok && self.maildrop.is_none() {
            self.errors += 1;
            if self.errors > self.options.limits.greeting_errors_max {
                self.close_with(reply::TOO_MANY_ERRORS);
            }
        }
    }

    /// Answers a command that is none.
    pub(crate) fn bad(&mut self, reply: Reply) {
        self.reply(reply);
        self.bad_commands += 1;
        if self.bad_commands > self.options.limits.bad_commands_max {
            self.close_with(reply::TOO_MANY_ERRORS);
        }
    }

    /// A command was understood.
    pub(crate) const fn understood(&mut self) {
        self.bad_commands = 0;
    }

    /// Says the last word.
    pub(crate) fn close_with(&mut self, last: Reply) {
        if matches!(self.phase, Phase::Ending { .. }) {
            return;
        }
        self.phase = Phase::Ending { quit: false };
        let code = if last.code.is_empty() { String::new() } else { format!("[{}] ", last.code) };
        let status = if last.ok { "+OK" } else { "-ERR" };
        self.line(&format!("{status} {code}{}", last.text));
    }

    /// QUIT: with a maildrop, what comes of it is answered.
    pub(crate) fn quit(&mut self) {
        if self.maildrop.is_some() {
            self.phase = Phase::Ending { quit: true };
        } else {
            self.close_with(reply::BYE);
        }
    }

    pub(crate) fn ask(&mut self, effect: Effect, then: Then) {
        self.phase = Phase::Ask(effect, then);
    }

    pub(crate) fn start_tls(&mut self) {
        self.phase = Phase::StartTls;
    }

    pub(crate) fn list(&mut self, listed: Listed) {
        self.phase = Phase::Listing(listed, 1);
    }

    pub(crate) fn begin_sasl(&mut self, mechanism: Mechanism, initial: Option<&[u8]>) {
        let mut exchange = Box::new(Exchange::new(mechanism, self.exporter).scoped("pop"));
        let turn = exchange.start(initial);
        self.turn(exchange, turn);
    }

    /// Reads and runs one command. Whether there was one.
    fn command(&mut self) -> bool {
        let limits = &self.options.limits;
        let auth =
            self.input.peek().get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH"));
        let octets_max = if auth { limits.auth_octets_max } else { limits.command_octets_max };
        match self.input.next(octets_max, Ends::Lenient) {
            Line::Partial => return false,
            Line::Whole(line) => command::run(self, &line),
            Line::TooLong | Line::Bad => self.bad(reply::TOO_LONG),
        }
        true
    }

    /// Reads a client's turn of an exchange (RFC 5034 §4). Whether there was one.
    fn sasl(&mut self, mut exchange: Box<Exchange>) -> bool {
        let line = match self.input.next(self.options.limits.auth_octets_max, Ends::Lenient) {
            Line::Partial => {
                self.phase = Phase::Sasl(exchange);
                return false;
            }
            Line::Whole(line) => line,
            Line::TooLong | Line::Bad => {
                self.reply(reply::TOO_LONG);
                return true;
            }
        };
        if line.as_ref() == b"*" {
            self.reply(reply::AUTH_CANCELLED);
            return true;
        }
        let turn = match BASE64.decode(line.trim_ascii()) {
            Ok(response) => exchange.respond(&response),
            Err(_) => Turn::Failed(Failure::Malformed),
        };
        self.turn(exchange, turn);
        true
    }

    fn turn(&mut self, exchange: Box<Exchange>, turn: Turn) {
        match turn {
            Turn::Challenge(challenge) => {
                self.line(&format!("+ {}", BASE64.encode(challenge)));
                self.phase = Phase::Sasl(exchange);
            }
            Turn::Ask(ask) => self.ask(Effect::Auth(ask), Then::Sasl(exchange)),
            Turn::Accepted { .. } => self.ask(Effect::Open, Then::Open),
            Turn::Failed(Failure::Malformed) => self.reply(reply::MALFORMED_RESPONSE),
            Turn::Failed(Failure::Refused(refusal)) => self.reply(reply::login_refusal(refusal)),
        }
    }

    /// What [`Effect`] was asked for; the session goes on with commands unless told otherwise.
    fn asked(&mut self) -> Option<Then> {
        match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Asked(then) => Some(then),
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// Answer to [`Effect::Auth`].
    pub fn auth(&mut self, answer: Answer) {
        match (self.asked(), answer) {
            (Some(Then::Sasl(mut exchange)), answer) => {
                let turn = exchange.answered(answer);
                self.turn(exchange, turn);
            }
            (Some(Then::Password), Answer::Accepted { .. }) => self.ask(Effect::Open, Then::Open),
            (Some(Then::Password), Answer::Refused(refusal)) => {
                self.reply(reply::login_refusal(refusal));
            }
            // Keys are no answer to a password.
            (Some(Then::Password), Answer::Scram { .. }) => self.reply(reply::TRY_LATER),
            (other, _) => self.misled(other),
        }
    }

    /// Answer to [`Effect::Open`].
    pub fn opened(&mut self, outcome: Result<Opened, Refusal>) {
        match (self.asked(), outcome) {
            (Some(Then::Open), Ok(opened)) => {
                let maildrop = Box::new(Maildrop::new(opened));
                let (count, octets) = maildrop.status();
                self.maildrop = Some(maildrop);
                self.line(&format!("+OK Logged in, {count} messages ({octets} octets)"));
            }
            (Some(Then::Open), Err(refusal)) => self.reply(reply::refusal(refusal)),
            (other, _) => self.misled(other),
        }
    }

    /// Answer to [`Effect::Read`].
    pub fn content(&mut self, outcome: Result<&[u8], Refusal>) {
        let mut reading = match self.asked() {
            Some(Then::Content(reading)) => reading,
            other => return self.misled(other),
        };
        let left = reading.message.octets - reading.offset;
        let octets = match outcome {
            // More than is left would be another message's.
            Ok(octets) if octets.is_empty() == (left == 0) && octets.len() <= left as usize => {
                octets
            }
            Ok(_) => return self.unreadable(&reading, Refusal::Damaged),
            Err(refusal) => return self.unreadable(&reading, refusal),
        };
        if !reading.announced {
            reading.announced = true;
            if reading.whole {
                self.line(&format!("+OK {} octets", reading.message.octets));
            } else {
                self.reply(reply::TOP_FOLLOWS);
            }
        }
        let wanted = reading.encoder.write(octets, &mut self.out);
        reading.offset += u32::try_from(octets.len()).unwrap_or(left);
        if wanted && reading.offset < reading.message.octets {
            self.read(reading);
            return;
        }
        reading.encoder.finish(&mut self.out);
        if let Some(maildrop) = self.maildrop.as_mut().filter(|_| reading.whole) {
            maildrop.seen(reading.number);
        }
    }

    /// In the middle of an answer nothing can be said but by ending it too early.
    fn unreadable(&mut self, reading: &Reading, refusal: Refusal) {
        if reading.announced {
            self.phase = Phase::Ending { quit: false };
        } else {
            self.reply(reply::refusal(refusal));
        }
    }

    /// Asks for more of a message.
    pub(crate) fn read(&mut self, reading: Box<Reading>) {
        let effect = Effect::Read { message: reading.message, offset: reading.offset };
        self.ask(effect, Then::Content(reading));
    }

    /// Answer to [`Effect::Update`].
    pub fn updated(&mut self, outcome: Result<(), Refusal>) {
        match self.asked() {
            Some(Then::Updated { quit }) => {
                if quit {
                    let last = if outcome.is_ok() { reply::BYE } else { reply::NOT_REMOVED };
                    self.reply(last);
                }
                self.phase = Phase::Closed;
            }
            other => self.misled(other),
        }
    }

    /// An answer to a question that was not asked is a mistake of ours: the session cannot go on.
    fn misled(&mut self, then: Option<Then>) {
        if then.is_some() {
            self.phase = Phase::Ending { quit: false };
        }
    }

    /// Writes a piece of a listing.
    fn write_list(&mut self, listed: Listed, from: u32) {
        let mut next = from;
        if let Some(maildrop) = self.maildrop.as_deref() {
            while let Some((number, message)) = maildrop.next(next) {
                if self.out.len() >= self.options.limits.piece_octets_max {
                    self.phase = Phase::Drained(listed, next);
                    return;
                }
                self.out.put(maildrop.line(number, &message, listed).as_bytes());
                self.out.put(b"\r\n");
                next = number.saturating_add(1);
            }
        }
        self.out.put(b".\r\n");
        self.phase = Phase::Command;
    }

    /// The last word to the world, then the end.
    fn end(&mut self, quit: bool) {
        let Some(maildrop) = &mut self.maildrop else {
            self.phase = Phase::Closed;
            return;
        };
        if !quit {
            // RFC 1939 §6: without QUIT "the POP3 session does NOT enter the UPDATE state and MUST
            // not remove any messages".
            maildrop.undelete_all();
        }
        let (erase, seen) = (maildrop.deleted(), maildrop.read());
        self.phase = Phase::Ask(Effect::Update { erase, seen }, Then::Updated { quit });
    }

    /// Between commands it is said why; in the middle of an answer nothing can be said.
    fn withdraw(&mut self) {
        match self.phase {
            Phase::Start | Phase::Command | Phase::Sasl(_) => self.close_with(reply::WITHDRAWN),
            Phase::Ending { .. } | Phase::Closed => {}
            Phase::Listing(..)
            | Phase::Ask(..)
            | Phase::Asked(_)
            | Phase::Drained(..)
            | Phase::StartTls => self.phase = Phase::Ending { quit: false },
        }
    }

    fn greet(&mut self) {
        // No `<…>`: it would offer APOP (RFC 1939 §7).
        let text = format!("+OK {} Palomar POP3 is ready", self.options.host_name);
        self.line(&text);
        self.phase = Phase::Command;
    }

    const fn patience(&self) -> Patience {
        match (&self.phase, &self.maildrop) {
            (_, None) => Patience::Greeting,
            (Phase::Sasl(_), _) => Patience::Middle,
            _ => Patience::Command,
        }
    }

    /// Moves on from where it is. `Some` is the step that is wanted.
    fn advance(&mut self) -> Option<Step<Effect>> {
        let is_between = matches!(self.phase, Phase::Command | Phase::Sasl(_));
        if is_between && self.stopping {
            self.close_with(reply::GOING_DOWN);
            return None;
        }
        let moved = match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Start => {
                self.greet();
                true
            }
            Phase::Command => self.command(),
            Phase::Sasl(exchange) => self.sasl(exchange),
            Phase::Listing(listed, from) => {
                self.write_list(listed, from);
                true
            }
            Phase::Drained(listed, from) => {
                self.phase = Phase::Listing(listed, from);
                return Some(Step::Ask(Effect::Drain));
            }
            Phase::Ask(effect, then) => {
                self.phase = Phase::Asked(then);
                return Some(Step::Ask(effect));
            }
            Phase::StartTls => {
                self.input.clear();
                return Some(Step::StartTls);
            }
            Phase::Ending { quit } => {
                self.end(quit);
                true
            }
            // The bridge has not answered: nothing can go on.
            Phase::Asked(_) | Phase::Closed => {
                self.phase = Phase::Closed;
                return Some(Step::Close);
            }
        };
        if moved {
            return None;
        }
        if self.eof {
            self.phase = Phase::Ending { quit: false };
            return None;
        }
        Some(Step::Wait(self.patience()))
    }
}

impl Machine for Session {
    type Effect = Effect;

    fn step(&mut self) -> Step<Effect> {
        loop {
            if let Some(step) = self.advance() {
                return step;
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.input.receive(bytes);
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Secured { exporter, description: _ } => {
                // RFC 2595 §4: what was said before TLS means nothing.
                self.secure = true;
                self.exporter = exporter;
                self.user = None;
                self.input.clear();
            }
            Event::Eof => self.eof = true,
            // RFC 1939 §3: "the server should close the TCP connection without removing any
            // messages or sending any response to the client".
            Event::TimedOut => self.phase = Phase::Ending { quit: false },
            Event::ShuttingDown => self.stopping = true,
            Event::Withdrawn => self.withdraw(),
            Event::News => {}
        }
    }

    fn outbox(&mut self) -> &mut Outbox {
        &mut self.out
    }
}
