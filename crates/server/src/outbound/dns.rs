//! Which hosts take a domain's mail, and where they are (RFC 5321 §5).
//!
//! "A DNS failure defers, it never decides": only answers do.

use hickory_resolver::{
    Resolver, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverConfig},
    net::{NetError, runtime::TokioRuntimeProvider},
    proto::rr::RData,
};
use std::net::{IpAddr, SocketAddr};

/// Hosts of one domain that are tried.
const HOSTS_MAX: usize = 10;
/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;

/// Why there is no host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The domain does not exist.
    NoSuchDomain,
    /// It takes no mail (RFC 7505), or has neither host nor address.
    NoMail,
    /// We are its best host, and do not take its mail.
    Loop,
    /// Nobody answered, or what was answered is no answer.
    Temporary(String),
}

/// Asks name servers.
pub struct Dns {
    resolver: TokioResolver,
}

fn fault(error: &NetError) -> Fault {
    if error.is_nx_domain() {
        Fault::NoSuchDomain
    } else if error.is_no_records_found() {
        Fault::NoMail
    } else {
        Fault::Temporary(error.to_string())
    }
}

impl Dns {
    /// Asks these servers; without any, those of the system.
    ///
    /// # Errors
    /// Text of what is wrong with the system's configuration.
    pub fn new(servers: &[SocketAddr]) -> Result<Self, String> {
        let builder = if servers.is_empty() {
            Resolver::builder_tokio().map_err(|error| error.to_string())?
        } else {
            let server = |address: &SocketAddr| {
                let connection = |protocol| {
                    let mut connection = ConnectionConfig::new(protocol);
                    connection.port = address.port();
                    connection
                };
                let both = vec![connection(ProtocolConfig::Udp), connection(ProtocolConfig::Tcp)];
                NameServerConfig::new(address.ip(), true, both)
            };
            let servers = servers.iter().map(server).collect();
            let config = ResolverConfig::from_parts(None, Vec::new(), servers);
            Resolver::builder_with_config(config, TokioRuntimeProvider::default())
        };
        let resolver = builder.build().map_err(|error| error.to_string())?;
        Ok(Self { resolver })
    }

    /// Hosts that take a domain's mail, the best first; those that are as good in an order that
    /// `random` decides (RFC 5321 §5.1: "the sender-SMTP MUST randomize them").
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn mail_hosts(
        &self,
        domain: &str,
        (host_name, random): (&str, impl Fn(&str) -> u64),
    ) -> Result<Vec<String>, Fault> {
        let lookup = match self.resolver.mx_lookup(format!("{domain}.")).await {
            Ok(lookup) => lookup,
            Err(error) => match fault(&error) {
                // "If an empty list of MXs is returned, the address is treated as if it was
                // associated with an implicit MX RR" (§5.1).
                Fault::NoMail => return Ok(vec![domain.to_owned()]),
                fault => return Err(fault),
            },
        };
        let mut found: Vec<(u16, u64, String)> = Vec::new();
        for record in lookup.answers() {
            if let RData::MX(mx) = &record.data {
                let name = mx.exchange.to_utf8().trim_end_matches('.').to_ascii_lowercase();
                found.push((mx.preference, random(&name), name));
            }
        }
        ordered(found, domain, host_name)
    }

    /// Addresses of a host, of both families.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn addresses(&self, host: &str) -> Result<Vec<IpAddr>, Fault> {
        let lookup = self.resolver.lookup_ip(format!("{host}.")).await;
        let lookup = lookup.map_err(|error| fault(&error))?;
        let found: Vec<IpAddr> = lookup.iter().take(ADDRESSES_MAX).collect();
        if found.is_empty() { Err(Fault::NoMail) } else { Ok(found) }
    }
}

/// Hosts in the order in which they are tried.
fn ordered(
    mut found: Vec<(u16, u64, String)>,
    domain: &str,
    host_name: &str,
) -> Result<Vec<String>, Fault> {
    // RFC 7505 §3: one record, whose host is the root.
    if found.iter().all(|(_, _, name)| name.is_empty()) && !found.is_empty() {
        return Err(Fault::NoMail);
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
            return Err(Fault::Loop);
        }
    }
    found.truncate(HOSTS_MAX);
    Ok(found.into_iter().map(|(_, _, name)| name).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn order(found: &[(u16, u64, &str)]) -> Result<Vec<String>, Fault> {
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
        assert_eq!(order(&[(0, 1, "")]), Err(Fault::NoMail));
        // With others it is no null MX.
        assert_eq!(order(&[(0, 1, ""), (10, 1, "a.test")]).unwrap(), ["a.test"]);
    }

    #[test]
    fn only_better_hosts_than_ourselves() {
        let found =
            [(10, 1, "a.test"), (20, 1, "MX.own.test"), (20, 2, "b.test"), (30, 1, "c.test")];
        assert_eq!(order(&found).unwrap(), ["a.test"]);
        assert_eq!(order(&[(10, 1, "mx.own.test")]), Err(Fault::Loop));
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
