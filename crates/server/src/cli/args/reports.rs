//! `palomar reports`

use crate::admin::Request;
use clap::Subcommand;

/// `reports`
#[derive(Subcommand)]
pub enum ReportsCommand {
    /// Who sent mail in our domains' names, what became of it, and how safely mail came to them
    Show {
        /// Of one domain [default: all]
        domain: Option<String>,
        /// Reports of so many days
        #[arg(long, default_value_t = 30)]
        days: u32,
        /// Count also reports whose sender is not proven (DMARC)
        #[arg(long)]
        unproven: bool,
    },
    /// Reports to other domains that wait for their time
    Pending,
    /// Send the reports of days that are over now, without waiting for their time
    Send {
        /// Also what was counted today
        #[arg(long)]
        now: bool,
    },
}

impl ReportsCommand {
    /// What it asks.
    pub fn request(self) -> Request {
        match self {
            Self::Show { domain, days, unproven } => {
                Request::ReportsShow { domain, days, unproven }
            }
            Self::Pending => Request::ReportsPending,
            Self::Send { now } => Request::ReportsSend { today: now },
        }
    }
}
