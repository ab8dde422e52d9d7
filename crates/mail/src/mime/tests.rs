//! Structure, part paths, sections, limits, packed form.

use super::*;
use proptest::prelude::*;

fn parse(message: &str) -> Structure {
    Structure::parse(message.as_bytes(), &Limits::default())
}

/// `type/subtype body` of each part that the path names, indented by depth.
fn tree(message: &str) -> Vec<String> {
    fn walk(structure: &Structure, message: &str, at: usize, depth: usize, out: &mut Vec<String>) {
        let part = &structure.parts[at];
        let body = &message[part.body.start as usize..part.body.end as usize];
        let shown = if part.kind == PartKind::Leaf { format!(" {body:?}") } else { String::new() };
        let indent = "  ".repeat(depth);
        out.push(format!("{indent}{}/{}{shown}", part.media_type, part.media_subtype));
        match &part.kind {
            PartKind::Leaf => {}
            PartKind::Multipart(children) => {
                for child in children {
                    walk(structure, message, *child as usize, depth + 1, out);
                }
            }
            PartKind::Message(_, inner) => {
                walk(structure, message, *inner as usize, depth + 1, out);
            }
        }
    }
    let structure = parse(message);
    let mut out = Vec::new();
    walk(&structure, message, 0, 0, &mut out);
    check_invariants(&structure, message.as_bytes());
    out
}

/// What the module says of every structure, and that packing loses nothing.
fn check_invariants(structure: &Structure, message: &[u8]) {
    let octets = message.len() as u32;
    let root = &structure.parts[0];
    assert_eq!((root.header.start, root.body.end), (0, octets));
    let mut parents = vec![0; structure.parts.len()];
    for (at, part) in structure.parts.iter().enumerate() {
        assert!(part.header.start <= part.header.end);
        assert_eq!(part.header.end, part.body.start);
        assert!(part.body.start <= part.body.end && part.body.end <= octets);
        let children: Vec<u32> = match &part.kind {
            PartKind::Leaf => vec![],
            PartKind::Multipart(children) => children.clone(),
            PartKind::Message(_, inner) => vec![*inner],
        };
        assert!(children.is_empty() == (part.kind == PartKind::Leaf));
        assert!(part.media_type != "multipart" || part.kind != PartKind::Leaf);
        let mut end = part.body.start;
        for child in children {
            assert!(child as usize > at);
            parents[child as usize] += 1;
            let child = &structure.parts[child as usize];
            assert!(end <= child.header.start && child.body.end <= part.body.end);
            end = child.body.end;
        }
    }
    assert!(parents.iter().enumerate().all(|(at, count)| *count == i32::from(at > 0)));
    let mut packed = Vec::new();
    structure.pack(&mut packed);
    packed.push(7);
    assert_eq!(Structure::unpack(&packed), Some((structure.clone(), &[7][..])));
}

const NESTED: &str = "Subject: x\r\nContent-Type: multipart/mixed; boundary=out\r\n\r\n\
    preamble\r\n--out\r\nContent-Type: text/html\r\n\r\none\r\n\
    --out \t\r\nContent-Type: message/rfc822\r\n\r\nSubject: inner\r\n\
    Content-Type: multipart/mixed; boundary=\"in\"\r\n\r\n--in\r\n\r\na\r\n\r\n\
    --in\r\n\r\nb\r\n--in--\r\n\
    epilogue\r\n--out\r\n\r\nplain\r\n--out--\r\nepilogue\r\n";

#[test]
fn nested_multiparts() {
    let expected = [
        "multipart/mixed",
        "  text/html \"one\"",
        "  message/rfc822",
        "    multipart/mixed",
        "      text/plain \"a\\r\\n\"",
        "      text/plain \"b\"",
        "  text/plain \"plain\"",
    ];
    assert_eq!(tree(NESTED), expected);
    let lf: Vec<String> = expected.iter().map(|line| line.replace("\\r", "")).collect();
    assert_eq!(tree(&NESTED.replace('\r', "")), lf);
}

#[test]
fn sections_of_a_nested_message() {
    let structure = parse(NESTED);
    let check = |path: &[u32], slice, expected: Option<&str>| {
        let range = structure.section(path, slice);
        let found = range.map(|range| &NESTED[range.start as usize..range.end as usize]);
        assert_eq!(found, expected, "{path:?} {slice:?}");
    };
    check(&[], Slice::Whole, Some(NESTED));
    check(&[], Slice::Header, NESTED.split_inclusive("\r\n\r\n").next());
    check(&[], Slice::Text, NESTED.split_once("\r\n\r\n").map(|(_, text)| text));
    check(&[], Slice::Mime, None);
    check(&[1], Slice::Whole, Some("one"));
    check(&[1], Slice::Mime, Some("Content-Type: text/html\r\n\r\n"));
    check(&[1], Slice::Header, None);
    check(&[1], Slice::Text, None);
    check(&[1, 1], Slice::Whole, None);
    check(&[2], Slice::Mime, Some("Content-Type: message/rfc822\r\n\r\n"));
    let inner_header = "Subject: inner\r\nContent-Type: multipart/mixed; boundary=\"in\"\r\n\r\n";
    check(&[2], Slice::Header, Some(inner_header));
    let inner_text = "--in\r\n\r\na\r\n\r\n--in\r\n\r\nb\r\n--in--\r\nepilogue";
    check(&[2], Slice::Text, Some(inner_text));
    check(&[2], Slice::Whole, Some(&format!("{inner_header}{inner_text}")));
    check(&[2, 1], Slice::Whole, Some("a\r\n"));
    check(&[2, 1], Slice::Mime, Some("\r\n"));
    check(&[2, 2], Slice::Whole, Some("b"));
    check(&[2, 3], Slice::Whole, None);
    check(&[2, 0], Slice::Whole, None);
    check(&[3], Slice::Whole, Some("plain"));
    check(&[4], Slice::Whole, None);
    check(&[0], Slice::Whole, None);
    check(&[u32::MAX], Slice::Whole, None);
}

#[test]
fn sections_of_single_parts() {
    let text = "Subject: x\r\n\r\nbody";
    let structure = parse(text);
    assert_eq!(structure.part(&[]), Some(0));
    assert_eq!(structure.part(&[1]), Some(0));
    assert_eq!(structure.part(&[2]), None);
    assert_eq!(structure.part(&[1, 1]), None);
    assert_eq!(structure.section(&[1], Slice::Whole), Some(14..18));
    assert_eq!(structure.section(&[1], Slice::Mime), Some(0..14));
    assert_eq!(structure.section(&[1], Slice::Header), None);
    // A message that is a forwarded message: 1 is it, 1.1 the text in it.
    let forwarded = "Content-Type: message/rfc822\r\n\r\nA: b\r\n\r\ninner";
    let structure = parse(forwarded);
    assert_eq!(structure.section(&[1], Slice::Header), Some(32..40));
    assert_eq!(structure.section(&[1, 1], Slice::Whole), Some(40..45));
    assert_eq!(structure.section(&[1, 1], Slice::Mime), Some(32..40));
    assert_eq!(structure.section(&[1, 1, 1], Slice::Whole), None);
}

fn multipart(boundary: &str, body: &str) -> String {
    format!("Content-Type: multipart/mixed; boundary={boundary}\r\n\r\n{body}")
}

#[test]
fn delimiters() {
    let check = |boundary: &str, body: &str, expected: &[&str]| {
        let found = tree(&multipart(boundary, body));
        assert_eq!(
            found[1..].iter().map(|l| l.trim_start()).collect::<Vec<_>>(),
            expected,
            "{body}"
        );
    };
    // No close delimiter; end in the middle of things.
    check("b", "--b\r\n\r\none", &["text/plain \"one\""]);
    check("b", "--b\r\n\r\none\r\n--b", &["text/plain \"one\"", "text/plain \"\""]);
    check("b", "--b\r\n\r\none\r\n--b--", &["text/plain \"one\""]);
    check("b", "--b\r\n\r\none\r\n--b-", &["text/plain \"one\\r\\n--b-\""]);
    check("b", "--b\n\none\n--b--\r", &["text/plain \"one\""]);
    // Empty parts, header alone.
    check("b", "--b\r\n--b\r\n--b--\r\n", &["text/plain \"\"", "text/plain \"\""]);
    check("b", "--b\r\n\r\n--b--\r\n", &["text/plain \"\""]);
    check("b", "--b\r\n\r\n\r\n--b--\r\n", &["text/plain \"\""]);
    check("b", "--b\r\nContent-Type: a/b\r\n--b--\r\n", &["a/b \"\""]);
    check("b", "--b\r\nContent-Type: a/b\r\n\r\n--b--\r\n", &["a/b \"\""]);
    // White space behind, anything else behind, not at the start of a line, case.
    check("b", "--b \t \r\n\r\n1\r\n--b--  \r\n2", &["text/plain \"1\""]);
    check(
        "b",
        "--b\r\n\r\n1\r\n--bc\r\n--b-- x\r\n --b\r\nx--b\r\n--B\r\n--b--",
        &["text/plain \"1\\r\\n--bc\\r\\n--b-- x\\r\\n --b\\r\\nx--b\\r\\n--B\""],
    );
    check("\"b c \"", "--b c\r\n\r\n1\r\n--b c--", &["text/plain \"1\""]);
    // Only LF before the delimiter belongs to it.
    check("b", "--b\n\n1\n\n--b--", &["text/plain \"1\\n\""]);
    // No delimiter, or only the closing one: one text part with everything.
    check("b", "all\r\n", &["text/plain \"all\\r\\n\""]);
    check("b", "--b--\r\nall", &["text/plain \"--b--\\r\\nall\""]);
    check("b", "", &["text/plain \"\""]);
}

#[test]
fn boundary_that_begins_another() {
    let body = "--a\r\nContent-Type: multipart/mixed; boundary=ab\r\n\r\n\
        --ab\r\n\r\n1\r\n--ab--\r\n--a\r\n\r\n2\r\n--a--\r\n";
    assert_eq!(
        tree(&multipart("a", body)),
        ["multipart/mixed", "  multipart/mixed", "    text/plain \"1\"", "  text/plain \"2\"",]
    );
}

#[test]
fn outer_delimiter_ends_the_inner_multipart() {
    let body = "--a\r\nContent-Type: multipart/mixed; boundary=z\r\n\r\n\
        --z\r\n\r\n1\r\n--a\r\n\r\n2\r\n--z--\r\n--a--\r\n";
    assert_eq!(
        tree(&multipart("a", body)),
        [
            "multipart/mixed",
            "  multipart/mixed",
            "    text/plain \"1\"",
            "  text/plain \"2\\r\\n--z--\"",
        ]
    );
}

#[test]
fn defaults_and_malformed_types() {
    let digest = "Content-Type: multipart/digest; boundary=b\n\n--b\n\nSubject: a\n\nx\n\
        --b\nContent-Type: text/plain\n\ny\n--b--";
    assert_eq!(
        tree(digest),
        ["multipart/digest", "  message/rfc822", "    text/plain \"x\"", "  text/plain \"y\"",]
    );
    assert_eq!(tree("Content-Type: multipart/mixed\n\n--b\n"), ["text/plain \"--b\\n\""]);
    assert_eq!(
        tree("Content-Type: multipart/mixed; boundary=\"\"\n\n--\nx"),
        ["text/plain \"--\\nx\"",]
    );
    assert_eq!(tree("Content-Type: garbage\n\nx"), ["text/plain \"x\""]);
    assert_eq!(tree("Content-Type: a/b\nContent-Type: c/d\n\nx"), ["a/b \"x\""]);
    assert_eq!(tree(""), ["text/plain \"\""]);
    assert_eq!(tree("\n"), ["text/plain \"\""]);
}

#[test]
fn encoded_messages_are_leaves() {
    let message = |kind: &str, encoding: &str| {
        let header = format!("Content-Type: {kind}\nContent-Transfer-Encoding: {encoding}\n");
        tree(&format!("{header}\nA: b\n\nx")).len()
    };
    assert_eq!(message("message/rfc822", "base64"), 1);
    assert_eq!(message("message/rfc822", "quoted-printable"), 1);
    assert_eq!(message("message/rfc822", "8BIT"), 2);
    assert_eq!(message("message/global", "binary"), 2);
    assert_eq!(message("message/delivery-status", "7bit"), 1);
    assert_eq!(message("message/partial", "7bit"), 1);
}

#[test]
fn fields_of_a_part() {
    let structure = parse(
        "content-type: image/png; name=x.png\r\nContent-ID: <1@x>\r\n\
         Content-Description: a\r\n b\r\n\
         Content-MD5: Q2hlY2s=\r\nContent-Disposition: Attachment; filename*=utf-8''%C3%B1\r\n\
         Content-Language: es, de (x),,\r\nContent-Location: http://x/\r\n\
         CONTENT-TRANSFER-ENCODING: X-UUencode\r\n\r\n1\r\n2\n3",
    );
    let part = &structure.parts[0];
    assert_eq!(part.id.as_deref(), Some(&b"<1@x>"[..]));
    assert_eq!(part.description.as_deref(), Some(&b"a b"[..]));
    assert_eq!(part.md5.as_deref(), Some(&b"Q2hlY2s="[..]));
    assert_eq!(part.disposition.as_ref().unwrap().0, "attachment");
    assert_eq!(part.file_name(), Some("ñ".as_bytes()));
    assert_eq!(part.parameter("name"), Some(&b"x.png"[..]));
    assert_eq!(part.language, ["es", "de"]);
    assert_eq!(part.location.as_deref(), Some(&b"http://x/"[..]));
    assert_eq!(part.encoding, Encoding::Other("X-UUencode".into()));
    assert_eq!((part.encoding.name(), part.lines), ("X-UUencode", 2));
    check_invariants(&structure, &[0; 315][..structure.parts[0].body.end as usize]);
}

fn nested(levels: usize) -> String {
    let mut message = String::new();
    for level in 0..levels {
        message += &format!("Content-Type: multipart/mixed; boundary={level}\n\n--{level}\n");
    }
    message + "\nx"
}

#[test]
fn depth_max_at_n_and_one_more() {
    let max = Limits::default().depth_max;
    assert_eq!(parse(&nested(max)).parts.len(), max + 1);
    let beyond = parse(&nested(max + 1));
    assert_eq!(beyond.parts.len(), max + 1);
    let last = beyond.parts.last().unwrap();
    assert_eq!((last.media_type.as_str(), last.kind.clone()), ("application", PartKind::Leaf));
    let messages = |n: usize| parse(&"Content-Type: message/rfc822\n\n".repeat(n)).parts.len();
    assert_eq!((messages(max), messages(max + 1)), (max + 1, max + 1));
}

#[test]
fn parts_max_at_n_and_one_more() {
    let max = Limits::default().parts_max;
    let parts = |n: usize| {
        let message = multipart("b", &"--b\r\n\r\nx\r\n".repeat(n));
        let structure = parse(&message);
        check_invariants(&structure, message.as_bytes());
        (structure.parts.len(), structure.parts.last().unwrap().body.len())
    };
    assert_eq!(parts(max - 1), (max, 3));
    // The last part holds the delimiter that was one too many.
    assert_eq!(parts(max), (max, 1 + "\r\n--b\r\n\r\nx\r\n".len()));
    for parts_max in 0..4 {
        let limits = Limits { parts_max, ..Limits::default() };
        let structure = Structure::parse(NESTED.as_bytes(), &limits);
        assert_eq!(structure.parts.len(), parts_max.max(1));
        check_invariants(&structure, NESTED.as_bytes());
    }
}

#[test]
fn fields_and_header_octets_at_n_and_one_more() {
    let max = Limits::default().fields_max;
    let kind = |n: usize| {
        let message = format!("{}Content-Type: a/b\n\nx", "A: b\n".repeat(n - 1));
        parse(&message).parts[0].media_type.clone()
    };
    assert_eq!((kind(max).as_str(), kind(max + 1).as_str()), ("a", "text"));
    let limits = Limits { header_octets_max: 17, ..Limits::default() };
    let kind = |header: &str| {
        Structure::parse(format!("{header}\n\nx").as_bytes(), &limits).parts[0].clone()
    };
    assert_eq!(kind("Content-Type: a/b").media_subtype, "b");
    let cut = kind("Content-Type: a/bc");
    assert_eq!((cut.media_subtype.as_str(), cut.header.end), ("b", 20));
}

#[test]
fn languages_at_n_and_one_more() {
    let max = Limits::default().parameters_max;
    let tags = |n: usize| {
        let header = format!("Content-Language: {}\n\n", "es,".repeat(n));
        parse(&header).parts[0].language.len()
    };
    assert_eq!((tags(max), tags(max + 1)), (max, max));
}

#[test]
fn addresses_are_shared_by_all_envelopes() {
    let inner = format!("--b\nContent-Type: message/rfc822\n\nTo: {}\n\nx\n", "a@b,".repeat(6_000));
    let structure = parse(&multipart("b", &inner.repeat(3)));
    let count = |part: &Part| match &part.kind {
        PartKind::Message(envelope, _) => envelope.to.len(),
        _ => 0,
    };
    let total: usize = structure.parts.iter().map(count).sum();
    assert_eq!(total, Limits::default().addresses_max);
}

#[test]
fn packed_structure_walks_without_copies() {
    let structure = parse(NESTED);
    let mut packed = Vec::new();
    structure.pack(&mut packed);
    let mut walk = StructureRef::open(&packed).unwrap();
    let mut found = Vec::new();
    while let Some(part) = walk.next_part() {
        let kind = match part.kind {
            KindRef::Leaf => "leaf".to_owned(),
            KindRef::Multipart(children) => format!("{children} children"),
            KindRef::Message(envelope) => {
                String::from_utf8_lossy(envelope.subject.unwrap_or_default()).into_owned()
            }
        };
        found.push(format!("{}/{} {kind}", part.media_type, part.media_subtype));
    }
    assert!(walk.rest().is_empty());
    assert_eq!(
        found,
        [
            "multipart/mixed 3 children",
            "text/html leaf",
            "message/rfc822 inner",
            "multipart/mixed 2 children",
            "text/plain leaf",
            "text/plain leaf",
            "text/plain leaf",
        ]
    );
}

/// Stored structures must be read for ever: a change of form needs a new first octet, and this one
/// goes on being read.
#[test]
fn form_1_of_a_stored_structure() {
    let message = "Content-Type: multipart/mixed; boundary=b\n\n--b\n\
        Content-Type: image/x-odd; name=x\nContent-ID: <i>\nContent-Transfer-Encoding: base64\n\
        Content-Disposition: attachment; filename=y\nContent-Description: d\nContent-MD5: m\n\
        Content-Language: es, de\nContent-Location: l\n\nQQ==\n--b\n\
        Content-Type: message/rfc822\nContent-Transfer-Encoding: 8bit\n\n\
        From: A <a@b>\nContent-Transfer-Encoding: x-odd\n\nx\n--b--\n";
    let stored = include_bytes!("form-1.structure");
    let structure = parse(message);
    let mut packed = Vec::new();
    structure.pack(&mut packed);
    assert_eq!(packed, stored);
    assert_eq!(Structure::unpack(stored), Some((structure, &[][..])));
}

#[test]
fn every_cut_of_packed_bytes_is_noticed() {
    let mut packed = Vec::new();
    parse(NESTED).pack(&mut packed);
    for end in 0..packed.len() {
        assert_eq!(Structure::unpack(&packed[..end]), None, "{end}");
    }
    for (at, bytes) in [(0, &[2][..]), (0, &[1, 0]), (0, &[])] {
        assert_eq!(Structure::unpack(bytes), None, "{at}");
    }
}

/// Messages made of what the parser looks at.
fn messages() -> impl Strategy<Value = String> {
    let pieces = prop_oneof![
        Just("\r\n"),
        Just("\n"),
        Just("\r"),
        Just(" "),
        Just("--a"),
        Just("--b"),
        Just("--"),
        Just("\r\n--a\r\n"),
        Just("\r\n--b--\r\n"),
        Just("Content-Type: multipart/mixed; boundary=a\r\n\r\n"),
        Just("Content-Type: multipart/digest; boundary=b\n\n"),
        Just("Content-Type: message/rfc822\r\n\r\n"),
        Just("To: x <a@b>, g: c@d;\n"),
        Just("Content-Disposition: attachment; filename*0*=utf-8''%F1; filename*1=\"x"),
        Just("ñ"),
        Just(":"),
    ];
    proptest::collection::vec(pieces, 0..40).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn any_message_keeps_the_invariants(
        message in messages(),
        depth_max in 0_usize..4,
        parts_max in 0_usize..8,
    ) {
        check_invariants(&parse(&message), message.as_bytes());
        let limits = Limits { depth_max, parts_max, ..Limits::default() };
        let structure = Structure::parse(message.as_bytes(), &limits);
        check_invariants(&structure, message.as_bytes());
        prop_assert!(structure.parts.len() <= parts_max.max(1));
    }

    #[test]
    fn any_bytes_parse(message in proptest::collection::vec(any::<u8>(), 0..300)) {
        check_invariants(&Structure::parse(&message, &Limits::default()), &message);
    }

    #[test]
    fn damage_never_panics(message in messages(), at in any::<prop::sample::Index>(), byte: u8) {
        let mut packed = Vec::new();
        parse(&message).pack(&mut packed);
        let at = at.index(packed.len());
        packed[at] = byte;
        let _ = Structure::unpack(&packed);
        let _ = Structure::unpack(&[&[1][..], message.as_bytes()].concat());
    }
}
