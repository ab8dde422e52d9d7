//! Reports that we send: DMARC aggregate reports (RFC 9990) of mail that came in, TLS reports
//! (RFC 8460) of hosts that were called.

pub mod dmarc;
pub mod message;
pub mod send;
pub mod tallies;
pub mod tls;

use crate::context::Context;
use mail::Address;
use std::{sync::Arc, time::Duration};
pub use tallies::Tallies;
use tokio::{
    sync::{mpsc, watch},
    time::sleep,
};

/// Whether the time of a report has come is looked at so often.
const LOOK_EVERY: Duration = Duration::from_secs(60);

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
    /// Seconds from the end of a day (UTC) until its reports are sent.
    pub wait_seconds: u32,
    /// They are spread over so many seconds from then on.
    pub spread_seconds: u32,
    /// Days that a report is tried; then what was counted is thrown away.
    pub retry_days: u32,
    /// Rows of one report.
    pub rows_max: u32,
    /// Rows of all reports that wait.
    pub all_rows_max: u32,
    /// Whether they may be posted to addresses of private networks.
    pub private_networks: bool,
}

/// Starts the work in the background; `open` is held until all is written.
pub fn start(context: &Arc<Context>, (open, shutdown): (mpsc::Sender<()>, &watch::Receiver<bool>)) {
    let (sending, stopping) = (Arc::clone(context), shutdown.clone());
    let (context, shutdown) = (Arc::clone(context), shutdown.clone());
    tokio::spawn(async move {
        context.outbound.tallies().run(shutdown).await;
        drop(open);
    });
    tokio::spawn(run(sending, stopping));
}

/// Sends what is due until `shutdown`.
async fn run(context: Arc<Context>, mut shutdown: watch::Receiver<bool>) {
    let work = async {
        loop {
            sleep(LOOK_EVERY).await;
            if let Err(error) = send::send(&context, send::Which::Due).await {
                tracing::error!(%error, "reports cannot be sent");
            }
        }
    };
    tokio::select! {
        _ = shutdown.wait_for(|down| *down) => {}
        () = work => {}
    }
}
