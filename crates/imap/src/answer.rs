//! Tagged answers as named values: OK, NO or BAD, a response code (RFC 9051 §7.1, RFC 5530) and a
//! short sentence for the peer. One `match` per kind of refusal turns it into words.

use crate::effect::Refusal;

/// OK, NO or BAD.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// It was done.
    Ok,
    /// It was understood and refused.
    No,
    /// It was not understood, or must not come now.
    Bad,
}

/// An answer without its tag.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Answer {
    /// OK, NO or BAD.
    pub kind: Kind,
    /// Inside of the response code; empty for none.
    pub code: &'static str,
    /// Never empty (quirk 18).
    pub text: &'static str,
}

impl Answer {
    /// OK with a text.
    #[must_use]
    pub const fn ok(text: &'static str) -> Self {
        Self { kind: Kind::Ok, code: "", text }
    }
    /// NO with a code and a text.
    #[must_use]
    pub const fn no(code: &'static str, text: &'static str) -> Self {
        Self { kind: Kind::No, code, text }
    }
    /// BAD: the command breaks the grammar, which `text` says.
    #[must_use]
    pub const fn syntax(text: &'static str) -> Self {
        Self { kind: Kind::Bad, code: "", text }
    }
    /// BAD with CLIENTBUG (RFC 5530): right in form, wrong now.
    #[must_use]
    pub const fn client_bug(text: &'static str) -> Self {
        Self { kind: Kind::Bad, code: "CLIENTBUG", text }
    }
    const fn bad(code: &'static str, text: &'static str) -> Self {
        Self { kind: Kind::Bad, code, text }
    }
}

pub const UNKNOWN_COMMAND: Answer = Answer::syntax("Unknown command");
pub const BEFORE_LOGIN: Answer = Answer::client_bug("Log in first");
pub const AFTER_LOGIN: Answer = Answer::client_bug("Already logged in");
pub const NOT_SELECTED: Answer = Answer::client_bug("No mailbox is selected");
pub const UID_REQUIRED: Answer =
    Answer::bad("UIDREQUIRED", "Message numbers are not used once UIDONLY is enabled");
pub const BATCH_TOO_SMALL: Answer = Answer::no("TOOSMALL", "Ask for more messages in each batch");
pub const BAD_EVENT: Answer = Answer::no(
    "BADEVENT (MessageNew MessageExpunge FlagChange MailboxName SubscriptionChange \
     MailboxMetadataChange ServerMetadataChange)",
    "No such event",
);
pub const NOTIFY_OVERFLOW: Answer =
    Answer::no("NOTIFICATIONOVERFLOW", "Too many groups of events in one NOTIFY");
pub const TOO_NESTED: Answer = Answer::bad("LIMIT", "Nested too deeply");
pub const TOO_MANY: Answer = Answer::bad("LIMIT", "Too many items in one command");
pub const LITERAL_TOO_BIG: Answer = Answer::bad("TOOBIG", "Literal is too large");
pub const MESSAGE_TOO_BIG: Answer = Answer::no("TOOBIG", "Message is larger than APPENDLIMIT");
pub const EMPTY_MESSAGE: Answer = Answer::no("", "Empty message: nothing appended");
pub const BAD_URL: Answer = Answer::no("BADURL", "No such URL");
pub const TOO_MANY_MESSAGES: Answer = Answer::no("LIMIT", "Too many messages in one APPEND");
pub const NOT_FUZZY: Answer = Answer::syntax("RELEVANCY needs FUZZY");
pub const PARTIAL_AND_ALL: Answer = Answer::syntax("One PARTIAL or ALL, not both");
pub const BAD_CHARSET: Answer =
    Answer::no("BADCHARSET (US-ASCII UTF-8)", "Only US-ASCII and UTF-8 are known");
pub const PRIVACY_REQUIRED: Answer =
    Answer::no("PRIVACYREQUIRED", "No password in clear: use TLS first");
pub const READ_ONLY: Answer = Answer::no("READ-ONLY", "Mailbox is read-only");
pub const BAD_NAME: Answer = Answer::no("CANNOT", "Not a valid mailbox name");
pub const NO_QUOTA_ROOT: Answer = Answer::no("NONEXISTENT", "No such quota root");
pub const BAD_ENTRY: Answer = Answer::syntax("Not a valid name of an entry");
pub const NO_PERMISSION: Answer = Answer::no("NOPERM", "Not allowed");
pub const UNKNOWN_MECHANISM: Answer = Answer::no("CANNOT", "Mechanism is not offered");
pub const MALFORMED_RESPONSE: Answer = Answer::syntax("Malformed SASL response");
pub const CANCELLED: Answer = Answer::syntax("Authentication cancelled");

/// Words for what the account refused. `target` says that the mailbox was the target of APPEND,
/// COPY or MOVE, so that TRYCREATE may be said (RFC 9051 §6.3.12, §6.4.7).
#[must_use]
pub const fn refused(refusal: Refusal, target: bool) -> Answer {
    match refusal {
        Refusal::NoSuchMailbox if target => Answer::no("TRYCREATE", "No such mailbox"),
        Refusal::NoSuchMailbox => Answer::no("NONEXISTENT", "No such mailbox"),
        Refusal::MailboxExists => Answer::no("ALREADYEXISTS", "Mailbox exists already"),
        Refusal::BadName => BAD_NAME,
        Refusal::Cannot => Answer::no("CANNOT", "This cannot be done"),
        Refusal::UseAttr => Answer::no("USEATTR", "Special use is not available"),
        Refusal::OverQuota => Answer::no("OVERQUOTA", "Quota exceeded"),
        Refusal::TooBig => MESSAGE_TOO_BIG,
        Refusal::Limit => Answer::no("LIMIT", "A limit is reached"),
        Refusal::NoPermission => NO_PERMISSION,
        Refusal::MetadataTooBig { .. } => Answer::no("METADATA MAXSIZE", "Value is too large"),
        Refusal::MetadataTooMany => Answer::no("METADATA TOOMANY", "Too many entries"),
        Refusal::MetadataNoPrivate => {
            Answer::no("METADATA NOPRIVATE", "Private entries are not kept")
        }
        Refusal::ReadOnly => READ_ONLY,
        Refusal::ExpungeIssued => Answer::no("EXPUNGEISSUED", "Some messages are gone"),
        Refusal::UnknownCte => Answer::no("UNKNOWN-CTE", "Unknown transfer encoding"),
        Refusal::NotSaved => Answer::no("NOTSAVED", "No search result is saved"),
        Refusal::TagReuse => Answer::syntax("Tag reuse"),
        Refusal::NoSuchIdentifier => Answer::no("NONEXISTENT", "No such identifier"),
        Refusal::MessageLimit(_) => {
            Answer::no("LIMIT", "Too many messages in one command: try fewer")
        }
        Refusal::Empty => EMPTY_MESSAGE,
        Refusal::BadUrl => BAD_URL,
        Refusal::NoSuchMessage => Answer::no("NONEXISTENT", "No such message"),
        Refusal::Unavailable => Answer::no("UNAVAILABLE", "Try again later"),
        Refusal::Bug => Answer::no("SERVERBUG", "Internal error"),
    }
}

/// The response code of a refusal that says a number.
#[must_use]
pub fn code(refusal: Refusal) -> Option<String> {
    match refusal {
        // RFC 5464 §4.3: "NNN is the maximum octet count that it is willing to accept".
        Refusal::MetadataTooBig { octets_max } => Some(format!("METADATA MAXSIZE {octets_max}")),
        Refusal::MessageLimit(max) => Some(format!("MESSAGELIMIT {max}")),
        _ => None,
    }
}

/// Words for a refused login (RFC 5530 §3).
#[must_use]
pub const fn login_refused(refusal: wire::auth::Refusal) -> Answer {
    use wire::auth::Refusal;
    match refusal {
        Refusal::Credentials => Answer::no("AUTHENTICATIONFAILED", "Wrong user name or password"),
        Refusal::Authorization => {
            Answer::no("AUTHORIZATIONFAILED", "Not allowed to act as that user")
        }
        Refusal::Disabled => Answer::no("CONTACTADMIN", "Account is switched off"),
        Refusal::Unavailable => Answer::no("UNAVAILABLE", "Try again later"),
        Refusal::TooMany => Answer::no("LIMIT", "Too many connections"),
    }
}
