//! What is known of senders, as it is stored: sealed, with the name inside, under a keyed hash of
//! it. What is written together is one commit.

use super::{PAGE, Puts, STRANGERS, Strangers};
use crate::{
    Error,
    keys::{self, tag},
    reputation::{Addition, KEPT_MIN, Name, Settings, Standing},
    seal::Kind,
};
use bytes::Bytes;
use std::{collections::BTreeMap, sync::atomic::Ordering::Relaxed};

impl Strangers {
    fn sender_hash(&self, name: &Name) -> u64 {
        self.seal.hash(Kind::Sender, &[name.to_string().as_bytes()])
    }

    fn sender_key(&self, name: &Name) -> Bytes {
        keys::sender(self.sender_hash(name)).bytes()
    }

    /// `None` also for damage: it is forgotten, and counted anew.
    fn open_sender(&self, key: &[u8], sealed: &[u8]) -> Option<Standing> {
        let number = keys::hash_of(key)?;
        let plain = self.seal.open(Kind::Sender, number, sealed).ok()?;
        Standing::read(&plain)
    }

    /// What is stored of senders, in their order.
    pub(crate) async fn senders(&self, names: &[Name]) -> Result<Vec<Option<Standing>>, Error> {
        let keys: Vec<Bytes> = names.iter().map(|name| self.sender_key(name)).collect();
        let found = self.shared.kv.get_many(STRANGERS, keys.clone()).await?;
        let opened = |(key, value): (&Bytes, Option<Bytes>)| self.open_sender(key, &value?);
        Ok(keys.iter().zip(found).map(opened).collect())
    }

    /// How many there are.
    pub(crate) fn senders_count(&self) -> usize {
        self.senders.load(Relaxed)
    }

    /// Each that is stored.
    pub(crate) async fn each_sender(&self, mut one: impl FnMut(Standing)) -> Result<(), Error> {
        self.each(tag::SENDER, |key, value| {
            if let Some(standing) = self.open_sender(key, value) {
                one(standing);
            }
        })
        .await
    }

    /// Adds to what is known of senders; who has to go for it goes. Gives them as they are now.
    pub(crate) async fn add_to_senders(
        &self,
        additions: &BTreeMap<Name, Addition>,
        (now, settings): (i64, &Settings),
    ) -> Result<Vec<Standing>, Error> {
        let _turn = self.turn.take().await;
        let names: Vec<Name> = additions.keys().cloned().collect();
        let mut all = Vec::with_capacity(names.len());
        for some in names.chunks(PAGE) {
            let mut known = self.senders(some).await?;
            let new = known.iter().filter(|one| one.is_none()).count();
            let max = usize::try_from(settings.senders_max.max(1)).unwrap_or(usize::MAX);
            if self.senders_count() + new > max {
                // A flood of new ones does not drive out all others.
                let room = new.min(max / 10 + 1);
                self.forget_senders((now, settings), room).await?;
                // Some of these may be among those.
                known = self.senders(some).await?;
            }
            let (mut puts, mut made) = (Puts::new(), 0);
            for (name, known) in some.iter().zip(known) {
                let Some(addition) = additions.get(name) else { continue };
                let new = known.is_none();
                let mut standing = known.unwrap_or_else(|| Standing::new(name.clone(), now));
                standing.add(addition, now, settings);
                if new {
                    // More than the limit came at once: the last of them is not remembered. Nor is
                    // somebody of whom something is taken back that was forgotten long ago.
                    if self.senders_count() + made >= max || standing.weight() <= 0.0 {
                        continue;
                    }
                    made += 1;
                }
                let hash = self.sender_hash(name);
                let sealed = self.seal.seal(Kind::Sender, hash, &standing.write())?;
                puts.push((keys::sender(hash).bytes(), Some(sealed.into())));
                all.push(standing.at(now, settings));
            }
            if !puts.is_empty() {
                self.commit(puts).await?;
            }
            self.senders.fetch_add(made, Relaxed);
        }
        Ok(all)
    }

    /// Forgets one; whether it was there.
    pub(crate) async fn forget_sender(&self, name: &Name) -> Result<bool, Error> {
        let _turn = self.turn.take().await;
        let key = self.sender_key(name);
        let known = self.shared.kv.get(STRANGERS, key.clone()).await?.is_some();
        if known {
            self.commit(vec![(key, None)]).await?;
            self.senders.fetch_sub(1, Relaxed);
        }
        Ok(known)
    }

    /// Forgets those that say nothing any more.
    pub(crate) async fn forget_faded(&self, when: (i64, &Settings)) -> Result<(), Error> {
        let _turn = self.turn.take().await;
        self.forget_senders(when, 0).await
    }

    /// Forgets those that say nothing any more; if there is no room for so many after that, a tenth
    /// of all, those that say least: what was seen once, or long ago.
    async fn forget_senders(
        &self,
        (now, settings): (i64, &Settings),
        room: usize,
    ) -> Result<(), Error> {
        let mut all: Vec<(f64, Bytes)> = Vec::new();
        self.each(tag::SENDER, |key, value| {
            let standing = self.open_sender(key, value);
            let weight = standing.map_or(-1.0, |one| one.at(now, settings).weight());
            all.push((weight, key.clone()));
        })
        .await?;
        let count = all.len();
        all.sort_unstable_by(|(one, _), (other, _)| one.total_cmp(other));
        let mut gone = all.partition_point(|(weight, _)| *weight < KEPT_MIN);
        let max = usize::try_from(settings.senders_max.max(1)).unwrap_or(usize::MAX);
        if count - gone + room > max {
            gone = (count + room - max).max(gone + count / 10).min(count);
        }
        let keys: Vec<Bytes> = all.into_iter().take(gone).map(|(_, key)| key).collect();
        for some in keys.chunks(PAGE) {
            self.commit(some.iter().map(|key| (key.clone(), None)).collect()).await?;
        }
        self.senders.store(count - gone, Relaxed);
        Ok(())
    }
}
