//! Folders of `.eml` files.

use super::{DEPTH_MAX, FileMessage, Folder, entries, file_name, read_file, with_crlf};
use std::{
    fs, io,
    path::{Path, PathBuf},
};

/// Whether it is named like one.
#[must_use]
pub fn is_one(path: &Path) -> bool {
    path.extension().is_some_and(|ending| ending.eq_ignore_ascii_case("eml"))
}

/// Folders with `.eml` files, each a mailbox; a lone file is one of the top mailbox.
pub fn scan(path: &Path, top: &str) -> io::Result<Vec<Folder>> {
    let mut found = Vec::new();
    if path.is_file() {
        let octets = fs::metadata(path)?.len();
        found.push(Folder { mailbox: top.to_owned(), path: path.to_owned(), octets });
    } else {
        below(path, top, (top, 0), &mut found)?;
    }
    Ok(found)
}

fn below(
    folder: &Path,
    mailbox: &str,
    (top, depth): (&str, usize),
    found: &mut Vec<Folder>,
) -> io::Result<()> {
    let mut octets = 0;
    let mut any = false;
    for path in entries(folder)? {
        if path.is_dir() && depth < DEPTH_MAX {
            // Folders in the top one stand beside INBOX, not below it.
            let name = file_name(&path);
            let inner = if depth == 0 { name } else { format!("{mailbox}/{name}") };
            below(&path, &inner, (top, depth + 1), found)?;
        } else if is_one(&path) {
            any = true;
            octets += fs::metadata(&path)?.len();
        }
    }
    if any {
        found.push(Folder { mailbox: mailbox.to_owned(), path: folder.to_owned(), octets });
    }
    Ok(())
}

/// Its messages, by name. INTERNALDATE is the Date field, or else the file's time.
pub fn messages(path: &Path) -> io::Result<impl Iterator<Item = io::Result<FileMessage>> + use<>> {
    let files: Vec<PathBuf> = if path.is_file() {
        vec![path.to_owned()]
    } else {
        entries(path)?.into_iter().filter(|path| is_one(path) && path.is_file()).collect()
    };
    Ok(files.into_iter().map(|path| {
        let (bytes, changed) = read_file(&path)?;
        let source_octets = bytes.len() as u64;
        let bytes = with_crlf(&bytes);
        let sent = mail::header::first(&bytes, "Date")
            .and_then(|field| mail::header::date(&field.unfolded()))
            .map(|(seconds, _)| seconds);
        let internal_date = sent.or(changed);
        Ok(FileMessage { flags: Vec::new(), internal_date, bytes, source_octets })
    }))
}
