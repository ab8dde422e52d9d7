//! How good the classifier is on mail that it has not seen: `PALOMAR_CORPUS=folder cargo run
//! --release -p spam --example evaluate`.
//!
//! The corpus is split by content into two halves, near-duplicates on the same side, in 100
//! ways; each half is learnt and the other judged. Folders are given a class by name below; those
//! that are absent are skipped. Prints false positives and spam caught: the fewest, the middle and
//! the most of one split, the mean with a 95 % interval (Wilson, for as many messages as one split
//! has), the size of what was learnt, and the time a message takes. With `VERBOSE` set, names what
//! was judged wrongly. Parameters are not to be chosen on these splits; `SPLITS=100..200` takes
//! others.

mod split;

use mail::mime::{self, Structure};
use spam::{Book, Class, JUNK_MIN, Key, Limits, Tokens, score, tokens, worthwhile};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

const SPAM: &[&str] = &["spamassassin-spam"];
const HAM: &[&str] = &["spamassassin-ham", "usrp-users", "linux-mips", "notmuch", "mairix"];
const HAM_SAME: &[&str] = &["spamassassin-ham"];
const THRESHOLDS: [f64; 6] = [0.5, 0.7, JUNK_MIN, 0.8, 0.9, 0.99];
const SPLITS: std::ops::Range<u64> = 0..100;

struct Message {
    path: PathBuf,
    class: Class,
    group: split::Group,
    tokens: Tokens,
    teaches: bool,
}

struct Judged<'a> {
    message: &'a Message,
    probability: f64,
    reasons: String,
}

fn main() -> Result<(), String> {
    let folder = std::env::var_os("PALOMAR_CORPUS").ok_or("PALOMAR_CORPUS names no folder")?;
    let folder = Path::new(&folder);
    for (name, ham, taught) in [
        ("all ham folders", HAM, HAM),
        ("one collection, ham and spam", HAM_SAME, HAM_SAME),
        ("ham of all folders, of which one teaches", HAM, HAM_SAME),
    ] {
        println!("# {name}");
        let mut messages = read(folder, ham)?;
        let teaches = |path: &Path| {
            taught.iter().chain(SPAM).any(|name| path.parent() == Some(&folder.join(name)))
        };
        messages.iter_mut().for_each(|message| message.teaches = teaches(&message.path));
        for selective in [false, true] {
            println!(
                "## {}",
                if selective { "learning what is worthwhile" } else { "learning all" }
            );
            let mut splits = Vec::new();
            for split in splits_asked()? {
                let how = (selective, splits.is_empty());
                let mut judged = fold(&messages, (split, false), how);
                judged.extend(fold(&messages, (split, true), how));
                splits.push(judged);
            }
            report(&splits);
        }
    }
    Ok(())
}

/// The splits that `SPLITS` names, `first..end`.
fn splits_asked() -> Result<std::ops::Range<u64>, String> {
    let Ok(asked) = std::env::var("SPLITS") else { return Ok(SPLITS) };
    let (first, end) = asked.split_once("..").ok_or("SPLITS is first..end")?;
    let number = |text: &str| text.parse().map_err(|_| "SPLITS is first..end");
    Ok(number(first)?..number(end)?)
}

fn read(folder: &Path, ham: &[&str]) -> Result<Vec<Message>, String> {
    let (mut found, mut texts) = (Vec::new(), Vec::new());
    let classes = [(ham, Class::Ham), (SPAM, Class::Spam)];
    for (name, class) in classes.iter().flat_map(|(names, class)| names.iter().map(|n| (n, *class)))
    {
        let Ok(entries) = std::fs::read_dir(folder.join(name)) else { continue };
        for entry in entries.flatten() {
            let message = std::fs::read(entry.path()).map_err(|e| e.to_string())?;
            texts.push(message.clone());
            found.push((entry.path(), class, message));
        }
    }
    let groups = split::groups(&texts);
    let key = Key::new([7; 16]);
    let (mut spent, mut octets) = (Duration::ZERO, 0);
    let mut messages: Vec<(u64, Message)> = Vec::new();
    for ((path, class, message), group) in found.into_iter().zip(groups) {
        let begun = Instant::now();
        let structure = Structure::parse(&message, &mime::Limits::default());
        let tokens = tokens(&message, &structure, &key, &Limits::default());
        spent += begun.elapsed();
        octets += message.len();
        messages
            .push((split::hash(&message), Message { path, class, group, tokens, teaches: true }));
    }
    // Learnt in an order that has nothing to do with the class.
    messages.sort_by_key(|(order, _)| *order);
    let count = messages.len().max(1);
    println!(
        "{count} messages, {} on the first side; tokens: {:.0} µs and {} per message of {} octets",
        messages.iter().filter(|(_, message)| message.group.side(0)).count(),
        spent.as_secs_f64() * 1e6 / count as f64,
        messages.iter().map(|(_, m)| m.tokens.list().len()).sum::<usize>() / count,
        octets / count,
    );
    Ok(messages.into_iter().map(|(_, message)| message).collect())
}

/// Learns one side and judges the other.
fn fold(
    messages: &[Message],
    (split, side): (u64, bool),
    (selective, shown): (bool, bool),
) -> Vec<Judged<'_>> {
    let (server, mut account) = (Book::default(), Book::default());
    let mut learnt = 0;
    let taught = |message: &&Message| message.teaches && message.group.side(split) == side;
    for message in messages.iter().filter(taught) {
        if selective
            && !worthwhile(&score(&message.tokens, &server, &account), message.class, &account)
        {
            continue;
        }
        learnt += 1;
        account.train(&message.tokens, message.class);
    }
    let pages = (0..=u8::MAX).filter_map(|number| account.page(number));
    let octets: usize = pages.map(|page| page.pack().len()).sum();
    let begun = Instant::now();
    let judged: Vec<_> = messages
        .iter()
        .filter(|message| message.group.side(split) != side)
        .map(|message| {
            let verdict = score(&message.tokens, &server, &account);
            let reasons = verdict.reasons.iter().take(8);
            let reasons: Vec<_> = reasons
                .map(|reason| {
                    format!("{:?}:{}={:.2}", reason.kind, reason.text, reason.probability)
                })
                .collect();
            let reasons = reasons.join(", ");
            Judged { message, probability: verdict.probability, reasons }
        })
        .collect();
    if shown {
        println!(
            "learnt {learnt} messages into {octets} octets; judged in {:.0} µs each",
            begun.elapsed().as_secs_f64() * 1e6 / judged.len().max(1) as f64
        );
    }
    judged
}

fn report(splits: &[Vec<Judged<'_>>]) {
    for threshold in THRESHOLDS {
        let wrong = share(splits, Class::Ham, threshold);
        let caught = share(splits, Class::Spam, threshold);
        println!("≥ {threshold:<4}: false positives {wrong}; caught {caught}");
    }
    let shown = std::env::var_os("VERBOSE").is_some();
    for one in splits.iter().take(1).flatten().filter(|_| shown) {
        let junk = one.probability >= JUNK_MIN;
        if junk != (one.message.class == Class::Spam) {
            println!("{:.3} {} {}", one.probability, one.message.path.display(), one.reasons);
        }
    }
}

/// Messages of a class at or above a threshold: of each split, and the mean with its interval.
fn share(splits: &[Vec<Judged<'_>>], class: Class, threshold: f64) -> String {
    let of = |judged: &Vec<Judged<'_>>| {
        let of_class = judged.iter().filter(|one| one.message.class == class);
        of_class.filter(|one| one.probability >= threshold).count()
    };
    let counts: Vec<usize> = splits.iter().map(of).collect();
    let whole = splits.first().into_iter().flatten();
    let whole = whole.filter(|one| one.message.class == class).count();
    let mean = counts.iter().sum::<usize>() as f64 / counts.len().max(1) as f64;
    let mut sorted = counts;
    sorted.sort_unstable();
    let at = |index: usize| sorted.get(index).copied().unwrap_or_default();
    let (middle, last) = (sorted.len() / 2, sorted.len().saturating_sub(1));
    format!("{}–{}–{}/{whole} {}", at(0), at(middle), at(last), interval(mean, whole))
}

/// A share with Wilson's 95 % interval, in per cent.
fn interval(part: f64, whole: usize) -> String {
    let (n, z) = (whole.max(1) as f64, 1.96_f64);
    let share = part / n;
    let middle = share + z * z / (2.0 * n);
    let spread = z * (share * (1.0 - share) / n + z * z / (4.0 * n * n)).sqrt();
    let scale = 100.0 / (1.0 + z * z / n);
    let bounds = [middle - spread, middle + spread].map(|bound| bound * scale);
    format!("= {:.2} % [{:.2}, {:.2}]", share * 100.0, bounds[0].max(0.0), bounds[1])
}
