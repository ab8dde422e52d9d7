//! What kind of document it is: by media type, file name or first octets.

/// Kinds of documents that can be read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// Text without markup.
    Plain,
    /// HTML.
    Html,
    /// PDF.
    Pdf,
    /// A ZIP with XML inside; what it holds tells whether it is OOXML or ODF.
    Package,
}

/// Media types in lower case.
const TYPES: [(&str, Kind); 10] = [
    ("text/plain", Kind::Plain),
    ("text/csv", Kind::Plain),
    ("text/html", Kind::Html),
    ("application/xhtml+xml", Kind::Html),
    ("application/pdf", Kind::Pdf),
    ("application/x-pdf", Kind::Pdf),
    ("application/acrobat", Kind::Pdf),
    ("application/zip", Kind::Package),
    ("application/x-zip", Kind::Package),
    ("application/x-zip-compressed", Kind::Package),
];

/// Families of media types: `…document.wordprocessingml.template`, `….opendocument.text-master`,
/// and those with macros.
const FAMILIES: [(&str, Kind); 5] = [
    ("application/vnd.openxmlformats-officedocument.", Kind::Package),
    ("application/vnd.oasis.opendocument.", Kind::Package),
    ("application/vnd.ms-word.document.macroenabled", Kind::Package),
    ("application/vnd.ms-excel.sheet.macroenabled", Kind::Package),
    ("application/vnd.ms-powerpoint.presentation.macroenabled", Kind::Package),
];

/// Media types that say nothing: whoever sent it did not know.
const UNTOLD: [&str; 3] =
    ["application/octet-stream", "application/x-download", "binary/octet-stream"];

/// Ends of file names in lower case.
const ENDS: [(&str, Kind); 14] = [
    (".txt", Kind::Plain),
    (".csv", Kind::Plain),
    (".html", Kind::Html),
    (".htm", Kind::Html),
    (".pdf", Kind::Pdf),
    (".docx", Kind::Package),
    (".docm", Kind::Package),
    (".xlsx", Kind::Package),
    (".xlsm", Kind::Package),
    (".pptx", Kind::Package),
    (".pptm", Kind::Package),
    (".odt", Kind::Package),
    (".ods", Kind::Package),
    (".odp", Kind::Package),
];

impl Kind {
    /// By media type in lower case.
    #[must_use]
    pub fn of_media_type(media_type: &str) -> Option<Self> {
        let known = TYPES.iter().find(|(name, _)| *name == media_type);
        let known =
            known.or_else(|| FAMILIES.iter().find(|(name, _)| media_type.starts_with(name)));
        known.map(|(_, kind)| *kind)
    }

    /// Whether a media type leaves open what it is, so that name and content are looked at.
    #[must_use]
    pub fn is_untold(media_type: &str) -> bool {
        UNTOLD.contains(&media_type)
    }

    /// By file name.
    #[must_use]
    pub fn of_file_name(name: &str) -> Option<Self> {
        let name = name.trim().to_ascii_lowercase();
        ENDS.iter().find(|(end, _)| name.ends_with(end)).map(|(_, kind)| *kind)
    }

    /// By the first octets: PDF and packages alone, since all else would be a guess.
    #[must_use]
    pub fn of_content(document: &[u8]) -> Option<Self> {
        // Readers of PDF take octets before the header, up to a kilobyte of them; mail has them
        // rarely.
        let head = document.get(..16).unwrap_or(document);
        if head.windows(5).any(|octets| octets == b"%PDF-") {
            return Some(Self::Pdf);
        }
        head.starts_with(b"PK\x03\x04").then_some(Self::Package)
    }

    /// A number for it, for whoever hands documents to another process.
    #[must_use]
    pub const fn code(self) -> u8 {
        match self {
            Self::Plain => 0,
            Self::Html => 1,
            Self::Pdf => 2,
            Self::Package => 3,
        }
    }

    /// The kind of a number.
    #[must_use]
    pub fn of_code(code: u8) -> Option<Self> {
        let all = [Self::Plain, Self::Html, Self::Pdf, Self::Package];
        all.into_iter().find(|kind| kind.code() == code)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds() {
        let word = "application/vnd.openxmlformats-officedocument.wordprocessingml.document";
        assert_eq!(Kind::of_media_type(word), Some(Kind::Package));
        let ods = "application/vnd.oasis.opendocument.spreadsheet";
        assert_eq!(Kind::of_media_type(ods), Some(Kind::Package));
        assert_eq!(Kind::of_media_type("application/pdf"), Some(Kind::Pdf));
        assert_eq!(Kind::of_media_type("image/png"), None);
        assert!(Kind::is_untold("application/octet-stream") && !Kind::is_untold("image/png"));
        assert_eq!(Kind::of_file_name("Informe ANUAL.PDF "), Some(Kind::Pdf));
        assert_eq!(Kind::of_file_name("pdf"), None);
        assert_eq!(Kind::of_content(b"\xef\xbb\xbf%PDF-1.4"), Some(Kind::Pdf));
        assert_eq!(Kind::of_content(b"PK\x03\x04"), Some(Kind::Package));
        assert_eq!(Kind::of_content(b"PK"), None);
    }

    #[test]
    fn codes_are_read_back() {
        for code in 0..=u8::MAX {
            assert!(Kind::of_code(code).is_none_or(|kind| kind.code() == code));
        }
        assert_eq!((0..=u8::MAX).filter_map(Kind::of_code).count(), 4);
    }
}
