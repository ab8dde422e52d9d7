//! What a mailbox of a million messages costs, and whether single operations cost more as a
//! mailbox grows.

use super::Bench;
use crate::{
    client::{imap::Imap, mail::Deliverer},
    cpu,
    error::Error,
    peer::{PASSWORD, Server, palomar},
    table::{Figure, Row},
};
use std::{process::Command, time::Instant};

const SIZES: [usize; 4] = [1_000, 10_000, 100_000, 1_000_000];
/// Messages here are short: what is measured does not depend on their octets.
const OCTETS: usize = 400;
const OPERATIONS: usize = 1_000;
/// Fetches are among so many of the last messages.
const NEWEST: usize = 1_000;
/// The store's cache while memory is measured: small enough to be full before.
const CACHE_OCTETS: usize = 32 << 20;

struct Costs {
    deliver: Figure,
    fetch: Figure,
    store: Figure,
}

fn each(
    server: &Server,
    mut work: impl FnMut(usize) -> Result<(), Error>,
) -> Result<Figure, Error> {
    let before = cpu::seconds(&server.roots);
    let started = Instant::now();
    (0..OPERATIONS).try_for_each(&mut work)?;
    #[allow(clippy::cast_precision_loss)]
    let operations = OPERATIONS as f64;
    let value = started.elapsed().as_secs_f64() * 1_000.0 / operations;
    let cpu_ms = (cpu::seconds(&server.roots) - before) * 1_000.0 / operations;
    Ok(Figure { value, cpu_ms })
}

fn costs(bench: &Bench<'_>, server: &Server, user: &str, size: usize) -> Result<Costs, Error> {
    let mut imap = Imap::login(server.imaps, user, PASSWORD)?;
    imap.run("SELECT INBOX")?;
    let mut writer = bench.writer.with_seed(5);
    let mut lmtp = Deliverer::connect(server.lmtp, true)?;
    for _ in 0..50 {
        lmtp.deliver(user, &writer.message(OCTETS))?;
    }
    let fetch = each(server, |n| {
        // Where people read: the same memory is in use whatever lies below.
        let first = size - NEWEST + 1 + (n * 7_919) % (NEWEST - 50);
        imap.run(&format!("FETCH {first}:{} (FLAGS ENVELOPE)", first + 49)).map(|_| ())
    })?;
    let store = each(server, |n| {
        let (number, sign) = (1 + (n * 7_919) % size, if n % 2 == 0 { '+' } else { '-' });
        imap.run(&format!("STORE {number} {sign}FLAGS (\\Flagged)")).map(|_| ())
    })?;
    let deliver = each(server, |_| lmtp.deliver(user, &writer.message(OCTETS)))?;
    Ok(Costs { deliver, fetch, store })
}

fn fill(bench: &Bench<'_>, server: &Server, user: &str, size: usize) -> Result<(), Error> {
    eprintln!("filling {size}");
    let mut imap = Imap::login(server.imaps, user, PASSWORD)?;
    let mut writer = bench.writer.with_seed(size as u64);
    let mut left = size;
    while left > 0 {
        let now = left.min(500);
        let batch: Vec<Vec<u8>> = (0..now).map(|_| writer.message(OCTETS)).collect();
        imap.append("INBOX", &batch)?;
        left -= now;
    }
    Ok(())
}

fn row(work: String, unit: &'static str, palomar: Figure, goal: &'static str) -> Row {
    Row { work, unit, more_is_better: false, peer: "", palomar, other: None, goal }
}

/// Palomar alone.
pub fn run(bench: &mut Bench<'_>) -> Result<(), Error> {
    let room = bench.room("growth")?;
    {
        let server = palomar::start(&bench.binary, &room)?;
        for (number, size) in SIZES.iter().enumerate() {
            fill(bench, &server, &Server::user(number), *size)?;
        }
    }
    cold(bench, &room)?;
    let server = palomar::start(&bench.binary, &room)?;
    for (number, size) in SIZES.iter().enumerate() {
        let costs = costs(bench, &server, &Server::user(number), *size)?;
        for (name, figure) in [
            ("LMTP delivery", costs.deliver),
            ("FETCH of 50 envelopes of the newest 1,000", costs.fetch),
            ("STORE of 1", costs.store),
        ] {
            let name = format!("{name}, mailbox of {size}");
            bench.row(row(name, "ms", figure, "flat within 2 ×"));
        }
    }
    Ok(())
}

/// The million, after a start with nothing in the machine's memory where that can be had.
fn cold(bench: &mut Bench<'_>, room: &std::path::Path) -> Result<(), Error> {
    let (number, size) = (SIZES.len() - 1, SIZES.last().copied().unwrap_or_default());
    let dropped = Command::new("sh")
        .args(["-c", "sync; echo 3 > /proc/sys/vm/drop_caches"])
        .status()
        .is_ok_and(|status| status.success());
    // The indexer, which would read a million messages now, has done so long ago where mail comes
    // one by one.
    let settings = format!(
        "[limits]\nstore_cache_octets_max = {CACHE_OCTETS}\n\
         [search]\nindex_messages_min = {}\n",
        u32::MAX
    );
    let server = palomar::start_with(&bench.binary, room, &settings)?;
    // Another account first: its listing fills the store's cache, which all accounts share, and
    // what a login costs the server once is not counted.
    let mut other = Imap::login(server.imaps, &Server::user(SIZES.len() - 2), PASSWORD)?;
    other.run("SELECT INBOX")?;
    other.run("FETCH 1:* (ENVELOPE)")?;
    drop(other);
    let memory = cpu::memory_kilobytes(&server.roots);
    let used = cpu::seconds(&server.roots);
    let started = Instant::now();
    // The login reads the account.
    let mut imap = Imap::login(server.imaps, &Server::user(number), PASSWORD)?;
    imap.run("SELECT INBOX")?;
    let select = Figure {
        value: started.elapsed().as_secs_f64(),
        cpu_ms: (cpu::seconds(&server.roots) - used) * 1_000.0,
    };
    let started = Instant::now();
    imap.run(&format!("FETCH {}:* (FLAGS ENVELOPE)", size - 49))?;
    let fetch = Figure { value: started.elapsed().as_secs_f64() * 1_000.0, cpu_ms: 0.0 };
    let grown = (cpu::memory_kilobytes(&server.roots) - memory) / 1_024.0;
    let how = if dropped { "caches of the machine dropped" } else { "server started anew" };
    bench.row(row(format!("login and SELECT of {size} messages, {how}"), "s", select, "≤ 1 s"));
    bench.row(row(format!("then FETCH of the last 50 of {size}"), "ms", fetch, "≤ 5 ms"));
    let memory = Figure { value: grown, cpu_ms: 0.0 };
    bench.row(row(format!("memory for {size} messages"), "MB", memory, "≤ 60 MB"));
    Ok(())
}
