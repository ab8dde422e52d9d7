//! A message as the things that can be learnt of it: words, pairs of words near each other in the
//! subject (orthogonal sparse bigrams), and what header, HTML, links and attachments look like.
//!
//! Each token counts once in a message. Nothing is a token that the way decides by which a message
//! came (Received, Return-Path, fields of mailing lists and of other filters, days), nor the
//! recipient's own domain, which senders of junk forge: what is learnt is of the author's doing.
//! Texts are kept beside the hashes so that a verdict can be explained; they are never stored.

use crate::{Key, header, html, url, words, writing};
use mail::mime::Encoding;
use mail::text;
use mail::{Part, PartKind, Structure};
use std::collections::HashSet;
use std::ops::Range;

/// How much of a message is looked at.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Distinct tokens of a message.
    pub tokens_max: usize,
    /// Octets of text, HTML tags included, of all parts together.
    pub text_octets_max: usize,
    /// Octets of the message's header.
    pub header_octets_max: usize,
    /// Parts of a message that are looked at.
    pub parts_max: usize,
    /// Links of a message.
    pub links_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            tokens_max: 2_000,
            text_octets_max: 64 << 10,
            header_octets_max: 32 << 10,
            parts_max: 64,
            links_max: 64,
        }
    }
}

/// Where a token was found; the same word in two places is two tokens.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A word of the body.
    Word,
    /// A word of the subject.
    Subject,
    /// Two words of the subject, near each other.
    SubjectPair,
    /// What the header looks like.
    Header,
    /// The domain of From.
    From,
    /// Words of the author's name in From.
    Name,
    /// The author's program.
    Mailer,
    /// What the MIME parts look like.
    Structure,
    /// What the HTML looks like.
    Html,
    /// A host, domain or path of a link.
    Link,
    /// What an attachment is.
    Attachment,
    /// How the text is written.
    Writing,
}

/// One thing learnt of a message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Token {
    /// Its name: a keyed hash.
    pub hash: u64,
    /// Where it was found.
    pub kind: Kind,
    first: Range<u32>,
    second: Range<u32>,
}

/// The distinct tokens of a message.
#[derive(Clone, Debug, Default)]
pub struct Tokens {
    texts: String,
    list: Vec<Token>,
}

impl Tokens {
    /// Of names alone, to write a lesson again that was written before; they have no texts.
    #[must_use]
    pub fn of_hashes(hashes: impl Iterator<Item = u64>) -> Self {
        let nameless = |hash| Token { hash, kind: Kind::Word, first: 0..0, second: 0..0 };
        Self { texts: String::new(), list: hashes.map(nameless).collect() }
    }

    /// All, in order of appearance; each hash once.
    #[must_use]
    pub fn list(&self) -> &[Token] {
        &self.list
    }

    /// A token's text for people: `word`, or `two … words`.
    #[must_use]
    pub fn text(&self, token: &Token) -> String {
        let of = |range: &Range<u32>| {
            self.texts.get(range.start as usize..range.end as usize).unwrap_or_default()
        };
        match of(&token.second) {
            "" => of(&token.first).to_owned(),
            second => format!("{} … {second}", of(&token.first)),
        }
    }
}

/// Takes a message apart. `structure` is that of `message`; of another one nonsense comes out.
#[must_use]
pub fn tokens(message: &[u8], structure: &Structure, key: &Key, limits: &Limits) -> Tokens {
    let mut gatherer = Gatherer::new(key, limits);
    let Some(first) = structure.parts.first() else { return gatherer.tokens };
    let end =
        (first.header.end as usize).min(first.header.start as usize + limits.header_octets_max);
    let parties = header::tokens(
        message.get(first.header.start as usize..end).unwrap_or_default(),
        &mut gatherer,
    );
    let parts = structure.parts.get(..limits.parts_max).unwrap_or(&structure.parts);
    for part in parts {
        of_part(part, &mut gatherer);
    }
    if parts.iter().any(is_html) && !parts.iter().any(|part| is_text(part) && !is_html(part)) {
        gatherer.add(Kind::Structure, "html alone");
    }
    let mut left = limits.text_octets_max;
    let mut links = url::Links::new(parties.own.clone(), limits.links_max);
    let mut writing = writing::Writing::default();
    for part in parts.iter().filter(|part| is_text(part)) {
        if left == 0 {
            break;
        }
        let content = text::of_part(part, message, left);
        let body = message.get(part.body.start as usize..part.body.end as usize);
        let body = body.map(|body| body.get(..left).unwrap_or(body)).unwrap_or_default();
        left = left.saturating_sub(content.len().max(1));
        encoded(part, body, &content, &mut gatherer);
        if is_html(part) {
            html::tokens(&content, &mut links, &mut gatherer);
            let shown = text::shown_of_html(&content, content.len());
            writing.read(&shown, &parties);
            words::body(&shown, &mut links, &mut gatherer);
        } else {
            writing.read(&content, &parties);
            words::body(&content, &mut links, &mut gatherer);
        }
    }
    writing.tokens(&mut gatherer);
    gatherer.tokens
}

/// How the text of a part is encoded, and whether it needs to be.
fn encoded(part: &Part, body: &[u8], content: &str, gatherer: &mut Gatherer<'_>) {
    let charset = part.parameter("charset").map(<[u8]>::to_ascii_lowercase);
    match charset.as_deref() {
        None if !content.is_ascii() => {
            gatherer.add(Kind::Structure, "letters of no charset");
        }
        Some(b"us-ascii") if !content.is_ascii() => {
            gatherer.add(Kind::Structure, "letters that us-ascii has not");
        }
        Some(b"us-ascii") | None => {}
        Some(_) if content.is_ascii() => {
            gatherer.add(Kind::Structure, "a charset for ASCII");
        }
        Some(_) => {}
    }
    if part.encoding == Encoding::Base64 && content.is_ascii() {
        gatherer.add(Kind::Structure, "ASCII in base64");
    }
    if part.encoding == Encoding::SevenBit && !body.is_ascii() {
        gatherer.add(Kind::Structure, "eight bits called seven");
    }
}

fn is_text(part: &Part) -> bool {
    let attached = part.disposition.as_ref().is_some_and(|(kind, _)| kind == "attachment");
    part.kind == PartKind::Leaf && part.media_type == "text" && !attached
}

fn is_html(part: &Part) -> bool {
    is_text(part) && matches!(part.media_subtype.as_str(), "html" | "xhtml" | "x-html")
}

fn of_part(part: &Part, gatherer: &mut Gatherer<'_>) {
    let media = format!("{}/{}", part.media_type, part.media_subtype);
    gatherer.add(Kind::Structure, &media);
    gatherer.add(Kind::Structure, part.encoding.name());
    if let Some(charset) = part.parameter("charset") {
        let charset = String::from_utf8_lossy(charset).to_ascii_lowercase();
        gatherer.add(Kind::Structure, &format!("charset {charset}"));
    }
    if let Some(boundary) = part.parameter("boundary") {
        gatherer.add(Kind::Structure, &format!("boundary {}", header::shape(boundary)));
    }
    if part.kind == PartKind::Leaf && !is_text(part) {
        gatherer.add(Kind::Attachment, &media);
    }
    if let Some(name) = part.file_name() {
        let name = text::decode_header(name).to_lowercase();
        let ending = name.rsplit_once('.').map_or("", |(_, ending)| ending);
        gatherer.add(Kind::Attachment, &format!("file .{ending}"));
    }
}

/// Gathers tokens, each once, up to the limit.
pub(crate) struct Gatherer<'a> {
    key: &'a Key,
    tokens_max: usize,
    seen: HashSet<u64>,
    tokens: Tokens,
}

/// Longest text of a token in octets; of longer ones the beginning counts.
const TEXT_OCTETS_MAX: usize = 64;

/// A word with its hash, to be paired with others.
#[derive(Clone)]
pub(crate) struct Word {
    hash: u64,
    text: Range<u32>,
}

impl<'a> Gatherer<'a> {
    fn new(key: &'a Key, limits: &Limits) -> Self {
        let tokens = Tokens::default();
        Self { key, tokens_max: limits.tokens_max, seen: HashSet::new(), tokens }
    }

    /// Whether more tokens would be lost.
    pub(crate) fn full(&self) -> bool {
        self.tokens.list.len() >= self.tokens_max
    }

    /// Adds a token, unless it is there or the message has enough; gives it to be paired.
    pub(crate) fn add(&mut self, kind: Kind, text: &str) -> Option<Word> {
        let text = text.get(..text.floor_char_boundary(TEXT_OCTETS_MAX)).unwrap_or(text);
        let mut named = [0; TEXT_OCTETS_MAX + 1];
        let octets = named.get_mut(..=text.len())?;
        if let [first, rest @ ..] = octets {
            *first = kind as u8;
            rest.copy_from_slice(text.as_bytes());
        }
        let hash = self.key.hash(octets);
        let start = self.tokens.texts.len() as u32;
        let word = Word { hash, text: start..start + text.len() as u32 };
        if self.full() {
            return None;
        }
        // A word said again is written again: pairs of it need its text, and the limit on text
        // bounds what is written.
        self.tokens.texts.push_str(text);
        self.put(hash, kind, [word.text.clone(), 0..0]);
        Some(word)
    }

    /// Adds the pair of two words, `gap` words apart.
    pub(crate) fn pair(&mut self, kind: Kind, [first, second]: [&Word; 2], gap: u8) {
        let mut named = [0; 18];
        {
            let [head, distance, rest @ ..] = &mut named;
            (*head, *distance) = (kind as u8, gap);
            let both = u128::from(first.hash) << 64 | u128::from(second.hash);
            rest.copy_from_slice(&both.to_le_bytes());
        }
        let hash = self.key.hash(&named);
        self.put(hash, kind, [first.text.clone(), second.text.clone()]);
    }

    fn put(&mut self, hash: u64, kind: Kind, [first, second]: [Range<u32>; 2]) {
        if !self.full() && self.seen.insert(hash) {
            self.tokens.list.push(Token { hash, kind, first, second });
        }
    }
}
