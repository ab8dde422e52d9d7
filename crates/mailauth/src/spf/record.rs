//! An SPF record (RFC 7208 §4.5, §4.6 and §12), read whole before anything is asked.
//!
//! Invariants: a [`Record`] has valid syntax; each term is kept as it was written, for the reason
//! that is given in the end.

use super::Limits;
use super::macros::{MacroString, Place};
use core::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// A record that can be evaluated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Record {
    pub directives: Vec<Directive>,
    /// `redirect=` (RFC 7208 §6.1).
    pub redirect: Option<MacroString>,
    /// `exp=` (RFC 7208 §6.2).
    pub explanation: Option<MacroString>,
}

/// What a match means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Qualifier {
    Pass,
    Fail,
    SoftFail,
    Neutral,
}

/// `directive = [ qualifier ] mechanism`
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Directive {
    pub qualifier: Qualifier,
    pub mechanism: Mechanism,
    /// The mechanism as the record has it, without its qualifier.
    pub text: String,
}

/// RFC 7208 §5. `None` as a domain is the domain that is evaluated.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Mechanism {
    All,
    Include(MacroString),
    Addresses(Option<MacroString>, Prefixes),
    Exchanges(Option<MacroString>, Prefixes),
    Pointer(Option<MacroString>),
    Network(IpAddr, u32),
    Exists(MacroString),
}

/// `dual-cidr-length`: how many bits count.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefixes {
    pub v4: u32,
    pub v6: u32,
}

/// Why a record cannot be evaluated: the term that is wrong.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Malformed(pub String);

/// `version = "v=spf1"`: "the record ends or a space follows" (RFC 7208 §4.5). Says what follows.
pub fn terms(record: &[u8]) -> Option<&[u8]> {
    let (version, rest) = record.split_at_checked(6)?;
    let mine = version.eq_ignore_ascii_case(b"v=spf1") && matches!(rest, [] | [b' ', ..]);
    mine.then_some(rest)
}

impl Record {
    /// `terms = *( 1*SP ( directive / modifier ) )`, then `*SP`.
    pub fn parse(terms: &[u8], limits: &Limits) -> Result<Self, Malformed> {
        if terms.len() > limits.record_octets_max {
            return Err(Malformed(format!("more than {} octets", limits.record_octets_max)));
        }
        if !terms.is_ascii() {
            return Err(Malformed("a record that is not ASCII".to_owned()));
        }
        let text = String::from_utf8_lossy(terms);
        let mut record = Self { directives: Vec::new(), redirect: None, explanation: None };
        for term in text.split(' ').filter(|term| !term.is_empty()) {
            record.term(term).ok_or_else(|| Malformed(printable(term)))?;
        }
        Ok(record)
    }

    fn term(&mut self, term: &str) -> Option<()> {
        if let Some((name, value)) = modifier(term) {
            return self.modifier(name, value);
        }
        let (qualifier, text) = match term.split_at_checked(1)? {
            ("+", rest) => (Qualifier::Pass, rest),
            ("-", rest) => (Qualifier::Fail, rest),
            ("~", rest) => (Qualifier::SoftFail, rest),
            ("?", rest) => (Qualifier::Neutral, rest),
            _ => (Qualifier::Pass, term),
        };
        let mechanism = Mechanism::parse(text)?;
        self.directives.push(Directive { qualifier, mechanism, text: text.to_owned() });
        Some(())
    }

    fn modifier(&mut self, name: &str, value: &str) -> Option<()> {
        let slot = match name.to_ascii_lowercase().as_str() {
            "redirect" => &mut self.redirect,
            "exp" => &mut self.explanation,
            // "Unrecognized modifiers MUST be ignored" (RFC 7208 §6), but have to be well formed.
            _ => return MacroString::parse(value, Place::Record).map(|_| ()),
        };
        // "The modifiers "redirect" and "exp" ... MUST NOT appear in a record more than once each."
        if slot.is_some() {
            return None;
        }
        *slot = Some(MacroString::parse_domain(value)?);
        Some(())
    }

    /// Whether `all` is anywhere: then "redirect" is ignored (RFC 7208 §6.1).
    pub fn has_all(&self) -> bool {
        self.directives.iter().any(|directive| directive.mechanism == Mechanism::All)
    }
}

/// ```abnf
/// unknown-modifier = name "=" macro-string
/// name             = ALPHA *( ALPHA / DIGIT / "-" / "_" / "." )
/// ```
fn modifier(term: &str) -> Option<(&str, &str)> {
    let (name, value) = term.split_once('=')?;
    let named = name.starts_with(|c: char| c.is_ascii_alphabetic())
        && name.bytes().all(|b| b.is_ascii_alphanumeric() || b"-_.".contains(&b));
    named.then_some((name, value))
}

impl Mechanism {
    fn parse(text: &str) -> Option<Self> {
        let end = text.find([':', '/']).unwrap_or(text.len());
        let (name, argument) = text.split_at_checked(end)?;
        let domain = argument.strip_prefix(':');
        match name.to_ascii_lowercase().as_str() {
            "all" if argument.is_empty() => Some(Self::All),
            "include" => Some(Self::Include(MacroString::parse_domain(domain?)?)),
            "exists" => Some(Self::Exists(MacroString::parse_domain(domain?)?)),
            "a" => domain_and_prefixes(argument).map(|(d, p)| Self::Addresses(d, p)),
            "mx" => domain_and_prefixes(argument).map(|(d, p)| Self::Exchanges(d, p)),
            "ptr" if argument.is_empty() => Some(Self::Pointer(None)),
            "ptr" => Some(Self::Pointer(Some(MacroString::parse_domain(domain?)?))),
            "ip4" => {
                let (address, bits) = network(domain?, 32)?;
                Some(Self::Network(IpAddr::V4(address.parse::<Ipv4Addr>().ok()?), bits))
            }
            "ip6" => {
                let (address, bits) = network(domain?, 128)?;
                Some(Self::Network(IpAddr::V6(address.parse::<Ipv6Addr>().ok()?), bits))
            }
            _ => None,
        }
    }
}

/// `ip4-network [ ip4-cidr-length ]`, and that of `ip6`.
fn network(text: &str, bits_max: u32) -> Option<(&str, u32)> {
    match text.split_once('/') {
        Some((address, bits)) => Some((address, prefix(bits, bits_max)?)),
        None => Some((text, bits_max)),
    }
}

/// `"0" / %x31-39 0*1DIGIT`, 0 to 32, and so on to 128.
fn prefix(digits: &str, bits_max: u32) -> Option<u32> {
    let plain = digits.bytes().all(|b| b.is_ascii_digit()) && (1..=3).contains(&digits.len());
    if !plain || digits.len() > 1 && digits.starts_with('0') {
        return None;
    }
    digits.parse().ok().filter(|bits| *bits <= bits_max)
}

/// ```abnf
/// [ ":" domain-spec ] [ dual-cidr-length ]
/// dual-cidr-length = [ ip4-cidr-length ] [ "/" ip6-cidr-length ]
/// ```
fn domain_and_prefixes(argument: &str) -> Option<(Option<MacroString>, Prefixes)> {
    // A `domain-spec` ends in a label that is not all digits or in a macro, so the slashes and
    // digits at the end, from their first slash on, are lengths.
    let tail = argument.trim_end_matches(|c: char| c.is_ascii_digit() || c == '/').len();
    let (_, numbers) = argument.split_at_checked(tail)?;
    let slash = tail + numbers.find('/').unwrap_or(numbers.len());
    let (domain, lengths) = argument.split_at_checked(slash)?;
    let domain = match domain.strip_prefix(':') {
        Some(name) => Some(MacroString::parse_domain(name)?),
        None if domain.is_empty() => None,
        None => return None,
    };
    let (v4, v6) = match lengths.split_once("//") {
        Some((v4, v6)) => (v4, Some(v6)),
        None => (lengths, None),
    };
    let v4 = match v4.strip_prefix('/') {
        Some(digits) => prefix(digits, 32)?,
        None if v4.is_empty() => 32,
        None => return None,
    };
    let v6 = v6.map_or(Some(128), |digits| prefix(digits, 128))?;
    Some((domain, Prefixes { v4, v6 }))
}

/// The term for a reason: control characters out, and no more than a line.
fn printable(term: &str) -> String {
    term.chars().filter(char::is_ascii_graphic).take(80).collect()
}
