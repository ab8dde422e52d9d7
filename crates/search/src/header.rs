//! Which headers contain a needle?
//!
//! Fields with a column of their own are answered by it; the others have a dictionary, whose terms
//! belong to the field's name, so that HEADER asks those of one name and TEXT all. A needle without
//! spaces occurs in a value if and only if one of its terms or long runs contains it: certain.

use crate::{
    Answer, Error, Field, Set,
    builder::HEADER,
    column::{BETWEEN, Column},
    container::{Input, Section},
    gather::OF_FIELD,
    rows::RunCursor,
    terms::{Pattern, Terms},
    tokens::{self, WORD_OCTETS_MAX},
};
use memchr::memmem;

/// Documents with a field of that name (one that has no column) which contains the needle.
pub async fn named(input: &Input, name: &str, needle: &str) -> Result<Answer, Error> {
    let terms = Terms::new(input, HEADER);
    let mut present = Set::empty(input.documents);
    if name.contains(|c| c < ' ') {
        return Ok(Answer::unknown(input.documents));
    }
    let Some(line) = terms.field(name).await? else { return Ok(Answer::exactly(present)) };
    terms.unite(&[line], &mut present).await?;
    if needle.is_empty() {
        return Ok(Answer::exactly(present));
    }
    let found = find(input, needle, Some(name)).await?;
    let mut answer = found.answer(Set::empty(input.documents));
    answer.certain.intersect(&present);
    answer.possible.intersect(&present);
    Ok(answer)
}

/// Documents whose header, as TEXT sees it, contains the needle.
pub async fn contains(input: &Input, needle: &str) -> Result<Answer, Error> {
    if needle.contains(BETWEEN) {
        return Ok(Answer::unknown(input.documents));
    }
    let mut found = find(input, needle, None).await?;
    for (text, set) in &mut found.pieces {
        columns(input, text, set).await?;
    }
    // A value that contains all of the needle is certain whatever its words.
    let mut certain = Set::empty(input.documents);
    for field in Field::ALL {
        certain.unite(&Column::new(input, field as u8).find(&[needle]).await?);
    }
    Ok(found.answer(certain))
}

/// What the dictionary knows of a needle.
struct Found<'n> {
    /// Of each piece the documents that have it where it must be.
    pieces: Vec<(&'n str, Set)>,
    /// Documents that have the needle whole in one term.
    whole: Set,
    /// Whether the needle is one piece, which can only be there whole.
    is_word: bool,
}

impl Found<'_> {
    /// With what else is certain.
    fn answer(self, mut certain: Set) -> Answer {
        certain.unite(&self.whole);
        let mut all = Set::full(certain.documents());
        for (_, set) in &self.pieces {
            all.intersect(set);
        }
        if self.is_word {
            certain.unite(&all);
            return Answer::exactly(certain);
        }
        all.subtract(&certain);
        Answer { certain, possible: all }
    }
}

async fn find<'n>(input: &Input, needle: &'n str, field: Option<&str>) -> Result<Found<'n>, Error> {
    let terms = Terms::new(input, HEADER);
    let pieces = tokens::header_pieces(needle);
    let anywhere = tokens::Place { starts: false, ends: false };
    let mut patterns: Vec<Pattern<'_>> =
        pieces.iter().map(|(text, place)| Pattern { text, place: *place, field }).collect();
    let is_word = matches!(pieces.as_slice(), [(_, place)] if *place == anywhere);
    // No term has control characters, and between terms there are some.
    if !is_word && !needle.contains(|c| c < ' ') {
        patterns.push(Pattern { text: needle, place: anywhere, field });
    }
    let mut hits = terms.find(&patterns).await?.into_iter();
    let mut found = Found { pieces: Vec::new(), whole: Set::empty(input.documents), is_word };
    for (text, place) in pieces {
        let mut set = Set::empty(input.documents);
        terms.unite(&hits.next().unwrap_or_default(), &mut set).await?;
        // A long run has no spaces: what must be a whole one is found in full by its length.
        if !(place.starts && place.ends && text.len() <= WORD_OCTETS_MAX) {
            find_runs(input, field, text, &mut set).await?;
        }
        found.pieces.push((text, set));
    }
    if let Some(hits) = hits.next() {
        terms.unite(&hits, &mut found.whole).await?;
    }
    Ok(found)
}

/// Adds documents of whose columns a value, or a name, contains the text.
async fn columns(input: &Input, text: &str, set: &mut Set) -> Result<(), Error> {
    for field in Field::ALL {
        let named = [field.name(), ":"].concat().contains(text);
        let asked = if named { "" } else { text };
        set.unite(&Column::new(input, field as u8).find(&[asked]).await?);
    }
    Ok(())
}

/// Adds documents whose long runs contain the text, those of one name or (names as well) of all.
async fn find_runs(
    input: &Input,
    name: Option<&str>,
    text: &str,
    set: &mut Set,
) -> Result<(), Error> {
    let finder = memmem::Finder::new(text.as_bytes());
    let mut cursor = RunCursor::new(input, Section::HeaderRuns.place());
    while let Some((ordinal, runs)) = cursor.next().await? {
        if finder.find(runs.as_bytes()).is_none() {
            continue;
        }
        let fits = |line: &str| {
            let of = line.split_once(OF_FIELD);
            of.is_some_and(|(of, run)| of == name.unwrap_or(of) && run.contains(text))
        };
        if name.is_none() || runs.lines().any(fits) {
            set.insert(ordinal);
        }
    }
    Ok(())
}
