//! Signing (RFC 6376 §5, RFC 8463) and keys to sign with.
//!
//! Invariants: relaxed/relaxed, the whole body, never `l=`; fields that a reader sees are signed
//! once more than they are there, so that none can be added (§8.15).

use super::{
    body::Canonical,
    header::{Header, write_unsigned},
    key::Algorithm,
};
use aws_lc_rs::{
    digest::{SHA256, digest},
    encoding::AsDer as _,
    error::{KeyRejected, Unspecified},
    rsa::KeySize,
    signature::{Ed25519KeyPair, KeyPair as _, RSA_PKCS1_SHA256, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use mail::header::fields;
use std::fmt::Write as _;

/// Fields that are signed once more than they are there.
const OVERSIGNED: &[&str] = &[
    "From",
    "To",
    "Cc",
    "Subject",
    "Date",
    "Message-ID",
    "Reply-To",
    "In-Reply-To",
    "References",
    "MIME-Version",
    "Content-Type",
    "Content-Transfer-Encoding",
    "List-Unsubscribe",
    "List-Unsubscribe-Post",
];
/// Fields that are signed where they are there (§5.4.1).
const SIGNED: &[&str] = &[
    "Sender",
    "Content-ID",
    "Content-Description",
    "Content-Disposition",
    "Content-Language",
    "Resent-Date",
    "Resent-From",
    "Resent-Sender",
    "Resent-To",
    "Resent-Cc",
    "Resent-Message-ID",
    "List-Id",
    "List-Help",
    "List-Subscribe",
    "List-Post",
    "List-Owner",
    "List-Archive",
    "Feedback-ID",
    "Autocrypt",
];
/// Octets of a line of the field.
const LINE_OCTETS: usize = 76;

enum Secret {
    Rsa(Box<RsaKeyPair>),
    Ed25519(Ed25519KeyPair),
}

/// A key to sign with, and whose it is.
pub struct SigningKey {
    domain: String,
    selector: String,
    secret: Secret,
}

/// A new secret key, in PKCS #8: RSA of 2048 bits, or Ed25519.
///
/// # Errors
/// The machine has no random numbers.
pub fn generate(algorithm: Algorithm) -> Result<Vec<u8>, Unspecified> {
    match algorithm {
        Algorithm::RsaSha256 => {
            Ok(RsaKeyPair::generate(KeySize::Rsa2048)?.as_der()?.as_ref().to_vec())
        }
        Algorithm::Ed25519Sha256 => {
            Ok(Ed25519KeyPair::generate_pkcs8(&aws_lc_rs::rand::SystemRandom::new())?
                .as_ref()
                .to_vec())
        }
    }
}

impl SigningKey {
    /// From PKCS #8. `domain` in A-labels.
    ///
    /// # Errors
    /// The octets are no such key.
    pub fn new(
        (domain, selector): (&str, &str),
        algorithm: Algorithm,
        pkcs8: &[u8],
    ) -> Result<Self, KeyRejected> {
        let secret = match algorithm {
            Algorithm::RsaSha256 => Secret::Rsa(Box::new(RsaKeyPair::from_pkcs8(pkcs8)?)),
            Algorithm::Ed25519Sha256 => Secret::Ed25519(Ed25519KeyPair::from_pkcs8(pkcs8)?),
        };
        Ok(Self { domain: domain.to_owned(), selector: selector.to_owned(), secret })
    }

    /// Whose it is.
    #[must_use]
    pub fn domain(&self) -> &str {
        &self.domain
    }

    /// Which of the domain's it is.
    #[must_use]
    pub fn selector(&self) -> &str {
        &self.selector
    }

    /// How it signs.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        match self.secret {
            Secret::Rsa(_) => Algorithm::RsaSha256,
            Secret::Ed25519(_) => Algorithm::Ed25519Sha256,
        }
    }

    /// The text of its TXT record (§3.6.1).
    ///
    /// # Errors
    /// The public key cannot be written.
    pub fn record(&self) -> Result<String, Unspecified> {
        let public = match &self.secret {
            Secret::Rsa(pair) => STANDARD.encode(pair.public_key().as_der()?.as_ref()),
            Secret::Ed25519(pair) => STANDARD.encode(pair.public_key().as_ref()),
        };
        Ok(format!("v=DKIM1; k={}; p={public}", self.algorithm().key_type()))
    }

    pub(crate) fn sign_text(&self, text: &[u8]) -> Result<Vec<u8>, Unspecified> {
        match &self.secret {
            Secret::Rsa(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(
                    &RSA_PKCS1_SHA256,
                    &aws_lc_rs::rand::SystemRandom::new(),
                    text,
                    &mut signature,
                )?;
                Ok(signature)
            }
            Secret::Ed25519(pair) => {
                Ok(pair.sign(digest(&SHA256, text).as_ref()).as_ref().to_vec())
            }
        }
    }

    /// A `DKIM-Signature` field with its line end, for a header and a body whose relaxed hash
    /// ([`super::BodyHash`]) is given. `now`: seconds since 1970.
    ///
    /// # Errors
    /// The key cannot sign.
    pub fn sign(&self, header: &[u8], body: &[u8; 32], now: i64) -> Result<String, Unspecified> {
        let header = Header::new(header);
        let names = names(&header);
        let tags = [
            ("v", "1".to_owned()),
            ("a", self.algorithm().as_str().to_owned()),
            ("c", "relaxed/relaxed".to_owned()),
            ("d", self.domain.clone()),
            ("s", self.selector.clone()),
            ("t", now.to_string()),
            ("h", names.join(":")),
            ("bh", STANDARD.encode(body)),
        ];
        self.finish("DKIM-Signature", &tags, (&header, &names))
    }

    /// A field of these tags and `b=`, signed over fields of the header and itself.
    pub(crate) fn finish(
        &self,
        name: &str,
        tags: &[(&str, String)],
        (header, names): (&Header<'_>, &[String]),
    ) -> Result<String, Unspecified> {
        let mut text = Vec::new();
        header.select(names, Canonical::Relaxed, &mut text);
        self.finish_over(name, tags, text)
    }

    /// The same, signed over this text and itself.
    pub(crate) fn finish_over(
        &self,
        name: &str,
        tags: &[(&str, String)],
        mut text: Vec<u8>,
    ) -> Result<String, Unspecified> {
        let mut line = Folding { text: format!("{name}:"), column: name.len() + 1 };
        for (tag, value) in tags {
            line.tag(tag, value);
        }
        line.space_for(2);
        line.text.push_str("b=");
        line.column += 2;
        let unsigned = format!("{}\r\n", line.text);
        if let Some(field) = fields(unsigned.as_bytes()).next() {
            write_unsigned(&field, Canonical::Relaxed, &mut text);
        }
        line.broken(&STANDARD.encode(self.sign_text(&text)?));
        line.text.push_str("\r\n");
        Ok(line.text)
    }
}

/// Names of the fields that are signed, those that are there several times as often.
pub(crate) fn names(header: &Header<'_>) -> Vec<String> {
    let mut names = Vec::new();
    for name in OVERSIGNED {
        names.extend(std::iter::repeat_n((*name).to_owned(), header.count(name) + 1));
    }
    for name in SIGNED {
        names.extend(std::iter::repeat_n((*name).to_owned(), header.count(name)));
    }
    names
}

/// A field that is folded where lines get long.
struct Folding {
    text: String,
    column: usize,
}

impl Folding {
    fn space_for(&mut self, octets: usize) {
        if self.column + 1 + octets > LINE_OCTETS {
            self.text.push_str("\r\n\t");
            self.column = 8;
        } else {
            self.text.push(' ');
            self.column += 1;
        }
    }

    fn tag(&mut self, tag: &str, value: &str) {
        let whole = tag.len() + value.len() + 2;
        self.space_for(whole.min(LINE_OCTETS - 9));
        let _ = write!(self.text, "{tag}=");
        self.column += tag.len() + 1;
        if self.column + value.len() < LINE_OCTETS {
            self.text.push_str(value);
            self.column += value.len();
        } else if tag == "h" {
            self.list(value);
        } else {
            self.broken(value);
        }
        self.text.push(';');
        self.column += 1;
    }

    /// Names between colons, folded behind colons.
    fn list(&mut self, value: &str) {
        for (at, name) in value.split(':').enumerate() {
            if at > 0 {
                self.text.push(':');
                self.column += 1;
                if self.column + name.len() + 1 > LINE_OCTETS {
                    self.text.push_str("\r\n\t");
                    self.column = 8;
                }
            }
            self.text.push_str(name);
            self.column += name.len();
        }
    }

    /// Base64, folded anywhere.
    fn broken(&mut self, value: &str) {
        for letter in value.chars() {
            if self.column >= LINE_OCTETS {
                self.text.push_str("\r\n\t");
                self.column = 8;
            }
            self.text.push(letter);
            self.column += 1;
        }
    }
}
