//! Commits on their way: several at once, given up by their waiters, failing.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod world;

use account::{FlagChange, FlagOp, MailboxName, Numbers, Update};
use bytes::Bytes;
use mail::{Flags, ModSeq, NumberSet, SystemFlags};
use std::{
    future::Future,
    ops::Range,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, Waker},
};
use store::{BlobId, Blobs, Commit, Error, Fut, Kv, Memory, Page, Scan};
use world::{account, letter, open, run};

/// A store in memory whose commits land when the test says so, or fail from the n-th on.
struct Held {
    memory: Memory,
    held: AtomicBool,
    waiting: Mutex<Vec<Waker>>,
    commits: AtomicU64,
    fails_from: AtomicU64,
}

impl Held {
    fn new() -> Arc<Self> {
        Arc::new(Self {
            memory: Memory::new(),
            held: AtomicBool::new(false),
            waiting: Mutex::default(),
            commits: AtomicU64::new(0),
            fails_from: AtomicU64::new(u64::MAX),
        })
    }
    fn hold(&self) {
        self.held.store(true, Ordering::SeqCst);
    }
    fn release(&self) {
        self.held.store(false, Ordering::SeqCst);
        for waker in self.waiting.lock().unwrap().drain(..) {
            waker.wake();
        }
    }
}

/// The store itself, to be shared with futures.
struct Store(Arc<Held>);

impl Kv for Store {
    fn get(&self, account: u32, key: Bytes) -> Fut<'_, Option<Bytes>> {
        Kv::get(&self.0.memory, account, key)
    }
    fn get_many(&self, account: u32, keys: Vec<Bytes>) -> Fut<'_, Vec<Option<Bytes>>> {
        self.0.memory.get_many(account, keys)
    }
    fn scan(&self, scan: Scan) -> Fut<'_, Page> {
        self.0.memory.scan(scan)
    }
    fn head(&self, account: u32) -> Fut<'_, u64> {
        self.0.memory.head(account)
    }
    fn commit(&self, commit: Commit) -> Fut<'static, ()> {
        let number = self.0.commits.fetch_add(1, Ordering::SeqCst);
        let fails = number >= self.0.fails_from.load(Ordering::SeqCst);
        let landed = if fails {
            Box::pin(std::future::ready(Err(Error::Poisoned)))
        } else {
            self.0.memory.commit(commit)
        };
        Box::pin(Landing { held: Arc::clone(&self.0), landed })
    }
    fn accounts(&self, after: Option<u32>, entries_max: usize) -> Fut<'_, Vec<u32>> {
        self.0.memory.accounts(after, entries_max)
    }
    fn erase(&self, account: u32) -> Fut<'static, ()> {
        self.0.memory.erase(account)
    }
}

struct Landing {
    held: Arc<Held>,
    landed: Fut<'static, ()>,
}

impl Future for Landing {
    type Output = Result<(), Error>;
    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        if self.held.held.load(Ordering::SeqCst) {
            self.held.waiting.lock().unwrap().push(context.waker().clone());
            return Poll::Pending;
        }
        self.landed.as_mut().poll(context)
    }
}

impl Blobs for Store {
    fn put(&self, id: BlobId, bytes: Bytes) -> Fut<'static, ()> {
        self.0.memory.put(id, bytes)
    }
    fn get(&self, id: BlobId, range: Range<u64>) -> Fut<'_, Option<Bytes>> {
        Blobs::get(&self.0.memory, id, range)
    }
    fn size(&self, id: BlobId) -> Fut<'_, Option<u64>> {
        self.0.memory.size(id)
    }
    fn delete(&self, id: BlobId) -> Fut<'static, ()> {
        self.0.memory.delete(id)
    }
    fn list(&self, account: u32, after: Option<u64>, entries_max: usize) -> Fut<'_, Vec<u64>> {
        self.0.memory.list(account, after, entries_max)
    }
}

fn poll_once<F: Future>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

fn add(system: SystemFlags) -> FlagChange {
    let flags = Flags { system, keywords: Vec::new() };
    FlagChange { op: FlagOp::Add, flags, unchanged_since: None }
}

#[test]
fn commits_on_their_way_compose_and_nothing_is_seen_before_it_landed() {
    let held = Held::new();
    let store = Arc::new(Store(Arc::clone(&held)));
    run(async {
        let accounts = open(&store).await;
        let ana = account(&accounts, "ana@example.test").await;
        let inbox = ana.mailbox(&MailboxName::inbox()).unwrap().id;
        ana.append(inbox, vec![letter(1), letter(2)]).await.unwrap();
        let (mut one, mut two) =
            (ana.select(inbox, false).unwrap(), ana.select(inbox, false).unwrap());
        let mut watcher = ana.select(inbox, false).unwrap();
        let before = ana.modseq();

        held.hold();
        let set = NumberSet::of([(1, 1)]);
        let (seen, flagged) = (add(SystemFlags::SEEN), add(SystemFlags::FLAGGED));
        {
            let mut first = pin!(one.store(&set, Numbers::Sequence, &seen));
            let mut second = pin!(two.store(&set, Numbers::Sequence, &flagged));
            let mut third = pin!(ana.append(inbox, vec![letter(3)]));
            assert!(poll_once(first.as_mut()).is_pending());
            assert!(poll_once(second.as_mut()).is_pending());
            assert!(poll_once(third.as_mut()).is_pending());
            assert_eq!(ana.modseq(), before, "nothing is visible");
            assert_eq!(watcher.poll(true), []);
            held.release();
            // The last one is asked first: it waits for those before it.
            let appended = third.await.unwrap();
            assert_eq!(appended.modseq, ModSeq(before.0 + 3));
            let rows = second.await.unwrap().rows;
            assert_eq!(rows[0].system, SystemFlags::SEEN.union(SystemFlags::FLAGGED));
            first.await.unwrap();
        }
        let told = watcher.poll(true);
        assert!(matches!(&told[..], [Update::Exists { exists: 3, .. }, Update::Flags(row)]
            if row.system == SystemFlags::SEEN.union(SystemFlags::FLAGGED)));
        assert_eq!(account::check::all(&accounts).await.unwrap().told, Vec::<String>::new());
    });
}

#[test]
fn a_commit_that_its_waiter_gave_up_becomes_visible_all_the_same() {
    let held = Held::new();
    let store = Arc::new(Store(Arc::clone(&held)));
    run(async {
        let accounts = open(&store).await;
        let ana = account(&accounts, "ana@example.test").await;
        let inbox = ana.mailbox(&MailboxName::inbox()).unwrap().id;
        let mut view = ana.select(inbox, false).unwrap();
        held.hold();
        {
            let mut given_up = pin!(ana.append(inbox, vec![letter(1)]));
            assert!(poll_once(given_up.as_mut()).is_pending());
        }
        held.release();
        view.wait().await;
        assert!(matches!(view.poll(true)[..], [Update::Exists { exists: 1, .. }]));
    });
}

#[test]
fn the_nth_commit_fails_and_what_was_acknowledged_is_there_after_reopening() {
    for n in 0..12 {
        let held = Held::new();
        let store = Arc::new(Store(Arc::clone(&held)));
        run(async {
            let accounts = open(&store).await;
            let ana = account(&accounts, "ana@example.test").await;
            let inbox = ana.mailbox(&MailboxName::inbox()).unwrap().id;
            let start = held.commits.load(Ordering::SeqCst);
            held.fails_from.store(start + n, Ordering::SeqCst);
            let mut acknowledged = Vec::new();
            for number in 0..10 {
                match ana.append(inbox, vec![letter(number)]).await {
                    Ok(done) => acknowledged.push(done.uids[0]),
                    Err(_) => break,
                }
            }
            assert_eq!(acknowledged.len() as u64, n.min(10));
            if n < 10 {
                // Nothing more is accepted, and nothing of the failed one is seen.
                assert!(ana.append(inbox, vec![letter(99)]).await.is_err());
                assert_eq!(ana.mailbox_by_id(inbox).unwrap().exists as u64, n);
            }
            held.fails_from.store(u64::MAX, Ordering::SeqCst);
            // Asked for again, the account is read anew and works.
            let again = accounts.account(ana.id()).await.unwrap();
            assert_eq!(again.mailbox_by_id(inbox).unwrap().exists as u64, n.min(10));
            again.append(inbox, vec![letter(100)]).await.unwrap();
            assert_eq!(account::check::all(&accounts).await.unwrap().told, Vec::<String>::new());
        });
    }
}
