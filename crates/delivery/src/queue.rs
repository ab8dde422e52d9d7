//! The outbound queue: when a message is tried, on which connection, and what follows from what
//! hosts said. What lasts is in [`account::queue`]; sockets are in the server.

pub mod backoff;
pub mod hosts;
pub mod scheduler;

pub use backoff::Backoff;
pub use hosts::{HostLimits, Hosts};
pub use scheduler::{Ended, Item, Limits, Scheduler, Site};
