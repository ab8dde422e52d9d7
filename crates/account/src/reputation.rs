//! What mail of a sender was worth here: of domains that are proven to have sent it, of addresses
//! and of the networks around them.
//!
//! Evidence is what people do with mail (move to Junk, take out of it, file, answer, leave in the
//! INBOX), what scanners, lists and DMARC say of it, and recipients that are not here. It is
//! gathered in memory for some seconds and then written down, all in one commit.
//!
//! Invariants: what was decided by reputation itself, or by the classifier, is no evidence; a
//! domain that nobody proved is never counted, and what DMARC disowns is counted against who gave
//! it to us alone; nobody who counts waits; what is gathered, and what is kept, has a limit.
//! Nothing here decides what happens to a message.

mod name;
mod standing;

use crate::{Error, strangers::Strangers};
use mail::AccountId;
pub use name::Name;
use spam::Class;
pub use standing::{
    Addition, FORGED_WEIGHT, FOUND_DOMAIN_WEIGHT, INBOX_WEIGHT, KEPT_MIN, Opinion, Repute, Said,
    Standing, UNKNOWN_WEIGHT, VOICES_MAX, left,
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

/// Senders, and accounts of them, that are gathered in memory at most: some hundred octets each.
const GATHERED_MAX: usize = 20_000;

/// Settings.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// Whether senders are remembered and judged.
    pub enabled: bool,
    /// What was seen so long ago counts half.
    pub half_life_days: u32,
    /// What is known must be worth so many messages before anything follows from it.
    pub messages_min: u32,
    /// From this share of unwanted mail on, a sender's mail goes to Junk.
    pub junk_percent_min: u32,
    /// Up to this share, a sender is known as a good one.
    pub good_percent_max: u32,
    /// Whatever one account does with mail of a sender counts for so many messages at most.
    pub account_messages_max: u32,
    /// Senders that are remembered.
    pub senders_max: u32,
}

impl Default for Settings {
    /// As the table of settings has them, but off.
    fn default() -> Self {
        Self {
            enabled: false,
            half_life_days: 14,
            messages_min: 8,
            junk_percent_min: 80,
            good_percent_max: 20,
            account_messages_max: 3,
            senders_max: 100_000,
        }
    }
}

/// What a person said of a message, and what the same one said before.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Word {
    /// What it is.
    pub class: Class,
    /// What it was said to be before, and when, in seconds since 1970.
    pub before: Option<(Class, i64)>,
    /// We had put it into Junk ourselves: who agrees with that, or whose mail program does, says
    /// nothing.
    pub filtered: bool,
}

/// Something that was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Evidence {
    /// A message came to an account's INBOX.
    Inbox(AccountId),
    /// Scanners or lists, not we, found a message unwanted.
    Found,
    /// DMARC disowned a message, and it was refused or put into Junk.
    Forged,
    /// A recipient is not here.
    UnknownRecipient,
}

/// What waits to be written.
#[derive(Default)]
struct Gathered {
    additions: BTreeMap<Name, Addition>,
    count: usize,
    dropped: u64,
}

/// What is known of a sender, as it counts now, and what follows.
#[derive(Clone, PartialEq, Debug)]
pub struct Known {
    /// What is known.
    pub standing: Standing,
    /// What it comes to.
    pub opinion: Opinion,
    /// What follows.
    pub repute: Repute,
}

/// Remembers senders.
pub struct Reputation {
    strangers: Arc<Strangers>,
    settings: Settings,
    gathered: Mutex<Gathered>,
}

impl Gathered {
    /// The addition of a sender, and of an account's there; none when there is no room.
    fn of(&mut self, name: &Name, account: Option<u32>) -> Option<&mut Addition> {
        let known = self.additions.get(name);
        let voices = known.map(|one| &one.voices);
        let new = usize::from(known.is_none())
            + account.map_or(0, |account| {
                usize::from(!voices.is_some_and(|voices| voices.contains_key(&account)))
            });
        if self.count + new > GATHERED_MAX {
            self.dropped += 1;
            return None;
        }
        self.count += new;
        Some(self.additions.entry(name.clone()).or_default())
    }

    fn say(&mut self, name: &Name, account: AccountId, more: Said) {
        if let Some(addition) = self.of(name, Some(account.0)) {
            let said = addition.voices.entry(account.0).or_default();
            said.inbox += more.inbox;
            said.wanted += more.wanted;
            said.junk += more.junk;
        }
    }
}

impl Reputation {
    /// Kept with what else is remembered of strangers.
    #[must_use]
    pub fn new(strangers: &Arc<Strangers>, settings: Settings) -> Self {
        Self { strangers: Arc::clone(strangers), settings, gathered: Mutex::default() }
    }

    /// Settings.
    #[must_use]
    pub const fn settings(&self) -> &Settings {
        &self.settings
    }

    fn gathered(&self) -> MutexGuard<'_, Gathered> {
        self.gathered.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Counts something that was seen of senders.
    pub fn count(&self, names: &[Name], evidence: Evidence) {
        if !self.settings.enabled {
            return;
        }
        let mut gathered = self.gathered();
        for name in names {
            match evidence {
                Evidence::Inbox(account) => {
                    gathered.say(name, account, Said { inbox: 1.0, ..Said::default() });
                }
                // Nobody is proven to have sent these.
                Evidence::Forged | Evidence::UnknownRecipient if name.is_domain() => {}
                _ => {
                    let Some(addition) = gathered.of(name, None) else { continue };
                    match evidence {
                        Evidence::Found => addition.found += 1.0,
                        Evidence::Forged => addition.forged += 1.0,
                        Evidence::UnknownRecipient => addition.unknown += 1.0,
                        Evidence::Inbox(_) => {}
                    }
                }
            }
        }
    }

    /// Counts what a person of an account said of a message of these senders, and takes back what
    /// is left of what the same one said before.
    pub fn hear(&self, names: &[Name], (account, word): (AccountId, Word), now: i64) {
        if !self.settings.enabled || word.before.is_some_and(|(before, _)| before == word.class) {
            return;
        }
        let mut said = Said::default();
        let mut add = |class, weight| match class {
            Class::Ham => said.wanted += weight,
            Class::Spam if word.filtered => {}
            Class::Spam => said.junk += weight,
        };
        add(word.class, 1.0);
        if let Some((before, then)) = word.before {
            add(before, -left(now - then, self.settings.half_life_days));
        }
        if said == Said::default() {
            return;
        }
        let mut gathered = self.gathered();
        names.iter().for_each(|name| gathered.say(name, account, said));
    }

    /// Writes down what was gathered; gives those senders as they are now. What cannot be written
    /// is lost. The number is of what there was no room for.
    ///
    /// # Errors
    /// The store's.
    pub async fn write(&self, now: i64) -> Result<(Vec<Known>, u64), Error> {
        let Gathered { additions, dropped, .. } = std::mem::take(&mut *self.gathered());
        if additions.is_empty() {
            return Ok((Vec::new(), dropped));
        }
        let now_as = (now, &self.settings);
        let all = self.strangers.add_to_senders(&additions, now_as).await?;
        Ok((all.into_iter().map(|one| self.known(one)).collect(), dropped))
    }

    fn known(&self, standing: Standing) -> Known {
        let opinion = standing.opinion(&self.settings);
        Known { standing, opinion, repute: opinion.repute(&self.settings) }
    }

    /// What is known of senders, in their order, without what waits to be written.
    ///
    /// # Errors
    /// The store's.
    pub async fn find(&self, names: &[Name], now: i64) -> Result<Vec<Option<Known>>, Error> {
        let found = self.strangers.senders(names).await?;
        let known = |one: Standing| self.known(one.at(now, &self.settings));
        Ok(found.into_iter().map(|one| one.map(known)).collect())
    }

    /// Tells of each that is remembered, without what waits to be written.
    ///
    /// # Errors
    /// The store's.
    pub async fn each(&self, now: i64, mut one: impl FnMut(Known)) -> Result<(), Error> {
        self.strangers
            .each_sender(|standing| one(self.known(standing.at(now, &self.settings))))
            .await
    }

    /// Forgets a sender, with what waits to be written of it; whether there was anything.
    ///
    /// # Errors
    /// The store's.
    pub async fn forget(&self, name: &Name) -> Result<bool, Error> {
        let waited = self.gathered().additions.remove(name);
        Ok(self.strangers.forget_sender(name).await? || waited.is_some())
    }

    /// Forgets all that has faded.
    ///
    /// # Errors
    /// The store's.
    pub async fn forget_faded(&self, now: i64) -> Result<(), Error> {
        self.strangers.forget_faded((now, &self.settings)).await
    }

    /// Senders that are remembered.
    #[must_use]
    pub fn count_known(&self) -> usize {
        self.strangers.senders_count()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_gathered_has_a_limit() {
        let mut gathered = Gathered::default();
        let name = Name::Domain("a.test".into());
        let inbox = Said { inbox: 1.0, ..Said::default() };
        for account in 1..GATHERED_MAX as u32 {
            gathered.say(&name, AccountId(account), inbox);
        }
        assert_eq!((gathered.count, gathered.dropped), (GATHERED_MAX, 0));
        // Who is there goes on counting, nobody else is.
        gathered.say(&name, AccountId(1), inbox);
        gathered.say(&name, AccountId(u32::MAX), inbox);
        gathered.say(&Name::Domain("b.test".into()), AccountId(1), inbox);
        let voices = &gathered.additions[&name].voices;
        assert_eq!(
            (gathered.dropped, voices.len(), gathered.additions.len()),
            (2, GATHERED_MAX - 1, 1)
        );
        assert!((voices[&1].inbox - 2.0).abs() < 1e-9);
    }
}
