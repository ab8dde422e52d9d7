//! Domains that DNS does not answer for: their mail comes again, but not for ever.
//!
//! Whoever runs a domain whose records cannot be had for days will not hear of it from us; its mail
//! is then taken, and says that nobody could check it. Invariants: a domain that was answered for
//! begins anew; what is remembered has a bound, and what is forgotten waits longer, not shorter.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

/// Domains that are remembered. Of more, the one that was asked for longest ago is forgotten.
const DOMAINS_MAX: usize = 10_000;
/// Seconds after which a domain that nobody writes from is forgotten: senders come again within
/// hours (RFC 5321 §4.5.4.1).
const IDLE_SECONDS_MAX: i64 = 24 * 3600;

#[derive(Clone, Copy)]
struct Since {
    first: i64,
    last: i64,
}

/// Since when there are no answers.
#[derive(Default)]
pub struct Silence(Mutex<HashMap<String, Since>>);

impl Silence {
    /// Nobody answered for a domain: whether its mail shall come again. `seconds_max`: so long
    /// after the first time.
    pub fn defers(&self, domain: &str, (now, seconds_max): (i64, i64)) -> bool {
        if seconds_max <= 0 {
            return false;
        }
        let mut domains = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if domains.len() >= DOMAINS_MAX && !domains.contains_key(domain) {
            domains.retain(|_, since| now - since.last <= IDLE_SECONDS_MAX);
            let oldest = domains.iter().min_by_key(|(_, since)| since.last);
            let oldest = oldest.filter(|_| domains.len() >= DOMAINS_MAX);
            if let Some(oldest) = oldest.map(|(domain, _)| domain.clone()) {
                domains.remove(&oldest);
            }
        }
        let since = domains.entry(domain.to_owned()).or_insert(Since { first: now, last: now });
        if now - since.last > IDLE_SECONDS_MAX {
            since.first = now;
        }
        since.last = now;
        now - since.first < seconds_max
    }

    /// There was an answer.
    pub fn ended(&self, domain: &str) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).remove(domain);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOUR: i64 = 3600;

    #[test]
    fn mail_comes_again_until_the_time_is_over() {
        let silence = Silence::default();
        let defers = |domain, hour: i64| silence.defers(domain, (hour * HOUR, 48 * HOUR));
        assert!(defers("a.test", 0) && defers("a.test", 20) && defers("a.test", 40));
        assert!(silence.defers("a.test", (48 * HOUR - 1, 48 * HOUR)));
        assert!(!defers("a.test", 48) && !defers("a.test", 60));
        assert!(defers("b.test", 60), "each has its own time");
        silence.ended("a.test");
        assert!(defers("a.test", 61), "it begins anew");
    }

    #[test]
    fn who_was_away_begins_anew_and_zero_defers_nothing() {
        let silence = Silence::default();
        assert!(silence.defers("a.test", (0, 10 * HOUR)));
        assert!(!silence.defers("a.test", (24 * HOUR, 10 * HOUR)));
        assert!(silence.defers("a.test", (49 * HOUR, 10 * HOUR)));
        assert!(!silence.defers("b.test", (0, 0)));
    }

    #[test]
    fn there_is_a_bound() {
        let silence = Silence::default();
        for one in 0..=DOMAINS_MAX {
            let now = i64::try_from(one).unwrap();
            assert!(silence.defers(&format!("{one}.test"), (now, HOUR)));
        }
        let kept = silence.0.lock().unwrap();
        assert_eq!(kept.len(), DOMAINS_MAX);
        assert!(!kept.contains_key("0.test") && kept.contains_key("1.test"));
    }
}
