//! `palomar serve` with a configuration of its own: logs, metrics, PROXY protocol, commands beside.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod palomar;

use palomar::{Talk, json, palomar as command, tls};
use std::{
    fmt::Write as _,
    io::{BufRead, BufReader, Read, Write},
    net::{TcpListener, TcpStream},
    path::Path,
    process::{Child, Stdio},
    sync::mpsc,
    thread::JoinHandle,
};

const PASSWORD: &str = "correct horse battery";

struct Served {
    child: Child,
    logs: JoinHandle<String>,
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// Starts it and waits for the event `ready`.
fn serve(config: &Path) -> Served {
    let mut child = command(&["serve", "--config", config.to_str().unwrap()])
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stderr.take().unwrap()).lines();
    let (sender, ready) = mpsc::channel();
    let logs = std::thread::spawn(move || {
        let mut all = String::new();
        for line in lines {
            let line = line.unwrap();
            if line.contains("\"message\":\"ready\"") {
                sender.send(()).unwrap();
            }
            let _ = writeln!(all, "{line}");
        }
        all
    });
    ready.recv().unwrap_or_else(|_| panic!("not ready"));
    Served { child, logs }
}

fn config(folder: &Path, ports: [u16; 3]) -> String {
    let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
    let (certificate, key) = (folder.join("server.pem"), folder.join("server.key"));
    std::fs::write(&certificate, made.cert.pem()).unwrap();
    std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
    let [imaps, proxied, metrics] = ports;
    let (data, certificate, key) = (folder.join("data"), certificate.display(), key.display());
    format!(
        "host_name = 'mail.example.org'\ndata = '{}'\nmetrics = '127.0.0.1:{metrics}'\n\
         log = 'debug'\nlog_format = 'json'\n\
         [[tls]]\ncertificate = '{certificate}'\nkey = '{key}'\n\
         [[listener]]\nprotocol = 'imaps'\naddress = '127.0.0.1:{imaps}'\n\
         [[listener]]\nprotocol = 'imap'\naddress = '127.0.0.1:{proxied}'\nproxy = ['127.0.0.1']\n",
        data.display()
    )
}

fn login(port: u16, ca: &Path, password: &str) -> Talk<tls::Secure> {
    let mut imap = Talk::new(tls::secure(tls::clear(port), ca));
    imap.until("* OK");
    imap.say(&format!("a LOGIN ana@example.org \"{password}\"\r\n"));
    imap
}

#[test]
fn a_configured_server() {
    let folder = tempfile::tempdir().unwrap();
    let [imaps, proxied, metrics] = [free_port(), free_port(), free_port()];
    let path = folder.path().join("palomar.toml");
    std::fs::write(&path, config(folder.path(), [imaps, proxied, metrics])).unwrap();
    let ca = folder.path().join("server.pem");
    let served = serve(&path);
    let data = folder.path().join("data");
    json(&data, &["domain", "add", "example.org"], "");
    json(&data, &["account", "add", "ana@example.org", "--password-stdin"], PASSWORD);

    let mut wrong = login(imaps, &ca, "a secret guess");
    assert!(wrong.until("a ")[0].starts_with("a NO"));
    let mut imap = login(imaps, &ca, PASSWORD);
    assert!(imap.until("a ")[0].starts_with("a OK"));
    imap.say("b APPEND INBOX {26}\r\n");
    imap.until("+ ");
    imap.say("Subject: a hidden word\r\n\r\n\r\n");
    assert!(imap.until("b ")[0].starts_with("b OK"));

    let mut stream = tls::clear(proxied);
    stream.write_all(b"PROXY TCP4 192.0.2.77 198.51.100.1 4321 143\r\n").unwrap();
    assert!(Talk::new(stream).line().starts_with("* OK"));

    let mut http = TcpStream::connect(("127.0.0.1", metrics)).unwrap();
    http.write_all(b"GET /metrics HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let mut text = String::new();
    http.read_to_string(&mut text).unwrap();
    assert!(
        text.contains("palomar_logins_total{protocol=\"imap\",outcome=\"refused\"} 1"),
        "{text}"
    );
    assert!(text.contains("palomar_connections_open{protocol=\"imaps\"} 2"), "{text}");

    let pid = rustix::process::Pid::from_child(&served.child);
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).unwrap();
    assert!(imap.line().starts_with("* BYE"));
    let Served { mut child, logs } = served;
    assert_eq!(child.wait().unwrap().code(), Some(0));
    let logs = logs.join().unwrap();
    for line in logs.lines() {
        let event: serde_json::Value = serde_json::from_str(line).unwrap();
        assert!(event["timestamp"].is_string() && event["level"].is_string(), "{line}");
    }
    assert!(logs.contains("\"peer\":\"192.0.2.77:4321\""));
    assert!(logs.contains("\"message\":\"login\""));
    for secret in [PASSWORD, "a secret guess", "a hidden word"] {
        assert!(!logs.contains(secret));
    }
}
