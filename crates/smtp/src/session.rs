//! The machine of one connection.

use crate::{
    command,
    content::Content,
    effect::{Body, Effect, Introduction, Verdict},
    limits::Limits,
    reply::{self, Reply},
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use bytes::{Buf, BytesMut};
use wire::{
    Event, Machine, Outbox, Patience, Step,
    auth::{self, Refusal},
    sasl::{Exchange, Failure, Turn},
};

/// What a listener is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Mail from the world for our domains.
    Reception,
    /// Mail from our users (RFC 6409): login first.
    Submission,
    /// Mail from a trusted server of ours (RFC 2033).
    Lmtp,
}

/// What a session is told at its start.
#[derive(Clone, Debug)]
pub struct Options {
    /// What the listener is for.
    pub kind: Kind,
    /// Our name.
    pub host_name: String,
    /// STARTTLS can be had.
    pub starttls: bool,
    /// What is held for its sender (RFC 4865), of submissions.
    pub release: Option<Release>,
}

/// How long messages are held when their sender asks for it (RFC 4865 §3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Release {
    /// Seconds at most.
    pub seconds_max: u32,
    /// The latest time, as RFC 3339 has it: now and those seconds.
    pub until: String,
}

/// The transaction at hand.
#[derive(Debug, Default)]
pub(crate) struct Transaction {
    pub body: Body,
    pub utf8: bool,
    pub recipients: usize,
    /// Recipients that were refused for now: DATA without any accepted says so.
    pub chunks: bool,
}

/// What a command is waiting for.
#[derive(Debug)]
pub(crate) enum Then {
    Mail(Transaction),
    Recipient,
    Data,
    Chunk { octets: u64, last: bool },
    Content,
    Delivered,
    Sasl(Box<Exchange>),
}

#[derive(Debug)]
pub(crate) enum Phase {
    Start,
    Command,
    Sasl(Box<Exchange>),
    Data(Box<Content>),
    /// Octets of a chunk to come; without content they are dropped.
    Chunk {
        left: u64,
        last: bool,
        content: Option<Box<Content>>,
    },
    Asking(Then),
    /// Between a step and the next: something is to be done at once.
    StartTls,
    Closing,
    Closed,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    pub(crate) limits: Limits,
    pub(crate) options: Options,
    pub(crate) phase: Phase,
    input: BytesMut,
    out: Outbox,
    pub(crate) introduction: Introduction,
    pub(crate) exporter: Option<[u8; 32]>,
    pub(crate) secure: bool,
    pub(crate) transaction: Option<Transaction>,
    /// Content of BDAT between chunks, or of a message whose room is being asked for.
    pub(crate) content: Option<Box<Content>>,
    errors: u32,
    ask: Option<Effect>,
    eof: bool,
    stopping: bool,
}

impl Session {
    /// A session that greets when first asked for a step.
    #[must_use]
    pub fn new(limits: Limits, options: Options) -> Self {
        Self {
            limits,
            options,
            phase: Phase::Start,
            input: BytesMut::new(),
            out: Outbox::default(),
            introduction: Introduction::default(),
            exporter: None,
            secure: false,
            transaction: None,
            content: None,
            errors: 0,
            ask: None,
            eof: false,
            stopping: false,
        }
    }

    /// Writes one line, or one of several.
    pub(crate) fn line(&mut self, code: u16, more: bool, status: &str, text: &str) {
        let separator = if more { "-" } else { " " };
        let space = if status.is_empty() { "" } else { " " };
        self.out.put(format!("{code}{separator}{status}{space}{text}\r\n").as_bytes());
    }

    /// Says how a message or a recipient's copy of it fared: not the peer's error.
    fn outcome(&mut self, reply: Reply) {
        self.line(reply.code, false, reply.status, reply.text);
    }

    /// Answers a command.
    pub(crate) fn reply(&mut self, reply: Reply) {
        self.line(reply.code, false, reply.status, reply.text);
        if reply.is_error() {
            self.errors += 1;
        }
        if self.errors > self.limits.errors_max {
            let last = reply::TOO_MANY_ERRORS;
            self.line(last.code, false, last.status, last.text);
            self.phase = Phase::Closing;
        }
    }

    pub(crate) fn close_with(&mut self, reply: Reply) {
        self.line(reply.code, false, reply.status, reply.text);
        self.phase = Phase::Closing;
    }

    pub(crate) fn ask(&mut self, effect: Effect, then: Then) {
        self.ask = Some(effect);
        self.phase = Phase::Asking(then);
    }

    /// Ends the transaction; the world forgets it too.
    pub(crate) fn reset(&mut self) {
        if self.transaction.take().is_some() {
            self.ask = Some(Effect::Abort);
        }
        self.content = None;
    }

    fn greet(&mut self) {
        let protocol = if self.options.kind == Kind::Lmtp { "LMTP" } else { "ESMTP" };
        let text = format!("{} {protocol} Palomar", self.options.host_name);
        self.line(220, false, "", &text);
        self.phase = Phase::Command;
    }

    /// Reads the next command line. `None` when more input is needed.
    fn next_line(&mut self, octets_max: usize) -> Option<Result<String, Reply>> {
        let Some(end) = memchr::memchr(b'\n', &self.input) else {
            if self.input.len() > octets_max {
                self.close_with(reply::LINE_TOO_LONG);
            }
            return None;
        };
        if end >= octets_max {
            // As above, however the line was cut into packets.
            self.close_with(reply::LINE_TOO_LONG);
            return None;
        }
        let line = self.input.split_to(end + 1);
        self.release();
        let Some(text) = line.strip_suffix(b"\r\n") else {
            return Some(Err(reply::BARE_LINE_END));
        };
        if text.iter().any(|b| matches!(b, b'\r' | 0)) {
            return Some(Err(reply::BARE_LINE_END));
        }
        Some(String::from_utf8(text.to_vec()).map_err(|_| reply::SYNTAX))
    }

    /// An idle session holds no buffer.
    fn release(&mut self) {
        if self.input.is_empty() {
            self.input = BytesMut::new();
        }
    }

    /// Reads and runs one command. Whether there was one.
    fn command(&mut self) -> bool {
        let auth = self.limits.auth_line_octets_max;
        let is_auth = self.input.get(..4).is_some_and(|verb| verb.eq_ignore_ascii_case(b"AUTH"));
        let octets_max = if is_auth { auth } else { self.limits.line_octets_max };
        match self.next_line(octets_max) {
            None => false,
            Some(Err(fault)) => {
                self.reply(fault);
                true
            }
            Some(Ok(line)) => {
                command::run(self, &line);
                true
            }
        }
    }

    fn sasl_line(&mut self) -> bool {
        match self.next_line(self.limits.auth_line_octets_max) {
            None => return false,
            Some(Err(fault)) => {
                self.phase = Phase::Command;
                self.reply(fault);
            }
            Some(Ok(line)) => {
                let Phase::Sasl(mut exchange) = std::mem::replace(&mut self.phase, Phase::Command)
                else {
                    return true;
                };
                if line == "*" {
                    self.reply(reply::AUTH_CANCELLED);
                } else {
                    let turn = match BASE64.decode(line.trim()) {
                        Ok(response) => exchange.respond(&response),
                        Err(_) => Turn::Failed(Failure::Malformed),
                    };
                    self.turn(exchange, turn);
                }
            }
        }
        true
    }

    /// Takes a turn of an exchange.
    pub(crate) fn turn(&mut self, exchange: Box<Exchange>, turn: Turn) {
        match turn {
            Turn::Challenge(challenge) => {
                self.line(334, false, "", &BASE64.encode(challenge));
                self.phase = Phase::Sasl(exchange);
            }
            Turn::Ask(ask) => self.ask(Effect::Auth(ask), Then::Sasl(exchange)),
            Turn::Accepted { .. } => {
                self.introduction.authenticated = true;
                self.reply(reply::LOGGED_IN);
            }
            Turn::Failed(Failure::Malformed) => self.reply(reply::MALFORMED_RESPONSE),
            Turn::Failed(Failure::Refused(refusal)) => self.reply(match refusal {
                Refusal::Credentials | Refusal::Authorization => reply::WRONG_CREDENTIALS,
                Refusal::Disabled => reply::ACCOUNT_DISABLED,
                Refusal::Unavailable | Refusal::TooMany => reply::AUTH_UNAVAILABLE,
            }),
        }
    }

    /// Reads content of DATA. Whether there was any.
    fn data(&mut self) -> bool {
        if self.input.is_empty() {
            return false;
        }
        let Phase::Data(mut content) = std::mem::replace(&mut self.phase, Phase::Command) else {
            return false;
        };
        let mut out = BytesMut::with_capacity(self.input.len());
        let (taken, end) = content.feed(&self.input, &mut out);
        self.input.advance(taken);
        self.release();
        if end {
            self.content = Some(content);
            if out.is_empty() {
                self.end();
            } else {
                self.ask(Effect::Data(out.freeze()), Then::Content);
            }
        } else if out.is_empty() {
            self.phase = Phase::Data(content);
        } else {
            self.content = Some(content);
            // Asked with the end not yet seen: the answer goes on reading.
            self.ask(Effect::Data(out.freeze()), Then::Data);
        }
        true
    }

    /// Reads octets of a chunk. Whether there were any, or the chunk is over.
    fn chunk(&mut self) -> bool {
        let Phase::Chunk { left, last, content } =
            std::mem::replace(&mut self.phase, Phase::Command)
        else {
            return false;
        };
        let here = usize::try_from(left).unwrap_or(usize::MAX).min(self.input.len());
        if here == 0 && left > 0 {
            self.phase = Phase::Chunk { left, last, content };
            return false;
        }
        let piece = self.input.split_to(here);
        self.release();
        let left = left - here as u64;
        let Some(mut content) = content else {
            self.phase = Phase::Chunk { left, last, content: None };
            if left == 0 {
                self.phase = Phase::Command;
                self.reply(reply::BAD_SEQUENCE);
            }
            return true;
        };
        let mut out = BytesMut::with_capacity(piece.len());
        content.feed(&piece, &mut out);
        if left == 0 && last {
            content.finish();
        }
        self.content = Some(content);
        let then = Then::Chunk { octets: left, last };
        if out.is_empty() {
            self.chunk_taken(left, last);
        } else {
            self.ask(Effect::Data(out.freeze()), then);
        }
        true
    }

    /// A piece of a chunk is stored.
    fn chunk_taken(&mut self, left: u64, last: bool) {
        if left > 0 {
            self.phase = Phase::Chunk { left, last, content: self.content.take() };
        } else if last {
            self.end();
        } else {
            self.phase = Phase::Command;
            match self.content.as_ref().and_then(|content| content.fault()) {
                // RFC 3030 §2: what follows is out of order.
                Some(fault) => {
                    self.reset();
                    self.reply(fault);
                }
                None => self.reply(reply::CHUNK_OK),
            }
        }
    }

    /// All content is here: deliver it, or say what is wrong with it.
    fn end(&mut self) {
        let fault = self.content.take().and_then(|content| content.fault());
        let Some(fault) = fault else {
            self.ask(Effect::DataEnd, Then::Delivered);
            return;
        };
        let recipients = self.transaction.as_ref().map_or(1, |t| t.recipients);
        self.phase = Phase::Command;
        self.reset();
        self.answer_all(&vec![fault; recipients]);
    }

    /// LMTP answers for each recipient, SMTP once (RFC 2033 §4.2).
    fn answer_all(&mut self, replies: &[Reply]) {
        if self.options.kind == Kind::Lmtp {
            for reply in replies {
                self.outcome(*reply);
            }
            return;
        }
        // One that can be tried again speaks for all: the sender keeps the message.
        let worst = replies.iter().copied().filter(Reply::is_error).min_by_key(|r| r.code);
        self.outcome(worst.unwrap_or(reply::ACCEPTED));
    }

    fn asked(&mut self) -> Option<Then> {
        match std::mem::replace(&mut self.phase, Phase::Command) {
            Phase::Asking(then) => Some(then),
            other => {
                self.phase = other;
                None
            }
        }
    }

    /// Answer to [`Effect::Auth`].
    pub fn auth(&mut self, answer: auth::Answer) {
        if let Some(Then::Sasl(mut exchange)) = self.asked() {
            let turn = exchange.answered(answer);
            self.turn(exchange, turn);
        }
    }

    /// Answer to the effects that are allowed or refused.
    pub fn done(&mut self, outcome: Result<(), Verdict>) {
        match self.asked() {
            Some(Then::Mail(transaction)) => match outcome {
                Ok(()) => {
                    self.transaction = Some(transaction);
                    self.reply(reply::SENDER_OK);
                }
                Err(verdict) => self.reply(verdict.reply()),
            },
            Some(Then::Recipient) => match outcome {
                Ok(()) => {
                    if let Some(transaction) = &mut self.transaction {
                        transaction.recipients += 1;
                    }
                    self.reply(reply::RECIPIENT_OK);
                }
                Err(verdict) => self.reply(verdict.reply()),
            },
            Some(Then::Data) => {
                if let (Err(verdict), None) = (outcome, &self.content) {
                    self.reset();
                    self.reply(verdict.reply());
                    return;
                }
                let mut content = self.content.take().unwrap_or_else(|| {
                    let new = Content::data(
                        self.limits.data_line_octets_max,
                        self.limits.message_octets_max,
                    );
                    self.line(354, false, "", reply::SEND_DATA.text);
                    Box::new(new)
                });
                if let Err(verdict) = outcome {
                    content.spoil(verdict.reply());
                }
                self.phase = Phase::Data(content);
            }
            Some(Then::Content) => {
                if let (Err(verdict), Some(content)) = (outcome, &mut self.content) {
                    content.spoil(verdict.reply());
                }
                self.end();
            }
            Some(Then::Chunk { octets, last }) => {
                if let (Err(verdict), Some(content)) = (outcome, &mut self.content) {
                    content.spoil(verdict.reply());
                }
                self.chunk_taken(octets, last);
            }
            Some(Then::Delivered | Then::Sasl(_)) | None => {}
        }
    }

    /// Answer to [`Effect::DataEnd`]: an outcome for each recipient that was accepted, in order.
    pub fn delivered(&mut self, outcomes: &[Result<(), Verdict>]) {
        if !matches!(self.asked(), Some(Then::Delivered)) {
            return;
        }
        self.transaction = None;
        let word = |outcome: &Result<(), Verdict>| match outcome {
            Ok(()) => reply::ACCEPTED,
            Err(verdict) => verdict.reply(),
        };
        let replies: Vec<Reply> = outcomes.iter().map(word).collect();
        self.answer_all(&replies);
    }

    fn patience(&self) -> Patience {
        match self.phase {
            Phase::Sasl(_) | Phase::Data(_) | Phase::Chunk { .. } => Patience::Middle,
            _ if self.introduction.hello.is_empty() => Patience::Greeting,
            _ => Patience::Command,
        }
    }
}

impl Machine for Session {
    type Effect = Effect;

    fn step(&mut self) -> Step<Effect> {
        loop {
            if let Some(effect) = self.ask.take() {
                return Step::Ask(effect);
            }
            let moved = match &self.phase {
                Phase::Start => {
                    self.greet();
                    true
                }
                Phase::Command if self.stopping => {
                    self.reset();
                    self.close_with(reply::GOING_DOWN);
                    true
                }
                Phase::Command => self.command(),
                Phase::Sasl(_) => self.sasl_line(),
                Phase::Data(_) => self.data(),
                Phase::Chunk { .. } => self.chunk(),
                // The bridge has not answered: nothing can go on.
                Phase::Asking(_) | Phase::Closed => return Step::Close,
                Phase::StartTls => {
                    self.phase = Phase::Command;
                    self.input = BytesMut::new();
                    return Step::StartTls;
                }
                Phase::Closing => {
                    self.phase = Phase::Closed;
                    self.reset();
                    match self.ask.take() {
                        Some(effect) => return Step::Ask(effect),
                        None => return Step::Close,
                    }
                }
            };
            if !moved && !matches!(self.phase, Phase::Closing) {
                if self.eof {
                    self.phase = Phase::Closing;
                    continue;
                }
                return Step::Wait(self.patience());
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Secured { exporter, description } => {
                // RFC 3207 §4.2: everything known before is forgotten.
                self.secure = true;
                self.exporter = exporter;
                self.introduction =
                    Introduction { tls: Some(description), ..Introduction::default() };
                self.transaction = None;
                self.content = None;
                self.input = BytesMut::new();
            }
            Event::Eof => self.eof = true,
            Event::TimedOut => self.close_with(reply::TIMED_OUT),
            Event::ShuttingDown => self.stopping = true,
            Event::Withdrawn => {
                self.ask = None;
                self.close_with(reply::WITHDRAWN);
            }
            Event::News => {}
        }
    }

    fn outbox(&mut self) -> &mut Outbox {
        &mut self.out
    }
}
