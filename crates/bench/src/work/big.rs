//! The mailbox of many messages that listings, search, sorting and changes are measured on: filled
//! once for all of them.

use super::{Bench, fill};
use crate::{
    client::imap::{Answer, Imap},
    cpu,
    error::Error,
    peer::{PASSWORD, Server, dovecot, palomar},
    table::{Figure, Row},
};
use std::time::{Duration, Instant};

/// A short operation is repeated for so long, because CPU time is told in hundredths of a second …
const REPEAT: Duration = Duration::from_millis(400);
/// … but not more often than this.
const REPEATS_MAX: usize = 40;

/// The pair of servers with their big mailboxes: INBOX of `user0`.
pub struct Big {
    /// Palomar.
    pub palomar: Server,
    /// Dovecot.
    pub dovecot: Server,
}

impl Big {
    /// Fills both and starts them anew, so that what comes first is the first time.
    pub fn new(bench: &Bench<'_>) -> Result<Self, Error> {
        let room = bench.room("big")?;
        let messages = bench.plan.mailbox;
        {
            let (ours, theirs) =
                (palomar::start(&bench.binary, &room)?, dovecot::start(&room, false)?);
            for server in [&theirs, &ours] {
                eprintln!("filling {}: {messages}", server.name);
                let mut writer = bench.writer.with_seed(3);
                fill(server, &Server::user(0), messages, &mut writer)?;
            }
        }
        let palomar = palomar::start(&bench.binary, &room)?;
        Ok(Self { palomar, dovecot: dovecot::start(&room, true)? })
    }

    /// Palomar first.
    pub fn servers(&self) -> [&Server; 2] {
        [&self.palomar, &self.dovecot]
    }
}

/// A session that has the big mailbox selected.
pub fn selected(server: &Server) -> Result<Imap, Error> {
    let mut imap = Imap::login(server.imaps, &Server::user(0), PASSWORD)?;
    imap.run("SELECT INBOX")?;
    Ok(imap)
}

/// Seconds of a command, and CPU milliseconds, by the mean of as many as fit [`REPEAT`].
pub fn repeated(server: &Server, command: &str) -> Result<(Figure, Answer), Error> {
    let mut imap = selected(server)?;
    let before = cpu::seconds(&server.roots);
    let started = Instant::now();
    let mut done = 0;
    let mut answer = Answer::default();
    while done == 0 || (done < REPEATS_MAX && started.elapsed() < REPEAT) {
        answer = imap.run(command)?;
        done += 1;
    }
    #[allow(clippy::cast_precision_loss)]
    let times = done as f64;
    let seconds = started.elapsed().as_secs_f64() / times;
    let used = cpu::seconds(&server.roots) - before;
    imap.run("LOGOUT").ok();
    Ok((Figure { value: seconds * 1_000.0, cpu_ms: used * 1_000.0 / times }, answer))
}

/// A row of milliseconds.
pub fn milliseconds(work: String, [ours, theirs]: [Figure; 2], goal: &'static str) -> Row {
    Row {
        work,
        unit: "ms",
        more_is_better: false,
        peer: "Dovecot",
        palomar: ours,
        other: Some(theirs).filter(|theirs| theirs.value > 0.0),
        goal,
    }
}
