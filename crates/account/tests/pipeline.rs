//! Commits on their way: they compose, none loses another's change, and who gives up or fails
//! leaves an account that is whole.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use account::{Account, Error, FlagOp, MailboxInfo, MailboxName, Numbers, Update};
use mail::{MailboxId, SystemFlags, Uid};
use std::{pin::pin, sync::Arc, task::Poll};
use support::{Bench, Woken, all, change, letters, poll, poll_with, run, set};

fn inbox(account: &Account) -> MailboxInfo {
    account.mailbox(&MailboxName::inbox()).unwrap()
}

fn named(account: &Account, name: &str) -> MailboxId {
    account.mailbox(&MailboxName::parse(name).unwrap()).unwrap().id
}

/// Everything that a mailbox shows, as text.
fn shown(account: &Arc<Account>, name: &str) -> String {
    let mut view = account.select(named(account, name), true).unwrap();
    let rows = view.rows(&all(), Numbers::Uid, 1, usize::MAX);
    let line = |row: &account::Row| {
        format!("{} {} {} {:?} {:?}", row.uid, row.message, row.modseq, row.system, row.keywords)
    };
    let rows: Vec<String> = rows.iter().map(line).collect();
    let mut info = account.mailbox_by_id(view.mailbox()).unwrap();
    info.recent = 0;
    format!("{info:?}\n{}", rows.join("\n"))
}

/// What is in memory is what the store gives, and the check agrees.
fn whole(bench: &Bench) {
    let again = bench.reopened();
    let names = |account: &Account| -> Vec<String> {
        account.mailboxes().iter().map(|info| info.name.as_str().to_owned()).collect()
    };
    assert_eq!(names(&bench.ana), names(&again.ana));
    for name in names(&bench.ana) {
        assert_eq!(shown(&bench.ana, &name), shown(&again.ana, &name));
    }
    assert_eq!(bench.ana.quota(), again.ana.quota());
    let report = run(account::check::all(&again.accounts)).unwrap();
    assert_eq!(report.breaches, 0, "{:?}", report.told);
}

fn filled(count: u32) -> Bench {
    let bench = Bench::new();
    run(bench.ana.append(inbox(&bench.ana).id, letters(1..=count))).unwrap();
    bench
}

#[test]
fn an_append_and_a_new_mailbox_at_once_are_both_answered() {
    let bench = filled(1);
    bench.store.hold(true);
    let (first, second) = (Arc::new(Woken::default()), Arc::new(Woken::default()));
    let mut append = pin!(bench.ana.append(inbox(&bench.ana).id, letters(2..=2)));
    assert!(poll_with(append.as_mut(), &first).is_pending());
    let name = MailboxName::parse("New").unwrap();
    let mut create = pin!(bench.ana.create(&name, None));
    assert!(poll_with(create.as_mut(), &second).is_pending());
    bench.store.go();
    assert!(first.count() > 0, "who appended is woken");
    assert!(poll_with(append.as_mut(), &first).is_ready());
    while poll_with(create.as_mut(), &second).is_pending() {
        bench.store.go();
    }
    whole(&bench);
}

#[test]
fn flags_stored_while_a_copy_is_on_its_way_are_the_copys_too() {
    let bench = filled(2);
    let mut view = bench.ana.select(inbox(&bench.ana).id, false).unwrap();
    let mut other = bench.ana.select(inbox(&bench.ana).id, false).unwrap();
    let archive = named(&bench.ana, "Archive");
    bench.store.hold(true);
    {
        let target = set(&[1]);
        let mut copy = pin!(view.copy(&target, Numbers::Uid, archive));
        assert!(poll(copy.as_mut()).is_pending());
        let seen = change(FlagOp::Add, SystemFlags::SEEN);
        let mut store = pin!(other.store(&target, Numbers::Uid, &seen));
        assert!(poll(store.as_mut()).is_pending());
        bench.store.go_all();
        assert!(poll(copy.as_mut()).is_ready());
        assert!(poll(store.as_mut()).is_ready());
    }
    whole(&bench);
}

#[test]
fn a_message_expunged_while_its_copy_is_on_its_way_is_not_thrown_away() {
    let bench = filled(1);
    let mut view = bench.ana.select(inbox(&bench.ana).id, false).unwrap();
    let mut other = bench.ana.select(inbox(&bench.ana).id, false).unwrap();
    let archive = named(&bench.ana, "Archive");
    bench.store.hold(true);
    {
        let target = set(&[1]);
        let mut copy = pin!(view.copy(&target, Numbers::Uid, archive));
        assert!(poll(copy.as_mut()).is_pending());
        let mut erase = pin!(other.erase(&target));
        assert!(poll(erase.as_mut()).is_pending());
        bench.store.go_all();
        assert!(poll(copy.as_mut()).is_ready());
        assert!(poll(erase.as_mut()).is_ready());
    }
    bench.store.hold(false);
    assert_eq!(run(bench.ana.deleted()).unwrap(), []);
    assert_eq!(run(bench.accounts.purge(i64::MAX)).unwrap(), 0);
    whole(&bench);
}

#[test]
fn two_expunges_of_the_last_two_places_throw_the_message_away_once() {
    let bench = filled(1);
    let archive = named(&bench.ana, "Archive");
    let mut here = bench.ana.select(inbox(&bench.ana).id, false).unwrap();
    run(here.copy(&set(&[1]), Numbers::Uid, archive)).unwrap();
    let mut there = bench.ana.select(archive, false).unwrap();
    bench.store.hold(true);
    {
        let target = set(&[1]);
        let (mut one, mut two) = (pin!(here.erase(&target)), pin!(there.erase(&target)));
        assert!(poll(one.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
        bench.store.go_all();
        assert!(poll(one.as_mut()).is_ready() && poll(two.as_mut()).is_ready());
    }
    bench.store.hold(false);
    assert_eq!(run(bench.ana.deleted()).unwrap().len(), 1);
    assert_eq!(bench.ana.quota().messages_used, 0);
    whole(&bench);
    assert_eq!(run(bench.accounts.purge(i64::MAX)).unwrap(), 1);
    whole(&bench);
}

#[test]
fn nothing_is_appended_to_a_mailbox_that_is_being_deleted() {
    let bench = filled(1);
    let archive = named(&bench.ana, "Archive");
    let name = MailboxName::parse("Archive").unwrap();
    bench.store.hold(true);
    {
        let mut delete = pin!(bench.ana.delete(&name));
        assert!(poll(delete.as_mut()).is_pending());
        let mut append = pin!(bench.ana.append(archive, letters(7..=7)));
        let early = poll(append.as_mut());
        bench.store.go_all();
        assert!(poll(delete.as_mut()).is_ready());
        let late = match early {
            Poll::Ready(outcome) => outcome,
            Poll::Pending => run(append),
        };
        assert_eq!(late.unwrap_err(), account::Refused::NoSuchMailbox.into());
    }
    whole(&bench);
}

#[test]
fn a_mailbox_made_anew_has_another_uid_validity_even_after_a_restart() {
    let bench = filled(1);
    let name = MailboxName::parse("Zebra").unwrap();
    let info = |bench: &Bench| bench.ana.mailbox(&name).unwrap();
    run(bench.ana.create(&name, None)).unwrap();
    let before = info(&bench).uid_validity;
    run(bench.ana.delete(&name)).unwrap();
    let again = bench.reopened();
    run(again.ana.create(&name, None)).unwrap();
    assert!(info(&again).uid_validity > before);
}

#[test]
fn uids_and_modseqs_go_on_after_the_last_message_was_expunged_and_a_restart() {
    let bench = filled(3);
    let mut view = bench.ana.select(inbox(&bench.ana).id, false).unwrap();
    run(view.erase(&set(&[2, 3]))).unwrap();
    let before = inbox(&bench.ana);
    let again = bench.reopened();
    assert_eq!(inbox(&again.ana).uid_next, Uid(4));
    assert_eq!(inbox(&again.ana).highest_modseq, before.highest_modseq);
    whole(&bench);
}

#[test]
fn a_refused_append_leaves_no_keyword_behind() {
    let mut options = support::options();
    options.keywords_max = 1;
    let bench = Bench::with(options);
    let mut new = letters(1..=2);
    new[0].flags = support::flags(SystemFlags::NONE, &["one"]);
    new[1].flags = support::flags(SystemFlags::NONE, &["two"]);
    let both = run(bench.ana.append(inbox(&bench.ana).id, new.clone()));
    assert_eq!(both.unwrap_err(), account::Refused::Limit.into());
    new.pop();
    run(bench.ana.append(inbox(&bench.ana).id, new)).unwrap();
    whole(&bench);
}

#[test]
fn an_append_that_was_given_up_is_seen_all_the_same() {
    let bench = filled(1);
    let mut view = bench.ana.select(inbox(&bench.ana).id, false).unwrap();
    bench.store.hold(true);
    {
        let mut append = pin!(bench.ana.append(inbox(&bench.ana).id, letters(2..=2)));
        assert!(poll(append.as_mut()).is_pending());
    }
    let woken = Arc::new(Woken::default());
    {
        let mut wait = pin!(view.wait());
        assert!(poll_with(wait.as_mut(), &woken).is_pending());
        bench.store.go();
        for _ in 0..1_000 {
            if woken.count() > 0 {
                break;
            }
            std::thread::yield_now();
        }
        assert!(woken.count() > 0, "sessions hear of it");
    }
    assert!(matches!(view.poll(true)[..], [Update::Exists { exists: 2, .. }]));
    whole(&bench);
}

#[test]
fn a_view_that_was_not_polled_for_thousands_of_commits_keeps_its_numbers() {
    let bench = filled(5);
    let mut frozen = bench.ana.select(inbox(&bench.ana).id, true).unwrap();
    let mut view = bench.ana.select(inbox(&bench.ana).id, false).unwrap();
    run(view.erase(&set(&[2]))).unwrap();
    for number in 0..5_000 {
        let op = if number % 2 == 0 { FlagOp::Add } else { FlagOp::Remove };
        run(view.store(&set(&[5]), Numbers::Uid, &change(op, SystemFlags::SEEN))).unwrap();
    }
    let rows = frozen.rows(&all(), Numbers::Sequence, 1, 9);
    let uids: Vec<u32> = rows.iter().map(|row| row.uid.0).collect();
    assert_eq!(uids, [1, 2, 3, 4, 5]);
    let told = frozen.poll(true);
    assert_eq!(told[0], Update::Expunged(vec![(2, Uid(2))]));
    assert!(matches!(told[1..], [Update::Flags(_)]));
}

#[test]
fn a_full_disk_fails_what_is_on_its_way_and_the_next_try_succeeds() {
    let bench = filled(1);
    let mut view = bench.ana.select(inbox(&bench.ana).id, false).unwrap();
    bench.store.hold(true);
    {
        let mut one = pin!(bench.ana.append(inbox(&bench.ana).id, letters(2..=2)));
        let mut two = pin!(bench.ana.append(inbox(&bench.ana).id, letters(3..=3)));
        assert!(poll(one.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
        bench.store.fail(store::Error::Full);
        assert!(matches!(run(one), Err(Error::Store(_))));
        assert!(matches!(run(two), Err(Error::Store(_))));
    }
    bench.store.hold(false);
    let appended = run(bench.ana.append(inbox(&bench.ana).id, letters(4..=4))).unwrap();
    assert_eq!(appended.uids, [Uid(2)]);
    assert!(matches!(view.poll(true)[..], [Update::Exists { exists: 2, .. }]));
    whole(&bench);
}

#[test]
fn a_failure_in_doubt_is_cleared_up_from_the_store_and_sessions_keep_their_numbers() {
    let bench = filled(3);
    let mut view = bench.ana.select(inbox(&bench.ana).id, false).unwrap();
    let mut other = bench.ana.select(inbox(&bench.ana).id, false).unwrap();
    bench.store.hold(true);
    {
        let target = set(&[2]);
        let mut erase = pin!(view.erase(&target));
        assert!(poll(erase.as_mut()).is_pending());
        // The store has it and says that it failed.
        bench.store.go_and_fail(store::Error::Io("cable".into()));
        assert!(matches!(run(erase), Err(Error::Store(store::Error::Io(_)))));
    }
    bench.store.hold(false);
    assert_eq!(other.poll(true), [], "not known yet");
    let seen = change(FlagOp::Add, SystemFlags::SEEN);
    let stored = run(other.store(&set(&[2, 3]), Numbers::Uid, &seen)).unwrap();
    assert_eq!(stored.rows.iter().map(|row| row.uid).collect::<Vec<_>>(), [Uid(3)]);
    assert_eq!(stored.rows[0].sequence, 3);
    assert_eq!(other.poll(true), [Update::Expunged(vec![(2, Uid(2))])]);
    assert!(matches!(view.poll(true)[..], [Update::Expunged(_), Update::Flags(_)]));
    whole(&bench);
}

#[test]
fn flags_are_shared_by_all_places_of_a_message_but_deleted_is_not() {
    let bench = filled(1);
    let archive = named(&bench.ana, "Archive");
    let mut here = bench.ana.select(inbox(&bench.ana).id, false).unwrap();
    run(here.copy(&all(), Numbers::Uid, archive)).unwrap();
    let mut there = bench.ana.select(archive, false).unwrap();
    let marks = SystemFlags::DELETED.union(SystemFlags::FLAGGED);
    run(here.store(&all(), Numbers::Uid, &change(FlagOp::Add, marks))).unwrap();
    let seen = change(FlagOp::Add, SystemFlags::SEEN);
    let answered = run(there.store(&all(), Numbers::Uid, &seen)).unwrap();
    let both = SystemFlags::SEEN.union(SystemFlags::FLAGGED);
    assert_eq!(answered.rows[0].system, both);
    let told = here.poll(true);
    let marked = both.union(SystemFlags::DELETED);
    assert!(matches!(&told[..], [Update::Flags(row)] if row.system == marked), "{told:?}");
    assert!(matches!(&there.poll(true)[..], [Update::Flags(row)] if row.system == both));
    whole(&bench);
    assert!(run(here.expunge(None)).unwrap().is_some());
    assert_eq!(run(there.expunge(None)).unwrap(), None);
    assert_eq!(there.exists(), 1);
    whole(&bench);
}
