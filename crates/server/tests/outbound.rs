//! Connections with Postfix' `smtp-sink` over TCP: a server that is not ours. Where it is not
//! installed there is nothing to connect to, and the tests say so; in CI that is an error.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use bytes::Bytes;
use server::outbound::{Call, Connection, Settings, Verifier};
use smtp::client::{Message, Options, Phase, Report, Tls, Verdict};
use smtp::effect::{MailFrom, RcptTo};
use std::{
    net::{SocketAddr, TcpListener},
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Child, Command, Stdio},
    time::Duration,
};
use tokio::net::TcpStream;

const SINK: &str = "/usr/sbin/smtp-sink";

struct Sink {
    child: Child,
    address: SocketAddr,
    folder: tempfile::TempDir,
}

impl Drop for Sink {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A sink that answers; `None` where there is none to start.
async fn sink(options: &[&str]) -> Option<Sink> {
    if !Path::new(SINK).exists() {
        assert!(std::env::var_os("CI").is_none(), "{SINK} is not installed");
        eprintln!("{SINK} is not installed: nothing is tested");
        return None;
    }
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let folder = tempfile::tempdir().unwrap();
    // It drops its rights before it writes.
    std::fs::set_permissions(folder.path(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let mut command = Command::new(SINK);
    let user = Command::new("id").arg("-u").output().unwrap();
    if user.stdout.starts_with(b"0\n") {
        command.args(["-u", "nobody"]);
    }
    command.args(options).args(["-d", "m."]).arg(address.to_string()).arg("10");
    let child = command.current_dir(folder.path()).stderr(Stdio::null()).spawn().unwrap();
    let sink = Sink { child, address, folder };
    let up = async {
        while TcpStream::connect(sink.address).await.is_err() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    tokio::time::timeout(Duration::from_secs(30), up).await.expect("the sink does not listen");
    Some(sink)
}

impl Sink {
    async fn connect(&self, lmtp: bool) -> Connection {
        let call = Call {
            address: self.address,
            source: None,
            server_name: "localhost".to_owned(),
            implicit_tls: false,
            verifier: Verifier::any().unwrap(),
            options: Options {
                host_name: "out.example.test".to_owned(),
                lmtp,
                tls: Tls::Opportunistic,
                authenticated: false,
                chunking: true,
                credentials: None,
            },
        };
        Connection::open(call, Settings::default()).await.unwrap()
    }

    /// The messages that it has, as it has them.
    fn messages(&self) -> Vec<String> {
        let files = std::fs::read_dir(self.folder.path()).unwrap();
        let texts = files.map(|file| std::fs::read_to_string(file.unwrap().path()).unwrap());
        texts.filter(|text| !text.is_empty()).collect()
    }
}

fn message(recipients: &[&str]) -> Message {
    let path = |text: &str| mail::Address::parse(text).unwrap();
    let to = |text: &&str| RcptTo { path: path(text), notify: None, original: None };
    let from = MailFrom { path: Some(path("ana@example.test")), ..MailFrom::default() };
    Message { from, recipients: recipients.iter().map(to).collect(), require_tls: false }
}

fn verdicts(report: &Report) -> Vec<(Verdict, Phase)> {
    report.outcomes.iter().map(|outcome| (outcome.verdict, outcome.phase)).collect()
}

const CONTENT: &[u8] = b"Subject: x\r\n\r\n.\r\n..two\r\nlone\nend";
const ACCEPTED: (Verdict, Phase) = (Verdict::Accepted, Phase::DataTermination);
const BOTH: [&str; 2] = ["leo@example.org", "eva@example.org"];

#[tokio::test]
async fn several_messages_on_one_connection() {
    // With ESMTP, without PIPELINING, without ESMTP.
    for options in [&[][..], &["-p"], &["-e"]] {
        let Some(sink) = sink(options).await else { return };
        let mut connection = sink.connect(false).await;
        for _ in 0..3 {
            let report = connection.deliver(message(&BOTH), Bytes::from_static(CONTENT)).await;
            assert_eq!(verdicts(&report), [ACCEPTED; 2], "{options:?}");
        }
        connection.quit().await;
        let messages = sink.messages();
        assert_eq!(messages.len(), 3);
        for text in messages {
            let text = text.replace("\r\n", "\n");
            assert!(text.contains("Subject: x\n\n.\n..two\nlone\nend\n"), "{text}");
        }
    }
}

#[tokio::test]
async fn lmtp() {
    let Some(sink) = sink(&["-L"]).await else { return };
    let mut connection = sink.connect(true).await;
    let report = connection.deliver(message(&BOTH), Bytes::from_static(CONTENT)).await;
    assert_eq!(verdicts(&report), [ACCEPTED; 2]);
}

#[tokio::test]
async fn refused_and_cut_off() {
    let Some(hard) = sink(&["-f", "RCPT"]).await else { return };
    let mut connection = hard.connect(false).await;
    let report = connection.deliver(message(&BOTH), Bytes::from_static(CONTENT)).await;
    assert_eq!(verdicts(&report), [(Verdict::Permanent, Phase::Recipient); 2]);
    // The connection goes on.
    assert!(connection.is_open());
    let report = connection.deliver(message(&BOTH), Bytes::from_static(CONTENT)).await;
    assert_eq!(verdicts(&report), [(Verdict::Permanent, Phase::Recipient); 2]);
    let Some(soft) = sink(&["-r", "."]).await else { return };
    let mut connection = soft.connect(false).await;
    let report = connection.deliver(message(&BOTH), Bytes::from_static(CONTENT)).await;
    assert_eq!(verdicts(&report), [(Verdict::Temporary, Phase::DataTermination); 2]);
    assert!(!report.is_undecided());
    // It closes where its reply to the whole message is due: nobody knows.
    let Some(gone) = sink(&["-q", "."]).await else { return };
    let mut connection = gone.connect(false).await;
    let report = connection.deliver(message(&BOTH), Bytes::from_static(CONTENT)).await;
    assert_eq!(verdicts(&report), [(Verdict::Temporary, Phase::DataTermination); 2]);
    assert!(report.is_undecided());
    assert!(!connection.is_open());
}
