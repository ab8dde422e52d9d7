//! Replies on standard output: for people, or as one line of JSON.

use crate::{
    admin::{
        AccountDetails, CheckReport, DeletedRow, DkimKeyRow, MailboxRow, QueueDetails, QueueSite,
        Reply, SendingDetails, TokenRow,
    },
    calendar::{day, short},
    dns::records::{Checked, State, Wanted},
};

/// How to print.
#[derive(Clone, Copy)]
pub struct Out {
    /// JSON instead of text.
    pub json: bool,
}

impl Out {
    /// Prints a reply.
    pub fn reply(&self, reply: &Reply) {
        if self.json {
            // A reply is made of plain fields, which always can be JSON.
            println!("{}", serde_json::to_string(reply).unwrap_or_default());
            return;
        }
        match reply {
            Reply::Done => println!("done"),
            Reply::Status { version, connections } => {
                println!("Palomar {version}, {connections} connections");
            }
            Reply::Domains(names) => names.iter().for_each(|name| println!("{name}")),
            Reply::Records(all) => all.iter().for_each(record),
            Reply::Checks(all) => all.iter().for_each(check),
            Reply::DkimKeys(rows) => rows.iter().for_each(key),
            Reply::Queue { messages, sites } => queue(messages, sites),
            Reply::Accounts(rows) => {
                for row in rows {
                    let state = if row.disabled { "  (disabled)" } else { "" };
                    let paused = if row.sending_paused { "  (sending paused)" } else { "" };
                    println!("{}{state}{paused}", row.address);
                }
            }
            Reply::Account(details) => account(details),
            Reply::Aliases(rows) => {
                rows.iter().for_each(|row| println!("{} -> {}", row.alias, row.targets.join(", ")));
            }
            Reply::AppPassword { name, password } => {
                println!("{password}\n\nThis is the password of {name}. It is not shown again.");
            }
            Reply::AppPasswords(rows) => {
                rows.iter().for_each(|row| println!("{}  made {}", row.name, short(row.made)));
            }
            Reply::Token { name, token } => {
                println!("{token}\n\nThis is the token of {name}. It is not shown again.");
            }
            Reply::Tokens(rows) => rows.iter().for_each(token),
            Reply::Mailboxes(rows) => mailboxes(rows),
            Reply::Imported { imported, known } => {
                println!("{imported} imported, {known} known already");
            }
            Reply::Exported(exported) => println!("{} messages", exported.messages.len()),
            Reply::Deleted(rows) => rows.iter().for_each(deleted),
            Reply::Restored { messages } => println!("{messages} messages are back"),
            Reply::Checked(report) => checked(report),
            Reply::Why(report) => print!("{}", super::junk::why(report)),
            Reply::ReportsPending(rows) => rows.iter().for_each(|row| println!("{}", row.line())),
            Reply::ReportsSent(rows) => rows.iter().for_each(|row| println!("{}", row.line())),
            Reply::Senders(rows) => print!("{}", super::reputation::text(rows)),
            Reply::Certificates(rows) => rows.iter().for_each(certificate),
            Reply::Reports(domains) if domains.is_empty() => println!("no reports"),
            Reply::Reports(domains) => {
                domains.iter().for_each(|one| print!("{}", super::reports::text(one)));
            }
            Reply::Junk(report) => {
                println!("{} wanted messages, {} of junk", report.wanted, report.junk);
            }
            Reply::Indexed(report) => {
                println!(
                    "{} of {} messages are indexed; the index has {} octets, the mail {}",
                    report.indexed, report.messages, report.index_octets, report.compressed_octets
                );
            }
        }
    }
}

fn certificate(row: &crate::acme::Row) {
    let day = |time: i64| if time == 0 { "–".to_owned() } else { day(time) };
    let (until, renew) = (day(row.not_after), day(row.renew_at));
    println!(
        "{}\n  until {until}, got again {renew}, signed by {}",
        row.names.join(" "),
        row.issuer
    );
    if let Some(failure) = &row.failure {
        println!("  failed: {failure}\n  next try {}", short(row.next_try));
    }
}

fn deleted(row: &DeletedRow) {
    let until = short(row.erased_at);
    let (number, mailbox, octets) = (row.message, &row.mailbox, row.octets);
    let (from, subject) = (shown(&row.from), shown(&row.subject));
    println!("{number:>8}  until {until} {octets:>9}  {mailbox}  {from}: {subject}");
}

fn mailboxes(rows: &[MailboxRow]) {
    println!("{:>9} {:>9} {:>11}  mailbox", "messages", "unseen", "octets");
    for row in rows {
        let (messages, unseen) = (row.messages, row.unseen);
        println!("{messages:>9} {unseen:>9} {:>11}  {}", row.octets, row.name);
    }
}

fn token(row: &TokenRow) {
    let time = |time: Option<i64>| time.map_or("never".to_owned(), short);
    let (name, scopes, made) = (&row.name, row.scopes.join(","), short(row.made));
    let (expires, used) = (time(row.expires), row.used.map_or("never".to_owned(), day));
    println!("{name}  {scopes}  made {made}, expires {expires}, last used {used}");
}

fn record(wanted: &Wanted) {
    println!("; {}\n{}", wanted.about, wanted.line());
}

fn key(row: &DkimKeyRow) {
    let (made, since) = (day(row.made), day(row.since));
    let (name, kind, state) = (&row.selector, &row.algorithm, &row.state);
    println!("{name}  {kind}  {state} since {since}, made {made}");
}

fn check(checked: &Checked) {
    let state = match checked.state {
        State::Ok => "ok     ",
        State::Other => "other  ",
        State::Missing => "missing",
        State::Unknown => "unknown",
    };
    println!("{state}  {}", checked.wanted.line());
    if !checked.why.is_empty() {
        println!("         {}", shown(&checked.why));
    }
}

fn queue(messages: &[QueueDetails], sites: &[QueueSite]) {
    for one in messages {
        let held = if one.held { "  (held)" } else { "" };
        let from = if one.from.is_empty() { "<>" } else { &one.from };
        println!("{}  {}  {} octets  {from}{held}", one.id, short(one.received_at), one.octets);
        if let Some(why) = &one.waits {
            println!("    waits: {why}");
        }
        for to in one.recipients.iter().filter(|to| to.settled.is_none()) {
            println!("    {}  {} tries", to.address, to.attempts);
            if let Some(reply) = &to.reply {
                println!("        {}", shown(reply));
            }
        }
    }
    for site in sites.iter().filter(|site| site.failures > 0) {
        let why = site.why.as_deref().map(shown).unwrap_or_default();
        println!("{} does not take mail until {}: {why}", site.host, short(site.closed_until));
    }
}

fn account(details: &AccountDetails) {
    let limit = |max: Option<u64>| max.map_or("no limit".to_owned(), |max| format!("of {max}"));
    println!("{}{}", details.address, if details.disabled { "  (disabled)" } else { "" });
    println!("  octets    {} ({})", details.octets_used, limit(details.octets_max));
    println!("  messages  {} ({})", details.messages_used, limit(details.messages_max));
    sending(&details.sending);
    for name in &details.hidden_capabilities {
        match name.strip_prefix('+') {
            Some(name) => println!("  shown     {name}"),
            None => println!("  hidden    {name}"),
        }
    }
    for alias in &details.aliases {
        println!("  alias     {alias}");
    }
}

fn sending(details: &SendingDetails) {
    if details.paused {
        println!("  sending   paused");
    }
    let kinds = [
        ("hour", details.recipients_hour, details.recipients_hour_max),
        ("day ", details.recipients_day, details.recipients_day_max),
    ];
    for (name, count, own) in kinds {
        let own = match own {
            None => "the settings' limit".to_owned(),
            Some(0) => "no limit".to_owned(),
            Some(max) => format!("of {max}"),
        };
        let count = count.map_or_else(|| "–".to_owned(), |count| count.to_string());
        println!("  sent/{name} {count} recipients ({own})");
    }
}

/// What comes from a message, without control characters: those could move the terminal's cursor.
fn shown(text: &str) -> String {
    text.chars().map(|one| if one.is_control() { ' ' } else { one }).take(60).collect()
}

fn checked(report: &CheckReport) {
    let CheckReport { accounts, commits, messages, faults, told, store } = report;
    for fault in told {
        println!("FAULT {fault}");
    }
    let more = faults.saturating_sub(told.len() as u64);
    if more > 0 {
        println!("and {more} more");
    }
    match store {
        Some(store) => {
            let made = if store.rebuilt { ", index made anew" } else { "" };
            let (segments, frames, entries) = (store.segments, store.frames, store.entries);
            println!("store: {segments} segments, {frames} frames, {entries} entries{made}");
        }
        None => println!("store: not checked, because a server has it open"),
    }
    let verdict = if *faults == 0 { "all well" } else { "not well" };
    println!("{accounts} accounts, {commits} commits, {messages} messages checked: {verdict}");
}
