//! What mail of senders was worth, as whoever runs the server sees it.

use super::{Failure, Reply, Request, perform::Admin};
use crate::{clock::SystemClock, context::Context, inbound::reputation};
use account::{
    Clock as _,
    reputation::{Known, Name, Repute},
};
use mailauth::dmarc;
use serde::{Deserialize, Serialize};

/// A sender.
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
pub struct SenderRow {
    /// A domain, an address, a network.
    pub sender: String,
    /// `unknown` (too little is known), `good`, `mixed` or `bad`.
    pub repute: String,
    /// The share of unwanted mail, with two messages more, one of them unwanted.
    pub unwanted_percent: f64,
    /// What is known is worth so many messages.
    pub messages: f64,
    /// All that follows fades with time: messages that came to an INBOX.
    pub inbox: f64,
    /// Messages that people want.
    pub wanted: f64,
    /// Messages that people put into Junk.
    pub junk: f64,
    /// How many accounts did, of those that are told apart.
    pub junk_accounts: usize,
    /// Messages of which scanners or lists said that they are unwanted.
    pub found: f64,
    /// Messages that DMARC disowned.
    pub forged: f64,
    /// Recipients that are not here.
    pub unknown_recipients: f64,
    /// When it was seen first, in seconds since 1970 UTC.
    pub since: i64,
    /// When it was counted last.
    pub last: i64,
}

impl Admin {
    /// Requests about senders: a running server knows them.
    pub(super) async fn reputation(&self, request: Request) -> Result<Reply, Failure> {
        let Some(server) = self.server() else {
            return Err(Failure::refused("a running server knows senders: start it first"));
        };
        if !server.reputation.settings().enabled {
            return Err(Failure::refused("senders are not remembered (reputation.enabled)"));
        }
        // What waits is told, too.
        let written = reputation::write(&server.reputation, &server.rates).await;
        written.map_err(Failure::ours)?;
        match request {
            Request::ReputationList { best, limit } => list(server, (best, limit)).await,
            Request::ReputationShow { sender } => show(server, &sender).await,
            Request::ReputationForget { sender } => forget(server, &sender).await,
            _ => Err(Failure::ours("not a request about reputation")),
        }
    }
}

async fn list(server: &Context, (best, limit): (bool, u32)) -> Result<Reply, Failure> {
    let mut rows = Vec::new();
    let each =
        server.reputation.each(SystemClock.now_seconds(), |one| rows.push(row(server, &one)));
    each.await.map_err(Failure::ours)?;
    rows.sort_by(|one, other| {
        let worse = other.unwanted_percent.total_cmp(&one.unwanted_percent);
        let order = if best { worse.reverse() } else { worse };
        order.then_with(|| other.messages.total_cmp(&one.messages))
    });
    rows.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(Reply::Senders(rows))
}

/// A domain, also the organizational one above it; an address, also the network around it.
async fn show(server: &Context, sender: &str) -> Result<Reply, Failure> {
    let name = named(sender)?;
    let mut names = vec![name.clone()];
    if let Name::Domain(domain) = &name
        && let Some(dns) = &server.dns
        && let Ok(above) = dmarc::organizational(&**dns, domain).await
    {
        names.extend(Name::parse(&above).filter(|above| *above != name));
    }
    if let Ok(address) = sender.parse() {
        names = reputation::places(address).to_vec();
    }
    let found = server.reputation.find(&names, SystemClock.now_seconds()).await;
    let found = found.map_err(Failure::ours)?;
    let rows: Vec<SenderRow> = found.iter().flatten().map(|one| row(server, one)).collect();
    if rows.is_empty() {
        return Err(nobody(&name));
    }
    Ok(Reply::Senders(rows))
}

async fn forget(server: &Context, sender: &str) -> Result<Reply, Failure> {
    let name = named(sender)?;
    if !server.reputation.forget(&name).await.map_err(Failure::ours)? {
        return Err(nobody(&name));
    }
    if let Name::Place(address, bits) = name {
        server.rates.slow((address, bits), false);
    }
    Ok(Reply::Done)
}

fn named(sender: &str) -> Result<Name, Failure> {
    let name = Name::parse(sender);
    name.ok_or_else(|| Failure::refused(format!("{sender}: not a domain, address or network")))
}

fn nobody(name: &Name) -> Failure {
    Failure::refused(format!("nothing is known of {name}"))
}

fn row(server: &Context, known: &Known) -> SenderRow {
    let Known { standing, opinion, .. } = known;
    let repute: Repute = reputation::repute(known, server.reputation.settings());
    let (said, sums) = (standing.said(), standing.sums());
    SenderRow {
        sender: standing.name.to_string(),
        repute: repute.as_str().to_owned(),
        unwanted_percent: opinion.percent(),
        messages: opinion.messages(),
        inbox: said.inbox,
        wanted: said.wanted,
        junk: said.junk,
        junk_accounts: opinion.accounts,
        found: sums.found,
        forged: sums.forged,
        unknown_recipients: sums.unknown,
        since: standing.since,
        last: standing.last,
    }
}
