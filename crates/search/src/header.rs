//! Which headers contain a needle?
//!
//! Fields with a column of their own are answered by it; the others have a dictionary, whose terms
//! belong to the field's name, so that HEADER asks those of one name and TEXT all.

use crate::{
    Answer, Error, Field, Set,
    body::{answer, wanted},
    builder::HEADER,
    column::{BETWEEN, Column},
    container::{Input, Section},
    gather::OF_FIELD,
    rows::RunCursor,
    terms::{Pattern, Terms},
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
    let Some(wanted) = wanted(needle, Some(name)) else { return Ok(answer(present, false)) };
    let patterns: Vec<Pattern<'_>> = wanted.patterns.iter().filter_map(|(term, _)| *term).collect();
    let mut hits = terms.find(&patterns).await?.into_iter();
    for (term, run) in &wanted.patterns {
        let mut set = Set::empty(input.documents);
        if let Some(hits) = term.and_then(|_| hits.next()) {
            terms.unite(&hits, &mut set).await?;
        }
        if let Some(run) = run {
            find_runs(input, Some(name), run, &mut set).await?;
        }
        present.intersect(&set);
    }
    Ok(answer(present, wanted.certain))
}

/// Documents whose header, as TEXT sees it, contains the needle.
pub async fn contains(input: &Input, needle: &str) -> Result<Answer, Error> {
    if needle.contains(BETWEEN) {
        return Ok(Answer::unknown(input.documents));
    }
    let Some(wanted) = wanted(needle, None) else { return Ok(Answer::unknown(input.documents)) };
    let terms = Terms::new(input, HEADER);
    let patterns: Vec<Pattern<'_>> = wanted.patterns.iter().filter_map(|(term, _)| *term).collect();
    let mut hits = terms.find(&patterns).await?.into_iter();
    let mut all = Set::full(input.documents);
    for (term, run) in &wanted.patterns {
        let mut set = Set::empty(input.documents);
        let mut text = *run;
        if let Some(pattern) = term {
            terms.unite(&hits.next().unwrap_or_default(), &mut set).await?;
            text = Some(pattern.text);
        }
        if let Some(run) = run {
            find_runs(input, None, run, &mut set).await?;
        }
        if let Some(text) = text {
            columns(input, text, &mut set).await?;
        }
        all.intersect(&set);
    }
    // A value that contains all of the needle is certain whatever its words.
    let mut certain = Set::empty(input.documents);
    if !wanted.certain {
        for field in Field::ALL {
            certain.unite(&Column::new(input, field as u8).find(&[needle]).await?);
        }
    }
    Ok(answer(all, wanted.certain).or(&Answer::exactly(certain)))
}

/// Adds documents of whose columns a value, or a name, contains the text.
async fn columns(input: &Input, text: &str, set: &mut Set) -> Result<(), Error> {
    for field in Field::ALL {
        let asked = if field.name().contains(text) { "" } else { text };
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
