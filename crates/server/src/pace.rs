//! How long a peer may take: named settings, and the deadline of a wait.
//!
//! A peer that drips octets gains nothing by it: before login and between commands the deadline
//! stays until something was answered; in the middle of a command each octet buys time at the least
//! rate that is borne.

use std::time::Duration;
use tokio::time::Instant;
use wire::Patience;

/// Time-outs in seconds.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Timeouts {
    /// From connecting to the end of login.
    pub greeting_seconds: u32,
    /// Between commands.
    pub command_seconds: u32,
    /// Between octets of a command that has begun.
    pub middle_seconds: u32,
    /// IMAP IDLE (RFC 9051 §5.4: at least 30 minutes).
    pub idle_seconds: u32,
    /// For the peer to take 64 KiB of ours.
    pub write_seconds: u32,
    /// For a TLS handshake or a PROXY header.
    pub handshake_seconds: u32,
    /// For open connections to end when the server stops.
    pub shutdown_seconds: u32,
    /// Least octets per second in the middle of a command.
    pub octets_per_second_min: u32,
}

impl Timeouts {
    /// How long a patience lasts.
    #[must_use]
    pub fn of(&self, patience: Patience) -> Duration {
        let seconds = match patience {
            Patience::Greeting => self.greeting_seconds,
            Patience::Command => self.command_seconds,
            Patience::Middle => self.middle_seconds,
            Patience::Idle => self.idle_seconds,
        };
        Duration::from_secs(seconds.into())
    }
}

/// The deadline of a connection's waits.
#[derive(Clone, Copy, Debug)]
pub struct Pace {
    patience: Patience,
    deadline: Instant,
    received: bool,
}

impl Pace {
    /// Of a connection that just came.
    #[must_use]
    pub fn new(timeouts: &Timeouts) -> Self {
        let deadline = Instant::now() + timeouts.of(Patience::Greeting);
        Self { patience: Patience::Greeting, deadline, received: false }
    }

    /// The deadline of the next wait; `answered` when the machine did something since the last one.
    pub fn wait(&mut self, patience: Patience, answered: bool, timeouts: &Timeouts) -> Instant {
        let same = patience == self.patience;
        let renew = match patience {
            // The whole time before login.
            Patience::Greeting | Patience::Middle => !same,
            Patience::Command | Patience::Idle => !same || (answered && self.received),
        };
        if renew {
            self.deadline = Instant::now() + timeouts.of(patience);
            self.patience = patience;
        }
        self.received = false;
        self.deadline
    }

    /// Octets came.
    pub fn received(&mut self, octets: usize, timeouts: &Timeouts) {
        self.received = true;
        if self.patience == Patience::Middle {
            let rate = u64::from(timeouts.octets_per_second_min.max(1));
            let bought = Duration::from_millis(octets as u64 * 1000 / rate);
            let latest = Instant::now() + timeouts.of(Patience::Middle);
            self.deadline = (self.deadline + bought).min(latest);
        }
    }

    /// TLS is up: login may take its time anew.
    pub fn restart(&mut self, timeouts: &Timeouts) {
        *self = Self::new(timeouts);
    }
}
