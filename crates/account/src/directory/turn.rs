//! Whose turn it is to change the directory.
//!
//! Invariants: one commit of this process is on its way at a time; who waits is woken in the order
//! of coming. Without it, whoever loses would try again and again while the winner waits for the
//! disk, and give up before that is done.

use event_listener::Event;
use std::sync::atomic::{AtomicBool, Ordering};

/// Taken by one at a time.
#[derive(Default)]
pub(crate) struct Turn {
    taken: AtomicBool,
    free: Event,
}

/// The turn, until it is dropped.
pub(crate) struct Held<'a>(&'a Turn);

impl Turn {
    fn try_take(&self) -> Option<Held<'_>> {
        let taken = self.taken.compare_exchange(false, true, Ordering::Acquire, Ordering::Relaxed);
        taken.is_ok().then(|| Held(self))
    }

    pub async fn take(&self) -> Held<'_> {
        loop {
            if let Some(held) = self.try_take() {
                return held;
            }
            let listener = self.free.listen();
            // It may have become free before somebody listened.
            if let Some(held) = self.try_take() {
                return held;
            }
            listener.await;
        }
    }
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.0.taken.store(false, Ordering::Release);
        self.0.free.notify(1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::{
        pin::pin,
        task::{Context, Poll, Waker},
    };

    #[test]
    fn one_at_a_time_and_nobody_is_forgotten() {
        let turn = Turn::default();
        let mut context = Context::from_waker(Waker::noop());
        let Poll::Ready(first) = pin!(turn.take()).poll(&mut context) else { panic!("not free") };
        let (mut second, mut third) = (pin!(turn.take()), pin!(turn.take()));
        assert!(second.as_mut().poll(&mut context).is_pending());
        assert!(third.as_mut().poll(&mut context).is_pending());
        drop(first);
        let Poll::Ready(held) = second.as_mut().poll(&mut context) else { panic!("not free") };
        assert!(third.as_mut().poll(&mut context).is_pending());
        drop(held);
        assert!(third.as_mut().poll(&mut context).is_ready());
    }
}
