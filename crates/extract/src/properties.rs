//! What a document says of itself, the same in OOXML and ODF.

use crate::{
    Error,
    output::Output,
    xml::{Go, Node, Xml},
};

/// Title, subject, keywords (OOXML) or keyword (ODF), description, author: Dublin Core in both.
pub fn properties(xml: &Xml, output: &mut Output) -> Result<(), Error> {
    let mut wanted = false;
    xml.walk(&mut |node| match node {
        Node::Open(name, _) => {
            let names = ["title", "subject", "keyword", "keywords", "description", "creator"];
            wanted = names.contains(&name);
            Go::On
        }
        Node::Text(text) if wanted => Go::while_room(output.text(text)),
        Node::Text(_) => Go::On,
        Node::Close(_) => {
            let room = !wanted || output.line();
            wanted = false;
            Go::while_room(room)
        }
    })?;
    Ok(())
}
