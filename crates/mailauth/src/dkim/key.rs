//! Keys of signatures: public ones as DNS tells them (RFC 6376 §3.6.1, RFC 8463 §3), and what they
//! say of a signature.

use super::tags::{Tags, base64};
use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ED25519, RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY, UnparsedPublicKey},
};

/// Octets of a key record.
const RECORD_OCTETS_MAX: usize = 8_192;

/// How a signature is made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Algorithm {
    /// `rsa-sha256`
    RsaSha256,
    /// `ed25519-sha256` (RFC 8463)
    Ed25519Sha256,
}

impl Algorithm {
    /// As `a=` has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::RsaSha256 => "rsa-sha256",
            Self::Ed25519Sha256 => "ed25519-sha256",
        }
    }

    /// As `k=` has it.
    #[must_use]
    pub const fn key_type(self) -> &'static str {
        match self {
            Self::RsaSha256 => "rsa",
            Self::Ed25519Sha256 => "ed25519",
        }
    }
}

/// A public key, with what its record says.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct PublicKey {
    algorithm: Algorithm,
    octets: Vec<u8>,
    /// `t=y`: its domain only tries it out.
    pub testing: bool,
    /// `t=s`: `i=` must be of the domain itself.
    pub same_domain: bool,
}

/// Why there is no key.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum NoKey {
    /// The record is no key record.
    Syntax,
    /// `p=` is empty: the key is taken back.
    Revoked,
    /// Not for mail, or not for this algorithm.
    Unsuitable,
}

impl PublicKey {
    /// From a TXT record.
    ///
    /// # Errors
    /// [`NoKey`].
    pub fn parse(record: &[u8], algorithm: Algorithm) -> Result<Self, NoKey> {
        if record.len() > RECORD_OCTETS_MAX {
            return Err(NoKey::Syntax);
        }
        let tags = Tags::parse(record).ok_or(NoKey::Syntax)?;
        // §3.6.1: v= "MUST be the first tag in the record" and "DKIM1", if there is one.
        if tags.value("v").is_some_and(|v| v != "DKIM1" || tags.first() != Some("v")) {
            return Err(NoKey::Syntax);
        }
        let key = tags.value("p").ok_or(NoKey::Syntax)?;
        if key.is_empty() {
            return Err(NoKey::Revoked);
        }
        let has = |tag: &str, wanted: &[&str]| {
            tags.items(tag).is_none_or(|items| items.iter().any(|one| wanted.contains(&&**one)))
        };
        let suits = tags.value("k").unwrap_or("rsa") == algorithm.key_type()
            && has("h", &["sha256"])
            && has("s", &["*", "email"]);
        if !suits {
            return Err(NoKey::Unsuitable);
        }
        let octets = base64(key).ok_or(NoKey::Syntax)?;
        if algorithm == Algorithm::Ed25519Sha256 && octets.len() != 32 {
            return Err(NoKey::Syntax);
        }
        let flags = tags.items("t").unwrap_or_default();
        let flag = |wanted: &str| flags.iter().any(|flag| flag == wanted);
        Ok(Self { algorithm, octets, testing: flag("y"), same_domain: flag("s") })
    }

    /// Whether a signature is of this text. RSA keys of fewer than 1024 bits prove nothing (RFC
    /// 8301 §3.2), nor do ones of more than 8192.
    #[must_use]
    pub fn verifies(&self, text: &[u8], signature: &[u8]) -> bool {
        match self.algorithm {
            Algorithm::RsaSha256 => {
                let suite = &RSA_PKCS1_1024_8192_SHA256_FOR_LEGACY_USE_ONLY;
                UnparsedPublicKey::new(suite, &self.octets).verify(text, signature).is_ok()
            }
            // RFC 8463 §3: what is signed is the SHA-256 of the text.
            Algorithm::Ed25519Sha256 => {
                let text = digest(&SHA256, text);
                UnparsedPublicKey::new(&ED25519, &self.octets)
                    .verify(text.as_ref(), signature)
                    .is_ok()
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc6376_3_6_1_records() {
        let parse = |text: &str| PublicKey::parse(text.as_bytes(), Algorithm::RsaSha256);
        let key = parse("v=DKIM1; k=rsa; t=y:s; n=x; p=AAAA").unwrap();
        assert!(key.testing && key.same_domain);
        assert!(parse("p=AA AA").is_ok() && parse("h=sha1:sha256; s=email; p=AAAA").is_ok());
        for (text, why) in [
            ("v=DKIM1; p=", NoKey::Revoked),
            ("v=DKIM1", NoKey::Syntax),
            ("v=DKIM2; p=AAAA", NoKey::Syntax),
            ("p=AAAA; v=DKIM1", NoKey::Syntax),
            ("p=!", NoKey::Syntax),
            ("k=ed25519; p=AAAA", NoKey::Unsuitable),
            ("h=sha1; p=AAAA", NoKey::Unsuitable),
            ("s=tlsrpt; p=AAAA", NoKey::Unsuitable),
        ] {
            assert_eq!(parse(text), Err(why), "{text}");
        }
        let ed = |text: &str| PublicKey::parse(text.as_bytes(), Algorithm::Ed25519Sha256);
        assert_eq!(ed("k=ed25519; p=AAAA"), Err(NoKey::Syntax));
        assert_eq!(ed("p=AAAA"), Err(NoKey::Unsuitable));
    }

    #[test]
    fn records_at_the_limit_and_beyond() {
        let record = |octets: usize| {
            let head = "p=AAAA; n=";
            format!("{head}{}", "x".repeat(octets - head.len()))
        };
        let parse = |octets| PublicKey::parse(record(octets).as_bytes(), Algorithm::RsaSha256);
        assert!(parse(RECORD_OCTETS_MAX).is_ok());
        assert_eq!(parse(RECORD_OCTETS_MAX + 1), Err(NoKey::Syntax));
    }
}
