//! The structure of every message of the corpus beside what Python's `email` package makes of it
//! (`tests/oracle/mime_oracle.py`): the tree of types, each part's header fields, each leaf's
//! decoded octets.
//!
//! Where the two differ, either a rule of this file explains it, or `tests/oracle/differences.txt`
//! names the message and why. Anything else fails, as does an explanation that is not needed.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod corpus;

use mail::mime::{self, Limits};
use mail::{Encoding, Part, PartKind, Structure, header};
use serde_json::Value;
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::io::Write;
use std::path::Path;
use std::process::{Command, Stdio};

fn oracle_folder() -> std::path::PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/oracle")
}

/// Python's tree of each message.
fn oracle(names: &[String]) -> Vec<Value> {
    let mut python = Command::new("python3")
        .arg(oracle_folder().join("mime_oracle.py"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut input = python.stdin.take().unwrap();
    let root = corpus::folder();
    let paths: String =
        names.iter().map(|name| format!("{}\n", root.join(name).display())).collect();
    let writer = std::thread::spawn(move || input.write_all(paths.as_bytes()));
    let output = python.wait_with_output().unwrap();
    writer.join().unwrap().unwrap();
    assert!(output.status.success());
    let lines = output.stdout.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice(line).unwrap()).collect()
}

fn hex(digest: impl AsRef<[u8]>) -> String {
    digest.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Fields as Python keeps them: white space before the value and line ends behind it removed.
fn header_digest(header: &[u8]) -> String {
    let mut digest = Sha256::new();
    for field in header::fields(header) {
        let colon = memchr::memchr(b':', field.raw).unwrap_or(0);
        let mut value = field.value;
        while let [b' ' | b'\t', rest @ ..] = value {
            value = rest;
        }
        while let [rest @ .., b'\r' | b'\n'] = value {
            value = rest;
        }
        digest.update([&field.raw[..colon], b":", value, b"\n"].concat());
    }
    hex(digest.finalize())
}

struct Comparison<'a> {
    message: &'a [u8],
    structure: &'a Structure,
    /// What differs, in words; and the rules that explained something.
    differences: Vec<String>,
    rules: Vec<&'static str>,
}

impl Comparison<'_> {
    fn slice(&self, range: &std::ops::Range<u32>) -> &[u8] {
        &self.message[range.start as usize..range.end as usize]
    }

    /// Compares a part; `open` when a multipart around it has no close delimiter.
    fn part(&mut self, index: usize, theirs: &Value, path: &str, open: bool) {
        let part = &self.structure.parts[index];
        let header = self.slice(&part.header);
        if header_digest(header) != theirs["header"] {
            if python_ends_header(header) {
                self.rules.push("header line without name");
            } else {
                self.differences.push(format!("{path}: header"));
            }
            // Everything below hangs on where the header ends.
            return;
        }
        let their_type = theirs["type"].as_str().unwrap();
        let their_kind = theirs["kind"].as_str().unwrap();
        let our_type = format!("{}/{}", part.media_type, part.media_subtype);
        if our_type != their_type && their_type.split_whitespace().next() == Some(&our_type) {
            self.rules.push("Content-Type without semicolon");
            return;
        }
        let (kind, children) = match &part.kind {
            PartKind::Leaf => ("leaf", vec![]),
            PartKind::Multipart(children) => ("multipart", children.clone()),
            PartKind::Message(_, inner) => ("message", vec![*inner]),
        };
        if their_type.starts_with("multipart/") && their_kind == "leaf" {
            self.without_parts(part, theirs, path);
            return;
        }
        let their_children = theirs["children"].as_array().unwrap();
        let (ours, count) = (children.len(), their_children.len());
        if our_type != their_type || kind != their_kind || ours != count {
            let ours = format!("{our_type} {kind} {ours}");
            self.differences
                .push(format!("{path}: {ours}, theirs {their_type} {their_kind} {count}"));
            return;
        }
        if kind == "leaf" {
            self.leaf(part, theirs, path, open);
        }
        let defects = theirs["defects"].as_array().unwrap();
        let open = open || defects.iter().any(|defect| defect == "CloseBoundaryNotFoundDefect");
        for (number, (ours, theirs)) in (1..).zip(children.iter().zip(their_children)) {
            self.part(*ours as usize, theirs, &format!("{path}.{number}"), open);
        }
    }

    /// A multipart in which Python finds no parts: it keeps the type and has all as text, or
    /// nothing at all inside another message.
    fn without_parts(&mut self, part: &Part, theirs: &Value, path: &str) {
        let body = match &part.kind {
            PartKind::Multipart(children) if children.len() == 1 => {
                &self.structure.parts[children[0] as usize]
            }
            _ => part,
        };
        let octets = self.slice(&body.body);
        let same = |octets: &[u8]| hex(Sha256::digest(octets)) == theirs["body"];
        let with_line_end = [&b"\r\n"[..], b"\n"].iter().any(|end| same(&[octets, end].concat()));
        if body.kind == PartKind::Leaf && (same(octets) || with_line_end || theirs["octets"] == 0) {
            self.rules.push("multipart without parts");
        } else {
            self.differences.push(format!("{path}: multipart without parts"));
        }
    }

    fn leaf(&mut self, part: &Part, theirs: &Value, path: &str, open: bool) {
        let Some(their_digest) = theirs["body"].as_str() else { return };
        let body = self.slice(&part.body);
        let Some(decoded) = mime::decode(body, &part.encoding) else {
            self.differences.push(format!("{path}: encoding {}", part.encoding.name()));
            return;
        };
        let same = |octets: &[u8]| hex(Sha256::digest(octets)) == their_digest;
        let without_line_end = |octets: &[u8]| {
            let shorter = octets.strip_suffix(b"\n").unwrap_or(octets);
            shorter.strip_suffix(b"\r").unwrap_or(shorter).to_vec()
        };
        let joined = || body.split(|b| matches!(b, b'\r' | b'\n')).collect::<Vec<_>>().concat();
        let rule = match part.encoding {
            _ if same(&decoded) => return,
            _ if open && same(&without_line_end(&decoded)) => "no close delimiter",
            Encoding::QuotedPrintable if same(&python_quoted_printable(body)) => {
                "quoted-printable line ends"
            }
            Encoding::Base64 if same(&joined()) => "base64 that is none",
            _ => {
                let (ours, theirs) = (decoded.len(), &theirs["octets"]);
                self.differences.push(format!("{path}: {ours} octets decoded, theirs {theirs}"));
                return;
            }
        };
        self.rules.push(rule);
    }
}

/// Whether Python ends the header early: at a line that has no name (we go on to the empty line,
/// as IMAP servers do), at a name with white space or 8-bit in it, or at a bare CR, which Python
/// takes for a line end.
fn python_ends_header(header: &[u8]) -> bool {
    let mut fields = header::fields(header);
    fields.any(|field| {
        let first = field.raw.first().is_some_and(u8::is_ascii_whitespace);
        let colon = memchr::memchr(b':', field.raw).unwrap_or(0);
        let odd = field.raw[..colon].iter().any(|b| !b.is_ascii_graphic());
        let bare = field.raw.windows(2).any(|pair| pair[0] == b'\r' && pair[1] != b'\n');
        first || field.name.is_empty() || odd || bare
    })
}

/// As Python's binascii: white space at line ends is kept (RFC 2045 §6.7 rule 3 has it deleted),
/// `==` is an equals sign, `=` and CR skip to the next LF.
fn python_quoted_printable(body: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut rest = body;
    while let [first, tail @ ..] = rest {
        rest = tail;
        if *first != b'=' {
            out.push(*first);
            continue;
        }
        let digit = |byte: u8| char::from(byte).to_digit(16);
        match rest {
            [] => {}
            [b'\n' | b'\r', ..] => {
                let end = memchr::memchr(b'\n', rest).map_or(rest.len(), |at| at + 1);
                rest = &rest[end..];
            }
            [b'=', tail @ ..] => {
                out.push(b'=');
                rest = tail;
            }
            [high, low, tail @ ..] if digit(*high).is_some() && digit(*low).is_some() => {
                out.push((digit(*high).unwrap() * 16 + digit(*low).unwrap()) as u8);
                rest = tail;
            }
            _ => out.push(b'='),
        }
    }
    out
}

/// `path: why` for each message that differs for a reason of its own; `#` begins a comment.
fn known_differences() -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(oracle_folder().join("differences.txt")).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#') && !line.trim().is_empty());
    lines
        .map(|line| line.split_once(": ").unwrap())
        .map(|(name, why)| (name.to_owned(), why.to_owned()))
        .collect()
}

#[test]
fn structures_agree_with_python() {
    let messages = corpus::messages();
    let names: Vec<String> = messages.iter().map(|(name, _)| name.clone()).collect();
    let trees = oracle(&names);
    assert_eq!(trees.len(), names.len());
    let mut known = known_differences();
    let mut unexplained = Vec::new();
    let mut rules: BTreeMap<&str, usize> = BTreeMap::new();
    let mut parts = 0;
    for ((name, message), theirs) in messages.iter().zip(&trees) {
        let structure = Structure::parse(message, &Limits::default());
        parts += structure.parts.len();
        let mut comparison = Comparison {
            message,
            structure: &structure,
            differences: Vec::new(),
            rules: Vec::new(),
        };
        match theirs["error"].as_str() {
            Some(error) => comparison.differences.push(format!("Python: {error}")),
            None => comparison.part(0, theirs, "*", false),
        }
        for rule in comparison.rules {
            *rules.entry(rule).or_default() += 1;
        }
        let differs = !comparison.differences.is_empty();
        match known.remove(name) {
            None if differs => {
                unexplained.push(format!("{name}: {}", comparison.differences.join("; ")));
            }
            Some(why) if !differs => unexplained.push(format!("{name}: agrees, not: {why}")),
            _ => {}
        }
    }
    println!("{} messages, {parts} parts; by rule: {rules:?}", messages.len());
    assert!(unexplained.is_empty(), "{} differ:\n{}", unexplained.len(), unexplained.join("\n"));
}
