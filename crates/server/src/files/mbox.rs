//! mbox: messages divided by `From ` lines (RFC 4155), body lines quoted as mboxrd does.

use super::{DEPTH_MAX, FileMessage, Folder, entries, file_name};
use crate::calendar::{asctime, parse_asctime};
use std::{
    fs::{self, File},
    io::{self, BufRead, Read as _, Write},
    path::Path,
};

/// The largest message that is read, in octets; what is larger is an error, not cut.
pub const MESSAGE_OCTETS_MAX: usize = 256 << 20;

/// Whether a file begins like one.
pub fn is_one(path: &Path) -> io::Result<bool> {
    let mut start = [0; 5];
    let mut file = File::open(path)?;
    Ok(file.read_exact(&mut start).is_ok() && start == *b"From ")
}

/// mbox files at and below a path, each a mailbox named as the file.
pub fn scan(path: &Path, top: &str) -> io::Result<Vec<Folder>> {
    let mut found = Vec::new();
    if path.is_file() {
        let octets = fs::metadata(path)?.len();
        found.push(Folder { mailbox: top.to_owned(), path: path.to_owned(), octets });
    } else {
        below(path, ("", 0), top, &mut found)?;
    }
    Ok(found)
}

fn below(
    folder: &Path,
    (prefix, depth): (&str, usize),
    top: &str,
    found: &mut Vec<Folder>,
) -> io::Result<()> {
    for path in entries(folder)? {
        let name = file_name(&path);
        // Thunderbird keeps the mailboxes below `A` in the folder `A.sbd`.
        let name = name.strip_suffix(".mbox").or(name.strip_suffix(".sbd")).unwrap_or(&name);
        let mailbox = if depth == 0 && name.eq_ignore_ascii_case("inbox") {
            top.to_owned()
        } else {
            format!("{prefix}{name}")
        };
        if path.is_dir() && depth < DEPTH_MAX {
            below(&path, (&format!("{mailbox}/"), depth + 1), top, found)?;
        } else if path.is_file() && is_one(&path)? {
            let octets = fs::metadata(&path)?.len();
            found.push(Folder { mailbox, path, octets });
        }
    }
    Ok(())
}

/// Reads messages one after another.
pub struct Reader<R> {
    input: R,
    /// The separator of the message that comes next, if it was read.
    next: Option<Vec<u8>>,
    begun: bool,
}

impl<R: BufRead> Reader<R> {
    /// From the start of a file.
    pub const fn new(input: R) -> Self {
        Self { input, next: None, begun: false }
    }

    fn line(&mut self) -> io::Result<Option<Vec<u8>>> {
        let mut line = Vec::new();
        let octets =
            (&mut self.input).take(MESSAGE_OCTETS_MAX as u64 + 1).read_until(b'\n', &mut line)?;
        Ok((octets > 0).then_some(line))
    }

    fn message(&mut self) -> io::Result<Option<FileMessage>> {
        let mut source_octets = 0;
        if !self.begun {
            self.begun = true;
            while let Some(line) = self.line()? {
                source_octets += line.len() as u64;
                if is_separator(&line) {
                    self.next = Some(line);
                    break;
                }
                if !line.trim_ascii().is_empty() {
                    let why = "not an mbox: does not begin with a From line";
                    return Err(io::Error::new(io::ErrorKind::InvalidData, why));
                }
            }
        }
        let Some(separator) = self.next.take() else { return Ok(None) };
        let mut bytes = Vec::new();
        let mut blank = true;
        while let Some(line) = self.line()? {
            source_octets += line.len() as u64;
            if blank && is_separator(&line) {
                self.next = Some(line);
                break;
            }
            blank = line == b"\n" || line == b"\r\n";
            push(&mut bytes, &line);
            if bytes.len() > MESSAGE_OCTETS_MAX {
                let why = format!("a message of more than {MESSAGE_OCTETS_MAX} octets");
                return Err(io::Error::new(io::ErrorKind::InvalidData, why));
            }
        }
        // The empty line in front of the next separator is not part of the message.
        if bytes.ends_with(b"\r\n\r\n") && body_begins_before_end(&bytes) {
            bytes.truncate(bytes.len() - 2);
        }
        let flags = status_flags(&bytes);
        let bytes = without_status(&bytes);
        let internal_date = separator_date(&separator);
        Ok(Some(FileMessage { flags, internal_date, bytes, source_octets }))
    }
}

/// Whether the empty line at the end is another one than that which ends the header.
fn body_begins_before_end(bytes: &[u8]) -> bool {
    mail::header::header_octets(bytes) < bytes.len()
}

impl<R: BufRead> Iterator for Reader<R> {
    type Item = io::Result<FileMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        let read = self.message();
        if read.is_err() {
            // Nothing behind an error can be trusted.
            self.next = None;
            self.begun = true;
        }
        read.transpose()
    }
}

/// A line of the message: one `>` less before quoted `From `, CRLF at its end.
fn push(bytes: &mut Vec<u8>, line: &[u8]) {
    let quotes = line.iter().take_while(|byte| **byte == b'>').count();
    let is_quoted = quotes > 0 && line.get(quotes..).is_some_and(|rest| rest.starts_with(b"From "));
    let line = if is_quoted { line.get(1..).unwrap_or_default() } else { line };
    match line.strip_suffix(b"\n") {
        Some(text) => {
            bytes.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
            bytes.extend_from_slice(b"\r\n");
        }
        None => bytes.extend_from_slice(line),
    }
}

/// `From sender date`: only with a date, so that a sentence that begins with From is none.
fn is_separator(line: &[u8]) -> bool {
    line.starts_with(b"From ") && separator_date(line).is_some()
}

fn separator_date(line: &[u8]) -> Option<i64> {
    let text = String::from_utf8_lossy(line);
    let rest = text.strip_prefix("From ")?.trim_end();
    // The sender may hold spaces; the date is what can be read as one.
    let starts = rest.match_indices(' ').map(|(at, _)| at + 1);
    std::iter::once(0).chain(starts).find_map(|at| parse_asctime(rest.get(at..)?))
}

/// Flags as pine, mutt and Dovecot write them: `Status: RO`, `X-Status: AFDT`, `X-Keywords`.
fn status_flags(bytes: &[u8]) -> Vec<String> {
    let header = bytes.get(..mail::header::header_octets(bytes)).unwrap_or_default();
    let value = |name: &str| {
        let field = mail::header::first(header, name)?;
        Some(String::from_utf8_lossy(&field.unfolded()).trim().to_owned())
    };
    let letters = value("Status").unwrap_or_default() + &value("X-Status").unwrap_or_default();
    let mut flags = Vec::new();
    for (letter, flag) in [
        ('R', "\\Seen"),
        ('A', "\\Answered"),
        ('F', "\\Flagged"),
        ('T', "\\Draft"),
        ('D', "\\Deleted"),
    ] {
        if letters.contains(letter) {
            flags.push(flag.to_owned());
        }
    }
    for name in ["X-Keywords", "X-Mozilla-Keys"] {
        flags.extend(value(name).unwrap_or_default().split_whitespace().map(str::to_owned));
    }
    flags
}

/// The message without the fields that belong to the mbox.
fn without_status(bytes: &[u8]) -> Vec<u8> {
    let (header, body) = bytes.split_at(mail::header::header_octets(bytes).min(bytes.len()));
    let mut out = Vec::with_capacity(bytes.len());
    let mut dropping = false;
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        let is_folded = line.first().is_some_and(|byte| *byte == b' ' || *byte == b'\t');
        dropping = if is_folded { dropping } else { is_status(line) };
        if !dropping {
            out.extend_from_slice(line);
        }
    }
    out.extend_from_slice(body);
    out
}

/// Whether a line begins a field that says what the mbox knows of a message.
fn is_status(line: &[u8]) -> bool {
    [&b"status:"[..], b"x-status:", b"x-keywords:"]
        .iter()
        .any(|name| line.get(..name.len()).is_some_and(|start| start.eq_ignore_ascii_case(name)))
}

/// Writes a message with its separator.
pub fn write(out: &mut impl Write, message: &FileMessage) -> io::Result<()> {
    let date = asctime(message.internal_date.unwrap_or(0));
    writeln!(out, "From MAILER-DAEMON {date}")?;
    let bytes = without_status(&message.bytes);
    let (header, body) = bytes.split_at(mail::header::header_octets(&bytes).min(bytes.len()));
    let has = |flag: &str| message.flags.iter().any(|one| one.eq_ignore_ascii_case(flag));
    let letters = |pairs: &[(&str, char)]| {
        pairs.iter().filter(|(flag, _)| has(flag)).map(|(_, letter)| *letter).collect::<String>()
    };
    let mut last_blank = true;
    for line in header.split_inclusive(|byte| *byte == b'\n') {
        if line == b"\r\n" || line == b"\n" {
            break;
        }
        quoted(out, line)?;
    }
    writeln!(out, "Status: {}O", letters(&[("\\Seen", 'R')]))?;
    let state = [("\\Answered", 'A'), ("\\Flagged", 'F'), ("\\Draft", 'T'), ("\\Deleted", 'D')];
    writeln!(out, "X-Status: {}", letters(&state))?;
    let keywords: Vec<&str> =
        message.flags.iter().filter(|flag| !flag.starts_with('\\')).map(String::as_str).collect();
    if !keywords.is_empty() {
        writeln!(out, "X-Keywords: {}", keywords.join(" "))?;
    }
    out.write_all(b"\n")?;
    for line in body.split_inclusive(|byte| *byte == b'\n') {
        quoted(out, line)?;
        last_blank = line.ends_with(b"\n");
    }
    out.write_all(if last_blank { b"\n" } else { b"\n\n" })
}

/// A line with LF at its end, one more `>` before `From ` however quoted.
fn quoted(out: &mut impl Write, line: &[u8]) -> io::Result<()> {
    let rest = line.trim_ascii_start();
    let unquoted = rest.iter().skip_while(|byte| **byte == b'>').copied().take(5);
    if (line.first() == Some(&b'>') || line.first() == Some(&b'F')) && unquoted.eq(*b"From ") {
        out.write_all(b">")?;
    }
    match line.strip_suffix(b"\r\n") {
        Some(text) => {
            out.write_all(text)?;
            out.write_all(b"\n")
        }
        None => out.write_all(line),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &[u8]) -> Vec<FileMessage> {
        Reader::new(text).collect::<io::Result<_>>().unwrap()
    }

    #[test]
    fn messages_are_divided() {
        let text = b"From ana@x Sat Jan  3 01:05:34 1996\nSubject: a\nStatus: RO\nX-Status: AF\n\n\
            one\n>From me\n>>From you\n\nFrom here on it is text\n\n\
            From bruno Mon Nov 23 08:00:00 2026\nSubject: b\n\n";
        let found = read(text);
        assert_eq!(found.len(), 2);
        assert_eq!(found[0].flags, ["\\Seen", "\\Answered", "\\Flagged"]);
        assert_eq!(found[0].internal_date, Some(820_631_134));
        let body = "one\r\nFrom me\r\n>From you\r\n\r\nFrom here on it is text\r\n";
        assert!(String::from_utf8_lossy(&found[0].bytes).ends_with(body));
        assert!(found[0].bytes.starts_with(b"Subject: a\r\n\r\n"));
        assert_eq!(found[1].bytes, b"Subject: b\r\n\r\n");
        assert_eq!(found.iter().map(|one| one.source_octets).sum::<u64>(), text.len() as u64);
    }

    #[test]
    fn what_is_no_mbox_is_refused() {
        let mut reader = Reader::new(&b"Subject: x\n\nbody\n"[..]);
        assert!(reader.next().unwrap().is_err());
        assert!(reader.next().is_none());
        assert!(read(b"").is_empty());
    }

    #[test]
    fn what_is_written_is_read() {
        let bodies: [&[u8]; 5] = [
            b"one\r\n\r\nFrom me\r\n>From you\r\n>>From all\r\n",
            b"no end of line",
            b"",
            b"\r\n\r\n",
            b"From first\r\n",
        ];
        let mut file = Vec::new();
        for body in bodies {
            let message = FileMessage {
                flags: vec!["\\Seen".into(), "$Label1".into()],
                internal_date: Some(1_700_000_000),
                bytes: [b"Subject: x\r\n\r\n", body].concat(),
                source_octets: 0,
            };
            write(&mut file, &message).unwrap();
        }
        let found = read(&file);
        assert_eq!(found.len(), bodies.len());
        for (message, body) in found.iter().zip(bodies) {
            let at = mail::header::header_octets(&message.bytes);
            let back = String::from_utf8_lossy(&message.bytes[at..]);
            // A last line without an end gets one: mbox cannot say it otherwise.
            assert_eq!(back.trim_end(), String::from_utf8_lossy(body).trim_end());
            assert_eq!(message.flags, ["\\Seen", "$Label1"]);
            assert_eq!(message.internal_date, Some(1_700_000_000));
        }
    }
}
