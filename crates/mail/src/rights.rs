//! Rights on a mailbox (RFC 4314 §2.1).

/// A set of rights.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default, PartialOrd, Ord)]
pub struct Rights(pub u16);

impl Rights {
    /// None.
    pub const NONE: Self = Self(0);
    /// `l`: the mailbox is seen by LIST and may be subscribed.
    pub const LOOKUP: Self = Self(1);
    /// `r`: it may be selected, its messages read.
    pub const READ: Self = Self(1 << 1);
    /// `s`: `\Seen` is kept.
    pub const SEEN: Self = Self(1 << 2);
    /// `w`: flags other than `\Seen` and `\Deleted`.
    pub const WRITE: Self = Self(1 << 3);
    /// `i`: APPEND, and COPY into it.
    pub const INSERT: Self = Self(1 << 4);
    /// `p`: mail may be sent to it. Kept, and nothing follows from it here.
    pub const POST: Self = Self(1 << 5);
    /// `k`: mailboxes may be made below it.
    pub const CREATE: Self = Self(1 << 6);
    /// `x`: it may be deleted and renamed.
    pub const DELETE_MAILBOX: Self = Self(1 << 7);
    /// `t`: `\Deleted`.
    pub const DELETE_MESSAGES: Self = Self(1 << 8);
    /// `e`: EXPUNGE.
    pub const EXPUNGE: Self = Self(1 << 9);
    /// `a`: its rights may be changed.
    pub const ADMINISTER: Self = Self(1 << 10);
    /// All of them.
    pub const ALL: Self = Self((1 << 11) - 1);

    /// Letters in the order of RFC 4314 §2.1.
    const LETTERS: [char; 11] = ['l', 'r', 's', 'w', 'i', 'p', 'k', 'x', 't', 'e', 'a'];

    /// From letters; the obsolete `c` and `d` are what they stand for here: `k`, and `x`, `t` and
    /// `e` (§2.1.1). `None` with a letter that is no right.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut rights = Self::NONE;
        for letter in text.chars() {
            let one = match letter {
                'c' => Self::CREATE,
                'd' => Self::DELETE_MAILBOX.and(Self::DELETE_MESSAGES).and(Self::EXPUNGE),
                letter => {
                    let at = Self::LETTERS.iter().position(|known| *known == letter)?;
                    Self(1 << at)
                }
            };
            rights = rights.and(one);
        }
        Some(rights)
    }

    /// These and those.
    #[must_use]
    pub const fn and(self, more: Self) -> Self {
        Self(self.0 | more.0)
    }
    /// These without those.
    #[must_use]
    pub const fn without(self, fewer: Self) -> Self {
        Self(self.0 & !fewer.0)
    }
    /// Whether all of those are among these.
    #[must_use]
    pub const fn has(self, wanted: Self) -> bool {
        self.0 & wanted.0 == wanted.0
    }
    /// Whether some of those are among these.
    #[must_use]
    pub const fn has_any(self, wanted: Self) -> bool {
        self.0 & wanted.0 != 0
    }
    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(self) -> bool {
        self.0 == 0
    }
    /// Letters without the obsolete ones.
    #[must_use]
    pub fn letters(self) -> String {
        let all = Self::LETTERS.iter().zip(0..);
        all.filter(|(_, at)| self.0 & 1 << at != 0).map(|(letter, _)| *letter).collect()
    }
    /// Each of these alone.
    pub fn each(self) -> impl Iterator<Item = Self> {
        (0..Self::LETTERS.len()).map(|at| Self(1 << at)).filter(move |one| self.has(*one))
    }
}

impl std::fmt::Display for Rights {
    /// Letters; with `c` and `d` where all, and any, of what they stand for is there (§2.1.1:
    /// "d" is returned when any of e, t, x is; "c" when k is).
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.letters())?;
        if self.has(Self::CREATE) {
            f.write_str("c")?;
        }
        if self.has_any(Self::DELETE_MAILBOX.and(Self::DELETE_MESSAGES).and(Self::EXPUNGE)) {
            f.write_str("d")?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn letters() {
        assert_eq!(Rights::parse("lrswipkxtea"), Some(Rights::ALL));
        assert_eq!(Rights::ALL.to_string(), "lrswipkxteacd");
        assert_eq!(Rights::parse("lr").unwrap().to_string(), "lr");
        assert_eq!(Rights::parse(""), Some(Rights::NONE));
        assert_eq!(Rights::parse("lz"), None);
        assert_eq!(Rights::parse("L"), None);
    }

    #[test]
    fn obsolete_letters_stand_for_others() {
        assert_eq!(Rights::parse("c"), Some(Rights::CREATE));
        assert_eq!(Rights::parse("d"), Rights::parse("xte"));
        assert_eq!(Rights::parse("t").unwrap().to_string(), "td");
        for number in 0..=Rights::ALL.0 {
            let rights = Rights(number);
            let plain: String = rights.each().map(|one| one.to_string()).collect();
            assert_eq!(Rights::parse(&plain.replace(['c', 'd'], "")), Some(rights));
        }
    }
}
