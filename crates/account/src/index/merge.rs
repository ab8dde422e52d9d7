//! Which segments become one, and how.

use super::{
    Open, Snapshot,
    chunks::{self, Writing},
    manifest::Place,
    own,
    work::Look,
};
use crate::{Account, Error};
use ::search::{Limits, Segment};
use mail::MessageId;
use std::sync::Arc;

/// So many segments of about one size become one. A document is written again each time its segment
/// grows so many times, and a question asks that many segments of each size at most.
const FAN: usize = 4;
/// A segment is written again when fewer of a hundred documents are of messages still there.
const LIVE_PERCENT_MIN: u64 = 70;
/// Segments merged at once.
const MERGED_MAX: usize = 64;

/// A segment as the choice sees it.
#[derive(Clone, Copy, Debug)]
struct Size {
    octets: u64,
    documents: u32,
    live: u32,
}

/// Places of the segments to be merged, ascending; empty when all is well.
fn choose(sizes: &[Size], limits: &Limits) -> Vec<usize> {
    let mut order: Vec<usize> = (0..sizes.len()).collect();
    let octets = |at: &usize| sizes.get(*at).map_or(0, |size| size.octets);
    order.sort_by_key(octets);
    let fits = |run: &[usize]| {
        let sum: u64 = run.iter().map(octets).sum();
        let documents = run.iter().filter_map(|at| sizes.get(*at)).map(|size| size.documents);
        sum <= limits.segment_octets_max
            && documents.map(u64::from).sum::<u64>() <= limits.segment_messages_max.into()
    };
    // The longest run, from the smallest on, in which none is far greater than the one before.
    for start in 0..order.len() {
        let rest = order.get(start..).unwrap_or_default();
        let base = rest.first().map_or(0, octets).max(1);
        let near = rest.iter().take_while(|at| octets(at) < base.saturating_mul(FAN as u64));
        let mut run: Vec<usize> = near.copied().take(MERGED_MAX).collect();
        while run.len() >= FAN && !fits(&run) {
            run.pop();
        }
        if run.len() >= FAN {
            run.sort_unstable();
            return run;
        }
    }
    let dead =
        |size: &&Size| u64::from(size.live) * 100 < u64::from(size.documents) * LIVE_PERCENT_MIN;
    let at = sizes.iter().position(|size| dead(&size));
    at.into_iter().collect()
}

impl Account {
    /// Merges some segments, if that is worth it.
    pub(super) async fn merge_some(&self, snapshot: &Snapshot, look: &Look) -> Result<bool, Error> {
        let limits = Limits::default();
        let sizes = snapshot.segments.iter().zip(&look.live).map(|(open, live)| Size {
            octets: open.place.octets,
            documents: open.place.documents,
            live: live.len(),
        });
        let chosen = choose(&sizes.collect::<Vec<_>>(), &limits);
        if chosen.is_empty() {
            return Ok(false);
        }
        let old: Vec<_> = chosen.iter().filter_map(|at| snapshot.segments.get(*at)).collect();
        let segments: Vec<&Segment> = old.iter().map(|open| &open.segment).collect();
        let keep = |message: MessageId| {
            let each = old.iter().zip(chosen.iter().filter_map(|at| look.live.get(*at)));
            let found = |open: &Open| open.ids.ordinal(message.0);
            each.into_iter()
                .any(|(open, live)| found(open).is_some_and(|ordinal| live.contains(ordinal)))
        };
        let mut manifest = snapshot.manifest.clone();
        let number = manifest.next;
        let mut writing = Writing::new(self, number);
        let documents = match ::search::merge(&segments, &keep, limits, &mut writing).await {
            Ok(documents) => documents,
            Err(error) => {
                let error = own(error);
                let found = matches!(error, Error::Damaged(_)) && self.break_off(&old).await;
                // The next step drops what is broken, and makes it anew.
                return if found { Ok(true) } else { Err(error) };
            }
        };
        let octets = writing.finish().await?;
        manifest.next = number.saturating_add(1);
        manifest.places.retain(|place| !old.iter().any(|open| open.place == *place));
        let first = old.iter().map(|open| open.place.first).min().unwrap_or(0);
        let last = old.iter().map(|open| open.place.last).max().unwrap_or(0);
        let mut drops: Vec<u64> = old.iter().flat_map(|open| chunks::blobs(&open.place)).collect();
        let place = Place { number, first, last, documents, octets };
        match documents {
            0 => drops.extend(chunks::blobs(&place)),
            _ => manifest.places.push(place),
        }
        self.commit_index(manifest, drops).await?;
        Ok(true)
    }

    /// Finds out which of these segments are damaged; whether any is.
    async fn break_off(&self, segments: &[&Arc<Open>]) -> bool {
        let mut found = false;
        for open in segments {
            if let Err(error) = self.verify_segment(open.place).await {
                found = true;
                if open.break_off() {
                    let (account, segment) = (self.id.0, open.place.number);
                    tracing::warn!(account, segment, %error, "search segment not usable");
                }
            }
        }
        found
    }

    /// Reads every chunk of a segment, from the disk.
    pub(crate) async fn verify_segment(&self, place: Place) -> Result<(), Error> {
        let stored = self.stored(place);
        for at in 0..chunks::chunks_of(place.octets) {
            stored.read_chunk(at).await?;
        }
        self.open_segment(place).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn size(octets: u64) -> Size {
        Size { octets, documents: 10, live: 10 }
    }

    fn chosen(octets: &[u64]) -> Vec<usize> {
        let sizes: Vec<Size> = octets.iter().copied().map(size).collect();
        choose(&sizes, &Limits { segment_octets_max: 1_000, ..Limits::default() })
    }

    #[test]
    fn as_many_of_one_size_become_one() {
        assert!(chosen(&[]).is_empty());
        assert!(chosen(&[10, 11, 12]).is_empty());
        assert_eq!(chosen(&[10, 11, 12, 13]), [0, 1, 2, 3]);
        assert_eq!(chosen(&[900, 10, 11, 12, 13]), [1, 2, 3, 4]);
        assert!(chosen(&[1, 10, 100, 900]).is_empty());
    }

    #[test]
    fn what_would_be_too_big_stays_apart() {
        assert_eq!(chosen(&[250, 250, 250, 250]), [0, 1, 2, 3]);
        assert!(chosen(&[250, 250, 250, 251]).is_empty());
    }

    #[test]
    fn a_segment_of_dead_documents_is_written_again() {
        let dead = Size { live: 6, ..size(10) };
        let alive = Size { live: 7, ..size(10) };
        assert_eq!(choose(&[alive, dead], &Limits::default()), [1]);
        assert!(choose(&[alive], &Limits::default()).is_empty());
    }

    #[test]
    fn work_for_a_message_grows_with_the_logarithm() {
        let (mut sizes, mut written) = (Vec::<Size>::new(), 0);
        for _ in 0..1_000 {
            sizes.push(size(1));
            loop {
                let run = choose(&sizes, &Limits::default());
                if run.is_empty() {
                    break;
                }
                let sum = run.iter().map(|at| sizes[*at].octets).sum();
                written += sum;
                let mut at = 0;
                sizes.retain(|_| {
                    at += 1;
                    !run.contains(&(at - 1))
                });
                sizes.push(size(sum));
            }
            assert!(sizes.len() < 20);
        }
        assert!(written < 6 * 1_000, "{written}");
    }
}
