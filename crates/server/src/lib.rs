//! The server: connection driver, TLS, bridges, configuration, CLI.

pub mod auth;
pub mod bridge;
pub mod context;
