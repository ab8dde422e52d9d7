//! Every limit at n and at n + 1.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

mod support;

use account::{Error, FlagOp, MailboxName, NewMessage, Numbers, Refused};
use bytes::Bytes;
use mail::{Address, SystemFlags};
use support::{Bench, all, change, letters, options, person, run, set};

fn refused<T: std::fmt::Debug>(result: Result<T, Error>) -> Refused {
    match result {
        Err(Error::Refused(why)) => why,
        other => panic!("{other:?}"),
    }
}

#[test]
fn message_octets_max() {
    let mut options = options();
    options.message_octets_max = 100;
    let bench = Bench::with(options);
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    let new = |octets: usize| vec![NewMessage::new(Bytes::from(vec![b'x'; octets]))];
    run(bench.ana.append(inbox, new(100))).unwrap();
    assert!(bench.ana.room_for(100).is_ok());
    assert_eq!(refused(run(bench.ana.append(inbox, new(101)))), Refused::MessageTooBig);
    assert_eq!(refused(bench.ana.room_for(101)), Refused::MessageTooBig);
    assert_eq!(bench.ana.mailbox_by_id(inbox).unwrap().exists, 1);
}

#[test]
fn quota_of_octets_counts_what_is_given_back() {
    let bench = Bench::new();
    let address = Address::parse("ana@example.test").unwrap();
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    let octets = letters(1..=1)[0].bytes.len() as u64;
    run(bench.accounts.directory().set_quota(&address, Some(3 * octets), None)).unwrap();
    run(bench.ana.append(inbox, letters(1..=2))).unwrap();
    // All or none.
    assert_eq!(refused(run(bench.ana.append(inbox, letters(3..=4)))), Refused::OverQuota);
    assert_eq!(bench.ana.quota().octets_used, 2 * octets);
    run(bench.ana.append(inbox, letters(3..=3))).unwrap();
    assert_eq!(refused(bench.ana.room_for(1)), Refused::OverQuota);
    let mut view = bench.ana.select(inbox, false).unwrap();
    // Another membership of a message weighs nothing; a twin weighs what its message does.
    let archive = bench.ana.mailbox(&MailboxName::parse("Archive").unwrap()).unwrap().id;
    run(view.copy(&all(), Numbers::Uid, archive)).unwrap();
    assert_eq!(refused(run(view.copy(&set(&[1]), Numbers::Uid, archive))), Refused::OverQuota);
    run(view.erase(&set(&[1]))).unwrap();
    assert_eq!(bench.ana.quota().octets_used, 3 * octets, "its copy is there");
    run(bench.ana.delete(&MailboxName::parse("Archive").unwrap())).unwrap();
    assert_eq!(bench.ana.quota().octets_used, 2 * octets);
    run(bench.ana.append(inbox, letters(5..=5))).unwrap();
    let back = run(bench.ana.deleted()).unwrap()[0].message;
    assert_eq!(refused(run(bench.ana.undelete(back))), Refused::OverQuota);
}

#[test]
fn mailboxes_max() {
    let mut options = options();
    options.mailboxes_max = 8;
    let bench = Bench::with(options);
    let name = |text: &str| MailboxName::parse(text).unwrap();
    // Six are there from the start. What is missing above counts too, and comes with it or not.
    assert_eq!(refused(run(bench.ana.create(&name("a/b/c"), None))), Refused::Limit);
    assert_eq!(bench.ana.mailboxes().len(), 6);
    run(bench.ana.create(&name("a/b"), None)).unwrap();
    assert_eq!(refused(run(bench.ana.create(&name("c"), None))), Refused::Limit);
    assert_eq!(refused(run(bench.ana.rename(&name("a"), &name("x/a")))), Refused::Limit);
    run(bench.ana.rename(&name("a"), &name("x"))).unwrap();
    assert!(bench.ana.mailbox(&name("x/b")).is_some());
}

#[test]
fn keywords_max() {
    let mut options = options();
    options.keywords_max = 2;
    let bench = Bench::with(options);
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    run(bench.ana.append(inbox, letters(1..=2))).unwrap();
    let mut view = bench.ana.select(inbox, false).unwrap();
    let words = |op: FlagOp, words: &[&str]| {
        let mut change = change(op, SystemFlags::NONE);
        change.flags = support::flags(SystemFlags::NONE, words);
        change
    };
    run(view.store(&all(), Numbers::Uid, &words(FlagOp::Add, &["a", "b"]))).unwrap();
    let more = words(FlagOp::Add, &["A", "c"]);
    assert_eq!(refused(run(view.store(&all(), Numbers::Uid, &more))), Refused::Limit);
    // What nobody has is taken away without getting a number.
    let none = run(view.store(&all(), Numbers::Uid, &words(FlagOp::Remove, &["c"]))).unwrap();
    assert_eq!((none.modseq, none.rows.len()), (None, 2));
    let less = run(view.store(&all(), Numbers::Uid, &words(FlagOp::Replace, &["B"]))).unwrap();
    assert_eq!(less.rows[0].keywords.len(), 1);
    assert_eq!(less.rows[0].keywords[0].as_str(), "b", "as it was first written");
    assert_eq!(view.keywords().len(), 2);
}

#[test]
fn names() {
    let good = |text: &str| MailboxName::parse(text).unwrap().as_str().to_owned();
    let bad = |text: &str| MailboxName::parse(text) == Err(Refused::BadMailboxName.into());
    assert_eq!(good("inbox"), "INBOX");
    assert_eq!(good("Inbox/x"), "INBOX/x");
    assert_eq!(good("inboxes"), "inboxes");
    assert_eq!(good("e\u{301}"), "\u{e9}", "composed");
    for text in ["", "/", "a/", "/a", "a//b", "a\u{7f}", "a\n", "50%", "a*"] {
        assert!(bad(text), "{text:?}");
    }
    assert!(!bad(&"x".repeat(1_000)) && bad(&"x".repeat(1_001)));
    let levels = |count: usize| vec!["x"; count].join("/");
    assert!(!bad(&levels(32)) && bad(&levels(33)));
}

#[test]
fn an_erased_account_gives_nothing_back_and_another_begins_anew() {
    let bench = Bench::new();
    let address = Address::parse("ana@example.test").unwrap();
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    run(bench.ana.append(inbox, letters(1..=3))).unwrap();
    let mut view = bench.ana.select(inbox, false).unwrap();
    run(bench.accounts.directory().remove_account(&address)).unwrap();
    let gone = bench.ana.id();
    assert_eq!(view.poll(true), [account::Update::Gone]);
    assert!(run(bench.ana.append(inbox, letters(4..=4))).is_err());
    assert_eq!(refused(run(bench.accounts.account(gone)).map(|_| ())), Refused::NoSuchEntry);
    let memory = bench.store.memory.as_ref();
    assert_eq!(run(store::Kv::head(memory, gone.0)).unwrap(), 0);
    assert_eq!(run(store::Blobs::list(memory, gone.0, None, 9)).unwrap(), Vec::<u64>::new());
    let again = run(person(&bench.accounts, "ana@example.test"));
    assert_ne!(again.id(), gone);
    assert_eq!(again.quota().messages_used, 0);
}

#[test]
fn making_an_account_that_was_cut_short_leaves_nothing() {
    // However many commits of the making succeed, the next opening finds all of it or none.
    for n in 1..=6 {
        let bench = Bench::new();
        let directory = bench.accounts.directory();
        let start = bench.store.commits.load(std::sync::atomic::Ordering::SeqCst);
        bench.store.fails.store(start + n, std::sync::atomic::Ordering::SeqCst);
        let address = Address::parse("bruno@example.test").unwrap();
        let made = run(directory.add_account(&address, b"secret"));
        bench.store.fails.store(0, std::sync::atomic::Ordering::SeqCst);
        let again = bench.reopened();
        let found = run(again.accounts.directory().find(&address)).unwrap();
        assert_eq!(found.is_some(), made.is_ok(), "commit {n}");
        let memory = bench.store.memory.as_ref();
        let accounts = run(store::Kv::accounts(memory, None, 99)).unwrap();
        let people = run(again.accounts.directory().accounts(None, 99)).unwrap();
        assert_eq!(accounts.len(), people.len() + 1, "the directory and those who are in it");
    }
}
