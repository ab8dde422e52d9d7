//! OpenDocument (ODF 1.3, ISO/IEC 26300): odt, ods, odp.

use crate::{
    Error,
    output::Output,
    package::Package,
    properties::properties,
    xml::{Go, Node, Xml},
};

/// What is not text of the document as it stands, or not text at all.
const PASSED: [&str; 4] = ["tracked-changes", "binary-data", "automatic-styles", "script"];

/// Spaces that `text:s` may stand for, at most.
const SPACES_MAX: usize = 64;

/// Title and the like, the document, then headers and footers.
pub(crate) fn read(package: &mut Package<'_>, output: &mut Output) -> Result<(), Error> {
    let encrypted = package.xml("META-INF/manifest.xml")?;
    let mut is_encrypted = false;
    encrypted.walk(&mut |node| {
        is_encrypted = matches!(node, Node::Open("encryption-data", _));
        Go::while_room(!is_encrypted)
    })?;
    if is_encrypted {
        return Err(Error::Encrypted);
    }
    properties(&package.xml("meta.xml")?, output)?;
    for name in ["content.xml", "styles.xml"] {
        if output.is_full() {
            break;
        }
        paragraphs(&package.xml(name)?, output)?;
    }
    Ok(())
}

/// Paragraphs and headings, a line each; descriptions of images too.
fn paragraphs(xml: &Xml, output: &mut Output) -> Result<(), Error> {
    let is_line = |name: &str| matches!(name, "p" | "h" | "title" | "desc");
    let mut depth = 0_usize;
    let repeats = |count: Option<String>| {
        count.and_then(|count| count.parse().ok()).unwrap_or(1_usize).min(SPACES_MAX)
    };
    xml.walk(&mut |node| match node {
        Node::Open(name, _) if PASSED.contains(&name) => Go::Past,
        Node::Open(name, _) if is_line(name) => {
            // A paragraph inside another is one of a frame or a note.
            let room = depth == 0 || output.line();
            depth += 1;
            Go::while_room(room)
        }
        Node::Open("s", attributes) => {
            Go::while_room(output.text(&" ".repeat(repeats(attributes.value("c")))))
        }
        Node::Open("tab", _) => Go::while_room(output.gap("\t")),
        Node::Open("line-break", _) => Go::while_room(output.line()),
        Node::Text(text) if depth > 0 => Go::while_room(collapsed(text, output)),
        Node::Close(name) if is_line(name) => {
            depth = depth.saturating_sub(1);
            Go::while_room(output.line())
        }
        Node::Open(..) | Node::Text(_) | Node::Close(_) => Go::On,
    })?;
    Ok(())
}

/// ODF 1.3 part 3 §6.1.2: white space collapses.
fn collapsed(text: &str, output: &mut Output) -> bool {
    let is_space = |letter: char| matches!(letter, ' ' | '\t' | '\r' | '\n');
    for (at, word) in text.split(is_space).enumerate() {
        if at > 0 && !output.gap(" ") {
            return false;
        }
        if !word.is_empty() && !output.text(word) {
            return false;
        }
    }
    true
}
