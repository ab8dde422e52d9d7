//! Save dates (RFC 8514): of what was taken in, copied, moved, brought back and erased.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use account::{MailboxName, NewMessage, Numbers, check};
use bytes::Bytes;
use mail::{MailboxId, MessageId, NumberSet, Uid};
use std::sync::atomic::Ordering;
use store::Kv;
use support::{Bench, run};

const START: i64 = 1_790_000_000;
const DAY: i64 = 86_400;

fn mailbox(bench: &Bench, name: &str) -> MailboxId {
    bench.ana.mailbox(&MailboxName::parse(name).unwrap()).unwrap().id
}

fn day(bench: &Bench, day: i64) {
    bench.clock.0.store(START + day * DAY, Ordering::Relaxed);
}

/// As FETCH tells it.
async fn saved(bench: &Bench, place: MailboxId, message: MessageId, uid: Uid) -> i64 {
    let record = bench.ana.records(&[message]).await.unwrap().pop().flatten().unwrap();
    let copied = bench.ana.copied_at(place, &[(message, uid)]).await.unwrap();
    (copied[0].unwrap_or(record.save_date()) - START) / DAY
}

#[test]
fn a_copy_has_a_day_of_its_own() {
    let bench = Bench::new();
    run(async {
        let (inbox, archive) = (mailbox(&bench, "INBOX"), mailbox(&bench, "Archive"));
        let bytes = Bytes::from_static(b"Subject: x\r\n\r\nx\r\n");
        let message = NewMessage { internal_date: Some(5), ..NewMessage::new(bytes) };
        let appended = bench.ana.append(inbox, vec![message]).await.unwrap();
        let (message, uid) = (appended.messages[0], appended.uids[0]);
        let all = NumberSet::of([(1, u32::MAX)]);

        day(&bench, 1);
        let mut view = bench.ana.select(inbox, false).unwrap();
        let copied = view.copy(&all, Numbers::Uid, archive).await.unwrap();
        day(&bench, 2);
        let twin = view.copy(&all, Numbers::Uid, inbox).await.unwrap();
        assert_eq!(saved(&bench, inbox, message, uid).await, 0);
        assert_eq!(saved(&bench, archive, message, copied.pairs[0].1).await, 1);
        let twin_uid = twin.pairs[0].1;
        let other = bench.ana.message_of(inbox, twin_uid).unwrap();
        assert_eq!(saved(&bench, inbox, other, twin_uid).await, 2);

        day(&bench, 3);
        let mut view = bench.ana.select(archive, false).unwrap();
        let drafts = mailbox(&bench, "Drafts");
        let moved = view.move_to(&all, Numbers::Uid, drafts).await.unwrap();
        assert_eq!(saved(&bench, drafts, message, moved.pairs[0].1).await, 3);
        let again = bench.reopened();
        assert_eq!(saved(&again, drafts, message, moved.pairs[0].1).await, 3);
        assert!(check::account(&again.accounts, again.ana.id()).await.unwrap().told.is_empty());
    });
}

#[test]
fn nothing_stays_of_an_erased_message() {
    let bench = Bench::new();
    run(async {
        let (inbox, archive) = (mailbox(&bench, "INBOX"), mailbox(&bench, "Archive"));
        let bytes = Bytes::from_static(b"Subject: x\r\n\r\nx\r\n");
        let appended = bench.ana.append(inbox, vec![NewMessage::new(bytes)]).await.unwrap();
        let all = NumberSet::of([(1, u32::MAX)]);
        let mut view = bench.ana.select(inbox, false).unwrap();
        view.move_to(&all, Numbers::Uid, archive).await.unwrap();
        let mut view = bench.ana.select(archive, false).unwrap();
        view.erase(&all).await.unwrap();

        day(&bench, 2);
        let (home, uid) = bench.ana.undelete(appended.messages[0]).await.unwrap();
        assert_eq!(saved(&bench, home, appended.messages[0], uid).await, 2);
        let mut view = bench.ana.select(home, false).unwrap();
        view.erase(&all).await.unwrap();

        bench.ana.purge(START + 90 * DAY).await.unwrap();
        let (from, to) = (Bytes::from_static(b"Z"), Bytes::from_static(b"["));
        let account = bench.ana.id().0;
        let scan = store::Scan { account, from, to, reverse: false, entries_max: 9 };
        assert_eq!(bench.store.scan(scan).await.unwrap(), []);
    });
}
