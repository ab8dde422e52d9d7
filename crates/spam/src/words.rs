//! Words of a text; of the subject, also the pairs of them that stand within a window of five
//! (orthogonal sparse bigrams: Siefkes, Assis, Chhabra, Yerazunis, 2004).
//!
//! Pairs of the body's words are not made: measured, they take seven times the room, and Fisher's
//! method, which takes tokens for independent, then catches less junk.

use crate::fold::{Letter, letter, look_alike};
use crate::tokens::{Gatherer, Kind, Word};
use crate::url::Links;
use std::collections::VecDeque;

/// Words that a pair's second word looks back upon.
const WINDOW: usize = 4;
/// Characters of a word; longer ones are learnt as being long.
const WORD_CHARS_MAX: usize = 24;

/// Tokens of a text of the body: its words and its links.
pub(crate) fn body(text: &str, links: &mut Links, gatherer: &mut Gatherer<'_>) {
    let mut stream = Stream::new(Kind::Word, None);
    let mut rest = text;
    while let Some((at, link)) = next_link(rest) {
        stream.text(rest.get(..at).unwrap_or_default(), gatherer);
        links.add(link, gatherer);
        rest = rest.get(at + link.len()..).unwrap_or_default();
        if gatherer.full() {
            return;
        }
    }
    stream.text(rest, gatherer);
}

/// Tokens of the words of some field, and of pairs of them if those have a kind.
pub(crate) fn field(text: &str, kind: Kind, pairs: Option<Kind>, gatherer: &mut Gatherer<'_>) {
    Stream::new(kind, pairs).text(text, gatherer);
}

/// The first link in a text: where it begins, and its text.
fn next_link(text: &str) -> Option<(usize, &str)> {
    let found = memchr::memmem::find_iter(text.as_bytes(), b"://").find_map(|at| {
        let before = text.get(..at)?;
        let scheme = ["https", "http", "ftp"].into_iter().find(|scheme| {
            let tail = at.checked_sub(scheme.len()).and_then(|start| before.get(start..));
            tail.is_some_and(|tail| tail.eq_ignore_ascii_case(scheme))
        })?;
        Some(at - scheme.len())
    });
    let start = found?;
    let link = text.get(start..)?;
    let ends = |c: char| c.is_whitespace() || matches!(c, '<' | '>' | '"' | ')' | ']' | '|');
    let link = link.get(..link.find(ends).unwrap_or(link.len()))?;
    Some((start, link))
}

struct Stream {
    kind: Kind,
    pairs: Option<Kind>,
    near: VecDeque<Option<Word>>,
    word: String,
    chars: usize,
    previous: Option<char>,
}

impl Stream {
    fn new(kind: Kind, pairs: Option<Kind>) -> Self {
        let near = VecDeque::with_capacity(WINDOW + 1);
        Self { kind, pairs, near, word: String::new(), chars: 0, previous: None }
    }

    fn text(&mut self, text: &str, gatherer: &mut Gatherer<'_>) {
        for given in text.chars() {
            match letter(given) {
                Letter::Invisible => {}
                Letter::Word(folded) => self.push(folded),
                Letter::Gap => self.end(gatherer),
                Letter::Ideograph(given) => {
                    self.end(gatherer);
                    if let Some(previous) = self.previous.replace(given) {
                        let two: String = [previous, given].iter().collect();
                        self.add(&two, gatherer);
                    }
                    continue;
                }
            }
            self.previous = None;
            if gatherer.full() {
                return;
            }
        }
        self.end(gatherer);
    }

    fn push(&mut self, folded: char) {
        self.chars += 1;
        // A run of exclamation marks or of lines is one.
        let run = matches!(folded, '!' | '-' | '_') && self.word.ends_with(folded);
        if self.chars <= WORD_CHARS_MAX && !run {
            self.word.push(folded);
        }
    }

    fn end(&mut self, gatherer: &mut Gatherer<'_>) {
        if self.chars == 0 {
            return;
        }
        let mut word = std::mem::take(&mut self.word);
        let chars = std::mem::take(&mut self.chars);
        if !word.is_ascii() && word.bytes().any(|b| b.is_ascii_lowercase()) {
            let seen: String = word.chars().map(look_alike).collect();
            if seen.is_ascii() {
                gatherer.add(Kind::Structure, "letters of other scripts inside words");
            }
            word = seen;
        }
        let trimmed = word.trim_matches(['\'', '-', '_']);
        if chars > WORD_CHARS_MAX {
            let tens = chars.min(99) / 10;
            self.add(&format!("word of {tens}0 letters"), gatherer);
        } else if !trimmed.is_empty() {
            self.add(trimmed, gatherer);
        }
        word.clear();
        self.word = word;
    }

    fn add(&mut self, text: &str, gatherer: &mut Gatherer<'_>) {
        let word = gatherer.add(self.kind, text);
        let Some(pairs) = self.pairs else { return };
        if let Some(word) = &word {
            for (gap, earlier) in self.near.iter().rev().enumerate() {
                if let Some(earlier) = earlier {
                    gatherer.pair(pairs, [earlier, word], gap as u8);
                }
            }
        }
        self.near.push_back(word);
        if self.near.len() > WINDOW {
            self.near.pop_front();
        }
    }
}
