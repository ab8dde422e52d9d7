//! One message: its commands, the replies to them, its content.
//!
//! Invariants: replies are matched with commands by counting (RFC 2920 §3.1); an outcome, once
//! there, stays; the end of the content is said only when all of it was.

use super::{
    encode::{Encoder, Form},
    message::Message,
    outcome::{Failure, Fault, Outcome, Phase, Report, Verdict},
    reply::Reply,
    session::{Awaited, Effect, Session},
};
use crate::effect::Body;
use bytes::BytesMut;

/// What is to be said next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Next {
    Reset,
    Mail,
    Recipient(usize),
    Data,
    /// Replies decide how it goes on.
    Content,
    /// All of it is said.
    Nothing,
}

/// A message under way.
#[derive(Debug)]
pub(super) struct Transaction {
    message: Message,
    outcomes: Vec<Option<Outcome>>,
    next: Next,
    /// MAIL was refused, or the content: what was said is still answered.
    failed: bool,
    chunked: bool,
    /// DATA was answered by 354.
    invited: bool,
    encoder: Encoder,
    chunk: BytesMut,
    /// Its last octet is in the outbox.
    said_all: bool,
    /// The last reply came: the server holds nothing of it any more.
    ended: bool,
    dsn_passed: bool,
}

impl Report {
    /// Nothing was said of the message: one reply for all.
    pub(super) fn refused(message: &Message, reply: &Reply) -> Self {
        let outcome = Outcome {
            verdict: Verdict::Permanent,
            phase: Phase::Mail,
            reply: reply.clone(),
            undecided: false,
        };
        Self { outcomes: vec![outcome; message.recipients.len()], dsn_passed: false }
    }
}

impl Transaction {
    /// A message that the server can be given.
    pub(super) fn new(message: Message, session: &mut Session) -> Self {
        let binary = message.from.body == Body::Binary;
        let chunking = session.capabilities.chunking;
        // RFC 2033 does not say how chunks are answered for each recipient.
        let chunked = binary || (chunking && session.options.chunking && !session.options.lmtp);
        let form = match (chunked, binary) {
            (false, _) => Form::Dots,
            (true, false) => Form::Lines,
            (true, true) => Form::Octets,
        };
        let mut transaction = Self {
            outcomes: vec![None; message.recipients.len()],
            next: if session.reset_due { Next::Reset } else { Next::Mail },
            failed: false,
            chunked,
            invited: false,
            encoder: Encoder::new(form),
            chunk: BytesMut::new(),
            said_all: false,
            ended: false,
            dsn_passed: session.capabilities.dsn,
            message,
        };
        transaction.leave_out(session);
        transaction
    }

    /// Recipients that LIMITS (RFC 9422) leaves to another transaction or session.
    fn leave_out(&mut self, session: &mut Session) {
        let limit = session.capabilities.recipients_max.unwrap_or(u64::MAX);
        let limit = usize::try_from(limit).unwrap_or(usize::MAX);
        let recipients_max = session.limits.recipients_max.min(limit);
        let mut taken = 0;
        for (slot, to) in self.outcomes.iter_mut().zip(&self.message.recipients) {
            if taken >= recipients_max {
                *slot = Some(Outcome::untried(Reply::ours((4, 5, 3), "Too many recipients")));
                continue;
            }
            if let Some(domains_max) = session.capabilities.domains_max {
                let domain = to.path.domain();
                let known = session.domains.contains(domain);
                if !known && session.domains.len() as u64 >= domains_max {
                    let reply = Reply::ours((4, 5, 3), "Too many domains of recipients");
                    *slot = Some(Outcome::untried(reply));
                    continue;
                }
                session.domains.insert(domain.clone());
            }
            taken += 1;
        }
        if taken == 0 {
            (self.failed, self.ended) = (true, !session.reset_due);
        }
    }

    /// Whether no more is to come.
    pub(super) fn is_done(&self, session: &Session) -> bool {
        session.awaited.is_empty() && (self.failed || self.ended)
    }

    /// Whether the server may hold a part of it.
    pub(super) const fn reset_due(&self) -> bool {
        !self.ended
    }

    /// Says what can be said now; then what is wanted of the world, if anything.
    pub(super) fn advance(&mut self, session: &mut Session) -> Option<Effect> {
        while !self.failed && session.awaited.len() < session.window() {
            match self.next {
                Next::Reset => {
                    session.say("RSET\r\n", Awaited::Reset);
                    self.next = Next::Mail;
                }
                Next::Mail => {
                    let line = self.message.mail(&session.capabilities, session.is_secure());
                    session.say(&line, Awaited::Mail);
                    session.messages += 1;
                    self.next = Next::Recipient(0);
                }
                Next::Recipient(at) => self.say_recipient(at, session),
                Next::Data if session.awaited.is_empty() && !self.is_wanted() => self.failed = true,
                Next::Data => {
                    session.say("DATA\r\n", Awaited::Data);
                    self.next = Next::Content;
                }
                Next::Content => return self.advance_content(session),
                Next::Nothing => return None,
            }
        }
        None
    }

    fn say_recipient(&mut self, at: usize, session: &mut Session) {
        let Some(to) = self.message.recipients.get(at) else {
            self.next = if self.chunked { Next::Content } else { Next::Data };
            return;
        };
        if self.outcomes.get(at).is_some_and(Option::is_none) {
            let line = self.message.rcpt(to, &session.capabilities);
            session.say(&line, Awaited::Recipient(at));
        }
        self.next = Next::Recipient(at + 1);
    }

    fn advance_content(&mut self, session: &mut Session) -> Option<Effect> {
        // No content before all recipients are known; then chunks may follow each other.
        let chunks = session.awaited.iter().all(|awaited| *awaited == Awaited::Chunk);
        let may = if self.chunked {
            chunks && (!session.options.lmtp || session.awaited.is_empty())
        } else {
            self.invited
        };
        if !may {
            return None;
        }
        if self.is_wanted() {
            return Some(Effect::Content { octets_max: session.limits.content_octets_max });
        }
        if !self.chunked {
            // RFC 2920 §3.1: the server took DATA though it took no recipient.
            session.say(".\r\n", Awaited::End(None));
            self.next = Next::Nothing;
        }
        self.failed = true;
        None
    }

    /// Whether somebody is left who may get it.
    fn is_wanted(&self) -> bool {
        self.outcomes.iter().any(Option::is_none)
    }

    /// A piece of content.
    pub(super) fn content(&mut self, piece: &[u8], last: bool, session: &mut Session) {
        if self.next != Next::Content || self.failed {
            return;
        }
        self.encoder.write(piece, &mut self.chunk);
        if last {
            self.encoder.clone().finish(&mut self.chunk);
        }
        if !self.chunked {
            session.out.put(&self.chunk);
            self.chunk.clear();
        } else if last || self.chunk.len() >= session.limits.chunk_octets_max {
            // RFC 3030 §2
            let word = if last { " LAST" } else { "" };
            let line = format!("BDAT {}{word}\r\n", self.chunk.len());
            session.out.put(line.as_bytes());
            session.out.put(&self.chunk);
            self.chunk.clear();
            if !last {
                session.awaited.push_back(Awaited::Chunk);
            }
        }
        if last {
            self.chunk = BytesMut::new();
            (self.next, self.said_all) = (Next::Nothing, true);
            self.await_ends(session);
        }
    }

    fn await_ends(&self, session: &mut Session) {
        if !session.options.lmtp {
            session.awaited.push_back(Awaited::End(None));
            return;
        }
        // RFC 2033 §4.2: a reply for each recipient that was taken, in their order.
        for (at, outcome) in self.outcomes.iter().enumerate() {
            if outcome.is_none() {
                session.awaited.push_back(Awaited::End(Some(at)));
            }
        }
    }

    /// A reply to one of its commands. Whether it can be one: otherwise whatever follows cannot be
    /// matched either.
    pub(super) fn answered(
        &mut self,
        awaited: Awaited,
        reply: &Reply,
        session: &mut Session,
    ) -> bool {
        let phase = awaited.phase();
        match (awaited, reply.code / 100) {
            (Awaited::Data, 3) => self.invited = true,
            (Awaited::Data, 2) | (_, 3) => return false,
            (Awaited::Reset, class) => return class == 2,
            (Awaited::End(at), _) => {
                self.settle(at, phase, reply);
                self.ended = !session.awaited.iter().any(|one| matches!(one, Awaited::End(_)));
            }
            (_, 2) => {}
            (Awaited::Recipient(at), _) => self.settle(Some(at), phase, reply),
            _ => {
                self.failed = true;
                self.settle(None, phase, reply);
            }
        }
        true
    }

    /// An outcome for one, or for all that have none.
    fn settle(&mut self, at: Option<usize>, phase: Phase, reply: &Reply) {
        let verdict = verdict(phase, reply);
        let outcome = Outcome { verdict, phase, reply: reply.clone(), undecided: false };
        match at {
            Some(at) => {
                if let Some(slot) = self.outcomes.get_mut(at) {
                    slot.get_or_insert(outcome);
                }
            }
            None => {
                for slot in self.outcomes.iter_mut().filter(|slot| slot.is_none()) {
                    *slot = Some(outcome.clone());
                }
            }
        }
    }

    /// The connection is of no more use. `sent`: all that was said has left.
    pub(super) fn broken(&mut self, failure: &Failure, sent: bool, session: &Session) {
        let phase = failure.phase;
        let reply = failure.reply();
        // The connection ended while it was not used: the message was never looked at.
        let unheard = match phase {
            _ if matches!(self.next, Next::Reset | Next::Mail) => true,
            _ if matches!(failure.fault, Fault::Protocol(_)) => false,
            Phase::Reset => true,
            Phase::Mail => session.messages > 1,
            _ => false,
        };
        let refused = matches!(failure.fault, Fault::Refused(_));
        let undecided = self.said_all && sent && !refused;
        let verdict = match () {
            () if unheard => Verdict::Untried,
            () if refused => verdict(phase, &reply),
            () => Verdict::Temporary,
        };
        let outcome = Outcome { verdict, phase, reply, undecided };
        for slot in self.outcomes.iter_mut().filter(|slot| slot.is_none()) {
            *slot = Some(outcome.clone());
        }
        self.failed = true;
    }

    /// Its content cannot be read.
    pub(super) fn unreadable(&mut self) {
        self.failed = true;
        let reply = Reply::ours((4, 3, 0), "The message could not be read");
        self.settle(None, Phase::DataBlock, &reply);
    }

    /// What became of it; whoever has no outcome was not asked about.
    pub(super) fn report(&self) -> Report {
        let none = || Outcome::untried(Reply::ours((4, 4, 2), "The session ended before"));
        let outcomes = self.outcomes.iter().cloned();
        let outcomes = outcomes.map(|outcome| outcome.unwrap_or_else(none)).collect();
        Report { outcomes, dsn_passed: self.dsn_passed }
    }
}

impl Outcome {
    fn untried(reply: Reply) -> Self {
        Self { verdict: Verdict::Untried, phase: Phase::Recipient, reply, undecided: false }
    }
}

fn verdict(phase: Phase, reply: &Reply) -> Verdict {
    match reply.code {
        200..=299 => Verdict::Accepted,
        // RFC 5321 §4.5.3.1.10: some say 552 for too many recipients, and mean 452.
        552 if phase == Phase::Recipient && matches!(reply.status, (5, 0, 0) | (5, 5, 3)) => {
            Verdict::Temporary
        }
        500..=599 => Verdict::Permanent,
        _ => Verdict::Temporary,
    }
}
