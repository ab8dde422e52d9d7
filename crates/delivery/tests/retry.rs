//! One message for several accounts over a store that fails at its n-th operation, for n = 1, 2, 3
//! …: when the sender tries again, every account has it once. `docs/decisions/0006`.

#![allow(clippy::unwrap_used)]

use account::{Accounts, Clock, MailboxName, MasterKey, Options};
use bytes::Bytes;
use delivery::{Inbound, Problem, Route, Submitted};
use mail::{AccountId, Address, Domain};
use std::{
    pin::pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
};
use store::{
    LocalBus, Memory,
    faulty::{Faulty, When},
};

const CONTENT: &[u8] = b"From: x@example.org\r\nSubject: one\r\n\r\nText\r\n";
/// Operations of a delivery are fewer.
const OPERATIONS_MAX: u64 = 500;

static TRANSACTIONS: AtomicU64 = AtomicU64::new(0);

struct Fixed;
impl Clock for Fixed {
    fn now_seconds(&self) -> i64 {
        1_790_000_000
    }
}

struct Unpark(Thread);
impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

type Store = Arc<Faulty<Memory>>;

async fn open(store: &Store) -> Arc<Accounts> {
    let (kv, blobs) = (Arc::clone(store), Arc::clone(store));
    let options = Options { argon2_cost: (8, 1, 1), ..Options::default() };
    let bus = Arc::new(LocalBus::default());
    Accounts::open(kv, blobs, bus, MasterKey([7; 32]), Arc::new(Fixed), options).await.unwrap()
}

/// Three accounts in a store in which nothing fails yet.
async fn made() -> (Store, Vec<AccountId>) {
    let store = Arc::new(Faulty::new(Arc::new(Memory::new())));
    let accounts = open(&store).await;
    let directory = accounts.directory();
    directory.add_domain(&Domain::parse("example.test").unwrap()).await.unwrap();
    let mut ids = Vec::new();
    for name in ["ana", "bruno", "carla"] {
        let address = Address::parse(&format!("{name}@example.test")).unwrap();
        ids.push(directory.add_account(&address, b"secret").await.unwrap());
    }
    (store, ids)
}

async fn deliver(
    accounts: &Arc<Accounts>,
    routes: &[Route],
    one_answer: bool,
) -> Vec<Result<(), Problem>> {
    let inbound = Inbound::new(Arc::clone(accounts), &[1; 32]);
    // What is written on top differs each time.
    let number = TRANSACTIONS.fetch_add(1, Relaxed);
    let whole = [format!("Received: {number}\r\n").as_bytes(), CONTENT].concat();
    let submitted =
        Submitted { sender: "x@example.org", content: CONTENT, one_answer, explained: None };
    inbound.deliver(Bytes::from(whole), routes, &submitted).await
}

async fn copies(accounts: &Arc<Accounts>, id: AccountId) -> u32 {
    let account = accounts.account(id).await.unwrap();
    account.mailbox(&MailboxName::inbox()).unwrap().exists
}

fn routes(ids: &[AccountId]) -> Vec<Route> {
    ids.iter().map(|id| Route { accounts: vec![*id], forwards: Vec::new() }).collect()
}

/// Gives how often something failed.
async fn fail_at(nth: u64, when: When) -> u32 {
    let (store, ids) = made().await;
    let mut accounts = open(&store).await;
    let routes = routes(&ids);
    store.fail(nth, when);
    let mut failures = 0;
    // A sender that hears one answer tries all of them again.
    while deliver(&accounts, &routes, true).await.iter().any(Result::is_err) {
        failures += 1;
        assert!(failures < 9, "operation {nth}");
        store.heal();
        if nth.is_multiple_of(2) {
            // Also by another process.
            accounts = open(&store).await;
        }
    }
    store.heal();
    for id in &ids {
        assert_eq!(copies(&accounts, *id).await, 1, "operation {nth}");
    }
    failures
}

#[test]
fn a_retried_message_is_stored_once() {
    for when in [When::Before, When::After] {
        let mut failures = 0;
        for nth in 1..OPERATIONS_MAX {
            let failed = run(fail_at(nth, when));
            failures += failed;
            if failed == 0 && nth > 60 {
                break;
            }
        }
        assert!(failures > 5, "nothing failed");
    }
}

#[test]
fn a_message_that_is_sent_twice_is_stored_twice() {
    run(async {
        let (store, ids) = made().await;
        let accounts = open(&store).await;
        for sent in 1..=3 {
            for outcome in deliver(&accounts, &routes(&ids), true).await {
                outcome.unwrap();
            }
            for id in &ids {
                assert_eq!(copies(&accounts, *id).await, sent);
            }
        }
    });
}

#[test]
fn an_answer_for_each_recipient_needs_no_mark_but_where_it_speaks_for_several_accounts() {
    run(async {
        let (store, ids) = made().await;
        let accounts = open(&store).await;
        let directory = accounts.directory();
        let full = Address::parse("carla@example.test").unwrap();
        directory.set_quota(&full, Some(1), None).await.unwrap();
        let team = Route { accounts: ids.clone(), forwards: Vec::new() };
        let ana = Route { accounts: ids.iter().take(1).copied().collect(), forwards: Vec::new() };
        let alone = [ana.clone()];
        for sent in 1..=2 {
            deliver(&accounts, &alone, false).await.remove(0).unwrap();
            assert_eq!(copies(&accounts, ids[0]).await, sent);
        }
        for _ in 0..3 {
            let outcomes = deliver(&accounts, std::slice::from_ref(&team), false).await;
            assert_eq!(outcomes, [Err(Problem::MailboxFull)]);
            assert_eq!(copies(&accounts, ids[1]).await, 1);
        }
        directory.set_quota(&full, None, None).await.unwrap();
        let accounts = open(&store).await;
        assert_eq!(deliver(&accounts, &[team], false).await, [Ok(())]);
        let mut all = Vec::new();
        for id in &ids {
            all.push(copies(&accounts, *id).await);
        }
        assert_eq!(all, [3, 1, 1]);
    });
}
