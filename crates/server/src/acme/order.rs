//! One order (RFC 8555 §7.4): names are shown to be ours, a key is certified.

use super::{Challenge, Names, Settings, http::Answers};
use crate::tls::Certificates;
use instant_acme::{
    Account, AuthorizationStatus, ChallengeType, Identifier, KeyAuthorization, NewOrder,
    OrderStatus, RetryPolicy,
};
use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::pki_types::PrivateKeyDer;
use std::{process::Stdio, time::Duration};
use tokio::{process::Command, time::timeout};

/// Waits for the authority; the order as a whole has a limit of its own.
const POLL: RetryPolicy = RetryPolicy::new().timeout(Duration::from_secs(600));

/// What orders are made with.
pub struct Order<'a> {
    pub settings: &'a Settings,
    pub answers: &'a Answers,
    pub certificates: &'a Certificates,
}

/// An answer that was given, to be taken back.
enum Given {
    Http(String),
    TlsAlpn(String),
    Dns { name: String, value: String },
}

/// An error with all that the authority said.
pub fn told(error: &instant_acme::Error) -> String {
    let mut text = error.to_string();
    let mut cause = std::error::Error::source(error);
    while let Some(inner) = cause {
        text = format!("{text}: {inner}");
        cause = inner.source();
    }
    text
}

impl Order<'_> {
    /// Gets a certificate: its chain and its key, in PEM.
    pub async fn get(
        &self,
        account: &Account,
        names: &Names,
        key: Option<String>,
    ) -> Result<(String, String), String> {
        let mut given = Vec::new();
        let got = self.work(account, names, (key, &mut given)).await;
        for one in given {
            self.take_back(one).await;
        }
        got
    }

    async fn work(
        &self,
        account: &Account,
        names: &Names,
        (key, given): (Option<String>, &mut Vec<Given>),
    ) -> Result<(String, String), String> {
        let told = |error: instant_acme::Error| told(&error);
        let identifiers: Vec<_> = names.0.iter().cloned().map(Identifier::Dns).collect();
        let mut order = account.new_order(&NewOrder::new(&identifiers)).await.map_err(told)?;
        let mut all = order.authorizations();
        while let Some(next) = all.next().await {
            let mut next = next.map_err(told)?;
            match next.status {
                AuthorizationStatus::Valid => continue,
                AuthorizationStatus::Pending => {}
                status => return Err(format!("an authorization is {status:?}")),
            }
            let kind = match self.settings.challenge {
                Challenge::Http => ChallengeType::Http01,
                Challenge::TlsAlpn => ChallengeType::TlsAlpn01,
                Challenge::Dns => ChallengeType::Dns01,
            };
            let mut challenge = next
                .challenge(kind)
                .ok_or("the authority does not offer this challenge (acme.challenge)")?;
            let host = challenge.identifier().to_string();
            let answer = challenge.key_authorization();
            given.push(self.give(&host, &challenge.token.clone(), &answer).await?);
            challenge.set_ready().await.map_err(told)?;
        }
        let status = order.poll_ready(&POLL).await.map_err(told)?;
        if status != OrderStatus::Ready && status != OrderStatus::Valid {
            return Err(self.why(&mut order, status).await);
        }
        let key = match key.and_then(|pem| KeyPair::from_pem(&pem).ok()) {
            Some(key) => key,
            None => KeyPair::generate().map_err(|error| error.to_string())?,
        };
        let mut params =
            CertificateParams::new(names.0.clone()).map_err(|error| error.to_string())?;
        params.distinguished_name = rcgen::DistinguishedName::new();
        let request = params.serialize_request(&key).map_err(|error| error.to_string())?;
        order.finalize_csr(request.der()).await.map_err(told)?;
        let chain = order.poll_certificate(&POLL).await.map_err(told)?;
        Ok((chain, key.serialize_pem()))
    }

    /// What the authority says of names that it did not believe.
    async fn why(&self, order: &mut instant_acme::Order, status: OrderStatus) -> String {
        let mut text = format!("the order is {status:?}");
        let mut all = order.authorizations();
        while let Some(Ok(next)) = all.next().await {
            for challenge in &next.challenges {
                if let Some(problem) = &challenge.error {
                    let detail = problem.detail.as_deref().unwrap_or("no reason given");
                    text = format!("{text}; {}: {detail}", next.identifier());
                }
            }
        }
        text
    }

    async fn give(
        &self,
        host: &str,
        token: &str,
        answer: &KeyAuthorization,
    ) -> Result<Given, String> {
        match self.settings.challenge {
            Challenge::Http => {
                self.answers.set(token, Some(answer.as_str().to_owned()));
                Ok(Given::Http(token.to_owned()))
            }
            Challenge::TlsAlpn => {
                // RFC 8737 §3
                let failed = |error: rcgen::Error| error.to_string();
                let key = KeyPair::generate().map_err(failed)?;
                let mut params = CertificateParams::new([host.to_owned()]).map_err(failed)?;
                let digest = answer.digest();
                params.custom_extensions =
                    vec![CustomExtension::new_acme_identifier(digest.as_ref())];
                let made = params.self_signed(&key).map_err(failed)?;
                let key = PrivateKeyDer::Pkcs8(key.serialize_der().into());
                let pair = Some((made.der().clone(), key));
                self.certificates.challenge(host, pair).map_err(|error| error.to_string())?;
                Ok(Given::TlsAlpn(host.to_owned()))
            }
            Challenge::Dns => {
                let name = format!("_acme-challenge.{}", host.trim_start_matches("*."));
                let value = answer.dns_value();
                self.command("present", &name, &value).await?;
                Ok(Given::Dns { name, value })
            }
        }
    }

    async fn take_back(&self, given: Given) {
        match given {
            Given::Http(token) => self.answers.set(&token, None),
            Given::TlsAlpn(host) => {
                let _ = self.certificates.challenge(&host, None);
            }
            Given::Dns { name, value } => {
                if let Err(why) = self.command("cleanup", &name, &value).await {
                    tracing::warn!(name, why, "a record of a challenge may be left in DNS");
                }
            }
        }
    }

    /// Calls the command; no shell reads what a stranger may have put into a name.
    async fn command(&self, verb: &str, name: &str, value: &str) -> Result<(), String> {
        let path = self.settings.dns_command.as_ref().ok_or("acme.dns_command is not set")?;
        let failed = |why: String| format!("{} {verb} {name}: {why}", path.display());
        let mut command = Command::new(path);
        command.args([verb, name, value]).stdin(Stdio::null()).kill_on_drop(true);
        let within = Duration::from_secs(self.settings.dns_command_seconds.max(1).into());
        let done = timeout(within, command.output()).await;
        let done = done.map_err(|_| failed("it took too long".to_owned()))?;
        let done = done.map_err(|error| failed(error.to_string()))?;
        if done.status.success() {
            return Ok(());
        }
        let said = String::from_utf8_lossy(&done.stderr).trim().to_owned();
        Err(failed(format!("{}: {said}", done.status)))
    }
}
