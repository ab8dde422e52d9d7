//! What the directory tells: recipients, credentials, accounts; and how an address is stored.

use crate::{
    Error, Options,
    codec::{Reader, Writer},
    password,
    person::Person,
};
use bytes::Bytes;
use mail::{AccountId, Address, Domain};
use std::sync::Arc;

/// Where mail for an address goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Recipient {
    /// To these accounts (an alias may name several), each once; and addresses elsewhere that an
    /// alias names.
    Local {
        /// Accounts of ours.
        accounts: Vec<AccountId>,
        /// Addresses elsewhere.
        elsewhere: Vec<Address>,
    },
    /// The domain is ours, the address is nobody's.
    Unknown,
    /// The domain is not ours.
    Elsewhere,
}

/// A password as it is kept: hashed.
#[derive(Clone)]
pub struct Password(pub(super) password::Kept);

impl Password {
    /// Hashes a password. Takes tens of milliseconds of CPU (argon2): call it where blocking is
    /// allowed.
    ///
    /// # Errors
    /// [`Error::Damaged`] when there are no random numbers.
    pub fn hash(password: &[u8], options: &Options) -> Result<Self, Error> {
        password::Kept::new(password, options).map(Self)
    }
}

/// What a login was made with. Nobody can log in by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Proof {
    /// The account's password; its salt, which is another one with each new password.
    Password([u8; 16]),
    /// An app password, by its hash.
    App([u8; 32]),
    /// A token, by its id.
    Token(super::TokenId),
}

/// What is needed to check a login. Hidden from logs.
#[derive(Clone)]
pub struct Credentials {
    pub(super) account: AccountId,
    pub(super) person: Arc<Person>,
}

impl Credentials {
    /// The account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        self.account
    }
    /// Its main address.
    #[must_use]
    pub fn address(&self) -> &Address {
        &self.person.address
    }
    /// Whether it is switched off.
    #[must_use]
    pub fn disabled(&self) -> bool {
        self.person.disabled
    }
    /// Whether this is the password or an app password, and which. Takes tens of milliseconds of
    /// CPU (argon2): call it where blocking is allowed.
    #[must_use]
    pub fn verify(&self, password: &[u8]) -> Option<Proof> {
        let hash = password::app_hash(password);
        if self.person.apps.iter().any(|app| app.hash == hash) {
            return Some(Proof::App(hash));
        }
        self.person.password.verify(password).then(|| self.main())
    }
    /// The proof of who knows the password itself.
    #[must_use]
    pub fn main(&self) -> Proof {
        Proof::Password(self.person.password.salt)
    }
    /// Whether what a login was made with would still do. A token is looked up in its own place.
    #[must_use]
    pub fn holds(&self, proof: &Proof) -> bool {
        match proof {
            Proof::Password(salt) => self.person.password.salt == *salt,
            Proof::App(hash) => self.person.apps.iter().any(|app| app.hash == *hash),
            Proof::Token(_) => true,
        }
    }
    /// Takes the time that [`Credentials::verify`] takes, for a login that nobody has.
    pub fn verify_nobody(password: &[u8]) {
        password::verify_nobody(password, crate::types::ARGON2_COST);
    }
    /// IMAP capabilities that its clients are not shown.
    #[must_use]
    pub fn hidden_capabilities(&self) -> &[String] {
        &self.person.hidden
    }
    /// SCRAM-SHA-256 keys: salt, iterations, StoredKey, ServerKey.
    #[must_use]
    pub fn scram(&self) -> (&[u8], u32, [u8; 32], [u8; 32]) {
        let kept = &self.person.password;
        (&kept.scram_salt, kept.iterations, kept.stored_key, kept.server_key)
    }
    /// Changes whenever a password changes (for caches of checked logins).
    #[must_use]
    pub fn generation(&self) -> u64 {
        self.person.generation
    }
}

/// An account as administration sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct AccountInfo {
    /// Its id.
    pub id: AccountId,
    /// Its main address.
    pub address: Address,
    /// Switched off.
    pub disabled: bool,
    /// Its own limit of octets.
    pub octets_max: Option<u64>,
    /// Its own limit of messages.
    pub messages_max: Option<u64>,
    /// IMAP capabilities that its clients are not shown.
    pub hidden_capabilities: Vec<String>,
}

/// What an address stands for.
pub(super) enum Entry {
    Account(AccountId),
    Alias(Vec<Address>),
}

impl Entry {
    pub(super) fn write(&self) -> Bytes {
        let mut to = Writer::default();
        match self {
            Self::Account(id) => {
                to.byte(1).number(id.0.into());
            }
            Self::Alias(targets) => {
                to.byte(2).number(targets.len() as u64);
                for target in targets {
                    to.bytes(target.local().as_bytes());
                    to.bytes(target.domain().as_str().as_bytes());
                }
            }
        }
        to.done()
    }
    /// Reads what [`Entry::write`] wrote.
    pub(super) fn read(bytes: &[u8]) -> Option<Self> {
        let mut from = Reader(bytes);
        match from.byte()? {
            1 => Some(Self::Account(AccountId(from.number32()?))),
            2 => {
                let count = from.number()?;
                let mut targets = Vec::new();
                for _ in 0..count {
                    let local = from.text()?;
                    let domain = Domain::parse(from.text()?)?;
                    targets.push(Address::new(local, domain)?);
                }
                Some(Self::Alias(targets))
            }
            _ => None,
        }
    }
}

/// As administration sees it.
pub(super) fn info(id: AccountId, person: &Person) -> AccountInfo {
    AccountInfo {
        id,
        address: person.address.clone(),
        disabled: person.disabled,
        octets_max: person.octets_max,
        messages_max: person.messages_max,
        hidden_capabilities: person.hidden.clone(),
    }
}
