//! To how many recipients each account wrote lately, for limits that a stolen password meets.
//!
//! Invariants: counted in the commit that takes a message in, so that a restart forgets nothing;
//! what is counted is never less than what is in the queue.

use super::{Changed, QUEUE, Queue};
use crate::{
    Error,
    codec::{Reader, Writer},
    keys,
    seal::Kind,
};
use bytes::Bytes;
use mail::AccountId;

const FORM: u8 = 1;
const HOURS: usize = 24;
const HOUR: i64 = 3_600;
/// Accounts remembered; those that did not send for a day go first.
const ACCOUNTS_MAX: usize = 10_000;

/// Recipients of an account by the hour.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sent {
    /// The newest hour, since 1970.
    hour: i64,
    /// That one's first, then those before.
    counts: [u32; HOURS],
    /// When its owner was told of a limit, in seconds since 1970; 0: never.
    pub told_at: i64,
}

impl Sent {
    /// The counters as they are at a time.
    fn at(&self, now: i64) -> Self {
        let hour = now.div_euclid(HOUR);
        let past = usize::try_from(hour.saturating_sub(self.hour)).unwrap_or(0);
        let mut counts = [0; HOURS];
        // A clock that was set back counts on in the hour that it was.
        for (slot, count) in counts.iter_mut().skip(past).zip(self.counts) {
            *slot = count;
        }
        Self { hour: self.hour.max(hour), counts, told_at: self.told_at }
    }

    /// Counts recipients.
    pub fn count(&mut self, recipients: u32, now: i64) {
        *self = self.at(now);
        if let Some(count) = self.counts.first_mut() {
            *count = count.saturating_add(recipients);
        }
    }

    /// Recipients of the last hour: those of the clock's hour, and the share of the one before that
    /// is less than an hour ago.
    #[must_use]
    pub fn in_hour(&self, now: i64) -> u32 {
        let [this, before, ..] = self.at(now).counts;
        let left = u64::try_from(HOUR - now.rem_euclid(HOUR)).unwrap_or(0);
        let share = (u64::from(before) * left).div_ceil(HOUR.unsigned_abs());
        this.saturating_add(u32::try_from(share).unwrap_or(u32::MAX))
    }

    /// Recipients of the last day, to the hour.
    #[must_use]
    pub fn in_day(&self, now: i64) -> u32 {
        self.at(now).counts.iter().fold(0, |sum: u32, count| sum.saturating_add(*count))
    }

    fn write(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.byte(FORM).signed(self.hour).signed(self.told_at);
        for count in self.counts {
            to.number(count.into());
        }
        to.0
    }

    /// `None` for damage.
    fn read(octets: &[u8]) -> Option<Self> {
        let mut from = Reader(octets);
        (from.byte()? == FORM).then_some(())?;
        let (hour, told_at) = (from.signed()?, from.signed()?);
        let mut counts = [0; HOURS];
        for slot in &mut counts {
            *slot = from.number32()?;
        }
        Some(Self { hour, counts, told_at })
    }
}

impl Queue {
    /// To how many recipients an account wrote lately.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn sent(&self, account: AccountId) -> Result<Sent, Error> {
        if let Some(known) = self.sents().get(&account.0) {
            return Ok(known.clone());
        }
        let read = self.shared.kv.get(QUEUE, keys::sent(account.0).bytes()).await?;
        let damaged = || Error::Damaged(format!("what account {account} sent"));
        let found = match read {
            None => Sent::default(),
            Some(sealed) => {
                let plain = self.seal.open(Kind::Sent, account.0.into(), &sealed);
                Sent::read(&plain.map_err(|_| damaged())?).ok_or_else(damaged)?
            }
        };
        let now = self.shared.clock.now_seconds();
        let mut all = self.sents();
        if all.len() >= ACCOUNTS_MAX {
            all.retain(|_, sent| sent.in_day(now) > 0);
        }
        Ok(all.entry(account.0).or_insert(found).clone())
    }

    /// Counts recipients; gives what is to be put. [`Self::sent`] was asked before.
    pub(super) fn count(
        &self,
        account: AccountId,
        recipients: usize,
    ) -> Result<(Bytes, Option<Bytes>), Error> {
        let recipients = u32::try_from(recipients).unwrap_or(u32::MAX);
        let now = self.shared.clock.now_seconds();
        let mut all = self.sents();
        let sent = all.entry(account.0).or_default();
        sent.count(recipients, now);
        self.sent_put(account, sent)
    }

    fn sent_put(&self, account: AccountId, sent: &Sent) -> Result<(Bytes, Option<Bytes>), Error> {
        let sealed = self.seal.seal(Kind::Sent, account.0.into(), &sent.write())?;
        Ok((keys::sent(account.0).bytes(), Some(sealed.into())))
    }

    /// Whether the owner of an account is to be told of a limit now: once a day.
    ///
    /// # Errors
    /// The store's.
    pub async fn tells_of_limit(&self, account: AccountId) -> Result<bool, Error> {
        let now = self.shared.clock.now_seconds();
        self.sent(account).await?;
        let put = {
            let mut all = self.sents();
            let sent = all.entry(account.0).or_default();
            if sent.told_at != 0 && now < sent.told_at.saturating_add(HOUR * 24) {
                return Ok(false);
            }
            sent.told_at = now;
            self.sent_put(account, sent)?
        };
        self.commit(|_| Ok((vec![put], Changed::default()))).await?;
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const START: i64 = 1_790_000_000 / HOUR * HOUR;

    #[test]
    fn what_is_older_than_an_hour_or_a_day_counts_no_more() {
        let mut sent = Sent::default();
        sent.count(60, START);
        sent.count(30, START + 10);
        assert_eq!((sent.in_hour(START + 10), sent.in_day(START + 10)), (90, 90));
        // Half an hour into the next one, half of them are less than an hour ago, about.
        assert_eq!(sent.in_hour(START + HOUR + HOUR / 2), 45);
        assert_eq!(sent.in_hour(START + 2 * HOUR), 0);
        sent.count(5, START + 23 * HOUR);
        assert_eq!(sent.in_day(START + 24 * HOUR - 1), 95);
        assert_eq!(sent.in_day(START + 24 * HOUR), 5);
        assert_eq!(sent.in_day(START + 100 * HOUR), 0);
        // A clock that was set back takes nothing away.
        assert_eq!(sent.in_day(START), 95);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut sent = Sent { told_at: 7, ..Sent::default() };
        sent.count(u32::MAX, START);
        sent.count(3, START + HOUR);
        let octets = sent.write();
        assert_eq!(Sent::read(&octets), Some(sent));
        for end in 0..octets.len() {
            assert_eq!(Sent::read(&octets[..end]), None);
        }
    }
}
