//! Every answer against a scan of the documents: nothing that a scan finds is missing, nothing that
//! it does not find is certain, and needles of letters and digits are certain.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod corpus;

use corpus::{document, header_text, open, run};
use mail::{MessageId, text::casemap};
use proptest::{prelude::*, test_runner::TestRng};
use search::{Answer, Builder, Document, Field, Limits, Segment, Set, merge};

fn build(documents: &[Document]) -> Vec<u8> {
    let mut builder = Builder::new(Limits::default());
    for one in documents {
        builder.push(one).unwrap();
    }
    builder.finish().unwrap()
}

/// Three segments, merged.
fn build_merged(documents: &[Document]) -> Vec<u8> {
    let parts: Vec<Segment> = documents
        .chunks(documents.len().div_ceil(3).max(1))
        .map(|part| open(build(part)))
        .collect();
    let mut out = Vec::new();
    let parts: Vec<&Segment> = parts.iter().collect();
    run(merge(&parts, &|_| true, Limits::default(), &mut out)).unwrap();
    out
}

fn check(answer: &Answer, documents: &[Document], what: &str, holds: impl Fn(&Document) -> bool) {
    let mut truth = Set::empty(documents.len() as u32);
    for (ordinal, one) in documents.iter().enumerate() {
        if holds(one) {
            truth.insert(ordinal as u32);
        }
        let (certain, possible) =
            (answer.certain.contains(ordinal as u32), answer.possible.contains(ordinal as u32));
        assert!(!certain || !possible, "{what}: {ordinal} twice");
        assert!(!certain || truth.contains(ordinal as u32), "{what}: {ordinal} is certain");
        let told = certain || possible;
        assert!(told || !truth.contains(ordinal as u32), "{what}: {ordinal} is missing");
    }
}

/// Whether a needle must be answered with certainty.
fn is_plain(needle: &str) -> bool {
    !needle.is_empty() && needle.chars().all(|c| c.is_alphanumeric() && (c as u32) < 0x0E00)
}

fn check_needle(segment: &Segment, documents: &[Document], needle: &str) {
    let body = run(segment.body(needle)).unwrap();
    check(&body, documents, &format!("body {needle:?}"), |one| one.body.contains(needle));
    let text = run(segment.text(needle)).unwrap();
    check(&text, documents, &format!("text {needle:?}"), |one| {
        one.body.contains(needle) || header_text(one).contains(needle)
    });
    for answer in [&body, &text] {
        assert!(!is_plain(needle) || answer.possible.is_empty(), "{needle:?} is not certain");
    }
    for name in ["FROM", "TO", "CC", "BCC", "SUBJECT", "MESSAGE-ID", "RECEIVED", "X-MAILER", "NO"] {
        let answer = run(segment.header(name, needle)).unwrap();
        check(&answer, documents, &format!("{name} {needle:?}"), |one| {
            one.header.iter().any(|(field, value)| field == name && value.contains(needle))
        });
        let exact = Field::of(name).is_some() && !needle.contains('\u{FFFF}');
        let is_word = needle.chars().all(|c| c > ' ' && c != '\u{FFFF}');
        if exact || is_word || needle.is_empty() {
            assert!(answer.possible.is_empty(), "{name} {needle:?} is not certain");
        }
    }
}

fn cut(text: &str, start: usize, chars: usize) -> String {
    let skip = start % text.chars().count().max(1);
    text.chars().skip(skip).take(chars).collect()
}

/// Needles out of documents: pieces of any place, words, phrases, borders of lines.
fn needles(documents: &[Document], count: usize) -> Vec<String> {
    let mut rng = TestRng::deterministic_rng(proptest::test_runner::RngAlgorithm::ChaCha);
    let mut found = Vec::new();
    for at in 0..count {
        let one = &documents[rng.next_u32() as usize % documents.len()];
        let from = if at % 4 == 0 { header_text(one) } else { one.body.clone() };
        let start = rng.next_u32() as usize;
        let needle = match at % 6 {
            0 => cut(&from, start, 1 + start % 2),
            1 => cut(&from, start, 3 + start % 5),
            2 => cut(&from, start, 8 + start % 40),
            3 => from.split_whitespace().nth(start % 50).unwrap_or("X").to_owned(),
            4 => {
                let words: Vec<&str> =
                    from.split(' ').skip(start % 60).take(2 + start % 3).collect();
                words.join(" ")
            }
            _ => cut(&from, start, 33 + start % 20),
        };
        found.push(needle);
    }
    found
}

#[test]
fn answers_of_the_corpus_are_those_of_a_scan() {
    let messages = corpus::messages(&corpus::folder());
    let documents: Vec<Document> =
        messages.iter().zip(1..).map(|(bytes, id)| document(id, bytes)).collect();
    assert!(documents.len() > 500);
    let segment = open(build_merged(&documents));
    assert_eq!(segment.documents() as usize, documents.len());
    let fixed = [
        "",
        " ",
        "E",
        "QX",
        "THE",
        "ATION",
        "THE MESSAGE",
        "@",
        "-",
        "\n",
        "\r\n",
        "ß",
        "Ä",
        "ñ",
        "日本",
        "の",
        "件名",
        "日本語の",
        "テスト",
        "ご",
        "İ",
        "한국",
        "한",
        "привет",
        "HTTP://",
        "SUBJECT: ",
        ": ",
        "X-MAILER: ",
        "MESSAGE-ID: <",
        "\u{303}",
        "100%",
        "A B",
        "\u{FFFF}",
        "\u{1}",
    ];
    for needle in fixed {
        check_needle(&segment, &documents, &casemap(needle));
    }
    for needle in needles(&documents, 240) {
        check_needle(&segment, &documents, &needle);
    }
}

fn any_text() -> impl Strategy<Value = String> {
    let word = prop_oneof![
        "[A-E]{1,4}",
        "[A-C]{30,36}",
        "[А-Г]{1,4}",
        "[あ-え漢字]{1,5}",
        "(N\u{303}|U\u{308}|ß|I\u{307}|か\u{3099}|한){1,3}",
        "[0-3]{1,3}",
    ];
    let gap = prop_oneof![Just(" "), Just("\n"), Just(""), Just("-"), Just(", "), Just("@")];
    prop::collection::vec((word, gap), 0..12)
        .prop_map(|all| casemap(&all.into_iter().map(|(word, gap)| word + gap).collect::<String>()))
}

fn any_document() -> impl Strategy<Value = Document> {
    let name = prop_oneof![
        Just("SUBJECT"),
        Just("FROM"),
        Just("TO"),
        Just("X-MAILER"),
        Just("RECEIVED"),
        Just("X\u{2}Y"),
        Just("")
    ];
    let header = prop::collection::vec((name.prop_map(str::to_owned), any_text()), 0..4);
    (header, any_text(), any::<bool>()).prop_map(|(header, body, partial)| Document {
        header,
        body: body + "\n",
        partial,
        ..Document::default()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn answers_are_those_of_a_scan(
        mut documents in prop::collection::vec(any_document(), 1..30),
        needle in any_text(),
        (at, start, chars) in (any::<usize>(), any::<usize>(), 0_usize..40),
        is_merged in any::<bool>(),
    ) {
        for (one, id) in documents.iter_mut().zip(0..) {
            one.message = MessageId(id * 3);
            one.partial = false;
        }
        let octets = if is_merged { build_merged(&documents) } else { build(&documents) };
        let segment = open(octets);
        check_needle(&segment, &documents, &needle);
        let one = &documents[at % documents.len()];
        check_needle(&segment, &documents, &cut(&one.body, start, chars));
        check_needle(&segment, &documents, &cut(&header_text(one), start, chars));
    }

    #[test]
    fn documents_indexed_in_part_stay_possible(
        mut documents in prop::collection::vec(any_document(), 1..20), needle in any_text(),
    ) {
        for (one, id) in documents.iter_mut().zip(0..) {
            one.message = MessageId(id);
        }
        let segment = open(build_merged(&documents));
        let answer = run(segment.body(&needle)).unwrap();
        for (one, ordinal) in documents.iter().zip(0..) {
            let told = answer.certain.contains(ordinal) || answer.possible.contains(ordinal);
            prop_assert!(told || !one.partial && !one.body.contains(&needle));
        }
    }
}
