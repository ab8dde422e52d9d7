//! Reports that we send: DMARC aggregate reports (RFC 9990) of mail that came in, TLS reports
//! (RFC 8460) of hosts that were called.

pub mod dmarc;
pub mod tallies;

use crate::context::Context;
use mail::Address;
use std::sync::Arc;
pub use tallies::Tallies;
use tokio::sync::{mpsc, watch};

/// Settings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// Whether DMARC reports are sent.
    pub dmarc: bool,
    /// Whether TLS reports are sent.
    pub tls: bool,
    /// Who sends them; made from the host name when absent.
    pub from: Option<Address>,
    /// Who reports; the sender's domain when absent.
    pub organization: Option<String>,
    /// Hour (UTC) from which on reports of the day before are sent.
    pub send_hour: u32,
    /// They are spread over so many minutes from then on.
    pub spread_minutes: u32,
    /// Days that a report is tried; then what was counted is thrown away.
    pub keep_days: u32,
    /// Rows of one report.
    pub rows_max: u32,
    /// Rows of all reports that wait.
    pub all_rows_max: u32,
}

/// Starts the work in the background; `open` is held until all is written.
pub fn start(context: &Arc<Context>, (open, shutdown): (mpsc::Sender<()>, &watch::Receiver<bool>)) {
    let (context, shutdown) = (Arc::clone(context), shutdown.clone());
    tokio::spawn(async move {
        context.outbound.tallies().run(shutdown).await;
        drop(open);
    });
}
