//! What is known of a message when it is indexed.

use mail::MessageId;

/// Header fields that have a column of their own: SEARCH FROM, TO, CC, BCC, SUBJECT.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Field {
    From,
    To,
    Cc,
    Bcc,
    Subject,
}

impl Field {
    /// All, in the order of their columns.
    pub const ALL: [Self; 5] = [Self::From, Self::To, Self::Cc, Self::Bcc, Self::Subject];

    /// Its name, casemapped.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::From => "FROM",
            Self::To => "TO",
            Self::Cc => "CC",
            Self::Bcc => "BCC",
            Self::Subject => "SUBJECT",
        }
    }

    /// The field of that casemapped name, if it has a column.
    #[must_use]
    pub fn of(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|field| field.name() == name)
    }
}

/// Keys of SORT that are strings: RFC 5256 §3 and RFC 5957.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SortKey {
    /// Base subject (RFC 5256 §2.1).
    Subject,
    /// Mailbox (local part) of the first From address.
    From,
    /// Mailbox of the first To address.
    To,
    /// Mailbox of the first Cc address.
    Cc,
    /// RFC 5957 §3: display name of the first From address, or its address.
    DisplayFrom,
    /// As [`SortKey::DisplayFrom`], of To.
    DisplayTo,
}

impl SortKey {
    /// All, in the order of [`Document::sort`].
    pub const ALL: [Self; 6] =
        [Self::Subject, Self::From, Self::To, Self::Cc, Self::DisplayFrom, Self::DisplayTo];

    /// Its place in [`Document::sort`].
    #[must_use]
    pub const fn place(self) -> usize {
        self as usize
    }
}

/// A message as it is indexed. All text is casemapped.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Document {
    /// The permanent id; ascending within a segment.
    pub message: MessageId,
    /// Every header field in order: name and decoded, unfolded value.
    pub header: Vec<(String, String)>,
    /// Every decoded text of the body, each followed by `\n`.
    pub body: String,
    /// Whether `body` lacks text that a search must see: the document is *possible* for every BODY
    /// and TEXT needle that is not found in what is there.
    pub partial: bool,
    /// The Date field: seconds since 1970 UTC, and its zone, minutes east of UTC.
    pub sent: Option<(i64, i16)>,
    /// The strings of [`SortKey::ALL`].
    pub sort: [String; 6],
    /// Whether the subject marks a reply or forward (RFC 5256 §2.1).
    pub reply: bool,
    /// Hash of the Message-ID; 0 when there is none.
    pub message_id: u64,
    /// Hashes of References (or In-Reply-To), oldest first (RFC 5256 §3).
    pub references: Vec<u64>,
}
