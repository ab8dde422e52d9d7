//! What the readers of header values share: comments (RFC 5322 §3.2.2) and hexadecimal digits.

/// What follows the comment that `bytes` begin with; of an unclosed one, nothing. Nesting costs a
/// counter, not a stack.
pub fn after_comment(bytes: &[u8]) -> &[u8] {
    bytes.get(comment_octets(bytes)..).unwrap_or_default()
}

/// The text of the comment that `bytes` begin with, quoting removed, inner comments kept, ends
/// trimmed; and what follows it.
pub fn comment(bytes: &[u8]) -> (Vec<u8>, &[u8]) {
    let (whole, rest) = bytes.split_at_checked(comment_octets(bytes)).unwrap_or((bytes, &[]));
    let inner = whole.strip_prefix(b"(").unwrap_or(whole);
    // An unclosed comment may end with an inner one's parenthesis, or a quoted one; it is lost
    // with no harm: the value was malformed.
    let inner = inner.strip_suffix(b")").unwrap_or(inner);
    let mut text = Vec::with_capacity(inner.len());
    let mut bytes = inner.iter();
    while let Some(byte) = bytes.next() {
        match byte {
            b'\r' | b'\n' => {}
            b'\\' => text.extend(bytes.next()),
            byte => text.push(*byte),
        }
    }
    (text.trim_ascii().to_vec(), rest)
}

fn comment_octets(bytes: &[u8]) -> usize {
    let mut depth = 0_usize;
    let mut escaped = false;
    for (at, byte) in bytes.iter().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' => escaped = true,
            b'(' => depth += 1,
            b')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 {
            return at + 1;
        }
    }
    bytes.len()
}

/// The value of a hexadecimal digit.
pub const fn hex(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        b'A'..=b'F' => Some(digit - b'A' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments() {
        assert_eq!(comment(b"(a (b\\)) c) d"), (b"a (b)) c".to_vec(), &b" d"[..]));
        assert_eq!(comment(b"( a\r\n b"), (b"a b".to_vec(), &b""[..]));
        assert_eq!(comment(b"()x"), (b"".to_vec(), &b"x"[..]));
        assert_eq!(after_comment(b"(\\"), b"");
    }

    #[test]
    fn a_hundred_thousand_deep() {
        let deep = [&b"(".repeat(100_000)[..], &b")".repeat(100_000), b"x"].concat();
        assert_eq!(after_comment(&deep), b"x");
        assert_eq!(comment(&deep).0.len(), 199_998);
    }
}
