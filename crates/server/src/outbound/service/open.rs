//! Finding the host that takes a site's mail, and how safe the way there must be.
//!
//! Invariants: what DANE says of a host is never overridden (RFC 7672 §1.3); a failure of DNS skips
//! a host, it never lowers what is asked of it; a host that must have TLS is not spoken to without.

use super::{
    super::{
        connection::{Call, Connection, Unreachable},
        login::Login,
        route::Way,
        source::Source,
        sts::{Mode, Policy},
        verify::Verifier,
    },
    Outbound,
    warm::{From, New, Wait},
};
use crate::dns::{Dns, Fault, HostAddresses, NoHost};
use account::queue::Reply;
use aws_lc_rs::rand;
use smtp::client::{Options, Tls};
use std::net::{IpAddr, SocketAddr};
use wire::sasl::client::Credentials;

/// An open connection, and to whom.
pub(super) struct Open {
    pub host: String,
    pub connection: Connection,
    /// How the host is known: `dane`, `sts`, `pkix`, or nothing where it is not.
    pub known_by: Option<&'static str>,
    /// The sender's domain whose addresses it was called from.
    pub pool: Option<String>,
    /// Each message is counted: it was called from a new address.
    pub new: Option<New>,
}

/// What a connection is for.
#[derive(Clone, Copy)]
pub(super) struct For<'a> {
    pub site: &'a str,
    /// The sender's domain whose addresses it is called from; none: those of all.
    pub pool: Option<&'a str>,
}

/// Why no host takes a message.
pub(super) enum NoWay {
    Later(String),
    Never(Reply),
    /// All addresses that it could be called from are new.
    Wait(Wait),
}

impl NoWay {
    fn of(name: &str, why: NoHost) -> Self {
        let (status, text) = match why {
            NoHost::Temporary(why) => return Self::Later(format!("{name}: {why}")),
            NoHost::NoSuchDomain => ((5, 1, 2), format!("There is no domain {name}")),
            NoHost::NoMail => ((5, 1, 10), format!("{name} takes no mail")),
            NoHost::Loop => ((5, 4, 6), format!("Mail for {name} leads back to this server")),
        };
        Self::Never(Reply::new("", 0, status, &text))
    }
}

/// What is asked of a host.
struct Security {
    /// In the TLS handshake.
    server_name: String,
    /// What of TLS.
    tls: Tls,
    verifier: Verifier,
    known_by: Option<&'static str>,
    /// From the first octet.
    implicit_tls: bool,
    login: Option<Login>,
}

impl Security {
    /// TLS if it is there, whoever answers.
    fn opportunistic(host: &str) -> Result<Self, String> {
        let verifier = Verifier::any().map_err(|error| error.to_string())?;
        Ok(Self::new(host, (Tls::Opportunistic, None), verifier))
    }

    fn new(
        server_name: &str,
        (tls, known_by): (Tls, Option<&'static str>),
        verifier: Verifier,
    ) -> Self {
        let server_name = server_name.to_owned();
        Self { server_name, tls, verifier, known_by, implicit_tls: false, login: None }
    }
}

impl Outbound {
    /// A connection to the first host of a site that takes one.
    pub(super) async fn connect(&self, whom: For<'_>) -> Result<Open, NoWay> {
        let site = whom.site;
        if let Some(way) = self.settings.routes.of_site(site) {
            let addresses = way.host.addresses().await;
            let found = addresses.map_err(|error| NoWay::Later(format!("{site}: {error}")))?;
            let security = self.on_route(site, way).await.map_err(NoWay::Later)?;
            let open = self.call((&way.host.name, whom), &found, security).await;
            let open = open?;
            self.note_tls(&open, site).await;
            return Ok(open);
        }
        let Some(dns) = &self.dns else {
            return Err(NoWay::Later("there is no way out to this domain".to_owned()));
        };
        if let Some(address) = literal(site) {
            let host = address.to_string();
            let security = Security::opportunistic(&host).map_err(NoWay::Later)?;
            let address = SocketAddr::new(address, self.port());
            return self.call((&host, whom), &[address], security).await;
        }
        self.open_by_dns(dns, whom).await
    }

    /// What is asked of a host that the settings name. Who gets our password proves who it is.
    async fn on_route(&self, site: &str, way: Way<'_>) -> Result<Security, String> {
        let name = &way.host.name;
        let security = match way.login {
            Some(login) => {
                let known = (Tls::Required, Some("pkix"));
                let login = Some(login.clone());
                Security { login, ..Security::new(name, known, self.pkix().await?) }
            }
            None => self.expected(name, site).await?,
        };
        Ok(Security { implicit_tls: way.host.implicit_tls, ..security })
    }

    fn port(&self) -> u16 {
        u16::try_from(self.settings.port).unwrap_or(25)
    }

    async fn open_by_dns(&self, dns: &Dns, whom: For<'_>) -> Result<Open, NoWay> {
        let domain = whom.site;
        // Which of two equal hosts comes first is another one each time.
        let seed = Self::now().unsigned_abs();
        let random = |name: &str| delivery::queue::backoff::spread(name, seed);
        let found = dns.mail_hosts(domain, (&self.host_name, random)).await;
        let found = found.map_err(|why| NoWay::of(domain, why))?;
        let policy = self.policy(dns, domain).await.map_err(NoWay::Later)?;
        let (mut why, mut never, mut wait) = (String::new(), None, None);
        for host in found.hosts {
            let place = match dns.host_addresses(&host).await {
                Ok(place) => place,
                Err(NoHost::Temporary(error)) => {
                    why = format!("{host}: {error}");
                    continue;
                }
                Err(fault) => {
                    never = Some(NoWay::of(&host, fault));
                    continue;
                }
            };
            let security = self.security(dns, (domain, &host), (&place, found.secure)).await;
            let security = match security {
                Ok(None) => self.without_dane(domain, &host, policy.as_ref()).await,
                Ok(Some(security)) => Ok(security),
                Err(error) => Err(error),
            };
            let port = self.port();
            let addresses: Vec<SocketAddr> =
                place.addresses.iter().map(|address| SocketAddr::new(*address, port)).collect();
            let opened = match security {
                Ok(security) => self.call((&host, whom), &addresses, security).await,
                Err(error) => Err(NoWay::Later(error)),
            };
            match opened {
                Ok(open) => {
                    self.note_tls(&open, &host).await;
                    return Ok(open);
                }
                Err(NoWay::Later(error)) => {
                    tracing::info!(domain, host, error, "host does not take mail");
                    why = error;
                }
                Err(NoWay::Wait(one)) => wait = wait.or(Some(one)),
                Err(one @ NoWay::Never(_)) => never = Some(one),
            }
        }
        // A host that may come back decides nothing.
        match (wait, never) {
            (Some(wait), _) if why.is_empty() => Err(NoWay::Wait(wait)),
            (None, Some(never)) if why.is_empty() => Err(never),
            _ => Err(NoWay::Later(why)),
        }
    }

    /// What is asked of a host of which DANE says nothing.
    async fn without_dane(
        &self,
        domain: &str,
        host: &str,
        policy: Option<&Policy>,
    ) -> Result<Security, String> {
        let named = policy.is_none_or(|policy| policy.names(host));
        match policy.map(|policy| policy.mode) {
            Some(Mode::Enforce) if !named => {
                // RFC 8461 §5: no other host is called than those that the policy names.
                Err(format!("{host} is not a host of the MTA-STS policy of {domain}"))
            }
            Some(Mode::Enforce) => {
                Ok(Security::new(host, (Tls::Required, Some("sts")), self.pkix().await?))
            }
            mode => {
                if mode == Some(Mode::Testing) && !named {
                    tracing::warn!(domain, host, "not a host of the MTA-STS policy in testing");
                }
                self.expected(host, host).await
            }
        }
    }

    /// TLS from a host that had it lately, whoever it is, and if it is there from others: what was
    /// safe from listeners does not cease to be so without anybody noticing. `key`: it is
    /// remembered under this name.
    async fn expected(&self, host: &str, key: &str) -> Result<Security, String> {
        let security = Security::opportunistic(host)?;
        let tls = if self.had_tls(key).await? { Tls::Required } else { security.tls };
        Ok(Security { tls, ..security })
    }

    async fn note_tls(&self, open: &Open, key: &str) {
        if open.connection.tls().is_some() {
            self.remember_tls(key).await;
        }
    }

    /// What DANE asks of a host (RFC 7672 §2.2), if it says anything.
    async fn security(
        &self,
        dns: &Dns,
        (domain, host): (&str, &str),
        (place, secure): (&HostAddresses, bool),
    ) -> Result<Option<Security>, String> {
        // Without a proof of which host it is, its records are worth nothing.
        let Some(name) = place.secure_name.as_ref().filter(|_| secure) else { return Ok(None) };
        // §2.2.2: the name behind the aliases comes first.
        let mut names: Vec<String> = vec![name.clone(), host.to_owned()];
        names.dedup();
        for base in names {
            let records = match dns.tlsa(&base, self.port()).await {
                Ok(found) if found.secure => found.records,
                Ok(_) | Err(Fault::NoSuchName | Fault::NoRecords) => continue,
                // §2.1.2: "the SMTP client MUST NOT" go on as if there were none.
                Err(Fault::Temporary(error)) => return Err(format!("{base}: TLSA: {error}")),
            };
            let names = [base.clone(), host.to_owned(), domain.to_owned()];
            let verifier = Verifier::dane(records, &names).map_err(|error| error.to_string())?;
            let (verifier, known_by) = match verifier {
                Some(verifier) => (verifier, Some("dane")),
                // §2.2: no usable record: TLS, whoever answers.
                None => (Verifier::any().map_err(|error| error.to_string())?, None),
            };
            return Ok(Some(Security::new(&base, (Tls::Required, known_by), verifier)));
        }
        Ok(None)
    }

    async fn call(
        &self,
        (host, whom): (&str, For<'_>),
        addresses: &[SocketAddr],
        security: Security,
    ) -> Result<Open, NoWay> {
        let known_by = security.known_by;
        let (mut why, mut wait) = (None, None);
        let mut none = format!("{host} has no address");
        let ways = match security.tls {
            // What begins with TLS cannot go on without.
            Tls::Opportunistic if !security.implicit_tls => {
                [Some(Tls::Opportunistic), Some(Tls::Never)]
            }
            one => [Some(one), None],
        };
        for address in addresses.iter().copied() {
            let From { source, new } = match self.source(whom, (host, address.ip())).await {
                Ok(from) => from,
                Err(NoWay::Wait(one)) => {
                    wait = Some(one);
                    continue;
                }
                Err(other) => return Err(other),
            };
            if source == Source::None {
                none = format!("{host} [{address}]: there is no outbound.source_addresses for it");
                continue;
            }
            for tls in ways.into_iter().flatten() {
                let call = self.how((address, source), &security, tls).map_err(NoWay::Later)?;
                match Connection::open(call, self.connection).await {
                    Ok(connection) => {
                        let (host, pool) = (host.to_owned(), whom.pool.map(str::to_owned));
                        return Ok(Open { host, connection, known_by, pool, new });
                    }
                    // RFC 7435: what cannot be spoken to with TLS is spoken to without.
                    Err(Unreachable::Tls(error)) if tls == Tls::Opportunistic => {
                        tracing::info!(host, %address, %error, "TLS failed");
                    }
                    Err(error) => {
                        why = Some(format!("{host} [{address}]: {error}"));
                        break;
                    }
                }
            }
        }
        // A host that could be called and does not answer says more than one that could not.
        match (why, wait) {
            (Some(why), _) => Err(NoWay::Later(why)),
            (None, Some(wait)) => Err(NoWay::Wait(wait)),
            (None, None) => Err(NoWay::Later(none)),
        }
    }

    fn how(
        &self,
        (address, source): (SocketAddr, Source<'_>),
        security: &Security,
        tls: Tls,
    ) -> Result<Call, String> {
        let (source, name) = match source {
            Source::From(address, name) => (Some(address), name),
            Source::Any | Source::None => (None, None),
        };
        Ok(Call {
            address,
            source,
            server_name: security.server_name.clone(),
            implicit_tls: security.implicit_tls,
            verifier: security.verifier.clone(),
            options: Options {
                host_name: name.unwrap_or(&self.host_name).to_owned(),
                lmtp: false,
                tls,
                authenticated: false,
                chunking: true,
                credentials: security.login.as_ref().map(credentials).transpose()?,
            },
        })
    }
}

/// For one connection.
fn credentials(login: &Login) -> Result<Credentials, String> {
    let mut nonce = [0; 18];
    rand::fill(&mut nonce).map_err(|_| "there are no random numbers".to_owned())?;
    Ok(login.credentials(nonce))
}

/// The address of a site that is an address literal (RFC 5321 §4.1.3).
fn literal(site: &str) -> Option<IpAddr> {
    let inner = site.strip_prefix('[')?.strip_suffix(']')?;
    let six = inner.get(..5).filter(|tag| tag.eq_ignore_ascii_case("ipv6:")).and(inner.get(5..));
    six.unwrap_or(inner).parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc5321_4_1_3_address_literals() {
        assert_eq!(literal("[192.0.2.1]"), "192.0.2.1".parse().ok());
        assert_eq!(literal("[IPv6:2001:db8::1]"), "2001:db8::1".parse().ok());
        assert_eq!(literal("example.test"), None);
        assert_eq!(literal("[x]"), None);
    }
}
