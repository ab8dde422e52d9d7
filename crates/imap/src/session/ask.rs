//! Effects that are out: whose they are, and what their outcome leads to.

use super::append::Append;
use super::{Phase, Session, State};
use crate::answer::{self, Answer, Kind};
use crate::command::Poll;
use crate::effect::{Done, Effect, Refusal, Selected};

/// A command whose effect is out.
#[derive(Debug)]
pub struct Running {
    tag: Box<str>,
    then: Then,
}

/// What the outcome leads to.
#[derive(Debug)]
pub enum Then {
    /// The tagged answer.
    Answer { ok: &'static str, poll: Poll, target: bool },
    /// The tagged answer, which is ready: what was new is told.
    Ready(Vec<u8>),
    /// Logged in, or not.
    Login,
    /// The next turn of a SASL exchange.
    Sasl(Box<super::sasl::Sasl>),
    /// The mailbox is left by CLOSE or UNSELECT.
    Leave { ok: &'static str },
    /// The mailbox is left for another.
    LeaveFor(Box<Effect>),
    /// A mailbox is selected, with or without resynchronisation.
    Select { qresync: bool },
    /// Resynchronisation lines.
    Resync { read_only: bool },
    /// A message was begun or got octets.
    MessageBegun(Box<Append>),
    /// All messages were committed.
    Appended { replace: bool },
    /// News were told between commands.
    GoOnReading,
    /// IDLE heard its news.
    GoOnIdling,
}

impl Running {
    pub fn new(tag: &str, then: Then) -> Self {
        Self { tag: tag.into(), then }
    }
    pub fn tag(&self) -> &str {
        &self.tag
    }
    pub const fn is_idle(&self) -> bool {
        matches!(self.then, Then::GoOnIdling)
    }
}

impl Session {
    /// The answer to every effect that needs one and has no method of its own, after its lines
    /// through [`Session::reply`]. [`Done::More`] asks for [`Effect::More`] once the outbox is
    /// drained.
    pub fn done(&mut self, done: Done) {
        assert!(self.asked.is_none(), "an outcome before its effect was asked");
        if done == Done::More {
            assert!(self.running.is_some(), "more of nothing");
            self.asked = Some(Effect::More);
            return;
        }
        assert!(!self.line.open, "a FETCH line is open");
        let by_done = |then: &Then| {
            use Then::{Appended, Login, Sasl, Select};
            !matches!(then, Login | Sasl(_) | Select { .. } | Appended { .. })
        };
        let (tag, then) = self.outcome(by_done);
        let (code, refusal) = match done {
            Done::Ok(code) => (code, None),
            Done::No(refusal) => (answer::code(refusal), Some(refusal)),
            Done::More => (None, None),
        };
        match then {
            Then::Answer { ok, poll, target } => {
                let answer = refusal.map_or(Answer::ok(ok), |no| answer::refused(no, target));
                self.finish_after(&tag, &answer, code, poll);
            }
            Then::Ready(line) => {
                self.put(&line);
                self.phase = Phase::Reading;
            }
            Then::Leave { ok } => {
                self.state = State::Authenticated;
                let answer = refusal.map_or(Answer::ok(ok), |no| answer::refused(no, false));
                self.finish(&tag, &answer, code);
            }
            Then::LeaveFor(select) => {
                self.state = State::Authenticated;
                // RFC 9051 §7.1 CLOSED: what follows is the new mailbox's.
                self.put(b"* OK [CLOSED] Previous mailbox is closed\r\n");
                self.select(&tag, *select);
            }
            Then::Resync { read_only } => match refusal {
                None => self.finish_select(&tag, read_only),
                Some(refusal) => {
                    self.state = State::Authenticated;
                    self.finish(&tag, &answer::refused(refusal, false), None);
                }
            },
            Then::MessageBegun(append) => self.message_taken(append, refusal),
            Then::GoOnReading => self.phase = Phase::Reading,
            Then::GoOnIdling => self.phase = Phase::Idle(tag),
            Then::Login | Then::Sasl(_) | Then::Select { .. } | Then::Appended { .. } => {}
        }
    }

    /// The answer to [`Effect::Select`]. Writes the mailbox's untagged lines. When the effect had
    /// `qresync` and this is `Ok`, the VANISHED and FETCH lines follow, then [`Session::done`];
    /// otherwise the command is at its end.
    pub fn selected(&mut self, selected: Result<Selected, Refusal>) {
        let (tag, then) = self.outcome(|then| matches!(then, Then::Select { .. }));
        let resync = matches!(then, Then::Select { qresync: true });
        match selected {
            Ok(selected) => {
                self.write_selected(&selected);
                let read_only = selected.read_only;
                if resync {
                    let then = Then::Resync { read_only };
                    self.running = Some(Box::new(Running { tag, then }));
                } else {
                    self.finish_select(&tag, read_only);
                }
            }
            Err(refusal) => self.finish(&tag, &answer::refused(refusal, false), None),
        }
    }

    /// SELECT, after the mailbox at hand is left.
    pub(super) fn select(&mut self, tag: &str, select: Effect) {
        if let State::Selected { .. } = self.state {
            let then = Then::LeaveFor(Box::new(select));
            self.ask(tag, Effect::Unselect { expunge: false }, then);
            return;
        }
        let qresync = matches!(&select, Effect::Select { qresync: Some(_), .. });
        self.ask(tag, select, Then::Select { qresync });
    }

    fn finish_select(&mut self, tag: &str, read_only: bool) {
        let code = if read_only { "READ-ONLY" } else { "READ-WRITE" };
        self.write_tagged(tag, &Answer::ok("Mailbox is selected"), Some(code));
        self.phase = Phase::Reading;
    }

    /// Answers a command; before that, what is new in the selected mailbox is told.
    pub(super) fn finish(&mut self, tag: &str, answer: &Answer, code: Option<String>) {
        self.finish_after(tag, answer, code, Poll::All);
    }

    fn finish_after(&mut self, tag: &str, answer: &Answer, code: Option<String>, poll: Poll) {
        let listens = self.listens();
        self.phase = Phase::Reading;
        if !listens || answer.kind == Kind::Bad {
            self.write_tagged(tag, answer, code.as_deref());
            return;
        }
        let line = self.tagged_line(tag, answer, code.as_deref());
        let effect = Effect::Poll { expunges: poll == Poll::All };
        self.ask(tag, effect, Then::Ready(line));
    }

    /// Takes the command whose effect is out, which must wait for this kind of outcome.
    pub(super) fn outcome(&mut self, fits: impl FnOnce(&Then) -> bool) -> (Box<str>, Then) {
        match self.running.take().map(|running| *running) {
            Some(Running { tag, then }) if fits(&then) => (tag, then),
            other => unreachable!("an outcome of another effect than {other:?}"),
        }
    }
}
