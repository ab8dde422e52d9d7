//! The driver with a toy protocol over an in-memory pipe and tokio's paused clock.

use super::*;
use crate::auth::Access;
use account::directory::Proof;
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex};
use wire::Outbox;

/// A protocol of lines: `ECHO x` says x, `BIG` says 1 MiB in pieces, `TLS` starts TLS, `DEFLATE`
/// and `CLEAR` begin and end compression, `QUIT` closes, `SLOW` says `tick` three times, a second
/// each. Effects are the pieces.
#[derive(Default)]
struct Toy {
    input: Vec<u8>,
    outbox: Outbox,
    pieces: usize,
    ticks: usize,
    patience: Option<Patience>,
    close: bool,
    secured: Option<String>,
}

impl Machine for Toy {
    type Effect = usize;

    fn step(&mut self) -> Step<usize> {
        if self.close {
            return Step::Close;
        }
        if self.ticks > 0 {
            self.ticks -= 1;
            return Step::Ask(0);
        }
        if self.pieces > 0 {
            self.pieces -= 1;
            return Step::Ask(16 << 10);
        }
        let Some(end) = self.input.iter().position(|byte| *byte == b'\n') else {
            return Step::Wait(self.patience.unwrap_or(Patience::Command));
        };
        let line: Vec<u8> = self.input.drain(..=end).collect();
        match line.as_slice() {
            b"TLS\n" => {
                self.outbox.put(b"go\n");
                self.input.clear();
                return Step::StartTls;
            }
            b"DEFLATE\n" => {
                self.outbox.put(b"go\n");
                return Step::Compress;
            }
            b"CLEAR\n" => {
                self.outbox.put(b"clear\n");
                return Step::EndCompress;
            }
            b"BIG\n" => self.pieces = 64,
            b"SLOW\n" => self.ticks = 3,
            b"QUIT\n" => self.close = true,
            b"MIDDLE\n" => self.patience = Some(Patience::Middle),
            b"GREETING\n" => self.patience = Some(Patience::Greeting),
            b"IDLE\n" => self.patience = Some(Patience::Idle),
            other => self.outbox.put(other),
        }
        self.step()
    }

    fn receive(&mut self, bytes: &[u8]) {
        self.input.extend_from_slice(bytes);
    }

    fn event(&mut self, event: Event) {
        let words: &[u8] = match event {
            Event::Secured { description, .. } => {
                self.secured = Some(description);
                return;
            }
            Event::News => b"news\n",
            Event::Eof => b"eof\n",
            Event::TimedOut => b"too slow\n",
            Event::ShuttingDown => b"going down\n",
            // In the middle of a command nothing can be said.
            Event::Withdrawn if self.ticks > 0 => return,
            Event::Withdrawn => b"withdrawn\n",
        };
        self.outbox.put(words);
        self.close = event != Event::News;
    }

    fn outbox(&mut self) -> &mut Outbox {
        &mut self.outbox
    }
}

struct ToyBridge {
    news: tokio::sync::mpsc::UnboundedReceiver<()>,
    largest: Arc<std::sync::atomic::AtomicUsize>,
    access: Arc<Access>,
}

impl Bridge for ToyBridge {
    type Machine = Toy;

    async fn perform(&mut self, machine: &mut Toy, octets: usize) {
        if octets == 0 {
            tokio::time::sleep(Duration::from_secs(1)).await;
            machine.outbox.put(b"tick\n");
        }
        machine.outbox.put(&vec![b'x'; octets]);
        self.largest.fetch_max(machine.outbox.len(), std::sync::atomic::Ordering::Relaxed);
    }

    fn access(&self) -> Option<&Arc<Access>> {
        Some(&self.access)
    }

    async fn news(&mut self) {
        if self.news.recv().await.is_none() {
            std::future::pending::<()>().await;
        }
    }
}

struct World {
    client: DuplexStream,
    news: tokio::sync::mpsc::UnboundedSender<()>,
    down: watch::Sender<bool>,
    largest: Arc<std::sync::atomic::AtomicUsize>,
    access: Arc<Access>,
    ended: tokio::task::JoinHandle<Ended>,
}

const TIMEOUTS: Timeouts = Timeouts {
    greeting_seconds: 60,
    command_seconds: 600,
    middle_seconds: 120,
    idle_seconds: 1860,
    write_seconds: 100,
    handshake_seconds: 10,
    shutdown_seconds: 5,
    octets_per_second_min: 10,
};

fn world(handshake: Option<Handshake>) -> World {
    let (client, server) = duplex(8 << 10);
    let (news, receiver) = tokio::sync::mpsc::unbounded_channel();
    let (down, shutdown) = watch::channel(false);
    let largest = Arc::default();
    let access = Access::new(Proof::Token([0; 32]), None);
    let (toy_largest, toy_access) = (Arc::clone(&largest), Arc::clone(&access));
    let bridge = ToyBridge { news: receiver, largest: toy_largest, access: toy_access };
    let shared = Shared { timeouts: TIMEOUTS, handshake, octets: Octets::default() };
    let driver = Driver::new(server, (Toy::default(), bridge), Arc::new(shared), shutdown);
    World { client, news, down, largest, access, ended: tokio::spawn(driver.run(false)) }
}

impl World {
    async fn say(&mut self, line: &str) {
        self.client.write_all(line.as_bytes()).await.unwrap();
    }

    async fn hear(&mut self, line: &str) {
        let mut heard = vec![0; line.len()];
        self.client.read_exact(&mut heard).await.unwrap();
        assert_eq!(String::from_utf8_lossy(&heard), line);
    }

    async fn hear_end(&mut self, words: &str) {
        let mut heard = String::new();
        self.client.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, words);
    }
}

#[tokio::test(start_paused = true)]
async fn says_and_closes() {
    let mut world = world(None);
    world.say("ECHO a\nECHO b\nQUIT\n").await;
    world.hear_end("ECHO a\nECHO b\n").await;
    drop(world.client);
    assert!(matches!(world.ended.await.unwrap(), Ended::Closed));
}

#[tokio::test(start_paused = true)]
async fn what_was_said_does_not_wait_for_what_is_slow() {
    let mut world = world(None);
    world.say("ECHO a\nSLOW\nQUIT\n").await;
    let start = Instant::now();
    for seconds in 1..=2 {
        world.hear(if seconds == 1 { "ECHO a\ntick\n" } else { "tick\n" }).await;
        assert_eq!(start.elapsed().as_secs(), seconds);
    }
    world.hear_end("tick\n").await;
}

#[tokio::test(start_paused = true)]
async fn the_end_of_input_is_told_after_all_input() {
    let mut world = world(None);
    world.say("ECHO a\n").await;
    world.client.shutdown().await.unwrap();
    world.hear_end("ECHO a\neof\n").await;
}

#[tokio::test(start_paused = true)]
async fn time_outs_use_the_patience_asked_for() {
    for (word, seconds) in [("MIDDLE\n", 120), ("IDLE\n", 1860), ("ECHO\n", 600)] {
        let mut world = world(None);
        world.say(word).await;
        if word == "ECHO\n" {
            world.hear("ECHO\n").await;
        }
        let start = Instant::now();
        world.hear_end("too slow\n").await;
        let took = start.elapsed().as_secs();
        assert!((seconds - 1..=seconds + 1).contains(&took), "{word} {took}");
    }
}

#[tokio::test(start_paused = true)]
async fn dripping_octets_do_not_buy_a_command_more_time() {
    let mut world = world(None);
    tokio::task::yield_now().await;
    let start = Instant::now();
    for _ in 0..11 {
        tokio::time::advance(Duration::from_secs(50)).await;
        world.say("x").await;
        tokio::task::yield_now().await;
    }
    world.hear_end("too slow\n").await;
    assert!(start.elapsed().as_secs() <= 601);
}

#[tokio::test(start_paused = true)]
async fn in_the_middle_octets_buy_time_at_the_least_rate() {
    // An octet every 10 seconds is below 10 octets/s: cut off after little more than 120 s.
    let mut slow = world(None);
    slow.say("MIDDLE\n").await;
    let start = Instant::now();
    while !slow.ended.is_finished() && start.elapsed().as_secs() < 300 {
        tokio::time::advance(Duration::from_secs(10)).await;
        let _ = slow.client.write_all(b"x").await;
        tokio::task::yield_now().await;
    }
    assert!(start.elapsed().as_secs() <= 140, "{:?}", start.elapsed());
    // 20 octets/s go on for ever.
    let mut steady = world(None);
    steady.say("MIDDLE\n").await;
    for _ in 0..100 {
        tokio::time::advance(Duration::from_secs(10)).await;
        steady.say(&"x".repeat(200)).await;
        tokio::task::yield_now().await;
    }
    assert!(!steady.ended.is_finished());
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_reads_is_cut_off_and_costs_bounded_memory() {
    let mut world = world(None);
    let start = Instant::now();
    world.say("BIG\n").await;
    let ended = world.ended.await.unwrap();
    assert!(matches!(&ended, Ended::Lost(error) if error.kind() == io::ErrorKind::TimedOut));
    assert!((99..=102).contains(&start.elapsed().as_secs()));
    let largest = world.largest.load(std::sync::atomic::Ordering::Relaxed);
    assert!(largest <= OUTBOX_OCTETS_HIGH + (16 << 10), "{largest}");
}

#[tokio::test(start_paused = true)]
async fn big_answers_come_whole() {
    let mut world = world(None);
    world.say("BIG\nQUIT\n").await;
    let mut heard = Vec::new();
    world.client.read_to_end(&mut heard).await.unwrap();
    assert_eq!(heard.len(), 1 << 20);
}

#[tokio::test(start_paused = true)]
async fn news_reach_a_waiting_session() {
    let mut world = world(None);
    world.say("IDLE\n").await;
    world.news.send(()).unwrap();
    world.hear("news\n").await;
    world.news.send(()).unwrap();
    world.hear("news\n").await;
}

#[tokio::test(start_paused = true)]
async fn shutdown_lets_the_machine_speak() {
    let mut world = world(None);
    world.say("ECHO a\n").await;
    world.hear("ECHO a\n").await;
    world.down.send(true).unwrap();
    world.hear_end("going down\n").await;
}

#[tokio::test]
async fn an_idle_connection_costs_little() {
    let (_client, server) = duplex(1 << 10);
    let (_news, receiver) = tokio::sync::mpsc::unbounded_channel();
    let (_down, shutdown) = watch::channel(false);
    let access = Access::new(Proof::Token([0; 32]), None);
    let bridge = ToyBridge { news: receiver, largest: Arc::default(), access };
    let machine = Toy::default();
    let own = size_of_val(&bridge) + size_of_val(&machine);
    let shared = Shared { timeouts: TIMEOUTS, handshake: None, octets: Octets::default() };
    let driver = Driver::new(server, (machine, bridge), Arc::new(shared), shutdown);
    // Twice its own size at most for moving it in, and what a wait needs.
    let octets = size_of_val(&driver.run(true));
    assert!(octets <= 2 * own + 2048, "{octets}");
}

mod deflated;

mod tls {
    use super::*;
    use crate::{
        protocol::Protocol,
        tls::{CertificateFiles, Certificates, Tls},
    };
    use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
    use tokio_rustls::TlsConnector;

    fn handshake(folder: &std::path::Path) -> (Handshake, RootCertStore) {
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        let certificate = folder.join("cert.pem");
        let key = folder.join("key.pem");
        std::fs::write(&certificate, made.cert.pem()).unwrap();
        std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
        let mut roots = RootCertStore::empty();
        roots.add(made.cert.der().clone()).unwrap();
        let certificates = Certificates::load(vec![CertificateFiles { certificate, key }]).unwrap();
        let tls = Tls::new(certificates).unwrap();
        (tls.handshake(Protocol::Imap, true).unwrap(), roots)
    }

    fn client(roots: RootCertStore, alpn: &[&str]) -> TlsConnector {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|id| id.as_bytes().to_vec()).collect();
        TlsConnector::from(Arc::new(config))
    }

    #[tokio::test]
    async fn starttls_forgets_what_came_before() {
        let folder = tempfile::tempdir().unwrap();
        let (handshake, roots) = handshake(folder.path());
        let mut world = world(Some(handshake));
        world.say("TLS\nECHO injected\n").await;
        world.hear("go\n").await;
        let name = ServerName::try_from("localhost").unwrap();
        let mut stream = client(roots, &["imap"]).connect(name, world.client).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"imap"[..]));
        stream.write_all(b"ECHO after\nQUIT\n").await.unwrap();
        let mut heard = String::new();
        stream.read_to_string(&mut heard).await.unwrap();
        assert_eq!(heard, "ECHO after\n");
    }

    #[tokio::test]
    async fn a_foreign_alpn_is_borne() {
        let folder = tempfile::tempdir().unwrap();
        let (handshake, roots) = handshake(folder.path());
        let mut world = world(Some(handshake));
        world.say("TLS\n").await;
        world.hear("go\n").await;
        let name = ServerName::try_from("localhost").unwrap();
        let stream = client(roots, &["http/1.1"]).connect(name, world.client).await.unwrap();
        assert_eq!(stream.get_ref().1.alpn_protocol(), None);
        let group = stream.get_ref().1.negotiated_key_exchange_group().unwrap().name();
        assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    }

    #[tokio::test(start_paused = true)]
    async fn a_handshake_that_never_comes_is_cut_off() {
        let folder = tempfile::tempdir().unwrap();
        let (handshake, _) = handshake(folder.path());
        let mut world = world(Some(handshake));
        world.say("TLS\n").await;
        let start = Instant::now();
        assert!(matches!(world.ended.await.unwrap(), Ended::Lost(_)));
        assert!((9..=11).contains(&start.elapsed().as_secs()));
    }

    #[tokio::test]
    async fn the_certificate_is_chosen_by_the_name_that_the_client_asks_for() {
        let folder = tempfile::tempdir().unwrap();
        let mut roots = RootCertStore::empty();
        let mut files = Vec::new();
        for name in ["one.test", "two.test"] {
            let made = rcgen::generate_simple_self_signed(vec![name.to_owned()]).unwrap();
            let certificate = folder.path().join(format!("{name}.pem"));
            let key = folder.path().join(format!("{name}.key"));
            std::fs::write(&certificate, made.cert.pem()).unwrap();
            std::fs::write(&key, made.signing_key.serialize_pem()).unwrap();
            roots.add(made.cert.der().clone()).unwrap();
            files.push(CertificateFiles { certificate, key });
        }
        let tls = Tls::new(Certificates::load(files).unwrap()).unwrap();
        for (name, fits) in [("one.test", true), ("two.test", true), ("three.test", false)] {
            let mut world = world(Some(tls.handshake(Protocol::Imap, true).unwrap()));
            world.say("TLS\n").await;
            world.hear("go\n").await;
            let name = ServerName::try_from(name).unwrap();
            let stream = client(roots.clone(), &[]).connect(name, world.client).await;
            assert_eq!(stream.is_ok(), fits);
        }
    }

    #[tokio::test]
    async fn certificates_are_swapped_whole() {
        let folder = tempfile::tempdir().unwrap();
        let (handshake, old) = handshake(folder.path());
        drop(handshake);
        let files = CertificateFiles {
            certificate: folder.path().join("cert.pem"),
            key: folder.path().join("key.pem"),
        };
        let certificates = Certificates::load(vec![files]).unwrap();
        let tls = Tls::new(Arc::clone(&certificates)).unwrap();
        let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).unwrap();
        std::fs::write(folder.path().join("cert.pem"), made.cert.pem()).unwrap();
        // The key does not fit yet: what works stays.
        assert!(certificates.reload().is_err());
        let connect = async |roots: RootCertStore| {
            let mut world = world(Some(tls.handshake(Protocol::Smtp, false).unwrap()));
            world.say("TLS\n").await;
            world.hear("go\n").await;
            let name = ServerName::try_from("localhost").unwrap();
            client(roots, &[]).connect(name, world.client).await.is_ok()
        };
        assert!(connect(old.clone()).await);
        std::fs::write(folder.path().join("key.pem"), made.signing_key.serialize_pem()).unwrap();
        certificates.reload().unwrap();
        let mut new = RootCertStore::empty();
        new.add(made.cert.der().clone()).unwrap();
        assert!(!connect(old).await);
        assert!(connect(new).await);
    }
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_login_ends_a_session_that_waits() {
    let mut world = world(None);
    world.say("hello\n").await;
    world.hear("hello\n").await;
    world.access.withdraw();
    world.hear_end("withdrawn\n").await;
    assert!(matches!(world.ended.await, Ok(Ended::Closed)));
}

#[tokio::test(start_paused = true)]
async fn a_withdrawn_login_ends_a_command_that_goes_on() {
    let mut world = world(None);
    world.say("SLOW\n").await;
    world.hear("tick\n").await;
    world.access.withdraw();
    // What was being performed is; the third is not.
    world.hear_end("tick\n").await;
}
