//! What the machine asks of the world, and what it is told.

use crate::reply::{self, Reply};
use bytes::Bytes;
use mail::Address;

/// Content of a message as MAIL's BODY announces it (RFC 6152, RFC 3030).
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Body {
    /// `7BIT`, also when absent.
    #[default]
    SevenBit,
    /// `8BITMIME`
    EightBit,
    /// `BINARYMIME`: only by BDAT.
    Binary,
}

/// RET of RFC 3461 §4.3.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ret {
    /// The whole message.
    Full,
    /// Its header.
    Headers,
}

/// MAIL.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct MailFrom {
    /// The reverse-path; `None` is `<>`.
    pub path: Option<Address>,
    /// SIZE, octets.
    pub size: Option<u64>,
    /// BODY
    pub body: Body,
    /// SMTPUTF8
    pub utf8: bool,
    /// RET
    pub ret: Option<Ret>,
    /// ENVID, decoded of xtext.
    pub envelope_id: Option<String>,
    /// REQUIRETLS (RFC 8689): it goes over authenticated TLS or nowhere.
    pub require_tls: bool,
    /// HOLDFOR or HOLDUNTIL (RFC 4865).
    pub hold: Option<Hold>,
}

/// When a message is to leave (RFC 4865 §5).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hold {
    /// After so many seconds.
    For(u32),
    /// At this time, in seconds since 1970.
    Until(i64),
}

/// RCPT.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RcptTo {
    /// The forward-path.
    pub path: Address,
    /// NOTIFY as written, checked.
    pub notify: Option<String>,
    /// ORCPT: type and address, decoded of xtext.
    pub original: Option<(String, String)>,
}

/// How a connection introduced itself, for the trace header.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Introduction {
    /// Argument of EHLO, HELO or LHLO.
    pub hello: String,
    /// EHLO rather than HELO.
    pub extended: bool,
    /// What TLS is used.
    pub tls: Option<String>,
    /// Logged in.
    pub authenticated: bool,
}

/// An effect.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Effect {
    /// AUTH. Answered by [`crate::Session::auth`].
    Auth(wire::auth::Ask),
    /// MAIL. Answered by [`crate::Session::done`].
    Mail(MailFrom),
    /// RCPT. Answered by [`crate::Session::done`].
    Recipient(RcptTo),
    /// Content comes: is there room? Answered by [`crate::Session::done`].
    DataBegin(Introduction),
    /// Some content, decoded of dots. Answered by [`crate::Session::done`]; a refusal is kept until
    /// the end and no more content is given.
    Data(Bytes),
    /// That was all: deliver. Answered by [`crate::Session::delivered`].
    DataEnd,
    /// The transaction ended without a message: forget it. Needs no answer.
    Abort,
}

/// Why something is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[allow(missing_docs)]
pub enum Verdict {
    NoSuchUser,
    NoRelay,
    NotSetUp,
    NotYourAddress,
    NotYourFrom,
    /// No From field with an address, or several of them.
    BadFrom,
    /// Several authors without a Sender.
    NoSender,
    RecipientDisabled,
    MailboxFull,
    TooBig,
    Loop,
    /// The author's domain asks that mail which it did not authenticate be refused.
    Unauthenticated,
    /// A scanner or a list says that it is unwanted, or harmful.
    Unwanted,
    /// The sender is asked to come again.
    ComeAgain,
    /// DNS did not answer, and it would have decided.
    Unanswered,
    /// Too much comes from where the client is.
    TooMuch,
    /// The same, because it is new here.
    Greylisted,
    /// The account writes to too many people.
    SendingLimit,
    /// The account may send nothing for now.
    SendingPaused,
    /// It would be held for longer than was announced.
    HoldTooLong,
    /// The disk is full or too much is under way.
    NoRoom,
    /// The store failed.
    TryLater,
}

impl Verdict {
    /// In SMTP's words.
    #[must_use]
    pub const fn reply(self) -> Reply {
        match self {
            Self::NoSuchUser => reply::NO_SUCH_USER,
            Self::NoRelay => reply::NO_RELAY,
            Self::NotSetUp => reply::NOT_SET_UP,
            Self::NotYourAddress => reply::NOT_YOUR_ADDRESS,
            Self::NotYourFrom => reply::NOT_YOUR_FROM,
            Self::BadFrom => reply::BAD_FROM,
            Self::NoSender => reply::NO_SENDER,
            Self::RecipientDisabled => reply::RECIPIENT_DISABLED,
            Self::MailboxFull => reply::MAILBOX_FULL,
            Self::TooBig => reply::TOO_BIG,
            Self::Loop => reply::LOOP,
            Self::Unauthenticated => reply::UNAUTHENTICATED,
            Self::Unwanted => reply::UNWANTED,
            Self::ComeAgain => reply::COME_AGAIN,
            Self::Unanswered => reply::UNANSWERED,
            Self::TooMuch => reply::TOO_MUCH,
            Self::Greylisted => reply::GREYLISTED,
            Self::SendingLimit => reply::SENDING_LIMIT,
            Self::SendingPaused => reply::SENDING_PAUSED,
            Self::HoldTooLong => reply::HOLD_TOO_LONG,
            Self::NoRoom => reply::NO_ROOM,
            Self::TryLater => reply::TRY_LATER,
        }
    }
}
