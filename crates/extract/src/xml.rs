//! XML as documents have it: elements opened and closed, text between. Entities of a DTD are not
//! known and their references dropped, so nothing expands; a broken document gives what stands
//! before the break.

use crate::Error;
use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

/// What is met, in order.
pub(crate) enum Node<'a> {
    /// An element begins: its local name and its attributes.
    Open(&'a str, &'a Attributes<'a>),
    /// An element ends.
    Close(&'a str),
    /// Text, its character references resolved.
    Text(&'a str),
}

/// Whether to go on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Go {
    On,
    /// Past the element that was just opened, as if it were empty: its `Close` still comes.
    Past,
    Stop,
}

impl Go {
    /// On while there is room.
    pub(crate) const fn while_room(room: bool) -> Self {
        if room { Self::On } else { Self::Stop }
    }
}

/// Attributes of an element.
pub(crate) struct Attributes<'a>(&'a BytesStart<'a>);

impl Attributes<'_> {
    /// The value of the attribute of that local name.
    pub(crate) fn value(&self, name: &str) -> Option<String> {
        let mut all = self.0.attributes();
        let all = all.with_checks(false).flatten();
        let mut found = all.filter(|one| one.key.local_name().as_ref() == name);
        let value = found.next()?;
        let resolved = value.normalized_value(quick_xml::XmlVersion::Explicit1_0);
        resolved.ok().map(std::borrow::Cow::into_owned)
    }
}

/// An XML document in memory.
pub(crate) struct Xml {
    text: String,
    depth_max: usize,
}

impl Xml {
    pub(crate) fn new(octets: &[u8], depth_max: usize) -> Self {
        Self { text: mail::text::guessed(octets).into_owned(), depth_max }
    }

    /// Calls `each` with the nodes until it says stop. `false` when it did.
    pub(crate) fn walk(&self, each: &mut dyn FnMut(Node<'_>) -> Go) -> Result<bool, Error> {
        let mut reader = Reader::from_str(&self.text);
        // Ends of elements are counted here; names that do not match harm nobody.
        reader.config_mut().check_end_names = false;
        reader.config_mut().allow_unmatched_ends = true;
        let mut depth = 0_usize;
        // The depth outside of the element that is passed over.
        let mut passing: Option<usize> = None;
        loop {
            let Ok(event) = reader.read_event() else { return Ok(true) };
            let go = match event {
                Event::Eof => return Ok(true),
                Event::Start(element) => {
                    depth += 1;
                    if depth > self.depth_max {
                        return Err(Error::Limit("depth_max"));
                    }
                    match passing {
                        Some(_) => Go::On,
                        None => open(&element, each),
                    }
                }
                Event::Empty(element) if passing.is_none() => match open(&element, each) {
                    Go::Stop => Go::Stop,
                    Go::On | Go::Past => each(Node::Close(element.local_name().as_ref())),
                },
                Event::End(element) => {
                    depth = depth.saturating_sub(1);
                    if passing.is_some_and(|outside| depth <= outside) {
                        passing = None;
                    }
                    match passing {
                        Some(_) => Go::On,
                        None => each(Node::Close(element.local_name().as_ref())),
                    }
                }
                event if passing.is_none() => text(&event, each),
                _ => Go::On,
            };
            match go {
                Go::On => {}
                Go::Past => passing = Some(depth.saturating_sub(1)),
                Go::Stop => return Ok(false),
            }
        }
    }
}

fn open(element: &BytesStart<'_>, each: &mut dyn FnMut(Node<'_>) -> Go) -> Go {
    each(Node::Open(element.local_name().as_ref(), &Attributes(element)))
}

fn text(event: &Event<'_>, each: &mut dyn FnMut(Node<'_>) -> Go) -> Go {
    match event {
        Event::Text(text) => each(Node::Text(&text.xml10_content())),
        Event::CData(text) => each(Node::Text(&text.xml10_content())),
        Event::GeneralRef(reference) => {
            if let Ok(Some(letter)) = reference.resolve_char_ref() {
                return each(Node::Text(letter.encode_utf8(&mut [0; 4])));
            }
            let known = quick_xml::escape::resolve_predefined_entity(&reference.xml10_content());
            known.map_or(Go::On, |text| each(Node::Text(text)))
        }
        _ => Go::On,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(xml: &str, depth_max: usize) -> Result<String, Error> {
        let mut all = String::new();
        Xml::new(xml.as_bytes(), depth_max).walk(&mut |node| {
            match node {
                Node::Open("skip", _) => return Go::Past,
                Node::Open(name, attributes) => {
                    all.push('<');
                    all.push_str(name);
                    all.push_str(&attributes.value("k").unwrap_or_default());
                }
                Node::Close(_) => all.push('>'),
                Node::Text("stop") => return Go::Stop,
                Node::Text(text) => all.push_str(text),
            }
            Go::On
        })?;
        Ok(all)
    }

    #[test]
    fn nodes() {
        assert_eq!(shown("<x:a k='1&amp;'>b<c/>d</x:a>", 9).unwrap(), "<a1&b<c>d>");
        assert_eq!(shown("a&#241;&lt;<![CDATA[<b>]]>", 9).unwrap(), "añ<<b>");
        assert_eq!(shown("<a><skip>b<c>d</c><c/></skip>e</a>", 9).unwrap(), "<a>e>");
        assert_eq!(shown("<skip/>e<skip><skip/></skip>f", 9).unwrap(), ">e>f");
        assert_eq!(shown("<a>b</a><c>stop</c>d", 9).unwrap(), "<ab><c");
    }

    #[test]
    fn broken_documents_give_what_stands_before_the_break() {
        assert_eq!(shown("<a>b<", 9).unwrap(), "<ab");
        assert_eq!(shown("b</a></a>c", 9).unwrap(), "b>>c");
        assert_eq!(shown("", 9).unwrap(), "");
    }

    #[test]
    fn entities_do_not_expand() {
        let bomb = "<!DOCTYPE a [<!ENTITY x 'ha'><!ENTITY y '&x;&x;'>]><a>&y;&x;b</a>";
        assert_eq!(shown(bomb, 9).unwrap(), "<ab>");
    }

    #[test]
    fn depth_has_a_limit() {
        let nested = |depth: usize| "<a>".repeat(depth);
        assert!(shown(&nested(9), 9).is_ok());
        assert_eq!(shown(&nested(10), 9), Err(Error::Limit("depth_max")));
        // Also within what is passed over.
        assert_eq!(shown(&format!("<skip>{}", nested(9)), 9), Err(Error::Limit("depth_max")));
    }
}
