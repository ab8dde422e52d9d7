//! What reports to other domains need of the queue.

use super::Outbound;
use account::queue::{Envelope, Queued, Tally, TallyRow};
use bytes::Bytes;

impl Outbound {
    /// A report to another domain goes into the queue, in the commit that takes out what it tells
    /// of; without one, that alone is done.
    ///
    /// # Errors
    /// The store's.
    pub async fn close_tally(
        &self,
        told: (&Tally, &[TallyRow]),
        message: Option<(Envelope, Bytes)>,
    ) -> Result<(), account::Error> {
        let Some((envelope, content)) = message else {
            return self.queue.close_tally(told, None).await.map(|_| ());
        };
        let envelope = self.begun(envelope, &content);
        if let Some(id) = self.queue.close_tally(told, Some((&envelope, &content))).await? {
            tracing::info!(queue = %id, octets = content.len(), "report");
            self.enter(Queued::new(id, envelope, Vec::new()), Some(content)).await;
        }
        Ok(())
    }
}
