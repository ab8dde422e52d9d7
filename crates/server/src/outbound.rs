//! Sending to other servers: connections and how their certificates are judged.
//!
//! Which host is called, with what policy, and what follows from its answers, is decided elsewhere:
//! nothing here looks into DNS or into the queue.

pub mod connection;
pub mod dane;
pub mod limit;
pub mod login;
pub mod route;
pub mod service;
pub mod source;
pub mod sts;
pub mod verify;
pub mod warmup;

pub use connection::{Call, Connection, Content, Settings, Unreachable};
pub use dane::Tlsa;
pub use limit::AccountLimits;
pub use login::Logins;
pub use route::{Host, Route, Routes};
pub use service::Outbound;
pub use source::Sources;
pub use verify::Verifier;
pub use warmup::Warmup;
