//! The mail that a report goes in: a text for people, and the report, compressed.
//!
//! Invariants: ASCII in lines of at most 76 characters but for header fields; what is written in a
//! field has no line ends; nobody's program answers it (RFC 3834).

use base64::{Engine as _, engine::general_purpose::STANDARD};
use delivery::trace;
use flate2::{Compression, write::GzEncoder};
use mail::Address;
use std::{
    fmt::Write as _,
    io::{self, Write as _},
};

/// Characters of a line of base64 (RFC 2045 §6.8).
const LINE_CHARS: usize = 76;

/// What a report's mail is made of.
#[derive(Clone, Copy, Debug)]
pub struct Letter<'a> {
    /// The author.
    pub from: &'a Address,
    /// Whom it is for.
    pub to: &'a [Address],
    /// Its subject.
    pub subject: &'a str,
    /// Names and values of other fields.
    pub fields: &'a [(&'a str, &'a str)],
    /// `mixed`, or `report` with what follows.
    pub multipart: &'a str,
    /// For people, ASCII with CRLF.
    pub text: &'a str,
    /// Type and file name of the report.
    pub file: (&'a str, &'a str),
}

/// Compressed by gzip (RFC 1952).
///
/// # Errors
/// The compressor's, of which none is known.
pub fn gzip(octets: &[u8]) -> io::Result<Vec<u8>> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    encoder.write_all(octets)?;
    encoder.finish()
}

impl Letter<'_> {
    /// The message, with a Message-ID made of `id` and our name.
    #[must_use]
    pub fn message(&self, content: &[u8], (now, id, host_name): (i64, &str, &str)) -> String {
        let Self { from, to, subject, fields, multipart, text, file: (kind, name) } = self;
        let to: Vec<String> = to.iter().map(|one| format!("<{one}>")).collect();
        let mut out = trace::missing(b"\r\n", (now, id, host_name));
        let _ = write!(
            out,
            "From: <{from}>\r\nTo: {}\r\nSubject: {}\r\n",
            to.join(",\r\n "),
            folded(subject)
        );
        for (name, value) in *fields {
            let _ = write!(out, "{name}: {value}\r\n");
        }
        let _ = write!(
            out,
            "Auto-Submitted: auto-generated\r\nMIME-Version: 1.0\r\n\
             Content-Type: multipart/{multipart};\r\n boundary=\"=_{id}\"\r\n\r\n\
             --=_{id}\r\nContent-Type: text/plain; charset=us-ascii\r\n\r\n{text}\r\n\
             --=_{id}\r\nContent-Type: {kind};\r\n name=\"{name}\"\r\n\
             Content-Transfer-Encoding: base64\r\n\
             Content-Disposition: attachment;\r\n filename=\"{name}\"\r\n\r\n"
        );
        let encoded = STANDARD.encode(content);
        let mut rest = encoded.as_str();
        while !rest.is_empty() {
            let (line, after) = rest.split_at(rest.len().min(LINE_CHARS));
            let _ = write!(out, "{line}\r\n");
            rest = after;
        }
        let _ = write!(out, "\r\n--=_{id}--\r\n");
        out
    }
}

/// RFC 5322 §2.2.3: in lines that break before a word.
fn folded(text: &str) -> String {
    let mut out = String::new();
    let mut width = "Subject:".len();
    for word in text.split(' ').filter(|word| !word.is_empty()) {
        if !out.is_empty() {
            let breaks = width + 1 + word.len() > LINE_CHARS;
            out.push_str(if breaks { "\r\n " } else { " " });
            width = if breaks { 0 } else { width };
        }
        width += 1 + word.len();
        out.push_str(word);
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use mail::mime::{self, Structure};
    use std::io::Read as _;

    #[test]
    fn what_was_compressed_is_in_the_second_part() {
        let (from, to) = (Address::parse("a@x.test"), Address::parse("b@y.test"));
        let letter = Letter {
            from: &from.unwrap(),
            to: &[to.unwrap()],
            subject: &"word ".repeat(40),
            fields: &[("TLS-Required", "No")],
            multipart: "mixed",
            text: "For people.\r\n",
            file: ("application/gzip", "a.xml.gz"),
        };
        let report = "report ".repeat(1000);
        let message = letter.message(&gzip(report.as_bytes()).unwrap(), (0, "id", "x.test"));
        assert!(message.is_ascii() && message.lines().all(|line| line.len() <= LINE_CHARS + 2));
        let head = message.split("\r\n\r\n").next().unwrap();
        let unfolded = head.replace("\r\n ", " ");
        assert!(unfolded.contains(&format!("Subject: {}\r\n", "word ".repeat(40).trim_end())));
        let structure = Structure::parse(message.as_bytes(), &mime::Limits::default());
        let file = structure.parts.last().unwrap();
        let named = ("filename".to_owned(), b"a.xml.gz".to_vec());
        assert_eq!(file.disposition, Some(("attachment".to_owned(), vec![named])));
        let (_, body) = message.rsplit_once("gz\"\r\n\r\n").unwrap();
        let (body, _) = body.split_once("\r\n--=_id--").unwrap();
        let octets = STANDARD.decode(body.replace("\r\n", "")).unwrap();
        let mut plain = String::new();
        flate2::read::GzDecoder::new(&octets[..]).read_to_string(&mut plain).unwrap();
        assert_eq!(plain, report);
    }
}
