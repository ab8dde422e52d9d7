//! Palomar: `palomar dev` on an empty folder, accounts added beside it.

use super::{ACCOUNTS, PASSWORD, Server};
use crate::error::{Error, fail};
use std::{
    io::{BufRead, BufReader, Write},
    path::Path,
    process::{Command, Stdio},
};

/// Starts it; accounts are made when the folder is new.
pub fn start(binary: &Path, folder: &Path) -> Result<Server, Error> {
    start_with(binary, folder, "")
}

/// The same with settings.
pub fn start_with(binary: &Path, folder: &Path, settings: &str) -> Result<Server, Error> {
    let data = folder.join("palomar");
    let fresh = !data.exists();
    std::fs::create_dir_all(&data)?;
    // All ports stay below those that the system gives to outgoing connections (32,768 and up).
    let offset = 4_000 + super::free_port()? % 26_000;
    let log = std::fs::File::create(folder.join("palomar.log"))?;
    let config = folder.join("palomar.toml");
    std::fs::write(&config, settings)?;
    let mut child = Command::new(binary)
        .arg("dev")
        .arg("--data")
        .arg(&data)
        .arg("--config")
        .arg(&config)
        .args(["--json", "--port-offset", &offset.to_string()])
        .stdout(Stdio::piped())
        .stderr(log)
        .spawn()?;
    let Some(stdout) = child.stdout.take() else { return fail("no standard output") };
    let mut line = String::new();
    BufReader::new(stdout).read_line(&mut line)?;
    let told: serde_json::Value = serde_json::from_str(&line)?;
    let port = |name: &str| {
        let number = told.pointer(&format!("/ports/{name}")).and_then(serde_json::Value::as_u64);
        number.and_then(|number| u16::try_from(number).ok()).unwrap_or_default()
    };
    let pid = child.id();
    let mut server = Server {
        name: "Palomar",
        lmtp: port("lmtp"),
        smtp: port("smtp"),
        submissions: port("submissions"),
        imaps: port("imaps"),
        pop3s: port("pop3s"),
        roots: vec![pid],
        data: data.clone(),
        stop: Box::new(|| {}),
    };
    server.stop = Box::new(move || {
        let _ = Command::new("kill").arg(pid.to_string()).status();
        let _ = child.wait();
    });
    if fresh {
        for number in 0..ACCOUNTS {
            account(binary, &data, &Server::user(number))?;
        }
    }
    Ok(server)
}

fn account(binary: &Path, data: &Path, address: &str) -> Result<(), Error> {
    let mut add = Command::new(binary)
        .args(["account", "add", address, "--password-stdin", "--data"])
        .arg(data)
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .spawn()?;
    if let Some(mut input) = add.stdin.take() {
        input.write_all(PASSWORD.as_bytes())?;
    }
    if add.wait()?.success() { Ok(()) } else { fail(format!("account add {address}")) }
}

/// What `palomar reindex --json` tells at its end.
#[derive(Clone, Copy, Debug, Default)]
pub struct Reindexed {
    /// Octets of the index.
    pub index_octets: f64,
    /// Octets of the messages as they are stored: compressed.
    pub compressed_octets: f64,
}

/// Builds an account's search index anew and waits for it.
pub fn reindex(binary: &Path, data: &Path, address: &str) -> Result<Reindexed, Error> {
    let told = Command::new(binary)
        .args(["reindex", address, "--json", "--data"])
        .arg(data)
        .stderr(Stdio::inherit())
        .output()?;
    if !told.status.success() {
        return fail(format!("reindex {address}"));
    }
    let text = String::from_utf8_lossy(&told.stdout);
    let last: serde_json::Value = serde_json::from_str(text.lines().last().unwrap_or_default())?;
    let told = last.get("indexed");
    let number = |name: &str| told.and_then(|told| told.get(name)?.as_f64());
    let number = |name: &str| number(name).ok_or(Error(format!("reindex tells no {name}")));
    Ok(Reindexed {
        index_octets: number("index_octets")?,
        compressed_octets: number("compressed_octets")?,
    })
}
