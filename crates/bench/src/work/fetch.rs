//! Listings and bodies of a big mailbox: the first time ever, and warm.

use super::{Bench, big::Big};
use crate::{
    client::imap::Imap,
    cpu,
    error::{Error, fail},
    peer::{PASSWORD, Server},
    table::{Figure, Row, median_figure},
};
use std::time::Instant;

/// (what the table calls it, the command)
const LISTINGS: [(&str, &str); 4] = [
    ("UID FETCH 1:* (FLAGS)", "UID FETCH 1:* (FLAGS)"),
    ("FETCH 1:* (ENVELOPE)", "FETCH 1:* (ENVELOPE)"),
    (
        "FETCH 1:* (RFC822.SIZE INTERNALDATE BODYSTRUCTURE)",
        "FETCH 1:* (RFC822.SIZE INTERNALDATE BODYSTRUCTURE)",
    ),
    (
        "UID FETCH 1:* BODY.PEEK[HEADER.FIELDS (FROM SUBJECT DATE)]",
        "UID FETCH 1:* (BODY.PEEK[HEADER.FIELDS (FROM SUBJECT DATE)])",
    ),
];
const BODIES: &str = "FETCH 1:* (BODY.PEEK[])";

/// Seconds, CPU seconds and octets of one command in a session of its own.
fn fetch(server: &Server, command: &str, messages: usize) -> Result<(f64, f64, f64), Error> {
    let mut imap = Imap::login(server.imaps, &Server::user(0), PASSWORD)?;
    imap.run("SELECT INBOX")?;
    let before = cpu::seconds(&server.roots);
    let started = Instant::now();
    let answer = imap.run(command)?;
    let seconds = started.elapsed().as_secs_f64();
    if answer.fetches != messages as u64 {
        return fail(format!("{}: {} of {messages} for {command}", server.name, answer.fetches));
    }
    imap.run("LOGOUT").ok();
    #[allow(clippy::cast_precision_loss)]
    Ok((seconds, cpu::seconds(&server.roots) - before, answer.octets as f64))
}

/// Measures a command: the first time ever and the median of the later ones.
fn measure(
    bench: &Bench<'_>,
    servers: [&Server; 2],
    command: &str,
    per_octet: bool,
) -> Result<[(f64, Figure); 2], Error> {
    let mut results = [(0.0, Vec::new()), (0.0, Vec::new())];
    for round in 0..=bench.plan.rounds {
        for (server, (first, later)) in servers.iter().zip(results.iter_mut()) {
            let (seconds, used, octets) = fetch(server, command, bench.plan.mailbox)?;
            eprintln!("  {}: {command:.40}: {seconds:.3} s, {used:.3} s CPU", server.name);
            let value = if per_octet { octets / seconds / 1e6 } else { seconds };
            if round == 0 {
                *first = value;
            } else {
                #[allow(clippy::cast_precision_loss)]
                let cpu_ms = used * 1000.0 / bench.plan.mailbox as f64;
                later.push(Figure { value, cpu_ms });
            }
        }
    }
    Ok(results.each_ref().map(|(first, later)| (*first, median_figure(later))))
}

/// All of them.
pub fn run(bench: &mut Bench<'_>, big: &Big) -> Result<(), Error> {
    let messages = bench.plan.mailbox;
    for (name, command) in LISTINGS {
        let [(first, ours), (their_first, theirs)] = measure(bench, big.servers(), command, false)?;
        let row = |work: String, ours: Figure, theirs: Figure, goal| Row {
            work,
            unit: "s",
            more_is_better: false,
            peer: "Dovecot",
            palomar: ours,
            other: Some(theirs),
            goal,
        };
        bench.row(row(format!("{name}, {messages} messages, warm"), ours, theirs, "> 1 ×"));
        let [ours, theirs] = [first, their_first].map(|value| Figure { value, cpu_ms: 0.0 });
        bench.row(row(format!("{name}, the first time"), ours, theirs, "as the second"));
    }
    let [(_, ours), (_, theirs)] = measure(bench, big.servers(), BODIES, true)?;
    bench.row(Row {
        work: format!("all bodies, {messages} messages of 4 KB"),
        unit: "MB/s",
        more_is_better: true,
        peer: "Dovecot",
        palomar: ours,
        other: Some(theirs),
        goal: "≥ 1 ×",
    });
    Ok(())
}
