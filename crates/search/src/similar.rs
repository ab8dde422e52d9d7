//! Fuzzy search (RFC 6203): words, words of the same stem, words that begin with them; scored.
//!
//! Nothing is stored for it. The terms that begin as the word does are taken from the dictionary
//! and stemmed when asked; which language a message is in is not known, so that a stem in any of
//! [`LANGUAGES`] counts. A score is the sum over the words of the best hit: how near the hit is,
//! how rare it is in the segment (inverse document frequency), and twice as much in a subject.

use crate::{
    Error, Field, body,
    builder::BODY,
    column::Column,
    container::Input,
    terms::Terms,
    tokens::{self, Class},
};
use frostem::{Algorithm, Stemmer};
use unicode_normalization::UnicodeNormalization;

/// Languages whose stems count.
const LANGUAGES: [Algorithm; 12] = [
    Algorithm::Spanish,
    Algorithm::German,
    Algorithm::English,
    Algorithm::French,
    Algorithm::Italian,
    Algorithm::Portuguese,
    Algorithm::Dutch,
    Algorithm::Swedish,
    Algorithm::Norwegian,
    Algorithm::Danish,
    Algorithm::Finnish,
    Algorithm::Russian,
];
/// The word itself.
const EXACT: f32 = 1.0;
/// A word of the same stem.
const STEM: f32 = 0.6;
/// A word that begins with it.
const PREFIX: f32 = 0.3;
/// A hit in the subject against one in the body.
const SUBJECT: f32 = 2.0;
/// Letters that a word must have for others to count that begin with it, and a stem to count.
const LETTERS_MIN: usize = 3;
/// Letters by which a stem may change the end of what it keeps (y to i).
const CHANGED_LETTERS: usize = 1;

/// The mark of ä, ö and ü, which casemap sets apart.
const UMLAUT: &str = "\u{308}";

/// A word and its stems.
struct Word {
    text: String,
    stems: Vec<(Stemmer, String)>,
    /// How words of the same stems begin.
    starts: Vec<String>,
}

impl Word {
    fn new(text: &str) -> Self {
        let plain = plain(text);
        let stems: Vec<(Stemmer, String)> = LANGUAGES
            .into_iter()
            .map(Stemmer::new)
            .map(|stemmer| {
                let stem = stemmer.stem(&plain).into_owned();
                (stemmer, stem)
            })
            .filter(|(_, stem)| stem.chars().count() >= LETTERS_MIN)
            .collect();
        let same = |stem: &str| plain.chars().zip(stem.chars()).take_while(|(a, b)| a == b).count();
        let kept = stems.iter().map(|(_, stem)| same(stem)).min().unwrap_or(usize::MAX);
        let kept = kept.saturating_sub(CHANGED_LETTERS).max(LETTERS_MIN - 1);
        // Casemapped letters are as many or more (marks stand apart): the start gets no longer.
        let start: String = text.chars().take(kept).collect();
        let mut starts = vec![start.clone()];
        // German puts marks on vowels of the stem: Haus, Häuser.
        for (at, vowel) in start.char_indices().filter(|(_, letter)| "AOU".contains(*letter)) {
            let (before, behind) =
                start.split_at_checked(at + vowel.len_utf8()).unwrap_or_default();
            if !behind.starts_with(UMLAUT) {
                starts.push([before, UMLAUT].concat());
            }
        }
        Self { text: text.to_owned(), stems, starts }
    }

    /// How near a term is to the word; 0 when it is not.
    fn nearness(&self, term: &str) -> f32 {
        if term == self.text {
            return EXACT;
        }
        let plain = plain(term);
        if self.stems.iter().any(|(stemmer, stem)| stemmer.stem(&plain) == stem.as_str()) {
            return STEM;
        }
        let long = self.text.chars().count() >= LETTERS_MIN;
        if long && term.starts_with(&self.text) { PREFIX } else { 0.0 }
    }
}

/// As stemmers know words: lower case, composed.
fn plain(text: &str) -> String {
    text.to_lowercase().nfc().collect()
}

/// Documents that have each of the words, and their scores.
pub async fn similar(input: &Input, words: &[&str]) -> Result<Vec<(u32, f32)>, Error> {
    let mut runs = Vec::new();
    for word in words {
        tokens::runs(word, |class, run| runs.push((class, run)));
    }
    let mut sums: Option<Vec<f32>> = None;
    for (class, run) in runs {
        let mut scores = vec![0.0_f32; input.documents as usize];
        if class == Class::Dense {
            dense(input, run, &mut scores).await?;
        } else {
            let word = Word::new(run);
            in_bodies(input, &word, &mut scores).await?;
            in_subjects(input, &word, &mut scores).await?;
        }
        match &mut sums {
            None => sums = Some(scores),
            Some(sums) => {
                for (sum, score) in sums.iter_mut().zip(scores) {
                    *sum = if score > 0.0 && *sum > 0.0 { *sum + score } else { 0.0 };
                }
            }
        }
    }
    let scored = (0..).zip(sums.unwrap_or_default());
    Ok(scored.filter(|(_, score)| *score > 0.0).collect())
}

/// How much a hit says that so many documents have.
fn rarity(input: &Input, documents: u32) -> f32 {
    (1.0 + input.documents as f32 / documents.max(1) as f32).ln()
}

fn raise(scores: &mut [f32], ordinal: u32, score: f32) {
    if let Some(slot) = scores.get_mut(ordinal as usize) {
        *slot = slot.max(score);
    }
}

async fn in_bodies(input: &Input, word: &Word, scores: &mut [f32]) -> Result<(), Error> {
    let terms = Terms::new(input, BODY);
    let mut near = Vec::new();
    for start in &word.starts {
        for (number, term) in terms.starting(start).await? {
            let nearness = word.nearness(&term);
            if nearness > 0.0 {
                near.push((number, nearness));
            }
        }
    }
    near.sort_by_key(|(number, _)| *number);
    near.dedup_by_key(|(number, _)| *number);
    let numbers: Vec<u32> = near.iter().map(|(number, _)| *number).collect();
    let nearness = |number: u32| {
        let at = near.binary_search_by_key(&number, |(other, _)| *other);
        at.ok().and_then(|at| near.get(at)).map_or(0.0, |(_, nearness)| *nearness)
    };
    terms
        .lists(&numbers, &mut |number, list| {
            let score = nearness(number) * rarity(input, list.len() as u32);
            for ordinal in list {
                raise(scores, *ordinal, score);
            }
            true
        })
        .await
}

async fn in_subjects(input: &Input, word: &Word, scores: &mut [f32]) -> Result<(), Error> {
    let column = Column::new(input, Field::Subject as u8);
    let mut near = vec![0.0_f32; column.values() as usize + 1];
    for start in &word.starts {
        let mut each = |rank: u32, value: &str| {
            tokens::runs(value, |_, run| {
                if run.starts_with(start) {
                    raise(&mut near, rank, word.nearness(run));
                }
            });
        };
        column.scan(start, &mut each).await?;
    }
    if near.iter().all(|nearness| *nearness <= 0.0) {
        return Ok(());
    }
    let ranks = column.ranks().await?;
    let nearness = |rank: &u32| near.get(*rank as usize).copied().unwrap_or(0.0);
    let having = ranks.iter().filter(|rank| nearness(rank) > 0.0).count();
    let each = SUBJECT * rarity(input, having as u32);
    for (ordinal, rank) in (0..).zip(&ranks) {
        raise(scores, ordinal, nearness(rank) * each);
    }
    Ok(())
}

/// Scripts without spaces have no stems here: documents that have all pairs of the letters.
async fn dense(input: &Input, run: &str, scores: &mut [f32]) -> Result<(), Error> {
    let mut found = body::contains(input, run).await?;
    found.certain.unite(&found.possible);
    let subjects = Column::new(input, Field::Subject as u8).find(&[run]).await?;
    for (set, weight) in [(&found.certain, EXACT), (&subjects, SUBJECT)] {
        let score = weight * rarity(input, set.len());
        for ordinal in set.iter() {
            raise(scores, ordinal, score);
        }
    }
    Ok(())
}
