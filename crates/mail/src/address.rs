//! Addresses: `Local-part@Domain` of RFC 5321 §4.1.2 with the UTF-8 of RFC 6531.
//!
//! A local part is kept as it was written, unquoted; what finds it is [`Address::fold`]. A domain
//! has one form: lower case, U-labels. Printing gives what RFC 5321 may read again.

use crate::punycode;
use core::net::{Ipv4Addr, Ipv6Addr};
use std::fmt;
use unicode_normalization::UnicodeNormalization;

/// RFC 5321 §4.5.3.1.1, counted as printed, quotes included.
pub const LOCAL_PART_OCTETS_MAX: usize = 64;
/// RFC 5321 §4.5.3.1.2, counted as printed, and in A-labels too.
pub const DOMAIN_OCTETS_MAX: usize = 255;
/// A path has 256 octets with its angle brackets (RFC 5321 §4.5.3.1.3, RFC 3696 erratum 1690).
pub const ADDRESS_OCTETS_MAX: usize = 254;
/// RFC 1035 §2.3.4, of the A-label.
pub const LABEL_OCTETS_MAX: usize = 63;

/// A domain name or address literal in lower case. A-labels become U-labels, so that both forms of
/// a name are equal; [`Domain::to_ascii`] gives A-labels.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Domain(Box<str>);

/// A mail address. `==` compares the local part as written; [`Address::fold`] is for looking up.
#[derive(Clone, PartialEq, Eq, Hash, Debug, PartialOrd, Ord)]
pub struct Address {
    local: Box<str>,
    domain: Domain,
}

impl Domain {
    /// Reads a domain name or address literal: at most [`DOMAIN_OCTETS_MAX`] octets in labels of at
    /// most [`LABEL_OCTETS_MAX`]. Underscores and hyphens are allowed everywhere in a label, as the
    /// hosts of this world have them.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        if text.is_empty() || text.len() > DOMAIN_OCTETS_MAX {
            return None;
        }
        if let Some(literal) = text.strip_prefix('[') {
            return literal.strip_suffix(']').and_then(address_literal).map(|l| Self(l.into()));
        }
        let labels: Option<Vec<String>> = text.split('.').map(u_label).collect();
        let domain = Self(labels?.join(".").into());
        let fits = domain.0.len() <= DOMAIN_OCTETS_MAX
            && domain.to_ascii().len() <= DOMAIN_OCTETS_MAX
            && domain.0.split('.').all(|label| a_label(label).len() <= LABEL_OCTETS_MAX);
        fits.then_some(domain)
    }

    /// In lower case, with U-labels.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// In lower case, with A-labels (RFC 5890 §2.3.2.1): what DNS and SMTP without SMTPUTF8 know.
    #[must_use]
    pub fn to_ascii(&self) -> String {
        if self.0.is_ascii() {
            return self.0.to_string();
        }
        let labels: Vec<String> = self.0.split('.').map(a_label).collect();
        labels.join(".")
    }

    /// Whether it is an address literal, `[192.0.2.1]` say.
    #[must_use]
    pub fn is_literal(&self) -> bool {
        self.0.starts_with('[')
    }
}

/// A label in lower case and Unicode; `None` when it has a character that no host name has.
fn u_label(label: &str) -> Option<String> {
    let lower: String = label.to_lowercase().nfc().collect();
    let letter = |c: char| match c {
        '-' | '_' => true,
        c if c.is_ascii() => c.is_ascii_alphanumeric(),
        c => is_label_letter(c),
    };
    if lower.is_empty() || !lower.chars().all(letter) {
        return None;
    }
    let decoded = lower.strip_prefix("xn--").and_then(|rest| {
        let text = punycode::decode(rest)?;
        // Only what encodes to the same A-label again, so that no two names become one.
        let canonical = text.to_lowercase().nfc().eq(text.chars()) && !text.is_ascii();
        let plain = text.chars().all(letter) && punycode::encode(&text)? == rest;
        (canonical && plain).then_some(text)
    });
    Some(decoded.unwrap_or(lower))
}

/// Letters, digits and marks of any script; not the dots, spaces and format characters that make
/// one name look like another.
fn is_label_letter(letter: char) -> bool {
    if letter.is_alphanumeric() {
        return true;
    }
    // Combining marks are no letters to Rust; what normalization knows of them does here, and the
    // two joiners and the middle dots of RFC 5892 appendix A.
    unicode_normalization::char::is_combining_mark(letter)
        || matches!(letter, '\u{b7}' | '\u{200c}' | '\u{200d}' | '\u{30fb}' | '\u{375}')
}

/// A label of a domain in ASCII (RFC 5890 §2.3.2.1): as it is, or `xn--` and its Punycode.
#[must_use]
pub fn a_label(label: &str) -> String {
    if label.is_ascii() {
        return label.to_owned();
    }
    punycode::encode(label).map_or_else(|| label.to_owned(), |ascii| format!("xn--{ascii}"))
}

/// `address-literal` of RFC 5321 §4.1.3 without its brackets, in its shortest form, with them.
fn address_literal(text: &str) -> Option<String> {
    if let Ok(address) = text.parse::<Ipv4Addr>() {
        return Some(format!("[{address}]"));
    }
    let (tag, content) = text.split_once(':')?;
    if tag.eq_ignore_ascii_case("ipv6") {
        let address: Ipv6Addr = content.parse().ok()?;
        return Some(format!("[IPv6:{address}]"));
    }
    // `General-address-literal = Standardized-tag ":" 1*dcontent`
    let tag_is_plain = !tag.is_empty()
        && tag.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-')
        && !tag.ends_with('-');
    let dcontent = |b: u8| matches!(b, 0x21..=0x5a | 0x5e..=0x7e);
    let plain = tag_is_plain && !content.is_empty() && content.bytes().all(dcontent);
    plain.then(|| format!("[{}]", text.to_ascii_lowercase()))
}

impl Address {
    /// Reads `local@domain`; a quoted local part is unquoted. Nothing around it: no angle brackets,
    /// no spaces, no comments.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let (local, domain) = match text.strip_prefix('"') {
            Some(quoted) => {
                let (local, rest) = unquote(quoted)?;
                (local, rest.strip_prefix('@')?)
            }
            None => {
                let (local, domain) = text.rsplit_once('@')?;
                if !local.chars().all(|c| is_atext(c) || c == '.') {
                    return None;
                }
                (local.to_owned(), domain)
            }
        };
        Self::new(&local, Domain::parse(domain)?)
    }

    /// From its parts, the local part unquoted. `None` for an empty local part, control characters
    /// in it, and past the limits of this module.
    #[must_use]
    pub fn new(local: &str, domain: Domain) -> Option<Self> {
        if local.is_empty() || local.chars().any(char::is_control) {
            return None;
        }
        let octets = quoted_octets(local);
        let fits =
            octets <= LOCAL_PART_OCTETS_MAX && octets + 1 + domain.0.len() <= ADDRESS_OCTETS_MAX;
        fits.then(|| Self { local: local.into(), domain })
    }

    /// The local part, unquoted, as written.
    #[must_use]
    pub fn local(&self) -> &str {
        &self.local
    }

    /// The domain.
    #[must_use]
    pub const fn domain(&self) -> &Domain {
        &self.domain
    }

    /// The form that finds an address whatever its case: local part in lower case and composed
    /// (NFC), unquoted, `@`, the domain. Different mailboxes never share one: a domain has no `@`.
    #[must_use]
    pub fn fold(&self) -> String {
        let mut folded = fold_local(&self.local);
        folded.push('@');
        folded.push_str(&self.domain.0);
        folded
    }
}

/// The form in which local parts are compared: lower case, composed (NFC).
#[must_use]
pub fn fold_local(local: &str) -> String {
    if local.is_ascii() {
        return local.to_ascii_lowercase();
    }
    let composed: String = local.nfc().collect();
    composed.to_lowercase().nfc().collect()
}

/// What stands between quotes, and what follows the closing one.
fn unquote(quoted: &str) -> Option<(String, &str)> {
    let mut local = String::new();
    let mut letters = quoted.chars();
    loop {
        match letters.next()? {
            '"' => return Some((local, letters.as_str())),
            '\\' => local.push(letters.next()?),
            letter => local.push(letter),
        }
    }
}

/// `atext` of RFC 5322 §3.2.3 with the UTF8-non-ascii of RFC 6531 §3.3.
fn is_atext(letter: char) -> bool {
    letter.is_ascii_alphanumeric()
        || "!#$%&'*+-/=?^_`{|}~".contains(letter)
        || (!letter.is_ascii() && !letter.is_whitespace() && !letter.is_control())
}

/// Whether `local` is no Dot-string (RFC 5321 §4.1.2).
fn needs_quotes(local: &str) -> bool {
    local.split('.').any(|atom| atom.is_empty() || !atom.chars().all(is_atext))
}

fn quoted_octets(local: &str) -> usize {
    let escapes = local.bytes().filter(|b| matches!(b, b'"' | b'\\')).count();
    local.len() + if needs_quotes(local) { escapes + 2 } else { 0 }
}

impl fmt::Display for Domain {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// As SMTP writes it, the local part quoted where it has to be.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !needs_quotes(&self.local) {
            return write!(f, "{}@{}", self.local, self.domain);
        }
        f.write_str("\"")?;
        for letter in self.local.chars() {
            if matches!(letter, '"' | '\\') {
                f.write_str("\\")?;
            }
            write!(f, "{letter}")?;
        }
        write!(f, "\"@{}", self.domain)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(text: &str, local: &str, domain: &str, printed: &str) {
        let address = Address::parse(text).unwrap_or_else(|| panic!("{text}"));
        assert_eq!((address.local(), address.domain().as_str()), (local, domain), "{text}");
        assert_eq!(address.to_string(), printed, "{text}");
        assert_eq!(Address::parse(printed), Some(address), "{text}");
    }

    #[test]
    fn plain_addresses() {
        check("Ana+tag@Example.TEST", "Ana+tag", "example.test", "Ana+tag@example.test");
        check("a@localhost", "a", "localhost", "a@localhost");
        check(
            "!#$%&'*+-/=?^_`{|}~@x_y.test",
            "!#$%&'*+-/=?^_`{|}~",
            "x_y.test",
            "!#$%&'*+-/=?^_`{|}~@x_y.test",
        );
    }

    #[test]
    fn quoted_local_parts() {
        check("\"ana\"@x", "ana", "x", "ana@x");
        check("\"a b\"@x", "a b", "x", "\"a b\"@x");
        check("\"a@b\"@x", "a@b", "x", "\"a@b\"@x");
        check("\"a\\\"b\\\\\"@x", "a\"b\\", "x", "\"a\\\"b\\\\\"@x");
        check("a..b@x", "a..b", "x", "\"a..b\"@x");
        check(".a@x", ".a", "x", "\".a\"@x");
    }

    #[test]
    fn literals() {
        check("a@[192.0.2.1]", "a", "[192.0.2.1]", "a@[192.0.2.1]");
        check("a@[ipv6:2001:DB8:0::1]", "a", "[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]");
        check("a@[X-tag:AB]", "a", "[x-tag:ab]", "a@[x-tag:ab]");
        assert!(Domain::parse("[192.0.2.1]").unwrap().is_literal());
        for bad in ["[", "[]", "[1.2.3]", "[1.2.3.256]", "[IPv6:::g]", "[x:]", "[a:b]c", "[1.2.3.4"]
        {
            assert_eq!(Domain::parse(bad), None, "{bad}");
        }
    }

    #[test]
    fn international_addresses() {
        check("ñandú@españa.test", "ñandú", "españa.test", "ñandú@españa.test");
        check("a@XN--MNCHEN-3YA.de", "a", "münchen.de", "a@münchen.de");
        check("a@M\u{fc}nchen.DE", "a", "münchen.de", "a@münchen.de");
        check("a@mu\u{308}nchen.de", "a", "münchen.de", "a@münchen.de");
        assert_eq!(Domain::parse("münchen.de").unwrap().to_ascii(), "xn--mnchen-3ya.de");
        // A-labels that no encoder writes stay as they are.
        for odd in ["xn--a", "xn--abc-", "xn--zzzzzzzzzzzz"] {
            assert_eq!(Domain::parse(odd).unwrap().as_str(), odd);
        }
    }

    #[test]
    fn not_addresses() {
        for bad in [
            "",
            "a",
            "@x",
            "a@",
            "a b@x",
            "a@x y",
            "<a@x>",
            "a@b@c",
            "\"a@x",
            "\"\"@x",
            "a@x.",
            "a@.x",
            "a@x..y",
            "a\0b@x",
            "\"a\r\nb\"@x",
            "a@x\n",
            "(c)a@x",
            "a,b@x",
            "a@ex\u{2024}com",
            "a\u{a0}b@x",
            "\"a\"b@x",
            "a@x/y",
        ] {
            assert_eq!(Address::parse(bad), None, "{bad:?}");
        }
    }

    #[test]
    fn folding() {
        let fold = |text: &str| Address::parse(text).unwrap().fold();
        assert_eq!(fold("Ana.Ruiz@X.test"), "ana.ruiz@x.test");
        assert_eq!(fold("ÑANDU\u{301}@x"), fold("ñandú@x"));
        assert_eq!(fold("\"ana\"@x"), "ana@x");
        assert_ne!(fold("a.na@x"), fold("ana@x"));
    }

    #[test]
    fn local_part_octets_max() {
        let parse = |n: usize| Address::parse(&format!("{}@x", "a".repeat(n)));
        assert!(parse(64).is_some());
        assert!(parse(65).is_none());
        let quoted = |n: usize| Address::new(&" ".repeat(n), Domain::parse("x").unwrap());
        assert!(quoted(62).is_some());
        assert!(quoted(63).is_none());
    }

    fn domain_of(octets: usize) -> String {
        let mut name = "a.".repeat(octets / 2);
        name.truncate(octets - 1);
        if name.ends_with('.') {
            name.push('b')
        } else {
            name.push('a')
        }
        name
    }

    #[test]
    fn domain_octets_max() {
        assert_eq!(domain_of(255).len(), 255);
        assert!(Domain::parse(&domain_of(255)).is_some());
        assert!(Domain::parse(&domain_of(256)).is_none());
        assert!(Domain::parse(&"a".repeat(63)).is_some());
        assert!(Domain::parse(&"a".repeat(64)).is_none());
        // It is the A-label that counts.
        let label = |n: usize| Domain::parse(&"ñ".repeat(n)).map(|d| d.to_ascii().len());
        let longest = (1..64).take_while(|n| label(*n).is_some()).last().unwrap();
        assert_eq!((label(longest), label(longest + 1)), (Some(63), None));
    }

    #[test]
    fn address_octets_max() {
        let parse = |n: usize| Address::parse(&format!("a@{}", domain_of(n - 2)));
        assert!(parse(254).is_some());
        assert!(parse(255).is_none());
    }

    proptest! {
        #[test]
        fn printing_reads_back(local in "\\PC{1,20}", domain in "[a-z0-9ñ]{1,9}(\\.[a-z]{1,9}){0,2}") {
            let domain = Domain::parse(&domain).unwrap();
            if let Some(address) = Address::new(&local, domain) {
                prop_assert_eq!(Address::parse(&address.to_string()), Some(address));
            }
        }

        #[test]
        fn never_panics(text in "\\PC{0,60}") {
            if let Some(address) = Address::parse(&text) {
                prop_assert_eq!(Address::parse(&address.to_string()), Some(address.clone()));
                let ascii = address.domain().to_ascii();
                prop_assert_eq!(Domain::parse(&ascii), Some(address.domain().clone()));
            }
        }
    }
}
