//! Very many idle connections: what each costs, and how soon all hear of a delivery.

use super::Bench;
use crate::{
    client::{imap::Imap, mail::Deliverer},
    cpu,
    error::{Error, fail},
    peer::{ACCOUNTS, PASSWORD, Server, palomar},
    table::{Figure, Row},
};
use std::{thread, time::Instant};

/// What is wanted; a process may not have more descriptors than the machine allows it.
const CONNECTIONS: usize = 20_000;
/// Descriptors that a server and this program need for other things.
const DESCRIPTORS_SPARE: usize = 700;
const WORKERS: usize = 8;

fn descriptors() -> usize {
    let limits = std::fs::read_to_string("/proc/self/limits").unwrap_or_default();
    let line = limits.lines().find(|line| line.starts_with("Max open files"));
    let word = line.and_then(|line| line.split_whitespace().nth(4));
    word.and_then(|word| word.parse().ok()).unwrap_or(1_024)
}

/// Opens sessions that idle, some at a time.
fn open(server: &Server, connections: usize) -> Result<Vec<Vec<Imap>>, Error> {
    let port = server.imaps;
    let session = move |number: usize| -> Result<Imap, Error> {
        let mut imap = Imap::login(port, &Server::user(number), PASSWORD)?;
        imap.run("SELECT INBOX")?;
        imap.idle()?;
        Ok(imap)
    };
    thread::scope(|scope| {
        let workers: Vec<_> = (0..WORKERS)
            .map(|worker| {
                let numbers = (worker..connections).step_by(WORKERS);
                scope.spawn(move || numbers.map(session).collect::<Result<Vec<_>, _>>())
            })
            .collect();
        let mut all = Vec::new();
        for worker in workers {
            all.push(worker.join().map_err(|_| Error("a worker panicked".into()))??);
        }
        Ok(all)
    })
}

/// Palomar alone: a process a connection would fill this machine.
pub fn run(bench: &mut Bench<'_>) -> Result<(), Error> {
    let connections = CONNECTIONS.min(descriptors().saturating_sub(DESCRIPTORS_SPARE));
    let room = bench.room("connections")?;
    let palomar = palomar::start(&bench.binary, &room)?;
    drop(open(&palomar, ACCOUNTS)?);
    let before = cpu::memory_kilobytes(&palomar.roots);
    let mut sessions = open(&palomar, connections)?;
    let after = cpu::memory_kilobytes(&palomar.roots);
    let used = cpu::seconds(&palomar.roots);
    let mut writer = bench.writer.with_seed(77);
    let mut lmtp = Deliverer::connect(palomar.lmtp, true)?;
    for number in 0..ACCOUNTS {
        lmtp.deliver(&Server::user(number), &writer.message(4096))?;
    }
    let delivered = Instant::now();
    thread::scope(|scope| {
        let workers: Vec<_> = sessions
            .iter_mut()
            .map(|sessions| scope.spawn(|| sessions.iter_mut().try_for_each(Imap::exists)))
            .collect();
        for worker in workers {
            worker.join().map_err(|_| Error("a worker panicked".into()))??;
        }
        Ok::<(), Error>(())
    })?;
    let seconds = delivered.elapsed().as_secs_f64();
    if sessions.iter().map(Vec::len).sum::<usize>() != connections {
        return fail("not all connections are there");
    }
    let used = cpu::seconds(&palomar.roots) - used;
    #[allow(clippy::cast_precision_loss)]
    let count = connections as f64;
    let row = |work: String, unit, figure, goal| Row {
        work,
        unit,
        more_is_better: false,
        peer: "",
        palomar: figure,
        other: None,
        goal,
    };
    let memory = Figure { value: (after - before) / count, cpu_ms: 0.0 };
    let name = format!("memory of an idle TLS IMAP connection, {connections} of them");
    bench.row(row(name, "KB", memory, "≤ 25 KB"));
    let pushed = Figure { value: seconds, cpu_ms: used * 1_000.0 / count };
    let name = format!("all {connections} hear of a delivery to each of {ACCOUNTS} mailboxes");
    bench.row(row(name, "s", pushed, "≤ 1 s"));
    Ok(())
}
