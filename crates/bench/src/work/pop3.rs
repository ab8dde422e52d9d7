//! POP3: all messages of a mailbox, one after the other, as a client downloads them.

use super::{Bench, fill};
use crate::{
    client::lines::Lines,
    error::{Error, fail},
    peer::{PASSWORD, Server, dovecot, palomar},
    table::Row,
};
use std::time::Instant;

const MESSAGES: usize = 10_000;

/// A line that must be `+OK`.
fn ok(lines: &mut Lines) -> Result<String, Error> {
    let line = String::from_utf8_lossy(&lines.line()?).into_owned();
    if line.starts_with("+OK") { Ok(line) } else { fail(format!("refused: {line}")) }
}

fn say(lines: &mut Lines, command: &str) -> Result<String, Error> {
    lines.send(format!("{command}\r\n").as_bytes())?;
    ok(lines)
}

/// Reads a multi-line answer; gives its lines.
fn rest(lines: &mut Lines, line: &mut Vec<u8>) -> Result<usize, Error> {
    let mut count = 0;
    loop {
        lines.line_into(line)?;
        if line == b"." {
            return Ok(count);
        }
        count += 1;
    }
}

/// STAT, UIDL, then RETR of every message; nothing is deleted.
fn download(server: &Server) -> Result<(f64, f64), Error> {
    let mut lines = Lines::connect(server.pop3s, true)?;
    ok(&mut lines)?;
    say(&mut lines, &format!("USER {}", Server::user(0)))?;
    say(&mut lines, &format!("PASS {PASSWORD}"))?;
    let started = Instant::now();
    say(&mut lines, "STAT")?;
    say(&mut lines, "UIDL")?;
    let mut line = Vec::new();
    if rest(&mut lines, &mut line)? != MESSAGES {
        return fail(format!("{}: not {MESSAGES} messages", server.name));
    }
    for number in 1..=MESSAGES {
        say(&mut lines, &format!("RETR {number}"))?;
        rest(&mut lines, &mut line)?;
    }
    let seconds = started.elapsed().as_secs_f64();
    say(&mut lines, "QUIT")?;
    #[allow(clippy::cast_precision_loss)]
    let messages = MESSAGES as f64;
    Ok((messages / seconds, messages))
}

/// In turns.
pub fn run(bench: &mut Bench<'_>) -> Result<(), Error> {
    let room = bench.room("pop3")?;
    let palomar = palomar::start(&bench.binary, &room)?;
    {
        let filling = dovecot::start(&room, false)?;
        for server in [&filling, &palomar] {
            let mut writer = bench.writer.with_seed(9);
            fill(server, &Server::user(0), MESSAGES, &mut writer)?;
        }
    }
    let dovecot = dovecot::start(&room, true)?;
    let [ours, theirs] = bench.turns([&palomar, &dovecot], |server, _| download(server))?;
    bench.row(Row {
        work: format!("POP3: STAT, UIDL, RETR of {MESSAGES} messages one by one"),
        unit: "messages/s",
        more_is_better: true,
        peer: "Dovecot",
        palomar: ours,
        other: Some(theirs),
        goal: "≥ 1 ×",
    });
    Ok(())
}
