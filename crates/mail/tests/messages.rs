//! Every message of the corpus, in the line ends that it has and in the other kind: parsing is
//! lossless, packing is an inverse, nothing panics.

#![allow(clippy::unwrap_used, clippy::indexing_slicing)]

mod corpus;

use mail::mime::{self, Limits};
use mail::{Encoding, Envelope, PartKind, Structure, header, text};

/// Headers, bodies of leaves and the gaps between them, in order, are the whole message.
fn put_together(structure: &Structure, message: &[u8]) -> Vec<u8> {
    let mut ranges = Vec::new();
    for part in &structure.parts {
        ranges.push(part.header.clone());
        if part.kind == PartKind::Leaf {
            ranges.push(part.body.clone());
        }
    }
    let mut whole = Vec::new();
    let mut end = 0;
    for range in ranges {
        let (start, stop) = (range.start as usize, range.end as usize);
        assert!(end <= start && start <= stop, "ranges overlap or turn back");
        whole.extend_from_slice(&message[end..start]);
        whole.extend_from_slice(&message[start..stop]);
        end = stop;
    }
    whole.extend_from_slice(&message[end..]);
    whole
}

fn check(name: &str, message: &[u8]) {
    let structure = Structure::parse(message, &Limits::default());
    assert!(put_together(&structure, message) == message, "{name}");

    // Fields put together are the header, but for the empty line.
    let header_octets = header::header_octets(message);
    let fields: usize = header::fields(message).map(|field| field.raw.len()).sum();
    assert!(header_octets - fields <= 2, "{name}");
    assert_eq!(structure.parts[0].header, 0..header_octets as u32, "{name}");

    let mut packed = Vec::new();
    structure.pack(&mut packed);
    assert_eq!(Structure::unpack(&packed), Some((structure.clone(), &[][..])), "{name}");
    let envelope = Envelope::parse(&message[..header_octets]);
    packed.clear();
    envelope.pack(&mut packed);
    assert_eq!(Envelope::unpack(&packed), Some((envelope, &[][..])), "{name}");

    for part in &structure.parts {
        let body = &message[part.body.start as usize..part.body.end as usize];
        let decoded = mime::decode(body, &part.encoding);
        assert_eq!(decoded.is_none(), matches!(part.encoding, Encoding::Other(_)), "{name}");
        assert!(decoded.is_none_or(|decoded| decoded.len() <= body.len()), "{name}");
    }
    let preview = text::preview(&structure, message, 200);
    assert!(preview.chars().count() <= 200 && !preview.contains(['\r', '\n']), "{name}");
    assert!(text::texts(&structure, message, &mut |text| !text.is_empty()), "{name}");
    for field in header::fields(message) {
        let _ = text::decode_header(field.value);
        let _ = header::date(field.value);
    }
}

/// Paths of all parts lead to them.
fn check_paths(name: &str, structure: &Structure) {
    fn walk(structure: &Structure, container: usize, path: &mut Vec<u32>, found: &mut Vec<usize>) {
        let mut visit = |index: usize, number: u32, path: &mut Vec<u32>| {
            path.push(number);
            assert_eq!(structure.part(path), Some(index), "{path:?}");
            assert!(structure.section(path, mime::Slice::Mime).is_some());
            found.push(index);
            match &structure.parts[index].kind {
                PartKind::Leaf => assert_eq!(structure.part(&[path, &[1][..]].concat()), None),
                PartKind::Multipart(_) => walk(structure, index, path, found),
                PartKind::Message(_, inner) => walk(structure, *inner as usize, path, found),
            }
            path.pop();
        };
        match &structure.parts[container].kind {
            PartKind::Multipart(children) => {
                for (number, child) in (1..).zip(children) {
                    visit(*child as usize, number, path);
                }
            }
            _ => visit(container, 1, path),
        }
    }
    let mut found = Vec::new();
    walk(structure, 0, &mut Vec::new(), &mut found);
    found.sort_unstable();
    found.dedup();
    let leaf = |index: &usize| structure.parts[*index].kind == PartKind::Leaf;
    let leaves = (0..structure.parts.len()).filter(leaf);
    assert!(leaves.into_iter().all(|index| found.contains(&index)), "{name}");
}

/// The message with all line ends the other way.
fn turned(message: &[u8]) -> Vec<u8> {
    let crlf = memchr::memmem::find(message, b"\r\n").is_some();
    let mut out = Vec::with_capacity(message.len() + message.len() / 30);
    for line in message.split_inclusive(|byte| *byte == b'\n') {
        let text = line.strip_suffix(b"\n").unwrap_or(line);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        out.extend_from_slice(text);
        if line.ends_with(b"\n") {
            out.extend_from_slice(if crlf { b"\n" } else { b"\r\n" });
        }
    }
    out
}

#[test]
fn every_message_of_the_corpus() {
    for (name, message) in corpus::messages() {
        check(&name, &message);
        let structure = Structure::parse(&message, &Limits::default());
        check_paths(&name, &structure);

        let turned = turned(&message);
        check(&name, &turned);
        let other = Structure::parse(&turned, &Limits::default());
        // Line ends change offsets, and nothing else.
        let shape = |structure: &Structure| -> Vec<(String, String, u32, bool)> {
            let parts = structure.parts.iter();
            let shape = parts.map(|part| {
                let leaf = part.kind == PartKind::Leaf;
                (part.media_type.clone(), part.media_subtype.clone(), part.lines, leaf)
            });
            shape.collect()
        };
        assert_eq!(shape(&structure), shape(&other), "{name}");
    }
}

#[test]
fn every_message_cut_anywhere() {
    // One message in fifty, cut at a hundred places.
    for (name, message) in corpus::messages().into_iter().step_by(50) {
        for cut in 0..100 {
            check(&name, &message[..message.len() * cut / 100]);
        }
    }
}
