//! Books of junk: what people do with their mail teaches, once, and can be taken back.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use account::{
    FlagChange, FlagOp, MailboxName, NewMessage, Numbers, SpecialUse, check,
    explain::Explained,
    junk::{Books, Learning, Learnt},
};
use bytes::Bytes;
use mail::{MailboxId, NumberSet, SystemFlags};
use spam::Class;
use std::sync::Arc;
use store::{Kv, Scan};
use support::{Bench, all, flags, run};

const HOW: Learning = Learning { teaches_server: true, messages_max: 100 };
const BOOKS: u32 = u32::MAX - 1;

fn mailbox(bench: &Bench, name: &str) -> MailboxId {
    bench.ana.mailbox(&MailboxName::parse(name).unwrap()).unwrap().id
}

fn junk(bench: &Bench) -> MailboxId {
    bench.ana.special(SpecialUse::Junk).unwrap().id
}

fn offer(number: u32) -> NewMessage {
    NewMessage::new(Bytes::from(format!(
        "From: Shop <s{number}@shop.test>\r\nSubject: cheap pills {number}\r\n\r\nbuy pills now\r\n"
    )))
}

async fn hear(books: &Books, bench: &Bench, how: Learning) -> Vec<Class> {
    let mut said = Vec::new();
    loop {
        let Learnt { said: more, more: again, .. } = books.hear(&bench.ana, how).await.unwrap();
        said.extend(more.into_iter().map(|(_, class)| class));
        if !again {
            return said;
        }
    }
}

async fn numbers(books: &Books, bench: &Bench) -> [(u16, u16); 2] {
    let own = books.learned(Some(bench.ana.id())).await.unwrap();
    let server = books.learned(None).await.unwrap();
    [(own.wanted, own.junk), (server.wanted, server.junk)]
}

async fn move_all(bench: &Bench, from: MailboxId, to: MailboxId) {
    let mut view = bench.ana.select(from, false).unwrap();
    view.move_to(&all(), Numbers::Uid, to).await.unwrap();
}

#[test]
fn moves_into_junk_and_out_of_it_teach_once_and_are_taken_back() {
    let bench = Bench::new();
    run(async {
        let books = Books::open(&bench.accounts, 2).await.unwrap();
        let (inbox, archive) = (mailbox(&bench, "INBOX"), mailbox(&bench, "Archive"));
        bench.ana.append(inbox, vec![offer(1)]).await.unwrap();
        assert_eq!(hear(&books, &bench, HOW).await, [], "what came in says nothing");
        move_all(&bench, inbox, archive).await;
        assert_eq!(hear(&books, &bench, HOW).await, [], "who files mail says nothing, but …");
        assert_eq!(numbers(&books, &bench).await, [(1, 0), (1, 0)], "… what is kept is wanted");

        move_all(&bench, archive, junk(&bench)).await;
        assert_eq!(hear(&books, &bench, HOW).await, [Class::Spam]);
        assert_eq!(numbers(&books, &bench).await, [(0, 1), (0, 1)]);
        assert_eq!(hear(&books, &bench, HOW).await, []);
        let trash = bench.ana.special(SpecialUse::Trash).unwrap().id;
        move_all(&bench, junk(&bench), trash).await;
        assert_eq!(hear(&books, &bench, HOW).await, [], "junk that is thrown away stays junk");
        move_all(&bench, trash, junk(&bench)).await;
        assert_eq!(hear(&books, &bench, HOW).await, [], "what is known is not learnt twice");

        move_all(&bench, junk(&bench), inbox).await;
        assert_eq!(hear(&books, &bench, HOW).await, [Class::Ham]);
        assert_eq!(numbers(&books, &bench).await, [(1, 0), (1, 0)]);

        let again = bench.reopened();
        let books = Books::open(&again.accounts, 2).await.unwrap();
        assert_eq!(numbers(&books, &again).await, [(1, 0), (1, 0)]);
        assert_eq!(hear(&books, &again, HOW).await, [], "nothing is heard twice");
        assert!(check::account(&again.accounts, again.ana.id()).await.unwrap().told.is_empty());
    });
}

#[test]
fn keywords_teach_when_they_change() {
    let bench = Bench::new();
    run(async {
        let books = Books::open(&bench.accounts, 2).await.unwrap();
        let inbox = mailbox(&bench, "INBOX");
        bench.ana.append(inbox, vec![offer(1)]).await.unwrap();
        let mut view = bench.ana.select(inbox, false).unwrap();
        let mut store = async |op, system, keywords: &[&str]| {
            let change = FlagChange { op, flags: flags(system, keywords), unchanged_since: None };
            view.store(&all(), Numbers::Uid, &change).await.unwrap();
        };
        store(FlagOp::Add, SystemFlags::default(), &["$Junk"]).await;
        assert_eq!(hear(&books, &bench, HOW).await, [Class::Spam]);
        store(FlagOp::Add, SystemFlags::SEEN, &[]).await;
        assert_eq!(hear(&books, &bench, HOW).await, []);
        store(FlagOp::Replace, SystemFlags::default(), &["$NotJunk"]).await;
        assert_eq!(hear(&books, &bench, HOW).await, [Class::Ham]);
        // The keyword stays when the message is moved: the move is what counts.
        move_all(&bench, inbox, junk(&bench)).await;
        let mut view = bench.ana.select(junk(&bench), false).unwrap();
        let seen = FlagChange {
            op: FlagOp::Add,
            flags: flags(SystemFlags::SEEN, &[]),
            unchanged_since: None,
        };
        view.store(&all(), Numbers::Uid, &seen).await.unwrap();
        assert_eq!(hear(&books, &bench, HOW).await, [Class::Spam]);
        assert_eq!(numbers(&books, &bench).await, [(0, 1), (0, 1)]);
    });
}

#[test]
fn what_is_answered_or_flagged_is_wanted_unless_it_is_junk() {
    let bench = Bench::new();
    run(async {
        let books = Books::open(&bench.accounts, 2).await.unwrap();
        let (inbox, why) =
            (mailbox(&bench, "INBOX"), Explained { junk: true, ..Explained::default() });
        bench.ana.append(inbox, vec![offer(1), offer(2)]).await.unwrap();
        let filtered = NewMessage { explained: Some(Arc::new(why)), ..offer(3) };
        bench.ana.append(junk(&bench), vec![filtered]).await.unwrap();
        for (place, system) in [
            (inbox, SystemFlags::ANSWERED),
            (inbox, SystemFlags::FLAGGED),
            (junk(&bench), SystemFlags::FLAGGED),
        ] {
            let mut view = bench.ana.select(place, false).unwrap();
            let change =
                FlagChange { op: FlagOp::Add, flags: flags(system, &[]), unchanged_since: None };
            view.store(&all(), Numbers::Uid, &change).await.unwrap();
            assert_eq!(hear(&books, &bench, HOW).await, []);
        }
        assert_eq!(numbers(&books, &bench).await, [(2, 0), (2, 0)]);
    });
}

#[test]
fn junk_of_the_filter_that_is_copied_out_is_wanted() {
    let bench = Bench::new();
    run(async {
        let books = Books::open(&bench.accounts, 2).await.unwrap();
        let why = Explained { junk: true, ..Explained::default() };
        let message = NewMessage { explained: Some(Arc::new(why.clone())), ..offer(1) };
        let appended = bench.ana.append(junk(&bench), vec![message]).await.unwrap();
        assert_eq!(bench.ana.explained(appended.messages[0]).await.unwrap(), Some(why));
        assert_eq!(hear(&books, &bench, HOW).await, []);
        let mut view = bench.ana.select(junk(&bench), false).unwrap();
        view.copy(&all(), Numbers::Uid, mailbox(&bench, "INBOX")).await.unwrap();
        assert_eq!(hear(&books, &bench, HOW).await, [Class::Ham]);
    });
}

#[test]
fn one_command_teaches_so_many_messages_and_not_one_more() {
    for (messages_max, learnt) in [(3, 3), (4, 4), (5, 4)] {
        let bench = Bench::new();
        run(async {
            let books = Books::open(&bench.accounts, 2).await.unwrap();
            let inbox = mailbox(&bench, "INBOX");
            bench.ana.append(inbox, (1..=4).map(offer).collect()).await.unwrap();
            move_all(&bench, inbox, junk(&bench)).await;
            let how = Learning { teaches_server: false, messages_max };
            assert_eq!(hear(&books, &bench, how).await.len(), learnt);
            assert_eq!(numbers(&books, &bench).await, [(0, learnt as u16), (0, 0)]);
        });
    }
}

/// Lessons are written one by one, then into pages: what is read is the same at any number of them.
#[test]
fn a_book_reads_back_as_it_was_written() {
    let bench = Bench::new();
    run(async {
        let books = Books::open(&bench.accounts, 2).await.unwrap();
        let inbox = mailbox(&bench, "INBOX");
        bench.ana.append(inbox, (1..=70).map(offer).collect()).await.unwrap();
        let tokens = books.tokens(&offer(7).bytes);
        let wanted = books.tokens(b"From: bob@friends.test\r\nSubject: lunch\r\n\r\nat noon\r\n");
        books.teach(&[(wanted, Class::Ham)]).await.unwrap();
        let id = bench.ana.id();
        for at in 1..=70 {
            let mut view = bench.ana.select(inbox, false).unwrap();
            let one = NumberSet::of([(at, at)]);
            view.move_to(&one, Numbers::Uid, junk(&bench)).await.unwrap();
            assert_eq!(hear(&books, &bench, HOW).await, [Class::Spam], "{at}");
            if [1, 63, 64, 65, 70].contains(&at) {
                let stored = Books::open(&bench.accounts, 2).await.unwrap();
                let verdict = books.verdict(id, &tokens).await.unwrap();
                assert_eq!(stored.verdict(id, &tokens).await.unwrap(), verdict, "{at}");
                assert_eq!(numbers(&stored, &bench).await, numbers(&books, &bench).await, "{at}");
            }
        }
    });
}

#[test]
fn nothing_stays_of_an_erased_account() {
    let bench = Bench::new();
    run(async {
        let books = Books::open(&bench.accounts, 2).await.unwrap();
        let inbox = mailbox(&bench, "INBOX");
        bench.ana.append(inbox, vec![offer(1)]).await.unwrap();
        move_all(&bench, inbox, junk(&bench)).await;
        hear(&books, &bench, HOW).await;
        let keys = || {
            let (from, to) = (Bytes::from_static(b"d\0\0\0\x01"), Bytes::from_static(b"f"));
            let (account, reverse, entries_max) = (BOOKS, false, usize::MAX);
            bench.store.scan(Scan { account, from, to, reverse, entries_max })
        };
        let of_ana = keys().await.unwrap();
        assert!(of_ana.len() >= 3, "{of_ana:?}");
        let address = mail::Address::parse("ana@example.test").unwrap();
        bench.accounts.directory().remove_account(&address).await.unwrap();
        books.forget(bench.ana.id());
        assert_eq!(keys().await.unwrap(), []);
        assert_eq!(numbers(&books, &bench).await, [(0, 0), (0, 1)]);
    });
}
