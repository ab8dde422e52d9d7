//! Debian's scanners on loopback, each with files of its own in a folder that vanishes.

use std::{
    net::{SocketAddr, TcpListener},
    os::unix::process::CommandExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::{
    net::{TcpStream, UnixStream},
    time,
};

const RSPAMD: &str = "/usr/bin/rspamd";
const KNOT: &str = "/usr/sbin/knotd";
const CLAMD: &str = "/usr/sbin/clamd";
const RULES: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/scan/rspamd.lua");

/// A running one; ended when dropped.
pub struct Daemon {
    child: Child,
    pub folder: tempfile::TempDir,
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // With its children, which are of its group; asked kindly, rspamd takes up to 16 seconds.
        let group = format!("-{}", self.child.id());
        let _ = Command::new("kill").args(["-KILL", "--", &group]).status();
        let _ = self.child.wait();
    }
}

/// A test that says nothing because a program is missing would be no test.
fn start(program: &str, package: &str, folder: tempfile::TempDir, words: &[&str]) -> Daemon {
    assert!(
        Path::new(program).exists(),
        "{program} is not installed: apt-get install {package} (`cargo xtask test` does)"
    );
    let log = std::fs::File::create(folder.path().join("output")).unwrap();
    let mut command = Command::new(program);
    command.process_group(0);
    command.args(words).current_dir(folder.path()).stdin(Stdio::null());
    let child = command.stdout(log.try_clone().unwrap()).stderr(log).spawn().unwrap();
    Daemon { child, folder }
}

pub fn free_address() -> SocketAddr {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

impl Daemon {
    async fn listens(&mut self, address: SocketAddr) {
        let up = async {
            while TcpStream::connect(address).await.is_err() {
                assert!(self.child.try_wait().unwrap().is_none(), "{}", self.told());
                time::sleep(Duration::from_millis(10)).await;
            }
        };
        let up = time::timeout(Duration::from_secs(60), up).await;
        assert!(up.is_ok(), "does not listen: {}", self.told());
    }

    /// What it printed and logged.
    fn told(&self) -> String {
        let read = |name| std::fs::read_to_string(self.folder.path().join(name));
        [read("output"), read("log")].map(Result::unwrap_or_default).concat()
    }
}

/// rspamd: with no modules but its own engine and our rules.
pub struct Rspamd {
    pub address: SocketAddr,
    _daemon: Daemon,
}

impl Rspamd {
    /// A worker that judges.
    pub async fn start() -> Self {
        Self::with(|address, _| {
            format!("worker {{ type = \"normal\"; bind_socket = \"{address}\"; count = 1; }}")
        })
        .await
    }

    /// A controller, which judges and learns, with a classifier in files. It is alone: two workers
    /// that make those files at the same time get in each other's way.
    pub async fn controller() -> Self {
        Self::with(|address, folder| {
            format!(
                r#"
                worker {{ type = "controller"; bind_socket = "{address}"; count = 1;
                    password = "hush"; secure_ip = []; }}
                classifier "bayes" {{ tokenizer {{ name = "osb"; }} backend = "sqlite3";
                    min_tokens = 1; min_learns = 1;
                    cache {{ type = "sqlite3"; path = "{folder}/learnt"; }}
                    statfile {{ symbol = "BAYES_SPAM"; path = "{folder}/spam"; spam = true; }}
                    statfile {{ symbol = "BAYES_HAM"; path = "{folder}/ham"; spam = false; }} }}
                "#
            )
        })
        .await
    }

    async fn with(workers: impl Fn(SocketAddr, &str) -> String) -> Self {
        let address = free_address();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        std::fs::write(folder.path().join("tld"), "test\n").unwrap();
        let configuration = format!(
            r#"
            options {{ pidfile = "{path}/pid"; cache_file = "{path}/cache";
                url_tld = "{path}/tld";
                dns {{ nameserver = ["127.0.0.1:9"]; timeout = 0.1s; retransmits = 1; }} }}
            logging {{ type = "file"; filename = "{path}/log"; }}
            actions {{ reject = 15; add_header = 6; greylist = 4; }}
            lua = "{RULES}";
            "#
        );
        let workers = workers(address, &path);
        std::fs::write(folder.path().join("rspamd.conf"), configuration + &workers).unwrap();
        let configuration = format!("{path}/rspamd.conf");
        let words = ["--insecure", "-f", "-c", configuration.as_str()];
        let mut daemon = start(RSPAMD, "rspamd", folder, &words);
        daemon.listens(address).await;
        Self { address, _daemon: daemon }
    }
}

/// clamd: with two signatures of our own.
pub struct Clamd {
    pub tcp: SocketAddr,
    daemon: Daemon,
}

impl Clamd {
    pub async fn start() -> Self {
        let tcp = free_address();
        let folder = tempfile::tempdir().unwrap();
        let path = |name: &str| folder.path().join(name).display().to_string();
        let (db, socket, log) = (path("db"), path("socket"), path("log"));
        std::fs::create_dir(&db).unwrap();
        // MD5 and length of the EICAR test file; the hexadecimal digits of PALOMAR-TEST-VIRUS.
        let eicar = "44d88612fea8a8f36de82e1278abb02f:68:Eicar-Test\n";
        let ours = "Palomar-Test:0:*:50414c4f4d41522d544553542d5649525553\n";
        std::fs::write(path("db/test.hdb"), eicar).unwrap();
        std::fs::write(path("db/test.ndb"), ours).unwrap();
        let (address, port) = (tcp.ip(), tcp.port());
        let configuration = format!(
            "DatabaseDirectory {db}\nLocalSocket {socket}\nTCPSocket {port}\n\
             TCPAddr {address}\nForeground yes\nLogFile {log}\nTemporaryDirectory {db}\n\
             StreamMaxLength 1M\nSelfCheck 0\n"
        );
        std::fs::write(path("clamd.conf"), configuration).unwrap();
        let words = ["-c".to_owned(), path("clamd.conf")];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut daemon = start(CLAMD, "clamav-daemon", folder, &words);
        daemon.listens(tcp).await;
        let server = Self { tcp, daemon };
        let up = async {
            while UnixStream::connect(server.socket()).await.is_err() {
                time::sleep(Duration::from_millis(10)).await;
            }
        };
        assert!(time::timeout(Duration::from_secs(60), up).await.is_ok());
        server
    }

    pub fn socket(&self) -> String {
        self.daemon.folder.path().join("socket").display().to_string()
    }
}

/// Knot, the name server, with one zone.
pub struct Knot {
    pub address: SocketAddr,
    _daemon: Daemon,
}

impl Knot {
    /// `records`: lines of a zone file below `zone`.
    pub async fn start(zone: &str, records: &str) -> Self {
        let address = free_address();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().display().to_string();
        let head = "$TTL 60\n@ IN SOA ns root 1 60 60 600 60\n@ IN NS ns\nns IN A 127.0.0.1";
        std::fs::write(folder.path().join("zone"), format!("{head}\n{records}\n")).unwrap();
        let (host, port) = (address.ip(), address.port());
        let configuration = format!(
            "server:\n    listen: {host}@{port}\n    rundir: \"{path}\"\n\
             database:\n    storage: \"{path}/db\"\n\
             zone:\n  - domain: {zone}\n    storage: \"{path}\"\n    file: zone\n"
        );
        std::fs::write(folder.path().join("knot.conf"), configuration).unwrap();
        let words = ["-c".to_owned(), format!("{path}/knot.conf")];
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut daemon = start(KNOT, "knot", folder, &words);
        daemon.listens(address).await;
        Self { address, _daemon: daemon }
    }
}
