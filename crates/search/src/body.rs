//! Which bodies contain a needle?
//!
//! A needle that is one run of word characters occurs in a text if and only if a term or a long run
//! of that text contains it: certain. A needle of several runs needs the first at a term's end, the
//! middle ones as whole terms, the last at a term's start, all in one document: possible. One pair
//! of dense letters is a term: certain; more are several pairs: possible.

use crate::{
    Answer, Error, Set,
    builder::{BODY, CROSSINGS},
    container::{Input, Section},
    rows,
    terms::{Pattern, Terms},
    tokens::{self, Class, Piece, Place, TERM_OCTETS_MAX},
};

/// Anywhere in a term.
const ANYWHERE: Place = Place { starts: false, ends: false };

/// What a needle asks of the terms: all of these.
struct Wanted<'n> {
    /// Of each, whether a term must fit, and the text that a long run may contain instead.
    patterns: Vec<(Option<Pattern<'n>>, Option<&'n str>)>,
    /// Whether a document that has them contains the needle.
    certain: bool,
}

/// What terms a needle asks for; `None` when it is separators alone.
fn wanted(needle: &str) -> Option<Wanted<'_>> {
    let pieces = tokens::pieces(needle);
    let mut patterns = Vec::new();
    for Piece { class, text, place } in &pieces {
        if *class == Class::Word {
            let short = text.len() <= TERM_OCTETS_MAX;
            let pattern = short.then_some(Pattern { text, place: *place, field: None });
            // A long run is more than TERM_OCTETS_MAX: what must be a whole run is no part of one.
            let whole = place.starts && place.ends;
            patterns.push((pattern, (!short || !whole).then_some(*text)));
            continue;
        }
        tokens::pairs(text, |pair| {
            let start = pair.as_ptr() as usize - needle.as_ptr() as usize;
            let pair = needle.get(start..start + pair.len()).unwrap_or(text);
            patterns.push((Some(Pattern { text: pair, place: ANYWHERE, field: None }), None));
        });
    }
    let certain = match pieces.as_slice() {
        [] => return None,
        [one] => one.place == ANYWHERE && patterns.len() == 1,
        _ => false,
    };
    Some(Wanted { patterns, certain })
}

/// Documents whose body contains the needle.
pub async fn contains(input: &Input, needle: &str) -> Result<Answer, Error> {
    if needle.is_empty() {
        return Ok(Answer::all(input.documents));
    }
    if let [octet] = needle.as_bytes()
        && tokens::letter(*octet) != 0
    {
        let mut set = Set::empty(input.documents);
        for (ordinal, letters) in (0..).zip(rows::letters(input).await?) {
            if letters & tokens::letter(*octet) != 0 {
                set.insert(ordinal);
            }
        }
        return Ok(Answer::exactly(set));
    }
    let Some(wanted) = wanted(needle) else { return Ok(Answer::unknown(input.documents)) };
    let patterns: Vec<Pattern<'_>> = wanted.patterns.iter().filter_map(|(term, _)| *term).collect();
    let terms = Terms::new(input, BODY);
    let mut hits = terms.find(&patterns).await?.into_iter();
    let in_runs: Vec<&str> = wanted.patterns.iter().filter_map(|(_, run)| *run).collect();
    let mut in_runs =
        rows::find_runs(input, Section::BodyRuns.place(), &in_runs).await?.into_iter();
    let mut all: Option<Set> = None;
    for (term, run) in &wanted.patterns {
        let in_runs = run.and_then(|_| in_runs.next());
        let mut set = in_runs.unwrap_or_else(|| Set::empty(input.documents));
        if let Some(hits) = term.and_then(|_| hits.next()) {
            terms.unite(&hits, &mut set).await?;
        }
        match &mut all {
            Some(all) => all.intersect(&set),
            None => all = Some(set),
        }
        if all.as_ref().is_some_and(Set::is_empty) {
            break;
        }
    }
    let mut all = all.unwrap_or_default();
    if !wanted.certain {
        cross(input, needle, &mut all).await?;
    }
    Ok(answer(all, wanted.certain))
}

/// Keeps documents that have all crossings of the needle.
async fn cross(input: &Input, needle: &str, set: &mut Set) -> Result<(), Error> {
    let terms = Terms::new(input, CROSSINGS);
    let names: Vec<String> =
        tokens::needle_crossings(needle).into_iter().map(tokens::crossing_term).collect();
    let whole = Place { starts: true, ends: true };
    let pattern = |name| Pattern { text: name, place: whole, field: None };
    let patterns: Vec<Pattern<'_>> = names.iter().map(|name| pattern(name)).collect();
    if set.is_empty() || patterns.is_empty() {
        return Ok(());
    }
    for hits in terms.find(&patterns).await? {
        let mut have = Set::empty(input.documents);
        terms.unite(&hits, &mut have).await?;
        set.intersect(&have);
    }
    Ok(())
}

/// Documents that have all that was wanted.
fn answer(set: Set, certain: bool) -> Answer {
    if certain {
        return Answer::exactly(set);
    }
    Answer { certain: Set::empty(set.documents()), possible: set }
}
