//! SORT and THREAD of stored messages: what stands in them, and the limits on it.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use account::{
    MailboxName, NewMessage, Numbers,
    sort::{Criterion, REFERENCES_MAX, SortKey, Sorter},
    thread_tree::{Algorithm, Threader, Threads},
};
use bytes::Bytes;
use mail::MessageId;
use support::{Bench, all, run};

fn append(bench: &Bench, headers: &[String]) {
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    let new = |header: &String| NewMessage::new(Bytes::from(format!("{header}\r\n\r\nbody\r\n")));
    run(bench.ana.append(inbox, headers.iter().map(new).collect())).unwrap();
}

fn sorted(bench: &Bench, criterion: Criterion) -> Vec<u32> {
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    let mut view = bench.ana.select(inbox, true).unwrap();
    let rows = view.rows(&all(), Numbers::Uid, 1, usize::MAX);
    let mut sorter = Sorter::new(vec![SortKey { criterion, reverse: false }]);
    for page in rows.chunks(3) {
        run(sorter.take(&bench.ana, page)).unwrap();
    }
    sorter.finish(|_: MessageId| 1).iter().map(|row| row.sequence).collect()
}

fn threads(bench: &Bench) -> Threads {
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    let mut view = bench.ana.select(inbox, true).unwrap();
    let rows = view.rows(&all(), Numbers::Uid, 1, usize::MAX);
    let mut threader = Threader::new(Algorithm::References);
    for page in rows.chunks(3) {
        run(threader.take(&bench.ana, page)).unwrap();
    }
    threader.finish()
}

#[test]
fn what_stands_in_headers_orders_messages() {
    let bench = Bench::new();
    let header = |from: &str, to: &str, subject: &str, date: &str| {
        format!("From: {from}\r\nTo: {to}\r\nSubject: {subject}\r\nDate: {date}")
    };
    append(
        &bench,
        &[
            header("zoe@x", "Team: b@x;", "Re: B", "Mon, 2 Nov 2026 10:00:00 +0100"),
            header("\"\" <Bo@x>", "a@x", "=?utf-8?q?a?=", "Mon, 2 Nov 2026 10:00:00 +0000"),
            header("Al <q@x>", "", "[x] b", "yesterday"),
            header("=?utf-8?q?al?= <r@x>", "=?utf-8?q?=C3=A9?= <z@x>", "", "1 Jan 1990 00:00 GMT"),
        ],
    );
    assert_eq!(sorted(&bench, Criterion::Subject), [4, 2, 1, 3]);
    assert_eq!(sorted(&bench, Criterion::From), [2, 3, 4, 1]);
    assert_eq!(sorted(&bench, Criterion::DisplayFrom), [3, 4, 2, 1]);
    assert_eq!(sorted(&bench, Criterion::To), [3, 2, 1, 4]);
    // A group's name is what its first element shows (RFC 5957 §3).
    assert_eq!(sorted(&bench, Criterion::DisplayTo), [3, 2, 4, 1]);
    let dates = sorted(&bench, Criterion::Date);
    let known: Vec<u32> = dates.into_iter().filter(|sequence| *sequence != 3).collect();
    assert_eq!(known, [4, 1, 2]);
}

#[test]
fn references_max_at_n_and_one_more() {
    let roots = |references: usize| {
        let bench = Bench::new();
        let ids: Vec<String> = (0..references).map(|n| format!("<{n}@x>")).collect();
        let answer = format!("Message-ID: <last@x>\r\nReferences: {}", ids.join("\r\n "));
        append(&bench, &["Message-ID: <1@x>".to_owned(), answer]);
        threads(&bench).roots.len()
    };
    // The first counts, and as many of the last as there is room for.
    assert_eq!(roots(REFERENCES_MAX), 1);
    assert_eq!(roots(REFERENCES_MAX + 1), 2);
}

#[test]
fn in_reply_to_counts_where_references_says_nothing() {
    let bench = Bench::new();
    append(
        &bench,
        &[
            "Message-ID: <1@x>\r\nSubject: a".to_owned(),
            "Message-ID: <2@x>\r\nIn-Reply-To: Your letter <\"1\"@x> of <9@x>".to_owned(),
            "Message-ID: <3@x>\r\nReferences: <2@x>\r\nIn-Reply-To: <1@x>".to_owned(),
            "Message-ID: <4@x>\r\nReferences: no id at all\r\nIn-Reply-To: <1@x>".to_owned(),
        ],
    );
    let Threads { nodes, roots } = threads(&bench);
    assert_eq!(roots, [0]);
    assert_eq!(nodes[0].children, [1, 3]);
    assert_eq!(nodes[1].children, [2]);
}
