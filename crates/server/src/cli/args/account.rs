//! `palomar account`: what can be said of accounts.

use super::{super::Stop, units::own_limit};
use crate::admin::{OwnLimit, Request};
use clap::{Subcommand, ValueEnum};
use std::io::Read as _;

/// The longest password that is read from standard input, in octets.
const PASSWORD_OCTETS_MAX: u64 = 4096;

/// `account`
#[derive(Subcommand)]
pub enum AccountCommand {
    /// Make an account
    Add {
        /// e.g. ana@example.org
        address: String,
        /// Read the password from standard input (a line end at its end is left out)
        #[arg(long, required = true)]
        password_stdin: bool,
    },
    /// Erase an account with all its mail; it cannot be brought back
    Remove {
        /// Its address
        address: String,
        /// Needed, because it cannot be undone
        #[arg(long, required = true)]
        yes: bool,
    },
    /// Show all
    List,
    /// Show one with its use
    Show {
        /// Its address
        address: String,
    },
    /// Let nobody log in; mail still arrives
    Disable {
        /// Its address
        address: String,
    },
    /// Undo disable
    Enable {
        /// Its address
        address: String,
    },
    /// Hide IMAP capabilities from its clients, which misuse them, or show them again
    Capabilities {
        /// Its address
        address: String,
        /// e.g. UIDONLY
        #[arg(long, required_unless_present = "show")]
        hide: Vec<String>,
        /// One that was hidden, also by the configuration
        #[arg(long)]
        show: Vec<String>,
    },
    /// Set to how many recipients elsewhere it may write, instead of the settings
    Limits {
        /// Its address
        address: String,
        /// In an hour; 0: any number; `default`: as the settings say
        #[arg(long, value_parser = own_limit, required_unless_present = "day")]
        hour: Option<OwnLimit>,
        /// In a day
        #[arg(long, value_parser = own_limit)]
        day: Option<OwnLimit>,
    },
    /// Let it send nothing, also what it sent already and waits in the queue; or again
    Sending {
        /// Its address
        address: String,
        /// What to do
        change: Sending,
    },
    /// Show its mailboxes
    Mailboxes {
        /// Its address
        address: String,
    },
}

/// `account sending`
#[derive(ValueEnum, Clone, Copy, PartialEq, Eq)]
pub enum Sending {
    /// It sends nothing
    Pause,
    /// It sends again
    Resume,
}

/// What a command asks for.
pub(super) fn request(command: AccountCommand) -> Result<Request, Stop> {
    Ok(match command {
        AccountCommand::Add { address, .. } => {
            Request::AccountAdd { address, password: password_from_input()? }
        }
        AccountCommand::Remove { address, .. } => Request::AccountRemove { address },
        AccountCommand::List => Request::AccountList,
        AccountCommand::Show { address } => Request::AccountShow { address },
        AccountCommand::Disable { address } => Request::AccountDisable { address, disabled: true },
        AccountCommand::Enable { address } => Request::AccountDisable { address, disabled: false },
        AccountCommand::Capabilities { address, hide, show } => {
            Request::AccountCapabilities { address, hide, show }
        }
        AccountCommand::Limits { address, hour, day } => {
            Request::AccountLimits { address, hour, day }
        }
        AccountCommand::Sending { address, change } => {
            Request::AccountSending { address, paused: change == Sending::Pause }
        }
        AccountCommand::Mailboxes { address } => Request::MailboxList { address },
    })
}

/// A password is never an argument: those can be seen by everybody on the machine.
pub(super) fn password_from_input() -> Result<String, Stop> {
    let mut text = String::new();
    let read = std::io::stdin().take(PASSWORD_OCTETS_MAX).read_to_string(&mut text);
    read.map_err(|error| format!("password from standard input: {error}"))?;
    let text = text.strip_suffix('\n').unwrap_or(&text);
    Ok(text.strip_suffix('\r').unwrap_or(text).to_owned())
}
