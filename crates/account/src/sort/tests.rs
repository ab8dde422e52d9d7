//! Keys order messages as comparing value by value does.

use super::*;
use mail::{SystemFlags, ThreadId};
use proptest::prelude::*;
use std::cmp::Ordering;

fn row(sequence: u32, octets: u32, internal_date: i64) -> Row {
    Row {
        sequence,
        uid: Uid(sequence + 100),
        message: MessageId(sequence + 1_000),
        thread: ThreadId(1),
        modseq: ModSeq(1),
        system: SystemFlags::NONE,
        recent: false,
        keywords: Vec::new().into(),
        octets,
        internal_date,
    }
}

fn facts(texts: [&str; 6], sent: i64) -> Facts {
    Facts { texts: texts.map(Text::of), sent, ..Facts::default() }
}

fn sorted(
    keys: &[SortKey],
    messages: &[(Row, Facts)],
    score: impl Fn(MessageId) -> u8,
) -> Vec<u32> {
    let mut sorter = Sorter::new(keys.to_vec());
    for (row, facts) in messages {
        let score_at = write_key(&mut sorter.octets, keys, row, facts);
        sorter.ends.push((sorter.octets.len(), score_at));
        sorter.rows.push(row.into());
    }
    sorter.finish(score).iter().map(|row| row.sequence).collect()
}

fn by(criterion: Criterion, reverse: bool) -> SortKey {
    SortKey { criterion, reverse }
}

#[test]
fn each_criterion_in_both_directions() {
    let texts = ["B", "A", "C", "", "A", "Z"];
    let messages = [
        (row(1, 30, 20), facts(texts, -5)),
        (row(2, 20, 30), facts(["", "B", "A", "X", "A", "Y"], 7)),
        (row(3, 10, -10), facts(["BA", "B", "B", "X", "", "Y"], 6)),
    ];
    for (criterion, up, down) in [
        (Criterion::Arrival, [3, 1, 2], [2, 1, 3]),
        (Criterion::Date, [1, 3, 2], [2, 3, 1]),
        (Criterion::Size, [3, 2, 1], [1, 2, 3]),
        (Criterion::Subject, [2, 1, 3], [3, 1, 2]),
        // Equal ones stay in the order of sequence numbers in both directions.
        (Criterion::From, [1, 2, 3], [2, 3, 1]),
        (Criterion::To, [2, 3, 1], [1, 3, 2]),
        (Criterion::Cc, [1, 2, 3], [2, 3, 1]),
        (Criterion::DisplayFrom, [3, 1, 2], [1, 2, 3]),
        (Criterion::DisplayTo, [2, 3, 1], [1, 2, 3]),
    ] {
        assert_eq!(sorted(&[by(criterion, false)], &messages, |_| 0), up, "{criterion:?}");
        assert_eq!(sorted(&[by(criterion, true)], &messages, |_| 0), down, "{criterion:?}");
    }
}

#[test]
fn the_highest_score_comes_first() {
    let messages: Vec<_> = (1..=4).map(|n| (row(n, 10, 0), facts(["A"; 6], 0))).collect();
    let score = |id: MessageId| [7, 100, 7, 1][id.0 as usize - 1_001];
    assert_eq!(sorted(&[by(Criterion::Relevancy, false)], &messages, score), [2, 1, 3, 4]);
    assert_eq!(sorted(&[by(Criterion::Relevancy, true)], &messages, score), [4, 1, 3, 2]);
    let keys = [by(Criterion::Subject, false), by(Criterion::Relevancy, false)];
    assert_eq!(sorted(&keys, &messages, score), [2, 1, 3, 4]);
}

#[test]
fn text_octets_max_at_n_and_one_more() {
    let order = |octets: usize| {
        let text = |last: &str| format!("{}{last}", "A".repeat(octets - 1));
        let (first, second) = (text("B"), text("A"));
        let messages = [
            (row(1, 1, 1), facts([&first, "", "", "", "", ""], 0)),
            (row(2, 1, 1), facts([&second, "", "", "", "", ""], 0)),
        ];
        sorted(&[by(Criterion::Subject, false)], &messages, |_| 0)
    };
    assert_eq!(order(TEXT_OCTETS_MAX), [2, 1]);
    assert_eq!(order(TEXT_OCTETS_MAX + 1), [1, 2]);
}

fn compare(keys: &[SortKey], (a, of_a): &(Row, Facts), (b, of_b): &(Row, Facts)) -> Ordering {
    for key in keys {
        let order = match key.criterion {
            Criterion::Arrival => a.internal_date.cmp(&b.internal_date),
            Criterion::Date => of_a.sent.cmp(&of_b.sent),
            Criterion::Size => a.octets.cmp(&b.octets),
            Criterion::Relevancy => Ordering::Equal,
            Criterion::Subject => of_a.texts[0].cmp(&of_b.texts[0]),
            Criterion::From => of_a.texts[1].cmp(&of_b.texts[1]),
            Criterion::To => of_a.texts[2].cmp(&of_b.texts[2]),
            Criterion::Cc => of_a.texts[3].cmp(&of_b.texts[3]),
            Criterion::DisplayFrom => of_a.texts[4].cmp(&of_b.texts[4]),
            Criterion::DisplayTo => of_a.texts[5].cmp(&of_b.texts[5]),
        };
        let order = if key.reverse { order.reverse() } else { order };
        if order != Ordering::Equal {
            return order;
        }
    }
    a.sequence.cmp(&b.sequence)
}

prop_compose! {
    fn message()(
        octets in 0..4_u32,
        date in -2..2_i64,
        sent in prop_oneof![-2..2_i64, Just(i64::MIN), Just(i64::MAX)],
        texts in prop::array::uniform6("[A-B\0\u{1}\u{ff}]{0,3}"),
    ) -> (Row, Facts) {
        let texts = texts.map(|text| Text::of(&text));
        (row(0, octets, date), Facts { sent, texts, ..Facts::default() })
    }
}

fn key() -> impl Strategy<Value = SortKey> {
    use Criterion::{
        Arrival, Cc, Date, DisplayFrom, DisplayTo, From, Relevancy, Size, Subject, To,
    };
    let all = [Arrival, Cc, Date, From, Size, Subject, To, DisplayFrom, DisplayTo, Relevancy];
    (prop::sample::select(all.to_vec()), any::<bool>())
        .prop_map(|(criterion, reverse)| SortKey { criterion, reverse })
}

proptest! {
    #[test]
    fn keys_compare_as_their_values_do(
        keys in prop::collection::vec(key(), 1..4),
        mut messages in prop::collection::vec(message(), 0..20),
    ) {
        for (sequence, (row, _)) in (1..).zip(&mut messages) {
            row.sequence = sequence;
        }
        let told = sorted(&keys, &messages, |_| 50);
        messages.sort_by(|a, b| compare(&keys, a, b));
        let wanted: Vec<u32> = messages.iter().map(|(row, _)| row.sequence).collect();
        prop_assert_eq!(told, wanted);
    }
}
