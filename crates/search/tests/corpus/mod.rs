//! Real messages as documents, and what a scan of them answers: the measure of all answers.
#![allow(dead_code, clippy::unwrap_used, clippy::indexing_slicing)]

use mail::{MessageId, Structure, header, mime::Limits, text, thread};
use search::{Document, Segment, Source};
use std::{
    fs,
    future::Future,
    hash::{DefaultHasher, Hash, Hasher},
    path::{Path, PathBuf},
    pin::pin,
    sync::Arc,
    task::{Context, Poll, Waker},
};

/// The repository's corpus, or the one that `PALOMAR_CORPUS` names.
pub fn folder() -> PathBuf {
    let own = || Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/corpus");
    std::env::var_os("PALOMAR_CORPUS").map_or_else(own, PathBuf::from)
}

/// All files below a folder, in order.
pub fn messages(folder: &Path) -> Vec<Vec<u8>> {
    let mut found = Vec::new();
    let mut paths: Vec<_> =
        fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    for path in paths {
        let ending = path.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        if path.is_dir() {
            found.extend(messages(&path));
        } else if !matches!(ending, "md" | "tsv") {
            found.push(fs::read(path).unwrap());
        }
    }
    found
}

fn hash(octets: &[u8]) -> u64 {
    let mut hasher = DefaultHasher::new();
    octets.hash(&mut hasher);
    hasher.finish() | 1
}

/// A message as it is indexed.
pub fn document(message: u32, bytes: &[u8]) -> Document {
    let structure = Structure::parse(bytes, &Limits::default());
    let mut one = Document { message: MessageId(message), ..Document::default() };
    let head = &bytes[..header::header_octets(bytes)];
    for field in header::fields(head) {
        let value = text::decode_header(&field.unfolded());
        let mapped = text::casemap(&value);
        if field.is("Subject") {
            let (base, reply) = thread::base_subject(&value);
            one.sort[0] = text::casemap(&base);
            one.reply = reply;
        }
        for (at, name) in ["From", "To", "Cc"].iter().enumerate() {
            if field.is(name) {
                let address = mapped.split(['<', ' ', '@']).nth(1).unwrap_or(&mapped);
                address.clone_into(&mut one.sort[at + 1]);
                if at < 2 {
                    one.sort[at + 4].clone_from(&mapped);
                }
            }
        }
        if field.is("Message-ID") {
            one.message_id = hash(mapped.as_bytes());
        }
        if field.is("References") {
            one.references = thread::message_ids(field.value).iter().map(|id| hash(id)).collect();
        }
        if field.is("Date") {
            one.sent = header::date(field.value);
        }
        one.header.push((text::casemap(&String::from_utf8_lossy(field.name)), mapped));
    }
    text::texts(&structure, bytes, &mut |part| {
        one.body.push_str(&text::casemap(part));
        one.body.push('\n');
        true
    });
    one
}

/// The header as TEXT sees it.
pub fn header_text(one: &Document) -> String {
    one.header.iter().map(|(name, value)| format!("{name}: {value}\n")).collect()
}

/// What is in memory is always ready.
pub fn run<T>(future: impl Future<Output = T>) -> T {
    let mut future = pin!(future);
    loop {
        if let Poll::Ready(value) = future.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            return value;
        }
    }
}

/// Opens a segment in memory.
pub fn open(octets: Vec<u8>) -> Segment {
    let source: Arc<dyn Source> = Arc::new(bytes::Bytes::from(octets));
    run(Segment::open(source)).unwrap()
}
