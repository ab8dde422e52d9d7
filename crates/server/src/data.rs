//! The data folder: its rights, the master key, small files written whole.
//!
//! Invariants: the folder is 0700, files with secrets are 0600 from their first moment; a file is
//! there whole or not at all, also after a crash; a master key is never written over.

use account::MasterKey;
use aws_lc_rs::rand;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write as _},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::Path,
};

/// Makes the folder if it is missing.
pub fn folder(path: &Path) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(path)
}

/// Writes a file of mode 0600 whole, durable when it returns.
pub fn write_secret(path: &Path, bytes: &[u8]) -> io::Result<()> {
    let mut name = path.file_name().unwrap_or_default().to_owned();
    name.push(".new");
    let young = path.with_file_name(name);
    let _ = fs::remove_file(&young);
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&young)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&young, path)?;
    match path.parent() {
        Some(folder) => File::open(folder)?.sync_all(),
        None => Ok(()),
    }
}

/// The master key of a data folder, drawn when the folder is new. `fresh` says whether the folder
/// may be without one: a store without its key is never given a new one.
pub fn master_key(data: &Path, fresh: bool) -> io::Result<MasterKey> {
    let path = data.join("master.key");
    match fs::read_to_string(&path) {
        Ok(text) => parse(&text).map(MasterKey).ok_or_else(|| {
            let why = format!("{}: not 64 hexadecimal digits", path.display());
            io::Error::new(io::ErrorKind::InvalidData, why)
        }),
        Err(error) if error.kind() == io::ErrorKind::NotFound && fresh => {
            let mut key = [0; 32];
            rand::fill(&mut key).map_err(|_| io::Error::other("no random numbers"))?;
            write_secret(&path, format!("{}\n", hex(&key)).as_bytes())?;
            Ok(MasterKey(key))
        }
        Err(error) => Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn parse(text: &str) -> Option<[u8; 32]> {
    let text = text.trim_end();
    let mut key = [0; 32];
    for (at, byte) in key.iter_mut().enumerate() {
        *byte = u8::from_str_radix(text.get(at * 2..at * 2 + 2)?, 16).ok()?;
    }
    (text.len() == 64).then_some(key)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    #[test]
    fn the_master_key_is_drawn_once() {
        let folder = tempfile::tempdir().unwrap();
        let one = master_key(folder.path(), true).unwrap();
        let two = master_key(folder.path(), true).unwrap();
        assert_eq!(one.0, two.0);
        let mode = fs::metadata(folder.path().join("master.key")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    #[test]
    fn a_store_without_its_key_gets_no_new_one() {
        let folder = tempfile::tempdir().unwrap();
        assert!(master_key(folder.path(), false).is_err());
        fs::write(folder.path().join("master.key"), "short\n").unwrap();
        assert!(master_key(folder.path(), true).is_err());
    }
}
