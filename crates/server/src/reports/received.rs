//! Reports that others send about our domains: taken when the mail that brings them has been
//! delivered and before its sender hears 250, so that a kill loses none; told to whoever runs the
//! server.
//!
//! Invariants: one is unpacked at a time, within the limits of `unpack`; the mail goes to its
//! mailbox whatever the report is like; only reports about domains that are here are kept.

use super::unpack::{self, Fault, Report};
use account::{
    Accounts, Error,
    reports::{Kept, Reports, Subject},
};
use flate2::{Compression, read::GzDecoder, write::GzEncoder};
use mail::Domain;
use mailauth::report::{REPORT_OCTETS_MAX, aggregate, tls};
use std::{
    io::{self, Read, Write},
    sync::Arc,
    time::Duration,
};
use tokio::{
    sync::{Semaphore, watch},
    task::spawn_blocking,
    time::sleep,
};

const DAY_SECONDS: i64 = 86_400;
/// How often old ones are taken out.
const PURGE_EVERY: Duration = Duration::from_secs(86_400);
/// The first time after the start.
const PURGE_FIRST: Duration = Duration::from_secs(120);

/// Settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// Days that a report is kept, from the end of what it tells of.
    pub keep_days: u32,
    /// Reports about one domain.
    pub domain_max: u32,
}

/// Takes reports.
pub struct Desk {
    reports: Arc<Reports>,
    accounts: Arc<Accounts>,
    settings: Settings,
    turn: Semaphore,
}

/// A report that is kept, read again.
pub struct Found {
    /// The domain that it is about.
    pub domain: String,
    /// Which domain was proven to have sent it.
    pub proven: Option<String>,
    /// What it says.
    pub report: Report,
}

impl Desk {
    /// Keeps reports here.
    #[must_use]
    pub fn new(reports: Arc<Reports>, accounts: Arc<Accounts>, settings: Settings) -> Self {
        Self { reports, accounts, settings, turn: Semaphore::new(1) }
    }

    /// Takes the report out of a message that looks as if it brought one; `proven`: the author's
    /// domain, if DMARC passed. What becomes of it is in the log.
    pub async fn take(&self, message: &[u8], (id, proven): (&str, Option<String>)) {
        if !unpack::looks_like_one(message) {
            return;
        }
        let Ok(_turn) = self.turn.acquire().await else { return };
        let message = message.to_vec();
        let unpacked = spawn_blocking(move || unpack::report(&message)).await;
        let report = match unpacked {
            Ok(Ok(report)) => report,
            Ok(Err(Fault::None)) => return,
            Ok(Err(fault)) => {
                tracing::warn!(id, ?fault, "a report that cannot be read");
                return;
            }
            Err(error) => {
                tracing::error!(id, %error, "a report");
                return;
            }
        };
        match self.keep(&report, proven).await {
            Ok(outcome) => tracing::info!(id, outcome, "a report"),
            Err(error) => tracing::error!(id, %error, "a report is not kept"),
        }
    }

    async fn keep(&self, report: &Report, proven: Option<String>) -> Result<&'static str, Error> {
        let domains: Vec<&str> = match report {
            Report::Mail(report) => vec![&report.published.domain],
            Report::Tls(report) => report.policies.iter().map(|one| one.domain.as_str()).collect(),
        };
        let Some(domain) = self.ours(&domains).await? else {
            return Ok("not about a domain that is here");
        };
        let (subject, organization, report_id, end, text) = match report {
            Report::Mail(one) => {
                (Subject::Mail, &one.organization, &one.id, one.end_unix_seconds, one.xml())
            }
            Report::Tls(one) => {
                (Subject::Tls, &one.organization, &one.id, one.end_unix_seconds, one.json())
            }
        };
        let kept = account::reports::Report {
            domain,
            subject,
            identity: format!("{organization}\n{report_id}"),
            end,
            received: now(),
            proven,
            content: packed(text.as_bytes()).map_err(|error| Error::Damaged(error.to_string()))?,
        };
        Ok(match self.reports.keep(&kept, self.settings.domain_max.into()).await? {
            Kept::Yes => "kept",
            Kept::Already => "it was here already",
            Kept::Full => "not kept: reports.domain_max is reached",
        })
    }

    /// The first of these domains that is here, or lies below one that is.
    async fn ours(&self, domains: &[&str]) -> Result<Option<String>, Error> {
        for name in domains {
            let Some(domain) = Domain::parse(name) else { continue };
            let name = domain.to_ascii();
            let mut at = Some(name.as_str());
            while let Some(suffix) = at {
                let known = Domain::parse(suffix);
                if let Some(known) = known
                    && self.accounts.directory().has_domain(&known).await?
                {
                    return Ok(Some(name));
                }
                at = suffix.split_once('.').map(|(_, rest)| rest).filter(|rest| rest.contains('.'));
            }
        }
        Ok(None)
    }

    /// Goes through the reports about a domain (the empty name: all) of the last days.
    ///
    /// # Errors
    /// The store's; damage.
    pub async fn each(
        &self,
        domain: &str,
        days: u32,
        mut tell: impl FnMut(Found),
    ) -> Result<(), Error> {
        let since = now().saturating_sub(DAY_SECONDS * i64::from(days));
        let since = u64::try_from(since).unwrap_or(0);
        let mut after = None;
        loop {
            let (some, last) = self.reports.list(domain, (since, after)).await?;
            for kept in some {
                let damaged = || Error::Damaged(format!("a report about {}", kept.domain));
                let text = plain(&kept.content).map_err(|_| damaged())?;
                let report = match kept.subject {
                    Subject::Mail => {
                        aggregate::Report::parse(&text).map(Box::new).map(Report::Mail)
                    }
                    Subject::Tls => tls::Report::parse(&text).map(Box::new).map(Report::Tls),
                };
                let report = report.map_err(|_| damaged())?;
                tell(Found { domain: kept.domain, proven: kept.proven, report });
            }
            match last {
                Some(last) => after = Some(last),
                None => return Ok(()),
            }
        }
    }

    /// Takes out old ones, once a day, until `shutdown`.
    pub async fn run(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        let sweep = async {
            sleep(PURGE_FIRST).await;
            loop {
                let before = now() - DAY_SECONDS * i64::from(self.settings.keep_days);
                match self.reports.purge(u64::try_from(before).unwrap_or(0)).await {
                    Ok(0) => {}
                    Ok(gone) => tracing::info!(gone, "old reports were taken out"),
                    Err(error) => tracing::error!(%error, "old reports cannot be taken out"),
                }
                sleep(PURGE_EVERY).await;
            }
        };
        tokio::select! {
            _ = shutdown.wait_for(|down| *down) => {}
            () = sweep => {}
        }
    }
}

fn packed(text: &[u8]) -> io::Result<Vec<u8>> {
    let mut to = GzEncoder::new(Vec::new(), Compression::default());
    to.write_all(text)?;
    to.finish()
}

fn plain(packed: &[u8]) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    // Our own writing may be longer than what was read: escapes.
    let limit = 4 * REPORT_OCTETS_MAX as u64;
    GzDecoder::new(packed).take(limit).read_to_end(&mut text)?;
    Ok(text)
}

fn now() -> i64 {
    use account::Clock as _;
    crate::clock::SystemClock.now_seconds()
}
