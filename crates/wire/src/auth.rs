//! Authentication: what a SASL exchange asks of the account store, and what it hears.
//!
//! One effect for all protocols: a machine wraps [`Ask`] in its own effect; `server` answers with
//! [`Answer`] from one place, which also slows down failures and writes the log.

/// Bytes that never show in a log; wiped when dropped.
#[derive(Clone, PartialEq, Eq, zeroize::ZeroizeOnDrop)]
pub struct Secret(Vec<u8>);

impl Secret {
    /// Takes the bytes.
    #[must_use]
    pub const fn new(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
    /// The bytes, to compare or hash.
    #[must_use]
    pub fn reveal(&self) -> &[u8] {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(…)")
    }
}

/// What an exchange asks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Ask {
    /// Is this the password (or an app password) of this login, and may it act as `authzid`
    /// (empty: itself)? Answered by [`Answer::Accepted`] or [`Answer::Refused`].
    Password {
        /// Login name, an address.
        login: String,
        /// Whom to act as; empty for itself.
        authzid: String,
        /// The password, SASLprepared.
        password: Secret,
    },
    /// Is this a token of ours, for this protocol, of the account `authzid` (empty: whose it is)?
    /// Answered by [`Answer::Accepted`] or [`Answer::Refused`].
    Token {
        /// Whom to act as; empty for whose it is.
        authzid: String,
        /// The token.
        token: Secret,
    },
    /// The SCRAM-SHA-256 keys of this login, and 18 random octets for the server's nonce.
    /// Always answered by [`Answer::Scram`]: unknown logins get keys made up from a secret, so
    /// that they look like known ones.
    Scram {
        /// Login name, an address.
        login: String,
    },
    /// The SCRAM exchange ended; answered by [`Answer::Accepted`] (only when `proven`) or
    /// [`Answer::Refused`]. Asked also when the proof was wrong, so that failures are counted.
    ScramEnded {
        /// Login name.
        login: String,
        /// Whom to act as; empty for itself.
        authzid: String,
        /// Whether the client proved that it knows the password.
        proven: bool,
    },
}

/// Keys of SCRAM-SHA-256 (RFC 5802 §3, RFC 7677).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ScramKeys {
    /// Salt.
    pub salt: Vec<u8>,
    /// Iterations.
    pub iterations: u32,
    /// StoredKey.
    pub stored_key: [u8; 32],
    /// ServerKey.
    pub server_key: [u8; 32],
}

/// Why a login was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// Wrong name or password: which, is not told.
    Credentials,
    /// Right, but this login may not act as that one, or this token is for other protocols.
    Authorization,
    /// The account is switched off.
    Disabled,
    /// The store or another part of ours failed: try again later (RFC 5530 UNAVAILABLE).
    Unavailable,
    /// Too many connections of this account.
    TooMany,
}

/// What an exchange hears.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Answer {
    /// Logged in; the bridge now holds the account.
    Accepted {
        /// The account's main address, for greetings and logs.
        login: String,
    },
    /// Not logged in.
    Refused(Refusal),
    /// Answer to [`Ask::Scram`].
    Scram {
        /// The login's keys.
        keys: ScramKeys,
        /// 18 random octets.
        nonce: [u8; 18],
    },
}
