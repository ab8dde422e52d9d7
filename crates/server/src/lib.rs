//! The server: connection driver, TLS, bridges, configuration, command line.

#![forbid(unsafe_code)]

pub mod admission;
pub mod auth;
pub mod bridge;
pub mod context;
pub mod driver;
pub mod listener;
pub mod metrics;
pub mod pace;
pub mod protocol;
pub mod proxy;
pub mod tls;
pub mod transport;
