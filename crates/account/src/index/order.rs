//! What the index knows of many messages at once: the order of their texts, when they were sent,
//! what they refer to. For SORT and THREAD, which would read as many records otherwise.

use super::{Snapshot, cache::Ranks, own};
use crate::{Account, Error};
use ::search::{Links, Segment, SortKey};
use std::sync::Arc;

/// How often the index is asked anew when it changes or turns out to be damaged meanwhile.
const TRIES_MAX: usize = 8;

/// What is asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(crate) struct Columns {
    /// Texts, by [`SortKey::place`].
    pub keys: [bool; 6],
    pub sent: bool,
    pub links: bool,
}

/// The index's columns at one moment. Messages that it does not hold are for others to read.
#[derive(Default)]
pub(crate) struct Ordered {
    snapshot: Arc<Snapshot>,
    ranks: [Option<Ranks>; 6],
    sent: Vec<Vec<Option<(i64, i16)>>>,
    links: Vec<Links>,
    /// Where the last message was found.
    hint: usize,
}

/// A message in the index: its segment and ordinal.
pub(crate) type Place = (usize, u32);

impl Ordered {
    /// Reads columns. What is damaged is left out as if it were not indexed.
    pub async fn open(account: &Account, columns: Columns) -> Result<Self, Error> {
        if columns == Columns::default() {
            return Ok(Self::default());
        }
        for _ in 0..TRIES_MAX {
            let snapshot = account.index().await?;
            // Ranks are of all segments together: of what is broken there are none.
            if snapshot.segments.iter().any(|open| open.is_broken()) {
                break;
            }
            match Self::read(account, &snapshot, columns).await {
                Ok(ordered) => return Ok(ordered),
                Err((at, error @ Error::Damaged(_))) => {
                    account.segment_failed(&snapshot, at, &error);
                }
                Err((_, error)) => return Err(error),
            }
        }
        Ok(Self::default())
    }

    /// An error comes with the place of a segment that it is of.
    async fn read(
        account: &Account,
        snapshot: &Arc<Snapshot>,
        columns: Columns,
    ) -> Result<Self, (usize, Error)> {
        let mut ordered = Self { snapshot: Arc::clone(snapshot), ..Self::default() };
        for (at, open) in snapshot.segments.iter().enumerate() {
            if columns.sent {
                let sent = open.segment.sent().await.map_err(|error| (at, own(error)))?;
                ordered.sent.push(sent);
            }
            if columns.links {
                let links = open.segment.links().await.map_err(|error| (at, own(error)))?;
                ordered.links.push(links);
            }
        }
        for key in SortKey::ALL {
            if !columns.keys.get(key.place()).is_some_and(|wanted| *wanted) {
                continue;
            }
            let ranks = ordered.ranks_of(account, key).await;
            let ranks = match ranks {
                Ok(ranks) => ranks,
                Err(error) => return Err((account.damaged_of(snapshot).await, error)),
            };
            if let Some(slot) = ordered.ranks.get_mut(key.place()) {
                *slot = Some(ranks);
            }
        }
        Ok(ordered)
    }

    async fn ranks_of(&self, account: &Account, key: SortKey) -> Result<Ranks, Error> {
        let number = self.snapshot.manifest.next;
        let place = u8::try_from(key.place()).unwrap_or(u8::MAX);
        let cache = &account.shared.texts;
        if let Some(known) = cache.ranks(account.id.0, number, place)
            && known.len() == self.snapshot.segments.len()
        {
            return Ok(known);
        }
        let ranks = Arc::new(::search::ranks(&self.segments(), key).await.map_err(own)?);
        cache.remember_ranks((account.id.0, number, place), &ranks);
        Ok(ranks)
    }

    fn segments(&self) -> Vec<&Segment> {
        self.snapshot.segments.iter().map(|open| &open.segment).collect()
    }

    /// Where a message is.
    pub fn place(&mut self, message: u32) -> Option<Place> {
        self.snapshot.find(message, &mut self.hint)
    }

    /// The rank of a message's text among all that are indexed.
    pub fn rank(&self, key: SortKey, (segment, ordinal): Place) -> u32 {
        let ranks = self.ranks.get(key.place()).and_then(Option::as_ref);
        let ranks = ranks.and_then(|ranks| ranks.get(segment));
        ranks.and_then(|ranks| ranks.get(ordinal as usize)).copied().unwrap_or(0)
    }

    /// Where texts, ascending, belong among these.
    pub async fn places(
        &self,
        account: &Account,
        key: SortKey,
        texts: &[&str],
    ) -> Result<Vec<(u32, bool)>, Error> {
        let found = ::search::places(&self.segments(), key, texts).await.map_err(own);
        if let Err(error @ Error::Damaged(_)) = &found {
            // Who asks again is answered without it.
            let at = account.damaged_of(&self.snapshot).await;
            account.segment_failed(&self.snapshot, at, error);
        }
        found
    }

    /// Its Date field.
    pub fn sent(&self, (segment, ordinal): Place) -> Option<i64> {
        let (seconds, _) = (*self.sent.get(segment)?.get(ordinal as usize)?)?;
        Some(seconds)
    }

    /// Hash of its Message-ID, hashes of what it refers to, and whether it is a reply.
    pub fn links(&self, (segment, ordinal): Place) -> Option<(u64, &[u64], bool)> {
        let (links, at) = (self.links.get(segment)?, ordinal as usize);
        Some((*links.message_ids.get(at)?, links.references.get(at)?, *links.replies.get(at)?))
    }
}

impl Account {
    /// The first segment that does not open as a whole; the first one when all do.
    async fn damaged_of(&self, snapshot: &Snapshot) -> usize {
        for (at, open) in snapshot.segments.iter().enumerate() {
            if self.verify_segment(open.place).await.is_err() {
                return at;
            }
        }
        0
    }
}
