//! Scanners that are not ours: Debian's rspamd and clamd, and Knot with DNS lists, started here. A
//! missing program is an error: nothing is passed over in silence.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

#[path = "scan/clamd.rs"]
mod clamd;
#[path = "scan/daemon.rs"]
mod daemon;
#[path = "scan/dnslist.rs"]
mod dnslist;
#[path = "scan/rspamd.rs"]
mod rspamd;
