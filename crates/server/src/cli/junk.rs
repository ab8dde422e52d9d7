//! `palomar junk learn`: sorted mail into the server's book; and how `palomar why` tells.

use super::{Stop, args::JunkJob, code, print::Out};
use crate::{
    admin::{Explanation, JunkReport, Reply, Request, WhyReport, client::Client},
    calendar::short,
    files,
};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde_json::json;

/// Messages of one request.
const BATCH_MESSAGES_MAX: usize = 100;
/// Octets of one request, about.
const BATCH_OCTETS_MAX: usize = 4 << 20;
/// Octets of a message that are sent: as many as are looked at.
const MESSAGE_OCTETS: usize = account::junk::LOOK_OCTETS as usize;

/// Reads the files and has them learnt.
pub async fn learn(client: &mut Client, job: &JunkJob, out: &Out) -> Result<(), Stop> {
    let (mut read, mut learnt, mut last) = (0_usize, 0, JunkReport::default());
    for path in &job.paths {
        let failed = |error| format!("{}: {error}", path.display());
        let (format, folders) = files::scan(path, None, "").map_err(failed)?;
        for folder in &folders {
            let (mut batch, mut octets) = (Vec::new(), 0);
            let mut messages = files::open(format, folder).map_err(failed)?.peekable();
            while let Some(message) = messages.next() {
                let message = message.map_err(failed)?;
                let start = message.bytes.get(..MESSAGE_OCTETS).unwrap_or(&message.bytes);
                octets += start.len();
                batch.push(STANDARD.encode(start));
                let full = batch.len() >= BATCH_MESSAGES_MAX || octets >= BATCH_OCTETS_MAX;
                if full || messages.peek().is_none() {
                    read += batch.len();
                    let messages = std::mem::take(&mut batch);
                    octets = 0;
                    last = ask(client, Request::JunkLearn { junk: job.junk, messages }).await?;
                    learnt += last.learnt;
                }
            }
        }
    }
    if read == 0 {
        return Err(Stop { code: code::REFUSED, why: "no mail found".to_owned() });
    }
    let JunkReport { wanted, junk, .. } = last;
    if out.json {
        println!("{}", json!({"read": read, "learnt": learnt, "wanted": wanted, "junk": junk}));
    } else {
        println!("{read} messages read, {learnt} learnt (of the others enough was known)");
        println!("the server's book has {wanted} wanted messages and {junk} of junk");
    }
    Ok(())
}

async fn ask(client: &mut Client, request: Request) -> Result<JunkReport, Stop> {
    match client.ask(request).await? {
        Reply::Junk(report) => Ok(report),
        _ => Err(Stop { code: code::FAILED, why: "not an answer to learning".to_owned() }),
    }
}

/// Why a message is where it is, in sentences.
pub fn why(report: &WhyReport) -> String {
    let WhyReport { message, uid, mailbox, subject, message_id, .. } = report;
    let mut out = format!("Message {message}: \"{subject}\" {message_id}\n");
    out += &format!("It is in {mailbox}, with UID {uid}.\n");
    match &report.explained {
        Some(explained) => came(explained, &mut out),
        None => out.push_str(
            "Nobody checked it: it was not sent by a stranger over port 25, or came before checks \
             were written down.\n",
        ),
    }
    if let Some(sorted) = &report.sorted {
        let what = if sorted.junk { "junk" } else { "wanted" };
        let learnt = if sorted.learnt { "that was learnt" } else { "that was known already" };
        out += &format!(
            "On {} somebody here showed that it is {what}; {learnt}.\n",
            short(sorted.time)
        );
    }
    out
}

fn came(explained: &Explanation, out: &mut String) {
    let Explanation { id, time, client, hello, from, .. } = explained;
    let from = if from.is_empty() { "nobody (<>)".to_owned() } else { format!("<{from}>") };
    *out += &format!(
        "It came on {} from {client}, which calls itself {hello}, sent by {from}",
        short(*time)
    );
    *out += &format!("; in the log it is {id}.\n");
    if !explained.checks.is_empty() {
        out.push_str("Checked:\n");
    }
    for check in &explained.checks {
        *out += &format!("  {:<6} {:<10} {}\n", check.method, check.result, check.of);
    }
    if !explained.senders.is_empty() {
        *out += &format!(
            "What becomes of it counts for the reputation of {}.\n",
            explained.senders.join(", ")
        );
    }
    if let Some(percent) = explained.junk_percent {
        *out +=
            &format!("By what was learnt here it is junk to {percent:.1} %; what says so most:\n");
        for word in &explained.words {
            let way = if word.junk_percent >= 50.0 { "junk" } else { "wanted" };
            let (place, text, percent) = (&word.place, &word.text, word.junk_percent);
            *out += &format!("  {way:<6} {percent:>5.1} %  {place}: {text}\n");
        }
    }
    out.push_str(if explained.junk {
        "It was put into Junk because of:\n"
    } else {
        "It was taken"
    });
    if !explained.junk {
        out.push_str(if explained.reasons.is_empty() { ".\n" } else { "; what was noted:\n" });
    }
    for reason in &explained.reasons {
        let score =
            if reason.score == 0.0 { String::new() } else { format!(" ({:+.1})", reason.score) };
        *out += &format!("  {}{score}: {}\n", reason.by, reason.text);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::{CheckRow, ReasonRow, Sorted, WordRow};

    #[test]
    fn a_message_is_explained_in_sentences() {
        let check = CheckRow {
            method: "spf".into(),
            result: "fail".into(),
            of: "smtp.mailfrom=a.test".into(),
        };
        let reason = ReasonRow { by: "BAD_LIST".into(), score: 4.5, text: "listed".into() };
        let word = WordRow { place: "subject".into(), text: "pills".into(), junk_percent: 99.0 };
        let explained = Explanation {
            id: "1.2".into(),
            client: "192.0.2.1".into(),
            hello: "mx.a.test".into(),
            checks: vec![check],
            reasons: vec![reason],
            junk_percent: Some(97.25),
            words: vec![word],
            junk: true,
            senders: vec!["a.test".into(), "192.0.2.1".into()],
            ..Explanation::default()
        };
        let report = WhyReport {
            mailbox: "Junk".into(),
            uid: 7,
            explained: Some(explained),
            sorted: Some(Sorted { junk: false, time: 1_790_000_000, learnt: true }),
            ..WhyReport::default()
        };
        let text = why(&report);
        for wanted in [
            "It is in Junk, with UID 7.",
            "from 192.0.2.1, which calls itself mx.a.test, sent by nobody (<>)",
            "  spf    fail       smtp.mailfrom=a.test\n",
            "junk to 97.2 %",
            "counts for the reputation of a.test, 192.0.2.1.\n",
            "  junk    99.0 %  subject: pills\n",
            "It was put into Junk because of:\n  BAD_LIST (+4.5): listed\n",
            "somebody here showed that it is wanted; that was learnt.\n",
        ] {
            assert!(text.contains(wanted), "{wanted:?} is not in\n{text}");
        }
        assert!(why(&WhyReport::default()).contains("Nobody checked it"));
    }
}
