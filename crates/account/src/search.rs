//! Search by reading: exact and complete. The index first, records next, bodies last.

use crate::{Account, Error, Numbers, Record, Row, View};
use mail::{Keyword, MessageId, ModSeq, NumberSet, SystemFlags, ThreadId, header, text};
use std::sync::Arc;

/// Messages looked at in one step, when only the index is needed.
const STEP_ROWS: usize = 4_096;
/// Messages looked at in one step, when records are needed.
const STEP_RECORDS: usize = 256;
/// Octets of bodies read in one step.
const STEP_OCTETS: u64 = 4 << 20;
/// Seconds of a day.
const DAY_SECONDS: i64 = 86_400;

/// A search program (RFC 9051 §6.4.4) with sets resolved and charsets decoded.
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Query {
    All,
    /// None at all.
    Nothing,
    And(Vec<Query>),
    Or(Box<Query>, Box<Query>),
    Not(Box<Query>),
    Sequence(NumberSet),
    Uid(NumberSet),
    System(SystemFlags),
    Recent,
    Keyword(Keyword),
    /// Octets greater than.
    Larger(u64),
    /// Octets smaller than.
    Smaller(u64),
    /// INTERNALDATE in [from, to), seconds since 1970 UTC.
    Internal(Option<i64>, Option<i64>),
    /// Date field's local day, days since 1970, in [from, to).
    Sent(Option<i64>, Option<i64>),
    /// When saved, in [from, to), seconds since 1970 UTC (RFC 8514).
    Saved(Option<i64>, Option<i64>),
    /// Field name and substring; an empty substring asks for the field's presence.
    Header(String, String),
    /// Substring of From, To, Cc, Bcc addresses and names as ENVELOPE holds them, or of Subject:
    /// the field name.
    Body(String),
    Text(String),
    /// Changed at or after (RFC 7162 MODSEQ).
    ModSeq(ModSeq),
    Message(MessageId),
    Thread(ThreadId),
}

/// How much of a message a query must see.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Needs {
    Index,
    Record,
    Body,
}

impl Query {
    fn needs(&self) -> Needs {
        match self {
            Self::And(all) => all.iter().map(Self::needs).max().unwrap_or(Needs::Index),
            Self::Or(a, b) => a.needs().max(b.needs()),
            Self::Not(a) => a.needs(),
            Self::Sent(..) | Self::Saved(..) => Needs::Record,
            Self::Header(..) => Needs::Record,
            Self::Body(_) | Self::Text(_) => Needs::Body,
            Self::All
            | Self::Nothing
            | Self::Sequence(_)
            | Self::Uid(_)
            | Self::System(_)
            | Self::Recent
            | Self::Keyword(_)
            | Self::Larger(_)
            | Self::Smaller(_)
            | Self::Internal(..)
            | Self::ModSeq(_)
            | Self::Message(_)
            | Self::Thread(_) => Needs::Index,
        }
    }

    /// The needles as they are compared.
    fn casemapped(self) -> Self {
        let each = |q: Box<Self>| Box::new(q.casemapped());
        match self {
            Self::And(all) => Self::And(all.into_iter().map(Self::casemapped).collect()),
            Self::Or(a, b) => Self::Or(each(a), each(b)),
            Self::Not(a) => Self::Not(each(a)),
            Self::Header(name, value) => Self::Header(name, text::casemap(&value)),
            Self::Body(value) => Self::Body(text::casemap(&value)),
            Self::Text(value) => Self::Text(text::casemap(&value)),
            other => other,
        }
    }

    /// What the index alone says; `None` when more must be seen.
    fn by_index(&self, row: &Row) -> Option<bool> {
        Some(match self {
            Self::All => true,
            Self::Nothing => false,
            Self::And(all) => {
                let mut open = false;
                for one in all {
                    match one.by_index(row) {
                        Some(false) => return Some(false),
                        Some(true) => {}
                        None => open = true,
                    }
                }
                if open {
                    return None;
                }
                true
            }
            Self::Or(a, b) => match (a.by_index(row), b.by_index(row)) {
                (Some(true), _) | (_, Some(true)) => true,
                (Some(false), Some(false)) => false,
                _ => return None,
            },
            Self::Not(a) => !a.by_index(row)?,
            Self::Sequence(set) => set.contains(row.sequence),
            Self::Uid(set) => set.contains(row.uid.0),
            Self::System(flags) => row.system.contains(*flags),
            Self::Recent => row.recent,
            Self::Keyword(keyword) => row.keywords.contains(keyword),
            Self::Larger(octets) => u64::from(row.octets) > *octets,
            Self::Smaller(octets) => u64::from(row.octets) < *octets,
            Self::Internal(from, to) => within(row.internal_date, (*from, *to)),
            Self::ModSeq(modseq) => row.modseq >= *modseq,
            Self::Message(message) => row.message == *message,
            Self::Thread(thread) => row.thread == *thread,
            Self::Sent(..) | Self::Saved(..) | Self::Header(..) | Self::Body(_) | Self::Text(_) => {
                return None;
            }
        })
    }
}

fn within(value: i64, (from, to): (Option<i64>, Option<i64>)) -> bool {
    from.is_none_or(|from| value >= from) && to.is_none_or(|to| value < to)
}

/// A message being looked at; what is read of it is read once.
struct Look<'a> {
    account: &'a Account,
    row: &'a Row,
    record: &'a Record,
    body: Option<bytes::Bytes>,
    header: Option<String>,
    texts: Option<String>,
    octets: u64,
}

impl Look<'_> {
    async fn body(&mut self) -> Result<bytes::Bytes, Error> {
        if let Some(body) = &self.body {
            return Ok(body.clone());
        }
        let body = self.account.body(self.record, 0..u32::MAX).await?;
        self.octets += body.len() as u64;
        self.body = Some(body.clone());
        Ok(body)
    }

    async fn field(&mut self, name: &str, needle: &str) -> Result<bool, Error> {
        if self.record.holds_field(name) {
            return Ok(holds(self.record.fields(), name, needle));
        }
        let head = self.account.body(self.record, 0..self.record.header_octets()).await?;
        self.octets += head.len() as u64;
        Ok(holds(&head, name, needle))
    }

    /// All text parts, decoded.
    async fn texts(&mut self, needle: &str) -> Result<bool, Error> {
        if self.texts.is_none() {
            let body = self.body().await?;
            let mut all = String::new();
            text::texts(&self.record.structure(), &body, &mut |part| {
                all.push_str(&text::casemap(part));
                all.push('\n');
                true
            });
            self.texts = Some(all);
        }
        Ok(self.texts.as_deref().is_some_and(|all| all.contains(needle)))
    }

    async fn header(&mut self, needle: &str) -> Result<bool, Error> {
        if self.header.is_none() {
            let whole = self.record.holds_header();
            let head = if whole {
                bytes::Bytes::copy_from_slice(self.record.fields())
            } else {
                self.account.body(self.record, 0..self.record.header_octets()).await?
            };
            let mut all = String::new();
            for field in header::fields(&head) {
                all.push_str(&String::from_utf8_lossy(field.name));
                all.push_str(": ");
                all.push_str(&text::decode_header(&field.unfolded()));
                all.push('\n');
            }
            self.header = Some(text::casemap(&all));
        }
        Ok(self.header.as_deref().is_some_and(|all| all.contains(needle)))
    }

    async fn matches(&mut self, query: &Query) -> Result<bool, Error> {
        if let Some(known) = query.by_index(self.row) {
            return Ok(known);
        }
        Ok(match query {
            Query::And(all) => {
                // Cheap ones first: a body is read only for what all others let through.
                let mut ordered: Vec<&Query> = all.iter().collect();
                ordered.sort_by_key(|one| one.needs());
                for one in ordered {
                    if !Box::pin(self.matches(one)).await? {
                        return Ok(false);
                    }
                }
                true
            }
            Query::Or(a, b) => {
                let (first, second) = if a.needs() <= b.needs() { (a, b) } else { (b, a) };
                Box::pin(self.matches(first)).await? || Box::pin(self.matches(second)).await?
            }
            Query::Not(a) => !Box::pin(self.matches(a)).await?,
            Query::Sent(from, to) => self.record.sent_date().is_some_and(|(seconds, zone)| {
                let local = seconds.saturating_add(i64::from(zone) * 60);
                within(local.div_euclid(DAY_SECONDS), (*from, *to))
            }),
            Query::Saved(from, to) => within(self.record.save_date(), (*from, *to)),
            Query::Header(name, needle) => self.field(name, needle).await?,
            Query::Body(needle) => self.texts(needle).await?,
            Query::Text(needle) => self.header(needle).await? || self.texts(needle).await?,
            _ => false,
        })
    }
}

/// Whether a field of that name contains the needle, decoded; an empty needle asks for the field.
fn holds(head: &[u8], name: &str, needle: &str) -> bool {
    header::fields(head).filter(|field| field.is(name)).any(|field| {
        needle.is_empty() || text::casemap(&text::decode_header(&field.unfolded())).contains(needle)
    })
}

/// A search in progress: call [`Search::step`] until it is done, so that the caller can tell of
/// progress and a peer that left stops it.
pub struct Search {
    query: Query,
    next: u32,
    total: u32,
}

impl Search {
    /// Starts a search of a view.
    #[must_use]
    pub fn new(query: Query) -> Self {
        Self { query: query.casemapped(), next: 1, total: 0 }
    }

    /// Looks at some more messages (bounded in octets read); gives rows that match, ascending, and
    /// whether there may be more.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn step(&mut self, view: &mut View) -> Result<(Vec<Row>, bool), Error> {
        self.total = view.exists();
        let all = NumberSet::of([(1, u32::MAX - 1)]);
        let needs = self.query.needs();
        let rows_max = if needs == Needs::Index { STEP_ROWS } else { STEP_RECORDS };
        let rows = view.rows(&all, Numbers::Sequence, self.next, rows_max);
        let more = rows.len() == rows_max;
        let account = Arc::clone(view.account());
        let mut found = Vec::new();
        let mut open = Vec::new();
        for row in &rows {
            match self.query.by_index(row) {
                Some(true) => found.push(row.clone()),
                Some(false) => {}
                None => open.push(row),
            }
        }
        let Some(last) = rows.last() else { return Ok((found, false)) };
        let ids: Vec<MessageId> = open.iter().map(|row| row.message).collect();
        let records = account.records(&ids).await?;
        let mut octets = 0;
        self.next = last.sequence + 1;
        for (row, record) in open.iter().zip(&records) {
            if octets > STEP_OCTETS {
                // The rest of these rows is looked at by the next step.
                self.next = row.sequence;
                found.retain(|one| one.sequence < row.sequence);
                found.sort_by_key(|row| row.sequence);
                return Ok((found, true));
            }
            let Some(record) = record else { continue };
            let mut look = Look {
                account: &account,
                row,
                record,
                body: None,
                header: None,
                texts: None,
                octets: 0,
            };
            if look.matches(&self.query).await? {
                found.push((*row).clone());
            }
            octets += look.octets;
        }
        found.sort_by_key(|row| row.sequence);
        Ok((found, more))
    }

    /// (messages looked at, messages in all)
    #[must_use]
    pub fn progress(&self) -> (u32, u32) {
        (self.next.saturating_sub(1).min(self.total), self.total)
    }
}
