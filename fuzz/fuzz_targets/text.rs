//! Text: encoded words, charsets, HTML, case mapping, base subjects.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::mime::{Limits, Structure};
use mail::{text, thread};

fuzz_target!(|data: &[u8]| {
    let header = text::decode_header(data);
    let (base, _) = thread::base_subject(&header);
    assert_eq!(thread::base_subject(&base).0, base);
    let mapped = text::casemap(&header);
    assert_eq!(text::casemap(&mapped), mapped);

    // The first line names a charset for the rest.
    let line = memchr(data);
    let (label, bytes) = data.split_at(line);
    let _ = text::decode_charset(bytes, &String::from_utf8_lossy(label));

    let message = [b"Content-Type: text/html\n\n", data].concat();
    let structure = Structure::parse(&message, &Limits::default());
    let preview = text::preview(&structure, &message, 50);
    assert!(preview.chars().count() <= 50 && !preview.contains('\n'));
    text::texts(&structure, &message, &mut |text| {
        assert!(!text.is_empty());
        true
    });
});

fn memchr(data: &[u8]) -> usize {
    data.iter().position(|byte| *byte == b'\n').unwrap_or(data.len())
}
