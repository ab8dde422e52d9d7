//! Verifying signatures (RFC 6376 §6).

use super::{
    body::{BodyHash, Canonical},
    header::{Header, write_unsigned},
    key::{Algorithm, NoKey, PublicKey},
    tags::{Tags, base64},
};
use crate::dns::{Dns, Failure};
use mail::header::{Field, fields};

/// Limits of what verifying one message may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Signatures that are looked at, from the top.
    pub signatures_max: usize,
    /// Names in `h=`.
    pub names_max: usize,
    /// Seconds that a signature may lie in the future (§3.5, `t=`).
    pub skew_seconds_max: i64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { signatures_max: 10, names_max: 200, skew_seconds_max: 300 }
    }
}

/// What came of a signature (RFC 8601 §2.7.1).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// The domain vouches for the message.
    Pass,
    /// What was signed is not what came.
    Fail,
    /// The signature cannot be judged: it is malformed.
    Neutral,
    /// It is one that we do not accept.
    Policy,
    /// DNS did not answer.
    TempError,
    /// There is no usable key.
    PermError,
}

impl Outcome {
    /// As Authentication-Results has it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Pass => "pass",
            Self::Fail => "fail",
            Self::Neutral => "neutral",
            Self::Policy => "policy",
            Self::TempError => "temperror",
            Self::PermError => "permerror",
        }
    }
}

/// A signature that was judged.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Verified {
    /// What came of it.
    pub outcome: Outcome,
    /// `d=`, in lower case; empty when it could not be read.
    pub domain: String,
    /// `s=`
    pub selector: String,
    /// `i=`, or `@` and the domain.
    pub identity: String,
    /// `a=`
    pub algorithm: String,
    /// The first characters of `b=`, which tell signatures of one domain apart (RFC 6008).
    pub start: String,
    /// `l=`: only so many octets of the body are signed, and there are more.
    pub partial_body: bool,
    /// The domain only tries its key out.
    pub testing: bool,
    /// Why, in words.
    pub reason: &'static str,
}

/// A signature that is being judged.
struct Pending {
    told: Verified,
    /// `None` when it is judged already.
    signed: Option<Signed>,
}

/// What a signature says, `i=` and the version apart.
pub(crate) struct Signed {
    algorithm: Algorithm,
    header: Canonical,
    names: Vec<String>,
    signature: Vec<u8>,
    body_hash: Vec<u8>,
    length: Option<u64>,
    body: BodyHash,
    /// Its own field.
    field: Vec<u8>,
}

/// A message's signatures while its body goes by.
pub struct Check {
    header: Vec<u8>,
    pending: Vec<Pending>,
}

pub(crate) type Judged = (Outcome, &'static str);

impl Check {
    /// Reads the signatures of a header (with or without the empty line). `now`: seconds since
    /// 1970.
    #[must_use]
    pub fn new(header: &[u8], now: i64, limits: &Limits) -> Self {
        let signatures = fields(header).filter(|field| field.is("DKIM-Signature"));
        let pending = signatures.take(limits.signatures_max);
        let pending = pending.map(|field| Pending::read(&field, now, limits)).collect();
        Self { header: header.to_vec(), pending }
    }

    /// Whether there is nothing to hash.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.pending.iter().all(|one| one.signed.is_none())
    }

    /// The next piece of the body, as it was sent.
    pub fn update(&mut self, piece: &[u8]) {
        for signed in self.pending.iter_mut().filter_map(|one| one.signed.as_mut()) {
            signed.body.update(piece);
        }
    }

    /// Asks for the keys and judges.
    pub async fn finish(self, dns: &impl Dns) -> Vec<Verified> {
        let header = Header::new(&self.header);
        let mut all = Vec::with_capacity(self.pending.len());
        for Pending { mut told, signed } in self.pending {
            if let Some(signed) = signed {
                (told.outcome, told.reason) = signed.judge(&header, &mut told, dns).await;
            }
            all.push(told);
        }
        all
    }
}

impl Verified {
    /// Nothing is known yet.
    pub(crate) const fn unread() -> Self {
        Self {
            outcome: Outcome::Neutral,
            domain: String::new(),
            selector: String::new(),
            identity: String::new(),
            algorithm: String::new(),
            start: String::new(),
            partial_body: false,
            testing: false,
            reason: "",
        }
    }
}

impl Pending {
    fn read(field: &Field<'_>, now: i64, limits: &Limits) -> Self {
        let mut told = Verified::unread();
        let Some(tags) = Tags::parse(field.value) else {
            return Self { told: Verified { reason: "no tag list", ..told }, signed: None };
        };
        match Signed::read(&tags, field, (&mut told, now, limits)) {
            Ok(signed) => Self { told, signed: Some(signed) },
            Err((outcome, reason)) => {
                Self { told: Verified { outcome, reason, ..told }, signed: None }
            }
        }
    }
}

/// `a=`
pub(crate) fn algorithm(word: &str) -> Result<Algorithm, Judged> {
    match word {
        "rsa-sha256" => Ok(Algorithm::RsaSha256),
        "ed25519-sha256" => Ok(Algorithm::Ed25519Sha256),
        // RFC 8301 §3.1: "Verifiers MUST NOT validate" it.
        "rsa-sha1" => Err((Outcome::Policy, "SHA-1")),
        _ => Err((Outcome::Neutral, "another algorithm")),
    }
}

fn canonical(word: &str) -> Option<Canonical> {
    match word {
        "simple" => Some(Canonical::Simple),
        "relaxed" => Some(Canonical::Relaxed),
        _ => None,
    }
}

impl Signed {
    /// §6.1.1: what a signature must have.
    fn read(
        tags: &Tags<'_>,
        field: &Field<'_>,
        (told, now, limits): (&mut Verified, i64, &Limits),
    ) -> Result<Self, Judged> {
        let neutral = |reason| (Outcome::Neutral, reason);
        let identity = tags.solid("i").filter(|value| !value.is_empty());
        let signed = Self::read_unversioned(tags, field, (told, now, limits));
        if let Some(identity) = identity {
            told.identity = identity;
        }
        if tags.value("v") != Some("1") {
            return Err(neutral("another version"));
        }
        let signed = signed?;
        // §3.5: "the same as, or a subdomain of, the value of the d= tag".
        let host = told.identity.rsplit_once('@').map(|(_, host)| host.to_ascii_lowercase());
        let within = host.is_some_and(|host| {
            let above = host.strip_suffix(&*told.domain);
            above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
        });
        if within { Ok(signed) } else { Err(neutral("i= is not of d=")) }
    }

    /// The same without `v=` and `i=`, which ARC does not have or means otherwise (RFC 8617
    /// §4.1.2).
    pub(crate) fn read_unversioned(
        tags: &Tags<'_>,
        field: &Field<'_>,
        (told, now, limits): (&mut Verified, i64, &Limits),
    ) -> Result<Self, Judged> {
        let neutral = |reason| (Outcome::Neutral, reason);
        let solid = |tag| tags.solid(tag).filter(|value| !value.is_empty());
        told.domain = solid("d").unwrap_or_default().to_ascii_lowercase();
        told.selector = solid("s").unwrap_or_default();
        told.algorithm = solid("a").unwrap_or_default().to_ascii_lowercase();
        told.identity = format!("@{}", told.domain);
        let signature = solid("b").ok_or(neutral("b= is missing"))?;
        told.start = signature.chars().take(8).collect();
        if told.domain.is_empty() || told.selector.is_empty() {
            return Err(neutral("d= or s= is missing"));
        }
        let algorithm = algorithm(&told.algorithm)?;
        let names = tags.items("h").ok_or(neutral("h= is missing"))?;
        if !names.iter().any(|name| name.eq_ignore_ascii_case("From")) {
            return Err(neutral("From is not signed"));
        }
        if names.len() > limits.names_max {
            return Err((Outcome::Policy, "too many fields"));
        }
        let method = tags.solid("q");
        if method.is_some_and(|all| !all.split(':').any(|one| one == "dns/txt")) {
            return Err(neutral("another way to the key"));
        }
        Self::dates(tags, now, limits)?;
        let words = tags.solid("c").unwrap_or_else(|| "simple/simple".to_owned());
        let (header, body) = words.split_once('/').unwrap_or((&words, "simple"));
        let (Some(header), Some(body)) = (canonical(header), canonical(body)) else {
            return Err(neutral("another canonicalisation"));
        };
        let length = tags.number("l").map_err(|()| neutral("l= is no number"))?;
        let hash = tags.value("bh").and_then(base64).filter(|hash| hash.len() == 32);
        Ok(Self {
            algorithm,
            header,
            names,
            signature: base64(&signature).ok_or(neutral("b= is no base64"))?,
            body_hash: hash.ok_or(neutral("bh= is no hash"))?,
            length,
            body: BodyHash::new(body, length.unwrap_or(u64::MAX)),
            field: field.raw.to_vec(),
        })
    }

    fn dates(tags: &Tags<'_>, now: i64, limits: &Limits) -> Result<(), Judged> {
        let number =
            |tag| tags.number(tag).map_err(|()| (Outcome::Neutral, "t= or x= is no number"));
        let (made, expires) = (number("t")?, number("x")?);
        if let (Some(made), Some(expires)) = (made, expires)
            && expires < made
        {
            return Err((Outcome::Neutral, "x= is before t="));
        }
        let signed = |seconds: u64| i64::try_from(seconds).unwrap_or(i64::MAX);
        if expires.is_some_and(|expires| signed(expires) < now) {
            return Err((Outcome::Fail, "expired"));
        }
        if made.is_some_and(|made| signed(made) > now.saturating_add(limits.skew_seconds_max)) {
            return Err((Outcome::Policy, "made in the future"));
        }
        Ok(())
    }

    /// Names in `h=`.
    pub(crate) fn names(&self) -> &[String] {
        &self.names
    }

    /// The next piece of the body.
    pub(crate) fn update(&mut self, piece: &[u8]) {
        self.body.update(piece);
    }

    /// Asks for the key and judges.
    pub(crate) async fn judge(
        self,
        header: &Header<'_>,
        told: &mut Verified,
        dns: &impl Dns,
    ) -> Judged {
        let key = match key(dns, told, self.algorithm).await {
            Ok(key) => key,
            Err(judged) => return judged,
        };
        told.testing = key.testing;
        if key.same_domain {
            // §3.6.1, t=s: "the domain of the i= tag MUST be the same as" d=.
            let host = told.identity.rsplit_once('@').map(|(_, host)| host);
            if host.is_none_or(|host| !host.eq_ignore_ascii_case(&told.domain)) {
                return (Outcome::PermError, "the key is not for subdomains");
            }
        }
        let (hash, octets) = self.body.finish();
        if let Some(length) = self.length {
            if octets < length {
                return (Outcome::Fail, "the body is shorter than what was signed");
            }
            told.partial_body = octets > length;
        }
        if hash[..] != self.body_hash[..] {
            return (Outcome::Fail, "the body was changed");
        }
        let mut text = Vec::new();
        header.select(&self.names, self.header, &mut text);
        let Some(own) = fields(&self.field).next() else {
            return (Outcome::Neutral, "no field");
        };
        write_unsigned(&own, self.header, &mut text);
        if key.verifies(&text, &self.signature) {
            (Outcome::Pass, "")
        } else {
            (Outcome::Fail, "the header was changed, or the key is another")
        }
    }
}

/// The key of a signature (§6.1.2).
pub(crate) async fn key(
    dns: &impl Dns,
    told: &Verified,
    algorithm: Algorithm,
) -> Result<PublicKey, Judged> {
    let name = format!("{}._domainkey.{}", told.selector, told.domain);
    let records = match dns.txt(&name).await {
        Ok(records) => records,
        Err(Failure::Temporary) => return Err((Outcome::TempError, "DNS does not answer")),
        Err(_) => return Err((Outcome::PermError, "there is no key")),
    };
    // "If the query for the public key returns multiple key records, the Verifier can choose one":
    // the first that is one.
    let mut why = NoKey::Syntax;
    for record in &records {
        match PublicKey::parse(record, algorithm) {
            Ok(key) => return Ok(key),
            Err(NoKey::Syntax) => {}
            Err(other) => why = other,
        }
    }
    let reason = match why {
        NoKey::Syntax => "the key record cannot be read",
        NoKey::Revoked => "the key was revoked",
        NoKey::Unsuitable => "the key is for something else",
    };
    Err((Outcome::PermError, reason))
}
