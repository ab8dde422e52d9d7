//! The order of several segments' documents by a sort key (RFC 5256 §3), without opening records.

use crate::{
    Error, Field, Segment, SortKey,
    column::{Column, ValueCursor},
};

/// Of every segment, by ordinal, the rank of each document's key among all: documents with equal
/// keys have equal ranks, and a greater rank means a greater key (compared octet by octet, as
/// i;unicode-casemap does). Ranks start at 1 and have no gaps.
///
/// # Errors
/// [`Error::Damaged`]; those of the sources.
pub async fn ranks(segments: &[&Segment], key: SortKey) -> Result<Vec<Vec<u32>>, Error> {
    let column = (Field::ALL.len() + key.place()) as u8;
    let mut merged = MergedValues::new(segments, column).await?;
    let mut places: Vec<Vec<u32>> = vec![vec![0]; segments.len()];
    let mut rank = 0;
    while let Some((_, holders)) = merged.next().await? {
        rank += 1;
        for holder in holders {
            if let Some(places) = places.get_mut(holder) {
                places.push(rank);
            }
        }
    }
    let mut all = Vec::with_capacity(segments.len());
    for (segment, places) in segments.iter().zip(&places) {
        let mut ranks = Column::new(&segment.input, column).ranks().await?;
        for rank in &mut ranks {
            *rank = places.get(*rank as usize).copied().unwrap_or(0);
        }
        all.push(ranks);
    }
    Ok(all)
}

/// Where texts, ascending, belong among the keys of all segments: the rank, as in [`ranks`], of the
/// greatest key that is not above, 0 when all are; and whether it is equal.
///
/// # Errors
/// As [`ranks`].
pub async fn places(
    segments: &[&Segment],
    key: SortKey,
    texts: &[&str],
) -> Result<Vec<(u32, bool)>, Error> {
    let mut found = Vec::with_capacity(texts.len());
    if texts.is_empty() {
        return Ok(found);
    }
    let column = (Field::ALL.len() + key.place()) as u8;
    let mut merged = MergedValues::new(segments, column).await?;
    let (mut rank, mut equal) = (0, String::new());
    let mut next = merged.next().await?;
    for text in texts {
        while let Some((value, _)) = next.take_if(|(value, _)| value.as_str() <= *text) {
            (rank, equal) = (rank + 1, value);
            next = merged.next().await?;
        }
        found.push((rank, rank > 0 && equal == *text));
    }
    Ok(found)
}

/// The distinct values of a column of several segments, in order.
pub struct MergedValues<'s> {
    cursors: Vec<(ValueCursor<'s>, Option<String>)>,
}

impl<'s> MergedValues<'s> {
    /// Before the first.
    ///
    /// # Errors
    /// As [`ranks`].
    pub async fn new(segments: &[&'s Segment], column: u8) -> Result<Self, Error> {
        let mut cursors = Vec::with_capacity(segments.len());
        for segment in segments {
            let mut cursor = ValueCursor::new(Column::new(&segment.input, column));
            let value = cursor.next().await?;
            cursors.push((cursor, value));
        }
        Ok(Self { cursors })
    }

    /// The next value, and the places of the segments that have it.
    ///
    /// # Errors
    /// As [`ranks`].
    pub async fn next(&mut self) -> Result<Option<(String, Vec<usize>)>, Error> {
        let values = self.cursors.iter().filter_map(|(_, value)| value.as_deref());
        let Some(least) = values.min().map(str::to_owned) else { return Ok(None) };
        let mut holders = Vec::new();
        for (at, (cursor, value)) in self.cursors.iter_mut().enumerate() {
            if value.as_deref() == Some(least.as_str()) {
                holders.push(at);
                *value = cursor.next().await?;
            }
        }
        Ok(Some((least, holders)))
    }
}
