//! IMAP APPEND by eight connections into one mailbox that grows.

use super::{Bench, fill};
use crate::{
    client::imap::Imap,
    error::Error,
    peer::{PASSWORD, Server, dovecot, palomar},
    table::Row,
    text::Writer,
};
use std::{
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::{Duration, Instant},
};

const CONNECTIONS: usize = 8;

/// Appends for so many seconds; gives messages a second and messages.
fn append(server: &Server, user: &str, seconds: u64, writer: &Writer) -> Result<(f64, f64), Error> {
    let done = AtomicU64::new(0);
    let mut sessions = Vec::new();
    for _ in 0..CONNECTIONS {
        sessions.push(Imap::login(server.imaps, user, PASSWORD)?);
    }
    let started = Instant::now();
    let end = started + Duration::from_secs(seconds);
    thread::scope(|scope| {
        let mut workers = Vec::new();
        for (worker, mut imap) in sessions.into_iter().enumerate() {
            let (done, mut writer) = (&done, writer.with_seed(worker as u64 + 101));
            workers.push(scope.spawn(move || -> Result<(), Error> {
                while Instant::now() < end {
                    imap.append("INBOX", &[writer.message(4096)])?;
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
    let messages = done.load(Ordering::Relaxed) as f64;
    Ok((messages / started.elapsed().as_secs_f64(), messages))
}

/// At three sizes, each on a mailbox of its own.
pub fn run(bench: &mut Bench<'_>) -> Result<(), Error> {
    let room = bench.room("append")?;
    let sizes: Vec<usize> =
        [100, 16_000, 100_000].into_iter().filter(|size| *size <= bench.plan.mailbox).collect();
    let palomar = palomar::start(&bench.binary, &room)?;
    {
        let filling = dovecot::start(&room, false)?;
        for (at, size) in sizes.iter().enumerate() {
            eprintln!("filling {size}");
            let mut writer = bench.writer.with_seed(5);
            fill(&filling, &Server::user(at), *size, &mut writer)?;
            let mut writer = bench.writer.with_seed(5);
            fill(&palomar, &Server::user(at), *size, &mut writer)?;
        }
    }
    let dovecot = dovecot::start(&room, true)?;
    for (at, size) in sizes.iter().enumerate() {
        let user = Server::user(at);
        let [ours, theirs] = bench.turns([&palomar, &dovecot], |server, _| {
            append(server, &user, bench.plan.seconds, &bench.writer)
        })?;
        bench.row(Row {
            work: format!("IMAP APPEND, 8 connections, mailbox of {size}"),
            unit: "messages/s",
            more_is_better: true,
            peer: "Dovecot",
            palomar: ours,
            other: Some(theirs),
            goal: "≥ 5 ×, flat within 1.5 ×",
        });
    }
    Ok(())
}
