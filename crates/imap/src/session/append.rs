//! APPEND as it streams: begin, octets, the next message or the end (RFC 9051 §6.3.12, RFC 3502).
//!
//! Never more than what one `receive` brought is held. All messages are committed together, or
//! none: after the first refusal the rest is read and dropped.

use super::ask::Then;
use super::input::{Announced, Frame};
use super::read::{Discard, without_line_end};
use super::{Phase, Session};
use crate::answer::{self, Answer};
use crate::command::{Message, message_after_message};
use crate::cursor::Cursor;
use crate::effect::{Effect, Refusal};
use mail::{NumberSet, Uid, UidValidity};
use wire::{Patience, Step};

/// An APPEND at hand.
#[derive(Debug)]
pub struct Append {
    tag: Box<str>,
    mailbox: String,
    /// Messages that were begun.
    messages: usize,
    /// Octets of the message at hand still to come.
    left: u64,
    /// `)` must follow the octets.
    utf8: bool,
    /// The client waits for `+`.
    waiting: bool,
}

impl Append {
    pub fn new(tag: &str, mailbox: String) -> Self {
        Self { tag: tag.into(), mailbox, messages: 0, left: 0, utf8: false, waiting: false }
    }
}

impl Session {
    /// A message's literal was announced; its line is taken.
    pub(super) fn message(&mut self, append: Box<Append>, message: Message, literal: Announced) {
        let limits = &self.options.limits;
        let refusal = if literal.octets == 0 {
            // RFC 3502 §6.3.11: an empty literal cancels the command.
            Some(answer::EMPTY_MESSAGE)
        } else if literal.octets > self.options.append_octets_max {
            Some(answer::MESSAGE_TOO_BIG)
        } else if append.messages >= limits.append_messages_max {
            Some(answer::TOO_MANY_MESSAGES)
        } else {
            None
        };
        if let Some(answer) = refusal {
            self.abort(&append);
            self.refuse(&append.tag, answer, literal);
            return;
        }
        let effect = Effect::AppendBegin {
            mailbox: append.mailbox.clone(),
            options: message.options,
            octets: literal.octets,
            literal8: literal.literal8,
        };
        let append = Append {
            messages: append.messages + 1,
            left: literal.octets,
            utf8: message.utf8,
            waiting: literal.synchronising,
            ..*append
        };
        let tag = append.tag.clone();
        self.ask(&tag, effect, Then::MessageBegun(Box::new(append)));
    }

    /// The answer to [`Effect::AppendBegin`] and [`Effect::AppendData`].
    pub(super) fn message_taken(&mut self, mut append: Box<Append>, refusal: Option<Refusal>) {
        let Some(refusal) = refusal else {
            if std::mem::take(&mut append.waiting) {
                self.put(b"+ Go on\r\n");
            }
            self.phase = Phase::Octets(append);
            return;
        };
        let answer = answer::refused(refusal, true);
        self.abort(&append);
        if append.waiting {
            self.finish(&append.tag, &answer, None);
        } else {
            let discard = Discard { tag: append.tag, answer, left: append.left };
            self.phase = Phase::Discarding(Box::new(discard));
        }
    }

    /// Phase [`Phase::Octets`].
    pub(super) fn read_octets(&mut self, mut append: Box<Append>) -> Option<Step<Effect>> {
        if append.left == 0 {
            self.phase = Phase::AfterOctets(append);
        } else if self.input.is_empty() {
            self.phase = Phase::Octets(append);
            return Some(Step::Wait(Patience::Middle));
        } else {
            let octets = self.input.take_octets(append.left);
            append.left -= octets.len() as u64;
            let tag = append.tag.clone();
            self.ask(&tag, Effect::AppendData(octets), Then::MessageBegun(append));
        }
        None
    }

    /// Phase [`Phase::AfterOctets`]: the end of the command or another message.
    pub(super) fn read_after_octets(&mut self, append: Box<Append>) -> Option<Step<Effect>> {
        match self.input.frame(self.command_octets_max()) {
            Frame::Partial => {
                self.phase = Phase::AfterOctets(append);
                return Some(Step::Wait(Patience::Middle));
            }
            Frame::TooLong => {
                self.abort(&append);
                self.bye("[TOOBIG] Command is too long");
            }
            Frame::Command => {
                let line = self.input.take_command();
                let end = rest_of_message(&line, append.utf8).and_then(|mut rest| rest.end());
                match end {
                    Ok(()) => self.ask(&append.tag, Effect::AppendEnd, Then::Appended),
                    Err(answer) => {
                        self.abort(&append);
                        self.finish(&append.tag, &answer, None);
                    }
                }
            }
            Frame::Literal(literal) => {
                let line = self.input.take_command();
                let message = rest_of_message(&line, append.utf8)
                    .and_then(|mut rest| message_after_message(&mut rest));
                match message {
                    Ok(message) => self.message(append, message, literal),
                    Err(answer) => {
                        self.abort(&append);
                        self.refuse(&append.tag, answer, literal);
                    }
                }
            }
        }
        None
    }

    /// The answer to [`Effect::AppendEnd`]: UidValidity of the mailbox and the new Uids in the
    /// order of the messages. Nothing was kept when it is a refusal.
    pub fn appended(&mut self, appended: Result<(UidValidity, Vec<Uid>), Refusal>) {
        let (tag, _) = self.outcome(|then| matches!(then, Then::Appended));
        match appended {
            Ok((validity, uids)) => {
                let set = NumberSet::of_numbers(uids.iter().map(|uid| uid.0));
                let code = format!("APPENDUID {validity} {set}");
                self.finish(&tag, &Answer::ok("APPEND completed"), Some(code));
            }
            Err(refusal) => self.finish(&tag, &answer::refused(refusal, true), None),
        }
    }

    fn abort(&mut self, append: &Append) {
        if append.messages > 0 {
            self.tell(Effect::AppendAbort);
        }
    }
}

/// What follows the octets of a message on their last line.
fn rest_of_message(line: &[u8], utf8: bool) -> Result<Cursor<'_>, Answer> {
    let mut cursor = Cursor::new(without_line_end(line), 0);
    if utf8 {
        cursor.expect(b')', "Expected )")?;
    }
    Ok(cursor)
}
