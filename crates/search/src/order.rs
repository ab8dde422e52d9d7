//! The order of several segments' documents by a sort key (RFC 5256 §3), without opening records.

use crate::{Error, Segment, SortKey};
use std::collections::BTreeMap;

/// Of every segment, by ordinal, the rank of each document's key among all: documents with equal
/// keys have equal ranks, and a greater rank means a greater key (compared octet by octet, as
/// i;unicode-casemap does). Ranks start at 0 and have no gaps.
///
/// # Errors
/// [`Error::Damaged`]; those of the sources.
pub async fn ranks(segments: &[&Segment], key: SortKey) -> Result<Vec<Vec<u32>>, Error> {
    let mut places = BTreeMap::new();
    for segment in segments {
        for document in segment.stored() {
            places.insert(document.sort.get(key.place()).map(String::as_str), 0_u32);
        }
    }
    for (rank, place) in places.values_mut().enumerate() {
        *place = rank as u32;
    }
    let rank = |document: &crate::Document| {
        places.get(&document.sort.get(key.place()).map(String::as_str)).copied().unwrap_or(0)
    };
    Ok(segments.iter().map(|segment| segment.stored().iter().map(rank).collect()).collect())
}
