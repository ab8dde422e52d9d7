//! Where mail for a domain goes: to ourselves, to the smart host, or along a route of its own.

use std::{net::SocketAddr, sync::Arc};
use tokio::net::lookup_host;

/// The site of recipients of ours.
pub const LOCAL: &str = "local";
/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;

/// A host that takes mail for others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    /// Name or address.
    pub name: String,
    /// Port.
    pub port: u16,
}

impl Host {
    /// From `host:port`, `[address]:port`, or a host alone (port 25).
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !name.ends_with(':') && !name.is_empty() => {
                (name, port.parse().ok()?)
            }
            Some(_) => return None,
            None => (text, 25),
        };
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
        let good = !name.is_empty() && name.chars().all(plain);
        good.then(|| Self { name: name.to_owned(), port })
    }

    /// Its addresses, as the system resolves them.
    ///
    /// # Errors
    /// The resolver's.
    pub async fn addresses(&self) -> std::io::Result<Vec<SocketAddr>> {
        let found = lookup_host((self.name.as_str(), self.port)).await?;
        Ok(found.take(ADDRESSES_MAX).collect())
    }
}

/// Which host a domain's mail is given to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Routes {
    /// For all domains without a route.
    pub smart_host: Option<Host>,
    /// By domain.
    pub domains: Vec<(String, Host)>,
}

impl Routes {
    /// The host for a domain; `None` when there is no way out.
    #[must_use]
    pub fn host(&self, domain: &str) -> Option<&Host> {
        let own = self.domains.iter().find(|(of, _)| of.eq_ignore_ascii_case(domain));
        own.map(|(_, host)| host).or(self.smart_host.as_ref())
    }

    /// Mail that goes together: `host:port`.
    #[must_use]
    pub fn site(&self, domain: &str) -> Option<Arc<str>> {
        self.host(domain).map(|host| format!("{}:{}", host.name, host.port).into())
    }

    /// The host of a site.
    #[must_use]
    pub fn of_site(&self, site: &str) -> Option<&Host> {
        let mut all = self.domains.iter().map(|(_, host)| host).chain(&self.smart_host);
        all.find(|host| format!("{}:{}", host.name, host.port) == site)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts() {
        let host = |name: &str, port| Some(Host { name: name.to_owned(), port });
        assert_eq!(Host::parse("mx.example.test"), host("mx.example.test", 25));
        assert_eq!(Host::parse("127.0.0.1:2525"), host("127.0.0.1", 2525));
        assert_eq!(Host::parse("[::1]:587"), host("::1", 587));
        for text in ["", ":25", "a b:25", "host:", "host:x", "host:70000"] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_domain_s_own_route_comes_first() {
        let (smart, own) = (Host::parse("smart.test:25"), Host::parse("own.test:2525").unwrap());
        let domains = vec![("example.test".to_owned(), own.clone())];
        let routes = Routes { smart_host: smart.clone(), domains };
        assert_eq!(routes.host("EXAMPLE.test"), Some(&own));
        assert_eq!(routes.host("other.test"), smart.as_ref());
        assert_eq!(routes.site("example.test").as_deref(), Some("own.test:2525"));
        assert_eq!(routes.of_site("own.test:2525"), Some(&own));
        assert_eq!(routes.of_site(LOCAL), None);
        assert_eq!(Routes::default().site("other.test"), None);
    }
}
