//! Certificates from an authority that speaks ACME (RFC 8555): got, used at once and renewed.
//!
//! Invariants: a certificate that works is never taken away by a failure; after each failure the
//! next try is later; keys and the account are in files of mode 0600. One order at a time.

pub mod http;
mod order;
mod plan;

use crate::{clock::SystemClock, dns::Dns, tls::Certificates};
use account::{Accounts, Clock as _};
use http::Answers;
use instant_acme::{
    Account, AccountCredentials, CertificateIdentifier, ExternalAccountKey, NewAccount,
};
use order::Order;
pub use plan::{Files, Names, State, Waits};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeSet,
    fs, io,
    net::{IpAddr, SocketAddr},
    path::{Path, PathBuf},
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::{
    sync::{Notify, watch},
    time::timeout,
};

/// How often it is looked what is due.
const LOOK: Duration = Duration::from_secs(3_600);
/// How often an authority that does not say so is asked when to renew, in seconds.
const ASK_SECONDS: i64 = 6 * 3_600;

/// How an authority is shown that a name is ours.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Challenge {
    /// By port 80 (RFC 8555 §8.3).
    #[default]
    Http,
    /// By port 443 (RFC 8737).
    TlsAlpn,
    /// By DNS (RFC 8555 §8.4), through a command.
    Dns,
}

/// Settings.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Settings {
    /// Whether certificates are got: whoever runs the server agrees to the authority's terms.
    pub terms_agreed: bool,
    /// The authority's directory.
    pub directory_url: String,
    /// Its own authority, in PEM, where the system does not know it.
    pub directory_ca_file: Option<PathBuf>,
    /// Where it writes to (`mailto:` is put in front of addresses).
    pub contacts: Vec<String>,
    /// How names are shown to be ours.
    pub challenge: Challenge,
    /// Where http-01 is answered.
    pub http_address: Option<SocketAddr>,
    /// What sets a record in DNS: called with `present` or `cleanup`, the name and the value.
    pub dns_command: Option<PathBuf>,
    /// Seconds that the command may take.
    pub dns_command_seconds: u32,
    /// Labels in front of each domain of ours, where DNS leads to this host.
    pub domain_labels: Vec<String>,
    /// More names.
    pub names: Vec<String>,
    /// Whether a key stays when its certificate is got again.
    pub key_reuse: bool,
    /// Seconds until the next try after a failure.
    pub retry_seconds_min: u32,
    /// The same after many.
    pub retry_seconds_max: u32,
    /// Seconds for one order.
    pub order_seconds: u32,
    /// Key id and key (base64url) of an account that the authority knows otherwise (§7.3.4).
    pub external_account: Option<(String, wire::auth::Secret)>,
}

/// A certificate as whoever runs the server sees it.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Row {
    /// Host names.
    pub names: Vec<String>,
    /// Who signed it.
    pub issuer: String,
    /// When it ends, in seconds since 1970 UTC.
    pub not_after: i64,
    /// When it is got again; 0: not by us.
    pub renew_at: i64,
    /// No try before, after a failure.
    pub next_try: i64,
    /// Why the last try failed.
    pub failure: Option<String>,
}

/// Gets certificates.
pub struct Acme {
    settings: Settings,
    folder: PathBuf,
    host_name: String,
    certificates: Arc<Certificates>,
    accounts: Arc<Accounts>,
    dns: Option<Arc<Dns>>,
    answers: Answers,
    /// Certificates that somebody wants now, whatever their time; "" is all.
    asked: Mutex<BTreeSet<String>>,
    notify: Notify,
}

/// The folder of certificates below the data folder.
#[must_use]
pub fn certificates_folder(data: &Path) -> PathBuf {
    data.join("acme").join("certificates")
}

impl Acme {
    /// Nothing is done before [`Self::run`].
    #[must_use]
    pub fn new(
        settings: Settings,
        (data, host_name): (&Path, &str),
        certificates: Arc<Certificates>,
        (accounts, dns): (Arc<Accounts>, Option<Arc<Dns>>),
    ) -> Arc<Self> {
        Arc::new(Self {
            settings,
            folder: data.join("acme"),
            host_name: host_name.to_owned(),
            certificates,
            accounts,
            dns,
            answers: Answers::default(),
            asked: Mutex::default(),
            notify: Notify::new(),
        })
    }

    /// What http-01 answers.
    #[must_use]
    pub fn answers(&self) -> Answers {
        self.answers.clone()
    }

    /// Has a certificate got now, or all of them. False when no such certificate is ours.
    pub async fn renew(&self, name: Option<&str>) -> bool {
        let known = match name {
            Some(name) => self.wanted().await.iter().any(|names| names.first() == name),
            None => true,
        };
        if !known {
            return false;
        }
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        asked.insert(name.unwrap_or_default().to_owned());
        drop(asked);
        self.notify.notify_one();
        true
    }

    /// Certificates that are wanted, with what is known of them.
    pub async fn list(&self) -> Vec<Row> {
        let folder = self.folder.join("certificates");
        let row = |names: Names| {
            let files = Files::new(&folder, names.first());
            let State { not_after, renew_at, next_try, failure, .. } = files.state();
            let issuer =
                files.chain().and_then(|chain| described(&chain)).map(|(_, issuer)| issuer);
            let issuer = issuer.unwrap_or_default();
            Row { names: names.0, issuer, not_after, renew_at, next_try, failure }
        };
        self.wanted().await.into_iter().map(row).collect()
    }

    /// Runs until `shutdown`.
    pub async fn run(self: Arc<Self>, mut shutdown: watch::Receiver<bool>) {
        let work = async {
            loop {
                let asked =
                    std::mem::take(&mut *self.asked.lock().unwrap_or_else(PoisonError::into_inner));
                for names in self.wanted().await {
                    let now = asked.contains("") || asked.contains(names.first());
                    self.look(&names, now).await;
                }
                let _ = timeout(self.rest().await, self.notify.notified()).await;
            }
        };
        tokio::select! {
            _ = shutdown.wait_for(|down| *down) => {}
            () = work => {}
        }
    }

    /// Until a failed one is tried again, or the next look.
    async fn rest(&self) -> Duration {
        let now = SystemClock.now_seconds();
        let folder = self.folder.join("certificates");
        let wanted = self.wanted().await;
        let states = wanted.iter().map(|names| Files::new(&folder, names.first()).state());
        let next = states.map(|state| state.next_try).filter(|next| *next > now).min();
        let seconds = next.map_or(LOOK.as_secs(), |next| next.abs_diff(now).max(1));
        LOOK.min(Duration::from_secs(seconds))
    }

    /// One certificate for the host, with the names of the configuration, one for each domain.
    async fn wanted(&self) -> Vec<Names> {
        let mut first = vec![self.host_name.clone()];
        for name in &self.settings.names {
            if !first.contains(name) {
                first.push(name.clone());
            }
        }
        let mut all = vec![Names(first)];
        let domains = self.accounts.directory().domains().await.unwrap_or_else(|error| {
            tracing::error!(%error, "domains cannot be listed");
            Vec::new()
        });
        let ours = self.addresses(&self.host_name).await;
        for domain in domains {
            let mut names = Vec::new();
            for label in &self.settings.domain_labels {
                let name = format!("{label}.{}", domain.to_ascii());
                if name != self.host_name && self.leads_here(&name, &ours).await {
                    names.push(name);
                }
            }
            if !names.is_empty() {
                all.push(Names(names));
            }
        }
        all
    }

    async fn addresses(&self, name: &str) -> BTreeSet<IpAddr> {
        let Some(dns) = &self.dns else { return BTreeSet::new() };
        let mut found = BTreeSet::new();
        for ipv6 in [false, true] {
            found
                .extend(dns.addresses(name, ipv6).await.map(|one| one.records).unwrap_or_default());
        }
        found
    }

    /// A name that leads elsewhere would have the whole order fail.
    async fn leads_here(&self, name: &str, ours: &BTreeSet<IpAddr>) -> bool {
        !self.addresses(name).await.is_disjoint(ours)
    }

    /// Gets a certificate if it is due, or somebody wants it now.
    async fn look(&self, names: &Names, now: bool) {
        let files = Files::new(&self.folder.join("certificates"), names.first());
        let mut state = files.state();
        let time = SystemClock.now_seconds();
        if !now && !state.is_due(names, time) {
            if state.next_try <= time && state.ask_at <= time {
                self.ask_when(&files, &mut state).await;
            }
            if !state.is_due(names, time) {
                return;
            }
        }
        let waits = Waits {
            seconds_min: self.settings.retry_seconds_min,
            seconds_max: self.settings.retry_seconds_max,
        };
        match self.get(names, &files).await {
            Ok(validity) => {
                state.got(names, validity);
                tracing::info!(names = ?names.0, renew_at = state.renew_at, "certificate");
            }
            Err(why) => {
                tracing::error!(names = ?names.0, why, "no certificate");
                state.failed(why, SystemClock.now_seconds(), waits);
            }
        }
        if let Err(error) = files.keep(&state) {
            tracing::error!(names = ?names.0, %error, "what is known of a certificate is not kept");
        }
    }

    async fn get(&self, names: &Names, files: &Files) -> Result<(i64, i64), String> {
        let account = self.account().await?;
        let order = Order {
            settings: &self.settings,
            answers: &self.answers,
            certificates: &self.certificates,
        };
        let key = files.key().filter(|_| self.settings.key_reuse);
        let within = Duration::from_secs(self.settings.order_seconds.max(1).into());
        let got = timeout(within, order.get(&account, names, key)).await;
        let (chain, key) = got.map_err(|_| "the order took too long".to_owned())??;
        let (validity, _) = described(&chain).ok_or("what came is no certificate")?;
        files.put(&chain, &key).map_err(|error| error.to_string())?;
        self.certificates.reload().map_err(|error| error.to_string())?;
        Ok(validity)
    }

    /// The account with the authority; made when there is none.
    async fn account(&self) -> Result<Account, String> {
        let told = |error: instant_acme::Error| order::told(&error);
        let builder = || match &self.settings.directory_ca_file {
            Some(path) => Account::builder_with_root(path),
            None => Account::builder(),
        };
        let url = &self.settings.directory_url;
        let name: String = account_name(url);
        let path = self.folder.join(format!("account-{name}.json"));
        if let Ok(text) = fs::read_to_string(&path) {
            let known: AccountCredentials = serde_json::from_str(&text)
                .map_err(|error| format!("{}: {error}", path.display()))?;
            return builder().map_err(told)?.from_credentials(known).await.map_err(told);
        }
        let contacts: Vec<String> = self.settings.contacts.iter().map(contact).collect();
        let contacts: Vec<&str> = contacts.iter().map(String::as_str).collect();
        let new = NewAccount {
            contact: &contacts,
            terms_of_service_agreed: self.settings.terms_agreed,
            only_return_existing: false,
        };
        let external = self.external()?;
        let made = builder().map_err(told)?.create(&new, url.clone(), external.as_ref()).await;
        let (account, credentials) = made.map_err(told)?;
        let text = serde_json::to_string(&credentials).map_err(|error| error.to_string())?;
        let keep = || -> io::Result<()> {
            crate::data::folder(&self.folder)?;
            crate::data::write_secret(&path, text.as_bytes())
        };
        keep().map_err(|error| format!("{}: {error}", path.display()))?;
        tracing::info!(directory = url, id = account.id(), "account with an authority");
        Ok(account)
    }

    fn external(&self) -> Result<Option<ExternalAccountKey>, String> {
        use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
        let Some((id, key)) = &self.settings.external_account else { return Ok(None) };
        let key = URL_SAFE_NO_PAD.decode(key.reveal());
        let key = key.map_err(|error| format!("acme.external_key: {error}"))?;
        Ok(Some(ExternalAccountKey::new(id.clone(), &key)))
    }

    /// Asks the authority when to renew (RFC 9773), where it can tell.
    async fn ask_when(&self, files: &Files, state: &mut State) {
        let Some(chain) = files.chain() else { return };
        let Ok(leaf) = CertificateDer::from_pem_slice(chain.as_bytes()) else { return };
        let Ok(id) = CertificateIdentifier::try_from(&leaf) else { return };
        let now = SystemClock.now_seconds();
        state.ask_at = now.saturating_add(ASK_SECONDS);
        match self.account().await {
            Ok(account) => match account.renewal_info(&id).await {
                Ok((info, after)) => {
                    let window = info.suggested_window;
                    let (from, to) = (window.start.unix_timestamp(), window.end.unix_timestamp());
                    // §4.2: at a random time of the window, the same each time that it is asked.
                    let share = i64::from(state.not_after.unsigned_abs() as u8);
                    state.renew_at = from + to.saturating_sub(from).max(0) / 256 * share;
                    let after = i64::try_from(after.as_secs()).unwrap_or(ASK_SECONDS);
                    state.ask_at = now.saturating_add(after.clamp(60, ASK_SECONDS * 4));
                }
                Err(instant_acme::Error::Unsupported(_)) => {}
                Err(error) => tracing::warn!("renewal information: {}", order::told(&error)),
            },
            Err(error) => tracing::warn!("renewal information: {error}"),
        }
        if let Err(error) = files.keep(state) {
            tracing::error!(%error, "what is known of a certificate is not kept");
        }
    }
}

/// Accounts of several authorities do not meet.
fn account_name(url: &str) -> String {
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, url.as_bytes());
    hash.as_ref().iter().take(8).map(|octet| format!("{octet:02x}")).collect()
}

fn contact(address: &String) -> String {
    if address.contains(':') { address.clone() } else { format!("mailto:{address}") }
}

/// From when to when a certificate counts, and who signed it.
fn described(chain: &str) -> Option<((i64, i64), String)> {
    let leaf = CertificateDer::from_pem_slice(chain.as_bytes()).ok()?;
    row_of(&leaf).map(|(row, from)| ((from, row.not_after), row.issuer))
}

/// What a certificate says of itself, and from when on it counts.
#[must_use]
pub fn row_of(leaf: &CertificateDer<'_>) -> Option<(Row, i64)> {
    let (_, parsed) = x509_parser::parse_x509_certificate(leaf).ok()?;
    let validity = parsed.validity();
    let names = parsed.subject_alternative_name().ok().flatten();
    let names = names.into_iter().flat_map(|one| &one.value.general_names);
    let names = names.filter_map(|name| match name {
        x509_parser::extensions::GeneralName::DNSName(name) => Some((*name).to_owned()),
        _ => None,
    });
    let row = Row {
        names: names.collect(),
        issuer: parsed.issuer().to_string(),
        not_after: validity.not_after.timestamp(),
        ..Row::default()
    };
    Some((row, validity.not_before.timestamp()))
}
