//! Who writes down what became of a message: one at a time.
//!
//! A message that goes to several hosts is given to them at once. Each learns what became of its
//! own recipients; who writes without knowing what another one just wrote would leave a message in
//! the queue that nobody waits for, or bring back a recipient that has it already.
//!
//! Invariant: what is written down of a message with several recipients follows from what was read
//! under its turn.

use account::queue::QueueId;
use tokio::sync::{Mutex, MutexGuard};

/// Messages share so many turns: waiting for a stranger's write now and then costs less than a turn
/// for each.
const TURNS: u64 = 256;

pub(super) struct Turns(Vec<Mutex<()>>);

impl Default for Turns {
    fn default() -> Self {
        Self((0..TURNS).map(|_| Mutex::new(())).collect())
    }
}

impl Turns {
    /// Waits for a message's turn, which lasts until what is given is dropped.
    pub(super) async fn of(&self, id: QueueId) -> Option<MutexGuard<'_, ()>> {
        let turn = usize::try_from(id.0 % TURNS).ok().and_then(|at| self.0.get(at))?;
        Some(turn.lock().await)
    }
}
