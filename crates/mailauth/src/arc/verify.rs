//! Verifying a chain (RFC 8617 §5.2).

use super::{
    Chain, Limits, Sealer, Status,
    set::{self, SEAL, Set},
};
use crate::{
    dkim::{
        self, Algorithm, Canonical, Outcome, PublicKey,
        header::{Header, write, write_unsigned},
        tags::{Tags, base64},
        verify::{Judged, Signed, algorithm, key},
    },
    dns::Dns,
    results::Results,
};

/// A chain while the message's body goes by.
pub struct Check(State);

enum State {
    Judged(Chain),
    Open(Box<Open>),
}

struct Open {
    header: Vec<u8>,
    limits: Limits,
    /// The newest message signature.
    signed: Signed,
    told: dkim::Verified,
}

impl Check {
    /// Reads the chain of a header (with or without the empty line). `now`: seconds since 1970.
    #[must_use]
    pub fn new(header: &[u8], now: i64, limits: &Limits) -> Self {
        let sets = match set::collect(header, limits.chain_octets_max) {
            Ok(sets) => sets,
            Err(reason) => return Self::failed(reason),
        };
        let Some(newest) = sets.last() else {
            return Self(State::Judged(Chain::judged(Status::None, "")));
        };
        match read(newest, now, limits) {
            Ok((signed, told)) => {
                let header = header.to_vec();
                Self(State::Open(Box::new(Open { header, limits: *limits, signed, told })))
            }
            Err(reason) => Self::failed(reason),
        }
    }

    const fn failed(reason: &'static str) -> Self {
        Self(State::Judged(Chain::judged(Status::Fail, reason)))
    }

    /// Whether there is nothing to hash.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        matches!(self.0, State::Judged(_))
    }

    /// The next piece of the body, as it was sent.
    pub fn update(&mut self, piece: &[u8]) {
        if let State::Open(open) = &mut self.0 {
            open.signed.update(piece);
        }
    }

    /// Asks for the keys and judges.
    pub async fn finish(self, dns: &impl Dns) -> Chain {
        match self.0 {
            State::Judged(chain) => chain,
            State::Open(open) => open.finish(dns).await,
        }
    }
}

/// Step 4, as far as it needs no DNS. Older message signatures need not hold: who came later may
/// have changed the message.
fn read(
    newest: &Set<'_>,
    now: i64,
    limits: &Limits,
) -> Result<(Signed, dkim::Verified), &'static str> {
    let field = newest.message_signature;
    let tags = Tags::parse(field.value).ok_or("no tag list")?;
    let mut told = dkim::Verified::unread();
    let limits = dkim::Limits {
        names_max: limits.names_max,
        skew_seconds_max: limits.skew_seconds_max,
        ..dkim::Limits::default()
    };
    let signed = Signed::read_unversioned(&tags, &field, (&mut told, now, &limits));
    let signed = signed.map_err(|(_, reason)| reason)?;
    // §4.1.2: the seals "MUST NOT be included in the content covered".
    if signed.names().iter().any(|name| name.eq_ignore_ascii_case(SEAL)) {
        return Err("a message signature covers seals");
    }
    Ok((signed, told))
}

impl Open {
    async fn finish(mut self, dns: &impl Dns) -> Chain {
        let signed = self.signed.judge(&Header::new(&self.header), &mut self.told, dns).await;
        let part = self.told.partial_body;
        let judged = match signed {
            (Outcome::Pass, _) if part => Err((Outcome::Policy, "a part of the body is signed")),
            (Outcome::Pass, _) => match set::collect(&self.header, self.limits.chain_octets_max) {
                Ok(sets) => seals(&sets, dns).await,
                Err(reason) => Err((Outcome::Fail, reason)),
            },
            judged => Err(judged),
        };
        match judged {
            Ok(sealers) => Chain { sealers, ..Chain::judged(Status::Pass, "") },
            Err((outcome, reason)) => Chain {
                unanswered: outcome == Outcome::TempError,
                ..Chain::judged(Status::Fail, reason)
            },
        }
    }
}

/// Step 6: all seals, the newest first.
async fn seals(sets: &[Set<'_>], dns: &impl Dns) -> Result<Vec<Sealer>, Judged> {
    // What each seal covers is the beginning of what the next one covers.
    let (mut text, mut ends) = (Vec::new(), Vec::with_capacity(sets.len()));
    for set in sets {
        write(&set.results, Canonical::Relaxed, &mut text);
        write(&set.message_signature, Canonical::Relaxed, &mut text);
        ends.push(text.len());
        write(&set.seal, Canonical::Relaxed, &mut text);
    }
    let (mut sealers, mut keys) = (Vec::with_capacity(sets.len()), Keys::default());
    for (at, (set, end)) in sets.iter().zip(ends).enumerate().rev() {
        let covered = text.get(..end).unwrap_or_default();
        let (domain, selector) = seal(set, covered, (dns, &mut keys)).await?;
        let payload = set::results(set.results.value).map(|(_, payload)| payload);
        let results = payload.and_then(Results::parse);
        sealers.push(Sealer { instance: at + 1, domain, selector, results });
    }
    sealers.reverse();
    Ok(sealers)
}

/// Keys that were asked for: hosts seal a message several times.
#[derive(Default)]
struct Keys(Vec<(String, String, Algorithm, PublicKey)>);

impl Keys {
    async fn of(
        &mut self,
        told: &dkim::Verified,
        algorithm: Algorithm,
        dns: &impl Dns,
    ) -> Result<PublicKey, Judged> {
        let known = self.0.iter().find(|(domain, selector, kind, _)| {
            *domain == told.domain && *selector == told.selector && *kind == algorithm
        });
        if let Some((.., known)) = known {
            return Ok(known.clone());
        }
        let found = key(dns, told, algorithm).await?;
        self.0.push((told.domain.clone(), told.selector.clone(), algorithm, found.clone()));
        Ok(found)
    }
}

/// One seal over the text before it: whose it is.
async fn seal(
    set: &Set<'_>,
    covered: &[u8],
    (dns, keys): (&impl Dns, &mut Keys),
) -> Result<(String, String), Judged> {
    let fail = |reason| (Outcome::Fail, reason);
    let tags = Tags::parse(set.seal.value).ok_or(fail("a seal is no tag list"))?;
    // §4.1.3: h= "is NOT allowed and, if found, MUST result in a cv status of 'fail'".
    if tags.value("h").is_some() {
        return Err(fail("a seal has h="));
    }
    let solid = |tag| tags.solid(tag).filter(|value| !value.is_empty());
    let wanted = |tag| solid(tag).ok_or(fail("a seal lacks a tag"));
    let told = dkim::Verified {
        domain: wanted("d")?.to_ascii_lowercase(),
        selector: wanted("s")?,
        ..dkim::Verified::unread()
    };
    let kind = algorithm(&wanted("a")?.to_ascii_lowercase())?;
    let signature = base64(&wanted("b")?).ok_or(fail("b= of a seal is no base64"))?;
    if tags.number("t").is_err() {
        return Err(fail("t= of a seal is no number"));
    }
    let key = keys.of(&told, kind, dns).await?;
    let mut text = covered.to_vec();
    write_unsigned(&set.seal, Canonical::Relaxed, &mut text);
    if key.verifies(&text, &signature) {
        Ok((told.domain, told.selector))
    } else {
        Err(fail("a seal does not fit what it covers"))
    }
}
