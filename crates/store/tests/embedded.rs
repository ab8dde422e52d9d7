//! What only the embedded store has: room given back, rebuild and check, the lock, its limits, its
//! form on disk, and that it survives being killed.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod suite;

use bytes::Bytes;
use std::{
    collections::BTreeMap,
    io::{BufRead, BufReader},
    path::Path,
    process::{Command, Stdio},
    sync::Arc,
};
use store::{
    BlobId, Blobs, Commit, Embedded, Error, Kv, Options,
    embedded::{check, rebuild},
    oneshot::block_on,
};
use suite::{blob, bytes, everything, folder, page, step, value};

fn options() -> Options {
    Options { clean_octets_per_second: 1 << 40, ..Options::small() }
}

fn open(folder: &Path) -> Arc<Embedded> {
    Embedded::open(folder, options()).unwrap()
}

fn with_blob(account: u32, n: u64, size: usize) -> Commit {
    let mut commit = step(account, n - 1, &format!("k{n:05}"), &n.to_string());
    commit.blobs = vec![(n, Bytes::from(vec![n as u8; size]))];
    commit
}

/// Commits `from..=to`, all on their way at once.
fn fill(store: &Embedded, account: u32, from: u64, to: u64) {
    let made: Vec<_> = (from..=to).map(|n| store.commit(with_blob(account, n, 4000))).collect();
    made.into_iter().for_each(|done| block_on(done).unwrap());
}

fn used(store: &Embedded) -> u64 {
    store.stats().used_octets
}

#[test]
fn the_room_of_dropped_blobs_comes_back() {
    let folder = folder();
    let store = open(folder.path());
    fill(&store, 1, 1, 500);
    let before = used(&store);
    assert!(before > 2_000_000, "{before}");
    let drops = (1..=500).filter(|n| n % 10 != 0).collect();
    let commit = Commit { account: 1, expected: 500, head: 501, drops, ..Commit::default() };
    block_on(store.commit(commit)).unwrap();
    store.clean().unwrap();
    let after = used(&store);
    assert!(after < before / 2, "{before} became {after}");
    for n in (10..=500).step_by(10) {
        assert_eq!(blob(&*store, 1, n), Some(Bytes::from(vec![n as u8; 4000])));
    }
    assert_eq!(page(&*store, everything(1)).len(), 500);
    store.close();
    let report = check(folder.path(), &options()).unwrap();
    assert!(report.is_clean(), "{report}");
}

#[test]
fn the_room_of_an_erased_account_comes_back_and_it_stays_erased() {
    let folder = folder();
    let store = open(folder.path());
    // Two accounts in the same segments, and an old segment that stays: it holds what the erasure
    // hides, so the erasure must not be forgotten before it goes.
    fill(&store, 1, 1, 200);
    for n in 1..=60 {
        block_on(store.commit(with_blob(2, n, 4000))).unwrap();
        block_on(store.commit(with_blob(3, n, 4000))).unwrap();
    }
    let before = used(&store);
    block_on(store.erase(2)).unwrap();
    block_on(store.commit(step(2, 0, "anew", "1"))).unwrap();
    for _ in 0..3 {
        store.clean().unwrap();
    }
    assert!(used(&store) < before, "nothing came back");
    let left = |store: &Embedded| {
        assert_eq!(page(store, everything(2)), [("anew".into(), "1".into())]);
        assert_eq!(block_on(store.list(2, None, 9)), Ok(vec![]));
        assert_eq!(block_on(store.list(3, None, 99)).unwrap().len(), 60);
        assert_eq!(page(store, everything(1)).len(), 200);
    };
    left(&store);
    store.close();
    rebuild(folder.path(), &options()).unwrap();
    left(&open(folder.path()));
}

/// A delete is needed as long as an older segment holds what it deletes.
#[test]
fn what_was_deleted_stays_so_when_its_segment_is_cleaned() {
    let folder = folder();
    let store = open(folder.path());
    // The first segment stays: all but one key of it is live.
    fill(&store, 1, 1, 14);
    assert_eq!(store.stats().segments, 1);
    let gone = Commit { account: 1, expected: 14, head: 15, ..Commit::default() };
    let puts = vec![(bytes("k00003"), None)];
    block_on(store.commit(Commit { puts, drops: vec![5], ..gone })).unwrap();
    let old = store.stats().octets;
    // The next ones die.
    fill(&store, 2, 1, 60);
    block_on(store.erase(2)).unwrap();
    fill(&store, 3, 1, 60);
    store.clean().unwrap();
    let left = |store: &Embedded| {
        assert_eq!(value(store, 1, "k00003"), None);
        assert_eq!(blob(store, 1, 5), None);
        assert_eq!(page(store, everything(1)).len(), 13);
        assert_eq!(page(store, everything(2)), []);
        assert_eq!(page(store, everything(3)).len(), 60);
    };
    left(&store);
    store.close();
    let log = std::fs::read_dir(folder.path().join("log")).unwrap();
    let names: Vec<_> = log.map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.contains(&"0000000001.seg".into()) && !names.contains(&"0000000002.seg".into()));
    assert!(old < 128 << 10, "the delete lies in the segment that went");
    rebuild(folder.path(), &options()).unwrap();
    left(&open(folder.path()));
}

/// Only small keys, written over and over: their segments hold nothing after a while, and the
/// cleaner finds out by itself.
#[test]
fn a_log_of_changed_flags_does_not_grow_without_end() {
    let folder = folder();
    let options = Options { checkpoint_octets: 64 << 10, ..options() };
    let store = Embedded::open(folder.path(), options.clone()).unwrap();
    let mut head = 0;
    let mut written = 0;
    let text = "x".repeat(200);
    let mut most = 0;
    for _ in 0..60 {
        let made: Vec<_> = (head..head + 200)
            .map(|n| store.commit(step(1, n, &format!("flag {}", n % 50), &text)))
            .collect();
        made.into_iter().for_each(|done| block_on(done).unwrap());
        head += 200;
        written += 200 * 300;
        // As the cleaner's own thread does it, but now.
        store.clean().unwrap();
        most = most.max(used(&store));
    }
    assert!(written > 3_000_000);
    assert!(most < 1_000_000, "{most} octets for 50 keys");
    assert_eq!(page(&*store, everything(1)).len(), 50);
    store.close();
    let report = check(folder.path(), &options).unwrap();
    assert!(report.is_clean(), "{report}");
}

/// The cleaner's thread, left alone, comes to the same.
#[test]
fn the_cleaner_works_by_itself() {
    let folder = folder();
    let options = Options { checkpoint_octets: 100 << 10, ..options() };
    let store = Embedded::open(folder.path(), options).unwrap();
    fill(&store, 1, 1, 300);
    let before = used(&store);
    block_on(store.erase(1)).unwrap();
    let mut head = 0;
    // Each commit may be the one behind which the cleaner is done; it ends or the test does not.
    while used(&store) > before / 2 {
        block_on(store.commit(with_blob(2, head + 1, 100))).unwrap();
        head += 1;
        if head % 50 == 0 {
            store.checkpoint().unwrap();
        }
        assert!(head < 100_000, "the cleaner does nothing");
    }
}

#[test]
fn reads_go_on_while_values_move() {
    let folder = folder();
    let store = open(folder.path());
    fill(&store, 1, 1, 300);
    let stop = std::sync::atomic::AtomicBool::new(false);
    std::thread::scope(|scope| {
        let reader = scope.spawn(|| {
            let mut reads = 0;
            while !stop.load(std::sync::atomic::Ordering::Relaxed) || reads == 0 {
                for n in (3..=300).step_by(3) {
                    let found = blob(&*store, 1, n).unwrap();
                    assert_eq!(found, vec![n as u8; 4000]);
                    reads += 1;
                }
            }
        });
        let drops = (1..=300).filter(|n| n % 3 != 0).collect();
        let commit = Commit { account: 1, expected: 300, head: 301, drops, ..Commit::default() };
        let before = used(&store);
        let dropped = block_on(store.commit(commit));
        let cleaned = store.clean();
        // Before any of it can fail: the reader goes on until then.
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        reader.join().unwrap();
        dropped.and(cleaned).unwrap();
        assert!(used(&store) < before);
    });
}

#[test]
fn the_log_alone_makes_the_index_anew() {
    let folder = folder();
    let store = open(folder.path());
    fill(&store, 1, 1, 50);
    block_on(store.erase(1)).unwrap();
    fill(&store, 1, 1, 20);
    block_on(store.delete(BlobId { account: 1, blob: 3 })).unwrap();
    store.close();
    std::fs::remove_dir_all(folder.path().join("index")).unwrap();
    let report = rebuild(folder.path(), &options()).unwrap();
    assert!(report.is_clean() && report.rebuilt);
    assert_eq!(report.entries, 20 + 19 + 1);
    assert!(report.frames >= 22, "the cleaner may have taken what was erased: {report}");
    let store = open(folder.path());
    assert!(!store.report().rebuilt);
    assert_eq!(page(&*store, everything(1)).len(), 20);
    assert_eq!(block_on(store.list(1, None, 99)).unwrap().len(), 19);
    fill(&store, 1, 21, 30);
}

#[test]
fn a_spoilt_index_is_made_anew_at_open() {
    let folder = folder();
    let store = open(folder.path());
    fill(&store, 1, 1, 50);
    store.close();
    for entry in std::fs::read_dir(folder.path().join("index")).unwrap() {
        let path = entry.unwrap().path();
        if path.is_file() {
            std::fs::write(path, b"nonsense").unwrap();
        }
    }
    let store = open(folder.path());
    assert!(store.report().rebuilt);
    assert_eq!(page(&*store, everything(1)).len(), 50);
}

#[test]
fn check_finds_what_differs() {
    let folder = folder();
    let store = open(folder.path());
    fill(&store, 1, 1, 30);
    store.close();
    let before: Vec<u8> = std::fs::read(folder.path().join("log/0000000001.seg")).unwrap();
    let report = check(folder.path(), &options()).unwrap();
    assert!(report.is_clean(), "{report}");
    assert_eq!(report.entries, 61);
    // An index of another day over this log.
    let other = suite::folder();
    let store = open(other.path());
    fill(&store, 1, 1, 29);
    fill(&store, 2, 1, 1);
    store.close();
    std::fs::remove_dir_all(other.path().join("log")).unwrap();
    std::fs::create_dir(other.path().join("log")).unwrap();
    std::fs::write(other.path().join("log/0000000001.seg"), &before).unwrap();
    let report = check(other.path(), &options()).unwrap();
    assert!(!report.is_clean());
    assert!(report.described.iter().any(|text| text.contains("head of account 2")), "{report}");
    assert!(other.path().join("index").is_dir(), "what is wrong is kept");
    std::fs::write(other.path().join("index/current"), b"nonsense").unwrap();
    let report = check(other.path(), &options()).unwrap();
    assert!(report.described.iter().any(|text| text.contains("cannot be read")), "{report}");
    // Nothing was changed by looking.
    let after: Vec<u8> = std::fs::read(folder.path().join("log/0000000001.seg")).unwrap();
    assert_eq!(before, after);
}

#[test]
fn one_process_at_a_time() {
    let folder = folder();
    let store = open(folder.path());
    assert_eq!(Embedded::open(folder.path(), options()).err(), Some(Error::InUse));
    assert_eq!(rebuild(folder.path(), &options()).err(), Some(Error::InUse));
    assert_eq!(check(folder.path(), &options()).err(), Some(Error::InUse));
    store.close();
    drop(open(folder.path()));
}

#[test]
fn after_close_nothing_is_written_and_reads_go_on() {
    let folder = folder();
    let store = open(folder.path());
    let made: Vec<_> = (0..50).map(|n| store.commit(step(1, n, &n.to_string(), "v"))).collect();
    store.close();
    store.close();
    made.into_iter().for_each(|done| block_on(done).unwrap());
    assert_eq!(block_on(store.commit(step(1, 50, "a", "b"))), Err(Error::Closed));
    assert_eq!(page(&*store, everything(1)).len(), 50);
}

#[test]
fn an_index_without_its_log_is_not_taken_for_an_empty_store() {
    let folder = folder();
    let store = open(folder.path());
    fill(&store, 1, 1, 3);
    store.close();
    std::fs::remove_dir_all(folder.path().join("log")).unwrap();
    let opened = Embedded::open(folder.path(), options());
    assert!(matches!(opened.err(), Some(Error::Damaged(_))));
}

/// A header that rotted costs its 64 octets, not the segment.
#[test]
fn a_lost_header_costs_itself_alone() {
    for zeros in [false, true] {
        let folder = folder();
        let store = open(folder.path());
        fill(&store, 1, 1, 40);
        store.close();
        for number in [1, 2] {
            let path = folder.path().join(format!("log/000000000{number}.seg"));
            let mut octets = std::fs::read(&path).unwrap();
            if zeros {
                octets[..64].fill(0)
            } else {
                octets[20] ^= 1
            }
            std::fs::write(&path, octets).unwrap();
        }
        let report = rebuild(folder.path(), &options()).unwrap();
        assert_eq!(report.damage.len(), 2, "{report}");
        let store = open(folder.path());
        assert_eq!(page(&*store, everything(1)).len(), 40);
        assert_eq!(blob(&*store, 1, 40), Some(Bytes::from(vec![40; 4000])));
    }
}

/// What another engine left in the folder is not taken for a spoilt index of an empty store.
#[test]
fn a_strange_index_without_a_log_is_left_alone() {
    let folder = folder();
    let index = folder.path().join("index");
    std::fs::create_dir(&index).unwrap();
    std::fs::write(index.join("version"), b"another").unwrap();
    let opened = Embedded::open(folder.path(), options());
    assert!(matches!(opened.err(), Some(Error::Damaged(_))));
    assert!(index.join("version").is_file());
}

#[test]
fn limits() {
    let folder = folder();
    let options = Options { key_octets_max: 10, commit_octets_max: 2000, ..options() };
    let store = Embedded::open(folder.path(), options).unwrap();
    block_on(store.commit(step(1, 0, "0123456789", "v"))).unwrap();
    let refused = block_on(store.commit(step(1, 1, "0123456789a", "v")));
    assert_eq!(refused, Err(Error::TooLarge { octets: 11, octets_max: 10 }));
    let id = |blob| BlobId { account: 1, blob };
    // 40 of header and 17 of op stand before the body; a frame is a multiple of 8.
    let fits = 2000 - 57;
    block_on(store.put(id(1), Bytes::from(vec![1; fits]))).unwrap();
    let refused = block_on(store.put(id(2), Bytes::from(vec![1; fits + 1])));
    assert_eq!(refused, Err(Error::TooLarge { octets: 2008, octets_max: 2000 }));
    assert_eq!(block_on(store.head(1)), Ok(1));
}

#[test]
fn a_commit_greater_than_a_segment_gets_one_of_its_own() {
    let folder = folder();
    let store = open(folder.path());
    fill(&store, 1, 1, 5);
    block_on(store.commit(with_blob(1, 6, 3_000_000))).unwrap();
    fill(&store, 1, 7, 10);
    store.close();
    let store = open(folder.path());
    assert_eq!(blob(&*store, 1, 6).unwrap().len(), 3_000_000);
    assert_eq!(page(&*store, everything(1)).len(), 10);
}

#[test]
fn great_values_stay_in_the_log() {
    let folder = folder();
    let options = Options { value_inline_octets_max: 100, ..options() };
    let store = Embedded::open(folder.path(), options).unwrap();
    for (n, size) in [99, 100, 101, 50_000].into_iter().enumerate() {
        let text = "x".repeat(size);
        block_on(store.commit(step(1, n as u64, &size.to_string(), &text))).unwrap();
        assert_eq!(value(&*store, 1, &size.to_string()), Some(text));
    }
    let sizes: Vec<_> = page(&*store, everything(1)).iter().map(|(_, v)| v.len()).collect();
    assert_eq!(sizes, [100, 101, 50_000, 99]);
}

#[test]
fn an_empty_store_is_small_and_figures_count() {
    let folder = folder();
    let store = Embedded::open(folder.path(), Options::default()).unwrap();
    assert_eq!(store.stats().segments, 0);
    block_on(store.commit(step(1, 0, "a", "b"))).unwrap();
    let stats = store.stats();
    assert_eq!((stats.commits, stats.groups, stats.syncs, stats.segments), (1, 1, 1, 1));
    assert_eq!(stats.sync_buckets.iter().sum::<u64>(), 1);
    assert!(stats.octets > 64 && stats.live_octets > 0 && stats.free_octets > 0);
    store.close();
    let size = std::fs::metadata(folder.path().join("log/0000000001.seg")).unwrap().len();
    assert_eq!(size, 4 << 20);
}

/// A store written by this form's first version, kept as it was: see `tests/fixtures/README.md`.
#[test]
fn the_first_form_is_still_read() {
    let place = folder();
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/form-1.seg");
    std::fs::create_dir(place.path().join("log")).unwrap();
    std::fs::copy(fixture, place.path().join("log/0000000001.seg")).unwrap();
    let store = open(place.path());
    assert!(store.report().is_clean());
    is_fixture(&store);
    fill(&store, 9, 1, 3);
}

fn is_fixture(store: &Embedded) {
    assert_eq!(block_on(store.accounts(None, 9)), Ok(vec![1, 2]));
    assert_eq!(block_on(store.head(1)), Ok(9));
    let found = page(store, everything(1));
    assert_eq!(found, [("b".into(), "2".into()), ("c".into(), "long ".repeat(40))]);
    assert_eq!(block_on(store.list(1, None, 9)), Ok(vec![5]));
    assert_eq!(blob(store, 1, 5), Some(bytes("Subject: kept\r\n\r\nas it was\r\n")));
    assert_eq!(page(store, everything(2)), [("z".into(), "after".into())]);
}

/// Writes the fixture anew: `PALOMAR_FIXTURE=FILE cargo test -p store --test embedded fixture`.
#[test]
fn fixture() {
    let place = folder();
    let options = Options { value_inline_octets_max: 100, ..options() };
    let store = Embedded::open(place.path(), options).unwrap();
    let mut first = step(1, 0, "a", "1");
    first.blobs = vec![(5, bytes("Subject: kept\r\n\r\nas it was\r\n")), (6, bytes("dropped"))];
    block_on(store.commit(first)).unwrap();
    let puts = vec![
        (bytes("a"), None),
        (bytes("b"), Some(bytes("2"))),
        (bytes("c"), Some(bytes(&"long ".repeat(40)))),
    ];
    let second = Commit { account: 1, expected: 1, head: 9, puts, drops: vec![6], blobs: vec![] };
    block_on(store.commit(second)).unwrap();
    block_on(store.commit(step(2, 0, "y", "before"))).unwrap();
    block_on(store.erase(2)).unwrap();
    block_on(store.commit(step(2, 0, "z", "after"))).unwrap();
    is_fixture(&store);
    let used = usize::try_from(used(&store)).unwrap();
    store.close();
    if let Some(file) = std::env::var_os("PALOMAR_FIXTURE") {
        let octets = std::fs::read(place.path().join("log/0000000001.seg")).unwrap();
        std::fs::write(file, &octets[..used]).unwrap();
    }
}

const VICTIM: &str = "STORE_TEST_VICTIM";

/// The process that is killed: commits to some accounts in turn and prints what was acknowledged.
#[test]
fn victim() {
    let Some(folder) = std::env::var_os(VICTIM) else { return };
    let store = open(Path::new(&folder));
    std::thread::scope(|scope| {
        for account in 1..=4 {
            let store = &store;
            scope.spawn(move || {
                let mut head = block_on(store.head(account)).unwrap();
                loop {
                    head += 1;
                    let mut commit = with_blob(account, head, 500 + (head as usize % 7) * 700);
                    commit.drops = head.checked_sub(20).into_iter().collect();
                    block_on(store.commit(commit)).unwrap();
                    println!("done {account} {head}");
                }
            });
        }
    });
}

#[test]
fn killed_at_any_moment_nothing_acknowledged_is_lost() {
    let folder = tempfile::tempdir().unwrap();
    let mut acknowledged = BTreeMap::new();
    for round in 0..10u64 {
        let mut child = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "victim", "--nocapture"])
            .env(VICTIM, folder.path())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let lines = BufReader::new(child.stdout.take().unwrap()).lines();
        let kill_after = 50 + (round * 7919) % 400;
        let mut seen = 0;
        for line in lines.map_while(Result::ok) {
            let words: Vec<&str> = line.split_whitespace().collect();
            if let Some(["done", account, head]) = words.get(words.len().saturating_sub(3)..) {
                acknowledged.insert(account.parse::<u32>().unwrap(), head.parse::<u64>().unwrap());
                seen += 1;
            }
            if seen == kill_after {
                child.kill().unwrap();
            }
        }
        child.wait().unwrap();
        assert!(seen >= kill_after, "the victim ended by itself");
        let store = open(folder.path());
        assert!(store.report().is_clean(), "{}", store.report());
        for (account, head) in &acknowledged {
            let found = block_on(store.head(*account)).unwrap();
            assert!(found >= *head, "account {account}: {head} was acknowledged, {found} is there");
            assert_eq!(page(&*store, everything(*account)).len() as u64, found);
            let blobs: Vec<u64> = (found.saturating_sub(19)..=found).filter(|n| *n > 0).collect();
            assert_eq!(block_on(store.list(*account, None, 999)).unwrap(), blobs);
            for n in blobs {
                let size = 500 + (n as usize % 7) * 700;
                assert_eq!(blob(&*store, *account, n), Some(Bytes::from(vec![n as u8; size])));
            }
        }
        store.close();
        if round == 9 {
            let report = check(folder.path(), &options()).unwrap();
            assert!(report.is_clean(), "{report}");
        }
    }
}
