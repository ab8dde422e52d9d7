//! SEARCH, SORT and THREAD in the big mailbox: words, phrases, parts of words, headers, flags.

use super::{
    Bench,
    big::{Big, milliseconds, repeated},
};
use crate::{
    cpu,
    error::{Error, fail},
    peer::{Server, palomar},
    table::{Figure, Row, median_figure},
};
use std::time::Instant;

/// Goal of what Dovecot has to read bodies for.
const BODY: &str = "≤ 1/50 of Dovecot, ≤ 50 ms";
const HEADER: &str = "≤ 1/2 of Dovecot";
const ORDER: &str = "≤ Dovecot, warm";

/// (what the table calls it, the command, goal)
fn commands(bench: &Bench<'_>) -> Vec<(String, String, &'static str)> {
    let needles = bench.writer.needles();
    let quoted = |text: &str| format!("\"{text}\"");
    let (word, phrase) = (quoted(&needles.word), quoted(&needles.phrase));
    let (part, subject) = (quoted(&needles.part), quoted(&needles.subject));
    let row = |name: String, command: String, goal| (name, command, goal);
    vec![
        row(format!("SEARCH BODY {word}, a word"), format!("SEARCH BODY {word}"), BODY),
        row(format!("SEARCH BODY {phrase}, a phrase"), format!("SEARCH BODY {phrase}"), BODY),
        row(format!("SEARCH BODY {part}, inside words"), format!("SEARCH BODY {part}"), BODY),
        row(format!("SEARCH SUBJECT {subject}"), format!("SEARCH SUBJECT {subject}"), HEADER),
        row("SEARCH FROM \"person 4711\"".into(), "SEARCH FROM \"person 4711\"".into(), HEADER),
        row("SEARCH SINCE".into(), "SEARCH SINCE 1-Jan-2020".into(), HEADER),
        row("SEARCH UNSEEN".into(), "SEARCH UNSEEN".into(), HEADER),
        row(
            "SEARCH UNSEEN SINCE … FROM …".into(),
            "SEARCH UNSEEN SINCE 1-Jan-2020 FROM \"carla\"".into(),
            HEADER,
        ),
        row("SORT (SUBJECT)".into(), "SORT (SUBJECT) UTF-8 ALL".into(), ORDER),
        row("SORT (FROM)".into(), "SORT (FROM) UTF-8 ALL".into(), ORDER),
        row("SORT (DATE)".into(), "SORT (DATE) UTF-8 ALL".into(), ORDER),
        row("SORT (REVERSE ARRIVAL)".into(), "SORT (REVERSE ARRIVAL) UTF-8 ALL".into(), ORDER),
        row("THREAD REFERENCES".into(), "THREAD REFERENCES UTF-8 ALL".into(), ORDER),
    ]
}

/// All of them.
pub fn run(bench: &mut Bench<'_>, big: &Big) -> Result<(), Error> {
    index(bench, big)?;
    for (name, command, goal) in commands(bench) {
        let mut figures = [Vec::new(), Vec::new()];
        // The first of each warms what each keeps; where Dovecot reads every body one is enough.
        for round in 0..=bench.plan.rounds {
            let mut octets = [0; 2];
            for ((server, figures), octets) in
                big.servers().iter().zip(figures.iter_mut()).zip(octets.iter_mut())
            {
                let body = command.starts_with("SEARCH BODY");
                let slow = figures.last().is_some_and(|f: &Figure| body && f.value > 3_000.0);
                if slow {
                    continue;
                }
                let (figure, answer) = repeated(server, &command)?;
                eprintln!("  {}: {command:.50}: {:.2} ms", server.name, figure.value);
                *octets = answer.octets;
                if round > 0 || body && figure.value > 3_000.0 {
                    figures.push(figure);
                }
            }
            agree(&command, octets)?;
        }
        let figures = figures.each_ref().map(|figures| median_figure(figures));
        bench.row(milliseconds(name, figures, goal));
    }
    Ok(())
}

/// Both found as much, where it is defined to the octet. (Subjects with ties sort alike; threads
/// may differ in dates that Dovecot reads otherwise. Dovecot finds phrases across line ends too.)
fn agree(command: &str, octets: [u64; 2]) -> Result<(), Error> {
    let [ours, theirs] = octets;
    if !command.starts_with("SEARCH") || ours == 0 || theirs == 0 {
        return Ok(());
    }
    let near = ours.abs_diff(theirs) <= 64.max(theirs / 20);
    if near { Ok(()) } else { fail(format!("{command}: {ours} octets here, {theirs} there")) }
}

/// Builds the index anew: what it costs, and its size.
fn index(bench: &mut Bench<'_>, big: &Big) -> Result<(), Error> {
    let server = &big.palomar;
    let before = cpu::seconds(&server.roots);
    let started = Instant::now();
    let told = palomar::reindex(&bench.binary, &server.data, &Server::user(0))?;
    let seconds = started.elapsed().as_secs_f64();
    let used = cpu::seconds(&server.roots) - before;
    #[allow(clippy::cast_precision_loss)]
    let messages = bench.plan.mailbox as f64;
    eprintln!("indexed in {seconds:.1} s: {told:?}");
    let one = |work: &str, unit, value, cpu_ms, goal| Row {
        work: work.into(),
        unit,
        more_is_better: false,
        peer: "",
        palomar: Figure { value, cpu_ms },
        other: None,
        goal,
    };
    let cpu_ms = used * 1_000.0 / messages;
    bench.row(one("indexing a 4 KB message", "ms", cpu_ms, cpu_ms, "≤ 1 ms CPU"));
    let share = told.index_octets * 100.0 / told.compressed_octets.max(1.0);
    bench.row(one("index, of the compressed text", "%", share, 0.0, "≤ 35 %"));
    Ok(())
}
