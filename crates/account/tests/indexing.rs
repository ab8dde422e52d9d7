//! The index under crashes and damage: the n-th operation of the store fails for n = 1, 2, 3 …;
//! nothing is lost, answers stay right, and nothing is left behind.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod world;

use account::{
    Account, Accounts, Extract, MailboxName, MasterKey, NewMessage, Numbers, Options,
    extract::Text,
    search::{Query, Search},
};
use bytes::Bytes;
use mail::NumberSet;
use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};
use store::{
    BlobId, Blobs, Kv, LocalBus, Memory,
    faulty::{Faulty, When},
};
use world::{Fixed, account, letter, open, options, run};

/// Blobs from here on are of the index.
const SEGMENTS_FROM: u64 = 1 << 63;

fn find(account: &Arc<Account>, query: &Query) -> Vec<u32> {
    let inbox = account.mailbox(&MailboxName::inbox()).unwrap().id;
    let mut view = account.select(inbox, true).unwrap();
    let mut search = Search::new(query.clone());
    let mut found = Vec::new();
    loop {
        let (rows, more) = run(search.step(&mut view)).unwrap();
        found.extend(rows.iter().map(|row| row.uid.0));
        if !more {
            return found;
        }
    }
}

fn append(account: &Arc<Account>, numbers: std::ops::RangeInclusive<u32>) {
    let inbox = account.mailbox(&MailboxName::inbox()).unwrap().id;
    run(account.append(inbox, numbers.map(letter).collect())).unwrap();
}

fn body(text: &str) -> Query {
    Query::Body(text.to_owned())
}

fn check(accounts: &Accounts) -> Vec<String> {
    run(account::check::all(accounts)).unwrap().told
}

fn chunks(memory: &Memory, account: &Account) -> Vec<u64> {
    run(memory.list(account.id().0, Some(SEGMENTS_FROM - 1), usize::MAX)).unwrap()
}

/// Each step makes a segment of one batch, then they are merged.
fn work(account: &Arc<Account>) -> Result<(), account::Error> {
    for batch in 0..5 {
        append(account, batch * 10 + 1..=batch * 10 + 10);
        while run(account.index_step(1))?.more {}
    }
    Ok(())
}

/// A world with ten letters in it, five batches being indexed while the n-th operation fails.
/// Whether anything failed.
fn crash(nth: u64, when: When) -> bool {
    let memory = Arc::new(Memory::new());
    let faulty = Arc::new(Faulty::new(Arc::clone(&memory)));
    let ana = run(async {
        let accounts = open(&faulty).await;
        account(&accounts, "ana@example.test").await
    });
    append(&ana, 1..=50);
    faulty.fail(nth, when);
    let mut failed = false;
    for _ in 0..6 {
        match run(ana.index_step(12)) {
            Ok(step) if !step.more => break,
            Ok(_) => {}
            Err(_) => {
                failed = true;
                break;
            }
        }
    }
    let merged = failed || run(ana.index_step(1)).is_err();
    // The same process goes on when the store is well again, and so does the next one.
    faulty.heal();
    for again in [false, true] {
        let (accounts, ana) = if again {
            run(async {
                let accounts = open(&memory).await;
                let ana = account(&accounts, "ana@example.test").await;
                (Some(accounts), ana)
            })
        } else {
            (None, Arc::clone(&ana))
        };
        assert_eq!(find(&ana, &body("Body 7 of")), [7], "{nth} {when:?}");
        assert_eq!(find(&ana, &body("letter")).len(), 50);
        assert_eq!(find(&ana, &body("nobody wrote")), [0; 0]);
        if let Some(accounts) = accounts {
            assert_eq!(check(&accounts), Vec::<String>::new(), "{nth} {when:?}");
            while run(ana.index_step(1)).unwrap().more {}
            assert_eq!(run(ana.indexed()).unwrap(), (50, 50));
            assert_eq!(find(&ana, &body("Body 7 of")), [7], "{nth} {when:?}");
            assert_eq!(chunks(&memory, &ana).len(), 1, "{nth} {when:?}: chunks left behind");
            assert_eq!(check(&accounts), Vec::<String>::new(), "{nth} {when:?}");
        }
    }
    merged
}

#[test]
fn the_nth_operation_fails_while_a_batch_is_made() {
    for when in [When::Before, When::After] {
        let mut nth = 1;
        while crash(nth, when) {
            nth += 1;
        }
        assert!(nth > 5, "{nth}");
    }
}

#[test]
fn the_nth_operation_fails_while_segments_are_merged() {
    for when in [When::Before, When::After] {
        for nth in 1.. {
            let memory = Arc::new(Memory::new());
            let faulty = Arc::new(Faulty::new(Arc::clone(&memory)));
            let ana = run(async {
                let accounts = open(&faulty).await;
                account(&accounts, "ana@example.test").await
            });
            for batch in 0..4 {
                append(&ana, batch * 10 + 1..=batch * 10 + 10);
                assert_eq!(run(ana.index_step(1)).unwrap().messages, 10);
            }
            assert_eq!(chunks(&memory, &ana).len(), 4);
            faulty.fail(nth, when);
            let failed = run(ana.index_step(1)).is_err();
            faulty.heal();
            assert_eq!(find(&ana, &body("Body 17 of")), [17], "{nth} {when:?}");
            drop(ana);
            let accounts = run(open(&memory));
            let ana = run(account(&accounts, "ana@example.test"));
            assert_eq!(find(&ana, &body("letter")).len(), 40);
            assert_eq!(check(&accounts), Vec::<String>::new());
            while run(ana.index_step(1)).unwrap().more {}
            assert_eq!(chunks(&memory, &ana).len(), 1, "{nth} {when:?}: chunks left behind");
            assert_eq!(find(&ana, &body("Body 17 of")), [17], "{nth} {when:?}");
            if !failed {
                assert!(nth > 3, "{nth}");
                break;
            }
        }
    }
}

#[test]
fn a_damaged_segment_is_told_and_made_anew() {
    let memory = Arc::new(Memory::new());
    let accounts = run(open(&memory));
    let ana = run(account(&accounts, "ana@example.test"));
    work(&ana).unwrap();
    let segment = chunks(&memory, &ana)[0];
    drop((ana, accounts));
    let id = BlobId { account: 1, blob: segment };
    let whole = run(Blobs::get(&*memory, id, 0..u64::MAX)).unwrap().unwrap();
    for at in [0, whole.len() / 2, whole.len() - 1] {
        let mut bad = whole.to_vec();
        bad[at] ^= 1;
        run(memory.put(id, bad.into())).unwrap();
        let accounts = run(open(&memory));
        let ana = run(account(&accounts, "ana@example.test"));
        let told = check(&accounts);
        assert!(told.len() == 1 && told[0].contains("run reindex"), "{told:?}");
        assert_eq!(find(&ana, &body("Body 17 of")), [17]);
        assert_eq!(find(&ana, &body("letter")).len(), 50);
        run(memory.put(id, whole.clone())).unwrap();
    }
    run(memory.put(id, Bytes::from_static(b"short"))).unwrap();
    let accounts = run(open(&memory));
    let ana = run(account(&accounts, "ana@example.test"));
    while run(ana.index_step(1)).unwrap().more {}
    assert_eq!(run(ana.indexed()).unwrap(), (50, 50));
    assert!(!chunks(&memory, &ana).contains(&segment));
    assert_eq!(check(&accounts), Vec::<String>::new());
    assert_eq!(find(&ana, &body("Body 17 of")), [17]);
}

#[test]
fn a_segment_that_is_damaged_while_in_use_is_made_anew() {
    let memory = Arc::new(Memory::new());
    // Nothing is remembered: every read is of the store.
    let kv = Arc::clone(&memory);
    let options = Options { search_cache_octets_max: 0, ..options() };
    let accounts = Accounts::open(
        kv,
        Arc::clone(&memory) as Arc<dyn Blobs>,
        Arc::new(LocalBus::default()),
        MasterKey([7; 32]),
        Arc::new(Fixed),
        options,
    );
    let accounts = run(accounts).unwrap();
    let ana = run(account(&accounts, "ana@example.test"));
    work(&ana).unwrap();
    let segment = chunks(&memory, &ana)[0];
    assert_eq!(find(&ana, &body("Body 17 of")), [17]);
    let id = BlobId { account: ana.id().0, blob: segment };
    run(memory.put(id, Bytes::from_static(b"nothing that opens"))).unwrap();
    assert_eq!(find(&ana, &body("Body 17 of")), [17]);
    assert_eq!(run(ana.indexed()).unwrap(), (50, 10), "the other segment is used");
    while run(ana.index_step(1)).unwrap().more {}
    assert_eq!(run(ana.indexed()).unwrap(), (50, 50));
    assert_eq!(find(&ana, &body("Body 17 of")), [17]);
    assert_eq!(check(&accounts), Vec::<String>::new());
}

#[test]
fn indexing_changes_nothing_that_clients_see() {
    run(async {
        let memory = Arc::new(Memory::new());
        let accounts = open(&memory).await;
        let ana = account(&accounts, "ana@example.test").await;
        let inbox = ana.mailbox(&MailboxName::inbox()).unwrap().id;
        ana.append(inbox, (1..=20).map(letter).collect()).await.unwrap();
        let mut view = ana.select(inbox, false).unwrap();
        let (before, modseq) = (ana.mailbox_by_id(inbox).unwrap(), ana.modseq());
        let all = NumberSet::of([(1, u32::MAX - 1)]);
        let rows = view.rows(&all, Numbers::Uid, 1, 99);
        while ana.index_step(1).await.unwrap().more {}
        assert!(ana.modseq() > modseq, "the index is a commit");
        assert_eq!(view.poll(true), []);
        assert_eq!(ana.mailbox_by_id(inbox).unwrap(), before);
        assert_eq!(view.rows(&all, Numbers::Uid, 1, 99), rows);
        assert_eq!(view.vanished(modseq, None).await.unwrap(), NumberSet::default());
        assert_eq!(ana.quota().messages_used, 20);
    });
}

#[test]
fn erased_messages_leave_the_index_and_erased_accounts_leave_nothing() {
    let memory = Arc::new(Memory::new());
    let accounts = run(open(&memory));
    let ana = run(account(&accounts, "ana@example.test"));
    work(&ana).unwrap();
    let inbox = ana.mailbox(&MailboxName::inbox()).unwrap().id;
    let mut view = ana.select(inbox, false).unwrap();
    let deleted = account::FlagChange {
        op: account::FlagOp::Add,
        flags: mail::Flags { system: mail::SystemFlags::DELETED, keywords: Vec::new() },
        unchanged_since: None,
    };
    run(view.store(&NumberSet::of([(1, 40)]), Numbers::Uid, &deleted)).unwrap();
    run(view.expunge(None)).unwrap();
    let before = chunks(&memory, &ana);
    while run(ana.index_step(1)).unwrap().more {}
    assert_ne!(chunks(&memory, &ana), before, "written again without them");
    assert_eq!(run(ana.indexed()).unwrap(), (10, 10));
    assert_eq!(find(&ana, &body("letter")).len(), 10);
    // One that is brought back is found at once, and indexed again.
    let back = run(ana.deleted()).unwrap()[0].message;
    run(ana.undelete(back)).unwrap();
    assert_eq!(find(&ana, &body("letter")).len(), 11);
    while run(ana.index_step(1)).unwrap().more {}
    assert_eq!(run(ana.indexed()).unwrap(), (11, 11));
    let id = ana.id();
    drop((view, ana));
    let address = mail::Address::parse("ana@example.test").unwrap();
    run(accounts.directory().remove_account(&address)).unwrap();
    assert_eq!(run(memory.list(id.0, None, usize::MAX)).unwrap(), [0; 0]);
}

/// Reads documents that are text in disguise.
#[derive(Debug)]
struct Disguise;

impl Extract for Disguise {
    fn reads(&self, media_type: &str) -> bool {
        media_type == "application/pdf"
    }
    fn text<'a>(&'a self, _: &'a str, document: Bytes) -> Text<'a> {
        Box::pin(async move { String::from_utf8(document.to_vec()).ok() })
    }
}

#[test]
fn attachments_are_found_with_and_without_the_index() {
    let memory = Arc::new(Memory::new());
    let letter = "From: a@b\r\nMIME-Version: 1.0\r\n\
        Content-Type: multipart/mixed; boundary=x\r\n\r\n\
        --x\r\nContent-Type: text/plain\r\n\r\nsee the file\r\n\
        --x\r\nContent-Type: application/octet-stream; name=\"Plan.PDF\"\r\n\
        Content-Transfer-Encoding: base64\r\n\r\ndMOkZ2xpY2ggdGhl\r\n\
        --x\r\nContent-Type: application/zip\r\n\r\nzipped\r\n--x--\r\n";
    let reading = |extract: Option<Arc<dyn Extract>>| {
        let (kv, blobs) = (Arc::clone(&memory), Arc::clone(&memory));
        let options = Options { extract, ..options() };
        let bus = Arc::new(LocalBus::default());
        run(Accounts::open(kv, blobs, bus, MasterKey([7; 32]), Arc::new(Fixed), options)).unwrap()
    };
    let accounts = reading(None);
    let ana = run(account(&accounts, "ana@example.test"));
    let inbox = ana.mailbox(&MailboxName::inbox()).unwrap().id;
    run(ana.append(inbox, vec![NewMessage::new(Bytes::from(letter))])).unwrap();
    let found = |ana: &Arc<Account>, text: &str| find(ana, &body(text)).len();
    let index = |ana: &Arc<Account>| while run(ana.index_step(1)).unwrap().more {};
    index(&ana);
    assert_eq!((found(&ana, "the file"), found(&ana, "täglich"), found(&ana, "zipped")), (1, 0, 0));
    // With a reader, what was indexed without one is not used.
    let accounts = reading(Some(Arc::new(Disguise)));
    let ana = run(account(&accounts, "ana@example.test"));
    for _ in 0..2 {
        assert_eq!((found(&ana, "täglich"), found(&ana, "zipped")), (1, 0));
        assert_eq!(run(ana.indexed()).unwrap().0, 1);
        index(&ana);
    }
    assert_eq!(run(ana.indexed()).unwrap(), (1, 1));
    assert_eq!(check(&accounts), Vec::<String>::new());
    // An empty index takes on the kind of texts that its first segment has.
    let accounts = reading(None);
    run(run(account(&accounts, "ana@example.test")).drop_index()).unwrap();
    let accounts = reading(Some(Arc::new(Disguise)));
    let ana = run(account(&accounts, "ana@example.test"));
    index(&ana);
    assert_eq!(run(ana.indexed()).unwrap(), (1, 1));
}

#[test]
fn a_batch_begins_at_messages_min() {
    let memory = Arc::new(Memory::new());
    let accounts = run(open(&memory));
    let ana = run(account(&accounts, "ana@example.test"));
    append(&ana, 1..=11);
    let step = run(ana.index_step(12)).unwrap();
    assert_eq!((step.messages, step.waiting, step.more), (0, 11, false));
    assert_eq!(run(ana.index_waiting()).unwrap(), 11);
    append(&ana, 12..=12);
    assert_eq!(run(ana.index_waiting()).unwrap(), 12);
    let step = run(ana.index_step(12)).unwrap();
    assert_eq!((step.messages, step.waiting, step.more), (12, 0, true));
    assert!(!run(ana.index_step(12)).unwrap().more);
    assert_eq!(run(ana.index_waiting()).unwrap(), 0);
    assert_eq!(run(accounts.index_waiting(ana.id())).unwrap(), 0);
}

#[test]
fn memory_of_a_batch_is_bounded() {
    let memory = Arc::new(Memory::new());
    let (kv, blobs) = (Arc::clone(&memory), Arc::clone(&memory));
    let options = Options { index_memory_octets_max: 1, ..options() };
    let bus = Arc::new(LocalBus::default());
    let opened = Accounts::open(kv, blobs, bus, MasterKey([7; 32]), Arc::new(Fixed), options);
    let accounts = run(opened).unwrap();
    let ana = run(account(&accounts, "ana@example.test"));
    append(&ana, 1..=10);
    // One message may pass it; a second is of the next segment.
    for left in (0..10).rev() {
        let step = run(ana.index_step(1)).unwrap();
        assert_eq!((step.messages, step.waiting), (1, left));
    }
    while run(ana.index_step(1)).unwrap().more {}
    assert_eq!(find(&ana, &body("Body 7 of")), [7]);
    assert_eq!(run(ana.indexed()).unwrap(), (10, 10));
}

/// Of each message found, its Uid and relevancy.
fn fuzzily(account: &Arc<Account>, query: Query) -> Vec<(u32, u8)> {
    let inbox = account.mailbox(&MailboxName::inbox()).unwrap().id;
    let mut view = account.select(inbox, true).unwrap();
    let mut search = Search::new(Query::Fuzzy(Box::new(query)));
    let mut found = Vec::new();
    loop {
        let (rows, more) = run(search.step(&mut view)).unwrap();
        found.extend(rows);
        if !more {
            let row = |row: &account::Row| (row.uid.0, search.relevancy(row.message));
            return found.iter().map(row).collect();
        }
    }
}

#[test]
fn fuzzy_searches_find_words_like_those_asked_for() {
    let memory = Arc::new(Memory::new());
    let accounts = run(open(&memory));
    let ana = run(account(&accounts, "ana@example.test"));
    let inbox = ana.mailbox(&MailboxName::inbox()).unwrap().id;
    let letter = |from: &str, subject: &str, text: &str| {
        let text = format!("From: {from}\r\nSubject: {subject}\r\n\r\n{text}\r\n");
        NewMessage::new(Bytes::from(text))
    };
    let letters = vec![
        letter("Lopez, Ana <a@b>", "plans", "We are meeting on Monday, and meeting again."),
        letter("Ana <a@b>", "other", "He meets nobody, in a text with many other words in it."),
        letter("Ben <a@b>", "third", "nothing of the kind"),
        letter("Ben <a@b>", "fourth", "a submeeting"),
    ];
    run(ana.append(inbox, letters)).unwrap();
    for indexed in [false, true] {
        if indexed {
            while run(ana.index_step(1)).unwrap().more {}
        }
        let uids =
            |query| -> Vec<u32> { fuzzily(&ana, query).into_iter().map(|(uid, _)| uid).collect() };
        // What is found exactly is found fuzzily too: inside words.
        let found = fuzzily(&ana, body("meeting"));
        assert_eq!(found.iter().map(|one| one.0).collect::<Vec<_>>(), [1, 2, 4], "{indexed}");
        assert_eq!(found[0].1, 100, "the best");
        assert!(found.iter().all(|(_, score)| (1..=100).contains(score)), "{found:?}");
        assert!(found[1].1 <= found[0].1 && found[2].1 < found[1].1, "{found:?}");
        assert_eq!(uids(Query::Header("From".into(), "ana lopez".into())), [1]);
        assert_eq!(uids(Query::Not(Box::new(body("meeting")))), [3]);
        assert_eq!(uids(body("nobody was there")), [0; 0]);
    }
    let exact = Search::new(body("x"));
    assert_eq!(exact.relevancy(mail::MessageId(1)), 100);
}

#[test]
fn a_damaged_record_keeps_no_other_message_from_the_index() {
    let memory = Arc::new(Memory::new());
    let accounts = run(open(&memory));
    let ana = run(account(&accounts, "ana@example.test"));
    append(&ana, 1..=20);
    // A record's key is its letter and the message.
    let key = Bytes::copy_from_slice(&[&b"E"[..], &7_u32.to_be_bytes()].concat());
    let head = run(memory.head(ana.id().0)).unwrap();
    let bad = store::Commit {
        account: ana.id().0,
        expected: head,
        head: head + 1,
        puts: vec![(key, Some(Bytes::from_static(b"no record")))],
        ..store::Commit::default()
    };
    run(memory.commit(bad)).unwrap();
    drop((ana, accounts));
    let accounts = run(open(&memory));
    let ana = run(account(&accounts, "ana@example.test"));
    while run(ana.index_step(1)).unwrap().more {}
    assert_eq!(run(ana.indexed()).unwrap(), (20, 20));
    assert_eq!(find(&ana, &Query::Header("Subject".into(), "letter 9".into())), [9]);
}

#[test]
fn searches_are_right_while_the_index_changes() {
    let memory = Arc::new(Memory::new());
    // Little is remembered, so that chunks are read while merges drop them.
    let (kv, blobs) = (Arc::clone(&memory), Arc::clone(&memory));
    let options = Options { search_cache_octets_max: 4_096, ..options() };
    let bus = Arc::new(LocalBus::default());
    let opened = Accounts::open(kv, blobs, bus, MasterKey([7; 32]), Arc::new(Fixed), options);
    let accounts = run(opened).unwrap();
    let ana = run(account(&accounts, "ana@example.test"));
    let done = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let indexing = scope.spawn(|| {
            while !done.load(Ordering::Relaxed) {
                run(ana.index_step(3)).unwrap();
                if run(ana.indexed()).unwrap().0 % 100 == 0 {
                    run(ana.drop_index()).unwrap();
                }
            }
        });
        for round in 0..60_u32 {
            append(&ana, round * 5 + 1..=round * 5 + 5);
            let all = (round as usize + 1) * 5;
            assert_eq!(find(&ana, &body("of the letter")).len(), all);
            let wanted = round * 5 / 2 + 1;
            assert_eq!(find(&ana, &body(&format!("Body {wanted} of"))), [wanted]);
            let sent = Query::Not(Box::new(Query::Sent(Some(0), None)));
            assert_eq!(find(&ana, &sent).len(), all);
        }
        done.store(true, Ordering::Relaxed);
        indexing.join().unwrap();
    });
    assert_eq!(check(&accounts), Vec::<String>::new());
}
