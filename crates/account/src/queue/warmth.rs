//! How many messages new addresses of ours gave to each provider: who is not known may send little
//! at first.
//!
//! Invariants: a message is counted, durably, before it is given away: after a kill it is counted
//! once too often at worst, never once too seldom. An address' days begin with its first message.

use super::{Changed, Puts, QUEUE, Queue};
use crate::{
    Error, Refused,
    codec::{Reader, Writer},
    keys::{self, tag},
    seal::Kind,
};
use std::{
    collections::HashMap,
    net::IpAddr,
    sync::{MutexGuard, PoisonError},
};

const FORM: u8 = 1;
const DAY: i64 = 86_400;
/// Providers and addresses that are counted for at a time; beyond, mail waits.
const COUNTERS_MAX: usize = 100_000;

/// An address of ours, and to whom it gives; an empty name: when it gave anything first.
pub(super) type Pair = (IpAddr, String);

/// What is counted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Counter {
    /// Of an address: when it was used first, seconds since 1970. Of a provider: the day, from 0
    /// on, since then.
    at: i64,
    /// Messages of that day.
    count: u32,
}

/// What is counted, in memory.
pub(super) type Warmth = HashMap<Pair, Counter>;

/// Whether an address may give a provider one more message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Room {
    /// It may.
    Yes,
    /// Not before, seconds since 1970.
    No(i64),
}

impl Counter {
    fn write(self, (address, provider): &Pair) -> Vec<u8> {
        let mut to = Writer::default();
        to.byte(FORM).bytes(address.to_string().as_bytes()).bytes(provider.as_bytes());
        to.signed(self.at).number(self.count.into());
        to.0
    }

    /// `None` for damage.
    fn read(octets: &[u8]) -> Option<(Pair, Self)> {
        let mut from = Reader(octets);
        (from.byte()? == FORM).then_some(())?;
        let pair = (from.text()?.parse().ok()?, from.text()?.to_owned());
        let counter = Self { at: from.signed()?, count: from.number32()? };
        from.is_empty().then_some((pair, counter))
    }
}

/// The day that it is for an address, from 0 on, and when the next one begins.
fn day_of(first_at: Option<i64>, now: i64) -> (i64, i64) {
    let first_at = first_at.unwrap_or(now);
    let day = now.saturating_sub(first_at).max(0) / DAY;
    (day, first_at.saturating_add((day + 1).saturating_mul(DAY)))
}

/// Whether there is room for one more; the counter after it.
fn room(
    (first_at, known): (Option<i64>, Counter),
    now: i64,
    max: impl Fn(u32) -> Option<u32>,
) -> Result<Counter, i64> {
    let (day, next) = day_of(first_at, now);
    let count = if known.at == day { known.count } else { 0 };
    let most = max(u32::try_from(day).unwrap_or(u32::MAX));
    match most.is_none_or(|most| count < most) {
        true => Ok(Counter { at: day, count: count.saturating_add(1) }),
        false => Err(next),
    }
}

impl Queue {
    fn warmth(&self) -> MutexGuard<'_, Warmth> {
        self.warmth.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn warmth_number(&self, (address, provider): &Pair) -> u64 {
        self.seal.hash(Kind::Warmth, &[address.to_string().as_bytes(), provider.as_bytes()])
    }

    /// What is stored is in memory.
    async fn load_warmth(&self, pair: &Pair) -> Result<(), Error> {
        if self.warmth().contains_key(pair) {
            return Ok(());
        }
        let number = self.warmth_number(pair);
        let Some(sealed) = self.shared.kv.get(QUEUE, keys::warmth(number).bytes()).await? else {
            return Ok(());
        };
        let damaged = || Error::Damaged(format!("how warm {} is", pair.0));
        let plain = self.seal.open(Kind::Warmth, number, &sealed).map_err(|_| damaged())?;
        let (of, counter) = Counter::read(&plain).ok_or_else(damaged)?;
        // Another's, whose name has the same hash, is as none at all.
        if of == *pair {
            self.warmth().entry(of).or_insert(counter);
        }
        Ok(())
    }

    async fn load_pair(&self, address: IpAddr, provider: &str) -> Result<(Pair, Pair), Error> {
        let (own, pair) = ((address, String::new()), (address, provider.to_owned()));
        self.load_warmth(&own).await?;
        self.load_warmth(&pair).await?;
        Ok((own, pair))
    }

    /// When a message went out from an address first; `None`: none did.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn first_used(&self, address: IpAddr) -> Result<Option<i64>, Error> {
        let own = (address, String::new());
        self.load_warmth(&own).await?;
        Ok(self.warmth().get(&own).map(|counter| counter.at))
    }

    /// Whether an address may give a provider one more message. `max`: how many on each day, from
    /// 0 on; `None`: any number.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn room(
        &self,
        (address, provider): (IpAddr, &str),
        max: impl Fn(u32) -> Option<u32>,
    ) -> Result<Room, Error> {
        let (own, pair) = self.load_pair(address, provider).await?;
        let all = self.warmth();
        let first_at = all.get(&own).map(|counter| counter.at);
        let known = all.get(&pair).copied().unwrap_or_default();
        let found = room((first_at, known), self.shared.clock.now_seconds(), max);
        Ok(found.map_or_else(Room::No, |_| Room::Yes))
    }

    /// Counts a message that an address is to give to a provider, if there is room for it: when
    /// this is ready it is durable, and the message may go.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn give(
        &self,
        (address, provider): (IpAddr, &str),
        max: impl Fn(u32) -> Option<u32>,
    ) -> Result<Room, Error> {
        let (own, pair) = self.load_pair(address, provider).await?;
        let now = self.shared.clock.now_seconds();
        let mut full = None;
        // Under the lock of the commits: they are written in the order in which it was counted.
        let plan = |_| {
            let mut all = self.warmth();
            let first_at = all.get(&own).map(|counter| counter.at);
            let known = all.get(&pair).copied().unwrap_or_default();
            let counted = room((first_at, known), now, max);
            let refused = |until| {
                full = Some(until);
                Error::from(Refused::Limit)
            };
            let counter = counted.map_err(refused)?;
            if all.len() >= COUNTERS_MAX && !all.contains_key(&pair) {
                full = Some(now.saturating_add(DAY));
                return Err(Refused::Limit.into());
            }
            let mut puts = Puts::new();
            if first_at.is_none() {
                let first = Counter { at: now, count: 0 };
                puts.push(self.warmth_put(&own, first)?);
                all.insert(own.clone(), first);
            }
            puts.push(self.warmth_put(&pair, counter)?);
            all.insert(pair.clone(), counter);
            Ok((puts, Changed::default()))
        };
        let done = self.commit(plan).await;
        match (done, full) {
            (_, Some(until)) => Ok(Room::No(until)),
            (Ok(_), None) => Ok(Room::Yes),
            (Err(error), None) => {
                // When it was used first is perhaps not stored: it is read anew.
                self.warmth().remove(&(address, String::new()));
                Err(error)
            }
        }
    }

    fn warmth_put(
        &self,
        pair: &Pair,
        counter: Counter,
    ) -> Result<(bytes::Bytes, Option<bytes::Bytes>), Error> {
        let number = self.warmth_number(pair);
        let sealed = self.seal.seal(Kind::Warmth, number, &counter.write(pair))?;
        Ok((keys::warmth(number).bytes(), Some(sealed.into())))
    }

    /// Forgets what was counted on other days, and for addresses that are not new: `new` are. When
    /// an address was used first is remembered. Nothing may be given meanwhile.
    ///
    /// # Errors
    /// The store's; [`Error::Damaged`].
    pub async fn tidy_warmth(&self, new: &[IpAddr]) -> Result<(), Error> {
        let (from, to) = keys::all(tag::WARMTH);
        let scan =
            store::Scan { account: QUEUE, from, to, reverse: false, entries_max: usize::MAX };
        let (mut puts, now) = (Puts::new(), self.shared.clock.now_seconds());
        for (key, sealed) in self.shared.kv.scan(scan).await? {
            let damaged = || Error::Damaged("how warm an address is".to_owned());
            let number = keys::queued_number(&key).ok_or_else(damaged)?;
            let plain = self.seal.open(Kind::Warmth, number, &sealed).map_err(|_| damaged())?;
            let ((address, provider), counter) = Counter::read(&plain).ok_or_else(damaged)?;
            if provider.is_empty() {
                continue;
            }
            let (day, _) = day_of(self.first_used(address).await?, now);
            if counter.at != day || !new.contains(&address) {
                puts.push((key, None));
            }
        }
        self.warmth().clear();
        if !puts.is_empty() {
            self.commit(|_| Ok((puts, Changed::default()))).await?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn as_many_as_a_day_has_and_not_one_more() {
        let max = |day: u32| (day < 2).then_some(3 << day);
        let (mut known, first) = (Counter::default(), 1_000);
        for count in 1..=3 {
            known = room((Some(first), known), first + DAY - 1, max).unwrap();
            assert_eq!(known, Counter { at: 0, count });
        }
        assert_eq!(room((Some(first), known), first + DAY - 1, max), Err(first + DAY));
        // Twice as many on the next day, and any number after it.
        for count in 1..=6 {
            known = room((Some(first), known), first + DAY, max).unwrap();
            assert_eq!(known, Counter { at: 1, count });
        }
        assert_eq!(room((Some(first), known), first + DAY, max), Err(first + 2 * DAY));
        let many = Counter { at: 2, count: u32::MAX };
        assert_eq!(room((Some(first), many), first + 2 * DAY, max), Ok(many));
        // Nothing was given yet: its days begin now. A clock that was set back is on the first day.
        assert_eq!(room((None, Counter::default()), 9, |_| Some(0)), Err(9 + DAY));
        assert_eq!(day_of(Some(first), 0), (0, first + DAY));
    }

    #[test]
    fn what_is_written_is_read() {
        for address in ["192.0.2.1", "2001:db8::1"] {
            let pair = (address.parse().unwrap(), "google.test".to_owned());
            let counter = Counter { at: -3, count: u32::MAX };
            let octets = counter.write(&pair);
            assert_eq!(Counter::read(&octets), Some((pair, counter)));
            for end in 0..octets.len() {
                assert_eq!(Counter::read(&octets[..end]), None);
            }
        }
    }
}
