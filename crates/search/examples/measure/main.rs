//! What an index costs and gives: its octets against those of the messages packed with zstd, CPU of
//! indexing with all merges, and the time of questions.
//!
//! `cargo run --release -p search --example measure -- MESSAGES OCTETS [BATCH]`; the corpus is the
//! repository's or the one that `PALOMAR_CORPUS` names.
#![allow(clippy::unwrap_used, clippy::indexing_slicing, missing_docs)]

#[path = "../../tests/corpus/mod.rs"]
mod corpus;
mod mail;

use ::mail::text::casemap;
use corpus::{document, open, run};
use search::{Answer, Builder, Document, Field, Limits, Segment, SortKey, merge, ranks};
use std::{fs, path::Path, time::Instant};

/// Nanoseconds that this thread was running.
fn cpu() -> u64 {
    let text = fs::read_to_string("/proc/thread-self/schedstat").unwrap_or_default();
    text.split(' ').next().and_then(|first| first.parse().ok()).unwrap_or(0)
}

struct Packer {
    plain: zstd::bulk::Compressor<'static>,
    dictionary: zstd::bulk::Compressor<'static>,
    raw: usize,
    packed: usize,
    packed_with: usize,
}

impl Packer {
    fn new() -> Self {
        let path =
            Path::new(env!("CARGO_MANIFEST_DIR")).join("../account/dictionaries/body-1.zdict");
        let dictionary = fs::read(path).unwrap();
        Self {
            plain: zstd::bulk::Compressor::new(3).unwrap(),
            dictionary: zstd::bulk::Compressor::with_dictionary(3, &dictionary).unwrap(),
            raw: 0,
            packed: 0,
            packed_with: 0,
        }
    }

    fn add(&mut self, message: &[u8]) {
        self.raw += message.len();
        self.packed += self.plain.compress(message).unwrap().len();
        self.packed_with += self.dictionary.compress(message).unwrap().len();
    }
}

/// Batches merged by eights, as an account would.
#[derive(Default)]
struct Levels {
    levels: Vec<Vec<Segment>>,
    merged: u64,
}

impl Levels {
    const FAN: usize = 8;

    fn add(&mut self, segment: Segment) {
        let mut segment = Some(segment);
        let mut at = 0;
        while let Some(one) = segment.take() {
            if self.levels.len() == at {
                self.levels.push(Vec::new());
            }
            self.levels[at].push(one);
            if self.levels[at].len() == Self::FAN {
                segment = Some(self.merge(at..at + 1));
            }
            at += 1;
        }
    }

    fn merge(&mut self, levels: std::ops::Range<usize>) -> Segment {
        let mut parts: Vec<Segment> =
            levels.rev().flat_map(|at| self.levels[at].drain(..).collect::<Vec<_>>()).collect();
        if parts.len() == 1 {
            return parts.remove(0);
        }
        let mut out = Vec::new();
        let parts: Vec<&Segment> = parts.iter().collect();
        let documents = run(merge(&parts, &|_| true, Limits::default(), &mut out)).unwrap();
        self.merged += u64::from(documents);
        open(out)
    }

    fn finish(mut self) -> (Segment, u64) {
        let all = 0..self.levels.len();
        (self.merge(all), self.merged)
    }
}

fn time<T>(what: &str, mut question: impl FnMut() -> T, told: impl Fn(&T) -> String) {
    let mut best = f64::MAX;
    let mut answer = question();
    for _ in 0..10 {
        let start = Instant::now();
        answer = question();
        best = best.min(start.elapsed().as_secs_f64() * 1e3);
    }
    println!("{best:9.2} ms  {what}: {}", told(&answer));
}

fn told(answer: &Answer) -> String {
    format!("{} certain, {} possible", answer.certain.len(), answer.possible.len())
}

fn questions(segment: &Segment, bodies: &[String]) {
    let words =
        ["meeting", "the", "kernel", "atio", "ernel", "qx", "e", "er", "zzzz", "ß", "日本", "1"];
    for word in words {
        let needle = casemap(word);
        time(&format!("BODY {word}"), || run(segment.body(&needle)).unwrap(), told);
    }
    for phrase in
        ["thank you", "of the", "linux kernel", "as soon as possible", "http://www", "free money"]
    {
        let needle = casemap(phrase);
        let truth = bodies.iter().filter(|body| body.contains(&needle)).count();
        let what = format!("BODY {phrase:?} ({truth} have it)");
        time(&what, || run(segment.body(&needle)).unwrap(), told);
    }
    for word in ["meeting", "e", "re: ", "linux kernel"] {
        let needle = casemap(word);
        time(
            &format!("SUBJECT {word:?}"),
            || run(segment.field(Field::Subject, &needle)).unwrap(),
            told,
        );
        time(&format!("TEXT {word:?}"), || run(segment.text(&needle)).unwrap(), told);
    }
    time("FROM john", || run(segment.field(Field::From, "JOHN")).unwrap(), told);
    time("HEADER X-Mailer outlook", || run(segment.header("X-MAILER", "OUTLOOK")).unwrap(), told);
    let id = "<200208@EXAMPLE";
    time("HEADER Message-ID", || run(segment.header("MESSAGE-ID", id)).unwrap(), told);
    time(
        "ranks by subject",
        || run(ranks(&[segment], SortKey::Subject)).unwrap(),
        |all| all[0].len().to_string(),
    );
    time("links", || run(segment.links()).unwrap(), |all| all.message_ids.len().to_string());
    time(
        "similar meetings",
        || run(segment.similar(&["MEETINGS"])).unwrap(),
        |all| all.len().to_string(),
    );
}

fn main() {
    let number = |at| std::env::args().nth(at).and_then(|text| text.parse::<usize>().ok());
    let (count, octets) = (number(1).unwrap_or(20_000), number(2).unwrap_or(4_096));
    let batch = number(3).unwrap_or(1_000);
    let (mut writer, mut packer, mut levels) =
        (mail::Writer::new(), Packer::new(), Levels::default());
    let (mut prepare, mut build, mut merged) = (0, 0, 0);
    let mut builder = Builder::new(Limits::default());
    let (mut memory, mut bodies) = (0, Vec::new());
    for id in 1..=count as u32 {
        let message = writer.message(octets);
        packer.add(&message);
        let start = cpu();
        let one: Document = document(id, &message);
        prepare += cpu() - start;
        let start = cpu();
        builder.push(&one).unwrap();
        bodies.push(one.body);
        memory = memory.max(builder.octets());
        if builder.len() as usize == batch || id == count as u32 {
            let full = std::mem::replace(&mut builder, Builder::new(Limits::default()));
            let segment = open(full.finish().unwrap());
            build += cpu() - start;
            let start = cpu();
            levels.add(segment);
            merged += cpu() - start;
        } else {
            build += cpu() - start;
        }
    }
    let start = cpu();
    let (segment, rewritten) = levels.finish();
    merged += cpu() - start;
    let each = |octets: u64| octets as f64 / count as f64;
    let sizes = segment.sizes();
    for (name, stored, raw) in &sizes {
        println!("{:8.1} octets a message, {:8.1} unpacked: {name}", each(*stored), each(*raw));
    }
    let total: u64 = sizes.iter().map(|(_, stored, _)| stored).sum();
    println!("{count} messages of {:.0} octets", each(packer.raw as u64));
    println!(
        "index {:.0} octets a message: {:.1} % of zstd ({:.0}), {:.1} % with dictionary ({:.0})",
        each(total),
        total as f64 * 100.0 / packer.packed as f64,
        each(packer.packed as u64),
        total as f64 * 100.0 / packer.packed_with as f64,
        each(packer.packed_with as u64),
    );
    println!(
        "CPU a message: decode and casemap {:.0} µs, build {:.0} µs, merge {:.0} µs ({:.1} times)",
        each(prepare) / 1e3,
        each(build) / 1e3,
        each(merged) / 1e3,
        each(rewritten),
    );
    println!("builder's memory {} KB, open segment {} KB", memory >> 10, segment.octets() >> 10);
    questions(&segment, &bodies);
}
