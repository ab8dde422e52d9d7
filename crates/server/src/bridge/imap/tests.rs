//! The machine and its bridge on a store that fails, stalls or fills when it is told to; what the
//! black-box tests cannot bring about.

use super::*;
use crate::{
    admission::{Admission, ConnectionLimits},
    auth::{Authenticator, LoginLimits},
    clock::SystemClock,
    metrics::Metrics,
};
use ::store::{BlobId, Blobs, Commit, Error, Find, Fut, Kv, LocalBus, Page, Scan};
use account::{Accounts, MailboxName, MasterKey, NewMessage};
use bytes::Bytes;
use mail::{Address, Domain};
use std::{
    ops::Range,
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
};
use tokio::time::sleep;
use wire::{Event, Machine, Step};

/// A store in memory with switches.
#[derive(Default)]
struct Moody {
    inner: ::store::Memory,
    /// Commits answer that there is no room.
    full: AtomicBool,
    /// The blob that cannot be read; 0 for none.
    unreadable: AtomicU64,
    /// Reads of blobs until they fail for good.
    reads_left: AtomicU32,
    /// Seconds that a read of a blob takes.
    stall_seconds: AtomicU32,
}

impl Kv for Moody {
    fn get(&self, account: u32, key: Bytes) -> Fut<'_, Option<Bytes>> {
        Kv::get(&self.inner, account, key)
    }
    fn get_many(&self, account: u32, keys: Vec<Bytes>) -> Fut<'_, Vec<Find>> {
        self.inner.get_many(account, keys)
    }
    fn scan(&self, scan: Scan) -> Fut<'_, Page> {
        self.inner.scan(scan)
    }
    fn head(&self, account: u32) -> Fut<'_, u64> {
        self.inner.head(account)
    }
    fn commit(&self, commit: Commit) -> Fut<'static, ()> {
        if self.full.load(Relaxed) {
            return Box::pin(std::future::ready(Err(Error::Full)));
        }
        self.inner.commit(commit)
    }
    fn accounts(&self, after: Option<u32>, entries_max: usize) -> Fut<'_, Vec<u32>> {
        self.inner.accounts(after, entries_max)
    }
    fn erase(&self, account: u32) -> Fut<'static, ()> {
        self.inner.erase(account)
    }
}

impl Blobs for Moody {
    fn put(&self, id: BlobId, bytes: Bytes) -> Fut<'static, ()> {
        self.inner.put(id, bytes)
    }
    fn get(&self, id: BlobId, range: Range<u64>) -> Fut<'_, Option<Bytes>> {
        let left = self.reads_left.load(Relaxed);
        if self.unreadable.load(Relaxed) == id.blob || left == 0 {
            return Box::pin(std::future::ready(Err(Error::Io("bad sector".to_owned()))));
        }
        self.reads_left.store(left - 1, Relaxed);
        let seconds = self.stall_seconds.load(Relaxed);
        Box::pin(async move {
            if seconds > 0 {
                sleep(Duration::from_secs(seconds.into())).await;
            }
            Blobs::get(&self.inner, id, range).await
        })
    }
    fn size(&self, id: BlobId) -> Fut<'_, Option<u64>> {
        self.inner.size(id)
    }
    fn delete(&self, id: BlobId) -> Fut<'static, ()> {
        self.inner.delete(id)
    }
    fn list(&self, account: u32, after: Option<u64>, entries_max: usize) -> Fut<'_, Vec<u64>> {
        self.inner.list(account, after, entries_max)
    }
}

const LOGIN: &str = "ana@example.test";
const APPEND_OCTETS_MAX: u64 = 16 << 20;

struct World {
    store: Arc<Moody>,
    context: Arc<Context>,
    shared: Shared,
}

/// A connection: a machine, its bridge, and what the client hears.
struct Client {
    session: Session,
    bridge: Imap,
    /// Largest outbox after one effect.
    largest: usize,
    closed: bool,
}

impl World {
    async fn new() -> Self {
        let store = Arc::new(Moody::default());
        store.reads_left.store(u32::MAX, Relaxed);
        let options = account::Options {
            message_octets_max: APPEND_OCTETS_MAX,
            argon2_cost: (8, 1, 1),
            ..account::Options::default()
        };
        let accounts = Accounts::open(
            Arc::clone(&store) as Arc<dyn Kv>,
            Arc::clone(&store) as Arc<dyn Blobs>,
            Arc::new(LocalBus::default()),
            MasterKey([7; 32]),
            Arc::new(SystemClock),
            options,
        )
        .await
        .unwrap();
        let directory = accounts.directory();
        directory.add_domain(&Domain::parse("example.test").unwrap()).await.unwrap();
        directory.add_account(&Address::parse(LOGIN).unwrap(), b"secret").await.unwrap();
        let metrics = Metrics::new();
        let limits = ConnectionLimits { connections_max: 9, connections_per_address_max: 9 };
        let admission = Admission::new(limits);
        let logins = LoginLimits { connections_per_account_max: 9, login_delay_seconds_max: 1 };
        let auth =
            Authenticator::new(logins, &[1; 32], Arc::clone(&admission), Arc::clone(&metrics));
        let host_name = "mx.test".to_owned();
        let settings = crate::outbound::service::Settings::default();
        let inbound = delivery::Inbound::new(Arc::clone(&accounts), &[1; 32]);
        let books = account::junk::Books::open(&accounts, 2).await.unwrap();
        let signing = crate::signing::Signing::new(&accounts, None, Default::default());
        let queue = (settings, None, inbound);
        let outbound = crate::outbound::Outbound::open(&accounts, &host_name, queue, &signing);
        let outbound = outbound.await.unwrap();
        let strangers = account::strangers::Strangers::open(&accounts).await.unwrap();
        let reports = account::reports::Reports::open(&accounts).await.unwrap();
        let reports =
            crate::reports::received::Desk::new(reports, Arc::clone(&accounts), Default::default());
        let context = Arc::new(Context {
            reports: Arc::new(reports),
            reputation: Arc::new(account::reputation::Reputation::new(
                &strangers,
                Default::default(),
            )),
            strangers,
            rates: Arc::default(),
            acme: None,
            accounts,
            books,
            host_name,
            auth,
            admission,
            metrics,
            outbound,
            signing,
            certificates: None,
            inspection: crate::inbound::Inspection::new(None, "mx.test", Default::default())
                .unwrap(),
            protocols: Vec::new(),
            sts: None,
            dns: None,
        });
        let options = Options {
            limits: ::imap::Limits::default(),
            host: "mx.test".to_owned(),
            tls_required: true,
            starttls: true,
            append_octets_max: APPEND_OCTETS_MAX,
            hidden_capabilities: Vec::new(),
            jmap_session_url: None,
        };
        Self { store, context, shared: Shared::new(options, 0) }
    }

    /// Messages of so many octets in INBOX.
    async fn fill(&self, sizes: &[usize]) {
        let account = self.account().await;
        let inbox = account.mailbox(&MailboxName::inbox()).unwrap().id;
        let message = |octets: &usize| {
            let mut bytes = b"Subject: big\r\n\r\n".to_vec();
            while bytes.len() < *octets {
                bytes.extend_from_slice(b"0123456789 incompressible? no matter\r\n");
            }
            bytes.truncate(*octets);
            NewMessage::new(bytes.into())
        };
        account.append(inbox, sizes.iter().map(message).collect()).await.unwrap();
    }

    async fn account(&self) -> Arc<Account> {
        let directory = self.context.accounts.directory();
        let found = directory.find(&Address::parse(LOGIN).unwrap()).await.unwrap().unwrap();
        self.context.accounts.account(found.id).await.unwrap()
    }

    /// Logged in, INBOX selected.
    async fn client(&self) -> Client {
        let address = "127.0.0.1:1".parse().unwrap();
        let peer = Peer { address, local: address, id: 1 };
        let (mut session, bridge) = self.shared.session(&self.context, peer);
        session.event(Event::Secured { exporter: None, description: "TLSv1.3".to_owned() });
        let mut client = Client { session, bridge, largest: 0, closed: false };
        assert!(client.say("").await.starts_with("* OK"));
        assert!(client.say(&format!("l LOGIN {LOGIN} secret\r\n")).await.contains("l OK"));
        assert!(client.say("s SELECT INBOX\r\n").await.contains("s OK"));
        client
    }
}

impl Client {
    /// Says octets; hears all up to the next wait.
    async fn say(&mut self, octets: &str) -> String {
        self.session.receive(octets.as_bytes());
        self.go_on().await
    }

    async fn go_on(&mut self) -> String {
        let mut heard = Vec::new();
        loop {
            match self.session.step() {
                Step::Ask(effect) => {
                    self.bridge.perform(&mut self.session, effect).await;
                    self.largest = self.largest.max(self.session.outbox().len());
                    heard.extend_from_slice(&self.session.outbox().take());
                }
                Step::Wait(_) => break,
                Step::Close => {
                    self.closed = true;
                    break;
                }
                Step::StartTls | Step::Compress | Step::EndCompress => panic!("not here"),
            }
        }
        heard.extend_from_slice(&self.session.outbox().take());
        String::from_utf8(heard).unwrap()
    }
}

#[tokio::test]
async fn a_body_that_breaks_off_ends_the_session_without_a_word() {
    let world = World::new().await;
    world.fill(&[1_000_000]).await;
    let mut client = world.client().await;
    // Head and first chunk can be read, the second chunk cannot.
    world.store.reads_left.store(3, Relaxed);
    let heard = client.say("a FETCH 1 (BODY.PEEK[])\r\n").await;
    assert!(heard.starts_with("* 1 FETCH (BODY[] {1000000}\r\nSubject: big\r\n"));
    assert!(client.closed);
    assert!(heard.len() < 1_000_000 && !heard.contains("a NO") && !heard.contains("BYE"));
}

#[tokio::test]
async fn a_message_that_cannot_be_read_does_not_stop_the_others() {
    let world = World::new().await;
    world.fill(&[5_000, 5_001, 5_002]).await;
    let mut client = world.client().await;
    let blobs = world.store.inner.list(world.account().await.id().0, None, 9).await.unwrap();
    world.store.unreadable.store(blobs[1], Relaxed);
    let heard = client.say("a FETCH 1:* (UID BODY.PEEK[] RFC822.SIZE)\r\n").await;
    assert!(heard.contains("* 1 FETCH (UID 1 BODY[] {5000}\r\n"), "{heard}");
    assert!(heard.contains("* 2 FETCH (UID 2 RFC822.SIZE 5001)\r\n"), "{heard}");
    assert!(heard.contains("* 3 FETCH (UID 3 BODY[] {5002}\r\n"), "{heard}");
    assert!(heard.contains("a NO [UNAVAILABLE]"), "{heard}");
    assert!(!client.closed);
}

#[tokio::test]
async fn a_full_disk_can_be_read_and_refuses_the_rest_for_now() {
    let world = World::new().await;
    world.fill(&[100]).await;
    let mut client = world.client().await;
    world.store.full.store(true, Relaxed);
    let heard = client.say("a FETCH 1 (BODY[])\r\n").await;
    assert!(heard.contains("BODY[] {100}") && heard.contains("a OK"), "{heard}");
    assert!(!heard.contains("\\Seen"), "{heard}");
    for command in [
        "b STORE 1 +FLAGS (\\Seen)\r\n",
        "b COPY 1 Archive\r\n",
        "b MOVE 1 Archive\r\n",
        "b CREATE x\r\n",
        "b RENAME Archive y\r\n",
        "b DELETE Archive\r\n",
        "b APPEND INBOX {5+}\r\nA: b\n\r\n",
    ] {
        let heard = client.say(command).await;
        assert!(heard.contains("b NO [UNAVAILABLE]"), "{command}: {heard}");
    }
    world.store.full.store(false, Relaxed);
    let heard = client.say("c APPEND INBOX {5+}\r\nA: b\n\r\n").await;
    assert!(heard.contains("c OK [APPENDUID") && heard.contains("* 2 EXISTS"), "{heard}");
    assert!(!client.closed);
}

#[tokio::test]
async fn other_sessions_go_on_after_a_commit_failed() {
    let world = World::new().await;
    world.fill(&[100, 100, 100]).await;
    let (mut one, mut two) = (world.client().await, world.client().await);
    assert!(two.say("i IDLE\r\n").await.starts_with("+ "));
    assert!(one.say("a STORE 2 +FLAGS.SILENT (\\Deleted)\r\n").await.contains("a OK"));
    world.store.full.store(true, Relaxed);
    assert!(one.say("b EXPUNGE\r\n").await.contains("b NO [UNAVAILABLE]"));
    world.store.full.store(false, Relaxed);
    // Another session removes and adds, on the account that was loaded anew.
    let mut three = world.client().await;
    assert!(three.say("c EXPUNGE\r\n").await.contains("* 2 EXPUNGE\r\nc OK"));
    assert!(three.say("d APPEND INBOX {5+}\r\nA: b\n\r\n").await.contains("d OK"));
    assert!(three.say("e STORE 1 +FLAGS (Old)\r\n").await.contains("e OK"));
    two.bridge.news().await;
    two.session.event(Event::News);
    let heard = two.go_on().await;
    for line in ["* 2 EXPUNGE\r\n", "* 3 EXISTS\r\n", "* 1 FETCH (FLAGS (Old"] {
        assert!(heard.contains(line), "{line}: {heard}");
    }
    // FETCH must not move numbers; NOOP does.
    let heard = one.say("f FETCH 1:3 (UID)\r\n").await;
    assert!(heard.contains("* 3 FETCH (UID 3)") && !heard.contains("EXPUNGE"), "{heard}");
    let heard = one.say("g NOOP\r\nh FETCH 2:3 (UID)\r\n").await;
    assert!(heard.starts_with("* 2 EXPUNGE\r\ng OK"), "{heard}");
    assert!(heard.contains("* 2 FETCH (UID 3)\r\n* 3 FETCH (UID 4)\r\n"), "{heard}");
}

#[tokio::test]
async fn a_session_of_an_account_that_is_erased_ends() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say("i IDLE\r\n").await;
    let address = Address::parse(LOGIN).unwrap();
    world.context.accounts.directory().remove_account(&address).await.unwrap();
    client.bridge.news().await;
    client.session.event(Event::News);
    let heard = client.go_on().await;
    assert!(heard.starts_with("* BYE ") && client.closed, "{heard}");
}

#[tokio::test]
async fn what_streams_comes_in_pieces() {
    let world = World::new().await;
    world.fill(&[3_000_000, 10, 20_000, 500_000]).await;
    world.fill(&[2_000; 600]).await;
    let mut client = world.client().await;
    let heard = client.say("a FETCH 1:* (FLAGS BODY.PEEK[])\r\n").await;
    assert_eq!(heard.matches(" FETCH (FLAGS ").count(), 604);
    assert!(heard.len() > 4_700_000 && heard.contains("a OK"));
    client.say("a STORE 1:* +FLAGS (\\Seen)\r\n").await;
    // A piece, a chunk of 256 KiB, and a line.
    let largest = client.largest;
    assert!(largest <= PIECE_OCTETS + (256 << 10) + 1_000, "{largest}");
}

#[tokio::test(start_paused = true)]
async fn appends_wait_for_memory_and_are_refused_in_time() {
    let world = World::new().await;
    let (mut one, mut two) = (world.client().await, world.client().await);
    // The budget is that of two of the largest messages.
    let announce = format!("a APPEND INBOX {{{APPEND_OCTETS_MAX}}}\r\n");
    assert!(one.say(&announce).await.starts_with("+ "));
    assert!(two.say(&announce).await.starts_with("+ "));
    let mut three = world.client().await;
    let heard = three.say(&announce).await;
    assert!(heard.starts_with("a NO [UNAVAILABLE]"), "{heard}");
    drop(one);
    assert!(three.say(&announce).await.starts_with("+ "));
    // Nothing of what was announced was ever held.
    assert_eq!(world.store.inner.octets().1, 0);
}

#[tokio::test(start_paused = true)]
async fn a_long_search_tells_how_far_it_is() {
    let world = World::new().await;
    world.fill(&[3_000_000; 6]).await;
    let mut client = world.client().await;
    world.store.stall_seconds.store(1, Relaxed);
    let heard = client.say("a SEARCH BODY nothing\r\n").await;
    let told = heard.matches("* OK [INPROGRESS (\"a\" ").count();
    assert!((1..10).contains(&told), "{heard}");
    assert!(heard.contains("* SEARCH\r\na OK"), "{heard}");
}

#[tokio::test(start_paused = true)]
async fn an_idle_client_hears_that_we_are_there() {
    let world = World::new().await;
    let mut client = world.client().await;
    assert!(client.say("a IDLE\r\n").await.starts_with("+ "));
    for _ in 0..3 {
        let start = Instant::now();
        client.bridge.news().await;
        assert_eq!(start.elapsed().as_secs(), KEEP_ALIVE.as_secs());
        client.session.event(Event::News);
        assert_eq!(client.go_on().await, "* OK Still here\r\n");
    }
    world.fill(&[50]).await;
    let start = Instant::now();
    client.bridge.news().await;
    assert_eq!(start.elapsed().as_secs(), 0);
    client.session.event(Event::News);
    assert!(client.go_on().await.contains("* 1 EXISTS\r\n"));
    assert!(client.say("DONE\r\n").await.starts_with("a OK"));
    client.say("u UNSELECT\r\nb IDLE\r\n").await;
    client.bridge.news().await;
    client.session.event(Event::News);
    assert_eq!(client.go_on().await, "* OK Still here\r\n");
    client.say("DONE\r\n").await;
    let never = tokio::time::timeout(KEEP_ALIVE * 9, client.bridge.news()).await;
    assert!(never.is_err(), "news outside of IDLE");
}

#[tokio::test]
async fn an_idle_session_costs_little() {
    let (session, bridge) = (size_of::<Session>(), size_of::<Imap>());
    assert!(session <= 512, "{session}");
    assert!(bridge <= 400, "{bridge}");
    let world = World::new().await;
    let mut client = world.client().await;
    client.say("a IDLE\r\n").await;
    assert!(client.bridge.work.is_none() && client.bridge.append.is_none());
}

/// The `/shared` entries of the server are the administrator's; all else of it is each user's.
#[tokio::test]
async fn entries_of_the_server_come_from_the_configuration() {
    let mut world = World::new().await;
    world.shared = world.shared.with_entries(ServerEntries {
        comment: Some("Closed on Sundays".to_owned()),
        admin: Some("mailto:admin@example.test".to_owned()),
    });
    let mut client = world.client().await;
    let heard = client.say("a GETMETADATA \"\" (/shared/comment /Shared/ADMIN)\r\n").await;
    let expected = "* METADATA \"\" (/shared/comment \"Closed on Sundays\" \
                    /Shared/ADMIN \"mailto:admin@example.test\")\r\na OK";
    assert!(heard.starts_with(expected), "{heard}");
    for entries in ["/shared/admin \"x\"", "/shared/comment NIL", "/private/a \"1\" /shared/a NIL"]
    {
        let heard = client.say(&format!("b SETMETADATA \"\" ({entries})\r\n")).await;
        assert!(heard.starts_with("b NO [NOPERM]"), "{entries}: {heard}");
    }
    assert!(client.say("c SETMETADATA \"\" (/private/a \"1\")\r\n").await.starts_with("c OK"));
    let heard = client.say("d GETMETADATA (DEPTH infinity) \"\" (/private /shared)\r\n").await;
    assert!(heard.starts_with("* METADATA \"\" (/private/a \"1\" /shared/comment"), "{heard}");
    // Without a configuration there are none.
    world.shared = world.shared.with_entries(ServerEntries::default());
    let heard = world.client().await.say("e GETMETADATA \"\" /shared/admin\r\n").await;
    assert!(heard.starts_with("* METADATA \"\" (/shared/admin NIL)\r\ne OK"), "{heard}");
}

#[tokio::test]
async fn values_come_in_pieces() {
    let world = World::new().await;
    let mut client = world.client().await;
    let value = "x".repeat(40_000);
    for n in 0..10 {
        let literal = format!("{{{}+}}\r\n{value}", value.len());
        let heard = client.say(&format!("a SETMETADATA Sent (/private/{n} {literal})\r\n")).await;
        assert!(heard.starts_with("a OK"), "{heard}");
    }
    client.largest = 0;
    let heard = client.say("b GETMETADATA (DEPTH 1) Sent /private\r\n").await;
    assert_eq!(heard.matches(&value).count(), 10);
    assert!(client.largest < 2 * PIECE_OCTETS + 40_000, "{}", client.largest);
    let heard = client.say("c GETMETADATA (DEPTH 1 MAXSIZE 39999) Sent /private\r\n").await;
    // The special use of a mailbox is among what is below /private.
    let expected = "* METADATA \"Sent\" (/private/specialuse \"\\\\Sent\")\r\n\
                    c OK [METADATA LONGENTRIES 40000]";
    assert!(heard.starts_with(expected), "{heard}");
}

#[tokio::test]
async fn changes_of_annotations_are_told_to_others_who_enabled_it() {
    let world = World::new().await;
    let (mut one, mut two) = (world.client().await, world.client().await);
    assert!(one.say("u UNSELECT\r\ne ENABLE METADATA\r\n").await.contains("* ENABLED METADATA"));
    assert!(one.say("i IDLE\r\n").await.starts_with("+ "));
    let entries = "(/shared/comment \"1\" /private/specialuse NIL)";
    assert!(two.say(&format!("a SETMETADATA Sent {entries}\r\n")).await.starts_with("a OK"));
    one.bridge.news().await;
    one.session.event(Event::News);
    let heard = one.go_on().await;
    assert_eq!(heard, "* METADATA \"Sent\" /private/specialuse /shared/comment\r\n");
    assert!(one.say("DONE\r\n").await.starts_with("i OK"));
    // Not its own, nor what is told already, nor of mailboxes that are gone.
    assert!(one.say("b SETMETADATA \"\" (/private/a \"1\")\r\n").await.starts_with("b OK"));
    two.say("c CREATE x\r\nc SETMETADATA x (/shared/a \"1\")\r\nc DELETE x\r\n").await;
    assert!(one.say("d NOOP\r\n").await.starts_with("d OK"));
    assert!(two.say("d NOOP\r\n").await.starts_with("d OK"), "METADATA is not enabled there");
}

#[tokio::test]
async fn a_session_without_a_mailbox_that_waits_for_annotations_ends_with_its_account() {
    let world = World::new().await;
    let mut client = world.client().await;
    client.say("u UNSELECT\r\ne ENABLE METADATA\r\ni IDLE\r\n").await;
    let address = Address::parse(LOGIN).unwrap();
    world.context.accounts.directory().remove_account(&address).await.unwrap();
    client.bridge.news().await;
    client.session.event(Event::News);
    let heard = client.go_on().await;
    assert!(heard.starts_with("* BYE ") && client.closed, "{heard}");
}
