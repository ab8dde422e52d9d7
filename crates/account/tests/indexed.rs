//! The index's answer is the scan's: over the corpus, with mail that comes and goes between, before
//! and after merges, and after reopening.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use account::{
    Account, MailboxName, NewMessage, Options, Row,
    search::{Query, Search},
    sort::{Criterion, SortKey, Sorter},
    thread_tree::{Algorithm, Threader, Threads},
};
use bytes::Bytes;
use mail::{NumberSet, SystemFlags};
use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};
use support::{Bench, change, options, person, run};

/// The big corpus if there is one here, else the repository's.
fn folder() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus");
    std::env::var_os("PALOMAR_CORPUS").map_or(own, PathBuf::from)
}

fn gather(folder: &Path, messages: &mut Vec<Bytes>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            gather(&path, messages);
        } else {
            messages.push(fs::read(path).unwrap().into());
        }
    }
}

fn search(account: &Arc<Account>, query: &Query) -> Vec<u32> {
    let inbox = account.mailbox(&MailboxName::inbox()).unwrap().id;
    let mut view = account.select(inbox, true).unwrap();
    let mut search = Search::new(query.clone());
    let mut found = Vec::new();
    loop {
        let (rows, more) = run(search.step(&mut view)).unwrap();
        found.extend(rows.iter().map(|row| row.uid.0));
        if !more {
            assert!(found.is_sorted());
            return found;
        }
    }
}

fn append(account: &Arc<Account>, messages: &[Bytes]) {
    let inbox = account.mailbox(&MailboxName::inbox()).unwrap().id;
    for page in messages.chunks(64) {
        let new = page.iter().cloned().map(NewMessage::new).collect();
        run(account.append(inbox, new)).unwrap();
    }
}

fn expunge(account: &Arc<Account>, every: u32) {
    let inbox = account.mailbox(&MailboxName::inbox()).unwrap().id;
    let mut view = account.select(inbox, false).unwrap();
    let max = view.uid_max().0;
    let set = NumberSet::of_numbers((1..=max).filter(|uid| uid % every == 0));
    let deleted = change(account::FlagOp::Add, SystemFlags::DELETED);
    run(view.store(&set, account::Numbers::Uid, &deleted)).unwrap();
    run(view.expunge(None)).unwrap();
}

fn index(account: &Arc<Account>, messages_min: u32) {
    while run(account.index_step(messages_min)).unwrap().more {}
}

fn needles(messages: &[Bytes]) -> Vec<String> {
    let fixed = [
        "the",
        "hello",
        "meeting",
        "e",
        "x",
        "of",
        "q",
        ".",
        "--",
        "a b",
        "in the",
        "http://",
        "=?",
        "ñ",
        "é",
        "Ä",
        "ß",
        "ö",
        "日",
        "日本",
        "です",
        "メール",
        "привет",
        "и",
        "@example",
        "\n",
        " ",
        "1",
        "2024",
        "lorem ipsum dolor",
        "zzzzqqqq",
        "ing",
        "tion",
        "()",
        "<",
        "&",
    ];
    let mut all: Vec<String> = fixed.iter().map(|one| (*one).to_owned()).collect();
    // Pieces of the mail itself, of all lengths.
    for (at, message) in messages.iter().enumerate().step_by(messages.len() / 40 + 1) {
        let text = String::from_utf8_lossy(message);
        let letters: Vec<char> = text.chars().collect();
        let start = (at * 7919) % letters.len().max(1);
        let piece = letters.iter().skip(start).take(1 + at % 23);
        all.push(piece.filter(|letter| **letter != '\r').collect());
    }
    all.retain(|one| !one.is_empty());
    all
}

fn queries(messages: &[Bytes]) -> Vec<Query> {
    let header = |name: &str, text: &str| Query::Header(name.to_owned(), text.to_owned());
    let mut all = Vec::new();
    for needle in needles(messages) {
        all.push(Query::Body(needle.clone()));
        all.push(Query::Text(needle.clone()));
        for name in ["Subject", "From", "To", "Cc", "Bcc", "X-Mailer", "received", "References"] {
            all.push(header(name, &needle));
        }
    }
    all.push(header("X-Mailer", ""));
    all.push(header("subject", ""));
    all.push(Query::Body(String::new()));
    all.push(Query::Text(String::new()));
    for day in [0, 8_000, 11_000, 12_000, 13_000, 15_000, 20_000] {
        all.push(Query::Sent(Some(day), None));
        all.push(Query::Sent(None, Some(day)));
        all.push(Query::Sent(Some(day), Some(day + 365)));
    }
    let both = |a: &Query, b: &Query| Query::And(vec![a.clone(), b.clone()]);
    let either = |a: &Query, b: &Query| Query::Or(Box::new(a.clone()), Box::new(b.clone()));
    let not = |a: &Query| Query::Not(Box::new(a.clone()));
    let pairs: Vec<(Query, Query)> =
        all.iter().cloned().zip(all.iter().rev().cloned()).step_by(7).collect();
    for (a, b) in &pairs {
        all.push(both(a, &not(b)));
        all.push(either(&not(a), b));
        all.push(both(&Query::Larger(2_000), &either(a, b)));
        all.push(not(&both(a, b)));
    }
    all
}

const CRITERIA: [Criterion; 9] = [
    Criterion::Arrival,
    Criterion::Cc,
    Criterion::Date,
    Criterion::From,
    Criterion::Size,
    Criterion::Subject,
    Criterion::To,
    Criterion::DisplayFrom,
    Criterion::DisplayTo,
];

/// Every order, and every tree, with and without the index.
fn compare_order(indexed: &Arc<Account>, scanned: &Arc<Account>, when: &str) {
    for (at, criterion) in CRITERIA.into_iter().enumerate() {
        let reverse = at % 2 == 0;
        let second = SortKey { criterion: CRITERIA[(at + 5) % 9], reverse: !reverse };
        let keys = vec![SortKey { criterion, reverse }, second];
        let order = |account: &Arc<Account>| -> Vec<u32> {
            let rows = rows(account);
            let mut sorter = Sorter::new(keys.clone());
            for page in rows.chunks(100) {
                run(sorter.take(account, page)).unwrap();
            }
            sorter.finish(|_| 0).iter().map(|row| row.uid.0).collect()
        };
        assert_eq!(order(indexed), order(scanned), "{when}: {keys:?}");
    }
    for algorithm in [Algorithm::References, Algorithm::OrderedSubject, Algorithm::Refs] {
        let threads = |account: &Arc<Account>| {
            let rows = rows(account);
            let mut threader = Threader::new(algorithm);
            for page in rows.chunks(100) {
                run(threader.take(account, page)).unwrap();
            }
            shown(&threader.finish())
        };
        assert!(threads(indexed) == threads(scanned), "{when}: {algorithm:?}");
    }
}

/// Trees as text: places in the list of nodes mean nothing.
fn shown(threads: &Threads) -> String {
    let mut text = String::new();
    let mut left: Vec<(u32, usize)> = threads.roots.iter().rev().map(|root| (*root, 0)).collect();
    while let Some((at, depth)) = left.pop() {
        let node = &threads.nodes[at as usize];
        text.push_str(&format!("{depth} {:?}\n", node.message));
        left.extend(node.children.iter().rev().map(|child| (*child, depth + 1)));
    }
    text
}

fn rows(account: &Arc<Account>) -> Vec<Row> {
    let inbox = account.mailbox(&MailboxName::inbox()).unwrap().id;
    let mut view = account.select(inbox, true).unwrap();
    view.rows(&support::all(), account::Numbers::Sequence, 1, usize::MAX)
}

fn compare(indexed: &Arc<Account>, scanned: &Arc<Account>, queries: &[Query], when: &str) {
    for query in queries {
        let (found, wanted) = (search(indexed, query), search(scanned, query));
        assert_eq!(found, wanted, "{when}: {query:?}");
    }
    compare_order(indexed, scanned, when);
}

#[test]
fn the_index_answers_as_the_scan() {
    let mut messages = Vec::new();
    gather(&folder(), &mut messages);
    // Every question where the big corpus is asked for; a part of them everywhere.
    let part = if std::env::var_os("PALOMAR_CORPUS").is_some() { 1 } else { 3 };
    let queries: Vec<Query> = queries(&messages).into_iter().step_by(part).collect();
    let some: Vec<Query> = queries.iter().step_by(5).cloned().collect();
    let bench = Bench::with(Options { index_messages_min: 32, ..options() });
    let ana = Arc::clone(&bench.ana);
    let ben = run(person(&bench.accounts, "ben@example.test"));
    let parts: Vec<&[Bytes]> = messages.chunks(messages.len().div_ceil(4)).collect();
    for (at, part) in parts.iter().enumerate() {
        for account in [&ana, &ben] {
            append(account, part);
            expunge(account, 11 + at as u32);
        }
        // Nothing at first, then a part, at last all that came before the last part.
        if at > 0 {
            index(&ana, 100);
        }
        compare(&ana, &ben, &some, &format!("after part {at}"));
    }
    index(&ana, 1);
    let (all, in_index) = run(ana.indexed()).unwrap();
    assert_eq!(all, in_index);
    compare(&ana, &ben, &queries, "all indexed");
    drop((ana, ben));
    let again = bench.reopened();
    let ben = run(person(&again.accounts, "ben@example.test"));
    compare(&again.ana, &ben, &some, "reopened");
    let report = run(account::check::all(&again.accounts)).unwrap();
    assert_eq!(report.told, Vec::<String>::new());
    run(again.ana.drop_index()).unwrap();
    compare(&again.ana, &ben, &some[..40], "dropped");
}
