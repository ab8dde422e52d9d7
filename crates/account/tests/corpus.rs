//! Every message of the corpus goes in and comes out: bytes, envelope, structure, fields, ranges.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod support;

use account::{MailboxName, NewMessage, Numbers};
use bytes::Bytes;
use mail::{Envelope, Structure, header, mime};
use std::{
    fs,
    path::{Path, PathBuf},
};
use support::{Bench, all, run};

/// The big corpus if there is one here, else the repository's.
fn folder() -> PathBuf {
    let own = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus");
    std::env::var_os("PALOMAR_CORPUS").map_or(own, PathBuf::from)
}

fn gather(folder: &Path, messages: &mut Vec<Bytes>) {
    let mut entries: Vec<_> = fs::read_dir(folder).unwrap().flatten().map(|e| e.path()).collect();
    entries.sort();
    for path in entries {
        if path.is_dir() {
            gather(&path, messages);
        } else {
            messages.push(fs::read(path).unwrap().into());
        }
    }
}

#[test]
fn what_went_in_comes_out() {
    let mut messages = Vec::new();
    gather(&folder(), &mut messages);
    assert!(messages.len() > 800);
    let bench = Bench::new();
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    for page in messages.chunks(64) {
        let new = page.iter().cloned().map(NewMessage::new).collect();
        run(bench.ana.append(inbox, new)).unwrap();
    }
    let again = bench.reopened();
    let mut view = again.ana.select(inbox, true).unwrap();
    let rows = view.rows(&all(), Numbers::Uid, 1, usize::MAX);
    assert_eq!(rows.len(), messages.len());
    let ids: Vec<_> = rows.iter().map(|row| row.message).collect();
    let records = run(again.ana.records(&ids)).unwrap();
    for ((message, row), record) in messages.iter().zip(&rows).zip(records) {
        let record = record.unwrap();
        assert_eq!(row.octets as usize, message.len());
        assert_eq!(run(again.ana.body(&record, 0..u32::MAX)).unwrap(), message);
        let head = header::header_octets(message);
        assert_eq!(record.header_octets() as usize, head);
        let middle = (row.octets / 3)..(row.octets / 2);
        let piece = &message[middle.start as usize..middle.end as usize];
        assert_eq!(run(again.ana.body(&record, middle)).unwrap(), piece);
        assert_eq!(record.envelope(), Envelope::parse(&message[..head]));
        assert_eq!(record.structure(), Structure::parse(message, &mime::Limits::default()));
        // What the record says of a field is what the message says.
        let mut held = 0;
        for field in header::fields(&message[..head]) {
            let name = String::from_utf8_lossy(field.name).into_owned();
            if record.holds_field(&name) {
                held += 1;
                let raw = |bytes: &[u8]| -> Vec<u8> {
                    let same = header::fields(bytes).filter(|field| field.is(&name));
                    same.flat_map(|field| field.raw.to_vec()).collect()
                };
                assert_eq!(raw(record.fields()), raw(&message[..head]), "{name}");
            }
        }
        assert!(held > 0 || head < 3 || !record.holds_header());
    }
    let report = run(account::check::all(&again.accounts)).unwrap();
    assert_eq!(report.told, Vec::<String>::new());
    assert_eq!(report.messages, messages.len() as u64);
}

#[test]
fn ranges_of_a_body_of_many_chunks() {
    let bench = Bench::new();
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    let chunk = 256 << 10;
    // No period that a chunk would divide, so that a wrong place shows.
    let body: Vec<u8> = (0..3 * chunk + 77).map(|n: usize| (n * n / 251 % 253) as u8).collect();
    let new = NewMessage::new(Bytes::from(body.clone()));
    run(bench.ana.append(inbox, vec![new])).unwrap();
    let mut view = bench.ana.select(inbox, true).unwrap();
    let id = view.rows(&all(), Numbers::Uid, 1, 1)[0].message;
    let record = run(bench.ana.records(&[id])).unwrap().remove(0).unwrap();
    let edges = [0, 1, chunk - 1, chunk, chunk + 1, 2 * chunk, 3 * chunk - 1, 3 * chunk + 76];
    for from in edges {
        for to in edges.into_iter().chain([3 * chunk + 77, 4 * chunk, usize::MAX >> 33]) {
            let wanted = body.get(from.min(body.len())..to.min(body.len())).unwrap_or_default();
            let range = u32::try_from(from).unwrap()..u32::try_from(to).unwrap();
            assert_eq!(run(bench.ana.body(&record, range)).unwrap(), wanted, "{from}..{to}");
        }
    }
}

#[test]
fn a_damaged_body_or_record_is_found_and_harms_no_other() {
    let bench = Bench::new();
    let inbox = bench.ana.mailbox(&MailboxName::inbox()).unwrap().id;
    let appended = run(bench.ana.append(inbox, support::letters(1..=3))).unwrap();
    let account = bench.ana.id().0;
    let blob = u64::from(appended.messages[1].0);
    let id = store::BlobId { account, blob };
    let memory = &bench.store.memory;
    let bytes = run(store::Blobs::get(memory.as_ref(), id, 0..u64::MAX)).unwrap().unwrap();
    let mut damaged = bytes.to_vec();
    damaged[20] ^= 1;
    run(store::Blobs::put(memory.as_ref(), id, damaged.into())).unwrap();
    let records = run(bench.ana.records(&appended.messages)).unwrap();
    let read = |at: usize| {
        let record = records[at].as_ref().unwrap();
        run(bench.ana.body(record, 0..u32::MAX))
    };
    assert!(matches!(read(1), Err(account::Error::Damaged(_))));
    assert!(read(0).is_ok() && read(2).is_ok());
    let report = run(account::check::all(&bench.accounts)).unwrap();
    assert_eq!(report.breaches, 1, "{:?}", report.told);
    run(store::Blobs::delete(memory.as_ref(), id)).unwrap();
    let report = run(account::check::all(&bench.accounts)).unwrap();
    assert_eq!(report.breaches, 1, "{:?}", report.told);
}
