//! How a text is written, whatever its words say: its length and lines, capitals and exclamation
//! marks, sums of money, scripts, words that nobody can say, addresses.
//!
//! Shares and counts are told in few steps, so that a step is learnt from few messages.

use crate::header::Parties;
use crate::tokens::{Gatherer, Kind};
use crate::url::registered;

/// Empty lines in a row that push what follows out of sight.
const EMPTY_LINES: usize = 6;
/// Consonants in a row that no language writes often.
const CONSONANTS: usize = 6;
/// Single letters in a row that are one word drawn apart.
const LETTERS_APART: usize = 5;
/// Octets of a line that no program for text wraps.
const LINE_OCTETS: usize = 200;

/// What was read so far of one message.
#[derive(Default)]
pub(crate) struct Writing {
    words: usize,
    loud: usize,
    marks: usize,
    sums: usize,
    per_cent: usize,
    telephones: usize,
    letters: usize,
    scripts: [usize; SCRIPTS.len()],
    undecoded: usize,
    empty: usize,
    empty_run: usize,
    longest: usize,
    unsayable: usize,
    ends_unsayable: bool,
    apart: usize,
    apart_run: usize,
    from_address: bool,
    other_address: bool,
    named: bool,
}

/// Scripts by their letters; Latin is what is left.
const SCRIPTS: [(&str, &[(char, char)]); 9] = [
    ("accents", &[('\u{c0}', '\u{24f}')]),
    ("Greek", &[('\u{370}', '\u{3ff}')]),
    ("Cyrillic", &[('\u{400}', '\u{52f}')]),
    ("Hebrew", &[('\u{590}', '\u{5ff}')]),
    ("Arabic", &[('\u{600}', '\u{6ff}')]),
    ("Thai", &[('\u{e00}', '\u{e7f}')]),
    ("Kana", &[('\u{3040}', '\u{30ff}')]),
    ("Han", &[('\u{4e00}', '\u{9fff}')]),
    ("Hangul", &[('\u{ac00}', '\u{d7af}')]),
];

/// The script of a letter, if it is not plain Latin.
fn script(letter: char) -> Option<usize> {
    let within = |(first, last): &(char, char)| (*first..=*last).contains(&letter);
    SCRIPTS.iter().position(|(_, ranges)| ranges.iter().any(within))
}

impl Writing {
    /// Reads a text.
    pub(crate) fn read(&mut self, text: &str, parties: &Parties) {
        for line in text.lines() {
            let mut empty = true;
            for word in line.split_ascii_whitespace() {
                empty = false;
                self.word(word, parties);
            }
            self.longest = self.longest.max(line.len());
            self.empty_run = if empty { self.empty_run + 1 } else { 0 };
            self.empty = self.empty.max(self.empty_run);
        }
    }

    fn word(&mut self, word: &str, parties: &Parties) {
        self.words += 1;
        let (mut small, mut large, mut digits, mut marks) = (0, 0, 0, 0);
        for octet in word.bytes() {
            match octet {
                b'a'..=b'z' => small += 1,
                b'A'..=b'Z' => large += 1,
                b'0'..=b'9' => digits += 1,
                b'!' => marks += 1,
                _ => {}
            }
        }
        self.letters += small + large;
        self.marks += marks;
        if large >= 3 && small == 0 && digits == 0 {
            self.loud += 1;
        }
        if digits > 0 {
            self.number(word, digits);
        }
        if !word.is_ascii() {
            self.foreign(word);
        }
        if word.contains('@') {
            self.address(word, parties);
        }
        let core = word.trim_matches(|c: char| !c.is_ascii_alphanumeric());
        self.apart_run = if word.len() == 1 && small + large == 1 { self.apart_run + 1 } else { 0 };
        self.apart = self.apart.max(self.apart_run);
        if !core.is_empty() {
            self.ends_unsayable = unsayable(core);
            self.unsayable += usize::from(self.ends_unsayable);
            let is_name = |local: &String| core.eq_ignore_ascii_case(local);
            self.named |= parties.locals.iter().any(is_name);
        }
    }

    fn number(&mut self, word: &str, digits: usize) {
        let money = word.chars().any(|c| matches!(c, '$' | '€' | '£' | '¥'));
        self.sums += usize::from(money);
        self.per_cent += usize::from(word.contains('%'));
        let of_telephone =
            |b: u8| b.is_ascii_digit() || matches!(b, b'-' | b'.' | b'(' | b')' | b'+');
        let parted = word.contains(['-', '.', '(', '+']);
        let telephone = (7..=15).contains(&digits) && parted && word.bytes().all(of_telephone);
        self.telephones += usize::from(telephone);
    }

    fn foreign(&mut self, word: &str) {
        for letter in word.chars().filter(|c| !c.is_ascii()) {
            if letter == char::REPLACEMENT_CHARACTER {
                self.undecoded += 1;
            } else if letter.is_alphabetic() {
                self.letters += 1;
                if let Some(count) = script(letter).and_then(|at| self.scripts.get_mut(at)) {
                    *count += 1;
                }
            }
        }
    }

    fn address(&mut self, word: &str, parties: &Parties) {
        let Some((_, domain)) = word.rsplit_once('@') else { return };
        let end = domain.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '-' | '.'));
        let domain = domain.get(..end.unwrap_or(domain.len())).unwrap_or(domain);
        let domain = domain.trim_end_matches('.').to_ascii_lowercase();
        if !domain.contains('.') {
            return;
        }
        let domain = registered(&domain);
        if domain == registered(&parties.from) {
            self.from_address = true;
        } else if !parties.own.iter().any(|own| own == domain) {
            self.other_address = true;
        }
    }

    /// What the whole was like.
    pub(crate) fn tokens(&self, gatherer: &mut Gatherer<'_>) {
        let mut add = |text: &str| {
            gatherer.add(Kind::Writing, text);
        };
        add(&format!("length {}", self.words.checked_ilog2().map_or(0, |log| log / 2 + 1)));
        let per_cent = |part: usize| part * 100 / self.words.max(1);
        add(&format!("{} words in capitals", share(self.loud, per_cent(self.loud))));
        add(&format!("{} exclamation marks", share(self.marks, per_cent(self.marks))));
        for (count, what) in [
            (self.sums, "sums of money"),
            (self.per_cent, "per cents"),
            (self.telephones, "telephones"),
            (self.unsayable, "words nobody can say"),
        ] {
            if count > 0 {
                add(&format!("{} {what}", if count < 3 { "few" } else { "many" }));
            }
        }
        for (found, what) in [
            (self.ends_unsayable, "ends in a word nobody can say"),
            (self.empty >= EMPTY_LINES, "empty lines"),
            (self.longest >= LINE_OCTETS, "long lines"),
            (self.apart >= LETTERS_APART, "letters apart"),
            (self.undecoded > 0, "what is no text"),
            (self.from_address, "an address of from's domain"),
            (self.other_address, "an address of another domain"),
            (self.named, "the recipient by his address"),
        ] {
            if found {
                add(what);
            }
        }
        for ((name, _), count) in SCRIPTS.iter().zip(self.scripts) {
            if count > 0 && count * 50 >= self.letters {
                add(&format!("letters: {name}"));
            }
        }
    }
}

fn share(count: usize, per_cent: usize) -> &'static str {
    match (count, per_cent) {
        (0, _) => "no",
        (_, 0) => "hardly any",
        (_, 1..=2) => "few",
        (_, 3..=9) => "some",
        (_, 10..=29) => "many",
        _ => "mostly",
    }
}

/// Whether a word is of small letters alone and has a run of consonants as chance would write it.
pub(crate) fn unsayable(word: &str) -> bool {
    if word.len() < 7 || !word.bytes().all(|b| b.is_ascii_lowercase()) {
        return false;
    }
    let mut run = 0;
    word.bytes().any(|b| {
        run = if matches!(b, b'a' | b'e' | b'i' | b'o' | b'u' | b'y') { 0 } else { run + 1 };
        run >= CONSONANTS
    })
}
