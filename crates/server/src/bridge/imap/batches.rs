//! UIDBATCHES (RFC 10022).

use super::{Imap, refusal::Stop};
use account::Numbers;
use imap::{
    Session,
    effect::{Done, Refusal},
};
use mail::NumberSet;

impl Imap {
    /// Ranges of Uids from the newest messages to the oldest, each of so many messages but for the
    /// last.
    pub(super) fn uid_batches(
        &mut self,
        session: &mut Session,
        messages: u32,
        wanted: Option<(u32, u32)>,
    ) -> Result<Done, Stop> {
        let selected = self.selected.as_deref_mut().ok_or(Refusal::Bug)?;
        let exists = selected.view.exists();
        let (first, last) = wanted.unwrap_or((1, u32::MAX));
        let mut ranges = Vec::new();
        for batch in first..=last.min(exists.div_ceil(messages)) {
            let newest = exists - (batch - 1) * messages;
            let oldest = newest.saturating_sub(messages) + 1;
            let ends = NumberSet::of_numbers([oldest, newest]);
            let rows = selected.view.rows(&ends, Numbers::Sequence, 1, 2);
            if let (Some(oldest), Some(newest)) = (rows.first(), rows.last()) {
                ranges.push((newest.uid, oldest.uid));
            }
        }
        session.reply().uid_batches(&ranges);
        Ok(Done::Ok(None))
    }
}
