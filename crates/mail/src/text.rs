//! Text out of mail: encoded words (RFC 2047), charsets, previews, search text.
//!
//! Nothing here fails: text that cannot be decoded is shown as well as it can.

mod word;

pub use crate::casemap::casemap;
pub use crate::charset::decode_charset;
pub use crate::html::text as shown_of_html;
pub use word::decode_header;

use crate::charset::{self, Charset};
use crate::{Part, PartKind, Structure, header, html, mime};
use std::borrow::Cow;

/// Octets of a text/plain body that a preview looks at.
const PREVIEW_PLAIN_OCTETS_MAX: usize = 16 << 10;
/// Octets of a text/html body that a preview looks at: style sheets stand before the text.
const PREVIEW_HTML_OCTETS_MAX: usize = 256 << 10;

/// The first words of a message's text, for lists: at most `chars_max` characters, one line.
/// Quoted lines are left out unless there is nothing else.
#[must_use]
pub fn preview(structure: &Structure, message: &[u8], chars_max: usize) -> String {
    let shown = |html: bool| {
        let parts = structure.parts.iter().filter(move |part| {
            let attached = part.disposition.as_ref().is_some_and(|(kind, _)| kind == "attachment");
            part.media_type == "text" && !attached && is_html(part) == html
        });
        parts.take(8)
    };
    for part in shown(false).filter(|part| part.media_subtype == "plain") {
        let text = of_part(part, message, PREVIEW_PLAIN_OCTETS_MAX);
        let unquoted = text.lines().filter(|line| !line.starts_with('>'));
        let line = one_line(unquoted.flat_map(str::split_whitespace), chars_max);
        if !line.is_empty() {
            return line;
        }
        let line = one_line(text.split_whitespace(), chars_max);
        if !line.is_empty() {
            return line;
        }
    }
    for part in shown(true) {
        let source = of_part(part, message, PREVIEW_HTML_OCTETS_MAX);
        let text = html::text(&source, chars_max.saturating_mul(4).max(1));
        let line = one_line(text.split_whitespace(), chars_max);
        if !line.is_empty() {
            return line;
        }
    }
    String::new()
}

fn one_line<'a>(words: impl Iterator<Item = &'a str>, chars_max: usize) -> String {
    let mut line = String::new();
    let mut left = chars_max;
    for word in words {
        // Rules of `-----` or `=====` say nothing.
        if word.len() > 3 && word.bytes().all(|b| b.is_ascii_punctuation()) {
            continue;
        }
        let space = if line.is_empty() { "" } else { " " };
        for letter in space.chars().chain(word.chars().filter(|c| !c.is_control())) {
            if left == 0 {
                return line.trim_end().to_owned();
            }
            line.push(letter);
            left -= 1;
        }
    }
    line
}

/// Calls `each` with the texts of a message's body, in order, for search: of every text part and
/// delivery report the text, decoded of its transfer encoding and charset, HTML turned to text; of
/// every message inside its decoded header; of every other part its file name and description.
/// Stops when `each` gives `false`. Gives whether it ran to the end.
pub fn texts(structure: &Structure, message: &[u8], each: &mut dyn FnMut(&str) -> bool) -> bool {
    for (at, part) in structure.parts.iter().enumerate() {
        if at > 0 {
            let names = part_names(part);
            if !names.is_empty() && !each(&names) {
                return false;
            }
        }
        if let PartKind::Message(_, inner) = part.kind {
            let header = structure.parts.get(inner as usize).map(|part| part.header.clone());
            let header = decoded_header(slice(message, header.unwrap_or_default()));
            if !header.is_empty() && !each(&header) {
                return false;
            }
        }
        // Reports and the parts of RFC 3464 are text by another name.
        let textual = part.media_type == "text" || part.media_type == "message";
        if !textual || part.kind != PartKind::Leaf {
            continue;
        }
        let text = of_part(part, message, usize::MAX);
        let text = if is_html(part) { Cow::Owned(html::text(&text, usize::MAX)) } else { text };
        if !text.is_empty() && !each(&text) {
            return false;
        }
    }
    true
}

fn is_html(part: &Part) -> bool {
    part.media_type == "text" && matches!(part.media_subtype.as_str(), "html" | "xhtml" | "x-html")
}

fn slice(message: &[u8], range: std::ops::Range<u32>) -> &[u8] {
    message.get(range.start as usize..range.end as usize).unwrap_or_default()
}

/// Text in no declared charset: what a byte order mark says, else UTF-8 when valid, else
/// Windows-1252.
#[must_use]
pub fn guessed(bytes: &[u8]) -> Cow<'_, str> {
    match encoding_rs::Encoding::for_bom(bytes) {
        Some((encoding, mark)) => {
            encoding.decode_without_bom_handling(bytes.get(mark..).unwrap_or_default()).0
        }
        None => charset::guess(bytes),
    }
}

/// The text of an HTML document whose charset only it can tell; stops after about `octets_max`
/// octets of text.
#[must_use]
pub fn of_html(document: &[u8], octets_max: usize) -> String {
    let marked = encoding_rs::Encoding::for_bom(document).is_some();
    let declared = html::declared_charset(document).filter(|_| !marked).and_then(Charset::of);
    // A `<meta>` that can be read as ASCII cannot be right about UTF-16.
    let sixteen = [encoding_rs::UTF_16LE, encoding_rs::UTF_16BE].map(Charset::Known);
    let source = match declared.filter(|charset| !sixteen.contains(charset)) {
        Some(charset) => charset.decode(document),
        None => guessed(document),
    };
    html::text(&source, octets_max)
}

/// File name and description of a part, decoded.
fn part_names(part: &Part) -> String {
    let names = [part.file_name(), part.description.as_deref()];
    let names: Vec<String> = names.into_iter().flatten().map(decode_header).collect();
    names.join("\n")
}

/// A header with each field unfolded and decoded on a line of its own.
#[must_use]
pub fn decoded_header(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for field in header::fields(bytes) {
        text.push_str(&String::from_utf8_lossy(field.name));
        if !field.name.is_empty() {
            text.push_str(": ");
        }
        text.push_str(&decode_header(field.value));
        text.push('\n');
    }
    text
}

/// The content of a text part as Unicode, HTML with its tags; of a long one, what its first
/// `octets_max` octets hold.
#[must_use]
pub fn of_part<'a>(part: &Part, message: &'a [u8], octets_max: usize) -> Cow<'a, str> {
    let body = slice(message, part.body.clone());
    let body = match body.get(..octets_max) {
        // Cut behind a line, so as not to cut a character.
        Some(cut) => memchr::memrchr(b'\n', cut).and_then(|at| cut.get(..at)).unwrap_or(cut),
        None => body,
    };
    // Of an unknown encoding the raw octets are all that there is.
    let decoded = mime::decode(body, &part.encoding).unwrap_or(Cow::Borrowed(body));
    let label = part.parameter("charset").map(String::from_utf8_lossy);
    let declared = label.as_deref().and_then(Charset::of);
    // A `<meta>` that can be read as ASCII cannot be right about UTF-16.
    let sixteen = [encoding_rs::UTF_16LE, encoding_rs::UTF_16BE].map(Charset::Known);
    let in_html = || {
        let label = html::declared_charset(&decoded).filter(|_| is_html(part))?;
        Charset::of(label).filter(|charset| !sixteen.contains(charset))
    };
    let charset = match declared {
        None | Some(Charset::Ascii) => in_html().or(declared),
        declared => declared,
    };
    match (charset, decoded) {
        (Some(charset), Cow::Borrowed(bytes)) => charset.decode(bytes),
        (Some(charset), Cow::Owned(bytes)) => Cow::Owned(charset.decode(&bytes).into_owned()),
        (None, Cow::Borrowed(bytes)) => charset::guess(bytes),
        (None, Cow::Owned(bytes)) => Cow::Owned(charset::guess(&bytes).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::mime::Limits;

    fn parse(message: &str) -> Structure {
        Structure::parse(message.as_bytes(), &Limits::default())
    }

    fn preview_of(message: &str, chars_max: usize) -> String {
        preview(&parse(message), message.as_bytes(), chars_max)
    }

    const ALTERNATIVE: &str = "Content-Type: multipart/alternative; boundary=b\n\n\
        --b\nContent-Type: text/html\n\n<style>x</style><p>ha&eacute; <i>html</i>\n\
        --b\nContent-Type: text/plain; charset=iso-8859-1\n\
        Content-Transfer-Encoding: quoted-printable\n\n> quoted\nes=F1e =\nplano\n\
        --b\nContent-Type: application/pdf; name=\"=?utf-8?q?a=C3=B1o?=.pdf\"\n\nxx\n--b--\n";

    #[test]
    fn previews() {
        assert_eq!(preview_of(ALTERNATIVE, 100), "esñe plano");
        assert_eq!(preview_of(ALTERNATIVE, 4), "esñe");
        assert_eq!(preview_of(ALTERNATIVE, 5), "esñe");
        assert_eq!(preview_of(ALTERNATIVE, 6), "esñe p");
        assert_eq!(preview_of("Content-Type: text/html\n\n<b>a</b>\n b", 100), "a b");
        assert_eq!(preview_of("A: b\n\n> only\n> quoted", 100), "> only > quoted");
        assert_eq!(preview_of("A: b\n\n------\n  x\ty\n", 100), "x y");
        assert_eq!(preview_of("Content-Type: image/png\n\nxx", 100), "");
        assert_eq!(preview_of("", 0), "");
    }

    fn all(message: &str) -> Vec<String> {
        let mut found = Vec::new();
        assert!(texts(&parse(message), message.as_bytes(), &mut |text| {
            found.push(text.to_owned());
            true
        }));
        found
    }

    #[test]
    fn texts_for_search() {
        assert_eq!(all(ALTERNATIVE), ["haé html", "> quoted\nesñe plano", "año.pdf"]);
        let inner = "Content-Type: message/rfc822\n\nSubject: =?utf-8?q?a=C3=B1o?=\n\nbody\n";
        assert_eq!(all(inner), ["Subject: año\n", "body\n"]);
    }

    #[test]
    fn previews_of_long_bodies_cut_no_character() {
        let line = "ñ".repeat(20);
        let message = format!("A: b\n\n{}", format!("{line}\n").repeat(1_000));
        let long = preview_of(&message, 20_000);
        assert!(long.len() < PREVIEW_PLAIN_OCTETS_MAX);
        assert!(long.split(' ').all(|word| word == line));
    }

    #[test]
    fn texts_stop_when_told() {
        let mut calls = 0;
        assert!(!texts(&parse(ALTERNATIVE), ALTERNATIVE.as_bytes(), &mut |_| {
            calls += 1;
            false
        }));
        assert_eq!(calls, 1);
    }

    #[test]
    fn documents_without_a_charset() {
        assert_eq!(guessed(b"\xef\xbb\xbfa\xc3\xb1o"), "año");
        assert_eq!(guessed(b"\xff\xfea\0\xf1\0"), "añ");
        assert_eq!(guessed(b"a\xf1o"), "año");
        assert_eq!(of_html(b"<meta charset=koi8-r><p>\xf0\xd2\xc9", 100), "При");
        assert_eq!(of_html(b"\xff\xfe<\0p\0>\0\xf1\0", 100), "ñ");
        assert_eq!(of_html("<meta charset=utf-16>ñ".as_bytes(), 100), "ñ");
    }

    #[test]
    fn charset_of_html_without_parameter() {
        let message = b"Content-Type: text/html\n\n<meta charset=koi8-r><p>\xf0\xd2\xc9";
        let structure = Structure::parse(message, &Limits::default());
        assert_eq!(preview(&structure, message, 10), "При");
        let ascii = "Content-Type: text/html; charset=us-ascii\n\n<meta charset=utf-16>ñ";
        assert_eq!(preview_of(ascii, 10), "ñ");
    }
}
