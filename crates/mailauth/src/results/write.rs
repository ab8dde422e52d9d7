//! Writes `authres-payload` (RFC 8601 §2.2), folded at 78 columns where it can be.

use super::{Entry, REASON_OCTETS_MAX, Results, VALUE_OCTETS_MAX};

/// RFC 5322 §2.1.1: "SHOULD be no more than 78 characters".
const COLUMNS: usize = 78;

pub fn value(results: &Results, before: usize) -> String {
    let mut line = Folded { text: String::new(), column: before };
    line.push(&pvalue(&results.authserv_id));
    if results.entries.is_empty() {
        line.text.push(';');
        line.word("none");
    }
    for entry in &results.entries {
        line.text.push(';');
        line.entry(entry);
    }
    line.text
}

struct Folded {
    text: String,
    column: usize,
}

impl Folded {
    fn push(&mut self, word: &str) {
        self.text.push_str(word);
        self.column += word.len();
    }

    /// A word behind white space, on a line of its own if it does not fit; one column stays for
    /// the semicolon that may follow.
    fn word(&mut self, word: &str) {
        if self.column + 1 + word.len() < COLUMNS {
            self.push(" ");
        } else {
            self.fold();
        }
        self.push(word);
    }

    fn fold(&mut self) {
        self.text.push_str("\r\n\t");
        // What a tab is shown as.
        self.column = 8;
    }

    /// Each result begins a line.
    fn entry(&mut self, entry: &Entry) {
        self.fold();
        self.push(&format!("{}={}", keyword(&entry.method), keyword(&entry.result)));
        if let Some(comment) = &entry.comment {
            self.comment(comment);
        }
        if let Some(reason) = &entry.reason {
            self.word(&format!("reason={}", quoted(reason, REASON_OCTETS_MAX)));
        }
        for property in &entry.properties {
            let (kind, name) = (keyword(&property.kind), keyword(&property.name));
            self.word(&format!("{kind}.{name}={}", pvalue(&property.value)));
        }
    }

    /// A comment is folded between its words; one space stays between them.
    fn comment(&mut self, comment: &str) {
        let mut escaped = String::new();
        for c in cut(comment, REASON_OCTETS_MAX).chars().map(visible) {
            if matches!(c, '(' | ')' | '\\') {
                escaped.push('\\');
            }
            escaped.push(c);
        }
        let whole = format!("({escaped})");
        for word in whole.split_ascii_whitespace() {
            self.word(word);
        }
    }
}

/// `Keyword` of RFC 5321: letters, digits, hyphens; nothing else is written. Method versions are
/// not used.
fn keyword(text: &str) -> String {
    let plain = |c: &char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_');
    let kept: String = text.chars().filter(plain).take(64).collect();
    if kept.is_empty() { "x".to_owned() } else { kept }
}

/// `value` or `[ [ local-part ] "@" ] domain-name`, quoted when it has to be.
fn pvalue(text: &str) -> String {
    let plain = match text.split_once('@') {
        Some((local, domain)) => (local.is_empty() || dot_atom(local)) && dot_atom(domain),
        None => !text.is_empty() && text.bytes().all(is_token),
    };
    if plain && text.len() <= VALUE_OCTETS_MAX {
        return text.to_owned();
    }
    quoted(text, VALUE_OCTETS_MAX)
}

fn dot_atom(text: &str) -> bool {
    let atom = |a: &str| !a.is_empty() && a.bytes().all(|b| is_token(b) && b != b'.');
    text.split('.').all(atom)
}

/// `token` of RFC 2045 §5.1.
const fn is_token(byte: u8) -> bool {
    let special = matches!(byte, b'(' | b')' | b'<'..=b'@' | b',' | b';' | b':' | b'[' | b']')
        || matches!(byte, b'\\' | b'"' | b'/');
    byte.is_ascii_graphic() && !special
}

fn quoted(text: &str, octets_max: usize) -> String {
    let mut out = String::from("\"");
    for c in cut(text, octets_max).chars().map(visible) {
        if matches!(c, '"' | '\\') {
            out.push('\\');
        }
        out.push(c);
    }
    out.push('"');
    out
}

/// Control characters, line ends first, become spaces.
fn visible(c: char) -> char {
    if c.is_control() { ' ' } else { c }
}

fn cut(text: &str, octets_max: usize) -> &str {
    text.get(..text.floor_char_boundary(octets_max)).unwrap_or(text)
}
