//! Segments as bytes: limits, merges against building anew, damage, and the format of old.
#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod corpus;

use bytes::Bytes;
use corpus::{open, run};
use mail::MessageId;
use search::{Builder, Document, Error, Field, Limits, Segment, SortKey, Source, merge, ranks};
use std::{path::Path, sync::Arc};

fn document(id: u32) -> Document {
    let number = u64::from(id);
    Document {
        message: MessageId(id),
        header: vec![
            ("SUBJECT".into(), format!("SUBJECT {}", id % 7)),
            ("FROM".into(), format!("ANA <ANA{}@EXAMPLE.ORG>", id % 3)),
            ("X-MAILER".into(), format!("MAILER {}", id % 2)),
            ("MESSAGE-ID".into(), format!("<{id}.{}@EXAMPLE.ORG>", "X".repeat(id as usize % 300))),
        ],
        body: format!("WORD{id} COMMON NUMBER {} {}\n漢字{}\n", id % 5, "Z".repeat(40), id),
        partial: id.is_multiple_of(11),
        sent: (!id.is_multiple_of(4)).then_some((1_700_000_000 + i64::from(id) * 61, -120)),
        sort: [0, 1, 2, 3, 4, 5].map(|key| format!("KEY {}", (id + key) % 9)),
        reply: id.is_multiple_of(2),
        message_id: number * 7 + 1,
        references: vec![(number / 2) * 7 + 1, number + 500],
    }
}

fn build(ids: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut builder = Builder::new(Limits::default());
    for id in ids {
        builder.push(&document(id)).unwrap();
    }
    builder.finish().unwrap()
}

fn merged(parts: &[Vec<u8>], keep: impl Fn(MessageId) -> bool + Sync) -> Vec<u8> {
    let parts: Vec<Segment> = parts.iter().map(|part| open(part.clone())).collect();
    let parts: Vec<&Segment> = parts.iter().collect();
    let mut out = Vec::new();
    run(merge(&parts, &keep, Limits::default(), &mut out)).unwrap();
    out
}

#[test]
fn a_merge_is_what_building_anew_gives() {
    let anew = build((1..400).filter(|id| id % 3 != 0));
    let keep = |message: MessageId| !message.0.is_multiple_of(3);
    let side_by_side = [build(1..100), build(100..101), build(101..101), build(101..400)];
    assert!(merged(&side_by_side, keep) == anew);
    let interleaved = [build((1..400).step_by(2)), build((2..400).step_by(2))];
    assert!(merged(&interleaved, keep) == anew);
    let twice = [build(1..300), build(200..400)];
    assert!(merged(&twice, keep) == anew);
    assert!(merged(&twice, |_| false) == build(1..1));
}

#[test]
fn of_a_message_twice_the_last_counts() {
    let mut builder = Builder::new(Limits::default());
    builder.push(&Document { body: "NEWER\n".into(), ..document(5) }).unwrap();
    let segment = open(merged(&[build(1..9), builder.finish().unwrap()], |_| true));
    assert_eq!(segment.documents(), 8);
    assert_eq!(run(segment.body("NEWER")).unwrap().certain.iter().collect::<Vec<_>>(), [4]);
    assert!(run(segment.body("WORD5")).unwrap().certain.is_empty());
}

#[test]
fn numbers_come_back() {
    let documents: Vec<Document> = (1..60).map(document).collect();
    let segment = open(merged(&[build(1..20), build(20..60)], |_| true));
    assert_eq!(segment.span(), Some((MessageId(1), MessageId(59))));
    let ids: Vec<MessageId> = documents.iter().map(|one| one.message).collect();
    assert_eq!(run(segment.messages()).unwrap(), ids);
    let sent: Vec<_> = documents.iter().map(|one| one.sent).collect();
    assert_eq!(run(segment.sent()).unwrap(), sent);
    let links = run(segment.links()).unwrap();
    for (at, one) in documents.iter().enumerate() {
        assert_eq!(links.message_ids[at], one.message_id);
        assert_eq!(links.references[at], one.references);
        assert_eq!(links.replies[at], one.reply);
    }
}

#[test]
fn ranks_of_several_segments() {
    let parts = [open(build(1..30)), open(build(30..35)), open(build(35..90))];
    let parts: Vec<&Segment> = parts.iter().collect();
    for key in SortKey::ALL {
        let ranks: Vec<u32> = run(ranks(&parts, key)).unwrap().concat();
        let keys: Vec<String> = (1..90).map(|id| document(id).sort[key.place()].clone()).collect();
        for (a, rank_a) in keys.iter().zip(&ranks) {
            for (b, rank_b) in keys.iter().zip(&ranks) {
                assert_eq!(a.cmp(b), rank_a.cmp(rank_b));
            }
        }
        assert_eq!(ranks.iter().max(), Some(&9));
    }
}

#[test]
fn places_of_texts_among_several_segments() {
    let parts = [open(build(1..30)), open(build(30..35)), open(build(35..90))];
    let parts: Vec<&Segment> = parts.iter().collect();
    let documents: Vec<Document> = (1..90).map(document).collect();
    let key = SortKey::Subject;
    let ranked = run(ranks(&parts, key)).unwrap().concat();
    let keys: Vec<&str> = documents.iter().map(|one| one.sort[key.place()].as_str()).collect();
    let mut texts: Vec<String> = keys.iter().map(|key| (*key).to_owned()).collect();
    texts.extend(keys.iter().map(|key| format!("{key}\0")));
    texts.extend(["".to_owned(), "\u{10ffff}".to_owned()]);
    texts.sort_unstable();
    let asked: Vec<&str> = texts.iter().map(String::as_str).collect();
    let found = run(search::places(&parts, key, &asked)).unwrap();
    for (text, (rank, equal)) in texts.iter().zip(found) {
        let below = keys.iter().zip(&ranked).filter(|(key, _)| **key <= text.as_str());
        assert_eq!(rank, below.map(|(_, rank)| *rank).max().unwrap_or(0), "{text:?}");
        assert_eq!(equal, keys.contains(&text.as_str()), "{text:?}");
    }
    assert_eq!(run(search::places(&parts, key, &[])).unwrap(), []);
}

#[test]
fn limits_at_n_and_one_more() {
    let limits = Limits { segment_messages_max: 3, ..Limits::default() };
    let mut builder = Builder::new(limits);
    (1..=3).for_each(|id| builder.push(&document(id)).unwrap());
    assert!(matches!(builder.push(&document(4)), Err(Error::Full)));
    assert_eq!(builder.len(), 3);
    assert!(matches!(builder.push(&document(3)), Err(Error::Order)));

    let mut builder = Builder::new(Limits::default());
    builder.push(&document(1)).unwrap();
    let octets = builder.octets();
    for (octets_max, fits) in [(octets + 1, true), (octets, false)] {
        let mut builder = Builder::new(Limits { builder_octets_max: octets_max, ..limits });
        builder.push(&document(1)).unwrap();
        assert_eq!(builder.push(&document(2)).is_ok(), fits);
    }

    let size = build(1..9).len() as u64;
    for (octets_max, fits) in [(size, true), (size - 1, false)] {
        let limits = Limits { segment_octets_max: octets_max, ..Limits::default() };
        let mut builder = Builder::new(limits);
        (1..9).for_each(|id| builder.push(&document(id)).unwrap());
        assert_eq!(builder.finish().is_ok(), fits);
    }

    let parts = [open(build(1..3)), open(build(3..5))];
    let parts: Vec<&Segment> = parts.iter().collect();
    for (messages_max, fits) in [(4, true), (3, false)] {
        let limits = Limits { segment_messages_max: messages_max, ..Limits::default() };
        assert_eq!(run(merge(&parts, &|_| true, limits, &mut Vec::new())).is_ok(), fits);
    }
}

#[test]
fn of_a_long_body_the_rest_stays_possible() {
    let body = "FIRST SECOND";
    for (octets_max, possible) in [(body.len(), 0), (body.len() - 1, 1)] {
        let limits = Limits { document_octets_max: octets_max, ..Limits::default() };
        let mut builder = Builder::new(limits);
        builder.push(&Document { body: body.into(), ..Document::default() }).unwrap();
        let segment = open(builder.finish().unwrap());
        assert_eq!(run(segment.body("SECOND")).unwrap().possible.len(), possible);
        assert_eq!(run(segment.body("FIRST")).unwrap().certain.len(), 1);
    }
}

/// All that can be asked, as text; an error of damage as `None`.
fn all_answers(octets: Vec<u8>) -> Option<String> {
    let source: Arc<dyn Source> = Arc::new(Bytes::from(octets));
    let asked = async {
        let segment = Segment::open(source).await?;
        let mut told = format!("{:?} {:?}", segment.span(), segment.messages().await?);
        for needle in ["COMMON", "WORD1", "A", "ZZZ", "COMMON NUMBER", "漢", "字1", "-"] {
            told += &format!("{:?} {:?}", segment.body(needle).await?, segment.text(needle).await?);
            told += &format!("{:?}", segment.field(Field::Subject, needle).await?);
            told += &format!("{:?}", segment.header("MESSAGE-ID", needle).await?);
        }
        told += &format!("{:?} {:?}", segment.sent().await?, segment.links().await?);
        told += &format!("{:?}", segment.similar(&["COMMON", "SUBJECT"]).await?);
        told += &format!("{:?}", ranks(&[&segment], SortKey::From).await?);
        merge(&[&segment], &|_| true, Limits::default(), &mut Vec::new()).await?;
        Ok::<_, Error>(told)
    };
    match run(asked) {
        Ok(told) => Some(told),
        Err(Error::Damaged(_)) => None,
        Err(other) => unreachable!("{other}"),
    }
}

#[test]
fn damage_is_told() {
    let whole = build(1..40);
    let told = all_answers(whole.clone());
    assert!(told.is_some());
    let mut found = 0;
    for at in 0..whole.len() {
        let mut flipped = whole.clone();
        flipped[at] ^= 1 << (at % 8);
        match all_answers(flipped) {
            None => found += 1,
            // What is never read, as the mark at the start.
            answers => assert!(answers == told, "octet {at}"),
        }
    }
    assert!(found + 8 >= whole.len());
    for octets in (0..whole.len()).step_by(7) {
        assert!(all_answers(whole[..octets].to_vec()).is_none(), "{octets} octets");
    }
}

fn fixture() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures/format-1.segment")
}

#[test]
fn format_1_opens() {
    let octets = std::fs::read(fixture()).unwrap();
    assert_eq!(all_answers(octets), all_answers(build(1..40)));
}

/// Once for each format: `cargo test -p search --test segments -- --ignored`.
#[test]
#[ignore = "writes the fixture of a new format"]
fn write_fixture() {
    std::fs::create_dir_all(fixture().parent().unwrap()).unwrap();
    std::fs::write(fixture(), build(1..40)).unwrap();
}
