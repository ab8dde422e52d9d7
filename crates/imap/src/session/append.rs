//! APPEND and REPLACE as they stream: begin, octets, the next part or message, the end (RFC 9051
//! §6.3.12, RFC 3502, RFC 4469, RFC 8508).
//!
//! Never more than what one `receive` brought is held. All messages are committed together, or
//! none: after the first refusal the rest is read and dropped.

use super::ask::Then;
use super::input::{Announced, Frame};
use super::read::{Discard, without_line_end};
use super::{Phase, Session};
use crate::answer::{self, Answer};
use crate::command::{Action, AppendHead, Message, Read, append_messages};
use crate::cursor::Cursor;
use crate::effect::{Appended, Effect, Refusal};
use crate::types::Replaced;
use crate::url;
use mail::NumberSet;
use std::collections::VecDeque;
use wire::{Patience, Step};

/// An answer with a response code of its own.
type Coded = (Answer, Option<String>);

/// An APPEND or REPLACE at hand.
#[derive(Debug)]
pub struct Append {
    tag: Box<str>,
    mailbox: String,
    /// The message that goes, until it was told with the first that comes.
    replaces: Option<Replaced>,
    is_replace: bool,
    /// What the line at hand still asks for; its literal, not yet accepted.
    actions: VecDeque<Action>,
    literal: Option<Announced>,
    /// Messages that were begun.
    messages: usize,
    /// Octets of the literal at hand still to come.
    left: u64,
    /// `)` must follow the octets.
    utf8: bool,
    /// Within `CATENATE (`.
    catenating: bool,
    /// The URL that was asked for.
    url: Option<String>,
}

impl Session {
    /// A command of messages came up to its first literal, or whole.
    pub(super) fn begin_append(&mut self, tag: &str, head: AppendHead, literal: Option<Announced>) {
        let append = Append {
            tag: tag.into(),
            mailbox: head.mailbox,
            is_replace: head.replaces.is_some(),
            replaces: head.replaces,
            actions: head.actions.into(),
            literal,
            messages: 0,
            left: 0,
            utf8: false,
            catenating: head.catenating,
            url: None,
        };
        self.act(Box::new(append));
    }

    /// The next thing to be done.
    fn act(&mut self, mut append: Box<Append>) {
        let outcome = match append.actions.pop_front() {
            Some(Action::Commit) => {
                let then = Then::Appended { replace: append.is_replace };
                let tag = append.tag;
                return self.ask(&tag, Effect::AppendEnd, then);
            }
            Some(Action::Message(message)) => self.announce(&mut append, message),
            Some(Action::Begin(options)) => {
                append.messages += 1;
                self.admit(&append).map(|()| Effect::AppendBegin {
                    mailbox: append.mailbox.clone(),
                    options,
                    octets: 0,
                    literal8: false,
                    replaces: append.replaces.take(),
                })
            }
            Some(Action::Text) => match append.literal {
                Some(literal) if literal.octets > self.options.append_octets_max => {
                    Err((answer::MESSAGE_TOO_BIG, None))
                }
                Some(literal) => {
                    append.left = literal.octets;
                    Ok(Effect::AppendText { octets: literal.octets })
                }
                None => Err((Answer::syntax("Expected a literal"), None)),
            },
            Some(Action::Url(text)) => match url::parse(&text) {
                Some(url) => {
                    append.url = Some(text);
                    Ok(Effect::AppendUrl(Box::new(url)))
                }
                None => {
                    return self.refuse_append(append, answer::BAD_URL, Some(url::in_code(&text)));
                }
            },
            None => {
                self.phase = Phase::AfterOctets(append);
                return;
            }
        };
        match outcome {
            Ok(effect) => {
                let tag = append.tag.clone();
                self.ask(&tag, effect, Then::MessageBegun(append));
            }
            Err((answer, code)) => self.refuse_append(append, answer, code),
        }
    }

    /// Whether another message may begin; it is counted already.
    fn admit(&self, append: &Append) -> Result<(), Coded> {
        if append.is_replace && append.messages > 1 {
            // RFC 8508 §4.7: "no interaction with MULTIAPPEND".
            return Err((Answer::syntax("REPLACE takes one message"), None));
        }
        let limits = &self.options.limits;
        let saved = [limits.command_messages_max, limits.saved_messages_max];
        if let Some(max) = saved.into_iter().filter(|max| *max > 0).min()
            && append.messages > max as usize
        {
            let refusal = Refusal::MessageLimit(max);
            return Err((answer::refused(refusal, true), answer::code(refusal)));
        }
        if append.messages > limits.append_messages_max {
            return Err((answer::TOO_MANY_MESSAGES, None));
        }
        Ok(())
    }

    /// A message's literal was announced.
    fn announce(&self, append: &mut Append, message: Message) -> Result<Effect, Coded> {
        let Some(literal) = append.literal else {
            return Err((Answer::syntax("Expected a literal"), None));
        };
        if literal.octets == 0 {
            // RFC 3502 §6.3.11: an empty literal cancels the command.
            return Err((answer::EMPTY_MESSAGE, None));
        }
        if literal.octets > self.options.append_octets_max {
            return Err((answer::MESSAGE_TOO_BIG, None));
        }
        append.messages += 1;
        self.admit(append)?;
        append.left = literal.octets;
        append.utf8 = message.utf8;
        Ok(Effect::AppendBegin {
            mailbox: append.mailbox.clone(),
            options: message.options,
            octets: literal.octets,
            literal8: literal.literal8,
            replaces: append.replaces.take(),
        })
    }

    /// The answer to every effect of a message's but the last.
    pub(super) fn message_taken(&mut self, mut append: Box<Append>, refusal: Option<Refusal>) {
        let url = append.url.take();
        if let Some(refusal) = refusal {
            let code = url.filter(|_| refusal == Refusal::BadUrl).map(|url| url::in_code(&url));
            self.refuse_append(append, answer::refused(refusal, true), code);
            return;
        }
        if !append.actions.is_empty() {
            self.act(append);
            return;
        }
        if append.literal.take().is_some_and(|literal| literal.synchronising) {
            self.put(b"+ Go on\r\n");
        }
        self.phase = Phase::Octets(append);
    }

    /// Ends the command badly: what is still to come of it is read and dropped.
    fn refuse_append(&mut self, append: Box<Append>, answer: Answer, code: Option<String>) {
        self.abort(&append);
        match append.literal {
            Some(literal) => self.refuse_with(&append.tag, (answer, code), literal),
            None if append.left == 0 && append.is_whole() => {
                self.finish(&append.tag, &answer, code);
            }
            None => {
                let discard = Discard { tag: append.tag, answer, code, left: append.left };
                self.phase = Phase::Discarding(Box::new(discard));
            }
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

    /// Phase [`Phase::AfterOctets`]: the end of the command, another part, or another message.
    pub(super) fn read_after_octets(&mut self, mut append: Box<Append>) -> Option<Step<Effect>> {
        let literal = match self.input.frame(self.command_octets_max()) {
            Frame::Partial => {
                self.phase = Phase::AfterOctets(append);
                return Some(Step::Wait(Patience::Middle));
            }
            Frame::TooLong => {
                self.abort(&append);
                self.bye("[TOOBIG] Command is too long");
                return None;
            }
            Frame::Command => None,
            Frame::Literal(literal) => Some(literal),
        };
        let framed = without_line_end(self.input.framed());
        match (rest_of_command(framed, &append), literal) {
            (Ok(Read::Done((actions, catenating))), _) => {
                drop(self.input.take_command());
                append.utf8 = false;
                append.actions = actions.into();
                append.catenating = catenating;
                append.literal = literal;
                self.act(append);
            }
            (Ok(Read::ReadOn), Some(literal)) => {
                let tag = append.tag.clone();
                if self.accept_argument(&tag, literal) {
                    self.phase = Phase::AfterOctets(append);
                } else {
                    self.abort(&append);
                }
            }
            (outcome, literal) => {
                drop(self.input.take_command());
                let answer = outcome.err().unwrap_or(Answer::syntax("Expected a literal"));
                self.abort(&append);
                match literal {
                    Some(literal) => self.refuse(&append.tag, answer, literal),
                    None => self.finish(&append.tag, &answer, None),
                }
            }
        }
        None
    }

    /// The answer to [`Effect::AppendEnd`]. Nothing was kept, and nothing is gone, when it is a
    /// refusal.
    pub fn appended(&mut self, appended: Result<Appended, Refusal>) {
        let (tag, then) = self.outcome(|then| matches!(then, Then::Appended { .. }));
        match appended {
            Ok(appended) => {
                let set = NumberSet::of_numbers(appended.uids.iter().map(|uid| uid.0));
                let code = format!("APPENDUID {} {set}", appended.uid_validity);
                if matches!(then, Then::Appended { replace: true }) {
                    // RFC 8508 §4.3: before the EXPUNGE, which the poll tells.
                    self.reply().ok(&code, "Replacement message is ready");
                    let code = appended.highest_modseq.filter(|_| self.enabled.qresync);
                    let code = code.map(|modseq| format!("HIGHESTMODSEQ {modseq}"));
                    self.finish(&tag, &Answer::ok("REPLACE completed"), code);
                } else {
                    self.finish(&tag, &Answer::ok("APPEND completed"), Some(code));
                }
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

impl Append {
    /// Whether the line at hand ends the command.
    fn is_whole(&self) -> bool {
        self.actions.back() == Some(&Action::Commit)
    }
}

/// What follows the octets of a message or part on their last line.
fn rest_of_command(line: &[u8], append: &Append) -> Result<Read<(Vec<Action>, bool)>, Answer> {
    let mut cursor = Cursor::new(line, 1);
    if append.utf8 {
        cursor.expect(b')', "Expected )")?;
    }
    append_messages(&mut cursor, append.catenating)
}
