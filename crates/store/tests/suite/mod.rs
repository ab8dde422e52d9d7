//! The contract of `Kv` and `Blobs`, for any body: what every caller may rely on.

#![allow(dead_code)]

use bytes::Bytes;
use std::sync::Arc;
use store::{BlobId, Blobs, Commit, Error, Kv, Page, Scan, oneshot::block_on};

/// A store of both kinds in one.
pub trait Store: Kv + Blobs {}
impl<T: Kv + Blobs> Store for T {}

/// A place where a store is opened, and later opened again if it lasts.
pub trait Place {
    /// Opens what is there.
    fn open(&self) -> Arc<dyn Store>;
    /// Whether what is written is there after the next open.
    fn lasts(&self) -> bool {
        true
    }
    /// Ends the store so that it can be opened again.
    fn close(&self, store: Arc<dyn Store>) {
        drop(store);
    }
}

/// A folder in memory where there is one: what is tried is the store, not the disk.
pub fn folder() -> tempfile::TempDir {
    let memory = std::path::Path::new("/dev/shm");
    if memory.is_dir() { tempfile::tempdir_in(memory) } else { tempfile::tempdir() }.unwrap()
}

pub fn bytes(text: &str) -> Bytes {
    Bytes::copy_from_slice(text.as_bytes())
}

/// A commit that puts one key.
pub fn step(account: u32, expected: u64, key: &str, value: &str) -> Commit {
    let puts = vec![(bytes(key), Some(bytes(value)))];
    Commit { account, expected, head: expected + 1, puts, ..Commit::default() }
}

pub fn everything(account: u32) -> Scan {
    let (from, to) = (Bytes::new(), Bytes::new());
    Scan { account, from, to, reverse: false, entries_max: 1_000_000 }
}

pub fn page(store: &dyn Store, scan: Scan) -> Vec<(String, String)> {
    let text = |octets: &Bytes| String::from_utf8(octets.to_vec()).unwrap();
    let page: Page = block_on(store.scan(scan)).unwrap();
    page.iter().map(|(key, value)| (text(key), text(value))).collect()
}

pub fn value(store: &dyn Store, account: u32, key: &str) -> Option<String> {
    let value = block_on(Kv::get(store, account, bytes(key))).unwrap();
    value.map(|value| String::from_utf8(value.to_vec()).unwrap())
}

pub fn blob(store: &dyn Store, account: u32, blob: u64) -> Option<Bytes> {
    block_on(Blobs::get(store, BlobId { account, blob }, 0..u64::MAX)).unwrap()
}

/// All of it.
pub fn run(new: &dyn Fn() -> Box<dyn Place>) {
    empty(&*new().open());
    commits_in_order(&*new().open());
    a_conflict_changes_nothing(&*new().open());
    pipelined(&*new().open());
    pipelined_behind_a_conflict(&*new().open());
    the_last_put_of_a_key_wins(&*new().open());
    scans(&*new().open());
    keys_of_any_octets(&*new().open());
    accounts_are_apart(&*new().open());
    blobs(&*new().open());
    erased(&*new().open());
    many_tasks(&new().open());
    if new().lasts() {
        reopened(&*new());
    }
}

fn empty(store: &dyn Store) {
    assert_eq!(block_on(store.head(7)), Ok(0));
    assert_eq!(value(store, 7, "a"), None);
    assert_eq!(page(store, everything(7)), []);
    assert_eq!(blob(store, 7, 1), None);
    assert_eq!(block_on(store.accounts(None, 10)), Ok(vec![]));
    assert_eq!(block_on(Blobs::list(store, 7, None, 10)), Ok(vec![]));
    assert_eq!(block_on(store.erase(7)), Ok(()));
}

fn commits_in_order(store: &dyn Store) {
    for n in 0..20 {
        block_on(store.commit(step(1, n, "n", &n.to_string()))).unwrap();
        assert_eq!(block_on(store.head(1)), Ok(n + 1));
        assert_eq!(value(store, 1, "n"), Some(n.to_string()));
    }
    // A head may leap.
    let leap = Commit { account: 1, expected: 20, head: 500, ..Commit::default() };
    block_on(store.commit(leap)).unwrap();
    assert_eq!(block_on(store.head(1)), Ok(500));
}

fn a_conflict_changes_nothing(store: &dyn Store) {
    block_on(store.commit(step(1, 0, "a", "first"))).unwrap();
    for expected in [0, 2, 9] {
        let mut commit = step(1, expected, "a", "second");
        commit.blobs = vec![(5, bytes("body"))];
        assert_eq!(block_on(store.commit(commit)), Err(Error::Conflict { head: 1 }));
    }
    assert_eq!(value(store, 1, "a"), Some("first".into()));
    assert_eq!(blob(store, 1, 5), None);
    assert_eq!(block_on(store.head(1)), Ok(1));
}

fn pipelined(store: &dyn Store) {
    let made: Vec<_> =
        (0..300).map(|n| store.commit(step(1, n, &format!("{n:04}"), &n.to_string()))).collect();
    for done in made {
        block_on(done).unwrap();
    }
    assert_eq!(block_on(store.head(1)), Ok(300));
    assert_eq!(page(store, everything(1)).len(), 300);
}

fn pipelined_behind_a_conflict(store: &dyn Store) {
    block_on(store.commit(step(1, 0, "a", "0"))).unwrap();
    let made: Vec<_> =
        [5, 6, 7].map(|expected| store.commit(step(1, expected, "a", "lost"))).into();
    for done in made {
        assert_eq!(block_on(done), Err(Error::Conflict { head: 1 }));
    }
    assert_eq!(value(store, 1, "a"), Some("0".into()));
}

fn the_last_put_of_a_key_wins(store: &dyn Store) {
    let puts = vec![
        (bytes("a"), Some(bytes("1"))),
        (bytes("b"), Some(bytes("1"))),
        (bytes("a"), None),
        (bytes("b"), None),
        (bytes("b"), Some(bytes("2"))),
    ];
    let commit = Commit { account: 1, expected: 0, head: 1, puts, ..Commit::default() };
    block_on(store.commit(commit)).unwrap();
    assert_eq!(page(store, everything(1)), [("b".into(), "2".into())]);
}

fn scans(store: &dyn Store) {
    let names = ["a", "aa", "ab", "b", "ba", "c"];
    let puts = names.iter().map(|name| (bytes(name), Some(bytes(&format!("v{name}"))))).collect();
    let commit = Commit { account: 1, expected: 0, head: 1, puts, ..Commit::default() };
    block_on(store.commit(commit)).unwrap();
    let keys = |from: &str, to: &str, reverse: bool, entries_max: usize| {
        let scan = Scan { account: 1, from: bytes(from), to: bytes(to), reverse, entries_max };
        let page = page(store, scan);
        assert!(page.iter().all(|(key, value)| *value == format!("v{key}")));
        page.into_iter().map(|(key, _)| key).collect::<Vec<_>>()
    };
    assert_eq!(keys("", "", false, 100), names);
    assert_eq!(keys("", "", true, 100), ["c", "ba", "b", "ab", "aa", "a"]);
    assert_eq!(keys("aa", "b", false, 100), ["aa", "ab"]);
    assert_eq!(keys("aa", "b", true, 100), ["ab", "aa"]);
    assert_eq!(keys("aa", "", false, 2), ["aa", "ab"]);
    assert_eq!(keys("", "c", true, 2), ["ba", "b"]);
    assert_eq!(keys("", "", false, 0), Vec::<String>::new());
    assert_eq!(keys("b", "b", false, 9), Vec::<String>::new());
    assert_eq!(keys("c", "a", false, 9), Vec::<String>::new());
    assert_eq!(keys("d", "", false, 9), Vec::<String>::new());
}

fn keys_of_any_octets(store: &dyn Store) {
    let keys: Vec<Bytes> = [
        vec![],
        vec![0],
        vec![0, 0],
        vec![1],
        vec![2, 0, 0, 0, 0, 0, 0, 0, 1],
        vec![0xff],
        vec![0xff, 1],
        vec![0xff; 40],
    ]
    .into_iter()
    .map(Bytes::from)
    .collect();
    // The first body kept 0xff for itself; a caller's keys begin with tags that are letters.
    let keys = if store_keeps_ff(store) { keys[..5].to_vec() } else { keys };
    let puts = keys.iter().map(|key| (key.clone(), Some(key.clone()))).collect();
    let blobs = vec![(1, bytes("body"))];
    let commit = Commit { account: 9, expected: 0, head: 1, puts, blobs, ..Commit::default() };
    block_on(store.commit(commit)).unwrap();
    let found: Page = block_on(store.scan(everything(9))).unwrap();
    assert_eq!(found.iter().map(|(key, _)| key.clone()).collect::<Vec<_>>(), keys);
    assert!(found.iter().all(|(key, value)| key == value));
    let found = block_on(store.get_many(9, keys.clone())).unwrap();
    assert_eq!(found, keys.into_iter().map(Some).collect::<Vec<_>>());
    assert_eq!(blob(store, 9, 1), Some(bytes("body")));
}

fn store_keeps_ff(store: &dyn Store) -> bool {
    block_on(store.commit(step(8, 0, "a", "b"))).unwrap();
    block_on(Kv::get(store, 8, Bytes::from_static(&[0xff, 1]))).unwrap().is_some()
}

fn accounts_are_apart(store: &dyn Store) {
    for account in [0, 1, 255, 256, u32::MAX] {
        let mut commit = step(account, 0, "k", &account.to_string());
        commit.blobs = vec![(3, bytes(&format!("blob of {account}")))];
        block_on(store.commit(commit)).unwrap();
    }
    block_on(store.put(BlobId { account: 77, blob: 1 }, bytes("no head"))).unwrap();
    for account in [0, 1, 255, 256, u32::MAX] {
        assert_eq!(page(store, everything(account)), [("k".into(), account.to_string())]);
        assert_eq!(blob(store, account, 3), Some(bytes(&format!("blob of {account}"))));
    }
    assert_eq!(block_on(store.accounts(None, 9)), Ok(vec![0, 1, 255, 256, u32::MAX]));
    assert_eq!(block_on(store.accounts(Some(1), 2)), Ok(vec![255, 256]));
    assert_eq!(block_on(store.accounts(Some(256), 9)), Ok(vec![u32::MAX]));
    assert_eq!(block_on(store.accounts(Some(u32::MAX), 9)), Ok(vec![]));
}

fn blobs(store: &dyn Store) {
    let id = BlobId { account: 1, blob: 10 };
    block_on(store.put(id, bytes("0123456789"))).unwrap();
    let mut commit = step(1, 0, "k", "v");
    commit.blobs = vec![(11, Bytes::from(vec![b'x'; 300_000])), (12, Bytes::new())];
    block_on(store.commit(commit)).unwrap();
    let part = |range| block_on(Blobs::get(store, id, range)).unwrap().unwrap();
    assert_eq!(part(0..10), bytes("0123456789"));
    assert_eq!(part(3..5), bytes("34"));
    assert_eq!(part(8..100), bytes("89"));
    assert_eq!(part(50..100), Bytes::new());
    assert_eq!(part(7..7), Bytes::new());
    assert_eq!(block_on(store.size(id)), Ok(Some(10)));
    assert_eq!(block_on(store.size(BlobId { blob: 11, ..id })), Ok(Some(300_000)));
    assert_eq!(block_on(store.size(BlobId { blob: 12, ..id })), Ok(Some(0)));
    assert_eq!(block_on(store.size(BlobId { blob: 13, ..id })), Ok(None));
    assert_eq!(blob(store, 1, 11).unwrap().len(), 300_000);
    assert_eq!(blob(store, 1, 12), Some(Bytes::new()));
    assert_eq!(block_on(Blobs::list(store, 1, None, 9)), Ok(vec![10, 11, 12]));
    assert_eq!(block_on(Blobs::list(store, 1, Some(10), 1)), Ok(vec![11]));
    assert_eq!(block_on(Blobs::list(store, 1, Some(u64::MAX), 1)), Ok(vec![]));
    let drops = vec![11, 99];
    let commit = Commit { account: 1, expected: 1, head: 2, drops, ..Commit::default() };
    block_on(store.commit(commit)).unwrap();
    block_on(store.delete(id)).unwrap();
    assert_eq!(blob(store, 1, 11), None);
    assert_eq!(blob(store, 1, 10), None);
    assert_eq!(block_on(Blobs::list(store, 1, None, 9)), Ok(vec![12]));
    assert_eq!(page(store, everything(1)), [("k".into(), "v".into())]);
}

fn erased(store: &dyn Store) {
    for account in [1, 2, 3] {
        let mut commit = step(account, 0, "k", "v");
        commit.blobs = vec![(1, bytes("body"))];
        block_on(store.commit(commit)).unwrap();
    }
    // Erased in the middle of what is on its way: the order of the calls is kept.
    let before = store.commit(step(2, 1, "k2", "v2"));
    let erased = store.erase(2);
    let after = store.commit(step(2, 0, "anew", "v3"));
    let stale = store.commit(step(2, 2, "k2", "v2"));
    assert_eq!(block_on(before), Ok(()));
    assert_eq!(block_on(erased), Ok(()));
    assert_eq!(block_on(after), Ok(()));
    assert_eq!(block_on(stale), Err(Error::Conflict { head: 1 }));
    assert_eq!(page(store, everything(2)), [("anew".into(), "v3".into())]);
    assert_eq!(blob(store, 2, 1), None);
    block_on(store.erase(3)).unwrap();
    assert_eq!(block_on(store.head(3)), Ok(0));
    assert_eq!(block_on(store.accounts(None, 9)), Ok(vec![1, 2]));
    assert_eq!(blob(store, 1, 1), Some(bytes("body")));
}

/// Tasks that commit to accounts of their own at once; each sees its own writes at once.
fn many_tasks(store: &Arc<dyn Store>) {
    let tasks: Vec<_> = (0..8)
        .map(|account| {
            let store = Arc::clone(store);
            std::thread::spawn(move || {
                for n in 0..50 {
                    let mut commit = step(account, n, &n.to_string(), "v");
                    commit.blobs = vec![(n, bytes(&n.to_string()))];
                    block_on(store.commit(commit)).unwrap();
                    assert_eq!(value(&*store, account, &n.to_string()), Some("v".into()));
                    assert_eq!(blob(&*store, account, n), Some(bytes(&n.to_string())));
                }
            })
        })
        .collect();
    for task in tasks {
        task.join().unwrap();
    }
    assert_eq!(block_on(store.accounts(None, 100)).unwrap().len(), 8);
}

fn reopened(place: &dyn Place) {
    let mut expected = 0;
    for round in 0..4u64 {
        let store = place.open();
        assert_eq!(block_on(store.head(1)), Ok(expected));
        assert_eq!(page(&*store, everything(1)).len() as u64, expected);
        for blob_number in 0..expected {
            let found = blob(&*store, 1, blob_number).unwrap();
            assert_eq!(found, bytes(&"b".repeat(blob_number as usize * 100)));
        }
        let made: Vec<_> = (expected..expected + 10)
            .map(|n| {
                let mut commit = step(1, n, &n.to_string(), &round.to_string());
                commit.blobs = vec![(n, bytes(&"b".repeat(n as usize * 100)))];
                store.commit(commit)
            })
            .collect();
        for done in made {
            block_on(done).unwrap();
        }
        expected += 10;
        place.close(store);
    }
}
