//! What the tests share: a clock, a small executor, letters, and a store that holds commits back or
//! fails them.
#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use account::{Account, Accounts, Clock, FlagChange, FlagOp, MasterKey, NewMessage, Options};
use bytes::Bytes;
use mail::{Address, Domain, Flags, Keyword, NumberSet, SystemFlags};
use std::{
    collections::VecDeque,
    future::Future,
    pin::{Pin, pin},
    sync::{
        Arc, Mutex,
        atomic::{AtomicI64, AtomicU64, Ordering},
    },
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
};
use store::{Commit, Error, Find, Fut, Kv, LocalBus, Memory, Page, Scan};

/// A clock that stands until it is set.
pub struct Set(pub AtomicI64);

impl Default for Set {
    fn default() -> Self {
        Self(AtomicI64::new(1_790_000_000))
    }
}

impl Clock for Set {
    fn now_seconds(&self) -> i64 {
        self.0.load(Ordering::Relaxed)
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Runs a future on this thread.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Polls once.
pub fn poll<F: Future + ?Sized>(future: Pin<&mut F>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(Waker::noop()))
}

/// Remembers whether it was woken.
#[derive(Default)]
pub struct Woken(AtomicU64);

impl Wake for Woken {
    fn wake(self: Arc<Self>) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

impl Woken {
    pub fn count(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }
}

/// Polls once with a waker that tells whether it was woken.
pub fn poll_with<F: Future + ?Sized>(future: Pin<&mut F>, woken: &Arc<Woken>) -> Poll<F::Output> {
    future.poll(&mut Context::from_waker(&Waker::from(Arc::clone(woken))))
}

enum Stage {
    Held(Box<Commit>),
    Done(Result<(), Error>),
}

type Slot = Arc<Mutex<(Stage, Option<Waker>)>>;

/// A store that holds commits until they are let go, and fails those it is told to.
#[derive(Default)]
pub struct Held {
    pub memory: Arc<Memory>,
    waiting: Mutex<VecDeque<Slot>>,
    pub commits: AtomicU64,
    /// Commits pass at once while this is zero.
    pub holding: AtomicU64,
    /// The commit of this number (from 1) fails, and so do those behind it.
    pub fails: AtomicU64,
}

impl Held {
    pub fn hold(&self, wanted: bool) {
        self.holding.store(u64::from(wanted), Ordering::SeqCst);
    }
    pub fn waiting(&self) -> usize {
        self.waiting.lock().unwrap().len()
    }
    /// Ends the oldest commit: writes it if wanted, and says how it ended.
    fn end(&self, write: bool, says: impl FnOnce(Result<(), Error>) -> Result<(), Error>) {
        let slot = self.waiting.lock().unwrap().pop_front().unwrap();
        let mut inner = slot.lock().unwrap();
        let Stage::Held(commit) = &inner.0 else { panic!("held") };
        let outcome = if write {
            match poll(self.memory.commit((**commit).clone()).as_mut()) {
                Poll::Ready(outcome) => outcome,
                Poll::Pending => panic!("memory never waits"),
            }
        } else {
            Ok(())
        };
        inner.0 = Stage::Done(says(outcome));
        let waker = inner.1.take();
        drop(inner);
        if let Some(waker) = waker {
            waker.wake();
        }
    }
    /// Lets the oldest commit go.
    pub fn go(&self) {
        self.end(true, |outcome| outcome);
    }
    /// Fails the oldest commit, and so those behind it.
    pub fn fail(&self, error: Error) {
        self.end(false, |_| Err(error));
        self.fail_rest();
    }
    /// Writes the oldest commit and says that it failed; those behind it fail.
    pub fn go_and_fail(&self, error: Error) {
        self.end(true, |_| Err(error));
        self.fail_rest();
    }
    fn fail_rest(&self) {
        let behind = self.waiting();
        for _ in 0..behind {
            self.end(false, |_| Err(Error::Conflict { head: 0 }));
        }
    }
    pub fn go_all(&self) {
        while self.waiting() > 0 {
            self.go();
        }
    }
}

struct Waits(Slot);

impl Future for Waits {
    type Output = Result<(), Error>;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut inner = self.0.lock().unwrap();
        match &inner.0 {
            Stage::Done(outcome) => Poll::Ready(outcome.clone()),
            Stage::Held(_) => {
                inner.1 = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl Kv for Held {
    fn get(&self, account: u32, key: Bytes) -> Fut<'_, Option<Bytes>> {
        self.memory.get(account, key)
    }
    fn get_many(&self, account: u32, keys: Vec<Bytes>) -> Fut<'_, Vec<Find>> {
        self.memory.get_many(account, keys)
    }
    fn scan(&self, scan: Scan) -> Fut<'_, Page> {
        self.memory.scan(scan)
    }
    fn head(&self, account: u32) -> Fut<'_, u64> {
        self.memory.head(account)
    }
    fn commit(&self, commit: Commit) -> Fut<'static, ()> {
        let number = self.commits.fetch_add(1, Ordering::SeqCst) + 1;
        if self.fails.load(Ordering::SeqCst) == number {
            return Box::pin(std::future::ready(Err(Error::Full)));
        }
        if self.holding.load(Ordering::SeqCst) == 0 {
            return self.memory.commit(commit);
        }
        let slot = Arc::new(Mutex::new((Stage::Held(Box::new(commit)), None)));
        self.waiting.lock().unwrap().push_back(Arc::clone(&slot));
        Box::pin(Waits(slot))
    }
    fn accounts(&self, after: Option<u32>, entries_max: usize) -> Fut<'_, Vec<u32>> {
        self.memory.accounts(after, entries_max)
    }
    fn erase(&self, account: u32) -> Fut<'static, ()> {
        self.memory.erase(account)
    }
}

/// Cheap password hashes.
pub fn options() -> Options {
    // Small, so that a few messages are many.
    Options { argon2_cost: (8, 1, 1), bulk_messages_min: 2, ..Options::default() }
}

/// Everything that a test needs.
pub struct Bench {
    pub store: Arc<Held>,
    pub clock: Arc<Set>,
    pub accounts: Arc<Accounts>,
    pub ana: Arc<Account>,
}

impl Bench {
    pub fn new() -> Self {
        Self::with(options())
    }
    pub fn with(options: Options) -> Self {
        Self::over(Arc::default(), Arc::default(), options)
    }
    /// Opens what a store holds.
    pub fn over(store: Arc<Held>, clock: Arc<Set>, options: Options) -> Self {
        run(async {
            let accounts = open(&store, &clock, options).await;
            let ana = person(&accounts, "ana@example.test").await;
            Self { store, clock, accounts, ana }
        })
    }
    /// The same store opened by another process.
    pub fn reopened(&self) -> Self {
        self.store.hold(false);
        Self::over(
            Arc::clone(&self.store),
            Arc::clone(&self.clock),
            self.accounts.options().clone(),
        )
    }
}

async fn open(store: &Arc<Held>, clock: &Arc<Set>, options: Options) -> Arc<Accounts> {
    let kv = Arc::clone(store);
    let blobs = Arc::clone(&store.memory);
    let bus = Arc::new(LocalBus::default());
    let clock = Arc::clone(clock);
    Accounts::open(kv, blobs, bus, MasterKey([7; 32]), clock, options).await.unwrap()
}

/// An account, made if it is not there.
pub async fn person(accounts: &Accounts, address: &str) -> Arc<Account> {
    let directory = accounts.directory();
    let address = Address::parse(address).unwrap();
    if directory.domains().await.unwrap().is_empty() {
        directory.add_domain(&Domain::parse("example.test").unwrap()).await.unwrap();
    }
    let id = match directory.find(&address).await.unwrap() {
        Some(info) => info.id,
        None => directory.add_account(&address, b"secret").await.unwrap(),
    };
    accounts.account(id).await.unwrap()
}

/// A letter of its own.
pub fn letter(number: u32) -> NewMessage {
    let text = format!(
        "From: Ana <ana@example.org>\r\nSubject: letter {number}\r\n\
         Message-ID: <{number}@example.org>\r\n\r\nBody {number} of the letter\r\n"
    );
    NewMessage::new(Bytes::from(text))
}

pub fn letters(numbers: std::ops::RangeInclusive<u32>) -> Vec<NewMessage> {
    numbers.map(letter).collect()
}

pub fn all() -> NumberSet {
    NumberSet::of([(1, u32::MAX)])
}

pub fn set(numbers: &[u32]) -> NumberSet {
    NumberSet::of_numbers(numbers.iter().copied())
}

pub fn flags(system: SystemFlags, keywords: &[&str]) -> Flags {
    let keywords = keywords.iter().map(|name| Keyword::parse(name).unwrap()).collect();
    Flags { system, keywords }
}

pub fn change(op: FlagOp, system: SystemFlags) -> FlagChange {
    FlagChange { op, flags: flags(system, &[]), unchanged_since: None }
}
