//! Tokens: made, shown, revoked.

use super::{
    Failure, Reply, Request, TokenRow,
    perform::{Admin, parse_address, told},
};
use crate::clock::SystemClock;
use account::{
    Clock as _,
    directory::{NewToken, Scopes, TOKEN_NAME_OCTETS_MAX, Token},
};

impl Admin {
    pub(super) async fn token(&self, request: Request) -> Result<Reply, Failure> {
        let directory = self.accounts.directory();
        match request {
            Request::TokenAdd { address, name, scopes, expires_seconds } => {
                let account = parse_address(&address)?;
                let new = new_token(&name, &scopes, expires_seconds)?;
                let made = directory.add_token(&account, new).await;
                let token = made.map_err(|e| told(e, &name))?;
                Ok(Reply::Token { name, token })
            }
            Request::TokenRevoke { address, name } => {
                let account = parse_address(&address)?;
                let revoked = directory.revoke_token(&account, &name).await;
                let (id, _) = revoked.map_err(|e| told(e, &name))?;
                self.review(id).await;
                Ok(Reply::Done)
            }
            Request::TokenList { address } => {
                let account = parse_address(&address)?;
                let tokens = directory.tokens(&account).await.map_err(|e| told(e, &address))?;
                Ok(Reply::Tokens(tokens.into_iter().map(row).collect()))
            }
            _ => Err(Failure::ours("not a request about tokens")),
        }
    }
}

fn row(token: Token) -> TokenRow {
    let scopes = token.scopes.names().map(str::to_owned).collect();
    let Token { name, made, expires, used, .. } = token;
    TokenRow { name, scopes, made, expires, used }
}

fn new_token(
    name: &str,
    scopes: &[String],
    expires_seconds: Option<u64>,
) -> Result<NewToken, Failure> {
    let fits = !name.is_empty() && name.len() <= TOKEN_NAME_OCTETS_MAX;
    if !fits || name.chars().any(char::is_control) {
        let why = format!(
            "a token's name has 1 to {TOKEN_NAME_OCTETS_MAX} octets and no control characters"
        );
        return Err(Failure::refused(why));
    }
    let mut wanted = Scopes::default();
    for scope in scopes {
        let unknown = || Failure::refused(format!("{scope}: a scope is imap, pop or smtp"));
        wanted = wanted.with(Scopes::parse(scope).ok_or_else(unknown)?);
    }
    if scopes.is_empty() {
        wanted = Scopes::IMAP.with(Scopes::POP).with(Scopes::SMTP);
    }
    let until = |seconds: u64| {
        let seconds = i64::try_from(seconds).ok().filter(|seconds| *seconds > 0);
        let expires = seconds.and_then(|seconds| SystemClock.now_seconds().checked_add(seconds));
        expires.ok_or_else(|| Failure::refused("a token is good for some time"))
    };
    let expires = expires_seconds.map(until).transpose()?;
    Ok(NewToken { name: name.to_owned(), scopes: wanted, expires })
}
