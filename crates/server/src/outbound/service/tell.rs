//! What follows from a try: progress, reports to the sender, the end.

use super::{Outbound, attempt::Came, onward::Tried, pause::PAUSED_LOOK_SECONDS};
use account::queue::{Envelope, Notify, QueueId, Queued, Reply, Settled, Target};
use bytes::Bytes;
use delivery::{
    queue::{Ended, Item},
    report::{Action, Report},
};
use std::future::Future;
use std::pin::Pin;

impl Outbound {
    /// Writes down what became of recipients, and tells the sender what is to be told. `None` if it
    /// could not be written down.
    pub(super) async fn settle(
        &self,
        mut queued: Queued,
        (item, tried): (&Item, Tried),
    ) -> Option<Ended> {
        let Tried { came, dsn_passed, onward } = tried;
        let turn = self.turns.of(item.id).await;
        if queued.progress.len() > 1 {
            // Other hosts may have been given it meanwhile.
            queued = match self.queue.find(item.id).await {
                Ok(Some(queued)) => queued,
                Ok(None) => return Some(Ended::Done),
                Err(error) => {
                    tracing::error!(queue = %item.id, %error, "cannot be read");
                    return None;
                }
            };
        }
        let now = Self::now();
        let (mut later, mut changed, mut told) = (Vec::new(), Vec::new(), Vec::new());
        let mut untried = true;
        for Came { at, settled, reply, undecided, untried: skipped } in came {
            let place = at as usize;
            let Some(progress) = queued.progress.get_mut(place) else { continue };
            untried &= skipped;
            if settled.is_none() {
                later.push(at);
            }
            if skipped {
                continue;
            }
            progress.attempts += 1;
            progress.tried_at = now;
            progress.undecided += u32::from(undecided);
            (progress.settled, progress.reply) = (settled, Some(reply));
            changed.push(place);
            let notify = queued.envelope.recipients.get(place).map(|target| target.notify);
            if let (Some(settled), Some(notify)) = (settled, notify)
                && wanted(settled, notify, dsn_passed)
                && let Some(action) = Action::of(settled)
            {
                told.push((place, action));
            }
        }
        if let Err(error) = self.write(&queued, (&changed, &told), onward).await {
            tracing::error!(queue = %item.id, %error, "progress cannot be written");
            return None;
        }
        drop(turn);
        if queued.progress.iter().all(|progress| progress.settled.is_some()) {
            self.forget(queued.id);
            self.undated(&queued);
            tracing::info!(queue = %queued.id, "left the queue");
        }
        Some(if later.is_empty() {
            Ended::Done
        } else if untried {
            Ended::Untried
        } else {
            Ended::Later(later.into())
        })
    }

    async fn write(
        &self,
        queued: &Queued,
        (changed, told): (&[usize], &[(usize, Action)]),
        mut messages: Vec<(Envelope, Bytes)>,
    ) -> Result<(), account::Error> {
        if !told.is_empty() {
            messages.extend(self.report(queued, told).await?);
        }
        match messages.is_empty() {
            true => self.queue.progress(queued, changed).await,
            false => self.follow(queued, messages).await,
        }
    }

    /// What follows from a message goes into the queue, in the commit that writes down why. Boxed,
    /// since what enters the queue may be tried at once.
    fn follow<'a>(
        &'a self,
        queued: &'a Queued,
        messages: Vec<(Envelope, Bytes)>,
    ) -> Pin<Box<dyn Future<Output = Result<(), account::Error>> + Send + 'a>> {
        Box::pin(async move {
            let ids = self.queue.follow(queued, &messages).await?;
            for (id, (envelope, content)) in ids.into_iter().zip(messages) {
                let recipients = envelope.recipients.len();
                tracing::info!(queue = %id, from = %queued.id, recipients, "follows");
                self.enter(Queued::new(id, envelope, Vec::new()), Some(content)).await;
            }
            Ok(())
        })
    }

    /// A report to the sender; there is none to who has no address.
    async fn report(
        &self,
        queued: &Queued,
        told: &[(usize, Action)],
    ) -> Result<Option<(Envelope, Bytes)>, account::Error> {
        let Some(sender) = &queued.envelope.from else { return Ok(None) };
        let content = self.queue.content(queued, 0, queued.envelope.octets).await?;
        let report = Report {
            queued,
            recipients: told,
            content: &content,
            host_name: &self.host_name,
            now: Self::now(),
        };
        let (message, needs, utf8) = report.message(sender);
        let envelope = Envelope {
            from: None,
            content: needs,
            utf8,
            language: queued.envelope.language,
            recipients: vec![Target {
                address: sender.clone(),
                notify: Notify::parse("NEVER"),
                original: None,
            }],
            ..Envelope::default()
        };
        tracing::info!(about = %queued.id, "report");
        Ok(Some((self.begun(envelope, message.as_ref()), message.into())))
    }

    /// A message is late, or too late.
    pub(super) async fn deadline(&self, id: QueueId) {
        if let Err(error) = self.pass(id).await {
            tracing::error!(queue = %id, %error, "its sender cannot be told");
            self.state().deadlines.insert((Self::now() + 60, id.0));
        }
    }

    async fn pass(&self, id: QueueId) -> Result<(), account::Error> {
        let _turn = self.turns.of(id).await;
        let Some(mut queued) = self.queue.find(id).await? else { return Ok(()) };
        let now = Self::now();
        if self.is_paused(&queued.envelope) {
            self.state().deadlines.insert((now + PAUSED_LOOK_SECONDS, id.0));
            return Ok(());
        }
        let expired = now >= queued.envelope.expires_at;
        let waits = self.waits_for(&queued).await;
        let open: Vec<usize> = (0..queued.progress.len())
            .filter(|at| queued.progress.get(*at).is_some_and(|one| one.settled.is_none()))
            .collect();
        let mut told = Vec::new();
        for at in &open {
            let notify = queued.envelope.recipients.get(*at).map(|target| target.notify);
            let notify = notify.unwrap_or_default();
            if expired && notify.failure() {
                told.push((*at, Action::Failed));
            } else if !expired && notify.delay() {
                told.push((*at, Action::Delayed));
            }
            let Some(progress) = queued.progress.get_mut(*at) else { continue };
            let why = waits.as_deref().unwrap_or("No host took the message");
            progress.reply.get_or_insert_with(|| Reply::new("", 0, (4, 4, 1), why));
            if expired {
                progress.settled = Some(Settled::Expired);
            }
        }
        queued.envelope.warned = true;
        if expired {
            self.state().scheduler.remove(id, now);
            tracing::info!(queue = %id, recipients = open.len(), "given up");
        } else {
            self.state().deadlines.insert((queued.envelope.expires_at, id.0));
        }
        let report = if told.is_empty() { None } else { self.report(&queued, &told).await? };
        match report {
            Some(report) => self.follow(&queued, vec![report]).await?,
            None if expired => self.queue.remove(&queued).await?,
            None => self.queue.amend(&queued).await?,
        }
        if expired {
            self.forget(id);
        }
        Ok(())
    }
}

/// Whether the sender is told (RFC 3461 §4.1, §5.2).
fn wanted(settled: Settled, notify: Notify, dsn_passed: bool) -> bool {
    match settled {
        Settled::Delivered => notify.success(),
        // The next host tells, where it promised to.
        Settled::Relayed => notify.success() && !dsn_passed,
        Settled::Failed | Settled::Expired => notify.failure(),
        Settled::Dropped => false,
    }
}
