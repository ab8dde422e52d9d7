//! What the account costs by itself, on the store in memory:
//! `cargo run --release -p account --example measure_packing -- MAIL_FOLDER`

#![allow(clippy::unwrap_used)]

use account::{
    Accounts, Clock, FlagChange, FlagOp, MailboxName, MasterKey, NewMessage, Numbers, Options,
};
use bytes::Bytes;
use mail::{Address, Domain, Flags, NumberSet, SystemFlags};
use std::{
    fs,
    future::Future,
    path::Path,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Instant,
};
use store::{LocalBus, Memory};

struct Now;
impl Clock for Now {
    fn now_seconds(&self) -> i64 {
        1_790_000_000
    }
}

fn change(op: FlagOp, system: SystemFlags) -> FlagChange {
    FlagChange { op, flags: Flags { system, keywords: Vec::new() }, unchanged_since: None }
}

/// The store in memory is always ready.
fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

fn gather(folder: &Path, messages: &mut Vec<Bytes>) {
    for entry in fs::read_dir(folder).unwrap().flatten() {
        if entry.path().is_dir() {
            gather(&entry.path(), messages);
        } else {
            messages.push(fs::read(entry.path()).unwrap().into());
        }
    }
}

fn main() {
    let folder = std::env::args().nth(1).unwrap_or_else(|| "tests/corpus".into());
    let mut messages = Vec::new();
    gather(Path::new(&folder), &mut messages);
    let plain: usize = messages.iter().map(Bytes::len).sum();
    run(async {
        let memory = Arc::new(Memory::new());
        let (kv, blobs) = (Arc::clone(&memory), Arc::clone(&memory));
        let bus = Arc::new(LocalBus::default());
        let (key, clock) = (MasterKey([7; 32]), Arc::new(Now));
        let accounts =
            Accounts::open(kv, blobs, bus, key, clock, Options::default()).await.unwrap();
        let directory = accounts.directory();
        directory.add_domain(&Domain::parse("example.test").unwrap()).await.unwrap();
        let address = Address::parse("ana@example.test").unwrap();
        let id = directory.add_account(&address, b"secret").await.unwrap();
        let ana = accounts.account(id).await.unwrap();
        let inbox = ana.mailbox(&MailboxName::inbox()).unwrap().id;
        let count = 20_000;
        let started = Instant::now();
        for message in messages.iter().cycle().take(count) {
            ana.append(inbox, vec![NewMessage::new(message.clone())]).await.unwrap();
        }
        let each = |what: &str, started: Instant| {
            println!("{what}: {:.2} µs", started.elapsed().as_secs_f64() * 1e6 / count as f64);
        };
        each("append", started);
        let (values, blobs) = memory.octets();
        println!(
            "a message of {} octets takes {} of values and {} of blobs",
            plain / messages.len(),
            values / count,
            blobs / count
        );
        let mut view = ana.select(inbox, true).unwrap();
        let all = NumberSet::of([(1, u32::MAX - 1)]);
        let started = Instant::now();
        let rows = view.rows(&all, Numbers::Uid, 1, usize::MAX);
        each("row", started);
        let ids: Vec<_> = rows.iter().map(|row| row.message).collect();
        let started = Instant::now();
        for _ in 0..10 {
            for page in ids.chunks(256) {
                std::hint::black_box(ana.records(page).await.unwrap());
            }
        }
        each("10 records", started);
        let mut view = ana.select(inbox, false).unwrap();
        let seen = change(FlagOp::Add, SystemFlags::SEEN);
        let started = Instant::now();
        view.store(&all, Numbers::Uid, &seen).await.unwrap();
        each("flags of one, in one STORE of all", started);
        let (unseen, mut one) = (change(FlagOp::Remove, SystemFlags::SEEN), 0..);
        let started = Instant::now();
        for uid in one.by_ref().take(count) {
            let set = NumberSet::of_numbers([uid + 1]);
            view.store(&set, Numbers::Uid, &unseen).await.unwrap();
        }
        each("STORE of one", started);
        let started = Instant::now();
        let archive = ana.mailbox(&MailboxName::parse("Archive").unwrap()).unwrap().id;
        view.copy(&all, Numbers::Uid, archive).await.unwrap();
        each("copy of one, in one COPY of all", started);
        let started = Instant::now();
        view.erase(&all).await.unwrap();
        each("expunge of one, in one of all", started);
    });
}
