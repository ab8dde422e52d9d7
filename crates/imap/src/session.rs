//! The machine of one connection: what it holds, what it is told, and what it wants next.
//!
//! Invariants: one effect is out at a time; tagged answers go out in the order of commands
//! (quirk 7); nothing that came before TLS counts after it; a session that waits with nothing
//! buffered holds no buffers (less than 1 KiB in all).

mod append;
mod ask;
mod input;
mod read;
mod sasl;
mod selected;

use crate::answer::{Answer, Kind};
use crate::effect::{Effect, Enabled};
use crate::limits::Limits;
use crate::reply::{FetchLine, Reply};
use append::Append;
use ask::Running;
use input::Input;
use std::sync::Arc;
use wire::{Event, Machine, Outbox, Patience, Step};

/// What all sessions of a listener share.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Options {
    /// Limits on what a client may send.
    pub limits: Limits,
    /// Our name, for the greeting.
    pub host: String,
    /// Whether logins are refused without TLS (LOGINDISABLED, PRIVACYREQUIRED).
    pub tls_required: bool,
    /// Whether STARTTLS is offered while the connection is in clear.
    pub starttls: bool,
    /// APPENDLIMIT (RFC 7889): octets of one message.
    pub append_octets_max: u64,
    /// Capabilities not to be shown, in any case, e.g. `UIDONLY`, `IMAP4rev2`: for clients that
    /// misuse them.
    pub hidden_capabilities: Vec<String>,
    /// The JMAP session resource with the same mail (RFC 9698), if there is one: printable ASCII.
    pub jmap_session_url: Option<String>,
}

/// One IMAP session (RFC 9051 §3). See [`wire::Machine`] for how it is driven.
///
/// | effect | is answered by |
/// |---|---|
/// | [`Effect::Auth`] | [`Session::auth`] |
/// | [`Effect::Select`] | [`Session::selected`]; `Ok` with `qresync`: then [`Session::done`] |
/// | [`Effect::AppendEnd`] | [`Session::appended`] |
/// | [`Effect::Unauthenticate`], [`Effect::Id`] | nothing |
/// | [`Effect::Idle`], [`Effect::AppendAbort`] | nothing |
/// | all others, [`Effect::Poll`] too | [`Session::done`], after lines through [`Session::reply`] |
#[derive(Debug)]
pub struct Session {
    options: Arc<Options>,
    outbox: Outbox,
    input: Input,
    state: State,
    security: Option<Box<Security>>,
    enabled: Enabled,
    phase: Phase,
    /// An effect that needs no answer, told before anything else happens.
    told: Option<Effect>,
    /// The effect to be asked at the next step.
    asked: Option<Effect>,
    /// The command whose effect is out.
    running: Option<Box<Running>>,
    line: FetchLine,
    /// Goodbye to say when the command at hand is answered.
    ending: Option<&'static str>,
    /// The client will say nothing more.
    eof: bool,
    /// The bridge has news for IDLE.
    news: bool,
    /// What the client logged in with is good for JMAP too.
    jmap: bool,
    /// What the account's clients are not shown.
    hidden: Option<Arc<[String]>>,
    /// NOTIFY SET was given: news are told between commands too.
    notifying: bool,
    /// COMPRESS was given.
    compressed: bool,
    bad_commands: u32,
    failures: u32,
}

/// RFC 9051 §3. (Logout is [`Phase::Closing`].)
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum State {
    NotAuthenticated,
    Authenticated,
    Selected {
        read_only: bool,
        /// HIGHESTMODSEQ when it was selected.
        highest_modseq: u64,
    },
}

#[derive(Debug)]
struct Security {
    exporter: Option<[u8; 32]>,
}

/// What the session is at.
#[derive(Debug)]
enum Phase {
    /// The greeting is not yet said.
    Greeting,
    /// A command is being read.
    Reading,
    /// An effect goes out or is out.
    Asking,
    /// The client has its turn in a SASL exchange.
    Sasl(Box<sasl::Sasl>),
    /// Octets of a message come in.
    Octets(Box<Append>),
    /// Behind a message: the next one, or the end of APPEND.
    AfterOctets(Box<Append>),
    /// The rest of a command that was refused comes in and is dropped.
    Discarding(Box<read::Discard>),
    /// IDLE, with its tag.
    Idle(Box<str>),
    /// STARTTLS was answered.
    StartTls,
    /// COMPRESS was answered.
    Compress,
    /// UNAUTHENTICATE was answered while COMPRESS was active.
    EndCompress,
    /// Everything is said.
    Closing,
}

impl Session {
    /// A session of a new connection; it greets at the first step. On implicit-TLS ports the driver
    /// sends [`Event::Secured`] first.
    #[must_use]
    pub fn new(options: Arc<Options>) -> Self {
        Self {
            options,
            outbox: Outbox::default(),
            input: Input::default(),
            state: State::NotAuthenticated,
            security: None,
            enabled: Enabled::default(),
            phase: Phase::Greeting,
            told: None,
            asked: None,
            running: None,
            line: FetchLine::default(),
            ending: None,
            eof: false,
            news: false,
            jmap: false,
            hidden: None,
            notifying: false,
            compressed: false,
            bad_commands: 0,
            failures: 0,
        }
    }

    /// Limits on what the client may ask for.
    #[must_use]
    pub fn limits(&self) -> &Limits {
        &self.options.limits
    }

    /// What the client enabled.
    #[must_use]
    pub const fn enabled(&self) -> Enabled {
        self.enabled
    }

    /// Whether the session is in IDLE, also while it asks for its news.
    #[must_use]
    pub fn is_idling(&self) -> bool {
        let idle = matches!(self.phase, Phase::Idle(_));
        idle || self.running.as_deref().is_some_and(Running::is_idle)
    }

    /// Writers of untagged responses.
    pub fn reply(&mut self) -> Reply<'_> {
        let tag = self.running.as_deref().map_or("", Running::tag);
        Reply { out: &mut self.outbox, line: &mut self.line, enabled: self.enabled, tag }
    }

    /// `* OK Still here`, for the NAT on the way, while the session is in IDLE: call it every two
    /// minutes (quirk 10), also while [`Effect::Poll`] is performed. Says nothing at other times.
    pub fn keep_alive(&mut self) {
        if self.is_idling() {
            self.outbox.put(b"* OK Still here\r\n");
        }
    }

    /// The selected mailbox was deleted: the session ends once the command at hand is answered
    /// (RFC 2180 §3.3; no untagged response leaves a mailbox).
    pub fn mailbox_gone(&mut self) {
        self.ending = Some("[NONEXISTENT] Selected mailbox was deleted");
    }

    /// The server cannot tell any more what the client knows of the selected mailbox: as
    /// [`Session::mailbox_gone`], but the client may select it again.
    pub fn mailbox_lost(&mut self) {
        self.ending = Some("[UNAVAILABLE] Connect again, please");
    }

    /// What a literal announced cannot be delivered: ends the session at once and without a word,
    /// since whatever is said would pass for the literal's octets. Instead of an outcome.
    pub fn break_off(&mut self) {
        self.line = FetchLine::default();
        self.close();
    }

    pub(crate) const fn state(&self) -> State {
        self.state
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    pub(crate) fn put(&mut self, bytes: &[u8]) {
        self.outbox.put(bytes);
    }

    /// Tells an effect that needs no answer, after this step.
    pub(crate) fn tell(&mut self, effect: Effect) {
        assert!(self.told.is_none(), "two effects to tell at once");
        self.told = Some(effect);
    }

    /// Whether STARTTLS may be sent now.
    pub(crate) fn starttls_offered(&self) -> bool {
        self.options.starttls && self.security.is_none()
    }

    /// Whether COMPRESS is active.
    pub(crate) const fn is_compressed(&self) -> bool {
        self.compressed
    }

    /// Whether JMAPACCESS is shown. RFC 9698 §3: "If the IMAP server can infer from the client's
    /// authentication process that its credentials suffice to authenticate via JMAP".
    pub(crate) fn jmap_shown(&self) -> bool {
        self.jmap && self.options.jmap_session_url.is_some()
    }

    /// Whether the client said more than the command at hand.
    pub(crate) fn is_more_received(&self) -> bool {
        !self.input.is_empty()
    }

    /// Whether a password may be sent now.
    pub(crate) fn login_allowed(&self) -> bool {
        self.security.is_some() || !self.options.tls_required
    }

    /// NOTIFY SET was performed, or NONE: whether news are told between commands too.
    pub const fn notify(&mut self, wanted: bool) {
        self.notifying = wanted;
    }

    /// Whether NOTIFY SET was given.
    #[must_use]
    pub const fn notifies(&self) -> bool {
        self.notifying
    }

    /// Capabilities that this account's clients are not shown, besides those that nobody is; with
    /// `+` in front, those that they are shown all the same. Said before [`Session::auth`], and
    /// forgotten with the login.
    pub fn hide(&mut self, capabilities: &Arc<[String]>) {
        self.hidden = (!capabilities.is_empty()).then(|| Arc::clone(capabilities));
    }

    pub(crate) fn is_hidden(&self, capability: &str) -> bool {
        let same = |name: &str| name.eq_ignore_ascii_case(capability);
        for name in self.hidden.as_deref().unwrap_or_default() {
            match name.strip_prefix('+') {
                Some(shown) if same(shown) => return false,
                None if same(name) => return true,
                _ => {}
            }
        }
        self.options.hidden_capabilities.iter().any(|name| same(name))
    }

    /// Whether there may be something new to tell.
    pub(crate) const fn listens(&self) -> bool {
        matches!(self.state, State::Selected { .. }) || self.enabled.metadata || self.notifying
    }

    /// After ENABLE.
    pub(crate) fn enable(&mut self, enabled: Enabled) {
        let condstore = enabled.condstore && !self.enabled.condstore;
        self.enabled = Enabled { condstore: self.enabled.condstore, ..enabled };
        if condstore {
            self.enable_condstore();
        }
    }

    /// RFC 8437 §3: all state of the connection but TLS is as it was at its start.
    pub(crate) fn unauthenticate(&mut self) {
        self.state = State::NotAuthenticated;
        self.enabled = Enabled::default();
        self.hidden = None;
        self.notifying = false;
        self.news = false;
    }

    /// A command that enables CONDSTORE was given. RFC 7162 §3.1: the first one "executed in the
    /// session with a mailbox selected MUST cause the server to return HIGHESTMODSEQ". The value of
    /// the SELECT is right: the client heard of later changes, if at all, without mod-sequences.
    pub(crate) fn enable_condstore(&mut self) {
        if self.enabled.condstore {
            return;
        }
        self.enabled.condstore = true;
        if let State::Selected { highest_modseq, .. } = self.state {
            self.write_highest_modseq(highest_modseq);
        }
    }

    /// SELECT (CONDSTORE): HIGHESTMODSEQ comes with the new mailbox.
    pub(crate) const fn enable_condstore_silently(&mut self) {
        self.enabled.condstore = true;
    }

    /// `tag OK [code] text`
    fn write_tagged(&mut self, tag: &str, answer: &Answer, code: Option<&str>) {
        let line = self.tagged_line(tag, answer, code);
        self.outbox.put(&line);
    }

    /// The same as octets, to be said later.
    fn tagged_line(&mut self, tag: &str, answer: &Answer, code: Option<&str>) -> Vec<u8> {
        let kind: &[u8] = match answer.kind {
            Kind::Ok => b" OK ",
            Kind::No => b" NO ",
            Kind::Bad => b" BAD ",
        };
        self.count(answer.kind);
        let code = code.unwrap_or(answer.code);
        let mut line = Vec::with_capacity(tag.len() + code.len() + answer.text.len() + 10);
        line.extend_from_slice(tag.as_bytes());
        line.extend_from_slice(kind);
        if !code.is_empty() {
            line.push(b'[');
            line.extend_from_slice(code.as_bytes());
            line.extend_from_slice(b"] ");
        }
        line.extend_from_slice(answer.text.as_bytes());
        line.extend_from_slice(b"\r\n");
        line
    }

    /// Sessions of nothing but errors are ended.
    fn count(&mut self, kind: Kind) {
        let limits = &self.options.limits;
        self.bad_commands = if kind == Kind::Bad { self.bad_commands + 1 } else { 0 };
        if kind != Kind::Ok && self.state == State::NotAuthenticated {
            self.failures += 1;
        }
        if self.bad_commands > limits.bad_commands_max
            || self.failures > limits.greeting_failures_max
        {
            self.ending = Some("Too many errors");
        }
    }

    fn bye(&mut self, text: &str) {
        self.reply().bye(text);
        self.close();
    }

    fn close(&mut self) {
        self.phase = Phase::Closing;
        self.input.clear();
        (self.asked, self.running, self.told) = (None, None, None);
    }

    fn greet(&mut self) {
        let list = crate::command::capabilities(self);
        self.outbox.put(b"* OK [");
        self.outbox.put(list.as_bytes());
        self.outbox.put(b"] ");
        let host = Arc::clone(&self.options);
        self.outbox.put(host.host.as_bytes());
        self.outbox.put(b" Palomar is ready\r\n");
        self.phase = Phase::Reading;
    }

    /// The patience of a wait for a command.
    fn patience(&self) -> Patience {
        if self.state == State::NotAuthenticated {
            Patience::Greeting
        } else if self.input.is_empty() {
            Patience::Command
        } else {
            Patience::Middle
        }
    }

    /// One turn; `None`: go on at once.
    fn advance(&mut self) -> Option<Step<Effect>> {
        if let Some(effect) = self.told.take() {
            return Some(Step::Ask(effect));
        }
        match std::mem::replace(&mut self.phase, Phase::Reading) {
            Phase::Greeting => {
                self.greet();
                None
            }
            Phase::Reading => self.read(),
            Phase::Asking => {
                self.phase = Phase::Asking;
                let effect = self.asked.take();
                // Stepping while an effect is out is the driver's mistake; waiting does no harm.
                Some(effect.map_or(Step::Wait(Patience::Middle), Step::Ask))
            }
            Phase::Sasl(sasl) => self.read_sasl(sasl),
            Phase::Octets(append) => self.read_octets(append),
            Phase::AfterOctets(append) => self.read_after_octets(append),
            Phase::Discarding(discard) => self.discard(discard),
            Phase::Idle(tag) => self.idle(tag),
            Phase::StartTls => {
                self.phase = Phase::StartTls;
                self.input.clear();
                Some(Step::StartTls)
            }
            Phase::Compress => {
                self.compressed = true;
                Some(Step::Compress)
            }
            Phase::EndCompress => {
                self.compressed = false;
                Some(Step::EndCompress)
            }
            Phase::Closing => {
                self.phase = Phase::Closing;
                Some(Step::Close)
            }
        }
    }

    /// The goodbye that is due once no command is at hand.
    fn end_if_due(&mut self) {
        let between = matches!(self.phase, Phase::Greeting | Phase::Reading | Phase::Idle(_));
        if let Some(text) = self.ending.filter(|_| between && self.told.is_none()) {
            self.bye(text);
        }
    }

    /// Ends a session that waits for its client; one that is busy ends when it is done.
    fn end(&mut self, text: &'static str) {
        match self.phase {
            Phase::Asking => self.ending = Some(text),
            Phase::Closing => {}
            _ => self.bye(text),
        }
    }
}

impl Machine for Session {
    type Effect = Effect;

    fn step(&mut self) -> Step<Effect> {
        loop {
            self.end_if_due();
            if let Some(step) = self.advance() {
                if matches!(step, Step::Wait(_)) {
                    if self.eof {
                        self.close();
                        return Step::Close;
                    }
                    self.input.rest();
                }
                return step;
            }
        }
    }

    fn receive(&mut self, bytes: &[u8]) {
        if !matches!(self.phase, Phase::StartTls | Phase::Closing) {
            self.input.put(bytes);
        }
    }

    fn event(&mut self, event: Event) {
        match event {
            Event::Secured { exporter, .. } => {
                self.security = Some(Box::new(Security { exporter }));
                self.input.clear();
                if matches!(self.phase, Phase::StartTls) {
                    self.phase = Phase::Reading;
                }
            }
            // What came before is still carried out.
            Event::Eof => self.eof = true,
            Event::TimedOut => self.end("Autologout: idle for too long"),
            Event::Withdrawn => self.end("[CONTACTADMIN] Access was withdrawn"),
            Event::ShuttingDown => self.end("Server is going down, come back soon"),
            Event::News => self.news = true,
        }
    }

    fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }
}
