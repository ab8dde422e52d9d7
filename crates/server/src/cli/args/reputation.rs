//! `palomar reputation`

use crate::admin::Request;
use clap::Subcommand;

/// `reputation`
#[derive(Subcommand)]
pub enum ReputationCommand {
    /// Senders: the worst first, or the best
    List {
        /// The most unwanted first (so it is without this)
        #[arg(long, conflicts_with = "best")]
        worst: bool,
        /// The most wanted first
        #[arg(long)]
        best: bool,
        /// So many of them
        #[arg(long, default_value_t = 20)]
        limit: u32,
    },
    /// What is known of one
    Show {
        /// A domain, an address (its network is shown as well) or a network
        #[arg(value_name = "DOMAIN|ADDRESS")]
        sender: String,
    },
    /// Forget what is known of one
    Forget {
        /// A domain, an address or a network, as `list` shows it
        #[arg(value_name = "DOMAIN|ADDRESS")]
        sender: String,
    },
}

impl ReputationCommand {
    /// What it asks.
    pub fn request(self) -> Request {
        match self {
            Self::List { best, limit, .. } => Request::ReputationList { best, limit },
            Self::Show { sender } => Request::ReputationShow { sender },
            Self::Forget { sender } => Request::ReputationForget { sender },
        }
    }
}
