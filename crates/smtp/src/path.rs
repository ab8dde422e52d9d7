//! Paths and parameters of MAIL and RCPT (RFC 5321 §4.1.2, §4.1.1.11; RFC 3461 xtext).

use mail::Address;

/// A path and the parameters behind it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path<'a> {
    /// What stands between `<` and `>`, without a source route.
    pub inside: &'a str,
    /// `KEYWORD` or `KEYWORD=value`.
    pub parameters: Vec<(&'a str, Option<&'a str>)>,
}

/// Reads `FROM:<…> …` or `TO:<…> …`. White space after the colon is borne (quirk 19: Outlook).
#[must_use]
pub fn parse<'a>(argument: &'a str, keyword: &str) -> Option<Path<'a>> {
    let (head, rest) = argument.split_at_checked(keyword.len())?;
    if !head.eq_ignore_ascii_case(keyword) {
        return None;
    }
    let rest = rest.strip_prefix(':')?.trim_start_matches([' ', '\t']);
    let rest = rest.strip_prefix('<')?;
    let end = closing(rest)?;
    let (inside, rest) = (rest.get(..end)?, rest.get(end + 1..)?);
    let parameters = match rest.trim_start_matches(' ') {
        "" => Vec::new(),
        words if rest.starts_with(' ') => words.split_ascii_whitespace().map(parameter).collect(),
        _ => return None,
    };
    Some(Path { inside: without_route(inside), parameters })
}

/// Where the `>` is that no quoted string holds.
fn closing(text: &str) -> Option<usize> {
    let (mut quoted, mut escaped) = (false, false);
    for (at, c) in text.char_indices() {
        match c {
            _ if escaped => escaped = false,
            '\\' if quoted => escaped = true,
            '"' => quoted = !quoted,
            '>' if !quoted => return Some(at),
            _ => {}
        }
    }
    None
}

/// RFC 5321 §4.1.1.3: source routes are ignored.
fn without_route(inside: &str) -> &str {
    match inside.strip_prefix('@').and_then(|rest| rest.split_once(':')) {
        Some((_, address)) => address,
        None => inside,
    }
}

fn parameter(word: &str) -> (&str, Option<&str>) {
    word.split_once('=').map_or((word, None), |(name, value)| (name, Some(value)))
}

/// An address of a path; `postmaster` alone is that of the server (RFC 5321 §4.5.1).
#[must_use]
pub fn address(inside: &str, host_name: &str) -> Option<Address> {
    if inside.eq_ignore_ascii_case("postmaster") {
        return Address::parse(&format!("postmaster@{host_name}"));
    }
    Address::parse(inside)
}

/// Decodes xtext (RFC 3461 §4).
#[must_use]
pub fn xtext(value: &str) -> Option<String> {
    let mut out = Vec::with_capacity(value.len());
    let mut bytes = value.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'+' => {
                let mut digit = || char::from(bytes.next()?).to_digit(16);
                out.push(u8::try_from(digit()? * 16 + digit()?).ok()?);
            }
            b'!'..=b'~' if byte != b'=' => out.push(byte),
            _ => return None,
        }
    }
    String::from_utf8(out).ok()
}

/// Checks NOTIFY (RFC 3461 §4.1).
#[must_use]
pub fn is_notify(value: &str) -> bool {
    let known = |word: &str| {
        ["SUCCESS", "FAILURE", "DELAY"].iter().any(|one| one.eq_ignore_ascii_case(word))
    };
    value.eq_ignore_ascii_case("NEVER") || value.split(',').all(known)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths() {
        let inside = |text: &'static str| parse(text, "FROM").map(|path| path.inside);
        assert_eq!(inside("FROM:<a@b.example>"), Some("a@b.example"));
        assert_eq!(inside("from: <a@b.example>"), Some("a@b.example"));
        assert_eq!(inside("FROM:<>"), Some(""));
        assert_eq!(inside("FROM:<@x,@y:a@b.example>"), Some("a@b.example"));
        assert_eq!(inside("FROM:<\"a>b\"@x.example> SIZE=1"), Some("\"a>b\"@x.example"));
        assert_eq!(inside("FROM:a@b.example"), None);
        assert_eq!(inside("FROM:<a@b.example>SIZE=1"), None);
        assert_eq!(inside("TO:<a@b.example>"), None);
        let path = parse("TO:<a@b> NOTIFY=NEVER X", "TO").unwrap();
        assert_eq!(path.parameters, [("NOTIFY", Some("NEVER")), ("X", None)]);
    }

    #[test]
    fn xtexts() {
        assert_eq!(xtext("a+2Bb+3D").as_deref(), Some("a+b="));
        assert_eq!(xtext("a+2"), None);
        assert_eq!(xtext("a=b"), None);
        assert!(is_notify("success,Delay") && is_notify("never") && !is_notify("NEVER,DELAY"));
    }
}
