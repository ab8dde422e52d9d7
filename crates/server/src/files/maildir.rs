//! Maildir, with Maildir++ folders (`.Sent`, `.Lists.Rust`) and nested ones, flags in the file
//! names, keywords in `dovecot-keywords`.

use super::{DEPTH_MAX, FileMessage, Folder, entries, file_name, read_file, with_crlf, with_lf};
use hashbrown::HashMap;
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Letters of `:2,` in file names and the flags that they stand for (the first five by
/// D. J. Bernstein, P as most programs map it).
const LETTERS: [(char, &str); 6] = [
    ('D', "\\Draft"),
    ('F', "\\Flagged"),
    ('P', "$Forwarded"),
    ('R', "\\Answered"),
    ('S', "\\Seen"),
    ('T', "\\Deleted"),
];
/// Keywords that a Maildir can hold: the letters a to z.
const KEYWORDS_MAX: usize = 26;

/// Whether it is one.
#[must_use]
pub fn is_one(path: &Path) -> bool {
    path.join("cur").is_dir() || path.join("new").is_dir()
}

/// Maildirs at and below a path.
pub fn scan(path: &Path, top: &str) -> io::Result<Vec<Folder>> {
    let mut found = Vec::new();
    below(path, top, 0, &mut found)?;
    Ok(found)
}

fn below(path: &Path, mailbox: &str, depth: usize, found: &mut Vec<Folder>) -> io::Result<()> {
    if is_one(path) {
        let mut octets = 0;
        for file in files(path)? {
            octets += fs::metadata(&file)?.len();
        }
        found.push(Folder { mailbox: mailbox.to_owned(), path: path.to_owned(), octets });
    }
    if depth >= DEPTH_MAX {
        return Ok(());
    }
    for entry in entries(path)? {
        let name = file_name(&entry);
        if !entry.is_dir() || matches!(name.as_str(), "cur" | "new" | "tmp") {
            continue;
        }
        // Maildir++: `.A.B` is A/B, beside the inbox; else folders in folders.
        let (levels, is_plus) = match name.strip_prefix('.') {
            Some(rest) => (rest.replace('.', "/"), true),
            None => (name, false),
        };
        let levels: Vec<String> = levels.split('/').map(imap::utf7::decode_leniently).collect();
        let levels = levels.join("/");
        let inner = if depth == 0 || is_plus { levels } else { format!("{mailbox}/{levels}") };
        if !inner.is_empty() {
            below(&entry, &inner, depth + 1, found)?;
        }
    }
    Ok(())
}

fn files(path: &Path) -> io::Result<Vec<PathBuf>> {
    let mut all = Vec::new();
    for inner in ["cur", "new"] {
        let folder = path.join(inner);
        if folder.is_dir() {
            all.extend(entries(&folder)?.into_iter().filter(|file| file.is_file()));
        }
    }
    // The name begins with the time of delivery: oldest first.
    all.sort_by_key(|file| {
        let name = file_name(file);
        let time = name.split('.').next().and_then(|time| time.parse::<u64>().ok());
        (time.unwrap_or(u64::MAX), name)
    });
    Ok(all)
}

/// Its messages, oldest first. INTERNALDATE is the file's time, as Maildir has it.
pub fn messages(path: &Path) -> io::Result<impl Iterator<Item = io::Result<FileMessage>> + use<>> {
    let keywords = keywords(path);
    Ok(files(path)?.into_iter().map(move |file| {
        let (bytes, internal_date) = read_file(&file)?;
        let source_octets = bytes.len() as u64;
        let flags = flags(&file_name(&file), &keywords);
        Ok(FileMessage { flags, internal_date, bytes: with_crlf(&bytes), source_octets })
    }))
}

/// `dovecot-keywords`: lines of `0 $Label1`, for the letters from a on.
fn keywords(path: &Path) -> HashMap<char, String> {
    let text = fs::read_to_string(path.join("dovecot-keywords")).unwrap_or_default();
    let line = |line: &str| {
        let (number, name) = line.split_once(' ')?;
        let at = number.parse::<u8>().ok().filter(|at| usize::from(*at) < KEYWORDS_MAX)?;
        Some((char::from(b'a' + at), name.to_owned()))
    };
    text.lines().filter_map(line).collect()
}

fn flags(name: &str, keywords: &HashMap<char, String>) -> Vec<String> {
    let info = name.rsplit_once(":2,").or_else(|| name.rsplit_once("!2,"));
    let letters = info.map_or("", |(_, letters)| letters);
    let letters = letters.split(',').next().unwrap_or_default();
    let flag = |letter: char| {
        let known = LETTERS.iter().find(|(one, _)| *one == letter);
        known.map(|(_, flag)| (*flag).to_owned()).or_else(|| keywords.get(&letter).cloned())
    };
    letters.chars().filter_map(flag).collect()
}

/// Writes a mailbox as a Maildir.
pub struct Writer {
    folder: PathBuf,
    keywords: Vec<String>,
}

impl Writer {
    /// INBOX is the folder itself, every other mailbox a Maildir++ folder of it.
    pub fn open(root: &Path, mailbox: &str) -> io::Result<Self> {
        let folder = if mailbox.eq_ignore_ascii_case("INBOX") {
            root.to_owned()
        } else {
            let levels: Vec<String> = mailbox.split('/').map(imap::utf7::encode).collect();
            root.join(format!(".{}", levels.join(".").replace('\0', "")))
        };
        for inner in ["cur", "new", "tmp"] {
            fs::create_dir_all(folder.join(inner))?;
        }
        if folder != root {
            fs::write(folder.join("maildirfolder"), "")?;
        }
        let mut keywords = Vec::new();
        let known = self::keywords(&folder);
        for letter in ('a'..='z').take(KEYWORDS_MAX) {
            match known.get(&letter) {
                Some(keyword) => keywords.push(keyword.clone()),
                None => break,
            }
        }
        Ok(Self { folder, keywords })
    }

    /// Writes a message under a name that stays the same for it; whether it was not there yet.
    /// Keywords beyond the 26th of a mailbox have no place in a Maildir and are left out.
    pub fn write(&mut self, stem: &str, message: &FileMessage) -> io::Result<bool> {
        let mut letters: Vec<char> =
            message.flags.iter().filter_map(|flag| self.letter(flag)).collect();
        letters.sort_unstable();
        let letters: String = letters.into_iter().collect();
        let cur = self.folder.join("cur");
        let path = cur.join(format!("{stem}:2,{letters}"));
        if path.exists() {
            return Ok(false);
        }
        let young = self.folder.join("tmp").join(stem);
        fs::write(&young, with_lf(&message.bytes))?;
        if let Some(seconds) = message.internal_date.and_then(|at| u64::try_from(at).ok()) {
            let time = std::time::UNIX_EPOCH + std::time::Duration::from_secs(seconds);
            fs::File::options().write(true).open(&young)?.set_modified(time)?;
        }
        // Written before with other flags: the new name replaces the old one.
        for old in entries(&cur)?
            .into_iter()
            .filter(|old| file_name(old).split(":2,").next() == Some(stem))
        {
            fs::remove_file(old)?;
        }
        fs::rename(&young, path)?;
        Ok(true)
    }

    fn letter(&mut self, flag: &str) -> Option<char> {
        let known = LETTERS.iter().find(|(_, name)| name.eq_ignore_ascii_case(flag));
        if let Some((letter, _)) = known {
            return Some(*letter);
        }
        let at = self.keywords.iter().position(|keyword| keyword.eq_ignore_ascii_case(flag));
        let at = match at {
            Some(at) => at,
            None if self.keywords.len() < KEYWORDS_MAX => {
                self.keywords.push(flag.to_owned());
                self.keywords.len() - 1
            }
            None => return None,
        };
        u8::try_from(at).ok().map(|at| char::from(b'a' + at))
    }

    /// Writes the names of the keywords.
    pub fn finish(self) -> io::Result<()> {
        if self.keywords.is_empty() {
            return Ok(());
        }
        let lines = self.keywords.iter().enumerate().map(|(at, name)| format!("{at} {name}\n"));
        fs::write(self.folder.join("dovecot-keywords"), lines.collect::<String>())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(flags: &[&str]) -> FileMessage {
        FileMessage {
            flags: flags.iter().map(ToString::to_string).collect(),
            internal_date: Some(1_700_000_000),
            bytes: b"Subject: x\r\n\r\nbody\r\n".to_vec(),
            source_octets: 18,
        }
    }

    #[test]
    fn what_is_written_is_read() {
        let root = tempfile::tempdir().unwrap();
        let flags = ["\\Seen", "\\Flagged", "$Label1", "work"];
        for mailbox in ["INBOX", "Lists/Rust", "Entwürfe"] {
            let mut writer = Writer::open(root.path(), mailbox).unwrap();
            assert!(writer.write("1700000000.U1V7.host", &message(&flags)).unwrap());
            assert!(!writer.write("1700000000.U1V7.host", &message(&flags)).unwrap());
            writer.finish().unwrap();
        }
        let mut found = scan(root.path(), "INBOX").unwrap();
        found.sort_by(|a, b| a.mailbox.cmp(&b.mailbox));
        let names: Vec<&str> = found.iter().map(|folder| folder.mailbox.as_str()).collect();
        assert_eq!(names, ["Entwürfe", "INBOX", "Lists/Rust"]);
        for folder in &found {
            let read: Vec<FileMessage> =
                messages(&folder.path).unwrap().collect::<io::Result<_>>().unwrap();
            assert_eq!(read.len(), 1);
            let mut told = read[0].flags.clone();
            told.sort();
            assert_eq!(told, ["$Label1", "\\Flagged", "\\Seen", "work"]);
            assert_eq!(read[0].internal_date, Some(1_700_000_000));
            assert_eq!(read[0].bytes, message(&[]).bytes);
        }
    }

    #[test]
    fn changed_flags_replace_the_file() {
        let root = tempfile::tempdir().unwrap();
        let mut writer = Writer::open(root.path(), "INBOX").unwrap();
        writer.write("1.U1V7.h", &message(&[])).unwrap();
        assert!(writer.write("1.U1V7.h", &message(&["\\Seen"])).unwrap());
        assert_eq!(files(root.path()).unwrap().len(), 1);
    }
}
