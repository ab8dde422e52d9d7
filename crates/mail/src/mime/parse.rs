//! The parser of message structure: top down, so that an outer delimiter always ends what is
//! inside. Iterative; each octet is searched once per level of nesting, of which there are at most
//! `depth_max`.

use super::{Encoding, Limits, Part, PartKind, Structure};
use crate::envelope::Envelope;
use crate::header::{self, Field};
use crate::parameter;
use memchr::memmem::Finder;
use std::ops::Range;

pub fn structure(message: &[u8], limits: &Limits) -> Structure {
    let mut parser = Parser {
        message: message.get(..u32::MAX as usize).unwrap_or(message),
        limits,
        parts: Vec::new(),
        open: Vec::new(),
        addresses_left: limits.addresses_max,
    };
    let all = 0..parser.message.len();
    parser.enter(&Place { range: all.clone(), header_end_max: all.end, depth: 0, digest: false });
    while let Some(mut multipart) = parser.open.pop() {
        if parser.parts.len() >= limits.parts_max {
            break;
        }
        let Some(place) = multipart.next_child(parser.message) else { continue };
        let index = parser.parts.len();
        // The last part that there may be takes the rest: nothing is lost.
        let last = index + 1 >= limits.parts_max;
        let place =
            if last { Place { range: place.range.start..multipart.end, ..place } } else { place };
        parser.adopt(multipart.part, index);
        parser.open.push(multipart);
        parser.enter(&place);
    }
    Structure { parts: parser.parts }
}

/// Where a part stands.
struct Place {
    /// Header and body.
    range: Range<usize>,
    /// The header may take the line end that otherwise belongs to the delimiter: `range` ends
    /// before that line end, this is behind it.
    header_end_max: usize,
    /// Containers around it.
    depth: usize,
    /// Whether the default type is message/rfc822 (RFC 2046 §5.1.5).
    digest: bool,
}

/// A multipart whose children are being found.
struct Multipart {
    part: usize,
    delimiter: Finder<'static>,
    /// Where the next child begins, behind a delimiter line.
    child: usize,
    /// Where the body ends.
    end: usize,
    depth: usize,
    digest: bool,
    closed: bool,
}

/// A delimiter line: where it begins, with and without the line end before it, and ends.
struct Delimiter {
    /// Start of the line end before the line.
    before: usize,
    /// Start of the line.
    line: usize,
    /// Behind the line and its line end.
    after: usize,
    closes: bool,
}

impl Multipart {
    fn next_child(&mut self, message: &[u8]) -> Option<Place> {
        if self.closed {
            return None;
        }
        let start = self.child;
        let (end, header_end_max) = match delimiter(&self.delimiter, message, start..self.end) {
            Some(next) => {
                self.closed = next.closes;
                self.child = next.after;
                (next.before, next.line)
            }
            None => {
                self.closed = true;
                (self.end.max(start), self.end.max(start))
            }
        };
        let (depth, digest) = (self.depth + 1, self.digest);
        Some(Place { range: start..end, header_end_max, depth, digest })
    }
}

/// The first delimiter line in a range that begins at the start of a line. RFC 2046 §5.1.1: the
/// delimiter, then nothing but white space; so a boundary that another one begins with is not
/// mistaken for it.
fn delimiter(finder: &Finder<'_>, message: &[u8], within: Range<usize>) -> Option<Delimiter> {
    let bytes = message.get(..within.end)?;
    let mut at = within.start;
    loop {
        let line = at + finder.find(bytes.get(at..)?)?;
        at = line + finder.needle().len();
        if line != within.start && bytes.get(line.wrapping_sub(1)) != Some(&b'\n') {
            continue;
        }
        let tail = bytes.get(at..)?;
        let (closes, tail) = match tail {
            [b'-', b'-', tail @ ..] => (true, tail),
            tail => (false, tail),
        };
        let padding = tail.iter().position(|b| !matches!(b, b' ' | b'\t'));
        let tail = match tail.get(padding.unwrap_or(tail.len())..)? {
            [b'\r', b'\n', tail @ ..] | [b'\n', tail @ ..] => tail,
            // The message ends here, perhaps in the middle of a line end.
            [] | [b'\r'] => &[],
            _ => continue,
        };
        let head = bytes.get(..line)?;
        let head = head.strip_suffix(b"\n").map_or(head, |h| h.strip_suffix(b"\r").unwrap_or(h));
        let before = head.len().max(within.start);
        return Some(Delimiter { before, line, after: bytes.len() - tail.len(), closes });
    }
}

struct Parser<'a> {
    message: &'a [u8],
    limits: &'a Limits,
    parts: Vec<Part>,
    open: Vec<Multipart>,
    addresses_left: usize,
}

impl Parser<'_> {
    /// Adds the part at a place, the messages inside it if it is one, and opens a multipart.
    fn enter(&mut self, place: &Place) {
        let Place { mut range, mut header_end_max, mut depth, digest } =
            Place { range: place.range.clone(), ..*place };
        let mut default_message = digest;
        loop {
            let index = self.parts.len();
            let mut part = self.part(&range, header_end_max, default_message);
            let body = part.body.start as usize..part.body.end as usize;
            let full = depth >= self.limits.depth_max || index + 1 >= self.limits.parts_max;
            if part.media_type == "multipart" {
                self.multipart(part, body, depth, full);
                return;
            }
            if !is_message(&part) || full {
                self.parts.push(part);
                return;
            }
            let inner = self.message.get(body.clone()).unwrap_or_default();
            let header = inner.get(..header::header_octets(inner)).unwrap_or_default();
            let envelope = Envelope::parse_within(header, self.limits, &mut self.addresses_left);
            part.kind = PartKind::Message(Box::new(envelope), offset(index + 1));
            self.parts.push(part);
            (range, header_end_max, depth, default_message) =
                (body.clone(), body.end, depth + 1, false);
        }
    }

    fn multipart(&mut self, mut part: Part, body: Range<usize>, depth: usize, full: bool) {
        let boundary = part.parameter("boundary").map(<[u8]>::trim_ascii_end).unwrap_or_default();
        let delimiter_text = [b"--", boundary].concat();
        if boundary.is_empty() {
            part.media_type = "text".into();
            part.media_subtype = "plain".into();
            part.parameters.clear();
            self.parts.push(part);
            return;
        }
        if full {
            part.media_type = "application".into();
            part.media_subtype = "octet-stream".into();
            self.parts.push(part);
            return;
        }
        let digest = part.media_subtype == "digest";
        let parent = self.parts.len();
        part.kind = PartKind::Multipart(Vec::new());
        self.parts.push(part);
        let finder = Finder::new(&delimiter_text).into_owned();
        let first = delimiter(&finder, self.message, body.clone());
        if let Some(first) = first.filter(|first| !first.closes) {
            self.open.push(Multipart {
                part: parent,
                delimiter: finder,
                child: first.after,
                end: body.end,
                depth,
                digest,
                closed: false,
            });
            return;
        }
        self.adopt(parent, parent + 1);
        self.parts.push(Part {
            header: range(body.start..body.start),
            lines: lines(self.message, &body),
            body: range(body),
            ..plain()
        });
    }

    fn adopt(&mut self, parent: usize, child: usize) {
        if let Some(Part { kind: PartKind::Multipart(children), .. }) = self.parts.get_mut(parent) {
            children.push(offset(child));
        }
    }

    /// Header fields and ranges of a part; as yet a leaf.
    fn part(&self, place: &Range<usize>, header_end_max: usize, digest: bool) -> Part {
        let most = self.message.get(place.start..header_end_max.max(place.end)).unwrap_or_default();
        let header_end = place.start + header::header_octets(most);
        let body = header_end..place.end.max(header_end);
        let mut part = Part {
            header: range(place.start..header_end),
            lines: lines(self.message, &body),
            body: range(body),
            ..plain()
        };
        let header = self.message.get(place.start..header_end).unwrap_or_default();
        let header = header.get(..self.limits.header_octets_max).unwrap_or(header);
        let mut seen = Seen::default();
        for field in header::fields(header).take(self.limits.fields_max) {
            if let Some((head, name)) = field.name.split_at_checked(8)
                && head.eq_ignore_ascii_case(b"content-")
            {
                seen.field(&mut part, name, &field, self.limits.parameters_max);
            }
        }
        if !seen.content_type && digest {
            part.media_type = "message".into();
            part.media_subtype = "rfc822".into();
        }
        part
    }
}

/// Which fields have been met: of fields given twice the first counts.
#[derive(Default)]
struct Seen {
    content_type: bool,
    encoding: bool,
    disposition: bool,
    language: bool,
}

impl Seen {
    fn field(&mut self, part: &mut Part, name: &[u8], field: &Field<'_>, parameters_max: usize) {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        let first = |seen: &mut bool| !std::mem::replace(seen, true);
        if is("type") {
            if first(&mut self.content_type) {
                let (types, parameters) = parameter::content_type(field.value, parameters_max);
                if let Some(types) = types {
                    (part.media_type, part.media_subtype) = types;
                }
                part.parameters = parameters;
            }
        } else if is("transfer-encoding") {
            if first(&mut self.encoding) {
                part.encoding = encoding(parameter::first_token(field.value));
            }
        } else if is("disposition") {
            if first(&mut self.disposition) {
                part.disposition = parameter::disposition(field.value, parameters_max);
            }
        } else if is("language") {
            if first(&mut self.language) {
                part.language = languages(field.value, parameters_max);
            }
        } else {
            let text = match () {
                () if is("id") => &mut part.id,
                () if is("description") => &mut part.description,
                () if is("md5") => &mut part.md5,
                () if is("location") => &mut part.location,
                () => return,
            };
            if text.is_none() {
                *text = Some(field.unfolded());
            }
        }
    }
}

/// RFC 2046 §5.2.1: "No encoding other than 7bit, 8bit, or binary is permitted".
fn is_message(part: &Part) -> bool {
    part.media_type == "message"
        && matches!(part.media_subtype.as_str(), "rfc822" | "global")
        && matches!(part.encoding, Encoding::SevenBit | Encoding::EightBit | Encoding::Binary)
}

fn encoding(token: &[u8]) -> Encoding {
    let is = |name: &str| token.eq_ignore_ascii_case(name.as_bytes());
    match () {
        () if token.is_empty() || is("7bit") => Encoding::SevenBit,
        () if is("8bit") => Encoding::EightBit,
        () if is("binary") => Encoding::Binary,
        () if is("quoted-printable") => Encoding::QuotedPrintable,
        () if is("base64") => Encoding::Base64,
        () => Encoding::Other(String::from_utf8_lossy(token).into_owned()),
    }
}

/// `Language-List = Language-Tag [CFWS] *("," [CFWS] Language-Tag)` (RFC 3282 §2).
fn languages(value: &[u8], tags_max: usize) -> Vec<String> {
    let tags = value.split(|b| *b == b',').map(parameter::first_token);
    let tags = tags.filter(|tag| !tag.is_empty()).take(tags_max);
    tags.map(|tag| String::from_utf8_lossy(tag).into_owned()).collect()
}

fn lines(message: &[u8], body: &Range<usize>) -> u32 {
    let body = message.get(body.clone()).unwrap_or_default();
    offset(memchr::memchr_iter(b'\n', body).count())
}

/// Fits, because the message was cut to 32 bits.
fn offset(at: usize) -> u32 {
    u32::try_from(at).unwrap_or(u32::MAX)
}

fn range(range: Range<usize>) -> Range<u32> {
    offset(range.start)..offset(range.end)
}

/// The part that a header without fields describes (RFC 2045 §5.2).
fn plain() -> Part {
    Part {
        header: 0..0,
        body: 0..0,
        lines: 0,
        media_type: "text".into(),
        media_subtype: "plain".into(),
        parameters: Vec::new(),
        id: None,
        description: None,
        encoding: Encoding::SevenBit,
        md5: None,
        disposition: None,
        language: Vec::new(),
        location: None,
        kind: PartKind::Leaf,
    }
}
