//! What is known of a sender, in messages, and what follows from it.
//!
//! Invariants: whatever one account does counts for so many messages at most; all that is known
//! fades, by half in each half-life; nothing is negative. Time comes in from outside.

use super::{Name, Settings};
use crate::codec::{Reader, Writer};
use std::collections::BTreeMap;

const FORM: u8 = 1;
/// Accounts that are told apart of one sender; what others of them say is added up.
pub const VOICES_MAX: usize = 64;
/// What a message counts that came to an INBOX and about which nobody said anything: one complaint
/// is worth twenty of them. Who reads mail mostly says nothing, so one in five that is moved to
/// Junk is much.
pub const INBOX_WEIGHT: f64 = 0.05;
/// What a message counts that DMARC disowns, against who gave it to us: hosts that forward mail and
/// mailing lists have such, too.
pub const FORGED_WEIGHT: f64 = 0.25;
/// What a recipient counts that is not here: addresses die, and half of all must be dead ones
/// before they outweigh the others.
pub const UNKNOWN_WEIGHT: f64 = 0.2;
/// What scanners and lists say of a domain's message: a provider has all kinds of customers.
pub const FOUND_DOMAIN_WEIGHT: f64 = 0.25;
/// All that scanners say of a domain counts for so many times `messages_min` at most: they refuse
/// what they know themselves, and a flood by one customer is not the provider.
const FOUND_DOMAIN_TIMES: f64 = 2.0;
/// Messages that nobody has seen, half of them wanted: a few real ones do not make 100 %.
const PRIOR_MESSAGES: f64 = 2.0;
/// What counts for less is not kept.
pub const KEPT_MIN: f64 = 0.02;
/// Weights are stored as of this time or later; so a count a second does not round away what fades
/// in a second.
const STEP_SECONDS: i64 = 3_600;
const DAY_SECONDS: f64 = 86_400.0;

/// What somebody did with a sender's messages.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Said {
    /// They came to the INBOX.
    pub inbox: f64,
    /// They are wanted: taken out of Junk, filed, answered, flagged.
    pub wanted: f64,
    /// They were put into Junk.
    pub junk: f64,
}

/// What is to be added to a standing. Of [`Said`], also what is taken back.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Addition {
    /// By account.
    pub voices: BTreeMap<u32, Said>,
    /// Messages of which scanners and lists said that they are unwanted.
    pub found: f64,
    /// Messages that DMARC disowned.
    pub forged: f64,
    /// Recipients that are not here.
    pub unknown: f64,
}

/// What is known of a sender.
#[derive(Clone, PartialEq, Debug)]
pub struct Standing {
    /// Who it is.
    pub name: Name,
    /// When it was seen first, in seconds since 1970.
    pub since: i64,
    /// When it was counted last.
    pub last: i64,
    /// The weights are as of then.
    time: i64,
    /// All that was added.
    sums: Addition,
    /// What accounts say that are not told apart.
    others: Said,
}

/// What a standing comes to, in messages.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Opinion {
    /// Wanted ones.
    pub wanted: f64,
    /// Unwanted ones.
    pub unwanted: f64,
    /// Accounts that say so, of those that are told apart.
    pub accounts: usize,
}

/// What follows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Repute {
    /// Too little is known.
    Unknown,
    /// Nearly all is wanted.
    Good,
    /// Some is, some is not.
    Mixed,
    /// Nearly nothing is.
    Bad,
}

impl Repute {
    /// A word.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Unknown => "unknown",
            Self::Good => "good",
            Self::Mixed => "mixed",
            Self::Bad => "bad",
        }
    }
}

/// What is left of 1 after so many seconds.
#[must_use]
pub fn left(seconds: i64, half_life_days: u32) -> f64 {
    let days = seconds.max(0) as f64 / DAY_SECONDS;
    (-days / f64::from(half_life_days.max(1))).exp2()
}

impl Said {
    fn add(&mut self, more: &Self) {
        self.inbox = (self.inbox + more.inbox).max(0.0);
        self.wanted = (self.wanted + more.wanted).max(0.0);
        self.junk = (self.junk + more.junk).max(0.0);
    }

    fn scale(&mut self, factor: f64) {
        self.inbox *= factor;
        self.wanted *= factor;
        self.junk *= factor;
    }

    fn weight(&self) -> f64 {
        self.inbox * INBOX_WEIGHT + self.wanted + self.junk
    }

    /// Within what one account may say.
    fn within(&self, most: f64) -> Self {
        let (wanted, junk) = (self.wanted.min(most), self.junk.min(most));
        Self { inbox: self.inbox.min((most - wanted) / INBOX_WEIGHT), wanted, junk }
    }

    fn write(&self, to: &mut Writer) {
        [self.inbox, self.wanted, self.junk].into_iter().for_each(|one| write(to, one));
    }

    fn read(from: &mut Reader<'_>) -> Option<Self> {
        Some(Self { inbox: read(from)?, wanted: read(from)?, junk: read(from)? })
    }
}

/// Millionths: finer than what fades in a step.
fn write(to: &mut Writer, weight: f64) {
    to.number((weight.clamp(0.0, 1e12) * 1e6).round() as u64);
}

fn read(from: &mut Reader<'_>) -> Option<f64> {
    Some(from.number()? as f64 / 1e6)
}

impl Standing {
    /// Of somebody new.
    #[must_use]
    pub fn new(name: Name, now: i64) -> Self {
        let (sums, others) = Default::default();
        Self { name, since: now, last: now, time: now, sums, others }
    }

    /// What was added, as it counts now.
    #[must_use]
    pub const fn sums(&self) -> &Addition {
        &self.sums
    }

    /// All that was said, whoever it was.
    #[must_use]
    pub fn said(&self) -> Said {
        let mut all = self.others;
        self.sums.voices.values().for_each(|one| all.add(one));
        all
    }

    /// As it is now.
    #[must_use]
    pub fn at(mut self, now: i64, settings: &Settings) -> Self {
        self.fade(now, settings);
        self
    }

    fn fade(&mut self, now: i64, settings: &Settings) {
        if now <= self.time {
            return;
        }
        let factor = left(now - self.time, settings.half_life_days);
        self.time = now;
        let Addition { voices, found, forged, unknown } = &mut self.sums;
        [found, forged, unknown].into_iter().for_each(|one| *one *= factor);
        voices.values_mut().for_each(|one| one.scale(factor));
        self.others.scale(factor);
    }

    /// Adds what was seen now.
    pub fn add(&mut self, more: &Addition, now: i64, settings: &Settings) {
        if now - self.time >= STEP_SECONDS {
            self.fade(now, settings);
            self.sums.voices.retain(|_, one| one.weight() >= KEPT_MIN / 2.0);
        }
        self.last = self.last.max(now);
        self.sums.found += more.found;
        self.sums.forged += more.forged;
        self.sums.unknown += more.unknown;
        for (account, said) in &more.voices {
            if let Some(voice) = self.sums.voices.get_mut(account) {
                voice.add(said);
                continue;
            }
            let mut voice = Said::default();
            voice.add(said);
            if voice.weight() > 0.0 {
                self.make_room(settings);
                self.sums.voices.insert(*account, voice);
            } else {
                // It was added up with others before.
                self.others.add(said);
            }
        }
    }

    /// Who says least is added up with others.
    fn make_room(&mut self, settings: &Settings) {
        while self.sums.voices.len() >= VOICES_MAX {
            let weights = self.sums.voices.iter().map(|(account, one)| (*account, one.weight()));
            let Some((least, _)) = weights.min_by(|one, other| one.1.total_cmp(&other.1)) else {
                return;
            };
            if let Some(voice) = self.sums.voices.remove(&least) {
                self.others.add(&voice.within(settings.account_messages_max.into()));
            }
        }
    }

    /// What counts of it; less than [`KEPT_MIN`] says nothing any more.
    #[must_use]
    pub fn weight(&self) -> f64 {
        let Addition { found, forged, unknown, .. } = &self.sums;
        self.said().weight() + found + forged * FORGED_WEIGHT + unknown * UNKNOWN_WEIGHT
    }

    /// What it comes to.
    #[must_use]
    pub fn opinion(&self, settings: &Settings) -> Opinion {
        let most = settings.account_messages_max.into();
        let mut all = self.others;
        self.sums.voices.values().for_each(|one| all.add(&one.within(most)));
        let Addition { found, forged, unknown, .. } = &self.sums;
        let found = match self.name {
            Name::Domain(_) => {
                let most = FOUND_DOMAIN_TIMES * f64::from(settings.messages_min);
                (found * FOUND_DOMAIN_WEIGHT).min(most)
            }
            Name::Place(..) => *found,
        };
        let seen = forged * FORGED_WEIGHT + unknown * UNKNOWN_WEIGHT;
        Opinion {
            wanted: all.wanted + all.inbox * INBOX_WEIGHT,
            unwanted: all.junk + found + seen,
            accounts: self.sums.voices.values().filter(|one| one.junk >= 0.5).count(),
        }
    }

    pub(crate) fn write(&self) -> Vec<u8> {
        let mut to = Writer::default();
        to.byte(FORM).bytes(self.name.to_string().as_bytes());
        to.signed(self.since).signed(self.last).signed(self.time);
        let Addition { voices, found, forged, unknown } = &self.sums;
        [*found, *forged, *unknown].into_iter().for_each(|one| write(&mut to, one));
        self.others.write(&mut to);
        to.number(voices.len() as u64);
        for (account, said) in voices {
            to.number((*account).into());
            said.write(&mut to);
        }
        to.0
    }

    /// `None` for damage.
    pub(crate) fn read(octets: &[u8]) -> Option<Self> {
        let mut from = Reader(octets);
        (from.byte()? == FORM).then_some(())?;
        let name = Name::parse(from.text()?)?;
        let (since, last, time) = (from.signed()?, from.signed()?, from.signed()?);
        let mut sums = Addition {
            found: read(&mut from)?,
            forged: read(&mut from)?,
            unknown: read(&mut from)?,
            ..Addition::default()
        };
        let others = Said::read(&mut from)?;
        for _ in 0..from.number()? {
            sums.voices.insert(from.number32()?, Said::read(&mut from)?);
        }
        from.is_empty().then_some(Self { name, since, last, time, sums, others })
    }
}

impl Opinion {
    /// Messages that it rests on.
    #[must_use]
    pub fn messages(&self) -> f64 {
        self.wanted + self.unwanted
    }

    /// The share of unwanted ones. Of nothing it is 50.
    #[must_use]
    pub fn percent(&self) -> f64 {
        let unwanted = self.unwanted + PRIOR_MESSAGES / 2.0;
        100.0 * unwanted / (self.messages() + PRIOR_MESSAGES)
    }

    /// What follows.
    #[must_use]
    pub fn repute(&self, settings: &Settings) -> Repute {
        self.repute_from(settings.messages_min, settings)
    }

    /// What follows when it has to rest on so many messages.
    #[must_use]
    pub fn repute_from(&self, messages_min: u32, settings: &Settings) -> Repute {
        // What was just counted has begun to fade; a thousandth of it is not missed.
        if self.messages() * 1.001 < f64::from(messages_min.max(1)) {
            return Repute::Unknown;
        }
        match self.percent() {
            bad if bad >= f64::from(settings.junk_percent_min) => Repute::Bad,
            good if good <= f64::from(settings.good_percent_max) => Repute::Good,
            _ => Repute::Mixed,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: i64 = 1_790_000_000;
    const DAY: i64 = 86_400;

    fn settings() -> Settings {
        Settings { enabled: true, ..Settings::default() }
    }

    fn standing() -> Standing {
        Standing::new(Name::Domain("a.test".into()), NOW)
    }

    fn voices(voices: &[(u32, f64, f64)]) -> Addition {
        let one = |(account, wanted, junk): &(u32, f64, f64)| {
            (*account, Said { inbox: 0.0, wanted: *wanted, junk: *junk })
        };
        Addition { voices: voices.iter().map(one).collect(), ..Addition::default() }
    }

    fn after(adding: &Addition, days: i64) -> Opinion {
        let mut one = standing();
        one.add(adding, NOW, &settings());
        one.at(NOW + days * DAY, &settings()).opinion(&settings())
    }

    #[test]
    fn half_is_left_after_a_half_life() {
        let said = voices(&[(1, 0.0, 2.0), (2, 1.0, 0.0)]);
        let close = |one: f64, other: f64| (one - other).abs() < 1e-9;
        let (now, later) = (after(&said, 0), after(&said, 14));
        assert!(close(now.unwanted, 2.0) && close(now.wanted, 1.0));
        assert!(close(later.unwanted, 1.0) && close(later.wanted, 0.5));
        // A clock that goes back does not make more of it.
        assert!(close(after(&said, -1).unwanted, 2.0));
    }

    #[test]
    fn counting_often_does_not_keep_it_from_fading() {
        let mut one = standing();
        one.add(&voices(&[(1, 0.0, 0.1)]), NOW, &settings());
        for at in 0..14 * 24 * 6 {
            one = Standing::read(&one.write()).unwrap();
            one.add(&Addition::default(), NOW + at * 600, &settings());
        }
        let left = one.at(NOW + 14 * DAY, &settings()).opinion(&settings()).unwanted;
        assert!((left - 0.05).abs() < 0.001, "{left}");
    }

    #[test]
    fn one_account_alone_decides_nothing_and_three_do() {
        let repute = |said: &[_]| after(&voices(said), 0).repute(&settings());
        assert_eq!(repute(&[(1, 0.0, 1_000.0)]), Repute::Unknown);
        assert_eq!(repute(&[(1, 0.0, 9.0), (2, 0.0, 9.0)]), Repute::Unknown);
        assert_eq!(repute(&[(1, 0.0, 3.0), (2, 0.0, 3.0), (3, 0.0, 2.0)]), Repute::Bad);
        assert_eq!(repute(&[(1, 0.0, 3.0), (2, 0.0, 3.0), (3, 0.0, 1.9)]), Repute::Unknown);
        assert_eq!(repute(&[(1, 3.0, 0.0), (2, 3.0, 0.0), (3, 3.0, 0.0)]), Repute::Good);
        assert_eq!(repute(&[(1, 3.0, 0.0), (2, 3.0, 0.0), (3, 0.0, 3.0)]), Repute::Mixed);
    }

    #[test]
    fn a_big_sender_outlives_one_who_complains_of_everything() {
        let mut said = voices(&[(0, 0.0, 500.0)]);
        for account in 1..60 {
            said.voices.insert(account, Said { inbox: 20.0, ..Said::default() });
        }
        assert_eq!(after(&said, 0).repute(&settings()), Repute::Good);
    }

    #[test]
    fn what_is_taken_back_is_gone_also_after_it_faded() {
        let mut one = standing();
        one.add(&voices(&[(1, 0.0, 3.0)]), NOW, &settings());
        let later = NOW + 7 * DAY;
        let back = -3.0 * left(7 * DAY, settings().half_life_days);
        one.add(&voices(&[(1, 0.0, back)]), later, &settings());
        assert!(one.clone().at(later, &settings()).opinion(&settings()).unwanted < 1e-6);
        // Nor does it go below nothing.
        one.add(&voices(&[(1, 0.0, -5.0), (2, 0.0, -5.0)]), later, &settings());
        assert!(one.opinion(&settings()).unwanted >= 0.0);
        one.add(&voices(&[(2, 0.0, 1.0)]), later, &settings());
        assert!((one.opinion(&settings()).unwanted - 1.0).abs() < 1e-6);
    }

    #[test]
    fn accounts_that_are_told_apart_have_a_limit_and_nothing_is_lost_by_it() {
        let mut one = standing();
        let all = VOICES_MAX as u32 + 6;
        for account in 0..all {
            one.add(&voices(&[(account, 0.0, 1.0)]), NOW, &settings());
        }
        assert_eq!(one.sums.voices.len(), VOICES_MAX);
        assert!((one.opinion(&settings()).unwanted - f64::from(all)).abs() < 1e-6);
        for account in 0..all {
            one.add(&voices(&[(account, 0.0, -1.0)]), NOW, &settings());
        }
        assert!(one.opinion(&settings()).unwanted < 1e-6);
    }

    #[test]
    fn scanners_have_a_bounded_say_about_domains_and_a_whole_one_about_addresses() {
        let found = Addition { found: 1_000.0, ..Addition::default() };
        assert!((after(&found, 0).unwanted - 16.0).abs() < 1e-6);
        let mut place = Standing::new(Name::parse("192.0.2.1").unwrap(), NOW);
        place.add(&found, NOW, &settings());
        assert!((place.opinion(&settings()).unwanted - 1_000.0).abs() < 1e-6);
        // Half of the recipients that it names are dead: it is not condemned for less.
        let mut tries = Standing::new(Name::parse("192.0.2.1").unwrap(), NOW);
        tries.add(&Addition { unknown: 100.0, ..Addition::default() }, NOW, &settings());
        assert_eq!(tries.opinion(&settings()).repute(&settings()), Repute::Bad);
    }

    #[test]
    fn what_is_written_is_read() {
        let mut one = Standing::new(Name::parse("192.0.2.0/24").unwrap(), NOW);
        let mut said = voices(&[(7, 0.5, 1.25), (9, 0.0, 2.0)]);
        (said.found, said.forged, said.unknown) = (3.0, 4.0, 5.0);
        one.add(&said, NOW + 5, &settings());
        one.others = Said { inbox: 1.0, wanted: 2.0, junk: 3.0 };
        let octets = one.write();
        assert_eq!(Standing::read(&octets), Some(one));
        for end in 0..octets.len() {
            assert_eq!(Standing::read(&octets[..end]), None);
        }
    }
}
