//! What the HTML of a message looks like: links that say one host and go to another, text that is
//! hidden, forms, pictures instead of text. Reads tags in one pass, builds no tree.

use crate::tokens::{Gatherer, Kind};
use crate::url::{Links, registered};
use std::borrow::Cow;

/// Tags that are looked at; mail that has more shows no more of itself.
const TAGS_MAX: usize = 4_000;
/// Styles that hide text from the reader.
const HIDING: [&str; 6] = [
    "display:none",
    "visibility:hidden",
    "font-size:0",
    "font-size:1px",
    "mso-hide:all",
    "opacity:0;",
];
/// Elements that are named to the learner.
const TELLING: [&str; 16] = [
    "area", "base", "bgsound", "button", "embed", "form", "iframe", "input", "link", "map",
    "marquee", "meta", "object", "script", "select", "style",
];

/// Elements that HTML has, or had, sorted; others are made up, to part words.
const ELEMENTS: [&str; 124] = [
    "a",
    "abbr",
    "acronym",
    "address",
    "applet",
    "area",
    "article",
    "aside",
    "audio",
    "b",
    "base",
    "basefont",
    "bdi",
    "bdo",
    "bgsound",
    "big",
    "blink",
    "blockquote",
    "body",
    "br",
    "button",
    "canvas",
    "caption",
    "center",
    "cite",
    "code",
    "col",
    "colgroup",
    "data",
    "datalist",
    "dd",
    "del",
    "details",
    "dfn",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "em",
    "embed",
    "fieldset",
    "figcaption",
    "figure",
    "font",
    "footer",
    "form",
    "frame",
    "frameset",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hr",
    "html",
    "i",
    "iframe",
    "img",
    "input",
    "ins",
    "isindex",
    "kbd",
    "label",
    "layer",
    "legend",
    "li",
    "link",
    "main",
    "map",
    "mark",
    "marquee",
    "menu",
    "meta",
    "nav",
    "nobr",
    "noframes",
    "noscript",
    "object",
    "ol",
    "optgroup",
    "option",
    "output",
    "p",
    "param",
    "picture",
    "pre",
    "q",
    "s",
    "samp",
    "script",
    "section",
    "select",
    "small",
    "source",
    "span",
    "strike",
    "strong",
    "style",
    "sub",
    "summary",
    "sup",
    "svg",
    "table",
    "tbody",
    "td",
    "template",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "time",
    "title",
    "tr",
    "tt",
    "u",
    "ul",
    "var",
    "video",
    "wbr",
    "xml",
];

/// Tokens of an HTML document's markup.
pub(crate) fn tokens(document: &str, links: &mut Links, gatherer: &mut Gatherer<'_>) {
    let (mut images, mut letters) = (0_usize, 0_usize);
    let mut anchor: Option<(String, String)> = None;
    let mut references = false;
    let mut rest = document;
    for _ in 0..TAGS_MAX {
        let Some((before, after)) = rest.split_once('<') else { break };
        letters += before.bytes().filter(u8::is_ascii_alphabetic).count();
        if let Some((_, shown)) = &mut anchor {
            shown.push_str(before);
        }
        if let Some(comment) = after.strip_prefix("!--") {
            if before.ends_with(|c: char| c.is_alphanumeric()) {
                gatherer.add(Kind::Html, "a comment inside a word");
            }
            rest = comment.split_once("-->").map_or("", |(_, rest)| rest);
            continue;
        }
        let Some((tag, after)) = after.split_once('>') else { break };
        rest = after;
        let end = tag.find(|c: char| c.is_whitespace()).unwrap_or(tag.len());
        let (name, attributes) = tag.split_at_checked(end).unwrap_or((tag, ""));
        let name = name.trim_end_matches('/').to_ascii_lowercase();
        written(tag, &name, gatherer);
        references |= before.contains("&#") && letters_as_numbers(before);
        if name == "img" && anchor.is_some() {
            gatherer.add(Kind::Html, "a picture that is a link");
        }
        match name.as_str() {
            "a" => anchor = attribute(attributes, "href").map(|to| (to, String::new())),
            "/a" => mismatch(anchor.take(), gatherer),
            "img" => images += 1,
            _ => {}
        }
        if let Some(telling) = TELLING.iter().find(|telling| **telling == name) {
            gatherer.add(Kind::Html, telling);
        }
        of_attributes(attributes, links, gatherer);
        if gatherer.full() {
            return;
        }
    }
    if references {
        gatherer.add(Kind::Html, "letters written as numbers");
    }
    if images > 0 {
        let little = if letters < 200 { " and little text" } else { "" };
        gatherer.add(Kind::Html, &format!("{} pictures{little}", images.min(3)));
    }
}

/// Which element, and in which case its name is written.
fn written(tag: &str, name: &str, gatherer: &mut Gatherer<'_>) {
    if name.starts_with('/') {
        return;
    }
    if ELEMENTS.binary_search(&name).is_ok() {
        let capitals = tag.starts_with(|c: char| c.is_ascii_uppercase());
        let case = if capitals { "tags in capitals" } else { "tags in small letters" };
        gatherer.add(Kind::Html, case);
    } else if name.starts_with(|c: char| c.is_ascii_alphabetic()) && !name.contains(':') {
        gatherer.add(Kind::Html, "an element that is none");
    } else if name == "!doctype" {
        gatherer.add(Kind::Html, "doctype");
    }
}

/// Whether plain letters are written as numeric references, which only hides them.
fn letters_as_numbers(text: &str) -> bool {
    text.split("&#").skip(1).any(|rest| {
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(rest.len());
        let number = rest.get(..end).unwrap_or_default();
        let code = match number.strip_prefix(['x', 'X']) {
            Some(hex) => u32::from_str_radix(hex, 16),
            None => number.parse(),
        };
        code.ok().and_then(char::from_u32).is_some_and(|c| c.is_ascii_alphanumeric())
    })
}

fn of_attributes(attributes: &str, links: &mut Links, gatherer: &mut Gatherer<'_>) {
    for name in ["href", "src", "action", "background"] {
        if let Some(to) = attribute(attributes, name) {
            match to.split_once(':') {
                Some((scheme, _)) if to.contains("://") && scheme.len() <= 5 => {
                    links.add(&to, gatherer);
                    gatherer.add(Kind::Html, &format!("{name} elsewhere"));
                }
                Some((scheme, _)) if scheme.len() <= 10 => {
                    gatherer.add(Kind::Html, &format!("{name} {}", scheme.to_ascii_lowercase()));
                }
                _ => {}
            }
        }
    }
    if let Some(style) = attribute(attributes, "style") {
        let style: String =
            style.to_ascii_lowercase().chars().filter(|c| !c.is_whitespace()).collect();
        if HIDING.iter().any(|hiding| style.contains(hiding)) {
            gatherer.add(Kind::Html, "hidden text");
        }
    }
}

/// A link whose text is another host than the one it goes to.
fn mismatch(anchor: Option<(String, String)>, gatherer: &mut Gatherer<'_>) {
    let Some((to, shown)) = anchor else { return };
    let shown = shown.trim().to_lowercase();
    let looks =
        shown.starts_with("http://") || shown.starts_with("https://") || shown.starts_with("www.");
    if looks && registered(host(&shown)) != registered(host(&to.to_lowercase())) {
        gatherer.add(Kind::Html, "a link that says another host");
    }
}

fn host(link: &str) -> &str {
    let rest = link.split_once("://").map_or(link, |(_, rest)| rest);
    rest.split(['/', '?', '#', ':']).next().unwrap_or_default()
}

/// The value of an attribute, its name in lower case.
fn attribute(attributes: &str, name: &str) -> Option<String> {
    let octets = attributes.as_bytes();
    let mut from = 0;
    loop {
        let at = from + find(octets.get(from..)?, name.as_bytes())?;
        from = at + name.len();
        let begins =
            at == 0 || octets.get(at - 1).is_none_or(|b| !b.is_ascii_alphanumeric() && *b != b'-');
        let value = attributes.get(from..).map(str::trim_start);
        let Some(value) = value.and_then(|value| value.strip_prefix('=')) else { continue };
        if !begins {
            continue;
        }
        let value = value.trim_start();
        let value = match value.strip_prefix(['"', '\'']) {
            Some(quoted) => quoted.split(['"', '\'']).next(),
            None => value.split_whitespace().next(),
        };
        return value.map(|value| unescape(value).into_owned());
    }
}

fn find(octets: &[u8], name: &[u8]) -> Option<usize> {
    octets.windows(name.len()).position(|window| window.eq_ignore_ascii_case(name))
}

fn unescape(value: &str) -> Cow<'_, str> {
    if value.contains("&amp;") { Cow::Owned(value.replace("&amp;", "&")) } else { value.into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_are_sorted() {
        assert!(ELEMENTS.is_sorted());
    }

    #[test]
    fn attributes_are_found() {
        assert_eq!(attribute("data-href=x HREF = 'a&amp;b' c", "href").as_deref(), Some("a&b"));
        assert_eq!(attribute("href=a b", "href").as_deref(), Some("a"));
        assert_eq!(attribute("href", "href"), None);
        assert_eq!(attribute("", "href"), None);
    }
}
