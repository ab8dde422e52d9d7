//! DNS: questions to name servers, answers that DNSSEC proves, and a cache.
//!
//! Invariants: "A DNS failure defers, it never decides": only answers do, and a forged one is a
//! failure. Whether an answer is proven is said with it; name servers that strip signatures are
//! found out when the server starts and asked without, and the log says so.

mod hosts;
pub mod records;

pub use hosts::{HostAddresses, MailHosts, Mx, NoHost};

use crate::outbound::Tlsa;
use hickory_resolver::{
    Resolver, TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ProtocolConfig, ResolverConfig},
    net::{DnsError, NetError, runtime::TokioRuntimeProvider},
    proto::{
        dnssec::{Proof, TrustAnchors},
        op::ResponseCode,
        rr::{Name, RData, RecordType},
    },
};
use mailauth::dns::Failure;
use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};
use tokio::sync::OnceCell;

/// Octets of a name (RFC 1035 §2.3.4).
const NAME_OCTETS_MAX: usize = 253;

/// Whether answers must be proven.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Dnssec {
    /// They are if the name servers give proofs.
    #[default]
    Auto,
    /// They are; name servers that give no proofs are no use.
    On,
    /// Nothing is proven, and there is no DANE.
    Off,
}

/// Settings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// Name servers to be asked; the system's without any.
    pub servers: Vec<SocketAddr>,
    /// Whether answers must be proven.
    pub dnssec: Dnssec,
    /// DNSKEY records of the root; those of the Internet without a file.
    pub trust_anchor_file: Option<PathBuf>,
    /// Seconds for an answer; there is a second try.
    pub query_seconds: u32,
    /// Answers that are kept while they are valid.
    pub cache_answers_max: u32,
}

/// Why there is no answer.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Fault {
    /// The name does not exist.
    NoSuchName,
    /// It has no such records.
    NoRecords,
    /// Nobody answered, or what was answered is no answer or forged.
    Temporary(String),
}

impl std::fmt::Display for Fault {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::NoSuchName => f.write_str("no such name"),
            Self::NoRecords => f.write_str("no such records"),
            Self::Temporary(why) => f.write_str(why),
        }
    }
}

/// Records, one or more.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Answer<T> {
    /// In the order in which they came.
    pub records: Vec<T>,
    /// Proven by DNSSEC, all of the way.
    pub secure: bool,
    /// The name behind all aliases; as asked when there are none.
    pub name: String,
}

/// Asks name servers. Names are in A-labels or U-labels, without a dot at the end.
pub struct Dns {
    plain: TokioResolver,
    proving: Option<TokioResolver>,
    dnssec: Dnssec,
    probed: OnceCell<()>,
    proves: AtomicBool,
}

fn fault(error: &NetError) -> Fault {
    let NetError::Dns(dns) = error else { return Fault::Temporary(error.to_string()) };
    let code = match dns {
        DnsError::NoRecordsFound(none) => none.response_code,
        DnsError::Nsec { response, proof, .. } if *proof != Proof::Bogus => response.response_code,
        _ => return Fault::Temporary(error.to_string()),
    };
    match code {
        ResponseCode::NXDomain => Fault::NoSuchName,
        ResponseCode::NoError => Fault::NoRecords,
        code => Fault::Temporary(code.to_string()),
    }
}

fn resolver(settings: &Settings, proving: bool) -> Result<TokioResolver, String> {
    let mut builder = if settings.servers.is_empty() {
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
        let servers = settings.servers.iter().map(server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        Resolver::builder_with_config(config, TokioRuntimeProvider::default())
    };
    let options = builder.options_mut();
    options.timeout = Duration::from_secs(settings.query_seconds.max(1).into());
    options.attempts = 2;
    options.cache_size = settings.cache_answers_max.into();
    options.validate = proving;
    if let Some(file) = settings.trust_anchor_file.as_ref().filter(|_| proving) {
        let anchors = TrustAnchors::from_file(file);
        let anchors = anchors.map_err(|error| format!("{}: {error}", file.display()))?;
        builder = builder.with_trust_anchor(Arc::new(anchors));
    }
    builder.build().map_err(|error| error.to_string())
}

impl Dns {
    /// Nothing is asked before the first question.
    ///
    /// # Errors
    /// Text of what is wrong with the settings or the system's configuration.
    pub fn new(settings: &Settings) -> Result<Self, String> {
        let proving = match settings.dnssec {
            Dnssec::Off => None,
            Dnssec::Auto | Dnssec::On => Some(resolver(settings, true)?),
        };
        Ok(Self {
            plain: resolver(settings, false)?,
            proves: AtomicBool::new(settings.dnssec == Dnssec::On),
            dnssec: settings.dnssec,
            probed: OnceCell::new(),
            proving,
        })
    }

    /// Finds out once whether the name servers give proofs: the root is signed. Without any answer
    /// nothing is known, and the next question asks again.
    async fn probe(&self) -> Result<(), Fault> {
        let Some(proving) = self.proving.as_ref().filter(|_| self.dnssec == Dnssec::Auto) else {
            return Ok(());
        };
        let probed = self.probed.get_or_try_init(|| async {
            let plain = self.plain.lookup(Name::root(), RecordType::SOA).await;
            if let Err(Fault::Temporary(why)) = plain.map_err(|error| fault(&error)) {
                return Err(Fault::Temporary(format!("the name servers fail: {why}")));
            }
            // Those that answer without the root's records give no proofs either.
            let proven = proving.lookup(Name::root(), RecordType::SOA).await;
            if proven.is_ok_and(|found| secure(found.answers(), RecordType::SOA)) {
                self.proves.store(true, Ordering::Relaxed);
            } else {
                tracing::warn!(
                    "the name servers give no DNSSEC proofs: no DANE; a resolver that validates, \
                     such as unbound on this host, would (dns.servers)"
                );
            }
            Ok(())
        });
        probed.await.copied()
    }

    /// Whether answers can be proven.
    ///
    /// # Errors
    /// Nobody answers.
    pub async fn proves(&self) -> Result<bool, Fault> {
        self.probe().await?;
        Ok(self.proves.load(Ordering::Relaxed))
    }

    async fn lookup<T>(
        &self,
        name: &str,
        kind: RecordType,
        take: impl Fn(&RData) -> Option<T>,
    ) -> Result<Answer<T>, Fault> {
        let Some(asked) = absolute(name) else { return Err(Fault::NoSuchName) };
        let proving = if self.proves().await? { self.proving.as_ref() } else { None };
        let resolver = proving.unwrap_or(&self.plain);
        let found = resolver.lookup(asked, kind).await.map_err(|error| fault(&error))?;
        let answers = found.answers();
        let records: Vec<T> = answers
            .iter()
            .filter(|record| record.record_type() == kind)
            .filter_map(|record| take(&record.data))
            .collect();
        if records.is_empty() {
            return Err(Fault::NoRecords);
        }
        let owner = answers.iter().find(|record| record.record_type() == kind);
        let name = owner.map_or_else(|| name.to_owned(), |record| text(&record.name));
        Ok(Answer { records, secure: proving.is_some() && secure(answers, kind), name })
    }

    /// TXT records, the strings of each joined.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn txt(&self, name: &str) -> Result<Answer<Vec<u8>>, Fault> {
        let take = |data: &RData| match data {
            RData::TXT(txt) => Some(txt.txt_data.concat()),
            _ => None,
        };
        self.lookup(name, RecordType::TXT, take).await
    }

    /// A or AAAA records.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn addresses(&self, name: &str, ipv6: bool) -> Result<Answer<IpAddr>, Fault> {
        let take = |data: &RData| match data {
            RData::A(one) => Some(IpAddr::V4(one.0)),
            RData::AAAA(one) => Some(IpAddr::V6(one.0)),
            _ => None,
        };
        let kind = if ipv6 { RecordType::AAAA } else { RecordType::A };
        self.lookup(name, kind, take).await
    }

    /// MX records.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn exchanges(&self, name: &str) -> Result<Answer<Mx>, Fault> {
        let take = |data: &RData| match data {
            RData::MX(mx) => Some(Mx { preference: mx.preference, host: text(&mx.exchange) }),
            _ => None,
        };
        self.lookup(name, RecordType::MX, take).await
    }

    /// Names of an address (PTR).
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn names(&self, address: IpAddr) -> Result<Answer<String>, Fault> {
        let take = |data: &RData| match data {
            RData::PTR(name) => Some(text(&name.0)),
            _ => None,
        };
        let name = Name::from(address).to_ascii();
        self.lookup(&name, RecordType::PTR, take).await
    }

    /// TLSA records of a host's port.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn tlsa(&self, host: &str, port: u16) -> Result<Answer<Tlsa>, Fault> {
        let take = |data: &RData| match data {
            RData::TLSA(tlsa) => Some(Tlsa {
                usage: tlsa.cert_usage.into(),
                selector: tlsa.selector.into(),
                matching: tlsa.matching.into(),
                data: tlsa.cert_data.clone(),
            }),
            _ => None,
        };
        self.lookup(&format!("_{port}._tcp.{host}"), RecordType::TLSA, take).await
    }
}

impl Dns {
    /// SRV records, as zone files have them.
    ///
    /// # Errors
    /// A [`Fault`].
    pub async fn services(&self, name: &str) -> Result<Answer<String>, Fault> {
        let take = |data: &RData| match data {
            RData::SRV(srv) => {
                Some(format!("{} {} {} {}.", srv.priority, srv.weight, srv.port, text(&srv.target)))
            }
            _ => None,
        };
        self.lookup(name, RecordType::SRV, take).await
    }
}

/// Whether records and the aliases that led to them are proven.
fn secure(answers: &[hickory_resolver::proto::rr::Record], kind: RecordType) -> bool {
    let mut relevant = answers
        .iter()
        .filter(|record| record.record_type() == kind || record.record_type() == RecordType::CNAME);
    !answers.is_empty() && relevant.all(|record| record.proof == Proof::Secure)
}

/// A name as it is asked for; `None` when it cannot be one.
fn absolute(name: &str) -> Option<Name> {
    let name = ascii(name.trim_end_matches('.'))?;
    let mut name = Name::from_ascii(&name).ok()?;
    name.set_fqdn(true);
    Some(name)
}

/// A name in A-labels; `None` when it cannot be one.
#[must_use]
pub fn ascii(name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let labels: Vec<String> = lower.split('.').map(mail::address::a_label).collect();
    Some(labels.join(".")).filter(|name| name.is_ascii() && name.len() <= NAME_OCTETS_MAX)
}

fn text(name: &Name) -> String {
    name.to_ascii().trim_end_matches('.').to_ascii_lowercase()
}

impl mailauth::dns::Dns for Dns {
    async fn txt(&self, name: &str) -> mailauth::dns::Answer<Vec<u8>> {
        self.txt(name).await.map(|answer| answer.records).map_err(|fault| failure(&fault))
    }

    async fn addresses(&self, name: &str, ipv6: bool) -> mailauth::dns::Answer<IpAddr> {
        let found = self.addresses(name, ipv6).await;
        found.map(|answer| answer.records).map_err(|fault| failure(&fault))
    }

    async fn exchanges(&self, name: &str) -> mailauth::dns::Answer<String> {
        let mut found = self.exchanges(name).await.map_err(|fault| failure(&fault))?.records;
        found.sort_by_key(|mx| mx.preference);
        Ok(found.into_iter().map(|mx| mx.host).collect())
    }

    async fn names(&self, address: IpAddr) -> mailauth::dns::Answer<String> {
        self.names(address).await.map(|answer| answer.records).map_err(|fault| failure(&fault))
    }
}

fn failure(fault: &Fault) -> Failure {
    match fault {
        Fault::NoSuchName => Failure::NoSuchName,
        Fault::NoRecords => Failure::NoRecords,
        Fault::Temporary(why) => {
            tracing::debug!(why, "DNS");
            Failure::Temporary
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_asked_for_in_a_labels() {
        assert_eq!(ascii("Bücher.Example").as_deref(), Some("xn--bcher-kva.example"));
        assert_eq!(
            absolute("_25._tcp.mx.example.").map(|name| name.to_ascii()).as_deref(),
            Some("_25._tcp.mx.example.")
        );
        for bad in ["a..b", &"a".repeat(64), &format!("{}aa.a", "a.".repeat(125))] {
            assert!(absolute(bad).is_none(), "{bad}");
        }
        assert!(absolute(&format!("{}a.a", "a.".repeat(125))).is_some(), "253 octets");
    }
}
