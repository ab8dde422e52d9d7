//! The machine of one connection.

use crate::effect::{Done, Effect, Enabled, Refusal, Selected};
use crate::limits::Limits;
use crate::reply::{FetchLine, Reply};
use mail::{Uid, UidValidity};
use std::sync::Arc;
use wire::{Event, Machine, Outbox, Step};

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
    /// Capabilities not to be shown, in upper case, e.g. `UIDONLY`, `IMAP4REV2`: for clients that
    /// misuse them.
    pub hidden_capabilities: Vec<String>,
}

/// One IMAP session (RFC 9051 §3). See [`wire::Machine`] for how it is driven.
///
/// | effect | is answered by |
/// |---|---|
/// | [`Effect::Auth`] | [`Session::auth`] |
/// | [`Effect::Select`] | [`Session::selected`]; when it had `qresync` and is `Ok`, then [`Session::done`] |
/// | [`Effect::AppendEnd`] | [`Session::appended`] |
/// | [`Effect::Id`], [`Effect::Idle`], [`Effect::AppendAbort`] | nothing |
/// | all others, [`Effect::Poll`] too | [`Session::done`], after lines through [`Session::reply`] |
pub struct Session {
    options: Arc<Options>,
    outbox: Outbox,
    enabled: Enabled,
    line: FetchLine,
}

impl Session {
    /// A session of a new connection; it greets at the first step. On implicit-TLS ports the driver
    /// sends [`Event::Secured`] first.
    #[must_use]
    pub fn new(options: Arc<Options>) -> Self {
        Self {
            options,
            outbox: Outbox::default(),
            enabled: Enabled::default(),
            line: FetchLine::default(),
        }
    }
    /// What the client enabled.
    #[must_use]
    pub const fn enabled(&self) -> Enabled {
        self.enabled
    }
    /// Writers of untagged responses.
    pub fn reply(&mut self) -> Reply<'_> {
        todo!()
    }
    /// The answer to [`Effect::Auth`].
    pub fn auth(&mut self, _answer: wire::auth::Answer) {
        todo!()
    }
    /// The answer to [`Effect::Select`]. Writes the mailbox's untagged lines. When the effect had
    /// `qresync` and this is `Ok`, the VANISHED and FETCH lines follow, then [`Session::done`];
    /// otherwise the command is at its end.
    pub fn selected(&mut self, _selected: Result<Selected, Refusal>) {
        todo!()
    }
    /// The answer to [`Effect::AppendEnd`].
    pub fn appended(&mut self, _appended: Result<(UidValidity, Vec<Uid>), Refusal>) {
        todo!()
    }
    /// The answer to every other effect that needs one, after its lines through
    /// [`Session::reply`]. [`Done::More`] asks for [`Effect::More`] once the outbox is drained.
    pub fn done(&mut self, _done: Done) {
        todo!()
    }
    /// `* OK Still here`, for the NAT on the way, while the session is in IDLE: call it every two
    /// minutes (quirk 10). Says nothing at other times.
    pub fn keep_alive(&mut self) {
        todo!()
    }
}

impl Machine for Session {
    type Effect = Effect;
    fn step(&mut self) -> Step<Effect> {
        todo!()
    }
    fn receive(&mut self, _bytes: &[u8]) {
        todo!()
    }
    fn event(&mut self, _event: Event) {
        todo!()
    }
    fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }
}
