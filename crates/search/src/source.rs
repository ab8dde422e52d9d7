//! Where a segment's bytes come from and go to.

use crate::Error;
use bytes::Bytes;
use std::{
    future::{Future, ready},
    ops::Range,
    pin::Pin,
};

/// What a source or sink promises.
pub type Fut<'a, T> = Pin<Box<dyn Future<Output = Result<T, Error>> + Send + 'a>>;

/// The bytes of a segment, read by ranges. Reads are few and large: neighbours are asked for
/// together.
pub trait Source: Send + Sync {
    /// Octets in all.
    fn size(&self) -> u64;

    /// Exactly the octets of that range, which lies within [`Source::size`]. Fewer are damage.
    fn read(&self, range: Range<u64>) -> Fut<'_, Bytes>;
}

/// Takes the bytes of a new segment in order.
pub trait Sink: Send {
    /// Appends.
    fn write(&mut self, octets: Bytes) -> Fut<'_, ()>;
}

impl Source for Bytes {
    fn size(&self) -> u64 {
        self.len() as u64
    }

    fn read(&self, range: Range<u64>) -> Fut<'_, Bytes> {
        let start = usize::try_from(range.start).unwrap_or(usize::MAX);
        let end = usize::try_from(range.end).unwrap_or(usize::MAX);
        let whole = start <= end && end <= self.len();
        Box::pin(ready(if whole {
            Ok(self.slice(start..end))
        } else {
            Err(Error::Damaged("segment shorter than it says"))
        }))
    }
}

impl Sink for Vec<u8> {
    fn write(&mut self, octets: Bytes) -> Fut<'_, ()> {
        self.extend_from_slice(&octets);
        Box::pin(ready(Ok(())))
    }
}
