//! Greylisting: a sender that nobody knows is asked to come again; servers do, most of what sends
//! junk does not.
//!
//! It is decided after DATA, not at RCPT: only then is it known which domain vouches for the
//! message (SPF, DKIM), and a domain that was let in once is let in from everywhere, as large
//! senders come again from another address. Who is vouched for by nobody is known by its network
//! and the domain of its reverse-path.
//!
//! Invariants: nobody is refused for good; a failure of the store lets in.

use super::{Authenticity, Sender};
use account::{
    Error,
    strangers::{Memory, Met, Strangers},
};
use std::sync::Arc;

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// Settings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// Whether strangers are asked to come again.
    pub enabled: bool,
    /// Who comes again sooner is asked once more.
    pub delay_seconds: u32,
    /// Who comes again later begins anew.
    pub retry_hours_max: u32,
    /// Who was let in is let in for so long after it came last.
    pub keep_days: u32,
    /// Senders that are remembered.
    pub senders_max: u32,
    /// Domains (A-labels, lower case) that are let in at once when SPF or DKIM vouches for them.
    pub exempt_domains: Vec<String>,
}

/// What follows for a sender.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Decided {
    /// It is let in.
    pass: bool,
    /// What is to be remembered now; nothing new without it.
    write: Option<Met>,
}

/// Asks strangers to come again.
pub struct Greylist {
    strangers: Arc<Strangers>,
    settings: Settings,
}

impl Greylist {
    /// None unless it is enabled.
    #[must_use]
    pub fn new(strangers: Arc<Strangers>, settings: Settings) -> Option<Self> {
        settings.enabled.then_some(Self { strangers, settings })
    }

    /// Why a sender is asked to come again; `None` lets it in.
    pub async fn asks_to_wait(
        &self,
        sender: &Sender<'_>,
        authenticity: &Authenticity,
        now: i64,
    ) -> Option<String> {
        let domains = authenticity.vouched_domains();
        if domains.iter().any(|domain| self.settings.exempt_domains.contains(domain)) {
            return None;
        }
        match self.first_of(&names(sender, &domains), now).await {
            Ok(true) => None,
            Ok(false) => {
                let who = domains.first().map_or_else(
                    || "a sender that nobody vouches for".to_owned(),
                    |domain| format!("a message of {domain}"),
                );
                let seconds = self.settings.delay_seconds;
                Some(format!("{who} is new here and may come again after {seconds} s"))
            }
            Err(error) => {
                tracing::error!(%error, "not greylisted");
                None
            }
        }
    }

    /// Whether one of these names is let in; otherwise the first is remembered.
    async fn first_of(&self, names: &[String], now: i64) -> Result<bool, Error> {
        let mut first = None;
        for name in names {
            let decided = self.settings.decide(self.strangers.met(name).await?, now);
            if decided.pass {
                self.remember(name, decided, now).await?;
                return Ok(true);
            }
            first = first.or(Some((name, decided)));
        }
        match first {
            Some((name, decided)) => self.remember(name, decided, now).await.map(|()| false),
            None => Ok(true),
        }
    }

    async fn remember(&self, name: &str, decided: Decided, now: i64) -> Result<(), Error> {
        let Some(met) = decided.write else { return Ok(()) };
        let memory = Memory {
            since: now - i64::from(self.settings.keep_days) * DAY,
            entries_max: usize::try_from(self.settings.senders_max).unwrap_or(usize::MAX),
        };
        self.strangers.meet(name, met, memory).await
    }
}

impl Settings {
    fn decide(&self, met: Option<Met>, now: i64) -> Decided {
        let new =
            Decided { pass: false, write: Some(Met { first: now, last: now, passed: false }) };
        let Some(met) = met else { return new };
        let (waited, absent) = (now - met.first, now - met.last);
        if met.passed {
            if absent > i64::from(self.keep_days) * DAY {
                return new;
            }
            // Not written for each message.
            let write = (absent >= HOUR).then_some(Met { last: now, ..met });
            return Decided { pass: true, write };
        }
        if waited > i64::from(self.retry_hours_max) * HOUR {
            return new;
        }
        if waited < i64::from(self.delay_seconds) {
            return Decided { pass: false, write: None };
        }
        Decided { pass: true, write: Some(Met { last: now, passed: true, ..met }) }
    }
}

/// As what a sender is remembered: each domain that vouches for it, or its network with the domain
/// of the reverse-path (of `<>`: what it calls itself).
fn names(sender: &Sender<'_>, domains: &[String]) -> Vec<String> {
    if !domains.is_empty() {
        return domains.iter().map(|domain| format!("domain {domain}")).collect();
    }
    let (network, _) = super::rates::around(sender.address);
    let from = sender.from.as_ref().map_or_else(
        || format!("<> {}", sender.hello.to_ascii_lowercase()),
        |from| from.domain().to_ascii(),
    );
    vec![format!("network {network} {from}")]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings() -> Settings {
        Settings {
            enabled: true,
            delay_seconds: 300,
            retry_hours_max: 24,
            keep_days: 30,
            senders_max: 100,
            exempt_domains: Vec::new(),
        }
    }

    fn passes(first: i64, last: i64, passed: bool) -> impl Fn(i64) -> bool {
        move |now| settings().decide(Some(Met { first, last, passed }), now).pass
    }

    #[test]
    fn who_comes_again_in_time_is_let_in() {
        let now = 1_790_000_000;
        let new = settings().decide(None, now);
        assert!(!new.pass);
        let passes_at = passes(now, now, false);
        assert!(!passes_at(now + 299) && passes_at(now + 300));
        assert!(passes_at(now + 24 * HOUR) && !passes_at(now + 24 * HOUR + 1));
        // Coming too soon does not begin the wait anew; coming too late does.
        assert_eq!(settings().decide(new.write, now + 299).write, None);
        let late = settings().decide(new.write, now + 25 * HOUR);
        assert_eq!(late.write.map(|met| met.first), Some(now + 25 * HOUR));
    }

    #[test]
    fn who_was_let_in_stays_so_while_it_comes() {
        let now = 1_790_000_000;
        let passes_at = passes(now - 400 * DAY, now, true);
        assert!(passes_at(now) && passes_at(now + 30 * DAY) && !passes_at(now + 30 * DAY + 1));
        let met = Some(Met { first: now, last: now, passed: true });
        assert_eq!(settings().decide(met, now + HOUR - 1).write, None);
        let written = settings().decide(met, now + HOUR).write.unwrap();
        assert_eq!((written.first, written.last, written.passed), (now, now + HOUR, true));
    }

    #[test]
    fn a_domain_is_one_sender_and_so_is_a_network() {
        let sender = |address: &str, from: &str| {
            let from = mail::Address::parse(from);
            let address = address.parse().unwrap();
            names(&Sender { address, hello: "MX.a.test", from, host_name: "x" }, &[])
        };
        assert_eq!(sender("192.0.2.7", "a@A.test"), ["network 192.0.2.0 a.test"]);
        assert_eq!(sender("192.0.2.9", "b@a.test"), ["network 192.0.2.0 a.test"]);
        assert_eq!(sender("2001:db8:0:1::1", ""), ["network 2001:db8:: <> mx.a.test"]);
        let sender = Sender {
            address: "192.0.2.7".parse().unwrap(),
            hello: "x",
            from: None,
            host_name: "x",
        };
        assert_eq!(names(&sender, &["a.test".into()]), ["domain a.test"]);
    }
}
