//! The outbound queue: submissions through it to a host that takes all, and what a hundred
//! thousand messages for a dead domain cost the others.

use super::Bench;
use crate::{
    client::{mail::Deliverer, taker::Taker},
    cpu,
    error::Error,
    peer::{ACCOUNTS, Server, palomar, postfix, sink::Sink},
    table::{Figure, Row, median},
    text::Writer,
};
use std::{
    sync::atomic::{AtomicUsize, Ordering},
    thread,
    time::{Duration, Instant},
};

const CONNECTIONS: usize = 32;
const OCTETS: usize = 4096;
/// Messages for the dead domain.
const DEAD: usize = 100_000;
/// The store's cache while memory is measured: what the queue needs is asked, not what is cached.
const CACHE_OCTETS: usize = 32 << 20;
/// Messages that are measured beside them, one after the other on each of so many connections.
const MEASURED: usize = 2_000;
const MEASURED_CONNECTIONS: usize = 4;

/// A message of this user.
fn message(writer: &mut Writer, user: &str) -> Vec<u8> {
    let text = writer.message(OCTETS);
    let line = text.split_inclusive(|octet| *octet == b'\n');
    let own = format!("From: <{user}>\r\n").into_bytes();
    let line = line.map(|line| if line.starts_with(b"From: ") { own.as_slice() } else { line });
    line.collect::<Vec<_>>().concat()
}

/// Submits on many connections until `more` says no; `more` is told the number of the next.
fn submit(
    server: &Server,
    (to, writer): (&str, &Writer),
    more: impl Fn(usize) -> bool + Sync,
) -> Result<usize, Error> {
    let (port, next) = (server.submissions, AtomicUsize::new(0));
    let done = AtomicUsize::new(0);
    thread::scope(|scope| {
        let workers: Vec<_> = (0..CONNECTIONS)
            .map(|worker| {
                let (next, done, more) = (&next, &done, &more);
                let mut writer = writer.with_seed(worker as u64 + 31);
                scope.spawn(move || -> Result<(), Error> {
                    let user = Server::user(worker % ACCOUNTS);
                    let messages: Vec<_> = (0..32).map(|_| message(&mut writer, &user)).collect();
                    let mut connection = Deliverer::submit(port, &user)?;
                    for message in messages.iter().cycle() {
                        if !more(next.fetch_add(1, Ordering::Relaxed)) {
                            break;
                        }
                        connection.deliver(to, message)?;
                        done.fetch_add(1, Ordering::Relaxed);
                    }
                    Ok(())
                })
            })
            .collect();
        for worker in workers {
            worker.join().map_err(|_| Error("a worker panicked".into()))??;
        }
        Ok::<(), Error>(())
    })?;
    Ok(done.load(Ordering::Relaxed))
}

/// Submission, queue, smtp-sink: until the sink has all.
pub fn run(bench: &mut Bench<'_>) -> Result<(), Error> {
    let (room, sink) = (bench.room("queue")?, Sink::start()?);
    let settings = format!("[outbound]\nroutes = [\"sink.test=127.0.0.1:{}\"]\n", sink.port);
    let palomar = palomar::start_with(&bench.binary, &room, &settings)?;
    let postfix = postfix::start_relay(&room, sink.port)?;
    let [ours, theirs] = bench.turns([&palomar, &postfix], |server, _| {
        let (before, started) = (sink.messages(), Instant::now());
        let end = started + Duration::from_secs(bench.plan.seconds);
        let sent = submit(server, ("x@sink.test", &bench.writer), |_| Instant::now() < end)?;
        sink.arrived(before + sent as u64)?;
        #[allow(clippy::cast_precision_loss)]
        let sent = sent as f64;
        Ok((sent / started.elapsed().as_secs_f64(), sent))
    })?;
    bench.row(Row {
        work: "submission, queue, another host: 4 KB, 32 connections in".into(),
        unit: "messages/s",
        more_is_better: true,
        peer: "Postfix",
        palomar: ours,
        other: Some(theirs),
        goal: "≥ 3 ×, CPU ≤ 1/3",
    });
    Ok(())
}

/// Milliseconds from the first word of a submission until another host has the message, sorted.
fn latencies(server: &Server, taker: &Taker, writer: &Writer) -> Result<Vec<f64>, Error> {
    let port = server.submissions;
    let times = thread::scope(|scope| {
        let workers: Vec<_> = (0..MEASURED_CONNECTIONS)
            .map(|worker| {
                let mut writer = writer.with_seed(worker as u64 + 71);
                scope.spawn(move || -> Result<Vec<f64>, Error> {
                    let user = Server::user(worker);
                    let mut connection = Deliverer::submit(port, &user)?;
                    let mut times = Vec::new();
                    for _ in 0..MEASURED / MEASURED_CONNECTIONS {
                        let (token, waits) = taker.expect();
                        let mut text = format!("X-Bench: {token}\r\n").into_bytes();
                        text.extend(message(&mut writer, &user));
                        let started = Instant::now();
                        connection.deliver("x@quick.test", &text)?;
                        let took = waits.recv()?.saturating_duration_since(started);
                        times.push(took.as_secs_f64() * 1_000.0);
                    }
                    Ok(times)
                })
            })
            .collect();
        let mut all = Vec::new();
        for worker in workers {
            all.extend(worker.join().map_err(|_| Error("a worker panicked".into()))??);
        }
        Ok::<_, Error>(all)
    });
    let mut times = times?;
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Medians over the rounds of p50 and p99 of these latencies.
fn percentiles((server, taker): (&Server, &Taker), bench: &Bench<'_>) -> Result<[f64; 2], Error> {
    let mut found = [Vec::new(), Vec::new()];
    for _ in 0..bench.plan.rounds {
        let times = latencies(server, taker, &bench.writer)?;
        for (percent, found) in [50, 99].into_iter().zip(found.iter_mut()) {
            found.push(times.get(times.len() * percent / 100).copied().unwrap_or_default());
        }
    }
    eprintln!("  p50 and p99 of each round, ms: {found:.2?}");
    Ok(found.map(median))
}

/// Waits, bounded, until a server has done what it does after the answers: the store's cleaning.
fn settle(server: &Server) {
    for _ in 0..60 {
        let before = cpu::seconds(&server.roots);
        thread::sleep(Duration::from_secs(1));
        if cpu::seconds(&server.roots) - before < 0.03 {
            return;
        }
    }
}

/// What waits for a dead domain: memory, and what others feel of it.
pub fn dead(bench: &mut Bench<'_>) -> Result<(), Error> {
    let (room, taker) = (bench.room("dead")?, Taker::start()?);
    let nobody = crate::peer::free_port()?;
    let settings = format!(
        "[outbound]\nroutes = [\"quick.test=127.0.0.1:{}\", \"dead.test=127.0.0.1:{nobody}\"]\n\
         retry_seconds_min = 2\nretry_seconds_max = 10\n\
         [limits]\nstore_cache_octets_max = {CACHE_OCTETS}\n",
        taker.port
    );
    let server = palomar::start_with(&bench.binary, &room, &settings)?;
    let without = percentiles((&server, &taker), bench)?;
    let before = cpu::memory_kilobytes(&server.roots);
    let started = Instant::now();
    let queued = submit(&server, ("x@dead.test", &bench.writer), |number| number < DEAD)?;
    eprintln!("  {queued} messages queued in {:.1} s", started.elapsed().as_secs_f64());
    settle(&server);
    // Before the next logins, each of which takes some megabytes for its hash and gives them back.
    let after = cpu::memory_kilobytes(&server.roots);
    let with = percentiles((&server, &taker), bench)?;
    eprintln!("  memory: {before:.0} KB before, {after:.0} KB after");
    bench.row(Row {
        work: format!("memory of the server with {DEAD} messages for a dead domain"),
        unit: "MB",
        more_is_better: false,
        peer: "empty queue",
        palomar: Figure { value: after / 1024.0, cpu_ms: 0.0 },
        other: Some(Figure { value: before / 1024.0, cpu_ms: 0.0 }),
        goal: "≤ 100 MB",
    });
    for ((name, with), without) in ["p50", "p99"].into_iter().zip(with).zip(without) {
        bench.row(Row {
            work: format!("submission to another host, beside {DEAD} that wait, {name}"),
            unit: "ms",
            more_is_better: false,
            peer: "empty queue",
            palomar: Figure { value: with, cpu_ms: 0.0 },
            other: Some(Figure { value: without, cpu_ms: 0.0 }),
            goal: "≥ 1/2 ×",
        });
    }
    Ok(())
}
