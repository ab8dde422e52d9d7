//! A result that one thread gives and one future awaits. Owes nothing to a runtime.

use crate::Error;
use std::{
    future::Future,
    pin::Pin,
    sync::{Arc, Mutex, PoisonError},
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
};

enum State<T> {
    Open(Option<Waker>),
    Given(Result<T, Error>),
    Taken,
}

/// The giving end; dropped without giving, the other side hears [`Error::Closed`].
pub struct Giver<T>(Option<Arc<Mutex<State<T>>>>);

/// The awaiting end.
pub struct Awaited<T>(Arc<Mutex<State<T>>>);

/// A pair.
#[must_use]
pub fn oneshot<T>() -> (Giver<T>, Awaited<T>) {
    let state = Arc::new(Mutex::new(State::Open(None)));
    (Giver(Some(Arc::clone(&state))), Awaited(state))
}

impl<T> Giver<T> {
    /// Gives the result and wakes who awaits it.
    pub fn give(mut self, result: Result<T, Error>) {
        self.settle(result);
    }
    fn settle(&mut self, result: Result<T, Error>) {
        let Some(state) = self.0.take() else { return };
        let before = {
            let mut state = state.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::replace(&mut *state, State::Given(result))
        };
        if let State::Open(Some(waker)) = before {
            waker.wake();
        }
    }
}

impl<T> Drop for Giver<T> {
    fn drop(&mut self) {
        self.settle(Err(Error::Closed));
    }
}

struct Unpark(Thread);

impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

/// Waits for a future on this thread. For threads that are nobody's runtime.
pub fn block_on<T>(mut future: impl Future<Output = T> + Unpin) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut context = Context::from_waker(&waker);
    loop {
        match Pin::new(&mut future).poll(&mut context) {
            Poll::Ready(result) => return result,
            Poll::Pending => std::thread::park(),
        }
    }
}

impl<T> Future for Awaited<T> {
    type Output = Result<T, Error>;
    fn poll(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let mut state = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match std::mem::replace(&mut *state, State::Taken) {
            State::Given(result) => Poll::Ready(result),
            State::Open(_) => {
                *state = State::Open(Some(context.waker().clone()));
                Poll::Pending
            }
            State::Taken => Poll::Ready(Err(Error::Closed)),
        }
    }
}
