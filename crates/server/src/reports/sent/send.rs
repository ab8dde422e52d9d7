//! Reports leave: each day those of the day before, and when somebody asks for it.
//!
//! Invariants: what was counted leaves with the report in one commit, so that neither a kill nor a
//! second try repeats or loses it; a day that was missed is made up for; what DNS does not answer
//! is asked again later, and given up after `reports.retry_days`.

use super::{Settings, dmarc, message::Letter, tallies::day_of};
use crate::{clock::SystemClock, context::Context, dns::Dns};
use account::{
    Clock as _, Error,
    queue::{Envelope, Notify, Tally, TallyKind, TallyRow, Target},
};
use delivery::queue::backoff::spread;
use mail::{Address, Domain};
use std::fmt;

const DAY_SECONDS: i64 = 86_400;
/// Seconds after which a report that could not be sent is tried again.
const RETRY_SECONDS: i64 = 1_800;

/// Which reports are to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Which {
    /// Those whose time has come.
    Due,
    /// Those of days that are over.
    Finished,
    /// Also that of today, as far as it is.
    All,
}

/// What became of a report.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fate {
    /// It is in the queue, or was taken.
    Sent(Vec<String>),
    /// Nobody takes it: what was counted is thrown away.
    Dropped(String),
    /// It is tried again later.
    Later(String),
}

impl fmt::Display for Fate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sent(to) => write!(f, "sent to {}", to.join(", ")),
            Self::Dropped(why) => write!(f, "dropped: {why}"),
            Self::Later(why) => write!(f, "later: {why}"),
        }
    }
}

/// A report that is ready: octets, compressed, and what its mail says.
pub(super) struct Ready {
    pub content: Vec<u8>,
    pub subject: String,
    pub file_name: String,
    pub id: String,
}

/// What reports of a kind are made of.
pub(super) struct Work<'a> {
    pub context: &'a Context,
    pub dns: &'a Dns,
    pub tally: Tally,
    pub rows: Vec<TallyRow>,
    pub from: Address,
    pub now: i64,
}

/// When a report's time comes, in seconds since 1970.
#[must_use]
pub fn due_at(tally: &Tally, settings: &Settings) -> i64 {
    let day = i64::from(tally.id.day);
    let width = i64::from(settings.spread_seconds).max(1);
    let place = spread(&tally.id.domain, u64::from(tally.id.day)) % width.unsigned_abs();
    let after = i64::from(settings.wait_seconds) + i64::try_from(place).unwrap_or(0);
    ((day + 1) * DAY_SECONDS + after).max(tally.next_at)
}

/// Sends reports; gives what became of each.
///
/// # Errors
/// The store's.
pub async fn send(context: &Context, which: Which) -> Result<Vec<(Tally, Fate)>, Error> {
    let tallies = context.outbound.tallies();
    let Some(dns) = &context.dns else { return Ok(Vec::new()) };
    let _sending = tallies.sending.lock().await;
    tallies.write().await?;
    let mut done = Vec::new();
    for tally in tallies.queue().tallies().await? {
        let now = SystemClock.now_seconds();
        let over = tally.id.day < day_of(now);
        let wanted = match which {
            Which::Due => over && due_at(&tally, tallies.settings()) <= now,
            Which::Finished => over,
            Which::All => true,
        };
        if !wanted {
            continue;
        }
        let from = sender(context, tally.id.kind).await?;
        let rows = tallies.queue().tally_rows(&tally.id).await?;
        let work = Work { context, dns, tally: tally.clone(), rows, from, now };
        let fate = work.send().await?;
        let (kind, domain) = (tally.id.kind, &tally.id.domain);
        tracing::info!(?kind, domain, counted = tally.counted, %fate, "report");
        done.push((tally, fate));
    }
    Ok(done)
}

/// Who sends reports.
async fn sender(context: &Context, kind: TallyKind) -> Result<Address, Error> {
    if let Some(from) = &context.outbound.tallies().settings().from {
        return Ok(from.clone());
    }
    let host = &context.host_name;
    let domains = context.accounts.directory().domains().await?;
    let holds = |domain: &&Domain| {
        let name = domain.to_ascii();
        host.strip_suffix(&name).is_some_and(|rest| rest.is_empty() || rest.ends_with('.'))
    };
    let own = domains.iter().find(holds).or(domains.first()).cloned();
    let local = match kind {
        TallyKind::Dmarc => "noreply-dmarc",
        TallyKind::Tls => "noreply-tls-report",
    };
    let address = own.or_else(|| Domain::parse(host)).and_then(|own| Address::new(local, own));
    address.ok_or_else(|| Error::Damaged(format!("{host}: not a domain to send reports from")))
}

impl Work<'_> {
    async fn send(mut self) -> Result<Fate, Error> {
        let fate = match self.tally.id.kind {
            TallyKind::Dmarc => self.send_dmarc().await?,
            TallyKind::Tls => self.send_tls().await?,
        };
        let keep = i64::from(self.settings().retry_days.max(1));
        let given_up = self.now >= (i64::from(self.tally.id.day) + 1 + keep) * DAY_SECONDS;
        match fate {
            Fate::Later(why) if !given_up => {
                self.tally.tries += 1;
                self.tally.next_at = self.now + RETRY_SECONDS;
                self.context.outbound.tallies().queue().postpone(&self.tally).await?;
                Ok(Fate::Later(why))
            }
            Fate::Later(why) => self.drop(why).await,
            fate => Ok(fate),
        }
    }

    pub(super) fn settings(&self) -> &Settings {
        self.context.outbound.tallies().settings()
    }

    /// Nobody gets it.
    pub(super) async fn drop(&self, why: String) -> Result<Fate, Error> {
        self.context.outbound.close_tally((&self.tally, &self.rows), None).await?;
        Ok(Fate::Dropped(why))
    }

    /// Seconds since 1970 that it is of: a whole day, or what there was of it.
    pub(super) fn range(&self) -> (u64, u64) {
        let begin = i64::from(self.tally.id.day) * DAY_SECONDS;
        let end = (begin + DAY_SECONDS - 1).min(self.now);
        (begin.unsigned_abs(), end.unsigned_abs())
    }

    /// The same for each try to send it, another one for what is counted after it was sent.
    pub(super) fn id(&self) -> String {
        let Tally { id, since, .. } = &self.tally;
        let number = spread(&format!("{} {since}", id.domain), u64::from(id.day));
        format!("{}{number:016x}", id.day)
    }

    pub(super) fn organization(&self) -> String {
        let own = || self.from.domain().to_ascii();
        self.settings().organization.clone().unwrap_or_else(own)
    }

    /// Signs the mail and puts it into the queue.
    pub(super) async fn queue(
        &self,
        letter: Letter<'_>,
        (ready, tls_optional): (&Ready, bool),
    ) -> Result<Fate, Error> {
        let place = (self.now, &*ready.id, &*self.context.host_name);
        let message = letter.message(&ready.content, place);
        let signed = self.context.signing.sign(self.from.domain(), message.as_bytes()).await;
        let message = bytes::Bytes::from(signed + &message);
        let target = |address: &Address| Target {
            address: address.clone(),
            notify: Notify::parse("NEVER"),
            original: None,
        };
        let envelope = Envelope {
            from: self.settings().from.clone(),
            recipients: letter.to.iter().map(target).collect(),
            tls_optional,
            ..Envelope::default()
        };
        let told = (&self.tally, &*self.rows);
        self.context.outbound.close_tally(told, Some((envelope, message))).await?;
        Ok(Fate::Sent(letter.to.iter().map(ToString::to_string).collect()))
    }

    async fn send_dmarc(&self) -> Result<Fate, Error> {
        let destinations = match dmarc::destinations(self.dns, &self.tally.id.domain).await {
            Ok(destinations) => destinations,
            Err(fate @ Fate::Later(_)) => return Ok(fate),
            Err(fate) => return self.drop(fate.to_string()).await,
        };
        let Some(ready) = self.dmarc_report() else {
            return self.drop("what was counted cannot be read".to_owned()).await;
        };
        let octets = ready.content.len() as u64;
        let fits = |limit: &Option<u64>| limit.is_none_or(|limit| octets <= limit);
        let to: Vec<Address> =
            destinations.into_iter().filter(|(_, limit)| fits(limit)).map(|(to, _)| to).collect();
        if to.is_empty() {
            return self.drop(format!("{octets} octets are more than anybody takes")).await;
        }
        let domain = &self.tally.id.domain;
        let text = format!(
            "This is a DMARC aggregate report of mail in the name of {domain}\r\n\
             that came to {}.\r\n",
            self.context.host_name
        );
        let letter = Letter {
            from: &self.from,
            to: &to,
            subject: &ready.subject,
            fields: &[],
            multipart: "mixed",
            text: &text,
            file: ("application/gzip", &ready.file_name),
        };
        self.queue(letter, (&ready, false)).await
    }
}
