//! Finishes what a waiter gave up: a commit whose future was dropped still becomes visible.

use crate::{Account, Error, flight::Flight};
use std::{
    future::Future,
    pin::pin,
    sync::{
        Arc, Mutex, PoisonError,
        mpsc::{Sender, channel},
    },
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
};

type Job = (Arc<Account>, Arc<Flight>);

/// A thread that waits for commits nobody else waits for. Idle nearly always.
pub(crate) struct Finisher(Mutex<Sender<Job>>);

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

impl Finisher {
    pub fn start() -> Result<Self, Error> {
        let (sender, jobs) = channel::<Job>();
        std::thread::Builder::new()
            .name("finisher".into())
            .spawn(move || {
                while let Ok((account, flight)) = jobs.recv() {
                    // The one who asked has left: the outcome is in the account.
                    let _ = block_on(account.landed(&flight));
                }
            })
            .map_err(|error| Error::Store(store::Error::Io(error.to_string())))?;
        Ok(Self(Mutex::new(sender)))
    }

    pub fn finish(&self, account: Arc<Account>, flight: Arc<Flight>) {
        let sender = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let _ = sender.send((account, flight));
    }
}
