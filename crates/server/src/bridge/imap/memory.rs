//! Memory that all IMAP sessions of the server share: messages that are being appended, parts that
//! are being decoded. Whoever needs more than there is waits a while, then is refused.

use imap::effect::Refusal;
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::{OwnedSemaphorePermit, Semaphore},
    time::timeout,
};

/// How long a session waits for memory. Those who hold it are given back theirs when they are done,
/// or cut off by the driver's time-outs.
const WAIT: Duration = Duration::from_secs(20);
/// Octets of one permit.
const UNIT_OCTETS: u64 = 1 << 10;

/// The budget.
#[derive(Clone, Debug)]
pub(super) struct Memory {
    permits: Arc<Semaphore>,
    octets_max: u64,
}

/// A reserved share; given back when dropped.
#[derive(Debug)]
pub(super) struct Room(OwnedSemaphorePermit);

impl Room {
    /// Both together.
    pub fn join(&mut self, other: Self) {
        self.0.merge(other.0);
    }
}

impl Memory {
    pub fn new(octets_max: u64) -> Self {
        let permits = usize::try_from(octets_max / UNIT_OCTETS).unwrap_or(Semaphore::MAX_PERMITS);
        let permits = Arc::new(Semaphore::new(permits.min(Semaphore::MAX_PERMITS)));
        Self { permits, octets_max }
    }

    /// Reserves so many octets: [`Refusal::Limit`] when there will never be as many,
    /// [`Refusal::Unavailable`] when there were not in time.
    pub async fn reserve(&self, octets: u64) -> Result<Room, Refusal> {
        if octets > self.octets_max {
            return Err(Refusal::Limit);
        }
        let units = u32::try_from(octets.div_ceil(UNIT_OCTETS)).map_err(|_| Refusal::Limit)?;
        let units = units.min(u32::try_from(self.octets_max / UNIT_OCTETS).unwrap_or(u32::MAX));
        let acquired = timeout(WAIT, Arc::clone(&self.permits).acquire_many_owned(units)).await;
        match acquired {
            Ok(Ok(permit)) => Ok(Room(permit)),
            Ok(Err(_)) | Err(_) => Err(Refusal::Unavailable),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn what_is_taken_is_given_back() {
        let memory = Memory::new(10 << 10);
        let all = memory.reserve(10 << 10).await.unwrap();
        assert_eq!(memory.reserve(1).await.unwrap_err(), Refusal::Unavailable);
        drop(all);
        let mut one = memory.reserve(1).await.unwrap();
        one.join(memory.reserve(9 << 10).await.unwrap());
        assert_eq!(memory.reserve(1).await.unwrap_err(), Refusal::Unavailable);
        drop(one);
        assert_eq!(memory.reserve((10 << 10) + 1).await.unwrap_err(), Refusal::Limit);
        assert!(memory.reserve(10 << 10).await.is_ok());
    }
}
