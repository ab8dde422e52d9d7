//! What commands are made of.

use mail::{Depth, EntryName, Flags, Keyword, ModSeq, NumberSet, SystemFlags, UidValidity};

/// The hierarchy separator of mailbox names.
pub const SEPARATOR: char = '/';

/// The name of the one quota root that an account has (RFC 9208 §3.2).
pub const QUOTA_ROOT: &str = "User quota";

/// A number of a sequence set before `*` is known.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SetNumber {
    /// A number ≥ 1.
    Number(u32),
    /// `*`
    Star,
}

/// `sequence-set` (RFC 9051 §9), or `$` (§6.4.4.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SequenceSet {
    /// Ranges as written; a single number is a range of itself.
    Ranges(Vec<(SetNumber, SetNumber)>),
    /// The saved search result.
    Saved,
}

impl SequenceSet {
    /// With `*` as `max` (0: no messages; then `*` is 0 and names nothing). `None` for `$`.
    #[must_use]
    pub fn resolve(&self, max: u32) -> Option<NumberSet> {
        let Self::Ranges(ranges) = self else { return None };
        let number = |n: &SetNumber| match n {
            SetNumber::Number(n) => *n,
            SetNumber::Star => max,
        };
        let pairs = ranges.iter().map(|(a, b)| (number(a), number(b)));
        Some(NumberSet::of(pairs.filter(|&(a, b)| a != 0 || b != 0)))
    }
}

/// `section-text` of a part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum SectionText {
    /// Nothing: the part itself.
    Whole,
    /// `HEADER`
    Header,
    /// `HEADER.FIELDS (…)`: names as written, in order (quirk 2: echoed verbatim).
    HeaderFields(Vec<Vec<u8>>),
    /// `HEADER.FIELDS.NOT (…)`
    HeaderFieldsNot(Vec<Vec<u8>>),
    /// `TEXT`
    Text,
    /// `MIME`
    Mime,
}

/// `section`: part numbers and what of that part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Section {
    /// Part numbers, empty for the whole message.
    pub part: Vec<u32>,
    /// What of it.
    pub text: SectionText,
}

/// `<offset.count>`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Partial {
    /// First octet.
    pub offset: u32,
    /// Octets at most, ≥ 1.
    pub count: u32,
}

/// `fetch-att` (macros already replaced).
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum FetchItem {
    Envelope,
    Flags,
    InternalDate,
    /// `SAVEDATE` (RFC 8514)
    SaveDate,
    Uid,
    Rfc822Size,
    /// `RFC822`, answered under that name (quirk 18).
    Rfc822,
    Rfc822Header,
    Rfc822Text,
    /// `BODY` without section.
    Body,
    BodyStructure,
    /// `BODY[…]<…>`; `peek` leaves `\Seen` alone.
    BodySection {
        section: Section,
        partial: Option<Partial>,
        peek: bool,
    },
    /// `BINARY[…]<…>` (RFC 3516)
    Binary {
        part: Vec<u32>,
        partial: Option<Partial>,
        peek: bool,
    },
    /// `BINARY.SIZE[…]`
    BinarySize {
        part: Vec<u32>,
    },
    ModSeq,
    EmailId,
    ThreadId,
    /// `PREVIEW` (RFC 8970); previews are made when a message comes, so that LAZY changes nothing.
    Preview,
}

/// FETCH modifiers (RFC 7162 §3.1.4.1, §3.2.6, RFC 9394 §3.3).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct FetchModifiers {
    /// `CHANGEDSINCE`
    pub changed_since: Option<ModSeq>,
    /// `VANISHED`
    pub vanished: bool,
    /// `PARTIAL`: of the messages of the set, before CHANGEDSINCE takes out others.
    pub partial: Option<Window>,
}

/// How STORE changes flags.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum StoreOp {
    Replace,
    Add,
    Remove,
}

/// A day as days since 1970-01-01.
#[derive(Clone, Copy, PartialEq, Eq, Debug, PartialOrd, Ord)]
pub struct Day(pub i64);

/// `search-key` (RFC 9051 §6.4.4, RFC 3501 §6.4.4, RFC 5032, RFC 7162, RFC 8474,
/// RFC 8514, RFC 6203).
#[derive(Clone, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum SearchKey {
    All,
    Answered,
    Deleted,
    Draft,
    Flagged,
    Seen,
    New,
    Old,
    Recent,
    Unanswered,
    Undeleted,
    Undraft,
    Unflagged,
    Unseen,
    Keyword(Keyword),
    Unkeyword(Keyword),
    Bcc(String),
    Body(String),
    Cc(String),
    From(String),
    /// Field name, value.
    Header(String, String),
    Subject(String),
    Text(String),
    To(String),
    Before(Day),
    On(Day),
    Since(Day),
    SentBefore(Day),
    SentOn(Day),
    SentSince(Day),
    Larger(u64),
    Smaller(u64),
    /// Younger than so many seconds.
    Younger(u64),
    Older(u64),
    ModSeq(u64),
    EmailId(String),
    ThreadId(String),
    Sequence(SequenceSet),
    Uid(SequenceSet),
    /// RFC 8514 §4.3: saved in the mailbox before that day.
    SavedBefore(Day),
    SavedOn(Day),
    SavedSince(Day),
    SaveDateSupported,
    /// RFC 6203 §3.
    Fuzzy(Box<SearchKey>),
    Not(Box<SearchKey>),
    Or(Box<SearchKey>, Box<SearchKey>),
    And(Vec<SearchKey>),
}

/// `partial-range` (RFC 9394 §3.1): places in a list of results, from 1, as they were written.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Window {
    /// One end, ≥ 1.
    pub first: u32,
    /// The other, ≥ 1, on either side of it.
    pub last: u32,
    /// Counted from the end: -1 is the last result.
    pub from_end: bool,
}

impl Window {
    /// Places from 0, in ascending order, as [from, to), in a list of so many.
    #[must_use]
    pub fn places(self, results: u64) -> (u64, u64) {
        let (low, high) = (self.first.min(self.last), self.first.max(self.last));
        let (from, to) = (u64::from(low.saturating_sub(1)), u64::from(high));
        if self.from_end {
            (results.saturating_sub(to), results.saturating_sub(from))
        } else {
            (from.min(results), to.min(results))
        }
    }
}

/// SEARCH RETURN options (RFC 4731, RFC 5182, RFC 5267, RFC 6203, RFC 9394). `RETURN ()` comes as
/// ALL.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub struct SearchReturn {
    /// RETURN was given (or IMAP4rev2 is enabled): answer with ESEARCH, unless SAVE is the only
    /// other option: then say nothing (RFC 5182 §2.1).
    pub esearch: bool,
    pub min: bool,
    pub max: bool,
    pub all: bool,
    pub count: bool,
    pub save: bool,
    /// Never together with ALL.
    pub partial: Option<Window>,
    pub relevancy: bool,
    pub context: bool,
    pub update: bool,
    /// Of messages that come, when they are added to a result (RFC 5465 §7).
    pub update_items: Vec<FetchItem>,
}

impl SearchReturn {
    /// Whether anything but SAVE was asked for: RFC 5182 §2.1 has SAVE alone not answered.
    #[must_use]
    pub const fn answers(&self) -> bool {
        let Self { min, max, all, count, relevancy, .. } = *self;
        min || max || all || count || relevancy || self.partial.is_some() || !self.save
    }
}

/// `sort-key` without REVERSE (RFC 5256 §5, RFC 5957 §5, RFC 6203 §7).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum SortCriterion {
    Arrival,
    Cc,
    Date,
    From,
    Size,
    Subject,
    To,
    DisplayFrom,
    DisplayTo,
    Relevancy,
}

/// `sort-criterion = ["REVERSE" SP] sort-key`
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct SortKey {
    /// By what.
    pub criterion: SortCriterion,
    /// In descending order.
    pub reverse: bool,
}

/// `thread-alg` (RFC 5256 §5, draft-ietf-morg-inthread).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum ThreadAlgorithm {
    OrderedSubject,
    References,
    Refs,
}

/// `filter-mailboxes`: which mailboxes a command is about (RFC 5465 §6, RFC 7377 §2.2).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum MailboxFilter {
    /// `selected`
    Selected,
    /// `selected-delayed` (NOTIFY alone)
    SelectedDelayed,
    /// `inboxes`: where mail is delivered.
    Inboxes,
    /// `personal`: all of the account.
    Personal,
    /// `subscribed`
    Subscribed,
    /// `subtree`: these and all below them.
    Subtree(Vec<String>),
    /// `subtree-one`: these and those one level below them (MULTISEARCH alone).
    SubtreeOne(Vec<String>),
    /// `mailboxes`: these.
    Mailboxes(Vec<String>),
}

impl MailboxFilter {
    /// Mailboxes that it names, as written.
    #[must_use]
    pub fn names(&self) -> &[String] {
        match self {
            Self::Subtree(names) | Self::SubtreeOne(names) | Self::Mailboxes(names) => names,
            _ => &[],
        }
    }
}

/// Events that a client wants to hear of (RFC 5465 §5).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub struct Events {
    pub message_new: bool,
    /// What is told of a new message in the selected mailbox.
    pub new_items: Vec<FetchItem>,
    pub message_expunge: bool,
    pub flag_change: bool,
    pub mailbox_name: bool,
    pub subscription_change: bool,
    pub mailbox_metadata_change: bool,
    pub server_metadata_change: bool,
}

/// Events of some mailboxes (RFC 5465 §6).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct EventGroup {
    /// Which mailboxes.
    pub filter: MailboxFilter,
    /// Which events.
    pub events: Events,
}

/// NOTIFY SET.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct NotifySet {
    /// STATUS of the mailboxes is to be told first.
    pub status: bool,
    /// What is wanted.
    pub groups: Vec<EventGroup>,
}

/// What GETMETADATA asks for (RFC 5464 §4.2).
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MetadataQuery {
    /// Entries, as written.
    pub entries: Vec<EntryName>,
    /// DEPTH: how far below them, too.
    pub depth: Depth,
    /// MAXSIZE: larger values are not wanted.
    pub octets_max: Option<u32>,
}

/// LIST selection options.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub struct ListSelect {
    pub subscribed: bool,
    pub remote: bool,
    pub recursive_match: bool,
    pub special_use: bool,
}

/// LIST return options.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub struct ListReturn {
    pub subscribed: bool,
    pub children: bool,
    pub special_use: bool,
    pub status: Option<Vec<StatusItem>>,
    /// Annotations (RFC 9590).
    pub metadata: Option<Vec<EntryName>>,
    /// `MYRIGHTS` (RFC 8440)
    pub my_rights: bool,
}

/// STATUS items.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum StatusItem {
    Messages,
    Recent,
    UidNext,
    UidValidity,
    Unseen,
    Deleted,
    Size,
    HighestModSeq,
    AppendLimit,
    MailboxId,
    DeletedStorage,
}

impl StatusItem {
    /// All of them.
    pub const ALL: [Self; 11] = [
        Self::Messages,
        Self::Recent,
        Self::UidNext,
        Self::UidValidity,
        Self::Unseen,
        Self::Deleted,
        Self::Size,
        Self::HighestModSeq,
        Self::AppendLimit,
        Self::MailboxId,
        Self::DeletedStorage,
    ];

    /// As STATUS writes it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Messages => "MESSAGES",
            Self::Recent => "RECENT",
            Self::UidNext => "UIDNEXT",
            Self::UidValidity => "UIDVALIDITY",
            Self::Unseen => "UNSEEN",
            Self::Deleted => "DELETED",
            Self::Size => "SIZE",
            Self::HighestModSeq => "HIGHESTMODSEQ",
            Self::AppendLimit => "APPENDLIMIT",
            Self::MailboxId => "MAILBOXID",
            Self::DeletedStorage => "DELETED-STORAGE",
        }
    }
}

/// QRESYNC parameter of SELECT (RFC 7162 §3.2.5).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct QResync {
    /// The UIDVALIDITY that the client knows.
    pub uid_validity: UidValidity,
    /// The mod-sequence that it knows.
    pub modseq: ModSeq,
    /// Uids that it knows.
    pub known: Option<SequenceSet>,
    /// (sequence numbers, Uids) that it remembers as pairs.
    pub matching: Option<(SequenceSet, SequenceSet)>,
}

/// What of a list of rights is asked for (RFC 4314).
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum AclQuery {
    /// GETACL
    All,
    /// LISTRIGHTS: what may be given to this identifier.
    Grantable(String),
    /// MYRIGHTS
    Own,
}

/// What SETACL does with rights.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum RightsOp {
    /// These and no others.
    Replace,
    /// `+`
    Add,
    /// `-`
    Remove,
}

/// Flags that a client may change in the selected mailbox, for PERMANENTFLAGS.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Permanent {
    /// System flags.
    pub system: SystemFlags,
    /// Keywords, new ones too.
    pub keywords: bool,
}

impl Permanent {
    /// None of them.
    pub const NONE: Self = Self { system: SystemFlags::NONE, keywords: false };
    /// All of them.
    pub const ALL: Self = Self { system: SystemFlags(u8::MAX), keywords: true };
}

/// A message of ours, or a part of it, as a URL names it (RFC 5092 §7, RFC 4469 §3).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct MessageUrl {
    /// As the client wrote it.
    pub text: String,
    /// The mailbox in UTF-8; none for the selected one.
    pub mailbox: Option<String>,
    /// The UIDVALIDITY that the mailbox must have.
    pub uid_validity: Option<u32>,
    /// The message.
    pub uid: u32,
    /// What of it; all when absent.
    pub section: Option<Section>,
    /// What of that.
    pub partial: Option<Partial>,
}

/// The message that REPLACE replaces (RFC 8508 §3): one number.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Replaced {
    /// Its number.
    pub set: SequenceSet,
    /// A Uid (UID REPLACE), not a sequence number.
    pub uid: bool,
}

/// What precedes a message in APPEND.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct AppendOptions {
    /// Flags.
    pub flags: Flags,
    /// Date-time, seconds since 1970 UTC.
    pub internal_date: Option<i64>,
}
