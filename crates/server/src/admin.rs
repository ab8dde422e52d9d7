//! Administration: one request type, performed in one place, whether it came over the local
//! socket of a running server or from a command that opened the store itself.
//!
//! Invariants: the socket is a Unix socket of mode 0600 in the data folder: who may open it may
//! read the mail anyway; each line is one JSON request and gets one JSON line back; a password in
//! a request never reaches a log.

mod certificate;
pub mod client;
mod domain;
pub mod import;
mod index;
mod junk;
mod mailboxes;
mod outgoing;
mod perform;
mod queue;
mod reports;
mod reputation;
mod sending;
pub mod socket;
mod token;

pub use junk::{CheckRow, Explanation, JunkReport, ReasonRow, Sorted, WhyReport, WordRow};
pub use outgoing::{PendingReport, SentReport};
pub use perform::Admin;
pub use reports::{DomainReports, FailureRow, MailReports, ReporterRow, SourceRow, TlsReports};
pub use reputation::SenderRow;

use crate::dns::records::{Checked, Wanted};
use serde::{Deserialize, Serialize};

/// What can be asked.
#[derive(Clone, Serialize, Deserialize)]
#[serde(tag = "do", rename_all = "snake_case", deny_unknown_fields)]
#[allow(missing_docs)]
pub enum Request {
    /// Is a server there?
    Status,
    DomainAdd {
        domain: String,
    },
    QueueList,
    /// What waits for one host, or all.
    QueueRetry {
        host: Option<String>,
    },
    QueueHold {
        id: String,
        held: bool,
    },
    QueueDrop {
        id: String,
    },
    /// Only a domain without accounts and aliases.
    DomainRemove {
        domain: String,
    },
    DomainList,
    /// The records that a domain needs in DNS.
    DomainDns {
        domain: String,
    },
    /// Whether they are there.
    DomainCheck {
        domain: String,
    },
    DkimList {
        domain: String,
    },
    DkimMake {
        domain: String,
    },
    DkimUse {
        domain: String,
        selector: String,
    },
    DkimRemove {
        domain: String,
        selector: String,
    },
    AccountAdd {
        address: String,
        password: String,
    },
    /// Erases the account with all its mail.
    AccountRemove {
        address: String,
    },
    AccountList,
    AccountShow {
        address: String,
    },
    AccountDisable {
        address: String,
        disabled: bool,
    },
    /// What it may send apart from the settings; `None`: as it is.
    AccountLimits {
        address: String,
        hour: Option<OwnLimit>,
        day: Option<OwnLimit>,
    },
    /// It may send nothing, or again.
    AccountSending {
        address: String,
        paused: bool,
    },
    AccountCapabilities {
        address: String,
        hide: Vec<String>,
        show: Vec<String>,
    },
    /// Adds or replaces.
    AliasSet {
        alias: String,
        targets: Vec<String>,
    },
    AliasRemove {
        alias: String,
    },
    AliasList,
    PasswordSet {
        address: String,
        password: String,
    },
    /// The password comes back, this once.
    AppPasswordAdd {
        address: String,
        name: String,
    },
    AppPasswordList {
        address: String,
    },
    AppPasswordRemove {
        address: String,
        name: String,
    },
    /// The token comes back, this once.
    TokenAdd {
        address: String,
        name: String,
        /// `imap`, `pop`, `smtp`; all of them when none is named.
        scopes: Vec<String>,
        /// Seconds from now; for ever when absent.
        expires_seconds: Option<u64>,
    },
    TokenList {
        address: String,
    },
    /// Ends the sessions that were begun with it.
    TokenRevoke {
        address: String,
        name: String,
    },
    /// `None` is the default of the installation.
    QuotaSet {
        address: String,
        octets_max: Option<u64>,
        messages_max: Option<u64>,
    },
    MailboxList {
        address: String,
    },
    /// Messages into a mailbox, which is made when it is missing.
    Import(ImportBatch),
    /// Messages of a mailbox after a Uid.
    Export {
        address: String,
        mailbox: String,
        after: u32,
    },
    /// Expunged messages that can be brought back.
    UndeleteList {
        address: String,
    },
    /// Brings messages back into a mailbox; all of them when none is named.
    UndeleteRestore {
        address: String,
        messages: Vec<u32>,
        mailbox: Option<String>,
    },
    /// Why a message is where it is.
    Why {
        address: String,
        mailbox: String,
        uid: Option<u32>,
        message_id: Option<String>,
    },
    /// How much an account, or the server, has learnt of junk.
    JunkStatus {
        address: Option<String>,
    },
    /// Teaches the server's book messages in base64.
    JunkLearn {
        junk: bool,
        messages: Vec<String>,
    },
    /// What others report about our domains, of the last days.
    ReportsShow {
        domain: Option<String>,
        days: u32,
        /// Also what nobody is proven to have sent.
        unproven: bool,
    },
    /// Reports to other domains that wait.
    ReportsPending,
    /// Sends those of days that are over, or all.
    ReportsSend {
        today: bool,
    },
    /// Senders: the worst first, or the best.
    ReputationList {
        best: bool,
        limit: u32,
    },
    /// What is known of a domain, an address, a network.
    ReputationShow {
        sender: String,
    },
    ReputationForget {
        sender: String,
    },
    /// Certificates in use and wanted.
    CertificateList,
    /// Gets one, or all, now.
    CertificateRenew {
        name: Option<String>,
    },
    /// Folds every log again and compares.
    Check,
    /// Throws an account's search index away.
    IndexDrop {
        address: String,
    },
    /// Does a part of making it.
    IndexStep {
        address: String,
    },
}

/// Messages to import.
#[derive(Clone, Serialize, Deserialize)]
pub struct ImportBatch {
    /// The account.
    pub address: String,
    /// The mailbox.
    pub mailbox: String,
    /// Also what was imported before.
    pub again: bool,
    /// The messages.
    pub messages: Vec<Message>,
}

/// A message on its way in or out.
#[derive(Clone, Serialize, Deserialize)]
pub struct Message {
    /// Its Uid (export only).
    #[serde(default)]
    pub uid: u32,
    /// System flags (`\Seen`) and keywords.
    pub flags: Vec<String>,
    /// INTERNALDATE, seconds since 1970 UTC; now when absent.
    pub internal_date: Option<i64>,
    /// The message in base64.
    pub body: String,
}

/// What comes back.
#[derive(Clone, Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Reply {
    Done,
    Status { version: String, connections: u32 },
    Domains(Vec<String>),
    Records(Vec<Wanted>),
    Checks(Vec<Checked>),
    DkimKeys(Vec<DkimKeyRow>),
    Queue { messages: Vec<QueueDetails>, sites: Vec<QueueSite> },
    Accounts(Vec<AccountRow>),
    Account(AccountDetails),
    Aliases(Vec<AliasRow>),
    AppPassword { name: String, password: String },
    AppPasswords(Vec<AppPasswordRow>),
    Token { name: String, token: String },
    Tokens(Vec<TokenRow>),
    Mailboxes(Vec<MailboxRow>),
    Imported { imported: u32, known: u32 },
    Exported(Exported),
    Deleted(Vec<DeletedRow>),
    Restored { messages: u32 },
    Checked(CheckReport),
    Indexed(IndexReport),
    Why(Box<WhyReport>),
    Junk(JunkReport),
    Reports(Vec<DomainReports>),
    Certificates(Vec<crate::acme::Row>),
    ReportsPending(Vec<PendingReport>),
    ReportsSent(Vec<SentReport>),
    Senders(Vec<SenderRow>),
}

/// How far an account's search index is.
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
#[allow(missing_docs)]
pub struct IndexReport {
    /// Messages of the account.
    pub messages: u64,
    /// Those in the index.
    pub indexed: u64,
    /// Whether another step has something to do.
    pub more: bool,
    /// Octets of the index; 0 while there is more to do.
    pub index_octets: u64,
    /// Octets of the mail as it is stored: compressed; 0 while there is more to do.
    pub compressed_octets: u64,
}

/// A limit of an account.
#[derive(Clone, Copy, Serialize, Deserialize, PartialEq, Eq, Debug)]
pub enum OwnLimit {
    /// The settings'.
    Default,
    /// Its own; 0: any number.
    Max(u32),
}

/// What an account may send.
#[derive(Clone, Serialize, Deserialize, Debug)]
#[allow(missing_docs)]
pub struct SendingDetails {
    pub paused: bool,
    /// Its own limits; 0: any number. None: those of the settings.
    pub recipients_hour_max: Option<u32>,
    pub recipients_day_max: Option<u32>,
    /// Recipients elsewhere in the last hour and day, where the server runs.
    pub recipients_hour: Option<u32>,
    pub recipients_day: Option<u32>,
}

/// An account in a list.
#[derive(Clone, Serialize, Deserialize, Debug)]
#[allow(missing_docs)]
pub struct AccountRow {
    pub id: u32,
    pub address: String,
    pub disabled: bool,
    /// It may send nothing.
    pub sending_paused: bool,
}

/// An account with its use.
#[derive(Clone, Serialize, Deserialize, Debug)]
#[allow(missing_docs)]
pub struct AccountDetails {
    pub id: u32,
    pub address: String,
    pub disabled: bool,
    pub octets_used: u64,
    pub octets_max: Option<u64>,
    pub messages_used: u64,
    pub messages_max: Option<u64>,
    pub hidden_capabilities: Vec<String>,
    pub aliases: Vec<String>,
    pub sending: SendingDetails,
}

/// A message of the outbound queue.
#[derive(Clone, Serialize, Deserialize, Debug)]
#[allow(missing_docs)]
pub struct QueueDetails {
    pub id: String,
    /// Empty for `<>`.
    pub from: String,
    pub octets: u64,
    /// Seconds since 1970 UTC.
    pub received_at: i64,
    pub expires_at: i64,
    /// It leaves no sooner; 0: at once.
    pub not_before: i64,
    pub held: bool,
    /// Why it waits, if no host is the reason.
    pub waits: Option<String>,
    pub recipients: Vec<QueueRecipient>,
}

/// Somebody whom a queued message is for.
#[derive(Clone, Serialize, Deserialize, Debug)]
#[allow(missing_docs)]
pub struct QueueRecipient {
    pub address: String,
    pub attempts: u32,
    /// Tries after which the message may have arrived: the last reply was missing.
    pub undecided: u32,
    /// How it ended, if it has.
    pub settled: Option<String>,
    /// What was said last.
    pub reply: Option<String>,
}

/// A host that mail waits for.
#[derive(Clone, Serialize, Deserialize, Debug)]
#[allow(missing_docs)]
pub struct QueueSite {
    pub host: String,
    pub due: usize,
    pub waiting: usize,
    pub connections: usize,
    /// Calls in a row that nobody took.
    pub failures: u32,
    /// Seconds since 1970 UTC.
    pub closed_until: i64,
    pub why: Option<String>,
}

/// A key of a domain.
#[derive(Clone, Serialize, Deserialize, Debug)]
#[allow(missing_docs)]
pub struct DkimKeyRow {
    pub selector: String,
    pub algorithm: String,
    pub state: String,
    /// Seconds since 1970 UTC.
    pub made: i64,
    pub since: i64,
}

/// An alias.
#[derive(Clone, Serialize, Deserialize, Debug)]
#[allow(missing_docs)]
pub struct AliasRow {
    pub alias: String,
    pub targets: Vec<String>,
}

/// An app password.
#[derive(Clone, Serialize, Deserialize, Debug)]
#[allow(missing_docs)]
pub struct AppPasswordRow {
    pub name: String,
    /// Seconds since 1970 UTC.
    pub made: i64,
}

/// A token.
#[derive(Clone, Serialize, Deserialize, Debug)]
#[allow(missing_docs)]
pub struct TokenRow {
    pub name: String,
    /// `imap`, `pop`, `smtp`.
    pub scopes: Vec<String>,
    /// Seconds since 1970 UTC, as the other times.
    pub made: i64,
    /// `None`: never.
    pub expires: Option<i64>,
    /// The day, its first second; `None`: never.
    pub used: Option<i64>,
}

/// A mailbox.
#[derive(Clone, Serialize, Deserialize, Debug)]
#[allow(missing_docs)]
pub struct MailboxRow {
    pub name: String,
    pub uid_validity: u32,
    pub messages: u32,
    pub unseen: u32,
    pub octets: u64,
}

/// Some messages of a mailbox.
#[derive(Clone, Serialize, Deserialize)]
pub struct Exported {
    /// The mailbox's UIDVALIDITY.
    pub uid_validity: u32,
    /// By ascending Uid; none when there are no more.
    pub messages: Vec<Message>,
}

impl std::fmt::Debug for Exported {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Exported({} messages)", self.messages.len())
    }
}

/// An expunged message.
#[derive(Clone, Serialize, Deserialize, Debug)]
#[allow(missing_docs)]
pub struct DeletedRow {
    pub message: u32,
    /// The mailbox that it left last.
    pub mailbox: String,
    /// When it will be erased, seconds since 1970 UTC.
    pub erased_at: i64,
    pub octets: u32,
    pub subject: String,
    pub from: String,
}

/// What `check` found.
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
#[allow(missing_docs)]
pub struct CheckReport {
    pub accounts: u64,
    pub commits: u64,
    pub messages: u64,
    /// How many things are wrong.
    pub faults: u64,
    /// The first of them, each in a sentence.
    pub told: Vec<String>,
    /// What was found in the store; absent beside a running server, which has it open.
    pub store: Option<StoreReport>,
}

/// What `check` found in the store.
#[derive(Clone, Serialize, Deserialize, Debug, Default)]
#[allow(missing_docs)]
pub struct StoreReport {
    pub segments: u64,
    pub frames: u64,
    pub entries: u64,
    /// A write that was cut off by a crash, of which nobody was told; not a fault.
    pub torn_octets: u64,
    /// Whether the index was made anew.
    pub rebuilt: bool,
}

/// Whose fault it is that nothing came of a request.
#[derive(Clone, Copy, Serialize, Deserialize, PartialEq, Eq, Debug)]
#[serde(rename_all = "snake_case")]
pub enum Fault {
    /// The asker's: no such account, already there, not an address …
    Refused,
    /// Ours: store, disk, network.
    Ours,
}

/// A request that failed.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq, Debug)]
pub struct Failure {
    /// Whose fault.
    pub fault: Fault,
    /// Why, in a sentence for the person at the terminal.
    pub why: String,
}

impl Failure {
    /// The asker's.
    pub fn refused(why: impl Into<String>) -> Self {
        Self { fault: Fault::Refused, why: why.into() }
    }

    /// Ours.
    pub fn ours(why: impl std::fmt::Display) -> Self {
        Self { fault: Fault::Ours, why: why.to_string() }
    }
}

impl std::fmt::Display for Failure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.why)
    }
}
impl std::error::Error for Failure {}

/// What a line of the socket holds in answer.
#[derive(Clone, Serialize, Deserialize, Debug)]
#[serde(rename_all = "snake_case")]
#[allow(missing_docs)]
pub enum Answer {
    Ok(Reply),
    Failed(Failure),
}
