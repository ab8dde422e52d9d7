//! Flags of messages: the five of RFC 9051 §2.3.2 and keywords.

/// System flags as bits.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, PartialOrd, Ord)]
pub struct SystemFlags(pub u8);

impl SystemFlags {
    /// `\Seen`
    pub const SEEN: Self = Self(1);
    /// `\Answered`
    pub const ANSWERED: Self = Self(2);
    /// `\Flagged`
    pub const FLAGGED: Self = Self(4);
    /// `\Draft`
    pub const DRAFT: Self = Self(8);
    /// `\Deleted`: the only flag of a membership instead of the message, so that the old
    /// COPY + STORE \Deleted + EXPUNGE never marks the copy.
    pub const DELETED: Self = Self(16);
    /// None of them.
    pub const NONE: Self = Self(0);

    /// Whether all of `other` are set.
    #[must_use]
    pub const fn contains(self, other: Self) -> bool {
        self.0 & other.0 == other.0
    }
    /// Both together.
    #[must_use]
    pub const fn union(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }
    /// Those of `self` that are not in `other`.
    #[must_use]
    pub const fn minus(self, other: Self) -> Self {
        Self(self.0 & !other.0)
    }
    /// Whether no flag is set.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Each name as IMAP writes it, with its bit, in the order of RFC 9051 §2.3.2.
    pub const NAMES: [(&'static str, Self); 5] = [
        ("\\Seen", Self::SEEN),
        ("\\Answered", Self::ANSWERED),
        ("\\Flagged", Self::FLAGGED),
        ("\\Deleted", Self::DELETED),
        ("\\Draft", Self::DRAFT),
    ];
}

/// The longest keyword in octets; Cyrus and Dovecot bear as much.
pub const KEYWORD_OCTETS_MAX: usize = 128;

/// A keyword (RFC 9051 `flag-keyword`: an atom). Compared without regard to ASCII case, kept as
/// it was first written.
#[derive(Clone, Debug)]
pub struct Keyword(Box<str>);

/// Names of RFC 9979 §4.
const HAS_ATTACHMENT: &str = "$hasattachment";
const HAS_NO_ATTACHMENT: &str = "$hasnoattachment";

impl Keyword {
    /// `None` unless `text` is an IMAP atom of 1 to [`KEYWORD_OCTETS_MAX`] octets.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let atom = |b: u8| b > 0x20 && b < 0x7f && !b"(){%*\"\\]".contains(&b);
        (!text.is_empty() && text.len() <= KEYWORD_OCTETS_MAX && text.bytes().all(atom))
            .then(|| Self(text.into()))
    }
    /// As it was first written.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
    /// `$hasattachment` or `$hasnoattachment` (RFC 9979 §4).
    #[must_use]
    pub fn of_attachments(any: bool) -> Self {
        Self(if any { HAS_ATTACHMENT } else { HAS_NO_ATTACHMENT }.into())
    }
    /// The keyword that a message must not have beside this one. RFC 9979 §4: "A message MUST NOT
    /// have both keywords set simultaneously."
    #[must_use]
    pub fn opposite(&self) -> Option<Self> {
        let says = |any| *self == Self::of_attachments(any);
        [false, true].into_iter().find(|any| says(!any)).map(Self::of_attachments)
    }
}

impl PartialEq for Keyword {
    fn eq(&self, other: &Self) -> bool {
        self.0.eq_ignore_ascii_case(&other.0)
    }
}
impl Eq for Keyword {}
impl std::hash::Hash for Keyword {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        for b in self.0.bytes() {
            state.write_u8(b.to_ascii_lowercase());
        }
    }
}
impl PartialOrd for Keyword {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl Ord for Keyword {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        let lower = |b: u8| b.to_ascii_lowercase();
        self.0.bytes().map(lower).cmp(other.0.bytes().map(lower))
    }
}

/// A message's flags as given or asked for.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Flags {
    /// The system flags.
    pub system: SystemFlags,
    /// Keywords, each once.
    pub keywords: Vec<Keyword>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::{BTreeSet, HashSet};

    #[test]
    fn system_flags_as_sets() {
        let both = SystemFlags::SEEN.union(SystemFlags::DELETED);
        assert!(both.contains(SystemFlags::SEEN) && both.contains(both));
        assert!(!SystemFlags::SEEN.contains(both));
        assert!(both.contains(SystemFlags::NONE));
        assert_eq!(both.minus(SystemFlags::SEEN), SystemFlags::DELETED);
        assert!(both.minus(both).is_empty());
        let all = SystemFlags::NAMES.iter().fold(SystemFlags::NONE, |all, (_, f)| all.union(*f));
        assert_eq!(all, SystemFlags(31));
    }

    #[test]
    fn keywords_are_atoms() {
        for good in ["$Forwarded", "NonJunk", "$label1", "a", "x-y.z:1", "}", "/"] {
            assert_eq!(Keyword::parse(good).unwrap().as_str(), good);
        }
        for bad in
            ["", "a b", "(", "a)b", "{", "100%", "*", "\"", "\\Seen", "]", "ñ", "a\r\n", "\x7f"]
        {
            assert!(Keyword::parse(bad).is_none(), "{bad:?}");
        }
    }

    #[test]
    fn keyword_octets_max() {
        assert!(Keyword::parse(&"k".repeat(KEYWORD_OCTETS_MAX)).is_some());
        assert!(Keyword::parse(&"k".repeat(KEYWORD_OCTETS_MAX + 1)).is_none());
    }

    #[test]
    fn a_message_has_attachments_or_has_none() {
        let word = |text| Keyword::parse(text).unwrap();
        assert_eq!(word("$HasAttachment").opposite(), Some(word("$hasnoattachment")));
        assert_eq!(word("$HASNOATTACHMENT").opposite(), Some(word("$hasattachment")));
        assert_eq!(word("$hasmemo").opposite(), None);
    }

    #[test]
    fn keywords_compare_without_case() {
        let words = ["$Junk", "$junk", "$JUNK", "$Other"].map(|w| Keyword::parse(w).unwrap());
        assert_eq!(words[0], words[2]);
        assert_ne!(words[0], words[3]);
        assert_eq!(words.iter().collect::<HashSet<_>>().len(), 2);
        assert_eq!(words.iter().collect::<BTreeSet<_>>().len(), 2);
        assert!(words[0] < words[3]);
    }
}
