//! Messages of varied real text: lines of the repository's own corpus in an order that a seed
//! gives.

use std::{collections::BTreeMap, fs, path::Path};

/// Makes messages.
pub struct Writer {
    lines: Vec<String>,
    state: u64,
}

impl Writer {
    /// Reads the lines to choose from.
    #[must_use]
    pub fn new(corpus: &Path, seed: u64) -> Self {
        let mut lines = Vec::new();
        gather(corpus, &mut lines);
        if lines.is_empty() {
            lines.push("The quick brown fox jumps over the lazy dog.".into());
        }
        Self { lines, state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    /// The same lines with another seed, for another thread.
    #[must_use]
    pub fn with_seed(&self, seed: u64) -> Self {
        Self { lines: self.lines.clone(), state: seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1 }
    }

    fn number(&mut self, below: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        usize::try_from(self.state % (below.max(1) as u64)).unwrap_or(0)
    }

    fn line(&mut self) -> String {
        let at = self.number(self.lines.len());
        self.lines.get(at).cloned().unwrap_or_default()
    }

    /// A message of about `octets` with CRLF line ends.
    #[must_use]
    pub fn message(&mut self, octets: usize) -> Vec<u8> {
        let names = ["Ana", "Bruno", "Carla", "Dieter", "Eve", "Frank", "Grete", "Hugo", "Inés"];
        let from = self.number(5000);
        let name = names.get(from % names.len()).copied().unwrap_or("Ana");
        let subject: String = self.line().chars().filter(char::is_ascii).take(50).collect();
        let (id, day, hour) = (self.number(usize::MAX), self.number(28) + 1, self.number(24));
        let minute = self.number(60);
        let text = format!(
            "Received: from mx{from}.example.org (mx{from}.example.org [192.0.2.{ip}])\r\n\
             \tby mail.example.test with ESMTPS id {id:x}\r\n\
             \tfor <user@example.test>; {day} Oct 2026 {hour:02}:{minute:02}:07 +0000\r\n\
             Date: {day} Oct 2026 {hour:02}:{minute:02}:05 +0200\r\n\
             From: {name} Person {from} <person{from}@example.org>\r\n\
             To: user@example.test\r\n\
             Subject: {subject}\r\n\
             Message-ID: <{id:x}.{from}@example.org>\r\n\
             MIME-Version: 1.0\r\n\
             Content-Type: text/plain; charset=utf-8\r\n\
             Content-Transfer-Encoding: 8bit\r\n\
             User-Agent: Mozilla Thunderbird\r\n\r\n",
            name = if name.is_ascii() { name } else { "=?utf-8?Q?In=C3=A9s?=" },
            ip = from % 250,
        );
        let mut message = text.into_bytes();
        while message.len() < octets {
            let line = self.line();
            message.extend_from_slice(line.as_bytes());
            message.extend_from_slice(b"\r\n");
        }
        message
    }
}

/// What is searched for; all of it stands in the messages.
#[derive(Clone, Debug, Default)]
pub struct Needles {
    /// A word in about one of 300 lines.
    pub word: String,
    /// Three words that follow each other in a line.
    pub phrase: String,
    /// Letters in the middle of words.
    pub part: String,
    /// A word of subjects.
    pub subject: String,
}

impl Writer {
    /// Chooses what to search for.
    #[must_use]
    pub fn needles(&self) -> Needles {
        let mut counts: BTreeMap<String, usize> = BTreeMap::new();
        for word in self.lines.iter().flat_map(|line| line.split(' ')) {
            let plain =
                (5..12).contains(&word.len()) && word.bytes().all(|b| b.is_ascii_lowercase());
            if plain {
                *counts.entry(word.to_owned()).or_default() += 1;
            }
        }
        let near = |wanted: usize, long: usize| {
            let found = counts.iter().filter(|(word, _)| word.len() >= long);
            found.min_by_key(|(_, count)| count.abs_diff(wanted)).map(|(word, _)| word.clone())
        };
        let word = near(self.lines.len() / 300, 6).unwrap_or_default();
        let long = near(self.lines.len() / 200, 9).unwrap_or_default();
        let phrase = self.lines.iter().find_map(|line| {
            let words: Vec<&str> = line.split(' ').collect();
            let plain =
                |word: &&str| word.len() > 2 && word.bytes().all(|b| b.is_ascii_lowercase());
            let three = words.windows(3).find(|three| three.iter().all(plain))?;
            Some(three.join(" "))
        });
        Needles {
            part: long.get(2..7).unwrap_or("there").to_owned(),
            subject: near(self.lines.len() / 500, 5).unwrap_or_default(),
            phrase: phrase.unwrap_or_default(),
            word,
        }
    }
}

fn gather(folder: &Path, lines: &mut Vec<String>) {
    let Ok(entries) = fs::read_dir(folder) else { return };
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    for path in paths {
        if path.is_dir() {
            gather(&path, lines);
        } else if let Ok(text) = fs::read_to_string(&path) {
            let body = text.split("\n\n").skip(1).flat_map(str::lines);
            let prose = |line: &&str| {
                (20..200).contains(&line.len())
                    && line.contains(' ')
                    && !line.starts_with(['.', '-', '>'])
                    && !line.contains('\0')
            };
            lines.extend(body.filter(prose).map(|line| line.trim_end().to_owned()));
        }
    }
}
