//! Reports that others sent about domains of ours, kept under an account id of their own, with a
//! key of their own.
//!
//! Invariants: a report is kept once, whoever sends it again; how many a domain has is bounded;
//! what is old goes. What a report says is the caller's: here it is octets.

use crate::{
    Accounts, Error,
    accounts::Shared,
    codec::{Reader, Writer},
    directory::turn::Turn,
    keys,
    seal::{Kind, Seal},
};
use bytes::Bytes;
use std::sync::Arc;

/// The reports' own account: the directory numbers accounts from 1 on and never comes here.
const REPORTS: u32 = u32::MAX - 2;
const FORM: u8 = 1;
/// Entries read at once.
const PAGE: usize = 64;

/// What a report is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subject {
    /// Who sent mail in a domain's name (DMARC, RFC 9990).
    Mail,
    /// With how much safety mail to a domain was sent (RFC 8460).
    Tls,
}

/// A report as it is kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The domain that it is about: A-labels, lower case.
    pub domain: String,
    /// What it is of.
    pub subject: Subject,
    /// Who reports, and under which number: the same twice is one report.
    pub identity: String,
    /// The end of what it tells of, in seconds since 1970.
    pub end: u64,
    /// When it came.
    pub received: i64,
    /// Which domain was proven to have sent it (DMARC), if one was.
    pub proven: Option<String>,
    /// What it says.
    pub content: Vec<u8>,
}

/// What became of a report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kept {
    /// It is durable.
    Yes,
    /// It was there.
    Already,
    /// The domain has too many.
    Full,
}

/// The reports.
pub struct Reports {
    shared: Arc<Shared>,
    seal: Seal,
    turn: Turn,
}

impl Report {
    fn write(&self) -> Vec<u8> {
        let mut to = Writer::default();
        let subject = match self.subject {
            Subject::Mail => 1,
            Subject::Tls => 2,
        };
        to.byte(FORM).byte(subject).signed(self.received).number(self.end);
        to.bytes(self.identity.as_bytes());
        to.byte(u8::from(self.proven.is_some()));
        to.bytes(self.proven.as_deref().unwrap_or_default().as_bytes()).bytes(&self.content);
        to.0
    }

    /// `None` for damage.
    fn read(octets: &[u8], domain: &str) -> Option<Self> {
        let mut from = Reader(octets);
        (from.byte()? == FORM).then_some(())?;
        let subject = match from.byte()? {
            1 => Subject::Mail,
            2 => Subject::Tls,
            _ => return None,
        };
        let (received, end) = (from.signed()?, from.number()?);
        let identity = from.text()?.to_owned();
        let proven = from.byte()? != 0;
        let proven = Some(from.text()?.to_owned()).filter(|_| proven);
        let content = from.bytes()?.to_vec();
        let domain = domain.to_owned();
        Some(Self { domain, subject, identity, end, received, proven, content })
    }
}

impl Reports {
    /// The reports of an installation.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`] when their key does not open.
    pub async fn open(accounts: &Accounts) -> Result<Arc<Self>, Error> {
        let shared = accounts.share();
        let sealing = keys::sealing().bytes();
        let (seal, made) = match shared.kv.get(REPORTS, sealing.clone()).await? {
            Some(wrapped) => (Seal::open_key(REPORTS, &shared.master, &wrapped)?, None),
            None => {
                let (seal, wrapped) = Seal::make(REPORTS, &shared.master)?;
                (seal, Some((sealing, Some(wrapped.into()))))
            }
        };
        let reports = Arc::new(Self { shared, seal, turn: Turn::default() });
        if let Some(put) = made {
            reports.commit(vec![put]).await?;
        }
        Ok(reports)
    }

    /// Keeps a report, unless it is there or its domain has `domain_max`. It is durable when this
    /// is ready.
    ///
    /// # Errors
    /// The store's.
    pub async fn keep(&self, report: &Report, domain_max: u64) -> Result<Kept, Error> {
        let _turn = self.turn.take().await;
        let subject = [u8::from(report.subject == Subject::Tls)];
        let parts = [&subject[..], report.domain.as_bytes(), report.identity.as_bytes()];
        let number = self.seal.hash(Kind::Report, &parts);
        let key = keys::report(&report.domain, report.end, number);
        if self.shared.kv.get(REPORTS, key.clone()).await?.is_some() {
            return Ok(Kept::Already);
        }
        let count = self.count(&report.domain).await?;
        if count >= domain_max {
            return Ok(Kept::Full);
        }
        let sealed = self.seal.seal(Kind::Report, number, &report.write())?;
        let puts = vec![(key, Some(sealed.into())), Self::counted(&report.domain, count + 1)];
        self.commit(puts).await?;
        Ok(Kept::Yes)
    }

    /// Some reports about a domain (all domains: the empty name), those whose time ended first
    /// coming first, after the one that `after` names; and what names the last of them, if there
    /// may be more.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn list(
        &self,
        domain: &str,
        (since, after): (u64, Option<Bytes>),
    ) -> Result<(Vec<Report>, Option<Bytes>), Error> {
        let (first, to) = keys::reports(domain, since);
        // The key that follows immediately has one octet more.
        let from = after.map_or(first, |after| [&after[..], &[0]].concat().into());
        let scan = store::Scan { account: REPORTS, from, to, reverse: false, entries_max: PAGE };
        let page = self.shared.kv.scan(scan).await?;
        let last = page.last().filter(|_| page.len() == PAGE).map(|(key, _)| key.clone());
        let mut reports = Vec::with_capacity(page.len());
        for (key, sealed) in page {
            let damaged = || Error::Damaged("a report".to_owned());
            let (domain, end, number) = keys::of_report(&key).ok_or_else(damaged)?;
            if end < since {
                continue;
            }
            let plain = self.seal.open(Kind::Report, number, &sealed).map_err(|_| damaged())?;
            reports.push(Report::read(&plain, domain).ok_or_else(damaged)?);
        }
        Ok((reports, last))
    }

    /// Takes out what ended before a time. Gives how many went.
    ///
    /// # Errors
    /// The store's; what went before is gone.
    pub async fn purge(&self, before: u64) -> Result<u64, Error> {
        let _turn = self.turn.take().await;
        let (mut from, to) = keys::reports("", 0);
        let mut gone = 0;
        loop {
            let (account, entries_max) = (REPORTS, PAGE);
            let scan = store::Scan { account, from, to: to.clone(), reverse: false, entries_max };
            let page = self.shared.kv.scan(scan).await?;
            for (key, _) in &page {
                let Some((domain, end, _)) = keys::of_report(key) else { continue };
                if end < before {
                    let left = self.count(domain).await?.saturating_sub(1);
                    self.commit(vec![(key.clone(), None), Self::counted(domain, left)]).await?;
                    gone += 1;
                }
            }
            match page.last() {
                Some((last, _)) if page.len() == PAGE => from = [&last[..], &[0]].concat().into(),
                _ => return Ok(gone),
            }
        }
    }

    async fn count(&self, domain: &str) -> Result<u64, Error> {
        let octets = self.shared.kv.get(REPORTS, keys::report_count(domain)).await?;
        let Some(octets) = octets else { return Ok(0) };
        let count = Reader(&octets).number();
        count.ok_or_else(|| Error::Damaged("a number of reports".to_owned()))
    }

    fn counted(domain: &str, count: u64) -> (Bytes, Option<Bytes>) {
        let mut to = Writer::default();
        to.number(count);
        (keys::report_count(domain), (count > 0).then(|| to.0.into()))
    }

    /// One commit; those of one process come one after the other.
    async fn commit(&self, puts: Vec<(Bytes, Option<Bytes>)>) -> Result<(), Error> {
        let account = REPORTS;
        let head = self.shared.kv.head(account).await?;
        let change =
            store::Commit { account, expected: head, head: head + 1, puts, ..Default::default() };
        Ok(self.shared.kv.commit(change).await?)
    }
}
