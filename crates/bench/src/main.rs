//! `cargo xtask bench`: drives Palomar, Dovecot and Postfix with the same client program, in
//! turns, on this machine's loopback, and prints a table with ratios. Bounded in time; stops by
//! itself.

mod client;
mod cpu;
mod error;
mod peer;
mod table;
mod text;
mod work;

use std::{env, process::ExitCode};

const HELP: &str = "\
cargo xtask bench [--rounds N] [--seconds N] [--mailbox N] [--only WORK,…] [--keep]

  --rounds N    turns that each server has at each work (default 3); medians are shown
  --seconds N   length of a turn (default 4)
  --mailbox N   messages of the big mailbox (default 100000)
  --only WORK   lmtp, smtp, queue, dead, append, fetch, search, change, pop3, idle, latency, disk,
                connections, growth, build (default: all but build)
  --keep        keep the servers' data folders
";

/// What to measure, and how long.
#[derive(Clone, Debug)]
pub struct Plan {
    /// Turns of each server.
    pub rounds: usize,
    /// Seconds of a turn.
    pub seconds: u64,
    /// Messages of the big mailbox.
    pub mailbox: usize,
    only: Vec<String>,
    /// Keep the data folders.
    pub keep: bool,
}

impl Plan {
    /// Whether this work is asked for.
    #[must_use]
    pub fn wants(&self, work: &str) -> bool {
        if self.only.is_empty() { work != "build" } else { self.only.iter().any(|w| w == work) }
    }
}

fn main() -> ExitCode {
    let Some(plan) = plan(&env::args().skip(1).collect::<Vec<_>>()) else {
        print!("{HELP}");
        return ExitCode::from(2);
    };
    if rustls::crypto::aws_lc_rs::default_provider().install_default().is_err() {
        eprintln!("bench: no TLS provider");
        return ExitCode::FAILURE;
    }
    match work::run(&plan) {
        Ok(table) => {
            println!("{table}");
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("bench: {why}");
            ExitCode::FAILURE
        }
    }
}

fn plan(args: &[String]) -> Option<Plan> {
    let mut plan = Plan { rounds: 3, seconds: 4, mailbox: 100_000, only: Vec::new(), keep: false };
    let mut args = args.iter();
    while let Some(arg) = args.next() {
        match arg.as_str() {
            "--rounds" => plan.rounds = args.next()?.parse().ok()?,
            "--seconds" => plan.seconds = args.next()?.parse().ok()?,
            "--mailbox" => plan.mailbox = args.next()?.parse().ok()?,
            "--only" => plan.only = args.next()?.split(',').map(str::to_owned).collect(),
            "--keep" => plan.keep = true,
            _ => return None,
        }
    }
    Some(plan)
}
