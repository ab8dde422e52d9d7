//! i;unicode-casemap (RFC 5051): the form of text that search and sort compare.

use std::borrow::Cow;
use unicode_normalization::UnicodeNormalization;

/// i;unicode-casemap in the form that substring search compares (RFC 5051): title-cased,
/// decomposed. Both haystack and needle go through this.
///
/// Decomposition (NFKD) comes first, so that ligatures and digraphs compare by their letters; of
/// the simple mappings of RFC 5051 §2 upper case stands for title case, which differs in nothing
/// else once digraphs are apart. Letters whose upper case is several letters (ß) stay.
#[must_use]
pub fn casemap(text: &str) -> String {
    folded(text).into_owned()
}

/// As [`casemap`]; borrows what is in that form already.
pub fn folded(text: &str) -> Cow<'_, str> {
    if text.is_ascii() {
        if text.bytes().any(|b| b.is_ascii_lowercase()) {
            return Cow::Owned(text.to_ascii_uppercase());
        }
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len() + text.len() / 8);
    let mut rest = text;
    while !rest.is_empty() {
        // Runs of ASCII need no tables. A combining mark behind one belongs to its last letter, but
        // that is decomposed already, and no order of marks crosses a letter.
        let ascii = rest.bytes().position(|b| !b.is_ascii()).unwrap_or(rest.len());
        let (plain, other) = rest.split_at_checked(ascii).unwrap_or((rest, ""));
        out.extend(plain.chars().map(|c| c.to_ascii_uppercase()));
        let end = other.bytes().position(|b| b.is_ascii()).unwrap_or(other.len());
        let (run, after) = other.split_at_checked(end).unwrap_or((other, ""));
        out.extend(run.nfkd().map(simple_upper).nfkd());
        rest = after;
    }
    Cow::Owned(out)
}

fn simple_upper(letter: char) -> char {
    let mut upper = letter.to_uppercase();
    match (upper.next(), upper.next()) {
        (Some(single), None) => single,
        _ => letter,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn check(a: &str, b: &str) {
        assert_eq!(casemap(a), casemap(b), "{a} {b}");
    }

    #[test]
    fn equal_under_casemap() {
        check("hello", "HeLLo");
        check("Ñandú", "ñANDÚ");
        check("e\u{301}", "É");
        check("ﬁn", "FIN");
        check("ǆ", "ǅ");
        check("Ω", "ω");
        check("ς", "Σ");
        check("Привет", "пРИВЕТ");
        check("ｆｕｌｌ", "FULL");
        check("Å", "\u{212b}");
    }

    #[test]
    fn not_equal() {
        assert_ne!(casemap("ß"), casemap("ss"));
        assert_ne!(casemap("n"), casemap("ñ"));
        assert!(casemap("Ñandú").starts_with('N'));
    }

    proptest! {
        #[test]
        fn idempotent(text in "\\PC{0,40}") {
            let once = casemap(&text);
            prop_assert_eq!(casemap(&once), once);
        }

        #[test]
        fn a_part_is_found_in_the_whole(a in "\\PC{0,10}", b in "[a-z]{1,5}", c in "[a-z ]{0,10}") {
            let whole = casemap(&[a, b.clone(), c].concat());
            prop_assert!(whole.contains(&casemap(&b)));
        }
    }
}
