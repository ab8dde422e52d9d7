//! AUTHENTICATE (RFC 9051 §6.2.2) and the outcome of logins. The exchanges themselves are
//! [`wire::sasl`]'s.

use super::ask::Then;
use super::input::Frame;
use super::read::without_line_end;
use super::{Phase, Session, State};
use crate::answer::{self, Answer};
use crate::effect::Effect;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use wire::auth;
use wire::sasl::{Exchange, Failure, Mechanism, Turn};
use wire::{Patience, Step};

/// A SASL exchange at hand.
#[derive(Debug)]
pub struct Sasl {
    tag: Box<str>,
    exchange: Exchange,
}

impl Session {
    /// The channel binding of the connection.
    fn exporter(&self) -> Option<[u8; 32]> {
        self.security.as_ref().and_then(|security| security.exporter)
    }

    /// Mechanisms to be shown.
    pub(crate) fn mechanisms(&self) -> &'static [Mechanism] {
        match &self.security {
            Some(security) => Mechanism::offered(security.exporter.is_some()),
            None => Mechanism::offered_in_clear(),
        }
    }

    pub(super) fn begin_sasl(&mut self, tag: &str, name: &str, initial: Option<&[u8]>) {
        let exporter = self.exporter();
        let mechanism = Mechanism::parse(name, exporter.is_some())
            .filter(|mechanism| self.mechanisms().contains(mechanism))
            .filter(|mechanism| !self.is_hidden(&format!("AUTH={}", mechanism.name())));
        let Some(mechanism) = mechanism else {
            self.finish(tag, &answer::UNKNOWN_MECHANISM, None);
            return;
        };
        let initial = match initial {
            None => None,
            // RFC 4959 §3: "=" is an empty response.
            Some(b"=") => Some(Vec::new()),
            Some(coded) => match BASE64.decode(coded) {
                Ok(initial) => Some(initial),
                Err(_) => {
                    self.finish(tag, &answer::MALFORMED_RESPONSE, None);
                    return;
                }
            },
        };
        let exchange = Exchange::new(mechanism, exporter).scoped("imap");
        let mut sasl = Box::new(Sasl { tag: tag.into(), exchange });
        let turn = sasl.exchange.start(initial.as_deref());
        self.turn(sasl, turn);
    }

    /// Phase [`Phase::Sasl`].
    pub(super) fn read_sasl(&mut self, mut sasl: Box<Sasl>) -> Option<Step<Effect>> {
        match self.input.frame(self.command_octets_max()) {
            Frame::Partial => {
                self.phase = Phase::Sasl(sasl);
                return Some(Step::Wait(Patience::Middle));
            }
            Frame::TooLong => self.bye("[TOOBIG] Response is too long"),
            Frame::Literal(_) | Frame::Command => {
                let line = self.input.take_command();
                let line = without_line_end(&line);
                if line == b"*" {
                    self.finish(&sasl.tag, &answer::CANCELLED, None);
                    return None;
                }
                let turn = match BASE64.decode(line) {
                    Ok(response) => sasl.exchange.respond(&response),
                    Err(_) => Turn::Failed(Failure::Malformed),
                };
                self.turn(sasl, turn);
            }
        }
        None
    }

    fn turn(&mut self, sasl: Box<Sasl>, turn: Turn) {
        match turn {
            Turn::Challenge(challenge) => {
                // Also an empty challenge has its space (quirk 18).
                self.put(b"+ ");
                self.put(BASE64.encode(challenge).as_bytes());
                self.put(b"\r\n");
                self.phase = Phase::Sasl(sasl);
            }
            Turn::Ask(ask) => {
                let tag = sasl.tag.clone();
                self.ask(&tag, Effect::Auth(ask), Then::Sasl(sasl));
            }
            Turn::Accepted { .. } => {
                let mechanism = sasl.exchange.mechanism();
                // Tokens say what they are good for, and none is for JMAP yet.
                let token = matches!(mechanism, Mechanism::OAuthBearer | Mechanism::XOAuth2);
                self.logged_in(&sasl.tag, !token);
            }
            Turn::Failed(Failure::Malformed) => {
                self.finish(&sasl.tag, &answer::MALFORMED_RESPONSE, None);
            }
            Turn::Failed(Failure::Refused(refusal)) => {
                self.finish(&sasl.tag, &answer::login_refused(refusal), None);
            }
        }
    }

    /// The answer to [`Effect::Auth`].
    pub fn auth(&mut self, answer: auth::Answer) {
        let fits = |then: &Then| matches!(then, Then::Login | Then::Sasl(_));
        let (tag, then) = self.outcome(fits);
        if let Then::Sasl(mut sasl) = then {
            let turn = sasl.exchange.answered(answer);
            self.turn(sasl, turn);
            return;
        }
        match answer {
            auth::Answer::Accepted { .. } => self.logged_in(&tag, true),
            auth::Answer::Refused(refusal) => {
                self.finish(&tag, &answer::login_refused(refusal), None);
            }
            // LOGIN asks about a password; this is no answer to that.
            auth::Answer::Scram { .. } => {
                self.finish(&tag, &answer::login_refused(auth::Refusal::Unavailable), None);
            }
        }
    }

    /// RFC 9051 §6.2.2: the capabilities come with the OK.
    fn logged_in(&mut self, tag: &str, jmap: bool) {
        self.jmap = jmap;
        self.state = State::Authenticated;
        self.failures = 0;
        let list = crate::command::capabilities(self);
        self.finish(tag, &Answer::ok("Logged in"), Some(list));
    }
}
