//! What can be said on the command line, and the requests that it means.

mod account;
mod reports;
mod reputation;
mod units;

use super::{Stop, code};
use crate::{admin::Request, attachments::child, files::Format};
pub use account::AccountCommand;
use account::password_from_input;
use clap::{Args, Parser, Subcommand};
pub use reports::ReportsCommand;
pub use reputation::ReputationCommand;
use std::path::PathBuf;
use units::{octets, seconds};

const EXIT_CODES: &str = "\
Exit codes: 0 done; 1 something of ours failed (store, disk, network); 2 the command was not
understood; 3 refused (no such account, already there …); 4 check found faults.

Commands other than serve and dev ask the server that runs on the data folder; when none runs,
they open the folder themselves.";

/// A complete mail server: IMAP, POP3, SMTP, LMTP.
#[derive(Parser)]
#[command(name = "palomar", version, about, after_long_help = EXIT_CODES)]
pub struct Cli {
    /// Configuration file [default: /etc/palomar/palomar.toml if it is there]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Data folder; goes before the one in the configuration
    #[arg(long, global = true, value_name = "DIR")]
    pub data: Option<PathBuf>,
    /// Print JSON, for scripts
    #[arg(long, global = true)]
    pub json: bool,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// Commands.
#[derive(Subcommand)]
pub enum Command {
    /// Run the server
    Serve,
    /// Run a server for trying things out: own certificates, example.test, two accounts, some mail
    Dev {
        /// Added to every port
        #[arg(long, value_name = "N", default_value_t = 0)]
        port_offset: u16,
    },
    /// Show the settings, or check the configuration
    Config {
        /// Print the table of settings in Markdown
        #[arg(long)]
        docs: bool,
        /// Read the configuration and its certificates and say whether they can be used
        #[arg(long)]
        check: bool,
    },
    /// Whether a server runs, and how busy it is
    Status,
    /// Domains whose mail is received here
    #[command(subcommand)]
    Domain(DomainCommand),
    /// Accounts
    #[command(subcommand)]
    Account(AccountCommand),
    /// Other names for accounts
    #[command(subcommand)]
    Alias(AliasCommand),
    /// Passwords
    #[command(subcommand)]
    Password(PasswordCommand),
    /// Tokens that programs log in with in place of a password (OAUTHBEARER, XOAUTH2)
    #[command(subcommand)]
    Token(TokenCommand),
    /// Limits of an account
    #[command(subcommand)]
    Quota(QuotaCommand),
    /// Bring mail in from mbox files, Maildirs or folders of .eml files; nothing twice
    Import(ImportJob),
    /// Write mail out as Maildir or mbox
    Export(ExportJob),
    /// Mail that waits to leave
    #[command(subcommand)]
    Queue(QueueCommand),
    /// Why a message is where it is: who sent it, what was checked, what decided
    #[command(group(clap::ArgGroup::new("which").required(true).args(["uid", "message_id"])))]
    Why {
        /// The account
        address: String,
        /// UID of the message in its mailbox
        #[arg(long)]
        uid: Option<u32>,
        /// The mailbox
        #[arg(long, default_value = "INBOX")]
        mailbox: String,
        /// Its Message-ID, in any mailbox
        #[arg(long, value_name = "ID")]
        message_id: Option<String>,
    },
    /// Certificates
    #[command(subcommand)]
    Certificate(CertificateCommand),
    /// What is learnt of junk
    #[command(subcommand)]
    Junk(JunkCommand),
    /// What others report of mail in our names and of TLS on its way; what we report to others
    #[command(subcommand)]
    Reports(ReportsCommand),
    /// What mail of domains and addresses was worth here
    #[command(subcommand)]
    Reputation(ReputationCommand),
    /// Bring expunged messages back
    #[command(subcommand)]
    Undelete(UndeleteCommand),
    /// Fold every account's log again and compare with what is stored
    Check {
        /// First make the index anew from the log (no server may run)
        #[arg(long)]
        rebuild: bool,
    },
    /// Make the search index of an account anew, or those of all
    Reindex {
        /// The account
        #[arg(required_unless_present = "all", conflicts_with = "all")]
        address: Option<String>,
        /// Every account
        #[arg(long)]
        all: bool,
    },
    /// Read documents, confined, for the server that started it
    #[command(hide = true)]
    ExtractChild(child::Arguments),
}

/// `domain`
#[derive(Subcommand)]
pub enum DomainCommand {
    /// Receive mail for a domain
    Add {
        /// e.g. example.org
        domain: String,
    },
    /// Stop; only when it has no accounts and aliases
    Remove {
        /// e.g. example.org
        domain: String,
    },
    /// Show all
    List,
    /// Show the records that it needs in DNS, as lines of a zone file
    Dns {
        /// e.g. example.org
        domain: String,
    },
    /// Show which of them are there
    Check {
        /// e.g. example.org
        domain: String,
    },
    /// Keys that its mail is signed with
    #[command(subcommand)]
    Dkim(DkimCommand),
}

/// `domain dkim`
#[derive(Subcommand)]
pub enum DkimCommand {
    /// Show all
    List {
        /// e.g. example.org
        domain: String,
    },
    /// Make new ones; they are used once DNS shows them
    Make {
        /// e.g. example.org
        domain: String,
    },
    /// Sign with a key now; the one before retires
    Use {
        /// e.g. example.org
        domain: String,
        /// Its name, e.g. p202611r
        selector: String,
    },
    /// Forget a key
    Remove {
        /// e.g. example.org
        domain: String,
        /// Its name
        selector: String,
    },
}

/// `alias`
#[derive(Subcommand)]
pub enum AliasCommand {
    /// Add or replace an alias
    Set {
        /// e.g. info@example.org
        alias: String,
        /// Addresses that get its mail
        #[arg(required = true)]
        targets: Vec<String>,
    },
    /// Remove an alias
    Remove {
        /// Its address
        alias: String,
    },
    /// Show all
    List,
}

/// `password`
#[derive(Subcommand)]
pub enum PasswordCommand {
    /// Set an account's password, read from standard input
    Set {
        /// The account
        address: String,
        /// Read the password from standard input (a line end at its end is left out)
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Passwords for single devices
    #[command(subcommand)]
    App(AppCommand),
}

/// `password app`
#[derive(Subcommand)]
pub enum AppCommand {
    /// Make one; it is shown this once
    Add {
        /// The account
        address: String,
        /// What it is for, e.g. phone
        name: String,
    },
    /// Show their names
    List {
        /// The account
        address: String,
    },
    /// Withdraw one
    Remove {
        /// The account
        address: String,
        /// Its name
        name: String,
    },
}

/// `token`
#[derive(Subcommand)]
pub enum TokenCommand {
    /// Make one; it is shown this once
    Add {
        /// The account
        address: String,
        /// What it is for, e.g. laptop
        #[arg(long)]
        name: String,
        /// Protocols that it is good for [default: all]
        #[arg(long, value_delimiter = ',', value_parser = ["imap", "pop", "smtp"])]
        scope: Vec<String>,
        /// How long it is good, e.g. 90d, 12h, 30m or a number of seconds [default: for ever]
        #[arg(long, value_parser = seconds)]
        expires: Option<u64>,
    },
    /// Show names, protocols, and the day of the last use
    List {
        /// The account
        address: String,
    },
    /// Revoke one and end the sessions that were begun with it
    Revoke {
        /// The account
        address: String,
        /// Its name
        name: String,
    },
}

/// `quota`
#[derive(Subcommand)]
pub enum QuotaCommand {
    /// Set limits; what is left out is the installation's default
    Set {
        /// The account
        address: String,
        /// e.g. 5G, 500M or a number of octets
        #[arg(long, value_parser = octets)]
        octets: Option<u64>,
        /// Messages
        #[arg(long)]
        messages: Option<u64>,
    },
    /// Show limits and use
    Show {
        /// The account
        address: String,
    },
}

/// `queue`
#[derive(Subcommand)]
pub enum QueueCommand {
    /// Show messages, and hosts that do not answer
    List,
    /// Try again now
    Retry {
        /// As list shows it [default: all]
        #[arg(long)]
        host: Option<String>,
    },
    /// Hold a message back
    Hold {
        /// As list shows it
        id: String,
    },
    /// Let a message go that was held
    Release {
        /// As list shows it
        id: String,
    },
    /// Take a message out; its sender is not told
    Drop {
        /// As list shows it
        id: String,
    },
}

/// `undelete`
#[derive(Subcommand)]
pub enum UndeleteCommand {
    /// Show what can be brought back
    List {
        /// The account
        address: String,
    },
    /// Bring messages back, all of them when none is named
    Restore {
        /// The account
        address: String,
        /// Numbers that `undelete list` shows
        messages: Vec<u32>,
        /// Into this mailbox instead of where they were
        #[arg(long)]
        mailbox: Option<String>,
    },
}

/// `certificate`
#[derive(Subcommand)]
pub enum CertificateCommand {
    /// Which are there, until when, and what is wrong
    List,
    /// Get one that the server gets itself, or all of them, now
    Renew {
        /// Its first name [default: all]
        name: Option<String>,
    },
}

/// `junk`
#[derive(Subcommand)]
pub enum JunkCommand {
    /// How much an account has learnt, or the server
    Status {
        /// The account [default: the server]
        address: Option<String>,
    },
    /// Teach the server from mail that somebody has sorted
    Learn(JunkJob),
}

/// `junk learn`
#[derive(Args)]
#[command(group(clap::ArgGroup::new("what").required(true).args(["junk", "wanted"])))]
pub struct JunkJob {
    /// The mail is junk
    #[arg(long)]
    pub junk: bool,
    /// The mail is wanted
    #[arg(long)]
    pub wanted: bool,
    /// mbox files, Maildirs, .eml files or folders of them
    #[arg(required = true)]
    pub paths: Vec<PathBuf>,
}

/// `import`
#[derive(Args)]
pub struct ImportJob {
    /// The account
    pub address: String,
    /// An mbox file or a folder of them, a Maildir, an .eml file or a folder of them
    pub path: PathBuf,
    /// What it is [default: found out]
    #[arg(long, value_enum)]
    pub format: Option<Format>,
    /// Mailbox for what lies in the path itself
    #[arg(long, default_value = "INBOX")]
    pub mailbox: String,
    /// Also what was imported before
    #[arg(long)]
    pub again: bool,
}

/// `export`
#[derive(Args)]
pub struct ExportJob {
    /// The account
    pub address: String,
    /// The folder to write into
    pub path: PathBuf,
    /// maildir or mbox
    #[arg(long, value_enum, default_value_t = Format::Maildir)]
    pub format: Format,
    /// Only this mailbox
    #[arg(long)]
    pub mailbox: Option<String>,
}

/// The request of a command that is one request.
pub fn request(command: Command) -> Result<Request, Stop> {
    Ok(match command {
        Command::Status => Request::Status,
        Command::Domain(command) => domain(command),
        Command::Account(command) => account::request(command)?,
        Command::Alias(AliasCommand::Set { alias, targets }) => {
            Request::AliasSet { alias, targets }
        }
        Command::Alias(AliasCommand::Remove { alias }) => Request::AliasRemove { alias },
        Command::Alias(AliasCommand::List) => Request::AliasList,
        Command::Password(PasswordCommand::Set { address, .. }) => {
            Request::PasswordSet { address, password: password_from_input()? }
        }
        Command::Password(PasswordCommand::App(command)) => match command {
            AppCommand::Add { address, name } => Request::AppPasswordAdd { address, name },
            AppCommand::List { address } => Request::AppPasswordList { address },
            AppCommand::Remove { address, name } => Request::AppPasswordRemove { address, name },
        },
        Command::Token(command) => match command {
            TokenCommand::Add { address, name, scope, expires } => {
                Request::TokenAdd { address, name, scopes: scope, expires_seconds: expires }
            }
            TokenCommand::List { address } => Request::TokenList { address },
            TokenCommand::Revoke { address, name } => Request::TokenRevoke { address, name },
        },
        Command::Quota(QuotaCommand::Set { address, octets, messages }) => {
            Request::QuotaSet { address, octets_max: octets, messages_max: messages }
        }
        Command::Quota(QuotaCommand::Show { address }) => Request::AccountShow { address },
        Command::Queue(command) => match command {
            QueueCommand::List => Request::QueueList,
            QueueCommand::Retry { host } => Request::QueueRetry { host },
            QueueCommand::Hold { id } => Request::QueueHold { id, held: true },
            QueueCommand::Release { id } => Request::QueueHold { id, held: false },
            QueueCommand::Drop { id } => Request::QueueDrop { id },
        },
        Command::Undelete(UndeleteCommand::List { address }) => Request::UndeleteList { address },
        Command::Undelete(UndeleteCommand::Restore { address, messages, mailbox }) => {
            Request::UndeleteRestore { address, messages, mailbox }
        }
        Command::Why { address, uid, mailbox, message_id } => {
            Request::Why { address, mailbox, uid, message_id }
        }
        Command::Certificate(command) => match command {
            CertificateCommand::List => Request::CertificateList,
            CertificateCommand::Renew { name } => Request::CertificateRenew { name },
        },
        Command::Reports(command) => command.request(),
        Command::Reputation(command) => command.request(),
        Command::Junk(JunkCommand::Status { address }) => Request::JunkStatus { address },
        Command::Check { .. } => Request::Check,
        Command::Serve
        | Command::Dev { .. }
        | Command::Config { .. }
        | Command::Import(_)
        | Command::Junk(JunkCommand::Learn(_))
        | Command::Export(_)
        | Command::ExtractChild(_)
        | Command::Reindex { .. } => {
            return Err(Stop { code: code::USAGE, why: "not one request".to_owned() });
        }
    })
}

fn domain(command: DomainCommand) -> Request {
    match command {
        DomainCommand::Add { domain } => Request::DomainAdd { domain },
        DomainCommand::Remove { domain } => Request::DomainRemove { domain },
        DomainCommand::List => Request::DomainList,
        DomainCommand::Dns { domain } => Request::DomainDns { domain },
        DomainCommand::Check { domain } => Request::DomainCheck { domain },
        DomainCommand::Dkim(command) => match command {
            DkimCommand::List { domain } => Request::DkimList { domain },
            DkimCommand::Make { domain } => Request::DkimMake { domain },
            DkimCommand::Use { domain, selector } => Request::DkimUse { domain, selector },
            DkimCommand::Remove { domain, selector } => Request::DkimRemove { domain, selector },
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_command_line_is_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn scopes_are_a_list() {
        let words =
            |scope| ["palomar", "token", "add", "a@b.test", "--name", "n", "--scope", scope];
        let cli = Cli::try_parse_from(words("imap,smtp")).unwrap();
        let Ok(Request::TokenAdd { scopes, .. }) = request(cli.command) else { panic!() };
        assert_eq!(scopes, ["imap", "smtp"]);
        assert!(Cli::try_parse_from(words("imap,admin")).is_err());
    }

    #[test]
    fn options_may_stand_behind_the_command() {
        let words = ["palomar", "account", "list", "--data", "/d", "--json"];
        let cli = Cli::try_parse_from(words).unwrap();
        assert!(cli.json && cli.data == Some(PathBuf::from("/d")));
    }
}
