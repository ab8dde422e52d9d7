//! HTML to text, for search and previews: what a reader would see, in reading order.
//!
//! Not a renderer and not a sanitiser: nothing that comes out is ever shown as HTML. Works on any
//! bytes in one pass without a tree, so nesting costs nothing; stops when enough text is there.

mod entities;

/// Elements whose content is not shown.
const HIDDEN: [&str; 8] =
    ["script", "style", "title", "template", "noscript", "object", "svg", "math"];

/// Elements that begin and end a line.
const BLOCKS: [&str; 35] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "br",
    "body",
    "caption",
    "center",
    "dd",
    "div",
    "dl",
    "dt",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "main",
    "nav",
    "ol",
    "p",
    "pre",
    "section",
    "table",
    "tr",
    "ul",
];

/// The text of an HTML document or fragment; stops after about `octets_max` octets of text. White
/// space is collapsed, blocks are parted by a line end, `alt` texts of images are included.
#[must_use]
pub fn text(html: &str, octets_max: usize) -> String {
    let mut writer = Writer { text: String::new(), gap: Gap::None, quotes_hide: true };
    let mut rest = html;
    while !rest.is_empty() && writer.text.len() < octets_max {
        rest = match memchr::memchr2(b'<', b'&', rest.as_bytes()) {
            Some(0) if rest.starts_with('&') => reference(rest, &mut writer),
            Some(0) => markup(rest, &mut writer),
            Some(at) => {
                let (plain, rest) = split(rest, at);
                writer.put(plain);
                rest
            }
            None => {
                writer.put(rest);
                ""
            }
        };
    }
    writer.text
}

fn split(text: &str, at: usize) -> (&str, &str) {
    text.split_at_checked(at).unwrap_or((text, ""))
}

/// What lies between the text written and the text to come.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Line,
}

struct Writer {
    text: String,
    gap: Gap,
    /// Whether quotes in tags hide `>`. Not after a tag that they would have kept open to the end
    /// of the mail: it would cost as much for each of the tags that follow.
    quotes_hide: bool,
}

impl Writer {
    fn put(&mut self, plain: &str) {
        for (at, word) in plain.split(is_space).enumerate() {
            if at > 0 {
                self.gap = self.gap.max(Gap::Space);
            }
            if !word.is_empty() {
                self.close_gap();
                self.text.push_str(word);
            }
        }
    }

    fn close_gap(&mut self) {
        match self.gap {
            _ if self.text.is_empty() => {}
            Gap::None => {}
            Gap::Space => self.text.push(' '),
            Gap::Line => self.text.push('\n'),
        }
        self.gap = Gap::None;
    }
}

/// White space that HTML collapses, and the no-break space, which looks the same to a searcher.
fn is_space(letter: char) -> bool {
    letter.is_ascii_whitespace() || letter == '\u{a0}'
}

/// Characters that nobody sees: soft hyphens would keep words from being found, and newsletters
/// pad their previews with the others.
fn is_invisible(letter: char) -> bool {
    matches!(
        letter,
        '\0' | '\u{ad}' | '\u{34f}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{feff}'
    )
}

/// `&name;`, `&#1234;` or `&#x12ab;`; anything else is an ampersand.
fn reference<'a>(text: &'a str, writer: &mut Writer) -> &'a str {
    let body = text.get(1..).unwrap_or_default();
    // The longest name has eight letters, the longest number eight digits.
    let length = body.bytes().take(12).position(|b| !(b.is_ascii_alphanumeric() || b == b'#'));
    let length = length.unwrap_or(body.len().min(12));
    let (name, after) = split(body, length);
    let letter = match name.strip_prefix('#') {
        Some(number) => match number.strip_prefix(['x', 'X']) {
            Some(digits) => u32::from_str_radix(digits, 16).ok().and_then(numbered),
            None => number.parse().ok().and_then(numbered),
        },
        None => entities::named(name),
    };
    let Some(letter) = letter else {
        writer.put("&");
        return body;
    };
    if !is_invisible(letter) {
        writer.put(letter.encode_utf8(&mut [0; 4]));
    }
    after.strip_prefix(';').unwrap_or(after)
}

/// HTML §13.2.5.80: numbers 128 to 159 mean Windows-1252.
fn numbered(code: u32) -> Option<char> {
    match u8::try_from(code) {
        Ok(byte @ 0x80..=0x9f) => {
            let bytes = [byte];
            let (text, _) = encoding_rs::WINDOWS_1252.decode_without_bom_handling(&bytes);
            text.chars().next()
        }
        _ => char::from_u32(code),
    }
}

/// A tag, a comment or a declaration; a `<` before anything else is text.
fn markup<'a>(text: &'a str, writer: &mut Writer) -> &'a str {
    let body = text.get(1..).unwrap_or_default();
    if let Some(comment) = body.strip_prefix("!--") {
        // `<!-->` is a whole comment (HTML §13.2.5.43).
        if let Some(rest) = comment.strip_prefix('>') {
            return rest;
        }
        return after(comment, "-->");
    }
    let (closing, name_on) = match body.strip_prefix('/') {
        Some(rest) => (true, rest),
        None => (false, body),
    };
    match name_on.bytes().next() {
        Some(b'!' | b'?') if !closing => return after(body, ">"),
        Some(letter) if letter.is_ascii_alphabetic() => {}
        _ => {
            writer.put("<");
            return body;
        }
    }
    let length = name_on.bytes().position(|b| b.is_ascii_whitespace() || matches!(b, b'>' | b'/'));
    let (name, attributes_on) = split(name_on, length.unwrap_or(name_on.len()));
    let (attributes, rest) = attributes(attributes_on, &mut writer.quotes_hide);
    let is = |known: &&str| known.eq_ignore_ascii_case(name);
    if BLOCKS.iter().any(is) {
        writer.gap = Gap::Line;
    } else if is(&"td") || is(&"th") || is(&"option") {
        writer.gap = writer.gap.max(Gap::Space);
    } else if is(&"img") && !closing {
        if let Some(alt) = attribute(attributes, "alt") {
            alternative(alt, writer);
        }
    } else if !closing
        && !attributes.ends_with('/')
        && let Some(hidden) = HIDDEN.iter().find(|known| is(known))
    {
        return after_element(rest, hidden);
    }
    rest
}

/// Attribute values hold references, but no markup.
fn alternative(alt: &str, writer: &mut Writer) {
    let mut rest = alt;
    while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
        let (plain, tail) = split(rest, at);
        writer.put(plain);
        rest = reference(tail, writer);
    }
    writer.put(rest);
}

fn after<'a>(text: &'a str, end: &str) -> &'a str {
    memchr::memmem::find(text.as_bytes(), end.as_bytes())
        .and_then(|at| text.get(at + end.len()..))
        .unwrap_or_default()
}

/// What follows `</name …>`; nothing when the element is never closed.
fn after_element<'a>(text: &'a str, name: &str) -> &'a str {
    let mut rest = text;
    while let Some(at) = memchr::memmem::find(rest.as_bytes(), b"</") {
        rest = rest.get(at + 2..).unwrap_or_default();
        if let Some((head, tail)) = rest.split_at_checked(name.len())
            && head.eq_ignore_ascii_case(name)
        {
            return after(tail, ">");
        }
    }
    ""
}

/// The attributes of a tag up to `>`, which quotes hide, and what follows it. A quote counts only
/// behind `=`: the apostrophe of `<p title=x don't>` opens nothing.
fn attributes<'a>(text: &'a str, quotes_hide: &mut bool) -> (&'a str, &'a str) {
    let bytes = text.as_bytes();
    let end_of_tag = |quotes_hide: bool| {
        let mut quote = None;
        let mut previous = b' ';
        bytes.iter().position(|byte| {
            let ends = quote.is_none() && *byte == b'>';
            match quote {
                Some(open) if open == byte => quote = None,
                None if quotes_hide && previous == b'=' && matches!(byte, b'"' | b'\'') => {
                    quote = Some(byte);
                }
                _ => {}
            }
            if !byte.is_ascii_whitespace() {
                previous = *byte;
            }
            ends
        })
    };
    let end = end_of_tag(*quotes_hide).or_else(|| {
        *quotes_hide = false;
        memchr::memchr(b'>', bytes)
    });
    let (attributes, rest) = split(text, end.unwrap_or(text.len()));
    (attributes, rest.get(1..).unwrap_or_default())
}

/// The value of an attribute by its name in lower case.
fn attribute<'a>(attributes: &'a str, name: &str) -> Option<&'a str> {
    let mut rest = attributes;
    loop {
        let at = rest.find('=')?;
        let (head, tail) = split(rest, at);
        let found = head.trim_ascii_end().rsplit(|c: char| c.is_ascii_whitespace()).next()?;
        let tail = tail.get(1..)?.trim_ascii_start();
        let (value, after) = match tail.bytes().next() {
            Some(quote @ (b'"' | b'\'')) => {
                let inner = tail.get(1..)?;
                let end = memchr::memchr(quote, inner.as_bytes()).unwrap_or(inner.len());
                let (value, after) = split(inner, end);
                (value, after.get(1..).unwrap_or_default())
            }
            _ => {
                let end = tail.find(|c: char| c.is_ascii_whitespace()).unwrap_or(tail.len());
                split(tail, end)
            }
        };
        if found.eq_ignore_ascii_case(name) {
            return Some(value);
        }
        rest = after;
    }
}

/// The charset that a `<meta>` in the first kilobyte names.
#[must_use]
pub fn declared_charset(html: &[u8]) -> Option<&str> {
    let head = html.get(..1024).unwrap_or(html);
    let at = memchr::memmem::find(&head.to_ascii_lowercase(), b"charset=")?;
    let value = head.get(at + 8..)?;
    let value = value.strip_prefix(b"\"").or_else(|| value.strip_prefix(b"'")).unwrap_or(value);
    let end = value.iter().position(|b| !b.is_ascii_alphanumeric() && !b"-_:.".contains(b))?;
    std::str::from_utf8(value.get(..end)?).ok().filter(|label| !label.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(html: &str, expected: &str) {
        assert_eq!(text(html, usize::MAX), expected, "{html}");
    }

    #[test]
    fn words_and_blocks() {
        check(
            "<p>Hola <b>mun</b>do</p>\r\n<p> otra\t línea<br>y m&aacute;s",
            "Hola mundo\notra línea\ny más",
        );
        check("<tr><td>a</td><td>b</td></tr><tr><td>c</td></tr>", "a b\nc");
        check("plain text", "plain text");
        check("", "");
        check("<div><div>a</div></div>\n<DIV>b</DIV>", "a\nb");
    }

    #[test]
    fn hidden_parts() {
        check("<head><title>t</title><style>p>b{}</style></head><body>a", "a");
        check("a<script>if (1 < 2) '</p>';</SCRIPT >b", "ab");
        check("a<!-- <p>no</p> -->b<!doctype html>c<?xml x?>d<!-->e", "abcde");
        check("<style>never closed", "");
        check("<svg/>a", "a");
    }

    #[test]
    fn references() {
        check("&lt;a&gt; &amp;amp; &#241; &#xF1; &#128; &nbsp; &eacute", "<a> &amp; ñ ñ € é");
        check("a & b &; &x; &#; &#xffffffff; &unknown;", "a & b &; &x; &#; &#xffffffff; &unknown;");
        check("un&shy;seen&zwj;&#8203;", "unseen");
    }

    #[test]
    fn attributes_and_alternatives() {
        check("<a title=\"a>b\" href='>'>c</a>", "c");
        check("<img src=x alt=\"A &amp; B\"> <IMG ALT=c> <img alt=''>", "A & B c");
        check("<a title=\"open>b</a> c", "b c");
        check("<p title=x don't>a</p>", "a");
    }

    #[test]
    fn not_markup() {
        check("1 < 2 <3 </ <", "1 < 2 <3 </ <");
        check("<p", "");
    }

    #[test]
    fn octets_max() {
        assert!(text(&"<p>word</p>".repeat(1000), 100).len() <= 104);
    }

    #[test]
    fn charset_of_meta() {
        let check = |html: &str, expected| assert_eq!(declared_charset(html.as_bytes()), expected);
        check("<meta charset=\"utf-8\">", Some("utf-8"));
        check("<META content='text/html; CHARSET=iso-8859-1'>", Some("iso-8859-1"));
        check("<p>charset</p>", None);
    }

    proptest! {
        #[test]
        fn never_panics(html in "(<|>|/|a|'|\"|=| |&|#|;|!|-|p|ñ|img|alt|style){0,60}") {
            let _ = text(&html, usize::MAX);
        }
    }
}
