//! Tokens: what a program logs in with in place of a password (RFC 7628), for some protocols and
//! for a time.
//!
//! Invariants: of a token its hash is kept, never itself; it is shown once. A token goes with its
//! account, in the same commit. When it was used last is kept by the day: a token costs one commit
//! a day, not one a login.

use super::{Credentials, DIRECTORY, Directory, Puts, damaged};
use crate::{
    Error, Refused,
    codec::{Reader, Writer},
    keys,
    password::random,
    seal::Kind,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use mail::{AccountId, Address};
use std::sync::Arc;

/// Tokens of one account.
pub const TOKENS_MAX: usize = 100;
/// Octets of a token's name.
pub const TOKEN_NAME_OCTETS_MAX: usize = 100;
/// What is kept of when a token was used last: seconds are cut off to this.
pub const TOKEN_USE_SECONDS: i64 = 86_400;

/// Random octets of a token: 256 bits.
const RANDOM_OCTETS: usize = 32;
/// A token before it is written in letters: its account, then what is random.
const TOKEN_OCTETS: usize = 4 + RANDOM_OCTETS;

/// Protocols that a token is for, as bits.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Scopes(u8);

impl Scopes {
    /// IMAP.
    pub const IMAP: Self = Self(1);
    /// POP3.
    pub const POP: Self = Self(2);
    /// Submission.
    pub const SMTP: Self = Self(4);
    /// Each with its name.
    pub const ALL: [(Self, &'static str); 3] =
        [(Self::IMAP, "imap"), (Self::POP, "pop"), (Self::SMTP, "smtp")];

    /// The scope of that name.
    #[must_use]
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|(_, known)| *known == name).map(|(scope, _)| scope)
    }
    /// Both.
    #[must_use]
    pub const fn with(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// Whether all of `other` are in it.
    #[must_use]
    pub const fn has(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    /// Their names.
    pub fn names(self) -> impl Iterator<Item = &'static str> {
        Self::ALL.into_iter().filter(move |(scope, _)| self.has(*scope)).map(|(_, name)| name)
    }
}

/// Which token: its hash, by which nobody can log in.
pub type TokenId = [u8; 32];

/// A token, without what is secret of it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// Its id.
    pub id: TokenId,
    /// What it is for, unique in its account.
    pub name: String,
    /// Protocols.
    pub scopes: Scopes,
    /// When it was made, seconds since 1970 UTC.
    pub made: i64,
    /// From when on it is not taken.
    pub expires: Option<i64>,
    /// The day it was used last.
    pub used: Option<i64>,
}

impl Token {
    fn write(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.byte(1).bytes(self.name.as_bytes()).byte(self.scopes.0).signed(self.made);
        for time in [self.expires, self.used] {
            to.byte(u8::from(time.is_some())).signed(time.unwrap_or_default());
        }
        to.0
    }

    fn read(id: TokenId, plain: &[u8]) -> Option<Self> {
        let mut from = Reader(plain);
        if from.byte()? != 1 {
            return None;
        }
        let (name, scopes) = (from.text()?.to_owned(), Scopes(from.byte()?));
        let made = from.signed()?;
        let mut time = || Some((from.byte()?, from.signed()?));
        let (expires, used) = (time()?, time()?);
        let known = |(is_known, time): (u8, i64)| (is_known != 0).then_some(time);
        Some(Self { id, name, scopes, made, expires: known(expires), used: known(used) })
    }

    /// Whether its time is over.
    #[must_use]
    pub fn is_expired(&self, now: i64) -> bool {
        self.expires.is_some_and(|expires| now >= expires)
    }
}

/// What a token is to be.
#[derive(Clone, Debug)]
pub struct NewToken {
    /// What it is for.
    pub name: String,
    /// Protocols.
    pub scopes: Scopes,
    /// From when on it is not taken, seconds since 1970 UTC.
    pub expires: Option<i64>,
}

/// Whose token a text is, and its hash.
fn parse(text: &[u8]) -> Option<(AccountId, TokenId)> {
    let octets: [u8; TOKEN_OCTETS] = URL_SAFE_NO_PAD.decode(text).ok()?.try_into().ok()?;
    let (account, random) = octets.split_first_chunk()?;
    Some((AccountId(u32::from_be_bytes(*account)), hash(random)))
}

/// 256 random bits need no slow hash.
fn hash(random: &[u8]) -> TokenId {
    *blake3::hash(random).as_bytes()
}

/// A number of a token, to be authenticated with what is sealed of it.
fn number(id: &TokenId) -> u64 {
    id.first_chunk().map_or(0, |octets| u64::from_be_bytes(*octets))
}

impl Directory {
    fn token_put(
        &self,
        account: AccountId,
        token: &Token,
    ) -> Result<(Bytes, Option<Bytes>), Error> {
        let sealed = self.seal()?.seal(Kind::Token, number(&token.id), &token.write())?;
        Ok((keys::token(account.0, &token.id), Some(sealed.into())))
    }

    fn open_token(&self, id: TokenId, sealed: &[u8]) -> Result<Token, Error> {
        let plain = self.seal()?.open(Kind::Token, number(&id), sealed)?;
        Token::read(id, &plain).ok_or_else(|| damaged("a token"))
    }

    async fn tokens_of(&self, account: AccountId) -> Result<Vec<Token>, Error> {
        let (from, to) = keys::tokens(account.0);
        let entries_max = usize::MAX;
        let scan = store::Scan { account: DIRECTORY, from, to, reverse: false, entries_max };
        let mut found = Vec::new();
        for (key, sealed) in self.shared.kv.scan(scan).await? {
            let id = keys::token_of(&key).ok_or_else(|| damaged("a token's key"))?;
            found.push(self.open_token(id, &sealed)?);
        }
        found.sort_by(|one, other| (one.made, &one.name).cmp(&(other.made, &other.name)));
        Ok(found)
    }

    /// What removes all tokens of an account.
    pub(super) async fn without_tokens(&self, account: AccountId) -> Result<Puts, Error> {
        let tokens = self.tokens_of(account).await?;
        Ok(tokens.iter().map(|token| (keys::token(account.0, &token.id), None)).collect())
    }

    /// Makes a token of 256 random bits; shown this once.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`], [`Refused::EntryExists`] for its name, [`Refused::Limit`] for a
    /// name that is empty, too long or holds control characters, for no scope and for more than
    /// [`TOKENS_MAX`]; the store's.
    pub async fn add_token(&self, address: &Address, new: NewToken) -> Result<String, Error> {
        let NewToken { name, scopes, expires } = new;
        let is_name = !name.is_empty() && name.len() <= TOKEN_NAME_OCTETS_MAX;
        if !is_name || name.chars().any(char::is_control) || scopes == Scopes::default() {
            return Err(Refused::Limit.into());
        }
        let random: [u8; RANDOM_OCTETS] = random()?;
        let made = self.shared.clock.now_seconds();
        let token = Token { id: hash(&random), name, scopes, made, expires, used: None };
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            let (account, _) = self.of(address).await?;
            let tokens = self.tokens_of(account).await?;
            if tokens.iter().any(|other| other.name == token.name) {
                return Err(Refused::EntryExists.into());
            }
            if tokens.len() >= TOKENS_MAX {
                return Err(Refused::Limit.into());
            }
            if self.won(head, vec![self.token_put(account, &token)?]).await? {
                let octets = [&account.0.to_be_bytes()[..], &random].concat();
                return Ok(URL_SAFE_NO_PAD.encode(octets));
            }
        }
    }

    /// The tokens of an account, oldest first; also those whose time is over.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`]; the store's.
    pub async fn tokens(&self, address: &Address) -> Result<Vec<Token>, Error> {
        let (account, _) = self.of(address).await?;
        self.tokens_of(account).await
    }

    /// Revokes the token of that name; whose it was, and which.
    ///
    /// # Errors
    /// [`Refused::NoSuchEntry`]; the store's.
    pub async fn revoke_token(
        &self,
        address: &Address,
        name: &str,
    ) -> Result<(AccountId, TokenId), Error> {
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            let (account, _) = self.of(address).await?;
            let tokens = self.tokens_of(account).await?;
            let token = tokens.into_iter().find(|token| token.name == name);
            let token = token.ok_or(Refused::NoSuchEntry)?;
            if self.won(head, vec![(keys::token(account.0, &token.id), None)]).await? {
                return Ok((account, token.id));
            }
        }
    }

    /// Whose token this text is, and which; `None` when it is no token or its time is over.
    ///
    /// # Errors
    /// The store's.
    pub async fn token(&self, text: &[u8]) -> Result<Option<(Credentials, Token)>, Error> {
        let Some((account, id)) = parse(text) else { return Ok(None) };
        self.token_by_id(account, id).await
    }

    /// As [`Self::token`], for one that was seen before.
    ///
    /// # Errors
    /// The store's.
    pub async fn token_by_id(
        &self,
        account: AccountId,
        id: TokenId,
    ) -> Result<Option<(Credentials, Token)>, Error> {
        let Some(sealed) = self.value(keys::token(account.0, &id)).await? else { return Ok(None) };
        let token = self.open_token(id, &sealed)?;
        if token.is_expired(self.shared.clock.now_seconds()) {
            return Ok(None);
        }
        let person = self.person(account).await?;
        let credentials = person.map(|person| Credentials { account, person: Arc::new(person) });
        Ok(credentials.map(|credentials| (credentials, token)))
    }

    /// Notes that a token is used, when that is not known of the day yet.
    ///
    /// # Errors
    /// The store's.
    pub async fn token_used(&self, account: AccountId, token: &Token) -> Result<(), Error> {
        let now = self.shared.clock.now_seconds();
        let day = Some(now - now.rem_euclid(TOKEN_USE_SECONDS));
        if token.used >= day {
            return Ok(());
        }
        let mut tries = 0;
        loop {
            let head = self.head(&mut tries).await?;
            let kept = self.value(keys::token(account.0, &token.id)).await?;
            // Revoked meanwhile.
            let Some(sealed) = kept else { return Ok(()) };
            let mut token = self.open_token(token.id, &sealed)?;
            token.used = day;
            if self.won(head, vec![self.token_put(account, &token)?]).await? {
                return Ok(());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tokens_read_back() {
        let id = [7; 32];
        for (expires, used) in [(None, None), (Some(-5), Some(0)), (Some(i64::MAX), None)] {
            let scopes = Scopes::IMAP.with(Scopes::SMTP);
            let token = Token { id, name: "t\u{e9}l".to_owned(), scopes, made: 9, expires, used };
            assert_eq!(Token::read(id, &token.write()), Some(token));
        }
        assert_eq!(Token::read(id, b"\x02"), None);
        assert_eq!(Token::read(id, b""), None);
    }

    #[test]
    fn scopes_have_names() {
        let both = Scopes::parse("imap").unwrap().with(Scopes::parse("smtp").unwrap());
        assert_eq!(both.names().collect::<Vec<_>>(), ["imap", "smtp"]);
        assert!(both.has(Scopes::IMAP) && !both.has(Scopes::POP));
        assert_eq!(Scopes::parse("admin"), None);
    }

    #[test]
    fn a_text_that_is_no_token() {
        let octets = [&[0, 0, 0, 7][..], &[9; 32]].concat();
        let text = URL_SAFE_NO_PAD.encode(&octets);
        assert_eq!(parse(text.as_bytes()), Some((AccountId(7), hash(&[9; 32]))));
        for bad in ["", "!", &text[1..], &format!("{text}AA"), &format!("{text}=")] {
            assert_eq!(parse(bad.as_bytes()), None, "{bad}");
        }
    }

    #[test]
    fn over_at_the_second() {
        let expires = Some(10);
        let token = |expires| Token {
            id: [0; 32],
            name: "n".to_owned(),
            scopes: Scopes::IMAP,
            made: 0,
            expires,
            used: None,
        };
        assert!(!token(expires).is_expired(9) && token(expires).is_expired(10));
        assert!(!token(None).is_expired(i64::MAX));
    }
}
