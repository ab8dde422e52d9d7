//! Macro strings of SPF records (RFC 7208 §7): read once, expanded against what is checked.
//!
//! Invariants: a [`MacroString`] has valid syntax; expanding it cannot fail. Bytes that are no
//! UTF-8 never get in, as the grammar is ASCII.

use core::net::IpAddr;

/// The longest name that is asked (RFC 7208 §7.3: "greater than 253 characters").
pub const NAME_OCTETS_MAX: usize = 253;

/// `macro-string` of RFC 7208 §7.1, or `explain-string` when spaces were allowed.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MacroString {
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Literal(String),
    Macro(Macro),
}

/// `"%{" macro-letter transformers *delimiter "}"`
#[derive(Clone, PartialEq, Eq, Debug)]
struct Macro {
    letter: char,
    /// An upper-case letter: the value is URL-escaped.
    escaped: bool,
    /// How many parts at the right end stay.
    keep: Option<usize>,
    reverse: bool,
    delimiters: Vec<char>,
}

/// Where a macro string stands, which decides what it may contain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// In a record: no spaces, no `c`, `r`, `t`.
    Record,
    /// In the text that `exp` points at.
    Explanation,
}

/// What macros stand for (RFC 7208 §7.2).
#[derive(Clone, Debug)]
pub struct Values<'a> {
    /// `s`, with a local part always.
    pub sender: &'a str,
    /// `d`: the domain whose record is evaluated now.
    pub domain: &'a str,
    /// `i`, `c`, `v`.
    pub address: IpAddr,
    /// `p`: the validated name of the address, or `unknown`.
    pub validated: &'a str,
    /// `h`.
    pub helo: &'a str,
    /// `r`: who receives.
    pub receiver: &'a str,
    /// `t`: seconds since 1970.
    pub unix_seconds: u64,
}

impl MacroString {
    /// ```abnf
    /// macro-string  = *( macro-expand / macro-literal )
    /// macro-expand  = ( "%{" macro-letter transformers *delimiter "}" ) / "%%" / "%_" / "%-"
    /// macro-literal = %x21-24 / %x26-7E
    /// explain-string = *( macro-string / SP )
    /// ```
    pub fn parse(text: &str, place: Place) -> Option<Self> {
        let mut parts = Vec::new();
        let mut literal = String::new();
        let mut rest = text;
        while let Some(first) = rest.chars().next() {
            if let Some(inside) = rest.strip_prefix("%{") {
                let (body, after) = inside.split_once('}')?;
                if !literal.is_empty() {
                    parts.push(Part::Literal(std::mem::take(&mut literal)));
                }
                parts.push(Part::Macro(Macro::parse(body, place)?));
                rest = after;
            } else if let Some(after) = rest.strip_prefix('%') {
                literal.push_str(match after.chars().next()? {
                    '%' => "%",
                    '_' => " ",
                    '-' => "%20",
                    _ => return None,
                });
                rest = after.get(1..)?;
            } else {
                let plain = first.is_ascii_graphic() || first == ' ' && place == Place::Explanation;
                if !plain {
                    return None;
                }
                literal.push(first);
                rest = rest.get(1..)?;
            }
        }
        if !literal.is_empty() {
            parts.push(Part::Literal(literal));
        }
        Some(Self { parts })
    }

    /// `domain-spec = macro-string domain-end`
    pub fn parse_domain(text: &str) -> Option<Self> {
        let parsed = Self::parse(text, Place::Record)?;
        domain_end(text).then_some(parsed)
    }

    /// Whether `%{p}` is in it, which costs lookups.
    pub fn needs_validated(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Macro(found) if found.letter == 'p'))
    }

    /// Puts values in.
    pub fn expand(&self, values: &Values<'_>) -> String {
        let mut out = String::new();
        for part in &self.parts {
            match part {
                Part::Literal(text) => out.push_str(text),
                Part::Macro(found) => found.expand(values, &mut out),
            }
        }
        out
    }

    /// As [`MacroString::expand`], made a name to ask: no dot at the end, and "if the resulting
    /// domain name exceeds 253 characters, the left side is truncated to fit, by removing
    /// successive domain labels" (RFC 7208 §7.3).
    pub fn expand_name(&self, values: &Values<'_>) -> String {
        let expanded = self.expand(values);
        let mut name = expanded.strip_suffix('.').unwrap_or(&expanded);
        while name.len() > NAME_OCTETS_MAX {
            match name.split_once('.') {
                Some((_, shorter)) => name = shorter,
                None => break,
            }
        }
        name.to_owned()
    }
}

/// ```abnf
/// domain-end = ( "." toplabel [ "." ] ) / macro-expand
/// toplabel   = ( *alphanum ALPHA *alphanum ) /
///              ( 1*alphanum "-" *( alphanum / "-" ) alphanum )
/// ```
fn domain_end(text: &str) -> bool {
    if text.ends_with('}') || ends_in_percent_pair(text) {
        return true;
    }
    let Some((_, label)) = text.strip_suffix('.').unwrap_or(text).rsplit_once('.') else {
        return false;
    };
    let alphanumeric = |b: Option<&u8>| b.is_some_and(u8::is_ascii_alphanumeric);
    let bytes = label.as_bytes();
    alphanumeric(bytes.first())
        && alphanumeric(bytes.last())
        && bytes.iter().all(|b| b.is_ascii_alphanumeric() || *b == b'-')
        && !bytes.iter().all(u8::is_ascii_digit)
}

/// Whether `%%`, `%_` or `%-` ends the text. What was read before is a valid macro string, so an
/// odd number of `%` before the last character opens one.
fn ends_in_percent_pair(text: &str) -> bool {
    let Some(before) = text.strip_suffix(['%', '_', '-']) else { return false };
    before.bytes().rev().take_while(|b| *b == b'%').count() % 2 == 1
}

impl Macro {
    /// ```abnf
    /// macro-letter = "s" / "l" / "o" / "d" / "i" / "p" / "h" / "c" / "r" / "t" / "v"
    /// transformers = *DIGIT [ "r" ]
    /// delimiter    = "." / "-" / "+" / "," / "/" / "_" / "="
    /// ```
    fn parse(body: &str, place: Place) -> Option<Self> {
        let first = body.chars().next()?;
        let letter = first.to_ascii_lowercase();
        let known = match place {
            Place::Record => "slodiphv".contains(letter),
            Place::Explanation => "slodiphvcrt".contains(letter),
        };
        if !known {
            return None;
        }
        let rest = body.get(1..)?;
        let digits = rest.bytes().take_while(u8::is_ascii_digit).count();
        let (number, rest) = rest.split_at_checked(digits)?;
        // "the DIGIT ... MUST be nonzero"; more digits than a number holds keep everything too.
        let keep = match number.bytes().all(|b| b == b'0') {
            true if !number.is_empty() => return None,
            true => None,
            false => Some(number.parse().unwrap_or(usize::MAX)),
        };
        let (reverse, rest) = match rest.strip_prefix(['r', 'R']) {
            Some(rest) => (true, rest),
            None => (false, rest),
        };
        if !rest.chars().all(|c| ".-+,/_=".contains(c)) {
            return None;
        }
        let delimiters = if rest.is_empty() { vec!['.'] } else { rest.chars().collect() };
        Some(Self { letter, escaped: first.is_ascii_uppercase(), keep, reverse, delimiters })
    }

    fn expand(&self, values: &Values<'_>, out: &mut String) {
        let value = self.value(values);
        let mut parts: Vec<&str> = value.split(self.delimiters.as_slice()).collect();
        if self.reverse {
            parts.reverse();
        }
        let skipped = self.keep.map_or(0, |keep| parts.len().saturating_sub(keep));
        let chosen = parts.split_off(skipped).join(".");
        if self.escaped { escape(&chosen, out) } else { out.push_str(&chosen) }
    }

    fn value(&self, values: &Values<'_>) -> String {
        let (local, domain) = values.sender.rsplit_once('@').unwrap_or(("", values.sender));
        match (self.letter, values.address) {
            ('s', _) => values.sender.to_owned(),
            ('l', _) => local.to_owned(),
            ('o', _) => domain.to_owned(),
            ('d', _) => values.domain.to_owned(),
            ('i', IpAddr::V4(address)) => address.to_string(),
            ('i', IpAddr::V6(address)) => nibbles(address.octets()),
            ('p', _) => values.validated.to_owned(),
            ('v', IpAddr::V4(_)) => "in-addr".to_owned(),
            ('v', IpAddr::V6(_)) => "ip6".to_owned(),
            ('h', _) => values.helo.to_owned(),
            ('c', address) => address.to_string(),
            ('r', _) => values.receiver.to_owned(),
            ('t', _) => values.unix_seconds.to_string(),
            _ => String::new(),
        }
    }
}

/// "For IPv6 addresses, the "i" macro expands to a dot-format address" (RFC 7208 §7.3).
fn nibbles(octets: [u8; 16]) -> String {
    let digits = octets.iter().flat_map(|octet| [octet >> 4, octet & 15]);
    digits.map(|digit| format!("{digit:X}")).collect::<Vec<_>>().join(".")
}

/// Escapes all that RFC 3986 §2.3 does not call unreserved.
fn escape(text: &str, out: &mut String) {
    for byte in text.bytes() {
        if byte.is_ascii_alphanumeric() || b"-._~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
}
