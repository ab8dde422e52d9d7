//! The durable part of the outbound queue: taken in, read, changed, gone, and with a failing store.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use account::{
    Clock as _, Error, Refused,
    queue::{Envelope, Notify, Progress, Queue, QueueId, Queued, Reply, Room, Settled, Target},
};
use mail::{AccountId, Address};
use std::{
    future::Future,
    pin::pin,
    sync::{Arc, atomic::Ordering},
};
use store::{Blobs, Kv};
use support::{Bench, poll, run};

/// The queue's own account.
const QUEUE: u32 = u32::MAX;

fn envelope(content: &[u8], to: &[&str]) -> Envelope {
    let target = |address: &&str| Target {
        address: Address::parse(address).unwrap(),
        notify: Notify::default(),
        original: None,
    };
    Envelope {
        from: Address::parse("ana@example.test"),
        account: Some(AccountId(1)),
        octets: content.len() as u64,
        recipients: to.iter().map(target).collect(),
        ..Envelope::default()
    }
}

fn settled(how: Settled) -> Progress {
    let reply = Some(Reply::new("mx.other.test", 250, (2, 0, 0), "taken"));
    Progress { attempts: 1, settled: Some(how), reply, ..Progress::default() }
}

async fn all(queue: &Queue) -> Vec<Queued> {
    let (mut after, mut found) = (None, Vec::new());
    loop {
        let page = queue.page(after).await.unwrap();
        let Some((last, _)) = page.last() else { return found };
        after = Some(*last);
        found.extend(page.into_iter().map(|(_, queued)| queued.unwrap()));
    }
}

async fn is_empty(bench: &Bench) -> bool {
    let entries_max = usize::MAX;
    let (from, to) = (Vec::new().into(), Vec::new().into());
    let scan = store::Scan { account: QUEUE, from, to, reverse: false, entries_max };
    let keys = bench.store.scan(scan).await.unwrap();
    // Its own wrapped key stays, and how much an account sent lately.
    let left = keys.iter().filter(|(key, _)| !key.starts_with(b"W") && !key.starts_with(b"h"));
    left.count() == 0 && bench.store.memory.list(QUEUE, None, 9).await.unwrap().is_empty()
}

#[test]
fn what_an_account_sent_is_counted_with_the_message() {
    let bench = Bench::new();
    run(async {
        let queue = Queue::open(&bench.accounts).await.unwrap();
        let account = mail::AccountId(7);
        let two = envelope(b"x", &["b@other.test", "c@other.test"]);
        let two = Envelope { account: Some(account), ..two };
        for _ in 0..3 {
            queue.put(&two, b"x").await.unwrap();
        }
        let now = bench.clock.now_seconds();
        assert_eq!(queue.sent(account).await.unwrap().in_hour(now), 6);
        assert!(queue.tells_of_limit(account).await.unwrap());
        let again = bench.reopened();
        let queue = Queue::open(&again.accounts).await.unwrap();
        assert_eq!(queue.sent(account).await.unwrap().in_day(now), 6);
        assert!(!queue.tells_of_limit(account).await.unwrap(), "once a day");
        assert_eq!(queue.sent(mail::AccountId(8)).await.unwrap().in_day(now), 0);
    });
}

#[test]
fn what_a_new_address_gave_is_counted_before_it_is_given() {
    const DAY: i64 = 86_400;
    let bench = Bench::new();
    let (address, max) = ("192.0.2.1".parse().unwrap(), |day: u32| (day < 2).then_some(2 << day));
    run(async {
        let queue = Queue::open(&bench.accounts).await.unwrap();
        let one = (address, "one.test");
        let first = bench.clock.now_seconds();
        assert_eq!(queue.first_used(address).await.unwrap(), None);
        assert_eq!(queue.room(one, max).await.unwrap(), Room::Yes);
        for _ in 0..2 {
            assert_eq!(queue.give(one, max).await.unwrap(), Room::Yes);
        }
        assert_eq!(queue.give(one, max).await.unwrap(), Room::No(first + DAY));
        assert_eq!(queue.room(one, max).await.unwrap(), Room::No(first + DAY));
        assert_eq!(queue.give((address, "two.test"), max).await.unwrap(), Room::Yes);
        // Another process goes on where this one was.
        let again = bench.reopened();
        let queue = Queue::open(&again.accounts).await.unwrap();
        queue.tidy_warmth(&[address]).await.unwrap();
        assert_eq!(queue.first_used(address).await.unwrap(), Some(first));
        assert_eq!(queue.give(one, max).await.unwrap(), Room::No(first + DAY));
        assert_eq!(queue.give((address, "two.test"), max).await.unwrap(), Room::Yes);
        // What cannot be written down is not given, and counts.
        again.clock.0.store(first + DAY, Ordering::Relaxed);
        let next = again.store.commits.load(Ordering::Relaxed) + 1;
        again.store.fails.store(next, Ordering::Relaxed);
        assert!(queue.give(one, max).await.is_err());
        for _ in 0..3 {
            assert_eq!(queue.give(one, max).await.unwrap(), Room::Yes);
        }
        assert_eq!(queue.give(one, max).await.unwrap(), Room::No(first + 2 * DAY));
        // An address that is new no more is not counted for.
        queue.tidy_warmth(&[]).await.unwrap();
        assert_eq!(queue.first_used(address).await.unwrap(), Some(first));
        assert_eq!(queue.room(one, max).await.unwrap(), Room::Yes);
    });
}

#[test]
fn a_message_waits_until_its_last_recipient_is_settled() {
    let bench = Bench::new();
    run(async {
        let queue = Queue::open(&bench.accounts).await.unwrap();
        let content = b"Subject: x\r\n\r\nHello\r\n".repeat(30_000);
        let sent = envelope(&content, &["b@other.test", "c@other.test"]);
        let id = queue.put(&sent, &content).await.unwrap();
        drop(queue);

        let queue = Queue::open(&bench.accounts).await.unwrap();
        let mut queued = queue.find(id).await.unwrap().unwrap();
        assert_eq!((queued.id, &queued.envelope), (id, &sent));
        assert_eq!(queued.progress, [Progress::default(), Progress::default()]);
        assert_eq!(queue.content(&queued, 0, u64::MAX).await.unwrap(), content);
        for (from, octets) in [(0, 10), (262_140, 10), (262_144, 1), (600_000, 99_999), (7, 0)] {
            let end = content.len().min(from + octets);
            let part = queue.content(&queued, from as u64, octets as u64).await.unwrap();
            assert_eq!(part, content[from..end]);
        }

        queued.progress[1] = settled(Settled::Relayed);
        queue.progress(&queued, &[1]).await.unwrap();
        let queue = Queue::open(&bench.accounts).await.unwrap();
        assert_eq!(all(&queue).await, [queued.clone()]);

        queued.envelope.held = true;
        queue.amend(&queued).await.unwrap();
        assert_eq!(queue.find(id).await.unwrap(), Some(queued.clone()));

        queued.progress[0] = settled(Settled::Failed);
        queue.progress(&queued, &[0]).await.unwrap();
        assert_eq!(queue.find(id).await.unwrap(), None);
        assert!(is_empty(&bench).await);
    });
}

#[test]
fn a_report_comes_when_the_message_goes() {
    let bench = Bench::new();
    run(async {
        let queue = Queue::open(&bench.accounts).await.unwrap();
        let id = queue.put(&envelope(b"a", &["b@other.test", "c@x.test"]), b"a").await.unwrap();
        let mut queued = queue.find(id).await.unwrap().unwrap();
        queued.progress[0] = settled(Settled::Failed);
        let bounce = Envelope { from: None, ..envelope(b"late", &["ana@example.test"]) };
        let late = bytes::Bytes::from_static(b"late");
        let first = queue.follow(&queued, &[(bounce.clone(), late.clone())]).await.unwrap()[0];
        assert_eq!(queue.find(id).await.unwrap(), Some(queued.clone()));
        queued.progress[1] = settled(Settled::Failed);
        let second = queue.follow(&queued, &[(bounce.clone(), late.clone())]).await.unwrap()[0];
        let ids: Vec<QueueId> = all(&queue).await.iter().map(|queued| queued.id).collect();
        assert_eq!(ids, [first, second]);
    });
}

#[test]
fn what_goes_on_and_that_it_does_are_one_commit() {
    let bench = Bench::new();
    run(async {
        let queue = Queue::open(&bench.accounts).await.unwrap();
        let id = queue.put(&envelope(b"a", &["b@other.test", "c@x.test"]), b"a").await.unwrap();
        let mut queued = queue.find(id).await.unwrap().unwrap();
        let before = queued.clone();
        queued.progress[0] = settled(Settled::Delivered);
        let one = |text: &'static [u8]| {
            (envelope(text, &["d@elsewhere.test"]), bytes::Bytes::from_static(text))
        };
        let follow = [one(b"first"), one(b"second"), one(b"third")];
        let commits = bench.store.commits.load(Ordering::Relaxed);
        bench.store.fails.store(commits + 1, Ordering::Relaxed);
        assert!(queue.follow(&queued, &follow).await.is_err());
        assert_eq!(all(&queue).await, [before]);
        let ids = queue.follow(&queued, &follow).await.unwrap();
        assert_eq!(bench.store.commits.load(Ordering::Relaxed), commits + 2);
        let found = all(&queue).await;
        assert_eq!(found.iter().map(|one| one.id).collect::<Vec<_>>()[1..], ids);
        assert_eq!(found[0], queued);
        for (queued, (_, content)) in found[1..].iter().zip(&follow) {
            assert_eq!(queue.content(queued, 0, u64::MAX).await.unwrap(), content);
        }
        // The next message has a number of its own.
        let next = queue.put(&envelope(b"a", &["b@other.test"]), b"a").await.unwrap();
        assert!(ids.iter().all(|one| *one < next));
    });
}

#[test]
fn what_an_account_sent_goes_with_it() {
    let bench = Bench::new();
    run(async {
        let queue = Queue::open(&bench.accounts).await.unwrap();
        for number in 0..600 {
            let account = Some(AccountId(1 + number % 2));
            let one = Envelope { account, ..envelope(b"a", &["b@other.test"]) };
            queue.put(&one, b"a").await.unwrap();
        }
        assert_eq!(queue.remove_of(AccountId(1)).await.unwrap(), 300);
        let left = all(&queue).await;
        assert!(left.iter().all(|queued| queued.envelope.account == Some(AccountId(2))));
        assert_eq!(left.len(), 300);
    });
}

#[test]
fn refused_are_too_big_and_nobody() {
    let max = 100;
    let bench = Bench::with(account::Options { message_octets_max: max, ..support::options() });
    run(async {
        let queue = Queue::open(&bench.accounts).await.unwrap();
        let content = vec![b'x'; 101];
        let put = queue.put(&envelope(&content, &["b@other.test"]), &content).await;
        assert_eq!(put, Err(Error::Refused(Refused::MessageTooBig)));
        let content = &content[..100];
        assert!(queue.put(&envelope(content, &["b@other.test"]), content).await.is_ok());
        let put = queue.put(&envelope(content, &[]), content).await;
        assert_eq!(put, Err(Error::Refused(Refused::Limit)));
    });
}

#[test]
fn commits_share_the_way_to_the_disk_and_fail_together() {
    let bench = Bench::new();
    let queue = run(Queue::open(&bench.accounts)).unwrap();
    bench.store.hold(true);
    let sent = envelope(b"a", &["b@other.test"]);
    {
        let mut one = pin!(queue.put(&sent, b"a"));
        let mut two = pin!(queue.put(&sent, b"a"));
        assert!(poll(one.as_mut()).is_pending() && poll(two.as_mut()).is_pending());
        assert_eq!(bench.store.waiting(), 2, "nobody waits for another's disk");
        bench.store.fail(store::Error::Full);
        assert!(run(one).is_err() && run(two).is_err());
    }
    bench.store.hold(false);
    let id = run(queue.put(&sent, b"a")).unwrap();
    assert_eq!(run(all(&queue)).len(), 1);
    assert!(run(queue.find(id)).unwrap().is_some());
}

#[test]
fn a_commit_that_nobody_waits_for_breaks_nothing() {
    let bench = Bench::new();
    let queue = run(Queue::open(&bench.accounts)).unwrap();
    bench.store.hold(true);
    let sent = envelope(b"a", &["b@other.test"]);
    {
        let mut given_up = Box::pin(queue.put(&sent, b"a"));
        assert!(poll(given_up.as_mut()).is_pending());
    }
    bench.store.go_all();
    bench.store.hold(false);
    run(queue.put(&sent, b"a")).unwrap();
    assert_eq!(run(all(&queue)).len(), 2);
}

#[test]
fn numbers_are_read_as_they_are_written() {
    for number in [0, 1, 255, u64::MAX] {
        let id = QueueId(number);
        assert_eq!(id.to_string().parse(), Ok(id));
    }
    for text in ["", "Q", "Qx", "1", "Q11111111111111111"] {
        assert_eq!(text.parse::<QueueId>(), Err(Refused::NoSuchEntry));
    }
}

fn _is_send(queue: Arc<Queue>, queued: Queued) -> impl Future + Send {
    async move { queue.progress(&queued, &[]).await }
}
