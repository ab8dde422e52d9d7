//! Threads: what ties messages together (RFC 5256 §2.1 base subject, References).

/// Message ids of one field that count; of more, the last ones, which are the nearest ancestors.
pub const MESSAGE_IDS_MAX: usize = 1_000;

/// The base subject of RFC 5256 §2.1 of a decoded subject, and whether it marked a reply or
/// forward.
#[must_use]
pub fn base_subject(decoded: &str) -> (String, bool) {
    // Step 1: "convert all tabs and continuations to space, multiple spaces to one".
    let spaced: Vec<&str> =
        decoded.split([' ', '\t', '\r', '\n']).filter(|w| !w.is_empty()).collect();
    let subject = spaced.join(" ");
    let mut base = subject.as_str();
    let mut marked = false;
    loop {
        // Step 2: "remove all trailing text of the subject that matches the subj-trailer ABNF".
        base = base.trim_end_matches(' ');
        while let Some(shorter) = strip_suffix_ignoring_case(base, "(fwd)") {
            base = shorter.trim_end_matches(' ');
            marked = true;
        }
        // Steps 3 to 5: `subj-leader = (*subj-blob subj-refwd) / WSP`, then a blob, unless nothing
        // would remain. Taking blobs one by one gives the same.
        loop {
            base = base.trim_start_matches(' ');
            if let Some(rest) = without_refwd(base) {
                base = rest;
                marked = true;
            } else if let Some(rest) = without_blob(base).filter(|rest| !rest.is_empty()) {
                base = rest;
            } else {
                break;
            }
        }
        // Step 6: `[fwd: …]`.
        let inner = strip_prefix_ignoring_case(base, "[fwd:").and_then(|b| b.strip_suffix(']'));
        let Some(inner) = inner else { break };
        base = inner;
        marked = true;
    }
    (base.trim_matches(' ').to_owned(), marked)
}

/// `subj-refwd = ("re" / ("fw" ["d"])) *WSP [subj-blob] ":"`
fn without_refwd(subject: &str) -> Option<&str> {
    let rest = strip_prefix_ignoring_case(subject, "re")
        .or_else(|| strip_prefix_ignoring_case(subject, "fwd"))
        .or_else(|| strip_prefix_ignoring_case(subject, "fw"))?;
    let rest = rest.trim_start_matches(' ');
    let rest = without_blob(rest).unwrap_or(rest);
    rest.strip_prefix(':')
}

/// `subj-blob = "[" *BLOBCHAR "]" *WSP`, where BLOBCHAR is anything but brackets.
fn without_blob(subject: &str) -> Option<&str> {
    let inner = subject.trim_start_matches(' ').strip_prefix('[')?;
    let end = inner.find(['[', ']'])?;
    Some(inner.get(end..)?.strip_prefix(']')?.trim_start_matches(' '))
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn strip_suffix_ignoring_case<'a>(text: &'a str, suffix: &str) -> Option<&'a str> {
    let (rest, tail) = text.split_at_checked(text.len().checked_sub(suffix.len())?)?;
    tail.eq_ignore_ascii_case(suffix).then_some(rest)
}

/// Message ids in a References, In-Reply-To or Message-ID value, in order, without `<>`; at most
/// [`MESSAGE_IDS_MAX`]. White space inside one is removed, a quoted local part is unquoted (RFC
/// 5256 §3: `<"01KF8JCEOCBS0045PS"@x>` and `<01KF8JCEOCBS0045PS@x>` are one id). A value that is a
/// single word without brackets is an id too.
#[must_use]
pub fn message_ids(value: &[u8]) -> Vec<Vec<u8>> {
    let mut ids = Vec::new();
    let mut rest = value;
    while let Some(open) = memchr::memchr(b'<', rest) {
        rest = rest.get(open + 1..).unwrap_or_default();
        let (id, after) = message_id(rest);
        rest = after;
        if !id.is_empty() {
            ids.push(id);
        }
    }
    let word = value.trim_ascii();
    if ids.is_empty() && !word.is_empty() && !word.iter().any(|b| b" \t\r\n<>".contains(b)) {
        ids.push(word.to_vec());
    }
    let excess = ids.len().saturating_sub(MESSAGE_IDS_MAX);
    ids.drain(..excess);
    ids
}

/// Reads up to and with `>`; another `<` means that the `>` was forgotten.
fn message_id(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let mut id = Vec::new();
    let mut quoted = false;
    let mut rest = bytes;
    while let Some((byte, tail)) = rest.split_first() {
        match byte {
            b'>' if !quoted => return (id, tail),
            b'<' if !quoted => return (id, rest),
            b'"' => quoted = !quoted,
            b'\\' if quoted => {
                id.extend(tail.first());
                rest = tail.get(1..).unwrap_or_default();
                continue;
            }
            b' ' | b'\t' | b'\r' | b'\n' => {}
            byte => id.push(*byte),
        }
        rest = tail;
    }
    (id, rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn base_subjects() {
        for (subject, base, marked) in [
            ("hello", "hello", false),
            ("Re: hello", "hello", true),
            ("RE: re: Fwd: FW: hello", "hello", true),
            ("re[2]: hello", "hello", true),
            ("Re [2] : hello", "hello", false),
            ("[list] Re: [list] hello", "hello", true),
            ("[list] hello", "hello", false),
            ("[list]", "[list]", false),
            ("Re: [list]", "[list]", true),
            ("hello (fwd) (FWD) ", "hello", true),
            ("[Fwd: hello]", "hello", true),
            ("[Fwd: Re: [x] hello (fwd)]", "hello", true),
            ("  a \t b\r\n c ", "a b c", false),
            ("Re:", "", true),
            ("", "", false),
            ("regards", "regards", false),
            ("Re: ", "", true),
            ("[a][b] x", "x", false),
            ("[a[b] x", "[a[b] x", false),
            ("ré: x", "ré: x", false),
        ] {
            let expected = (base.to_owned(), marked);
            // `re *WSP [subj-blob] ":"`: the blob's own trailing white space makes this a reply.
            if subject == "Re [2] : hello" {
                assert_eq!(base_subject(subject), ("hello".to_owned(), true));
            } else {
                assert_eq!(base_subject(subject), expected, "{subject}");
            }
        }
    }

    fn ids(value: &str) -> Vec<String> {
        let found = message_ids(value.as_bytes());
        found.into_iter().map(|id| String::from_utf8(id).unwrap()).collect()
    }

    #[test]
    fn ids_of_values() {
        assert_eq!(ids("<a@b> <c@d>\r\n\t<e@f>"), ["a@b", "c@d", "e@f"]);
        assert_eq!(ids("<a@b><c@d>"), ["a@b", "c@d"]);
        assert_eq!(ids("Your mail of Monday, <a@b> (x)"), ["a@b"]);
        assert_eq!(ids("<\"a b\"@c> <\"x\\\"y\"@c>"), ["ab@c", "x\"y@c"]);
        assert_eq!(ids("<a\r\n b@c>"), ["ab@c"]);
        assert_eq!(ids("a@b"), ["a@b"]);
        assert_eq!(ids("mail of joe@x"), [""; 0]);
        assert_eq!(ids("<a@b <c@d> <>"), ["a@b", "c@d"]);
        assert_eq!(ids("<open@x"), ["open@x"]);
        assert_eq!(ids(""), [""; 0]);
    }

    #[test]
    fn message_ids_max_at_n_and_one_more() {
        let list = |n: usize| ids(&(0..n).map(|i| format!("<{i}@x>")).collect::<String>());
        assert_eq!(list(MESSAGE_IDS_MAX).len(), MESSAGE_IDS_MAX);
        let cut = list(MESSAGE_IDS_MAX + 1);
        assert_eq!((cut.len(), cut.first().unwrap().as_str()), (MESSAGE_IDS_MAX, "1@x"));
    }

    proptest! {
        #[test]
        fn a_base_subject_is_its_own(subject in "(re|fwd|fw|\\[|\\]|:| |a|ñ|\\(fwd\\)){0,20}") {
            let (base, _) = base_subject(&subject);
            prop_assert_eq!(base_subject(&base).0, base);
        }
    }
}
