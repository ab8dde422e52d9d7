//! Who a message is really from: SPF, DKIM, DMARC, ARC and iprev, and what is written of them.
//!
//! Invariants: pure. DNS is asked through [`dns::Dns`], the time comes in as a number; no I/O, no
//! log. A DNS failure gives `temperror`, it never decides. Work is bounded: lookups, signatures,
//! sizes of keys and records each have a limit. Nothing here accepts or refuses mail: it says what
//! it found, and the server decides.

pub mod arc;
pub mod dkim;
pub mod dmarc;
pub mod dns;
pub mod iprev;
pub mod report;
pub mod results;
pub mod spf;
