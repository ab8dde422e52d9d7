//! What searches of a big mailbox cost, on the embedded store:
//! `cargo run --release -p account --example find -- FOLDER MESSAGES`; the folder is made once.

#![allow(clippy::unwrap_used, missing_docs, dead_code)]

#[path = "../../bench/src/text.rs"]
mod text;

use account::{
    Account, Accounts, Clock, MailboxName, MasterKey, NewMessage, Numbers, Options, Row,
    search::{Query, Search},
    sort::{Criterion, SortKey, Sorter},
    thread_tree::{Algorithm, Threader},
};
use bytes::Bytes;
use mail::{Address, Domain, NumberSet, SystemFlags};
use std::{
    fs,
    future::Future,
    path::Path,
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Wake, Waker},
    thread::Thread,
    time::Instant,
};
use store::{Embedded, LocalBus};

struct Now;
impl Clock for Now {
    fn now_seconds(&self) -> i64 {
        1_790_000_000
    }
}

struct Unpark(Thread);
impl Wake for Unpark {
    fn wake(self: Arc<Self>) {
        self.0.unpark();
    }
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let waker = Waker::from(Arc::new(Unpark(std::thread::current())));
    let mut future = pin!(future);
    loop {
        match future.as_mut().poll(&mut Context::from_waker(&waker)) {
            Poll::Ready(value) => return value,
            Poll::Pending => std::thread::park(),
        }
    }
}

/// Nanoseconds that this thread was running.
fn cpu() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

fn fill(account: &Arc<Account>, writer: &mut text::Writer, messages: usize) {
    let inbox = account.mailbox(&MailboxName::inbox()).unwrap().id;
    for _ in 0..messages.div_ceil(200) {
        let new = (0..200).map(|_| NewMessage::new(Bytes::from(writer.message(4_096))));
        run(account.append(inbox, new.collect())).unwrap();
    }
}

fn time(account: &Arc<Account>, name: &str, query: &Query) {
    let inbox = account.mailbox(&MailboxName::inbox()).unwrap().id;
    let mut view = account.select(inbox, true).unwrap();
    let mut times = Vec::new();
    let mut count = 0;
    for _ in 0..5 {
        let (begun, used) = (Instant::now(), cpu());
        let mut search = Search::new(query.clone());
        count = 0;
        loop {
            let (rows, more) = run(search.step(&mut view)).unwrap();
            count += rows.len();
            if !more {
                break;
            }
        }
        let cpu = (cpu() - used) as f64 / 1e6;
        times.push(format!("{:.1} ({cpu:.1})", begun.elapsed().as_secs_f64() * 1e3));
    }
    println!("{name:30} {count:7} found; ms (cpu): {}", times.join(", "));
}

fn time_order(account: &Arc<Account>, name: &str, order: impl Fn(&Arc<Account>, &[Row]) -> usize) {
    let inbox = account.mailbox(&MailboxName::inbox()).unwrap().id;
    let mut view = account.select(inbox, true).unwrap();
    let all = NumberSet::of([(1, u32::MAX - 1)]);
    let rows = view.rows(&all, Numbers::Sequence, 1, usize::MAX);
    let mut times = Vec::new();
    for _ in 0..5 {
        let (begun, used) = (Instant::now(), cpu());
        order(account, &rows);
        let cpu = (cpu() - used) as f64 / 1e6;
        times.push(format!("{:.1} ({cpu:.1})", begun.elapsed().as_secs_f64() * 1e3));
    }
    println!("{name:30} {:7} rows; ms (cpu): {}", rows.len(), times.join(", "));
}

fn main() {
    let mut words = std::env::args().skip(1);
    let folder = words.next().unwrap();
    let messages: usize = words.next().unwrap().parse().unwrap();
    let corpus = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus");
    let mut writer = text::Writer::new(&corpus, 7);
    let store = Embedded::open(Path::new(&folder), store::Options::default()).unwrap();
    let (kv, blobs, bus) = (Arc::clone(&store), Arc::clone(&store), Arc::<LocalBus>::default());
    let options = Options { argon2_cost: (8, 1, 1), ..Options::default() };
    let opened = Accounts::open(kv, blobs, bus, MasterKey([7; 32]), Arc::new(Now), options);
    let accounts = run(opened).unwrap();
    let address = Address::parse("ana@example.test").unwrap();
    let directory = accounts.directory();
    let id = if let Some(info) = run(directory.find(&address)).unwrap() {
        info.id
    } else {
        run(directory.add_domain(&Domain::parse("example.test").unwrap())).unwrap();
        run(directory.add_account(&address, b"secret")).unwrap()
    };
    let account = run(accounts.account(id)).unwrap();
    let needles = writer.needles();
    if account.quota().messages_used == 0 {
        fill(&account, &mut writer, messages);
    }
    let used = cpu();
    let mut indexed = 0;
    loop {
        let begun = Instant::now();
        let step = run(account.index_step(1)).unwrap();
        if !step.more {
            break;
        }
        indexed += step.messages;
        println!("{step:?} in {:.2} s", begun.elapsed().as_secs_f64());
    }
    let cpu_ms = (cpu() - used) as f64 / 1e6;
    println!("{indexed} indexed, {:.3} ms each", cpu_ms / f64::from(indexed.max(1)));
    println!("octets of index and mail: {:?}", run(account.index_sizes()).unwrap());
    let header = |name: &str, text: &str| Query::Header(name.to_owned(), text.to_owned());
    let unseen = || Query::Not(Box::new(Query::System(SystemFlags::SEEN)));
    let since = || Query::Internal(Some(1_577_836_800), None);
    time(&account, &needles.word, &Query::Body(needles.word.clone()));
    time(&account, &needles.phrase, &Query::Body(needles.phrase.clone()));
    time(&account, &needles.part, &Query::Body(needles.part.clone()));
    time(&account, "text", &Query::Text(needles.word.clone()));
    time(&account, "fuzzy", &Query::Fuzzy(Box::new(Query::Text(needles.phrase.clone()))));
    time(&account, "subject", &header("Subject", &needles.subject));
    time(&account, "from", &header("From", "person 4711"));
    time(&account, "header", &header("Received", "mx4711.example"));
    time(&account, "unseen", &unseen());
    time(&account, "since", &since());
    time(&account, "sentsince", &Query::Sent(Some(20_000), None));
    let three = vec![unseen(), since(), header("From", "carla")];
    time(&account, "three", &Query::And(three));
    time(&account, "all", &Query::All);
    for criterion in [Criterion::Subject, Criterion::From, Criterion::Date, Criterion::Arrival] {
        time_order(&account, &format!("sort {criterion:?}"), |account, rows| {
            let mut sorter = Sorter::new(vec![SortKey { criterion, reverse: false }]);
            rows.chunks(16_384).for_each(|page| run(sorter.take(account, page)).unwrap());
            sorter.finish(|_| 0).len()
        });
    }
    time_order(&account, "thread", |account, rows| {
        let mut threader = Threader::new(Algorithm::References);
        rows.chunks(16_384).for_each(|page| run(threader.take(account, page)).unwrap());
        threader.finish().roots.len()
    });
}
