//! SEARCH=FUZZY: stems, prefixes, rarity and subjects.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod corpus;

use corpus::{open, run};
use mail::{MessageId, text::casemap};
use search::{Builder, Document, Limits, Segment};

fn segment(all: &[(&str, &str)]) -> Segment {
    let mut builder = Builder::new(Limits::default());
    for ((subject, body), id) in all.iter().zip(1..) {
        let header = vec![("SUBJECT".to_owned(), casemap(subject))];
        let message = MessageId(id);
        let body = casemap(body) + "\n";
        builder.push(&Document { message, header, body, ..Document::default() }).unwrap();
    }
    open(builder.finish().unwrap())
}

/// Ordinals, best first.
fn found(segment: &Segment, words: &[&str]) -> Vec<u32> {
    let words: Vec<String> = words.iter().map(|word| casemap(word)).collect();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let mut scored = run(segment.similar(&words)).unwrap();
    scored.sort_by(|a, b| b.1.total_cmp(&a.1));
    scored.into_iter().map(|(ordinal, _)| ordinal).collect()
}

#[test]
fn nearer_is_better() {
    let all =
        [("", "meetingroom"), ("", "we met"), ("", "meetings"), ("", "a meeting"), ("meeting", "")];
    let segment = segment(&all);
    assert_eq!(found(&segment, &["meeting"]), [4, 3, 2, 0]);
    assert_eq!(found(&segment, &["nothing"]), [0_u32; 0]);
}

#[test]
fn stems_of_languages() {
    let all = [
        ("", "las reuniones y los niños"),
        ("", "die Häuser"),
        ("", "running quickly"),
        ("", "les chevaux"),
        ("", "книги"),
    ];
    let segment = segment(&all);
    assert_eq!(found(&segment, &["reunión"]), [0]);
    assert_eq!(found(&segment, &["niño"]), [0]);
    assert_eq!(found(&segment, &["Haus"]), [1]);
    assert_eq!(found(&segment, &["run"]), [2]);
    assert_eq!(found(&segment, &["книга"]), [4]);
}

#[test]
fn all_words_count_and_rare_ones_more() {
    let all = [
        ("", "common rare"),
        ("", "common"),
        ("", "common"),
        ("", "common other"),
        ("", "日本語のテスト"),
    ];
    let segment = segment(&all);
    assert_eq!(found(&segment, &["common", "rare"]), [0]);
    assert_eq!(found(&segment, &["common"]).len(), 4);
    assert_eq!(found(&segment, &["日本語"]), [4]);
    assert_eq!(found(&segment, &[]), [0_u32; 0]);
    let score = |word| run(segment.similar(&[word])).unwrap()[0].1;
    assert!(score("RARE") > score("COMMON"));
}
