//! Replies: each a named value with its response code (RFC 2449 §8, RFC 3206) and text.

use crate::effect::Refusal;
use wire::auth;

/// A reply of one line.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    /// `+OK` or `-ERR`.
    pub ok: bool,
    /// Response code, empty where there is none.
    pub code: &'static str,
    /// For people.
    pub text: &'static str,
}

macro_rules! replies {
    ($($(#[$doc:meta])* $name:ident = $ok:ident $code:literal $text:literal;)*) => {
        $($(#[$doc])* pub const $name: Reply = Reply { ok: $ok, code: $code, text: $text };)*
        /// All of them.
        pub const ALL: &[Reply] = &[$($name),*];
    };
}

const OK: bool = true;
const ERR: bool = false;

replies! {
    /// QUIT.
    BYE = OK "" "Bye";
    /// NOOP.
    DONE = OK "" "Done";
    /// USER: whether there is such a user is not told.
    SEND_PASSWORD = OK "" "Send the password";
    /// STLS.
    READY_FOR_TLS = OK "" "Begin TLS negotiation";
    /// UTF8.
    UTF8 = OK "" "UTF-8 mode";
    /// LANG with the only language there is (RFC 6856 §3.2: its tag comes first).
    LANGUAGE = OK "" "en This is the language";
    /// DELE.
    DELETED = OK "" "Message is marked as deleted";
    /// TOP.
    TOP_FOLLOWS = OK "" "Top of the message follows";
    /// A listing.
    LIST_FOLLOWS = OK "" "List follows";

    /// A line that is too long.
    TOO_LONG = ERR "" "Line is too long";
    /// No such command.
    UNKNOWN_COMMAND = ERR "" "Unknown command";
    /// A command's argument.
    SYNTAX = ERR "" "Bad arguments";
    /// Out of order.
    LOGIN_FIRST = ERR "" "Log in first";
    /// Out of order.
    ALREADY_LOGGED_IN = ERR "" "Already logged in";
    /// PASS without USER.
    USER_FIRST = ERR "" "Say USER first";
    /// STLS where there is no TLS.
    NO_TLS = ERR "" "TLS is not available";
    /// STLS twice.
    ALREADY_TLS = ERR "" "TLS is already active";
    /// LANG with another language.
    NO_SUCH_LANGUAGE = ERR "" "No such language";
    /// A number beyond the list.
    NO_SUCH_MESSAGE = ERR "" "No such message";
    /// A message that was marked as deleted.
    IS_DELETED = ERR "" "Message is marked as deleted";
    /// A message that somebody else expunged or moved meanwhile.
    GONE = ERR "" "Message is not in the mailbox any more";
    /// AUTH of an unknown kind.
    UNKNOWN_MECHANISM = ERR "" "Mechanism is not offered";
    /// SASL: base64 or the mechanism's grammar.
    MALFORMED_RESPONSE = ERR "" "Malformed authentication response";
    /// SASL: `*`.
    AUTH_CANCELLED = ERR "" "Authentication cancelled";
    /// A password in clear (RFC 3206 §4: "an attempt to authenticate in violation of policy").
    TLS_FIRST = ERR "AUTH" "No password in clear: use STLS or port 995";
    /// Wrong name or password.
    WRONG_CREDENTIALS = ERR "AUTH" "Wrong user name or password";
    /// Another's account.
    NOT_ALLOWED = ERR "AUTH" "Not allowed to act as that user";
    /// The account is switched off.
    ACCOUNT_DISABLED = ERR "AUTH" "Account is disabled";
    /// The mailbox is locked by another POP3 session (RFC 2449 §8.1.2).
    IN_USE = ERR "IN-USE" "Mailbox is open in another POP3 session";
    /// Too many connections of the account.
    TOO_MANY_CONNECTIONS = ERR "SYS/TEMP" "Too many connections";
    /// The store failed.
    TRY_LATER = ERR "SYS/TEMP" "Temporary failure, try again later";
    /// Damage.
    CANNOT_BE_READ = ERR "SYS/PERM" "Message cannot be read";
    /// QUIT (RFC 1939 §6).
    NOT_REMOVED = ERR "SYS/TEMP" "Some deleted messages were not removed";
    /// Too many errors.
    TOO_MANY_ERRORS = ERR "" "Too many errors, closing connection";
    /// HTTP and the like.
    NOT_POP3 = ERR "" "This is a mail server";
    /// The login was withdrawn: the account is switched off or erased, or the token revoked.
    WITHDRAWN = ERR "AUTH" "Access was withdrawn";
    /// Shutdown.
    GOING_DOWN = ERR "SYS/TEMP" "Server is going down";
}

/// What the peer hears of a refusal.
pub(crate) const fn refusal(refusal: Refusal) -> Reply {
    match refusal {
        Refusal::Gone => GONE,
        Refusal::InUse => IN_USE,
        Refusal::Unavailable => TRY_LATER,
        Refusal::Damaged => CANNOT_BE_READ,
    }
}

/// What the peer hears of a refused login.
pub(crate) const fn login_refusal(refusal: auth::Refusal) -> Reply {
    match refusal {
        auth::Refusal::Credentials => WRONG_CREDENTIALS,
        auth::Refusal::Authorization => NOT_ALLOWED,
        auth::Refusal::Disabled => ACCOUNT_DISABLED,
        auth::Refusal::Unavailable => TRY_LATER,
        auth::Refusal::TooMany => TOO_MANY_CONNECTIONS,
    }
}

#[cfg(test)]
mod tests {
    use super::ALL;

    /// RFC 2449 §3: `single-line = status [SP text] CRLF`, 512 octets in all; §8: a text that
    /// begins with `[` is a code.
    #[test]
    fn grammar() {
        for reply in ALL {
            assert!(!reply.ok || reply.code.is_empty(), "{reply:?}");
            assert!(
                reply.text.bytes().all(|b| (b' '..=b'~').contains(&b)) && !reply.text.is_empty()
            );
            assert!(reply.text.len() + reply.code.len() < 100 && !reply.text.starts_with('['));
            let codes = ["", "AUTH", "IN-USE", "SYS/TEMP", "SYS/PERM"];
            assert!(codes.contains(&reply.code), "{reply:?}");
        }
    }
}
