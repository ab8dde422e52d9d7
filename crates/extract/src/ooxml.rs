//! Office Open XML (ECMA-376, ISO/IEC 29500): docx, xlsx, pptx.
//!
//! Parts are found by the names that every writer gives them, not by following relationships.

mod sheet;

use crate::{
    Error,
    output::Output,
    package::Package,
    properties::properties,
    xml::{Go, Node, Xml},
};

/// Title and the like, then whichever of the three documents it is.
pub(crate) fn read(package: &mut Package<'_>, output: &mut Output) -> Result<(), Error> {
    properties(&package.xml("docProps/core.xml")?, output)?;
    if package.has("xl/workbook.xml") {
        return sheet::read(package, output);
    }
    let mut parts = Vec::new();
    let families = [
        ("word/document", ".xml"),
        ("word/header", ".xml"),
        ("word/footer", ".xml"),
        ("word/footnotes", ".xml"),
        ("word/endnotes", ".xml"),
        ("word/comments", ".xml"),
        ("ppt/slides/slide", ".xml"),
        ("ppt/notesSlides/notesSlide", ".xml"),
        ("ppt/comments/comment", ".xml"),
    ];
    for (prefix, ending) in families {
        parts.extend(package.names(prefix, ending));
    }
    if parts.is_empty() {
        return Err(Error::Malformed("a package without a document"));
    }
    for part in parts {
        if output.is_full() {
            break;
        }
        runs(&package.xml(&part)?, output)?;
    }
    Ok(())
}

/// Text of WordprocessingML and DrawingML: runs `t` within paragraphs `p`.
fn runs(xml: &Xml, output: &mut Output) -> Result<(), Error> {
    let mut shown = false;
    xml.walk(&mut |node| match node {
        // What older readers see instead of what stands before it: the same text again.
        Node::Open("Fallback", _) => Go::Past,
        Node::Open("t" | "text", _) => {
            shown = true;
            Go::On
        }
        // Tab stops of a paragraph's properties are named as tabs in the text are.
        Node::Open("pPr" | "rPr", _) => Go::Past,
        Node::Open("tab", _) => Go::while_room(output.gap("\t")),
        Node::Open("br" | "cr", _) => Go::while_room(output.line()),
        Node::Open("noBreakHyphen", _) => Go::while_room(output.text("-")),
        Node::Text(text) if shown => Go::while_room(output.text(text)),
        Node::Close("t" | "text") => {
            shown = false;
            Go::On
        }
        Node::Close("p" | "cm") => Go::while_room(output.line()),
        Node::Open(..) | Node::Text(_) | Node::Close(_) => Go::On,
    })?;
    Ok(())
}
