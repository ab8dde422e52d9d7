//! One message that many accounts get by one answer: whoever retries it stores nothing twice.
//! `docs/decisions/0006-retried-deliveries.md` tells why.
//!
//! Invariants: the mark of a transaction is written in the commit that stores the message, so that
//! an account has both or neither; it is forgotten once the transaction ended well everywhere. At
//! most [`MARKS_MAX`] are kept, each for [`MARK_SECONDS`].

use crate::{
    Account, Error, NewMessage, Refused, account::Inner, flight::Landing, plan::Planned,
    seal::Kind, state::State,
};
use mail::MailboxId;
use std::sync::Arc;

/// How long a sender may retry a message: "the give-up time generally needs to be at least 4-5
/// days" (RFC 5321 §4.5.4.1).
pub const MARK_SECONDS: i64 = 5 * 86_400;
/// Marks of transactions that did not end well, in one account; the oldest go first.
pub const MARKS_MAX: usize = 1_000;

/// A message as one sender gave it: the same each time that the sender tries again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Transaction([u8; 32]);

impl Transaction {
    /// Of the reverse-path and the content as it came, before anything was written on top of it.
    #[must_use]
    pub fn new(sender: &str, content: &[u8]) -> Self {
        let mut hasher = blake3::Hasher::new();
        // Its length first: no two pairs of sender and content are the same bytes.
        hasher.update(&(sender.len() as u64).to_be_bytes());
        hasher.update(sender.as_bytes());
        hasher.update(content);
        Self(*hasher.finalize().as_bytes())
    }
}

/// Where an account has a transaction's message.
enum Known {
    No,
    Yes,
    /// On its way to the disk.
    Flying(Arc<Landing>),
}

impl State {
    /// A mark became durable.
    pub(crate) fn mark(&mut self, mark: u64, time: i64) {
        self.marks.insert(mark, time);
        if self.marks.len() > MARKS_MAX {
            let oldest = self.marks.iter().min_by_key(|(mark, time)| (**time, **mark));
            if let Some(oldest) = oldest.map(|(mark, _)| *mark) {
                self.unmark(oldest);
            }
        }
    }

    /// A mark is needed no longer: its key goes with the next commit.
    pub(crate) fn unmark(&mut self, mark: u64) {
        if self.marks.remove(&mark).is_some() {
            self.unmarked.push(mark);
        }
    }
}

impl Inner {
    fn known(&mut self, mark: u64, now: i64) -> Known {
        let is_over = |time: i64| time.saturating_add(MARK_SECONDS) <= now;
        match self.state.marks.get(&mark) {
            Some(time) if is_over(*time) => self.state.unmark(mark),
            Some(_) => return Known::Yes,
            None => {}
        }
        let marks = |planned: &Planned| matches!(planned, Planned::Marked(one) if *one == mark);
        let flight = self.flying.iter().find(|flight| flight.planned.iter().any(marks));
        flight.map_or(Known::No, |flight| Known::Flying(Arc::clone(&flight.landing)))
    }

    /// Whether there is a mark, also one on its way.
    pub(crate) fn is_marked(&mut self, mark: u64, now: i64) -> bool {
        !matches!(self.known(mark, now), Known::No)
    }
}

impl Account {
    fn mark_of(&self, transaction: &Transaction) -> u64 {
        self.seal.hash(Kind::Mark, &[&transaction.0])
    }

    /// Appends a message unless this very transaction has done so before, within
    /// [`MARK_SECONDS`]. When it is durable, so is that.
    ///
    /// # Errors
    /// Those of [`Account::append`].
    pub async fn append_once(
        &self,
        mailbox: MailboxId,
        message: NewMessage,
        transaction: &Transaction,
    ) -> Result<(), Error> {
        let mark = self.mark_of(transaction);
        loop {
            let known = self.turn().await?.known(mark, self.shared.clock.now_seconds());
            match known {
                Known::Yes => return Ok(()),
                // Another connection brings it; if that fails, this one does.
                Known::Flying(landing) => {
                    let _ = landing.settled().await;
                    continue;
                }
                Known::No => {}
            }
            let appended = self.append_marked(mailbox, vec![message.clone()], Some(mark)).await;
            match appended {
                // It came in between.
                Err(Error::Refused(Refused::EntryExists)) => {}
                other => return other.map(|_| ()),
            }
        }
    }

    /// The transaction ended well: it will not be tried again. The same message is then another
    /// one. Costs no commit: the mark's key goes with the next.
    pub fn conclude(&self, transaction: &Transaction) {
        let mark = self.mark_of(transaction);
        self.inner().state.unmark(mark);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn marks_at_the_limit_and_beyond() {
        let mut state = State::default();
        let marks = u64::try_from(MARKS_MAX).unwrap();
        for mark in 0..marks {
            state.mark(mark, 10 + i64::try_from(mark).unwrap());
        }
        assert_eq!((state.marks.len(), state.unmarked.len()), (MARKS_MAX, 0));
        state.mark(marks, 9_999);
        assert_eq!(state.marks.len(), MARKS_MAX);
        assert_eq!(state.unmarked, [0], "the oldest goes");
    }

    #[test]
    fn a_mark_lasts_as_long_as_a_sender_tries() {
        let mut inner = Inner::default();
        inner.state.mark(7, 100);
        assert!(inner.is_marked(7, 100 + MARK_SECONDS - 1));
        assert!(!inner.is_marked(7, 100 + MARK_SECONDS));
        assert_eq!(inner.state.unmarked, [7], "its key goes with the next commit");
        assert!(!inner.is_marked(8, 100));
    }

    #[test]
    fn sender_and_content_are_told_apart() {
        let one = Transaction::new("a@x.test", b"b");
        assert_eq!(one, Transaction::new("a@x.test", b"b"));
        assert_ne!(one, Transaction::new("a@x.testb", b""));
        assert_ne!(one, Transaction::new("", b"b"));
    }
}
