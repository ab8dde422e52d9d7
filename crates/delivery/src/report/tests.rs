//! Reports, read back with our own parser.

use super::*;
use account::queue::{Envelope, Notify, Progress, QueueId, Target};
use mail::{
    Address,
    mime::{self, Structure},
};

const CONTENT: &[u8] = b"From: ana@example.test\r\nSubject: =?utf-8?Q?=C3=B1?=\r\n\
Message-ID: <1@example.test>\r\n\r\nHello\r\n";

fn queued(to: &[&str], language: Language) -> Queued {
    let target = |address: &&str| Target {
        address: Address::parse(address).unwrap(),
        notify: Notify::default(),
        original: Some(("rfc822".into(), "b@first.test".into())),
    };
    let envelope = Envelope {
        from: Address::parse("ana@example.test"),
        envelope_id: Some("QQ314159".into()),
        octets: CONTENT.len() as u64,
        received_at: 0,
        expires_at: 432_000,
        language,
        recipients: to.iter().map(target).collect(),
        ..Envelope::default()
    };
    let reply = Reply::new("mx.other.test", 550, (5, 1, 1), "No such user\r\nBcc: x");
    let progress =
        Progress { attempts: 1, tried_at: 60, reply: Some(reply), ..Progress::default() };
    let progress = vec![progress; to.len()];
    Queued::new(QueueId(10), envelope, progress)
}

fn text(queued: &Queued, recipients: &[(usize, Action)]) -> String {
    let report =
        Report { queued, recipients, content: CONTENT, host_name: "mx.example.test", now: 90 };
    let (message, ..) = report.message(queued.envelope.from.as_ref().unwrap());
    String::from_utf8(message).unwrap()
}

#[test]
fn rfc3464_a_failure() {
    let queued = queued(&["b@other.test"], Language::English);
    let text = text(&queued, &[(0, Action::Failed)]);
    for line in [
        "To: <ana@example.test>",
        "Subject: Your message was not delivered",
        "Auto-Submitted: auto-replied",
        "In-Reply-To: <1@example.test>",
        "  <b@other.test>",
        "    mx.other.test said: 550 5.1.1 No such user  Bcc: x",
        "Original-Envelope-Id: QQ314159",
        "Reporting-MTA: dns; mx.example.test",
        "Arrival-Date: Thu, 1 Jan 1970 00:00:00 +0000",
        "Original-Recipient: rfc822; b@first.test",
        "Final-Recipient: rfc822; b@other.test",
        "Action: failed",
        "Status: 5.1.1",
        "Remote-MTA: dns; mx.other.test",
        "Diagnostic-Code: smtp; 550 No such user  Bcc: x",
        "Last-Attempt-Date: Thu, 1 Jan 1970 00:01:00 +0000",
        "Content-Type: text/rfc822-headers",
        "Subject: =?utf-8?Q?=C3=B1?=",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n\n{text}");
    }
    assert!(!text.contains("\r\nBcc"), "nobody adds a line");
    assert!(!text.contains("\nHello"), "the header alone");
    assert!(text.lines().all(|line| line.len() <= 998));
}

#[test]
fn its_structure_is_a_report() {
    let queued = queued(&["b@other.test"], Language::German);
    let text = text(&queued, &[(0, Action::Delayed)]);
    assert!(text.contains("Will-Retry-Until: Tue, 6 Jan 1970 00:00:00 +0000"), "{text}");
    assert!(text.contains("Status: 4.1.1"), "{text}");
    assert!(text.contains("Sie müssen nichts tun"), "{text}");
    let parsed = Structure::parse(text.as_bytes(), &mime::Limits::default());
    let kinds: Vec<String> = parsed
        .parts
        .iter()
        .map(|part| format!("{}/{}", part.media_type, part.media_subtype))
        .collect();
    let expect =
        ["multipart/report", "text/plain", "message/delivery-status", "text/rfc822-headers"];
    assert_eq!(kinds, expect);
}

#[test]
fn the_whole_message_when_it_was_asked_for_and_failed() {
    let mut queued = queued(&["b@other.test"], Language::Spanish);
    queued.envelope.returns = Some(Return::Full);
    let failed = text(&queued, &[(0, Action::Failed)]);
    assert!(failed.contains("message/rfc822") && failed.contains("\nHello"), "{failed}");
    assert!(!text(&queued, &[(0, Action::Delayed)]).contains("\nHello"));
    queued.envelope.octets = RETURNED_OCTETS_MAX + 1;
    assert!(!text(&queued, &[(0, Action::Failed)]).contains("\nHello"));
}

#[test]
fn rfc6533_addresses_beyond_ascii() {
    let queued = queued(&["jörg@other.test"], Language::English);
    let text = text(&queued, &[(0, Action::Failed)]);
    for line in [
        "Content-Type: message/global-delivery-status",
        "Final-Recipient: utf-8; jörg@other.test",
        "Content-Type: message/global-headers",
    ] {
        assert!(text.lines().any(|found| found == line), "{line}\n\n{text}");
    }
}

#[test]
fn status_codes_fit_the_action() {
    let reply = |status| Reply::new("x", 450, status, "x");
    let later = reply((4, 2, 0));
    assert_eq!(status_code(Action::Failed, Some(&later)), (5, 4, 7));
    assert_eq!(status_code(Action::Delayed, Some(&later)), (4, 2, 0));
    assert_eq!(status_code(Action::Failed, Some(&reply((5, 7, 1)))), (5, 7, 1));
    assert_eq!(status_code(Action::Relayed, None), (2, 0, 0));
    assert_eq!(status_code(Action::Failed, Some(&reply((0, 0, 0)))), (5, 4, 7));
}

#[test]
fn languages() {
    assert_eq!(language("fr, es-MX;q=0.8, de"), Some(Language::Spanish));
    assert_eq!(language("DE_de"), Some(Language::German));
    assert_eq!(language("fr"), None);
}
