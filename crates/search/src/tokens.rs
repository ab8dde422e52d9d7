//! How text falls into terms, and needles into pieces of terms.
//!
//! In bodies every character has a class, and a run is a maximal stretch of one class. Runs of word
//! characters are terms as they are. Runs of scripts that write without spaces (and have some
//! thousand letters) become overlapping pairs of letters. What is too long to be a word (base64,
//! hashes, tracking codes) is kept verbatim elsewhere. As a character's class depends on nothing
//! but itself, a needle of one class lies wherever it occurs within one run.

use std::ops::Range;
use unicode_normalization::char::is_combining_mark;

/// Octets of a term; a longer run of word characters is kept verbatim.
pub const TERM_OCTETS_MAX: usize = 32;

/// Octets of a word of a header field that is a term; a longer one is kept verbatim.
pub const WORD_OCTETS_MAX: usize = 200;
/// Octets of a value that is one term.
const VALUE_OCTETS_MAX: usize = 64;
/// Fields whose values do not repeat.
const NEVER_THE_SAME: [&str; 12] = [
    "DATE",
    "RECEIVED",
    "X-RECEIVED",
    "REFERENCES",
    "MESSAGE-ID",
    "IN-REPLY-TO",
    "DKIM-SIGNATURE",
    "DOMAINKEY-SIGNATURE",
    "X-GOOGLE-DKIM-SIGNATURE",
    "AUTHENTICATION-RESULTS",
    "DELIVERY-DATE",
    "RESENT-DATE",
];

/// The terms of a header field's value.
pub fn words<'t>(name: &str, value: &'t str) -> impl Iterator<Item = &'t str> {
    let is_whole = value.len() <= VALUE_OCTETS_MAX
        && !value.bytes().any(|b| b < b' ')
        && !NEVER_THE_SAME.contains(&name);
    let cut = move |letter: char| !is_whole && letter <= ' ';
    value.split(cut).filter(|word| !word.is_empty())
}

/// The pieces of a needle for headers, cut at spaces, in order; none when it is spaces alone.
pub fn header_pieces(needle: &str) -> Vec<(&str, Place)> {
    let cut = |letter: char| letter <= ' ';
    let last = needle.split(cut).count() - 1;
    let place = |at| Place { starts: at > 0, ends: at < last };
    let all = needle.split(cut).enumerate().filter(|(_, word)| !word.is_empty());
    all.map(|(at, word)| (word, place(at))).collect()
}

/// The bit of an ASCII letter or digit, casemapped, in a set of them.
#[must_use]
pub const fn letter(octet: u8) -> u64 {
    match octet {
        b'0'..=b'9' => 1 << (octet - b'0'),
        b'A'..=b'Z' => 1 << (10 + octet - b'A'),
        _ => 0,
    }
}

/// The letters and digits of a text: they answer needles of one letter, which nearly all terms
/// contain.
#[must_use]
pub fn letters(text: &str) -> u64 {
    const BITS: [u64; 256] = {
        let mut bits = [0; 256];
        let mut at = 0;
        while at < 256 {
            #[allow(clippy::indexing_slicing)] // Both are 256.
            {
                bits[at] = letter(at as u8);
            }
            at += 1;
        }
        bits
    };
    text.bytes().fold(0, |all, octet| all | BITS.get(usize::from(octet)).copied().unwrap_or(0))
}

/// What a character is to the index.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Class {
    /// Between words.
    Separator,
    /// Letters, digits and marks of scripts that put spaces between words.
    Word,
    /// Letters of scripts that do not: Han, Kana, Thai, Lao, Khmer, Burmese.
    Dense,
}

/// The class of a casemapped character. Hangul, which casemap takes apart into Jamo, has spaces.
#[must_use]
pub fn class(letter: char) -> Class {
    if letter.is_ascii() {
        let word = letter.is_ascii_alphanumeric();
        return if word { Class::Word } else { Class::Separator };
    }
    match letter as u32 {
        // Thai, Lao; Burmese; Khmer; Kana with its voicing marks, Bopomofo; Han and its extensions.
        0x0E00..=0x0EFF
        | 0x1000..=0x109F
        | 0x1780..=0x17FF
        | 0x3005..=0x3007
        | 0x3040..=0x312F
        | 0x31A0..=0x31BF
        | 0x31F0..=0x31FF
        | 0x3400..=0x4DBF
        | 0x4E00..=0x9FFF
        | 0xF900..=0xFAFF
        | 0x1B000..=0x1B16F
        | 0x20000..=0x323AF => Class::Dense,
        _ if letter.is_alphanumeric() || is_combining_mark(letter) => Class::Word,
        _ => Class::Separator,
    }
}

/// Calls `each` with every run that is not of separators.
pub fn runs<'t>(text: &'t str, mut each: impl FnMut(Class, &'t str)) {
    let bytes = text.as_bytes();
    let mut at = 0;
    while let Some(&byte) = bytes.get(at) {
        let start = at;
        let class = if byte.is_ascii() {
            at += 1;
            if byte.is_ascii_alphanumeric() { Class::Word } else { continue }
        } else {
            let letter = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or(' ');
            at += letter.len_utf8();
            match class(letter) {
                Class::Separator => continue,
                class => class,
            }
        };
        at = run_end(text, at, class);
        if let Some(run) = text.get(start..at) {
            each(class, run);
        }
    }
}

/// The end of the run of that class which goes on at `at`.
fn run_end(text: &str, mut at: usize, run: Class) -> usize {
    let bytes = text.as_bytes();
    while let Some(&byte) = bytes.get(at) {
        if byte.is_ascii() {
            if run != Class::Word || !byte.is_ascii_alphanumeric() {
                break;
            }
            at += 1;
            continue;
        }
        let letter = text.get(at..).and_then(|rest| rest.chars().next()).unwrap_or(' ');
        if class(letter) != run {
            break;
        }
        at += letter.len_utf8();
    }
    at
}

/// Every pair of neighbouring letters of a run; of a single letter that letter.
pub fn pairs(run: &str, mut each: impl FnMut(&str)) {
    let mut previous: Option<Range<usize>> = None;
    let mut paired = false;
    for (at, letter) in run.char_indices() {
        let here = at..at + letter.len_utf8();
        if let Some(previous) = previous.replace(here.clone())
            && let Some(pair) = run.get(previous.start..here.end)
        {
            paired = true;
            each(pair);
        }
    }
    if !paired {
        each(run);
    }
}

/// Crossings that are told apart. A message of 4 KB has some 200 of them; twice as many would take
/// 30 octets more of it and leave a tenth less to be looked at.
const CROSSINGS: u32 = 2_048;

/// The crossing from one run to the next: hashed from the last two letters before, all that stands
/// between, and the first two letters behind. A phrase has the same crossings wherever it occurs.
fn crossing(before: &str, between: &str, behind: &str) -> u16 {
    let last = before.char_indices().rev().nth(1).map_or(0, |(at, _)| at);
    let first = behind.char_indices().nth(2).map_or(behind.len(), |(at, _)| at);
    let parts = [before.get(last..), Some(between), behind.get(..first)];
    // FNV-1a; the marks between keep parts apart.
    let mut hash = 0x811c_9dc5_u32;
    for part in parts.into_iter().flatten() {
        for octet in part.bytes().chain([0xff]) {
            hash = (hash ^ u32::from(octet)).wrapping_mul(0x0100_0193);
        }
    }
    ((hash ^ hash >> 16) % CROSSINGS) as u16
}

/// What stands between two runs of a text, if a phrase of one line can have it.
fn between<'t>(text: &'t str, before: &str, behind: &str) -> Option<&'t str> {
    let base = text.as_ptr() as usize;
    let start = before.as_ptr() as usize + before.len() - base;
    let between = text.get(start..behind.as_ptr() as usize - base)?;
    (!between.contains('\n')).then_some(between)
}

/// The name of a crossing as a term.
#[must_use]
pub fn crossing_term(crossing: u16) -> String {
    format!("{crossing:03X}")
}

/// Calls `each` with the crossings of a text, runs given in order.
pub struct Crossings<'t> {
    text: &'t str,
    before: Option<&'t str>,
}

impl<'t> Crossings<'t> {
    /// Of a text.
    #[must_use]
    pub fn new(text: &'t str) -> Self {
        Self { text, before: None }
    }

    /// The crossing to the next run.
    pub fn next(&mut self, run: &'t str) -> Option<u16> {
        let before = self.before.replace(run)?;
        Some(crossing(before, between(self.text, before, run)?, run))
    }
}

/// The crossings that any text with this needle has.
#[must_use]
pub fn needle_crossings(needle: &str) -> Vec<u16> {
    let pieces = pieces(needle);
    let two = |text: &str| text.chars().nth(1).is_some();
    let mut found = Vec::new();
    for (left, right) in pieces.iter().zip(pieces.iter().skip(1)) {
        // At the needle's ends a single letter may be part of a longer run.
        let known = (left.place.starts || two(left.text)) && (right.place.ends || two(right.text));
        if let Some(between) = between(needle, left.text, right.text).filter(|_| known) {
            found.push(crossing(left.text, between, right.text));
        }
    }
    found.sort_unstable();
    found.dedup();
    found
}

/// Where in a run a piece of a needle must stand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Place {
    /// At its start: in the needle something else stands before the piece.
    pub starts: bool,
    /// At its end.
    pub ends: bool,
}

/// A run of a needle.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Piece<'n> {
    /// Its class, never [`Class::Separator`].
    pub class: Class,
    /// Its text.
    pub text: &'n str,
    /// Where it must stand.
    pub place: Place,
}

/// The pieces of a needle in order; none when it is separators alone.
#[must_use]
pub fn pieces(needle: &str) -> Vec<Piece<'_>> {
    let mut found = Vec::new();
    let base = needle.as_ptr() as usize;
    runs(needle, |class, text| {
        let start = text.as_ptr() as usize - base;
        let place = Place { starts: start > 0, ends: start + text.len() < needle.len() };
        found.push(Piece { class, text, place });
    });
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn all(text: &str) -> Vec<&str> {
        let mut found = Vec::new();
        runs(text, |_, run| found.push(run));
        found
    }

    #[test]
    fn runs_of_text() {
        assert_eq!(all("HELLO, WORLD_42 \n"), ["HELLO", "WORLD", "42"]);
        assert_eq!(all("N\u{303}ANDU\u{301}-A"), ["N\u{303}ANDU\u{301}", "A"]);
        assert_eq!(all("ABC漢字かな。ПРИВЕТ"), ["ABC", "漢字かな", "ПРИВЕТ"]);
        assert_eq!(all("か\u{3099}"), ["か\u{3099}"]);
        assert_eq!(all(""), [""; 0]);
        assert_eq!(all("- …"), [""; 0]);
    }

    #[test]
    fn pairs_of_letters() {
        let of = |run| {
            let mut found = Vec::new();
            pairs(run, |pair| found.push(pair.to_owned()));
            found
        };
        assert_eq!(of("字"), ["字"]);
        assert_eq!(of("漢字"), ["漢字"]);
        assert_eq!(of("漢字か"), ["漢字", "字か"]);
    }

    #[test]
    fn pieces_of_needles() {
        let of = |needle| {
            let each =
                |piece: Piece<'_>| (piece.text.to_owned(), piece.place.starts, piece.place.ends);
            pieces(needle).into_iter().map(each).collect::<Vec<_>>()
        };
        assert_eq!(of("OF THE"), [("OF".into(), false, true), ("THE".into(), true, false)]);
        assert_eq!(of(" A"), [("A".into(), true, false)]);
        assert_eq!(of("漢A"), [("漢".into(), false, true), ("A".into(), true, false)]);
        assert_eq!(of("?!"), []);
    }

    proptest! {
        #[test]
        fn a_needle_of_one_run_lies_in_one_run(text in "\\PC{0,60}", at in 0_usize..60) {
            for run in all(&text) {
                let needle: String = run.chars().skip(at % 7).collect();
                let found = all(&text).iter().any(|one| one.contains(&needle));
                prop_assert!(found);
            }
        }
    }
}
