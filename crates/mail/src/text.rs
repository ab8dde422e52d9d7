//! Text out of mail: encoded words (RFC 2047), charsets, previews, search text.

/// Decodes a header value's encoded words, and undeclared 8-bit as UTF-8 or Windows-1252.
#[must_use]
pub fn decode_header(_value: &[u8]) -> String {
    todo!()
}

/// Decodes bytes of a named charset (IANA names and the misspellings seen in mail, UTF-7 too).
/// Unknown charsets are guessed: UTF-8 when valid, else Windows-1252. The flag tells whether the
/// charset was known.
#[must_use]
pub fn decode_charset(_bytes: &[u8], _charset: &str) -> (String, bool) {
    todo!()
}

/// i;unicode-casemap in the form that substring search compares (RFC 5051): title-cased,
/// decomposed. Both haystack and needle go through this.
#[must_use]
pub fn casemap(_text: &str) -> String {
    todo!()
}

/// The first words of a message's text, for lists: at most `chars_max` characters, one line.
#[must_use]
pub fn preview(_structure: &crate::Structure, _message: &[u8], _chars_max: usize) -> String {
    todo!()
}

/// Calls `each` with every text part's text, decoded of its transfer encoding and charset, HTML
/// turned to text; stops when `each` gives `false`. Gives whether it ran to the end.
pub fn texts(
    _structure: &crate::Structure,
    _message: &[u8],
    _each: &mut dyn FnMut(&str) -> bool,
) -> bool {
    todo!()
}
