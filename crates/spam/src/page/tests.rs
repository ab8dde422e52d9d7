//! Pages as they are stored, bounded and aged.

use super::*;
use proptest::prelude::*;

fn counts(ham: u16, spam: u16) -> Counts {
    Counts { ham, spam }
}

fn filled(entries: usize) -> Page {
    let mut page = Page::default();
    for name in 0..entries as u32 {
        page.change(name, 0, |counts| counts.ham += 1);
    }
    page
}

#[test]
fn entries_pack_and_unpack() {
    let entry = Entry { name: u32::MAX - 1, counts: counts(0xabc, 0xfff), touched: 0x5a };
    assert_eq!(Entry::unpack(entry.pack()), entry);
}

#[test]
fn a_page_is_stored_and_read() {
    let mut page = Page::default();
    assert_eq!(page.pack(), b"");
    page.change(7, 3, |counts| counts.spam += 2);
    page.change(1, 3, |counts| counts.ham += 1);
    let octets = page.pack();
    assert_eq!(octets.len(), 2 + 2 * 8);
    assert_eq!(Page::open(&octets), Ok(page.clone()));
    assert_eq!([page.counts(7, 0), page.counts(8, 0)], [counts(0, 2), counts(0, 0)]);
    page.change(7, 3, |counts| counts.spam -= 2);
    page.change(1, 3, |counts| counts.ham -= 1);
    assert!(page.is_empty());
}

#[test]
fn what_is_no_page_is_refused() {
    assert_eq!(Page::open(b""), Ok(Page::default()));
    assert_eq!(Page::open(&[2, 0]), Err(PageError::Version));
    assert_eq!(Page::open(&[1]), Err(PageError::Damaged));
    assert_eq!(Page::open(&[1, 0, 0]), Err(PageError::Damaged));
    let mut octets = filled(2).pack();
    octets.copy_within(2..10, 10);
    assert_eq!(Page::open(&octets), Err(PageError::Damaged), "the same name twice");
}

#[test]
fn a_page_holds_so_many_entries_and_then_forgets() {
    let full = filled(ENTRIES_MAX);
    assert_eq!(full.len(), ENTRIES_MAX);
    assert!(Page::open(&full.pack()).is_ok());
    assert_eq!(filled(ENTRIES_MAX + 1).len(), ENTRIES_KEPT);
    let mut octets = full.pack();
    octets.extend((u64::MAX).to_le_bytes());
    assert_eq!(Page::open(&octets), Err(PageError::Damaged));
}

#[test]
fn what_is_rare_and_old_is_forgotten_first() {
    let mut page = Page::default();
    page.change(0, 0, |counts| counts.spam += 9);
    for name in 1..=ENTRIES_MAX as u32 {
        page.change(name, if name <= 100 { 0 } else { 20 }, |counts| counts.ham += 1);
    }
    assert_eq!(page.len(), ENTRIES_KEPT);
    assert_eq!(page.counts(0, 0), counts(0, 9));
    let gone = (1..=ENTRIES_MAX as u32).filter(|name| page.counts(*name, 0) == counts(0, 0));
    assert!(gone.into_iter().all(|name| name <= 100));
}

#[test]
fn halvings_are_caught_up_with() {
    let mut page = Page::default();
    page.change(1, 0, |found| *found = counts(9, 1));
    page.change(2, 0, |found| *found = counts(1, 0));
    assert_eq!(page.counts(1, 2), counts(2, 0));
    page.halve(2);
    assert_eq!(page.counts(1, 2), counts(2, 0));
    assert_eq!(page.len(), 1);
    page.halve(2 + 12);
    assert!(page.is_empty());
}

#[test]
fn counts_end_at_their_largest() {
    let mut page = Page::default();
    page.change(1, 0, |counts| counts.ham = COUNT_MAX);
    page.change(1, 0, |counts| counts.ham += 1);
    assert_eq!(page.counts(1, 0), counts(COUNT_MAX, 0));
}

proptest! {
    #[test]
    fn any_octets_are_refused_or_kept(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(page) = Page::open(&octets) {
            prop_assert_eq!(Page::open(&page.pack()), Ok(page));
        }
    }

    #[test]
    fn damaged_pages_never_panic(names in prop::collection::btree_set(any::<u32>(), 900..=960),
                                 low in any::<u32>(), now in any::<u8>()) {
        let mut octets = vec![1, 0];
        for name in names {
            octets.extend((u64::from(name) << 32 | u64::from(low)).to_le_bytes());
        }
        let mut page = Page::open(&octets).unwrap();
        for name in 0..100 {
            page.change(name * 7_919, now, |counts| counts.ham += 1);
        }
        prop_assert!(page.len() <= ENTRIES_MAX);
    }
}
