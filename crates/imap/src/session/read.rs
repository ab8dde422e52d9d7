//! From frames to commands: what is done with a whole command, with a literal, and with a command
//! that is refused before it is whole.

use super::ask::{Running, Then};
use super::input::{Announced, Frame};
use super::{Phase, Session, State};
use crate::answer::{self, Answer};
use crate::command::{self, Next, Read};
use crate::cursor::Cursor;
use crate::effect::Effect;
use bytes::BytesMut;
use wire::{Patience, Step};

/// A refused command whose rest is still coming.
#[derive(Debug)]
pub struct Discard {
    pub tag: Box<str>,
    pub answer: Answer,
    /// Instead of the answer's own.
    pub code: Option<String>,
    /// Octets of a literal still to be dropped.
    pub left: u64,
}

const TOO_LONG: &str = "[TOOBIG] Command is too long";

impl Session {
    /// Octets that a command may have now.
    pub(super) fn command_octets_max(&self) -> usize {
        let limits = &self.options.limits;
        match self.state {
            State::NotAuthenticated => limits.greeting_command_octets_max,
            State::Authenticated | State::Selected { .. } => limits.command_octets_max,
        }
    }

    /// Phase [`Phase::Reading`].
    pub(super) fn read(&mut self) -> Option<Step<Effect>> {
        match self.input.frame(self.command_octets_max()) {
            Frame::Partial => {
                if std::mem::take(&mut self.news) && self.notifying {
                    // RFC 5465 §3.1: "even when no command is in progress".
                    self.ask("", Effect::Poll { expunges: false }, Then::GoOnReading);
                    return None;
                }
                return Some(Step::Wait(self.patience()));
            }
            Frame::TooLong => self.bye(TOO_LONG),
            Frame::Command => {
                let command = self.input.take_command();
                self.run(&command);
            }
            Frame::Literal(literal) => self.literal(literal),
        }
        None
    }

    /// A whole command.
    fn run(&mut self, command: &BytesMut) {
        let command = without_line_end(command);
        // An empty line before a tag is passed over (quirk 4).
        if command.is_empty() {
            return;
        }
        let nesting_max = self.options.limits.nesting_max;
        let mut cursor = Cursor::new(command, nesting_max);
        let Some(tag) = cursor.tag() else {
            self.write_tagged("*", &Answer::syntax("Expected a tag"), None);
            return;
        };
        let next = cursor.space().and_then(|()| command::run(self, &mut cursor));
        match next {
            Ok(next) => self.proceed(tag, next),
            Err(answer) => self.write_tagged(tag, &answer, None),
        }
    }

    /// A command up to a literal.
    fn literal(&mut self, literal: Announced) {
        let framed = without_line_end(self.input.framed());
        let mut cursor = Cursor::new(framed, self.options.limits.nesting_max);
        let tag = cursor.tag().unwrap_or("*").to_owned();
        let verb = match self.state {
            State::NotAuthenticated => None,
            _ => cursor.space().ok().and_then(|()| command::append_verb(&mut cursor)),
        };
        if let Some(verb) = verb {
            match command::append_head(self, &mut cursor, verb) {
                Ok(Read::ReadOn) => {}
                Ok(Read::Done(head)) => {
                    drop(self.input.take_command());
                    self.begin_append(&tag, head, Some(literal));
                    return;
                }
                Err(answer) => {
                    drop(self.input.take_command());
                    self.refuse(&tag, answer, literal);
                    return;
                }
            }
        }
        self.accept_argument(&tag, literal);
    }

    /// Lets a literal be part of the command, or refuses the command.
    pub(super) fn accept_argument(&mut self, tag: &str, literal: Announced) -> bool {
        let announcement = self.input.framed().len() as u64;
        let whole = announcement.saturating_add(literal.octets);
        // LITERAL- before login (RFC 7888 §5), LITERAL+ after.
        let minus = self.options.limits.literal_minus_octets_max as u64;
        let too_big = whole >= self.command_octets_max() as u64
            || (self.state == State::NotAuthenticated
                && !literal.synchronising
                && literal.octets > minus);
        if too_big {
            drop(self.input.take_command());
            self.refuse(tag, answer::LITERAL_TOO_BIG, literal);
            return false;
        }
        self.input.accept(literal);
        if literal.synchronising {
            self.put(b"+ Go on\r\n");
        }
        true
    }

    /// Refuses a command at a literal. If the client does not wait for `+`, the literal is on its
    /// way: RFC 7888 §4 has it read and dropped, or the connection closed when it is too large.
    pub(super) fn refuse(&mut self, tag: &str, answer: Answer, literal: Announced) {
        self.refuse_with(tag, (answer, None), literal);
    }

    /// The same with a response code of its own.
    pub(super) fn refuse_with(
        &mut self,
        tag: &str,
        (answer, code): (Answer, Option<String>),
        literal: Announced,
    ) {
        if literal.synchronising {
            self.write_tagged(tag, &answer, code.as_deref());
            self.phase = Phase::Reading;
            return;
        }
        let drop_max = match self.state {
            State::NotAuthenticated => self.options.limits.literal_minus_octets_max as u64,
            State::Authenticated | State::Selected { .. } => self.options.append_octets_max,
        };
        if literal.octets > drop_max {
            self.write_tagged(tag, &answer, code.as_deref());
            self.bye("[TOOBIG] Literal is too large");
            return;
        }
        let discard = Discard { tag: tag.into(), answer, code, left: literal.octets };
        self.phase = Phase::Discarding(Box::new(discard));
    }

    /// Phase [`Phase::Discarding`].
    pub(super) fn discard(&mut self, mut discard: Box<Discard>) -> Option<Step<Effect>> {
        discard.left -= self.input.skip(discard.left);
        if discard.left > 0 {
            self.phase = Phase::Discarding(discard);
            return Some(Step::Wait(Patience::Middle));
        }
        match self.input.frame(self.command_octets_max()) {
            Frame::Partial => {
                self.phase = Phase::Discarding(discard);
                return Some(Step::Wait(Patience::Middle));
            }
            Frame::TooLong => self.bye(TOO_LONG),
            Frame::Literal(literal) => {
                drop(self.input.take_command());
                self.refuse_with(&discard.tag, (discard.answer, discard.code), literal);
            }
            Frame::Command => {
                drop(self.input.take_command());
                let Discard { tag, answer, code, .. } = *discard;
                self.finish(&tag, &answer, code);
            }
        }
        None
    }

    /// What a command that was understood leads to.
    fn proceed(&mut self, tag: &str, next: Next) {
        match next {
            Next::Answer(answer) => self.finish(tag, &answer, None),
            Next::Ask { effect, ok, poll, target } => {
                self.ask(tag, effect, Then::Answer { ok, poll, target });
            }
            Next::Auth(effect) => self.ask(tag, effect, Then::Login),
            Next::Select(select) => self.select(tag, select),
            Next::Leave { expunge, ok } => {
                self.ask(tag, Effect::Unselect { expunge }, Then::Leave { ok });
            }
            Next::Sasl(mechanism, initial) => self.begin_sasl(tag, &mechanism, initial.as_deref()),
            Next::Append(head) => self.begin_append(tag, *head, None),
            Next::Idle => self.begin_idle(tag),
            Next::StartTls => {
                self.write_tagged(tag, &Answer::ok("Begin TLS now"), None);
                self.phase = Phase::StartTls;
            }
            Next::Compress => {
                self.write_tagged(tag, &Answer::ok("DEFLATE active"), None);
                self.phase = Phase::Compress;
            }
            Next::Unauthenticate => {
                self.unauthenticate();
                self.tell(Effect::Unauthenticate);
                self.write_tagged(tag, &Answer::ok("UNAUTHENTICATE completed"), None);
                // RFC 8437 §3: compression ends on both sides.
                if self.is_compressed() {
                    self.phase = Phase::EndCompress;
                }
            }
            Next::Logout => {
                self.reply().bye("Logging out");
                self.write_tagged(tag, &Answer::ok("LOGOUT completed"), None);
                self.close();
            }
        }
    }

    fn begin_idle(&mut self, tag: &str) {
        self.put(b"+ Idling\r\n");
        self.tell(Effect::Idle(true));
        self.news = self.listens();
        self.phase = Phase::Idle(tag.into());
    }

    /// Phase [`Phase::Idle`]. DONE and the next commands may come in one packet (quirk 1).
    pub(super) fn idle(&mut self, tag: Box<str>) -> Option<Step<Effect>> {
        match self.input.frame(self.command_octets_max()) {
            Frame::Partial => {}
            Frame::TooLong => {
                self.bye(TOO_LONG);
                return None;
            }
            Frame::Literal(_) | Frame::Command => {
                let line = self.input.take_command();
                let done = without_line_end(&line).trim_ascii().eq_ignore_ascii_case(b"DONE");
                let ok = Answer::ok("IDLE completed");
                let answer = if done { ok } else { Answer::syntax("Expected DONE") };
                self.tell(Effect::Idle(false));
                self.finish(&tag, &answer, None);
                return None;
            }
        }
        // Also without a mailbox: the bridge may have to say that we are still there.
        if std::mem::take(&mut self.news) {
            let effect = Effect::Poll { expunges: true };
            self.ask(&tag, effect, Then::GoOnIdling);
            return None;
        }
        self.phase = Phase::Idle(tag);
        Some(Step::Wait(Patience::Idle))
    }

    /// Asks an effect for the command with that tag.
    pub(super) fn ask(&mut self, tag: &str, effect: Effect, then: Then) {
        assert!(self.running.is_none(), "one effect at a time");
        self.running = Some(Box::new(Running::new(tag, then)));
        self.asked = Some(effect);
        self.phase = Phase::Asking;
    }
}

/// Without CRLF or LF.
pub(super) fn without_line_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}
