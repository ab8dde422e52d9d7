//! The main path, end to end on the store in memory.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod world;

use account::{
    Accounts, FlagChange, FlagOp, MailboxName, MasterKey, Numbers, Update,
    search::{Query, Search},
};
use mail::{Address, Flags, Keyword, ModSeq, NumberSet, SystemFlags, Uid};
use std::sync::Arc;
use store::{Kv, LocalBus, Memory};
use world::{Fixed, account, letter, open, options, run};

fn all() -> NumberSet {
    NumberSet::of([(1, u32::MAX - 1)])
}

fn add(system: SystemFlags) -> FlagChange {
    let flags = Flags { system, keywords: Vec::new() };
    FlagChange { op: FlagOp::Add, flags, unchanged_since: None }
}

#[test]
fn mail_comes_in_is_read_moved_and_expunged_and_all_of_it_is_there_after_reopening() {
    run(async {
        let memory = Arc::new(Memory::new());
        {
            let accounts = open(&memory).await;
            let ana = account(&accounts, "ana@example.test").await;
            let inbox = ana.mailbox(&MailboxName::inbox()).unwrap();
            let archive = ana.mailbox(&MailboxName::parse("Archive").unwrap()).unwrap();
            let mut view = ana.select(inbox.id, false).unwrap();
            let mut other = ana.select(inbox.id, false).unwrap();
            let new: Vec<_> = (1..=5).map(letter).collect();
            let appended = ana.append(inbox.id, new).await.unwrap();
            assert_eq!(appended.uids, [1, 2, 3, 4, 5].map(Uid));
            assert_eq!(view.exists(), 0);
            assert_eq!(view.poll(true), [Update::Exists { exists: 5, recent: 5 }]);
            assert_eq!(view.exists(), 5);
            other.poll(true);

            let seen = add(SystemFlags::SEEN);
            let stored =
                view.store(&NumberSet::of([(2, 3)]), Numbers::Sequence, &seen).await.unwrap();
            assert_eq!(stored.rows.len(), 2);
            assert!(view.poll(true).is_empty(), "the answer told it");
            let told = other.poll(true);
            assert!(matches!(told.as_slice(), [Update::Flags(a), Update::Flags(b)]
                if a.sequence == 2 && b.sequence == 3));

            let moved =
                view.move_to(&NumberSet::of([(4, 4)]), Numbers::Uid, archive.id).await.unwrap();
            assert_eq!(moved.pairs, [(Uid(4), Uid(1))]);
            assert_eq!(other.exists(), 5, "not told yet");
            let row = other.rows(&NumberSet::of([(5, 5)]), Numbers::Sequence, 1, 9);
            assert_eq!(row[0].uid, Uid(5), "numbers stay put");
            assert!(other.is_expunged(Uid(4)));
            assert_eq!(other.poll(false), []);
            assert_eq!(other.poll(true), [Update::Expunged(vec![(4, Uid(4))])]);
            view.poll(true);

            let copied =
                view.copy(&NumberSet::of([(1, 1)]), Numbers::Uid, archive.id).await.unwrap();
            assert_eq!(copied.pairs, [(Uid(1), Uid(2))]);
            let again =
                view.copy(&NumberSet::of([(1, 1)]), Numbers::Uid, archive.id).await.unwrap();
            assert_eq!(again.pairs, [(Uid(1), Uid(3))], "a twin");
            view.store(&NumberSet::of([(1, 1)]), Numbers::Uid, &add(SystemFlags::DELETED))
                .await
                .unwrap();
            let mut there = ana.select(archive.id, false).unwrap();
            let rows = there.rows(&all(), Numbers::Uid, 1, 9);
            assert!(rows.iter().all(|row| row.system.is_empty()), "\\Deleted stays behind");
            assert_eq!(rows[0].octets, rows[1].octets);
            view.expunge(None).await.unwrap();
            assert_eq!(view.poll(true), [Update::Expunged(vec![(1, Uid(1))])]);
            let gone = view.vanished(ModSeq(0), None).await.unwrap();
            assert_eq!(gone, NumberSet::of_numbers([1, 4]));
        }
        let accounts = open(&memory).await;
        let ana = account(&accounts, "ana@example.test").await;
        let info = ana.mailbox(&MailboxName::inbox()).unwrap();
        assert_eq!((info.exists, info.unseen, info.uid_next), (3, 1, Uid(6)));
        let mut view = ana.select(info.id, true).unwrap();
        let rows = view.rows(&all(), Numbers::Uid, 1, 100);
        let ids: Vec<_> = rows.iter().map(|row| row.message).collect();
        let records = ana.records(&ids).await.unwrap();
        let record = records[0].as_ref().unwrap();
        let body = ana.body(record, 0..u32::MAX).await.unwrap();
        assert_eq!(body, letter(2).bytes);
        assert_eq!(record.envelope().subject.unwrap(), b"letter 2");
        assert_eq!(ana.quota().messages_used, 6);
        let report = account::check::all(&accounts).await.unwrap();
        assert_eq!((report.breaches, report.told), (0, Vec::new()));
        assert!(report.commits >= 8 && report.messages == 6);

        // A row that was lost is told.
        let head = memory.head(ana.id().0).await.unwrap();
        let puts = vec![(account::check::member_key(info.id.0, 2), None)];
        let commit = store::Commit {
            account: ana.id().0,
            expected: head,
            head: head + 1,
            puts,
            ..store::Commit::default()
        };
        memory.commit(commit).await.unwrap();
        let report = account::check::all(&accounts).await.unwrap();
        assert_eq!(report.breaches, 2, "{:?}", report.told);
    });
}

#[test]
fn search_sees_headers_and_bodies() {
    run(async {
        let memory = Arc::new(Memory::new());
        let accounts = open(&memory).await;
        let ana = account(&accounts, "ana@example.test").await;
        let inbox = ana.mailbox(&MailboxName::inbox()).unwrap().id;
        ana.append(inbox, (1..=20).map(letter).collect()).await.unwrap();
        let mut view = ana.select(inbox, true).unwrap();
        let find = async |view: &mut account::View, query: Query| {
            let (mut search, mut found) = (Search::new(query), Vec::new());
            loop {
                let (rows, more) = search.step(view).await.unwrap();
                found.extend(rows.iter().map(|row| row.uid.0));
                if !more {
                    return found;
                }
            }
        };
        let body = Query::Body("BODY 1".into());
        assert_eq!(find(&mut view, body).await, [1, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19]);
        let subject = Query::Header("Subject".into(), "Letter 20".into());
        assert_eq!(find(&mut view, subject.clone()).await, [20]);
        let both = Query::And(vec![Query::Not(Box::new(subject)), Query::Text("letter 2".into())]);
        assert_eq!(find(&mut view, both).await, [2]);
    });
}

#[test]
fn keywords_and_unchanged_since() {
    run(async {
        let memory = Arc::new(Memory::new());
        let accounts = open(&memory).await;
        let ana = account(&accounts, "ana@example.test").await;
        let inbox = ana.mailbox(&MailboxName::inbox()).unwrap().id;
        ana.append(inbox, vec![letter(1), letter(2)]).await.unwrap();
        let mut view = ana.select(inbox, false).unwrap();
        let keyword = Keyword::parse("$Label1").unwrap();
        let flags = Flags { system: SystemFlags::NONE, keywords: vec![keyword.clone()] };
        let mut change = FlagChange { op: FlagOp::Add, flags, unchanged_since: None };
        let one = NumberSet::of([(1, 1)]);
        let stored = view.store(&one, Numbers::Sequence, &change).await.unwrap();
        assert_eq!(&*stored.rows[0].keywords, &[keyword]);
        let before = stored.modseq.unwrap();
        change.unchanged_since = Some(ModSeq(before.0 - 1));
        let stored = view.store(&all(), Numbers::Uid, &change).await.unwrap();
        assert_eq!(stored.modified, one);
        assert_eq!(stored.rows.len(), 1);
    });
}

#[test]
fn a_wrong_master_key_is_refused() {
    run(async {
        let memory = Arc::new(Memory::new());
        open(&memory).await;
        let bus = Arc::new(LocalBus::default());
        let (kv, blobs) = (Arc::clone(&memory), Arc::clone(&memory));
        let key = MasterKey([8; 32]);
        assert!(Accounts::open(kv, blobs, bus, key, Arc::new(Fixed), options()).await.is_err());
    });
}

#[test]
fn quota_is_decided_before() {
    run(async {
        let memory = Arc::new(Memory::new());
        let accounts = open(&memory).await;
        let ana = account(&accounts, "ana@example.test").await;
        let inbox = ana.mailbox(&MailboxName::inbox()).unwrap().id;
        let size = letter(1).bytes.len() as u64;
        let address = Address::parse("ana@example.test").unwrap();
        accounts.directory().set_quota(&address, Some(2 * size), None).await.unwrap();
        ana.append(inbox, vec![letter(1)]).await.unwrap();
        assert!(ana.room_for(size).is_ok());
        assert!(ana.room_for(size + 1).is_err());
        ana.append(inbox, vec![letter(2)]).await.unwrap();
        assert!(ana.append(inbox, vec![letter(3)]).await.is_err());
    });
}

#[test]
fn what_was_expunged_comes_back_until_it_is_purged() {
    run(async {
        let memory = Arc::new(Memory::new());
        let accounts = open(&memory).await;
        let ana = account(&accounts, "ana@example.test").await;
        let inbox = ana.mailbox(&MailboxName::inbox()).unwrap().id;
        ana.append(inbox, vec![letter(1), letter(2)]).await.unwrap();
        let mut view = ana.select(inbox, false).unwrap();
        view.erase(&all()).await.unwrap();
        assert_eq!(ana.quota().messages_used, 0);
        let waiting = ana.deleted().await.unwrap();
        assert_eq!(waiting.len(), 2);
        let (mailbox, uid) = ana.undelete(waiting[0].message).await.unwrap();
        assert_eq!((mailbox, uid), (inbox, Uid(3)));
        assert_eq!(ana.deleted().await.unwrap().len(), 1);
        assert_eq!(accounts.purge(waiting[1].erase_at - 1).await.unwrap(), 0);
        assert_eq!(accounts.purge(waiting[1].erase_at).await.unwrap(), 1);
        assert!(ana.undelete(waiting[1].message).await.is_err());
        assert_eq!(ana.records(&[waiting[1].message]).await.unwrap().len(), 1);
        assert!(ana.records(&[waiting[1].message]).await.unwrap()[0].is_none());
        assert_eq!(account::check::all(&accounts).await.unwrap().breaches, 0);
    });
}
