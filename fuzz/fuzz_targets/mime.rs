//! Message structure, and its packed form.
#![no_main]

use libfuzzer_sys::fuzz_target;
use mail::mime::{self, Limits, Slice};
use mail::{PartKind, Structure, StructureRef, text};

fuzz_target!(|data: &[u8]| {
    if let [0xff, packed @ ..] = data {
        unpack(packed);
    } else {
        message(data);
    }
});

/// Bytes that were never packed: read or refused, and what is read packs again.
fn unpack(packed: &[u8]) {
    if let Some((structure, rest)) = Structure::unpack(packed) {
        assert!(packed.ends_with(rest));
        let mut again = Vec::new();
        structure.pack(&mut again);
        assert_eq!(Structure::unpack(&again), Some((structure, &[][..])));
    }
    let mut walk = StructureRef::open(packed);
    while walk.as_mut().and_then(StructureRef::next_part).is_some() {}
}

fn message(message: &[u8]) {
    let limits = Limits { depth_max: 8, parts_max: 64, ..Limits::default() };
    let structure = Structure::parse(message, &limits);
    assert!((1..=64).contains(&structure.parts.len()));
    let mut end = 0;
    for part in &structure.parts {
        assert!(end <= part.header.start && part.header.end == part.body.start);
        assert!(part.header.start <= part.header.end && part.body.start <= part.body.end);
        end = if part.kind == PartKind::Leaf { part.body.end } else { part.header.end };
    }
    assert!(end as usize <= message.len());

    let mut packed = Vec::new();
    structure.pack(&mut packed);
    assert_eq!(Structure::unpack(&packed).as_ref(), Some(&(structure.clone(), &[][..])));

    for path in [&[][..], &[1], &[2], &[1, 1], &[2, 1], &[1, 1, 1]] {
        for slice in [Slice::Whole, Slice::Mime, Slice::Header, Slice::Text] {
            if let Some(range) = structure.section(path, slice) {
                let octets = &message[range.start as usize..range.end as usize];
                let index = structure.part(path).unwrap();
                let _ = mime::decode(octets, &structure.parts[index].encoding);
            }
        }
    }
    assert!(text::preview(&structure, message, 100).chars().count() <= 100);
    assert!(text::texts(&structure, message, &mut |text| !text.is_empty()));
}
