//! The text of documents that come as attachments, for search: plain text, HTML, PDF, OOXML
//! (docx, xlsx, pptx) and ODF (odt, ods, odp).
//!
//! Invariants: pure, no I/O; malformed documents give an error, never a panic; memory and output
//! are bounded by [`Limits`]. Time is not, and PDF, whose parser is not ours, may overflow the
//! stack or loop: whoever reads documents of strangers does so in a process that may be killed.
//! Nothing that comes out is fit to be shown: it is text to look for words in. Documents inside
//! documents are not opened, entities are not expanded, links are not followed.

mod kind;
mod odf;
mod ooxml;
mod output;
mod package;
mod pdf;
mod properties;
mod xml;

pub use kind::Kind;

use output::Output;
use std::fmt;

/// What reading one document may cost.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Limits {
    /// Octets of the document.
    pub input_octets_max: usize,
    /// Octets that its entries have when unpacked, those that are read taken together.
    pub unpacked_octets_max: usize,
    /// Entries of a package.
    pub entries_max: usize,
    /// XML elements inside one another.
    pub depth_max: usize,
    /// Characters of text given; what is beyond is left out.
    pub text_chars_max: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            input_octets_max: 32 << 20,
            unpacked_octets_max: 64 << 20,
            entries_max: 10_000,
            depth_max: 256,
            text_chars_max: 2_000_000,
        }
    }
}

/// Why a document has no text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Error {
    /// Not a document of its kind, or a broken one.
    Malformed(&'static str),
    /// Needs a password.
    Encrypted,
    /// Passes the limit of that name.
    Limit(&'static str),
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Malformed(what) => write!(f, "malformed: {what}"),
            Self::Encrypted => f.write_str("needs a password"),
            Self::Limit(name) => write!(f, "passes {name}"),
        }
    }
}
impl std::error::Error for Error {}

/// The text of a document. Lines are paragraphs, cells of a row are parted by tabs. Text beyond
/// `text_chars_max` is left out; any other limit passed is an error.
pub fn text(kind: Kind, document: &[u8], limits: &Limits) -> Result<String, Error> {
    if document.len() > limits.input_octets_max {
        return Err(Error::Limit("input_octets_max"));
    }
    let mut output = Output::new(limits.text_chars_max);
    match kind {
        Kind::Plain => {
            output.text(&mail::text::guessed(document));
        }
        Kind::Html => {
            // A character has four octets at most.
            let octets_max = limits.text_chars_max.saturating_mul(4);
            output.text(&mail::text::of_html(document, octets_max));
        }
        Kind::Pdf => pdf::read(document, &mut output)?,
        Kind::Package => package::read(document, limits, &mut output)?,
    }
    Ok(output.into_text())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn text_and_html() {
        let limits = Limits::default();
        assert_eq!(text(Kind::Plain, b"a\xf1o\r\nb", &limits).unwrap(), "año\r\nb");
        assert_eq!(text(Kind::Html, b"<p>a<b>b</b><p>c", &limits).unwrap(), "ab\nc");
    }

    #[test]
    fn input_and_output_have_limits() {
        let limits = Limits { input_octets_max: 5, text_chars_max: 3, ..Limits::default() };
        assert_eq!(text(Kind::Plain, b"abcde", &limits).unwrap(), "abc");
        assert_eq!(text(Kind::Plain, b"abc", &limits).unwrap(), "abc");
        let refused = Err(Error::Limit("input_octets_max"));
        assert_eq!(text(Kind::Plain, b"abcdef", &limits), refused);
    }

    proptest! {
        #[test]
        fn any_bytes_are_survived(bytes: Vec<u8>, kind in 0_u8..4) {
            if let Some(kind) = Kind::of_code(kind) {
                let _ = text(kind, &bytes, &Limits::default());
            }
        }
    }
}
