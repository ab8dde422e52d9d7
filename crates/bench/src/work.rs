//! The works: what is done to each server, and how it is measured.

mod append;
mod big;
mod build;
mod change;
mod connections;
mod delivery;
mod fetch;
mod growth;
mod idle;
mod latency;
mod pop3;
mod queue;
mod search;

use crate::{
    Plan, cpu,
    error::Error,
    peer::{self, Server, dovecot, palomar, postfix},
    table::{Figure, Row, Table, median_figure},
    text::Writer,
};
use std::{
    path::{Path, PathBuf},
    process::Command,
};

/// What every work needs.
pub struct Bench<'a> {
    /// How long.
    pub plan: &'a Plan,
    /// The shipped binary.
    pub binary: PathBuf,
    /// A folder of its own, removed at the end.
    pub folder: PathBuf,
    /// Messages.
    pub writer: Writer,
    /// What came out.
    pub table: Table,
}

/// The repository's folder.
fn root() -> PathBuf {
    let manifest = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    manifest.ancestors().nth(2).map_or_else(|| PathBuf::from("."), Into::into)
}

/// Does what the plan wants.
pub fn run(plan: &Plan) -> Result<Table, Error> {
    let folder = std::env::temp_dir().join(format!("palomar-bench-{}", std::process::id()));
    std::fs::create_dir_all(&folder)?;
    Command::new("chmod").arg("755").arg(&folder).status()?;
    let mut bench = Bench {
        plan,
        binary: root().join("target/release/palomar"),
        folder: folder.clone(),
        writer: Writer::new(&root().join("tests/corpus"), 7),
        table: Table { head: head(), rows: Vec::new() },
    };
    let outcome = bench.all();
    if !plan.keep {
        let _ = std::fs::remove_dir_all(&folder);
    }
    outcome.map(|()| bench.table)
}

/// Machine, day and versions, for the table's head.
fn head() -> String {
    let word = |program: &str, arguments: &[&str]| {
        let output = Command::new(program).args(arguments).output();
        let text = output.map(|o| String::from_utf8_lossy(&o.stdout).trim().to_owned());
        text.unwrap_or_default()
    };
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    format!(
        "{}; {} cores,{}; Linux {}; Dovecot {}; Postfix {}; load at start {}",
        word("date", &["-u", "+%Y-%m-%d"]),
        std::thread::available_parallelism().map_or(1, usize::from),
        model
            .trim_start_matches([' ', '\t', ':'])
            .split('@')
            .next()
            .map_or_else(String::new, |model| format!(" {model}")),
        word("uname", &["-r"]),
        word("dovecot", &["--version"]),
        word("postconf", &["-h", "mail_version"]),
        std::fs::read_to_string("/proc/loadavg")
            .unwrap_or_default()
            .split(' ')
            .next()
            .unwrap_or("?"),
    )
}

impl Bench<'_> {
    fn all(&mut self) -> Result<(), Error> {
        if self.plan.wants("lmtp") {
            delivery::lmtp(self)?;
        }
        if self.plan.wants("smtp") {
            delivery::smtp(self)?;
        }
        if self.plan.wants("queue") {
            queue::run(self)?;
        }
        if self.plan.wants("dead") {
            queue::dead(self)?;
        }
        if self.plan.wants("disk") {
            delivery::disk(self)?;
        }
        if self.plan.wants("append") {
            append::run(self)?;
        }
        if ["fetch", "search", "change"].into_iter().any(|work| self.plan.wants(work)) {
            let big = big::Big::new(self)?;
            if self.plan.wants("fetch") {
                fetch::run(self, &big)?;
            }
            if self.plan.wants("search") {
                search::run(self, &big)?;
            }
            if self.plan.wants("change") {
                change::run(self, &big)?;
            }
        }
        if self.plan.wants("pop3") {
            pop3::run(self)?;
        }
        if self.plan.wants("latency") {
            latency::run(self)?;
        }
        if self.plan.wants("idle") {
            idle::run(self)?;
        }
        if self.plan.wants("connections") {
            connections::run(self)?;
        }
        if self.plan.wants("growth") {
            growth::run(self)?;
        }
        if self.plan.wants("build") {
            build::run(self)?;
        }
        Ok(())
    }

    /// A fresh folder for a pair of servers.
    pub fn room(&self, name: &str) -> Result<PathBuf, Error> {
        let room = self.folder.join(name);
        std::fs::create_dir_all(&room)?;
        Ok(room)
    }

    /// Both servers on empty folders.
    pub fn pair(&self, name: &str) -> Result<(Server, Server), Error> {
        let room = self.room(name)?;
        Ok((palomar::start(&self.binary, &room)?, dovecot::start(&room, true)?))
    }

    /// Palomar beside Postfix and Dovecot.
    pub fn trio(&self, name: &str) -> Result<(Server, Server, Server), Error> {
        let (palomar, dovecot) = self.pair(name)?;
        let postfix = postfix::start(&self.room(name)?, &dovecot)?;
        Ok((palomar, postfix, dovecot))
    }

    /// Measures both servers in turns; `work` gives the value and how many operations it did.
    pub fn turns(
        &self,
        servers: [&Server; 2],
        mut work: impl FnMut(&Server, usize) -> Result<(f64, f64), Error>,
    ) -> Result<[Figure; 2], Error> {
        let mut figures = [Vec::new(), Vec::new()];
        for round in 0..self.plan.rounds {
            for (server, figures) in servers.iter().zip(figures.iter_mut()) {
                let before = cpu::seconds(&server.roots);
                let (value, operations) = work(server, round)?;
                let used = cpu::seconds(&server.roots) - before;
                let figure = Figure { value, cpu_ms: used * 1000.0 / operations.max(1.0) };
                eprintln!("  {}: {:.3} ({:.3} ms CPU)", server.name, figure.value, figure.cpu_ms);
                figures.push(figure);
            }
        }
        Ok(figures.each_ref().map(|figures| median_figure(figures)))
    }

    /// Writes a row.
    pub fn row(&mut self, row: Row) {
        eprintln!("{}: {:.3} {}", row.work, row.palomar.value, row.unit);
        self.table.rows.push(row);
    }
}

/// Fills a mailbox by MULTIAPPEND, a hundred messages a command.
pub fn fill(
    server: &Server,
    user: &str,
    messages: usize,
    writer: &mut Writer,
) -> Result<(), Error> {
    let mut imap = crate::client::imap::Imap::login(server.imaps, user, peer::PASSWORD)?;
    let mut left = messages;
    while left > 0 {
        let now = left.min(100);
        let batch: Vec<Vec<u8>> = (0..now).map(|_| writer.message(4096)).collect();
        imap.append("INBOX", &batch)?;
        left -= now;
    }
    Ok(())
}

/// How many messages a mailbox has.
pub fn count(server: &Server, user: &str) -> Result<u64, Error> {
    let mut imap = crate::client::imap::Imap::login(server.imaps, user, peer::PASSWORD)?;
    Ok(imap.run("STATUS INBOX (MESSAGES)")?.number)
}

/// Octets below a folder after it was synced.
pub fn disk(folder: &Path) -> u64 {
    let _ = Command::new("sync").status();
    cpu::disk_octets(folder)
}
