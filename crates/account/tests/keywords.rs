//! Keywords that say whether a message has attachments (RFC 9979 §4).

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use account::{Account, FlagChange, FlagOp, MailboxName, NewMessage, Numbers, Options};
use bytes::Bytes;
use mail::SystemFlags;
use support::{Bench, all, flags, options, run};

const WITH: &str = "Content-Type: application/pdf; name=a.pdf\r\n\r\npdf";
const WITHOUT: &str = "Subject: text\r\n\r\ntext";

/// Appends as a delivery does, with these keywords.
fn deliver(account: &Account, text: &'static str, keywords: &[&str]) {
    let inbox = account.mailbox(&MailboxName::inbox()).unwrap().id;
    let message = NewMessage {
        tell_attachments: true,
        flags: flags(SystemFlags::NONE, keywords),
        ..NewMessage::new(Bytes::from_static(text.as_bytes()))
    };
    run(account.append(inbox, vec![message])).unwrap();
}

/// Keywords of each message, in its order.
fn keywords(bench: &Bench) -> Vec<String> {
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    let mut view = bench.ana.select(inbox, true).unwrap();
    let rows = view.rows(&all(), Numbers::Sequence, 1, 100);
    let words = |row: &account::Row| {
        let words: Vec<&str> = row.keywords.iter().map(mail::Keyword::as_str).collect();
        words.join(" ")
    };
    rows.iter().map(words).collect()
}

fn store(bench: &Bench, op: FlagOp, keywords: &[&str]) {
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    let mut view = bench.ana.select(inbox, false).unwrap();
    let flags = flags(SystemFlags::NONE, keywords);
    let change = FlagChange { op, flags, unchanged_since: None };
    run(view.store(&all(), Numbers::Sequence, &change)).unwrap();
}

#[test]
fn a_delivered_message_has_attachments_or_has_none() {
    let bench = Bench::new();
    deliver(&bench.ana, WITH, &[]);
    deliver(&bench.ana, WITHOUT, &["$label1"]);
    // Who gives one knows better.
    deliver(&bench.ana, WITHOUT, &["$HasAttachment"]);
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    let appended = NewMessage::new(Bytes::from_static(WITH.as_bytes()));
    run(bench.ana.append(inbox, vec![appended])).unwrap();
    let expected = ["$hasattachment", "$label1 $hasnoattachment", "$hasattachment", ""];
    assert_eq!(keywords(&bench), expected);
    assert_eq!(keywords(&bench.reopened()), expected);
}

/// "A message MUST NOT have both keywords set simultaneously."
#[test]
fn no_message_has_both() {
    let bench = Bench::new();
    deliver(&bench.ana, WITHOUT, &["$hasnoattachment", "$HASATTACHMENT", "a"]);
    assert_eq!(keywords(&bench), ["$HASATTACHMENT a"]);
    store(&bench, FlagOp::Add, &["$HasNoAttachment"]);
    assert_eq!(keywords(&bench), ["a $HasNoAttachment"]);
    store(&bench, FlagOp::Add, &["$hasattachment", "$hasnoattachment", "b"]);
    assert_eq!(keywords(&bench), ["$HASATTACHMENT a b"]);
    store(&bench, FlagOp::Replace, &["$hasnoattachment", "$hasattachment"]);
    assert_eq!(keywords(&bench), ["$HASATTACHMENT"]);
    store(&bench, FlagOp::Remove, &["$hasnoattachment", "$hasattachment"]);
    assert_eq!(keywords(&bench), [""]);
    assert_eq!(run(account::check::all(&bench.accounts)).unwrap().breaches, 0);
}

#[test]
fn keywords_max_lets_mail_in_without_the_keyword() {
    let bench = Bench::with(Options { keywords_max: 2, ..options() });
    deliver(&bench.ana, WITHOUT, &["a"]);
    deliver(&bench.ana, WITH, &[]);
    deliver(&bench.ana, WITHOUT, &["a"]);
    assert_eq!(keywords(&bench), ["a $hasnoattachment", "", "a $hasnoattachment"]);
    assert_eq!(run(account::check::all(&bench.accounts)).unwrap().breaches, 0);
}
