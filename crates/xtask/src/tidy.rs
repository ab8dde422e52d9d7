//! `cargo xtask tidy`: the house rules that a program can check. Prints each breach as
//! `file:line: what`, and fails if there is one.

use crate::{
    docs,
    tools::{Outcome, root},
};
use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
};

/// Floor of each crate; a crate imports lower floors only.
const FLOORS: &[(&str, u8)] = &[
    ("mail", 0),
    ("wire", 0),
    ("imap", 1),
    ("pop3", 1),
    ("smtp", 1),
    ("search", 1),
    ("store", 1),
    ("search", 1),
    ("extract", 1),
    ("mailauth", 1),
    ("spam", 1),
    ("account", 2),
    ("delivery", 3),
    ("server", 4),
    ("bench", 5),
    ("xtask", 5),
];
/// Crates that do no I/O: what they may not name.
const PURE: &[&str] =
    &["mail", "wire", "imap", "pop3", "smtp", "search", "extract", "mailauth", "spam"];
const IMPURE_WORDS: &[&str] =
    &["std::net", "std::fs", "std::thread", "SystemTime", "Instant::now", "tracing::", "rand::"];
/// Crates that may name tokio.
const TOKIO: &[&str] = &["server"];
const FILE_LINES_MAX: usize = 600;
const FUNCTION_LINES_MAX: usize = 70;
const COLUMNS_MAX: usize = 100;
/// File names that say nothing.
const EMPTY_NAMES: &[&str] = &["util", "utils", "common", "helper", "helpers", "manager", "misc"];
/// What the repository never says: it speaks of the product alone.
const FOREIGN: &[&str] = &["/work/", "../shared", "/tmp/bash_jobs"];

/// Checks all.
pub fn run() -> Outcome {
    let mut breaches = Vec::new();
    let known = known_rfcs()?;
    for (name, floor) in FLOORS {
        let folder = root().join("crates").join(name);
        if folder.is_dir() {
            manifest(name, *floor, &folder, &mut breaches)?;
        }
    }
    let mut files = Vec::new();
    collect(&root().join("crates"), "rs", &mut files);
    for file in &files {
        source(file, &known, &mut breaches)?;
    }
    for ending in ["md", "py", "toml", "rs"] {
        let mut files = Vec::new();
        collect(&root(), ending, &mut files);
        for file in files.iter().filter(|file| !file.ends_with("tidy.rs")) {
            foreign(file, &mut breaches);
        }
    }
    breaches.extend(docs::breaches(&known)?);
    for breach in &breaches {
        eprintln!("{breach}");
    }
    if breaches.is_empty() { Ok(()) } else { Err(format!("{} breaches", breaches.len())) }
}

/// RFC numbers that docs/rfcs.txt names, a line each: `9051 IMAP4rev2`.
fn known_rfcs() -> Result<BTreeSet<String>, String> {
    let text = fs::read_to_string(root().join("docs/rfcs.txt")).map_err(|e| format!("{e}"))?;
    Ok(text.lines().filter_map(|line| line.split(' ').next()).map(str::to_owned).collect())
}

/// Dependencies go down, tokio stays where it may be.
fn manifest(name: &str, floor: u8, folder: &Path, breaches: &mut Vec<String>) -> Outcome {
    let path = folder.join("Cargo.toml");
    let text = fs::read_to_string(&path).map_err(|e| format!("{e}"))?;
    let mut section = String::new();
    for (at, line) in text.lines().enumerate() {
        if line.starts_with('[') {
            line.clone_into(&mut section);
        }
        let word = line.split(['.', ' ', '=']).next().unwrap_or_default();
        if section == "[dependencies]" {
            let target = FLOORS.iter().find(|(other, _)| *other == word);
            if target.is_some_and(|(_, other)| *other >= floor) {
                breaches.push(format!("{}:{}: {name} imports {word}", path.display(), at + 1));
            }
            if word == "tokio" && !TOKIO.contains(&name) {
                breaches.push(format!("{}:{}: tokio in {name}", path.display(), at + 1));
            }
        }
    }
    Ok(())
}

/// Sizes, opening, words of one Rust file.
fn source(file: &Path, known: &BTreeSet<String>, breaches: &mut Vec<String>) -> Outcome {
    let text = fs::read_to_string(file).map_err(|e| format!("{e}"))?;
    let shown = file.strip_prefix(root()).unwrap_or(file).display().to_string();
    let is_test =
        ["/tests/", "/benches/", "/examples/", "/tests.rs"].iter().any(|w| shown.contains(w));
    let mut say = |line: usize, what: String| breaches.push(format!("{shown}:{line}: {what}"));
    if !text.starts_with("//!") && !text.starts_with("#!") {
        say(1, "does not open with //!".into());
    }
    let stem = file.file_stem().and_then(|stem| stem.to_str()).unwrap_or_default();
    if EMPTY_NAMES.contains(&stem) {
        say(1, format!("a file named {stem} says nothing"));
    }
    // Tests last, and not counted: a well-tested file may be long.
    let code = text.split("#[cfg(test)]\nmod tests").next().unwrap_or_default();
    let lines = code.lines().count();
    if lines > FILE_LINES_MAX && !is_test {
        say(lines, format!("{lines} lines, more than {FILE_LINES_MAX}"));
    }
    let crate_name = shown.split('/').nth(1).unwrap_or_default();
    let mut opened: Option<(usize, usize)> = None;
    for (at, line) in code.lines().enumerate() {
        if line.chars().count() > COLUMNS_MAX {
            say(at + 1, format!("more than {COLUMNS_MAX} columns"));
        }
        if PURE.contains(&crate_name) && !is_test {
            // Keys and signatures need chance; it comes out of the library that makes them.
            let line = line.replace("aws_lc_rs::rand::", "");
            for word in IMPURE_WORDS.iter().filter(|word| line.contains(**word)) {
                say(at + 1, format!("{word} in a pure crate"));
            }
        }
        let undone = line.contains("todo!(") || line.contains("unimplemented!(");
        if undone && crate_name != "xtask" {
            say(at + 1, "not done".into());
        }
        let indent = line.len() - line.trim_start().len();
        match opened {
            // A line that ends so has its body, or it has none.
            None if is_function(line) && !line.trim_end().ends_with(['}', ';']) => {
                opened = Some((at, indent));
            }
            Some((start, depth))
                if indent == depth && line.trim_end() == format!("{}}}", " ".repeat(depth)) =>
            {
                if at - start + 1 > FUNCTION_LINES_MAX && !is_test {
                    say(start + 1, format!("function of {} lines", at - start + 1));
                }
                opened = None;
            }
            _ => {}
        }
        for number in rfcs(line).filter(|number| !known.contains(*number)) {
            say(at + 1, format!("RFC {number} is not in docs/rfcs.txt"));
        }
    }
    Ok(())
}

fn is_function(line: &str) -> bool {
    let words = line.trim_start();
    let words =
        words.strip_prefix("pub ").or_else(|| words.strip_prefix("pub(crate) ")).unwrap_or(words);
    let words = words.strip_prefix("pub(super) ").unwrap_or(words);
    let words =
        words.strip_prefix("const ").or_else(|| words.strip_prefix("async ")).unwrap_or(words);
    words.starts_with("fn ")
}

/// Numbers after `RFC ` in a line.
fn rfcs(line: &str) -> impl Iterator<Item = &str> {
    line.match_indices("RFC ").filter_map(move |(at, _)| {
        let rest = line.get(at + 4..)?;
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        rest.get(..digits).filter(|number| !number.is_empty())
    })
}

/// Paths and words that are not the product's.
fn foreign(file: &Path, breaches: &mut Vec<String>) {
    let Ok(text) = fs::read_to_string(file) else { return };
    let shown = file.strip_prefix(root()).unwrap_or(file).display();
    for (at, line) in text.lines().enumerate() {
        for word in FOREIGN.iter().filter(|word| line.contains(**word)) {
            breaches.push(format!("{shown}:{}: says {word}", at + 1));
        }
    }
}

/// Files of that ending, without what git does not keep.
fn collect(folder: &Path, ending: &str, files: &mut Vec<PathBuf>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    for entry in entries.flatten() {
        let path = entry.path();
        let name = entry.file_name();
        let name = name.to_string_lossy();
        if path.is_dir() {
            let skipped = ["target", "node_modules", "data", ".git", "corpus", ".pytest_cache"];
            if !skipped.contains(&name.as_ref()) {
                collect(&path, ending, files);
            }
        } else if path.extension().is_some_and(|extension| extension == ending) {
            files.push(path);
        }
    }
}
