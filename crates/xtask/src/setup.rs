//! What a fresh Debian 12 lacks: packages, a Python environment, npm modules. Installs only what is
//! missing, so that a second run costs nothing.

use crate::tools::{Outcome, command, done, exists, root};
use std::{env, path::Path, process::Command};

/// (a file that tells whether it is there, package)
pub const TEST_PACKAGES: &[(&str, &str)] = &[
    ("curl", "curl"),
    ("mbsync", "isync"),
    ("mutt", "mutt"),
    ("tmux", "tmux"),
    ("fetchmail", "fetchmail"),
    ("getmail", "getmail6"),
    ("swaks", "swaks"),
    // For swaks to speak TLS.
    ("/usr/share/doc/libnet-ssleay-perl", "libnet-ssleay-perl"),
    ("msmtp", "msmtp"),
    ("mpop", "mpop"),
    ("python3", "python3"),
    ("/usr/sbin/smtp-sink", "postfix"),
    ("openssl", "openssl"),
    ("/usr/sbin/knotd", "knot"),
    ("/usr/bin/pebble", "pebble"),
    ("/usr/sbin/unbound", "unbound"),
    ("/usr/bin/rspamd", "rspamd"),
    ("/usr/sbin/clamd", "clamav-daemon"),
    // It is whom Postfix asks about passwords.
    ("/usr/sbin/dovecot", "dovecot-core"),
];

/// What `bench` needs besides.
pub const BENCH_PACKAGES: &[(&str, &str)] = &[
    ("/usr/sbin/dovecot", "dovecot-core"),
    ("/usr/lib/dovecot/imap", "dovecot-imapd"),
    ("/usr/lib/dovecot/pop3", "dovecot-pop3d"),
    ("/usr/lib/dovecot/lmtp", "dovecot-lmtpd"),
    ("/usr/sbin/postfix", "postfix"),
];

/// A C compiler, which aws-lc and zstd are built with.
pub fn compiler() -> Outcome {
    packages(&[("cc", "build-essential")])
}

/// Installs the packages that are missing.
pub fn packages(wanted: &[(&str, &str)]) -> Outcome {
    let there =
        |probe: &str| if probe.contains('/') { Path::new(probe).exists() } else { exists(probe) };
    let missing: Vec<&str> =
        wanted.iter().filter(|(probe, _)| !there(probe)).map(|(_, package)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    eprintln!("installing: {}", missing.join(" "));
    done(&mut apt(&["update", "-q"]))?;
    let mut arguments = vec!["install", "-q", "-y", "--no-install-recommends"];
    arguments.extend(missing);
    done(&mut apt(&arguments))
}

/// apt-get that asks nothing and starts no service; with sudo when we are not root.
fn apt(arguments: &[&str]) -> Command {
    let root = command("id").arg("-u").output().is_ok_and(|out| out.stdout.starts_with(b"0"));
    let mut apt = if root { command("apt-get") } else { command("sudo") };
    if !root {
        apt.arg("apt-get");
    }
    apt.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").env("RUNLEVEL", "1");
    apt
}

/// The Python environment of the black-box tests; gives its `python`.
pub fn python() -> Result<Command, String> {
    let folder = root().join("target/venv");
    let requirements = root().join("tests/interop/requirements.txt");
    let stamp = folder.join("requirements.stamp");
    let wanted = std::fs::read_to_string(&requirements).map_err(|e| format!("{e}"))?;
    if std::fs::read_to_string(&stamp).unwrap_or_default() != wanted {
        let venv = done(command("python3").args(["-m", "venv"]).arg(&folder));
        if venv.is_err() {
            packages(&[("/usr/share/doc/python3-venv", "python3-venv")])?;
            done(command("python3").args(["-m", "venv"]).arg(&folder))?;
        }
        let mut pip = Command::new(folder.join("bin/python"));
        done(pip.args(["-m", "pip", "install", "--quiet", "-r"]).arg(&requirements))?;
        std::fs::write(&stamp, wanted).map_err(|e| format!("{e}"))?;
    }
    let mut python = Command::new(folder.join("bin/python"));
    python.current_dir(root());
    Ok(python)
}

/// npm modules of the black-box tests.
pub fn node() -> Outcome {
    let folder = root().join("tests/interop");
    if !folder.join("package-lock.json").exists() {
        return Ok(());
    }
    if !exists("npm") {
        packages(&[("npm", "npm"), ("node", "nodejs")])?;
    }
    let lock = std::fs::read(folder.join("package-lock.json")).map_err(|e| format!("{e}"))?;
    let stamp = folder.join("node_modules/.stamp");
    if std::fs::read(&stamp).unwrap_or_default() == lock {
        return Ok(());
    }
    let mut npm = command("npm");
    npm.current_dir(&folder).args(["ci", "--include=dev", "--ignore-scripts", "--no-audit"]);
    done(&mut npm)?;
    std::fs::write(&stamp, lock).map_err(|e| format!("{e}"))
}

/// Whether this is a run where nothing may be skipped.
pub fn is_ci() -> bool {
    env::var_os("CI").is_some()
}
