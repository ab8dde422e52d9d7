//! The order of messages by what stands in them: SORT (RFC 5256, RFC 5957).
//!
//! Invariants: a message's key is a string of octets, and the order of messages is the order of
//! these strings, then that of sequence numbers: nothing else compares. Text is compared by
//! i;unicode-casemap. Where keys come from is told by one place, [`source::Source`]; bodies are
//! never read for it.

pub(crate) mod source;

use crate::{Account, Error, Row};
use ::search::SortKey as Key;
use mail::{MessageId, ModSeq, Uid};
use source::{Facts, Source, Text, Wanted};

/// Octets of a text, casemapped, that are compared; longer ones are equal if these are.
pub const TEXT_OCTETS_MAX: usize = 1_024;
pub use source::REFERENCES_MAX;

/// What messages are ordered by (RFC 5256 §3 BASE.6.4.SORT).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Criterion {
    /// INTERNALDATE.
    Arrival,
    /// Mailbox of the first Cc address.
    Cc,
    /// The Date field, in UTC; INTERNALDATE where there is none that can be read (RFC 5256 §2.2).
    Date,
    /// Mailbox of the first From address.
    From,
    /// Octets.
    Size,
    /// Base subject (RFC 5256 §2.1).
    Subject,
    /// Mailbox of the first To address.
    To,
    /// What is shown of the first From address (RFC 5957 §3).
    DisplayFrom,
    /// What is shown of the first To address (RFC 5957 §3).
    DisplayTo,
    /// Score of a fuzzy search, the highest first (RFC 6203 §6).
    Relevancy,
}

/// A criterion and its direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SortKey {
    /// What.
    pub criterion: Criterion,
    /// In descending order; equals stay in ascending order of sequence numbers.
    pub reverse: bool,
}

/// A message in its place.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sorted {
    /// Its sequence number in the view.
    pub sequence: u32,
    /// Its Uid.
    pub uid: Uid,
    /// Its permanent id.
    pub message: MessageId,
    /// The commit that last touched it.
    pub modseq: ModSeq,
}

impl From<&Row> for Sorted {
    fn from(row: &Row) -> Self {
        Self { sequence: row.sequence, uid: row.uid, message: row.message, modseq: row.modseq }
    }
}

/// Messages that are being gathered to be put in order: [`Sorter::take`] each page of them, then
/// [`Sorter::finish`]. Holds some tens of octets of each.
pub struct Sorter {
    keys: Vec<SortKey>,
    /// From the first page on.
    source: Option<Source>,
    rows: Vec<Sorted>,
    /// Keys of all rows, one after another.
    octets: Vec<u8>,
    /// Where each ends, and where in it a score is missing.
    ends: Vec<(usize, u32)>,
}

impl Sorter {
    /// For the order by these keys, the first of which counts first.
    #[must_use]
    pub fn new(keys: Vec<SortKey>) -> Self {
        let (rows, octets, ends) = (Vec::new(), Vec::new(), Vec::new());
        Self { keys, source: None, rows, octets, ends }
    }

    /// Takes more messages, of higher sequence numbers than those before.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn take(&mut self, account: &Account, rows: &[Row]) -> Result<(), Error> {
        let Self { keys, source, rows: taken, octets, ends } = self;
        let source = match source {
            Some(source) => source,
            none => none.insert(Source::open(account, wanted(keys)).await?),
        };
        let mut take = |row: &Row, facts: &Facts| {
            let score_at = write_key(octets, keys, row, facts);
            ends.push((octets.len(), score_at));
            taken.push(row.into());
        };
        source.facts(account, rows, &mut take).await
    }

    /// All of them in order. `score` tells how relevant a message is, 1 to 100, and is asked if
    /// [`Criterion::Relevancy`] is among the keys.
    #[must_use]
    pub fn finish(mut self, score: impl Fn(MessageId) -> u8) -> Vec<Sorted> {
        let relevancy = self.keys.iter().find(|key| key.criterion == Criterion::Relevancy);
        if let Some(relevancy) = relevancy {
            let mut start = 0;
            for (row, (end, score_at)) in self.rows.iter().zip(&self.ends) {
                // The highest score comes first.
                let score = score(row.message);
                let octet = if relevancy.reverse { score } else { !score };
                if let Some(place) = self.octets.get_mut(start + *score_at as usize) {
                    *place = octet;
                }
                start = *end;
            }
        }
        let Self { rows, octets, ends, .. } = &self;
        let key = |at: usize| {
            let start = at.checked_sub(1).and_then(|before| ends.get(before)).map_or(0, |e| e.0);
            let end = ends.get(at).map_or(start, |end| end.0);
            octets.get(start..end).unwrap_or_default()
        };
        // The first octets beside the place spare most looks at the keys.
        let mut order: Vec<(u64, u32)> =
            (0..rows.len()).zip(0_u32..).map(|(at, place)| (prefix(key(at)), place)).collect();
        order.sort_unstable_by(|(first, a), (second, b)| {
            let by_key = || key(*a as usize).cmp(key(*b as usize));
            first.cmp(second).then_with(by_key).then(a.cmp(b))
        });
        order.iter().filter_map(|(_, place)| rows.get(*place as usize).copied()).collect()
    }
}

/// Where a message belongs among others: keys compare as the messages do, equal ones by sequence
/// number. Scores count as nothing.
///
/// # Errors
/// The store's; [`Error::Damaged`].
pub async fn keys_of(
    account: &Account,
    rows: &[Row],
    keys: &[SortKey],
) -> Result<Vec<Vec<u8>>, Error> {
    let mut written = Vec::with_capacity(rows.len());
    let mut take = |row: &Row, facts: &Facts| {
        let mut octets = Vec::new();
        write_key(&mut octets, keys, row, facts);
        written.push(octets);
    };
    Source::reading(wanted(keys)).facts(account, rows, &mut take).await?;
    Ok(written)
}

/// What the keys need.
fn wanted(keys: &[SortKey]) -> Wanted {
    let mut wanted = Wanted::default();
    for key in keys {
        wanted.sent |= key.criterion == Criterion::Date;
        let slot = text_of(key.criterion).and_then(|text| wanted.texts.get_mut(text.place()));
        if let Some(slot) = slot {
            *slot = true;
        }
    }
    wanted
}

const fn text_of(criterion: Criterion) -> Option<Key> {
    Some(match criterion {
        Criterion::Cc => Key::Cc,
        Criterion::From => Key::From,
        Criterion::Subject => Key::Subject,
        Criterion::To => Key::To,
        Criterion::DisplayFrom => Key::DisplayFrom,
        Criterion::DisplayTo => Key::DisplayTo,
        Criterion::Arrival | Criterion::Date | Criterion::Size | Criterion::Relevancy => {
            return None;
        }
    })
}

/// Appends a message's key; gives where in it its score belongs.
fn write_key(to: &mut Vec<u8>, keys: &[SortKey], row: &Row, facts: &Facts) -> u32 {
    let start = to.len();
    let mut score_at = u32::MAX;
    for key in keys {
        let from = to.len();
        let number = match key.criterion {
            Criterion::Arrival => row.internal_date,
            Criterion::Date => facts.sent,
            Criterion::Size => row.octets.into(),
            Criterion::Relevancy => {
                // Named twice, the first counts; the second cannot tell more.
                if score_at == u32::MAX {
                    score_at = u32::try_from(from - start).unwrap_or(u32::MAX);
                }
                to.push(0);
                continue;
            }
            criterion => {
                if let Some(text) = text_of(criterion).and_then(|key| facts.text(key)) {
                    write_text(to, text);
                }
                reverse(to, from, key.reverse);
                continue;
            }
        };
        // With the sign turned, numbers compare as octets.
        to.extend_from_slice(&(number ^ i64::MIN).to_be_bytes());
        reverse(to, from, key.reverse);
    }
    score_at
}

/// A rank; then nothing, or a text that is above it. So that a text that another begins with comes
/// before it, whatever follows, a zero inside is two octets, and two others end it.
fn write_text(to: &mut Vec<u8>, text: &Text) {
    to.extend_from_slice(&text.rank.to_be_bytes());
    let Some(above) = &text.above else {
        to.push(0);
        return;
    };
    to.push(1);
    let clipped = above.as_bytes().get(..TEXT_OCTETS_MAX).unwrap_or(above.as_bytes());
    for octet in clipped {
        to.push(*octet);
        if *octet == 0 {
            to.push(1);
        }
    }
    to.extend_from_slice(&[0, 0]);
}

fn reverse(to: &mut [u8], from: usize, wanted: bool) {
    if wanted {
        to.iter_mut().skip(from).for_each(|octet| *octet = !*octet);
    }
}

fn prefix(key: &[u8]) -> u64 {
    let mut first = [0; 8];
    first.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
    u64::from_be_bytes(first)
}

#[cfg(test)]
mod tests;
