//! Client behaviour that the RFCs do not foresee and that is borne here: name, client, date.
//!
//! `tests/quirks.rs` holds a test of each; it does not compile when one is missing.

/// A quirk of clients.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Quirk {
    /// DONE of IDLE and the next commands in one packet. Apple Mail, iOS 18 (2024).
    AppleIdlePipelined,
    /// `BODY[HEADER.FIELDS (…)]` of the response is compared with the request, octet for octet.
    /// Apple Mail (2025).
    AppleEchoedHeaderFields,
    /// `UID SEARCH 1:* NOT DELETED`: a sequence set before other keys. iOS 10 (2016).
    AppleSequenceSetFirst,
    /// An empty line before a tag. Apple Mail (2025).
    AppleEmptyLine,
    /// `CHANGEDSINCE 0`, which RFC 7162 forbids. iOS 16 (2022).
    AppleChangedSinceZero,
    /// Special uses are looked for in plain LIST. iPhone (2013).
    AppleSpecialUseInPlainList,
    /// Tagged answers must come in the order of the commands. Apple Mail 3.2 (2008).
    AppleAnswersInOrder,
    /// A connection that says nothing for minutes is taken for dead. Outlook, and NAT (2013).
    OutlookStillHere,
    /// Lower case, `list (subscribed)`, flags without parentheses. Thunderbird 153 (2026).
    ThunderbirdLowerCase,
    /// `UID FETCH n:*` above the last Uid means the last message. Thunderbird 153 (2026).
    ThunderbirdRangeAboveLast,
    /// A raw `&` in mailbox names, and a separator at their end. Thunderbird (2020).
    ThunderbirdRawAmpersand,
    /// The keyword `Old`. mutt 2.2 (2022).
    MuttKeywordOld,
    /// A tag that is the name of a command. node-imap (2016).
    NodeImapTagIdle,
    /// `EXAMINE` right after `SELECT`. offlineimap 3 (2021).
    OfflineImapExamineAfterSelect,
    /// Dozens of Uids in one list. K-9 and Thunderbird for Android (2024).
    AndroidLongUidLists,
    /// Text is needed after a response code, and after `+`. Several (2019).
    TextAfterCode,
    /// Ranges with the larger number first. Several (2019).
    DescendingSets,
    /// INBOX in any case. Several (2019).
    InboxInAnyCase,
    /// More than one space, and spaces at the end of a line. Several.
    ExtraSpaces,
}

impl Quirk {
    /// All of them.
    pub const ALL: [Self; 19] = [
        Self::AppleIdlePipelined,
        Self::AppleEchoedHeaderFields,
        Self::AppleSequenceSetFirst,
        Self::AppleEmptyLine,
        Self::AppleChangedSinceZero,
        Self::AppleSpecialUseInPlainList,
        Self::AppleAnswersInOrder,
        Self::OutlookStillHere,
        Self::ThunderbirdLowerCase,
        Self::ThunderbirdRangeAboveLast,
        Self::ThunderbirdRawAmpersand,
        Self::MuttKeywordOld,
        Self::NodeImapTagIdle,
        Self::OfflineImapExamineAfterSelect,
        Self::AndroidLongUidLists,
        Self::TextAfterCode,
        Self::DescendingSets,
        Self::InboxInAnyCase,
        Self::ExtraSpaces,
    ];
}
