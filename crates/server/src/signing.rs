//! DKIM signatures of what our users send, and the keys for them: made, found in DNS, used, then
//! followed by others.
//!
//! Invariants: nothing is signed with a key before DNS shows it, or whoever runs the server says
//! so; a key that is not used any more stays for some days, since mail under way is signed with it;
//! a message that cannot be signed goes without, and the log says so.

mod seal;

use crate::{
    clock::SystemClock,
    dns::{Dns, ascii},
};
use account::{
    Accounts, Clock as _, Error,
    directory::{DomainKey, KeyState},
};
use mail::Domain;
use mailauth::dkim::{Algorithm, BodyHash, Canonical, SigningKey, generate};
use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{sync::watch, time::sleep};
use zeroize::Zeroizing;

/// How often keys are looked after.
const EVERY: Duration = Duration::from_secs(3_600);
const DAY_SECONDS: i64 = 86_400;
/// Days that a key stays after its last signature: mail waits for five, reports come later.
const RETIRED_DAYS: i64 = 14;
/// Domains whose keys are kept ready.
const READY_MAX: usize = 10_000;

/// Settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// Whether what users send is signed, and keys are made.
    pub sign: bool,
    /// Days after which a key is followed by another; 0: never.
    pub key_days: u32,
}

/// Signs.
pub struct Signing {
    accounts: Arc<Accounts>,
    dns: Option<Arc<Dns>>,
    settings: Settings,
    /// Held while keys are made, so that nobody makes the same ones twice.
    making: tokio::sync::Mutex<()>,
    /// Active keys, ready for use.
    ready: Mutex<HashMap<Domain, Arc<[SigningKey]>>>,
}

/// How a key signs.
#[must_use]
pub const fn algorithm(key: &DomainKey) -> Algorithm {
    if key.rsa { Algorithm::RsaSha256 } else { Algorithm::Ed25519Sha256 }
}

/// A key ready for use.
///
/// # Errors
/// Text: the stored octets are no key.
pub fn open(domain: &Domain, key: &DomainKey) -> Result<SigningKey, String> {
    let name = domain.to_ascii();
    SigningKey::new((&name, &key.selector), algorithm(key), &key.secret)
        .map_err(|error| format!("{name} {}: {error}", key.selector))
}

impl Signing {
    /// With keys of these accounts' domains.
    #[must_use]
    pub fn new(accounts: &Arc<Accounts>, dns: Option<Arc<Dns>>, settings: Settings) -> Arc<Self> {
        let accounts = Arc::clone(accounts);
        let (making, ready) = Default::default();
        Arc::new(Self { accounts, dns, settings, making, ready })
    }

    /// Keys of a domain changed.
    pub fn forget(&self, domain: &Domain) {
        self.ready.lock().unwrap_or_else(PoisonError::into_inner).remove(domain);
    }

    async fn keys(&self, domain: &Domain) -> Result<Arc<[SigningKey]>, Error> {
        let known = self.ready.lock().unwrap_or_else(PoisonError::into_inner).get(domain).cloned();
        if let Some(known) = known {
            return Ok(known);
        }
        let all = self.accounts.directory().domain_keys(domain).await?;
        let active = all.iter().filter(|key| key.state == KeyState::Active);
        let keys: Arc<[SigningKey]> = active
            .filter_map(|key| {
                open(domain, key).inspect_err(|error| tracing::error!(error, "DKIM key")).ok()
            })
            .collect();
        let mut ready = self.ready.lock().unwrap_or_else(PoisonError::into_inner);
        if ready.len() >= READY_MAX {
            ready.clear();
        }
        ready.insert(domain.clone(), Arc::clone(&keys));
        Ok(keys)
    }

    /// Signatures for the top of a message, with line ends; none where the author's domain has no
    /// active key.
    pub async fn sign(&self, domain: &Domain, message: &[u8]) -> String {
        if !self.settings.sign {
            return String::new();
        }
        let keys = match self.keys(domain).await {
            Ok(keys) => keys,
            Err(error) => {
                tracing::error!(%domain, %error, "DKIM keys cannot be read");
                return String::new();
            }
        };
        if keys.is_empty() {
            return String::new();
        }
        let (header, body) = message.split_at(mail::header::header_octets(message));
        let mut hash = BodyHash::new(Canonical::Relaxed, u64::MAX);
        hash.update(body);
        let (hash, _) = hash.finish();
        let now = SystemClock.now_seconds();
        let mut fields = String::new();
        for key in keys.iter() {
            match key.sign(header, &hash, now) {
                Ok(field) => fields.push_str(&field),
                Err(error) => tracing::error!(%domain, %error, "a message cannot be signed"),
            }
        }
        fields
    }

    /// Makes keys of both kinds, which wait for DNS to show them.
    ///
    /// # Errors
    /// The directory's.
    pub async fn make(&self, domain: &Domain) -> Result<Vec<DomainKey>, Error> {
        let _making = self.making.lock().await;
        let known = self.accounts.directory().domain_keys(domain).await?;
        let mut made = Vec::new();
        for rsa in [true, false] {
            let key = self.make_one(domain, rsa, &known).await?;
            made.push(key);
        }
        Ok(made)
    }

    /// Makes what a domain lacks: a key of each kind, or one that follows an old one.
    ///
    /// # Errors
    /// The directory's.
    pub async fn make_missing(&self, domain: &Domain) -> Result<(), Error> {
        if !self.settings.sign {
            return Ok(());
        }
        let _making = self.making.lock().await;
        let keys = self.accounts.directory().domain_keys(domain).await?;
        let now = SystemClock.now_seconds();
        for rsa in [true, false] {
            let mut of_kind = keys.iter().filter(|key| key.rsa == rsa);
            let waits = of_kind.clone().any(|key| key.state == KeyState::Waiting);
            let active = of_kind.find(|key| key.state == KeyState::Active);
            let old = i64::from(self.settings.key_days) * DAY_SECONDS;
            let due = active.is_none_or(|key| old > 0 && now - key.since > old);
            if due && !waits {
                self.make_one(domain, rsa, &keys).await?;
            }
        }
        Ok(())
    }

    async fn make_one(
        &self,
        domain: &Domain,
        rsa: bool,
        known: &[DomainKey],
    ) -> Result<DomainKey, Error> {
        let now = SystemClock.now_seconds();
        let kind = if rsa { Algorithm::RsaSha256 } else { Algorithm::Ed25519Sha256 };
        // A large prime takes its time.
        let made = tokio::task::spawn_blocking(move || generate(kind).map_err(|_| ())).await;
        let Ok(Ok(secret)) = made else {
            return Err(Error::Damaged("no random numbers for a key".to_owned()));
        };
        let month = crate::calendar::day(now).get(..7).unwrap_or_default().replace('-', "");
        let base = format!("p{month}{}", if rsa { 'r' } else { 'e' });
        let taken = |name: &str| known.iter().any(|key| key.selector == name);
        let mut numbered = (2..).map(|number: u32| format!("{base}{number}"));
        let selector = if taken(&base) { numbered.find(|name| !taken(name)) } else { None };
        let key = DomainKey {
            selector: selector.unwrap_or(base),
            rsa,
            state: KeyState::Waiting,
            made: now,
            since: now,
            secret: Zeroizing::new(secret),
        };
        self.accounts.directory().put_domain_key(domain, &key).await?;
        let selector = &key.selector;
        tracing::info!(%domain, selector, "DKIM key made; it is used once DNS shows it");
        Ok(key)
    }

    /// Puts a key to use; others of its kind retire.
    ///
    /// # Errors
    /// The directory's; [`account::Refused::NoSuchEntry`].
    pub async fn activate(&self, domain: &Domain, selector: &str) -> Result<(), Error> {
        let directory = self.accounts.directory();
        let known = directory.domain_keys(domain).await?;
        let Some(key) = known.iter().find(|key| key.selector == selector) else {
            return Err(account::Refused::NoSuchEntry.into());
        };
        let since = SystemClock.now_seconds();
        let active = DomainKey { state: KeyState::Active, since, ..key.clone() };
        directory.put_domain_key(domain, &active).await?;
        for other in &known {
            if other.rsa == key.rsa && other.selector != selector && other.state == KeyState::Active
            {
                let retired = DomainKey { state: KeyState::Retired, since, ..other.clone() };
                directory.put_domain_key(domain, &retired).await?;
            }
        }
        self.forget(domain);
        tracing::info!(%domain, selector, "DKIM key in use");
        Ok(())
    }

    /// Whether DNS shows a key's record.
    pub async fn is_published(&self, domain: &Domain, key: &DomainKey) -> bool {
        let (Some(dns), Ok(open)) = (&self.dns, open(domain, key)) else { return false };
        let Ok(wanted) = open.record() else { return false };
        let wanted = public_part(wanted.as_bytes());
        let Some(name) = ascii(domain.as_str()) else { return false };
        match dns.txt(&format!("{}._domainkey.{name}", key.selector)).await {
            Ok(found) => found.records.iter().any(|record| public_part(record) == wanted),
            Err(_) => false,
        }
    }

    /// Looks after the keys of all domains: makes what is missing, uses what DNS shows, lets old
    /// ones go.
    async fn look_after(&self) -> Result<(), Error> {
        let directory = self.accounts.directory();
        let now = SystemClock.now_seconds();
        for domain in directory.domains().await? {
            self.make_missing(&domain).await?;
            let keys = directory.domain_keys(&domain).await?;
            for key in &keys {
                match key.state {
                    KeyState::Waiting if self.is_published(&domain, key).await => {
                        self.activate(&domain, &key.selector).await?;
                    }
                    KeyState::Retired if now - key.since > RETIRED_DAYS * DAY_SECONDS => {
                        directory.remove_domain_key(&domain, &key.selector).await?;
                        let selector = &key.selector;
                        tracing::info!(%domain, selector, "DKIM key is gone: so may its record");
                    }
                    _ => {}
                }
            }
        }
        Ok(())
    }

    /// Looks after the keys until `shutdown`.
    pub async fn run(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        if !self.settings.sign {
            return;
        }
        loop {
            if let Err(error) = self.look_after().await {
                tracing::error!(%error, "DKIM keys");
            }
            tokio::select! {
                _ = shutdown.wait_for(|down| *down) => return,
                () = sleep(EVERY) => {}
            }
        }
    }
}

/// `p=` of a key record, without white space.
fn public_part(record: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(record);
    let mut tags = text.split(';');
    let found = tags.find_map(|tag| tag.trim().strip_prefix("p=").map(str::to_owned));
    found.map(|value| value.chars().filter(|c| !c.is_whitespace()).collect())
}
