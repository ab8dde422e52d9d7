//! Domains: which are ours, their records in DNS, and their DKIM keys.

use super::{
    DkimKeyRow, Failure, Reply, Request,
    perform::{Admin, parse_domain, told},
};
use crate::{
    context::Context,
    dns::records::{Checked, Facts, State, Wanted, wanted},
    signing,
};
use account::directory::{DomainKey, KeyState};
use mail::Domain;
use std::sync::Arc;

impl Admin {
    pub(super) async fn domain(&self, request: Request) -> Result<Reply, Failure> {
        let directory = self.accounts.directory();
        match request {
            Request::DomainAdd { domain } => {
                let name = parse_domain(&domain)?;
                directory.add_domain(&name).await.map_err(|e| told(e, &domain))?;
                // Without a running server they are made when it starts.
                if let Some(server) = self.server() {
                    server.signing.make_missing(&name).await.map_err(|e| told(e, &domain))?;
                }
                Ok(Reply::Done)
            }
            Request::DomainRemove { domain } => {
                let name = parse_domain(&domain)?;
                directory.remove_domain(&name).await.map_err(|e| told(e, &domain))?;
                if let Some(server) = self.server() {
                    server.signing.forget(&name);
                }
                Ok(Reply::Done)
            }
            Request::DomainList => {
                let domains = directory.domains().await.map_err(Failure::ours)?;
                Ok(Reply::Domains(domains.iter().map(ToString::to_string).collect()))
            }
            Request::DomainDns { domain } => Ok(Reply::Records(self.records(&domain).await?)),
            Request::DomainCheck { domain } => {
                let records = self.records(&domain).await?;
                let dns = self.running()?.dns.as_ref();
                let dns = dns.ok_or_else(|| Failure::refused("there are no name servers"))?;
                let mut checks = dns.check(records).await;
                self.policy_is_there(&domain, &mut checks).await?;
                Ok(Reply::Checks(checks))
            }
            request => self.dkim(request).await,
        }
    }

    fn running(&self) -> Result<&Arc<Context>, Failure> {
        let none = || Failure::refused("this is the running server's: start it first");
        self.server().ok_or_else(none)
    }

    async fn known(&self, domain: &str) -> Result<(Domain, Vec<DomainKey>), Failure> {
        let name = parse_domain(domain)?;
        let directory = self.accounts.directory();
        if !directory.domains().await.map_err(Failure::ours)?.contains(&name) {
            return Err(Failure::refused(format!("{domain}: not a domain of this server")));
        }
        let keys = directory.domain_keys(&name).await.map_err(|e| told(e, domain))?;
        Ok((name, keys))
    }

    async fn records(&self, domain: &str) -> Result<Vec<Wanted>, Failure> {
        let (name, keys) = self.known(domain).await?;
        let server = self.running()?;
        let certificates = server.certificates.as_ref().map(|all| all.public_keys());
        let facts = Facts {
            host_name: &server.host_name,
            keys: &keys,
            sts: server.sts.as_ref(),
            protocols: &server.protocols,
            certificates: &certificates.unwrap_or_default(),
        };
        Ok(wanted(&name, &facts))
    }

    /// Of the record that says where the MTA-STS policy is: whether it can be had there, as other
    /// servers would get it.
    async fn policy_is_there(&self, domain: &str, checks: &mut [Checked]) -> Result<(), Failure> {
        let server = self.running()?;
        let (Some(policy), Some(dns)) = (&server.sts, &server.dns) else { return Ok(()) };
        let place = |one: &&mut Checked| one.wanted.name.starts_with("mta-sts.");
        let Some(row) = checks.iter_mut().find(place).filter(|row| row.state == State::Ok) else {
            return Ok(());
        };
        let why = match server.outbound.fetch_policy(dns, &parse_domain(domain)?).await {
            Ok(text) if text == policy.text => return Ok(()),
            Ok(_) => "another policy is served there".to_owned(),
            Err(why) => format!("the policy cannot be fetched: {why}"),
        };
        (row.state, row.why) = (State::Other, why);
        Ok(())
    }

    async fn dkim(&self, request: Request) -> Result<Reply, Failure> {
        match request {
            Request::DkimList { domain } => {
                let (_, keys) = self.known(&domain).await?;
                Ok(Reply::DkimKeys(keys.iter().map(row).collect()))
            }
            Request::DkimMake { domain } => {
                let (name, _) = self.known(&domain).await?;
                let made = self.running()?.signing.make(&name).await;
                let made = made.map_err(|e| told(e, &domain))?;
                Ok(Reply::DkimKeys(made.iter().map(row).collect()))
            }
            Request::DkimUse { domain, selector } => {
                let (name, _) = self.known(&domain).await?;
                let used = self.running()?.signing.activate(&name, &selector).await;
                used.map_err(|e| told(e, &selector))?;
                Ok(Reply::Done)
            }
            Request::DkimRemove { domain, selector } => {
                let (name, _) = self.known(&domain).await?;
                let removed = self.accounts.directory().remove_domain_key(&name, &selector).await;
                removed.map_err(|e| told(e, &selector))?;
                if let Some(server) = self.server() {
                    server.signing.forget(&name);
                }
                Ok(Reply::Done)
            }
            _ => Err(Failure::ours("not a request about domains")),
        }
    }
}

fn row(key: &DomainKey) -> DkimKeyRow {
    let state = match key.state {
        KeyState::Waiting => "waiting",
        KeyState::Active => "active",
        KeyState::Retired => "retired",
    };
    DkimKeyRow {
        selector: key.selector.clone(),
        algorithm: signing::algorithm(key).as_str().to_owned(),
        state: state.to_owned(),
        made: key.made,
        since: key.since,
    }
}
