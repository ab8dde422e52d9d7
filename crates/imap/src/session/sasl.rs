//! AUTHENTICATE (RFC 9051 §6.2.2) and the outcome of logins.

use super::{Session, State};
use crate::answer::{self, Answer};
use crate::effect::Effect;
use wire::Step;
use wire::auth;

/// A SASL exchange at hand.
#[derive(Debug)]
pub struct Sasl {
    pub tag: Box<str>,
}

impl Session {
    /// Mechanisms to be shown.
    pub(crate) fn mechanisms(&self) -> &'static [&'static str] {
        &[]
    }

    pub(super) fn begin_sasl(&mut self, tag: &str, _mechanism: &str, _initial: Option<Vec<u8>>) {
        self.finish(tag, &Answer::no("CANNOT", "Unknown mechanism"), None);
    }

    pub(super) fn read_sasl(&mut self, _sasl: Box<Sasl>) -> Option<Step<Effect>> {
        None
    }

    /// The answer to [`Effect::Auth`].
    pub fn auth(&mut self, answer: auth::Answer) {
        let tag = self.outcome_tag(|then| matches!(then, super::ask::Then::Login));
        match answer {
            auth::Answer::Accepted { login: _ } => self.logged_in(&tag),
            auth::Answer::Refused(refusal) => {
                self.finish(&tag, &answer::login_refused(refusal), None);
            }
            auth::Answer::Scram { .. } => {
                self.finish(&tag, &answer::login_refused(auth::Refusal::Unavailable), None);
            }
        }
    }

    /// RFC 9051 §6.2.2: the capabilities come with the OK.
    fn logged_in(&mut self, tag: &str) {
        self.state = State::Authenticated;
        self.failures = 0;
        let list = crate::command::capabilities(self);
        self.finish(tag, &Answer::ok("Logged in"), Some(list));
    }
}
