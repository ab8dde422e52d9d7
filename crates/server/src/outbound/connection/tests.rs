//! Connections with our own SMTP server over an in-memory pipe, and with scripted servers, on
//! tokio's paused clock.

use super::*;
use crate::{
    bridge::Bridge,
    driver::{Driver, Octets, Shared},
    pace,
    protocol::Protocol,
    tls::{CertificateFiles, Certificates, Handshake},
};
use mail::Address;
use rustls::{RootCertStore, pki_types::CertificateDer};
use smtp::client::{Fault, Reply, Tls, Verdict};
use smtp::effect::{Body, MailFrom, RcptTo};
use std::sync::{Arc, Mutex};
use tokio::io::{AsyncReadExt as _, DuplexStream, duplex};
use tokio::sync::watch;

type Taken = Arc<Mutex<Vec<Vec<u8>>>>;

/// Takes all mail, but none for `nobody@…`.
#[derive(Default)]
struct World {
    recipients: usize,
    content: Vec<u8>,
    taken: Taken,
}

impl Bridge for World {
    type Machine = smtp::Session;

    async fn perform(&mut self, session: &mut smtp::Session, effect: smtp::Effect) {
        match effect {
            smtp::Effect::Mail(_) => {
                (self.recipients, self.content) = (0, Vec::new());
                session.done(Ok(()));
            }
            smtp::Effect::Recipient(to) if to.path.local() == "nobody" => {
                session.done(Err(smtp::Verdict::NoSuchUser));
            }
            smtp::Effect::Recipient(_) => {
                self.recipients += 1;
                session.done(Ok(()));
            }
            smtp::Effect::DataBegin(_) => session.done(Ok(())),
            smtp::Effect::Data(bytes) => {
                self.content.extend_from_slice(&bytes);
                session.done(Ok(()));
            }
            smtp::Effect::DataEnd => {
                self.taken.lock().unwrap().push(std::mem::take(&mut self.content));
                session.delivered(&vec![Ok(()); self.recipients]);
            }
            smtp::Effect::Abort | smtp::Effect::Auth(_) => {}
        }
    }

    async fn news(&mut self) {
        std::future::pending::<()>().await;
    }
}

const TIMEOUTS: pace::Timeouts = pace::Timeouts {
    greeting_seconds: 60,
    command_seconds: 600,
    middle_seconds: 120,
    idle_seconds: 1860,
    write_seconds: 100,
    handshake_seconds: 10,
    shutdown_seconds: 5,
    octets_per_second_min: 10,
};

/// A server of ours; whom it took.
fn server(kind: smtp::Kind, handshake: Option<Handshake>) -> (DuplexStream, Taken) {
    let (client, server) = duplex(8 << 10);
    let (down, shutdown) = watch::channel(false);
    let taken = Taken::default();
    let bridge = World { taken: Arc::clone(&taken), ..World::default() };
    let starttls = handshake.is_some();
    let options =
        smtp::Options { kind, host_name: "mx.example.test".to_owned(), starttls, release: None };
    let machine = smtp::Session::new(smtp::Limits::default(), options);
    let shared = Shared { timeouts: TIMEOUTS, handshake, octets: Octets::default() };
    let driver = Driver::new(server, (machine, bridge), Arc::new(shared), shutdown);
    tokio::spawn(async move {
        driver.run(false).await;
        drop(down);
    });
    (client, taken)
}

fn call(tls: Tls, verifier: Verifier) -> Call {
    Call {
        address: "192.0.2.1:25".parse().unwrap(),
        source: None,
        server_name: "mx.example.test".to_owned(),
        implicit_tls: false,
        verifier,
        options: Options {
            host_name: "out.example.test".to_owned(),
            lmtp: false,
            tls,
            authenticated: false,
            chunking: true,
            credentials: None,
        },
    }
}

fn message(recipients: &[&str]) -> Message {
    let to =
        |path: &&str| RcptTo { path: Address::parse(path).unwrap(), notify: None, original: None };
    let path = Address::parse("ana@example.test");
    Message {
        from: MailFrom { path, body: Body::EightBit, ..MailFrom::default() },
        recipients: recipients.iter().map(to).collect(),
        require_tls: false,
    }
}

fn verdicts(report: &Report) -> Vec<Verdict> {
    report.outcomes.iter().map(|outcome| outcome.verdict).collect()
}

/// Lines, longer in all than any buffer on the way.
fn long() -> Bytes {
    (0..20_000).fold(String::new(), |text, line| text + &format!(".{line} \u{e9}\r\n")).into()
}

#[tokio::test(start_paused = true)]
async fn messages_one_after_the_other() {
    for chunking in [true, false] {
        let (stream, taken) = server(smtp::Kind::Reception, None);
        let mut call = call(Tls::Never, Verifier::any().unwrap());
        call.options.chunking = chunking;
        let mut connection = Connection::over(stream, call, Settings::default()).await.unwrap();
        assert_eq!(connection.tls(), None);
        assert!(connection.capabilities().pipelining);
        let both = message(&["leo@example.test", "nobody@example.test"]);
        let report = connection.deliver(both, long()).await;
        assert_eq!(verdicts(&report), [Verdict::Accepted, Verdict::Permanent]);
        assert_eq!(report.outcomes[1].reply.status, (5, 1, 1));
        let none = connection.deliver(message(&["nobody@example.test"]), long()).await;
        assert_eq!(verdicts(&none), [Verdict::Permanent]);
        let report = connection.deliver(message(&["eva@example.test"]), Bytes::new()).await;
        assert_eq!(verdicts(&report), [Verdict::Accepted]);
        assert!(connection.is_open());
        connection.quit().await;
        assert_eq!(*taken.lock().unwrap(), [long().to_vec(), Vec::new()]);
    }
}

#[tokio::test(start_paused = true)]
async fn lmtp() {
    let (stream, taken) = server(smtp::Kind::Lmtp, None);
    let mut call = call(Tls::Never, Verifier::any().unwrap());
    call.options.lmtp = true;
    let mut connection = Connection::over(stream, call, Settings::default()).await.unwrap();
    let all = message(&["leo@example.test", "nobody@example.test", "eva@example.test"]);
    let report = connection.deliver(all, long()).await;
    let wanted = [Verdict::Accepted, Verdict::Permanent, Verdict::Accepted];
    assert_eq!(verdicts(&report), wanted);
    assert_eq!(taken.lock().unwrap().len(), 1);
}

/// A handshake for `mx.example.test`, and what trusts it.
fn handshake(folder: &std::path::Path) -> (Handshake, RootCertStore) {
    let made = rcgen::generate_simple_self_signed(vec!["mx.example.test".to_owned()]).unwrap();
    let files = CertificateFiles { certificate: folder.join("c"), key: folder.join("k") };
    std::fs::write(&files.certificate, made.cert.pem()).unwrap();
    std::fs::write(&files.key, made.signing_key.serialize_pem()).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from(made.cert.der().to_vec())).unwrap();
    let tls = crate::tls::Tls::new(Certificates::load(vec![files]).unwrap()).unwrap();
    (tls.handshake(Protocol::Smtp, false).unwrap(), roots)
}

#[tokio::test(start_paused = true)]
async fn starttls_as_the_certificate_is_judged() {
    let folder = tempfile::tempdir().unwrap();
    let (handshake, roots) = handshake(folder.path());
    let pkix = Verifier::pkix(Arc::new(roots)).unwrap();
    for verifier in [Verifier::any().unwrap(), pkix.clone()] {
        let (stream, taken) = server(smtp::Kind::Reception, Some(handshake.clone()));
        let call = call(Tls::Required, verifier);
        let mut connection = Connection::over(stream, call, Settings::default()).await.unwrap();
        assert!(connection.tls().unwrap().starts_with("TLSv1.3 "));
        let report = connection.deliver(message(&["leo@example.test"]), long()).await;
        assert_eq!(verdicts(&report), [Verdict::Accepted]);
        assert_eq!(*taken.lock().unwrap(), [long().to_vec()]);
    }
    // Another name: nothing is said to it.
    let (stream, taken) = server(smtp::Kind::Reception, Some(handshake));
    let mut call = call(Tls::Required, pkix);
    call.server_name = "other.example.test".to_owned();
    let refused = Connection::over(stream, call, Settings::default()).await;
    assert!(matches!(refused, Err(Unreachable::Tls(_))));
    assert!(taken.lock().unwrap().is_empty());
}

/// A server that says what is written, whenever the client has said so many lines.
fn script(lines: &'static [(usize, &'static str)]) -> DuplexStream {
    let (client, mut server) = duplex(1 << 10);
    tokio::spawn(async move {
        let mut byte = [0];
        for (heard, words) in lines {
            for _ in 0..*heard {
                while server.read(&mut byte).await.unwrap() > 0 && byte != *b"\n" {}
            }
            server.write_all(words.as_bytes()).await.unwrap();
        }
        // Silence, until the client goes.
        while server.read(&mut byte).await.unwrap_or(0) > 0 {}
    });
    client
}

async fn over(stream: DuplexStream, tls: Tls) -> Result<Connection<DuplexStream>, Unreachable> {
    Connection::over(stream, call(tls, Verifier::any().unwrap()), Settings::default()).await
}

#[tokio::test(start_paused = true)]
async fn a_silent_server_is_left_at_the_time_of_its_phase() {
    let start = Instant::now();
    let Err(Unreachable::Session(failure)) = over(script(&[]), Tls::Never).await else {
        panic!("a session");
    };
    assert_eq!((failure.phase, &failure.fault), (Phase::Greeting, &Fault::TimedOut));
    assert_eq!(start.elapsed().as_secs(), 300);
    // The end of the content is said, and no answer comes: undecided, after ten minutes.
    let steps: &[_] = &[
        (0, "220 x\r\n"),
        (1, "250-x\r\n250 8BITMIME\r\n"),
        (1, "250 x\r\n"),
        (1, "250 x\r\n"),
        (1, "354 x\r\n"),
    ];
    let mut connection = over(script(steps), Tls::Never).await.unwrap();
    let start = Instant::now();
    let report = connection.deliver(message(&["leo@example.test"]), Bytes::from("x\r\n")).await;
    assert_eq!(start.elapsed().as_secs(), 600);
    assert!(report.is_undecided());
    assert_eq!(verdicts(&report), [Verdict::Temporary]);
    assert!(!connection.is_open());
    let report = connection.deliver(message(&["leo@example.test"]), Bytes::from("x\r\n")).await;
    assert_eq!(verdicts(&report), [Verdict::Untried]);
    connection.quit().await;
}

#[tokio::test(start_paused = true)]
async fn octets_behind_starttls_in_clear() {
    let injected: &[_] =
        &[(0, "220 x\r\n"), (1, "250-x\r\n250 STARTTLS\r\n"), (1, "220 go\r\n250 injected\r\n")];
    let Err(Unreachable::Session(failure)) = over(script(injected), Tls::Opportunistic).await
    else {
        panic!("a session");
    };
    assert_eq!(failure.fault, Fault::Injected);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_says_no_in_the_middle_of_the_content() {
    let steps: &[_] = &[
        (0, "220 x\r\n"),
        (1, "250-x\r\n250 8BITMIME\r\n"),
        (1, "250 x\r\n"),
        (1, "250 x\r\n"),
        (1, "354 x\r\n"),
        (1_000, "552 5.3.4 too big\r\n"),
    ];
    let mut connection = over(script(steps), Tls::Never).await.unwrap();
    let report = connection.deliver(message(&["leo@example.test"]), long()).await;
    let outcome = &report.outcomes[0];
    assert_eq!((outcome.verdict, outcome.reply.status), (Verdict::Permanent, (5, 3, 4)));
    assert!(!report.is_undecided());
}

#[tokio::test(start_paused = true)]
async fn a_delivery_dropped_half_way_ends_nothing() {
    let (client, mut server) = duplex(1 << 10);
    let heard = tokio::spawn(async move {
        let mut heard = Vec::new();
        for words in
            ["220 x\r\n", "250-x\r\n250 8BITMIME\r\n", "250 x\r\n", "250 x\r\n", "354 x\r\n"]
        {
            server.write_all(words.as_bytes()).await.unwrap();
            if !words.starts_with("354") {
                while !heard.ends_with(b"\n") {
                    heard.push(server.read_u8().await.unwrap());
                }
                heard.push(b' ');
            }
        }
        server.read_to_end(&mut heard).await.unwrap();
        heard
    });
    let mut connection = over(client, Tls::Never).await.unwrap();
    struct Stuck;
    impl Content for Stuck {
        fn octets(&self) -> u64 {
            10
        }
        async fn read(&mut self, from: u64, _: usize) -> io::Result<Bytes> {
            if from > 0 {
                std::future::pending::<()>().await;
            }
            Ok(Bytes::from_static(b"half\r\n"))
        }
    }
    let dropped = connection.deliver(message(&["leo@example.test"]), Stuck);
    assert!(timeout(Duration::from_secs(5), dropped).await.is_err());
    assert!(!connection.is_open());
    connection.quit().await;
    let heard = String::from_utf8(heard.await.unwrap()).unwrap();
    assert!(!heard.contains("\r\n.\r\n") && !heard.contains("QUIT"), "{heard}");
}

#[tokio::test]
async fn nobody_listens() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut call = call(Tls::Never, Verifier::any().unwrap());
    call.address = listener.local_addr().unwrap();
    call.source = Some("127.0.0.2".parse().unwrap());
    drop(listener);
    let refused = Connection::open(call, Settings::default()).await;
    assert!(matches!(refused, Err(Unreachable::Connect(_))));
}

#[tokio::test]
async fn from_a_chosen_address() {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let mut call = call(Tls::Never, Verifier::any().unwrap());
    call.address = listener.local_addr().unwrap();
    call.source = Some("127.0.0.2".parse().unwrap());
    let peer = tokio::spawn(async move {
        let (mut stream, peer) = listener.accept().await.unwrap();
        stream.write_all(b"554 5.3.2 no\r\n").await.unwrap();
        let mut said = String::new();
        let _ = stream.read_to_string(&mut said).await;
        (peer.ip(), said)
    });
    let mut settings = Settings::default();
    settings.timeouts.quit_seconds = 0;
    let Err(Unreachable::Session(failure)) = Connection::open(call, settings).await else {
        panic!("a session");
    };
    let reply = Reply { code: 554, status: (5, 3, 2), text: "5.3.2 no".to_owned() };
    assert_eq!(failure, Failure { phase: Phase::Greeting, fault: Fault::Refused(reply) });
    let (peer, said) = peer.await.unwrap();
    assert_eq!(peer.to_string(), "127.0.0.2");
    assert_eq!(said, "QUIT\r\n");
}
