//! Flags of many messages written as one value: what a restart finds is what was seen before it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use account::{FlagChange, FlagOp, MailboxName, Numbers, Row, check};
use mail::{NumberSet, SystemFlags};
use store::{Kv as _, Scan};
use support::{Bench, all, flags, letters, run};

const MESSAGES: u32 = 40;

fn rows(bench: &Bench) -> Vec<Row> {
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    let mut view = bench.ana.select(inbox, true).unwrap();
    let mut rows = view.rows(&all(), Numbers::Uid, 1, usize::MAX);
    // Told to the first session alone.
    rows.iter_mut().for_each(|row| row.recent = false);
    rows
}

/// Keys of one kind in the account.
fn keys(bench: &Bench, tag: u8) -> usize {
    let scan = Scan {
        account: bench.ana.id().0,
        from: vec![tag].into(),
        to: vec![tag + 1].into(),
        reverse: false,
        entries_max: usize::MAX,
    };
    run(bench.store.memory.scan(scan)).unwrap().len()
}

fn agree(bench: &Bench) -> Bench {
    let before = (rows(bench), bench.ana.mailbox(&MailboxName::inbox()).unwrap());
    let again = bench.reopened();
    let mut info = again.ana.mailbox(&MailboxName::inbox()).unwrap();
    info.recent = before.1.recent;
    assert_eq!((rows(&again), info), before);
    let report = run(check::account(&again.accounts, again.ana.id())).unwrap();
    assert_eq!(report.breaches, 0, "{report:?}");
    again
}

#[test]
fn a_change_of_many_is_one_value() {
    let bench = Bench::new();
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    run(bench.ana.append(inbox, letters(1..=MESSAGES))).unwrap();
    let written = |bench: &Bench| (keys(bench, b'B'), keys(bench, b'F'));
    assert_eq!(written(&bench), (0, 40));
    let mut view = bench.ana.select(inbox, false).unwrap();
    let seen = support::change(FlagOp::Add, SystemFlags::SEEN);
    let one = NumberSet::of([(1, 1)]);
    run(view.store(&one, Numbers::Uid, &seen)).unwrap();
    assert_eq!(keys(&bench, b'B'), 0, "one message is not many");
    run(view.store(&all(), Numbers::Uid, &seen)).unwrap();
    assert_eq!(keys(&bench, b'B'), 1);
    let bench = agree(&bench);
    assert_eq!(bench.ana.mailbox_by_id(inbox).unwrap().unseen, 0);
}

/// Ranges that overlap, single changes, deletions and expunges between them, and more bulks than a
/// mailbox keeps.
#[test]
fn later_values_go_before_earlier_ones() {
    let mut bench = Bench::new();
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    run(bench.ana.append(inbox, letters(1..=MESSAGES))).unwrap();
    for round in 0..60_u32 {
        let mut view = bench.ana.select(inbox, false).unwrap();
        let first = round * 7 % MESSAGES + 1;
        let several = NumberSet::of([(first, first + 9), (first + 12, first + 13)]);
        let op = [FlagOp::Add, FlagOp::Remove, FlagOp::Replace][round as usize % 3];
        let system = SystemFlags(1 << (round % 5));
        let keyword = format!("k{}", round % 4);
        let change = FlagChange { op, flags: flags(system, &[&keyword]), unchanged_since: None };
        run(view.store(&several, Numbers::Uid, &change)).unwrap();
        let single = NumberSet::of([(first + 3, first + 3)]);
        let back = support::change(FlagOp::Replace, SystemFlags::FLAGGED);
        run(view.store(&single, Numbers::Uid, &back)).unwrap();
        if round % 20 == 19 {
            run(view.erase(&NumberSet::of([(first, first + 1)]))).unwrap();
        }
        drop(view);
        assert!(keys(&bench, b'B') <= 17, "{} bulks", keys(&bench, b'B'));
        if round % 3 == 0 {
            bench = agree(&bench);
        }
    }
    let archive = bench.ana.mailbox(&MailboxName::parse("Archive").unwrap()).unwrap().id;
    let mut view = bench.ana.select(inbox, false).unwrap();
    run(view.copy(&all(), Numbers::Uid, archive)).unwrap();
    drop(view);
    let mut view = bench.ana.select(archive, false).unwrap();
    let deleted = support::change(FlagOp::Add, SystemFlags::DELETED);
    run(view.store(&all(), Numbers::Uid, &deleted)).unwrap();
    drop(view);
    let bulks = keys(&bench, b'B');
    let bench = agree(&bench);
    run(bench.ana.delete(&MailboxName::parse("Archive").unwrap())).unwrap();
    assert_eq!(keys(&bench, b'B'), bulks - 1, "a mailbox that is gone has none");
    agree(&bench);
}
