//! Names of annotations (RFC 5464 §3.2): `/private/comment`, `/shared/vendor/…`.
//!
//! A name that exists is valid. It keeps the case in which it was written and is compared without.

use std::cmp::Ordering;

/// Octets of an entry's name.
pub const ENTRY_OCTETS_MAX: usize = 512;

/// How far below a name entries are meant too (RFC 5464 §4.2.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Depth {
    /// `0`: the entry alone.
    #[default]
    Zero,
    /// `1`: those immediately below it too.
    One,
    /// `infinity`: all below it.
    Infinity,
}

/// The name of an annotation, or of what annotations lie below.
#[derive(Clone, Debug)]
pub struct EntryName(Box<str>);

impl EntryName {
    /// `None` unless `text` begins with `/private` or `/shared`, has no empty component, no octet
    /// but visible ASCII and space, no `*` and no `%`, and at most [`ENTRY_OCTETS_MAX`] octets.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let allowed = |b: u8| (0x20..0x7f).contains(&b) && b != b'*' && b != b'%';
        if text.len() > ENTRY_OCTETS_MAX || !text.bytes().all(allowed) {
            return None;
        }
        let mut components = text.strip_prefix('/')?.split('/');
        let scope = components.next()?;
        let known = ["private", "shared"].iter().any(|known| known.eq_ignore_ascii_case(scope));
        (known && components.all(|one| !one.is_empty())).then(|| Self(text.into()))
    }
    /// As it was written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// In small letters: the same for all ways to write it.
    #[must_use]
    pub fn folded(&self) -> String {
        self.0.to_ascii_lowercase()
    }
    fn components(&self) -> impl Iterator<Item = &str> {
        self.0.split('/').skip(1)
    }
    /// Whether it is one user's, not seen by others (RFC 5464 §3.2).
    #[must_use]
    pub fn is_private(&self) -> bool {
        self.components().next().is_some_and(|scope| scope.eq_ignore_ascii_case("private"))
    }
    /// Whether it can have a value. RFC 5464 §3.2: entries have 2 components at least, those of
    /// vendors "at least 4".
    #[must_use]
    pub fn is_whole(&self) -> bool {
        let vendor = self.components().nth(1).is_some_and(|c| c.eq_ignore_ascii_case("vendor"));
        self.components().count() >= if vendor { 4 } else { 2 }
    }
    /// Whether `other` is this or below it, not deeper than `depth`.
    #[must_use]
    pub fn covers(&self, other: &Self, depth: Depth) -> bool {
        let Some((head, below)) = other.0.split_at_checked(self.0.len()) else { return false };
        if !head.eq_ignore_ascii_case(&self.0) {
            return false;
        }
        match below.strip_prefix('/') {
            None => below.is_empty(),
            Some(below) => match depth {
                Depth::Zero => false,
                Depth::One => !below.contains('/'),
                Depth::Infinity => true,
            },
        }
    }
}

impl PartialEq for EntryName {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}
impl Eq for EntryName {}
impl PartialOrd for EntryName {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for EntryName {
    fn cmp(&self, other: &Self) -> Ordering {
        let lower = |b: u8| b.to_ascii_lowercase();
        self.0.bytes().map(lower).cmp(other.0.bytes().map(lower))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn name(text: &str) -> EntryName {
        EntryName::parse(text).unwrap()
    }

    #[test]
    fn names_by_the_rules_of_rfc_5464_3_2() {
        for good in ["/private", "/Shared/comment", "/private/a b", "/shared/vendor/x/y/z"] {
            assert_eq!(name(good).as_str(), good);
        }
        let bad = ["", "/", "private/a", "/public/a", "/private/", "/private//a", "/shared/a/"];
        for bad in bad.into_iter().chain(["/shared/*", "/shared/%", "/shared/ä", "/shared/\x19"]) {
            assert!(EntryName::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn entry_octets_max() {
        let long = |octets: usize| format!("/private/{}", "x".repeat(octets - 9));
        assert!(EntryName::parse(&long(ENTRY_OCTETS_MAX)).is_some());
        assert!(EntryName::parse(&long(ENTRY_OCTETS_MAX + 1)).is_none());
    }

    #[test]
    fn names_compare_without_case() {
        assert_eq!(name("/private/Comment"), name("/PRIVATE/comment"));
        assert_ne!(name("/private/a"), name("/shared/a"));
        assert!(name("/private/A") < name("/private/b"));
        assert!(name("/Private/a").is_private() && !name("/shared/private").is_private());
    }

    #[test]
    fn entries_have_two_components_and_those_of_vendors_four() {
        for whole in ["/private/comment", "/shared/vendor/x/y", "/shared/vendors/x"] {
            assert!(name(whole).is_whole(), "{whole}");
        }
        for part in ["/private", "/shared/vendor", "/shared/Vendor/x"] {
            assert!(!name(part).is_whole(), "{part}");
        }
    }

    #[test]
    fn depths_of_rfc_5464_4_2_2() {
        let covers = |a: &str, b: &str| {
            [Depth::Zero, Depth::One, Depth::Infinity].map(|depth| name(a).covers(&name(b), depth))
        };
        assert_eq!(covers("/private/a", "/private/A"), [true; 3]);
        assert_eq!(covers("/private/a", "/private/a/b"), [false, true, true]);
        assert_eq!(covers("/private/a", "/private/a/b/c"), [false, false, true]);
        assert_eq!(covers("/private/a", "/private/ab"), [false; 3]);
        assert_eq!(covers("/private/a", "/private"), [false; 3]);
    }
}
