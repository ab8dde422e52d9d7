//! Reports to other domains, as whoever runs the server sees them.

use super::{Failure, Reply, Request, perform::Admin};
use crate::{
    calendar,
    context::Context,
    reports::sent::send::{Fate, Which, due_at, send},
};
use account::queue::{Tally, TallyKind};
use serde::{Deserialize, Serialize};

const DAY_SECONDS: i64 = 86_400;

/// A report that waits.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct PendingReport {
    /// `dmarc`: of mail that came from the domain; `tls`: of how its hosts were reached.
    pub kind: String,
    /// Whose it is.
    pub domain: String,
    /// Of which day, UTC.
    pub day: String,
    /// Messages, or sessions.
    pub counted: u64,
    /// Of these, those without a row.
    pub lost: u64,
    /// Kinds of them that are told apart.
    pub rows: u32,
    /// When it is sent, in seconds since 1970.
    pub due_at: i64,
    /// Times that it could not be sent.
    pub tries: u32,
}

/// What became of a report.
#[derive(Clone, Serialize, Deserialize, Debug)]
pub struct SentReport {
    /// As it waited.
    pub report: PendingReport,
    /// `sent`, `dropped` or `later`.
    pub fate: String,
    /// Who gets it.
    pub to: Vec<String>,
    /// Why it was not sent.
    pub why: String,
}

impl Admin {
    /// Requests about reports to others: a running server counts for them.
    pub(super) async fn outgoing(&self, request: Request) -> Result<Reply, Failure> {
        let Some(server) = self.server() else {
            return Err(Failure::refused("reports are the running server's: start it first"));
        };
        let Request::ReportsSend { today } = request else { return pending(server).await };
        if server.dns.is_none() {
            return Err(Failure::refused("there is no DNS to find out where reports go"));
        }
        let which = if today { Which::All } else { Which::Finished };
        let done = send(server, which).await.map_err(Failure::ours)?;
        let row = |(tally, fate): &(Tally, Fate)| {
            let (word, to, why) = match fate {
                Fate::Sent(to) => ("sent", to.clone(), String::new()),
                Fate::Dropped(why) => ("dropped", Vec::new(), why.clone()),
                Fate::Later(why) => ("later", Vec::new(), why.clone()),
            };
            SentReport { report: waiting(server, tally), fate: word.to_owned(), to, why }
        };
        Ok(Reply::ReportsSent(done.iter().map(row).collect()))
    }
}

async fn pending(server: &Context) -> Result<Reply, Failure> {
    let tallies = server.outbound.tallies();
    tallies.write().await.map_err(Failure::ours)?;
    let all = tallies.queue().tallies().await.map_err(Failure::ours)?;
    Ok(Reply::ReportsPending(all.iter().map(|tally| waiting(server, tally)).collect()))
}

fn waiting(server: &Context, tally: &Tally) -> PendingReport {
    let kind = match tally.id.kind {
        TallyKind::Dmarc => "dmarc",
        TallyKind::Tls => "tls",
    };
    PendingReport {
        kind: kind.to_owned(),
        domain: tally.id.domain.clone(),
        day: calendar::day(i64::from(tally.id.day) * DAY_SECONDS),
        counted: tally.counted,
        lost: tally.lost,
        rows: tally.rows,
        due_at: due_at(tally, server.outbound.tallies().settings()),
        tries: tally.tries,
    }
}

impl PendingReport {
    /// A line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let Self { kind, domain, day, counted, due_at, .. } = self;
        let what = if kind == "dmarc" { "messages" } else { "sessions" };
        format!("{day}  {kind:<5}  {domain}  {counted} {what}, due {}", calendar::short(*due_at))
    }
}

impl SentReport {
    /// A line for people.
    #[must_use]
    pub fn line(&self) -> String {
        let PendingReport { kind, domain, day, .. } = &self.report;
        let told = if self.to.is_empty() { self.why.clone() } else { self.to.join(", ") };
        format!("{day}  {kind:<5}  {domain}  {}: {told}", self.fate)
    }
}
