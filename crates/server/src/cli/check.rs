//! `palomar check`: the store against its log (when no server runs), then every account against
//! its log.

use super::{Place, Stop, act_as_owner, code, direct, must_be_there, print::Out, runtime};
use crate::{
    admin::{
        CheckReport, Failure, Reply, Request, StoreReport,
        client::{Client, Connection},
    },
    stack,
};

/// Checks, and prints what was found.
pub fn run(place: &Place, rebuild: bool, out: &Out) -> Result<(), Stop> {
    let config = place.config()?;
    act_as_owner(&config.data)?;
    let report = runtime()?.block_on(async {
        if let Some(connection) = Connection::open(&config.data).await? {
            if rebuild {
                let why = "stop the server first: the index cannot be made anew while it runs";
                return Err(Failure::refused(why).into());
            }
            return ask(&mut Client::Server(Box::new(connection))).await;
        }
        must_be_there(&config)?;
        let (place, way) = (config.clone(), if rebuild { stack::rebuild } else { stack::check });
        let found = tokio::task::spawn_blocking(move || way(&place)).await;
        let found = found.map_err(|error| error.to_string())??;
        let admin = direct(&config).await?;
        let mut report = ask(&mut Client::Direct(Box::new(admin))).await?;
        add(&mut report, &found);
        Ok::<_, Stop>(report)
    })?;
    let faults = report.faults;
    out.reply(&Reply::Checked(report));
    match faults {
        0 => Ok(()),
        _ => Err(Stop { code: code::FAULTS, why: format!("{faults} faults found") }),
    }
}

async fn ask(client: &mut Client) -> Result<CheckReport, Stop> {
    match client.ask(Request::Check).await? {
        Reply::Checked(report) => Ok(report),
        _ => Err(Failure::ours("an unexpected reply").into()),
    }
}

fn add(report: &mut CheckReport, found: &store::Report) {
    report.faults += found.differences + found.damage.len() as u64;
    let damage = found.damage.iter().map(|one| {
        let account = one.account.map_or(String::new(), |id| format!(", account {id}"));
        format!(
            "store: segment {} is damaged, {} octets at {}, LSN {}{account}",
            one.segment, one.octets, one.offset, one.lsn
        )
    });
    let differences = found.described.iter().map(|what| format!("store: {what}"));
    let told: Vec<String> = damage.chain(differences).chain(report.told.drain(..)).collect();
    report.told = told;
    report.store = Some(StoreReport {
        segments: found.segments,
        frames: found.frames,
        entries: found.entries,
        torn_octets: found.torn_octets,
        rebuilt: found.rebuilt,
    });
}
