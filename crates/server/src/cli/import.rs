//! `palomar import`: files to batches, batches to requests.

use super::{Stop, args::ImportJob, code, print::Out};
use crate::{
    admin::{Failure, Fault, ImportBatch, Message, Reply, Request, client::Client},
    files::{self, FileMessage, Folder},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use indicatif::{ProgressBar, ProgressStyle};
use serde_json::json;
use std::io::IsTerminal;

/// Messages of one batch, which is one commit.
const BATCH_MESSAGES_MAX: usize = 100;
/// Octets of one batch, about.
const BATCH_OCTETS_MAX: usize = 4 << 20;

/// What came of it.
#[derive(Default)]
struct Sum {
    imported: u64,
    known: u64,
    failed: u64,
}

/// Imports all.
pub async fn run(client: &mut Client, job: &ImportJob, out: &Out) -> Result<(), Stop> {
    let (format, folders) = files::scan(&job.path, job.format, &job.mailbox)
        .map_err(|error| format!("{}: {error}", job.path.display()))?;
    if folders.is_empty() {
        let why = format!("{}: no mail found", job.path.display());
        return Err(Stop { code: code::REFUSED, why });
    }
    let bar = progress(folders.iter().map(|folder| folder.octets).sum(), out);
    let mut sum = Sum::default();
    for folder in &folders {
        bar.set_message(folder.mailbox.clone());
        let messages = files::open(format, folder)
            .map_err(|error| format!("{}: {error}", folder.path.display()))?;
        let mut batch = Vec::new();
        let mut octets = 0;
        for message in messages {
            let message = match message {
                Ok(message) => message,
                Err(error) => {
                    sum.failed += 1;
                    bar.suspend(|| eprintln!("{}: {error}", folder.path.display()));
                    continue;
                }
            };
            bar.inc(message.source_octets);
            octets += message.bytes.len();
            batch.push(message);
            if batch.len() >= BATCH_MESSAGES_MAX || octets >= BATCH_OCTETS_MAX {
                send(client, (job, folder), std::mem::take(&mut batch), (&mut sum, &bar)).await?;
                octets = 0;
            }
        }
        // An empty folder is a mailbox too.
        send(client, (job, folder), batch, (&mut sum, &bar)).await?;
    }
    bar.finish_and_clear();
    let Sum { imported, known, failed } = sum;
    if out.json {
        println!("{}", json!({"imported": imported, "known": known, "failed": failed}));
    } else {
        println!("{imported} messages imported, {known} known already, {failed} failed");
    }
    match failed {
        0 => Ok(()),
        _ => Err(Stop { code: code::REFUSED, why: format!("{failed} messages were not imported") }),
    }
}

/// A batch is all or nothing; when it is refused, each of its messages is tried alone.
async fn send(
    client: &mut Client,
    (job, folder): (&ImportJob, &Folder),
    batch: Vec<FileMessage>,
    (sum, bar): (&mut Sum, &ProgressBar),
) -> Result<(), Stop> {
    match ask(client, (job, folder), &batch).await {
        Ok((imported, known)) => {
            sum.imported += imported;
            sum.known += known;
            Ok(())
        }
        Err(failure) if failure.fault == Fault::Refused && batch.len() > 1 => {
            for message in batch {
                match ask(client, (job, folder), &[message]).await {
                    Ok((imported, known)) => {
                        sum.imported += imported;
                        sum.known += known;
                    }
                    Err(failure) if failure.fault == Fault::Refused => {
                        sum.failed += 1;
                        bar.suspend(|| eprintln!("{failure}"));
                    }
                    Err(failure) => return Err(failure.into()),
                }
            }
            Ok(())
        }
        Err(failure) if failure.fault == Fault::Refused && batch.len() == 1 => {
            sum.failed += 1;
            bar.suspend(|| eprintln!("{failure}"));
            Ok(())
        }
        Err(failure) => Err(failure.into()),
    }
}

async fn ask(
    client: &mut Client,
    (job, folder): (&ImportJob, &Folder),
    messages: &[FileMessage],
) -> Result<(u64, u64), Failure> {
    let message = |message: &FileMessage| Message {
        uid: 0,
        flags: message.flags.clone(),
        internal_date: message.internal_date,
        body: STANDARD.encode(&message.bytes),
    };
    let batch = ImportBatch {
        address: job.address.clone(),
        mailbox: folder.mailbox.clone(),
        again: job.again,
        messages: messages.iter().map(message).collect(),
    };
    match client.ask(Request::Import(batch)).await? {
        Reply::Imported { imported, known } => Ok((imported.into(), known.into())),
        _ => Err(Failure::ours("an unexpected reply")),
    }
}

/// A bar on a terminal, nothing otherwise.
pub fn progress(octets: u64, out: &Out) -> ProgressBar {
    if out.json || !std::io::stderr().is_terminal() {
        return ProgressBar::hidden();
    }
    let bar = ProgressBar::new(octets);
    let template = "{bar:30} {bytes}/{total_bytes} {bytes_per_sec} {eta} {msg}";
    if let Ok(style) = ProgressStyle::with_template(template) {
        bar.set_style(style);
    }
    bar
}
