//! Changes of the big mailbox: STORE, COPY, EXPUNGE, APPEND one by one and many at once, and
//! resynchronisation after a thousand changes.

use super::{
    Bench,
    big::{Big, milliseconds, selected},
};
use crate::{
    client::imap::Imap,
    cpu,
    error::Error,
    peer::{PASSWORD, Server},
    table::{Figure, Row, median_figure},
    text::Writer,
};
use std::time::Instant;

const MESSAGES: usize = 1_000;
const APPENDS: usize = 500;

/// Milliseconds of `work`, and the server's CPU in it.
fn timed(server: &Server, work: impl FnOnce() -> Result<(), Error>) -> Result<Figure, Error> {
    let before = cpu::seconds(&server.roots);
    let started = Instant::now();
    work()?;
    let value = started.elapsed().as_secs_f64() * 1_000.0;
    Ok(Figure { value, cpu_ms: (cpu::seconds(&server.roots) - before) * 1_000.0 })
}

/// One turn of each change; the order makes each find what it needs.
fn turn(server: &Server, writer: &mut Writer) -> Result<[Figure; 6], Error> {
    let mut imap = selected(server)?;
    imap.run("STORE 1:* -FLAGS.SILENT (\\Seen)")?;
    let store = timed(server, || imap.run("STORE 1:* +FLAGS (\\Seen)").map(|_| ()))?;
    let copy = timed(server, || imap.run(&format!("COPY 1:{MESSAGES} Copies")).map(|_| ()))?;
    imap.run("SELECT Copies")?;
    imap.run("STORE 1:* +FLAGS.SILENT (\\Deleted)")?;
    let expunge = timed(server, || imap.run("EXPUNGE").map(|_| ()))?;
    let batch: Vec<Vec<u8>> = (0..APPENDS).map(|_| writer.message(4096)).collect();
    let single = timed(server, || {
        batch.iter().try_for_each(|message| imap.append("Copies", std::slice::from_ref(message)))
    })?;
    let many = timed(server, || imap.append("Copies", &batch))?;
    imap.run("STORE 1:* +FLAGS.SILENT (\\Deleted)")?;
    imap.run("EXPUNGE")?;
    imap.run("LOGOUT").ok();
    Ok([store, copy, expunge, single, many, resync(server)?])
}

/// SELECT with QRESYNC by a client that missed a thousand changes.
fn resync(server: &Server) -> Result<Figure, Error> {
    let mut away = Imap::login(server.imaps, &Server::user(0), PASSWORD)?;
    away.run("ENABLE QRESYNC")?;
    let known = away.codes("SELECT INBOX")?;
    away.run("LOGOUT").ok();
    let mut other = selected(server)?;
    let changes: Vec<String> = (0..MESSAGES)
        .map(|n| {
            let sign = if n % 2 == 0 { '+' } else { '-' };
            format!("STORE {} {sign}FLAGS.SILENT (\\Flagged \\Answered)", n * 7 + 1)
        })
        .collect();
    for change in &changes {
        // A change each, on messages that do not have the flag or do.
        other.run(change)?;
    }
    other.run("LOGOUT").ok();
    let mut back = Imap::login(server.imaps, &Server::user(0), PASSWORD)?;
    back.run("ENABLE QRESYNC")?;
    let command = format!("SELECT INBOX (QRESYNC ({} {}))", known.uid_validity, known.highest);
    timed(server, || back.run(&command).map(|_| ()))
}

/// All of them, in turns.
pub fn run(bench: &mut Bench<'_>, big: &Big) -> Result<(), Error> {
    let mut figures: [[Vec<Figure>; 6]; 2] = Default::default();
    for server in big.servers() {
        selected(server)?.run("CREATE Copies")?;
    }
    for round in 0..bench.plan.rounds {
        for (server, figures) in big.servers().into_iter().zip(figures.iter_mut()) {
            let mut writer = bench.writer.with_seed(round as u64 + 900);
            let turn = turn(server, &mut writer)?;
            eprintln!("  {}: {:.0?} ms", server.name, turn.map(|figure| figure.value));
            for (figure, figures) in turn.into_iter().zip(figures.iter_mut()) {
                figures.push(figure);
            }
        }
    }
    let size = bench.plan.mailbox;
    let names = [
        (format!("STORE 1:* +FLAGS (\\Seen), {size} messages"), "≥ 1 ×"),
        (format!("COPY {MESSAGES}"), "≥ 1 ×"),
        (format!("EXPUNGE {MESSAGES}"), "≥ 1 ×"),
        (format!("APPEND {APPENDS}, one by one"), "≥ 1 ×"),
        (format!("MULTIAPPEND {APPENDS}"), "≥ 1 ×"),
        (format!("SELECT with QRESYNC after {MESSAGES} changes"), "≤ 10 ms"),
    ];
    let [ours, theirs] = figures;
    for (((name, goal), ours), theirs) in names.into_iter().zip(ours).zip(theirs) {
        let figures = [median_figure(&ours), median_figure(&theirs)];
        let row: Row = milliseconds(name, figures, goal);
        bench.row(row);
    }
    Ok(())
}
