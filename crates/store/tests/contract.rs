//! The contract suite over every body, and the same random work on each of them and in memory.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod fjall_only;
mod suite;

use bytes::Bytes;
use fjall_only::FjallOnly;
use proptest::prelude::*;
use std::sync::Arc;
use store::{BlobId, Commit, Embedded, LocalBus, Memory, Options, oneshot::block_on};
use suite::{Place, Store, everything, folder};

struct InMemory;
impl Place for InMemory {
    fn open(&self) -> Arc<dyn Store> {
        Arc::new(Memory::new())
    }
    fn lasts(&self) -> bool {
        false
    }
}

struct Fjall(tempfile::TempDir);
impl Place for Fjall {
    fn open(&self) -> Arc<dyn Store> {
        FjallOnly::open(self.0.path()).unwrap()
    }
}

struct Log(tempfile::TempDir);
impl Place for Log {
    fn open(&self) -> Arc<dyn Store> {
        Embedded::open(self.0.path(), Options::small()).unwrap()
    }
}

#[test]
fn memory() {
    suite::run(&|| Box::new(InMemory));
}

#[test]
fn fjall_alone() {
    suite::run(&|| Box::new(Fjall(tempfile::tempdir().unwrap())));
}

#[test]
fn embedded() {
    suite::run(&|| Box::new(Log(tempfile::tempdir().unwrap())));
}

#[test]
fn bus() {
    use std::sync::Mutex;
    use store::Bus;
    let bus = LocalBus::default();
    let heard = Arc::new(Mutex::new(Vec::new()));
    let hear = |who: u8| {
        let heard = Arc::clone(&heard);
        bus.subscribe(Box::new(move |account, head| {
            heard.lock().unwrap().push((who, account, head));
        }))
    };
    let (first, second) = (hear(1), hear(2));
    bus.publish(7, 3);
    drop(first);
    bus.publish(7, 4);
    drop(second);
    bus.publish(7, 5);
    assert_eq!(*heard.lock().unwrap(), [(1, 7, 3), (2, 7, 3), (2, 7, 4)]);
}

#[derive(Clone, Debug)]
enum Work {
    Commit { account: u32, puts: Vec<(u8, Option<u16>)>, blob: Option<u16>, drops: Vec<u8> },
    Put { account: u32, blob: u8, size: u16 },
    Delete { account: u32, blob: u8 },
    Erase { account: u32 },
    Checkpoint,
    Clean,
    Reopen,
}

fn work() -> impl Strategy<Value = Work> {
    let account = 0..3u32;
    let puts = prop::collection::vec((any::<u8>(), prop::option::of(0..600u16)), 0..6);
    let drops = prop::collection::vec(any::<u8>(), 0..3);
    prop_oneof![
        20 => (account.clone(), puts, prop::option::of(0..30_000u16), drops)
            .prop_map(|(account, puts, blob, drops)| Work::Commit { account, puts, blob, drops }),
        3 => (account.clone(), any::<u8>(), 0..30_000u16)
            .prop_map(|(account, blob, size)| Work::Put { account, blob, size }),
        3 => (account.clone(), any::<u8>())
            .prop_map(|(account, blob)| Work::Delete { account, blob }),
        1 => account.prop_map(|account| Work::Erase { account }),
        1 => Just(Work::Checkpoint),
        2 => Just(Work::Clean),
        2 => Just(Work::Reopen),
    ]
}

/// Does one piece of work on a store. `turn` makes values and blob numbers unlike all others.
fn perform(store: &dyn Store, work: &Work, turn: usize) {
    match work {
        Work::Commit { account, puts, blob, drops } => {
            let expected = block_on(store.head(*account)).unwrap();
            let value = |size: u16| Bytes::from(vec![turn as u8; size as usize]);
            let before = |back: u8| (1000 + turn as u64).saturating_sub(u64::from(back) + 1);
            let key = |name: u8| Bytes::from(format!("key {}", name % 40));
            let commit = Commit {
                account: *account,
                expected,
                head: expected + 1,
                puts: puts.iter().map(|(name, size)| (key(*name), size.map(value))).collect(),
                blobs: blob.iter().map(|size| (1000 + turn as u64, value(*size))).collect(),
                drops: drops.iter().map(|back| before(*back)).collect(),
            };
            block_on(store.commit(commit)).unwrap();
        }
        Work::Put { account, blob, size } => {
            let id = BlobId { account: *account, blob: u64::from(*blob) };
            // A blob is immutable and never reused, so the same octets are what a caller may send.
            if block_on(store.size(id)).unwrap().is_none() {
                block_on(store.put(id, Bytes::from(vec![*blob; *size as usize]))).unwrap();
            }
        }
        Work::Delete { account, blob } => {
            block_on(store.delete(BlobId { account: *account, blob: u64::from(*blob) })).unwrap();
        }
        Work::Erase { account } => block_on(store.erase(*account)).unwrap(),
        Work::Checkpoint | Work::Clean | Work::Reopen => {}
    }
}

fn same(left: &dyn Store, right: &dyn Store) {
    assert_eq!(block_on(left.accounts(None, 99)), block_on(right.accounts(None, 99)));
    for account in 0..3 {
        assert_eq!(block_on(left.head(account)), block_on(right.head(account)));
        let pages = [left, right].map(|store| block_on(store.scan(everything(account))).unwrap());
        assert_eq!(pages[0], pages[1], "account {account}");
        let lists = [left, right].map(|store| block_on(store.list(account, None, 999)).unwrap());
        assert_eq!(lists[0], lists[1], "blobs of account {account}");
        for blob in &lists[0] {
            let blobs = [left, right].map(|store| suite::blob(store, account, *blob));
            assert_eq!(blobs[0], blobs[1], "blob {blob} of account {account}");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    /// Whatever is done, with the cleaner at work and the store opened anew in between, the answers
    /// are those of the store in memory; and the log alone gives the same index in the end.
    #[test]
    fn embedded_is_as_memory(works in prop::collection::vec(work(), 1..120)) {
        let folder = folder();
        let options = Options {
            value_inline_octets_max: 300,
            clean_octets_per_second: 1 << 30,
            checkpoint_octets: 40 << 10,
            ..Options::small()
        };
        let model = Memory::new();
        let mut store = Embedded::open(folder.path(), options.clone()).unwrap();
        for (turn, work) in works.iter().enumerate() {
            perform(&model, work, turn);
            perform(&*store, work, turn);
            match work {
                Work::Checkpoint => store.checkpoint().unwrap(),
                Work::Clean => { store.clean().unwrap(); }
                Work::Reopen => {
                    store.close();
                    store = Embedded::open(folder.path(), options.clone()).unwrap();
                    prop_assert!(store.report().is_clean());
                }
                _ => {}
            }
        }
        same(&model, &*store);
        store.close();
        let report = store::embedded::check(folder.path(), &options).unwrap();
        prop_assert!(report.is_clean(), "{report}");
        store::embedded::rebuild(folder.path(), &options).unwrap();
        same(&model, &*Embedded::open(folder.path(), options).unwrap());
    }
}
