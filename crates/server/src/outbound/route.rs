//! Where mail for a domain goes: to ourselves, to the smart host, along a route of its own, or to
//! the hosts that DNS names.

use super::login::{Login, Logins};
use std::{net::SocketAddr, sync::Arc};
use tokio::net::lookup_host;

/// The site of recipients of ours.
pub const LOCAL: &str = "local";
/// Addresses of one host that are tried.
const ADDRESSES_MAX: usize = 8;
/// TLS first (RFC 8314 §7.3).
const SUBMISSIONS_PORT: u16 = 465;

/// A host that takes mail for others.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Host {
    /// Name or address.
    pub name: String,
    /// Port.
    pub port: u16,
    /// TLS from the first octet (RFC 8314 §3.3) rather than by STARTTLS.
    pub implicit_tls: bool,
}

impl Host {
    /// From `host:port`, `[address]:port`, or a host alone (port 25). `tls://` before it, or port
    /// 465: TLS comes first.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (text, tls) = text.strip_prefix("tls://").map_or((text, false), |rest| (rest, true));
        let (name, port) = match text.rsplit_once(':') {
            Some((name, port)) if !name.ends_with(':') && !name.is_empty() => {
                (name, port.parse().ok()?)
            }
            Some(_) => return None,
            None => (text, if tls { SUBMISSIONS_PORT } else { 25 }),
        };
        let name = name.trim_start_matches('[').trim_end_matches(']');
        let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | ':' | '_');
        let good = !name.is_empty() && name.chars().all(plain);
        let implicit_tls = tls || port == SUBMISSIONS_PORT;
        good.then(|| Self { name: name.to_owned(), port, implicit_tls })
    }

    /// Whether both are one host and port.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.name.eq_ignore_ascii_case(&other.name) && self.port == other.port
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

/// Where the mail of a domain goes instead of the smart host.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Route {
    /// A domain, or `*.` and one: all below it.
    pub domain: String,
    /// `None`: to the hosts that DNS names.
    pub host: Option<Host>,
}

impl Route {
    /// From `domain=host:port` or `domain=direct`; `*.domain` is all domains below it.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (domain, host) = text.split_once('=')?;
        let domain = domain.trim().to_ascii_lowercase();
        let host = match host.trim() {
            "direct" => None,
            host => Some(Host::parse(host)?),
        };
        let named = !domain.strip_prefix("*.").unwrap_or(&domain).is_empty();
        named.then_some(Self { domain, host })
    }

    /// How well it suits: octets of the domain that it names, all of them best.
    fn suits(&self, domain: &str) -> Option<usize> {
        if let Some(above) = self.domain.strip_prefix('*') {
            let start = domain.len().checked_sub(above.len()).filter(|start| *start > 0)?;
            let below = domain.get(start..)?.eq_ignore_ascii_case(above);
            return below.then_some(above.len());
        }
        self.domain.eq_ignore_ascii_case(domain).then_some(usize::MAX)
    }
}

/// A host and how we are known there.
#[derive(Clone, Copy, Debug)]
pub struct Way<'a> {
    /// The host.
    pub host: &'a Host,
    /// Our login, if it wants one.
    pub login: Option<&'a Login>,
}

/// Which host a domain's mail is given to.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Routes {
    /// For all domains without a route.
    pub smart_host: Option<Host>,
    /// By domain.
    pub domains: Vec<Route>,
    /// At hosts that want one.
    pub logins: Logins,
}

impl Routes {
    fn own(&self, domain: &str) -> Option<&Route> {
        let suiting = self.domains.iter().filter_map(|one| Some((one.suits(domain)?, one)));
        // Of two that are the same the first counts.
        suiting.rev().max_by_key(|(suits, _)| *suits).map(|(_, route)| route)
    }

    /// The host for a domain; `None` when there is no way out but those that DNS names.
    #[must_use]
    pub fn host(&self, domain: &str) -> Option<&Host> {
        self.own(domain).map_or(self.smart_host.as_ref(), |route| route.host.as_ref())
    }

    /// Mail that goes together: `host:port`. A domain's own login is used for its mail alone.
    #[must_use]
    pub fn site(&self, domain: &str) -> Option<Arc<str>> {
        let host = self.host(domain)?;
        let own = self.own(domain).filter(|own| self.logins.of_domain(&own.domain).is_some());
        Some(name(host, own).into())
    }

    /// The way to a site.
    #[must_use]
    pub fn of_site(&self, site: &str) -> Option<Way<'_>> {
        let routes = self.domains.iter().filter_map(|route| {
            let login = self.logins.of_domain(&route.domain);
            Some((route.host.as_ref()?, login.is_some().then_some(route), login))
        });
        let smart = self.smart_host.iter().map(|host| (host, None, None));
        let mut all = routes.chain(smart);
        let (host, _, login) = all.find(|(host, own, _)| name(host, *own) == site)?;
        Some(Way { host, login: login.or_else(|| self.logins.of_host(host)) })
    }
}

/// A site's name. Says nothing of the login.
fn name(host: &Host, own: Option<&Route>) -> String {
    let Host { name, port, .. } = host;
    match own {
        Some(route) => format!("{name}:{port} for {}", route.domain),
        None => format!("{name}:{port}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn host(text: &str) -> Host {
        Host::parse(text).unwrap()
    }

    #[test]
    fn hosts() {
        let host = |name: &str, port, implicit_tls| {
            Some(Host { name: name.to_owned(), port, implicit_tls })
        };
        assert_eq!(Host::parse("mx.example.test"), host("mx.example.test", 25, false));
        assert_eq!(Host::parse("127.0.0.1:2525"), host("127.0.0.1", 2525, false));
        assert_eq!(Host::parse("[::1]:587"), host("::1", 587, false));
        assert_eq!(Host::parse("a.test:465"), host("a.test", 465, true));
        assert_eq!(Host::parse("tls://a.test:1465"), host("a.test", 1465, true));
        assert_eq!(Host::parse("tls://a.test"), host("a.test", 465, true));
        for text in ["", ":25", "a b:25", "host:", "host:x", "host:70000", "tls://", "smtp://a"] {
            assert_eq!(Host::parse(text), None, "{text}");
        }
        assert!(Host::parse("A.test").unwrap().is(&Host::parse("a.TEST:25").unwrap()));
    }

    fn routes(domains: &[&str]) -> Routes {
        let domains = domains.iter().map(|text| Route::parse(text).unwrap()).collect();
        Routes { smart_host: Host::parse("smart.test:25"), domains, ..Routes::default() }
    }

    #[test]
    fn a_domain_s_own_route_comes_first() {
        let routes = routes(&["example.test=own.test:2525", "Example.test=second.test"]);
        assert_eq!(routes.host("EXAMPLE.test"), Some(&host("own.test:2525")));
        assert_eq!(routes.host("other.test"), Some(&host("smart.test")));
        assert_eq!(routes.site("example.test").as_deref(), Some("own.test:2525"));
        assert_eq!(routes.of_site("own.test:2525").unwrap().host, &host("own.test:2525"));
        assert!(routes.of_site(LOCAL).is_none());
        assert_eq!(Routes::default().site("other.test"), None);
    }

    #[test]
    fn domains_below_another_and_those_that_dns_decides() {
        let all = ["*.test=all.test", "*.a.test=below.test", "a.test=own.test", "x.a.test=direct"];
        for all in [all, [all[3], all[2], all[1], all[0]]] {
            let routes = routes(&all);
            let to = |domain| routes.host(domain).map(|host| host.name.as_str());
            assert_eq!(to("a.test"), Some("own.test"));
            assert_eq!(to("b.A.test"), Some("below.test"));
            assert_eq!(to("c.b.a.test"), Some("below.test"));
            assert_eq!(to("x.a.test"), None);
            assert_eq!(to("y.x.a.test"), Some("below.test"));
            assert_eq!(to("b.test"), Some("all.test"));
            assert_eq!(to("test"), Some("smart.test"));
            assert_eq!(to("xa.example"), Some("smart.test"));
        }
        for text in ["", "=a.test", "a.test", "a.test=", "*.=a.test", "a.test=b c"] {
            assert_eq!(Route::parse(text), None, "{text}");
        }
    }

    #[test]
    fn a_domain_s_own_login_is_for_its_mail_alone() {
        let mut routes = routes(&["a.test=smart.test", "b.test=smart.test", "c.test=tls://c.test"]);
        let file = "smart.test:25 host x\na.test own y\nc.test:465 third z\n";
        routes.logins = Logins::parse(file).unwrap();
        let login = |domain: &str| {
            let site = routes.site(domain).unwrap();
            let way = routes.of_site(&site).unwrap();
            way.login.map(|login| login.credentials([0; 18]).login)
        };
        assert_eq!(login("a.test").as_deref(), Some("own"));
        assert_eq!(routes.site("A.test").as_deref(), Some("smart.test:25 for a.test"));
        assert_eq!(login("b.test").as_deref(), Some("host"));
        assert_eq!(login("elsewhere.test").as_deref(), Some("host"));
        assert_eq!(routes.site("b.test"), routes.site("elsewhere.test"));
        assert_eq!(login("c.test").as_deref(), Some("third"));
        routes.logins = Logins::default();
        assert!(routes.of_site("smart.test:25").unwrap().login.is_none());
    }
}
