//! The client's side of SASL, for servers that we log in to: SCRAM-SHA-256 with and without
//! channel binding (RFC 5802, RFC 7677, RFC 9266), PLAIN (RFC 4616) and LOGIN.
//!
//! Invariants: the strongest mechanism of those offered is taken; a SCRAM server that does not
//! prove that it knows the password is not believed; the work that a server may ask for is bounded.
//! For connections with TLS only: PLAIN and LOGIN give the password away.

use super::scram::hmac;
use super::{Mechanism, prepare_password};
use crate::auth::Secret;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use sha2::{Digest as _, Sha256};

/// Iterations that a server may ask for (RFC 7677 §4: 4,096 at least); each costs two hashes.
pub const SCRAM_ITERATIONS_MAX: u32 = 200_000;

/// How to log in.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Credentials {
    /// Login name.
    pub login: String,
    /// The password.
    pub password: Secret,
    /// Random octets, new for each connection.
    pub nonce: [u8; 18],
}

/// A login under way.
#[derive(Debug)]
pub struct Login {
    mechanism: Mechanism,
    credentials: Credentials,
    /// `gs2-header` and, bound to a channel, its data (RFC 5802 §5.1).
    binding: Vec<u8>,
    gs2_octets: usize,
    stage: Stage,
}

#[derive(Debug)]
enum Stage {
    First,
    Password,
    /// SCRAM: the server's first message is awaited.
    Challenge,
    /// SCRAM: this is what the server has to sign with.
    Signature([u8; 32]),
    /// Nothing more is to be said.
    Said,
}

impl Login {
    /// With the strongest of the mechanisms offered, names in upper case; `None` when there is none
    /// that is known here.
    #[must_use]
    pub fn new(
        offered: &[String],
        exporter: Option<[u8; 32]>,
        credentials: Credentials,
    ) -> Option<Self> {
        let has = |one: &Mechanism| offered.iter().any(|name| name == one.name());
        let plus = Mechanism::ScramSha256Plus;
        let known = [plus, Mechanism::ScramSha256, Mechanism::Plain, Mechanism::Login];
        let usable = |one: &Mechanism| has(one) && (*one != plus || exporter.is_some());
        let mechanism = known.into_iter().find(usable)?;
        // RFC 5802 §6: "y" tells a server that offers PLUS that somebody hid it.
        let header: &[u8] = match (mechanism == plus, exporter) {
            (true, _) => b"p=tls-exporter,,",
            (false, Some(_)) => b"y,,",
            (false, None) => b"n,,",
        };
        let mut binding = header.to_vec();
        if let Some(exporter) = exporter.filter(|_| mechanism == plus) {
            binding.extend_from_slice(&exporter);
        }
        let gs2_octets = header.len();
        Some(Self { mechanism, credentials, binding, gs2_octets, stage: Stage::First })
    }

    /// Its mechanism.
    #[must_use]
    pub const fn mechanism(&self) -> Mechanism {
        self.mechanism
    }

    /// The initial response; `None` for LOGIN, where the server begins.
    pub fn initial(&mut self) -> Option<Vec<u8>> {
        match self.mechanism {
            Mechanism::Login => None,
            Mechanism::Plain => {
                self.stage = Stage::Said;
                let login = self.credentials.login.as_bytes();
                Some([&[0], login, &[0], self.credentials.password.reveal()].concat())
            }
            _ => {
                self.stage = Stage::Challenge;
                let header = self.binding.get(..self.gs2_octets).unwrap_or_default();
                Some([header, self.first_bare().as_bytes()].concat())
            }
        }
    }

    /// The answer to a challenge; `None` when it makes no sense or the server is not believed.
    pub fn respond(&mut self, challenge: &[u8]) -> Option<Vec<u8>> {
        match (std::mem::replace(&mut self.stage, Stage::Said), self.mechanism) {
            (Stage::First, Mechanism::Login) => {
                self.stage = Stage::Password;
                Some(self.credentials.login.as_bytes().to_vec())
            }
            (Stage::Password, _) => Some(self.credentials.password.reveal().to_vec()),
            (Stage::Challenge, _) => self.proof(std::str::from_utf8(challenge).ok()?),
            (Stage::Signature(wanted), _) => {
                let text = std::str::from_utf8(challenge).ok()?;
                let signature = text.strip_prefix("v=")?.split(',').next()?;
                let right = BASE64.decode(signature).is_ok_and(|one| one == wanted);
                right.then(Vec::new)
            }
            (Stage::First | Stage::Said, _) => None,
        }
    }

    /// Whether success may be believed: a SCRAM server has proven that it knows the password.
    #[must_use]
    pub const fn is_complete(&self) -> bool {
        matches!(self.stage, Stage::Said)
    }

    /// `n=user,r=nonce` (RFC 5802 §7)
    fn first_bare(&self) -> String {
        let name = self.credentials.login.replace('=', "=3D").replace(',', "=2C");
        format!("n={name},r={}", BASE64.encode(self.credentials.nonce))
    }

    /// `client-final-message` (RFC 5802 §3, §7)
    fn proof(&mut self, server_first: &str) -> Option<Vec<u8>> {
        let mut attributes = server_first.split(',');
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let salt = BASE64.decode(attributes.next()?.strip_prefix("s=")?).ok()?;
        let iterations: u32 = attributes.next()?.strip_prefix("i=")?.parse().ok()?;
        let ours = BASE64.encode(self.credentials.nonce);
        let extended = nonce.len() > ours.len() && nonce.starts_with(&ours);
        if !extended || !(1..=SCRAM_ITERATIONS_MAX).contains(&iterations) {
            return None;
        }
        let password = prepare_password(self.credentials.password.reveal());
        let salted = salted_password(password.reveal(), &salt, iterations);
        let client_key = hmac(&salted, b"Client Key");
        let stored_key: [u8; 32] = Sha256::digest(client_key).into();
        let without_proof = format!("c={},r={nonce}", BASE64.encode(&self.binding));
        let auth_message = format!("{},{server_first},{without_proof}", self.first_bare());
        let mut proof = hmac(&stored_key, auth_message.as_bytes());
        for (octet, key) in proof.iter_mut().zip(client_key) {
            *octet ^= key;
        }
        let server_key = hmac(&salted, b"Server Key");
        self.stage = Stage::Signature(hmac(&server_key, auth_message.as_bytes()));
        Some(format!("{without_proof},p={}", BASE64.encode(proof)).into_bytes())
    }
}

/// `Hi(str, salt, i)` of RFC 5802 §2.2
fn salted_password(password: &[u8], salt: &[u8], iterations: u32) -> [u8; 32] {
    let mut last = hmac(password, &[salt, &1_u32.to_be_bytes()].concat());
    let mut salted = last;
    for _ in 1..iterations {
        last = hmac(password, &last);
        for (sum, octet) in salted.iter_mut().zip(last) {
            *sum ^= octet;
        }
    }
    salted
}

#[cfg(test)]
mod tests {
    use super::super::{Exchange, Turn, scram::tests::keys};
    use super::*;
    use crate::auth::{Answer, Ask};

    fn credentials(login: &str) -> Credentials {
        let password = Secret::new(b"secret".to_vec());
        Credentials { login: login.to_owned(), password, nonce: [3; 18] }
    }

    fn login(offered: &[&str], exporter: Option<[u8; 32]>) -> Option<Login> {
        let offered: Vec<String> = offered.iter().map(|name| (*name).to_owned()).collect();
        Login::new(&offered, exporter, credentials("a,b=c"))
    }

    #[test]
    fn the_strongest_is_taken() {
        let all = ["LOGIN", "PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-256-PLUS"];
        let taken =
            |offered: &[&str], exporter| login(offered, exporter).map(|one| one.mechanism());
        assert_eq!(taken(&all, Some([7; 32])), Some(Mechanism::ScramSha256Plus));
        assert_eq!(taken(&all, None), Some(Mechanism::ScramSha256));
        assert_eq!(taken(&all[..2], None), Some(Mechanism::Plain));
        assert_eq!(taken(&all[..1], None), Some(Mechanism::Login));
        assert_eq!(taken(&["CRAM-MD5", "GSSAPI"], None), None);
    }

    #[test]
    fn plain_and_login() {
        let mut plain = login(&["PLAIN"], None).unwrap();
        assert_eq!(plain.initial().unwrap(), b"\0a,b=c\0secret");
        assert!(plain.is_complete());
        assert_eq!(plain.respond(b""), None);
        let mut old = login(&["LOGIN"], None).unwrap();
        assert_eq!(old.initial(), None);
        assert_eq!(old.respond(b"Username:").unwrap(), b"a,b=c");
        assert!(!old.is_complete());
        assert_eq!(old.respond(b"Password:").unwrap(), b"secret");
        assert!(old.is_complete());
    }

    /// Our own server takes what our own client says; and the other way round.
    fn against_the_server(
        mechanism: Mechanism,
        exporter: Option<[u8; 32]>,
        other: Option<[u8; 32]>,
    ) -> bool {
        let mut client = login(&[mechanism.name()], exporter).unwrap();
        let mut server = Exchange::new(mechanism, other);
        let Turn::Ask(Ask::Scram { login }) = server.start(Some(&client.initial().unwrap())) else {
            return false;
        };
        assert_eq!(login, "a,b=c");
        let both = keys("secret", b"salt", 5);
        let Turn::Challenge(first) =
            server.answered(Answer::Scram { keys: both.0, nonce: [5; 18] })
        else {
            panic!("no challenge");
        };
        let last = client.respond(&first).unwrap();
        assert!(!client.is_complete());
        let Turn::Ask(Ask::ScramEnded { proven: true, .. }) = server.respond(&last) else {
            return false;
        };
        let Turn::Challenge(signature) = server.answered(Answer::Accepted { login }) else {
            panic!("no signature");
        };
        assert_eq!(client.respond(&signature), Some(Vec::new()));
        assert!(client.is_complete());
        matches!(server.respond(b""), Turn::Accepted { .. })
    }

    #[test]
    fn scram() {
        let (scram, plus) = (Mechanism::ScramSha256, Mechanism::ScramSha256Plus);
        assert!(against_the_server(scram, None, None));
        assert!(against_the_server(plus, Some([7; 32]), Some([7; 32])));
        // Somebody in the middle: another channel, or PLUS hidden from us.
        assert!(!against_the_server(plus, Some([7; 32]), Some([8; 32])));
        assert!(!against_the_server(scram, Some([7; 32]), Some([7; 32])));
    }

    #[test]
    fn servers_that_are_not_believed() {
        let begun = || {
            let mut client = login(&["SCRAM-SHA-256"], None).unwrap();
            client.initial().unwrap();
            client
        };
        let nonce = BASE64.encode([3; 18]);
        let first = |iterations: u32| format!("r={nonce}x,s=AAAA,i={iterations}").into_bytes();
        assert!(begun().respond(&first(1)).is_some());
        assert!(begun().respond(&first(0)).is_none());
        assert!(begun().respond(&first(SCRAM_ITERATIONS_MAX + 1)).is_none());
        assert!(begun().respond(format!("r={nonce},s=AAAA,i=1").as_bytes()).is_none());
        assert!(begun().respond(b"r=other,s=AAAA,i=1").is_none());
        let mut client = begun();
        client.respond(&first(1)).unwrap();
        assert!(!client.is_complete());
        assert_eq!(client.respond(b"v=AAAA"), None);
        // Success without a signature.
        let mut client = begun();
        client.respond(&first(1)).unwrap();
        assert!(!client.is_complete());
    }
}
