//! Real documents, made by the libraries that people use (see `documents/make.py`), and hostile
//! ones.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use extract::{Error, Kind, Limits, text};
use std::{io::Write as _, path::Path};
use zip::{CompressionMethod, ZipWriter, write::SimpleFileOptions};

fn document(name: &str) -> Vec<u8> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/documents");
    std::fs::read(folder.join(name)).unwrap()
}

fn read(name: &str) -> String {
    let document = document(name);
    let kind = Kind::of_file_name(name).unwrap();
    assert_eq!(Kind::of_content(&document), Some(kind), "{name}");
    text(kind, &document, &Limits::default()).unwrap()
}

#[track_caller]
fn check(name: &str, lines: &[&str]) {
    let found = read(name);
    for line in lines {
        assert!(found.lines().any(|one| one.contains(line)), "{name}: {line:?} in {found:?}");
    }
}

#[test]
fn word_processing() {
    let lines = [
        "Informe de la cosecha",
        "Olive harvest",
        "The grove gave a remarkable yield: niño, café.",
        "収穫の報告",
        "Arbequina",
        "Cooperative letterhead",
    ];
    check("harvest.docx", &lines);
    let lines = [
        "Olive harvest",
        "The grove gave a remarkable yield: niño.",
        "Second   line",
        "収穫の報告",
        "Cooperative letterhead",
    ];
    check("harvest.odt", &lines);
}

#[test]
fn spreadsheets() {
    let lines = [
        "Harvest 2026",
        "Variety\tKilograms\tAño",
        "Arbequina\t1234.5\t2026",
        "remarkable quality",
        "収穫",
    ];
    check("harvest.xlsx", &lines);
    check("harvest.ods", &["Variety", "Arbequina", "Año", "収穫", "remarkable"]);
}

#[test]
fn presentations() {
    check("harvest.pptx", &["Olive harvest, niño", "収穫", "remarkable notes"]);
    let found = read("harvest.pptx");
    let at = |needle: &str| found.find(needle).unwrap();
    assert!(at("Slide number 2\n") < at("Slide number 10"), "slides in their order: {found}");
    check("harvest.odp", &["Olive harvest, remarkable niño 収穫"]);
}

#[test]
fn pdf() {
    let lines = [
        "Olive harvest: the grove gave a remarkable yield.",
        "El niño bebió café en España.",
        "Second page: Arbequina and Picual.",
    ];
    check("harvest.pdf", &lines);
    check("unprintable.pdf", &lines);
    let locked = text(Kind::Pdf, &document("locked.pdf"), &Limits::default());
    assert_eq!(locked, Err(Error::Encrypted));
}

#[test]
fn every_cut_of_a_document_is_survived() {
    for name in ["harvest.docx", "harvest.ods", "harvest.pdf"] {
        let whole = document(name);
        let kind = Kind::of_content(&whole).unwrap();
        for end in (0..whole.len()).step_by(whole.len() / 40) {
            let _ = text(kind, &whole[..end], &Limits::default());
        }
    }
}

#[test]
fn every_octet_of_a_document_may_be_wrong() {
    for name in ["harvest.odt", "harvest.pdf"] {
        let whole = document(name);
        let kind = Kind::of_content(&whole).unwrap();
        for at in (0..whole.len()).step_by(whole.len() / 60) {
            let mut broken = whole.clone();
            broken[at] ^= 0x15;
            let _ = text(kind, &broken, &Limits::default());
        }
    }
}

fn package(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = ZipWriter::new(std::io::Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, content) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(content).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn odt(content: &[u8]) -> Vec<u8> {
    package(&[("content.xml", content)])
}

#[test]
fn unpacked_octets_have_a_limit() {
    let content = "<p>".to_owned() + &" ".repeat(997);
    let limits = |unpacked_octets_max| Limits { unpacked_octets_max, ..Limits::default() };
    assert!(text(Kind::Package, &odt(content.as_bytes()), &limits(1_000)).is_ok());
    let refused = text(Kind::Package, &odt(content.as_bytes()), &limits(999));
    assert_eq!(refused, Err(Error::Limit("unpacked_octets_max")));
}

#[test]
fn a_bomb_costs_its_limit_and_no_more() {
    let bomb = odt(&vec![b' '; 200 << 20]);
    assert!(bomb.len() < 1 << 20);
    let refused = text(Kind::Package, &bomb, &Limits::default());
    assert_eq!(refused, Err(Error::Limit("unpacked_octets_max")));
    // The parts of many small ones add up.
    let mut entries = vec![("[Content_Types].xml".to_owned(), Vec::new())];
    for number in 0..70 {
        entries.push((format!("word/header{number}.xml"), vec![b' '; 1 << 20]));
    }
    let entries: Vec<_> = entries.iter().map(|(n, c)| (n.as_str(), c.as_slice())).collect();
    let refused = text(Kind::Package, &package(&entries), &Limits::default());
    assert_eq!(refused, Err(Error::Limit("unpacked_octets_max")));
}

#[test]
fn entries_have_a_limit() {
    let entries: [(&str, &[u8]); 3] = [("content.xml", b"<p>a"), ("b", b""), ("c", b"")];
    let limits = |entries_max| Limits { entries_max, ..Limits::default() };
    assert_eq!(text(Kind::Package, &package(&entries), &limits(3)).unwrap(), "a");
    let refused = text(Kind::Package, &package(&entries), &limits(2));
    assert_eq!(refused, Err(Error::Limit("entries_max")));
}

#[test]
fn shared_strings_repeated_a_million_times_stop_at_the_limit_of_text() {
    let string = format!("<sst><si><t>{}</t></si></sst>", "x".repeat(10_000));
    let cells = "<c t='s'><v>0</v></c>".repeat(10_000);
    let sheet = package(&[
        ("[Content_Types].xml", b""),
        ("xl/workbook.xml", b"<workbook/>"),
        ("xl/sharedStrings.xml", string.as_bytes()),
        ("xl/worksheets/sheet1.xml", cells.as_bytes()),
    ]);
    let limits = Limits { text_chars_max: 50_000, ..Limits::default() };
    assert_eq!(text(Kind::Package, &sheet, &limits).unwrap().len(), 50_000);
}

#[test]
fn what_was_deleted_or_said_twice_is_left_out() {
    let word = package(&[
        ("[Content_Types].xml", b""),
        (
            "word/document.xml",
            b"<w:p><w:r><w:t>kept</w:t><w:delText>gone</w:delText></w:r>\
              <mc:AlternateContent><mc:Choice><w:t> once</w:t></mc:Choice>\
              <mc:Fallback><w:t> once</w:t></mc:Fallback></mc:AlternateContent></w:p>",
        ),
    ]);
    assert_eq!(text(Kind::Package, &word, &Limits::default()).unwrap(), "kept once\n");
    let content = b"<text:tracked-changes><text:p>gone</text:p></text:tracked-changes><text:p>kept";
    assert_eq!(text(Kind::Package, &odt(content), &Limits::default()).unwrap(), "kept");
}

#[test]
fn encrypted_packages_say_so() {
    let manifest = b"<m:manifest><m:file-entry><m:encryption-data/></m:file-entry></m:manifest>";
    let entries: [(&str, &[u8]); 2] = [("META-INF/manifest.xml", manifest), ("content.xml", b"x")];
    let refused = text(Kind::Package, &package(&entries), &Limits::default());
    assert_eq!(refused, Err(Error::Encrypted));
}

#[test]
fn other_packages_are_not_documents() {
    for entries in [&[("a.txt", &b"hello"[..])][..], &[("[Content_Types].xml", &b""[..])]] {
        let refused = text(Kind::Package, &package(entries), &Limits::default());
        assert!(matches!(refused, Err(Error::Malformed(_))));
    }
}
