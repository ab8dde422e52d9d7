//! The command line.
//!
//! Exit codes: 0 done, 1 something of ours failed (store, disk, network), 2 the command was not
//! understood, 3 refused (no such account, already there …), 4 `check` found faults.

// The standard library's panic when nobody reads any more, as in `palomar queue list | head`.
macro_rules! print {
    ($($words:tt)*) => { $crate::cli::output::say(format_args!($($words)*)) };
}
macro_rules! println {
    ($($words:tt)*) => { print!("{}\n", format_args!($($words)*)) };
}

mod args;
mod check;
mod export;
mod import;
mod junk;
mod output;
mod print;
mod reindex;
mod reports;
mod reputation;
mod run;

use crate::{
    admin::{
        Admin, Failure, Fault,
        client::{Client, Connection},
    },
    attachments::child,
    config::{self, Config},
    privileges,
    stack::Stack,
};
use args::{Cli, Command, JunkCommand};
use clap::{CommandFactory, FromArgMatches};
use std::{
    path::{Path, PathBuf},
    process::ExitCode,
};

/// Where the configuration is looked for when none is named.
const CONFIG_PATH: &str = "/etc/palomar/palomar.toml";

/// Exit codes.
pub mod code {
    /// Something of ours failed.
    pub const FAILED: u8 = 1;
    /// Not understood (clap's own code).
    pub const USAGE: u8 = 2;
    /// Refused.
    pub const REFUSED: u8 = 3;
    /// `check` found faults.
    pub const FAULTS: u8 = 4;
}

/// Why a command ends without success.
#[derive(Debug)]
pub struct Stop {
    code: u8,
    why: String,
}

impl From<Failure> for Stop {
    fn from(failure: Failure) -> Self {
        let code = match failure.fault {
            Fault::Refused => code::REFUSED,
            Fault::Ours => code::FAILED,
        };
        Self { code, why: failure.why }
    }
}
impl From<String> for Stop {
    fn from(why: String) -> Self {
        Self { code: code::FAILED, why }
    }
}
impl From<std::io::Error> for Stop {
    fn from(error: std::io::Error) -> Self {
        Self { code: code::FAILED, why: error.to_string() }
    }
}

/// Runs the program with its arguments.
#[must_use]
pub fn main() -> ExitCode {
    let command =
        Cli::command().mut_subcommand("serve", |serve| serve.after_long_help(config::help()));
    let matches = command.get_matches();
    let cli = match Cli::from_arg_matches(&matches) {
        Ok(cli) => cli,
        Err(error) => error.exit(),
    };
    let json = cli.json;
    // Mail, keys and what is exported are the owner's alone.
    rustix::process::umask(rustix::fs::Mode::RWXG | rustix::fs::Mode::RWXO);
    match dispatch(cli) {
        Ok(()) => ExitCode::SUCCESS,
        Err(stop) => {
            if json {
                eprintln!("{}", serde_json::json!({"error": stop.why, "code": stop.code}));
            } else {
                eprintln!("palomar: {}", stop.why);
            }
            ExitCode::from(stop.code)
        }
    }
}

fn dispatch(cli: Cli) -> Result<(), Stop> {
    let place = Place { config: cli.config, data: cli.data };
    let out = print::Out { json: cli.json };
    match cli.command {
        Command::Serve => run::serve(&place),
        Command::Dev { port_offset } => run::dev(&place, port_offset, cli.json),
        Command::Config { docs, check } => show_config(&place, docs, check),
        Command::Check { rebuild } => check::run(&place, rebuild, &out),
        Command::ExtractChild(arguments) => Ok(child::run(&arguments)?),
        Command::Import(job) => {
            with_client(&place, async |client| import::run(client, &job, &out).await)
        }
        Command::Junk(JunkCommand::Learn(job)) => {
            with_client(&place, async |client| junk::learn(client, &job, &out).await)
        }
        Command::Export(job) => {
            with_client(&place, async |client| export::run(client, &job, &out).await)
        }
        Command::Reindex { address, all } => {
            let job = reindex::Job { address, all };
            with_client(&place, async |client| reindex::run(client, &job, &out).await)
        }
        other => {
            let request = args::request(other)?;
            with_client(&place, async |client| {
                let reply = client.ask(request).await?;
                out.reply(&reply);
                Ok(())
            })
        }
    }
}

/// Where settings and data are.
struct Place {
    config: Option<PathBuf>,
    data: Option<PathBuf>,
}

impl Place {
    /// The configuration: of the file named, or of the usual file if it is there, or the defaults;
    /// `--data` goes before the file.
    fn config(&self) -> Result<Config, Stop> {
        let usual = Path::new(CONFIG_PATH);
        let mut config = match &self.config {
            Some(path) => Config::load(path).map_err(|error| error.to_string())?,
            None if self.data.is_none() && usual.exists() => {
                Config::load(usual).map_err(|error| error.to_string())?
            }
            None => Config::parse("").map_err(|error| error.to_string())?,
        };
        if let Some(data) = &self.data {
            config.data.clone_from(data);
        }
        Ok(config)
    }
}

fn show_config(place: &Place, docs: bool, check: bool) -> Result<(), Stop> {
    if docs {
        print!("{}", config::markdown());
        return Ok(());
    }
    let found = place.config()?;
    if check {
        if !found.tls.is_empty() {
            crate::tls::Certificates::load(found.tls).map_err(|error| error.to_string())?;
        }
        println!("the configuration can be used");
    } else {
        print!("{}", config::help());
    }
    Ok(())
}

/// Asks the running server, or opens the store.
fn with_client(
    place: &Place,
    work: impl AsyncFnOnce(&mut Client) -> Result<(), Stop>,
) -> Result<(), Stop> {
    let config = place.config()?;
    // Before there is another thread: rights are by thread.
    act_as_owner(&config.data)?;
    runtime()?.block_on(async {
        let mut client = match Connection::open(&config.data).await? {
            Some(connection) => Client::Server(Box::new(connection)),
            None => Client::Direct(Box::new(direct(&config).await?)),
        };
        work(&mut client).await
    })
}

fn runtime() -> Result<tokio::runtime::Runtime, Stop> {
    Ok(tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?)
}

/// Opens the store of a folder that is there: a command never makes one by a mistyped name.
async fn direct(config: &Config) -> Result<Admin, Stop> {
    must_be_there(config)?;
    let stack = Stack::open(config).await?;
    Ok(Admin::new(stack.accounts, &config.data, None))
}

fn must_be_there(config: &Config) -> Result<(), Stop> {
    if !config.data.join("master.key").exists() {
        let why = format!(
            "{}: not a data folder of Palomar (start `palomar serve` or `palomar dev` first)",
            config.data.display()
        );
        return Err(Stop { code: code::REFUSED, why });
    }
    Ok(())
}

/// Root acts as the owner of the data folder, so that files made here can be read by the server.
fn act_as_owner(data: &Path) -> Result<(), Stop> {
    if privileges::is_root()
        && let Some(owner) = privileges::owner(data)?
    {
        privileges::become_user(owner)?;
    }
    Ok(())
}
