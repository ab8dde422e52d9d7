//! Tokens: made, used, revoked, and gone with their account.

#![allow(clippy::unwrap_used)]

mod world;

use account::{
    Error, Refused,
    directory::{NewToken, Scopes, TOKEN_NAME_OCTETS_MAX, TOKENS_MAX},
};
use mail::Address;
use std::sync::Arc;
use store::{Kv, Memory, Scan};
use world::{account, open, run};

fn ana() -> Address {
    Address::parse("ana@example.test").unwrap()
}

fn new(name: &str) -> NewToken {
    NewToken { name: name.to_owned(), scopes: Scopes::IMAP.with(Scopes::SMTP), expires: None }
}

fn refused<T>(outcome: Result<T, Error>) -> Option<Refused> {
    match outcome {
        Err(Error::Refused(why)) => Some(why),
        _ => None,
    }
}

#[test]
fn a_token_is_found_until_it_is_revoked_also_after_reopening() {
    run(async {
        let memory = Arc::new(Memory::new());
        let text = {
            let accounts = open(&memory).await;
            account(&accounts, "ana@example.test").await;
            accounts.directory().add_token(&ana(), new("laptop")).await.unwrap()
        };
        let accounts = open(&memory).await;
        let directory = accounts.directory();
        let (credentials, token) = directory.token(text.as_bytes()).await.unwrap().unwrap();
        assert_eq!(credentials.address(), &ana());
        assert_eq!((token.name.as_str(), token.used), ("laptop", None));
        assert!(token.scopes.has(Scopes::IMAP) && !token.scopes.has(Scopes::POP));
        assert_eq!(directory.tokens(&ana()).await.unwrap().first(), Some(&token));

        let other = directory.add_token(&ana(), new("phone")).await.unwrap();
        assert_ne!(text, other);
        let exists = directory.add_token(&ana(), new("phone")).await;
        assert_eq!(refused(exists), Some(Refused::EntryExists));

        let revoked = directory.revoke_token(&ana(), "laptop").await.unwrap();
        assert_eq!(revoked, (credentials.account(), token.id));
        assert!(directory.token(text.as_bytes()).await.unwrap().is_none());
        assert!(directory.token(other.as_bytes()).await.unwrap().is_some());
        let gone = directory.revoke_token(&ana(), "laptop").await;
        assert_eq!(refused(gone), Some(Refused::NoSuchEntry));
    });
}

#[test]
fn the_day_of_the_last_use_costs_one_commit() {
    run(async {
        let memory = Arc::new(Memory::new());
        let accounts = open(&memory).await;
        let id = account(&accounts, "ana@example.test").await.id();
        let directory = accounts.directory();
        let text = directory.add_token(&ana(), new("laptop")).await.unwrap();
        let head = memory.head(0).await.unwrap();
        for _ in 0..3 {
            let (_, token) = directory.token(text.as_bytes()).await.unwrap().unwrap();
            directory.token_used(id, &token).await.unwrap();
        }
        assert_eq!(memory.head(0).await.unwrap(), head + 1);
        let used = directory.tokens(&ana()).await.unwrap().remove(0).used.unwrap();
        assert_eq!(used % 86_400, 0);
        // One that was revoked meanwhile does not come back.
        let (_, mut token) = directory.token(text.as_bytes()).await.unwrap().unwrap();
        directory.revoke_token(&ana(), "laptop").await.unwrap();
        token.used = None;
        directory.token_used(id, &token).await.unwrap();
        assert!(directory.tokens(&ana()).await.unwrap().is_empty());
    });
}

#[test]
fn tokens_go_with_their_account_and_are_kept_as_hashes() {
    run(async {
        let memory = Arc::new(Memory::new());
        let accounts = open(&memory).await;
        account(&accounts, "ana@example.test").await;
        account(&accounts, "bruno@example.test").await;
        let directory = accounts.directory();
        let bruno = Address::parse("bruno@example.test").unwrap();
        let text = directory.add_token(&ana(), new("laptop")).await.unwrap();
        let stays = directory.add_token(&bruno, new("laptop")).await.unwrap();
        let scan = Scan {
            account: 0,
            from: vec![0].into(),
            to: vec![255].into(),
            reverse: false,
            entries_max: usize::MAX,
        };
        for (key, value) in memory.scan(scan).await.unwrap() {
            for octets in [key, value] {
                assert!(
                    !octets.windows(8).any(|part| text.as_bytes().windows(8).any(|t| t == part))
                );
            }
        }
        directory.remove_account(&ana()).await.unwrap();
        assert!(directory.token(text.as_bytes()).await.unwrap().is_none());
        assert_eq!(refused(directory.tokens(&ana()).await), Some(Refused::NoSuchEntry));
        assert!(directory.token(stays.as_bytes()).await.unwrap().is_some());
    });
}

#[test]
fn a_token_whose_time_is_over_is_listed_but_not_taken() {
    run(async {
        let memory = Arc::new(Memory::new());
        let accounts = open(&memory).await;
        account(&accounts, "ana@example.test").await;
        let directory = accounts.directory();
        let over = NewToken { expires: Some(1), ..new("old") };
        let text = directory.add_token(&ana(), over).await.unwrap();
        assert!(directory.token(text.as_bytes()).await.unwrap().is_none());
        assert_eq!(directory.tokens(&ana()).await.unwrap().len(), 1);
    });
}

#[test]
fn limits_of_tokens() {
    run(async {
        let memory = Arc::new(Memory::new());
        let accounts = open(&memory).await;
        account(&accounts, "ana@example.test").await;
        let directory = accounts.directory();
        let long = "n".repeat(TOKEN_NAME_OCTETS_MAX);
        directory.add_token(&ana(), new(&long)).await.unwrap();
        for bad in [format!("{long}n"), String::new(), "a\nb".to_owned()] {
            let outcome = directory.add_token(&ana(), new(&bad)).await;
            assert_eq!(refused(outcome), Some(Refused::Limit), "{bad}");
        }
        let nothing = NewToken { scopes: Scopes::default(), ..new("none") };
        assert_eq!(refused(directory.add_token(&ana(), nothing).await), Some(Refused::Limit));
        for n in 1..TOKENS_MAX {
            directory.add_token(&ana(), new(&n.to_string())).await.unwrap();
        }
        let beyond = directory.add_token(&ana(), new("beyond")).await;
        assert_eq!(refused(beyond), Some(Refused::Limit));
    });
}
