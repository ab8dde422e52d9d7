//! With clamd.

use crate::daemon;
use server::scan::{
    Action, Failure,
    clamd::{Address, Clamd, Finding, Settings},
};

/// The test file of EICAR, in two parts so that no scanner of files minds this one.
const EICAR: [&str; 2] =
    [r"X5O!P%@AP[4\PZX54(P^)7CC)7}$EICAR", "-STANDARD-ANTIVIRUS-TEST-FILE!$H+H*"];

fn settings(address: &str) -> Settings {
    Settings {
        address: Address::parse(address),
        seconds: 30,
        message_octets_max: 4 << 20,
        connections_max: 2,
        required: false,
    }
}

fn client(settings: Settings) -> Clamd {
    Clamd::new(settings).unwrap()
}

/// A message with the test file attached in base64.
fn attached() -> Vec<u8> {
    use base64::Engine as _;
    let file = base64::engine::general_purpose::STANDARD.encode(EICAR.concat());
    let head = "From: ana@example.test\r\nMIME-Version: 1.0";
    let kind = "Content-Type: multipart/mixed; boundary=b";
    let text = "--b\r\nContent-Type: text/plain\r\n\r\nHello\r\n";
    let part = "--b\r\nContent-Type: application/octet-stream; name=a.com";
    let coding = "Content-Transfer-Encoding: base64";
    format!("{head}\r\n{kind}\r\n\r\n{text}{part}\r\n{coding}\r\n\r\n{file}\r\n--b--\r\n").into()
}

#[tokio::test]
async fn clean_and_infected() {
    let server = daemon::Clamd::start().await;
    for address in [server.tcp.to_string(), server.socket()] {
        let clamd = client(settings(&address));
        assert_eq!(clamd.check(b"From: ana@example.test\r\n\r\nHello").await, Ok(Finding::Clean));
        assert_eq!(clamd.check(b"").await, Ok(Finding::Clean));
        let infected = Ok(Finding::Infected("Eicar-Test.UNOFFICIAL".to_owned()));
        assert_eq!(clamd.check(EICAR.concat().as_bytes()).await, infected);
        assert_eq!(clamd.check(&attached()).await, infected);
        // Across the border of two chunks.
        let mut long = vec![b'x'; (64 << 10) - 5];
        long.extend_from_slice(b"PALOMAR-TEST-VIRUS");
        let infected = Ok(Finding::Infected("Palomar-Test.UNOFFICIAL".to_owned()));
        assert_eq!(clamd.check(&long).await, infected);
        let verdict = clamd.verdict("q1", &attached()).await;
        assert_eq!(verdict.action, Action::Reject);
        assert_eq!(verdict.reasons[0].text, "Eicar-Test.UNOFFICIAL");
        let reply = verdict.reply.unwrap();
        assert_eq!(reply, "The message is infected: Eicar-Test.UNOFFICIAL");
        let verdict = clamd.verdict("q2", b"Hello").await;
        assert_eq!((verdict.action, verdict.reasons.len()), (Action::Accept, 0));
    }
}

#[tokio::test]
async fn many_at_a_time() {
    let server = daemon::Clamd::start().await;
    let clamd = std::sync::Arc::new(client(settings(&server.socket())));
    let mut all = tokio::task::JoinSet::new();
    for number in 0..20 {
        let clamd = clamd.clone();
        let message = if number % 2 == 0 { attached() } else { vec![b'x'; 500_000] };
        all.spawn(async move { (number % 2 == 0, clamd.check(&message).await.unwrap()) });
    }
    while let Some(done) = all.join_next().await {
        let (infected, finding) = done.unwrap();
        assert_eq!(finding != Finding::Clean, infected);
    }
}

#[tokio::test]
async fn more_than_clamd_takes() {
    let server = daemon::Clamd::start().await;
    for address in [server.tcp.to_string(), server.socket()] {
        let clamd = client(settings(&address));
        // Its limit is 1 MiB, and it stops reading there.
        let failure = clamd.check(&vec![b'x'; 3 << 20]).await;
        assert!(matches!(failure, Err(Failure::Refused(_) | Failure::Unreachable(_))));
        let mut settings = settings(&address);
        settings.message_octets_max = 100;
        settings.required = true;
        let clamd = client(settings);
        assert_eq!(clamd.check(&[b'x'; 100]).await, Ok(Finding::Clean));
        assert_eq!(clamd.check(&[b'x'; 101]).await, Err(Failure::TooLarge(100)));
        let verdict = clamd.verdict("q1", &[b'x'; 101]).await;
        assert_eq!(verdict.action, Action::Accept);
        assert_eq!(verdict.reasons[0].name, "CLAMD_NOT_ASKED");
    }
}

#[tokio::test]
async fn a_failure_decides_nothing() {
    let nobody = daemon::free_address().to_string();
    for address in [nobody.as_str(), "/nonexistent/clamd.ctl"] {
        let mut settings = settings(address);
        let verdict = client(settings.clone()).verdict("q1", b"x").await;
        assert_eq!(verdict.action, Action::Accept);
        assert_eq!(verdict.reasons[0].name, "CLAMD_FAILED");
        settings.required = true;
        assert_eq!(client(settings).verdict("q1", b"x").await.action, Action::SoftReject);
    }
    assert!(Clamd::new(Settings::default()).is_none());
}

#[tokio::test]
async fn a_server_that_says_nothing_is_late() {
    let silent = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let mut settings = settings(&silent.local_addr().unwrap().to_string());
    settings.seconds = 1;
    settings.connections_max = 1;
    let clamd = client(settings);
    // More than fits the socket's buffers; the second waits for its turn.
    let large = vec![b'x'; 4 << 20];
    let both = tokio::join!(clamd.check(&large), clamd.check(b"x"));
    assert_eq!(both, (Err(Failure::Late(1)), Err(Failure::Late(1))));
}
