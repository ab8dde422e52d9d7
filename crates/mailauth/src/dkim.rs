//! `DKIM-Signature` (RFC 6376, RFC 8301, RFC 8463): verified in one pass over the body, and made.
//!
//! Invariants: a signature is judged by the fields as they stand in the message and the body as it
//! was sent; SHA-1 and RSA keys of fewer than 1024 bits prove nothing.

mod body;
pub(crate) mod header;
pub(crate) mod key;
pub(crate) mod sign;
pub(crate) mod tags;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod verify;

pub use body::{BodyHash, Canonical};
pub use key::{Algorithm, NoKey, PublicKey};
pub use sign::{SigningKey, generate};
pub use verify::{Check, Limits, Outcome, Verified};
