//! From LMTP's 250 to `* EXISTS` on an idling client.

use super::Bench;
use crate::{
    client::{imap::Imap, mail::Deliverer},
    error::{Error, fail},
    peer::{PASSWORD, Server},
    table::{Figure, Row},
};
use std::{sync::mpsc, thread, time::Instant};

const DELIVERIES: usize = 300;
/// Dovecot takes a quarter of a second for each.
const DOVECOT_DELIVERIES: usize = 40;

/// Milliseconds, sorted. An EXISTS that came before the 250 was read counts as 0.
fn measure(server: &Server, deliveries: usize, bench: &Bench<'_>) -> Result<Vec<f64>, Error> {
    let user = Server::user(1);
    let mut imap = Imap::login(server.imaps, &user, PASSWORD)?;
    imap.run("SELECT INBOX")?;
    imap.idle()?;
    let (tell, told) = mpsc::channel();
    let watcher = thread::spawn(move || -> Result<(), Error> {
        for _ in 0..deliveries {
            imap.exists()?;
            tell.send(Instant::now())?;
        }
        Ok(())
    });
    let mut writer = bench.writer.with_seed(42);
    let mut lmtp = Deliverer::connect(server.lmtp, true)?;
    let mut times = Vec::new();
    for _ in 0..deliveries {
        lmtp.deliver(&user, &writer.message(4096))?;
        let accepted = Instant::now();
        let seen = told.recv()?;
        times.push(seen.saturating_duration_since(accepted).as_secs_f64() * 1000.0);
    }
    if watcher.join().is_err() {
        return fail("the watcher panicked");
    }
    times.sort_by(f64::total_cmp);
    Ok(times)
}

/// Both servers, p50 and p99.
pub fn run(bench: &mut Bench<'_>) -> Result<(), Error> {
    let (palomar, dovecot) = bench.pair("latency")?;
    let ours = measure(&palomar, DELIVERIES, bench)?;
    let theirs = measure(&dovecot, DOVECOT_DELIVERIES, bench)?;
    for (name, percent, goal) in [("p50", 50, "≤ 2 ms"), ("p99", 99, "≤ 10 ms")] {
        let pick = |times: &[f64]| Figure {
            value: times.get(times.len() * percent / 100).copied().unwrap_or_default(),
            cpu_ms: 0.0,
        };
        bench.row(Row {
            work: format!("LMTP 250 to EXISTS on an idling client, {name}"),
            unit: "ms",
            more_is_better: false,
            peer: "Dovecot",
            palomar: pick(&ours),
            other: Some(pick(&theirs)),
            goal,
        });
    }
    Ok(())
}
