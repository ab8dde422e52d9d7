//! Mail for addresses of ours: into mailboxes here, and on to addresses elsewhere.
//!
//! Invariants: what goes on is put into the queue in the commit that writes down that it does, so
//! that it goes on once; a mailbox knows what it got when the same recipient is tried again.

use super::{
    Outbound,
    attempt::{Came, later, local},
};
use account::{
    once::Transaction,
    queue::{Envelope, Notify, Queued, Reply, Target},
};
use bytes::Bytes;
use delivery::{
    Problem, Route, hops,
    queue::{Ended, Item},
    recipient::today,
    trace,
};
use mail::Address;
use std::collections::BTreeSet;

/// Octets of messages that go on, after which what was done is written down before the rest is.
const ONWARD_OCTETS_MAX: usize = 16 << 20;

/// What became of recipients, and what follows.
#[derive(Default)]
pub(super) struct Tried {
    pub came: Vec<Came>,
    /// The host promised to report itself.
    pub dsn_passed: bool,
    /// Messages that go on.
    pub onward: Vec<(Envelope, Bytes)>,
}

impl Outbound {
    /// Recipients of ours, as many at a time as memory has room for.
    pub(super) async fn deliver_all(&self, queued: Queued, (item, open): (&Item, &[u32])) -> Ended {
        let (mut open, mut waiting) = (open, BTreeSet::new());
        let mut next = Some(queued);
        while let Some(queued) = next.take() {
            let id = queued.id;
            let (tried, left) = self.deliver_some(&queued, open).await;
            match self.settle(queued, (item, tried)).await {
                Some(Ended::Later(some)) => waiting.extend(some),
                Some(_) => {}
                // What was done is not known to the next try, which the mailboxes know again.
                None => waiting.extend(item.recipients.iter().copied()),
            }
            open = left;
            if !open.is_empty() {
                match self.queue.find(id).await {
                    Ok(found) => next = found,
                    Err(error) => {
                        tracing::error!(queue = %id, %error, "cannot be read");
                        waiting.extend(open);
                    }
                }
            }
        }
        if waiting.is_empty() { Ended::Done } else { Ended::Later(waiting.into_iter().collect()) }
    }

    /// The first of some recipients, and those that are left.
    async fn deliver_some<'a>(&self, queued: &Queued, open: &'a [u32]) -> (Tried, &'a [u32]) {
        let content = match self.whole(queued).await {
            Ok(content) => content,
            Err(error) => {
                let reply = Reply::new("", 0, (4, 3, 0), &error.to_string());
                return (Tried { came: later(open, &reply), ..Tried::default() }, &[]);
            }
        };
        let mut message = trace::return_path(queued.envelope.from.as_ref()).into_bytes();
        message.extend_from_slice(&content);
        let (message, mut tried, mut octets) = (Bytes::from(message), Tried::default(), 0);
        for (at, place) in open.iter().zip(1..) {
            let Some(target) = queued.envelope.recipients.get(*at as usize) else { continue };
            let routed = self.inbound.route(&target.address, queued.envelope.octets).await;
            let outcome = match routed {
                // Who else has the address got it when it came first.
                Ok(route) if route.goes_round(&content, &target.address) => Err(Problem::Loop),
                Ok(route) => self.deliver_to(queued, (*at, &route), &message).await.map(|()| route),
                Err(problem) => Err(problem),
            };
            // After our own: what is tried again is known there.
            let outcome = match outcome {
                Ok(route) if !route.forwards.is_empty() => {
                    let way = (&target.address, &*route.forwards);
                    let sent = self.onward(queued, way, &content).await;
                    sent.map(|one| {
                        octets += one.1.len();
                        tried.onward.push(one);
                    })
                }
                outcome => outcome.map(|_| ()),
            };
            tried.came.push(local(*at, outcome));
            if octets >= ONWARD_OCTETS_MAX {
                return (tried, open.get(place..).unwrap_or_default());
            }
        }
        (tried, &[])
    }

    async fn deliver_to(
        &self,
        queued: &Queued,
        (at, route): (u32, &Route),
        message: &Bytes,
    ) -> Result<(), Problem> {
        // The queue's number: a message that was delivered before a kill, and whose leaving was not
        // written down, is known again.
        let sender = queued.envelope.from.as_ref().map_or_else(String::new, ToString::to_string);
        let mark = format!("{} {at}", queued.id);
        let transaction = Transaction::new(&sender, mark.as_bytes());
        let explained = queued.envelope.explained();
        let known = (&transaction, explained.as_ref());
        self.inbound.deliver_once(message.clone(), route, known).await
    }

    /// What goes on from an address of ours to others: in our name (SRS), with a seal of what was
    /// found of it (ARC); what has no sender stays without.
    async fn onward(
        &self,
        queued: &Queued,
        (from, to): (&Address, &[Address]),
        content: &[u8],
    ) -> Result<(Envelope, Bytes), Problem> {
        let sender = queued.envelope.from.as_ref().map(|sender| {
            let rewritten = self.inbound.srs().forward(sender, from.domain(), today());
            rewritten.unwrap_or_else(|| sender.clone())
        });
        // Who is told nothing, since the sender is forged or wishes it, is told nothing of this.
        let own = queued.envelope.recipients.iter().find(|one| one.address == *from);
        let quiet = own.is_some_and(|own| !own.notify.failure() && !own.notify.delay());
        let notify = if quiet { Notify::parse("NEVER") } else { Notify::default() };
        let target =
            |address: &Address| Target { address: address.clone(), notify, original: None };
        let envelope = Envelope {
            from: sender,
            recipients: to.iter().map(target).collect(),
            account: None,
            envelope_id: None,
            explained: Vec::new(),
            held: false,
            warned: false,
            not_before: 0,
            ..queued.envelope.clone()
        };
        let seal = self.signing.seal(from.domain(), &self.host_name, content).await;
        let seal = seal.unwrap_or_default();
        // Whoever sends it back here sends it on no more.
        let top = hops::delivered_to(from);
        let content = Bytes::from([top.as_bytes(), seal.as_bytes(), content].concat());
        if content.len() as u64 > self.accounts.options().message_octets_max {
            return Err(Problem::TooBig);
        }
        tracing::info!(queue = %queued.id, alias = %from, "goes on");
        Ok((self.begun(envelope, &content), content))
    }
}
