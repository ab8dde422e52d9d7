//! What the machine asks of the world after a command was read, and what it is told.
//!
//! Mailbox names are UTF-8 here whatever the wire had. Names are not yet checked: the bridge does
//! that and answers [`Refusal::BadName`]. Each effect is answered by the bridge through the outcome
//! methods of [`Session`](crate::Session); those that stream are asked again ([`Effect::More`])
//! until the bridge says that they are done ([`Done`]).

use crate::types::{
    AclQuery, AppendOptions, FetchItem, FetchModifiers, ListReturn, ListSelect, MailboxFilter,
    MessageUrl, MetadataQuery, NotifySet, Permanent, QResync, Replaced, RightsOp, SearchKey,
    SearchReturn, SequenceSet, SortKey, StatusItem, StoreOp, ThreadAlgorithm,
};
use bytes::Bytes;
use mail::{EntryName, Flags, ModSeq, Rights, Uid, UidValidity};

/// What a session enabled; the bridge shapes what it says by it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
#[allow(missing_docs)]
pub struct Enabled {
    pub rev2: bool,
    pub uidonly: bool,
    pub condstore: bool,
    pub qresync: bool,
    pub utf8: bool,
    /// Changes of annotations are told (RFC 5464 §4.4.2).
    pub metadata: bool,
}

/// An effect.
#[derive(Clone, PartialEq, Debug)]
pub enum Effect {
    /// Login (AUTHENTICATE or LOGIN).
    Auth(wire::auth::Ask),
    /// The login ends, and with it the selected mailbox (RFC 8437). Needs no answer.
    Unauthenticate,
    /// The client named itself (RFC 2971), for the log. Needs no answer.
    Id(Vec<(String, Option<String>)>),
    /// SELECT or EXAMINE. Streams nothing; answered by
    /// [`Session::selected`](crate::Session::selected).
    Select {
        /// The mailbox.
        mailbox: String,
        /// EXAMINE.
        read_only: bool,
        /// QRESYNC parameter; answered with VANISHED (EARLIER) and FETCH lines besides.
        qresync: Option<QResync>,
    },
    /// CLOSE (`expunge`), UNSELECT, or before another SELECT.
    Unselect {
        /// Expunge silently first (not when read-only).
        expunge: bool,
    },
    /// LIST; answered with list lines, then done.
    List {
        /// Selection options.
        select: ListSelect,
        /// Reference and patterns, each to be matched as reference + pattern.
        reference: String,
        /// Patterns with `*` and `%`.
        patterns: Vec<String>,
        /// Return options.
        returns: ListReturn,
        /// LSUB (RFC 3501 §6.3.9).
        lsub: bool,
    },
    /// STATUS
    Status {
        /// The mailbox.
        mailbox: String,
        /// Items in the order asked.
        items: Vec<StatusItem>,
    },
    /// CREATE with `USE` attributes as written, e.g. `\Sent`.
    Create {
        /// The mailbox; a trailing separator is gone.
        mailbox: String,
        /// Special uses.
        special_use: Vec<String>,
    },
    /// DELETE
    Delete {
        /// The mailbox.
        mailbox: String,
    },
    /// RENAME
    Rename {
        /// From.
        from: String,
        /// To.
        to: String,
    },
    /// SUBSCRIBE, UNSUBSCRIBE
    Subscribe {
        /// The mailbox.
        mailbox: String,
        /// Subscribe.
        wanted: bool,
    },
    /// GETQUOTAROOT (with its mailbox) or GETQUOTA of the account's one root.
    Quota {
        /// GETQUOTAROOT's mailbox.
        mailbox: Option<String>,
    },
    /// GETMETADATA of a mailbox or of the server (`None`), answered with METADATA lines.
    GetMetadata {
        /// The mailbox.
        mailbox: Option<String>,
        /// What of it.
        query: MetadataQuery,
    },
    /// SETMETADATA: all or none.
    SetMetadata {
        /// The mailbox; `None` is the server.
        mailbox: Option<String>,
        /// Whole names and values; `None` removes.
        entries: Vec<(EntryName, Option<Bytes>)>,
    },
    /// A message of APPEND or REPLACE begins: may so many octets come for that mailbox? Asked
    /// before each message's literal is accepted; with 0 before the first part of CATENATE.
    /// Answered by done or refused.
    AppendBegin {
        /// The mailbox.
        mailbox: String,
        /// What precedes the message.
        options: AppendOptions,
        /// Octets announced.
        octets: u64,
        /// Comes in an UTF8 (~{…}) or BINARY literal8.
        literal8: bool,
        /// The message of the selected mailbox that it replaces (RFC 8508).
        replaces: Option<Replaced>,
    },
    /// A part of the message at hand is a literal (RFC 4469): may so many more octets come?
    /// Answered by done or refused.
    AppendText {
        /// Octets announced.
        octets: u64,
    },
    /// A part of the message at hand is what a URL names (RFC 4469). Answered by done, or refused:
    /// [`Refusal::BadUrl`] when it names nothing.
    AppendUrl(Box<MessageUrl>),
    /// Octets of the message at hand. Answered by done.
    AppendData(Bytes),
    /// All messages of the command are here: commit all or none. Answered by
    /// [`Session::appended`](crate::Session::appended).
    AppendEnd,
    /// The command ended badly in the middle: forget what came. Needs no answer.
    AppendAbort,
    /// FETCH; streams FETCH lines.
    Fetch {
        /// Messages.
        set: SequenceSet,
        /// UID FETCH.
        uid: bool,
        /// Items in order, each once; UID included for UID FETCH.
        items: Vec<FetchItem>,
        /// Modifiers.
        modifiers: FetchModifiers,
    },
    /// STORE; streams FETCH lines of what changed.
    Store {
        /// Messages.
        set: SequenceSet,
        /// UID STORE.
        uid: bool,
        /// Add, remove, replace.
        op: StoreOp,
        /// `.SILENT`
        silent: bool,
        /// Flags.
        flags: Flags,
        /// UNCHANGEDSINCE
        unchanged_since: Option<ModSeq>,
    },
    /// COPY or MOVE.
    Copy {
        /// Messages.
        set: SequenceSet,
        /// UID COPY, UID MOVE.
        uid: bool,
        /// Target.
        mailbox: String,
        /// MOVE.
        remove: bool,
    },
    /// EXPUNGE, or UID EXPUNGE of a set.
    Expunge {
        /// Uids.
        uids: Option<SequenceSet>,
    },
    /// SEARCH; may be asked for more (progress, RFC 9585).
    Search {
        /// The program.
        key: SearchKey,
        /// UID SEARCH.
        uid: bool,
        /// Return options.
        returns: SearchReturn,
    },
    /// ESEARCH over several mailboxes (RFC 7377); an ESEARCH line for each in which something is
    /// found.
    MultiSearch {
        /// Where.
        sources: Vec<MailboxFilter>,
        /// The program.
        key: SearchKey,
        /// Return options.
        returns: SearchReturn,
    },
    /// SORT (RFC 5256); may be asked for more.
    Sort {
        /// The order, the first key of which counts first; one at least.
        order: Vec<SortKey>,
        /// The program.
        key: SearchKey,
        /// UID SORT.
        uid: bool,
        /// Return options (RFC 5267 §3).
        returns: SearchReturn,
    },
    /// NOTIFY SET, or NONE (RFC 5465). Answered by done, after
    /// [`Session::notify`](crate::Session::notify).
    Notify(Option<Box<NotifySet>>),
    /// GETACL, LISTRIGHTS or MYRIGHTS (RFC 4314).
    Acl {
        /// The mailbox.
        mailbox: String,
        /// What of its list.
        query: AclQuery,
    },
    /// SETACL or DELETEACL.
    SetAcl {
        /// The mailbox.
        mailbox: String,
        /// Whom the rights are for; `-` before it takes them away.
        identifier: String,
        /// What to do with them.
        op: RightsOp,
        /// The rights.
        rights: Rights,
    },
    /// UIDBATCHES (RFC 10022); answered by [`Reply::uid_batches`](crate::Reply::uid_batches).
    UidBatches {
        /// Messages of each batch.
        messages: u32,
        /// Numbers of the batches that are wanted, from the newest (1) on; all when absent.
        wanted: Option<(u32, u32)>,
    },
    /// CANCELUPDATE (RFC 5267 §4.3.5): tags of SEARCH and SORT commands with UPDATE. Such a command
    /// is refused with [`Refusal::TagReuse`] if its tag is that of a result kept up to date.
    CancelUpdate(Vec<String>),
    /// THREAD (RFC 5256); may be asked for more.
    Thread {
        /// How.
        algorithm: ThreadAlgorithm,
        /// The program.
        key: SearchKey,
        /// UID THREAD.
        uid: bool,
    },
    /// The streaming effect at hand: go on.
    More,
    /// Tell what is new in the selected mailbox, and of annotations if that is enabled (at the end
    /// of commands, in NOOP, CHECK and IDLE).
    Poll {
        /// Whether EXPUNGE may be told now.
        expunges: bool,
    },
    /// IDLE began or ended: the bridge sends [`wire::Event::News`] meanwhile. Needs no answer.
    Idle(bool),
}

/// Why a command is refused; the machine knows each one's response code (RFC 5530).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refusal {
    /// `[NONEXISTENT]`; of APPEND, COPY, MOVE targets `[TRYCREATE]`.
    NoSuchMailbox,
    /// `[ALREADYEXISTS]`
    MailboxExists,
    /// `[CANNOT]` bad name
    BadName,
    /// `[CANNOT]`
    Cannot,
    /// `[USEATTR]` (RFC 6154 §3)
    UseAttr,
    /// `[OVERQUOTA]`
    OverQuota,
    /// `[TOOBIG]`
    TooBig,
    /// `[LIMIT]`
    Limit,
    /// `[NOPERM]`
    NoPermission,
    /// `[METADATA MAXSIZE n]` (RFC 5464 §4.3)
    MetadataTooBig {
        /// Octets that a value may have.
        octets_max: usize,
    },
    /// `[METADATA TOOMANY]`
    MetadataTooMany,
    /// `[METADATA NOPRIVATE]`
    MetadataNoPrivate,
    /// `[READ-ONLY]`
    ReadOnly,
    /// `[EXPUNGEISSUED]`
    ExpungeIssued,
    /// `[UNKNOWN-CTE]` (RFC 3516)
    UnknownCte,
    /// `[NOTSAVED]`-like: `$` names nothing that was saved.
    NotSaved,
    /// BAD: the tag is that of a result that is kept up to date (RFC 5267 §4.3).
    TagReuse,
    /// The identifier of a list of rights names nobody (RFC 4314).
    NoSuchIdentifier,
    /// `[MESSAGELIMIT n]` (RFC 9738 §3.2): more messages than one command may take.
    MessageLimit(u32),
    /// A message without an octet.
    Empty,
    /// `[BADURL …]` (RFC 4469 §4.1)
    BadUrl,
    /// `[NONEXISTENT]`: the message to be replaced is not there (RFC 8508 §3.2).
    NoSuchMessage,
    /// `[UNAVAILABLE]`: the store failed.
    Unavailable,
    /// `[SERVERBUG]`
    Bug,
}

/// End of an effect that streams or has nothing to tell.
#[derive(Clone, PartialEq, Debug)]
pub enum Done {
    /// Ask [`Effect::More`] for the rest.
    More,
    /// `OK`, with a response code's inside if any (`COPYUID 1 2 3`, `MODIFIED 4`,
    /// `HIGHESTMODSEQ 9`).
    Ok(Option<String>),
    /// `NO`.
    No(Refusal),
}

/// Messages were appended.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Appended {
    /// UIDVALIDITY of the mailbox.
    pub uid_validity: UidValidity,
    /// New Uids in the order of the messages.
    pub uids: Vec<Uid>,
    /// HIGHESTMODSEQ of the selected mailbox after REPLACE.
    pub highest_modseq: Option<ModSeq>,
}

/// What SELECT found.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Selected {
    /// As the machine writes it in `* LIST` for rev2.
    pub mailbox: String,
    /// Messages.
    pub exists: u32,
    /// Recent messages.
    pub recent: u32,
    /// First unseen message (rev1).
    pub first_unseen: Option<u32>,
    /// UIDVALIDITY
    pub uid_validity: u32,
    /// UIDNEXT
    pub uid_next: u32,
    /// HIGHESTMODSEQ
    pub highest_modseq: u64,
    /// Keywords in use.
    pub keywords: Vec<mail::Keyword>,
    /// MAILBOXID (RFC 8474)
    pub mailbox_id: String,
    /// Selected read-only.
    pub read_only: bool,
    /// Flags that may be changed.
    pub permanent: Permanent,
}
