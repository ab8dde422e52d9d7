//! Finding the host that takes a site's mail, and how safe the way there must be.
//!
//! Invariants: what DANE says of a host is never overridden (RFC 7672 §1.3); a failure of DNS skips
//! a host, it never lowers what is asked of it; a host that must have TLS is not spoken to without.

use super::{
    super::{
        connection::{Call, Connection, Unreachable},
        dane::Tlsa,
        login::Login,
        route::Way,
        source::Source,
        sts::{Mode, Policy},
        verify::Verifier,
    },
    Outbound,
    hosts::Place,
    reported::{Ends, Told},
    warm::{From, New, Wait},
};
use crate::dns::{Dns, Fault, HostAddresses, NoHost};
use account::queue::Reply;
use aws_lc_rs::rand;
use mailauth::report::tls::result;
use smtp::client::{Failure, Fault as SessionFault, Options, Tls};
use std::{
    net::{IpAddr, SocketAddr},
    sync::Arc,
};
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
    /// Its place among the host's connections.
    pub place: Place,
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
    /// A host has as much as it may, until then or until there is room.
    Full(Option<String>, i64),
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

/// Stands before the domain in the site of mail that asks for delivery whatever the domain asks of
/// TLS (RFC 8689 §5): such mail has a line and connections of its own.
pub(super) const TLS_OPTIONAL: &str = "tls-optional:";

/// What a domain asks of its hosts.
struct Site<'a> {
    name: &'a str,
    policy: Option<Policy>,
    /// The domain whose TLS report tells of it; none if it wants none.
    told: Option<Arc<str>>,
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
    /// How sessions are told of in the domain's TLS report, if it wants one.
    told: Option<Told>,
    /// What is asked instead when TLS does not come to what is asked: the policy is in testing.
    instead: Option<Box<Self>>,
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
        let (implicit_tls, login, told, instead) = Default::default();
        Self { server_name, tls, verifier, known_by, implicit_tls, login, told, instead }
    }

    /// The ways to try, each with whether it is told of: one session is told of once.
    fn ways(&self) -> Vec<(Tls, &Self, Option<&Told>)> {
        let mut ways = vec![(self.tls, self, self.told.as_ref())];
        // RFC 7435: what cannot be spoken to with TLS is spoken to without. What begins with TLS
        // cannot go on without.
        if self.tls == Tls::Opportunistic && !self.implicit_tls {
            ways.push((Tls::Never, self, None));
        }
        let instead = self.instead.as_deref().map(Self::ways).unwrap_or_default();
        ways.extend(instead.into_iter().map(|(tls, security, _)| (tls, security, None)));
        ways
    }
}

impl Outbound {
    /// A connection to the first host of a site that takes one.
    pub(super) async fn connect(&self, whom: For<'_>) -> Result<Open, NoWay> {
        let relaxed = whom.site.strip_prefix(TLS_OPTIONAL);
        let site = relaxed.unwrap_or(whom.site);
        let whom = For { site, ..whom };
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
        self.open_by_dns(dns, (whom, relaxed.is_some())).await
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

    /// `relaxed`: whatever the domain asks of TLS (RFC 8689 §5).
    async fn open_by_dns(
        &self,
        dns: &Dns,
        (whom, relaxed): (For<'_>, bool),
    ) -> Result<Open, NoWay> {
        let domain = whom.site;
        // Which of two equal hosts comes first is another one each time.
        let seed = Self::now().unsigned_abs();
        let random = |name: &str| delivery::queue::backoff::spread(name, seed);
        let found = dns.mail_hosts(domain, (&self.host_name, random)).await;
        let found = found.map_err(|why| NoWay::of(domain, why))?;
        let asked = if relaxed { None } else { Some(self.asked(dns, domain).await?) };
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
            let security = match &asked {
                None => Security::opportunistic(&host),
                Some(site) => self.security(dns, (site, &host), (&place, found.secure)).await,
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
                // It takes mail: those after it are for when it does not (RFC 5321 §5.1).
                Err(full @ NoWay::Full(..)) => return Err(full),
            }
        }
        // A host that may come back decides nothing.
        match (wait, never) {
            (Some(wait), _) if why.is_empty() => Err(NoWay::Wait(wait)),
            (None, Some(never)) if why.is_empty() => Err(never),
            _ => Err(NoWay::Later(why)),
        }
    }

    /// What a domain says of TLS, and whether it wants to be told how that went.
    async fn asked<'a>(&self, dns: &Dns, name: &'a str) -> Result<Site<'a>, NoWay> {
        let (policy, told) = tokio::join!(self.policy(dns, name), self.told_domain(dns, name));
        let (policy, unfetched) = policy.map_err(NoWay::Later)?;
        if let (Some(domain), Some(failure)) = (&told, &unfetched) {
            self.count_unfetched(domain, failure);
        }
        let policy = policy.filter(|policy| policy.mode != Mode::None);
        Ok(Site { name, policy, told })
    }

    /// What is asked of a host: by DANE, if it says anything, or else by MTA-STS, or else nothing.
    async fn security(
        &self,
        dns: &Dns,
        (site, host): (&Site<'_>, &str),
        way: (&HostAddresses, bool),
    ) -> Result<Security, String> {
        let found = self.dane(dns, (site.name, host), way).await;
        match found {
            Ok(Some((records, security))) => {
                let told = site.told.as_ref().map(|domain| Told::tlsa(domain, host, &records));
                Ok(Security { told, ..security })
            }
            Ok(None) => self.without_dane(site, host).await,
            Err(error) => {
                if let Some(domain) = &site.told {
                    let told = Told::tlsa(domain, host, &[]);
                    self.count_refused(&told, host, (result::DNSSEC_INVALID, &error));
                }
                Err(error)
            }
        }
    }

    /// What is asked of a host of which DANE says nothing.
    async fn without_dane(&self, site: &Site<'_>, host: &str) -> Result<Security, String> {
        let Some(policy) = &site.policy else {
            let told = site.told.as_ref().map(Told::none);
            return Ok(Security { told, ..self.expected(host, host).await? });
        };
        let told = site.told.as_ref().map(|domain| Told::sts(domain, policy));
        let enforced = policy.mode == Mode::Enforce;
        if !policy.names(host) {
            let why = format!("{host} is not a host of the MTA-STS policy of {}", site.name);
            if let Some(told) = &told {
                self.count_refused(told, host, (result::VALIDATION_FAILURE, &why));
            }
            // RFC 8461 §5: no other host is called than those that the policy names.
            if enforced {
                return Err(why);
            }
            tracing::warn!(domain = site.name, host, "not a host of the MTA-STS policy in testing");
            return self.expected(host, host).await;
        }
        let pkix = self.pkix().await?;
        if enforced {
            let security = Security::new(host, (Tls::Required, Some("sts")), pkix);
            return Ok(Security { told, ..security });
        }
        // §5: what would fail is told, and mail goes "as though" there were no policy.
        let instead = Some(Box::new(self.expected(host, host).await?));
        let security = Security::new(host, (Tls::Required, None), pkix.on_trial());
        Ok(Security { told, instead, ..security })
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
    async fn dane(
        &self,
        dns: &Dns,
        (domain, host): (&str, &str),
        (place, secure): (&HostAddresses, bool),
    ) -> Result<Option<(Vec<Tlsa>, Security)>, String> {
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
            let verifier =
                Verifier::dane(records.clone(), &names).map_err(|error| error.to_string())?;
            let (verifier, known_by) = match verifier {
                Some(verifier) => (verifier, Some("dane")),
                // §2.2: no usable record: TLS, whoever answers.
                None => (Verifier::any().map_err(|error| error.to_string())?, None),
            };
            let security = Security::new(&base, (Tls::Required, known_by), verifier);
            return Ok(Some((records, security)));
        }
        Ok(None)
    }

    async fn call(
        &self,
        (host, whom): (&str, For<'_>),
        addresses: &[SocketAddr],
        security: Security,
    ) -> Result<Open, NoWay> {
        let place = self.place_at(host)?;
        let (mut why, mut wait) = (None, None);
        let mut none = format!("{host} has no address");
        let ways = security.ways();
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
            for (nth, (tls, security, told)) in (1..).zip(&ways) {
                let call = self.how((address, source), security, *tls).map_err(NoWay::Later)?;
                match self.reach(call, (host, *told)).await {
                    Ok(connection) => {
                        let (host, pool) = (host.to_owned(), whom.pool.map(str::to_owned));
                        let known_by = security.known_by;
                        return Ok(Open { host, connection, known_by, pool, new, place });
                    }
                    Err(error) if nth < ways.len() && is_of_tls(&error) => {
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

    /// A connection; the session is counted for a report if it is to be `told`.
    async fn reach(
        &self,
        call: Call,
        (host, told): (&str, Option<&Told>),
    ) -> Result<Connection, Unreachable> {
        let to = call.address.ip();
        let stream = Connection::dial(&call, self.connection).await?;
        let from = stream.local_addr().ok().map(|address| address.ip());
        let opened = Connection::over(stream, call, self.connection).await;
        if let Some(told) = told {
            self.count_session(told, &Ends { host, from, to }, &opened);
        }
        opened
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

/// Whether another way to do TLS, or to do without, may help.
const fn is_of_tls(error: &Unreachable) -> bool {
    matches!(
        error,
        Unreachable::Tls(_) | Unreachable::Session(Failure { fault: SessionFault::NoTls, .. })
    )
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
