//! The messages that tests walk: the folder that `PALOMAR_CORPUS` names, else the repository's.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};

/// The folder.
pub fn folder() -> PathBuf {
    match std::env::var_os("PALOMAR_CORPUS") {
        Some(folder) => folder.into(),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus"),
    }
}

/// Every message with its path inside the folder, in the order of the paths; in CRLF too when it
/// is stored with bare LF.
pub fn messages() -> Vec<(String, Vec<u8>)> {
    let root = folder();
    let mut found = Vec::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|extension| extension == "eml") {
                let name = path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned();
                found.push((name, std::fs::read(&path).unwrap()));
            }
        }
    }
    found.sort();
    assert!(found.len() >= 800, "{} holds {} messages only", root.display(), found.len());
    found
}
