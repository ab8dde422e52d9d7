//! Mail in files, as other programs keep it: mbox, Maildir, folders of `.eml`.
//!
//! Invariants: reading never changes a file; line ends become CRLF, all other octets stay; one
//! message is in memory at a time.

pub mod eml;
pub mod maildir;
pub mod mbox;

use std::{
    fs::{self, File},
    io::{self, Read as _},
    path::{Path, PathBuf},
    time::UNIX_EPOCH,
};

/// Folders below folders that are looked into.
const DEPTH_MAX: usize = 32;

/// How mail lies in files.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Format {
    /// One file a mailbox, messages divided by `From ` lines (mboxrd quoting).
    Mbox,
    /// A folder a mailbox, with cur, new and tmp; a file a message.
    Maildir,
    /// Folders with a file a message, named `*.eml`.
    Eml,
}

/// A mailbox in files.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Folder {
    /// Its name here; the name that was asked for stands for INBOX or the top folder.
    pub mailbox: String,
    /// Its file or folder.
    pub path: PathBuf,
    /// Octets of its messages, about.
    pub octets: u64,
}

/// A message read from a file.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FileMessage {
    /// Flags and keywords by name.
    pub flags: Vec<String>,
    /// INTERNALDATE, if the file tells one.
    pub internal_date: Option<i64>,
    /// The message with CRLF line ends.
    pub bytes: Vec<u8>,
    /// Octets of the source that it took, for the progress bar.
    pub source_octets: u64,
}

/// Messages of a folder, one after another.
pub type Messages = Box<dyn Iterator<Item = io::Result<FileMessage>>>;

/// What lies at a path: in which format, and its mailboxes. `top` is the name of the mailbox for
/// what lies in the path itself.
pub fn scan(path: &Path, format: Option<Format>, top: &str) -> io::Result<(Format, Vec<Folder>)> {
    let format = match format {
        Some(format) => format,
        None => detect(path)?,
    };
    let mut folders = match format {
        Format::Mbox => mbox::scan(path, top)?,
        Format::Maildir => maildir::scan(path, top)?,
        Format::Eml => eml::scan(path, top)?,
    };
    folders.sort_by(|a, b| a.mailbox.cmp(&b.mailbox));
    Ok((format, folders))
}

/// Opens a folder that was found.
pub fn open(format: Format, folder: &Folder) -> io::Result<Messages> {
    Ok(match format {
        Format::Mbox => Box::new(mbox::Reader::new(io::BufReader::with_capacity(
            256 << 10,
            File::open(&folder.path)?,
        ))),
        Format::Maildir => Box::new(maildir::messages(&folder.path)?),
        Format::Eml => Box::new(eml::messages(&folder.path)?),
    })
}

fn detect(path: &Path) -> io::Result<Format> {
    if path.is_file() {
        return if mbox::is_one(path)? { Ok(Format::Mbox) } else { Ok(Format::Eml) };
    }
    if maildir::is_one(path) {
        return Ok(Format::Maildir);
    }
    for entry in entries(path)? {
        if maildir::is_one(&entry) {
            return Ok(Format::Maildir);
        }
        if entry.is_file() && !eml::is_one(&entry) && mbox::is_one(&entry)? {
            return Ok(Format::Mbox);
        }
    }
    Ok(Format::Eml)
}

/// What a folder holds, sorted by name.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all: Vec<PathBuf> =
        fs::read_dir(folder)?.map(|entry| entry.map(|e| e.path())).collect::<io::Result<_>>()?;
    all.sort();
    Ok(all)
}

fn file_name(path: &Path) -> String {
    path.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

/// Bytes with every line end as CRLF.
#[must_use]
pub fn with_crlf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len() + bytes.len() / 32);
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\n") {
            Some(text) => {
                out.extend_from_slice(text.strip_suffix(b"\r").unwrap_or(text));
                out.extend_from_slice(b"\r\n");
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

/// Bytes with every CRLF as LF, as Unix keeps mail in files.
#[must_use]
pub fn with_lf(bytes: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(bytes.len());
    for line in bytes.split_inclusive(|byte| *byte == b'\n') {
        match line.strip_suffix(b"\r\n") {
            Some(text) => {
                out.extend_from_slice(text);
                out.push(b'\n');
            }
            None => out.extend_from_slice(line),
        }
    }
    out
}

/// A whole file, and when it was last changed (seconds since 1970 UTC).
fn read_file(path: &Path) -> io::Result<(Vec<u8>, Option<i64>)> {
    let mut file = File::open(path)?;
    let changed = file.metadata()?.modified().ok();
    let since = changed.and_then(|time| time.duration_since(UNIX_EPOCH).ok());
    let mut bytes = Vec::new();
    file.read_to_end(&mut bytes)?;
    Ok((bytes, since.and_then(|since| i64::try_from(since.as_secs()).ok())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn line_ends() {
        assert_eq!(with_crlf(b"a\nb\r\nc\rd\n\n"), b"a\r\nb\r\nc\rd\r\n\r\n");
        assert_eq!(with_crlf(b"no end"), b"no end");
        assert_eq!(with_lf(b"a\r\nb\nc\rd"), b"a\nb\nc\rd");
    }

    #[test]
    fn formats_are_told_apart() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        file("m/inbox", "From a@b Sat Jan  3 01:05:34 1996\nSubject: x\n\nx\n");
        file("e/a.eml", "Subject: x\n\nx\n");
        file("d/cur/1:2,S", "Subject: x\n\nx\n");
        let find = |name: &str| detect(&folder.path().join(name)).unwrap();
        assert_eq!(find("m"), Format::Mbox);
        assert_eq!(find("m/inbox"), Format::Mbox);
        assert_eq!(find("e"), Format::Eml);
        assert_eq!(find("e/a.eml"), Format::Eml);
        assert_eq!(find("d"), Format::Maildir);
    }
}
