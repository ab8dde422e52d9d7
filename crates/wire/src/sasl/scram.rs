//! The server's side of SCRAM-SHA-256 and SCRAM-SHA-256-PLUS (RFC 5802, RFC 7677), with the channel
//! binding `tls-exporter` (RFC 9266).
//!
//! Never holds a password. The nonce comes from outside.

use crate::auth::{ScramKeys, Secret};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::{Digest as _, Sha256};
use subtle::ConstantTimeEq as _;

/// Octets of a nonce, a name or an authorization identity of a client.
const FIELD_OCTETS_MAX: usize = 1024;

/// What the client's first message said.
#[derive(Clone, Debug)]
pub struct ClientFirst {
    /// Whom to act as; empty for itself.
    pub authzid: String,
    /// Login name.
    pub login: String,
    /// `gs2-header`, which the last message repeats.
    gs2_header: Vec<u8>,
    /// The message without `gs2-header`.
    bare: String,
    nonce: String,
}

/// Which channel binding a client may and must use.
#[derive(Clone, Copy, Debug)]
pub struct Binding {
    /// The client chose a -PLUS mechanism.
    pub plus: bool,
    /// The connection has a binding, so -PLUS was shown.
    pub offered: bool,
}

impl ClientFirst {
    /// `client-first-message = gs2-header client-first-message-bare` (RFC 5802 §7). `None` when it
    /// breaks the grammar or the rules of §6.
    pub fn parse(message: &[u8], binding: Binding) -> Option<Self> {
        let text = std::str::from_utf8(message).ok()?;
        let (flag, rest) = text.split_once(',')?;
        let (authzid, bare) = rest.split_once(',')?;
        match flag {
            "n" if !binding.plus => {}
            // "The client supports channel binding but thinks that the server does not": if we
            // showed it, somebody on the way took it out.
            "y" if !binding.plus && !binding.offered => {}
            "p=tls-exporter" if binding.plus => {}
            _ => return None,
        }
        let authzid = match authzid.strip_prefix("a=") {
            Some(name) => sasl_name(name)?,
            None if authzid.is_empty() => String::new(),
            None => return None,
        };
        // `reserved-mext` ("m=") is one that we do not know: the attributes must begin with n=.
        let mut attributes = bare.split(',');
        let login = sasl_name(attributes.next()?.strip_prefix("n=")?)?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        let fits = |text: &str| !text.is_empty() && text.len() <= FIELD_OCTETS_MAX;
        let printable = nonce.bytes().all(|b| b.is_ascii_graphic());
        if !fits(&login) || !fits(nonce) || !printable || authzid.len() > FIELD_OCTETS_MAX {
            return None;
        }
        Some(Self {
            authzid,
            login,
            gs2_header: format!("{},{},", flag, rest.split_once(',')?.0).into_bytes(),
            bare: bare.to_owned(),
            nonce: nonce.to_owned(),
        })
    }
}

/// `saslname`: `=2C` for `,` and `=3D` for `=`, then SASLprep.
pub(super) fn sasl_name(text: &str) -> Option<String> {
    let mut name = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('=') {
        name.push_str(before);
        let (escaped, after) = after.split_at_checked(2)?;
        name.push(match escaped {
            "2C" | "2c" => ',',
            "3D" | "3d" => '=',
            _ => return None,
        });
        rest = after;
    }
    name.push_str(rest);
    Some(stringprep::saslprep(&name).ok()?.into_owned())
}

/// What is kept between the server's first message and the client's last.
#[derive(Clone, Debug)]
pub struct Challenge {
    client: ClientFirst,
    /// Nonce of both.
    nonce: String,
    /// `server-first-message`
    message: String,
    stored_key: [u8; 32],
    server_key: Secret,
}

impl Challenge {
    /// With the server's part of the nonce as text.
    pub fn new(client: ClientFirst, keys: &ScramKeys, server_nonce: &str) -> Self {
        let nonce = format!("{}{server_nonce}", client.nonce);
        let salt = BASE64.encode(&keys.salt);
        let message = format!("r={nonce},s={salt},i={}", keys.iterations);
        Self {
            client,
            nonce,
            message,
            stored_key: keys.stored_key,
            server_key: Secret::new(keys.server_key.to_vec()),
        }
    }

    /// `server-first-message`
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Login name and whom to act as.
    pub fn names(&self) -> (&str, &str) {
        (&self.client.login, &self.client.authzid)
    }

    /// Checks `client-final-message`. `None` when it breaks the grammar; else the
    /// `server-final-message` if the client proved that it knows the password.
    pub fn finish(&self, message: &[u8], exporter: Option<&[u8]>) -> Option<Option<String>> {
        let text = std::str::from_utf8(message).ok()?;
        let (without_proof, proof) = text.rsplit_once(",p=")?;
        let proof: [u8; 32] = BASE64.decode(proof).ok()?.try_into().ok()?;
        let mut attributes = without_proof.split(',');
        let binding = BASE64.decode(attributes.next()?.strip_prefix("c=")?).ok()?;
        let nonce = attributes.next()?.strip_prefix("r=")?;
        // RFC 5802 §5.1: c= holds the header and, with "p", the channel binding data.
        let mut expected = self.client.gs2_header.clone();
        if expected.starts_with(b"p=") {
            expected.extend_from_slice(exporter?);
        }
        let auth_message = format!("{},{},{without_proof}", self.client.bare, self.message);
        let client_signature = hmac(&self.stored_key, auth_message.as_bytes());
        let mut client_key = proof;
        for (key, signature) in client_key.iter_mut().zip(client_signature) {
            *key ^= signature;
        }
        let stored_key: [u8; 32] = Sha256::digest(client_key).into();
        let proven = stored_key.ct_eq(&self.stored_key)
            & nonce.as_bytes().ct_eq(self.nonce.as_bytes())
            & binding.ct_eq(&expected);
        if !bool::from(proven) {
            return Some(None);
        }
        let signature = hmac(self.server_key.reveal(), auth_message.as_bytes());
        Some(Some(format!("v={}", BASE64.encode(signature))))
    }
}

/// HMAC-SHA-256.
pub(super) fn hmac(key: &[u8], message: &[u8]) -> [u8; 32] {
    // HMAC takes keys of every length: there is no error to tell.
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else { return [0; 32] };
    mac.update(message);
    mac.finalize().into_bytes().into()
}

#[cfg(test)]
pub mod tests {
    use super::*;

    const PLAIN: Binding = Binding { plus: false, offered: false };

    /// Keys of a password (RFC 5802 §3), and the client's side, for tests.
    pub fn keys(password: &str, salt: &[u8], iterations: u32) -> (ScramKeys, [u8; 32]) {
        let mut message = salt.to_vec();
        message.extend_from_slice(&1_u32.to_be_bytes());
        let mut salted = hmac(password.as_bytes(), &message);
        let mut last = salted;
        for _ in 1..iterations {
            last = hmac(password.as_bytes(), &last);
            for (sum, octet) in salted.iter_mut().zip(last) {
                *sum ^= octet;
            }
        }
        let client_key = hmac(&salted, b"Client Key");
        let keys = ScramKeys {
            salt: salt.to_vec(),
            iterations,
            stored_key: Sha256::digest(client_key).into(),
            server_key: hmac(&salted, b"Server Key"),
        };
        (keys, client_key)
    }

    /// `client-final-message`
    pub fn client_final(
        (keys, client_key): &(ScramKeys, [u8; 32]),
        bare: &str,
        server_first: &str,
        binding: &[u8],
    ) -> String {
        let nonce = server_first.split(',').next().unwrap();
        let without_proof = format!("c={},{nonce}", BASE64.encode(binding));
        let auth_message = format!("{bare},{server_first},{without_proof}");
        let mut proof = hmac(&keys.stored_key, auth_message.as_bytes());
        for (octet, key) in proof.iter_mut().zip(client_key) {
            *octet ^= key;
        }
        format!("{without_proof},p={}", BASE64.encode(proof))
    }

    /// RFC 7677 §3.
    #[test]
    fn example_of_the_rfc() {
        let salt = BASE64.decode("W22ZaJ0SNY7soEsUEjb6gQ==").unwrap();
        let (keys, _) = keys("pencil", &salt, 4096);
        let first = ClientFirst::parse(b"n,,n=user,r=rOprNGfwEbeRWgbNEkqO", PLAIN).unwrap();
        let challenge = Challenge::new(first, &keys, "%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0");
        assert_eq!(
            challenge.message(),
            "r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
             s=W22ZaJ0SNY7soEsUEjb6gQ==,i=4096"
        );
        let last = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                     p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        let told = challenge.finish(last, None).unwrap();
        assert_eq!(told.as_deref(), Some("v=6rriTRBi23WpRR/wtup+mMhUZUn/dB5nLTJRsjl95G4="));
        let wrong = b"c=biws,r=rOprNGfwEbeRWgbNEkqO%hvYDpWUa2RaTCAfuxFIlj)hNlF$k0,\
                      p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVA=";
        assert_eq!(challenge.finish(wrong, None), Some(None));
        let nonce = b"c=biws,r=other,p=dHzbZapWIk4jUhN+Ute9ytag9zjfMHgsqmmiz7AndVQ=";
        assert_eq!(challenge.finish(nonce, None), Some(None));
        assert_eq!(challenge.finish(b"c=biws,r=x", None), None);
        assert_eq!(challenge.finish(b"\xff", None), None);
    }

    #[test]
    fn channel_binding_rules() {
        let parse = |message: &[u8], plus, offered| {
            ClientFirst::parse(message, Binding { plus, offered }).is_some()
        };
        assert!(parse(b"n,,n=u,r=x", false, true));
        assert!(parse(b"y,,n=u,r=x", false, false));
        // A downgrade.
        assert!(!parse(b"y,,n=u,r=x", false, true));
        assert!(!parse(b"p=tls-exporter,,n=u,r=x", false, true));
        assert!(parse(b"p=tls-exporter,,n=u,r=x", true, true));
        assert!(!parse(b"p=tls-unique,,n=u,r=x", true, true));
        assert!(!parse(b"n,,n=u,r=x", true, true));
    }

    #[test]
    fn bound_to_its_channel() {
        let bare = "n=u,r=x";
        let both = keys("secret", b"salt", 2);
        let message = format!("p=tls-exporter,,{bare}");
        let binding = Binding { plus: true, offered: true };
        let first = ClientFirst::parse(message.as_bytes(), binding).unwrap();
        let challenge = Challenge::new(first, &both.0, "y");
        let data = [b"p=tls-exporter,,".to_vec(), vec![7; 32]].concat();
        let last = client_final(&both, bare, challenge.message(), &data);
        assert!(challenge.finish(last.as_bytes(), Some(&[7; 32])).unwrap().is_some());
        // Another channel: somebody in the middle.
        assert_eq!(challenge.finish(last.as_bytes(), Some(&[8; 32])), Some(None));
        assert_eq!(challenge.finish(last.as_bytes(), None), None);
    }

    #[test]
    fn names_and_grammar() {
        let parse = |message: &str| ClientFirst::parse(message.as_bytes(), PLAIN);
        let first = parse("n,a=boss=2Cx,n=a=3Db=2Cc,r=x,ext=1").unwrap();
        assert_eq!((first.login.as_str(), first.authzid.as_str()), ("a=b,c", "boss,x"));
        for bad in [
            "",
            "n",
            "n,",
            "n,,",
            "n,,n=u",
            "n,,n=,r=x",
            "n,,n=u,r=",
            "n,,m=1,n=u,r=x",
            "n,,n=a=2,r=x",
            "n,,n=a=41,r=x",
            "n,b=u,n=u,r=x",
            "x,,n=u,r=x",
            "n,,n=\u{7},r=x",
            "n,,n=u,r=\u{e9}",
        ] {
            assert!(parse(bad).is_none(), "{bad}");
        }
        let long = |octets| parse(&format!("n,,n=u,r={}", "x".repeat(octets))).is_some();
        assert!(long(FIELD_OCTETS_MAX));
        assert!(!long(FIELD_OCTETS_MAX + 1));
    }
}
