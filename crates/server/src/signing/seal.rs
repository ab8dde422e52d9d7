//! ARC seals (RFC 8617) of mail that goes on from an address of ours to others.
//!
//! Invariants: what is sealed is what was found when the message came, not what it says of itself:
//! only results above our first Received field are ours; what was not checked is not sealed.

use super::Signing;
use crate::clock::SystemClock;
use account::Clock as _;
use mail::{Domain, header};
use mailauth::{
    arc::{self, NoSeal, Status},
    dkim::{Algorithm, BodyHash, Canonical},
    results::{Results, claims},
};

impl Signing {
    /// An ARC set for the top of a message that goes on from an address of `domain`, with line
    /// ends; `None` where the domain has no active key, or there is nothing to seal.
    pub async fn seal(&self, domain: &Domain, host_name: &str, message: &[u8]) -> Option<String> {
        if !self.settings.sign {
            return None;
        }
        let (head, body) = message.split_at(header::header_octets(message));
        let (results, status) = found(head, host_name)?;
        let keys = self.keys(domain).await;
        let keys = keys.inspect_err(|error| tracing::error!(%domain, %error, "DKIM keys")).ok()?;
        // A set has one seal; not everybody knows Ed25519.
        let rsa = keys.iter().find(|key| key.algorithm() == Algorithm::RsaSha256);
        let key = rsa.or_else(|| keys.first())?;
        let mut hash = BodyHash::new(Canonical::Relaxed, u64::MAX);
        hash.update(body);
        let (hash, _) = hash.finish();
        match arc::seal(key, (head, &hash), (&results, status), SystemClock.now_seconds()) {
            Ok(set) => Some(set),
            Err(NoSeal::Ended) => None,
            Err(why @ (NoSeal::Full | NoSeal::Key)) => {
                tracing::warn!(%domain, ?why, "a message goes on without an ARC seal");
                None
            }
        }
    }
}

/// What we found of a message when it came, and what its chain was then.
fn found(head: &[u8], host_name: &str) -> Option<(Results, Status)> {
    let own = header::fields(head).take_while(|field| !field.is("Received"));
    let mut own = own.filter(|field| field.is("Authentication-Results"));
    let field = own.find(|field| claims(field.value, host_name))?;
    let results = Results::parse(field.value)?;
    let chain = results.entries.iter().find(|entry| entry.method == "arc")?;
    let status = Status::parse(&chain.result)?;
    Some((results, status))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_we_found_ourselves_is_sealed() {
        let status = |head: &str| found(head.as_bytes(), "mx.test").map(|(_, status)| status);
        let own = "Authentication-Results: mx.test; spf=pass; arc=pass (i=1 a.test)\r\n";
        assert_eq!(status(&format!("{own}Received: x\r\n\r\n")), Some(Status::Pass));
        let other = own.replace("mx.test", "other.test");
        assert_eq!(status(&format!("{other}{own}Received: x\r\n\r\n")), Some(Status::Pass));
        assert_eq!(status(&format!("{other}Received: x\r\n\r\n")), None);
        assert_eq!(status(&format!("Received: x\r\n{own}\r\n")), None);
        assert_eq!(status(&own.replace("arc=", "x=")), None);
    }
}
