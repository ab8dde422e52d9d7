//! Inputs made to cost: nesting, repetition, things that are never closed. Each must take time in
//! proportion to its size. A quadratic reader would need minutes for these; the bound leaves room
//! for a debug build on a busy machine.

use mail::mime::{Limits, Structure};
use mail::{Address, Domain, Envelope, envelope, header, text, thread};
use std::time::{Duration, Instant};

const TIME_MAX: Duration = Duration::from_secs(10);

fn bounded<T>(what: &str, work: impl FnOnce() -> T) -> T {
    let start = Instant::now();
    let result = work();
    let took = start.elapsed();
    assert!(took < TIME_MAX, "{what} took {took:?}");
    result
}

fn parse(what: &str, message: &str) -> Structure {
    bounded(what, || Structure::parse(message.as_bytes(), &Limits::default()))
}

#[test]
fn nested_containers() {
    let nested: String = (0..100_000)
        .map(|level| format!("Content-Type: multipart/mixed; boundary={level}\n\n--{level}\n"))
        .collect();
    let depth_max = Limits::default().depth_max;
    assert_eq!(parse("multiparts", &nested).parts.len(), depth_max + 1);
    let messages = "Content-Type: message/rfc822\n\n".repeat(100_000);
    assert_eq!(parse("messages", &messages).parts.len(), depth_max + 1);
    let same = "Content-Type: multipart/mixed; boundary=b\n\n--b\n".repeat(100_000);
    assert_eq!(parse("one boundary", &same).parts.len(), Limits::default().parts_max);
}

#[test]
fn delimiters_and_what_looks_like_them() {
    let parts_max = Limits::default().parts_max;
    for (body, parts) in [("--b\n", parts_max), ("--bb\n", 2), ("x--b", 2), ("--b--x\n", 2)] {
        let message = "Content-Type: multipart/mixed; boundary=b\n\n".to_owned();
        let structure = parse(body, &(message + &body.repeat(500_000)));
        assert_eq!(structure.parts.len(), parts);
    }
}

#[test]
fn long_headers() {
    let lines = "A: b\r\n".repeat(1_000_000);
    assert_eq!(parse("a million fields", &lines).parts.len(), 1);
    assert_eq!(bounded("fields", || header::fields(lines.as_bytes()).count()), 1_000_000);
    let folded = ["A:", &"\r\n x".repeat(1_000_000)].concat();
    assert_eq!(bounded("one field", || header::fields(folded.as_bytes()).count()), 1);
    let parameters = ["Content-Type: a/b", &"; p=v".repeat(100_000), "\n\n"].concat();
    let structure = parse("parameters", &parameters);
    assert_eq!(structure.parts.first().map(|part| part.parameters.len()), Some(1));
    let sections: String = (0..100_000).map(|section| format!("; p*{section}*=v")).collect();
    let structure = parse("sections", &format!("Content-Type: a/b{sections}\n\n"));
    let value = structure.parts.first().and_then(|part| part.parameter("p"));
    assert_eq!(value.map(<[u8]>::len), Some(Limits::default().parameters_max));
}

#[test]
fn parentheses() {
    for comment in ["(".repeat(100_000), ["(".repeat(100_000), ")".repeat(100_000)].concat()] {
        let header = format!("To: {comment} a@b\nContent-Type: {comment} a/b; {comment} c=d\n\n");
        parse("comments", &header);
        bounded("envelope", || Envelope::parse(header.as_bytes()));
        bounded("date", || header::date(comment.as_bytes()));
        bounded("list", || envelope::address_list(comment.as_bytes()));
    }
}

/// Pieces that begin something, one after the other.
const PIECES: [&str; 38] = [
    "(",
    ")",
    "<",
    ">",
    "\"",
    "'",
    "@",
    ":",
    ";",
    ",",
    "[",
    "]",
    "\\",
    "=",
    "*",
    "%",
    "&",
    "&#",
    "-",
    ". ",
    "a ",
    "<@",
    " (",
    "a=",
    " a=",
    "=?",
    "=?a?q?",
    "=?a?q?b?= ",
    "?=",
    "re:",
    "[x]",
    "(fwd)",
    "[fwd:",
    "re [x]",
    "<a b='",
    "<a ='>' =\"",
    "<!--",
    "</",
];

#[test]
fn every_reader_of_values() {
    for piece in PIECES {
        for start in ["", "<", "a@", "a/b; c=", "=?utf-8?q?", "1-", "[fwd:"] {
            let value = [start, &piece.repeat(10_000)].concat();
            let bytes = value.as_bytes();
            bounded(piece, || {
                let header = format!("Content-Type: {value}\nContent-Disposition: {value}\n\n");
                let _ = Structure::parse(header.as_bytes(), &Limits::default());
                let _ = (envelope::address_list(bytes), header::date(bytes));
                let _ = (thread::message_ids(bytes), text::decode_header(bytes));
                let _ = (thread::base_subject(&value), text::casemap(&value));
                let _ = (Address::parse(&value), Domain::parse(&value));
            });
        }
    }
}

#[test]
fn html() {
    let pieces = ["<style>", "<p>", "<img alt=", "<img alt='&", "<svg", "</style"];
    for piece in PIECES.iter().chain(&pieces) {
        for start in ["", "<p>", "<style>", "<a href=\"", "<!--"] {
            let message = ["Content-Type: text/html\n\n", start, &piece.repeat(10_000)].concat();
            let structure = parse(piece, &message);
            bounded(piece, || {
                text::texts(&structure, message.as_bytes(), &mut |_| true);
                text::preview(&structure, message.as_bytes(), 100)
            });
        }
    }
}

#[test]
fn charsets_and_marks() {
    let marks = "a\u{301}\u{316}".repeat(100_000);
    bounded("marks apart", || text::casemap(&marks));
    let marks = "\u{301}\u{316}".repeat(100_000);
    bounded("marks in a row", || text::casemap(&marks));
    for charset in ["utf-7", "iso-2022-kr", "hz-gb-2312", "iso-2022-jp", "utf-16", "gb18030"] {
        for piece in ["+", "~{", "\x0e!", "\x1b$)", "\x1b$B", "+AGE-"] {
            let bytes = piece.repeat(200_000);
            bounded(charset, || text::decode_charset(bytes.as_bytes(), charset));
        }
    }
}
