//! What the tests share: an installation in memory, and a loop that needs no runtime.

#![allow(dead_code, clippy::unwrap_used)]

use account::{Account, Accounts, Clock, MasterKey, NewMessage, Options};
use bytes::Bytes;
use mail::{Address, Domain};
use std::{
    future::Future,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
};
use store::{Blobs, Kv, LocalBus};

pub struct Fixed;
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

pub fn options() -> Options {
    // Small, so that a few messages are many.
    Options { argon2_cost: (8, 1, 1), bulk_messages_min: 2, ..Options::default() }
}

pub async fn open<S: Kv + Blobs>(store: &Arc<S>) -> Arc<Accounts> {
    let (kv, blobs, bus) = (Arc::clone(store), Arc::clone(store), Arc::new(LocalBus::default()));
    Accounts::open(kv, blobs, bus, MasterKey([7; 32]), Arc::new(Fixed), options()).await.unwrap()
}

pub fn letter(number: u32) -> NewMessage {
    let text = format!(
        "From: Ana <ana@example.org>\r\nSubject: letter {number}\r\n\
         Message-ID: <{number}@example.org>\r\n\r\nBody {number} of the letter\r\n"
    );
    NewMessage::new(Bytes::from(text))
}

pub async fn account(accounts: &Accounts, address: &str) -> Arc<Account> {
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
