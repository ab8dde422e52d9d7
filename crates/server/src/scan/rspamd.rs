//! rspamd as a second opinion: a message is posted to its HTTP interface with what SMTP knows of
//! it, and what people move to Junk and back is posted to learn from.
//!
//! Invariants: one question takes no longer than `seconds`, the wait for a free connection
//! included; larger messages are not asked about; no proxy of the environment and no redirection
//! takes mail anywhere else. A failure never decides ([`Rspamd::verdict`]).

pub mod reply;

use super::{Action, Failure, Verdict, plain};
use bytes::Bytes;
use reqwest::{
    Client, Response, StatusCode,
    header::{HeaderMap, HeaderName, HeaderValue},
};
use rustls::{ClientConfig, RootCertStore, crypto::aws_lc_rs, version};
use std::{error::Error, net::IpAddr, sync::Arc, time::Duration};
use tokio::{sync::Semaphore, time};
use wire::auth::Secret;

/// Octets of an answer.
pub const REPLY_OCTETS_MAX: usize = 1 << 20;
/// Recipients that it is told of; it is asked about the rest as well, without their names.
pub const RECIPIENTS_MAX: usize = 1000;
/// Characters of one header field of a request.
const FIELD_CHARS_MAX: usize = 998;

/// Where it is, and what it may take.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Settings {
    /// Its HTTP interface (a normal worker, or the controller); `None`: it is not asked.
    pub url: Option<String>,
    /// The controller's, which learns; `None`: nothing is learnt.
    pub learn_url: Option<String>,
    /// What it wants to hear before it learns.
    pub password: Option<Secret>,
    /// Seconds for one question.
    pub seconds: u32,
    /// Octets of a message that it is asked about.
    pub message_octets_max: u64,
    /// Questions at a time; more wait.
    pub connections_max: u32,
    /// Whether mail waits at its sender while it fails.
    pub required: bool,
}

/// What SMTP knows of a message.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Envelope<'a> {
    /// Address of the client.
    pub address: Option<IpAddr>,
    /// What it said in EHLO.
    pub helo: &'a str,
    /// Its name by a PTR record that was confirmed.
    pub client_name: Option<&'a str>,
    /// Sender; empty for the null one.
    pub from: &'a str,
    /// Recipients.
    pub recipients: &'a [String],
    /// Who logged in.
    pub user: Option<&'a str>,
    /// Our id of the message.
    pub queue_id: &'a str,
    /// Account that it goes to, if it is one.
    pub deliver_to: Option<&'a str>,
    /// TLS version and cipher, e.g. `TLSv1.3` and `TLS13_AES_256_GCM_SHA384`.
    pub tls: Option<(&'a str, &'a str)>,
    /// Our name.
    pub host_name: &'a str,
}

/// What people say a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Lesson {
    /// Unwanted.
    Spam,
    /// Wanted.
    Ham,
}

/// What became of a lesson.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Learnt {
    /// It was new.
    New,
    /// It was known, or there was nothing to learn.
    Nothing,
}

/// Asks rspamd.
#[derive(Debug)]
pub struct Rspamd {
    settings: Settings,
    url: String,
    client: Client,
    free: Semaphore,
}

impl Rspamd {
    /// `None` when the settings name no URL.
    ///
    /// # Errors
    /// There is no TLS: for https URLs the system's authorities are needed.
    pub fn new(settings: Settings) -> Result<Option<Self>, Failure> {
        let Some(url) = settings.url.clone() else { return Ok(None) };
        let urls = [Some(url.as_str()), settings.learn_url.as_deref()];
        let secure =
            |url: &str| url.get(..6).is_some_and(|start| start.eq_ignore_ascii_case("https:"));
        let client = client(urls.into_iter().flatten().any(secure))?;
        let free = usize::try_from(settings.connections_max.max(1)).unwrap_or(1);
        let free = Semaphore::new(free.min(Semaphore::MAX_PERMITS));
        Ok(Some(Self { url, settings, client, free }))
    }

    /// What is to be done with a message. A failure is written to the log and noted; it asks the
    /// sender to come again only where the settings require an answer, and never for a message
    /// that is too large to be asked about.
    pub async fn verdict(&self, envelope: &Envelope<'_>, message: Bytes) -> Verdict {
        match self.check(envelope, message).await {
            Ok(verdict) => verdict,
            Err(failure) => {
                let size = matches!(failure, Failure::TooLarge(_));
                tracing::warn!(queue_id = envelope.queue_id, "rspamd: {failure}");
                let wait = self.settings.required && !size;
                let action = if wait { Action::SoftReject } else { Action::Accept };
                let name = if size { "RSPAMD_NOT_ASKED" } else { "RSPAMD_FAILED" };
                Verdict::noted(action, name, failure.to_string())
            }
        }
    }

    /// Asks about a message.
    ///
    /// # Errors
    /// It is too large, or nobody answers so that it is understood, or in time.
    pub async fn check(&self, envelope: &Envelope<'_>, message: Bytes) -> Result<Verdict, Failure> {
        let url = format!("{}/checkv2", self.url.trim_end_matches('/'));
        let (status, octets) = self.post(&url, envelope_fields(envelope), message).await?;
        match status {
            StatusCode::OK => reply::read(&octets),
            _ => Err(refused(status, &octets)),
        }
    }

    /// Whether it is told what people say of messages.
    #[must_use]
    pub const fn learns(&self) -> bool {
        self.settings.learn_url.is_some()
    }

    /// Tells what people say of a message; nothing happens without a URL to learn.
    ///
    /// # Errors
    /// As [`Self::check`].
    pub async fn learn(&self, lesson: Lesson, message: Bytes) -> Result<Learnt, Failure> {
        let Some(url) = self.settings.learn_url.as_deref() else { return Ok(Learnt::Nothing) };
        let verb = match lesson {
            Lesson::Spam => "learnspam",
            Lesson::Ham => "learnham",
        };
        let url = format!("{}/{verb}", url.trim_end_matches('/'));
        let (status, octets) = self.post(&url, HeaderMap::new(), message).await?;
        match (status, refused(status, &octets)) {
            (StatusCode::OK, _) => Ok(Learnt::New),
            // Learnt already, or too short to learn from (newer ones).
            (StatusCode::ALREADY_REPORTED | StatusCode::NO_CONTENT, _) => Ok(Learnt::Nothing),
            // rspamd 3.4 says so with 404.
            (_, Failure::Refused(why)) if why.contains("already learned") => Ok(Learnt::Nothing),
            (_, failure) => Err(failure),
        }
    }

    /// One question, within its limits.
    async fn post(
        &self,
        url: &str,
        mut fields: HeaderMap,
        message: Bytes,
    ) -> Result<(StatusCode, Vec<u8>), Failure> {
        let octets_max = self.settings.message_octets_max;
        if u64::try_from(message.len()).is_ok_and(|octets| octets > octets_max) {
            return Err(Failure::TooLarge(octets_max));
        }
        if let Some(password) = &self.settings.password
            && let Ok(mut value) = HeaderValue::from_bytes(password.reveal())
        {
            value.set_sensitive(true);
            fields.insert("Password", value);
        }
        let asked = async {
            let _free = self.free.acquire().await;
            let request = self.client.post(url).headers(fields).body(message);
            let response = request.send().await.map_err(unreachable)?;
            Ok((response.status(), body(response).await?))
        };
        let seconds = self.settings.seconds;
        let late = |_| Failure::Late(seconds);
        time::timeout(Duration::from_secs(seconds.into()), asked).await.map_err(late)?
    }
}

/// A client that goes where it is told and nowhere else.
fn client(secure: bool) -> Result<Client, Failure> {
    let mut builder = Client::builder()
        .no_proxy()
        .redirect(reqwest::redirect::Policy::none())
        .user_agent("Palomar");
    if !secure {
        // Without https nobody's authorities are needed: it works where none are installed.
        let provider = Arc::new(aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(&[&version::TLS13])
            .map_err(|error| Failure::Unreachable(error.to_string()))?;
        let tls = tls.with_root_certificates(RootCertStore::empty()).with_no_client_auth();
        builder = builder.tls_backend_preconfigured(tls);
    }
    builder.build().map_err(unreachable)
}

/// The innermost cause says most.
fn unreachable(error: reqwest::Error) -> Failure {
    let error = error.without_url();
    let mut cause: &dyn Error = &error;
    while let Some(inner) = cause.source() {
        cause = inner;
    }
    Failure::Unreachable(plain(&cause.to_string(), reply::TEXT_CHARS_MAX))
}

fn refused(status: StatusCode, octets: &[u8]) -> Failure {
    match reply::read(octets) {
        Err(Failure::Refused(why)) => Failure::Refused(format!("{}: {why}", status.as_u16())),
        _ => Failure::Refused(status.to_string()),
    }
}

async fn body(mut response: Response) -> Result<Vec<u8>, Failure> {
    let mut octets = Vec::new();
    while let Some(chunk) = response.chunk().await.map_err(unreachable)? {
        if octets.len() + chunk.len() > REPLY_OCTETS_MAX {
            return Err(Failure::Unclear(format!("more than {REPLY_OCTETS_MAX} octets")));
        }
        octets.extend_from_slice(&chunk);
    }
    Ok(octets)
}

/// The header fields that tell rspamd of the envelope
/// (<https://rspamd.com/doc/developers/protocol.html>).
fn envelope_fields(envelope: &Envelope<'_>) -> HeaderMap {
    let mut fields = HeaderMap::new();
    let mut add = |name: &'static str, value: &str| {
        let value = plain(value, FIELD_CHARS_MAX);
        if let Ok(value) = HeaderValue::from_bytes(value.as_bytes())
            && !value.is_empty()
        {
            let _ = fields.try_append(HeaderName::from_static(name), value);
        }
    };
    if let Some(address) = envelope.address {
        add("ip", &address.to_canonical().to_string());
    }
    add("helo", envelope.helo);
    add("hostname", envelope.client_name.unwrap_or_default());
    add("from", if envelope.from.is_empty() { "<>" } else { envelope.from });
    for recipient in envelope.recipients.iter().take(RECIPIENTS_MAX) {
        add("rcpt", recipient);
    }
    add("user", envelope.user.unwrap_or_default());
    add("queue-id", envelope.queue_id);
    add("deliver-to", envelope.deliver_to.unwrap_or_default());
    if let Some((version, cipher)) = envelope.tls {
        add("tls-version", version);
        add("tls-cipher", cipher);
    }
    add("mta-name", envelope.host_name);
    fields
}
