//! Deliveries: LMTP and SMTP into mailboxes, durable, and what they take on disk.

use super::{Bench, count, disk as octets_below};
use crate::{
    client::mail::Deliverer,
    error::{Error, fail},
    peer::{ACCOUNTS, Server},
    table::{Figure, Row},
    text::Writer,
};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

/// How deliveries are made.
#[derive(Clone, Copy)]
struct Shape {
    port: u16,
    lmtp: bool,
    connections: usize,
    accounts: usize,
}

/// Delivers for so many seconds; gives messages and seconds.
fn deliver(shape: Shape, seconds: u64, writer: &Writer) -> Result<(f64, f64), Error> {
    let done = AtomicU64::new(0);
    let started = Instant::now();
    let end = started + Duration::from_secs(seconds);
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for worker in 0..shape.connections {
            let (done, mut writer) = (&done, writer.with_seed(worker as u64 + 11));
            workers.push(scope.spawn(move || -> Result<(), Error> {
                let messages: Vec<Vec<u8>> = (0..32).map(|_| writer.message(4096)).collect();
                let mut connection = Deliverer::connect(shape.port, shape.lmtp)?;
                for (at, message) in messages.iter().cycle().enumerate() {
                    if Instant::now() >= end {
                        break;
                    }
                    let account = (worker + at * shape.connections) % shape.accounts;
                    connection.deliver(&Server::user(account), message)?;
                    done.fetch_add(1, Ordering::Relaxed);
                }
                Ok(())
            }));
        }
        for worker in workers {
            worker.join().map_err(|_| Error("a worker panicked".into()))??;
        }
        Ok::<(), Error>(())
    })?;
    #[allow(clippy::cast_precision_loss)]
    Ok((done.load(Ordering::Relaxed) as f64, started.elapsed().as_secs_f64()))
}

/// LMTP over many and one account and connection.
pub fn lmtp(bench: &mut Bench<'_>) -> Result<(), Error> {
    let (palomar, dovecot) = bench.pair("lmtp")?;
    let works = [
        ("LMTP, 4 KB, 32 connections, 100 accounts", 32, ACCOUNTS, "≥ 5 ×, CPU ≤ 1/4"),
        ("LMTP, 4 KB, 32 connections, one account", 32, 1, "≥ 5 ×"),
        ("LMTP, 4 KB, 1 connection", 1, ACCOUNTS, "≥ 1.2 ×"),
    ];
    for (work, connections, accounts, goal) in works {
        let [ours, theirs] = bench.turns([&palomar, &dovecot], |server, _| {
            let shape = Shape { port: server.lmtp, lmtp: true, connections, accounts };
            let (messages, seconds) = deliver(shape, bench.plan.seconds, &bench.writer)?;
            Ok((messages / seconds, messages))
        })?;
        bench.row(Row {
            work: work.into(),
            unit: "messages/s",
            more_is_better: true,
            peer: "Dovecot",
            palomar: ours,
            other: Some(theirs),
            goal,
        });
    }
    Ok(())
}

/// SMTP reception end to end: until every message is in its mailbox.
pub fn smtp(bench: &mut Bench<'_>) -> Result<(), Error> {
    let (palomar, postfix, dovecot) = bench.trio("smtp")?;
    let mut had = [0_u64; 2];
    let [ours, theirs] = bench.turns([&palomar, &postfix], |server, _| {
        let shape = Shape { port: server.smtp, lmtp: false, connections: 32, accounts: 4 };
        let started = Instant::now();
        let (messages, _) = deliver(shape, bench.plan.seconds, &bench.writer)?;
        let slot = had.get_mut(usize::from(server.smtp == postfix.smtp));
        let Some(slot) = slot else { return fail("no slot") };
        #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let expected = *slot + messages as u64;
        arrived(server, expected)?;
        *slot = expected;
        Ok((messages / started.elapsed().as_secs_f64(), messages))
    })?;
    drop(dovecot);
    bench.row(Row {
        work: "SMTP into the mailbox, 4 KB, 32 connections".into(),
        unit: "messages/s",
        more_is_better: true,
        peer: "Postfix + Dovecot",
        palomar: ours,
        other: Some(theirs),
        goal: "≥ 8 ×, CPU ≤ 1/8",
    });
    Ok(())
}

/// Waits, bounded, until so many messages are in the mailboxes of the accounts used.
fn arrived(server: &Server, expected: u64) -> Result<(), Error> {
    let deadline = Instant::now() + Duration::from_secs(300);
    loop {
        let mut there = 0;
        for account in 0..4 {
            there += count(server, &Server::user(account))?;
        }
        if there >= expected {
            return Ok(());
        }
        if Instant::now() > deadline {
            return fail(format!("{there} of {expected} messages arrived"));
        }
        thread::sleep(Duration::from_millis(20));
    }
}

/// What a message takes on disk.
pub fn disk(bench: &mut Bench<'_>) -> Result<(), Error> {
    const MESSAGES: usize = 20_000;
    let (palomar, dovecot) = bench.pair("disk")?;
    let mut figures = [Figure::default(); 2];
    for (server, figure) in [&palomar, &dovecot].into_iter().zip(figures.iter_mut()) {
        let before = octets_below(&server.data);
        let mut writer = bench.writer.with_seed(99);
        for account in 0..10 {
            super::fill(server, &Server::user(account), MESSAGES / 10, &mut writer)?;
        }
        let used = octets_below(&server.data).saturating_sub(before);
        #[allow(clippy::cast_precision_loss)]
        let each = used as f64 / MESSAGES as f64;
        figure.value = each;
    }
    let [ours, theirs] = figures;
    bench.row(Row {
        work: format!("disk of a 4 KB message ({MESSAGES} messages)"),
        unit: "octets",
        more_is_better: false,
        peer: "Dovecot",
        palomar: ours,
        other: Some(theirs),
        goal: "≤ 1/2",
    });
    Ok(())
}
