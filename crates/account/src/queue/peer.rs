//! What is remembered of domains that mail went to, so that the way to them does not become less
//! safe unnoticed: their MTA-STS policies and whether they had TLS.
//!
//! Invariants: one record a domain, read whole and written whole; what says nothing any more is
//! taken out when it is written.

use super::{Changed, QUEUE, Queue};
use crate::{
    Error,
    codec::{Reader, Writer},
    keys,
    seal::Kind,
};

const FORM: u8 = 1;

/// What is known of a domain.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Peer {
    /// Its policy (RFC 8461), as it was fetched.
    pub sts: Option<StsPolicy>,
    /// Until when TLS is expected of its hosts, in seconds since 1970; 0: it is not.
    pub tls_until: i64,
}

/// An MTA-STS policy.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct StsPolicy {
    /// `id` of the record that it was fetched for (RFC 8461 §3.1).
    pub id: String,
    /// Its text (§3.2).
    pub text: String,
    /// Until when it counts, in seconds since 1970.
    pub until: i64,
}

impl Peer {
    fn write(&self, domain: &str) -> Vec<u8> {
        let mut to = Writer::default();
        to.byte(FORM).bytes(domain.as_bytes()).byte(u8::from(self.sts.is_some()));
        if let Some(StsPolicy { id, text, until }) = &self.sts {
            to.bytes(id.as_bytes()).bytes(text.as_bytes()).signed(*until);
        }
        to.signed(self.tls_until);
        to.0
    }

    /// `None` for damage; another domain's, whose name has the same hash, is as none at all.
    fn read(octets: &[u8], domain: &str) -> Option<Self> {
        let mut from = Reader(octets);
        if from.byte()? != FORM {
            return None;
        }
        if from.text()? != domain {
            return Some(Self::default());
        }
        let sts = match from.byte()? {
            0 => None,
            _ => Some(StsPolicy {
                id: from.text()?.to_owned(),
                text: from.text()?.to_owned(),
                until: from.signed()?,
            }),
        };
        let peer = Self { sts, tls_until: from.signed()? };
        from.is_empty().then_some(peer)
    }
}

impl Queue {
    fn peer_number(&self, domain: &str) -> u64 {
        self.seal.hash(Kind::Peer, &[domain.as_bytes()])
    }

    /// What is remembered of a domain, in lower case.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn peer(&self, domain: &str) -> Result<Peer, Error> {
        let number = self.peer_number(domain);
        let Some(sealed) = self.shared.kv.get(QUEUE, keys::peer(number).bytes()).await? else {
            return Ok(Peer::default());
        };
        let plain = self.seal.open(Kind::Peer, number, &sealed)?;
        Peer::read(&plain, domain).ok_or_else(|| Error::Damaged(format!("peer {domain}")))
    }

    /// Remembers it.
    ///
    /// # Errors
    /// The store's.
    pub async fn remember(&self, domain: &str, peer: &Peer) -> Result<(), Error> {
        let number = self.peer_number(domain);
        let value = if *peer == Peer::default() {
            None
        } else {
            Some(self.seal.seal(Kind::Peer, number, &peer.write(domain))?.into())
        };
        let put = (keys::peer(number).bytes(), value);
        self.commit(|_| Ok((vec![put], Changed::default()))).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let sts = StsPolicy { id: "1".into(), text: "version: STSv1".into(), until: -5 };
        for peer in [Peer::default(), Peer { sts: Some(sts), tls_until: 9 }] {
            let written = peer.write("a.test");
            assert_eq!(Peer::read(&written, "a.test"), Some(peer));
            assert_eq!(Peer::read(&written, "b.test"), Some(Peer::default()));
            for end in 0..written.len() {
                assert_eq!(Peer::read(&written[..end], "a.test"), None, "{end}");
            }
        }
    }
}
