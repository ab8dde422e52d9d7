//! Untagged responses, octet for octet: FETCH lines, ENVELOPE, BODYSTRUCTURE.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use imap::types::{FetchItem, Partial, Section, SectionText};
use imap::{FetchWriter, Limits, Options, Session};
use mail::envelope::EnvelopeRef;
use mail::mime::StructureRef;
use mail::{Encoding, Envelope, Mailbox, ModSeq, Part, PartKind, Structure, SystemFlags, Uid};
use std::sync::Arc;
use wire::{Machine as _, Step};

/// A session that waits for its first command, having enabled these.
fn session(enable: &str) -> Session {
    let mut session = Session::new(Arc::new(Options {
        limits: Limits::default(),
        host: "mail.example.test".to_owned(),
        tls_required: false,
        starttls: false,
        append_octets_max: 1_000_000,
        hidden_capabilities: Vec::new(),
        jmap_session_url: None,
    }));
    if !enable.is_empty() {
        assert!(matches!(session.step(), Step::Wait(_)));
        session.receive(b"a LOGIN ana secret\r\n");
        assert!(matches!(session.step(), Step::Ask(_)));
        session.auth(wire::auth::Answer::Accepted { login: String::new() });
        assert!(matches!(session.step(), Step::Wait(_)));
        session.receive(format!("b ENABLE {enable}\r\n").as_bytes());
        assert!(matches!(session.step(), Step::Wait(_)));
    }
    drop(session.outbox().take());
    session
}

/// A FETCH line of message 1 in a session that enabled these; between `* 1 FETCH (` and `)`.
#[track_caller]
fn check(enable: &str, write: impl FnOnce(&mut FetchWriter<'_>), expected: &[u8]) {
    let mut session = session(enable);
    let mut reply = session.reply();
    let mut fetch = reply.fetch(1, mail::Uid(1));
    write(&mut fetch);
    fetch.end();
    let line = session.outbox().take();
    let inside = line.strip_prefix(b"* 1 FETCH (").unwrap().strip_suffix(b")\r\n").unwrap();
    assert_eq!(inside.escape_ascii().to_string(), expected.escape_ascii().to_string());
}

#[test]
fn plain_items() {
    let write = |fetch: &mut FetchWriter<'_>| {
        fetch.uid(Uid(4_294_967_295));
        fetch.flags(SystemFlags::NONE, false, []);
        fetch.flags(SystemFlags::SEEN.union(SystemFlags::DELETED), true, ["$Junk", "Old"]);
        fetch.modseq(ModSeq(9_223_372_036_854_775_807));
        fetch.internal_date(837_596_665);
        fetch.save_date(Some(1_420_134_653));
        fetch.save_date(None);
        fetch.size(0);
        fetch.email_id("M1");
        fetch.thread_id(Some("T1"));
        fetch.thread_id(None);
        fetch.binary_size(&[1, 2], 77);
    };
    let expected = |recent: &str| {
        format!(
            "UID 4294967295 FLAGS () FLAGS (\\Seen \\Deleted{recent} $Junk Old) \
             MODSEQ (9223372036854775807) INTERNALDATE \"17-Jul-1996 09:44:25 +0000\" \
             SAVEDATE \"01-Jan-2015 17:50:53 +0000\" SAVEDATE NIL \
             RFC822.SIZE 0 EMAILID (M1) THREADID (T1) THREADID NIL BINARY.SIZE[1.2] 77"
        )
    };
    check("", write, expected(" \\Recent").as_bytes());
    check("IMAP4rev2", write, expected("").as_bytes());
}

fn section(part: &[u32], text: SectionText, partial: Option<Partial>) -> FetchItem {
    FetchItem::BodySection { section: Section { part: part.to_vec(), text }, partial, peek: true }
}

/// Quirks 2 and 18: header names are echoed as asked; RFC822 is answered as RFC822.
#[test]
fn quirk_2_sections_are_echoed_as_asked() {
    let names = || vec![b"From".to_vec(), b"x-Y".to_vec(), b"a b".to_vec()];
    let write = |fetch: &mut FetchWriter<'_>| {
        let partial = Some(Partial { offset: 5, count: 2 });
        fetch.section(&section(&[], SectionText::HeaderFields(names()), partial), Some(2));
        fetch.chunk(b"x");
        fetch.chunk(b"y");
        fetch.section(&section(&[1, 2], SectionText::HeaderFieldsNot(names()), None), None);
        fetch.section(&section(&[3], SectionText::Mime, None), Some(0));
        fetch.section(&section(&[], SectionText::Whole, None), Some(1));
        fetch.chunk(b"\0");
        fetch.section(&section(&[], SectionText::Text, None), None);
        fetch.section(&section(&[7], SectionText::Whole, None), None);
        fetch.section(&section(&[7], SectionText::Header, None), None);
    };
    check(
        "",
        write,
        b"BODY[HEADER.FIELDS (From x-Y \"a b\")]<5> {2}\r\nxy \
          BODY[1.2.HEADER.FIELDS.NOT (From x-Y \"a b\")] NIL BODY[3.MIME] {0}\r\n BODY[] {1}\r\n\0 \
          BODY[TEXT] NIL BODY[7] NIL BODY[7.HEADER] NIL",
    );
}

#[test]
fn quirk_18_rfc822_is_answered_as_rfc822() {
    let write = |fetch: &mut FetchWriter<'_>| {
        fetch.section(&FetchItem::Rfc822, Some(1));
        fetch.chunk(b"a");
        fetch.section(&FetchItem::Rfc822Header, Some(1));
        fetch.chunk(b"b");
        fetch.section(&FetchItem::Rfc822Text, Some(1));
        fetch.chunk(b"c");
    };
    check("", write, b"RFC822 {1}\r\na RFC822.HEADER {1}\r\nb RFC822.TEXT {1}\r\nc");
}

#[test]
fn binary_parts() {
    let item = |partial| FetchItem::Binary { part: vec![1, 2], partial, peek: false };
    let write = |fetch: &mut FetchWriter<'_>| {
        fetch.binary(&item(None), Some(2), false);
        fetch.chunk(b"ab");
        fetch.binary(&item(Some(Partial { offset: 9, count: 1 })), Some(1), true);
        fetch.chunk(b"\0");
        fetch.binary(&item(None), None, false);
    };
    check("", write, b"BINARY[1.2] {2}\r\nab BINARY[1.2]<9> ~{1}\r\n\0 BINARY[1.2] NIL");
}

#[test]
fn a_literal_streams_over_several_calls() {
    let mut session = session("");
    let mut reply = session.reply();
    let mut fetch = reply.fetch(7, mail::Uid(7));
    fetch.uid(Uid(8));
    fetch.section(&section(&[], SectionText::Whole, None), Some(4));
    fetch.chunk(b"ab");
    assert_eq!(session.outbox().take(), b"* 7 FETCH (UID 8 BODY[] {4}\r\nab"[..]);
    let mut reply = session.reply();
    let mut fetch = reply.resume_fetch();
    assert_eq!(fetch.literal_left(), 2);
    fetch.chunk(b"cd");
    fetch.size(4);
    fetch.end();
    assert_eq!(session.outbox().take(), b"cd RFC822.SIZE 4)\r\n"[..]);
}

#[test]
#[should_panic(expected = "more octets than announced")]
fn more_octets_than_announced_is_our_bug() {
    let mut session = session("");
    let mut reply = session.reply();
    let mut fetch = reply.fetch(7, mail::Uid(7));
    fetch.section(&FetchItem::Rfc822, Some(1));
    fetch.chunk(b"ab");
}

#[test]
#[should_panic(expected = "fewer octets than announced")]
fn fewer_octets_than_announced_is_our_bug() {
    let mut session = session("");
    let mut reply = session.reply();
    let mut fetch = reply.fetch(7, mail::Uid(7));
    fetch.section(&FetchItem::Rfc822, Some(1));
    fetch.end();
}

fn mailbox(name: Option<&str>, mailbox: Option<&str>, host: Option<&str>) -> Mailbox {
    let bytes = |text: Option<&str>| text.map(|text| text.as_bytes().to_vec());
    Mailbox { name: bytes(name), route: None, mailbox: bytes(mailbox), host: bytes(host) }
}

fn envelope() -> Envelope {
    Envelope {
        date: Some(b"Wed, 17 Jul 1996 02:23:25 -0700".to_vec()),
        subject: Some("Grüße \"x\"".as_bytes().to_vec()),
        from: vec![mailbox(Some("Ana B"), Some("ana"), Some("example.test"))],
        to: vec![
            mailbox(None, Some("group"), None),
            mailbox(None, Some("a\\b"), Some("example.test")),
            mailbox(None, None, None),
        ],
        message_id: Some(b"<\"q\"@x>".to_vec()),
        in_reply_to: Some(b"a\r\nb".to_vec()),
        ..Envelope::default()
    }
}

/// Quirk 18: quotes in a Message-ID are escaped; 8 bits go quoted only to clients that said so.
#[test]
fn quirk_18_envelopes() {
    let from = "((\"Ana B\" NIL \"ana\" \"example.test\"))";
    let to = "((NIL NIL \"group\" NIL)(NIL NIL \"a\\\\b\" \"example.test\")(NIL NIL NIL NIL))";
    let expected = |subject: &str| {
        format!(
            "ENVELOPE (\"Wed, 17 Jul 1996 02:23:25 -0700\" {subject} {from} {from} {from} {to} \
             NIL NIL {{4}}\r\na\r\nb \"<\\\"q\\\"@x>\")"
        )
    };
    let mut packed = Vec::new();
    envelope().pack(&mut packed);
    let (envelope, _) = EnvelopeRef::unpack(&packed).unwrap();
    let write = |fetch: &mut FetchWriter<'_>| fetch.envelope(&envelope);
    check("", write, expected("{11}\r\nGrüße \"x\"").as_bytes());
    check("IMAP4rev2", write, expected("\"Grüße \\\"x\\\"\"").as_bytes());
    check("UTF8=ACCEPT", write, expected("\"Grüße \\\"x\\\"\"").as_bytes());
}

fn part(media_type: &str, media_subtype: &str, body: std::ops::Range<u32>) -> Part {
    Part {
        header: 0..0,
        body,
        lines: 3,
        media_type: media_type.to_owned(),
        media_subtype: media_subtype.to_owned(),
        parameters: Vec::new(),
        id: None,
        description: None,
        encoding: Encoding::SevenBit,
        md5: None,
        disposition: None,
        language: Vec::new(),
        location: None,
        kind: PartKind::Leaf,
    }
}

fn packed(parts: Vec<Part>) -> Vec<u8> {
    let mut packed = Vec::new();
    Structure { parts }.pack(&mut packed);
    packed
}

#[test]
fn body_of_one_text_part() {
    let mut text = part("text", "plain", 10..52);
    text.parameters = vec![("charset".to_owned(), b"utf-8".to_vec())];
    text.id = Some(b"<1@x>".to_vec());
    text.description = Some(b"A \"text\"".to_vec());
    text.encoding = Encoding::Other("x-odd".to_owned());
    text.md5 = Some(b"md5".to_vec());
    text.disposition =
        Some(("attachment".to_owned(), vec![("filename".to_owned(), b"a.txt".to_vec())]));
    text.language = vec!["de".to_owned(), "en".to_owned()];
    text.location = Some(b"http://x/".to_vec());
    let structure = packed(vec![text]);
    let common = "(\"TEXT\" \"PLAIN\" (\"charset\" \"utf-8\") \"<1@x>\" \"A \\\"text\\\"\" \
                  \"x-odd\" 42 3";
    let expected = format!(
        "BODY {common}) BODYSTRUCTURE {common} \"md5\" (\"ATTACHMENT\" (\"filename\" \"a.txt\")) \
         (\"de\" \"en\") \"http://x/\")"
    );
    let write = |fetch: &mut FetchWriter<'_>| {
        fetch.body(StructureRef::open(&structure).unwrap());
        fetch.body_structure(StructureRef::open(&structure).unwrap());
    };
    check("", write, expected.as_bytes());
}

#[test]
fn body_of_a_multipart_with_a_message_inside() {
    let mut mixed = part("multipart", "mixed", 0..100);
    mixed.parameters = vec![("boundary".to_owned(), b"b".to_vec())];
    mixed.language = vec!["de".to_owned()];
    mixed.kind = PartKind::Multipart(vec![1, 2, 4]);
    let image = part("image", "png", 0..7);
    let mut message = part("message", "rfc822", 0..50);
    message.kind = PartKind::Message(Box::default(), 3);
    let mut empty = part("multipart", "alternative", 0..0);
    empty.kind = PartKind::Multipart(Vec::new());
    // A message/rfc822 that is transfer-encoded cannot be entered.
    let mut opaque = part("message", "rfc822", 0..9);
    opaque.encoding = Encoding::Base64;
    let structure = packed(vec![mixed, image, message, empty, opaque]);
    let nothing = "(\"TEXT\" \"PLAIN\" NIL NIL NIL \"7BIT\" 0 0)";
    let expected = format!(
        "BODY ((\"IMAGE\" \"PNG\" NIL NIL NIL \"7BIT\" 7)(\"MESSAGE\" \"RFC822\" NIL NIL NIL \
         \"7BIT\" 50 (NIL NIL NIL NIL NIL NIL NIL NIL NIL NIL) ({nothing} \"ALTERNATIVE\") 3)\
         (\"APPLICATION\" \"OCTET-STREAM\" NIL NIL NIL \"BASE64\" 9) \"MIXED\")"
    );
    check("", |fetch| fetch.body(StructureRef::open(&structure).unwrap()), expected.as_bytes());
    let end = b" \"MIXED\" (\"boundary\" \"b\") NIL \"de\" NIL)\r\n";
    let mut session = session("");
    let mut reply = session.reply();
    let mut fetch = reply.fetch(1, mail::Uid(1));
    fetch.body_structure(StructureRef::open(&structure).unwrap());
    fetch.end();
    let line = session.outbox().take();
    assert!(line.strip_suffix(b")\r\n").unwrap().ends_with(end.strip_suffix(b"\r\n").unwrap()));
}
