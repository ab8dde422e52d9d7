//! The outbound queue, as whoever runs the server sees it.

use super::{Failure, QueueDetails, QueueRecipient, QueueSite, Reply, Request, perform::Admin};
use crate::outbound::Outbound;
use account::queue::{Progress, QueueId, Queued, Target};

impl Admin {
    /// Requests about the queue: a running server has it.
    pub(super) async fn queue(&self, request: Request) -> Result<Reply, Failure> {
        let Some(server) = self.server() else {
            return Err(Failure::refused("the queue is the running server's: start it first"));
        };
        let outbound = &server.outbound;
        match request {
            Request::QueueList => list(outbound).await,
            Request::QueueRetry { host } => {
                outbound.retry(host.as_deref());
                Ok(Reply::Done)
            }
            Request::QueueHold { id, held } => {
                found(outbound.hold(number(&id)?, held).await.map_err(Failure::ours)?, &id)
            }
            Request::QueueDrop { id } => {
                found(outbound.drop_message(number(&id)?).await.map_err(Failure::ours)?, &id)
            }
            _ => Err(Failure::ours("not a request about the queue")),
        }
    }
}

fn number(id: &str) -> Result<QueueId, Failure> {
    id.parse().map_err(|_| Failure::refused(format!("{id}: not a number of the queue")))
}

fn found(there: bool, id: &str) -> Result<Reply, Failure> {
    if there { Ok(Reply::Done) } else { Err(Failure::refused(format!("{id}: not in the queue"))) }
}

async fn list(outbound: &Outbound) -> Result<Reply, Failure> {
    let messages = outbound.messages().await.map_err(Failure::ours)?;
    let sites = outbound.sites().into_iter().map(|site| QueueSite {
        host: site.name.to_string(),
        due: site.due,
        waiting: site.waiting,
        connections: site.connections,
        failures: site.failures,
        closed_until: site.closed_until,
        why: site.why,
    });
    let mut rows = Vec::with_capacity(messages.len());
    for one in &messages {
        rows.push(QueueDetails { waits: outbound.waits_for(one).await, ..details(one) });
    }
    Ok(Reply::Queue { messages: rows, sites: sites.collect() })
}

fn details(queued: &Queued) -> QueueDetails {
    let envelope = &queued.envelope;
    let recipient = |(target, progress): (&Target, &Progress)| QueueRecipient {
        address: target.address.to_string(),
        attempts: progress.attempts,
        undecided: progress.undecided,
        settled: progress.settled.map(|settled| format!("{settled:?}").to_lowercase()),
        reply: progress.reply.as_ref().map(|reply| match reply.code {
            0 => reply.text.clone(),
            code => format!("{} {code} {}", reply.host, reply.text),
        }),
    };
    QueueDetails {
        id: queued.id.to_string(),
        from: envelope.from.as_ref().map_or_else(String::new, ToString::to_string),
        octets: envelope.octets,
        received_at: envelope.received_at,
        expires_at: envelope.expires_at,
        not_before: envelope.not_before,
        held: envelope.held,
        waits: None,
        recipients: envelope.recipients.iter().zip(&queued.progress).map(recipient).collect(),
    }
}
