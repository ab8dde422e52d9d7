//! What an idle connection costs: logged in over TLS, in IDLE.

use super::Bench;
use crate::{
    client::imap::Imap,
    cpu,
    error::Error,
    peer::{PASSWORD, Server},
    table::{Figure, Row},
};

const CONNECTIONS: usize = 2_000;
/// A process a connection: fewer are enough to know what one costs.
const DOVECOT_CONNECTIONS: usize = 200;

fn measure(server: &Server, connections: usize) -> Result<f64, Error> {
    // Each account once before, so that what an account costs is not counted as a connection's.
    let open = |number: usize| -> Result<Imap, Error> {
        let mut imap = Imap::login(server.imaps, &Server::user(number), PASSWORD)?;
        imap.run("SELECT INBOX")?;
        imap.idle()?;
        Ok(imap)
    };
    let warm = (0..crate::peer::ACCOUNTS).map(open).collect::<Result<Vec<_>, _>>()?;
    let before = cpu::memory_kilobytes(&server.roots);
    let held = (0..connections).map(open).collect::<Result<Vec<_>, _>>()?;
    let after = cpu::memory_kilobytes(&server.roots);
    drop((warm, held));
    #[allow(clippy::cast_precision_loss)]
    Ok((after - before) / connections as f64)
}

/// Both servers.
pub fn run(bench: &mut Bench<'_>) -> Result<(), Error> {
    let (palomar, dovecot) = bench.pair("idle")?;
    let ours = measure(&palomar, CONNECTIONS)?;
    let theirs = measure(&dovecot, DOVECOT_CONNECTIONS)?;
    bench.row(Row {
        work: format!("memory of an idle TLS IMAP connection, {CONNECTIONS} of them"),
        unit: "KB",
        more_is_better: false,
        peer: "Dovecot as shipped",
        palomar: Figure { value: ours, cpu_ms: 0.0 },
        other: Some(Figure { value: theirs, cpu_ms: 0.0 }),
        goal: "≤ 40 KB",
    });
    Ok(())
}
