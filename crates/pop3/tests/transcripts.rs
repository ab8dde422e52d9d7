//! Golden transcripts: see [`wire::transcript`] for how a file is written. The effects `O:` may
//! answer: `refused Refusal` (all), `octets text` (Read); without it all goes well. Options:
//! `no-tls`, `outlook`, `pieces` (messages come in pieces of five octets), `small` (limits).
//!
//! With `TRANSCRIPTS_BLESS` set, the files are written anew.

#![allow(clippy::unwrap_used)]

mod world;

use wire::transcript;
use world::World;

#[test]
fn transcripts_replay_at_every_size_of_pieces() {
    let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/transcripts");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = files.collect();
    files.sort();
    assert!(files.len() > 5);
    for file in files {
        let text = std::fs::read_to_string(&file).unwrap();
        if std::env::var_os("TRANSCRIPTS_BLESS").is_some() {
            let told = transcript::play(World::default(), &text, usize::MAX);
            std::fs::write(&file, told).unwrap();
        } else {
            transcript::check(&file.display().to_string(), &text, World::default);
        }
    }
}
