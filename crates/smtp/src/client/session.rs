//! The client's machine of one connection: greeting, introduction, TLS, login, then messages one
//! after the other, then QUIT.
//!
//! [`Effect::Ready`] asks for a message: [`Session::send`] or [`Session::quit`] answers. While it
//! is sent, [`Effect::Content`] asks for pieces of content. [`Effect::Done`] tells what became of
//! it, once for each message. A session that never came to be ready tells [`Effect::Failed`] once.
//! Commands and replies of a transaction are in [`super::transaction`].

use super::{
    capabilities::Capabilities,
    limits::Limits,
    message::{Message, Protection},
    outcome::{Failure, Fault, Phase, Report},
    reply::{Read, Replies, Reply, Whole},
    transaction::Transaction,
};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use std::collections::{BTreeSet, VecDeque};
use wire::{
    Event, Machine, Outbox, Patience, Step,
    sasl::client::{Credentials, Login},
};

/// Whether STARTTLS is said.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Tls {
    /// Where it is offered (RFC 7435). A server that then refuses is spoken to in clear.
    #[default]
    Opportunistic,
    /// Without it there is no session.
    Required,
    /// Never: a handshake failed before, or the other end is on this machine.
    Never,
}

/// What a session is told at its start.
#[derive(Clone, Debug)]
pub struct Options {
    /// Our name, for EHLO: a domain name or an address literal.
    pub host_name: String,
    /// LMTP (RFC 2033) rather than SMTP.
    pub lmtp: bool,
    /// STARTTLS.
    pub tls: Tls,
    /// Whoever drives checks the server's certificate against its name (PKIX or DANE): what
    /// REQUIRETLS needs.
    pub authenticated: bool,
    /// CHUNKING is used where it is offered; without it only where the content needs it.
    pub chunking: bool,
    /// To log in with, over TLS alone; needed by a smart host.
    pub credentials: Option<Credentials>,
}

/// What the machine asks or tells.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// The session can take a message. Answered by [`Session::send`] or [`Session::quit`]; asked
    /// again until then.
    Ready,
    /// Content of the message, at most so many octets. Answered by [`Session::content`] or
    /// [`Session::content_failed`].
    Content {
        /// Octets at most; more is taken too.
        octets_max: usize,
    },
    /// What became of the message. Needs no answer.
    Done(Report),
    /// The session came to nothing. Needs no answer; no message was taken.
    Failed(Failure),
}

/// What a reply that is awaited is the answer to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Awaited {
    Greeting,
    Hello {
        extended: bool,
    },
    StartTls,
    Auth,
    Reset,
    Mail,
    Recipient(usize),
    Data,
    Chunk,
    /// The whole message; in LMTP of one recipient.
    End(Option<usize>),
    Quit,
}

impl Awaited {
    pub(super) const fn phase(self) -> Phase {
        match self {
            Self::Greeting => Phase::Greeting,
            Self::Hello { .. } => Phase::Hello,
            Self::StartTls => Phase::StartTls,
            Self::Auth => Phase::Auth,
            Self::Reset => Phase::Reset,
            Self::Mail => Phase::Mail,
            Self::Recipient(_) => Phase::Recipient,
            Self::Data => Phase::DataInitiation,
            Self::Chunk => Phase::DataBlock,
            Self::End(_) => Phase::DataTermination,
            Self::Quit => Phase::Quit,
        }
    }
}

#[derive(Debug)]
enum State {
    /// Greeting to login.
    Opening,
    /// The step is due; then the handshake is waited for.
    StartTls {
        told: bool,
    },
    Ready,
    Transaction(Box<Transaction>),
    Quitting,
    Closing,
}

/// A session.
#[derive(Debug)]
pub struct Session {
    pub(super) limits: Limits,
    pub(super) options: Options,
    state: State,
    replies: Replies,
    pub(super) out: Outbox,
    pub(super) awaited: VecDeque<Awaited>,
    asks: VecDeque<Effect>,
    pub(super) capabilities: Capabilities,
    secure: bool,
    exporter: Option<[u8; 32]>,
    login: Option<Box<Login>>,
    /// Domains of recipients so far; only where the server limits them.
    pub(super) domains: BTreeSet<mail::Domain>,
    /// MAIL commands said.
    pub(super) messages: u64,
    /// The server may hold half a transaction.
    pub(super) reset_due: bool,
    stopping: bool,
}

impl Session {
    /// A session that waits for the greeting.
    #[must_use]
    pub fn new(limits: Limits, options: Options) -> Self {
        Self {
            limits,
            options,
            state: State::Opening,
            replies: Replies::default(),
            out: Outbox::default(),
            awaited: VecDeque::from([Awaited::Greeting]),
            asks: VecDeque::new(),
            capabilities: Capabilities::default(),
            secure: false,
            exporter: None,
            login: None,
            domains: BTreeSet::new(),
            messages: 0,
            reset_due: false,
            stopping: false,
        }
    }

    /// What is awaited: whoever drives takes the time-out of it ([`super::Timeouts::seconds`]).
    #[must_use]
    pub fn phase(&self) -> Phase {
        match (self.awaited.front(), &self.state) {
            (Some(awaited), _) => awaited.phase(),
            (None, State::Transaction(_)) => Phase::DataBlock,
            (None, State::StartTls { .. }) => Phase::StartTls,
            (None, State::Opening) => Phase::Hello,
            (None, State::Ready) => Phase::Ready,
            (None, State::Quitting | State::Closing) => Phase::Quit,
        }
    }

    /// Whether a message can be given: [`Effect::Ready`] is what comes next.
    #[must_use]
    pub fn is_ready(&self) -> bool {
        matches!(self.state, State::Ready) && !self.stopping && self.asks.is_empty()
    }

    /// Replies that are awaited.
    #[must_use]
    pub fn replies_due(&self) -> usize {
        self.awaited.len()
    }

    /// What the server said of itself last.
    #[must_use]
    pub const fn capabilities(&self) -> &Capabilities {
        &self.capabilities
    }

    /// Whether TLS is up.
    #[must_use]
    pub const fn is_secure(&self) -> bool {
        self.secure
    }

    /// Answers [`Effect::Ready`] with a message. What the server cannot be given fails at once,
    /// before anything is said.
    pub fn send(&mut self, message: Message) {
        if !matches!(self.state, State::Ready) {
            return;
        }
        let protection =
            Protection { secure: self.secure, authenticated: self.options.authenticated };
        if let Some(reply) = message.refusal(&self.capabilities, protection) {
            self.asks.push_back(Effect::Done(Report::refused(&message, &reply)));
            return;
        }
        let transaction = Transaction::new(message, self);
        self.state = State::Transaction(Box::new(transaction));
    }

    /// Answers [`Effect::Ready`]: there is no message any more.
    pub fn quit(&mut self) {
        if matches!(self.state, State::Ready) {
            self.say_quit();
        }
    }

    /// Answers [`Effect::Content`]: a piece, and whether it is the last.
    pub fn content(&mut self, piece: &[u8], last: bool) {
        self.in_transaction(|transaction, session| transaction.content(piece, last, session));
    }

    /// Answers [`Effect::Content`]: it cannot be read. The connection is closed without the end of
    /// the message, so that the server does not take half of it for the whole.
    pub fn content_failed(&mut self) {
        self.in_transaction(|transaction, _| transaction.unreadable());
        self.close();
    }

    fn in_transaction(&mut self, run: impl FnOnce(&mut Transaction, &mut Self)) {
        match std::mem::replace(&mut self.state, State::Closing) {
            State::Transaction(mut transaction) => {
                run(&mut transaction, self);
                self.state = State::Transaction(transaction);
            }
            state => self.state = state,
        }
    }

    pub(super) fn say(&mut self, line: &str, awaited: Awaited) {
        self.out.put(line.as_bytes());
        self.awaited.push_back(awaited);
    }

    fn say_quit(&mut self) {
        self.say("QUIT\r\n", Awaited::Quit);
        self.state = State::Quitting;
    }

    /// Commands that may be on their way at once (RFC 2920).
    pub(super) fn window(&self) -> usize {
        if self.capabilities.pipelining { self.limits.pipelined_commands_max.max(1) } else { 1 }
    }

    /// Ends the session without another word; what was under way is settled.
    fn close(&mut self) {
        if let State::Transaction(transaction) = std::mem::replace(&mut self.state, State::Closing)
        {
            self.asks.push_back(Effect::Done(transaction.report()));
        }
        self.awaited.clear();
    }

    /// The session cannot go on.
    fn fail(&mut self, fault: Fault) {
        self.fail_in(self.phase(), fault);
    }

    fn fail_in(&mut self, phase: Phase, fault: Fault) {
        let failure = Failure { phase, fault };
        match &mut self.state {
            State::Opening | State::StartTls { .. } => {
                self.asks.push_back(Effect::Failed(failure));
            }
            State::Transaction(_) => {
                let sent = self.out.is_empty();
                self.in_transaction(|transaction, session| {
                    transaction.broken(&failure, sent, session);
                });
            }
            State::Ready | State::Quitting | State::Closing => {}
        }
        self.close();
    }

    /// The server does not let us in: say goodbye (RFC 5321 §3.1).
    fn refuse(&mut self, phase: Phase, fault: Fault) {
        self.asks.push_back(Effect::Failed(Failure { phase, fault }));
        self.awaited.clear();
        self.say_quit();
    }

    fn hello(&mut self, extended: bool) {
        let verb = match (self.options.lmtp, extended) {
            (true, _) => "LHLO",
            (false, true) => "EHLO",
            (false, false) => "HELO",
        };
        let line = format!("{verb} {}\r\n", self.options.host_name);
        self.say(&line, Awaited::Hello { extended });
    }

    /// A reply came.
    fn answered(&mut self, whole: Whole) {
        let Some(awaited) = self.awaited.front().copied() else {
            return self.unasked(whole.reply);
        };
        // RFC 5321 §3.8: at any time; the connection is gone.
        if whole.reply.code == 421 && awaited != Awaited::Quit {
            return self.fail(Fault::Refused(whole.reply));
        }
        self.awaited.pop_front();
        match awaited {
            Awaited::Greeting if whole.reply.is_positive() => self.hello(true),
            Awaited::Greeting => self.refuse(Phase::Greeting, Fault::Refused(whole.reply)),
            Awaited::Hello { extended } => self.introduced(extended, whole),
            Awaited::StartTls => self.start_tls(&whole.reply),
            Awaited::Auth => self.challenged(whole.reply),
            Awaited::Quit => self.close(),
            _ => {
                let mut fits = true;
                self.in_transaction(|transaction, session| {
                    fits = transaction.answered(awaited, &whole.reply, session);
                });
                if !fits {
                    self.fail_in(awaited.phase(), Fault::Protocol("a reply of the wrong kind"));
                }
            }
        }
    }

    /// A reply that nothing was said for: the server says goodbye, or is out of step.
    fn unasked(&mut self, reply: Reply) {
        match &mut self.state {
            // It does not want the rest of the content, and there is no way to stop but this.
            State::Transaction(_)
                if reply.code == 421 || (reply.code >= 400 && !self.options.lmtp) =>
            {
                self.fail(Fault::Refused(reply));
            }
            _ => self.fail(Fault::Protocol("a reply to nothing")),
        }
    }

    fn introduced(&mut self, extended: bool, whole: Whole) {
        let reply = whole.reply;
        if reply.is_positive() {
            let extended = extended.then(|| Capabilities::parse(&whole.lines));
            self.capabilities = extended.unwrap_or_default();
            self.secure_or_log_in();
        } else if extended && reply.is_permanent() && !self.options.lmtp {
            // RFC 5321 §3.2: a server that knows no extensions.
            self.hello(false);
        } else {
            self.refuse(Phase::Hello, Fault::Refused(reply));
        }
    }

    fn secure_or_log_in(&mut self) {
        match self.options.tls {
            _ if self.secure => self.log_in(),
            Tls::Opportunistic | Tls::Required if self.capabilities.starttls => {
                self.say("STARTTLS\r\n", Awaited::StartTls);
            }
            Tls::Required => self.refuse(Phase::StartTls, Fault::NoTls),
            Tls::Opportunistic | Tls::Never => self.log_in(),
        }
    }

    fn start_tls(&mut self, reply: &Reply) {
        if reply.code == 220 {
            // RFC 3207 §6: what comes behind it in clear may be another's.
            if self.replies.is_empty() {
                self.state = State::StartTls { told: false };
            } else {
                self.fail(Fault::Injected);
            }
        } else if self.options.tls == Tls::Required {
            self.refuse(Phase::StartTls, Fault::NoTls);
        } else {
            self.log_in();
        }
    }

    fn log_in(&mut self) {
        let Some(credentials) = self.options.credentials.clone() else {
            self.state = State::Ready;
            return;
        };
        let login = Login::new(&self.capabilities.auth, self.exporter, credentials);
        let Some(mut login) = login.filter(|_| self.secure) else {
            return self.refuse(Phase::Auth, Fault::NoAuth);
        };
        let mut line = format!("AUTH {}", login.mechanism().name());
        if let Some(initial) = login.initial() {
            line.push(' ');
            line.push_str(&BASE64.encode(initial));
        }
        line.push_str("\r\n");
        self.say(&line, Awaited::Auth);
        self.login = Some(Box::new(login));
    }

    /// RFC 4954 §4
    fn challenged(&mut self, reply: Reply) {
        let Some(login) = &mut self.login else { return };
        match reply.code {
            235 if login.is_complete() => {
                self.login = None;
                self.state = State::Ready;
            }
            235 => self.refuse(Phase::Auth, Fault::Impostor),
            334 => {
                let challenge = BASE64.decode(reply.text.trim()).ok();
                match challenge.and_then(|challenge| login.respond(&challenge)) {
                    Some(response) => {
                        let line = format!("{}\r\n", BASE64.encode(response));
                        self.say(&line, Awaited::Auth);
                    }
                    // `*` ends the exchange, but there is nothing to wait for.
                    None => self.refuse(Phase::Auth, Fault::Impostor),
                }
            }
            _ => self.refuse(Phase::Auth, Fault::Refused(reply)),
        }
    }

    /// Goes on with the transaction: whether there is something to tell or to ask.
    fn advance(&mut self) -> bool {
        if self.finish() {
            return true;
        }
        let mut ask = None;
        self.in_transaction(|transaction, session| ask = transaction.advance(session));
        let asked = ask.is_some();
        self.asks.extend(ask);
        asked || self.finish()
    }

    /// Ends a transaction whose replies are all there: whether it did.
    fn finish(&mut self) -> bool {
        let State::Transaction(transaction) = &self.state else { return false };
        if !transaction.is_done(self) {
            return false;
        }
        self.reset_due = transaction.reset_due();
        self.asks.push_back(Effect::Done(transaction.report()));
        self.state = State::Ready;
        let max = self.capabilities.transactions_max.unwrap_or(u64::MAX);
        if self.stopping || self.messages >= max.min(self.limits.messages_max) {
            self.say_quit();
        }
        true
    }
}

impl Machine for Session {
    type Effect = Effect;

    fn step(&mut self) -> Step<Effect> {
        loop {
            if let Some(effect) = self.asks.pop_front() {
                return Step::Ask(effect);
            }
            let limits = self.limits;
            match &mut self.state {
                State::Closing => return Step::Close,
                State::StartTls { told: told @ false } => {
                    *told = true;
                    return Step::StartTls;
                }
                State::StartTls { told: true } => return Step::Wait(Patience::Greeting),
                _ => {}
            }
            match self.replies.next(limits.reply_line_octets_max, limits.reply_lines_max) {
                Read::Whole(whole) => {
                    self.answered(whole);
                    continue;
                }
                Read::Bad(what) => {
                    self.fail(Fault::Protocol(what));
                    continue;
                }
                Read::Partial => {}
            }
            if self.advance() {
                continue;
            }
            match &self.state {
                State::Ready if self.stopping => self.say_quit(),
                State::Ready => return Step::Ask(Effect::Ready),
                State::Opening => return Step::Wait(Patience::Greeting),
                State::Closing | State::StartTls { .. } => {}
                State::Transaction(_) | State::Quitting => return Step::Wait(Patience::Command),
            }
        }
    }

    /// Also while content is asked for: a server may answer early.
    fn receive(&mut self, bytes: &[u8]) {
        self.replies.receive(bytes);
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Secured { exporter, .. } => {
                (self.secure, self.exporter) = (true, exporter);
                // RFC 3207 §4.2: all that was said before is forgotten.
                self.replies.clear();
                self.capabilities = Capabilities::default();
                if let State::StartTls { .. } = self.state {
                    self.state = State::Opening;
                    self.hello(true);
                }
            }
            Event::Eof => self.lost(Fault::Lost),
            Event::TimedOut => self.lost(Fault::TimedOut),
            Event::ShuttingDown => self.stopping = true,
            Event::Withdrawn | Event::News => {}
        }
    }

    fn outbox(&mut self) -> &mut Outbox {
        &mut self.out
    }
}

impl Session {
    /// The connection ended; a last word that came before still counts.
    fn lost(&mut self, fault: Fault) {
        let limits = self.limits;
        while !matches!(self.state, State::Closing | State::StartTls { .. }) {
            match self.replies.next(limits.reply_line_octets_max, limits.reply_lines_max) {
                Read::Whole(whole) => {
                    self.answered(whole);
                    self.finish();
                }
                Read::Partial | Read::Bad(_) => break,
            }
        }
        self.fail(fault);
    }
}
