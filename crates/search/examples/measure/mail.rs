//! Messages of varied real text, as many as wanted: passages of the corpus under headers of the
//! corpus, with ids, numbers and some words made new, so that the vocabulary grows as in a mailbox.

use crate::corpus;
use mail::{Structure, header, mime::Limits, text};

pub struct Writer {
    heads: Vec<Vec<u8>>,
    passages: Vec<String>,
    froms: Vec<String>,
    subjects: Vec<String>,
    earlier: Vec<String>,
    state: u64,
}

impl Writer {
    pub fn new() -> Self {
        let mut one = Self {
            heads: Vec::new(),
            passages: Vec::new(),
            froms: Vec::new(),
            subjects: Vec::new(),
            earlier: Vec::new(),
            state: 0x9e37_79b9_7f4a_7c15,
        };
        for message in corpus::messages(&corpus::folder()) {
            let head = &message[..header::header_octets(&message)];
            let kept = |name: &str| {
                ["From", "Subject", "MIME-Version"]
                    .iter()
                    .all(|one| !one.eq_ignore_ascii_case(name))
                    && !name.to_ascii_lowercase().starts_with("content-")
            };
            let mut all = Vec::new();
            for field in header::fields(head) {
                let (name, value) = (String::from_utf8_lossy(field.name), field.unfolded());
                let value = String::from_utf8_lossy(&value).into_owned();
                match &*name {
                    "From" => one.froms.push(value),
                    "Subject" => one.subjects.push(text::decode_header(value.as_bytes())),
                    other if kept(other) && value.len() < 2_000 => {
                        all.extend_from_slice(format!("{name}: {value}\r\n").as_bytes());
                    }
                    _ => {}
                }
            }
            if all.len() > 200 {
                one.heads.push(all);
            }
            let structure = Structure::parse(&message, &Limits::default());
            text::texts(&structure, &message, &mut |part| {
                let lines: Vec<&str> = part.lines().take(4_000).collect();
                for passage in lines.chunks(3) {
                    let passage = passage.join("\r\n");
                    if passage.trim().len() > 20 && passage.len() < 4_000 {
                        one.passages.push(passage);
                    }
                }
                true
            });
        }
        one
    }

    pub fn number(&mut self, below: usize) -> usize {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        (self.state % below.max(1) as u64) as usize
    }

    fn pick(&mut self, from: fn(&Self) -> &Vec<String>) -> String {
        let at = self.number(from(self).len());
        from(self)[at].clone()
    }

    /// Numbers and ids made new; of other words one in `rarity`.
    fn vary(&mut self, text: &str, rarity: usize) -> String {
        let mut out = String::with_capacity(text.len());
        let is_word = |c: char| c.is_ascii_alphanumeric();
        for word in text.split_inclusive(|c| !is_word(c)) {
            let digits = word.bytes().filter(u8::is_ascii_digit).count();
            let letters = word.bytes().filter(u8::is_ascii_alphabetic).count();
            let id = digits > 3 || digits > 0 && letters > 5;
            let change =
                if id { self.number(2) == 0 } else { letters > 3 && self.number(rarity) == 0 };
            if !change {
                out.push_str(word);
                continue;
            }
            for c in word.chars() {
                out.push(match c {
                    '0'..='9' => (b'0' + self.number(10) as u8) as char,
                    'a'..='z' if id || self.number(3) == 0 => {
                        (b'a' + self.number(26) as u8) as char
                    }
                    'A'..='Z' if id => (b'A' + self.number(26) as u8) as char,
                    other => other,
                });
            }
        }
        out
    }

    /// A message of about so many octets.
    pub fn message(&mut self, octets: usize) -> Vec<u8> {
        let at = self.number(self.heads.len());
        let head = String::from_utf8_lossy(&self.heads[at]).into_owned();
        let mut message = self.vary(&head, usize::MAX);
        // Few write much.
        let writers = self.froms.len();
        let at = self.number(writers).min(self.number(writers)).min(self.number(writers));
        let from = self.froms[at].clone();
        let mut subject = self.pick(|one| &one.subjects);
        if self.number(3) == 0 && !self.earlier.is_empty() {
            let back = self.number(200).min(self.earlier.len() - 1);
            subject = format!("Re: {}", self.earlier[self.earlier.len() - 1 - back]);
        } else {
            subject = self.vary(&subject, 12);
        }
        message.push_str(&format!("From: {from}\r\nSubject: {subject}\r\nMIME-Version: 1.0\r\n"));
        message.push_str("Content-Type: text/plain; charset=utf-8\r\n");
        message.push_str("Content-Transfer-Encoding: 8bit\r\n\r\n");
        self.earlier.push(subject);
        let wanted = octets / 2 + self.number(octets);
        while message.len() < wanted {
            let passage = self.pick(|one| &one.passages);
            message.push_str(&self.vary(&passage, 100));
            message.push_str("\r\n");
        }
        message.into_bytes()
    }
}
