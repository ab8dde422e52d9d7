//! SASL exchanges (RFC 4422), one for all protocols: PLAIN (RFC 4616), LOGIN, SCRAM-SHA-256,
//! SCRAM-SHA-256-PLUS, OAUTHBEARER (RFC 7628) and XOAUTH2.
//!
//! A protocol machine decodes base64, `=` and `*` as its RFC says, and takes the [`Turn`]s: it
//! sends challenges, asks [`Ask`]s through its own effect, and words the end itself. Responses come
//! in decoded. Nothing here checks a password.

mod bearer;
pub mod client;
mod scram;

use crate::auth::{Answer, Ask, Refusal, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
pub use bearer::TOKEN_OCTETS_MAX;
use bearer::{Fault, Presented};
use scram::{Binding, Challenge, ClientFirst};

/// Octets of one decoded response: a password and two names.
pub const RESPONSE_OCTETS_MAX: usize = 4096;

/// A mechanism.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mechanism {
    /// `PLAIN`
    Plain,
    /// `LOGIN` (draft-murchison-sasl-login), for old clients.
    Login,
    /// `SCRAM-SHA-256`
    ScramSha256,
    /// `SCRAM-SHA-256-PLUS`
    ScramSha256Plus,
    /// `OAUTHBEARER`
    OAuthBearer,
    /// `XOAUTH2` (Google's), for clients that know nothing newer.
    XOAuth2,
}

impl Mechanism {
    /// As capabilities name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Plain => "PLAIN",
            Self::Login => "LOGIN",
            Self::ScramSha256 => "SCRAM-SHA-256",
            Self::ScramSha256Plus => "SCRAM-SHA-256-PLUS",
            Self::OAuthBearer => "OAUTHBEARER",
            Self::XOAuth2 => "XOAUTH2",
        }
    }

    /// The mechanisms of a connection; `exporter` says that it has a channel binding.
    #[must_use]
    pub const fn offered(exporter: bool) -> &'static [Self] {
        const ALL: &[Mechanism] = &[
            Mechanism::Plain,
            Mechanism::Login,
            Mechanism::ScramSha256,
            Mechanism::OAuthBearer,
            Mechanism::XOAuth2,
            Mechanism::ScramSha256Plus,
        ];
        match ALL {
            [others @ .., _] if !exporter => others,
            _ => ALL,
        }
    }

    /// The mechanisms of a connection without TLS, where logins are allowed in clear: no tokens
    /// (RFC 7628 §3: "TLS MUST be used for OAUTHBEARER").
    #[must_use]
    pub const fn offered_in_clear() -> &'static [Self] {
        &[Self::Plain, Self::Login, Self::ScramSha256]
    }

    /// By its name in any case, if it is offered.
    #[must_use]
    pub fn parse(name: &str, exporter: bool) -> Option<Self> {
        let mut offered = Self::offered(exporter).iter().copied();
        offered.find(|mechanism| mechanism.name().eq_ignore_ascii_case(name))
    }
}

/// Why an exchange failed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Failure {
    /// The client's message breaks the grammar or the rules of the mechanism.
    Malformed,
    /// The account store refused.
    Refused(Refusal),
}

/// What comes next.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Turn {
    /// Send this (in base64) and give the client's answer to [`Exchange::respond`].
    Challenge(Vec<u8>),
    /// Ask this and give what is heard to [`Exchange::answered`].
    Ask(Ask),
    /// Logged in.
    Accepted {
        /// The account's main address.
        login: String,
    },
    /// Not logged in; the exchange is over.
    Failed(Failure),
}

/// An exchange.
#[derive(Debug)]
pub struct Exchange {
    mechanism: Mechanism,
    exporter: Option<[u8; 32]>,
    scope: &'static str,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    /// The first response is awaited.
    First,
    /// LOGIN: the password is awaited.
    Password(String),
    /// SCRAM: the keys are awaited.
    Keys(ClientFirst),
    /// SCRAM: the proof is awaited.
    Proof(Challenge),
    /// The verdict is awaited; then the server's last message, if any.
    Verdict(Option<String>),
    /// The failure is being counted: no verdict lets the client in.
    Unproven,
    /// The client has to take note of the server's last message.
    Note(String),
    /// The client was told why its token is not taken, and has to answer (RFC 7628 §3.2.3).
    Dismissed(Failure),
    Over,
}

impl Exchange {
    /// Begins. `exporter` is the channel binding of the connection (RFC 9266), if it has one.
    #[must_use]
    pub const fn new(mechanism: Mechanism, exporter: Option<[u8; 32]>) -> Self {
        Self { mechanism, exporter, scope: "", stage: Stage::First }
    }

    /// The scope that a token must have here: told to clients whose token has not.
    #[must_use]
    pub const fn scoped(mut self, scope: &'static str) -> Self {
        self.scope = scope;
        self
    }

    /// Its mechanism.
    #[must_use]
    pub const fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The first turn, with the initial response if the client sent one (RFC 4959, RFC 4954 §4).
    pub fn start(&mut self, initial: Option<&[u8]>) -> Turn {
        match (initial, self.mechanism) {
            (Some(initial), _) => self.respond(initial),
            // Outlook 2016 wants these very prompts.
            (None, Mechanism::Login) => Turn::Challenge(b"Username:".to_vec()),
            (None, _) => Turn::Challenge(Vec::new()),
        }
    }

    /// The client's response to a challenge.
    pub fn respond(&mut self, response: &[u8]) -> Turn {
        if response.len() > RESPONSE_OCTETS_MAX {
            return self.fail(Failure::Malformed);
        }
        let turn = match (std::mem::replace(&mut self.stage, Stage::Over), self.mechanism) {
            (Stage::First, Mechanism::Plain) => self.plain(response),
            (Stage::First, Mechanism::Login) => self.user_name(response),
            (Stage::First, Mechanism::ScramSha256 | Mechanism::ScramSha256Plus) => {
                self.scram_first(response)
            }
            (Stage::First, Mechanism::OAuthBearer) => Some(self.token(bearer::parse(response))),
            (Stage::First, Mechanism::XOAuth2) => Some(self.token(bearer::parse_google(response))),
            // Whatever the answer is: RFC 7628 §3.2.3 asks for %x01, XOAUTH2 for nothing.
            (Stage::Dismissed(failure), _) => Some(self.fail(failure)),
            (Stage::Password(login), _) => self.password(login, String::new(), response),
            (Stage::Proof(challenge), _) => self.scram_final(&challenge, response),
            (Stage::Note(login), _) if response.is_empty() => Some(Turn::Accepted { login }),
            (
                Stage::Note(_) | Stage::Keys(_) | Stage::Verdict(_) | Stage::Unproven | Stage::Over,
                _,
            ) => None,
        };
        turn.unwrap_or_else(|| self.fail(Failure::Malformed))
    }

    /// What the account store said to [`Turn::Ask`].
    pub fn answered(&mut self, answer: Answer) -> Turn {
        match (std::mem::replace(&mut self.stage, Stage::Over), answer) {
            (Stage::Keys(first), Answer::Scram { keys, nonce }) => {
                let challenge = Challenge::new(first, &keys, &BASE64.encode(nonce));
                let message = challenge.message().as_bytes().to_vec();
                self.stage = Stage::Proof(challenge);
                Turn::Challenge(message)
            }
            (Stage::Verdict(None), Answer::Accepted { login }) => Turn::Accepted { login },
            (Stage::Verdict(Some(last)), Answer::Accepted { login }) => {
                self.stage = Stage::Note(login);
                Turn::Challenge(last.into_bytes())
            }
            (_, Answer::Refused(refusal)) => self.refused(refusal),
            // An answer that does not fit the question is a mistake of ours.
            (_, Answer::Accepted { .. } | Answer::Scram { .. }) => {
                self.fail(Failure::Refused(Refusal::Unavailable))
            }
        }
    }

    fn fail(&mut self, failure: Failure) -> Turn {
        self.stage = Stage::Over;
        Turn::Failed(failure)
    }

    /// `message = [authzid] UTF8NUL authcid UTF8NUL passwd` (RFC 4616 §2)
    fn plain(&mut self, message: &[u8]) -> Option<Turn> {
        let mut fields = message.split(|octet| *octet == 0);
        let text = |field: &[u8]| String::from_utf8(field.to_vec()).ok();
        let authzid = text(fields.next()?)?;
        let login = text(fields.next()?).filter(|login| !login.is_empty())?;
        let password = fields.next()?;
        if fields.next().is_some() {
            return None;
        }
        self.password(login, authzid, password)
    }

    fn user_name(&mut self, response: &[u8]) -> Option<Turn> {
        let login = String::from_utf8(response.to_vec()).ok().filter(|name| !name.is_empty())?;
        self.stage = Stage::Password(login);
        Some(Turn::Challenge(b"Password:".to_vec()))
    }

    fn password(&mut self, login: String, authzid: String, password: &[u8]) -> Option<Turn> {
        self.stage = Stage::Verdict(None);
        let password = prepare_password(password);
        Some(Turn::Ask(Ask::Password { login, authzid, password }))
    }

    fn token(&mut self, presented: Option<Presented>) -> Turn {
        let Some(Presented { authzid, token }) = presented else {
            return self.dismiss(Fault::Request, Failure::Malformed);
        };
        self.stage = Stage::Verdict(None);
        Turn::Ask(Ask::Token { authzid, token })
    }

    fn refused(&mut self, refusal: Refusal) -> Turn {
        let failure = Failure::Refused(refusal);
        let bearer = matches!(self.mechanism, Mechanism::OAuthBearer | Mechanism::XOAuth2);
        match Fault::of(refusal).filter(|_| bearer) {
            Some(fault) => self.dismiss(fault, failure),
            None => self.fail(failure),
        }
    }

    /// RFC 7628 §3.2.2: the reason is a challenge, because an outcome cannot carry it.
    fn dismiss(&mut self, fault: Fault, failure: Failure) -> Turn {
        let google = self.mechanism == Mechanism::XOAuth2;
        let reason = if google { fault.json_google(self.scope) } else { fault.json(self.scope) };
        self.stage = Stage::Dismissed(failure);
        Turn::Challenge(reason.into_bytes())
    }

    fn scram_first(&mut self, message: &[u8]) -> Option<Turn> {
        let plus = self.mechanism == Mechanism::ScramSha256Plus;
        let binding = Binding { plus, offered: self.exporter.is_some() };
        let first = ClientFirst::parse(message, binding)?;
        let login = first.login.clone();
        self.stage = Stage::Keys(first);
        Some(Turn::Ask(Ask::Scram { login }))
    }

    fn scram_final(&mut self, challenge: &Challenge, message: &[u8]) -> Option<Turn> {
        let exporter = self.exporter.as_ref().map(<[u8; 32]>::as_slice);
        let last = challenge.finish(message, exporter)?;
        let (login, authzid) = challenge.names();
        let (login, authzid) = (login.to_owned(), authzid.to_owned());
        let proven = last.is_some();
        self.stage = if proven { Stage::Verdict(last) } else { Stage::Unproven };
        Some(Turn::Ask(Ask::ScramEnded { login, authzid, proven }))
    }
}

/// A password as it is compared and hashed: SASLprepared (RFC 4013), or as it came where that is
/// not possible (not UTF-8, or with characters that SASLprep does not know).
#[must_use]
pub fn prepare_password(password: &[u8]) -> Secret {
    let prepared = std::str::from_utf8(password).ok().and_then(|text| {
        stringprep::saslprep(text).ok().map(|text| text.into_owned().into_bytes())
    });
    Secret::new(prepared.unwrap_or_else(|| password.to_vec()))
}

#[cfg(test)]
mod tests {
    use super::scram::tests::{client_final, keys};
    use super::*;

    fn ask(login: &str, authzid: &str, password: &str) -> Turn {
        Turn::Ask(Ask::Password {
            login: login.to_owned(),
            authzid: authzid.to_owned(),
            password: Secret::new(password.as_bytes().to_vec()),
        })
    }

    fn accepted() -> Answer {
        Answer::Accepted { login: "ana@example.test".to_owned() }
    }

    #[test]
    fn plain_with_and_without_initial_response() {
        let mut exchange = Exchange::new(Mechanism::Plain, None);
        assert_eq!(exchange.start(Some(b"\0ana\0secret")), ask("ana", "", "secret"));
        let login = "ana@example.test".to_owned();
        assert_eq!(exchange.answered(accepted()), Turn::Accepted { login });
        let mut exchange = Exchange::new(Mechanism::Plain, None);
        assert_eq!(exchange.start(None), Turn::Challenge(Vec::new()));
        assert_eq!(exchange.respond(b"boss\0ana\0secret"), ask("ana", "boss", "secret"));
        let refused = Answer::Refused(Refusal::Credentials);
        let failed = Turn::Failed(Failure::Refused(Refusal::Credentials));
        assert_eq!(exchange.answered(refused), failed);
    }

    #[test]
    fn plain_that_is_malformed() {
        for message in [&b""[..], b"ana", b"\0ana", b"\0\0secret", b"\0a\0b\0c", b"\0\xff\0b"] {
            let mut exchange = Exchange::new(Mechanism::Plain, None);
            assert_eq!(exchange.start(Some(message)), Turn::Failed(Failure::Malformed));
        }
    }

    #[test]
    fn responses_at_the_limit_and_beyond() {
        let start = |octets: usize| {
            let message = [b"\0a\0".to_vec(), vec![b'x'; octets - 3]].concat();
            Exchange::new(Mechanism::Plain, None).start(Some(&message))
        };
        assert!(matches!(start(RESPONSE_OCTETS_MAX), Turn::Ask(_)));
        assert_eq!(start(RESPONSE_OCTETS_MAX + 1), Turn::Failed(Failure::Malformed));
    }

    #[test]
    fn login_prompts() {
        let mut exchange = Exchange::new(Mechanism::Login, None);
        assert_eq!(exchange.start(None), Turn::Challenge(b"Username:".to_vec()));
        assert_eq!(exchange.respond(b"ana"), Turn::Challenge(b"Password:".to_vec()));
        assert_eq!(exchange.respond(b"secret"), ask("ana", "", "secret"));
        // Quirk 20: the name as an initial response.
        let mut exchange = Exchange::new(Mechanism::Login, None);
        assert_eq!(exchange.start(Some(b"ana")), Turn::Challenge(b"Password:".to_vec()));
        let mut exchange = Exchange::new(Mechanism::Login, None);
        assert_eq!(exchange.start(Some(b"")), Turn::Failed(Failure::Malformed));
    }

    fn scram(mechanism: Mechanism, header: &str, exporter: Option<[u8; 32]>) -> Turn {
        let both = keys("secret", b"salt", 3);
        let bare = "n=ana,r=abc";
        let mut exchange = Exchange::new(mechanism, exporter);
        assert_eq!(exchange.start(None), Turn::Challenge(Vec::new()));
        let Turn::Ask(Ask::Scram { login }) =
            exchange.respond(format!("{header}{bare}").as_bytes())
        else {
            panic!("no ask");
        };
        assert_eq!(login, "ana");
        let answer = Answer::Scram { keys: both.0.clone(), nonce: [5; 18] };
        let Turn::Challenge(first) = exchange.answered(answer) else { panic!("no challenge") };
        let first = String::from_utf8(first).unwrap();
        assert!(first.starts_with("r=abcBQUF"), "{first}");
        let data = [header.as_bytes(), exporter.as_ref().map_or(&[], |data| &data[..])].concat();
        let last = client_final(&both, bare, &first, &data);
        let Turn::Ask(ended) = exchange.respond(last.as_bytes()) else { panic!("no ask") };
        let (login, authzid) = ("ana".to_owned(), String::new());
        assert_eq!(ended, Ask::ScramEnded { login, authzid, proven: true });
        let Turn::Challenge(last) = exchange.answered(accepted()) else { panic!("no challenge") };
        assert!(last.starts_with(b"v="));
        exchange.respond(b"")
    }

    #[test]
    fn scram_to_the_end() {
        let login = "ana@example.test".to_owned();
        let accepted = Turn::Accepted { login };
        assert_eq!(scram(Mechanism::ScramSha256, "n,,", None), accepted);
        assert_eq!(scram(Mechanism::ScramSha256Plus, "p=tls-exporter,,", Some([7; 32])), accepted);
    }

    #[test]
    fn scram_with_a_wrong_proof_is_told_to_the_store() {
        let mut exchange = Exchange::new(Mechanism::ScramSha256, None);
        exchange.start(Some(b"n,,n=ana,r=abc"));
        let answer = Answer::Scram { keys: keys("secret", b"salt", 1).0, nonce: [5; 18] };
        let Turn::Challenge(first) = exchange.answered(answer) else { panic!("no challenge") };
        let first = String::from_utf8(first).unwrap();
        let last = client_final(&keys("wrong", b"salt", 1), "n=ana,r=abc", &first, b"n,,");
        let Turn::Ask(Ask::ScramEnded { proven, .. }) = exchange.respond(last.as_bytes()) else {
            panic!("no ask");
        };
        assert!(!proven);
        // Even a store that says yes by mistake does not let the client in.
        assert!(matches!(exchange.answered(accepted()), Turn::Failed(_)));
        assert_eq!(exchange.respond(b""), Turn::Failed(Failure::Malformed));
    }

    fn token_ask(authzid: &str) -> Turn {
        let token = Secret::new(b"t0k3n".to_vec());
        Turn::Ask(Ask::Token { authzid: authzid.to_owned(), token })
    }

    #[test]
    fn bearer_that_is_right() {
        let login = "ana@example.test".to_owned();
        let mut exchange = Exchange::new(Mechanism::OAuthBearer, None);
        let message = b"n,a=ana,\x01auth=Bearer t0k3n\x01\x01";
        assert_eq!(exchange.start(Some(message)), token_ask("ana"));
        assert_eq!(exchange.answered(accepted()), Turn::Accepted { login: login.clone() });
        let mut exchange = Exchange::new(Mechanism::XOAuth2, None);
        assert_eq!(exchange.start(None), Turn::Challenge(Vec::new()));
        let message = b"user=ana\x01auth=Bearer t0k3n\x01\x01";
        assert_eq!(exchange.respond(message), token_ask("ana"));
        assert_eq!(exchange.answered(accepted()), Turn::Accepted { login });
    }

    /// RFC 7628 §3.2.2, §3.2.3.
    #[test]
    fn bearer_that_is_wrong_hears_why_and_answers() {
        let told = |mechanism, message: &[u8], refusal| {
            let mut exchange = Exchange::new(mechanism, None).scoped("imap");
            exchange.start(Some(message));
            let Turn::Challenge(reason) = exchange.answered(Answer::Refused(refusal)) else {
                panic!("no reason");
            };
            let dummy: &[u8] = if mechanism == Mechanism::OAuthBearer { b"\x01" } else { b"" };
            assert_eq!(exchange.respond(dummy), Turn::Failed(Failure::Refused(refusal)));
            // Over is over.
            assert_eq!(exchange.respond(dummy), Turn::Failed(Failure::Malformed));
            String::from_utf8(reason).unwrap()
        };
        let bearer =
            |refusal| told(Mechanism::OAuthBearer, b"n,,\x01auth=Bearer t\x01\x01", refusal);
        let invalid = r#"{"status":"invalid_token","scope":"imap"}"#;
        assert_eq!(bearer(Refusal::Credentials), invalid);
        assert_eq!(bearer(Refusal::Disabled), invalid);
        let scope = r#"{"status":"insufficient_scope","scope":"imap"}"#;
        assert_eq!(bearer(Refusal::Authorization), scope);
        let google =
            told(Mechanism::XOAuth2, b"user=a\x01auth=Bearer t\x01\x01", Refusal::Credentials);
        assert_eq!(google, r#"{"status":"401","schemes":"bearer","scope":"imap"}"#);
    }

    #[test]
    fn bearer_that_is_malformed_or_cannot_be_checked() {
        let mut exchange = Exchange::new(Mechanism::OAuthBearer, None).scoped("pop");
        let reason = br#"{"status":"invalid_request","scope":"pop"}"#.to_vec();
        assert_eq!(exchange.start(Some(b"\x01")), Turn::Challenge(reason));
        assert_eq!(exchange.respond(b"\x01"), Turn::Failed(Failure::Malformed));
        for refusal in [Refusal::Unavailable, Refusal::TooMany] {
            let mut exchange = Exchange::new(Mechanism::OAuthBearer, None);
            exchange.start(Some(b"n,,\x01auth=Bearer t\x01\x01"));
            let failed = Turn::Failed(Failure::Refused(refusal));
            assert_eq!(exchange.answered(Answer::Refused(refusal)), failed);
        }
    }

    #[test]
    fn offers() {
        assert_eq!(Mechanism::offered(false).len(), 5);
        assert_eq!(Mechanism::parse("scram-sha-256-plus", false), None);
        let plus = Some(Mechanism::ScramSha256Plus);
        assert_eq!(Mechanism::parse("scram-sha-256-plus", true), plus);
        assert_eq!(Mechanism::parse("CRAM-MD5", true), None);
    }

    #[test]
    fn passwords_are_prepared() {
        assert_eq!(prepare_password("a\u{ad}b".as_bytes()), Secret::new(b"ab".to_vec()));
        assert_eq!(prepare_password(b"\xff"), Secret::new(vec![0xff]));
        assert_eq!(prepare_password(b"a\x07"), Secret::new(b"a\x07".to_vec()));
    }
}
