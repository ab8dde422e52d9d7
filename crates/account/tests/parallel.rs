//! Many threads on one account over the embedded store: nobody waits for ever, everything that was
//! acknowledged is there after a restart, sessions count right.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use account::{Account, Accounts, FlagOp, MailboxName, MasterKey, Numbers, Update};
use mail::{MessageId, NumberSet, SystemFlags};
use std::{
    collections::BTreeSet,
    path::Path,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use store::{Embedded, LocalBus};
use support::{Set, all, change, letters, options, person, run};

const THREADS: u32 = 6;
const ROUNDS: u32 = 100;

fn open(folder: &Path) -> (Arc<Embedded>, Arc<Accounts>) {
    let store = Embedded::open(folder, store::Options::default()).unwrap();
    let (kv, blobs) = (Arc::clone(&store), Arc::clone(&store));
    let (bus, clock) = (Arc::new(LocalBus::default()), Arc::new(Set::default()));
    let opening = Accounts::open(kv, blobs, bus, MasterKey([7; 32]), clock, options());
    let accounts = run(opening).unwrap();
    (store, accounts)
}

/// Appends, flags, copies, moves, expunges; gives what was acknowledged as appended.
fn work(account: &Arc<Account>, thread: u32) -> Vec<MessageId> {
    let id = |name: &str| account.mailbox(&MailboxName::parse(name).unwrap()).unwrap().id;
    let (inbox, archive) = (id("INBOX"), id("Archive"));
    let mut made = Vec::new();
    for round in 0..ROUNDS {
        let number = thread * 1_000 + round * 4;
        let appended = run(account.append(inbox, letters(number..=number + 1))).unwrap();
        made.extend(appended.messages);
        let uids = NumberSet::of_numbers(appended.uids.iter().map(|uid| uid.0));
        let mut view = account.select(inbox, false).unwrap();
        let op = if round % 2 == 0 { FlagOp::Add } else { FlagOp::Replace };
        run(view.store(&uids, Numbers::Uid, &change(op, SystemFlags::SEEN))).unwrap();
        match round % 4 {
            0 => drop(run(view.copy(&uids, Numbers::Uid, archive)).unwrap()),
            1 => drop(run(view.move_to(&uids, Numbers::Uid, archive)).unwrap()),
            2 => drop(run(view.erase(&uids)).unwrap()),
            _ => {
                let name = MailboxName::parse(&format!("t{thread}/{round}")).unwrap();
                run(account.create(&name, None)).unwrap();
            }
        }
    }
    made
}

/// A session that is told until all is done, and counts.
fn listen(account: &Arc<Account>, done: &AtomicBool) {
    let inbox = account.mailbox(&MailboxName::inbox()).unwrap().id;
    let mut view = account.select(inbox, true).unwrap();
    let rows = view.rows(&all(), Numbers::Sequence, 1, usize::MAX);
    let mut told: Vec<u32> = rows.iter().map(|row| row.uid.0).collect();
    loop {
        run(view.wait());
        for update in view.poll(true) {
            match update {
                Update::Expunged(gone) => {
                    for (sequence, uid) in gone {
                        assert_eq!(told.remove(sequence as usize - 1), uid.0);
                    }
                }
                Update::Exists { exists, .. } => {
                    let rows = view.rows(&all(), Numbers::Sequence, 1, usize::MAX);
                    let now: Vec<u32> = rows.iter().map(|row| row.uid.0).collect();
                    assert!(now.starts_with(&told) && now.len() == exists as usize);
                    told = now;
                }
                Update::Flags(row) => assert_eq!(told[row.sequence as usize - 1], row.uid.0),
                Update::Gone => return,
            }
        }
        if done.load(Ordering::SeqCst) {
            return;
        }
    }
}

#[test]
fn many_threads_on_one_account() {
    let folder = tempfile::tempdir().unwrap();
    let made: BTreeSet<MessageId> = {
        let (store, accounts) = open(folder.path());
        let ana = run(person(&accounts, "ana@example.test"));
        let done = AtomicBool::new(false);
        let made = thread::scope(|scope| {
            let ana = &ana;
            let workers: Vec<_> =
                (0..THREADS).map(|thread| scope.spawn(move || work(ana, thread))).collect();
            let listeners: Vec<_> = (0..2).map(|_| scope.spawn(|| listen(ana, &done))).collect();
            let made = workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
            done.store(true, Ordering::SeqCst);
            // One more change, so that the last listener hears of the end.
            let inbox = ana.mailbox(&MailboxName::inbox()).unwrap().id;
            run(ana.append(inbox, letters(9_000..=9_000))).unwrap();
            listeners.into_iter().for_each(|listener| listener.join().unwrap());
            made
        });
        drop((ana, accounts));
        store.close();
        made
    };
    assert_eq!(made.len() as u32, THREADS * ROUNDS * 2, "no id twice");
    let (store, accounts) = open(folder.path());
    let ana = run(person(&accounts, "ana@example.test"));
    let report = run(account::check::all(&accounts)).unwrap();
    assert_eq!(report.told, Vec::<String>::new());
    let ids: Vec<MessageId> = made.into_iter().collect();
    let records = run(ana.records(&ids)).unwrap();
    assert!(records.iter().all(Option::is_some), "expunged mail is kept for the undelete time");
    let erased = run(ana.deleted()).unwrap().len() as u32;
    assert_eq!(erased, THREADS * ROUNDS / 4 * 2);
    drop((ana, accounts));
    store.close();
}

#[test]
fn changes_of_the_directory_that_meet_all_happen() {
    let folder = tempfile::tempdir().unwrap();
    let (store, accounts) = open(folder.path());
    let workers: Vec<_> = (0..THREADS)
        .map(|thread| {
            let accounts = Arc::clone(&accounts);
            thread::spawn(move || {
                for round in 0..20 {
                    let domain = mail::Domain::parse(&format!("d{round}.t{thread}.test")).unwrap();
                    run(accounts.directory().add_domain(&domain)).unwrap();
                }
            })
        })
        .collect();
    workers.into_iter().for_each(|worker| worker.join().unwrap());
    let domains = run(accounts.directory().domains()).unwrap();
    assert!(domains.len() >= THREADS as usize * 20, "{}", domains.len());
    drop(accounts);
    store.close();
}
