//! Hosts that many domains share: how many connections they have, and what they are given.
//!
//! Invariants: a connection is counted until it is dropped; a site whose host is full waits until
//! there is room, or for a minute, whichever comes first; room is looked for whenever a connection
//! ended.

use super::{
    Outbound, State,
    open::{NoWay, Open},
};
use std::sync::{Arc, Mutex, PoisonError};

/// A site that waits for room at a host looks again after so long, whatever it heard.
const ROOM_LOOK_SECONDS: i64 = 60;

/// Hosts whose connections ended lately.
#[derive(Default)]
pub(super) struct Left(Mutex<Vec<Arc<str>>>);

impl Left {
    fn take(&self) -> Vec<Arc<str>> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// A connection's place at its host.
pub(super) struct Place {
    host: Arc<str>,
    left: Arc<Left>,
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut left = self.left.0.lock().unwrap_or_else(PoisonError::into_inner);
        left.push(Arc::clone(&self.host));
    }
}

impl Outbound {
    /// A place at a host, if it may have one connection more.
    pub(super) fn place_at(&self, host: &str) -> Result<Place, NoWay> {
        let now = Self::now();
        let mut state = self.state();
        if self.offer(&mut state, now) {
            self.notify.notify_one();
        }
        match state.hosts.enter(host) {
            Some(host) => Ok(Place { host, left: Arc::clone(&self.left) }),
            None => Err(NoWay::Full(Some(host.to_owned()), now + ROOM_LOOK_SECONDS)),
        }
    }

    /// Counts a message that a connection is to be given. When its host may be given more, if it
    /// had enough.
    pub(super) fn count_host(&self, open: &Open) -> Result<(), NoWay> {
        let given = self.state().hosts.give(&open.place.host, Self::now());
        given.map_err(|until| NoWay::Full(None, until))
    }

    /// Offers places that were left to sites that wait for them; whether it did.
    pub(super) fn offer(&self, state: &mut State, now: i64) -> bool {
        let State { hosts, scheduler, .. } = state;
        for host in self.left.take() {
            hosts.left(&host);
        }
        hosts.offer(|site| scheduler.call_again(site, now))
    }
}
