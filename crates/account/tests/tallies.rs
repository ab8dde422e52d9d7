//! What is counted for reports: added up, within limits, taken out with the report and not
//! otherwise.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use account::queue::{
    Addition, Envelope, Notify, Queue, Tally, TallyId, TallyKind, TallyLimits, TallyRow, Target,
};
use mail::Address;
use std::{collections::BTreeMap, sync::atomic::Ordering};
use support::{Bench, run};

const LIMITS: TallyLimits = TallyLimits { rows_max: 3, all_rows_max: 6 };

fn id(domain: &str) -> TallyId {
    TallyId { kind: TallyKind::Dmarc, day: 20_000, domain: domain.to_owned() }
}

fn addition(rows: &[(&str, u64)]) -> Addition {
    let rows = rows.iter().map(|(row, count)| (row.as_bytes().to_vec(), *count)).collect();
    Addition { about: b"about".to_vec(), rows, lost: 0 }
}

async fn count(queue: &Queue, domain: &str, rows: &[(&str, u64)]) -> u64 {
    let additions = BTreeMap::from([(id(domain), addition(rows))]);
    queue.count_rows(&additions, LIMITS).await.unwrap()
}

async fn found(queue: &Queue, domain: &str) -> (Tally, Vec<TallyRow>) {
    let tally = queue.tally(&id(domain)).await.unwrap().unwrap();
    let mut rows = queue.tally_rows(&id(domain)).await.unwrap();
    rows.sort();
    (tally, rows)
}

fn message() -> Envelope {
    let address = Address::parse("rua@a.test").unwrap();
    let target = Target { address, notify: Notify::default(), original: None };
    Envelope { octets: 6, recipients: vec![target], ..Envelope::default() }
}

#[test]
fn rows_add_up_and_are_there_after_a_restart() {
    let bench = Bench::new();
    run(async {
        let queue = Queue::open(&bench.accounts).await.unwrap();
        assert_eq!(count(&queue, "a.test", &[("x", 1), ("y", 2)]).await, 0);
        assert_eq!(count(&queue, "a.test", &[("y", 5)]).await, 0);
        let again = bench.reopened();
        let queue = Queue::open(&again.accounts).await.unwrap();
        let (tally, rows) = found(&queue, "a.test").await;
        assert_eq!(rows, [(b"x".to_vec(), 1), (b"y".to_vec(), 7)]);
        assert_eq!((tally.rows, tally.counted, tally.lost), (2, 8, 0));
        assert_eq!(tally.about, b"about");
        let of_tls = TallyId { kind: TallyKind::Tls, ..id("a.test") };
        assert_eq!(queue.tally(&of_tls).await.unwrap(), None);
        assert_eq!(queue.tallies().await.unwrap(), [tally]);
    });
}

#[test]
fn as_many_rows_as_the_limits_and_not_one_more() {
    let bench = Bench::new();
    run(async {
        let queue = Queue::open(&bench.accounts).await.unwrap();
        count(&queue, "a.test", &[("1", 1), ("2", 1), ("3", 1)]).await;
        let (tally, _) = found(&queue, "a.test").await;
        assert_eq!((tally.rows, tally.lost), (3, 0));
        // One more is lost; those that are there go on counting.
        count(&queue, "a.test", &[("3", 4), ("4", 2)]).await;
        let (tally, rows) = found(&queue, "a.test").await;
        assert_eq!((tally.rows, tally.counted, tally.lost, rows.len()), (3, 9, 2, 3));
        // Four of six are taken: a tally and a row fit, also after a restart.
        let again = bench.reopened();
        let queue = Queue::open(&again.accounts).await.unwrap();
        assert_eq!(count(&queue, "b.test", &[("1", 1), ("2", 1)]).await, 0);
        let (tally, _) = found(&queue, "b.test").await;
        assert_eq!((tally.rows, tally.counted, tally.lost), (1, 2, 1));
        assert_eq!(count(&queue, "c.test", &[("1", 3)]).await, 3);
        assert_eq!(queue.tally(&id("c.test")).await.unwrap(), None);
        // What leaves makes room.
        let (tally, rows) = found(&queue, "a.test").await;
        queue.close_tally((&tally, &rows), None).await.unwrap();
        assert_eq!(count(&queue, "c.test", &[("1", 3)]).await, 0);
    });
}

#[test]
fn what_was_counted_since_stays() {
    let bench = Bench::new();
    run(async {
        let queue = Queue::open(&bench.accounts).await.unwrap();
        count(&queue, "a.test", &[("x", 3), ("y", 2)]).await;
        let (mut tally, rows) = found(&queue, "a.test").await;
        (tally.done, tally.tries, tally.next_at) = (vec!["https://x".into()], 1, 99);
        queue.postpone(&tally).await.unwrap();
        assert_eq!(found(&queue, "a.test").await.0, tally);
        count(&queue, "a.test", &[("x", 4), ("z", 1)]).await;
        let envelope = message();
        let queued = queue.close_tally((&tally, &rows), Some((&envelope, b"report"))).await;
        let queued = queue.find(queued.unwrap().unwrap()).await.unwrap().unwrap();
        assert_eq!(&queue.content(&queued, 0, 6).await.unwrap()[..], b"report");
        let (left, rows) = found(&queue, "a.test").await;
        assert_eq!(rows, [(b"x".to_vec(), 4), (b"z".to_vec(), 1)]);
        assert_eq!((left.rows, left.counted, left.lost), (2, 5, 0));
        assert_eq!((left.tries, left.next_at, left.done.len()), (0, 0, 0));
        queue.close_tally((&left, &rows), None).await.unwrap();
        assert_eq!(queue.tally(&id("a.test")).await.unwrap(), None);
        assert!(queue.tally_rows(&id("a.test")).await.unwrap().is_empty());
    });
}

#[test]
fn a_report_and_what_it_tells_of_leave_together_or_not_at_all() {
    let bench = Bench::new();
    run(async {
        let queue = Queue::open(&bench.accounts).await.unwrap();
        count(&queue, "a.test", &[("x", 3)]).await;
        let (tally, rows) = found(&queue, "a.test").await;
        let envelope = message();
        let next = bench.store.commits.load(Ordering::SeqCst) + 1;
        bench.store.fails.store(next, Ordering::SeqCst);
        let failed = queue.close_tally((&tally, &rows), Some((&envelope, b"report"))).await;
        assert!(failed.is_err());
        bench.store.fails.store(0, Ordering::SeqCst);
        assert_eq!(found(&queue, "a.test").await, (tally.clone(), rows.clone()));
        assert!(queue.page(None).await.unwrap().is_empty());
        let sent = queue.close_tally((&tally, &rows), Some((&envelope, b"report"))).await.unwrap();
        assert!(sent.is_some());
        // Nothing is left to be reported twice.
        let again = queue.close_tally((&tally, &rows), Some((&envelope, b"report"))).await.unwrap();
        assert_eq!(again, None);
        assert_eq!(queue.page(None).await.unwrap().len(), 1);
    });
}
