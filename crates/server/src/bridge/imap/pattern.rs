//! Patterns of LIST and LSUB (RFC 9051 §6.3.9): `*` is anything, `%` anything within one level.

use account::types::SEPARATOR;

/// A pattern, ready to be matched against names.
#[derive(Debug)]
pub(super) struct Pattern {
    text: String,
    /// For INBOX, whose name has no case.
    upper: String,
}

impl Pattern {
    /// Of a reference and a pattern, put together as they stand (RFC 9051 §6.3.9: the result is the
    /// server's business).
    pub fn new(reference: &str, pattern: &str) -> Self {
        let mut text = format!("{reference}{pattern}");
        // `inbox/x` names a level below INBOX.
        let level = text.split(SEPARATOR).next().unwrap_or_default().len();
        if text.get(..level).is_some_and(|first| first.eq_ignore_ascii_case("INBOX")) {
            text.replace_range(..level, "INBOX");
        }
        let upper = text.to_ascii_uppercase();
        Self { text, upper }
    }

    /// Whether the name matches.
    pub fn matches(&self, name: &str) -> bool {
        let pattern = if name == "INBOX" { &self.upper } else { &self.text };
        matches(pattern.as_bytes(), name.as_bytes())
    }

    /// Whether `%` stands in it (RFC 3501 §6.3.9 has a rule of its own for LSUB then).
    pub fn has_percent(&self) -> bool {
        self.text.contains('%')
    }
}

/// Linear in most cases, `pattern.len() × name.len()` at worst: each wildcard takes the least that
/// works. Within a level that leaves the most to the next wildcard, so only the last `%` and the
/// last `*` are ever tried again.
fn matches(pattern: &[u8], name: &[u8]) -> bool {
    let (mut at, mut here) = (0, 0);
    let (mut star, mut percent) = (None, None);
    loop {
        match (pattern.get(at), name.get(here)) {
            (Some(b'*'), _) => {
                at += 1;
                star = Some((at, here));
                percent = None;
                continue;
            }
            (Some(b'%'), _) => {
                at += 1;
                percent = Some((at, here));
                continue;
            }
            (Some(want), Some(have)) if want == have => {
                (at, here) = (at + 1, here + 1);
                continue;
            }
            (None, None) => return true,
            _ => {}
        }
        if let Some((after, taken)) = percent
            && name.get(taken).is_some_and(|octet| char::from(*octet) != SEPARATOR)
        {
            percent = Some((after, taken + 1));
            (at, here) = (after, taken + 1);
        } else if let Some((after, taken)) = star
            && taken < name.len()
        {
            star = Some((after, taken + 1));
            percent = None;
            (at, here) = (after, taken + 1);
        } else {
            return false;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[track_caller]
    fn check(pattern: &str, yes: &[&str], no: &[&str]) {
        let pattern = Pattern::new("", pattern);
        for name in yes {
            assert!(pattern.matches(name), "{pattern:?} should match {name}");
        }
        for name in no {
            assert!(!pattern.matches(name), "{pattern:?} should not match {name}");
        }
    }

    #[test]
    fn wildcards() {
        check("*", &["INBOX", "a", "a/b/c"], &[]);
        check("%", &["INBOX", "a"], &["a/b"]);
        check("a/%", &["a/b"], &["a", "a/b/c", "b/b"]);
        check("a/*", &["a/b", "a/b/c"], &["a"]);
        check("*b", &["b", "ab", "a/b", "abb"], &["ba"]);
        check("%b%", &["b", "abc", "bb"], &["a/b", "b/a"]);
        check("%/%", &["a/b"], &["a", "a/b/c"]);
        check("*/%", &["a/b", "a/b/c"], &["a"]);
        check("%a/*c", &["a/c", "ba/xc", "a/x/c"], &["b/c"]);
        check("", &[], &["a"]);
    }

    #[test]
    fn inbox_has_no_case() {
        check("inbox", &["INBOX"], &["inbox2"]);
        check("inb*", &["INBOX"], &["INBOX/x"]);
        check("iNbOx/%", &["INBOX/x"], &["INBOX"]);
        check("%box", &["INBOX"], &["xBOX"]);
    }

    #[test]
    fn references_are_put_before() {
        assert!(Pattern::new("a/", "%").matches("a/b"));
        assert!(!Pattern::new("a/", "%").matches("b"));
        assert!(Pattern::new("inbox", "/*").matches("INBOX/b"));
    }

    /// By the definition, trying everything.
    fn slow(pattern: &[u8], name: &[u8]) -> bool {
        match pattern.split_first() {
            None => name.is_empty(),
            Some((b'*', rest)) => (0..=name.len()).any(|n| slow(rest, &name[n..])),
            Some((b'%', rest)) => {
                let level = name.iter().position(|b| *b == b'/').unwrap_or(name.len());
                (0..=level).any(|n| slow(rest, &name[n..]))
            }
            Some((want, rest)) => {
                name.split_first().is_some_and(|(have, name)| want == have && slow(rest, name))
            }
        }
    }

    proptest! {
        #[test]
        fn as_defined(pattern in "[ab/%*]{0,8}", name in "[ab/]{0,10}") {
            prop_assert_eq!(
                matches(pattern.as_bytes(), name.as_bytes()),
                slow(pattern.as_bytes(), name.as_bytes())
            );
        }

        #[test]
        fn hostile_patterns_end(name in "[a/]{0,300}") {
            matches("*a%".repeat(300).as_bytes(), name.as_bytes());
        }
    }
}
