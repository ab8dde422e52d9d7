//! `palomar reindex`: throws search indexes away and makes them anew, step by step, beside a
//! running server or without one. Searches are answered meanwhile, by reading.

use super::{Stop, code, print::Out};
use crate::admin::{Failure, IndexReport, Reply, Request, client::Client};
use std::io::{IsTerminal as _, Write as _};

/// Whose.
pub struct Job {
    /// One account.
    pub address: Option<String>,
    /// Every account.
    pub all: bool,
}

/// Does it.
pub async fn run(client: &mut Client, job: &Job, out: &Out) -> Result<(), Stop> {
    let addresses = match (&job.address, job.all) {
        (Some(address), false) => vec![address.clone()],
        (None, true) => match client.ask(Request::AccountList).await? {
            Reply::Accounts(rows) => rows.into_iter().map(|row| row.address).collect(),
            _ => return Err(unexpected()),
        },
        _ => {
            return Err(Stop { code: code::USAGE, why: "name an account, or --all".to_owned() });
        }
    };
    let mut sum = IndexReport::default();
    for address in addresses {
        let report = one(client, &address, out).await?;
        sum.messages += report.messages;
        sum.indexed += report.indexed;
        sum.index_octets += report.index_octets;
        sum.compressed_octets += report.compressed_octets;
    }
    out.reply(&Reply::Indexed(sum));
    Ok(())
}

async fn one(client: &mut Client, address: &str, out: &Out) -> Result<IndexReport, Stop> {
    client.ask(Request::IndexDrop { address: address.to_owned() }).await?;
    loop {
        let reply = client.ask(Request::IndexStep { address: address.to_owned() }).await?;
        let Reply::Indexed(report) = reply else { return Err(unexpected()) };
        progress(address, &report, out);
        if !report.more {
            return Ok(report);
        }
    }
}

/// On a terminal, one line that is written over.
fn progress(address: &str, report: &IndexReport, out: &Out) {
    let mut terminal = std::io::stderr();
    if out.json || !terminal.is_terminal() {
        return;
    }
    let end = if report.more { "" } else { "\n" };
    let (indexed, messages) = (report.indexed, report.messages);
    // A terminal that cannot be written to is no reason to stop.
    let _ = write!(terminal, "\r{address}: {indexed} of {messages}{end}");
    let _ = terminal.flush();
}

fn unexpected() -> Stop {
    Failure::ours("an unexpected reply").into()
}
