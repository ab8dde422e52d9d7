//! `palomar export`: a mailbox after the other, page by page.
//!
//! A Maildir is written so that a second export adds what is new and changes what changed; an
//! mbox is written anew under another name and takes its place when it is whole.

use super::{Stop, args::ExportJob, code, import::progress, print::Out};
use crate::{
    admin::{Exported, Failure, MailboxRow, Message, Reply, Request, client::Client},
    files::{FileMessage, Format, maildir, mbox},
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use indicatif::ProgressBar;
use serde_json::json;
use std::{
    fs::{self, File},
    io::{self, BufWriter, Write as _},
};

/// Exports all.
pub async fn run(client: &mut Client, job: &ExportJob, out: &Out) -> Result<(), Stop> {
    if job.format == Format::Eml {
        let why = "mail is exported as maildir or mbox".to_owned();
        return Err(Stop { code: code::USAGE, why });
    }
    let request = Request::MailboxList { address: job.address.clone() };
    let Reply::Mailboxes(mut mailboxes) = client.ask(request).await? else {
        return Err(Failure::ours("an unexpected reply").into());
    };
    if let Some(only) = &job.mailbox {
        mailboxes.retain(|row| row.name == *only || row.name.eq_ignore_ascii_case(only));
        if mailboxes.is_empty() {
            let why = format!("{only}: there is no such mailbox");
            return Err(Stop { code: code::REFUSED, why });
        }
    }
    fs::create_dir_all(&job.path)?;
    let bar = progress(mailboxes.iter().map(|row| row.octets).sum(), out);
    let (mut messages, mut written) = (0_u64, 0_u64);
    for row in &mailboxes {
        bar.set_message(row.name.clone());
        let (all, new) = match job.format {
            Format::Mbox => to_mbox(client, job, row, &bar).await?,
            Format::Maildir | Format::Eml => to_maildir(client, job, row, &bar).await?,
        };
        messages += all;
        written += new;
    }
    bar.finish_and_clear();
    if out.json {
        let mailboxes = mailboxes.len();
        println!("{}", json!({"mailboxes": mailboxes, "messages": messages, "written": written}));
    } else {
        println!("{} mailboxes, {messages} messages, {written} written", mailboxes.len());
    }
    Ok(())
}

async fn page(
    client: &mut Client,
    job: &ExportJob,
    row: &MailboxRow,
    after: u32,
) -> Result<Exported, Failure> {
    let (address, mailbox) = (job.address.clone(), row.name.clone());
    match client.ask(Request::Export { address, mailbox, after }).await? {
        Reply::Exported(exported) => Ok(exported),
        _ => Err(Failure::ours("an unexpected reply")),
    }
}

fn file_message(message: Message) -> io::Result<FileMessage> {
    let bytes = STANDARD.decode(&message.body).map_err(io::Error::other)?;
    let source_octets = bytes.len() as u64;
    let Message { flags, internal_date, .. } = message;
    Ok(FileMessage { flags, internal_date, bytes, source_octets })
}

async fn to_maildir(
    client: &mut Client,
    job: &ExportJob,
    row: &MailboxRow,
    bar: &ProgressBar,
) -> Result<(u64, u64), Stop> {
    let mut writer = maildir::Writer::open(&job.path, &row.name)?;
    let (mut all, mut new, mut after) = (0, 0, 0);
    loop {
        let Exported { uid_validity, messages } = page(client, job, row, after).await?;
        let Some(last) = messages.last() else { break };
        after = last.uid;
        for message in messages {
            let uid = message.uid;
            let message = file_message(message)?;
            let time = message.internal_date.unwrap_or(0);
            bar.inc(message.source_octets);
            all += 1;
            let stem = format!("{time}.U{uid}V{uid_validity}.palomar");
            new += u64::from(writer.write(&stem, &message)?);
        }
    }
    writer.finish()?;
    Ok((all, new))
}

async fn to_mbox(
    client: &mut Client,
    job: &ExportJob,
    row: &MailboxRow,
    bar: &ProgressBar,
) -> Result<(u64, u64), Stop> {
    // A level of the name never leaves the folder: no level is empty, `.` and `..` are spelt out.
    let levels: Vec<&str> = row
        .name
        .split('/')
        .map(|level| if matches!(level, "." | "..") { "_" } else { level })
        .collect();
    let path = job.path.join(format!("{}.mbox", levels.join("/")));
    if let Some(folder) = path.parent() {
        fs::create_dir_all(folder)?;
    }
    let young = path.with_extension("mbox.new");
    let mut file = BufWriter::new(File::create(&young)?);
    let (mut all, mut after) = (0, 0);
    loop {
        let Exported { messages, .. } = page(client, job, row, after).await?;
        let Some(last) = messages.last() else { break };
        after = last.uid;
        for message in messages {
            let message = file_message(message)?;
            bar.inc(message.source_octets);
            all += 1;
            mbox::write(&mut file, &message)?;
        }
    }
    file.flush()?;
    file.into_inner().map_err(io::Error::other)?.sync_all()?;
    fs::rename(&young, &path)?;
    Ok((all, all))
}
