//! Waits for many futures at once, without a runtime.

use std::{
    future::{Future, poll_fn},
    pin::Pin,
    task::Poll,
};

/// A future that may move between threads.
pub type Boxed<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// All outcomes, in the order of the futures.
pub async fn all<T: Send>(futures: Vec<Boxed<'_, T>>) -> Vec<T> {
    let mut open: Vec<(Boxed<'_, T>, Option<T>)> =
        futures.into_iter().map(|future| (future, None)).collect();
    poll_fn(move |context| {
        let mut waiting = false;
        for (future, outcome) in &mut open {
            if outcome.is_none() {
                match future.as_mut().poll(context) {
                    Poll::Ready(value) => *outcome = Some(value),
                    Poll::Pending => waiting = true,
                }
            }
        }
        if waiting {
            return Poll::Pending;
        }
        Poll::Ready(open.iter_mut().filter_map(|(_, outcome)| outcome.take()).collect())
    })
    .await
}
