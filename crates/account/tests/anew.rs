//! RFC 9051 §2.3.1.1: "if the mailbox is deleted and a new mailbox with the same name is created …
//! the new mailbox MUST have a new unique identifier validity value", also with its account. The
//! clock of these tests stands still.

#![allow(clippy::unwrap_used)]

mod world;

use account::{Accounts, MailboxName};
use mail::Address;
use std::{collections::HashSet, sync::Arc};
use store::Memory;
use world::{account, open, run};

const ANA: &str = "ana@example.test";

async fn given(accounts: &Accounts) -> Vec<u32> {
    let account = account(accounts, ANA).await;
    account.mailboxes().iter().map(|mailbox| mailbox.uid_validity.0).collect()
}

#[test]
fn an_account_made_anew_gives_larger_uid_validities() {
    run(async {
        let memory = Arc::new(Memory::new());
        let address = Address::parse(ANA).unwrap();
        let mut known = HashSet::new();
        for round in 0..4 {
            // Known after reopening, too.
            let accounts = open(&memory).await;
            let most = known.iter().max().copied().unwrap_or(0);
            for one in given(&accounts).await {
                assert!(one > most && known.insert(one), "round {round}: {one}");
            }
            let ana = account(&accounts, ANA).await;
            for n in 0..round {
                let name = MailboxName::parse(&format!("box {n}")).unwrap();
                ana.create(&name, None).await.unwrap();
            }
            known.extend(given(&accounts).await);
            accounts.directory().remove_account(&address).await.unwrap();
        }
    });
}
