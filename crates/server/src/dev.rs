//! `palomar dev`: a working server in a folder, with its own certificates, a domain, two accounts
//! and some mail, on ports that need no rights and addresses that only this machine reaches.
//!
//! Invariants: a second start finds everything as it was; the passwords are kept in a file of
//! mode 0600 in the data folder, which a real server never does.

mod authority;
mod samples;

use crate::{
    config::Config, data, listener::ListenerConfig, protocol::Protocol, tls::CertificateFiles,
};
use account::{Accounts, Directory, Error, Refused};
use aws_lc_rs::rand;
use mail::{Address, Domain};
use serde::{Deserialize, Serialize};
use std::{
    fmt::Write as _,
    io,
    net::{Ipv4Addr, SocketAddr},
    path::{Path, PathBuf},
};

/// The domain of `palomar dev` (RFC 2606 §2: it can be nobody's).
pub const DOMAIN: &str = "example.test";
const HOST_NAME: &str = "mail.example.test";
const PEOPLE: [&str; 2] = ["ana", "bruno"];
const PASSWORD_CHARACTERS: usize = 16;
/// No letters and digits that look alike; 32 of them, so that each is five bits.
const ALPHABET: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";

/// An account that was made for trying.
#[derive(Clone, Serialize, Deserialize, PartialEq, Eq)]
pub struct DevAccount {
    /// Its address.
    pub address: String,
    /// Its password; absent when it was changed since.
    pub password: Option<String>,
}

/// What is kept in `dev.json`.
#[derive(Serialize, Deserialize, Default)]
struct Kept {
    accounts: Vec<DevAccount>,
}

/// Ports of a server.
pub type Ports = Vec<(Protocol, u16)>;

/// The ports moved by `offset`; an error when they would not fit.
pub fn ports(offset: u16) -> Result<Ports, String> {
    // What HTTPS tells is for other servers, which do not come here.
    let tried = Protocol::ALL.into_iter().filter(|protocol| *protocol != Protocol::Https);
    tried
        .map(|protocol| Some((protocol, protocol.dev_port().checked_add(offset)?)))
        .collect::<Option<Ports>>()
        .ok_or_else(|| format!("--port-offset {offset}: ports end at 65535"))
}

/// The configuration of `palomar dev`: limits and the like are those of `settings`.
pub fn config(settings: Config, data: &Path, ports: &Ports) -> Config {
    let mut config = settings;
    HOST_NAME.clone_into(&mut config.host_name);
    data.clone_into(&mut config.data);
    // What whoever tries it asks for is logged; otherwise only what is wrong.
    if config.log == "info" {
        "warn".clone_into(&mut config.log);
    }
    // Tests send thousands of messages from one account.
    let account = &mut config.outbound.account;
    if (account.recipients_hour_max, account.recipients_day_max) == (500, 2_000) {
        (account.recipients_hour_max, account.recipients_day_max) = (0, 0);
    }
    // What is tried out must not reach the world.
    config.outbound.direct &= !config.dns.servers.is_empty();
    config.inbound.check_senders &= !config.dns.servers.is_empty();
    config.tls = vec![CertificateFiles {
        certificate: data.join("tls/server.pem"),
        key: data.join("tls/server.key"),
    }];
    let listener = |&(protocol, port): &(Protocol, u16)| ListenerConfig {
        protocol,
        address: SocketAddr::from((Ipv4Addr::LOCALHOST, port)),
        proxy: Vec::new(),
    };
    config.listeners = ports.iter().map(listener).collect();
    // Tests open hundreds of connections, all from this machine.
    config.connections.connections_per_address_max = config.connections.connections_max;
    config.logins.connections_per_account_max = config.connections.connections_max;
    config
}

/// Makes certificates where they are missing or old. Gives the CA's path.
pub fn certificates(data: &Path) -> io::Result<PathBuf> {
    authority::prepare(&data.join("tls"), HOST_NAME)
}

/// Makes domain, accounts and mail where they are missing. Gives the accounts.
pub async fn accounts(
    accounts: &Accounts,
    folder: &Path,
    ports: &Ports,
) -> Result<Vec<DevAccount>, String> {
    let path = folder.join("dev.json");
    let mut kept: Kept = match std::fs::read(&path) {
        Ok(bytes) => serde_json::from_slice(&bytes)
            .map_err(|error| format!("{}: {error}", path.display()))?,
        Err(error) if error.kind() == io::ErrorKind::NotFound => Kept::default(),
        Err(error) => return Err(format!("{}: {error}", path.display())),
    };
    if kept.accounts.is_empty() {
        for person in PEOPLE {
            let password = password().ok_or("no random numbers")?;
            let address = format!("{person}@{DOMAIN}");
            kept.accounts.push(DevAccount { address, password: Some(password) });
        }
        let text = serde_json::to_vec_pretty(&kept).map_err(|error| error.to_string())?;
        // Before the accounts are made: what is killed in between is found again.
        data::write_secret(&path, &text).map_err(|error| format!("{}: {error}", path.display()))?;
    }
    let directory = accounts.directory();
    let domain = Domain::parse(DOMAIN).ok_or("domain")?;
    unless_there(directory.add_domain(&domain).await)?;
    for person in &mut kept.accounts {
        let Some(password) = person.password.clone() else { continue };
        let address = Address::parse(&person.address).ok_or("address")?;
        match directory.find(&address).await.map_err(|error| error.to_string())? {
            Some(_) => {
                if !is_password(directory, &person.address, &password).await {
                    person.password = None;
                }
            }
            None => {
                let id = directory.add_account(&address, password.as_bytes()).await;
                let id = id.map_err(|error| error.to_string())?;
                let account = accounts.account(id).await.map_err(|error| error.to_string())?;
                samples::deliver(&account, person, ports).await?;
            }
        }
    }
    Ok(kept.accounts)
}

fn unless_there(outcome: Result<(), Error>) -> Result<(), String> {
    match outcome {
        Err(Error::Refused(Refused::EntryExists)) | Ok(()) => Ok(()),
        Err(error) => Err(error.to_string()),
    }
}

async fn is_password(directory: &Directory, address: &str, password: &str) -> bool {
    let Ok(Some(credentials)) = directory.credentials(address).await else { return false };
    let password = password.as_bytes().to_vec();
    let checked = tokio::task::spawn_blocking(move || credentials.verify(&password).is_some());
    checked.await.unwrap_or(false)
}

fn password() -> Option<String> {
    let mut bytes = [0; PASSWORD_CHARACTERS];
    rand::fill(&mut bytes).ok()?;
    bytes.iter().map(|byte| ALPHABET.get(usize::from(*byte % 32)).map(|b| char::from(*b))).collect()
}

/// The one line that `--json` prints.
#[must_use]
pub fn json(ports: &Ports, accounts: &[DevAccount], ca: &Path) -> String {
    let ports: serde_json::Map<String, serde_json::Value> =
        ports.iter().map(|(protocol, port)| (protocol.name().to_owned(), (*port).into())).collect();
    serde_json::json!({
        "host": "127.0.0.1",
        "ports": ports,
        "accounts": accounts,
        "ca": ca,
    })
    .to_string()
}

/// The table for people.
#[must_use]
pub fn table(ports: &Ports, accounts: &[DevAccount], (data, ca): (&Path, &Path)) -> String {
    let mut text = format!("Palomar runs in {}\n\n", data.display());
    for (protocol, port) in ports {
        let how = match protocol {
            Protocol::Imaps => "read mail: IMAP with TLS (SSL/TLS)",
            Protocol::Imap => "read mail: IMAP with STARTTLS",
            Protocol::Pop3s => "fetch mail: POP3 with TLS (SSL/TLS)",
            Protocol::Pop3 => "fetch mail: POP3 with STLS",
            Protocol::Submissions => "send mail: submission with TLS (SSL/TLS)",
            Protocol::Submission => "send mail: submission with STARTTLS",
            Protocol::Smtp => "mail from other servers: SMTP, no login",
            Protocol::Lmtp => "local delivery: LMTP, no login",
            Protocol::Https => "for other servers: the MTA-STS policy",
        };
        let _ = writeln!(text, "  {:<12} 127.0.0.1:{port:<6} {how}", protocol.name());
    }
    let _ = writeln!(text, "\n  login (the whole address)   password");
    for account in accounts {
        let password = account.password.as_deref().unwrap_or("(changed since the first start)");
        let _ = writeln!(text, "  {:<27} {password}", account.address);
    }
    let imaps = ports.iter().find(|(protocol, _)| *protocol == Protocol::Imaps);
    let imaps = imaps.map_or(0, |(_, port)| *port);
    let ca = ca.display();
    let _ = write!(
        text,
        "\n  Certificates are signed by the CA of this folder: {ca}\n\
         \x20 Mail to addresses elsewhere is refused.\n\n\
         \x20 Try: curl --cacert {ca} -u {} imaps://localhost:{imaps}/\n\n\
         Stop with Ctrl-C.\n",
        accounts.first().map_or("", |account| account.address.as_str())
    );
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ports_end_at_65535() {
        let imaps = ports(100).unwrap().into_iter().find(|(p, _)| *p == Protocol::Imaps);
        assert_eq!(imaps, Some((Protocol::Imaps, 2093)));
        assert!(ports(65_535 - 1995).is_ok());
        assert!(ports(65_535 - 1994).is_err());
    }

    #[test]
    fn passwords_are_drawn_from_the_alphabet_and_differ() {
        let (one, two) = (password().unwrap(), password().unwrap());
        assert_ne!(one, two);
        assert_eq!(one.len(), PASSWORD_CHARACTERS);
        assert!(one.bytes().all(|byte| ALPHABET.contains(&byte)));
    }

    #[test]
    fn the_json_line_is_as_scripts_expect_it() {
        let account = DevAccount { address: "ana@example.test".into(), password: Some("x".into()) };
        let line = json(&ports(0).unwrap(), &[account], Path::new("/d/tls/ca.pem"));
        let told: serde_json::Value = serde_json::from_str(&line).unwrap();
        let expected = serde_json::json!({
            "host": "127.0.0.1",
            "ports": {"imaps": 1993, "imap": 1143, "pop3s": 1995, "pop3": 1110, "submissions": 1465,
                "submission": 1587, "smtp": 1025, "lmtp": 1024},
            "accounts": [{"address": "ana@example.test", "password": "x"}],
            "ca": "/d/tls/ca.pem",
        });
        assert_eq!(told, expected);
        assert!(!line.contains('\n'));
    }
}
