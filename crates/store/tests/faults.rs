//! The n-th operation fails, for n = 1, 2, 3 … until the work passes; each time the store is opened
//! again on good ground: what was acknowledged is there, nothing is there by halves.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, missing_docs)]

mod suite;

use bytes::Bytes;
use std::sync::Arc;
use store::{
    BlobId, Blobs, Commit, Embedded, Error, Kv, Memory, Options,
    faulty::{Fault, Faulty, FaultyDisk, When},
    oneshot::block_on,
};
use suite::{blob, everything, folder, page, value};

const ACCOUNTS: u32 = 3;
const ROUNDS: u64 = 6;

fn options() -> Options {
    Options {
        segment_octets_first: 4 << 10,
        segment_octets_max: 8 << 10,
        clean_octets_per_second: 1 << 40,
        reserve_octets: 0,
        ..Options::small()
    }
}

fn body(account: u32, n: u64) -> Bytes {
    Bytes::from(vec![(u64::from(account) * 7 + n) as u8; 200 + (n as usize * 137) % 900])
}

/// Commit n puts its own key, changes one, takes one back, brings a blob and drops an older one.
fn commit(account: u32, n: u64) -> Commit {
    let key = |n: u64| Bytes::from(format!("k{n:03}"));
    let text = Bytes::from(n.to_string());
    Commit {
        account,
        expected: n - 1,
        head: n,
        puts: vec![
            (Bytes::from_static(b"last"), Some(text.clone())),
            (key(n), Some(text)),
            (key(n.saturating_sub(4)), None),
        ],
        blobs: vec![(n, body(account, n))],
        drops: n.checked_sub(3).into_iter().collect(),
    }
}

/// What commits 1 to `head` leave.
fn is_whole(store: &Embedded, account: u32, head: u64) {
    let keys = (head.saturating_sub(3)..=head).filter(|n| *n > 0);
    let mut expected: Vec<_> = keys.map(|n| (format!("k{n:03}"), n.to_string())).collect();
    if head > 0 {
        expected.push(("last".into(), head.to_string()));
    }
    assert_eq!(page(store, everything(account)), expected, "account {account} at {head}");
    let blobs: Vec<u64> = (head.saturating_sub(2)..=head).filter(|n| *n > 0).collect();
    assert_eq!(block_on(store.list(account, None, 99)).unwrap(), blobs);
    for n in blobs {
        assert_eq!(blob(store, account, n), Some(body(account, n)));
    }
}

/// Commits until something fails; gives what was acknowledged and the first error.
fn work(store: &Embedded, acknowledged: &mut [u64], rounds: u64) -> Result<(), Error> {
    for round in 0..rounds {
        let mut made = Vec::new();
        for account in 0..ACCOUNTS {
            let head = acknowledged[account as usize];
            for n in head + 1..=head + 3 {
                made.push((account, n, store.commit(commit(account, n))));
            }
        }
        let mut failed = Ok(());
        for (account, n, done) in made {
            match block_on(done) {
                Ok(()) => {
                    assert_eq!(acknowledged[account as usize] + 1, n, "out of order");
                    acknowledged[account as usize] = n;
                }
                Err(error) => failed = failed.and(Err(error)),
            }
        }
        failed?;
        if round % 2 == 1 {
            store.clean()?;
        }
    }
    Ok(())
}

/// Runs the work with a fault planned, then checks. Gives whether the fault was met.
fn once(nth: u64, fault: Fault, seed: u64) -> bool {
    let (folder, disk) = (folder(), FaultyDisk::new());
    disk.fail(nth, fault);
    let mut acknowledged = [0; ACCOUNTS as usize];
    if let Ok(store) = Embedded::open_on(folder.path(), Arc::new(disk.clone()), options()) {
        let done = work(&store, &mut acknowledged, ROUNDS);
        if let Err(error) = &done {
            assert!(disk.hit(), "{error} without a fault");
            let again = block_on(store.commit(commit(9, 1)));
            if *error == Error::Poisoned {
                assert_eq!(again, Err(Error::Poisoned));
            }
        }
        store.close();
    }
    let hit = disk.hit();
    if fault == Fault::Power {
        disk.cut_power(seed);
    }
    disk.heal();
    if seed % 2 == 1 {
        // Without its index a store has the same to say.
        let _ = std::fs::remove_dir_all(folder.path().join("index"));
    }
    let what = format!("fault {fault:?} at {nth}, seed {seed}");
    let store = Embedded::open_on(folder.path(), Arc::new(disk.clone()), options()).expect(&what);
    assert!(store.report().is_clean(), "{what}: {}", store.report());
    for account in 0..ACCOUNTS {
        let head = block_on(store.head(account)).unwrap();
        assert!(head >= acknowledged[account as usize], "{what}: lost, account {account}");
        is_whole(&store, account, head);
        acknowledged[account as usize] = head;
    }
    work(&store, &mut acknowledged, 1).expect(&what);
    store.close();
    hit
}

fn all(fault: Fault, seed: u64) {
    let mut nth = 1;
    while once(nth, fault, seed) {
        nth += 1;
    }
    assert!(nth > 100, "only {nth} operations were tried");
}

#[test]
fn the_nth_operation_fails() {
    all(Fault::Error, 0);
}

#[test]
fn the_nth_operation_fails_and_the_index_is_lost() {
    all(Fault::Error, 1);
}

#[test]
fn the_nth_write_is_short() {
    all(Fault::Short, 0);
}

#[test]
fn the_power_is_cut_and_all_since_the_last_sync_is_lost() {
    all(Fault::Power, 0);
}

#[test]
fn the_power_is_cut_and_some_sectors_were_written() {
    all(Fault::Power, 2);
    all(Fault::Power, 7);
}

/// No room from the n-th operation on: what was refused is not there, and when there is room again
/// the same store goes on.
#[test]
fn the_disk_is_full_from_the_nth_operation_on() {
    for nth in 1.. {
        let (folder, disk) = (folder(), FaultyDisk::new());
        disk.fail(nth, Fault::Full);
        let mut acknowledged = [0; ACCOUNTS as usize];
        let store = Embedded::open_on(folder.path(), Arc::new(disk.clone()), options()).unwrap();
        let done = work(&store, &mut acknowledged, ROUNDS);
        if let Err(error) = &done {
            assert!(
                matches!(error, Error::Full | Error::Conflict { .. }),
                "operation {nth}: {error}"
            );
        }
        for account in 0..ACCOUNTS {
            is_whole(&store, account, acknowledged[account as usize]);
        }
        let hit = disk.hit();
        disk.heal();
        work(&store, &mut acknowledged, 1).unwrap();
        store.close();
        let store = Embedded::open_on(folder.path(), Arc::new(disk.clone()), options()).unwrap();
        assert!(store.report().is_clean());
        for account in 0..ACCOUNTS {
            is_whole(&store, account, acknowledged[account as usize]);
        }
        if !hit {
            assert!(nth > 50);
            break;
        }
    }
}

/// A commit of which many fit into a few sectors.
fn small(n: u64) -> Commit {
    let puts = vec![(Bytes::from(format!("{n:03}")), Some(Bytes::from(vec![b'x'; 200])))];
    Commit { account: 1, expected: n - 1, head: n, puts, ..Commit::default() }
}

/// Behind a torn frame whole ones may lie, which nobody was told of. What is written over the torn
/// one must not bring them back.
#[test]
fn what_was_cut_does_not_come_back() {
    let mut cut = 0;
    for seed in 1..300 {
        let (place, disk) = (folder(), FaultyDisk::new());
        let store = Embedded::open_on(place.path(), Arc::new(disk.clone()), options()).unwrap();
        block_on(store.commit(small(1))).unwrap();
        // A write is done, its sync is not; the later ones have more of what was on its way.
        disk.fail(2 + seed % 4 * 2, Fault::Power);
        let held: Vec<_> = (2..=30).map(|n| store.commit(small(n))).collect();
        let failed = held.into_iter().filter_map(|done| block_on(done).err()).count();
        store.close();
        if failed == 0 {
            continue;
        }
        disk.cut_power(seed);
        let store = Embedded::open_on(place.path(), Arc::new(disk.clone()), options()).unwrap();
        let head = block_on(store.head(1)).unwrap();
        cut += u64::from(store.report().torn_octets > 0);
        // As long as the one that was torn.
        block_on(store.commit(small(head + 1))).unwrap();
        // Killed here: what is on the disk, without the store's knowledge.
        let found = Embedded::open_on(folder().path(), Arc::new(disk.copy()), options()).unwrap();
        assert!(found.report().is_clean(), "seed {seed}: {}", found.report());
        assert_eq!(block_on(found.head(1)), Ok(head + 1), "seed {seed}");
    }
    assert!(cut > 50, "{cut}");
}

#[test]
fn a_failed_sync_poisons() {
    let mut poisoned = 0;
    for nth in 1..60 {
        let (folder, disk) = (folder(), FaultyDisk::new());
        let store = Embedded::open_on(folder.path(), Arc::new(disk.clone()), options()).unwrap();
        disk.fail(nth, Fault::Error);
        let mut acknowledged = [0; ACCOUNTS as usize];
        if work(&store, &mut acknowledged, ROUNDS).is_err_and(|e| e == Error::Poisoned) {
            poisoned += 1;
            disk.heal();
            // Good ground does not help: what the disk holds is unknown.
            for account in 0..ACCOUNTS {
                let next = acknowledged[account as usize] + 1;
                assert_eq!(block_on(store.commit(commit(account, next))), Err(Error::Poisoned));
                let read = value(&*store, account, "last");
                assert_eq!(read.is_some(), acknowledged[account as usize] > 0, "reads go on");
            }
            assert!(store.stats().poisoned);
        }
    }
    assert!(poisoned > 5, "{poisoned}");
}

/// Damage in the middle costs what it hits and is named; everything behind it is still there.
#[test]
fn damage_is_named_and_skipped() {
    let (place, disk) = (folder(), FaultyDisk::new());
    let store = Embedded::open_on(place.path(), Arc::new(disk.clone()), options()).unwrap();
    let mut acknowledged = [0; ACCOUNTS as usize];
    work(&store, &mut acknowledged, 1).unwrap();
    store.close();
    let frames = store.report().frames;
    drop(store);
    assert_eq!(frames, 0);
    let mut named = 0;
    for offset in (0..4096).step_by(61) {
        let disk = disk.copy();
        assert!(disk.spoil("0000000001.seg", offset));
        let place = folder();
        let store = Embedded::open_on(place.path(), Arc::new(disk), options()).unwrap();
        let report = store.report();
        named += u64::from(!report.is_clean());
        let lost = report.damage.len() as u64;
        assert!(report.frames + 1 >= 9, "offset {offset}: {report}");
        assert!(lost <= 2, "offset {offset}: {report}");
        // Keys of accounts that were not hit are all there.
        let whole = (0..ACCOUNTS).filter(|account| {
            page(&*store, everything(*account)).len() == 4
                && block_on(store.list(*account, None, 9)).unwrap().len() == 3
                && (1..=3).all(|n| {
                    let id = BlobId { account: *account, blob: n };
                    block_on(Blobs::get(&*store, id, 0..9999)).is_ok()
                })
        });
        assert!(whole.count() >= 2, "offset {offset}");
    }
    assert!(named > 20, "{named}");
}

/// The trait-level body, for those above: a failed write poisons, a healed store knows the truth.
#[test]
fn faulty_over_memory() {
    for when in [When::Before, When::After] {
        for nth in 1.. {
            let store = Faulty::new(Arc::new(Memory::new()));
            store.fail(nth, when);
            let mut acknowledged = 0;
            let mut failed = false;
            for n in 1..=5 {
                match block_on(store.commit(commit(1, n))) {
                    Ok(()) => acknowledged = n,
                    Err(_) => failed = true,
                }
                let _ = block_on(Kv::get(&store, 1, Bytes::from_static(b"last")));
            }
            let hit = store.operations() >= nth;
            store.heal();
            let head = block_on(store.head(1)).unwrap();
            let unknown = u64::from(failed && when == When::After);
            assert!(head == acknowledged || head == acknowledged + unknown);
            if !hit {
                break;
            }
        }
    }
}
