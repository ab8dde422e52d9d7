//! Measures durable commits per second at 1, 8 and 64 waiting tasks, CPU time per commit, and
//! reads: `cargo run --release -p store --example commits [-- FOLDER [SECONDS [BODY]]]`.
//!
//! A commit is a delivery: a body of 4 KB, 6 keys of about 420 octets. FOLDER must be on the disk
//! that is to be measured (not tmpfs). BODY is one of memory, fjall, log.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing)]

#[path = "../tests/fjall_only/mod.rs"]
mod fjall_only;

use bytes::Bytes;
use std::{
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering::Relaxed},
    },
    time::{Duration, Instant},
};
use store::{BlobId, Blobs, Commit, Embedded, Kv, Memory, Options, Scan};

trait Store: Kv + Blobs {}
impl<T: Kv + Blobs> Store for T {}

const ROUNDS: usize = 3;
const BODY_OCTETS: usize = 4096;

fn delivery(account: u32, n: u64, body: &Bytes) -> Commit {
    let put = |tag: u8, rest: u64, size: usize| {
        let mut key = vec![tag];
        key.extend_from_slice(&rest.to_be_bytes());
        (Bytes::from(key), Some(body.slice(..size)))
    };
    let puts = vec![
        put(b'M', 1, 60),
        put(b'F', n, 40),
        put(b'E', n, 200),
        put(b'I', n, 8),
        put(b'C', n, 20),
        put(b'V', 0, 29),
    ];
    let blobs = vec![(n, body.clone())];
    Commit { account, expected: n - 1, head: n, puts, blobs, drops: Vec::new() }
}

/// User and system time of this process.
fn cpu() -> Duration {
    let stat = std::fs::read_to_string("/proc/self/stat").unwrap();
    let rest = stat.rsplit(')').next().unwrap();
    let ticks: u64 =
        rest.split_whitespace().skip(11).take(2).map(|t| t.parse::<u64>().unwrap()).sum();
    Duration::from_millis(ticks * 10)
}

struct Measured {
    per_second: f64,
    cpu_micros: f64,
    median: Duration,
    slow: Duration,
}

fn measure(store: &Arc<dyn Store>, tasks: u32, first: u32, time: Duration) -> Measured {
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    // Text that packs a little, as mail does.
    let body: String = (0..BODY_OCTETS).map(|n| char::from(b'a' + (n * n % 23) as u8)).collect();
    let body = Bytes::from(body);
    let stop = Arc::new(AtomicBool::new(false));
    let count = Arc::new(AtomicU64::new(0));
    let (began, cpu_began) = (Instant::now(), cpu());
    let handles: Vec<_> = (first..first + tasks)
        .map(|account| {
            let (store, stop, count) = (Arc::clone(store), Arc::clone(&stop), Arc::clone(&count));
            let body = body.clone();
            runtime.spawn(async move {
                let mut times = Vec::new();
                for n in 1.. {
                    if stop.load(Relaxed) {
                        break;
                    }
                    let asked = Instant::now();
                    store.commit(delivery(account, n, &body)).await.unwrap();
                    times.push(asked.elapsed());
                    count.fetch_add(1, Relaxed);
                    tokio::task::yield_now().await;
                }
                times
            })
        })
        .collect();
    std::thread::sleep(time);
    let (done, took, cpu_took) = (count.load(Relaxed), began.elapsed(), cpu() - cpu_began);
    stop.store(true, Relaxed);
    let mut times: Vec<Duration> =
        handles.into_iter().flat_map(|handle| runtime.block_on(handle).unwrap()).collect();
    times.sort();
    Measured {
        per_second: done as f64 / took.as_secs_f64(),
        cpu_micros: cpu_took.as_secs_f64() * 1e6 / done as f64,
        median: times[times.len() / 2],
        slow: times[times.len() * 99 / 100],
    }
}

fn reads(store: &dyn Store, account: u32) {
    let wait = store::oneshot::block_on::<Result<Vec<_>, _>>;
    let scan = || Scan {
        account,
        from: Bytes::from_static(b"E"),
        to: Bytes::from_static(b"F"),
        reverse: false,
        entries_max: 1_000_000,
    };
    let page = wait(store.scan(scan())).unwrap();
    let began = Instant::now();
    let again = wait(store.scan(scan())).unwrap();
    let per_entry = began.elapsed().as_nanos() / again.len().max(1) as u128;
    let some: Vec<_> = page.iter().step_by(page.len() / 1000 + 1).map(|(key, _)| key).collect();
    let began = Instant::now();
    for key in &some {
        store::oneshot::block_on(Kv::get(store, account, (*key).clone())).unwrap().unwrap();
    }
    let get = began.elapsed().as_nanos() / some.len() as u128;
    let began = Instant::now();
    for n in 1..=some.len() as u64 {
        let id = BlobId { account, blob: n };
        store::oneshot::block_on(Blobs::get(store, id, 0..u64::MAX)).unwrap().unwrap();
    }
    let blob = began.elapsed().as_nanos() / some.len() as u128;
    println!("  reads: scan {per_entry} ns/entry of {}, get {get} ns, body {blob} ns", page.len());
}

fn main() {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments.next().unwrap_or_else(|| ".".into());
    let seconds = arguments.next().map_or(2.0, |text| text.parse().unwrap());
    let only = arguments.next();
    let time = Duration::from_secs_f64(seconds);
    let bodies = ["memory", "fjall", "log"];
    let bodies = bodies.iter().filter(|body| only.as_deref().is_none_or(|only| only == **body));
    for body in bodies.copied() {
        let place = tempfile::tempdir_in(Path::new(&folder)).unwrap();
        let mut embedded = None;
        let store: Arc<dyn Store> = match body {
            "memory" => Arc::new(Memory::new()),
            "fjall" => fjall_only::FjallOnly::open(place.path()).unwrap(),
            _ => {
                let store = Embedded::open(place.path(), Options::default()).unwrap();
                embedded = Some(Arc::clone(&store));
                store
            }
        };
        println!("{body}");
        let mut first = 0;
        for tasks in [1, 8, 64] {
            let mut rounds: Vec<Measured> = (0..ROUNDS)
                .map(|_| {
                    first += tasks;
                    measure(&store, tasks, first, time)
                })
                .collect();
            rounds.sort_by(|a, b| a.per_second.total_cmp(&b.per_second));
            let Measured { per_second, cpu_micros, median, slow } = &rounds[ROUNDS / 2];
            println!(
                "  {tasks:>2} tasks: {per_second:>8.0} commits/s, {cpu_micros:>4.0} µs CPU each, \
                 p50 {median:.2?}, p99 {slow:.2?}",
            );
        }
        reads(&*store, 1);
        if let Some(store) = embedded {
            println!("  {:?}", store.stats());
            store.close();
        }
    }
}
