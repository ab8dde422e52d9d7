//! SpreadsheetML: sheets row by row, with strings that cells share by number.

use crate::{
    Error,
    output::Output,
    package::Package,
    xml::{Go, Node, Xml},
};

/// Names of sheets, their rows, comments.
pub(super) fn read(package: &mut Package<'_>, output: &mut Output) -> Result<(), Error> {
    package.xml("xl/workbook.xml")?.walk(&mut |node| match node {
        Node::Open("sheet", attributes) => {
            let name = attributes.value("name").unwrap_or_default();
            Go::while_room(output.text(&name) && output.line())
        }
        _ => Go::On,
    })?;
    let strings = strings(&package.xml("xl/sharedStrings.xml")?)?;
    for name in package.names("xl/worksheets/sheet", ".xml") {
        if output.is_full() {
            break;
        }
        rows(&package.xml(&name)?, &strings, output)?;
    }
    let mut notes = package.names("xl/comments", ".xml");
    notes.extend(package.names("xl/comments/comment", ".xml"));
    notes.extend(package.names("xl/drawings/drawing", ".xml"));
    for name in notes {
        super::runs(&package.xml(&name)?, output)?;
    }
    Ok(())
}

/// The shared strings. Not longer than their XML, which has a limit.
fn strings(xml: &Xml) -> Result<Vec<String>, Error> {
    let mut all = Vec::new();
    let mut one = String::new();
    let mut shown = false;
    xml.walk(&mut |node| {
        match node {
            // How Japanese is read aloud: not in the cell.
            Node::Open("rPh", _) => return Go::Past,
            Node::Open("t", _) => shown = true,
            Node::Text(text) if shown => one.push_str(text),
            Node::Close("t") => shown = false,
            Node::Close("si") => all.push(std::mem::take(&mut one)),
            Node::Open(..) | Node::Text(_) | Node::Close(_) => {}
        }
        Go::On
    })?;
    Ok(all)
}

/// ECMA-376 part 1 §18.3.1.4: what a cell's value means.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Cell {
    /// The number of a shared string.
    Shared,
    /// Itself.
    Told,
}

fn rows(xml: &Xml, strings: &[String], output: &mut Output) -> Result<(), Error> {
    let mut cell = Cell::Told;
    let mut value = String::new();
    let mut inside = false;
    xml.walk(&mut |node| match node {
        Node::Open("c", attributes) => {
            let shared = attributes.value("t").is_some_and(|kind| kind == "s");
            cell = if shared { Cell::Shared } else { Cell::Told };
            value.clear();
            Go::On
        }
        Node::Open("rPh", _) => Go::Past,
        Node::Open("v" | "t", _) => {
            inside = true;
            Go::On
        }
        Node::Text(text) if inside => {
            value.push_str(text);
            Go::On
        }
        Node::Close("v" | "t") => {
            inside = false;
            Go::On
        }
        Node::Close("c") => {
            let shared = || strings.get(value.trim().parse::<usize>().ok()?);
            let text = match cell {
                Cell::Shared => shared().map_or("", String::as_str),
                Cell::Told => &value,
            };
            Go::while_room(text.is_empty() || (output.text(text) && output.gap("\t")))
        }
        Node::Close("row") => Go::while_room(output.line()),
        Node::Open(..) | Node::Text(_) | Node::Close(_) => Go::On,
    })?;
    Ok(())
}
