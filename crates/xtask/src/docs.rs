//! `cargo xtask docs`: the table of IMAP extensions in `docs/protocols.md`, made from the rows of
//! `crates/imap/src/extensions.rs`. Tidy checks that it is current, and that what the rows name is
//! there: RFCs, code, transcripts.
//!
//! The rows are read from the source's text, so that this program depends on nothing.

use crate::tools::{Outcome, root};
use std::{collections::BTreeSet, fmt::Write as _, fs};

const SOURCE: &str = "crates/imap/src/extensions.rs";
const PAGE: &str = "docs/protocols.md";
const TRANSCRIPTS: &str = "crates/imap/tests/transcripts";
const BEGIN: &str = "<!-- Made by `cargo xtask docs` from crates/imap/src/extensions.rs. -->\n";
const END: &str = "<!-- The end of what is made. -->\n";

/// A row of the table of extensions.
#[derive(PartialEq, Eq, Debug)]
struct Row {
    capability: String,
    rfcs: Vec<String>,
    shown: String,
    limits: String,
    code: String,
    transcripts: Vec<String>,
}

/// Writes the table into the page.
pub fn run() -> Outcome {
    let path = root().join(PAGE);
    let page = fs::read_to_string(&path).map_err(|error| format!("{PAGE}: {error}"))?;
    let made = with_table(&page, &rows()?)?;
    fs::write(&path, made).map_err(|error| format!("{PAGE}: {error}"))
}

/// What is wrong with the table or its rows.
pub fn breaches(known_rfcs: &BTreeSet<String>) -> Result<Vec<String>, String> {
    let rows = rows()?;
    let mut found = Vec::new();
    for row in &rows {
        let mut say = |what: String| found.push(format!("{SOURCE}: {}: {what}", row.capability));
        for number in row.rfcs.iter().filter(|number| !known_rfcs.contains(*number)) {
            say(format!("RFC {number} is not in docs/rfcs.txt"));
        }
        for path in paths(&row.code) {
            if !root().join(&path).is_file() {
                say(format!("there is no {path}"));
            }
        }
        if row.transcripts.is_empty() {
            say("has no transcript".to_owned());
        }
        for name in &row.transcripts {
            if !root().join(format!("{TRANSCRIPTS}/{name}.txt")).is_file() {
                say(format!("there is no transcript {name}"));
            }
        }
    }
    let page = fs::read_to_string(root().join(PAGE)).map_err(|error| format!("{PAGE}: {error}"))?;
    if with_table(&page, &rows)? != page {
        found.push(format!("{PAGE}: the table of extensions is old: run `cargo xtask docs`"));
    }
    Ok(found)
}

fn rows() -> Result<Vec<Row>, String> {
    let text = fs::read_to_string(root().join(SOURCE)).map_err(|e| format!("{SOURCE}: {e}"))?;
    parse(&text).map_err(|why| format!("{SOURCE}: {why}"))
}

/// The page with its table made anew.
fn with_table(page: &str, rows: &[Row]) -> Result<String, String> {
    let (before, rest) =
        page.split_once(BEGIN).ok_or_else(|| format!("{PAGE}: no line {}", BEGIN.trim_end()))?;
    let (_, after) =
        rest.split_once(END).ok_or_else(|| format!("{PAGE}: no line {}", END.trim_end()))?;
    Ok(format!("{before}{BEGIN}{}{END}{after}", table(rows)))
}

fn table(rows: &[Row]) -> String {
    let mut table = "\n| capability | RFC | shown | limits | code | transcripts |\n\
                     |---|---|---|---|---|---|\n"
        .to_owned();
    for row in rows {
        let shown = match row.shown.as_str() {
            "Always" => "always",
            "BeforeLogin" => "before login",
            "AfterLogin" => "after login",
            _ => "when it holds",
        };
        let code: Vec<String> = row.code.split(", ").map(|path| format!("`{path}`")).collect();
        let _ = writeln!(
            table,
            "| {} | {} | {shown} | {} | {} | {} |",
            row.capability,
            row.rfcs.join(", "),
            row.limits,
            code.join(", "),
            row.transcripts.join(", "),
        );
    }
    table.push('\n');
    table
}

/// Files that a row names: `imap/command/list.rs` is below `crates/`, without `src/`; a bare name
/// stands beside the file before it.
fn paths(code: &str) -> Vec<String> {
    let mut folder = String::new();
    let mut found = Vec::new();
    for name in code.split(", ").filter(|name| !name.is_empty()) {
        if let Some((crate_name, inner)) = name.split_once('/') {
            let path = format!("crates/{crate_name}/src/{inner}");
            path.rsplit_once('/').map_or("", |(folder, _)| folder).clone_into(&mut folder);
            found.push(path);
        } else {
            found.push(format!("{folder}/{name}"));
        }
    }
    found
}

/// A word of the source.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Token {
    Text(String),
    Word(String),
    Mark(char),
}

/// The rows of the table in the source's text.
fn parse(source: &str) -> Result<Vec<Row>, String> {
    let start = source.find("pub const EXTENSIONS").ok_or("there is no table of extensions")?;
    let table = source.get(start..).unwrap_or_default();
    let end = table.find("\n};").ok_or("the table does not end")?;
    let tokens = tokens(table.get(..end).unwrap_or_default())?;
    let begins = |pair: &[Token]| pair == [Token::Word("row".into()), Token::Mark('(')];
    let starts: Vec<usize> =
        (0..tokens.len()).filter(|at| tokens.get(*at..at + 2).is_some_and(begins)).collect();
    let mut rows = Vec::new();
    for (nth, start) in starts.iter().enumerate() {
        let end = starts.get(nth + 1).copied().unwrap_or(tokens.len());
        rows.push(row(tokens.get(start + 2..end).unwrap_or_default())?);
    }
    Ok(rows)
}

/// `"CAPABILITY", &[1, 2], Shown, ("limits", "code"), &["transcript"])`
fn row(tokens: &[Token]) -> Result<Row, String> {
    let is_told = |token: &&Token| !matches!(token, Token::Mark(',' | '&' | '(' | ')'));
    let mut rest = tokens.iter().filter(is_told);
    let mut next = || rest.next().cloned().unwrap_or(Token::Mark(' '));
    let Token::Text(capability) = next() else { return Err("a row without a name".into()) };
    let odd = |what: &str| format!("{capability}: {what} is not understood");
    let list = |next: &mut dyn FnMut() -> Token| {
        let mut all = Vec::new();
        if next() != Token::Mark('[') {
            return Err(odd("a list"));
        }
        loop {
            match next() {
                Token::Text(one) | Token::Word(one) => all.push(one),
                Token::Mark(']') => return Ok(all),
                Token::Mark(_) => return Err(odd("a list")),
            }
        }
    };
    let rfcs = list(&mut next)?;
    let Token::Word(shown) = next() else { return Err(odd("when it is shown")) };
    let (Token::Text(limits), Token::Text(code)) = (next(), next()) else {
        return Err(odd("the pair of limits and code"));
    };
    let transcripts = list(&mut next)?;
    Ok(Row { capability, rfcs, shown, limits, code, transcripts })
}

/// Texts, words and marks; comments left out.
fn tokens(source: &str) -> Result<Vec<Token>, String> {
    let mut found = Vec::new();
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        if rest.starts_with("//") {
            rest = rest.split_once('\n').map_or("", |(_, rest)| rest);
        } else if let Some(inner) = rest.strip_prefix('"') {
            let end = inner.find('"').ok_or("a text does not end")?;
            let (text, after) = inner.split_at(end);
            found.push(Token::Text(joined(text)));
            rest = after.get(1..).unwrap_or_default();
        } else if is_word(first) {
            let (word, after) = rest.split_at(rest.find(|c| !is_word(c)).unwrap_or(rest.len()));
            found.push(Token::Word(word.to_owned()));
            rest = after;
        } else {
            if !first.is_whitespace() {
                found.push(Token::Mark(first));
            }
            rest = rest.get(first.len_utf8()..).unwrap_or_default();
        }
    }
    Ok(found)
}

fn is_word(letter: char) -> bool {
    letter.is_alphanumeric() || letter == '_'
}

/// A text whose lines end with `\`.
fn joined(text: &str) -> String {
    let lines: Vec<&str> = text.split("\\\n").collect();
    let (first, rest) = lines.split_first().unwrap_or((&"", &[]));
    rest.iter().fold((*first).to_owned(), |all, line| all + line.trim_start())
}

#[cfg(test)]
mod tests {
    use super::*;

    const TABLE: &str = "pub const EXTENSIONS: &[Extension] = {\n use Shown::Always;\n &[\n\
        // A comment, row(\n row(\"A=B\", &[1, 22], Always, (\"\", \"imap/a.rs, b.rs\"), &[\"t\"]),\n\
        row(\"C\", &[], BySession, (\"some \\\n   limit\", \"mail/c.rs\"), &[\"t\", \"u\"]),\n]\n};\n";

    #[test]
    fn rows_are_read() {
        let rows = parse(TABLE).unwrap();
        let [first, second] = rows.as_slice() else { panic!("{rows:?}") };
        assert_eq!((first.capability.as_str(), first.shown.as_str()), ("A=B", "Always"));
        assert_eq!(
            (first.rfcs.as_slice(), first.limits.as_str()),
            (&["1", "22"].map(String::from)[..], "")
        );
        assert_eq!(second.limits, "some limit");
        assert_eq!(second.transcripts, ["t", "u"]);
        assert!(second.rfcs.is_empty());
    }

    #[test]
    fn what_is_not_understood_is_an_error() {
        assert!(parse("").is_err());
        assert!(parse(&TABLE.replace("&[1, 22]", "RFCS")).is_err());
        assert!(parse(&TABLE.replace("(\"\", ", "(LIMITS, ")).is_err());
    }

    #[test]
    fn bare_names_stand_beside_the_file_before() {
        let expected = ["crates/imap/src/x/a.rs", "crates/imap/src/x/b.rs", "crates/mail/src/c.rs"];
        assert_eq!(paths("imap/x/a.rs, b.rs, mail/c.rs"), expected);
        assert!(paths("").is_empty());
    }

    #[test]
    fn a_page_is_made_anew_between_its_marks() {
        let page = format!("before\n{BEGIN}stale\n{END}after\n");
        let made = with_table(&page, &parse(TABLE).unwrap()).unwrap();
        assert!(
            made.starts_with("before\n") && made.ends_with("after\n") && !made.contains("stale")
        );
        assert!(made.contains("| A=B | 1, 22 | always |  | `imap/a.rs`, `b.rs` | t |\n"));
        assert_eq!(with_table(&made, &parse(TABLE).unwrap()).unwrap(), made);
        assert!(with_table("no marks", &[]).is_err());
    }
}
