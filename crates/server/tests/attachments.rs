//! The pool of children, with the real program and with programs that misbehave.

#![allow(clippy::unwrap_used, clippy::indexing_slicing, clippy::panic)]

use account::Extract as _;
use bytes::Bytes;
use server::{
    attachments::{AttachmentLimits, Readers},
    config::Config,
};
use std::{
    os::unix::fs::PermissionsExt as _,
    path::{Path, PathBuf},
};

const PDF: &str = "application/pdf";

fn limits() -> AttachmentLimits {
    Config::parse("").unwrap().attachments
}

fn readers(limits: AttachmentLimits) -> Readers {
    Readers::of_program(limits, Path::new(env!("CARGO_BIN_EXE_palomar"))).unwrap()
}

fn document(name: &str) -> Bytes {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../extract/tests/documents");
    std::fs::read(folder.join(name)).unwrap().into()
}

/// A program that is this shell script.
fn script(folder: &Path, text: &str) -> PathBuf {
    let path = folder.join("child");
    std::fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
    path
}

/// What a ready child says: two octets, both confinements.
const READY: &str = r"printf '\002\000\000\000\000\001\001'";

#[tokio::test]
async fn documents_are_read() {
    let readers = readers(limits());
    for (name, kind) in [
        ("harvest.pdf", PDF),
        ("harvest.docx", "application/octet-stream"),
        ("harvest.ods", "application/vnd.oasis.opendocument.spreadsheet"),
        ("harvest.pptx", "application/zip"),
    ] {
        assert!(readers.reads(kind));
        let text = readers.text(kind, document(name)).await.unwrap();
        assert!(text.contains("remarkable"), "{name}: {text}");
    }
    assert!(!readers.reads("image/png"));
}

#[tokio::test]
async fn many_at_once_share_the_children() {
    let readers = readers(AttachmentLimits { documents_per_child_max: 3, ..limits() });
    let one = || async { readers.text(PDF, document("harvest.pdf")).await };
    let all = tokio::join!(one(), one(), one(), one(), one(), one(), one(), one(), one());
    let texts = [all.0, all.1, all.2, all.3, all.4, all.5, all.6, all.7, all.8];
    assert!(texts.iter().all(|text| text.as_ref().unwrap().contains("remarkable")));
}

#[tokio::test]
async fn what_cannot_be_read_has_no_text() {
    let readers = readers(limits());
    assert_eq!(readers.text(PDF, Bytes::from_static(b"%PDF-1.7 nothing")).await, None);
    assert_eq!(readers.text(PDF, document("locked.pdf")).await, None);
    assert_eq!(readers.text("application/octet-stream", Bytes::from_static(b"?")).await, None);
    assert!(readers.text(PDF, document("harvest.pdf")).await.is_some());
}

#[tokio::test]
async fn the_limit_of_input_holds() {
    let document = document("harvest.pdf");
    let octets = u32::try_from(document.len()).unwrap();
    let at = readers(AttachmentLimits { input_octets_max: octets, ..limits() });
    assert!(at.text(PDF, document.clone()).await.is_some());
    let below = readers(AttachmentLimits { input_octets_max: octets - 1, ..limits() });
    assert_eq!(below.text(PDF, document).await, None);
}

/// A PDF whose pages say of each other that they are the parent: the parser follows them without
/// end.
fn circular_pdf() -> Bytes {
    let objects = [
        "<</Type/Catalog/Pages 2 0 R>>",
        "<</Type/Pages/Kids[3 0 R]/Count 1/Parent 3 0 R>>",
        "<</Type/Page/Parent 2 0 R>>",
    ];
    let mut pdf = b"%PDF-1.4\n".to_vec();
    let mut table = "xref\n0 4\n0000000000 65535 f \n".to_owned();
    for (at, object) in objects.iter().enumerate() {
        table.push_str(&format!("{:010} 00000 n \n", pdf.len()));
        pdf.extend(format!("{} 0 obj\n{object}\nendobj\n", at + 1).bytes());
    }
    let start = pdf.len();
    pdf.extend(table.bytes());
    pdf.extend(format!("trailer\n<</Size 4/Root 1 0 R>>\nstartxref\n{start}\n%%EOF\n").bytes());
    pdf.into()
}

#[tokio::test]
async fn a_document_that_kills_its_reader_harms_no_other() {
    let readers = readers(AttachmentLimits { seconds_max: 6, children_max: 1, ..limits() });
    assert!(readers.text(PDF, document("harvest.pdf")).await.is_some());
    assert_eq!(readers.text(PDF, circular_pdf()).await, None);
    assert!(readers.text(PDF, document("harvest.pdf")).await.is_some());
}

#[tokio::test]
async fn memory_has_a_limit() {
    let small = readers(AttachmentLimits { memory_octets_max: 24 << 20, ..limits() });
    let long = Bytes::from(vec![b'x'; 30 << 20]);
    assert_eq!(small.text("text/plain", long.clone()).await, None);
    assert!(small.text(PDF, document("harvest.pdf")).await.is_some());
    let large = readers(limits());
    assert_eq!(large.text("text/plain", long).await.unwrap().len(), 2_000_000);
}

#[tokio::test]
async fn a_child_that_hangs_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    let program = script(folder.path(), &format!("{READY}\nexec cat >/dev/null"));
    let limits = AttachmentLimits { seconds_max: 1, ..limits() };
    let readers = Readers::of_program(limits, &program).unwrap();
    assert_eq!(readers.text(PDF, document("harvest.pdf")).await, None);
}

#[tokio::test]
async fn a_child_that_dies_or_talks_nonsense_is_ended() {
    let folder = tempfile::tempdir().unwrap();
    for text in [
        "exit 1".to_owned(),
        "echo hello; exec cat >/dev/null".to_owned(),
        format!("{READY}; exit 0"),
        format!("{READY}; printf '\\377\\377\\377\\377\\001'; exec cat >/dev/null"),
        format!("{READY}; printf '\\001\\000\\000\\000\\001\\377'; exec cat >/dev/null"),
        format!("{READY}; {READY}; exec cat >/dev/null"),
    ] {
        let program = script(folder.path(), &text);
        let readers = Readers::of_program(limits(), &program).unwrap();
        assert_eq!(readers.text(PDF, document("harvest.pdf")).await, None, "{text}");
    }
    let nobody = Readers::of_program(limits(), &folder.path().join("nobody")).unwrap();
    assert_eq!(nobody.text(PDF, document("harvest.pdf")).await, None);
}

#[tokio::test]
async fn confinement_can_be_required() {
    let folder = tempfile::tempdir().unwrap();
    // Landlock but no seccomp; then the text "ok".
    let bare = r"printf '\002\000\000\000\000\001\000'; printf '\002\000\000\000\001ok'; cat";
    let program = script(folder.path(), &format!("{bare} >/dev/null"));
    let readers = Readers::of_program(limits(), &program).unwrap();
    assert_eq!(readers.text(PDF, document("harvest.pdf")).await.as_deref(), Some("ok"));
    let strict = AttachmentLimits { confinement_required: true, ..limits() };
    let readers = Readers::of_program(strict, &program).unwrap();
    assert_eq!(readers.text(PDF, document("harvest.pdf")).await, None);
}

#[test]
fn without_children_nothing_is_read() {
    assert!(Readers::new(AttachmentLimits { children_max: 0, ..limits() }).is_none());
}
