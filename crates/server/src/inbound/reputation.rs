//! What mail of a sender was worth here, asked when its next mail comes: who it is, what follows,
//! and what was seen of it this time.
//!
//! A domain that is proven to have sent the message speaks first, the author's before others; its
//! address only when the domain says nothing, and the network around it only when the address says
//! nothing either.
//!
//! Invariants: nobody is refused for it; a failure of the store decides nothing; what it decided
//! itself is no evidence.

use super::{
    Authenticity, Sender,
    rates::{self, Place, Rates},
};
use crate::{
    clock::SystemClock,
    scan::{Action, Verdict},
};
use account::{
    Clock as _,
    reputation::{Evidence, Known, Name, Reputation, Repute, Settings},
};
use mailauth::{dmarc, dns::Dns};
use std::{net::IpAddr, sync::Arc, time::Duration};
use tokio::{
    sync::{mpsc, watch},
    time::{sleep, timeout},
};

/// What was counted is written so often.
pub const EVERY: Duration = Duration::from_secs(5);
/// What has faded is forgotten, and who may do less is looked up, so often.
const SWEEP_EVERY: Duration = Duration::from_secs(3_600);
/// A network speaks for its addresses when so many times as much is known of it.
const NETWORK_TIMES: u32 = 4;

/// What is known of who sent a message.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Judged {
    /// Whom what happens to the message speaks for or against. None where nobody is judged.
    pub names: Vec<Name>,
    /// A domain of good repute is proven to have sent it.
    pub good: bool,
    /// Why it is Junk, in words.
    pub junk: Option<String>,
}

/// The address and its network.
#[must_use]
pub fn places(address: IpAddr) -> [Name; 2] {
    [rates::place(address), rates::around(address)]
        .map(|(address, bits)| Name::Place(address, bits))
}

/// Who sent a message: organizational domains that are proven, each once, then the address and its
/// network. What DNS does not tell in time is not counted.
pub async fn names(
    dns: &impl Dns,
    (sender, authenticity): (&Sender<'_>, &Authenticity),
    seconds: u32,
) -> Vec<Name> {
    let mut names = Vec::new();
    let within = Duration::from_secs(seconds.max(1).into());
    let _ = timeout(within, async {
        for domain in authenticity.vouched_domains() {
            if let Ok(domain) = dmarc::organizational(dns, &domain).await
                && let Some(name) = Name::parse(&domain).filter(Name::is_domain)
                && !names.contains(&name)
            {
                names.push(name);
            }
        }
    })
    .await;
    names.extend(places(sender.address));
    names
}

/// What follows for a message of these senders.
pub async fn judge(reputation: &Reputation, names: Vec<Name>) -> Judged {
    match reputation.find(&names, SystemClock.now_seconds()).await {
        Ok(known) => judged(reputation.settings(), names, &known),
        Err(error) => {
            tracing::error!(%error, "reputation not asked");
            Judged { names, ..Judged::default() }
        }
    }
}

fn judged(settings: &Settings, names: Vec<Name>, known: &[Option<Known>]) -> Judged {
    let (mut good, mut junk) = (false, None);
    for (name, known) in names.iter().zip(known) {
        let Some(known) = known else { continue };
        match repute(known, settings) {
            Repute::Unknown => continue,
            // Who has all kinds of customers does not answer for the address of this one.
            Repute::Mixed if name.is_domain() => continue,
            Repute::Good => good = name.is_domain(),
            Repute::Bad => junk = Some(told(known)),
            Repute::Mixed => {}
        }
        break;
    }
    Judged { names, good, junk }
}

/// What follows for a sender. A network has many addresses, and those who share it did not choose
/// each other.
#[must_use]
pub fn repute(known: &Known, settings: &Settings) -> Repute {
    match known.standing.name {
        Name::Place(address, bits) if rates::around(address).1 == bits => {
            let least = settings.messages_min.saturating_mul(NETWORK_TIMES);
            known.opinion.repute_from(least, settings)
        }
        _ => known.repute,
    }
}

/// In words.
fn told(known: &Known) -> String {
    let name = &known.standing.name;
    let of = if name.is_domain() { "of" } else { "from" };
    let (percent, messages) = (known.opinion.percent(), known.opinion.messages());
    format!(
        "mail {of} {name} was mostly unwanted here: {percent:.0} % of what counts as {messages:.0} \
         messages"
    )
}

impl Judged {
    /// What follows.
    #[must_use]
    pub fn verdict(&self) -> Option<Verdict> {
        let why = self.junk.clone()?;
        Some(Verdict::noted(Action::Junk, "REPUTATION", why))
    }
}

/// Counts what was found of a message: by DMARC, and by scanners and lists. Who is asked to come
/// again is counted when it comes.
pub fn count(reputation: &Reputation, names: &[Name], (dmarc, found): (Action, Action)) {
    let unwanted = |action| matches!(action, Action::Junk | Action::Reject);
    if unwanted(dmarc) {
        reputation.count(names, Evidence::Forged);
    }
    if unwanted(found) {
        reputation.count(names, Evidence::Found);
    }
}

/// Writes what was counted, and tells who may do less, until `shutdown`; then once more. The store
/// stays open as long as `_open` is held.
pub async fn run(
    (reputation, rates): (Arc<Reputation>, Arc<Rates>),
    (_open, mut shutdown): (mpsc::Sender<()>, watch::Receiver<bool>),
) {
    if !reputation.settings().enabled {
        return;
    }
    let mut waited = SWEEP_EVERY;
    loop {
        if waited >= SWEEP_EVERY {
            waited = Duration::ZERO;
            if let Err(error) = sweep(&reputation, &rates).await {
                tracing::warn!(%error, "senders not looked through");
            }
        }
        let down = tokio::select! {
            _ = shutdown.wait_for(|down| *down) => true,
            () = sleep(EVERY) => false,
        };
        waited += EVERY;
        if let Err(error) = write(&reputation, &rates).await {
            tracing::warn!(%error, "what was counted of senders is lost");
        }
        if down {
            return;
        }
    }
}

/// Writes what was counted.
///
/// # Errors
/// The store's.
pub async fn write(reputation: &Reputation, rates: &Rates) -> Result<(), account::Error> {
    let (changed, dropped) = reputation.write(SystemClock.now_seconds()).await?;
    if dropped > 0 {
        tracing::warn!(dropped, "too much was counted of senders at once");
    }
    for known in changed {
        if let Name::Place(address, bits) = known.standing.name {
            let bad = repute(&known, reputation.settings()) == Repute::Bad;
            rates.slow((address, bits), bad);
        }
    }
    Ok(())
}

async fn sweep(reputation: &Reputation, rates: &Rates) -> Result<(), account::Error> {
    let now = SystemClock.now_seconds();
    reputation.forget_faded(now).await?;
    let mut slow: Vec<Place> = Vec::new();
    let each = reputation.each(now, |known| {
        if let Name::Place(address, bits) = known.standing.name
            && repute(&known, reputation.settings()) == Repute::Bad
        {
            slow.push((address, bits));
        }
    });
    each.await?;
    rates.slow_alone(slow);
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use account::reputation::{Addition, Said, Standing};

    const NOW: i64 = 1_790_000_000;

    /// Of so many wanted, and so many unwanted messages, said by as many accounts as it needs.
    fn known(name: &str, wanted: u32, junk: u32) -> Option<Known> {
        let settings = Settings::default();
        let mut standing = Standing::new(Name::parse(name).unwrap(), NOW);
        let one = |account| {
            let wanted = if account < wanted { 1.0 } else { 0.0 };
            (account, Said { wanted, junk: 1.0 - wanted, ..Said::default() })
        };
        let voices = (0..wanted + junk).map(one).collect();
        standing.add(&Addition { voices, ..Addition::default() }, NOW, &settings);
        let opinion = standing.opinion(&settings);
        Some(Known { standing, opinion, repute: opinion.repute(&settings) })
    }

    fn decided(known: &[Option<Known>]) -> (bool, Option<String>) {
        let name = |at| Name::Domain(format!("nobody{at}.test"));
        let names = known.iter().enumerate().map(|(at, known)| {
            known.as_ref().map_or_else(|| name(at), |known| known.standing.name.clone())
        });
        let judged = judged(&Settings::default(), names.collect(), known);
        (judged.good, judged.junk)
    }

    #[test]
    fn who_is_known_decides_the_author_before_others_and_domains_before_addresses() {
        let (good, bad) = (known("good.test", 20, 0), known("bad.test", 0, 20));
        let mixed = known("mixed.test", 10, 10);
        let (clean, dirty) = (known("192.0.2.1", 20, 0), known("192.0.2.1", 0, 20));
        let network = known("192.0.2.0/24", 0, 60);
        let junk = |known: &[Option<Known>]| decided(known).1.is_some();
        assert!(junk(&[bad.clone(), good.clone(), clean.clone(), None]));
        assert!(!junk(&[good.clone(), bad.clone(), dirty.clone(), network.clone()]));
        assert!(decided(&[good, None, dirty.clone(), network.clone()]).0);
        // Nothing is known of the domain, or nothing clear: the address speaks.
        assert!(junk(&[None, dirty.clone(), None]) && junk(&[mixed.clone(), dirty, None]));
        assert!(!junk(&[mixed, clean.clone(), network.clone()]));
        // An address that is known outweighs its network, but lets nobody in at once.
        assert_eq!(decided(&[clean, network.clone()]), (false, None));
        assert!(junk(&[None, network]));
        assert_eq!(decided(&[None, None]), (false, None));
    }

    #[test]
    fn a_network_needs_more_than_an_address() {
        let least = Settings::default().messages_min * NETWORK_TIMES;
        let junk = |name, count| decided(&[known(name, 0, count)]).1.is_some();
        assert!(junk("192.0.2.1", least - 1) && junk("2001:db8::/64", least - 1));
        for network in ["192.0.2.0/24", "2001:db8::/48"] {
            assert!(!junk(network, least - 1) && junk(network, least), "{network}");
        }
    }

    #[test]
    fn why_is_told_in_words() {
        let (_, why) = decided(&[known("bad.test", 0, 20)]);
        assert_eq!(
            why.unwrap(),
            "mail of bad.test was mostly unwanted here: 95 % of what counts as 20 messages"
        );
    }
}
