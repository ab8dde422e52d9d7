//! Each request's work.

use super::{
    AccountDetails, AccountRow, AliasRow, AppPasswordRow, CheckReport, Failure, Reply, Request,
    import::Importer,
};
use crate::context::Context;
use account::{
    Accounts, Refused,
    directory::{AccountInfo, Password},
};
use mail::{AccountId, Address, Domain};
use std::{path::Path, pin::Pin, sync::Arc};
use tokio::{sync::Semaphore, task::spawn_blocking};

/// Accounts read from the directory at once.
const ACCOUNTS_PAGE: usize = 500;
/// The shortest password that is taken, in characters (NIST SP 800-63B §5.1.1.2).
pub const PASSWORD_CHARACTERS_MIN: usize = 8;
/// The longest password that is taken, in octets.
pub const PASSWORD_OCTETS_MAX: usize = 1024;

/// Performs requests.
pub struct Admin {
    pub(super) accounts: Arc<Accounts>,
    pub(super) importer: Importer,
    server: Option<Arc<Context>>,
    /// Passwords are hashed one at a time: the other threads are the logins'.
    hashing: Arc<Semaphore>,
}

impl Admin {
    /// Over these accounts. `data` holds the journals of imports; `server` is there in a running
    /// server.
    #[must_use]
    pub fn new(accounts: Arc<Accounts>, data: &Path, server: Option<Arc<Context>>) -> Self {
        Self {
            accounts,
            importer: Importer::new(data),
            server,
            hashing: Arc::new(Semaphore::new(1)),
        }
    }

    /// The server that runs, if one does.
    pub(super) const fn server(&self) -> Option<&Arc<Context>> {
        self.server.as_ref()
    }

    /// Hashes a password where blocking is allowed.
    async fn hash(&self, password: &str) -> Result<Password, Failure> {
        let password = check_password(password)?.to_vec();
        let permit = Arc::clone(&self.hashing).acquire_owned().await.map_err(Failure::ours)?;
        let accounts = Arc::clone(&self.accounts);
        let hashed = spawn_blocking(move || {
            let hashed = Password::hash(&password, accounts.options());
            drop(permit);
            hashed
        });
        hashed.await.map_err(Failure::ours)?.map_err(Failure::ours)
    }

    /// Ends the sessions of an account that would not be let in any more.
    pub(super) async fn review(&self, id: AccountId) {
        if let Some(server) = &self.server {
            server.auth.review(&self.accounts, id).await;
        }
    }

    /// Performs one. Boxed: the room of the largest request is not carried by whoever asks.
    pub fn perform(
        &self,
        request: Request,
    ) -> Pin<Box<dyn Future<Output = Result<Reply, Failure>> + Send + '_>> {
        Box::pin(self.perform_one(request))
    }

    async fn perform_one(&self, request: Request) -> Result<Reply, Failure> {
        match request {
            Request::Status => Ok(Reply::Status {
                version: env!("CARGO_PKG_VERSION").to_owned(),
                connections: self
                    .server
                    .as_ref()
                    .map_or(0, |server| server.admission.connections()),
            }),
            Request::DomainAdd { .. }
            | Request::DomainRemove { .. }
            | Request::DomainList
            | Request::DomainDns { .. }
            | Request::DomainCheck { .. }
            | Request::DkimList { .. }
            | Request::DkimMake { .. }
            | Request::DkimUse { .. }
            | Request::DkimRemove { .. } => self.domain(request).await,
            Request::AliasSet { .. } | Request::AliasRemove { .. } | Request::AliasList => {
                self.alias(request).await
            }
            Request::PasswordSet { .. }
            | Request::AppPasswordAdd { .. }
            | Request::AppPasswordList { .. }
            | Request::AppPasswordRemove { .. } => self.password(request).await,
            Request::TokenAdd { .. } | Request::TokenList { .. } | Request::TokenRevoke { .. } => {
                self.token(request).await
            }
            Request::AccountAdd { .. }
            | Request::AccountRemove { .. }
            | Request::AccountList
            | Request::AccountShow { .. }
            | Request::AccountDisable { .. }
            | Request::AccountCapabilities { .. }
            | Request::QuotaSet { .. } => self.account(request).await,
            Request::AccountLimits { .. } | Request::AccountSending { .. } => {
                self.sending(request).await
            }
            Request::QueueList
            | Request::QueueRetry { .. }
            | Request::QueueHold { .. }
            | Request::QueueDrop { .. } => self.queue(request).await,
            Request::ReportsShow { .. } => self.reports(request).await,
            Request::ReportsPending | Request::ReportsSend { .. } => self.outgoing(request).await,
            Request::Why { .. } | Request::JunkStatus { .. } | Request::JunkLearn { .. } => {
                self.junk(request).await
            }
            Request::ReputationList { .. }
            | Request::ReputationShow { .. }
            | Request::ReputationForget { .. } => self.reputation(request).await,
            Request::CertificateList | Request::CertificateRenew { .. } => {
                self.certificate(request).await
            }
            Request::MailboxList { address } => self.mailbox_list(&address).await,
            Request::Import(batch) => self.import(batch).await,
            Request::Export { address, mailbox, after } => {
                self.export(&address, &mailbox, after).await
            }
            Request::UndeleteList { address } => self.undelete_list(&address).await,
            Request::UndeleteRestore { address, messages, mailbox } => {
                self.undelete_restore(&address, &messages, mailbox.as_deref()).await
            }
            Request::Check => self.check().await,
            Request::IndexDrop { address } => self.index_drop(&address).await,
            Request::IndexStep { address } => self.index_step(&address).await,
        }
    }

    async fn alias(&self, request: Request) -> Result<Reply, Failure> {
        let directory = self.accounts.directory();
        match request {
            Request::AliasSet { alias, targets } => {
                let name = parse_address(&alias)?;
                let targets: Vec<Address> =
                    targets.iter().map(|target| parse_address(target)).collect::<Result<_, _>>()?;
                if targets.is_empty() {
                    return Err(Failure::refused("an alias needs at least one target"));
                }
                directory.set_alias(&name, &targets).await.map_err(|e| told(e, &alias))?;
                Ok(Reply::Done)
            }
            Request::AliasRemove { alias } => {
                let name = parse_address(&alias)?;
                directory.remove_alias(&name).await.map_err(|e| told(e, &alias))?;
                Ok(Reply::Done)
            }
            _ => {
                let aliases = directory.aliases().await.map_err(Failure::ours)?;
                let row = |(alias, targets): (Address, Vec<Address>)| AliasRow {
                    alias: alias.to_string(),
                    targets: targets.iter().map(ToString::to_string).collect(),
                };
                Ok(Reply::Aliases(aliases.into_iter().map(row).collect()))
            }
        }
    }

    async fn password(&self, request: Request) -> Result<Reply, Failure> {
        let directory = self.accounts.directory();
        match request {
            Request::PasswordSet { address, password } => {
                let name = parse_address(&address)?;
                let password = self.hash(&password).await?;
                directory.set_password(&name, password).await.map_err(|e| told(e, &address))?;
                self.review(self.find(&address).await?.id).await;
                Ok(Reply::Done)
            }
            Request::AppPasswordAdd { address, name } => {
                let account = parse_address(&address)?;
                let made = directory.add_app_password(&account, &name).await;
                let password = made.map_err(|e| told(e, &name))?;
                Ok(Reply::AppPassword { name, password })
            }
            Request::AppPasswordRemove { address, name } => {
                let account = parse_address(&address)?;
                let gone = directory.remove_app_password(&account, &name).await;
                gone.map_err(|e| told(e, &name))?;
                self.review(self.find(&address).await?.id).await;
                Ok(Reply::Done)
            }
            Request::AppPasswordList { address } => {
                let account = parse_address(&address)?;
                let found = directory.app_passwords(&account).await;
                let rows = found.map_err(|e| told(e, &address))?;
                let row = |(name, made)| AppPasswordRow { name, made };
                Ok(Reply::AppPasswords(rows.into_iter().map(row).collect()))
            }
            _ => Err(Failure::ours("not a request about passwords")),
        }
    }

    async fn account(&self, request: Request) -> Result<Reply, Failure> {
        let directory = self.accounts.directory();
        match request {
            Request::AccountAdd { address, password } => {
                let name = parse_address(&address)?;
                let password = self.hash(&password).await?;
                directory.add_account_with(&name, password).await.map_err(|e| told(e, &address))?;
                Ok(Reply::Done)
            }
            Request::AccountRemove { address } => {
                let info = self.find(&address).await?;
                // First, so that its sessions can say why they end, and none begins meanwhile.
                let off = directory.set_disabled(&info.address, true).await;
                off.map_err(|e| told(e, &address))?;
                self.review(info.id).await;
                let gone = directory.remove_account(&info.address).await;
                gone.map_err(|e| told(e, &address))?;
                self.importer.forget(info.id);
                if let Some(server) = &self.server {
                    server.books.forget(info.id);
                    server.outbound.resume(info.id);
                }
                Ok(Reply::Done)
            }
            Request::AccountShow { address } => self.show(&address).await,
            Request::AccountDisable { address, disabled } => {
                let info = self.find(&address).await?;
                let done = directory.set_disabled(&info.address, disabled).await;
                done.map_err(|e| told(e, &address))?;
                self.review(info.id).await;
                Ok(Reply::Done)
            }
            Request::AccountCapabilities { address, hide, show } => {
                let info = self.find(&address).await?;
                // `+`: shown to this account, whatever the server hides.
                let plain = |name: &str| name.trim_start_matches('+').to_ascii_uppercase();
                let mut hidden = info.hidden_capabilities;
                let named: Vec<String> = hide.iter().chain(&show).map(|one| plain(one)).collect();
                hidden.retain(|name| !named.contains(&plain(name)));
                hidden.extend(hide.iter().map(|name| plain(name)));
                hidden.extend(show.iter().map(|name| format!("+{}", plain(name))));
                let done = directory.set_hidden_capabilities(&info.address, &hidden).await;
                done.map_err(|e| told(e, &address))?;
                Ok(Reply::Done)
            }
            Request::QuotaSet { address, octets_max, messages_max } => {
                let info = self.find(&address).await?;
                let done = directory.set_quota(&info.address, octets_max, messages_max).await;
                done.map_err(|e| told(e, &address))?;
                Ok(Reply::Done)
            }
            _ => {
                let row = |info: AccountInfo| AccountRow {
                    id: info.id.0,
                    address: info.address.to_string(),
                    disabled: info.disabled,
                    sending_paused: directory.sending(info.id).paused,
                };
                Ok(Reply::Accounts(self.all().await?.into_iter().map(row).collect()))
            }
        }
    }

    async fn all(&self) -> Result<Vec<AccountInfo>, Failure> {
        let mut all: Vec<AccountInfo> = Vec::new();
        loop {
            let after = all.last().map(|info| info.id);
            let page = self.accounts.directory().accounts(after, ACCOUNTS_PAGE).await;
            let page = page.map_err(Failure::ours)?;
            if page.is_empty() {
                return Ok(all);
            }
            all.extend(page);
        }
    }

    async fn show(&self, address: &str) -> Result<Reply, Failure> {
        let info = self.find(address).await?;
        let account = self.accounts.account(info.id).await.map_err(Failure::ours)?;
        let quota = account.quota();
        let aliases = self.accounts.directory().aliases().await.map_err(Failure::ours)?;
        let aliases = aliases.iter().filter(|(_, targets)| targets.contains(&info.address));
        Ok(Reply::Account(AccountDetails {
            sending: self.sending_of(&info).await?,
            id: info.id.0,
            address: info.address.to_string(),
            disabled: info.disabled,
            octets_used: quota.octets_used,
            octets_max: quota.octets_max,
            messages_used: quota.messages_used,
            messages_max: quota.messages_max,
            hidden_capabilities: info.hidden_capabilities,
            aliases: aliases.map(|(alias, _)| alias.to_string()).collect(),
        }))
    }

    /// The account of an address.
    pub(super) async fn find(&self, address: &str) -> Result<AccountInfo, Failure> {
        let name = parse_address(address)?;
        let found = self.accounts.directory().find(&name).await.map_err(Failure::ours)?;
        found.ok_or_else(|| Failure::refused(format!("there is no account {address}")))
    }

    async fn check(&self) -> Result<Reply, Failure> {
        let report = account::check::all(&self.accounts).await.map_err(Failure::ours)?;
        Ok(Reply::Checked(CheckReport {
            accounts: report.accounts,
            commits: report.commits,
            messages: report.messages,
            faults: report.breaches,
            told: report.told,
            store: None,
        }))
    }
}

/// An error about something named, in words.
pub(super) fn told(error: account::Error, what: &str) -> Failure {
    let account::Error::Refused(why) = error else { return Failure::ours(error) };
    let words = match why {
        Refused::NoSuchMailbox => "there is no such mailbox",
        Refused::MailboxExists => "there is such a mailbox already",
        Refused::BadMailboxName => "not a name for a mailbox",
        Refused::Cannot => "this cannot be done (is something still in it?)",
        Refused::SpecialUseTaken => "another mailbox has that special use",
        Refused::OverQuota => "over the quota",
        Refused::MessageTooBig => "larger than limits.message_octets_max",
        Refused::Limit => "a limit of the account is reached",
        Refused::NoSuchMessage => "there is no such message",
        Refused::AnnotationTooBig => "larger than limits.metadata_value_octets_max",
        Refused::TooManyAnnotations => "there are as many annotations as there may be",
        Refused::NoPrivateAnnotations => "private annotations are not kept",
        Refused::ReadOnly => "read-only",
        Refused::NoSuchEntry => "there is no such domain, account, alias, app password or token",
        Refused::EntryExists => "there is one of that name already",
    };
    Failure::refused(format!("{what}: {words}"))
}

/// Reads a domain.
pub(super) fn parse_domain(text: &str) -> Result<Domain, Failure> {
    Domain::parse(text).ok_or_else(|| Failure::refused(format!("{text}: not a domain name")))
}

/// Reads an address.
pub(super) fn parse_address(text: &str) -> Result<Address, Failure> {
    Address::parse(text).ok_or_else(|| Failure::refused(format!("{text}: not an address")))
}

fn check_password(password: &str) -> Result<&[u8], Failure> {
    if password.chars().count() < PASSWORD_CHARACTERS_MIN {
        let why = format!("a password has at least {PASSWORD_CHARACTERS_MIN} characters");
        return Err(Failure::refused(why));
    }
    if password.len() > PASSWORD_OCTETS_MAX {
        let why = format!("a password has at most {PASSWORD_OCTETS_MAX} octets");
        return Err(Failure::refused(why));
    }
    Ok(password.as_bytes())
}
