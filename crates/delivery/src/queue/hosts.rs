//! How much one host is given, whatever domains it takes mail for: a provider's hosts serve ten
//! thousand domains, and see the connections of all of them.
//!
//! Invariants: a host has no more connections than its limit; a site that found it full hears when
//! there is room again; what is remembered of hosts that have neither connections nor waiting sites
//! has a bound. Knows no clock: seconds are given.

use std::{
    collections::{BTreeSet, HashMap, VecDeque},
    sync::Arc,
};

/// Hosts whose minute is remembered.
const QUIET_MAX: usize = 10_000;

/// How much one host may be given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct HostLimits {
    /// Connections.
    pub connections_max: usize,
    /// Messages in a minute; 0 for any number.
    pub messages_per_minute_max: u32,
}

#[derive(Default)]
struct Host {
    connections: usize,
    /// The minute at hand and the messages given in it.
    minute: (i64, u32),
    /// Sites that found it full, in turn.
    waiting: VecDeque<Arc<str>>,
}

impl Host {
    fn is_quiet(&self) -> bool {
        self.connections == 0 && self.waiting.is_empty()
    }
}

/// All hosts that are called.
pub struct Hosts {
    limits: HostLimits,
    hosts: HashMap<Arc<str>, Host>,
    /// Those that sites wait for.
    wanted: BTreeSet<Arc<str>>,
}

impl Hosts {
    /// Nobody is called.
    #[must_use]
    pub fn new(limits: HostLimits) -> Self {
        Self { limits, hosts: HashMap::new(), wanted: BTreeSet::new() }
    }

    /// A connection to a host begins: its name to be given to [`Self::left`], or `None` if the host
    /// has as many as it may.
    pub fn enter(&mut self, host: &str) -> Option<Arc<str>> {
        let name = match self.hosts.get_key_value(host) {
            Some((name, _)) => Arc::clone(name),
            None => Arc::from(host),
        };
        let known = self.hosts.entry(Arc::clone(&name)).or_default();
        if known.connections >= self.limits.connections_max {
            return None;
        }
        known.connections += 1;
        Some(name)
    }

    /// A site waits for room at a host, in the same step in which it goes to sleep: an offer that
    /// came in between would be lost.
    pub fn wait(&mut self, host: &str, site: &Arc<str>) {
        let name: Arc<str> = Arc::from(host);
        let known = self.hosts.entry(Arc::clone(&name)).or_default();
        if !known.waiting.contains(site) {
            known.waiting.push_back(Arc::clone(site));
            self.wanted.insert(name);
        }
    }

    /// A connection to a host ended.
    pub fn left(&mut self, host: &str) {
        if let Some(known) = self.hosts.get_mut(host) {
            known.connections = known.connections.saturating_sub(1);
            if known.is_quiet() && known.minute.1 == 0 {
                self.hosts.remove(host);
            }
        }
    }

    /// Offers what room there is to sites that wait for it; `wants` says whether one still does.
    /// Who was offered a place and did not come took it from nobody: it is offered again the next
    /// time. Whether somebody was offered one.
    pub fn offer(&mut self, mut wants: impl FnMut(&Arc<str>) -> bool) -> bool {
        let mut offered = false;
        for name in self.wanted.iter().cloned().collect::<Vec<_>>() {
            let Some(host) = self.hosts.get_mut(&name) else { continue };
            let mut free = self.limits.connections_max.saturating_sub(host.connections);
            while free > 0 {
                let Some(site) = host.waiting.pop_front() else { break };
                if wants(&site) {
                    free -= 1;
                    offered = true;
                }
            }
            if host.waiting.is_empty() {
                self.wanted.remove(&name);
                if host.is_quiet() && host.minute.1 == 0 {
                    self.hosts.remove(&name);
                }
            }
        }
        offered
    }

    /// Counts a message that a host is to be given.
    ///
    /// # Errors
    /// It had its share of this minute: when it may be given more.
    pub fn give(&mut self, host: &str, now: i64) -> Result<(), i64> {
        let max = self.limits.messages_per_minute_max;
        let Some(known) = self.hosts.get_mut(host).filter(|_| max > 0) else { return Ok(()) };
        let minute = now.div_euclid(60);
        if known.minute.0 != minute {
            known.minute = (minute, 0);
        }
        if known.minute.1 >= max {
            return Err((minute + 1) * 60);
        }
        known.minute.1 += 1;
        if self.hosts.len() > QUIET_MAX {
            self.hosts.retain(|_, host| !host.is_quiet() || host.minute.0 == minute);
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIMITS: HostLimits = HostLimits { connections_max: 2, messages_per_minute_max: 3 };

    #[test]
    fn sites_share_a_host_and_take_turns() {
        let mut hosts = Hosts::new(LIMITS);
        assert!(hosts.enter("mx.test").is_some() && hosts.enter("mx.test").is_some());
        for site in ["c.test", "d.test", "c.test", "e.test"] {
            assert!(hosts.enter("mx.test").is_none(), "two are its limit");
            hosts.wait("mx.test", &Arc::from(site));
        }
        assert!(hosts.enter("other.test").is_some(), "others are other hosts");
        let offered = |hosts: &mut Hosts, no: &str| {
            let mut asked = Vec::new();
            hosts.offer(|site| {
                asked.push(site.to_string());
                **site != *no
            });
            asked
        };
        assert!(offered(&mut hosts, "").is_empty(), "there is no room");
        hosts.left("mx.test");
        assert_eq!(offered(&mut hosts, ""), ["c.test"]);
        // It did not come, and the next one has nothing to send any more.
        assert_eq!(offered(&mut hosts, "d.test"), ["d.test", "e.test"]);
        assert!(offered(&mut hosts, "").is_empty(), "nobody waits");
        hosts.left("mx.test");
        hosts.left("other.test");
        assert!(hosts.hosts.is_empty() && hosts.wanted.is_empty(), "nothing is remembered");
        hosts.left("mx.test");
    }

    #[test]
    fn so_many_messages_a_minute_and_not_one_more() {
        let mut hosts = Hosts::new(LIMITS);
        hosts.enter("mx.test").unwrap();
        for now in [60, 61, 119] {
            assert_eq!(hosts.give("mx.test", now), Ok(()));
        }
        assert_eq!(hosts.give("mx.test", 119), Err(120));
        // Who hangs up and calls again has no more.
        hosts.left("mx.test");
        hosts.enter("mx.test").unwrap();
        assert_eq!(hosts.give("mx.test", 119), Err(120));
        assert_eq!(hosts.give("mx.test", 120), Ok(()));
    }

    #[test]
    fn any_number_where_there_is_no_limit_and_a_bound_of_memory() {
        let mut hosts = Hosts::new(HostLimits { messages_per_minute_max: 0, ..LIMITS });
        hosts.enter("mx.test").unwrap();
        assert!((0..1_000).all(|_| hosts.give("mx.test", 0) == Ok(())));
        let mut hosts = Hosts::new(LIMITS);
        for one in 0..=QUIET_MAX as i64 {
            let host = format!("{one}.test");
            hosts.enter(&host).unwrap();
            assert_eq!(hosts.give(&host, one * 60), Ok(()));
            hosts.left(&host);
        }
        assert!(hosts.hosts.len() < QUIET_MAX);
    }
}
