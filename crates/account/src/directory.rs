//! Domains, addresses, passwords: account 0, a log like the others.

use crate::Error;
use mail::{AccountId, Address, Domain};

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

/// Iterations of stored SCRAM-SHA-256 keys (RFC 7677 §4: at least 4096).
pub const SCRAM_ITERATIONS: u32 = 4096;
/// Octets of a SCRAM salt.
pub const SCRAM_SALT_OCTETS: usize = 16;

/// What is needed to check a login. Hidden from logs.
#[derive(Clone)]
pub struct Credentials {}

impl Credentials {
    /// The account.
    #[must_use]
    pub fn account(&self) -> AccountId {
        todo!()
    }
    /// Its main address.
    #[must_use]
    pub fn address(&self) -> &Address {
        todo!()
    }
    /// Whether it is switched off.
    #[must_use]
    pub fn disabled(&self) -> bool {
        todo!()
    }
    /// Whether this is the password or an app password. Takes tens of milliseconds of CPU
    /// (argon2): call it where blocking is allowed.
    #[must_use]
    pub fn verify(&self, _password: &[u8]) -> bool {
        todo!()
    }
    /// Takes the time that [`Credentials::verify`] takes, for a login that nobody has.
    pub fn verify_nobody(_password: &[u8]) {
        todo!()
    }
    /// SCRAM-SHA-256 keys: salt, iterations, StoredKey, ServerKey.
    #[must_use]
    pub fn scram(&self) -> (&[u8], u32, [u8; 32], [u8; 32]) {
        todo!()
    }
    /// Changes whenever a password changes (for caches of checked logins).
    #[must_use]
    pub fn generation(&self) -> u64 {
        todo!()
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
}

/// Domains, addresses, passwords.
pub struct Directory {}

impl Directory {
    /// Where mail for an address goes; `user+tag@` is `user@` when nobody has the full one.
    pub async fn resolve(&self, _address: &Address) -> Result<Recipient, Error> {
        todo!()
    }
    /// What is needed to check a login (an address; case-folded), `None` when there is none.
    pub async fn credentials(&self, _login: &str) -> Result<Option<Credentials>, Error> {
        todo!()
    }
    /// Whether an account may send as an address: its own (with any +tag) and aliases naming it.
    pub async fn may_send_as(&self, _id: AccountId, _from: &Address) -> Result<bool, Error> {
        todo!()
    }
    /// Adds a domain.
    pub async fn add_domain(&self, _domain: &Domain) -> Result<(), Error> {
        todo!()
    }
    /// Removes a domain without accounts and aliases.
    pub async fn remove_domain(&self, _domain: &Domain) -> Result<(), Error> {
        todo!()
    }
    /// All domains.
    pub async fn domains(&self) -> Result<Vec<Domain>, Error> {
        todo!()
    }
    /// Adds an account with its special-use mailboxes.
    pub async fn add_account(&self, _address: &Address, _password: &[u8])
    -> Result<AccountId, Error> {
        todo!()
    }
    /// Erases an account: its addresses, then its key, keys and blobs.
    pub async fn remove_account(&self, _address: &Address) -> Result<(), Error> {
        todo!()
    }
    /// Accounts after `after`, by id.
    pub async fn accounts(
        &self,
        _after: Option<AccountId>,
        _entries_max: usize,
    ) -> Result<Vec<AccountInfo>, Error> {
        todo!()
    }
    /// The account whose main address or alias this is.
    pub async fn find(&self, _address: &Address) -> Result<Option<AccountInfo>, Error> {
        todo!()
    }
    /// Sets the password.
    pub async fn set_password(&self, _address: &Address, _password: &[u8]) -> Result<(), Error> {
        todo!()
    }
    /// Makes an app password of 160 random bits; shown this once.
    pub async fn add_app_password(&self, _address: &Address, _name: &str)
    -> Result<String, Error> {
        todo!()
    }
    /// Names of the app passwords, and when each was made.
    pub async fn app_passwords(&self, _address: &Address) -> Result<Vec<(String, i64)>, Error> {
        todo!()
    }
    /// Withdraws an app password.
    pub async fn remove_app_password(&self, _address: &Address, _name: &str)
    -> Result<(), Error> {
        todo!()
    }
    /// Sets limits (`None`: the default).
    pub async fn set_quota(
        &self,
        _address: &Address,
        _octets_max: Option<u64>,
        _messages_max: Option<u64>,
    ) -> Result<(), Error> {
        todo!()
    }
    /// Switches an account off or on.
    pub async fn set_disabled(&self, _address: &Address, _disabled: bool) -> Result<(), Error> {
        todo!()
    }
    /// Adds or replaces an alias.
    pub async fn set_alias(&self, _alias: &Address, _targets: &[Address]) -> Result<(), Error> {
        todo!()
    }
    /// Removes an alias.
    pub async fn remove_alias(&self, _alias: &Address) -> Result<(), Error> {
        todo!()
    }
    /// All aliases with their targets.
    pub async fn aliases(&self) -> Result<Vec<(Address, Vec<Address>)>, Error> {
        todo!()
    }
}
