//! Trees by the letter of RFC 5256, compared with an implementation that does it step by step.

use super::*;
use crate::sort::source::{Facts, Text};
use mail::{MessageId, ModSeq, SystemFlags, ThreadId};
use proptest::prelude::*;

mod naive;

/// What a test says of a message: id, references, subject, whether it answers, dates.
#[derive(Clone, Debug, Default)]
struct Said {
    id: u64,
    references: Vec<u64>,
    subject: &'static str,
    reply: bool,
    sent: i64,
    arrived: i64,
}

fn threads(algorithm: Algorithm, messages: &[Said]) -> String {
    let mut threader = Threader::new(algorithm);
    add(&mut threader, messages);
    written(&threader.finish())
}

fn add(threader: &mut Threader, messages: &[Said]) {
    for (sequence, said) in (1..).zip(messages) {
        let row = Row {
            sequence,
            uid: Uid(sequence),
            message: MessageId(sequence),
            thread: ThreadId(1),
            modseq: ModSeq(1),
            system: SystemFlags::NONE,
            recent: false,
            keywords: Vec::new().into(),
            octets: 1,
            internal_date: said.arrived,
        };
        let mut facts = Facts {
            sent: said.sent,
            reply: said.reply,
            message_id: said.id,
            references: said.references.clone(),
            ..Facts::default()
        };
        facts.texts[0] = Text::of(said.subject);
        facts.no_subject = said.subject.is_empty();
        threader.add(&row, &facts);
    }
}

/// As `(1 2 (3)(4))`; of small trees.
fn written(threads: &Threads) -> String {
    fn list(threads: &Threads, node: u32) -> String {
        format!("({})", inner(threads, node))
    }
    fn inner(threads: &Threads, node: u32) -> String {
        let Node { message, children } = &threads.nodes[node as usize];
        let own = message.map(|(sequence, _)| sequence.to_string()).unwrap_or_default();
        match children.as_slice() {
            [] => own,
            [only] => format!("{own} {}", inner(threads, *only)),
            several => {
                let lists: String = several.iter().map(|child| list(threads, *child)).collect();
                if own.is_empty() { lists } else { format!("{own} {lists}") }
            }
        }
    }
    threads.roots.iter().map(|root| list(threads, *root)).collect()
}

fn said(id: u64, references: &[u64], subject: &'static str, sent: i64) -> Said {
    let (subject, reply) =
        subject.strip_prefix("Re: ").map_or((subject, false), |base| (base, true));
    Said { id, references: references.to_vec(), subject, reply, sent, arrived: sent }
}

#[track_caller]
fn check(messages: &[Said], wanted: &str) {
    assert_eq!(threads(Algorithm::References, messages), wanted);
    assert_eq!(naive::references(messages), wanted);
}

#[test]
fn references_tie_parents_and_children() {
    check(&[said(1, &[], "a", 1), said(2, &[1], "b", 2), said(3, &[1, 2], "c", 3)], "(1 2 3)");
    // Siblings by date, then by sequence number.
    let four = [said(1, &[], "a", 1), said(2, &[1], "", 9), said(3, &[1], "", 5)];
    check(&four, "(1 (3)(2))");
    // The answer came first.
    check(&[said(2, &[1], "a", 2), said(1, &[], "a", 1)], "(2 1)");
}

#[test]
fn of_one_id_the_first_message_has_it() {
    check(&[said(1, &[], "", 1), said(1, &[], "", 2), said(3, &[1], "", 3)], "(1 3)(2)");
    // No id at all.
    check(&[said(0, &[], "", 1), said(0, &[], "", 2)], "(1)(2)");
}

#[test]
fn missing_parents() {
    // RFC 5256 BASE.7.2.THREAD: `((3)(5))`.
    check(&[said(1, &[9], "", 1), said(2, &[9], "", 2)], "((1)(2))");
    // One child takes its place; below another message all do.
    check(&[said(1, &[9], "", 1)], "(1)");
    check(&[said(1, &[], "", 1), said(2, &[1, 9], "", 2), said(3, &[1, 9], "", 3)], "(1 (2)(3))");
    // Missing ones below missing ones.
    check(&[said(1, &[7, 8], "", 1), said(2, &[7, 9], "", 2)], "((1)(2))");
}

#[test]
fn loops_are_not_made() {
    check(&[said(1, &[2], "", 1), said(2, &[1], "", 2)], "(2 1)");
    check(&[said(1, &[1], "", 1)], "(1)");
    check(&[said(1, &[2, 1, 2], "", 1), said(2, &[1, 2, 1], "", 2)], "(2 1)");
}

#[test]
fn the_last_reference_is_right() {
    // 2 was put below 1 by 3's references; its own say that it is below nothing.
    check(&[said(3, &[1, 2], "x", 3), said(1, &[], "y", 1), said(2, &[], "z", 2)], "(2)(3 1)");
}

#[test]
fn subjects_gather_threads() {
    // An answer without references goes below the message of its subject.
    check(&[said(1, &[], "a", 1), said(2, &[], "Re: a", 2)], "(1 2)");
    check(&[said(1, &[], "Re: a", 1), said(2, &[], "a", 2)], "(2 1)");
    // Neither answers, or both do: siblings.
    check(&[said(1, &[], "a", 1), said(2, &[], "a", 2)], "((1)(2))");
    check(&[said(1, &[], "Re: a", 1), said(2, &[], "Re: a", 2)], "((1)(2))");
    let three = [said(1, &[], "a", 1), said(2, &[], "a", 2), said(3, &[], "a", 3)];
    check(&three, "((1)(2)(3))");
    // Two missing ones become one; a message joins one.
    let pairs = [said(1, &[8], "a", 1), said(2, &[8], "a", 2), said(3, &[9], "a", 3)];
    check(&[&pairs[..], &[said(4, &[9], "a", 4)]].concat(), "((1)(2)(3)(4))");
    check(&pairs, "((1)(2)(3))");
    // Nothing is gathered by an empty subject.
    check(&[said(1, &[], "", 1), said(2, &[], "Re: ", 2)], "(1)(2)");
}

#[test]
fn ordered_subject_has_no_grandchildren() {
    let messages =
        [said(1, &[], "b", 3), said(2, &[1], "a", 4), said(3, &[2], "b", 1), said(4, &[], "b", 2)];
    assert_eq!(threads(Algorithm::OrderedSubject, &messages), "(3 (4)(1))(2)");
}

#[test]
fn refs_puts_the_thread_of_the_last_arrival_last() {
    let mut messages =
        [said(1, &[], "a", 1), said(2, &[], "a", 2), said(3, &[1], "x", 3), said(4, &[9], "y", 0)];
    assert_eq!(threads(Algorithm::Refs, &messages), "(4)(2)(1 3)");
    messages[1].arrived = 9;
    assert_eq!(threads(Algorithm::Refs, &messages), "(4)(1 3)(2)");
}

#[test]
fn missing_ids_max_at_n_and_one_more() {
    let tree = |missing: usize| {
        let mut threader = Threader::new(Algorithm::References);
        threader.missing_ids_max = 3;
        let refers: Vec<u64> = (100..100 + missing as u64).collect();
        let last = [*refers.last().unwrap()];
        add(&mut threader, &[said(1, &refers, "", 1), said(2, &last, "", 2)]);
        written(&threader.finish())
    };
    assert_eq!(tree(3), "((1)(2))");
    assert_eq!(tree(4), "(1)(2)");
}

/// Each case would take hours if looking for loops, or anything else, went up the tree.
#[test]
fn hostile_references_of_100_000_messages() {
    let count = 100_000_u64;
    let chain = |n: u64| said(n, &[n - 1], "", 0);
    let backwards = |n: u64| said(count - n + 1, &[count - n], "", 0);
    let missing = |n: u64| said(n * 2, &[n * 2 - 2, n * 2 - 1], "", 0);
    let again = |n: u64| said(n, &[n - 1, n % 7 + 1, n - 1, n + 1, n], "", 0);
    let shapes: [&dyn Fn(u64) -> Said; 4] = [&chain, &backwards, &missing, &again];
    for shape in shapes {
        let messages: Vec<Said> = (1..=count).map(shape).collect();
        for algorithm in [Algorithm::References, Algorithm::Refs] {
            let mut threader = Threader::new(algorithm);
            add(&mut threader, &messages);
            let found = threader.finish();
            let there = found.nodes.iter().filter(|node| node.message.is_some()).count();
            assert_eq!(there as u64, count);
        }
    }
}

prop_compose! {
    fn message()(
        id in 0..8_u64,
        references in prop::collection::vec(1..10_u64, 0..4),
        subject in prop::sample::select(vec!["", "a", "b", "c"]),
        reply in any::<bool>(),
        sent in 0..4_i64,
        arrived in 0..4_i64,
    ) -> Said {
        Said { id, references, subject, reply, sent, arrived }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]
    #[test]
    fn trees_are_those_of_the_letter(messages in prop::collection::vec(message(), 0..12)) {
        let wanted = naive::references(&messages);
        prop_assert_eq!(threads(Algorithm::References, &messages), wanted);
        prop_assert_eq!(threads(Algorithm::Refs, &messages), naive::refs(&messages));
    }
}
