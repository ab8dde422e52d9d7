//! The DNS tree walk (RFC 9989 §4.10): which names above have records, and whose name it is.

use super::record::{PublicSuffix, Record};
use crate::dns::{Dns, Failure};
use std::collections::BTreeMap;

/// "domain names with more than eight labels do not result in more than eight DNS queries".
pub const QUERIES_MAX: usize = 8;

/// Asks for records, each name once in one check.
pub struct Walker<'a, D> {
    dns: &'a D,
    known: BTreeMap<String, Option<Record>>,
}

/// Somebody did not answer: the name that was asked.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unanswered(pub String);

/// What one walk found, from the longest name to the shortest.
pub struct Walk {
    start: String,
    pub found: Vec<(String, Record)>,
}

impl<'a, D: Dns> Walker<'a, D> {
    pub const fn new(dns: &'a D) -> Self {
        Self { dns, known: BTreeMap::new() }
    }

    /// Walks up from a name in lower case, in A-labels.
    pub async fn walk(&mut self, start: &str) -> Result<Walk, Unanswered> {
        let mut found = Vec::new();
        for name in targets(start) {
            let Some(record) = self.record(name).await? else { continue };
            let ends = match record.public_suffix {
                PublicSuffix::No => true,
                // The start may itself be a public suffix (step 2 names psd=n only).
                PublicSuffix::Yes => name != start,
                PublicSuffix::Unknown => false,
            };
            found.push((name.to_owned(), record));
            if ends {
                break;
            }
        }
        Ok(Walk { start: start.to_owned(), found })
    }

    /// "Records that do not start with a "v" tag … are discarded. If multiple DMARC records are
    /// returned, they are all discarded."
    async fn record(&mut self, name: &str) -> Result<Option<Record>, Unanswered> {
        if let Some(known) = self.known.get(name) {
            return Ok(known.clone());
        }
        let asked = format!("_dmarc.{name}");
        let texts = match self.dns.txt(&asked).await {
            Ok(texts) => texts,
            Err(Failure::Temporary) => return Err(Unanswered(asked)),
            Err(Failure::NoSuchName | Failure::NoRecords) => Vec::new(),
        };
        let mut records = texts.iter().filter_map(|text| Record::parse(text));
        let only = records.next().filter(|_| records.next().is_none());
        self.known.insert(name.to_owned(), only.clone());
        Ok(only)
    }
}

/// The name, then its parents; of eight labels or more, the next after the name itself is the one
/// with seven.
fn targets(start: &str) -> impl Iterator<Item = &str> {
    let parents = std::iter::successors(Some(start), |name| name.split_once('.').map(|(_, up)| up));
    let labels = start.split('.').count();
    let skipped = labels.saturating_sub(QUERIES_MAX);
    parents.enumerate().filter(move |(at, _)| *at == 0 || *at > skipped).map(|(_, name)| name)
}

impl Walk {
    /// Where the walk began.
    pub fn start(&self) -> &str {
        &self.start
    }

    /// RFC 9989 §4.10.2.
    pub fn organizational(&self) -> &str {
        for (name, record) in &self.found {
            match record.public_suffix {
                PublicSuffix::No => return name,
                PublicSuffix::Yes if *name != self.start => return self.below(name),
                PublicSuffix::Yes | PublicSuffix::Unknown => {}
            }
        }
        self.found.last().map_or(&self.start, |(name, _)| name)
    }

    /// The name of the start one label longer than this one.
    fn below(&self, suffix: &str) -> &str {
        let before = self.start.len().saturating_sub(suffix.len() + 1);
        let labels = self.start.get(..before).unwrap_or_default();
        labels.rfind('.').and_then(|dot| self.start.get(dot + 1..)).unwrap_or(&self.start)
    }

    /// RFC 9989 §4.10.1: the record of the author's domain, of its organizational domain, of the
    /// public suffix above, in this order.
    pub fn policy(&self) -> Option<&(String, Record)> {
        let organizational = self.organizational();
        let at = |wanted: &str| self.found.iter().find(|(name, _)| name == wanted);
        let suffix = || {
            self.found.iter().find(|(name, record)| {
                record.public_suffix == PublicSuffix::Yes && *name != self.start
            })
        };
        at(&self.start).or_else(|| at(organizational)).or_else(suffix)
    }
}
