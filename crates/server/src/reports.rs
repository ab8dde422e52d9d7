//! Reports between servers about mail and its safety (RFC 9990, RFC 8460), as they come and go.

pub mod received;
pub mod sent;
pub mod unpack;
