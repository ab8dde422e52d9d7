//! Several segments into one.

use crate::{Error, Limits, Segment, Sink};
use mail::MessageId;

/// Writes one segment with the documents of all these for which `keep` holds, and gives how many
/// they are. Where the same message is in several, the last segment's document counts.
///
/// # Errors
/// [`Error::Full`] when [`Limits`] would be passed (what was written is then to be dropped);
/// [`Error::Damaged`]; those of sources and sink.
pub async fn merge(
    segments: &[&Segment],
    keep: &(dyn Fn(MessageId) -> bool + Sync),
    limits: Limits,
    sink: &mut dyn Sink,
) -> Result<u32, Error> {
    let mut all = std::collections::BTreeMap::new();
    for segment in segments {
        for document in segment.stored() {
            all.insert(document.message, document);
        }
    }
    let mut builder = crate::Builder::new(limits);
    for document in all.into_values().filter(|one| keep(one.message)) {
        builder.push(document)?;
    }
    let documents = builder.len();
    sink.write(builder.finish()?.into()).await?;
    Ok(documents)
}
