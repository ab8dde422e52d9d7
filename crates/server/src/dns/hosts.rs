//! Which hosts take a domain's mail, and where they are (RFC 5321 §5).

use super::{Dns, Fault};
use std::net::IpAddr;

/// Hosts of one domain that are tried.
const HOSTS_MAX: usize = 10;
/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;

/// A host that takes a domain's mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Mx {
    /// The lowest comes first.
    pub preference: u16,
    /// Its name; empty for the root.
    pub host: String,
}

/// Hosts that take a domain's mail.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MailHosts {
    /// The best first.
    pub hosts: Vec<String>,
    /// Proven by DNSSEC that it is these.
    pub secure: bool,
}

/// Where a host is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct HostAddresses {
    /// Of both families by turns, IPv6 first.
    pub addresses: Vec<IpAddr>,
    /// The host's name behind all aliases, when DNSSEC proves all of the way.
    pub secure_name: Option<String>,
}

/// Why there is no host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum NoHost {
    /// The domain does not exist.
    NoSuchDomain,
    /// It takes no mail (RFC 7505), or has neither host nor address.
    NoMail,
    /// We are its best host, and do not take its mail.
    Loop,
    /// Nobody answered, or what was answered is no answer.
    Temporary(String),
}

impl From<Fault> for NoHost {
    fn from(fault: Fault) -> Self {
        match fault {
            Fault::NoSuchName => Self::NoSuchDomain,
            Fault::NoRecords => Self::NoMail,
            Fault::Temporary(why) => Self::Temporary(why),
        }
    }
}

impl Dns {
    /// Hosts that take a domain's mail, the best first; those that are as good in an order that
    /// `random` decides (RFC 5321 §5.1: "the sender-SMTP MUST randomize them").
    ///
    /// # Errors
    /// [`NoHost`].
    pub async fn mail_hosts(
        &self,
        domain: &str,
        (host_name, random): (&str, impl Fn(&str) -> u64),
    ) -> Result<MailHosts, NoHost> {
        let found = match self.exchanges(domain).await {
            Ok(found) => found,
            // "If an empty list of MXs is returned, the address is treated as if it was
            // associated with an implicit MX RR" (§5.1). What the host's address says of its
            // security decides then.
            Err(Fault::NoRecords) => {
                return Ok(MailHosts { hosts: vec![domain.to_owned()], secure: true });
            }
            Err(fault) => return Err(fault.into()),
        };
        let secure = found.secure;
        let found = found.records.into_iter();
        let found = found.map(|mx| (mx.preference, random(&mx.host), mx.host)).collect();
        let hosts = ordered(found, domain, host_name)?;
        Ok(MailHosts { hosts, secure })
    }

    /// Addresses of a host, of both families.
    ///
    /// # Errors
    /// [`NoHost`].
    pub async fn host_addresses(&self, host: &str) -> Result<HostAddresses, NoHost> {
        let (four, six) = tokio::join!(self.addresses(host, false), self.addresses(host, true));
        let mut secure = true;
        let mut name = None;
        let mut addresses = [Vec::new(), Vec::new()];
        let mut faults = Vec::new();
        for (found, addresses) in [six, four].into_iter().zip(&mut addresses) {
            match found {
                Ok(found) => {
                    secure &= found.secure;
                    name = Some(found.name);
                    *addresses = found.records;
                }
                Err(fault) => faults.push(fault),
            }
        }
        let [six, four] = addresses;
        let mut by_turns = Vec::new();
        for at in 0..six.len().max(four.len()) {
            by_turns.extend(six.get(at).into_iter().chain(four.get(at)).copied());
        }
        by_turns.truncate(ADDRESSES_MAX);
        if by_turns.is_empty() {
            // A failure decides nothing, whatever the other family's answer was.
            let temporary = faults.iter().find(|fault| matches!(fault, Fault::Temporary(_)));
            let fault = temporary.or(faults.first()).cloned();
            return Err(fault.unwrap_or(Fault::NoRecords).into());
        }
        Ok(HostAddresses { addresses: by_turns, secure_name: name.filter(|_| secure) })
    }
}

/// Hosts in the order in which they are tried.
fn ordered(
    mut found: Vec<(u16, u64, String)>,
    domain: &str,
    host_name: &str,
) -> Result<Vec<String>, NoHost> {
    // RFC 7505 §3: one record, whose host is the root.
    if found.iter().all(|(_, _, name)| name.is_empty()) && !found.is_empty() {
        return Err(NoHost::NoMail);
    }
    found.retain(|(_, _, name)| !name.is_empty());
    if found.is_empty() {
        return Ok(vec![domain.to_owned()]);
    }
    found.sort();
    // §5.1: where we are a host ourselves, only better ones are called.
    let own = found.iter().find(|(_, _, name)| name.eq_ignore_ascii_case(host_name));
    if let Some(preference) = own.map(|(preference, ..)| *preference) {
        found.retain(|(other, ..)| *other < preference);
        if found.is_empty() {
            return Err(NoHost::Loop);
        }
    }
    found.truncate(HOSTS_MAX);
    Ok(found.into_iter().map(|(_, _, name)| name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(found: &[(u16, u64, &str)]) -> Result<Vec<String>, NoHost> {
        let found = found.iter().map(|(one, other, name)| (*one, *other, (*name).to_owned()));
        ordered(found.collect(), "example.test", "mx.own.test")
    }

    #[test]
    fn by_preference_then_by_chance() {
        let found = [(20, 1, "c.test"), (10, 9, "a.test"), (10, 3, "b.test")];
        assert_eq!(order(&found).unwrap(), ["b.test", "a.test", "c.test"]);
    }

    #[test]
    fn rfc7505_null_mx() {
        assert_eq!(order(&[(0, 1, "")]), Err(NoHost::NoMail));
        // With others it is no null MX.
        assert_eq!(order(&[(0, 1, ""), (10, 1, "a.test")]).unwrap(), ["a.test"]);
    }

    #[test]
    fn only_better_hosts_than_ourselves() {
        let found =
            [(10, 1, "a.test"), (20, 1, "MX.own.test"), (20, 2, "b.test"), (30, 1, "c.test")];
        assert_eq!(order(&found).unwrap(), ["a.test"]);
        assert_eq!(order(&[(10, 1, "mx.own.test")]), Err(NoHost::Loop));
    }

    #[test]
    fn hosts_at_the_limit_and_beyond() {
        let names: Vec<String> = (0..12).map(|number| format!("{number:02}.test")).collect();
        let all = |count: usize| -> Vec<(u16, u64, &str)> {
            names.iter().take(count).map(|name| (10, 1, name.as_str())).collect()
        };
        assert_eq!(order(&all(HOSTS_MAX)).unwrap().len(), HOSTS_MAX);
        assert_eq!(order(&all(HOSTS_MAX + 1)).unwrap().len(), HOSTS_MAX);
    }
}
