//! Keys that a domain's mail is signed with (DKIM).
//!
//! Invariants: a secret key is sealed and never leaves but to sign; a key goes with its domain, in
//! the same commit; a selector is used once in a domain. Never decides which key signs.

use super::{DIRECTORY, Directory, Puts, damaged};
use crate::{
    Error, Refused,
    codec::{Reader, Writer},
    keys,
    seal::Kind,
};
use bytes::Bytes;
use mail::Domain;
use zeroize::Zeroizing;

/// Keys of one domain.
pub const DOMAIN_KEYS_MAX: usize = 16;
/// Octets of a selector.
pub const SELECTOR_OCTETS_MAX: usize = 63;

const FORM: u8 = 1;

/// What a key is used for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum KeyState {
    /// For nothing: DNS does not show it yet.
    Waiting,
    /// New mail is signed with it.
    Active,
    /// For nothing any more; mail under way may still be verified with it.
    Retired,
}

/// A key.
#[derive(Clone, PartialEq, Eq)]
pub struct DomainKey {
    /// Its name below `_domainkey` of the domain.
    pub selector: String,
    /// RSA, rather than Ed25519.
    pub rsa: bool,
    /// What it is used for.
    pub state: KeyState,
    /// When it was made, seconds since 1970 UTC.
    pub made: i64,
    /// Since when it is in its state.
    pub since: i64,
    /// PKCS #8.
    pub secret: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for DomainKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DomainKey({}, {:?})", self.selector, self.state)
    }
}

impl DomainKey {
    fn write(&self) -> Vec<u8> {
        let state = match self.state {
            KeyState::Waiting => 1,
            KeyState::Active => 2,
            KeyState::Retired => 3,
        };
        let mut to = Writer::default();
        to.byte(FORM).byte(u8::from(self.rsa)).byte(state).signed(self.made).signed(self.since);
        to.bytes(&self.secret);
        to.0
    }

    fn read(selector: &str, plain: &[u8]) -> Option<Self> {
        let mut from = Reader(plain);
        if from.byte()? != FORM {
            return None;
        }
        let rsa = from.byte()? == 1;
        let state = match from.byte()? {
            1 => KeyState::Waiting,
            2 => KeyState::Active,
            3 => KeyState::Retired,
            _ => return None,
        };
        let (made, since) = (from.signed()?, from.signed()?);
        let secret = Zeroizing::new(from.bytes()?.to_vec());
        from.is_empty().then(|| Self {
            selector: selector.to_owned(),
            rsa,
            state,
            made,
            since,
            secret,
        })
    }
}

/// Part of what a sealed key is bound to.
fn number(domain: &Domain, selector: &str) -> u64 {
    let hash = blake3::hash(format!("{domain} {selector}").as_bytes());
    hash.as_bytes().first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets))
}

impl Directory {
    /// A domain's keys, by selector.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn domain_keys(&self, domain: &Domain) -> Result<Vec<DomainKey>, Error> {
        let (from, to) = keys::domain_keys(domain.as_str());
        let entries_max = usize::MAX;
        let scan = store::Scan { account: DIRECTORY, from, to, reverse: false, entries_max };
        let mut found = Vec::new();
        for (key, sealed) in self.shared.kv.scan(scan).await? {
            let broken = || damaged("a key of a domain");
            let selector = keys::selector(&key, domain.as_str()).ok_or_else(broken)?;
            let number = number(domain, selector);
            let plain = Zeroizing::new(self.seal()?.open(Kind::DomainKey, number, &sealed)?);
            found.push(DomainKey::read(selector, &plain).ok_or_else(broken)?);
        }
        Ok(found)
    }

    /// Adds a key, or writes down what became of it.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`] without such a domain, [`Refused::Limit`]; the store's.
    pub async fn put_domain_key(&self, domain: &Domain, key: &DomainKey) -> Result<(), Error> {
        let plain_selector = |octet: u8| octet.is_ascii_alphanumeric() || b"-_.".contains(&octet);
        let fits = (1..=SELECTOR_OCTETS_MAX).contains(&key.selector.len())
            && key.selector.bytes().all(plain_selector);
        if !fits {
            return Err(Refused::Limit.into());
        }
        let number = number(domain, &key.selector);
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            if !self.has_domain(domain).await? {
                return Err(Refused::NoSuchEntry.into());
            }
            let known = self.domain_keys(domain).await?;
            let is_new = known.iter().all(|other| other.selector != key.selector);
            if is_new && known.len() >= DOMAIN_KEYS_MAX {
                return Err(Refused::Limit.into());
            }
            let plain = Zeroizing::new(key.write());
            let sealed = self.seal()?.seal(Kind::DomainKey, number, &plain)?;
            let name = keys::domain_key(domain.as_str(), &key.selector);
            if self.won(head, vec![(name, Some(sealed.into()))]).await? {
                return Ok(());
            }
        }
    }

    /// Removes a key.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`]; the store's.
    pub async fn remove_domain_key(&self, domain: &Domain, selector: &str) -> Result<(), Error> {
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            let known = self.domain_keys(domain).await?;
            if known.iter().all(|key| key.selector != selector) {
                return Err(Refused::NoSuchEntry.into());
            }
            let name = keys::domain_key(domain.as_str(), selector);
            if self.won(head, vec![(name, None)]).await? {
                return Ok(());
            }
        }
    }

    /// What removes all keys of a domain.
    pub(super) async fn without_domain_keys(&self, domain: &Domain) -> Result<Puts, Error> {
        let known = self.domain_keys(domain).await?;
        let remove = |key: &DomainKey| -> (Bytes, Option<Bytes>) {
            (keys::domain_key(domain.as_str(), &key.selector), None)
        };
        Ok(known.iter().map(remove).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        for (rsa, state) in
            [(true, KeyState::Waiting), (false, KeyState::Active), (true, KeyState::Retired)]
        {
            let secret = Zeroizing::new(vec![1, 2, 3]);
            let key = DomainKey { selector: "s".into(), rsa, state, made: 5, since: -6, secret };
            let written = key.write();
            assert_eq!(DomainKey::read("s", &written), Some(key));
            for end in 0..written.len() {
                assert_eq!(DomainKey::read("s", &written[..end]), None, "{end}");
            }
        }
    }
}
